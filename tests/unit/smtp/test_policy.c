#include "tests/check.h"

#include "smtp/policy.h"

TEST(test_policy_mail_tells_the_size_limit_in_words)
{
	struct policy_mail p = { .size = 1001, .size_limit = 1000 };
	struct verdict v;

	policy_mail(&p, &v);
	CHECK_EQ(v.reply, R_TOO_BIG);
	CHECK(strstr(v.text, "1000 bytes"));
	p.size = 1000;
	policy_mail(&p, &v);
	CHECK_EQ(v.reply, R_NONE);
	p.size = UINT64_MAX;
	policy_mail(&p, &v);
	CHECK_EQ(v.reply, R_TOO_BIG);
}

TEST(test_policy_mail_waits_for_space)
{
	struct policy_mail p = { .is_full = true, .size_limit = 1 };
	struct verdict v;

	policy_mail(&p, &v);
	CHECK_EQ(v.reply, R_NO_SPACE);
}

TEST(test_policy_sender_must_be_the_accounts_own)
{
	uint64_t accounts[] = { 3, 7 };
	struct resolve_item item = {
		.result = RESOLVE_OK, .accounts = accounts, .account_count = 2
	};
	struct verdict v;

	policy_sender(&item, 7, SPAN("a@b"), &v);
	CHECK_EQ(v.reply, R_NONE);
	policy_sender(&item, 8, SPAN("a@b"), &v);
	CHECK_EQ(v.reply, R_NOT_YOURS);
	CHECK(strstr(v.text, "<a@b>"));
	item.may_post = true;
	policy_sender(&item, 8, SPAN("a@b"), &v);
	CHECK_EQ(v.reply, R_NONE);
	item.result = RESOLVE_ELSEWHERE;
	policy_sender(&item, 8, SPAN("a@b"), &v);
	CHECK_EQ(v.reply, R_NOT_YOURS);
	policy_sender(&item, 7, SPAN("a@b"), &v);
	CHECK_EQ(v.reply, R_NOT_YOURS);
}

TEST(test_policy_rcpt_is_ours_or_refused)
{
	struct resolve_item item = { .result = RESOLVE_OK };
	struct verdict v;

	policy_rcpt(&item, false, true, SPAN("a@b"), &v);
	CHECK_EQ(v.reply, R_NONE);
	item.result = RESOLVE_UNKNOWN;
	policy_rcpt(&item, false, true, SPAN("a@b"), &v);
	CHECK_EQ(v.reply, R_UNKNOWN_USER);
	item.result = RESOLVE_ELSEWHERE;
	policy_rcpt(&item, false, true, SPAN("a@b"), &v);
	CHECK_EQ(v.reply, R_NO_RELAY);
	CHECK(strstr(v.text, "587"));
	policy_rcpt(&item, true, false, SPAN("a@b"), &v);
	CHECK_EQ(v.reply, R_NO_RELAY);
	CHECK(!strstr(v.text, "587"));
	item.result = RESOLVE_REFUSED;
	item.reason = "moved away";
	policy_rcpt(&item, false, true, SPAN("a@b"), &v);
	CHECK_EQ(v.reply, R_RCPT_REFUSED);
	CHECK_STR(v.text, "moved away");
}

TEST(test_policy_room_is_for_the_declared_size)
{
	struct resolve_item item = { .result = RESOLVE_OK, .room = 1000 };
	struct verdict v;

	policy_room(&item, 1000, &v);
	CHECK_EQ(v.reply, R_NONE);
	policy_room(&item, 1001, &v);
	CHECK_EQ(v.reply, R_QUOTA);
	policy_room(&item, 0, &v);
	CHECK_EQ(v.reply, R_NONE);
	item.room = 0;
	policy_room(&item, 0, &v);
	CHECK_EQ(v.reply, R_QUOTA);
	item.room = UINT64_MAX;
	policy_room(&item, UINT64_MAX, &v);
	CHECK_EQ(v.reply, R_NONE);
	item = (struct resolve_item){ .result = RESOLVE_ELSEWHERE };
	policy_room(&item, 1, &v);
	CHECK_EQ(v.reply, R_NONE);
}

TEST(test_policy_counts_recipients)
{
	struct verdict v;

	policy_rcpt_count(199, 200, &v);
	CHECK_EQ(v.reply, R_NONE);
	policy_rcpt_count(200, 200, &v);
	CHECK_EQ(v.reply, R_MANY_RCPTS);
}

TEST(test_policy_data_refuses_loops_and_bare_line_ends)
{
	struct policy_data p = { .received_count = 50, .received_max = 50 };
	struct verdict v;

	policy_data(&p, &v);
	CHECK_EQ(v.reply, R_NONE);
	p.received_count = 51;
	policy_data(&p, &v);
	CHECK_EQ(v.reply, R_LOOP);
	p = (struct policy_data){ .is_loop = true };
	policy_data(&p, &v);
	CHECK_EQ(v.reply, R_LOOP);
	p = (struct policy_data){ .has_bare = true };
	policy_data(&p, &v);
	CHECK_EQ(v.reply, R_BARE_IN_DATA);
	p = (struct policy_data){ .has_broken_sender = true };
	policy_data(&p, &v);
	CHECK_EQ(v.reply, R_NOT_YOURS);
}

TEST(test_policy_loop_compares_addresses_and_not_texts)
{
	const struct span rcpts[] = { SPAN("bob@example.org"),
	    SPAN("Ann@Example.org") };
	const struct span here[] = { SPAN("not an address"),
	    SPAN(" ann@EXAMPLE.ORG ") };
	const struct span elsewhere[] = { SPAN("ann@example.net"),
	    SPAN("annn@example.org"), SPAN("") };

	CHECK(policy_is_loop(here, 2, rcpts, 2));
	CHECK(!policy_is_loop(elsewhere, 3, rcpts, 2));
	CHECK(!policy_is_loop(NULL, 0, rcpts, 2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_policy_mail_tells_the_size_limit_in_words),
		cmocka_unit_test(test_policy_mail_waits_for_space),
		cmocka_unit_test(test_policy_sender_must_be_the_accounts_own),
		cmocka_unit_test(test_policy_rcpt_is_ours_or_refused),
		cmocka_unit_test(test_policy_room_is_for_the_declared_size),
		cmocka_unit_test(test_policy_counts_recipients),
		cmocka_unit_test(
		    test_policy_data_refuses_loops_and_bare_line_ends),
		cmocka_unit_test(
		    test_policy_loop_compares_addresses_and_not_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
