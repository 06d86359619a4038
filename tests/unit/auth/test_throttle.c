#include "auth/throttle.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/check.h"

static const unsigned char net_a[16] = { 0x20, 1, 0xd, 0xb8, 1 };
static const unsigned char net_b[16] = { 0x20, 1, 0xd, 0xb8, 2 };

static struct throttle *
make(void)
{
	const struct hash_key key = { { 1, 2, 3 } };

	return throttle_new(&key);
}

static struct throttle_who
who(const char *name, const unsigned char *net)
{
	return (struct throttle_who){ .name = span_of(name), .net = net };
}

/* Milliseconds until an attempt is let through; -1: refused. */
static int64_t
wait_of(struct throttle *t, struct throttle_who w, int64_t now)
{
	int64_t until = 0;

	switch (throttle_check(t, &w, now, &until)) {
	case THROTTLE_PASS:
		return 0;
	case THROTTLE_WAIT:
		return until - now;
	default:
		return -1;
	}
}

static void
note_failure(struct throttle *t, struct throttle_who w, int64_t now)
{
	throttle_failure(t, &w, now);
}

TEST(test_throttle_delays_1_2_4_8_15_seconds)
{
	static const int64_t want[] = { 0, 1000, 2000, 4000, 8000, 15000,
	    15000, 15000 };
	struct throttle *t = make();
	struct throttle_who w = who("ann", net_a);
	int64_t now = 1000000;

	w.is_exempt = true;
	for (size_t i = 0; i < COUNT(want); i++) {
		CHECK_EQ(wait_of(t, w, now), want[i]);
		now += want[i];
		CHECK_EQ(wait_of(t, w, now), 0);
		note_failure(t, w, now);
	}
	throttle_free(t);
}

TEST(test_throttle_counts_an_account_over_all_addresses)
{
	struct throttle *t = make();

	note_failure(t, who("ann", net_a), 100);
	note_failure(t, who("ann", net_a), 100);
	CHECK_EQ(wait_of(t, who("ann", net_b), 100), 2000);
	CHECK_EQ(wait_of(t, who("bob", net_b), 100), 0);
	throttle_free(t);
}

TEST(test_throttle_refuses_an_address_after_10_failures)
{
	struct throttle *t = make();
	char name[8];

	for (int i = 0; i < THROTTLE_NET_FAILURES; i++) {
		CHECK(wait_of(t, who("zoe", net_a), 100 + i) >= 0);
		(void)snprintf(name, sizeof name, "u%d", i);
		note_failure(t, who(name, net_a), 100 + i);
	}
	CHECK_EQ(wait_of(t, who("zoe", net_a), 60 * 1000), -1);
	CHECK_EQ(wait_of(t, who("zoe", net_b), 60 * 1000), 0);
	/* Ten minutes after the first it may try again. */
	CHECK_EQ(wait_of(t, who("zoe", net_a), 99 + THROTTLE_WINDOW_MS), -1);
	CHECK_EQ(wait_of(t, who("zoe", net_a), 100 + THROTTLE_WINDOW_MS), 0);
	throttle_free(t);
}

TEST(test_throttle_exempts_addresses_but_never_accounts)
{
	struct throttle *t = make();
	struct throttle_who w = who("ann", net_a), other = who("bob", net_a);

	w.is_exempt = other.is_exempt = true;
	for (int i = 0; i < 2 * THROTTLE_NET_FAILURES; i++)
		note_failure(t, w, 100);
	CHECK_EQ(wait_of(t, w, 100), THROTTLE_DELAY_MAX_MS);
	CHECK_EQ(wait_of(t, other, 100), 0);
	throttle_free(t);
}

TEST(test_throttle_never_locks_out_an_address_that_has_logged_in)
{
	struct throttle *t = make();
	struct throttle_who w = who("ann", net_a);

	w.is_known = true;
	for (int i = 0; i < 100; i++) {
		note_failure(t, who("ann", net_b), 100);	/* a guesser */
		note_failure(t, who("bob", net_a), 100);	/* the same NAT */
	}
	CHECK_EQ(wait_of(t, who("ann", net_a), 100), -1);
	CHECK_EQ(wait_of(t, w, 100), 0);
	/* It pays for its own failures only, and is not refused. */
	for (int i = 0; i < 20; i++)
		note_failure(t, w, 200);
	CHECK_EQ(wait_of(t, w, 200), THROTTLE_DELAY_MAX_MS);
	throttle_free(t);
}

TEST(test_throttle_success_makes_the_address_known_for_a_day)
{
	struct throttle *t = make();
	struct throttle_who w = who("ann", net_a);
	int64_t day = 24 * 60 * 60 * (int64_t)1000;

	note_failure(t, w, 100);
	throttle_success(t, &w, 200);
	for (int i = 0; i < 20; i++)
		note_failure(t, who("ann", net_b), day - 1000);
	CHECK_EQ(wait_of(t, w, day - 1000), 0);
	CHECK(wait_of(t, w, day + 200) > 0);
	throttle_free(t);
}

