#include <stdlib.h>
#include <string.h>

#include "store/uidset.h"
#include "tests/check.h"

#define SPACE 200	/* UIDs that the random tests use: 1..SPACE */

struct model {
	bool in[SPACE + 2];
};

static uint32_t
pick(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % below;
}

/* Sorted, disjoint, not even touching; and just what the model holds. */
static void
check_same(const struct uidset *s, const struct model *m)
{
	uint64_t count = 0;

	for (size_t i = 0; i < s->n; i++) {
		CHECK(s->v[i].lo >= 1 && s->v[i].lo <= s->v[i].hi);
		if (i > 0)
			CHECK(s->v[i].lo > s->v[i - 1].hi + 1);
	}
	for (uint32_t uid = 1; uid <= SPACE; uid++) {
		CHECK_EQ(uidset_has(s, uid), m->in[uid]);
		count += m->in[uid];
	}
	CHECK_EQ(uidset_count(s), count);
}

static void
add_random(struct uidset *s, struct model *m, uint32_t *state)
{
	uint32_t lo = 1 + pick(state, SPACE);
	uint32_t hi = lo + pick(state, 6);

	hi = MIN(hi, SPACE);
	uidset_add(s, lo, hi);
	for (uint32_t uid = lo; uid <= hi; uid++)
		m->in[uid] = true;
}

TEST(uidset_keeps_ranges_apart_in_any_order)
{
	for (uint32_t seed = 1; seed <= 60; seed++) {
		struct uidset s = { 0 };
		struct model m = { { false } };
		uint32_t state = seed;

		for (int i = 0; i < 60; i++) {
			add_random(&s, &m, &state);
			check_same(&s, &m);
		}
		uidset_release(&s);
	}
}

TEST(uidset_merge_is_adding_all)
{
	for (uint32_t seed = 1; seed <= 200; seed++) {
		struct uidset a = { 0 }, b = { 0 };
		struct model ma = { { false } }, mb = { { false } };
		uint32_t state = seed;

		for (uint32_t i = pick(&state, 30); i > 0; i--)
			add_random(&a, &ma, &state);
		for (uint32_t i = pick(&state, 30); i > 0; i--)
			add_random(&b, &mb, &state);
		uidset_merge(&a, &b);
		check_same(&b, &mb);
		for (uint32_t uid = 1; uid <= SPACE; uid++)
			ma.in[uid] |= mb.in[uid];
		check_same(&a, &ma);
		uidset_release(&a);
		uidset_release(&b);
	}
}

TEST(uidset_takes_the_highest_uid)
{
	struct uidset s = { 0 };

	uidset_add(&s, UINT32_MAX, UINT32_MAX);
	uidset_add(&s, 1, 1);
	CHECK_EQ(s.n, 2);
	uidset_add(&s, 2, UINT32_MAX - 1);
	CHECK_EQ(s.n, 1);
	CHECK_EQ(uidset_count(&s), UINT32_MAX);
	uidset_release(&s);
}

TEST(uidset_put_writes_ranges)
{
	struct uidset s = { 0 }, copy = { 0 };
	struct buf out = BUF_INIT;

	uidset_put(&out, &s);
	CHECK_STR(out.p, "");
	uidset_add(&s, 7, 7);
	uidset_add(&s, 1, 3);
	uidset_copy(&copy, &s);
	uidset_clear(&s);
	CHECK(!uidset_has(&s, 7));
	uidset_put(&out, &copy);
	CHECK_STR(out.p, "1:3,7");
	buf_release(&out);
	uidset_release(&s);
	uidset_release(&copy);
}

TEST(uidset_unites_many_as_if_added_one_by_one)
{
	for (size_t n = 0; n < 20; n++) {
		const struct uidset *v[20];
		struct uidset sets[20] = { 0 };
		struct uidset sum = { 0 }, all = { 0 };

		uidset_add(&all, 7, 7);		/* what was in it goes */
		for (size_t i = 0; i < n; i++) {
			for (uint32_t k = 0; k < i; k++) {
				uint32_t lo = 1 + (uint32_t)(i * 37 +
				    k * 91) % 400;

				uidset_add(&sets[i], lo, lo + k % 3);
				uidset_add(&sum, lo, lo + k % 3);
			}
			v[i] = &sets[i];
		}
		uidset_unite(&all, v, n);
		CHECK_EQ(all.n, sum.n);
		for (size_t i = 0; i < all.n; i++) {
			CHECK_EQ(all.v[i].lo, sum.v[i].lo);
			CHECK_EQ(all.v[i].hi, sum.v[i].hi);
		}
		for (size_t i = 0; i < n; i++)
			uidset_release(&sets[i]);
		uidset_release(&sum);
		uidset_release(&all);
	}
}

