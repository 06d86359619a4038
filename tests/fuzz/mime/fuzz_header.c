/*
 * Any bytes as a header block: its fields are all of it, and no value that
 * is unfolded has a line end.
 */
#include <stdint.h>
#include <stdlib.h>

#include "store/mime/header.h"

#define expect(cond) ((cond) ? (void)0 : __builtin_trap())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span block = span_make((const char *)data, size), id;
	struct buf value = BUF_INIT;
	struct arena a = { 0 };
	struct header_field f;
	struct field_iter it;
	size_t len = 0;
	const char *p = block.p;

	field_iter_init(&it, block);
	while (field_iter_next(&it, &f)) {
		struct cursor c;

		expect(f.whole.p == p && f.whole.len > 0);
		p += f.whole.len;
		len += f.whole.len;
		buf_clear(&value);
		header_unfold(&value, f.value);
		expect(value.len <= f.value.len);
		expect(!memchr(value.p, '\n', value.len) &&
		    !memchr(value.p, '\r', value.len) &&
		    !memchr(value.p, '\0', value.len));
		c = cursor_of_span(buf_span(&value));
		while (header_next_msg_id(&c, &a, &id))
			expect(id.len > 1 && id.len <= value.len);
	}
	expect(header_block_len(block) >= len);
	expect(header_block_len(block) <= len + 2);
	buf_release(&value);
	arena_release(&a);
	return 0;
}
