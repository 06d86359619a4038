/*
 * Delivery status notifications (RFC 3464, 6522, 6533): the message that
 * tells a sender what became of his. Pure: facts in, a message out.
 *
 * Plain words come first, in the order in which a person asks: what happened,
 * to whom, what the other server said, what to do. Then the same for programs,
 * then the message or its header.
 */
#ifndef SMTP_DSN_H
#define SMTP_DSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/span.h"

/* More of an original than this is never sent back whole. */
#define DSN_ORIGINAL_MAX (64u * 1024)

enum dsn_action {	/* RFC 3464 section 2.3.3 */
	DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED
};

struct dsn_rcpt {
	enum dsn_action action;
	struct span address;
	struct span orcpt;	/* "rfc822;a+2Bb@d", xtext; "" without */
	const char *status;	/* "5.1.1" */
	int code;		/* of the remote's reply; 0: it gave none */
	struct span text;	/* its words, or ours; one line */
	struct span host;	/* that said so; "" where it was us */
	int64_t tried_s;	/* 0: never */
	int64_t until_s;	/* DELAYED: when it is given up */
};

struct dsn {
	const char *hostname;	/* ours */
	const char *id;		/* unique: Message-ID and boundary */
	struct span to;		/* the sender of the original */
	struct span envid;	/* xtext; "" without */
	int64_t arrival_s, now_s;
	const struct dsn_rcpt *rcpts;
	size_t rcpt_count;
	/* The original: whole, or its header with the blank line. */
	struct span original;
	bool is_full;
};

/* Appends the whole message, with CRLFs. */
void dsn_put(struct buf *out, const struct dsn *d);

#endif
