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
};

/*
 * Appends the lines before one copy: for rcpt alone, its address in Received
 * only if is_only (RFC 5321 section 7.2: no other recipient is shown).
 */
void deliver_put_prefix(struct buf *out, const struct trace *t,
    struct span rcpt, bool is_only);

/*
 * The request that puts a copy into the INBOX of each account that the
 * recipients lead to. An account that several lead to gets one copy, named by
 * the first. The spool is for the caller to add. Returns owned.
 */
struct wreq_deliver *deliver_make(struct session *s, const struct trace *t,
    const struct rcpt *rcpts, size_t count);

#endif
