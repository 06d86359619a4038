#include "server/base/xalloc.h"
#include "tests/unit/store/fixture.h"

static struct wreq_copy *
copy(struct fixture *f, uint64_t from, struct uidset uids, uint64_t to,
    bool move)
{
	struct wreq_copy *r = wreq_copy_new(&f->env, NULL);

	r->mailbox = from;
	r->uids = uids;
	r->target = to;
	r->move = move;
	return r;
}

static void
set_keyword(struct fixture *f, uint64_t mailbox, struct uidset uids,
    const char *name)
{
	struct wreq_flags *r = wreq_flags_new(&f->env, NULL);

	r->mailbox = mailbox;
	r->uids = uids;
	r->flags = FLAG_SEEN;
	r->keywords = xcalloc(1, sizeof *r->keywords);
	r->keywords[0] = xstrdup(name);
	r->keyword_count = 1;
	CHECK_EQ(fixture_run(f, &r->w), 0);
}

static void
expect(struct fixture *f, uint64_t mailbox, const char *want)
{
	char *have = fixture_flags(f, mailbox);

	CHECK_STR(have, want);
	free(have);
}

TEST(test_copy_shares_the_bodies_and_pairs_the_uids)
{
	struct fixture *f = fixture_new();
	uint64_t inbox = fixture_mailbox(f, "ann@example.org", "INBOX");
	uint64_t sent = fixture_mailbox(f, "ann@example.org", "Sent");
	struct wreq_copy *r;
	const struct change *c;

	fixture_fill(f, inbox, 5);
	fixture_fill(f, sent, 2);
	fixture_deaf(f);
	r = copy(f, inbox, UIDS(2, 3, 5, 9), sent, false);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(r->uidvalidity_r, fixture_row(f, sent).uidvalidity);
	CHECK_EQ(uidset_count(&r->source_r), 3);
	CHECK_EQ(r->source_r.v[1].lo, 5);
	CHECK_EQ(r->target_r.n, 1);
	CHECK_EQ(r->target_r.v[0].lo, 3);
	CHECK_EQ(r->target_r.v[0].hi, 5);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM body"), 7);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM body WHERE refs = 2"),
	    3);
	/* However many, they are one piece of news. */
	CHECK((c = fixture_heard(f, CHANGE_ARRIVAL, 0)));
	CHECK(!fixture_heard(f, CHANGE_ARRIVAL, 1));
	CHECK_EQ(c->mailbox, sent);
	CHECK_EQ(c->row_count, 3);
	CHECK_EQ(c->rows[2].uid, 5);
	CHECK_EQ(fixture_row(f, inbox).messages, 5);
	/* A copy is in the same conversation. */
	CHECK_EQ(fixture_get(f, "SELECT count(DISTINCT thread) FROM msg"),
	    7);
	fixture_free(f);
}

TEST(test_copy_maps_keywords_by_name)
{
	struct fixture *f = fixture_new();
	uint64_t inbox = fixture_mailbox(f, "ann@example.org", "INBOX");
	uint64_t sent = fixture_mailbox(f, "ann@example.org", "Sent");

	fixture_fill(f, inbox, 3);
	fixture_fill(f, sent, 1);
	set_keyword(f, sent, UIDS(1, 1), "red");	/* bit 8 there */
	set_keyword(f, inbox, UIDS(1, 1), "blue");	/* bit 8 here */
	set_keyword(f, inbox, UIDS(2, 2), "RED");	/* bit 9 here */
	CHECK_EQ(fixture_run(f, &copy(f, inbox, UIDS(1, 3), sent,
	    false)->w), 0);
	expect(f, inbox, "1:257 2:513 3:0");
	expect(f, sent, "1:257 2:513 3:257 4:0");
	fixture_free(f);
}

