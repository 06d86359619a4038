/*
 * The receiving session from inside: shared by smtp_*.c alone.
 *
 * A command runs in steps (run, then done for each op that it waits for).
 * While it waits nothing is read. What a step needs of the command line is in
 * the arena, because the line is gone when done() comes.
 */
#ifndef SMTP_SMTP_PRIV_H
#define SMTP_SMTP_PRIV_H

#include "server/base/arena.h"
#include "server/base/list.h"
#include "smtp/deliver.h"
#include "smtp/message.h"
#include "smtp/policy.h"
#include "smtp/smtp_in.h"
#include "smtp/smtp_parse.h"
#include "smtp/smtp_reply.h"
#include "store/account.h"
#include "store/hub.h"

#define SMTP_ID_BYTES 8		/* of a message's id, written as hex */

/* Who eats the next byte. */
enum smtp_mode {
	MODE_COMMAND,
	MODE_SASL,		/* a line of a log-in */
	MODE_SKIP,		/* the rest of a line that is too long */
	MODE_DATA,
	MODE_BDAT
};

/* Where the session stands; bits, for the table. */
enum smtp_state {
	ST_NEW = 1,		/* no EHLO yet */
	ST_READY = 2,
	ST_MAIL = 4,		/* a sender */
	ST_RCPT = 8,		/* and at least one recipient */
	ST_CHUNKS = 16,		/* and a part of the message, by BDAT */
	ST_ANY = 31
};

enum smtp_step {
	STEP_DONE,		/* replied, or the mode has been changed */
	STEP_WAIT,		/* an op is out */
	STEP_DELAY,		/* a log-in waits for its time */
	STEP_TLS,
	STEP_CLOSE
};

enum smtp_verb_flag {
	V_LOGIN = 1,		/* submission: only when logged in */
	V_SUBMISSION = 2,	/* there alone */
	V_SECRET = 4,		/* arguments are never logged */
	V_MESSAGE = 8,		/* a refusal is one of a message */
	V_PAYLOAD = 16		/* bytes follow it that are no command */
};

struct smtp_in;

struct smtp_verb {
	const char *name;
	unsigned states;
	unsigned flags;
	enum smtp_reply_id (*parse)(struct cursor *,
	    const struct smtp_grammar *, struct smtp_args *);
	enum smtp_step (*run)(struct smtp_in *);
	enum smtp_step (*done)(struct smtp_in *, struct op *);
};

/* RFC 5321 section 3.3: one mail transaction. */
struct smtp_txn {
	struct arena arena;
	char id[2 * SMTP_ID_BYTES + 1];
	struct span from;		/* as text; "" for null */
	bool is_utf8;
	bool is_binary;			/* BODY=BINARYMIME */
	uint64_t size;			/* declared; 0: not */
	bool is_requiretls;
	int priority;
	enum queue_ret ret;
	struct span envid;		/* xtext; "" without */
	struct rcpt *rcpts;		/* malloc */
	size_t rcpt_count;
	/* What DATA gets if no recipient was accepted; R_NONE: no RCPT. */
	enum smtp_reply_id no_rcpts;
	bool has_failed;		/* only RSET helps */
	struct submit_facts submit;
	struct message message;
	struct span signature;		/* DKIM-Signature fields, or "" */
};

struct smtp_in {
	struct session s;		/* first */
	const struct smtp_settings *settings;
	enum smtp_mode mode;
	enum smtp_mode skip_to;		/* the mode after MODE_SKIP */
	enum smtp_state state;
	const struct smtp_verb *verb;	/* running, NULL: none */
	struct smtp_args args;		/* of the running command */
	struct arena arena;		/* of the running command */
	bool is_busy;			/* an op is out */
	enum smtp_reply_id stop;	/* say this and close, once not busy */
	char hello[SMTP_HELLO_MAX + 1];	/* "" before EHLO */
	bool is_esmtp;
	struct login login;
	struct hub_watch watch;
	struct smtp_txn txn;
	size_t skipped;			/* bytes of the line too long */
	uint64_t chunk_left;		/* BDAT */
	enum smtp_reply_id chunk_fault;	/* the chunk is only read off */
	int finish_step;		/* smtp_data.c's own */
	unsigned errors, unknown, refusals, messages;
	bool has_tried_auth;		/* lines may hold a password */
	int64_t end_ms;			/* of the session, if no data came */
	int64_t data_since_ms;		/* when data began; 0: not now */
	uint64_t window_bytes;		/* of data since the last look */
};

