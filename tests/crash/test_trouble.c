/*
 * A disk that is full or fails, in the middle of a batch.
 */
#include <unistd.h>

#include "server/base/xalloc.h"
#include "tests/crash/shim.h"
#include "tests/unit/store/fixture.h"

struct bed {
	struct shim shim;
	struct fixture *f;
	uint64_t inbox;
};

static struct bed *
bed_new(uint64_t reserve_bytes)
{
	struct bed *b = xcalloc(1, sizeof *b);

	shim_init(&b->shim);
	b->f = fixture_bare(true);
	b->f->settings.vfs = SHIM_NAME;
	b->f->settings.reserve_bytes = reserve_bytes;
	fixture_open(b->f);
	CHECK_EQ(fixture_add_domain(b->f, "example.org"), 0);
	CHECK_EQ(fixture_add_account(b->f, "ann@example.org"), 0);
	b->inbox = fixture_mailbox(b->f, "ann@example.org", "INBOX");
	fixture_fill(b->f, b->inbox, 3);
	fixture_deaf(b->f);
	return b;
}

static void
bed_free(struct bed *b)
{
	/* Errors are what this is about. */
	free(b->f->errors);
	b->f->errors = NULL;
	fixture_free(b->f);
	shim_release(&b->shim);
	free(b);
}

static struct wreq_deliver *
delivery(struct bed *b)
{
	struct wreq_deliver *r = wreq_deliver_new(&b->f->env, NULL);

	r->spool = fixture_spool(b->f, "Subject: x\r\n\r\n");
	r->rcpts = xcalloc(1, sizeof *r->rcpts);
	r->rcpt_count = 1;
	r->rcpts[0].account = fixture_account(b->f, "ann@example.org");
	return r;
}

static struct wreq_flags *
flags(struct bed *b)
{
	struct wreq_flags *r = wreq_flags_new(&b->f->env, NULL);

	r->mailbox = b->inbox;
	r->uids = UIDS(1, 2);
	r->flags = FLAG_SEEN;
	return r;
}

static bool
has_reserve(struct bed *b)
{
	char path[128];

	snprintf(path, sizeof path, "%s/reserve", b->f->dir);
	return access(path, F_OK) == 0;
}

TEST(test_trouble_full_disk_fails_the_delivery_and_not_its_neighbour)
{
	struct bed *b = bed_new(1 << 20);

	CHECK(has_reserve(b));
	b->shim.fail_rc = SQLITE_FULL;
	store_submit(b->f->store, &delivery(b)->w);
	/* Only a disk that is full for everybody refuses this one. */
	CHECK_EQ(fixture_run(b->f, &flags(b)->w), ERR_FULL);
	CHECK(store_is_full(b->f->store));
	CHECK(!has_reserve(b));
	/* The reserve has made room: what frees and flags goes on. */
	b->shim.fail_rc = 0;
	CHECK_EQ(fixture_run(b->f, &flags(b)->w), 0);
	CHECK_EQ(fixture_run(b->f, &delivery(b)->w), ERR_FULL);
	/* There is room again, the disk of this test being large. */
	store_tick(b->f->store);
	fixture_settle(b->f);
	CHECK(!store_is_full(b->f->store));
	CHECK(has_reserve(b));
	CHECK_EQ(fixture_run(b->f, &delivery(b)->w), 0);
	bed_free(b);
}

/* Stands for the room that the reserve gives: its end ends the trouble. */
static void
relent(struct log *l, enum log_level level, struct span line)
{
	struct shim *s = (struct shim *)sqlite3_vfs_find(SHIM_NAME);

	(void)l;
	(void)level;
	if (memmem(line.p, line.len, "disk-full", 9))
		s->fail_rc = 0;
}

TEST(test_trouble_the_reserve_lets_a_flag_change_through)
{
	struct bed *b = bed_new(1 << 20);
	struct wreq_deliver *r = delivery(b);

	b->f->log.sink = relent;
	b->shim.fail_rc = SQLITE_FULL;
	store_submit(b->f->store, &r->w);
	CHECK_EQ(fixture_run(b->f, &flags(b)->w), 0);
	CHECK(b->shim.failed > 0);
	CHECK(store_is_full(b->f->store));
	CHECK_EQ(fixture_row(b->f, b->inbox).unseen, 1);
	CHECK_EQ(fixture_row(b->f, b->inbox).messages, 3);
	bed_free(b);
}

