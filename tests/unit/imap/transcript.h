/*
 * A framer at work, written down: one line for each event.
 */
#ifndef TESTS_UNIT_IMAP_TRANSCRIPT_H
#define TESTS_UNIT_IMAP_TRANSCRIPT_H

#include "imap/framer.h"
#include "imap/parse.h"
#include "server/base/buf.h"
#include "server/base/xalloc.h"

struct transcript {
	const struct framer_limits *limits;
	struct budget *budget;
	bool refuse;		/* the answer to FRAME_MESSAGE */
	size_t step;		/* bytes at a time */
};

static inline void
transcript_put_text(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\r')
			buf_adds(out, "\\r");
		else if (s.p[i] == '\n')
			buf_adds(out, "\\n");
		else if (s.p[i] == '\0')
			buf_adds(out, "\\0");
		else
			buf_addc(out, s.p[i]);
	}
}

/* Returns true when another call is due even without input. */
static inline bool
transcript_event(const struct transcript *t, struct framer *f,
    const struct frame *fr, struct buf *out, bool *in_bytes)
{
	static const char *const names[] = {
		"MORE", "COMMAND", "CONTINUE", "MESSAGE", "BYTES", "LINE",
		"ERROR", "BYE",
	};

	if (fr->kind == FRAME_MORE)
		return false;
	/* How the bytes are cut depends on the input; their sum does not. */
	if (fr->kind == FRAME_BYTES) {
		if (!*in_bytes)
			buf_adds(out, "BYTES ");
		transcript_put_text(out, fr->text);
		*in_bytes = fr->left > 0;
		if (!*in_bytes)
			buf_addc(out, '\n');
		return false;
	}
	buf_adds(out, names[fr->kind]);
	if (fr->kind == FRAME_ERROR || fr->kind == FRAME_BYE)
		buf_printf(out, " %d", (int)fr->error);
	if (fr->kind != FRAME_CONTINUE) {
		buf_adds(out, " [");
		transcript_put_text(out, fr->text);
		buf_addc(out, ']');
	}
	if (fr->kind == FRAME_MESSAGE)
		buf_printf(out, " #%u %ju%s", fr->number,
		    (uintmax_t)fr->size, fr->sync ? "" : "+");
	buf_addc(out, '\n');
	if (fr->kind != FRAME_MESSAGE)
		return false;
	if (t->refuse)
		return !framer_refuse(f);
	framer_accept(f);
	return true;
}

/* What framer_feed makes of the input, step bytes at a time. */
static inline void
transcript_write(const struct transcript *t, struct span in, struct buf *out)
{
	size_t step = t->step ? t->step : in.len;
	bool in_bytes = false, due;
	struct framer f;
	struct frame fr;

	framer_init(&f, &imap_literal_roles, t->budget);
	framer_set_limits(&f, t->limits);
	for (size_t at = 0; at < in.len; at += step) {
		struct span piece = span_head(span_from(in, at), step);
		/* A copy, so that the sanitizer sees reads past its end. */
		char *copy = xmemdup(piece.p, piece.len);
		size_t used = 0;

		do {
			used += framer_feed(&f, copy + used, piece.len - used,
			    &fr);
			due = transcript_event(t, &f, &fr, out, &in_bytes);
		} while (due || used < piece.len);
		free(copy);
	}
	framer_release(&f);
}

#endif
