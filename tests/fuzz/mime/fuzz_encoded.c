/*
 * Any bytes as a header value: what is shown is valid UTF-8 without controls,
 * and comes back the same when it is encoded.
 */
#include <stdint.h>
#include <stdlib.h>

#include "server/base/utf8.h"
#include "store/mime/encoded.h"

#define expect(cond) ((cond) ? (void)0 : __builtin_trap())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = BUF_INIT, there = BUF_INIT, back = BUF_INIT;

	encoded_decode(&text, span_make((const char *)data, size));
	expect(utf8_is_valid(buf_span(&text)));
	for (size_t i = 0; i < text.len; i++)
		expect(text.p[i] == '\t' || text.p[i] >= ' ' ||
		    text.p[i] < 0);
	encoded_encode(&there, buf_span(&text));
	encoded_decode(&back, buf_span(&there));
	expect(span_eq(buf_span(&text), buf_span(&back)));
	buf_clear(&there);
	encoded_encode(&there, span_make((const char *)data, size));
	buf_release(&text);
	buf_release(&there);
	buf_release(&back);
	return 0;
}
