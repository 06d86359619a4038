#include "store/search.h"

#include <stdlib.h>
#include <string.h>

#include "tests/check.h"

#define DAY 86400

static struct search_row
sample_row(void)
{
	return (struct search_row){
		.row = { .uid = 7, .flags = FLAG_SEEN | FLAG_FLAGGED,
		    .modseq = 40, .size = 1000,
		    .internaldate_s = 100 * DAY + 5 },
		.recent = true,
	};
}

TEST(search_eval_row_answers_what_the_array_knows)
{
	static const struct {
		struct search_key k;
		enum tri want;
	} cases[] = {
		{ { .op = SEARCH_ALL }, TRI_YES },
		{ { .op = SEARCH_NONE }, TRI_NO },
		{ { .op = SEARCH_FLAGS, .mask = FLAG_SEEN }, TRI_YES },
		{ { .op = SEARCH_FLAGS, .mask = FLAG_SEEN | FLAG_DRAFT },
		    TRI_NO },
		{ { .op = SEARCH_RECENT }, TRI_YES },
		{ { .op = SEARCH_LARGER, .number = 999 }, TRI_YES },
		{ { .op = SEARCH_LARGER, .number = 1000 }, TRI_NO },
		{ { .op = SEARCH_SMALLER, .number = 1000 }, TRI_NO },
		{ { .op = SEARCH_SMALLER, .number = 1001 }, TRI_YES },
		{ { .op = SEARCH_BEFORE, .day = 100 }, TRI_NO },
		{ { .op = SEARCH_BEFORE, .day = 101 }, TRI_YES },
		{ { .op = SEARCH_ON, .day = 100 }, TRI_YES },
		{ { .op = SEARCH_ON, .day = 99 }, TRI_NO },
		{ { .op = SEARCH_SINCE, .day = 100 }, TRI_YES },
		{ { .op = SEARCH_SINCE, .day = 101 }, TRI_NO },
		/* RFC 5032: the boundary belongs to both. */
		{ { .op = SEARCH_OLDER, .number = 10,
		    .now_s = 100 * DAY + 15 }, TRI_YES },
		{ { .op = SEARCH_YOUNGER, .number = 10,
		    .now_s = 100 * DAY + 15 }, TRI_YES },
		{ { .op = SEARCH_OLDER, .number = 11,
		    .now_s = 100 * DAY + 15 }, TRI_NO },
		{ { .op = SEARCH_YOUNGER, .number = 9,
		    .now_s = 100 * DAY + 15 }, TRI_NO },
		{ { .op = SEARCH_MODSEQ, .number = 40 }, TRI_YES },
		{ { .op = SEARCH_MODSEQ, .number = 41 }, TRI_NO },
		{ { .op = SEARCH_SENT_ON, .day = 1 }, TRI_UNKNOWN },
		{ { .op = SEARCH_SUBJECT, .text = SPAN("x") }, TRI_UNKNOWN },
		{ { .op = SEARCH_TEXT, .text = SPAN("x") }, TRI_UNKNOWN },
	};
	struct search_row row = sample_row();

	for (size_t i = 0; i < COUNT(cases); i++) {
		CHECK_EQ(search_eval_row(&cases[i].k, &row), cases[i].want);
		CHECK_EQ(search_needs_reader(&cases[i].k),
		    cases[i].want == TRI_UNKNOWN);
	}
}

/* Days before 1970 count downwards. */
TEST(search_days_before_the_epoch)
{
	struct search_key on = { .op = SEARCH_ON, .day = -1 };
	struct search_row row = { .row.internaldate_s = -1 };

	CHECK_EQ(search_eval_row(&on, &row), TRI_YES);
	row.row.internaldate_s = -DAY;
	CHECK_EQ(search_eval_row(&on, &row), TRI_YES);
	row.row.internaldate_s = -DAY - 1;
	CHECK_EQ(search_eval_row(&on, &row), TRI_NO);
	row.row.internaldate_s = 0;
	CHECK_EQ(search_eval_row(&on, &row), TRI_NO);
}

static struct search_key yes = { .op = SEARCH_ALL };
static struct search_key no = { .op = SEARCH_NONE };
static struct search_key text = { .op = SEARCH_BODY };

TEST(search_eval_row_joins_three_values)
{
	struct {
		enum search_op op;
		struct search_key *kids[2];
		size_t n;
		enum tri want;
	} cases[] = {
		{ SEARCH_AND, { &yes, &yes }, 2, TRI_YES },
		{ SEARCH_AND, { &text, &no }, 2, TRI_NO },
		{ SEARCH_AND, { &yes, &text }, 2, TRI_UNKNOWN },
		{ SEARCH_AND, { NULL, NULL }, 0, TRI_YES },
		{ SEARCH_OR, { &text, &yes }, 2, TRI_YES },
		{ SEARCH_OR, { &text, &no }, 2, TRI_UNKNOWN },
		{ SEARCH_OR, { &no, &no }, 2, TRI_NO },
		{ SEARCH_NOT, { &yes, NULL }, 1, TRI_NO },
		{ SEARCH_NOT, { &no, NULL }, 1, TRI_YES },
		{ SEARCH_NOT, { &text, NULL }, 1, TRI_UNKNOWN },
		{ SEARCH_NOT, { &text, &no }, 2, TRI_YES },
	};
	struct search_row row = sample_row();

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct search_key k = { .op = cases[i].op,
		    .kids = cases[i].kids, .kid_count = cases[i].n };

		CHECK_EQ(search_eval_row(&k, &row), cases[i].want);
	}
}

TEST(search_key_copy_shares_nothing)
{
	char needle[] = "needle", name[] = "x-name";
	struct uidrange range = { 3, 9 };
	struct search_key uids = { .op = SEARCH_UIDS,
	    .uids = { &range, 1, 1 } };
	struct search_key header = { .op = SEARCH_HEADER,
	    .name = span_of(name), .text = span_of(needle) };
	struct search_key *kids[] = { &uids, &header };
	struct search_key k = { .op = SEARCH_OR, .kids = kids,
	    .kid_count = 2 };
	struct arena a = { 0 };
	struct search_key *copy = search_key_copy(&k, &a);
	struct search_row row = sample_row();

	memset(needle, 'Z', sizeof needle - 1);
	memset(name, 'Z', sizeof name - 1);
	range = (struct uidrange){ 1, 1 };
	uids.op = header.op = SEARCH_NONE;
	CHECK_EQ(copy->kid_count, 2);
	CHECK_EQ(copy->kids[0]->op, SEARCH_UIDS);
	CHECK_EQ(search_eval_row(copy->kids[0], &row), TRI_YES);
	CHECK_SPAN(copy->kids[1]->name, "x-name");
	CHECK_SPAN(copy->kids[1]->text, "needle");
	CHECK(search_needs_reader(copy));
	CHECK(!search_needs_reader(copy->kids[0]));
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(search_eval_row_answers_what_the_array_knows),
		cmocka_unit_test(search_days_before_the_epoch),
		cmocka_unit_test(search_eval_row_joins_three_values),
		cmocka_unit_test(search_key_copy_shares_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
