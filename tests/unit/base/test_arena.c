#include "server/base/arena.h"

#include "tests/check.h"

TEST(test_arena_memory_is_zeroed_also_after_clear)
{
	struct arena a = { 0 };
	char *p = arena_alloc(&a, 100);

	memset(p, 'x', 100);
	arena_clear(&a);
	CHECK_EQ(a.used, 0);
	p = arena_alloc(&a, 100);
	for (size_t i = 0; i < 100; i++)
		CHECK_EQ(p[i], 0);
	arena_release(&a);
}

TEST(test_arena_memory_is_aligned_for_any_type)
{
	struct arena a = { 0 };

	for (size_t size = 0; size < 70; size++) {
		uintptr_t p = (uintptr_t)arena_alloc(&a, size);

		CHECK_EQ(p % _Alignof(max_align_t), 0);
	}
	arena_release(&a);
}

TEST(test_arena_pieces_do_not_overlap)
{
	static const size_t sizes[] = {
		1, 17, 900, 4000, 200000, 3, 70000, 64, 1000000, 5
	};
	struct arena a = { 0 };
	unsigned char *p[COUNT(sizes)];
	size_t total = 0;

	for (size_t i = 0; i < COUNT(sizes); i++) {
		p[i] = arena_alloc(&a, sizes[i]);
		memset(p[i], (int)i + 1, sizes[i]);
		total += sizes[i];
	}
	CHECK_EQ(a.used, total);
	for (size_t i = 0; i < COUNT(sizes); i++)
		for (size_t k = 0; k < sizes[i]; k++)
			if (p[i][k] != i + 1)
				CHECK_EQ(p[i][k], i + 1);
	arena_release(&a);
}

TEST(test_arena_copies_are_whole_and_terminated)
{
	struct arena a = { 0 };
	struct span s = arena_span(&a, SPAN("a\0b"));

	CHECK_EQ(s.len, 3);
	assert_memory_equal(s.p, "a\0b", 3);
	CHECK_STR(arena_str(&a, span_make("hello", 4)), "hell");
	CHECK_STR(arena_str(&a, span_make(NULL, 0)), "");
	CHECK_EQ(arena_span(&a, span_make(NULL, 0)).len, 0);
	CHECK_STR(arena_printf(&a, "%s-%d", "x", 42), "x-42");
	CHECK_EQ(strlen(arena_printf(&a, "%5000d", 1)), 5000);
	arena_release(&a);
}

TEST(test_arena_array_is_zeroed_and_counted)
{
	struct arena a = { 0 };
	uint64_t *v = arena_array(&a, 1000, sizeof *v);

	for (size_t i = 0; i < 1000; i++)
		CHECK_EQ(v[i], 0);
	CHECK_EQ(a.used, 8000);
	arena_release(&a);
}

TEST(test_arena_clear_keeps_no_large_block)
{
	struct arena a = { 0 };

	arena_alloc(&a, 10);
	arena_alloc(&a, 1000000);
	for (int i = 0; i < 100; i++)
		arena_alloc(&a, 3000);
	arena_clear(&a);
	CHECK(a.head != NULL);
	arena_release(&a);
	CHECK(a.head == NULL);
	arena_alloc(&a, 1000000);
	arena_clear(&a);
	CHECK(a.head == NULL);
	arena_release(&a);
}

TEST(test_arena_released_is_usable)
{
	struct arena a = { 0 };

	arena_release(&a);
	CHECK_STR(arena_str(&a, SPAN("again")), "again");
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena_memory_is_zeroed_also_after_clear),
		cmocka_unit_test(test_arena_memory_is_aligned_for_any_type),
		cmocka_unit_test(test_arena_pieces_do_not_overlap),
		cmocka_unit_test(test_arena_copies_are_whole_and_terminated),
		cmocka_unit_test(test_arena_array_is_zeroed_and_counted),
		cmocka_unit_test(test_arena_clear_keeps_no_large_block),
		cmocka_unit_test(test_arena_released_is_usable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
