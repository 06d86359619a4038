/*
 * Any bytes searched for any others: as a search byte by byte has it, and as
 * a stream in pieces the same as in one.
 */
#include <stdint.h>
#include <stdlib.h>

#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "store/mime/text.h"

#define expect(cond) ((cond) ? (void)0 : __builtin_trap())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
contains_slowly(struct span h, struct span n)
{
	for (size_t i = 0; i + n.len <= h.len; i++)
		if (n.len == 0 || memcmp(h.p + i, n.p, n.len) == 0)
			return true;
	return false;
}

static bool
scan(enum part_encoding encoding, struct span in, struct span needle,
    size_t step)
{
	struct param charset = { SPAN("charset"), SPAN("utf-8") };
	struct part p = { .encoding = encoding, .params = { &charset, 1 } };
	struct text_scan *t;
	bool found = false;

	t = text_scan_new(&p, &needle, 1, &found);
	while (in.len) {
		struct span s = span_head(in, step);

		text_scan_add(t, s.p, s.len);
		in = span_from(in, s.len);
	}
	text_scan_finish(t);
	text_scan_free(t);
	return found;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf folded = BUF_INIT, scratch = BUF_INIT;
	struct span needle, hay;
	enum part_encoding encoding;
	size_t len;
	char *copy;

	if (size < 3)
		return 0;
	/* Needle, then haystack, which so often has it. */
	len = data[0] % 100u;
	len = MIN(len, size - 3);
	encoding = (enum part_encoding)(data[1] % (ENC_OTHER + 1));
	copy = xmemdup(data + 3, size - 3);
	needle = span_make(copy, len);
	hay = span_make(copy + len, size - 3 - len);
	expect(text_contains(hay, needle) == contains_slowly(hay, needle));

	utf8_fold_loose(&folded, needle);
	expect(scan(encoding, hay, buf_span(&folded), size) ==
	    scan(encoding, hay, buf_span(&folded), 1 + data[2] % 64u));
	(void)text_header_contains(hay, buf_span(&folded), &scratch);
	buf_release(&folded);
	buf_release(&scratch);
	free(copy);
	return 0;
}
