/*
 * The sending session from inside: shared by smtp_out.c and out_*.c alone.
 *
 * A conversation is a row of phases. In OUT_ENVELOPE commands may be ahead of
 * their answers (RFC 2920): a transaction is a fixed row of commands, and two
 * indices into it say how far we have spoken and heard. Nothing is said that
 * an answer still to come could forbid, but for what pipelining allows.
 *
 * A message with more recipients than the host takes goes in several
 * transactions.
 */
#ifndef SMTP_OUT_PRIV_H
#define SMTP_OUT_PRIV_H

#include "smtp/reply_parse.h"
#include "smtp/smtp_out.h"
#include "store/queue.h"
#include "store/read.h"

enum out_phase {
	OUT_NEW,		/* not connected yet */
	OUT_GREETING,
	OUT_EHLO,
	OUT_HELO,
	OUT_STARTTLS,
	OUT_HANDSHAKE,
	OUT_AUTH,		/* the mechanism has been named */
	OUT_AUTH_USER,		/* LOGIN alone: its two answers */
	OUT_AUTH_PASSWORD,
	OUT_READY,		/* to begin a message, or to ask for one */
	OUT_IDLE,		/* asked */
	OUT_SCAN,		/* the message is read: what does it become? */
	OUT_ENVELOPE,
	OUT_BODY,		/* data is read and sent */
	OUT_CHUNK,		/* a chunk is to be answered before the next */
	OUT_END,		/* the end of the message is to be answered */
	OUT_QUIT,
	OUT_OVER
};

enum out_feature {
	HAS_PIPELINING = 1,
	HAS_SIZE = 2,
	HAS_8BITMIME = 4,
	HAS_SMTPUTF8 = 8,
	HAS_CHUNKING = 16,
	HAS_DSN = 32,
	HAS_STARTTLS = 64,
	HAS_REQUIRETLS = 128,
	HAS_AUTH_PLAIN = 256,
	HAS_AUTH_LOGIN = 512,
	HAS_DELIVERBY = 1024,
	HAS_PRIORITY = 2048,
	HAS_BINARYMIME = 4096
};

/* What EHLO has said; forgotten at STARTTLS (RFC 3207 section 4.2). */
struct out_offer {
	unsigned features;
	uint64_t size_max;		/* 0: none was given */
	unsigned deliverby_min_s;
	size_t rcpts_max, mails_max;	/* RFC 9422 section 4; 0: not given */
	bool is_us;
};

/* What an op that is out is for. */
enum out_tag { OUT_TAG_BODY, OUT_TAG_SCAN, OUT_TAG_KEYS, OUT_TAG_SIGN };

enum out_command { CMD_RSET, CMD_MAIL, CMD_RCPT, CMD_DATA };

/* Where a recipient of the message at hand stands. */
enum out_rcpt_state {
	RCPT_TODO,
	RCPT_ASKED,		/* in this transaction */
	RCPT_TAKEN,		/* the host has said 250 */
	RCPT_REPORTED
};

struct out_txn {
	bool has_rset;		/* RSET comes first */
	bool has_failed;		/* MAIL has; the rest is only heard */
	bool uses_chunks;
	size_t rcpts[OUT_RCPTS_MAX];	/* indices into mail->rcpts */
	size_t rcpt_count;
	size_t taken_count;		/* RCPT_TAKEN */
	size_t sent, heard;	/* commands */
	int64_t end_ms;			/* of the envelope as a whole */
};

