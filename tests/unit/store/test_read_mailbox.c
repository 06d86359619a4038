#include <string.h>

#include "tests/unit/store/rig_read.h"

static struct rjob_lookup *
lookup(struct fixture *f, const char *account, const char *name,
    unsigned rights)
{
	struct rjob_lookup *l = rjob_lookup_new(&f->env, NULL, span_of(name),
	    rights);

	l->j.actor = fixture_account(f, account);
	return l;
}

static struct rjob_list *
list(struct fixture *f, const char *account)
{
	struct rjob_list *l = rjob_list_new(&f->env, NULL);

	l->j.actor = fixture_account(f, account);
	CHECK_EQ(rig_read(f, &l->j), 0);
	return l;
}

TEST(lookup_finds_a_mailbox_with_its_counters)
{
	struct fixture *f = fixture_new();
	struct rjob_lookup *l = lookup(f, "ann@example.org", "INBOX",
	    RIGHT_READ);

	fixture_deliver(f, "ann@example.org", "Subject: x\r\n\r\n");
	fixture_deliver(f, "ann@example.org", "Subject: y\r\n\r\n");
	CHECK_EQ(rig_read(f, &l->j), 0);
	CHECK_EQ(l->info.id, fixture_mailbox(f, "ann@example.org", "INBOX"));
	CHECK_EQ(l->info.account, fixture_account(f, "ann@example.org"));
	CHECK_STR(l->info.name, "INBOX");
	CHECK_EQ(l->info.messages, 2);
	CHECK_EQ(l->info.unseen, 2);
	CHECK_EQ(l->info.recent, 2);
	CHECK_EQ(l->info.uidnext, 3);
	CHECK_EQ(l->info.rights, RIGHT_ALL);
	CHECK(l->info.subscribed);
	CHECK(!l->info.has_children);
	CHECK(l->info.uidvalidity > 0);
	CHECK_EQ(l->info.bytes, 28);
	rig_free(&l->j);
	fixture_free(f);
}

/* A mailbox of somebody else answers like one that does not exist. */
TEST(lookup_does_not_tell_of_others_mailboxes)
{
	struct fixture *f = fixture_new();
	struct rjob_lookup *l;

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	l = lookup(f, "ann@example.org", "No", RIGHT_LOOKUP);
	CHECK_EQ(rig_read(f, &l->j), ERR_NOMBOX);
	rig_free(&l->j);
	/* Found by name in one's own tree only. */
	l = lookup(f, "bob@example.org", "INBOX", RIGHT_LOOKUP);
	CHECK_EQ(rig_read(f, &l->j), 0);
	CHECK(l->info.id != fixture_mailbox(f, "ann@example.org", "INBOX"));
	rig_free(&l->j);
	fixture_free(f);
}

TEST(list_shows_what_every_account_starts_with)
{
	struct fixture *f = fixture_new();
	struct rjob_list *l = list(f, "ann@example.org");
	static const struct {
		const char *name;
		enum special_use use;
	} want[] = {
		{ "Archive", USE_ARCHIVE }, { "Drafts", USE_DRAFTS },
		{ "INBOX", USE_NONE }, { "Junk", USE_JUNK },
		{ "Sent", USE_SENT }, { "Trash", USE_TRASH },
	};

	CHECK_EQ(l->box_count, COUNT(want));
	for (size_t i = 0; i < COUNT(want); i++) {
		CHECK_STR(l->boxes[i].name, want[i].name);
		CHECK_EQ(l->boxes[i].use, want[i].use);
		CHECK(l->boxes[i].subscribed);
		CHECK_EQ(l->boxes[i].rights, RIGHT_ALL);
	}
	CHECK_EQ(l->subscription_count, COUNT(want));
	rig_free(&l->j);
	fixture_free(f);
}

/* Straight into the table: this is about reading. */
static void
add_box(struct fixture *f, const char *name)
{
	CHECK_EQ(db_run(&f->store->db, "INSERT INTO mailbox(id, account,"
	    " name, uidvalidity, modseq, created) SELECT max(id) + 1000,"
	    " ?1, ?2, 1, 1, 0 FROM mailbox",
	    A_INT(fixture_account(f, "ann@example.org")), A_STR(name)), 0);
}

TEST(list_sorts_children_behind_their_parent)
{
	static const char *const names[] = { "a b", "a/c", "a", "a/c/d",
	    "ab", "a-", "A" };
	static const char *const sorted[] = { "A", "Archive", "Drafts",
	    "INBOX", "Junk", "Sent", "Trash", "a", "a/c", "a/c/d", "a b",
	    "a-", "ab" };
	struct fixture *f = fixture_bare(false);
	struct rjob_list *l;

	fixture_open(f);
	CHECK_EQ(fixture_add_domain(f, "example.org"), 0);
	CHECK_EQ(fixture_add_account(f, "ann@example.org"), 0);
	for (size_t i = 0; i < COUNT(names); i++)
		add_box(f, names[i]);
	l = list(f, "ann@example.org");
	CHECK_EQ(l->box_count, COUNT(sorted));
	for (size_t i = 0; i < COUNT(sorted); i++) {
		CHECK_STR(l->boxes[i].name, sorted[i]);
		CHECK_EQ(l->boxes[i].has_children,
		    strcmp(sorted[i], "a") == 0 ||
		    strcmp(sorted[i], "a/c") == 0);
		CHECK_EQ(l->boxes[i].subscribed,
		    l->boxes[i].use != USE_NONE ||
		    strcmp(sorted[i], "INBOX") == 0);
	}
	rig_free(&l->j);
	/* A look-up sees children alike. */
	{
		struct rjob_lookup *k = lookup(f, "ann@example.org", "a",
		    RIGHT_LOOKUP);

		CHECK_EQ(rig_read(f, &k->j), 0);
		CHECK(k->info.has_children);
		CHECK(!k->info.subscribed);
		rig_free(&k->j);
	}
	CHECK_EQ(db_run(&f->store->db, "DELETE FROM mailbox"
	    " WHERE special_use = 0 AND name <> 'INBOX'"), 0);
	fixture_free(f);
}

TEST(list_of_nobody_is_empty)
{
	struct fixture *f = fixture_new();
	struct rjob_list *l = rjob_list_new(&f->env, NULL);

	l->j.actor = 999999;
	CHECK_EQ(rig_read(f, &l->j), 0);
	CHECK_EQ(l->box_count, 0);
	CHECK_EQ(l->subscription_count, 0);
	rig_free(&l->j);
	fixture_free(f);
}

TEST(read_after_close_comes_home)
{
	struct fixture *f = fixture_new();
	struct rjob_lookup *l = lookup(f, "ann@example.org", "INBOX",
	    RIGHT_READ);

	/* Queued, not pumped: the store closes over it. */
	op_free(f->done);
	f->done = NULL;
	l->j.op.finish = rig_came_home;
	store_read(f->store, &l->j);
	store_unlisten(f->listener);
	store_close(f->store);
	f->store = NULL;
	post_drain(&f->home);
	CHECK(f->done == &l->j.op);
	CHECK_EQ(l->j.op.err, ERR_CLOSED);
	op_free(f->done);
	f->done = NULL;
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookup_finds_a_mailbox_with_its_counters),
		cmocka_unit_test(lookup_does_not_tell_of_others_mailboxes),
		cmocka_unit_test(list_shows_what_every_account_starts_with),
		cmocka_unit_test(list_sorts_children_behind_their_parent),
		cmocka_unit_test(list_of_nobody_is_empty),
		cmocka_unit_test(read_after_close_comes_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
