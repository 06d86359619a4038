/*
 * A whole server without sockets, threads or time: the second driver of
 * sessions beside server/net/conn.c. Wire scripts and session fuzzers use it.
 *
 * A world is an in-memory store in inline mode, a clock that stands still, a
 * seeded generator, and a log that is kept. Client bytes go in by hand and
 * answers are read from a buffer, so a script has one possible course.
 */
#ifndef TESTS_DRIVER_H
#define TESTS_DRIVER_H

#include <stdbool.h>

#include "auth/passwd.h"
#include "auth/throttle.h"
#include "server/base/budget.h"
#include "server/base/clock.h"
#include "server/base/dial.h"
#include "server/base/env.h"
#include "server/base/session.h"
#include "smtp/queue.h"
#include "store/hub.h"
#include "store/store.h"
#include "tests/zone.h"

#define WORLD_HOST "mail.example.org"
#define WORLD_DOMAIN "example.org"
#define WORLD_START_S 1714557600	/* 2024-05-01T10:00:00Z */

struct client;

struct world {
	struct fake_clock clock;
	struct seeded_random random;
	struct log log;
	struct stats stats;
	struct budget budget;
	struct post home;
	struct work work;		/* runs every job at once */
	struct zone zone;		/* what DNS says */
	struct env env;
	struct store *store;
	struct list clients;
	/*
	 * Connections that the server makes. They wait in dials until the
	 * far end is played: by a script, or by dialled, which is called for
	 * each from world_pump and calls client_accept, client_refuse or
	 * neither, as a host does that is not there.
	 */
	struct dialer dialer;
	struct list dials;
	void (*dialled)(struct client *);
	struct queue_settings queue_settings;
	struct queue *queue;		/* world_start_queue */
	struct buf complaints;		/* log lines at warn and above */
	/* Of the message that world_deliver made last. */
	uint64_t last_body, last_size;
	unsigned last_flavour;
};

/* A client at the other end of a session. */
struct client {
	struct list node;
	struct world *world;
	struct session *session;	/* NULL when it has ended */
	struct buf in;			/* sent, not consumed */
	struct buf out;			/* the session's output */
	bool is_closed;
	/* A far end that answers by itself: whether it did anything. */
	bool (*answer)(struct client *);
	struct dial_to to;		/* of one that was dialled */
	bool is_dialling, is_shown;	/* in world.dials; to dialled */
	int64_t dial_end_ms;
};

/* Begins to send what waits in the queue. */
void world_start_queue(struct world *w);

/* The oldest connection under way to this address; NULL: none. */
struct client *world_find_dial(struct world *w, struct span addr);

/* A dialled connection comes about, or does not. */
void client_accept(struct client *c);
void client_refuse(struct client *c);

/* Aborts with a message where the set-up itself fails. */
void world_open(struct world *w);

/*
 * Ends every session, checks the store's consistency and closes. Returns the
 * number of breaches; their sentences are appended to why.
 */
int world_close(struct world *w, struct buf *why);

/* Runs everything that can run: store, completions, sessions. */
void world_pump(struct world *w);

/* Moves the clock and lets deadlines pass in their order. */
void world_advance(struct world *w, int64_t ms);

/* An account named address with the domain made where it is missing. */
void world_add_user(struct world *w, const char *address,
    const char *password);
void world_add_domain(struct world *w, const char *name);
/* target NULL: refused under a catch-all. */
void world_add_alias(struct world *w, const char *address,
    const char *target);
void world_set_disabled(struct world *w, const char *address, bool disabled);

/* Puts message (with CRLFs) into a mailbox of the account. */
void world_deliver(struct world *w, const char *address, const char *mailbox,
    struct span message, uint64_t flags);

/* Runs one slice of a read; the job stays the caller's. */
int world_read(struct world *w, struct rjob *j);

/* Starts a session as if a peer at addr had connected. */
struct client *client_open(struct world *w, const struct session_maker *m,
    const char *addr, bool tls);
void client_send(struct client *c, const char *p, size_t len);
/* As if the peer had hung up. */
void client_close(struct client *c);

#endif
