#include "tests/check.h"

#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/net/deflate.h"

/* Inflates all of in, which comes step bytes at a time, room bytes ahead. */
static int
inflate_all(struct buf *out, struct span in, size_t step, size_t room)
{
	struct inflater *i = inflater_new();
	char *p = xmalloc(room);
	int n = 0;

	while (in.len > 0 && n >= 0) {
		struct span piece = span_head(in, step);

		buf_addspan(inflater_in(i), piece);
		in = span_from(in, piece.len);
		while ((n = inflater_read(i, p, room)) > 0) {
			CHECK((size_t)n <= room);
			buf_add(out, p, (size_t)n);
		}
	}
	free(p);
	inflater_free(i);
	return n;
}

TEST(test_deflate_comes_back_as_it_was)
{
	struct deflater *d = deflater_new();
	struct buf in = BUF_INIT, packed = BUF_INIT;

	for (unsigned i = 0; i < 20000; i++)
		buf_printf(&in, "* %u FETCH (UID %u FLAGS (\\Seen))\r\n", i,
		    i * 7);
	/* In answers of many lengths, each of them flushed. */
	for (size_t at = 0, n; at < in.len; at += n) {
		n = MIN(in.len - at, 1 + at % 40000);
		deflater_add(d, &packed, in.p + at, n);
	}
	CHECK(packed.len < in.len / 3);
	for (size_t step = 1; step < 100000; step *= 9) {
		struct buf out = BUF_INIT;

		CHECK_EQ(inflate_all(&out, buf_span(&packed), step, 1000), 0);
		CHECK_EQ(out.len, in.len);
		CHECK(memcmp(out.p, in.p, in.len) == 0);
		buf_release(&out);
	}
	buf_release(&in);
	buf_release(&packed);
	deflater_free(d);
}

TEST(test_deflate_flushes_each_answer)
{
	struct deflater *d = deflater_new();
	struct inflater *i = inflater_new();
	char p[100];

	for (int n = 0; n < 3; n++) {
		deflater_add(d, inflater_in(i), "a OK done\r\n", 11);
		CHECK_EQ(inflater_read(i, p, sizeof p), 11);
		assert_memory_equal(p, "a OK done\r\n", 11);
		CHECK_EQ(inflater_read(i, p, sizeof p), 0);
	}
	inflater_free(i);
	deflater_free(d);
}

TEST(test_deflate_of_what_cannot_be_made_smaller)
{
	struct deflater *d = deflater_new();
	struct buf in = BUF_INIT, packed = BUF_INIT, out = BUF_INIT;
	uint32_t x = 1;

	for (size_t i = 0; i < 300000; i++) {
		x = x * 1664525 + 1013904223;
		buf_addc(&in, (char)(x >> 24));
	}
	deflater_add(d, &packed, in.p, in.len);
	CHECK(packed.len < in.len + in.len / 100);
	CHECK_EQ(inflate_all(&out, buf_span(&packed), 5000, 64 * 1024), 0);
	CHECK_EQ(out.len, in.len);
	CHECK(memcmp(out.p, in.p, in.len) == 0);
	buf_release(&in);
	buf_release(&packed);
	buf_release(&out);
	deflater_free(d);
}

TEST(test_inflate_takes_no_more_than_there_is_room_for)
{
	struct deflater *d = deflater_new();
	struct inflater *i = inflater_new();
	struct buf zeros = BUF_INIT;
	char p[1000];
	size_t total = 0;
	int n;

	while (zeros.len < 5000000)
		buf_add(&zeros, (char[4096]){ 0 }, 4096);
	deflater_add(d, inflater_in(i), zeros.p, zeros.len);
	CHECK(inflater_in(i)->len < 50000);
	while ((n = inflater_read(i, p, sizeof p)) > 0)
		total += (size_t)n;
	CHECK_EQ(n, 0);
	CHECK_EQ(total, zeros.len);
	CHECK_EQ(inflater_in(i)->len, 0);
	buf_release(&zeros);
	inflater_free(i);
	deflater_free(d);
}

TEST(test_inflate_refuses_what_is_none)
{
	struct inflater *i = inflater_new();
	char p[100];

	buf_adds(inflater_in(i), "\x07 NOOP\r\n");	/* no such block */
	CHECK_EQ(inflater_read(i, p, sizeof p), ERR_SYNTAX);
	buf_adds(inflater_in(i), "more");
	CHECK_EQ(inflater_read(i, p, sizeof p), ERR_SYNTAX);
	inflater_free(i);
	/* A last block, "x", and what is behind it. */
	i = inflater_new();
	buf_add(inflater_in(i), "\x01\x01\x00\xfe\xffxyz", 8);
	CHECK_EQ(inflater_read(i, p, sizeof p), 1);
	CHECK_EQ(p[0], 'x');
	CHECK_EQ(inflater_read(i, p, sizeof p), ERR_CLOSED);
	inflater_free(i);
	inflater_free(NULL);
	deflater_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deflate_comes_back_as_it_was),
		cmocka_unit_test(test_deflate_flushes_each_answer),
		cmocka_unit_test(test_deflate_of_what_cannot_be_made_smaller),
		cmocka_unit_test(
		    test_inflate_takes_no_more_than_there_is_room_for),
		cmocka_unit_test(test_inflate_refuses_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
