/*
 * Any bytes as HTML: what is left is no longer than before, and the same in
 * two pieces, cut where the first byte says.
 */
#include <stdint.h>
#include <stdlib.h>

#include "server/base/xalloc.h"
#include "store/mime/text.h"

#define expect(cond) ((cond) ? (void)0 : __builtin_trap())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = xmemdup(data, size);
	struct buf out = BUF_INIT;

	text_strip_html(&out, span_make(copy, size));
	expect(out.len <= size);
	if (size) {
		size_t cut = data[0] % size;
		struct html_strip h = { 0 };
		struct buf pieces = BUF_INIT;

		html_strip_add(&h, &pieces, span_make(copy, cut));
		html_strip_add(&h, &pieces, span_make(copy + cut, size - cut));
		html_strip_finish(&h, &pieces);
		expect(span_eq(buf_span(&out), buf_span(&pieces)));
		buf_release(&pieces);
	}
	buf_release(&out);
	free(copy);
	return 0;
}
