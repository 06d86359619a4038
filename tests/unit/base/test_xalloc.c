#include "server/base/xalloc.h"

#include "tests/check.h"

TEST(test_xalloc_of_nothing_can_be_freed)
{
	free(xmalloc(0));
	free(xcalloc(0, 8));
	free(xcalloc(8, 0));
	free(xreallocarray(NULL, 0, 8));
	free(xmemdup(NULL, 0));
}

TEST(test_xalloc_calloc_is_zeroed)
{
	unsigned char *p = xcalloc(100, 3);

	for (size_t i = 0; i < 300; i++)
		CHECK_EQ(p[i], 0);
	free(p);
}

TEST(test_xalloc_realloc_keeps_the_bytes)
{
	char *p = xstrdup("hello");

	p = xrealloc(p, 100000);
	CHECK_STR(p, "hello");
	p = xreallocarray(p, 6, 1);
	CHECK_STR(p, "hello");
	free(p);
}

TEST(test_xalloc_memdup_copies)
{
	char *p = xmemdup("a\0b", 3);

	assert_memory_equal(p, "a\0b", 3);
	free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_xalloc_of_nothing_can_be_freed),
		cmocka_unit_test(test_xalloc_calloc_is_zeroed),
		cmocka_unit_test(test_xalloc_realloc_keeps_the_bytes),
		cmocka_unit_test(test_xalloc_memdup_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
