/*
 * An answer of HTTP, head and body. The first byte says how many bytes come
 * at a time: whatever it is, the body must be the same, and within its cap.
 */
#include <assert.h>

#include "server/base/buf.h"
#include "server/http/http_parse.h"

#define BODY_MAX 1000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum http_step
decode(const struct http_head *h, struct span in, size_t step,
    struct buf *out)
{
	struct http_body b;
	enum http_step r = http_body_start(&b, h, BODY_MAX);

	while (r == HTTP_MORE && in.len) {
		size_t used;

		r = http_body_add(&b, span_head(in, step), out, &used);
		assert(used > 0 && used <= in.len);
		in = span_from(in, used);
	}
	assert(out->len <= BODY_MAX);
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;
	struct http_head h;
	struct span in;
	size_t len;

	if (size == 0)
		return 0;
	in = span_make((const char *)data + 1, size - 1);
	len = http_find_head(in);
	assert(len <= in.len);
	if (len && http_parse_head(span_head(in, len), &h) == PARSE_OK) {
		assert(h.status >= 100 && h.status <= 599);
		assert(!h.has_length || !h.is_chunked);
		in = span_from(in, len);
		if (h.has_length || h.is_chunked) {
			enum http_step a = decode(&h, in, in.len + 1, &whole);
			enum http_step b = decode(&h, in,
			    1u + data[0] % 16u, &pieces);

			assert(a == b);
			assert(span_eq(buf_span(&whole),
			    buf_span(&pieces)));
		}
	}
	buf_release(&whole);
	buf_release(&pieces);
	return 0;
}
