#include "server/base/xalloc.h"
#include "store/body.h"
#include "store/spool_priv.h"
#include "tests/unit/store/fixture.h"

/* A session that only keeps what comes home. */
struct keeper {
	struct session session;
	struct op *ops[8];
	size_t n;
};

static void
keep(struct session *s, struct op *op)
{
	struct keeper *k = (struct keeper *)s;

	CHECK(k->n < COUNT(k->ops));
	k->ops[k->n++] = op;
}

static const struct session_ops keeper_ops = { .name = "keeper",
    .done = keep };

static void
keeper_init(struct keeper *k, struct fixture *f)
{
	k->n = 0;
	session_init(&k->session, &keeper_ops, &f->env);
}

/* Stages what is full, as a session does; pumps the store. */
static void
stage(struct fixture *f, struct keeper *k, struct spool *s)
{
	do {
		while (spool_submit_stage(s, &k->session))
			continue;
		fixture_settle(f);
		for (size_t i = 0; i < k->n; i++)
			(void)spool_staged(s, k->ops[i]);
		k->n = 0;
	} while (spool_has_stages_out(s) && spool_error(s) == 0);
}

/* size bytes of all values that differ from place to place. */
static char *
pattern(size_t size)
{
	char *p = xmalloc(size);

	for (size_t i = 0; i < size; i++)
		p[i] = (char)(i * 7 + i / 977);
	return p;
}

static void
feed(struct fixture *f, struct keeper *k, struct spool *s, const char *p,
    size_t size, size_t step)
{
	for (size_t at = 0; at < size; at += step) {
		CHECK_EQ(spool_add(s, p + at, MIN(step, size - at)), 0);
		if (k)
			stage(f, k, s);
	}
}

static struct wreq_deliver *
deliver(struct fixture *f, struct spool *s)
{
	struct wreq_deliver *r = wreq_deliver_new(&f->env, NULL);

	r->spool = s;
	r->rcpts = xcalloc(1, sizeof *r->rcpts);
	r->rcpt_count = 1;
	r->rcpts[0].account = fixture_account(f, "ann@example.org");
	r->rcpts[0].prefix = xstrdup("X-A: b\r\n");
	r->rcpts[0].prefix_len = 8;
	return r;
}

/*
 * Delivers size bytes fed in steps and reads them back in pieces. Above
 * in_memory bytes the message is staged.
 */
static void
round_trip(size_t size, size_t step, size_t others)
{
	size_t in_memory = others > SPOOL_SHARE ? SPOOL_PART : SPOOL_CHUNK;
	struct fixture *f = fixture_new();
	struct keeper k;
	struct spool *s = spool_new(&f->env, 50 << 20);
	char *p = pattern(size), *back = xmalloc(size + 8);
	struct arena a = { 0 };
	struct body body;
	struct wreq_deliver *r;

	keeper_init(&k, f);
	atomic_fetch_add(&f->budget.spooled, others);
	feed(f, &k, s, p, size, step);
	CHECK_EQ(spool_finish(s), 0);
	stage(f, &k, s);
	CHECK_EQ(spool_size(s), size);
	CHECK_EQ(s->content != 0, size > in_memory);
	CHECK_EQ(spool_bytes(s).p != NULL, size <= in_memory);
	r = deliver(f, s);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(db_begin_read(&f->store->db), 0);
	CHECK_EQ(body_get(&f->store->db, &a, r->rcpts[0].body_r, &body), 0);
	CHECK_EQ(body.total, size + 8);
	for (size_t at = 0; at < body.total; at += 100000)
		CHECK_EQ(body_read(&f->store->db, &body, at, back + at,
		    MIN(100000, body.total - at)), 0);
	CHECK(memcmp(back, "X-A: b\r\n", 8) == 0);
	CHECK(memcmp(back + 8, p, size) == 0);
	CHECK_EQ(body_read(&f->store->db, &body, body.total, back, 1),
	    ERR_STORE);
	db_end_read(&f->store->db);
	arena_release(&a);
	free(p);
	free(back);
	atomic_fetch_sub(&f->budget.spooled, others);
	fixture_free(f);
}

TEST(test_spool_round_trips_any_size)
{
	round_trip(0, 1, 0);
	round_trip(1, 1, 0);
	round_trip(SPOOL_CHUNK, 65536, 0);
	round_trip(SPOOL_CHUNK + 1, 65536, SPOOL_SHARE - (1 << 20));
	round_trip(2 * SPOOL_CHUNK, 1000, 0);
	round_trip(3 * SPOOL_CHUNK + 12345, 400000, 0);
}

