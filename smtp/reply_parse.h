/*
 * What an SMTP server answers, from the side of its client.
 *
 * RFC 5321 section 4.2.1: lines of three digits, "-" (more to come) or a
 * space, and words; RFC 2034 section 3: an enhanced code before the words.
 * The server may be anybody's: lines, their number and their sum are capped,
 * the code is the same in each line, and the words that are kept are safe to
 * log and to put into a message: one line of UTF-8 without a control
 * character in it.
 *
 * Pure. The driver's buffer does the framing: what is no whole line yet is
 * left there.
 */
#ifndef SMTP_REPLY_PARSE_H
#define SMTP_REPLY_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/span.h"

#define REPLY_LINE_MAX 2048		/* RFC 5321 section 4.5.3.1.5: 512 */
#define REPLY_LINES_MAX 200
#define REPLY_BYTES_MAX (32u * 1024)
#define REPLY_TEXT_MAX 480		/* bytes of words that are kept */
#define REPLY_STATUS_MAX 12		/* "5.123.123" */

enum reply_result {
	REPLY_MORE,	/* nothing is used; there is no whole line yet */
	REPLY_LINE,	/* a line of several, the last is still to come */
	REPLY_DONE,	/* the last line */
	REPLY_BROKEN	/* no SMTP, or over a limit: hang up */
};

/* Zero-initialised is the start of a reply. */
struct server_reply {
	unsigned code;		/* 200..599 */
	unsigned line_count;
	size_t byte_count;
	/* The last line's words, as they came; in the input, so borrowed. */
	struct span line;
	/* "5.1.1" of the first line, if its class is the code's; or "". */
	char status[REPLY_STATUS_MAX];
	/* All lines' words, a space between; their enhanced code once. */
	char text[REPLY_TEXT_MAX + 1];
	size_t text_len;
};

/* Takes one line of the len bytes at p; *used counts it, CR LF included. */
enum reply_result reply_take_line(struct server_reply *r, const char *p,
    size_t len, size_t *used);

/* The class of an answer: 2, 3, 4, 5. */
static inline unsigned
reply_class(const struct server_reply *r)
{
	return r->code / 100;
}

/*
 * The enhanced code at the front of words, "4.7.1", as its length; 0: none.
 * class_digit: what it must begin with (RFC 2034 section 4).
 */
size_t reply_scan_status(struct span words, char class_digit);

/*
 * Appends s at text[*len], which has room for max bytes and a NUL: invalid
 * UTF-8 and control characters become "?", tabs spaces.
 */
void reply_put_safe(char *text, size_t *len, size_t max, struct span s);

#endif