TEST(test_trouble_two_io_errors_stop_mail_until_a_write_succeeds)
{
	struct bed *b = bed_new(0);

	b->shim.fail_rc = SQLITE_IOERR_WRITE;
	CHECK_EQ(fixture_run(b->f, &delivery(b)->w), ERR_STORE);
	CHECK_EQ(fixture_run(b->f, &delivery(b)->w), ERR_STORE);
	b->shim.fail_rc = 0;
	b->shim.failed = 0;
	/* Not even tried. */
	CHECK_EQ(fixture_run(b->f, &delivery(b)->w), ERR_STORE);
	store_tick(b->f->store);
	fixture_settle(b->f);
	CHECK_EQ(fixture_run(b->f, &delivery(b)->w), 0);
	CHECK_EQ(fixture_row(b->f, b->inbox).messages, 4);
	bed_free(b);
}

TEST(test_trouble_one_io_error_fails_one_batch_only)
{
	struct bed *b = bed_new(0);

	b->shim.fail_rc = SQLITE_IOERR_WRITE;
	CHECK_EQ(fixture_run(b->f, &delivery(b)->w), ERR_STORE);
	CHECK_EQ(b->f->heard_count, 0);
	b->shim.fail_rc = 0;
	CHECK_EQ(fixture_run(b->f, &delivery(b)->w), 0);
	CHECK_EQ(((struct wreq_deliver *)b->f->done)->rcpts[0].uid_r, 4);
	bed_free(b);
}

static struct wreq_copy *
copy(struct bed *b)
{
	struct wreq_copy *r = wreq_copy_new(&b->f->env, NULL);

	r->mailbox = b->inbox;
	r->target = fixture_mailbox(b->f, "ann@example.org", "Trash");
	r->uids = UIDS(1, 2);
	return r;
}

/* SQLite has met no end yet: there is nothing that the reserve could mend. */
TEST(test_trouble_a_refused_copy_costs_neither_reserve_nor_batch)
{
	struct bed *b = bed_new(1 << 20);
	uint64_t commits;

	atomic_store(&b->f->store->is_full, true);
	CHECK_EQ(fixture_run(b->f, &copy(b)->w), ERR_FULL);
	CHECK(has_reserve(b));
	commits = STAT_GET(&b->f->stats, commits);
	store_submit(b->f->store, &copy(b)->w);
	CHECK_EQ(fixture_run(b->f, &flags(b)->w), 0);
	CHECK(has_reserve(b));
	CHECK_EQ(STAT_GET(&b->f->stats, commits), commits + 1);
	bed_free(b);
}

/* It comes again with the next tick, not at once and for ever. */
static void
check_purge_rests(int fail_rc)
{
	struct bed *b = bed_new(0);
	struct wreq_expunge *r = wreq_expunge_new(&b->f->env, NULL);
	int pumps = 0;

	fixture_fill(b->f, b->inbox, 1200);
	r->mailbox = b->inbox;
	r->all = true;
	CHECK_EQ(fixture_run(b->f, &r->w), 0);
	fake_clock_advance(&b->f->clock, 31 * INT64_C(86400000));
	b->shim.fail_rc = fail_rc;
	store_tick(b->f->store);
	while (pumps < 10 && store_pump(b->f->store))
		pumps++;
	CHECK(b->shim.failed > 0);
	CHECK(pumps < 10);
	b->shim.fail_rc = 0;
	store_tick(b->f->store);
	fixture_settle(b->f);
	CHECK_EQ(fixture_get(b->f, "SELECT count(*) FROM expunged"), 0);
	bed_free(b);
}

TEST(test_trouble_purge_that_fails_waits_for_the_next_tick)
{
	check_purge_rests(SQLITE_IOERR_WRITE);
	check_purge_rests(SQLITE_FULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_trouble_full_disk_fails_the_delivery_and_not_its_neighbour),
		cmocka_unit_test(
		    test_trouble_the_reserve_lets_a_flag_change_through),
		cmocka_unit_test(
		    test_trouble_two_io_errors_stop_mail_until_a_write_succeeds),
		cmocka_unit_test(
		    test_trouble_one_io_error_fails_one_batch_only),
		cmocka_unit_test(
		    test_trouble_a_refused_copy_costs_neither_reserve_nor_batch),
		cmocka_unit_test(
		    test_trouble_purge_that_fails_waits_for_the_next_tick)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
