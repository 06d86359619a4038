/*
 * A session: all a driver knows about a front-end.
 *
 * Bytes in, bytes out, requests out, completions in. A session never sees a
 * socket, a handle, SQL or a thread, and never calls its driver: after each
 * call into it the driver looks at out, want and deadline_ms and acts. conn.c
 * (sockets) and tests/driver.c (byte arrays) are the two drivers.
 *
 * Rules that drivers keep:
 *  - input() is called only while want is WANT_INPUT, with everything that
 *    has been read and not been consumed. It consumes a prefix; it is called
 *    again at once while it consumes and still wants input. Consuming nothing
 *    means "more bytes are needed first".
 *  - while want is WANT_PAUSE nothing is fed: the session waits for an op.
 *  - WANT_TURN: turn() is called in a later turn of the loop, after others.
 *  - WANT_TLS: what was read and not consumed is thrown away (RFC 3207
 *    section 4.2), out is flushed, the handshake is made, then secured() is
 *    called. A failed handshake ends the session. On a connection that we
 *    made, tls_want says what the handshake must satisfy.
 *  - WANT_DEFLATE: out is flushed, then both directions are compressed and
 *    deflated() is called; what was read and not consumed is taken as
 *    compressed. The session has charged SESSION_DEFLATE_MEMORY to the budget.
 *  - WANT_PLAIN: out is flushed, then neither is compressed any more, and
 *    deflated() is called.
 *  - WANT_DRAIN: like WANT_PAUSE until out is below the low-water mark, then
 *    drained() is called.
 *  - WANT_CLOSE: out is flushed, the connection closed, end() called.
 *  - timeout() is called once when deadline_ms has passed (the driver sets
 *    deadline_ms to 0 before it calls).
 *  - end() is the last call; ops still out are disowned by the driver.
 *
 * Thread: every session belongs to one loop and is touched by no other.
 */
#ifndef SERVER_BASE_SESSION_H
#define SERVER_BASE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/list.h"
#include "server/base/op.h"

struct changeset;
struct env;
struct session;
struct tls_want;	/* server/base/dial.h */

enum want {
	WANT_INPUT,
	WANT_PAUSE,
	WANT_TURN,
	WANT_DRAIN,
	WANT_TLS,
	WANT_DEFLATE,
	WANT_PLAIN,
	WANT_CLOSE
};

/* Output above: stop producing (FETCH yields). Below low: drained(). */
#define SESSION_OUT_HIGH (256u * 1024)
#define SESSION_OUT_LOW  (64u * 1024)

/* What compression costs a driver for a connection, at most. */
#define SESSION_DEFLATE_MEMORY (48u * 1024)

/* Why a session is told to say goodbye. */
enum stop_reason {
	STOP_SHUTDOWN,		/* the server ends: 421, BYE */
	STOP_OVERLOAD		/* too many connections or no memory */
};

struct session_ops {
	const char *name;	/* "imap"; for logs */
	void (*start)(struct session *);	/* greet, or dial-out hello */
	size_t (*input)(struct session *, const char *p, size_t len);
	void (*done)(struct session *, struct op *);	/* takes the op */
	void (*changed)(struct session *, struct changeset *);	/* borrowed */
	void (*turn)(struct session *);
	void (*drained)(struct session *);
	void (*secured)(struct session *);	/* TLS is on now */
	void (*deflated)(struct session *);	/* compression is on, or off */
	void (*timeout)(struct session *);
	void (*stop)(struct session *, enum stop_reason);
	void (*end)(struct session *);		/* frees everything */
};

#define ADDR_TEXT_MAX 64	/* "IPv6:..." and a zone, with room */
#define CHANNEL_BINDING_MAX 64

/* What a server's certificate was verified by, on a connection we made. */
enum tls_verified { TLS_UNVERIFIED, TLS_BY_PKIX, TLS_BY_DANE };

/* Why it was not: the kinds that RFC 8460 section 4.3 tells apart. */
enum tls_fault {
	TLS_FAULT_NONE,
	TLS_FAULT_HOST,		/* it is for other names */
	TLS_FAULT_EXPIRED,	/* or not yet valid */
	TLS_FAULT_UNTRUSTED,	/* no chain to what we trust */
	TLS_FAULT_TLSA,		/* none of the TLSA records fits */
	TLS_FAULT_OTHER		/* the handshake failed for other reasons */
};

#define FAILURE_TEXT_MAX 160

/* Who is at the other end. Filled by the driver before start()/secured(). */
struct peer {
	char addr[ADDR_TEXT_MAX];	/* "192.0.2.1", "2001:db8::1"; "local" */
	unsigned char net[16];		/* IPv4-mapped, or IPv6 cut to its /64 */
	uint16_t port;
	char local_addr[ADDR_TEXT_MAX];
	uint16_t local_port;
	bool is_loopback;
	bool is_exempt;			/* in limits_exempt */
	bool has_tls;
	char tls_version[16];		/* "TLSv1.3" */
	char tls_cipher[64];
	char sni[256];			/* "" when none was sent */
	/* RFC 9266; 32 bytes with TLS 1.3, else none. */
	unsigned char exporter[CHANNEL_BINDING_MAX];
	size_t exporter_len;
	/* RFC 5929 section 4: hash of our certificate. */
	unsigned char endpoint[CHANNEL_BINDING_MAX];
	size_t endpoint_len;
	/* Of connections that we made: */
	enum tls_verified tls_verified;
	enum tls_fault tls_fault;
	/*
	 * Why it ended although the session did not want it to, set before
	 * end(): ERR_TIMEOUT, ERR_IO, ERR_CLOSED (the peer's end), ERR_TLS,
	 * ERR_BUSY; 0: it wanted to. failure_text says it in plain words.
	 */
	int failure;
	char failure_text[FAILURE_TEXT_MAX];
};

/* What the driver wants to hear; filled by the driver. */
struct session_driver {
	/* Something outside input() has run: look at out, want, deadline. */
	void (*ready)(struct session *);
};

struct session {
	const struct session_ops *ops;
	struct env *env;		/* all it may use */
	struct peer peer;
	struct buf *out;		/* append replies here; driver's */
	enum want want;
	int64_t deadline_ms;		/* env clock, monotonic; 0: none */
	struct list ops_out;		/* ops it waits for */
	const struct session_driver *driver;
	/* For WANT_TLS on a connection that we made; borrowed. */
	const struct tls_want *tls_want;
	/* The account logged in, 0 before. For limits and for the hub. */
	uint64_t account;
};

/* Sets the common part: no deadline, WANT_INPUT, nothing out. */
void session_init(struct session *s, const struct session_ops *ops,
    struct env *env);

/*
 * Called by drivers before end(): ops still out are disowned, and come home
 * to nobody.
 */
void session_disown_ops(struct session *s);

/* Tells s of a commit, then its driver. */
void session_changed(struct session *s, struct changeset *cs);

/*
 * How a service makes its sessions: the settings are the front-end's own
 * struct, immutable. Returns an owned session; the driver sets peer, out and
 * driver, then calls start().
 */
struct session_maker {
	struct session *(*make)(struct env *env, const void *settings);
	const void *settings;
};

#endif