/* With others above the share, 64 KiB stay in memory, and chunks are whole. */
TEST(test_spool_stages_in_parts_where_all_hold_much)
{
	size_t much = SPOOL_SHARE + 1;

	round_trip(SPOOL_PART, 1000, much);
	round_trip(SPOOL_PART + 1, 1000, much);
	round_trip(SPOOL_CHUNK, 65536, much);
	round_trip(SPOOL_CHUNK + 1, 30000, much);
	round_trip(2 * SPOOL_CHUNK, 300000, much);
	round_trip(3 * SPOOL_CHUNK + 12345, 7777, much);
}

/* The pressure may come and go between the parts of a chunk. */
TEST(test_spool_fills_up_a_chunk_that_began_in_parts)
{
	size_t size = 3 * SPOOL_CHUNK;
	struct fixture *f = fixture_new();
	struct keeper k;
	struct spool *s = spool_new(&f->env, 50 << 20);
	char *p = pattern(size);
	struct wreq_deliver *r;

	keeper_init(&k, f);
	for (size_t at = 0; at < size; at += 50000) {
		size_t others = at / 200000 % 2 ? SPOOL_SHARE + 1 : 0;

		atomic_fetch_add(&f->budget.spooled, others);
		feed(f, &k, s, p + at, MIN(50000, size - at), 50000);
		atomic_fetch_sub(&f->budget.spooled, others);
	}
	CHECK_EQ(spool_finish(s), 0);
	stage(f, &k, s);
	r = deliver(f, s);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM chunk"
	    " WHERE length(data) = 262144"), 3);
	free(p);
	fixture_free(f);	/* check.c compares the hash */
}

TEST(test_spool_holds_at_most_two_stages_out)
{
	struct fixture *f = fixture_new();
	struct keeper k;
	struct spool *s = spool_new(&f->env, 50 << 20);
	char *p = pattern(5 * SPOOL_CHUNK);

	keeper_init(&k, f);
	feed(f, NULL, s, p, 5 * SPOOL_CHUNK, SPOOL_CHUNK);
	/* The first alone, because it makes what the others add to. */
	CHECK(spool_submit_stage(s, &k.session));
	CHECK(!spool_submit_stage(s, &k.session));
	CHECK(spool_is_full(s));
	fixture_settle(f);
	CHECK_EQ(spool_staged(s, k.ops[--k.n]), 0);
	CHECK(spool_submit_stage(s, &k.session));
	CHECK(spool_submit_stage(s, &k.session));
	CHECK(!spool_submit_stage(s, &k.session));
	stage(f, &k, s);
	for (size_t i = 0; i < k.n; i++)
		op_free(k.ops[i]);
	fixture_settle(f);
	free(p);
	session_disown_ops(&k.session);
	spool_free(s);
	fixture_free(f);
}

TEST(test_spool_over_its_limit_counts_on)
{
	struct fixture *f = fixture_new();
	struct spool *s = spool_new(&f->env, 10);

	CHECK_EQ(spool_add(s, "0123456789", 10), 0);
	CHECK_EQ(spool_add(s, "x", 1), ERR_LIMIT);
	CHECK_EQ(spool_add(s, "yz", 2), ERR_LIMIT);
	CHECK_EQ(spool_error(s), ERR_LIMIT);
	CHECK_EQ(spool_size(s), 13);
	CHECK_EQ(spool_finish(s), ERR_LIMIT);
	CHECK(!spool_is_full(s));
	spool_free(s);
	fixture_free(f);
}

TEST(test_spool_is_charged_and_refused_by_the_budget)
{
	struct fixture *f = fixture_new();
	char *p = pattern(200000);
	struct spool *s;

	f->budget.limit = 150000;
	s = spool_new(&f->env, 1 << 20);
	/* The header's end: what is in it is held a second time. */
	CHECK_EQ(spool_add(s, "\r\n", 2), 0);
	CHECK_EQ(spool_add(s, p, 100000), 0);
	CHECK(budget_used(&f->budget) >= 100000);
	CHECK_EQ(spool_add(s, p, 100000), ERR_BUDGET);
	CHECK_EQ(spool_add(s, p, 1), ERR_BUDGET);
	spool_free(s);
	free(p);
	CHECK_EQ(budget_used(&f->budget), 0);
	CHECK_EQ(atomic_load(&f->budget.spooled), 0);
	fixture_free(f);
}

/* A store that holds a staged, unfinished message. */
static struct spool *
half(struct fixture *f, struct keeper *k)
{
	struct spool *s = spool_new(&f->env, 50 << 20);
	char *p = pattern(3 * SPOOL_CHUNK);

	keeper_init(k, f);
	feed(f, k, s, p, 3 * SPOOL_CHUNK, SPOOL_CHUNK);
	free(p);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM chunk"), 2);
	return s;
}

