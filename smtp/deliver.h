/*
 * From a message and its recipients to copies in mailboxes.
 *
 * Every copy gets a prefix of its own (Return-Path, Delivered-To, Received),
 * so that no recipient learns of another; the message itself is stored once.
 */
#ifndef SMTP_DELIVER_H
#define SMTP_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/session.h"
#include "smtp/queue.h"
#include "store/mime/digest.h"
#include "store/queue.h"
#include "store/write.h"

/* Where a message came from, for its Received line. */
struct trace {
	const struct peer *peer;
	const char *hello;	/* safe: clean_hello() in smtp_hello.c */
	bool is_esmtp;
	bool is_logged_in;
	bool is_utf8;		/* SMTPUTF8 was asked for */
	const char *hostname;	/* ours */
	const char *id;
	int64_t now_s;
	struct span from;	/* the sender as text, "" for null */
};

/* A recipient as it was accepted. */
struct rcpt {
	struct span address;	/* as text */
	uint64_t *accounts;
	size_t account_count;
	struct span *elsewhere;	/* addresses of other domains */
	size_t elsewhere_count;
	bool is_alias;		/* these are what it leads to */
	unsigned notify;	/* enum queue_notify */
	struct span orcpt;	/* "" without */
};

/* What else goes into the envelope of mail for elsewhere. */
struct deliver_out {
	const struct queue_settings *settings;
	uint64_t account;	/* that submitted it; 0: none of ours */
	bool is_ours;		/* this host's own, without an account */
	bool is_utf8;
	bool is_requiretls;	/* RFC 8689 */
	bool is_tls_optional;
	int priority;		/* RFC 6710 */
	enum queue_ret ret;
	struct span envid;	/* "" without */
	struct span msgid;	/* "" without */
};

/*
 * Appends the lines before one copy: for rcpt alone, its address in Received
 * only if is_only (RFC 5321 section 7.2: no other recipient is shown).
 */
void deliver_put_prefix(struct buf *out, const struct trace *t,
    struct span rcpt, bool is_only);

/*
 * The request that puts a copy into the INBOX of each account that the
 * recipients lead to, and queues the message for the addresses elsewhere. An
 * account or address that several lead to gets one copy, named by the first.
 * The spool is for the caller to add. out may be NULL if nobody is elsewhere.
 * Returns owned.
 */
struct wreq_deliver *deliver_make(struct session *s, const struct trace *t,
    const struct deliver_out *out, const struct rcpt *rcpts, size_t count);

/*
 * Puts DKIM-Signature fields on top of the lines that what is queued gets;
 * nothing where nothing is queued or signature is "".
 */
void deliver_add_signature(struct wreq_deliver *r, struct span signature);

/* An alias with several targets (RFC 3461 section 5.2.7). */
bool deliver_is_list(const struct rcpt *r);

/*
 * What tells the account that submitted the message that those here who were
 * to confirm it have it; NULL: nobody was. For wreq_deliver.notice. Owned.
 */
struct wreq_deliver *deliver_notice(struct session *s, const struct trace *t,
    const struct deliver_out *out, const struct rcpt *rcpts, size_t count,
    const struct envelope *e);

#endif