TEST(test_uidset_slice_counts_over_ranges)
{
	static const struct {
		uint64_t first, count;
		const char *want;
	} rows[] = {
		{ 0, 99, "1:3,7,9:12" }, { 0, 2, "1:2" }, { 2, 1, "3" },
		{ 2, 3, "3,7,9" }, { 3, 1, "7" }, { 5, 9, "10:12" },
		{ 8, 9, "" }, { 0, 0, "" }, { UINT64_MAX, 1, "" },
	};
	struct uidset s = { 0 }, cut = { 0 };

	uidset_add(&s, 1, 3);
	uidset_add(&s, 7, 7);
	uidset_add(&s, 9, 12);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf b = BUF_INIT;

		uidset_slice(&cut, &s, rows[i].first, rows[i].count);
		uidset_put(&b, &cut);
		CHECK_STR(b.p ? b.p : "", rows[i].want);
		buf_release(&b);
	}
	uidset_release(&s);
	uidset_release(&cut);
}

/* Two sets as bits of 0..15, every pair of some hundred. */
static void
set_of_bits(struct uidset *s, unsigned bits)
{
	uidset_clear(s);
	for (unsigned i = 0; i < 16; i++)
		if (bits & 1u << i)
			uidset_add(s, i + 1, i + 1);
}

static unsigned
bits_of_set(const struct uidset *s)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < 16; i++)
		if (uidset_has(s, i + 1))
			bits |= 1u << i;
	for (size_t i = 1; i < s->n; i++)
		CHECK(s->v[i].lo > s->v[i - 1].hi + 1);
	return bits;
}

TEST(test_uidset_knows_what_two_sets_have_in_common)
{
	struct uidset a = { 0 }, b = { 0 }, to = { 0 };
	uint32_t x = 7;

	for (int i = 0; i < 500; i++) {
		unsigned p, q, lo, hi, cut;

		p = (x = x * 1103515245 + 12345) >> 8 & 0xffff;
		q = (x = x * 1103515245 + 12345) >> 8 & 0xffff;
		set_of_bits(&a, p);
		set_of_bits(&b, q);
		uidset_intersect(&to, &a, &b);
		CHECK_EQ(bits_of_set(&to), p & q);
		uidset_subtract(&to, &a, &b);
		CHECK_EQ(bits_of_set(&to), p & ~q);
		lo = q % 16;
		hi = lo + p % (16 - lo);
		cut = (2u << hi) - (1u << lo);
		uidset_remove(&a, lo + 1, hi + 1);
		CHECK_EQ(bits_of_set(&a), p & ~cut);
	}
	uidset_release(&a);
	uidset_release(&b);
	uidset_release(&to);
}

TEST(test_uidset_next_is_the_lowest_from_there_on)
{
	struct uidset s = { 0 };

	CHECK_EQ(uidset_next(&s, 1), 0);
	uidset_add(&s, 3, 5);
	uidset_add(&s, UINT32_MAX, UINT32_MAX);
	CHECK_EQ(uidset_next(&s, 1), 3);
	CHECK_EQ(uidset_next(&s, 4), 4);
	CHECK_EQ(uidset_next(&s, 6), UINT32_MAX);
	uidset_remove(&s, 4, UINT32_MAX);
	CHECK_EQ(uidset_next(&s, 4), 0);
	uidset_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
	test_uidset_knows_what_two_sets_have_in_common),
		cmocka_unit_test(test_uidset_next_is_the_lowest_from_there_on),
		cmocka_unit_test(test_uidset_slice_counts_over_ranges),
		cmocka_unit_test(uidset_unites_many_as_if_added_one_by_one),
		cmocka_unit_test(uidset_keeps_ranges_apart_in_any_order),
		cmocka_unit_test(uidset_merge_is_adding_all),
		cmocka_unit_test(uidset_takes_the_highest_uid),
		cmocka_unit_test(uidset_put_writes_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
