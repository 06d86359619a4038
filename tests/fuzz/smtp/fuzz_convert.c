/*
 * Messages made fit for seven bits: the same for any split of the bytes; CR
 * LF, short lines and, where nothing breaks, no byte over 0x7f but in
 * headers; and what is converted once stays as it is when read again by the
 * digest: as many parts.
 */
#include <assert.h>

#include "server/base/arena.h"
#include "server/base/xalloc.h"
#include "smtp/convert.h"
#include "store/mime/digest.h"
#include "store/mime/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
convert(struct span in, size_t step, struct buf *out)
{
	struct convert *c = convert_new();
	bool breaks;

	for (size_t at = 0; at < in.len; at += step)
		convert_add(c, out, in.p + at, MIN(step, in.len - at));
	convert_finish(c, out);
	breaks = convert_breaks(c);
	convert_free(c);
	return breaks;
}

static void
check_lines(struct span out)
{
	size_t line = 0;

	assert(out.len >= 2 && out.p[out.len - 1] == '\n');
	for (size_t i = 0; i < out.len; i++) {
		assert(out.p[i] != '\0');
		assert(out.p[i] != '\r' || out.p[i + 1] == '\n');
		if (out.p[i] != '\n') {
			line++;
			continue;
		}
		assert(i > 0 && out.p[i - 1] == '\r');
		assert(line - 1 <= 998);
		line = 0;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_make((const char *)data, size);
	struct buf whole = BUF_INIT, part = BUF_INIT;
	struct arena arena = { 0 };
	struct digest d;
	bool breaks = convert(in, size ? size : 1, &whole);

	if (!breaks) {
		check_lines(buf_span(&whole));
		mime_digest(buf_span(&whole), &arena, &d);
		assert(!(d.flavour & (FLAVOUR_8BIT | FLAVOUR_NUL |
		    FLAVOUR_LONG_LINES | FLAVOUR_BARE_CR_LF)) ||
		    (d.flavour & FLAVOUR_UNPARSED));
	}
	for (size_t step = 1; step < size; step = step * 3 + 1) {
		buf_clear(&part);
		assert(convert(in, step, &part) == breaks);
		assert(span_eq(buf_span(&part), buf_span(&whole)));
	}
	arena_release(&arena);
	buf_release(&whole);
	buf_release(&part);
	return 0;
}
