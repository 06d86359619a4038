/*
 * What is taken and what is not: the one place that decides, at MAIL, at
 * RCPT and at the end of the data.
 *
 * Functions of facts: no session, no clock, nothing asked. A verdict is a
 * reply of the table, with words of its own where the table's do not say
 * enough for the person who reads the bounce.
 */
#ifndef SMTP_POLICY_H
#define SMTP_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/span.h"
#include "smtp/smtp_reply.h"
#include "store/account.h"

#define POLICY_TEXT_MAX 256

struct verdict {
	enum smtp_reply_id reply;	/* R_NONE: go on */
	char text[POLICY_TEXT_MAX];	/* "": the table's words */
};

/* MAIL FROM, before anything is looked up. */
struct policy_mail {
	bool is_full;			/* the store takes no mail now */
	uint64_t size;			/* declared; 0: not */
	uint64_t size_limit;
};
void policy_mail(const struct policy_mail *p, struct verdict *v);

/*
 * In whose name: the envelope's sender, or an address in From or Sender, of
 * a message that is submitted. item is what its address resolved to, asked by
 * the account: what it has the right to post to (RFC 4314) is as its own.
 */
void policy_sender(const struct resolve_item *item, uint64_t account,
    struct span address, struct verdict *v);

/* The same without a log-in, for relay_from: any domain of ours will do. */
void policy_relay_sender(const struct resolve_item *item,
    struct span address, struct verdict *v);

/* RCPT TO, before it is looked up, and with what was found. */
void policy_rcpt_count(size_t count, size_t max, struct verdict *v);
/* sends: there is a queue for mail to other domains */
void policy_rcpt(const struct resolve_item *item, bool is_submission,
    bool sends, struct span address, struct verdict *v);

/*
 * Whether every account behind a recipient has room for a message of the size
 * declared, or if that is 0 for any.
 */
void policy_room(const struct resolve_item *item, uint64_t size,
    struct verdict *v);

/* The end of the data; the message itself has no fault of its own. */
struct policy_data {
	bool has_bare;			/* a bare CR or LF, port 25 */
	unsigned received_count;
	unsigned received_max;
	bool is_loop;			/* our own Delivered-To of a recipient */
	bool has_broken_sender;		/* From or Sender, submission */
};
void policy_data(const struct policy_data *p, struct verdict *v);

/*
 * Whether one of the Delivered-To values names one of the recipients: the
 * message has been here before.
 */
bool policy_is_loop(const struct span *delivered_to, size_t n,
    const struct span *rcpts, size_t rcpt_count);

#endif