static void
tick(struct fixture *f)
{
	store_tick(f->store);
	fixture_settle(f);
}

TEST(test_spool_given_up_is_swept)
{
	struct fixture *f = fixture_new();
	struct keeper k;
	struct spool *s = half(f, &k);

	tick(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM chunk"), 2);
	spool_free(s);
	fixture_settle(f);
	tick(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM chunk"), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM content"), 0);
	fixture_free(f);
}

TEST(test_spool_of_a_refused_delivery_is_swept)
{
	struct fixture *f = fixture_new();
	struct keeper k;
	struct spool *s = half(f, &k);
	struct wreq_deliver *r;

	CHECK_EQ(spool_finish(s), 0);
	stage(f, &k, s);
	r = deliver(f, s);
	r->rcpts[0].account = 4711;
	CHECK_EQ(fixture_run(f, &r->w), ERR_NOUSER);
	tick(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM content"), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM chunk"), 0);
	fixture_free(f);
}

TEST(test_spool_staged_by_a_former_run_is_swept)
{
	struct fixture *f = fixture_new_on_disk();
	struct keeper k;
	struct spool *s = half(f, &k);

	/* The process ends without a word about the message. */
	spool_settle(s);
	spool_free(s);
	fixture_close(f);
	fixture_open(f);
	tick(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM chunk"), 0);
	fixture_free(f);
}

TEST(test_spool_stage_that_nobody_claims_is_swept)
{
	struct fixture *f = fixture_new();
	struct spool *s = spool_new(&f->env, 50 << 20);
	char *p = pattern(2 * SPOOL_CHUNK);
	struct keeper k;

	keeper_init(&k, f);
	feed(f, NULL, s, p, 2 * SPOOL_CHUNK, 2 * SPOOL_CHUNK);
	CHECK(spool_submit_stage(s, &k.session));
	session_disown_ops(&k.session);
	spool_free(s);
	fixture_settle(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM chunk"), 1);
	/* Not at its time, as of a process that was killed: now. */
	tick(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM chunk"), 0);
	free(p);
	fixture_free(f);
}

/* As if the process had lost all memory of it. */
TEST(test_spool_stage_that_is_forgotten_is_swept_in_the_end)
{
	struct fixture *f = fixture_new();
	struct spool *s = spool_new(&f->env, 50 << 20);
	char *p = pattern(2 * SPOOL_CHUNK);
	struct keeper k;

	keeper_init(&k, f);
	feed(f, NULL, s, p, 2 * SPOOL_CHUNK, 2 * SPOOL_CHUNK);
	CHECK(spool_submit_stage(s, &k.session));
	fixture_settle(f);
	CHECK_EQ(spool_staged(s, k.ops[0]), 0);
	spool_settle(s);
	spool_free(s);
	tick(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM chunk"), 1);
	fake_clock_advance(&f->clock, 3 * INT64_C(86400000));
	tick(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM chunk"), 0);
	free(p);
	fixture_free(f);
}

TEST(test_spool_digest_is_stored_with_the_content)
{
	struct fixture *f = fixture_new();
	struct arena a = { 0 };
	struct digest d;
	struct span bytes;
	struct body body;

	fixture_deliver(f, "ann@example.org", "Subject: hi\r\n\r\nthere\r\n");
	CHECK_EQ(body_get(&f->store->db, &a, (uint64_t)fixture_get(f,
	    "SELECT body FROM msg"), &body), 0);
	CHECK_EQ(body_digest(&f->store->db, &a, &body, &bytes), 0);
	CHECK_EQ(digest_decode(bytes, &a, &d), 0);
	CHECK_SPAN(d.envelope.subject, "hi");
	CHECK_EQ(d.size, body.length);
	arena_release(&a);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spool_round_trips_any_size),
		cmocka_unit_test(
		    test_spool_stages_in_parts_where_all_hold_much),
		cmocka_unit_test(
		    test_spool_fills_up_a_chunk_that_began_in_parts),
		cmocka_unit_test(test_spool_holds_at_most_two_stages_out),
		cmocka_unit_test(test_spool_over_its_limit_counts_on),
		cmocka_unit_test(
		    test_spool_is_charged_and_refused_by_the_budget),
		cmocka_unit_test(test_spool_given_up_is_swept),
		cmocka_unit_test(test_spool_of_a_refused_delivery_is_swept),
		cmocka_unit_test(test_spool_staged_by_a_former_run_is_swept),
		cmocka_unit_test(
		    test_spool_stage_that_nobody_claims_is_swept),
		cmocka_unit_test(
		    test_spool_stage_that_is_forgotten_is_swept_in_the_end),
		cmocka_unit_test(
		    test_spool_digest_is_stored_with_the_content)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
