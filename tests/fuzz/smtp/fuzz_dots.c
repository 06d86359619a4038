/*
 * The text of a message, against a reader of one byte at a time that keeps
 * the last two: the same text, the same end, the same verdict.
 */
#include <assert.h>

#include "server/base/buf.h"
#include "server/base/xalloc.h"
#include "smtp/dots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	struct buf text;
	size_t end;		/* 0: none */
	bool has_bare;
};

/* Lines end at CR LF, and nowhere else; then the RFC word for word. */
static void
run_plainly(struct span in, bool is_stuffed, struct outcome *o)
{
	size_t at = 0;

	while (at < in.len) {
		struct span rest = span_from(in, at), line = rest;
		const char *end = memmem(rest.p, rest.len, "\r\n", 2);

		if (end)
			line.len = (size_t)(end - rest.p);
		at += line.len + 2;
		if (is_stuffed && end && span_is(line, ".")) {
			o->end = at;
			return;
		}
		if (is_stuffed && line.len && *line.p == '.')
			line = span_from(line, 1);
		o->has_bare |= span_chr(line, '\n') || span_chr(line, '\r');
		buf_addspan(&o->text, line);
		if (end)
			buf_adds(&o->text, "\r\n");
	}
}

static void
run(struct span in, bool is_stuffed, bool is_repaired, size_t step,
    struct outcome *o)
{
	size_t at = 0, stop, used;
	struct span text;
	struct dots d;

	dots_init(&d, is_stuffed, is_repaired);
	while (at < in.len && !o->end) {
		stop = MIN(at + step, in.len);
		while (at < stop && !o->end) {
			enum dots_result r = dots_next(&d, in.p + at,
			    stop - at, &used, &text);

			at += used;
			if (r == DOTS_END)
				o->end = at;
			else
				buf_addspan(&o->text, text);
			assert(r != DOTS_MORE || at == stop);
		}
	}
	if (!o->end) {
		text = dots_finish(&d);
		buf_addspan(&o->text, text);
	}
	o->has_bare = d.has_bare;
}

static void
compare(struct outcome *a, struct outcome *b)
{
	assert(span_eq(buf_span(&a->text), buf_span(&b->text)));
	assert(a->end == b->end);
	assert(a->has_bare == b->has_bare);
	buf_release(&b->text);
}

/* A repaired text has no bare CR or LF. */
static void
check_repaired(struct span in, bool is_stuffed)
{
	struct outcome a = { .text = BUF_INIT }, b = { .text = BUF_INIT };

	run(in, is_stuffed, true, in.len, &a);
	run(in, is_stuffed, true, 1, &b);
	for (size_t i = 0; i < a.text.len; i++) {
		if (a.text.p[i] == '\n')
			assert(i > 0 && a.text.p[i - 1] == '\r');
		if (a.text.p[i] == '\r')
			assert(a.text.p[i + 1] == '\n');
	}
	compare(&a, &b);
	buf_release(&a.text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome plain = { .text = BUF_INIT };
	bool is_stuffed;
	struct span in;

	if (size < 2)
		return 0;
	is_stuffed = data[0] & 1;
	in = span_make((const char *)data + 1, size - 1);
	run_plainly(in, is_stuffed, &plain);
	for (size_t step = 1; step <= in.len; step = step * 2 + 1) {
		struct outcome o = { .text = BUF_INIT };

		run(in, is_stuffed, false, step, &o);
		/* Held back at the cut-off end: not what the RFC is about. */
		if (!plain.end && is_stuffed && in.p[in.len - 1] != '\n') {
			buf_release(&o.text);
			continue;
		}
		compare(&plain, &o);
	}
	buf_release(&plain.text);
	check_repaired(in, is_stuffed);
	return 0;
}
