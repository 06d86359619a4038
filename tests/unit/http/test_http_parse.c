#include "server/http/http_parse.h"

#include "tests/check.h"

static enum parse
parse(const char *text, struct http_head *h)
{
	size_t len = http_find_head(span_of(text));

	CHECK_EQ(len, strlen(text));
	return http_parse_head(span_of(text), h);
}

TEST(test_http_head_ends_at_the_empty_line)
{
	CHECK_EQ(http_find_head(SPAN("")), 0);
	CHECK_EQ(http_find_head(SPAN("HTTP/1.1 200 OK\r\nA: b\r\n")), 0);
	CHECK_EQ(http_find_head(SPAN("HTTP/1.1 200 OK\r\n\r\nbody")), 19);
	CHECK_EQ(http_find_head(SPAN("HTTP/1.1 200 OK\n\nbody")), 17);
}

TEST(test_http_head_is_read)
{
	struct http_head h;

	CHECK_EQ(parse("HTTP/1.1 200 OK\r\ncontent-TYPE: Text/Plain; "
	    "charset=utf-8\r\nX: y\r\nContent-Length:  12 \r\n\r\n", &h),
	    PARSE_OK);
	CHECK_EQ(h.status, 200);
	CHECK_SPAN(h.media_type, "Text/Plain");
	CHECK(h.has_length);
	CHECK_EQ(h.length, 12);
	CHECK(!h.is_chunked);
	CHECK_EQ(parse("HTTP/1.0 404\r\nTransfer-Encoding: Chunked\r\n\r\n",
	    &h), PARSE_OK);
	CHECK_EQ(h.status, 404);
	CHECK(h.is_chunked);
}

TEST(test_http_head_refuses_what_is_doubtful)
{
	static const char *const bad[] = {
		"\r\n",
		"HTTP/2 200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"ICY 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
		"HTTP/1.1 200 OK\r\n folded: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999"
		    "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
		    "Content-Length: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked"
		    "\r\n\r\n",
	};
	struct http_head h;

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(http_parse_head(span_of(bad[i]), &h), PARSE_BAD);
}

/* Decodes a body in pieces of step bytes. */
static enum http_step
decode(const char *in, const struct http_head *h, size_t max, size_t step,
    struct buf *out)
{
	struct span rest = span_of(in);
	struct http_body b;
	enum http_step r = http_body_start(&b, h, max);

	buf_clear(out);
	while (r == HTTP_MORE && rest.len) {
		size_t used;

		r = http_body_add(&b, span_head(rest, step), out, &used);
		CHECK(used > 0);
		rest = span_from(rest, used);
	}
	return r;
}

TEST(test_http_bodies_come_in_any_pieces)
{
	static const struct {
		const char *in, *out;
		bool is_chunked;
		uint64_t length;
		enum http_step step;
	} rows[] = {
		{ "hello", "hello", false, 5, HTTP_DONE },
		{ "hello more", "hello", false, 5, HTTP_DONE },
		{ "hell", "hell", false, 5, HTTP_MORE },
		{ "", "", false, 0, HTTP_DONE },
		{ "5\r\nhello\r\n0\r\n\r\n", "hello", true, 0, HTTP_DONE },
		{ "2;x=y\r\nhe\r\n3 \r\nllo\r\n00\r\nT: r\r\n\r\n", "hello",
		    true, 0, HTTP_DONE },
		{ "A\r\n0123456789\r\n", "0123456789", true, 0, HTTP_MORE },
		{ "5\r\nhelloX\r\n", "hello", true, 0, HTTP_BAD },
		{ "x\r\n", "", true, 0, HTTP_BAD },
		{ "\r\n", "", true, 0, HTTP_BAD },
		{ "-1\r\n", "", true, 0, HTTP_BAD },
		{ "000000001\r\n", "", true, 0, HTTP_BAD },
		{ "FFFFFFFF\r\n", "", true, 0, HTTP_LARGE },
		{ "8\r\n12345678\r\n9\r\n", "12345678", true, 0,
		    HTTP_LARGE },
		{ "", "", false, 17, HTTP_LARGE },
	};
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_head h = {
			.has_length = !rows[i].is_chunked,
			.length = rows[i].length,
			.is_chunked = rows[i].is_chunked,
		};

		for (size_t step = 1; step < 20; step++) {
			CHECK_EQ(decode(rows[i].in, &h, 16, step, &out),
			    rows[i].step);
			CHECK_STR(out.p, rows[i].out);
		}
	}
	buf_release(&out);
}

TEST(test_http_chunk_framing_is_capped)
{
	struct http_head h = { .is_chunked = true };
	struct buf in = BUF_INIT, out = BUF_INIT;

	for (unsigned i = 0; i < HTTP_LINE_MAX + 1; i++)
		buf_addc(&in, '0');
	CHECK_EQ(decode(in.p, &h, 16, 4096, &out), HTTP_BAD);
	buf_clear(&in);
	buf_adds(&in, "0\r\n");
	for (unsigned i = 0; i < HTTP_TRAILERS_MAX + 1; i++)
		buf_adds(&in, "A: b\r\n");
	CHECK_EQ(decode(in.p, &h, 16, 4096, &out), HTTP_BAD);
	buf_release(&in);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_head_ends_at_the_empty_line),
		cmocka_unit_test(test_http_head_is_read),
		cmocka_unit_test(test_http_head_refuses_what_is_doubtful),
		cmocka_unit_test(test_http_bodies_come_in_any_pieces),
		cmocka_unit_test(test_http_chunk_framing_is_capped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
