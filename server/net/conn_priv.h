/*
 * The inside of a connection: conn.c has its life, conn_io.c its bytes.
 */
#ifndef SERVER_NET_CONN_PRIV_H
#define SERVER_NET_CONN_PRIV_H

#include <sys/socket.h>

#include "server/base/addr.h"
#include "server/base/dial.h"
#include "server/net/conn.h"
#include "server/net/net_priv.h"

enum conn_state {
	CONN_CONNECT,	/* one of ours, until it is connected */
	CONN_HANDSHAKE,	/* parked until TLS is made */
	CONN_OPEN,	/* the session has its say */
	CONN_FLUSH,	/* the session has gone, its output has not */
	CONN_LINGER,	/* we have ended; the peer has not */
	CONN_CLOSED	/* the handles are being closed */
};

struct handshake;

struct conn {
	struct list by_limits;
	struct session_driver driver;	/* session->driver points here */
	struct loop *loop;
	struct env *env;
	struct service *service;
	struct conn_limits *limits;
	struct limit_hold hold;
	enum conn_state state;
	int fd;
	uv_poll_t poll;
	uv_timer_t timer;
	int poll_events;		/* asked for now */
	unsigned handles;		/* not closed yet */
	struct session *session;	/* NULL before OPEN and at the end */
	struct tls *tls;		/* not ours while handshake is out */
	struct handshake *handshake;	/* the step that a worker makes */
	struct inflater *inflater;	/* NULL: nothing is compressed */
	struct buf packed;		/* compressed bytes unsent */
	struct buf in;			/* plain bytes, from in_used on */
	struct buf out;			/* plain bytes unsent */
	size_t in_used;
	struct loop_task ready;		/* something happened to the session */
	struct loop_task turn;		/* go on after the others */
	uint64_t account;		/* as counted */
	int64_t stall_ms;		/* output must move until; 0: no wait */
	int64_t phase_ms;		/* handshake or lingering ends */
	int64_t retry_ms;		/* submit the handshake step again */
	int64_t timer_ms;		/* when the timer fires; 0: stopped */
	enum stop_reason stop_reason;
	bool must_stop;
	bool must_close;
	bool can_read;		/* the poll says so, not read since */
	bool is_muted;		/* readable, but nobody wants it */
	bool is_blocked;	/* the socket takes no more for now */
	bool is_stuck;		/* the session needs more than in has */
	bool has_eof;		/* the peer has ended */
	bool is_gone;		/* it will send no more; not read so far */
	bool has_received;	/* in this turn */
	bool has_sent;
	bool is_turn;		/* turn() may be called */
	bool has_failed;	/* the socket or TLS is no use any more */
	/* Of connections that we make; their session is there at once. */
	bool is_out;
	bool is_connected;	/* or it has failed: SO_ERROR tells */
	bool has_tls_first;
	int connect_error;	/* errno of connect(); 0: under way, or made */
	bool has_started;	/* start() was called */
	int64_t stall_limit_ms;	/* 0: the service's */
};

/* Unconsumed input. */
static inline struct span
conn_input(const struct conn *c)
{
	return span_make(c->in.p + c->in_used, c->in.len - c->in_used);
}

/* Local connections belong to the one who runs the server. */
static inline bool
conn_is_stranger(const struct conn *c)
{
	return c->account == 0 && c->hold.is_counted;
}

static inline size_t
conn_input_max(const struct conn *c)
{
	return conn_is_stranger(c) ? CONN_STRANGER_INPUT_MAX : CONN_INPUT_MAX;
}

/* With so much unsent the session is asked for nothing more. */
static inline size_t
conn_out_high(const struct conn *c)
{
	return conn_is_stranger(c) ? CONN_STRANGER_OUT_HIGH :
	    SESSION_OUT_HIGH;
}

/* Bytes that have not left yet, plain or encrypted. */
size_t conn_unsent(const struct conn *c);

/*
 * Receives once and, with TLS or compression, leaves what came to conn_refill.
 * Sets has_eof or has_failed.
 */
void conn_receive(struct conn *c);

/*
 * Fills in from the bytes at hand that were encrypted or compressed, up to
 * conn_input_max.
 */
void conn_refill(struct conn *c);

/* Whether bytes from the network are in before they are read (refill). */
static inline bool
conn_is_wrapped(const struct conn *c)
{
	return c->tls || c->inflater;
}

/*
 * Compresses both directions from now on, or stops to; nothing is unsent. The
 * input at hand is of the new kind.
 */
void conn_set_deflate(struct conn *c, bool is_on);

/*
 * Sends what the socket takes. A share of the rest is left for a later turn
 * where encrypting takes long. Sets is_blocked, stall_ms, has_failed.
 */
void conn_send(struct conn *c);

/* Memory for this turn, and back. */
void conn_borrow(struct conn *c);
void conn_return(struct conn *c);

/*
 * A connection that is still to be made on fd, which it takes. NULL if it
 * cannot be polled; then fd is closed.
 */
struct conn *conn_new_out(struct loop *loop, struct env *env,
    struct service *service, struct conn_limits *limits, int fd);

/* Goes on once the socket is connected, or ends. */
void conn_go_connect(struct conn *c);

/*
 * Notes for the session of a connection that we made why it is going to end;
 * the first reason stands. For one that came in, nothing happens.
 */
void conn_fail(struct conn *c, int err, const char *text);
void conn_fail_errno(struct conn *c, int error);

/* Does what state and want allow, after anything has been noted in c. */
void conn_go(struct conn *c);

/* Ends the session and closes, whatever is unsent. */
void conn_close(struct conn *c);

/* Makes and starts the session; must_close if the peer has gone. */
void conn_open_session(struct conn *c);
void conn_end_session(struct conn *c);	/* none is legal */

/* Drops unconsumed input and begins a handshake. 0 or ERR_TLS. */
int conn_start_tls(struct conn *c);
void conn_go_handshake(struct conn *c);
/* Frees c->tls, or leaves that to the worker that has it. */
void conn_drop_tls(struct conn *c);

/* One line about this connection: what happened and why. */
void conn_log(const struct conn *c, const char *event, const char *why);

/*
 * The numeric address of an IPv4 or IPv6 socket address; false for others.
 */
bool net_addr_of(const struct sockaddr_storage *ss, struct addr *a,
    uint16_t *port);

/* Fills the addresses of *peer. Returns 0, or ERR_IO if it has gone. */
int conn_fill_peer(const struct conn *c, struct peer *peer);

#endif
