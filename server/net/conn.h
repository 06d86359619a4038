/*
 * A connection: drives one session over a socket.
 *
 * Keeps the contract of server/base/session.h: input buffer, output queue
 * with watermarks, deadlines, STARTTLS, the end. An idle connection holds no
 * buffers: reading and writing borrow the loop's, and only what the session
 * leaves unconsumed or the peer leaves unread is kept.
 *
 * It ends itself: when the session wants to close, the peer has gone, a
 * deadline of output or handshake has passed, or conns_close is called.
 *
 * Thread: the loop's.
 */
#ifndef SERVER_NET_CONN_H
#define SERVER_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/base/dial.h"
#include "server/base/env.h"
#include "server/base/session.h"
#include "server/net/conn_limits.h"
#include "server/net/loop.h"
#include "server/net/tls.h"

#define CONN_INPUT_MAX (64u * 1024)	/* unconsumed; then reading stops */
/*
 * The same for a peer who has not logged in, and his SESSION_OUT_HIGH: all
 * that there may be of them do not fill the memory. The longest line of a
 * log-in has room in it, and so has a record of TLS.
 */
#define CONN_STRANGER_INPUT_MAX (32u * 1024)
#define CONN_STRANGER_OUT_HIGH (16u * 1024)
#define CONN_STALL_MS 60000	/* output that does not move: closed */
#define CONN_HANDSHAKE_MS 30000	/* for a TLS handshake */
#define CONN_LINGER_MS 2000	/* waiting for the peer's end after ours */

enum service_tls {
	SERVICE_PLAIN,		/* never */
	SERVICE_STARTTLS,	/* when the session asks (WANT_TLS) */
	SERVICE_IMPLICIT	/* from the first byte */
};

/* Who is at the other end of a local socket (SO_PEERCRED). */
struct conn_cred {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

/*
 * What a listener offers. Owned by the server, outlives its listeners and
 * connections, one each for a port or several of a kind.
 */
struct service {
	const char *name;		/* "imap"; for logs */
	struct session_maker maker;
	enum service_tls tls_mode;
	/* Swapped by service_set_tls; a reference. NULL only when PLAIN. */
	struct tls_config *tls;
	/*
	 * What an unwelcome peer is told before the socket is closed, with
	 * its CRLF ("421 4.7.0 Too many connections\r\n"); not sent where TLS
	 * is implicit. NULL: nothing.
	 */
	const char *busy_line;
	/*
	 * For AF_UNIX: whether this peer may come in; NULL: everybody may.
	 * Local connections are free of all limits and not in the total.
	 */
	bool (*admit)(const struct service *, const struct conn_cred *);
	/* 0: CONN_STALL_MS, CONN_HANDSHAKE_MS */
	int64_t stall_ms;
	int64_t handshake_ms;
};

/*
 * Uses cfg for connections from now on; takes a reference, drops the old
 * one's. cfg may be NULL to let go.
 */
void service_set_tls(struct service *s, struct tls_config *cfg);

/*
 * Starts a connection on a connected, non-blocking socket; takes fd. The
 * session is made and started at once, or after the handshake where TLS is
 * implicit. hold is what limit_enter gave; moved.
 */
void conn_start(struct loop *loop, struct env *env, struct service *service,
    struct conn_limits *limits, int fd, struct limit_hold *hold);

/*
 * Connects s to an address and drives it: struct dialer has the contract.
 * service lends name and TLS; nothing is counted in limits, which has the
 * list. Returns 0, and s is taken; or ERR_IO, without a socket for it.
 */
int conn_dial(struct loop *loop, struct env *env, struct service *service,
    struct conn_limits *limits, const struct dial_to *to, struct session *s);

/*
 * Tells every session why it is to say goodbye (session_ops.stop) and lets
 * each end by itself; connections without a session are closed. Happens
 * before the loop waits again, not during the call; limits->empty is called
 * when the last one has gone.
 */
void conns_stop(struct conn_limits *limits, enum stop_reason reason);

/* The same, but closes every one, whatever is unsent. */
void conns_close(struct conn_limits *limits);

#endif
