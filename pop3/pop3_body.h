/*
 * A stored message as POP3 sends it: dots stuffed, ends of lines made whole,
 * the end marked. Pure, and a stream: where it is cut changes nothing.
 *
 * CLIENTS 3.1: a message without a blank line behind its header is given one
 * (Outlook Express). NULs, over which Outlook hangs, the store does not give
 * (store/read.h).
 */
#ifndef POP3_POP3_BODY_H
#define POP3_POP3_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"

#define POP3_ALL_LINES UINT64_MAX

struct pop3_body {
	bool in_head;
	bool has_cr;		/* the last byte was one */
	uint64_t line_len;	/* of the line so far, without CR and LF */
	bool at_start;		/* nothing of the line is out */
	uint64_t lines_left;	/* of the body; POP3_ALL_LINES: no limit */
	bool is_full;		/* what TOP wants is out */
};

/* lines: of the body, behind header and blank line (TOP). */
void pop3_body_init(struct pop3_body *b, uint64_t lines);

/* Appends bytes to out; drops what comes after is_full. */
void pop3_body_add(struct pop3_body *b, struct buf *out, struct span bytes);

/* Appends what ends the message, the line with a dot alone included. */
void pop3_body_finish(struct pop3_body *b, struct buf *out);

#endif
