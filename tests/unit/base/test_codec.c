#include "server/base/codec.h"

#include "server/base/err.h"
#include "tests/check.h"

/* RFC 4648 section 10 */
static const char *const base64_vectors[][2] = {
	{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
};

TEST(test_base64_has_the_vectors_of_the_rfc)
{
	for (size_t i = 0; i < COUNT(base64_vectors); i++) {
		struct buf out = BUF_INIT, back = BUF_INIT;

		base64_encode(&out, base64_vectors[i][0],
		    strlen(base64_vectors[i][0]));
		CHECK_STR(out.p, base64_vectors[i][1]);
		CHECK_EQ(base64_decode(&back, buf_span(&out)), 0);
		CHECK_STR(back.p, base64_vectors[i][0]);
		buf_release(&out);
		buf_release(&back);
	}
}

TEST(test_base64_carries_every_byte)
{
	struct buf out = BUF_INIT, back = BUF_INIT;
	unsigned char all[256];

	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (unsigned char)(255 - i);
	base64_encode(&out, all, sizeof all);
	CHECK_EQ(base64_decode(&back, buf_span(&out)), 0);
	CHECK_EQ(back.len, sizeof all);
	assert_memory_equal(back.p, all, sizeof all);
	buf_release(&out);
	buf_release(&back);
}

TEST(test_base64_refuses_what_is_not_exact)
{
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zg==Zg==",
		"Zm9v\r\n", " Zm9v", "Zm 9", "Zh==", "Zm9=", "Zm-_", "Zm9v====",
		"Zg=v", "*", "Zm9vZm\377v",
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf out = BUF_INIT;

		CHECK_EQ(base64_decode(&out, span_of(bad[i])), ERR_SYNTAX);
		buf_release(&out);
	}
}

static void
check_stream(const char *in, const char *want)
{
	size_t len = strlen(in);

	/* Whatever the split, the result is the same. */
	for (size_t at = 0; at <= len; at++) {
		struct base64_stream s = { 0 };
		struct buf out = BUF_INIT;

		base64_stream_add(&s, &out, span_make(in, at));
		base64_stream_add(&s, &out, span_make(in + at, len - at));
		CHECK_STR(out.p, want);
		buf_release(&out);
	}
}

TEST(test_base64_stream_skips_what_is_not_in_the_alphabet)
{
	check_stream("Zm9v\r\nYm\tFy", "foobar");
	check_stream("*Z-m_9.v", "foo");
}

TEST(test_base64_stream_stops_at_padding)
{
	check_stream("Zm8=Zm9v", "fo");
	check_stream("Zg==", "f");
	check_stream("=Zm9v", "");
}

TEST(test_base64_stream_keeps_what_lacks_its_padding)
{
	check_stream("Zm8", "fo");
	check_stream("Zg", "f");
	check_stream("Z", "");
}

TEST(test_hex_is_lower_case_and_reads_either)
{
	struct buf out = BUF_INIT;

	hex_encode(&out, "\x00\xff\x1a", 3);
	CHECK_STR(out.p, "00ff1a");
	buf_clear(&out);
	CHECK_EQ(hex_decode(&out, SPAN("00fF1A")), 0);
	CHECK_EQ(out.len, 3);
	assert_memory_equal(out.p, "\x00\xff\x1a", 3);
	buf_release(&out);
}

TEST(test_hex_refuses_odd_and_other)
{
	static const char *const bad[] = { "0", "000", "0g", "g0", "0x00", " " };

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf out = BUF_INIT;

		CHECK_EQ(hex_decode(&out, span_of(bad[i])), ERR_SYNTAX);
		buf_release(&out);
	}
}

TEST(test_xtext_escapes_plus_equals_and_all_beyond_print)
{
	struct buf out = BUF_INIT, back = BUF_INIT;
	struct span in = SPAN("a+b=c d\x01\xff~!");

	xtext_encode(&out, in);
	CHECK_STR(out.p, "a+2Bb+3Dc+20d+01+FF~!");
	CHECK_EQ(xtext_decode(&back, buf_span(&out)), 0);
	CHECK(span_eq(buf_span(&back), in));
	buf_release(&out);
	buf_release(&back);
}

TEST(test_xtext_refuses_lower_case_and_cut_escapes)
{
	static const char *const bad[] = {
		"+", "+2", "+2b", "+b2", "a=b", "a b", "+GG", "\x7f", "\xc3\xa9"
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf out = BUF_INIT;

		CHECK_EQ(xtext_decode(&out, span_of(bad[i])), ERR_SYNTAX);
		buf_release(&out);
	}
}

TEST(test_percent_keeps_what_is_unreserved)
{
	struct buf out = BUF_INIT, back = BUF_INIT;
	struct span in = SPAN("Az09-._~ /%+\xc3\xa9");

	percent_encode(&out, in);
	CHECK_STR(out.p, "Az09-._~%20%2F%25%2B%C3%A9");
	CHECK_EQ(percent_decode(&back, buf_span(&out)), 0);
	CHECK(span_eq(buf_span(&back), in));
	buf_clear(&back);
	CHECK_EQ(percent_decode(&back, SPAN("a/b%2fc+%2F")), 0);
	CHECK_STR(back.p, "a/b/c+/");
	buf_release(&out);
	buf_release(&back);
}

TEST(test_percent_refuses_cut_escapes_and_bytes_no_uri_has)
{
	static const char *const bad[] = {
		"%", "%2", "%G0", "%0G", "a b", "a\r\n", "\xc3\xa9", "\x7f"
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf out = BUF_INIT;

		CHECK_EQ(percent_decode(&out, span_of(bad[i])), ERR_SYNTAX);
		buf_release(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64_has_the_vectors_of_the_rfc),
		cmocka_unit_test(test_base64_carries_every_byte),
		cmocka_unit_test(test_base64_refuses_what_is_not_exact),
		cmocka_unit_test(test_base64_stream_skips_what_is_not_in_the_alphabet),
		cmocka_unit_test(test_base64_stream_stops_at_padding),
		cmocka_unit_test(test_base64_stream_keeps_what_lacks_its_padding),
		cmocka_unit_test(test_hex_is_lower_case_and_reads_either),
		cmocka_unit_test(test_hex_refuses_odd_and_other),
		cmocka_unit_test(test_xtext_escapes_plus_equals_and_all_beyond_print),
		cmocka_unit_test(test_xtext_refuses_lower_case_and_cut_escapes),
		cmocka_unit_test(test_percent_keeps_what_is_unreserved),
		cmocka_unit_test(test_percent_refuses_cut_escapes_and_bytes_no_uri_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
