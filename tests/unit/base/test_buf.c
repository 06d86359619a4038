#include "server/base/buf.h"

#include "tests/check.h"

TEST(test_buf_empty_is_a_string_and_owns_nothing)
{
	struct buf b = BUF_INIT;
	char *p;

	CHECK_STR(b.p, "");
	buf_truncate(&b, 0);
	buf_clear(&b);
	buf_consume(&b, 5);
	buf_add(&b, NULL, 0);
	CHECK_EQ(b.cap, 0);
	p = buf_take(&b);
	CHECK_STR(p, "");
	free(p);
	buf_release(&b);
}

TEST(test_buf_is_terminated_after_every_change)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < 300; i++) {
		buf_addc(&b, 'x');
		CHECK_EQ(strlen(b.p), i + 1);
	}
	buf_truncate(&b, 7);
	CHECK_EQ(strlen(b.p), 7);
	buf_consume(&b, 3);
	CHECK_STR(b.p, "xxxx");
	buf_add(&b, "yz", 2);
	CHECK_STR(b.p, "xxxxyz");
	buf_consume(&b, 100);
	CHECK_STR(b.p, "");
	buf_release(&b);
}

TEST(test_buf_keeps_nul_bytes)
{
	struct buf b = BUF_INIT;

	buf_addspan(&b, SPAN("a\0b"));
	buf_addc(&b, '\0');
	CHECK_EQ(b.len, 4);
	assert_memory_equal(b.p, "a\0b\0", 5);
	buf_release(&b);
}

TEST(test_buf_numbers_are_decimal)
{
	struct buf b = BUF_INIT;

	buf_addu(&b, 0);
	buf_addc(&b, ' ');
	buf_addu(&b, UINT64_MAX);
	CHECK_STR(b.p, "0 18446744073709551615");
	buf_release(&b);
}

TEST(test_buf_printf_grows_to_any_length)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s", "");
	CHECK_STR(b.p, "");
	for (int width = 1; width < 400; width++) {
		size_t before = b.len;

		buf_printf(&b, "%*d", width, 7);
		CHECK_EQ(b.len, before + (size_t)width);
		CHECK_EQ(b.p[b.len - 1], '7');
		CHECK_EQ(b.p[b.len], '\0');
	}
	buf_release(&b);
}

TEST(test_buf_reserve_saves_later_moves)
{
	struct buf b = BUF_INIT;
	char *p;

	buf_reserve(&b, 1000);
	CHECK_STR(b.p, "");
	p = b.p;
	for (int i = 0; i < 1000; i++)
		buf_addc(&b, 'x');
	CHECK(b.p == p);
	buf_release(&b);
}

TEST(test_buf_clear_frees_what_is_large_only)
{
	struct buf b = BUF_INIT;

	buf_reserve(&b, 1000);
	buf_clear(&b);
	CHECK(b.cap > 1000);
	buf_reserve(&b, 1000000);
	buf_clear(&b);
	CHECK_EQ(b.cap, 0);
	CHECK_STR(b.p, "");
	buf_release(&b);
}

TEST(test_buf_take_gives_the_bytes_away)
{
	struct buf b = BUF_INIT;
	char *p;

	buf_adds(&b, "mine");
	p = buf_take(&b);
	CHECK_STR(p, "mine");
	CHECK_EQ(b.len, 0);
	buf_adds(&b, "next");
	CHECK_STR(p, "mine");
	free(p);
	buf_release(&b);
}

TEST(test_buf_swap_exchanges_also_with_empty)
{
	struct buf a = BUF_INIT, b = BUF_INIT;

	buf_adds(&a, "left");
	buf_swap(&a, &b);
	CHECK_STR(a.p, "");
	CHECK_STR(b.p, "left");
	buf_release(&a);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_empty_is_a_string_and_owns_nothing),
		cmocka_unit_test(test_buf_is_terminated_after_every_change),
		cmocka_unit_test(test_buf_keeps_nul_bytes),
		cmocka_unit_test(test_buf_numbers_are_decimal),
		cmocka_unit_test(test_buf_printf_grows_to_any_length),
		cmocka_unit_test(test_buf_reserve_saves_later_moves),
		cmocka_unit_test(test_buf_clear_frees_what_is_large_only),
		cmocka_unit_test(test_buf_take_gives_the_bytes_away),
		cmocka_unit_test(test_buf_swap_exchanges_also_with_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
