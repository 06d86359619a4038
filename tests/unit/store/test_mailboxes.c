#include "server/base/xalloc.h"
#include "tests/unit/store/fixture.h"

static struct wreq_mailbox *
request(struct fixture *f, enum mailbox_how how, const char *name,
    const char *new_name)
{
	struct wreq_mailbox *r = wreq_mailbox_new(&f->env, NULL);

	r->w.actor = fixture_account(f, "ann@example.org");
	r->how = how;
	r->name = xstrdup(name);
	r->new_name = new_name ? xstrdup(new_name) : NULL;
	return r;
}

static int
run(struct fixture *f, enum mailbox_how how, const char *name,
    const char *new_name)
{
	return fixture_run(f, &request(f, how, name, new_name)->w);
}

/* The names below the first six, sorted, noselect ones in brackets. */
static void
expect_names(struct fixture *f, const char *want)
{
	struct buf out = BUF_INIT;
	sqlite3_stmt *s;

	CHECK_EQ(db_query(&f->store->db, &s, "SELECT name, noselect"
	    " FROM mailbox WHERE name IS NOT NULL AND special_use = 0"
	    " AND name <> 'INBOX' ORDER BY name"), 0);
	while (db_step(&f->store->db, s) > 0)
		buf_printf(&out, db_i64(s, 1) ? "(%s) " : "%s ",
		    (const char *)sqlite3_column_text(s, 0));
	CHECK_STR(out.p, want);
	buf_release(&out);
}

TEST(test_mailbox_create_makes_missing_parents)
{
	struct fixture *f = fixture_new();

	CHECK_EQ(run(f, MAILBOX_CREATE, "a/b/c", NULL), 0);
	expect_names(f, "a a/b a/b/c ");
	CHECK_STR(fixture_heard(f, CHANGE_MAILBOX_CREATED, 2)->name, "a/b/c");
	CHECK_EQ(run(f, MAILBOX_CREATE, "a/b", NULL), ERR_EXISTS);
	CHECK_EQ(run(f, MAILBOX_CREATE, "INBOX", NULL), ERR_EXISTS);
	CHECK_EQ(run(f, MAILBOX_CREATE, "x//y", NULL), ERR_BADNAME);
	fixture_free(f);
}

TEST(test_mailbox_count_is_limited)
{
	struct fixture *f = fixture_new();
	char name[16];
	int err = 0;

	for (int i = 6; i < MAILBOXES_MAX; i++) {
		snprintf(name, sizeof name, "m%d", i);
		err |= run(f, MAILBOX_CREATE, name, NULL);
		fixture_deaf(f);
	}
	CHECK_EQ(err, 0);
	CHECK_EQ(run(f, MAILBOX_CREATE, "more", NULL), ERR_LIMIT);
	fixture_free(f);
}

TEST(test_mailbox_delete_with_children_leaves_a_name)
{
	struct fixture *f = fixture_new();
	uint64_t old, new;

	CHECK_EQ(run(f, MAILBOX_CREATE, "a/b", NULL), 0);
	old = fixture_mailbox(f, "ann@example.org", "a");
	fixture_fill(f, old, 2);
	fixture_deaf(f);
	CHECK_EQ(run(f, MAILBOX_DELETE, "a", NULL), 0);
	expect_names(f, "(a) a/b ");
	CHECK_EQ(fixture_heard(f, CHANGE_MAILBOX_DELETED, 0)->mailbox, old);
	CHECK_EQ(run(f, MAILBOX_DELETE, "a", NULL), ERR_INUSE);
	/* Made again, it is another one, and empty. */
	CHECK_EQ(run(f, MAILBOX_CREATE, "a", NULL), 0);
	new = fixture_mailbox(f, "ann@example.org", "a");
	CHECK(new != old);
	CHECK_EQ(fixture_row(f, new).messages, 0);
	CHECK_EQ(fixture_get(f, "SELECT messages FROM account"), 0);
	fixture_free(f);
}

