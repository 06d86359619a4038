#include "store/db_priv.h"
#include "store/store_priv.h"
#include "store/write.h"
#include "tests/unit/store/rig_read.h"

/* Expunges a range; returns the modseq. */
static uint64_t
expunge(struct fixture *f, uint64_t box, uint32_t lo, uint32_t hi)
{
	struct wreq_expunge *r = wreq_expunge_new(&f->env, NULL);

	r->mailbox = box;
	uidset_add(&r->uids, lo, hi);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	return r->modseq_r;
}

/* "1:3,7", "" or "?" where it is not remembered; owned. */
static char *
vanished(struct fixture *f, uint64_t box, uint64_t since)
{
	struct rjob_vanished *v = rjob_vanished_new(&f->env, NULL, box,
	    since);
	struct buf b = BUF_INIT;
	char *text;

	CHECK_EQ(rig_read(f, &v->j), 0);
	CHECK(!v->j.more);
	if (v->complete)
		uidset_put(&b, &v->uids);
	else
		buf_addc(&b, '?');
	text = xstrdup(b.len ? b.p : "");
	buf_release(&b);
	rig_free(&v->j);
	return text;
}

static void
check_vanished(struct fixture *f, uint64_t box, uint64_t since,
    const char *expected)
{
	char *text = vanished(f, box, since);

	CHECK_STR(text, expected);
	free(text);
}

TEST(vanished_tells_what_went_above_a_modseq)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	uint64_t first, second;

	fixture_fill(f, box, 9);
	check_vanished(f, box, 0, "");
	first = expunge(f, box, 7, 8);
	second = expunge(f, box, 2, 3);
	(void)expunge(f, box, 5, 5);
	check_vanished(f, box, 0, "2:3,5,7:8");
	check_vanished(f, box, first - 1, "2:3,5,7:8");
	check_vanished(f, box, first, "2:3,5");
	check_vanished(f, box, second, "5");
	check_vanished(f, box, second + 1, "");
	check_vanished(f, box, UINT64_MAX, "");
	fixture_free(f);
}

TEST(vanished_says_when_it_does_not_remember)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct buf sql = BUF_INIT;
	uint64_t floor;

	fixture_fill(f, box, 3);
	floor = expunge(f, box, 2, 2);
	buf_printf(&sql, "UPDATE mailbox SET vanished_floor = %llu"
	    " WHERE name = 'INBOX'", (unsigned long long)floor);
	CHECK_EQ(db_exec(&f->store->db, sql.p), 0);
	check_vanished(f, box, floor - 1, "?");
	check_vanished(f, box, floor, "");
	buf_release(&sql);
	fixture_free(f);
}

TEST(vanished_has_a_cap)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct buf sql = BUF_INIT;

	buf_printf(&sql, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT"
	    " i + 2 FROM n WHERE i < %u) INSERT INTO vanished SELECT id, 1, i,"
	    " i FROM n, mailbox WHERE name = 'INBOX'",
	    2 * VANISHED_RANGES_MAX);
	CHECK_EQ(db_exec(&f->store->db, sql.p), 0);
	check_vanished(f, box, 0, "?");
	CHECK_EQ(db_exec(&f->store->db,
	    "DELETE FROM vanished WHERE uid_lo > 3"), 0);
	check_vanished(f, box, 0, "1,3");
	/* So that the store is consistent at its end. */
	CHECK_EQ(db_exec(&f->store->db, "DELETE FROM vanished"), 0);
	buf_release(&sql);
	fixture_free(f);
}

TEST(vanished_is_for_those_who_may_read)
{
	struct fixture *f = fixture_new();
	uint64_t box = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct rjob_vanished *v = rjob_vanished_new(&f->env, NULL, box, 0);

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	v->j.actor = fixture_account(f, "bob@example.org");
	CHECK_EQ(rig_read(f, &v->j), ERR_NOMBOX);
	rig_free(&v->j);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vanished_tells_what_went_above_a_modseq),
		cmocka_unit_test(vanished_says_when_it_does_not_remember),
		cmocka_unit_test(vanished_has_a_cap),
		cmocka_unit_test(vanished_is_for_those_who_may_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
