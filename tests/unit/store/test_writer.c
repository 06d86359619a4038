/*
 * The writer: batches, order, listeners; with a thread of its own too.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/xalloc.h"
#include "tests/unit/store/fixture.h"

static struct wreq_deliver *
delivery(struct fixture *f, uint64_t account)
{
	struct wreq_deliver *r = wreq_deliver_new(&f->env, NULL);

	r->spool = fixture_spool(f, "Subject: x\r\n\r\n");
	r->rcpts = xcalloc(1, sizeof *r->rcpts);
	r->rcpt_count = 1;
	r->rcpts[0].account = account;
	return r;
}

/* A fixture on disk whose store has its threads. */
static struct fixture *
threaded(uint64_t *account)
{
	struct fixture *f = fixture_new_on_disk();

	*account = fixture_account(f, "ann@example.org");
	fixture_close(f);
	f->settings.is_inline = false;
	fixture_open(f);
	return f;
}

/* Checks need a store without threads. */
static void
threaded_free(struct fixture *f)
{
	fixture_drop(f);
	f->settings.is_inline = true;
	fixture_open(f);
	fixture_free(f);
}

static unsigned
arrivals(struct fixture *f)
{
	unsigned n = 0;

	while (fixture_heard(f, CHANGE_ARRIVAL, n))
		n++;
	return n;
}

/* Every completion finds its own change heard already. */
struct order {
	struct fixture *f;
	unsigned completed, too_early;
};

static struct order *
order_of(struct op *op)
{
	struct fixture *f = CONTAINER_OF(op->home, struct fixture, home);

	return (struct order *)(void *)f->env.work;
}

static void
completed(struct op *op)
{
	struct order *o = order_of(op);

	o->completed++;
	if (op->err < 0 || arrivals(o->f) < o->completed)
		o->too_early++;
	op_free(op);
}

TEST(test_writer_tells_of_a_change_before_it_completes)
{
	uint64_t account;
	struct fixture *f = threaded(&account);
	struct order o = { .f = f };
	struct wreq_deliver *r;

	/* No session has work here: the field carries the test's own. */
	f->env.work = (struct work *)(void *)&o;
	for (unsigned i = 0; i < 60; i++) {
		r = delivery(f, account);
		r->w.op.finish = completed;
		store_submit(f->store, &r->w);
		if (i % 7 == 0)
			store_tick(f->store);
	}
	while (o.completed < 60)
		if (!post_drain(&f->home))
			usleep(100);
	CHECK_EQ(o.too_early, 0);
	CHECK(STAT_GET(&f->stats, commits) < 60 + 20);
	f->env.work = NULL;
	threaded_free(f);
}

static void *
hold_a_moment(void *arg)
{
	usleep(30000);
	CHECK_EQ(db_exec(arg, "ROLLBACK"), 0);
	return NULL;
}

/* A reader that meets a commit may hold the writer's lock for a moment. */
TEST(test_writer_waits_for_a_lock_that_a_reader_has)
{
	struct fixture *f = fixture_new_on_disk();
	uint64_t account = fixture_account(f, "ann@example.org");
	struct wreq_deliver *r = delivery(f, account);
	struct buf why = BUF_INIT;
	pthread_t thread;
	struct db db;

	CHECK_EQ(db_open_reader(f->store, &db, &why), 0);
	CHECK_EQ(db_exec(&db, "PRAGMA query_only = OFF"), 0);
	CHECK_EQ(db_exec(&db, "BEGIN IMMEDIATE"), 0);
	CHECK_EQ(pthread_create(&thread, NULL, hold_a_moment, &db), 0);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	pthread_join(thread, NULL);
	db_close(&db);
	buf_release(&why);
	fixture_free(f);
}

