#include "store/forest.h"

#include "store/read_priv.h"
#include "tests/unit/store/fixture.h"

struct rig {
	struct fixture *f;
	struct reader r;
	struct forest *forest;
	size_t count;
};

static void
rig_open(struct rig *g, enum thread_by by, size_t cap)
{
	struct hash_key key = { { 1 } };

	g->f = fixture_new();
	g->r = (struct reader){ .store = g->f->store,
	    .until_us = INT64_MAX };
	g->forest = forest_new(by, &key, &g->f->budget, cap);
	g->count = 0;
	assert_non_null(g->forest);
}

static void
rig_close(struct rig *g)
{
	size_t used;

	forest_free(g->forest);
	used = budget_used(&g->f->budget);
	CHECK(used < 64 * 1024 * 1024);
	fixture_free(g->f);
}

/* A message with this id that answers another; NULL: none. */
static int
add(struct rig *g, const char *id, const char *parent)
{
	struct span refs[1] = { parent ? span_of(parent) : SPAN("") };
	struct buf mid = BUF_INIT;
	struct digest_keys k = { .references = refs,
	    .reference_count = parent != NULL };
	struct sort_row row = { .internaldate_s = (int64_t)++g->count };
	int err;

	if (id)
		buf_printf(&mid, "<%s>", id);
	k.message_id = buf_span(&mid);
	err = forest_add(g->forest, &row, &k);
	buf_release(&mid);
	return err;
}

/* "(1 (2)(3))": numbers count from 1. */
static char *
answer(struct rig *g)
{
	const struct thread_step *steps = forest_steps(g->forest);
	struct buf b = BUF_INIT;
	int err;

	while ((err = forest_run(g->forest, &g->r)) > 0)
		;
	CHECK_EQ(err, 0);
	for (size_t i = 0; i < g->count; i++) {
		if (i && !steps[i - 1].closes)
			buf_addc(&b, ' ');
		for (uint32_t n = 0; n < steps[i].opens; n++)
			buf_addc(&b, '(');
		buf_addu(&b, steps[i].row + 1);
		for (uint32_t n = 0; n < steps[i].closes; n++)
			buf_addc(&b, ')');
	}
	return buf_take(&b);
}

static void
check_answer(struct rig *g, const char *want)
{
	char *is = answer(g);

	CHECK_STR(is, want);
	free(is);
}

TEST(test_forest_grows_and_is_written)
{
	struct rig g;

	rig_open(&g, THREAD_REFERENCES, 6);
	CHECK_EQ(add(&g, "a@x", NULL), 0);
	CHECK_EQ(add(&g, "b@x", "a@x"), 0);
	CHECK_EQ(add(&g, "c@x", "b@x"), 0);
	CHECK_EQ(add(&g, "d@x", "b@x"), 0);
	CHECK_EQ(add(&g, NULL, "gone@x"), 0);
	CHECK_EQ(add(&g, NULL, "gone@x"), 0);
	check_answer(&g, "(1 2 (3)(4))((5)(6))");
	rig_close(&g);
}

TEST(test_forest_may_be_empty)
{
	for (int by = THREAD_ORDEREDSUBJECT; by <= THREAD_REFS; by++) {
		struct rig g;

		rig_open(&g, (enum thread_by)by, 0);
		CHECK_EQ(forest_run(g.forest, &g.r), 0);
		rig_close(&g);
	}
}

/* As deep as there are messages, from either end; no stack grows with it. */
TEST(test_forest_takes_any_depth)
{
	enum { N = 50000 };

	for (int backwards = 0; backwards < 2; backwards++) {
		const struct thread_step *steps;
		struct rig g;

		rig_open(&g, THREAD_REFS, N);
		for (int i = 0; i < N; i++) {
			char id[32], parent[32];
			int n = backwards ? N - i : i;

			snprintf(id, sizeof id, "%d@x", n);
			snprintf(parent, sizeof parent, "%d@x", n - 1);
			CHECK_EQ(add(&g, id, parent), 0);
		}
		free(answer(&g));
		steps = forest_steps(g.forest);
		CHECK_EQ(steps[0].row, backwards ? N - 1 : 0);
		CHECK_EQ(steps[0].opens, 1);
		CHECK_EQ(steps[N / 2].opens, 0);
		CHECK_EQ(steps[N - 1].closes, 1);
		rig_close(&g);
	}
}

/* Loops of any length are cut; every message is told once. */
TEST(test_forest_has_no_loops)
{
	enum { N = 300 };
	struct rig g;
	bool seen[N] = { false };
	uint32_t x = 1;

	rig_open(&g, THREAD_REFERENCES, N);
	for (int i = 0; i < N; i++) {
		char id[32], parent[32];

		x = x * 1103515245 + 12345;
		snprintf(id, sizeof id, "%d@x", i);
		snprintf(parent, sizeof parent, "%u@x", x >> 16 & 0xff);
		CHECK_EQ(add(&g, id, parent), 0);
	}
	free(answer(&g));
	for (int i = 0; i < N; i++) {
		uint32_t row = forest_steps(g.forest)[i].row;

		CHECK(row < N && !seen[row]);
		seen[row] = true;
	}
	rig_close(&g);
}

/* Whoever refers to very many that are not there meets the budget. */
TEST(test_forest_is_charged)
{
	struct span refs[200];
	char text[200][32];
	struct digest_keys k = { .references = refs, .reference_count = 200 };
	struct sort_row row = { 0 };
	struct rig g;
	int err = 0, i;

	rig_open(&g, THREAD_REFS, 1000);
	g.f->budget.limit = budget_used(&g.f->budget) + 1024 * 1024;
	for (i = 0; i < 1000 && err == 0; i++) {
		for (int n = 0; n < 200; n++) {
			snprintf(text[n], sizeof text[n], "%d.%d@x", i, n);
			refs[n] = span_of(text[n]);
		}
		err = forest_add(g.forest, &row, &k);
	}
	CHECK_EQ(err, ERR_BUDGET);
	CHECK(i > 10 && i < 1000);
	rig_close(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forest_grows_and_is_written),
		cmocka_unit_test(test_forest_may_be_empty),
		cmocka_unit_test(test_forest_takes_any_depth),
		cmocka_unit_test(test_forest_has_no_loops),
		cmocka_unit_test(test_forest_is_charged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
