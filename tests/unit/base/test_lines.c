#include "server/base/lines.h"

#include "tests/check.h"

enum { MAX = 10 };

static void
check(struct span in, int lenient, enum line_result want, const char *line,
    size_t used)
{
	struct span got;
	size_t n;

	CHECK_EQ(lines_find(in.p, in.len, MAX, lenient, &got, &n), want);
	CHECK_EQ(n, used);
	if (line)
		CHECK_SPAN(got, line);
}

TEST(test_lines_end_with_crlf)
{
	for (int lenient = 0; lenient < 2; lenient++) {
		check(SPAN("NOOP\r\nQUIT\r\n"), lenient, LINE_OK, "NOOP", 6);
		check(SPAN("\r\n"), lenient, LINE_OK, "", 2);
		check(SPAN("12345678\r\n"), lenient, LINE_OK, "12345678", 10);
	}
}

TEST(test_lines_wait_for_their_end)
{
	for (int lenient = 0; lenient < 2; lenient++) {
		check(SPAN(""), lenient, LINE_MORE, NULL, 0);
		check(SPAN("NOOP"), lenient, LINE_MORE, NULL, 0);
		check(SPAN("NOOP\r"), lenient, LINE_MORE, NULL, 0);
	}
}

TEST(test_lines_strict_never_end_at_a_bare_lf)
{
	check(SPAN("A\nB"), 0, LINE_MORE, NULL, 0);
	check(SPAN("A\nB\r\nC"), 0, LINE_BARE, NULL, 5);
	check(SPAN("\nB\r\n"), 0, LINE_BARE, NULL, 4);
	check(SPAN("A\n\r\n"), 0, LINE_BARE, NULL, 4);
}

TEST(test_lines_strict_never_end_at_a_bare_cr)
{
	check(SPAN("A\rB"), 0, LINE_MORE, NULL, 0);
	check(SPAN("A\rB\r\nC"), 0, LINE_BARE, NULL, 5);
	check(SPAN("A\r\r\nC"), 0, LINE_BARE, NULL, 4);
}

TEST(test_lines_strict_refuse_nul)
{
	check(SPAN("A\0B\r\n"), 0, LINE_BARE, NULL, 5);
}

TEST(test_lines_lenient_end_at_a_lone_lf)
{
	check(SPAN("A\nB\r\n"), 1, LINE_OK, "A", 2);
	check(SPAN("\n"), 1, LINE_OK, "", 1);
	check(SPAN("A\rB\n"), 1, LINE_OK, "A\rB", 4);
}

TEST(test_lines_count_their_end_in_max)
{
	check(SPAN("123456789\r\n"), 0, LINE_LONG, NULL, 11);
	check(SPAN("123456789\r"), 0, LINE_LONG, NULL, 10);
	check(SPAN("123456789"), 0, LINE_MORE, NULL, 0);
	check(SPAN("123456789\n"), 1, LINE_OK, "123456789", 10);
}

TEST(test_lines_long_ones_go_with_their_end)
{
	check(SPAN("1234567890"), 0, LINE_LONG, NULL, 10);
	check(SPAN("1234567890abc\r\nQUIT\r\n"), 0, LINE_LONG, NULL, 15);
	check(SPAN("1234567890abc"), 0, LINE_LONG, NULL, 13);
	check(SPAN("1234567890\r\nQ"), 0, LINE_LONG, NULL, 12);
	check(SPAN("123456789\r\nQ"), 0, LINE_LONG, NULL, 11);
	/* Ends in LF, so nothing is left to skip. */
	check(SPAN("123456789\nQ\r\n"), 0, LINE_LONG, NULL, 10);
}

TEST(test_lines_skip_drops_through_the_lf)
{
	int found;

	CHECK_EQ(lines_skip("abc", 3, &found), 3);
	CHECK(!found);
	CHECK_EQ(lines_skip("abc\r\nQUIT", 9, &found), 5);
	CHECK(found);
	CHECK_EQ(lines_skip("", 0, &found), 0);
	CHECK(!found);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_end_with_crlf),
		cmocka_unit_test(test_lines_wait_for_their_end),
		cmocka_unit_test(test_lines_strict_never_end_at_a_bare_lf),
		cmocka_unit_test(test_lines_strict_never_end_at_a_bare_cr),
		cmocka_unit_test(test_lines_strict_refuse_nul),
		cmocka_unit_test(test_lines_lenient_end_at_a_lone_lf),
		cmocka_unit_test(test_lines_count_their_end_in_max),
		cmocka_unit_test(test_lines_long_ones_go_with_their_end),
		cmocka_unit_test(test_lines_skip_drops_through_the_lf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
