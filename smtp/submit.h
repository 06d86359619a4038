/*
 * What submission does to a message (RFC 6409 section 8): adds a missing
 * Date, Message-ID and From, takes Bcc out, and finds out in whose name the
 * message speaks. Pure: one header in, one header out.
 */
#ifndef SMTP_SUBMIT_H
#define SMTP_SUBMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/arena.h"
#include "server/base/buf.h"
#include "server/base/random.h"
#include "server/base/span.h"

#define SUBMIT_SENDERS_MAX 100	/* addresses in From and Sender */

struct submit_facts {
	int64_t now_s;
	struct random *random;
	const char *hostname;	/* of a Message-ID without a better domain */
	struct span from;	/* address of the account that submits */
};

/* An address that From or Sender names, local part unquoted. */
struct submit_sender {
	struct span local;
	struct span domain;	/* "" where there is none */
};

struct submit_senders {
	struct submit_sender *v;
	size_t n;
	bool is_broken;		/* one cannot be read, or there are too many */
	struct span author;	/* domain of the first address in From */
	struct span secret;	/* the Bcc fields, whole, for the sender's copy */
};

/*
 * Appends to out the header that goes into the store, for head, a header
 * block with its blank line (if that is missing it is added). What is no
 * field stays where it is; when the first line is none there is no header and
 * all of head is body. senders and what they point to live in arena.
 */
void submit_fix_header(const struct submit_facts *facts, struct span head,
    struct arena *arena, struct buf *out, struct submit_senders *senders);

#endif
