#include "server/base/hash.h"

#include "server/base/random.h"
#include "tests/check.h"

TEST(test_hash64_is_siphash_2_4)
{
	/* From the paper's appendix A: key 00..0f, input 00..0e. */
	struct hash_key key;
	unsigned char in[15];

	for (unsigned char i = 0; i < 16; i++)
		key.bytes[i] = i;
	for (unsigned char i = 0; i < 15; i++)
		in[i] = i;
	assert_true(hash64(&key, in, sizeof in) ==
	    UINT64_C(0xa129ca6149be45e5));
	assert_true(hash64(&key, NULL, 0) == UINT64_C(0x726fdb47dd0e0e31));
}

TEST(test_blake2b_in_steps_equals_in_one_go)
{
	unsigned char in[1000], whole[BLAKE2B_LEN], steps[BLAKE2B_LEN];

	for (size_t i = 0; i < sizeof in; i++)
		in[i] = (unsigned char)(i * 7);
	blake2b_256(whole, in, sizeof in, NULL, 0);
	for (size_t step = 1; step < 300; step += 13) {
		struct blake2b a, b;

		blake2b_init(&a);
		for (size_t at = 0; at < sizeof in; at += step) {
			blake2b_add(&a, in + at, MIN(step, sizeof in - at));
			blake2b_add(&a, NULL, 0);
			/* Movable by memcpy. */
			memcpy(&b, &a, sizeof a);
			memcpy(&a, &b, sizeof a);
		}
		blake2b_final(&a, steps);
		assert_memory_equal(steps, whole, BLAKE2B_LEN);
	}
}

TEST(test_blake2b_of_nothing_is_known)
{
	static const unsigned char want[BLAKE2B_LEN] = {
		0x0e, 0x57, 0x51, 0xc0, 0x26, 0xe5, 0x43, 0xb2,
		0xe8, 0xab, 0x2e, 0xb0, 0x60, 0x99, 0xda, 0xa1,
		0xd1, 0xe5, 0xdf, 0x47, 0x77, 0x8f, 0x77, 0x87,
		0xfa, 0xab, 0x45, 0xcd, 0xf1, 0x2f, 0xe3, 0xa8,
	};
	unsigned char out[BLAKE2B_LEN];

	blake2b_256(out, NULL, 0, NULL, 0);
	assert_memory_equal(out, want, sizeof want);
}

TEST(test_blake2b_depends_on_its_key)
{
	unsigned char a[BLAKE2B_LEN], b[BLAKE2B_LEN];

	blake2b_256(a, "mail", 4, NULL, 0);
	blake2b_256(b, "mail", 4, "0123456789abcdef", 16);
	assert_memory_not_equal(a, b, BLAKE2B_LEN);
}

TEST(test_idmap_empty_finds_nothing)
{
	struct idmap m = { 0 };

	CHECK(idmap_find(&m, 0) == NULL);
	CHECK(idmap_take(&m, 7) == NULL);
	idmap_release(&m);
}

TEST(test_idmap_puts_replaces_and_takes)
{
	struct idmap m = { 0 };
	int a, b;

	idmap_put(&m, 0, &a);
	idmap_put(&m, UINT64_MAX, &b);
	CHECK(idmap_find(&m, 0) == &a);
	CHECK(idmap_find(&m, UINT64_MAX) == &b);
	CHECK(idmap_find(&m, 1) == NULL);
	idmap_put(&m, 0, &b);
	CHECK(idmap_find(&m, 0) == &b);
	CHECK_EQ(m.count, 2);
	CHECK(idmap_take(&m, 0) == &b);
	CHECK(idmap_take(&m, 0) == NULL);
	CHECK_EQ(m.count, 1);
	idmap_release(&m);
}

/*
 * Against an array that says what must be inside: removals in a crowded table
 * are where open addressing goes wrong.
 */
TEST(test_idmap_agrees_with_an_array)
{
	enum { KEYS = 500, STEPS = 20000 };
	struct idmap m = { 0 };
	char *model[KEYS] = { NULL };
	char values[KEYS];
	struct seeded_random rnd;
	size_t count = 0;

	seeded_random_init(&rnd, 42);
	for (int step = 0; step < STEPS; step++) {
		uint32_t r[2];
		size_t k;

		random_fill(&rnd.random, r, sizeof r);
		k = r[0] % KEYS;
		if (r[1] % 3) {
			count += !model[k];
			model[k] = &values[k];
			idmap_put(&m, k * 4096, model[k]);
		} else {
			count -= model[k] != NULL;
			CHECK(idmap_take(&m, k * 4096) == model[k]);
			model[k] = NULL;
		}
		CHECK_EQ(m.count, count);
		if (step % 100)
			continue;
		for (size_t i = 0; i < KEYS; i++)
			CHECK(idmap_find(&m, i * 4096) == model[i]);
	}
	idmap_release(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash64_is_siphash_2_4),
		cmocka_unit_test(test_blake2b_in_steps_equals_in_one_go),
		cmocka_unit_test(test_blake2b_of_nothing_is_known),
		cmocka_unit_test(test_blake2b_depends_on_its_key),
		cmocka_unit_test(test_idmap_empty_finds_nothing),
		cmocka_unit_test(test_idmap_puts_replaces_and_takes),
		cmocka_unit_test(test_idmap_agrees_with_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