TEST(test_mailbox_noselect_goes_with_its_last_child)
{
	struct fixture *f = fixture_new();

	CHECK_EQ(run(f, MAILBOX_CREATE, "a/b/c", NULL), 0);
	CHECK_EQ(run(f, MAILBOX_DELETE, "a", NULL), 0);
	CHECK_EQ(run(f, MAILBOX_DELETE, "a/b", NULL), 0);
	expect_names(f, "(a) (a/b) a/b/c ");
	CHECK_EQ(run(f, MAILBOX_DELETE, "a/b/c", NULL), 0);
	expect_names(f, "");
	CHECK_EQ(run(f, MAILBOX_DELETE, "a", NULL), ERR_NOMBOX);
	CHECK_EQ(run(f, MAILBOX_DELETE, "INBOX", NULL), ERR_DENIED);
	fixture_free(f);
}

TEST(test_mailbox_recreated_has_new_id_and_uidvalidity)
{
	struct fixture *f = fixture_new();
	struct mailbox_row a, b;

	CHECK_EQ(run(f, MAILBOX_CREATE, "a", NULL), 0);
	a = fixture_row(f, fixture_mailbox(f, "ann@example.org", "a"));
	CHECK_EQ(run(f, MAILBOX_DELETE, "a", NULL), 0);
	CHECK_EQ(run(f, MAILBOX_CREATE, "a", NULL), 0);
	b = fixture_row(f, fixture_mailbox(f, "ann@example.org", "a"));
	CHECK(b.id > a.id);
	CHECK(b.uidvalidity > a.uidvalidity);
	CHECK(b.modseq > a.modseq);
	fixture_free(f);
}

TEST(test_mailbox_rename_takes_children_and_leaves_subscriptions)
{
	struct fixture *f = fixture_new();
	uint64_t id;

	CHECK_EQ(run(f, MAILBOX_CREATE, "a/b/c", NULL), 0);
	CHECK_EQ(run(f, MAILBOX_CREATE, "ab", NULL), 0);
	CHECK_EQ(run(f, MAILBOX_SUBSCRIBE, "a/b", NULL), 0);
	id = fixture_mailbox(f, "ann@example.org", "a/b/c");
	fixture_deaf(f);
	CHECK_EQ(run(f, MAILBOX_RENAME, "a", "x/y"), 0);
	expect_names(f, "ab x x/y x/y/b x/y/b/c ");
	CHECK_EQ(fixture_mailbox(f, "ann@example.org", "x/y/b/c"), id);
	CHECK_STR(fixture_heard(f, CHANGE_MAILBOX_RENAMED, 0)->old_name, "a");
	CHECK_STR(fixture_heard(f, CHANGE_MAILBOX_RENAMED, 0)->name, "x/y");
	CHECK(fixture_heard(f, CHANGE_MAILBOX_RENAMED, 2));
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM subscription"
	    " WHERE name = 'a/b'"), 1);
	fixture_free(f);
}

TEST(test_mailbox_rename_refusals)
{
	struct fixture *f = fixture_new();
	struct buf deep = BUF_INIT;

	CHECK_EQ(run(f, MAILBOX_CREATE, "a/b", NULL), 0);
	CHECK_EQ(run(f, MAILBOX_CREATE, "c", NULL), 0);
	CHECK_EQ(run(f, MAILBOX_RENAME, "a", "c"), ERR_EXISTS);
	CHECK_EQ(run(f, MAILBOX_RENAME, "a", "a"), ERR_EXISTS);
	CHECK_EQ(run(f, MAILBOX_RENAME, "a", "INBOX"), ERR_EXISTS);
	CHECK_EQ(run(f, MAILBOX_RENAME, "a", "a/b/d"), ERR_BADNAME);
	CHECK_EQ(run(f, MAILBOX_RENAME, "nothing", "d"), ERR_NOMBOX);
	/* What is below would be too deep: nothing is renamed. */
	for (int i = 0; i < MAILBOX_DEPTH_MAX - 1; i++)
		buf_adds(&deep, "d/");
	buf_addc(&deep, 'e');
	CHECK_EQ(run(f, MAILBOX_RENAME, "a", deep.p), ERR_LIMIT);
	buf_release(&deep);
	expect_names(f, "a a/b c ");
	fixture_free(f);
}

