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
#include "server/base/env.h"
#include "server/base/session.h"
#include "store/hub.h"
#include "store/store.h"
#include "tests/zone.h"

#define WORLD_HOST "mail.example.org"
#define WORLD_DOMAIN "example.org"
#define WORLD_START_S 1714557600	/* 2024-05-01T10:00:00Z */

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
};

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

/* Starts a session as if a peer at addr had connected. */
struct client *client_open(struct world *w, const struct session_maker *m,
    const char *addr, bool tls);
void client_send(struct client *c, const char *p, size_t len);
/* As if the peer had hung up. */
void client_close(struct client *c);

#endif
