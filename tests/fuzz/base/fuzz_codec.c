/*
 * Encodings: what was encoded decodes to itself, what decodes strictly is the
 * one text of its bytes, and a stream does not care where it is cut.
 */
#include "server/base/codec.h"

#include <assert.h>

#include "server/base/xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_bytes(struct span in)
{
	struct buf text = BUF_INIT, back = BUF_INIT;
	struct base64_stream s = { 0 };

	base64_encode(&text, in.p, in.len);
	assert(text.len == (in.len + 2) / 3 * 4);
	assert(base64_decode(&back, buf_span(&text)) == 0);
	assert(span_eq(buf_span(&back), in));
	buf_clear(&back);
	base64_stream_add(&s, &back, buf_span(&text));
	assert(span_eq(buf_span(&back), in));

	buf_clear(&text);
	buf_clear(&back);
	hex_encode(&text, in.p, in.len);
	assert(hex_decode(&back, buf_span(&text)) == 0);
	assert(span_eq(buf_span(&back), in));

	buf_clear(&text);
	buf_clear(&back);
	xtext_encode(&text, in);
	assert(xtext_decode(&back, buf_span(&text)) == 0);
	assert(span_eq(buf_span(&back), in));

	buf_clear(&text);
	buf_clear(&back);
	percent_encode(&text, in);
	assert(percent_decode(&back, buf_span(&text)) == 0);
	assert(span_eq(buf_span(&back), in));
	buf_release(&text);
	buf_release(&back);
}

static void
check_text(struct span in)
{
	struct buf bytes = BUF_INIT, text = BUF_INIT;

	if (base64_decode(&bytes, in) == 0) {
		base64_encode(&text, bytes.p, bytes.len);
		assert(span_eq(buf_span(&text), in));
	}
	buf_clear(&bytes);
	buf_clear(&text);
	if (hex_decode(&bytes, in) == 0) {
		hex_encode(&text, bytes.p, bytes.len);
		assert(span_ieq(buf_span(&text), in));
	}
	buf_clear(&bytes);
	(void)xtext_decode(&bytes, in);
	assert(bytes.len <= in.len);
	buf_clear(&bytes);
	(void)percent_decode(&bytes, in);
	assert(bytes.len <= in.len);
	buf_release(&bytes);
	buf_release(&text);
}

static void
check_stream(struct span in, size_t step)
{
	struct buf whole = BUF_INIT, parts = BUF_INIT;
	struct base64_stream a = { 0 }, b = { 0 };

	base64_stream_add(&a, &whole, in);
	assert(whole.len <= in.len / 4 * 3 + 3);
	for (size_t at = 0; at < in.len; at += step)
		base64_stream_add(&b, &parts,
		    span_head(span_from(in, at), step));
	assert(span_eq(buf_span(&whole), buf_span(&parts)));
	buf_release(&whole);
	buf_release(&parts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_make((const char *)data, size);

	check_bytes(in);
	check_text(in);
	check_stream(in, 1);
	check_stream(in, size ? 1 + data[0] % 7u : 1);
	return 0;
}
