#include "server/base/xalloc.h"
#include "store/read.h"
#include "store/writer_priv.h"
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

/* Purges one row that is to go while something refers to it. */
static void
purge_damaged(struct fixture *f, const char *table, const char *damage)
{
	char sql[100];

	CHECK_EQ(db_exec(&f->store->db, damage), 0);
	CHECK(!f->errors);
	later(f, DAY_MS);
	CHECK(f->errors && strstr(f->errors, table));
	snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
	CHECK_EQ(fixture_get(f, sql), 1);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM chunk"), 1);
	free(f->errors);
	f->errors = NULL;
	later(f, DAY_MS);
	CHECK(!f->errors);
	CHECK_EQ(fixture_get(f, sql), 1);
	/* Mended, it goes at the next start. */
	snprintf(sql, sizeof sql, "UPDATE %s SET refs = 0", table);
	CHECK_EQ(db_exec(&f->store->db, sql), 0);
	f->store->writer->damaged_count = 0;
	later(f, DAY_MS);
	CHECK_EQ(bodies(f), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM content"), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM chunk"), 0);
}

TEST(test_purge_passes_over_damage_and_says_so_once)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");

	fixture_fill(f, box, 3);
	expunge_all(f, box);
	later(f, 30 * DAY_MS);
	purge_damaged(f, "body", "UPDATE body SET refs = 1"
	    " WHERE id = (SELECT min(id) FROM body)");
	purge_damaged(f, "content", "INSERT INTO chunk VALUES (4096, x'41');"
	    " INSERT INTO content(id, refs, freed, length, hash)"
	    " VALUES (1, 1, 1, 1, x'')");
	fixture_free(f);
}

TEST(test_purge_forgets_old_conversations)
{
	struct fixture *f = fixture_new();

	fixture_deliver(f, "ann@example.org", "Message-ID: <a@b>\r\n\r\n");
	/* More than a slice, some of them old. */
	CHECK_EQ(db_exec(&f->store->db, "INSERT INTO thread_ref"
	    " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
	    " FROM n WHERE i < 5000) SELECT a.id, i, 1, i % 3 FROM n, account"
	    " a WHERE a.name LIKE 'ann@%'"), 0);
	tick(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM thread_ref"), 1);
	later(f, 729 * DAY_MS);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM thread_ref"), 1);
	fixture_deliver(f, "ann@example.org", "Message-ID: <c@b>\r\n"
	    "References: <a@b>\r\n\r\n");
	CHECK_EQ(fixture_get(f, "SELECT count(DISTINCT thread) FROM msg"), 1);
	fixture_deliver(f, "ann@example.org", "Message-ID: <d@b>\r\n\r\n");
	later(f, 300 * DAY_MS);
	fixture_deliver(f, "ann@example.org", "Message-ID: <e@b>\r\n"
	    "References: <c@b>\r\n\r\n");
	later(f, 431 * DAY_MS);
	/* What was used again is kept, for as long again. */
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM thread_ref"), 2);
	fixture_free(f);
}

TEST(test_purge_forgets_networks_nobody_came_from_lately)
{
	struct fixture *f = fixture_new();

	CHECK_EQ(db_exec(&f->store->db, "INSERT INTO known_peer"
	    " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
	    " FROM n WHERE i < 5000) SELECT a.id, CAST(i AS BLOB), 1"
	    " FROM n, account a WHERE a.name LIKE 'ann@%'"), 0);
	CHECK_EQ(db_exec(&f->store->db, "UPDATE known_peer SET last_ok ="
	    " 2000000000 WHERE net = CAST(77 AS BLOB)"), 0);
	tick(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM known_peer"), 1);
	fixture_free(f);
}

/* RFC 7162 section 3.2.6: above the floor all that has gone is told. */
TEST(test_purge_keeps_so_much_of_what_has_vanished)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");

	fixture_fill(f, box, 2);
	CHECK_EQ(db_exec(&f->store->db, "UPDATE meta SET value = 90000"
	    " WHERE name = 'modseq'"), 0);
	CHECK_EQ(db_exec(&f->store->db, "UPDATE mailbox SET modseq = 80000,"
	    " uidnext = 200000 WHERE name = 'INBOX'"), 0);
	CHECK_EQ(db_exec(&f->store->db, "INSERT INTO vanished"
	    " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
	    " FROM n WHERE i < 40000) SELECT m.id, i, 10 + i * 2, 10 + i * 2"
	    " FROM n, mailbox m WHERE m.name = 'INBOX'"), 0);
	tick(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM vanished"),
	    VANISHED_RANGES_MAX);
	CHECK_EQ(fixture_get(f, "SELECT vanished_floor FROM mailbox"
	    " WHERE name = 'INBOX'"), 40000 - VANISHED_RANGES_MAX);
	CHECK_EQ(fixture_get(f, "SELECT min(modseq) FROM vanished"),
	    40000 - VANISHED_RANGES_MAX + 1);
	/* It is done once a day. */
	CHECK_EQ(db_exec(&f->store->db, "INSERT INTO vanished"
	    " SELECT id, 50000, 199000, 199000 FROM mailbox"
	    " WHERE name = 'INBOX'"), 0);
	later(f, DAY_MS - 1000);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM vanished"),
	    VANISHED_RANGES_MAX + 1);
	later(f, 1000);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM vanished"),
	    VANISHED_RANGES_MAX);
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
		cmocka_unit_test(
		    test_purge_passes_over_damage_and_says_so_once),
		cmocka_unit_test(test_purge_forgets_old_conversations),
		cmocka_unit_test(
		    test_purge_forgets_networks_nobody_came_from_lately),
		cmocka_unit_test(test_purge_keeps_so_much_of_what_has_vanished),
		cmocka_unit_test(test_purge_gives_pages_back_beyond_a_tenth)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
