#include "server/base/xalloc.h"
#include "tests/unit/store/fixture.h"

static void
mark_deleted(struct fixture *f, uint64_t mailbox, struct uidset uids)
{
	struct wreq_flags *r = wreq_flags_new(&f->env, NULL);

	r->mailbox = mailbox;
	r->uids = uids;
	r->flags = FLAG_DELETED;
	CHECK_EQ(fixture_run(f, &r->w), 0);
}

static struct wreq_expunge *
expunge(struct fixture *f, uint64_t mailbox, bool only_deleted)
{
	struct wreq_expunge *r = wreq_expunge_new(&f->env, NULL);

	r->mailbox = mailbox;
	r->only_deleted = only_deleted;
	return r;
}

TEST(test_expunge_takes_the_deleted_and_keeps_them_for_undelete)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct wreq_expunge *r;
	const struct change *c;

	fixture_fill(f, box, 6);
	mark_deleted(f, box, UIDS(1, 2, 4, 4));
	fixture_deaf(f);
	r = expunge(f, box, true);
	r->all = true;
	r->w.origin = 5;
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(uidset_count(&r->expunged_r), 3);
	CHECK(uidset_has(&r->expunged_r, 1) && uidset_has(&r->expunged_r, 4));
	CHECK((c = fixture_heard(f, CHANGE_EXPUNGE, 0)));
	CHECK_EQ(c->origin, 5);
	CHECK_EQ(uidset_count(&c->uids), 3);
	CHECK_EQ(c->modseq, r->modseq_r);
	CHECK_EQ(fixture_heard(f, CHANGE_COUNTERS, 0)->messages, 3);
	CHECK_EQ(fixture_row(f, box).deleted, 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM expunged"), 3);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM vanished"), 2);
	CHECK_EQ(fixture_get(f, "SELECT min(refs) FROM body"), 1);
	fixture_free(f);
}

TEST(test_expunge_of_uids_leaves_the_other_deleted_ones)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct wreq_expunge *r;

	fixture_fill(f, box, 4);
	mark_deleted(f, box, UIDS(1, 3));
	r = expunge(f, box, true);
	r->uids = UIDS(2, 2, 4, 4);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(uidset_count(&r->expunged_r), 1);
	/* POP3's way: by UID, whatever its flags are. */
	r = expunge(f, box, false);
	r->uids = UIDS(4, 4, 9, 9);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(uidset_count(&r->expunged_r), 1);
	CHECK_EQ(fixture_row(f, box).messages, 2);
	fixture_free(f);
}

TEST(test_expunge_vanished_stretches_over_what_was_gone)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct wreq_expunge *r;

	fixture_fill(f, box, 6);
	for (uint32_t uid = 2; uid <= 4; uid += 2) {
		r = expunge(f, box, false);
		r->uids = UIDS(uid, uid);
		CHECK_EQ(fixture_run(f, &r->w), 0);
	}
	r = expunge(f, box, false);
	r->uids = UIDS(1, 5);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(uidset_count(&r->expunged_r), 3);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM vanished WHERE"
	    " uid_lo = 1 AND uid_hi = 5"), 1);
	fixture_free(f);
}

TEST(test_expunge_of_nothing_is_no_change)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct wreq_expunge *r;

	fixture_fill(f, box, 1);
	fixture_deaf(f);
	r = expunge(f, box, true);
	r->all = true;
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(r->modseq_r, fixture_row(f, box).modseq);
	CHECK_EQ(f->heard_count, 0);
	fixture_free(f);
}

TEST(test_expunge_never_gives_a_uid_twice)
{
	struct fixture *f = fixture_new_on_disk();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct wreq_expunge *r;

	CHECK_EQ(fixture_deliver(f, "ann@example.org", "a: b\r\n\r\n"), 1);
	r = expunge(f, box, false);
	r->all = true;
	CHECK_EQ(fixture_run(f, &r->w), 0);
	fixture_close(f);
	fixture_open(f);
	CHECK_EQ(fixture_deliver(f, "ann@example.org", "a: b\r\n\r\n"), 2);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_expunge_takes_the_deleted_and_keeps_them_for_undelete),
		cmocka_unit_test(
		    test_expunge_of_uids_leaves_the_other_deleted_ones),
		cmocka_unit_test(
		    test_expunge_vanished_stretches_over_what_was_gone),
		cmocka_unit_test(test_expunge_of_nothing_is_no_change),
		cmocka_unit_test(test_expunge_never_gives_a_uid_twice)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
