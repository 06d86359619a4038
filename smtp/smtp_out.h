/*
 * Sending mail: a connection to one host, and any number of messages on it.
 *
 * A session like the others (server/base/session.h), but one that begins the
 * conversation: RFC 5321 as its client, with PIPELINING (2920), SIZE (1870),
 * 8BITMIME (6152), SMTPUTF8 (6531), CHUNKING (3030), DSN (3461), STARTTLS
 * (3207), AUTH (4954), REQUIRETLS (8689) and LIMITS (9422) where the host has
 * them. Its owner (smtp/queue.c) dials a host of a route, gives the connection
 * this session, hands it messages one at a time, and is told what became of
 * each recipient.
 *
 * The order of calls, all on the loop's thread:
 *
 *     s = smtp_out_new()      before or after dialling; then the driver's
 *     smtp_out_send(s, m)     at once, or when ops->idle() asks
 *       ops->result(m, i)     exactly once for each recipient of m
 *       ops->idle()           m is the owner's again: send, quit, or wait
 *     smtp_out_quit(s)
 *     ops->ended()            the last; s is gone after it
 *
 * A message that cannot be finished, whatever happens to the connection, gets
 * its results before ended(). No recipient is reported delivered before the
 * host has said 250 to the end of the message (RFC 5321 section 4.2.5), and
 * none is reported failed for good because a connection broke.
 *
 * A hostile host: replies are capped and made safe (reply_parse.h), every
 * answer has the deadline of RFC 5321 section 4.5.3.2, message data has to
 * flow at OUT_RATE_BYTES in OUT_RATE_MS, and one message has OUT_MESSAGE_MS.
 */
#ifndef SMTP_SMTP_OUT_H
#define SMTP_SMTP_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/session.h"

struct queue_mail;	/* store/queue.h */
struct tls_want;	/* server/base/dial.h */

/* RFC 5321 section 4.5.3.2, milliseconds. */
#define OUT_GREETING_MS (5 * 60 * 1000)
#define OUT_HELLO_MS (5 * 60 * 1000)	/* EHLO, STARTTLS, AUTH, RSET */
#define OUT_MAIL_MS (5 * 60 * 1000)
#define OUT_RCPT_MS (5 * 60 * 1000)
#define OUT_DATA_MS (2 * 60 * 1000)	/* until 354 */
#define OUT_BLOCK_MS (3 * 60 * 1000)	/* while data does not flow */
#define OUT_END_MS (10 * 60 * 1000)	/* after the dot */
/* Ours: TLS, QUIT, and a connection that waits for a message. */
#define OUT_TLS_MS (60 * 1000)
#define OUT_QUIT_MS (10 * 1000)
#define OUT_IDLE_MS (10 * 1000)

/* A host that drips is cut: a floor under what the deadlines allow. */
#define OUT_RATE_MS (60 * 1000)
#define OUT_RATE_BYTES (16 * 1024)	/* of message data, each OUT_RATE_MS */
#define OUT_REPLY_MS (60 * 1000)	/* one reply, from first byte to last */

#define OUT_TEXT_MAX 480	/* bytes of a reply that a result keeps */
#define OUT_HOST_MAX 255
#define OUT_RCPTS_MAX 100	/* of one transaction; RFC 5321 4.5.3.1.8 */

enum out_status {
	OUT_DELIVERED,		/* 2xx: the host answers for it now */
	OUT_TEMPORARY,
	OUT_FAILED		/* for good */
};

/* How far a result other than OUT_DELIVERED reaches. */
enum out_scope {
	OUT_SCOPE_RCPT,		/* this recipient here: another host of the
				   route would say the same */
	OUT_SCOPE_MESSAGE,	/* this message; others may go on here */
	OUT_SCOPE_HOST		/* this host, now: try the next of the route
				   (RFC 5321 section 5.1) */
};

/*
 * What went wrong where TLS was asked for: for TLS reports (RFC 8460) and for
 * the owner, who may dial once more without TLS where the route allows it.
 */
enum out_tls_fault {
	OUT_TLS_FINE,
	OUT_TLS_NOT_OFFERED,	/* no STARTTLS in EHLO */
	OUT_TLS_REFUSED,	/* STARTTLS was answered with an error */
	OUT_TLS_BROKEN		/* the handshake failed: peer.tls_fault */
};

/* Borrowed for the call; text is safe to log and to put into a DSN. */
struct out_result {
	enum out_status status;
	enum out_scope scope;
	unsigned code;		/* "550"; 0: no reply, the fault is ours */
	char enhanced[12];	/* "5.1.1", theirs or fitting code; never "" */
	const char *text;	/* their words or ours, one line of UTF-8 */
	const char *host;	/* as in smtp_out_params */
	const char *addr;	/* "192.0.2.1" */
	const char *tls;	/* "TLSv1.3", "" without */
	enum out_tls_fault tls_fault;
	/* RFC 3461 section 5.2.2: the host takes over what DSNs were asked
	 * for. False: "relayed" is for the owner to say. */
	bool takes_dsn;
};

struct out_owner;

struct out_owner_ops {
	/* Of m->rcpts[rcpt]. */
	void (*result)(struct out_owner *, const struct queue_mail *m,
	    size_t rcpt, const struct out_result *);
	/* Ready for a message; also before the first. */
	void (*idle)(struct out_owner *);
	/*
	 * The session ends; do not use it any more. why tells what the host
	 * did where no message has: status OUT_DELIVERED is an end in peace.
	 */
	void (*ended)(struct out_owner *, const struct out_result *why);
};

struct out_owner {
	const struct out_owner_ops *ops;
};

enum out_tls {
	OUT_TLS_NEVER,
	OUT_TLS_MAY,		/* where it is offered; a failed handshake is
				   for the owner to dial again without */
	OUT_TLS_MUST		/* or nothing is sent */
};

/* Copied by smtp_out_new. */
struct smtp_out_params {
	const char *host;	/* A-labels, or "[192.0.2.1]" */
	enum out_tls tls;
	/* What the handshake must satisfy; borrowed until ended(). NULL with
	 * OUT_TLS_NEVER alone. */
	const struct tls_want *tls_want;
	const char *user;	/* NULL: no AUTH */
	const char *password;
};

/* Returns an owned session; the driver sets peer, out, driver and starts. */
struct session *smtp_out_new(struct env *env,
    const struct smtp_out_params *params, struct out_owner *owner);

/*
 * Gives the session its next message: before start(), inside idle(), or after
 * idle() while it waits. It goes to all of m->rcpts, at most
 * smtp_out_rcpts_max() of them. m is borrowed, and stays as it is, until
 * idle() or ended() is called. Its bytes are read as rjob_messages reads
 * m->body (store/read.h).
 */
void smtp_out_send(struct session *s, const struct queue_mail *m);

/*
 * How many recipients the next message may have, and how many messages the
 * host takes on this connection still (RFC 9422 section 4). Known in idle().
 */
size_t smtp_out_rcpts_max(const struct session *s);
size_t smtp_out_messages_left(const struct session *s);

/* No more messages: QUIT, as soon as the one at hand is over. */
void smtp_out_quit(struct session *s);

#endif
