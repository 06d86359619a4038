/*
 * A message on its way in: header held until its end, then the spool.
 *
 * The bytes that DATA or BDAT carries pass through dots.h into here. The
 * header, up to SMTP_HEADER_MAX, stays in memory (charged to the budget) until
 * it is whole: what the policies ask is read from it then, and submission
 * rewrites it (submit.h) before the first byte reaches the store. Then all
 * goes to the spool, with a pause whenever that is full.
 *
 * A fault ends nothing: the rest of the message is read and dropped, and the
 * first fault is the answer at its end.
 *
 * Thread: the loop's.
 */
#ifndef SMTP_MESSAGE_H
#define SMTP_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/dkim.h"
#include "server/base/arena.h"
#include "server/base/session.h"
#include "smtp/dots.h"
#include "smtp/smtp_reply.h"
#include "smtp/submit.h"
#include "store/spool.h"

/* RFC 5321 section 6.3 asks for a loop limit of 100 or so; LIMITS: 50. */
#define SMTP_RECEIVED_MAX 50
#define SMTP_HEADER_MAX (1024u * 1024)
#define SMTP_DELIVERED_TO_MAX 100	/* fields looked at */

struct message {
	struct session *session;	/* owns the stage ops */
	uint64_t size_limit;
	const struct submit_facts *submit;	/* NULL: header as it is */
	struct dots dots;
	bool in_head;			/* the blank line is not there yet */
	bool is_finished;		/* spool_finish has been called */
	struct buf head;		/* held back; then on its way out */
	size_t head_seen;		/* looked through for the blank line */
	size_t head_sent;		/* given to the spool */
	size_t head_charged;		/* to the budget */
	struct spool *spool;		/* NULL: given up or given away */
	uint64_t size;			/* bytes of text so far */
	enum smtp_reply_id fault;	/* R_NONE: none */
	/* Learned from the header; memory is in arena. */
	struct arena arena;
	unsigned received_count;
	bool is_tls_optional;	/* TLS-Required: No (RFC 8689 section 3) */
	struct span *delivered_to;	/* values, unfolded */
	size_t delivered_to_count;
	struct submit_senders senders;
	/* For a signature, see message_sign. */
	struct dkim_signer *signer;	/* NULL: none, or taken */
	struct buf signed_head;	/* the header as it leaves */
	size_t signed_charged;
};

/*
 * Begins. submit is borrowed until message_release; NULL on port 25. is_stuffed:
 * DATA, not BDAT.
 */
void message_init(struct message *m, struct session *s, uint64_t size_limit,
    const struct submit_facts *submit, bool is_stuffed);

/*
 * Frees what is left. Stage requests still out are disowned: the store
 * sweeps what they wrote. Legal on a zeroed struct and twice.
 */
void message_release(struct message *m);

/*
 * The message will be signed (auth/dkim.h): before the first text. Its header
 * is kept, its body hashed while it passes.
 */
void message_sign(struct message *m);

/* Adds text out of dots_next. May leave stage requests out. */
void message_add(struct message *m, struct span text);

/* The first fault counts. */
void message_fail(struct message *m, enum smtp_reply_id fault);

/* No text may be added until a stage request has come home. */
bool message_is_blocked(const struct message *m);

/* A stage request has come home (SPOOL_OP_TAG). Takes op. */
void message_staged(struct message *m, struct op *op);

/*
 * After the last text: finishes header and spool. Returns true when done or
 * failed; false: call again when a stage request has come home.
 */
bool message_finish(struct message *m);

#endif
