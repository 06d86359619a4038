#include <stdlib.h>
#include <string.h>

#include "tests/unit/store/rig_read.h"

#define ANN "ann@example.org"

static int64_t
impatient(struct clock *clock)
{
	struct fake_clock *f = CONTAINER_OF(clock, struct fake_clock, clock);

	return (f->now_ms += 10) * 1000;
}

/* Runs the job to its end; returns how many slices it took. */
static size_t
run(struct fixture *f, struct rjob_sort *s)
{
	size_t slices = 0;

	do {
		CHECK_EQ(rig_read(f, &s->j), 0);
		CHECK(++slices < 1000000);
	} while (s->j.more);
	return slices;
}

/* Rows without a digest: what is gone is sorted by what its row says. */
static struct rjob_sort *
rows_of(struct fixture *f, const struct sort_term *terms, size_t n,
    const uint32_t *sizes, size_t count)
{
	struct rjob_sort *s = rjob_sort_new(&f->env, NULL, terms, n, count);

	for (size_t i = 0; i < count; i++) {
		struct msgrow row = { .uid = (uint32_t)i + 1,
		    .size = sizes[i] };

		rjob_sort_add(s, &row);
	}
	return s;
}

static void
check_order(const struct rjob_sort *s, bool reverse)
{
	for (size_t i = 1; i < s->row_count; i++) {
		const struct sort_row *a = &s->rows[s->items[i - 1].row];
		const struct sort_row *b = &s->rows[s->items[i].row];

		CHECK(reverse ? a->size >= b->size : a->size <= b->size);
		if (a->size == b->size)
			CHECK(a->uid < b->uid);
	}
}

TEST(test_sort_orders_any_number_and_keeps_ties)
{
	static const size_t counts[] = { 0, 1, 2, 3, 7, 512, 513, 5000 };
	struct fixture *f = fixture_new();
	uint32_t *sizes = xcalloc(5000, sizeof *sizes), x = 1;

	for (size_t i = 0; i < 5000; i++)
		sizes[i] = (x = x * 1103515245 + 12345) >> 16 & 0x3ff;
	for (size_t i = 0; i < 2 * COUNT(counts); i++) {
		struct sort_term t = { SORT_SIZE, i % 2 };
		struct rjob_sort *s = rows_of(f, &t, 1, sizes, counts[i / 2]);

		(void)run(f, s);
		check_order(s, t.reverse);
		rig_free(&s->j);
	}
	free(sizes);
	fixture_free(f);
}

TEST(test_sort_stops_anywhere_and_goes_on)
{
	struct fixture *f = fixture_new();
	struct sort_term terms[] = { { SORT_SUBJECT, true },
	    { SORT_SIZE, false } };
	uint32_t sizes[2000];
	struct rjob_sort *s;

	for (size_t i = 0; i < COUNT(sizes); i++)
		sizes[i] = (uint32_t)(i * 7919 % 2003);
	f->clock.clock.mono_us = impatient;
	s = rows_of(f, terms, 2, sizes, COUNT(sizes));
	CHECK(run(f, s) > COUNT(sizes));
	check_order(s, false);
	rig_free(&s->j);
	fixture_free(f);
}

/* The UIDs in order, "2 1". */
static void
check_subjects(struct fixture *f, uint64_t mailbox, bool reverse,
    const char *want)
{
	struct rjob_sort *s = rjob_sort_new(&f->env, NULL,
	    &(struct sort_term){ SORT_SUBJECT, reverse }, 1, 10);
	struct buf b = BUF_INIT;
	sqlite3_stmt *q;

	CHECK_EQ(db_query(&f->store->db, &q, "SELECT uid, body FROM msg"
	    " WHERE mailbox = ? ORDER BY uid", A_INT(mailbox)), 0);
	while (db_step(&f->store->db, q) > 0) {
		struct msgrow row = { .uid = db_u32(q, 0),
		    .body = db_u64(q, 1) };

		rjob_sort_add(s, &row);
	}
	(void)run(f, s);
	for (size_t i = 0; i < s->row_count; i++)
		buf_printf(&b, i ? " %u" : "%u",
		    s->rows[s->items[i].row].uid);
	CHECK_STR(b.p, want);
	buf_release(&b);
	rig_free(&s->j);
}

/* A text that begins another comes first, and last when reversed. */
TEST(test_sort_compares_texts_as_a_whole)
{
	struct fixture *f = fixture_new();
	uint64_t inbox = fixture_mailbox(f, ANN, "INBOX");

	fixture_deliver(f, ANN, "Subject: abcdefghij\r\n\r\n");
	fixture_deliver(f, ANN, "Subject: abcdefgh\r\n\r\n");
	fixture_deliver(f, ANN, "Subject: abcdefghi\r\n\r\n");
	fixture_deliver(f, ANN, "Subject: ABCDEFGH\r\n\r\n");
	fixture_deliver(f, ANN, "X: y\r\n\r\n");
	fixture_deliver(f, ANN, "Subject: ab_\r\n\r\n");
	check_subjects(f, inbox, false, "5 2 4 3 1 6");
	check_subjects(f, inbox, true, "6 1 3 2 4 5");
	fixture_free(f);
}

TEST(test_sort_is_charged_and_gives_back)
{
	struct fixture *f = fixture_new();
	static const struct sort_term terms[] = { { SORT_FROM, false },
	    { SORT_ARRIVAL, false } };
	size_t before = budget_used(&f->budget);
	uint32_t sizes[10] = { 0 };
	struct rjob_sort *s = rows_of(f, terms, 2, sizes, COUNT(sizes));

	(void)run(f, s);
	CHECK(budget_used(&f->budget) > before);
	rig_free(&s->j);
	CHECK_EQ(budget_used(&f->budget), before);
	/* no room for the rows; room for them, but not for keys */
	f->budget.limit = before + 10;
	CHECK(rjob_sort_new(&f->env, NULL, terms, 2, 1000) == NULL);
	f->budget.limit = before + 10000;
	s = rows_of(f, terms, 2, sizes, COUNT(sizes));
	CHECK_EQ(rig_read(f, &s->j), ERR_BUDGET);
	CHECK(!s->j.more);
	rig_free(&s->j);
	CHECK_EQ(budget_used(&f->budget), before);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sort_orders_any_number_and_keeps_ties),
		cmocka_unit_test(test_sort_stops_anywhere_and_goes_on),
		cmocka_unit_test(test_sort_compares_texts_as_a_whole),
		cmocka_unit_test(test_sort_is_charged_and_gives_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