TEST(test_writer_finishes_its_queue_when_it_closes)
{
	uint64_t account;
	struct fixture *f = threaded(&account);

	for (unsigned i = 0; i < 300; i++)
		store_submit(f->store, &delivery(f, account)->w);
	fixture_drop(f);
	f->settings.is_inline = true;
	fixture_open(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM msg"), 300);
	fixture_free(f);
}

TEST(test_writer_caps_a_batch)
{
	struct fixture *f = fixture_new();
	uint64_t account = fixture_account(f, "ann@example.org"), before;

	for (unsigned i = 0; i < 300; i++)
		store_submit(f->store, &delivery(f, account)->w);
	before = STAT_GET(&f->stats, commits);
	CHECK(store_pump(f->store));
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM msg"), 128);
	fixture_settle(f);
	CHECK_EQ(STAT_GET(&f->stats, commits) - before, 3);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM msg"), 300);
	fixture_free(f);
}

TEST(test_writer_unlistened_hears_nothing_more)
{
	struct fixture *f = fixture_new();
	uint64_t account = fixture_account(f, "ann@example.org");

	store_submit(f->store, &delivery(f, account)->w);
	CHECK(store_pump(f->store));
	/* The news is in the queue, and must not arrive. */
	store_unlisten(f->listener);
	f->listener = NULL;
	fixture_settle(f);
	CHECK_EQ(f->heard_count, 0);
	fixture_free(f);
}

TEST(test_writer_second_process_is_refused)
{
	struct fixture *f = fixture_new_on_disk();
	struct buf why = BUF_INIT;
	struct store *other;

	CHECK_EQ(store_open(&other, &f->settings, &f->env, &why), ERR_BUSY);
	CHECK(why.len > 0);
	buf_release(&why);
	fixture_free(f);
}

TEST(test_writer_refuses_a_store_from_the_future)
{
	struct fixture *f = fixture_new_on_disk();
	struct buf why = BUF_INIT;
	struct store *other;

	CHECK_EQ(db_exec(&f->store->db, "PRAGMA user_version = 99"), 0);
	fixture_close(f);
	CHECK_EQ(store_open(&other, &f->settings, &f->env, &why), ERR_STORE);
	CHECK(strstr(why.p, "newer"));
	buf_release(&why);
	fixture_free(f);
}

TEST(test_writer_refuses_a_file_that_is_something_else)
{
	struct fixture *f = fixture_bare(true);
	struct buf why = BUF_INIT;
	struct store *other;
	sqlite3 *h;
	char path[128];

	snprintf(path, sizeof path, "%s/mail.db", f->dir);
	CHECK_EQ(sqlite3_open(path, &h), SQLITE_OK);
	CHECK_EQ(sqlite3_exec(h, "CREATE TABLE photo(x)", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(h);
	CHECK_EQ(store_open(&other, &f->settings, &f->env, &why), ERR_STORE);
	CHECK(why.len > 0);
	buf_clear(&why);
	f->settings.dir = "/nonexistent/kingpost";
	CHECK_EQ(store_open(&other, &f->settings, &f->env, &why), ERR_IO);
	CHECK(why.len > 0);
	buf_release(&why);
	f->settings.dir = f->dir;
	fixture_free(f);
}

TEST(test_writer_files_are_the_owners_alone)
{
	struct fixture *f = fixture_new_on_disk();
	static const char *const names[] = { "mail.db", "mail.db-wal" };
	struct stat st;
	char path[128];

	fixture_deliver(f, "ann@example.org", "a: b\r\n\r\n");
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", f->dir, names[i]);
		CHECK_EQ(stat(path, &st), 0);
		CHECK_EQ(st.st_mode & 0777, 0600);
	}
	fixture_free(f);
}

TEST(test_writer_pragmas_are_as_designed)
{
	struct fixture *f = fixture_new_on_disk();

	CHECK_EQ(fixture_get(f, "PRAGMA page_size"), DB_PAGE_SIZE);
	CHECK_EQ(fixture_get(f, "PRAGMA auto_vacuum"), 2);
	CHECK_EQ(fixture_get(f, "PRAGMA synchronous"), 2);
	CHECK_EQ(fixture_get(f, "PRAGMA secure_delete"), 0);
	CHECK_EQ(fixture_get(f, "PRAGMA mmap_size"), 0);
	CHECK_EQ(fixture_get(f, "PRAGMA wal_autocheckpoint"), 0);
	CHECK_EQ(fixture_get(f, "SELECT journal_mode = 'wal'"
	    " FROM pragma_journal_mode"), 1);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_writer_tells_of_a_change_before_it_completes),
		cmocka_unit_test(
		    test_writer_waits_for_a_lock_that_a_reader_has),
		cmocka_unit_test(
		    test_writer_finishes_its_queue_when_it_closes),
		cmocka_unit_test(test_writer_caps_a_batch),
		cmocka_unit_test(test_writer_unlistened_hears_nothing_more),
		cmocka_unit_test(test_writer_second_process_is_refused),
		cmocka_unit_test(test_writer_refuses_a_store_from_the_future),
		cmocka_unit_test(
		    test_writer_refuses_a_file_that_is_something_else),
		cmocka_unit_test(test_writer_files_are_the_owners_alone),
		cmocka_unit_test(test_writer_pragmas_are_as_designed)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