TEST(test_copy_into_its_own_mailbox_doubles_it_once)
{
	struct fixture *f = fixture_new();
	uint64_t inbox = fixture_mailbox(f, "ann@example.org", "INBOX");

	fixture_fill(f, inbox, 2);
	CHECK_EQ(fixture_run(f, &copy(f, inbox, UIDS(1, UINT32_MAX), inbox,
	    false)->w), 0);
	expect(f, inbox, "1:0 2:0 3:0 4:0");
	/* And again: now each body is in the set twice. */
	CHECK_EQ(fixture_run(f, &copy(f, inbox, UIDS(1, UINT32_MAX), inbox,
	    false)->w), 0);
	CHECK_EQ(fixture_get(f, "SELECT min(refs) FROM body"), 4);
	fixture_free(f);
}

TEST(test_copy_move_leaves_nothing_to_undelete)
{
	struct fixture *f = fixture_new();
	uint64_t inbox = fixture_mailbox(f, "ann@example.org", "INBOX");
	uint64_t trash = fixture_mailbox(f, "ann@example.org", "Trash");
	struct wreq_copy *r;

	fixture_fill(f, inbox, 4);
	set_keyword(f, inbox, UIDS(2, 3), "blue");
	fixture_deaf(f);
	r = copy(f, inbox, UIDS(2, 3), trash, true);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	expect(f, inbox, "1:0 4:0");
	expect(f, trash, "1:257 2:257");
	CHECK_EQ(fixture_row(f, inbox).unseen, 2);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM expunged"), 0);
	CHECK_EQ(fixture_get(f, "SELECT max(refs) FROM body"), 1);
	CHECK_EQ(fixture_heard(f, CHANGE_EXPUNGE, 0)->mailbox, inbox);
	CHECK(fixture_heard(f, CHANGE_COUNTERS, 1));
	fixture_free(f);
}

TEST(test_copy_move_to_its_own_mailbox_gives_new_uids)
{
	struct fixture *f = fixture_new();
	uint64_t inbox = fixture_mailbox(f, "ann@example.org", "INBOX");

	fixture_fill(f, inbox, 3);
	CHECK_EQ(fixture_run(f, &copy(f, inbox, UIDS(1, 2), inbox,
	    true)->w), 0);
	expect(f, inbox, "3:0 4:0 5:0");
	CHECK_EQ(fixture_row(f, inbox).messages, 3);
	fixture_free(f);
}

TEST(test_copy_of_nothing_or_to_nowhere)
{
	struct fixture *f = fixture_new();
	uint64_t inbox = fixture_mailbox(f, "ann@example.org", "INBOX");
	uint64_t sent = fixture_mailbox(f, "ann@example.org", "Sent");
	struct wreq_copy *r;

	fixture_fill(f, inbox, 1);
	fixture_deaf(f);
	r = copy(f, inbox, UIDS(7, 9), sent, false);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(r->source_r.n, 0);
	CHECK_EQ(f->heard_count, 0);
	CHECK_EQ(fixture_run(f, &copy(f, inbox, UIDS(1, 1), 4711,
	    true)->w), ERR_NOMBOX);
	expect(f, inbox, "1:0");
	fixture_free(f);
}

TEST(test_copy_heeds_the_quota_and_move_needs_none)
{
	struct fixture *f = fixture_new();
	uint64_t inbox = fixture_mailbox(f, "ann@example.org", "INBOX");
	uint64_t sent = fixture_mailbox(f, "ann@example.org", "Sent");

	fixture_fill(f, inbox, 2);
	CHECK_EQ(db_exec(&f->store->db, "UPDATE account SET quota_messages ="
	    " 3"), 0);
	CHECK_EQ(fixture_run(f, &copy(f, inbox, UIDS(1, 2), sent,
	    false)->w), ERR_QUOTA);
	CHECK_EQ(fixture_run(f, &copy(f, inbox, UIDS(1, 2), sent,
	    true)->w), 0);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_copy_shares_the_bodies_and_pairs_the_uids),
		cmocka_unit_test(test_copy_maps_keywords_by_name),
		cmocka_unit_test(
		    test_copy_into_its_own_mailbox_doubles_it_once),
		cmocka_unit_test(test_copy_move_leaves_nothing_to_undelete),
		cmocka_unit_test(
		    test_copy_move_to_its_own_mailbox_gives_new_uids),
		cmocka_unit_test(test_copy_of_nothing_or_to_nowhere),
		cmocka_unit_test(
		    test_copy_heeds_the_quota_and_move_needs_none)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