struct smtp_out {
	struct session s;		/* first */
	struct out_owner *owner;
	char *host, *user, *password;
	enum out_tls tls;
	enum out_phase phase;
	struct server_reply reply;	/* that comes in, or has just */
	int64_t reply_end_ms;		/* it has until then; 0: none begun */
	struct out_offer offer;
	bool in_idle;			/* ops->idle() is running */
	bool is_quitting;
	bool needs_rset;		/* the last transaction failed */
	size_t mails;			/* transactions on this connection */
	/* The message at hand. */
	const struct queue_mail *mail;	/* NULL: none */
	enum out_rcpt_state *rcpts;	/* mail->rcpt_count of them */
	struct out_txn txn;
	struct rjob_messages *job;	/* held back while we may not send */
	bool is_waiting;		/* an op is out */
	struct out_convert *convert;	/* it does not go as it is; or NULL */
	uint64_t converted_size;
	bool at_line_start;		/* of message data */
	char last[2];			/* bytes of it, for the final CR LF */
	uint64_t put_bytes;		/* message data put into out */
	uint64_t window_bytes;		/* of it that had left at window start */
	/* Why the connection ends, for ended(). */
	struct out_result why;
	char why_text[OUT_TEXT_MAX + 1];
};

/* ---- smtp_out.c ---- */

/* An answer must come within ms. */
void out_wait(struct smtp_out *s, int64_t ms);

/* A result out of the reply that has just come, in its scope. */
void out_result_reply(struct smtp_out *s, struct out_result *r,
    enum out_scope scope);
/* A result of our own; text is constant or outlives r. */
void out_result_own(struct smtp_out *s, struct out_result *r,
    enum out_status status, enum out_scope scope, const char *enhanced,
    const char *text);

/* Reports recipient i, once. */
void out_report(struct smtp_out *s, size_t i, const struct out_result *r);
/* Reports every recipient that has no result yet. */
void out_report_rest(struct smtp_out *s, const struct out_result *r);

/* The connection is of no more use: reports the rest, says QUIT, closes. */
void out_give_up(struct smtp_out *s, const struct out_result *r);
/* The same for a host that does not speak SMTP as it should. */
void out_give_up_confused(struct smtp_out *s, const char *text);

/* The message at hand has its results: the owner's turn. */
void out_end_message(struct smtp_out *s);
void out_say_quit(struct smtp_out *s);

/* ---- out_hello.c ---- */

/* One line of the answer to EHLO. */
void out_hear_offer(struct smtp_out *s, struct span line);
/* The reply is whole, in one of the phases up to OUT_AUTH_PASSWORD. */
void out_hear_hello(struct smtp_out *s);
void out_say_ehlo(struct smtp_out *s);

/* ---- out_mail.c ---- */

/* Begins a transaction for the recipients that are left. */
void out_begin_txn(struct smtp_out *s);
/* It is over: begins the next, or ends the message. */
void out_end_txn(struct smtp_out *s);
/* Reports those of the transaction whom the host has taken. */
void out_report_taken(struct smtp_out *s, const struct out_result *r);
void out_hear_envelope(struct smtp_out *s);

/* ---- out_convert.c ---- */

struct out_convert;

/* Whether the message at hand is sent as BINARYMIME. */
bool out_is_binary(const struct smtp_out *s);
/* Whether the host does not take the message at hand as it is. */
bool out_must_convert(const struct smtp_out *s);
/* Reads it to see what it becomes; then begins the transaction. */
void out_begin_scan(struct smtp_out *s);
/* An op of the scan has come home; takes it. */
void out_convert_done(struct smtp_out *s, struct op *op);
/* Its bytes as they are sent: begin, add each piece, finish. */
void out_convert_begin(struct out_convert *v);
int out_convert_add(struct out_convert *v, struct buf *out,
    const struct read_piece *piece);
void out_convert_finish(struct out_convert *v, struct buf *out);
void out_convert_free(struct out_convert *v);

/* ---- out_data.c ---- */

void out_begin_body(struct smtp_out *s);
/* A slice has been read; takes op. */
void out_body_read(struct smtp_out *s, struct op *op);
/* There is room again. */
void out_body_more(struct smtp_out *s);
void out_hear_body(struct smtp_out *s);
void out_drop_job(struct smtp_out *s);

#endif
