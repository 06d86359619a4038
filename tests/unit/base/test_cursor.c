#include "server/base/cursor.h"

#include "tests/check.h"

static bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

TEST(test_cursor_consumes_what_it_names_or_nothing)
{
	struct cursor c = cursor_of("FETCH 12x");

	CHECK(!cursor_skip_word(&c, "FETCHES"));
	CHECK(!cursor_skip_word(&c, "FETCH 12xy"));
	CHECK_EQ(cursor_left(&c), 9);
	CHECK(cursor_skip_word(&c, "fetch"));
	CHECK(!cursor_skip(&c, 'x'));
	CHECK(cursor_skip(&c, ' '));
	CHECK_SPAN(cursor_while(&c, is_digit), "12");
	CHECK_SPAN(cursor_while(&c, is_digit), "");
	CHECK_EQ(cursor_peek(&c), 'x');
	CHECK_EQ(cursor_next(&c), 'x');
	CHECK(cursor_at_end(&c));
	CHECK_EQ(cursor_next(&c), -1);
	CHECK_EQ(cursor_peek(&c), -1);
}

TEST(test_cursor_until_stops_before_its_byte)
{
	struct cursor c = cursor_of("a,b");

	CHECK_SPAN(cursor_until(&c, ','), "a");
	CHECK(cursor_skip(&c, ','));
	CHECK_SPAN(cursor_until(&c, ','), "b");
	CHECK(cursor_at_end(&c));
}

TEST(test_cursor_number_knows_its_limits)
{
	static const struct {
		const char *in;
		uint64_t max;
		bool ok;
		uint64_t n;
	} t[] = {
		{ "0", 0, true, 0 },
		{ "1", 0, false, 0 },
		{ "007", 7, true, 7 },
		{ "8", 7, false, 0 },
		{ "4294967295", UINT32_MAX, true, UINT32_MAX },
		{ "4294967296", UINT32_MAX, false, 0 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "99999999999999999999999", UINT64_MAX, false, 0 },
		{ "", 9, false, 0 },
		{ "-1", 9, false, 0 },
		{ "x", 9, false, 0 },
	};

	for (size_t i = 0; i < COUNT(t); i++) {
		struct cursor c = cursor_of(t[i].in);
		uint64_t n = 77;

		CHECK_EQ(cursor_number(&c, t[i].max, &n), t[i].ok);
		if (t[i].ok)
			CHECK(n == t[i].n && cursor_at_end(&c));
		else
			CHECK(n == 77 && cursor_left(&c) == strlen(t[i].in));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cursor_consumes_what_it_names_or_nothing),
		cmocka_unit_test(test_cursor_until_stops_before_its_byte),
		cmocka_unit_test(test_cursor_number_knows_its_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
