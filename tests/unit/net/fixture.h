/*
 * A process in small for the tests of server/net: loop, work pool, limits,
 * certificates, and a session that speaks in lines.
 */
#ifndef TESTS_UNIT_NET_FIXTURE_H
#define TESTS_UNIT_NET_FIXTURE_H

#include "server/base/env.h"
#include "server/base/session.h"
#include "server/net/conn.h"
#include "server/net/listener.h"
#include "server/net/loop.h"
#include "server/net/tls.h"
#include "server/net/work.h"
#include "tests/check.h"

struct world {
	struct env env;
	struct stats stats;
	struct log log;
	struct loop *loop;
	struct work_pool *pool;
	struct conn_limits limits;
	struct service service;
	struct certset *certs;
	struct tls_config *client;	/* trusts nobody, asks nobody */
	struct listener *listener;
	uint16_t port;
	/* What the sessions have seen. */
	unsigned started, ended, stopped, timeouts, op_homes, secured;
	size_t max_input, max_out;
	int last_turn;			/* number of the session */
	unsigned turns_in_row, max_turns_in_row;
};

/* Everything but a listener. */
void world_init(struct world *w);

/* A listener on a free port of 127.0.0.1. */
void world_listen(struct world *w, enum service_tls mode);

/* Closes what is open and frees; fails if a session has not ended. */
void world_release(struct world *w);

/* Runs the loop until cond; gives up, and fails, after very long. */
#define UNTIL(w, cond) do { \
		unsigned rounds_ = 0; \
		while (!(cond)) { \
			world_round(w); \
			if (++rounds_ > 30000) \
				fail_msg("waited in vain: %s", #cond); \
		} \
	} while (0)
void world_round(struct world *w);

/* The other end: a socket, and TLS if it has any. */
struct client {
	int fd;
	struct tls *tls;
	struct buf in;		/* plain bytes received, all of them */
	bool has_ended;
	bool has_reset;		/* the server hung up on unread bytes */
};

void client_connect(struct world *w, struct client *c);
/* Makes a handshake, running the loop; returns whether it worked. */
bool client_start_tls(struct world *w, struct client *c, const char *name);
/* Whether all of it went; false when the server does not read it. */
bool client_send(struct world *w, struct client *c, const char *p,
    size_t len);
void client_says(struct world *w, struct client *c, const char *line);
/* Reads what is there, up to max bytes of the network. */
void client_read(struct client *c, size_t max);
bool client_has(struct client *c, const char *text);
void client_close(struct client *c);

/*
 * The session: "hello" at the start, then commands in lines:
 *   ECHO x    x
 *   WAIT      "waited", after a job on a worker
 *   BIG n     n bytes of 'x' in turns of 64 KiB, then "end"
 *   LOGIN n   is account n from now on
 *   DEAD ms   a deadline; "timeout" and the end when it passes
 *   SLOW      waits for a deadline that is far away, and for nothing else
 *   LATE      takes longer than a turn to end, when its deadline has passed
 *   EAT n     consumes nothing until there are n bytes
 *   PEER      what it knows of the peer
 *   STARTTLS  "go", then TLS
 *   DEFLATE   "ok", then compression
 *   PLAIN     "ok", then none any more
 *   QUIT      "bye", and the end
 */
struct session_maker lines_maker(struct world *w);

#endif
