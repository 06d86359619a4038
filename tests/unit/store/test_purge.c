#include "server/base/xalloc.h"
#include "tests/unit/store/fixture.h"

#define DAY_MS (86400 * INT64_C(1000))

static void
tick(struct fixture *f)
{
	store_tick(f->store);
	fixture_settle(f);
}

static void
later(struct fixture *f, int64_t ms)
{
	fake_clock_advance(&f->clock, ms);
	tick(f);
}

static void
expunge_all(struct fixture *f, uint64_t mailbox)
{
	struct wreq_expunge *r = wreq_expunge_new(&f->env, NULL);

	r->mailbox = mailbox;
	r->all = true;
	CHECK_EQ(fixture_run(f, &r->w), 0);
}

static void
delete_mailbox(struct fixture *f, const char *name)
{
	struct wreq_mailbox *r = wreq_mailbox_new(&f->env, NULL);

	r->w.actor = fixture_account(f, "ann@example.org");
	r->how = MAILBOX_DELETE;
	r->name = xstrdup(name);
	CHECK_EQ(fixture_run(f, &r->w), 0);
}

static int64_t
bodies(struct fixture *f)
{
	return fixture_get(f, "SELECT count(*) FROM body");
}

TEST(test_purge_keeps_expunged_mail_for_its_days_and_an_hour)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");

	fixture_fill(f, box, 3);
	expunge_all(f, box);
	later(f, 29 * DAY_MS);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM expunged"), 3);
	later(f, DAY_MS);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM expunged"), 0);
	CHECK_EQ(bodies(f), 3);
	later(f, 3599 * 1000);
	CHECK_EQ(bodies(f), 3);
	later(f, 1000);
	CHECK_EQ(bodies(f), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM content"), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM chunk"), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM digest"), 0);
	fixture_free(f);
}

TEST(test_purge_asks_each_account_for_its_days)
{
	struct fixture *f = fixture_new();

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	CHECK_EQ(db_exec(&f->store->db, "UPDATE account SET undelete_days = 1"
	    " WHERE name = 'bob@example.org'"), 0);
	fixture_deliver(f, "ann@example.org", "a: b\r\n\r\n");
	fixture_deliver(f, "bob@example.org", "a: b\r\n\r\n");
	expunge_all(f, fixture_mailbox(f, "ann@example.org", "INBOX"));
	expunge_all(f, fixture_mailbox(f, "bob@example.org", "INBOX"));
	later(f, DAY_MS);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM expunged"), 1);
	later(f, 29 * DAY_MS);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM expunged"), 0);
	fixture_free(f);
}

TEST(test_purge_leaves_a_body_that_has_a_copy)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct wreq_copy *r = wreq_copy_new(&f->env, NULL);

	fixture_fill(f, box, 2);
	r->mailbox = box;
	r->target = fixture_mailbox(f, "ann@example.org", "Archive");
	r->uids = UIDS(1, 1);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	expunge_all(f, box);
	later(f, 30 * DAY_MS);
	later(f, DAY_MS);
	CHECK_EQ(bodies(f), 1);
	fixture_free(f);
}

TEST(test_purge_takes_a_deleted_mailbox_in_slices)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "Archive");

	for (int i = 0; i < 3; i++)
		fixture_fill(f, box, 400);
	delete_mailbox(f, "Archive");
	later(f, DAY_MS);
	CHECK_EQ(bodies(f), 1200);
	later(f, 29 * DAY_MS);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM msg"), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM mailbox WHERE id ="
	    " (SELECT max(id) FROM mailbox WHERE dropped IS NOT NULL)"), 0);
	later(f, DAY_MS);
	CHECK_EQ(bodies(f), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM chunk"), 0);
	fixture_free(f);
}

TEST(test_purge_takes_a_deleted_account_after_the_delay)
{
	struct fixture *f = fixture_new();
	struct wreq_account *r = wreq_account_new(&f->env, NULL);

	fixture_deliver(f, "ann@example.org", "Message-ID: <a@b>\r\n\r\n");
	CHECK_EQ(db_exec(&f->store->db, "INSERT INTO metadata"
	    " SELECT 0, id, '/private/comment', x'41' FROM account"), 0);
	r->how = ACCOUNT_HOW_DEL;
	r->name = xstrdup("ann@example.org");
	CHECK_EQ(fixture_run(f, &r->w), 0);
	tick(f);
	CHECK_EQ(bodies(f), 1);
	later(f, 3600 * 1000);
	later(f, 3600 * 1000);
	CHECK_EQ(bodies(f), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM account"), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM mailbox"), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM thread_ref"), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM metadata"), 0);
	fixture_free(f);
}

TEST(test_purge_gives_pages_back_beyond_a_tenth)
{
	struct fixture *f = fixture_new_on_disk();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	char *text = xmalloc(200001);
	int64_t before;

	memset(text, 'x', 200000);
	text[200000] = '\0';
	fixture_fill(f, box, 10);
	for (int i = 0; i < 200; i++)
		fixture_deliver(f, "ann@example.org", text);
	free(text);
	expunge_all(f, box);
	before = fixture_get(f, "PRAGMA page_count");
	later(f, 30 * DAY_MS);
	for (int i = 0; i < 8; i++)
		later(f, DAY_MS);
	CHECK(fixture_get(f, "PRAGMA page_count") < before / 2);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_purge_keeps_expunged_mail_for_its_days_and_an_hour),
		cmocka_unit_test(test_purge_asks_each_account_for_its_days),
		cmocka_unit_test(test_purge_leaves_a_body_that_has_a_copy),
		cmocka_unit_test(
		    test_purge_takes_a_deleted_mailbox_in_slices),
		cmocka_unit_test(
		    test_purge_takes_a_deleted_account_after_the_delay),
		cmocka_unit_test(test_purge_gives_pages_back_beyond_a_tenth)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
