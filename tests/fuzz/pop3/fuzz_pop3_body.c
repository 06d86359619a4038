/*
 * A message as it is sent: its end is there once, at the end; it has no NUL
 * and no bare LF; it has a blank line; wherever it is cut the bytes are the
 * same. The first byte tells how many lines TOP wants.
 */
#include <assert.h>

#include "pop3/pop3_body.h"
#include "server/base/xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
run(struct span in, uint64_t lines, size_t step, struct buf *out)
{
	struct pop3_body b;

	pop3_body_init(&b, lines);
	for (size_t at = 0; at < in.len; at += step)
		pop3_body_add(&b, out, span_head(span_from(in, at), step));
	pop3_body_finish(&b, out);
}

static void
check(const struct buf *out)
{
	struct span s = buf_span(out);

	assert(s.len >= 5);
	assert(memcmp(s.p + s.len - 5, "\r\n.\r\n", 5) == 0);
	assert(memmem(s.p, s.len, "\r\n.\r\n", 5) == s.p + s.len - 5);
	assert(memmem(s.p, s.len, "\r\n\r\n", 4) || span_starts(s, "\r\n"));
	for (size_t i = 0; i < s.len; i++)
		assert(s.p[i] != '\n' || (i && s.p[i - 1] == '\r'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;
	uint64_t lines;
	struct span in;

	if (size == 0)
		return 0;
	lines = data[0] < 8 ? data[0] : POP3_ALL_LINES;
	in = span_make((const char *)data + 1, size - 1);
	run(in, lines, in.len + 1, &whole);
	check(&whole);
	for (size_t step = 1; step <= in.len; step = step * 2 + 1) {
		buf_clear(&pieces);
		run(in, lines, step, &pieces);
		assert(span_eq(buf_span(&whole), buf_span(&pieces)));
	}
	buf_release(&whole);
	buf_release(&pieces);
	return 0;
}
