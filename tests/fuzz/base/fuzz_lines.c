/*
 * Framing: the same lines and the same complaints wherever the input is cut,
 * no line with what strict mode refuses, and never more than max kept.
 */
#include "server/base/lines.h"

#include <assert.h>
#include <stdint.h>

#include "server/base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reader {
	size_t max;
	int lenient;
	int skipping;
	struct buf in;		/* not consumed yet */
	struct buf events;	/* a letter for each result, and the lines */
};

static void
check_line(const struct reader *r, struct span line)
{
	assert(line.len < r->max);
	assert(!span_chr(line, '\n'));
	assert(r->lenient ||
	    (!span_chr(line, '\r') && !span_chr(line, '\0')));
}

/* One step; false when more input is needed. */
static int
reader_step(struct reader *r)
{
	enum line_result res;
	struct span line;
	size_t used;
	int found;

	if (r->skipping) {
		used = lines_skip(r->in.p, r->in.len, &found);
		assert(used <= r->in.len);
		r->skipping = !found;
		buf_consume(&r->in, used);
		return found;
	}
	res = lines_find(r->in.p, r->in.len, r->max, r->lenient, &line,
	    &used);
	assert(used <= r->in.len);
	if (res == LINE_MORE) {
		assert(used == 0 && r->in.len < r->max);
		return 0;
	}
	assert(used > 0);
	/* Nothing but CR LF ends a line in strict mode. */
	if (res != LINE_LONG && !r->lenient)
		assert(used >= 2 && memcmp(r->in.p + used - 2, "\r\n",
		    2) == 0);
	buf_addc(&r->events, "OMLB"[res]);
	if (res == LINE_OK) {
		check_line(r, line);
		buf_addspan(&r->events, line);
		buf_addc(&r->events, '\n');
	}
	r->skipping = res == LINE_LONG && r->in.p[used - 1] != '\n';
	assert(!r->skipping || used == r->in.len);
	buf_consume(&r->in, used);
	return 1;
}

static struct buf
read_in_steps(struct span in, size_t step, size_t max, int lenient)
{
	struct reader r = { max, lenient, 0, BUF_INIT, BUF_INIT };

	for (size_t at = 0; at < in.len; at += step) {
		buf_addspan(&r.in, span_head(span_from(in, at), step));
		while (r.in.len && reader_step(&r))
			;
	}
	buf_addc(&r.events, '|');
	buf_addspan(&r.events, buf_span(&r.in));
	buf_release(&r.in);
	return r.events;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_make((const char *)data, size);
	size_t max = size ? 1 + data[0] % 64u : 1;

	for (int lenient = 0; lenient < 2; lenient++) {
		struct buf whole = read_in_steps(in, size + 1, max, lenient);

		for (size_t step = 1; step < 8; step++) {
			struct buf parts = read_in_steps(in, step, max,
			    lenient);

			assert(span_eq(buf_span(&whole), buf_span(&parts)));
			buf_release(&parts);
		}
		buf_release(&whole);
	}
	return 0;
}
