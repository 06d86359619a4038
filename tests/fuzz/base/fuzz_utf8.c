/*
 * UTF-8: valid means that decoding and encoding give the same bytes; folding
 * and preparing a name a second time change nothing.
 */
#include "server/base/utf8.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every byte is taken once; what is valid comes back as it was. */
static void
check_decode(struct span in)
{
	struct buf out = BUF_INIT;
	size_t taken = 0, len;
	uint32_t cp;

	while ((len = utf8_decode(span_from(in, taken), &cp)) > 0) {
		assert(len <= 4 && cp <= 0x10ffff);
		assert(cp < 0xd800 || cp > 0xdfff);
		utf8_encode(&out, cp);
		taken += len;
	}
	assert(taken == in.len);
	assert(utf8_is_valid(buf_span(&out)));
	assert(utf8_is_valid(in) == span_eq(buf_span(&out), in));
	assert(!utf8_is_ascii(in) || utf8_is_valid(in));
	buf_release(&out);
}

static void
check_fold(struct span in)
{
	struct buf once = BUF_INIT, twice = BUF_INIT;

	utf8_fold(&once, in);
	assert(!utf8_is_valid(in) || utf8_is_valid(buf_span(&once)));
	if (utf8_is_valid(in)) {
		utf8_fold(&twice, buf_span(&once));
		assert(span_eq(buf_span(&once), buf_span(&twice)));
	}
	buf_release(&once);
	buf_release(&twice);
}

static void
check_settled(struct span in, int (*f)(struct buf *, struct span))
{
	struct buf once = BUF_INIT, twice = BUF_INIT;

	if (f(&once, in) == 0) {
		assert(utf8_is_valid(buf_span(&once)));
		/* It may have grown over what is taken, but not changed. */
		if (f(&twice, buf_span(&once)) == 0)
			assert(span_eq(buf_span(&once), buf_span(&twice)));
	} else {
		assert(once.len == 0);
	}
	buf_release(&once);
	buf_release(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_make((const char *)data, size);

	check_decode(in);
	check_fold(in);
	check_settled(in, utf8_prepare_name);
	check_settled(in, utf8_nfc);
	return 0;
}
