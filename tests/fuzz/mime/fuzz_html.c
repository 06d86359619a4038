/*
 * Any bytes as HTML: what is left is no longer than before.
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
	buf_release(&out);
	free(copy);
	return 0;
}
