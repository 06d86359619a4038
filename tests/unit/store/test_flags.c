#include "server/base/xalloc.h"
#include "tests/unit/store/fixture.h"

static struct wreq_flags *
flags(struct fixture *f, uint64_t mailbox, struct uidset uids,
    enum flags_how how, uint64_t bits)
{
	struct wreq_flags *r = wreq_flags_new(&f->env, NULL);

	r->mailbox = mailbox;
	r->uids = uids;
	r->how = how;
	r->flags = bits;
	return r;
}

static void
keyword(struct wreq_flags *r, const char *name)
{
	r->keywords = xreallocarray(r->keywords, r->keyword_count + 1,
	    sizeof *r->keywords);
	r->keywords[r->keyword_count++] = xstrdup(name);
}

static void
expect(struct fixture *f, uint64_t mailbox, const char *want)
{
	char *have = fixture_flags(f, mailbox);

	CHECK_STR(have, want);
	free(have);
}

TEST(test_flags_add_remove_replace)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");

	fixture_fill(f, box, 4);
	CHECK_EQ(fixture_run(f, &flags(f, box, UIDS(1, 3), FLAGS_ADD,
	    FLAG_SEEN | FLAG_DELETED)->w), 0);
	expect(f, box, "1:9 2:9 3:9 4:0");
	CHECK_EQ(fixture_row(f, box).unseen, 1);
	CHECK_EQ(fixture_row(f, box).deleted, 3);
	CHECK_EQ(fixture_run(f, &flags(f, box, UIDS(2, 2), FLAGS_REMOVE,
	    FLAG_SEEN)->w), 0);
	CHECK_EQ(fixture_run(f, &flags(f, box, UIDS(3, 4, 9, 12),
	    FLAGS_REPLACE, FLAG_FLAGGED)->w), 0);
	expect(f, box, "1:9 2:8 3:4 4:4");
	CHECK_EQ(fixture_row(f, box).unseen, 3);
	CHECK_EQ(fixture_row(f, box).deleted, 2);
	fixture_free(f);
}

TEST(test_flags_change_is_heard_as_it_was_asked)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct wreq_flags *r;
	const struct change *c;

	fixture_fill(f, box, 4);
	fixture_deaf(f);
	r = flags(f, box, UIDS(2, 900), FLAGS_ADD, FLAG_SEEN);
	r->w.origin = 77;
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK((c = fixture_heard(f, CHANGE_FLAGS, 0)));
	CHECK_EQ(c->origin, 77);
	CHECK_EQ(c->set, FLAG_SEEN);
	CHECK_EQ(c->clear, 0);
	CHECK(c->max_modseq == UINT64_MAX);
	CHECK_EQ(c->uids.n, 1);
	CHECK_EQ(c->uids.v[0].hi, 900);
	CHECK_EQ(c->modseq, r->modseq_r);
	CHECK((c = fixture_heard(f, CHANGE_COUNTERS, 0)));
	CHECK_EQ(c->unseen, 1);
	CHECK_EQ(c->modseq, r->modseq_r);
	fixture_free(f);
}

TEST(test_flags_that_change_nothing_take_no_modseq)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX"), modseq;
	struct wreq_flags *r;

	fixture_fill(f, box, 2);
	CHECK_EQ(fixture_run(f, &flags(f, box, UIDS(1, 1), FLAGS_ADD,
	    FLAG_SEEN)->w), 0);
	modseq = fixture_row(f, box).modseq;
	fixture_deaf(f);
	r = flags(f, box, UIDS(1, 1), FLAGS_ADD, FLAG_SEEN);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(r->modseq_r, modseq);
	CHECK_EQ(f->heard_count, 0);
	/* One of two: only that one moves on. */
	CHECK_EQ(fixture_run(f, &flags(f, box, UIDS(1, 2), FLAGS_ADD,
	    FLAG_SEEN)->w), 0);
	CHECK_EQ(fixture_get(f, "SELECT modseq FROM msg WHERE uid = 1"),
	    modseq);
	CHECK(fixture_get(f, "SELECT modseq FROM msg WHERE uid = 2") >
	    (int64_t)modseq);
	fixture_free(f);
}

