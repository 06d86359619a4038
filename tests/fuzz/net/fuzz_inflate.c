/*
 * What a peer says under compression: any bytes, cut anywhere, with any room.
 * The result is the same however it came, never more than the room, and what
 * we deflate of the bytes comes back.
 */
#include <stdint.h>
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/net/deflate.h"

#define OUT_MAX (256u * 1024)	/* a bomb is let go then */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define expect(cond) ((cond) ? (void)0 : __builtin_trap())

static int
run(struct buf *out, struct span in, size_t step, size_t room)
{
	struct inflater *i = inflater_new();
	char *p = xmalloc(room);
	int n = 0;

	while (in.len > 0 && n >= 0 && out->len < OUT_MAX) {
		struct span piece = span_head(in, step);

		buf_addspan(inflater_in(i), piece);
		in = span_from(in, piece.len);
		while (out->len < OUT_MAX &&
		    (n = inflater_read(i, p, room)) > 0) {
			expect((size_t)n <= room);
			buf_add(out, p, (size_t)n);
		}
	}
	expect(n >= 0 || n == ERR_CLOSED || n == ERR_SYNTAX);
	free(p);
	inflater_free(i);
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_make((const char *)data, size);
	struct buf a = BUF_INIT, b = BUF_INIT, packed = BUF_INIT;
	struct deflater *d = deflater_new();
	int err;

	err = run(&a, in, size + 1, 65536);
	(void)run(&b, in, 1, 7);
	expect(span_eq(span_head(buf_span(&a), MIN(a.len, b.len)),
	    span_head(buf_span(&b), MIN(a.len, b.len))));
	if (a.len < OUT_MAX && err >= 0)
		expect(a.len == b.len);
	buf_clear(&a);
	deflater_add(d, &packed, in.p, in.len);
	expect(run(&a, buf_span(&packed), 13, 100) >= 0);
	expect(a.len >= OUT_MAX || span_eq(buf_span(&a), in));
	buf_release(&a);
	buf_release(&b);
	buf_release(&packed);
	deflater_free(d);
	return 0;
}
