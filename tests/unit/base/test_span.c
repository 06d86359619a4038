#include "server/base/span.h"

#include "tests/check.h"

TEST(test_span_empty_ones_are_equal_whatever_they_point_to)
{
	CHECK(span_eq(span_make(NULL, 0), SPAN("")));
	CHECK(span_ieq(span_make(NULL, 0), span_of(NULL)));
	CHECK(span_chr(span_make(NULL, 0), 'x') == NULL);
	CHECK_EQ(span_trim(SPAN(" \t ")).len, 0);
}

TEST(test_span_case_is_of_ascii_letters_only)
{
	CHECK(span_iis(SPAN("InBox"), "INBOX"));
	CHECK(!span_iis(SPAN("INBOX"), "INBOXX"));
	CHECK(!span_is(SPAN("InBox"), "INBOX"));
	CHECK(!span_iis(SPAN("@"), "`"));
	CHECK(!span_iis(SPAN("["), "{"));
	CHECK(!span_iis(SPAN("\xc3\x84"), "\xc3\xa4"));
}

TEST(test_span_parts_stay_inside)
{
	struct span s = SPAN("hello");

	CHECK_SPAN(span_from(s, 2), "llo");
	CHECK_SPAN(span_from(s, 5), "");
	CHECK_SPAN(span_from(s, 50), "");
	CHECK(span_from(s, 50).p == s.p + 5);
	CHECK_SPAN(span_head(s, 2), "he");
	CHECK_SPAN(span_head(s, 50), "hello");
	CHECK_SPAN(span_trim(SPAN("\t a b \t")), "a b");
}

TEST(test_span_prefixes)
{
	CHECK(span_starts(SPAN("BODY[]"), "BODY["));
	CHECK(!span_starts(SPAN("BODY"), "BODY["));
	CHECK(!span_starts(SPAN("body[]"), "BODY["));
	CHECK(span_istarts(SPAN("body[]"), "BODY["));
	CHECK(!span_istarts(SPAN("bod"), "BODY["));
	CHECK(span_starts(SPAN(""), ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_span_empty_ones_are_equal_whatever_they_point_to),
		cmocka_unit_test(test_span_case_is_of_ascii_letters_only),
		cmocka_unit_test(test_span_parts_stay_inside),
		cmocka_unit_test(test_span_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