TEST(test_flags_unchangedsince_leaves_newer_messages_alone)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX"), modseq;
	struct wreq_flags *r;

	fixture_fill(f, box, 3);
	modseq = fixture_row(f, box).modseq;
	CHECK_EQ(fixture_run(f, &flags(f, box, UIDS(2, 2), FLAGS_ADD,
	    FLAG_FLAGGED)->w), 0);
	r = flags(f, box, UIDS(1, 3), FLAGS_ADD, FLAG_SEEN);
	r->unchanged_since = modseq;
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(uidset_count(&r->modified_r), 1);
	CHECK(uidset_has(&r->modified_r, 2));
	expect(f, box, "1:1 2:4 3:1");
	/* RFC 7162 section 3.1.3: 0 fails for all that exist. */
	r = flags(f, box, UIDS(1, 3), FLAGS_REMOVE, FLAG_SEEN);
	r->unchanged_since = 0;
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(uidset_count(&r->modified_r), 3);
	expect(f, box, "1:1 2:4 3:1");
	fixture_free(f);
}

TEST(test_flags_keywords_get_a_bit_each)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	const struct change *c;
	struct wreq_flags *r;

	fixture_fill(f, box, 2);
	fixture_deaf(f);
	r = flags(f, box, UIDS(1, 2), FLAGS_ADD, 0);
	keyword(r, "$Junk");
	keyword(r, "blue");
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK((c = fixture_heard(f, CHANGE_KEYWORD, 0)));
	CHECK_EQ(c->bit, 8);
	CHECK_STR(c->name, "$Junk");
	CHECK_STR(fixture_heard(f, CHANGE_KEYWORD, 1)->name, "blue");
	expect(f, box, "1:768 2:768");
	/* Case makes no difference, and what is unknown is not removed. */
	r = flags(f, box, UIDS(1, 1), FLAGS_REMOVE, 0);
	keyword(r, "$JUNK");
	keyword(r, "green");
	CHECK_EQ(fixture_run(f, &r->w), 0);
	expect(f, box, "1:512 2:768");
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM keyword"), 2);
	fixture_free(f);
}

TEST(test_flags_keyword_57_is_refused_and_changes_nothing)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct wreq_flags *r;
	char name[16];

	fixture_fill(f, box, 1);
	r = flags(f, box, UIDS(1, 1), FLAGS_ADD, 0);
	for (int i = 0; i < KEYWORDS_MAX; i++) {
		snprintf(name, sizeof name, "k%d", i);
		keyword(r, name);
	}
	CHECK_EQ(fixture_run(f, &r->w), 0);
	r = flags(f, box, UIDS(1, 1), FLAGS_REPLACE, FLAG_SEEN);
	keyword(r, "k1");
	keyword(r, "one-more");
	CHECK_EQ(fixture_run(f, &r->w), ERR_KEYWORDS);
	CHECK_EQ(fixture_get(f, "SELECT flags = -256 FROM msg"), 1);
	/* The last bit, 63, works like any other. */
	r = flags(f, box, UIDS(1, 1), FLAGS_REPLACE, 0);
	keyword(r, "k55");
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK(fixture_get(f, "SELECT flags FROM msg") == INT64_MIN);
	fixture_free(f);
}

TEST(test_flags_in_a_mailbox_of_somebody_else_are_refused)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct wreq_flags *r;

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	fixture_fill(f, box, 1);
	r = flags(f, box, UIDS(1, 1), FLAGS_ADD, FLAG_SEEN);
	r->w.actor = fixture_account(f, "bob@example.org");
	CHECK_EQ(fixture_run(f, &r->w), ERR_NOMBOX);
	r = flags(f, 4711, UIDS(1, 1), FLAGS_ADD, FLAG_SEEN);
	CHECK_EQ(fixture_run(f, &r->w), ERR_NOMBOX);
	expect(f, box, "1:0");
	fixture_free(f);
}

TEST(test_flags_recent_uid_only_rises)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct wreq_recent *r;

	for (uint32_t uid = 5; uid > 3; uid--) {
		r = wreq_recent_new(&f->env);
		r->mailbox = box;
		r->recent_uid = uid;
		CHECK_EQ(fixture_run(f, &r->w), 0);
	}
	CHECK_EQ(fixture_row(f, box).recent_uid, 5);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags_add_remove_replace),
		cmocka_unit_test(test_flags_change_is_heard_as_it_was_asked),
		cmocka_unit_test(
		    test_flags_that_change_nothing_take_no_modseq),
		cmocka_unit_test(
		    test_flags_unchangedsince_leaves_newer_messages_alone),
		cmocka_unit_test(test_flags_keywords_get_a_bit_each),
		cmocka_unit_test(
		    test_flags_keyword_57_is_refused_and_changes_nothing),
		cmocka_unit_test(
		    test_flags_in_a_mailbox_of_somebody_else_are_refused),
		cmocka_unit_test(test_flags_recent_uid_only_rises)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
