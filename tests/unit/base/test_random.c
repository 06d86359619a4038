#include "server/base/random.h"

#include "tests/check.h"

TEST(test_random_system_fills_and_differs)
{
	unsigned char a[32] = { 0 }, b[32] = { 0 };

	CHECK_EQ(base_random_start(), 0);
	CHECK_EQ(base_random_start(), 0);
	random_fill(random_system(), a, sizeof a);
	random_fill(random_system(), b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
}

TEST(test_random_seeded_repeats_itself_from_the_same_seed)
{
	struct seeded_random a, b;
	unsigned char x[20], y[20], z[20];

	seeded_random_init(&a, 1);
	seeded_random_init(&b, 1);
	random_fill(&a.random, x, sizeof x);
	random_fill(&b.random, y, sizeof y);
	assert_memory_equal(x, y, sizeof x);
	random_fill(&a.random, z, sizeof z);
	assert_memory_not_equal(x, z, sizeof x);
	random_fill(&b.random, y, sizeof y);
	assert_memory_equal(y, z, sizeof z);
}

TEST(test_random_seeds_differ)
{
	struct seeded_random a, b;
	unsigned char x[20], y[20];

	seeded_random_init(&a, 1);
	seeded_random_init(&b, 2);
	random_fill(&a.random, x, sizeof x);
	random_fill(&b.random, y, sizeof y);
	assert_memory_not_equal(x, y, sizeof x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_system_fills_and_differs),
		cmocka_unit_test(test_random_seeded_repeats_itself_from_the_same_seed),
		cmocka_unit_test(test_random_seeds_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