TEST(test_throttle_success_does_not_clear_the_guessers_record)
{
	struct throttle *t = make();
	struct throttle_who mallory = who("mallory", net_a);

	for (int i = 0; i < THROTTLE_NET_FAILURES; i++) {
		note_failure(t, who("ann", net_a), 100 + i);
		throttle_success(t, &mallory, 100 + i);
	}
	CHECK_EQ(wait_of(t, who("ann", net_a), 60 * 1000), -1);
	CHECK_EQ(wait_of(t, mallory, 60 * 1000), 0);
	throttle_free(t);
}

TEST(test_throttle_lets_attempts_at_one_account_take_turns)
{
	struct throttle *t = make();

	note_failure(t, who("ann", net_a), 100);
	note_failure(t, who("ann", net_a), 100);
	CHECK_EQ(wait_of(t, who("ann", net_b), 2100), 0);
	CHECK_EQ(wait_of(t, who("ann", net_b), 2100), 2000);
	CHECK_EQ(wait_of(t, who("ann", net_b), 4100), 0);
	throttle_free(t);
}

/* Many addresses at the same moment, before the first of them has failed. */
TEST(test_throttle_lets_few_attempts_be_under_way_at_once)
{
	struct throttle *t = make();
	unsigned char net[16] = { 7 };
	unsigned passed = 0;

	for (unsigned i = 0; i < 1000; i++) {
		memcpy(net + 8, &i, sizeof i);
		passed += wait_of(t, who("ann", net), 100) == 0;
	}
	CHECK_EQ(passed, THROTTLE_OPEN_MAX + 1);
	CHECK_EQ(wait_of(t, who("bob", net), 100), 0);
	/* One address and many names. */
	passed = 0;
	for (unsigned i = 0; i < 100; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "n%u", i);
		passed += wait_of(t, who(name, net_a), 100) == 0;
	}
	CHECK_EQ(passed, THROTTLE_OPEN_MAX + 1);
	/* Who has logged in from there does not notice. */
	throttle_success(t, &(struct throttle_who){ .name = SPAN("ann"),
	    .net = net_b }, 100);
	CHECK_EQ(wait_of(t, who("ann", net_b), 100), 0);
	throttle_free(t);
}

TEST(test_throttle_forgets_attempts_whose_end_is_known)
{
	struct throttle *t = make();
	struct throttle_who w = who("ann", net_a), v = who("bob", net_b);

	for (unsigned i = 0; i < 1000; i++) {
		CHECK_EQ(wait_of(t, w, 100), 0);
		throttle_success(t, &w, 100);
	}
	/* Given up without an end. */
	for (unsigned i = 0; i <= THROTTLE_OPEN_MAX; i++)
		CHECK_EQ(wait_of(t, v, 100), 0);
	CHECK_EQ(wait_of(t, v, 100), 1000);
	CHECK_EQ(wait_of(t, v, 1100), 0);
	CHECK_EQ(wait_of(t, v, 1100), 2000);
	CHECK_EQ(wait_of(t, v, 1100 + THROTTLE_OPEN_MS), 0);
	CHECK_EQ(wait_of(t, v, 1100 + THROTTLE_OPEN_MS), 0);
	throttle_free(t);
}

TEST(test_throttle_keeps_its_worst_when_names_are_sprayed)
{
	struct throttle *t = make();
	char name[16];

	for (int i = 0; i < 6; i++)
		note_failure(t, who("ann", net_a), 100);
	for (unsigned i = 0; i < 20 * THROTTLE_ENTRIES; i++) {
		unsigned char net[16] = { 9 };

		memcpy(net + 8, &i, sizeof i);
		(void)snprintf(name, sizeof name, "s%u", i);
		note_failure(t, who(name, net), 200);
	}
	CHECK_EQ(wait_of(t, who("ann", net_b), 100), THROTTLE_DELAY_MAX_MS);
	throttle_free(t);
}

TEST(test_throttle_takes_names_of_any_length)
{
	struct throttle *t = make();
	char name[2000];
	struct throttle_who w = { .name = { name, sizeof name },
	    .net = net_a };

	memset(name, 'n', sizeof name);
	note_failure(t, w, 100);
	CHECK_EQ(wait_of(t, w, 100), 1000);
	w.name.len = 0;
	w.net = net_b;
	CHECK_EQ(wait_of(t, w, 100), 0);
	throttle_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_throttle_delays_1_2_4_8_15_seconds),
		cmocka_unit_test(
		    test_throttle_counts_an_account_over_all_addresses),
		cmocka_unit_test(
		    test_throttle_refuses_an_address_after_10_failures),
		cmocka_unit_test(
		    test_throttle_exempts_addresses_but_never_accounts),
		cmocka_unit_test(
		    test_throttle_never_locks_out_an_address_that_has_logged_in),
		cmocka_unit_test(
		    test_throttle_success_makes_the_address_known_for_a_day),
		cmocka_unit_test(
		    test_throttle_success_does_not_clear_the_guessers_record),
		cmocka_unit_test(
		    test_throttle_lets_attempts_at_one_account_take_turns),
		cmocka_unit_test(
		    test_throttle_lets_few_attempts_be_under_way_at_once),
		cmocka_unit_test(
		    test_throttle_forgets_attempts_whose_end_is_known),
		cmocka_unit_test(
		    test_throttle_keeps_its_worst_when_names_are_sprayed),
		cmocka_unit_test(test_throttle_takes_names_of_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
