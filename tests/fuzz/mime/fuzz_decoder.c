/*
 * Any bytes under any transfer encoding: in pieces as in one, and never more
 * bytes than before. The first byte is the encoding, the second the pieces.
 */
#include <stdint.h>
#include <stdlib.h>

#include "server/base/xalloc.h"
#include "store/mime/encoded.h"

#define expect(cond) ((cond) ? (void)0 : __builtin_trap())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
decode(struct buf *out, enum part_encoding encoding, struct span in,
    size_t step)
{
	struct decoder d;

	decoder_init(&d, encoding);
	while (in.len) {
		struct span s = span_head(in, step);
		char *copy = xmemdup(s.p, s.len);

		decoder_add(&d, out, copy, s.len);
		free(copy);
		in = span_from(in, s.len);
	}
	decoder_finish(&d, out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;
	enum part_encoding encoding;
	struct span in;

	if (size < 2)
		return 0;
	encoding = (enum part_encoding)(data[0] % (ENC_OTHER + 1));
	in = span_make((const char *)data + 2, size - 2);
	decode(&whole, encoding, in, size);
	expect(whole.len <= in.len);
	decode(&pieces, encoding, in, 1 + data[1] % 64u);
	expect(span_eq(buf_span(&whole), buf_span(&pieces)));
	buf_release(&whole);
	buf_release(&pieces);
	return 0;
}