static inline bool
smtp_is_submission(const struct smtp_in *s)
{
	return s->settings->service == SMTP_SUBMISSION;
}

/* smtp_verbs.c: NULL if there is none. */
const struct smtp_verb *smtp_verb_find(struct span name);
/* The i-th of the table, NULL past the end. */
const struct smtp_verb *smtp_verb_at(size_t i);

/* smtp_in.c */

/*
 * Replies, counts, logs refusals. smtp_reply_with says it in other words;
 * bytes of a peer's in them are made harmless.
 */
void smtp_reply(struct smtp_in *s, enum smtp_reply_id id);
void smtp_reply_with(struct smtp_in *s, enum smtp_reply_id id,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void smtp_reply_verdict(struct smtp_in *s, const struct verdict *v);
/* Whether it may submit although nobody has logged in. */
bool smtp_is_relay(const struct smtp_in *s);
/* Which parameters of MAIL and RCPT are known here: enum smtp_params. */
unsigned smtp_params(const struct smtp_in *s);
/* "smtp" or "submission", for the log. */
const char *smtp_area(const struct smtp_in *s);
/* What should have come before the running command. */
enum smtp_reply_id smtp_wrong_state(const struct smtp_in *s);
/* Forgets the transaction; the state is ST_READY, if it was not ST_NEW. */
void smtp_reset(struct smtp_in *s);
/* Message data begins and ends: another clock runs. */
void smtp_begin_data(struct smtp_in *s);
void smtp_end_data(struct smtp_in *s);

/* smtp_hello.c */
enum smtp_step smtp_run_helo(struct smtp_in *s);
enum smtp_step smtp_run_ehlo(struct smtp_in *s);
enum smtp_step smtp_run_help(struct smtp_in *s);
enum smtp_step smtp_run_noop(struct smtp_in *s);
enum smtp_step smtp_run_quit(struct smtp_in *s);
enum smtp_step smtp_run_rset(struct smtp_in *s);
enum smtp_step smtp_run_vrfy(struct smtp_in *s);
enum smtp_step smtp_run_starttls(struct smtp_in *s);
enum smtp_step smtp_run_missing(struct smtp_in *s);
enum smtp_step smtp_run_stranger(struct smtp_in *s);

/* smtp_auth.c */
enum smtp_step smtp_run_auth(struct smtp_in *s);
/* What a step of the log-in asks for. */
enum smtp_step smtp_login_step(struct smtp_in *s, enum login_step step);

/* smtp_mail.c */
enum smtp_step smtp_run_mail(struct smtp_in *s);
enum smtp_step smtp_done_mail(struct smtp_in *s, struct op *op);
enum smtp_step smtp_run_rcpt(struct smtp_in *s);
enum smtp_step smtp_done_rcpt(struct smtp_in *s, struct op *op);

/* smtp_sign.c */

/* Whether a recipient is elsewhere. */
bool smtp_leaves(const struct smtp_txn *t);
/* Asks for the keys; false: nothing is to be signed. */
bool smtp_sign_begin(struct smtp_in *s);
/* They are here: signs, or is not waiting for it without any. Takes op. */
int smtp_sign_keys(struct smtp_in *s, struct op *op, bool *is_waiting);
/* It is signed: txn.signature. Takes op. */
int smtp_sign_done(struct smtp_in *s, struct op *op);

/* smtp_data.c */
enum smtp_step smtp_run_data(struct smtp_in *s);
enum smtp_step smtp_run_bdat(struct smtp_in *s);
enum smtp_step smtp_done_data(struct smtp_in *s, struct op *op);
/* Bytes in MODE_DATA and MODE_BDAT: sets *step, returns those consumed. */
size_t smtp_data_input(struct smtp_in *s, const char *p, size_t len,
    enum smtp_step *step);
size_t smtp_bdat_input(struct smtp_in *s, const char *p, size_t len,
    enum smtp_step *step);

#endif
