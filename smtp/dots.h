/*
 * The text between DATA and its end, as a stream: finds the end, takes the
 * dots out, judges line ends. For BDAT the last of these alone.
 *
 * Security invariant: the end is CR LF "." CR LF and nothing that resembles
 * it (RFC 5321 section 4.1.1.4; LIMITS: end-of-data smuggling). A bare CR or
 * LF begins no line: it neither ends the message nor makes a dot behind it
 * special. Where the input is split changes nothing.
 */
#ifndef SMTP_DOTS_H
#define SMTP_DOTS_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/span.h"

enum dots_state { DOTS_BOL, DOTS_DOT, DOTS_DOT_CR, DOTS_MID, DOTS_CR };

struct dots {
	enum dots_state state;
	bool is_stuffed;	/* DATA; false: BDAT, which has no end in it */
	bool is_repaired;	/* a bare CR or LF becomes CR LF */
	bool has_bare;		/* there was one */
};

enum dots_result {
	DOTS_MORE,	/* all input is used; no text */
	DOTS_TEXT,	/* *text is a piece; call again with what is left */
	DOTS_END	/* the end of the message; *used bytes led up to it */
};

void dots_init(struct dots *d, bool is_stuffed, bool is_repaired);

/*
 * Takes *used bytes of the len at p. *text (may be empty) is message text:
 * part of the input, or constant.
 */
enum dots_result dots_next(struct dots *d, const char *p, size_t len,
    size_t *used, struct span *text);

/* The last chunk of BDAT has come: what is still held; may be empty. */
struct span dots_finish(struct dots *d);

#endif