TEST(test_mailbox_rename_inbox_moves_its_mail)
{
	struct fixture *f = fixture_new();
	uint64_t inbox = fixture_mailbox(f, "ann@example.org", "INBOX"), old;

	CHECK_EQ(run(f, MAILBOX_CREATE, "INBOX/sub", NULL), 0);
	fixture_fill(f, inbox, 3);
	CHECK_EQ(run(f, MAILBOX_RENAME, "INBOX", "old/mail"), 0);
	expect_names(f, "INBOX/sub old old/mail ");
	old = fixture_mailbox(f, "ann@example.org", "old/mail");
	CHECK_EQ(fixture_row(f, old).messages, 3);
	CHECK_EQ(fixture_row(f, inbox).messages, 0);
	CHECK_EQ(fixture_mailbox(f, "ann@example.org", "INBOX"), inbox);
	CHECK_EQ(fixture_deliver(f, "ann@example.org", "a: b\r\n\r\n"), 4);
	fixture_free(f);
}

TEST(test_mailbox_subscribe_any_name_once)
{
	struct fixture *f = fixture_new();
	const struct change *c;

	CHECK_EQ(run(f, MAILBOX_SUBSCRIBE, "not there", NULL), 0);
	CHECK_EQ(run(f, MAILBOX_SUBSCRIBE, "not there", NULL), 0);
	CHECK((c = fixture_heard(f, CHANGE_SUBSCRIPTION, 0)));
	CHECK(c->on);
	CHECK(!fixture_heard(f, CHANGE_SUBSCRIPTION, 1));
	CHECK_EQ(run(f, MAILBOX_UNSUBSCRIBE, "not there", NULL), 0);
	CHECK(!fixture_heard(f, CHANGE_SUBSCRIPTION, 1)->on);
	CHECK_EQ(run(f, MAILBOX_UNSUBSCRIBE, "not there", NULL), 0);
	CHECK(!fixture_heard(f, CHANGE_SUBSCRIPTION, 2));
	fixture_free(f);
}

TEST(test_mailbox_special_use_is_one_mailboxes_at_a_time)
{
	struct fixture *f = fixture_new();
	struct wreq_mailbox *r = request(f, MAILBOX_CREATE, "Papierkorb",
	    NULL);

	r->use = USE_TRASH;
	CHECK_EQ(fixture_run(f, &r->w), ERR_INUSE);
	CHECK_EQ(run(f, MAILBOX_CREATE, "Papierkorb", NULL), 0);
	r = request(f, MAILBOX_SET_USE, "Papierkorb", NULL);
	r->use = USE_TRASH;
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(fixture_row(f, fixture_mailbox(f, "ann@example.org",
	    "Trash")).use, USE_NONE);
	CHECK_EQ(fixture_row(f, fixture_mailbox(f, "ann@example.org",
	    "Papierkorb")).use, USE_TRASH);
	CHECK(fixture_heard(f, CHANGE_MAILBOX_META, 0));
	fixture_free(f);
}

TEST(test_mailbox_requests_of_a_deleted_account_fail)
{
	struct fixture *f = fixture_new();
	struct wreq_mailbox *r = request(f, MAILBOX_CREATE, "a", NULL);
	struct wreq_account *a = wreq_account_new(&f->env, NULL);

	a->how = ACCOUNT_HOW_DEL;
	a->name = xstrdup("ann@example.org");
	CHECK_EQ(fixture_run(f, &a->w), 0);
	CHECK_EQ(fixture_run(f, &r->w), ERR_NOUSER);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mailbox_create_makes_missing_parents),
		cmocka_unit_test(test_mailbox_count_is_limited),
		cmocka_unit_test(
		    test_mailbox_delete_with_children_leaves_a_name),
		cmocka_unit_test(
		    test_mailbox_noselect_goes_with_its_last_child),
		cmocka_unit_test(
		    test_mailbox_recreated_has_new_id_and_uidvalidity),
		cmocka_unit_test(
		    test_mailbox_rename_takes_children_and_leaves_subscriptions),
		cmocka_unit_test(test_mailbox_rename_refusals),
		cmocka_unit_test(test_mailbox_rename_inbox_moves_its_mail),
		cmocka_unit_test(test_mailbox_subscribe_any_name_once),
		cmocka_unit_test(
		    test_mailbox_special_use_is_one_mailboxes_at_a_time),
		cmocka_unit_test(
		    test_mailbox_requests_of_a_deleted_account_fail)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
