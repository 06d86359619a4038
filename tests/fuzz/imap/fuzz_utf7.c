/*
 * Modified UTF-7: each name has one form, both ways.
 */
#include "imap/utf7.h"

#include <assert.h>
#include <stdint.h>

#include "server/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_make((const char *)data, size);
	struct buf a = BUF_INIT, b = BUF_INIT;

	if (utf7_decode(&a, in) == 0) {
		assert(utf8_is_valid(buf_span(&a)));
		utf7_encode(&b, buf_span(&a));
		assert(span_eq(buf_span(&b), in));
	}
	buf_clear(&a);
	buf_clear(&b);
	utf7_encode(&a, in);
	assert(utf8_is_ascii(buf_span(&a)));
	assert(utf7_decode(&b, buf_span(&a)) == 0);
	if (utf8_is_valid(in))
		assert(span_eq(buf_span(&b), in));
	buf_release(&a);
	buf_release(&b);
	return 0;
}
