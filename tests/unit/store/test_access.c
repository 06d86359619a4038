#include "store/acl.h"

#include "server/base/xalloc.h"
#include "store/seen_priv.h"
#include "tests/unit/store/fixture.h"

enum { OWNER = 1, BOB = 2, CARL = 3, ANYONE = 0 };

TEST(test_acl_rights_are_the_owners_or_what_is_granted)
{
	static const struct {
		struct acl_entry v[4];
		size_t n;
		unsigned owner, bob, carl;
	} cases[] = {
		{ { { 0 } }, 0, RIGHT_ALL, 0, 0 },
		{ { { BOB, false, RIGHT_READ } }, 1, RIGHT_ALL, RIGHT_READ, 0 },
		{ { { ANYONE, false, RIGHT_LOOKUP },
		    { BOB, false, RIGHT_READ } }, 2,
		    RIGHT_ALL, RIGHT_LOOKUP | RIGHT_READ, RIGHT_LOOKUP },
		/* What is denied is gone, whoever granted it. */
		{ { { ANYONE, false, RIGHT_LOOKUP | RIGHT_READ },
		    { BOB, true, RIGHT_READ } }, 2,
		    RIGHT_ALL, RIGHT_LOOKUP, RIGHT_LOOKUP | RIGHT_READ },
		{ { { ANYONE, true, RIGHT_ALL }, { BOB, false, RIGHT_ALL } }, 2,
		    RIGHT_ALL, 0, 0 },
		{ { { ANYONE, true, RIGHT_POST },
		    { BOB, false, RIGHT_POST | RIGHT_READ },
		    { CARL, false, RIGHT_INSERT } }, 3,
		    RIGHT_ALL, RIGHT_READ, RIGHT_INSERT },
		/* Nothing is taken from the owner, nor bits that are none. */
		{ { { OWNER, true, RIGHT_ALL }, { BOB, false, ~0u } }, 2,
		    RIGHT_ALL, RIGHT_ALL, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct acl_entry *v = cases[i].v;

		CHECK_EQ(acl_rights(v, cases[i].n, OWNER, OWNER),
		    cases[i].owner);
		CHECK_EQ(acl_rights(v, cases[i].n, BOB, OWNER), cases[i].bob);
		CHECK_EQ(acl_rights(v, cases[i].n, CARL, OWNER),
		    cases[i].carl);
		/* the server itself */
		CHECK_EQ(acl_rights(v, cases[i].n, 0, OWNER), RIGHT_ALL);
	}
}

static void
grant(struct fixture *f, unsigned rights, bool is_negative)
{
	struct wreq_acl *r = wreq_acl_new(&f->env, NULL);

	r->w.actor = fixture_account(f, "ann@example.org");
	r->name = xstrdup("INBOX");
	r->identifier = xstrdup("bob");
	r->is_negative = is_negative;
	r->rights = rights;
	CHECK_EQ(fixture_run(f, &r->w), 0);
}

/* RFC 4314 section 4, MYRIGHTS. */
#define KNOWN (RIGHT_LOOKUP | RIGHT_READ | RIGHT_INSERT | RIGHT_CREATE | \
    RIGHT_DELETE | RIGHT_ADMIN)

static int
want(unsigned have, unsigned need)
{
	if (need == 0)
		return have & KNOWN ? 0 : ERR_NOMBOX;
	if (have & need)
		return 0;
	return have & RIGHT_LOOKUP ? ERR_DENIED : ERR_NOMBOX;
}

/* Every right that one may have, with and without l, against every need. */
TEST(test_access_takes_the_right_it_needs)
{
	struct fixture *f = fixture_new();
	uint64_t inbox = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct db *db = &f->store->db;
	struct mailbox_row row;
	uint64_t bob;

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	bob = fixture_account(f, "bob@example.org");
	for (unsigned bit = 0; bit < 22; bit++) {
		unsigned have = 1u << bit / 2;

		have |= bit % 2 ? RIGHT_LOOKUP : 0;
		grant(f, have, false);
		for (unsigned need = 0; need <= RIGHT_ADMIN;
		    need = need ? need << 1 : 1) {
			CHECK_EQ(mailbox_access(db, bob, inbox, need, &row),
			    want(have, need));
			CHECK_EQ(mailbox_access_name(db, bob,
			    SPAN("Users/ann@example.org/INBOX"), need, &row),
			    want(have, need));
		}
	}
	grant(f, RIGHT_ALL, true);
	CHECK_EQ(mailbox_access(db, bob, inbox, 0, &row), ERR_NOMBOX);
	grant(f, 0, true);
	grant(f, 0, false);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM acl"), 0);
	CHECK_EQ(mailbox_access(db, bob, inbox, RIGHT_LOOKUP, &row),
	    ERR_NOMBOX);
	fixture_free(f);
}

TEST(test_access_all_rights_asked_for_are_needed)
{
	struct fixture *f = fixture_new();
	uint64_t inbox = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct mailbox_row row;
	uint64_t bob;

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	bob = fixture_account(f, "bob@example.org");
	grant(f, RIGHT_READ | RIGHT_EXPUNGE, false);
	CHECK_EQ(mailbox_access(&f->store->db, bob, inbox,
	    RIGHT_READ | RIGHT_EXPUNGE, &row), 0);
	CHECK_EQ(mailbox_access(&f->store->db, bob, inbox,
	    RIGHT_READ | RIGHT_DELETE_MSG, &row), ERR_NOMBOX);
	fixture_free(f);
}

TEST(test_acl_has_so_many_entries_at_most)
{
	struct fixture *f = fixture_new();
	struct wreq_acl *r = wreq_acl_new(&f->env, NULL);

	/* Accounts that are not there, gone before anybody looks. */
	CHECK_EQ(db_run(&f->store->db, "WITH RECURSIVE n(i) AS (SELECT 1"
	    " UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO acl"
	    " SELECT m.id, 1000 + i, 0, 1 FROM n JOIN mailbox m"
	    " ON m.name = 'INBOX'", A_INT(ACL_ENTRIES_MAX)), 0);
	r->w.actor = fixture_account(f, "ann@example.org");
	r->name = xstrdup("INBOX");
	r->identifier = xstrdup("anyone");
	r->rights = RIGHT_READ;
	CHECK_EQ(fixture_run(f, &r->w), ERR_LIMIT);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM acl"),
	    ACL_ENTRIES_MAX);
	CHECK_EQ(db_exec(&f->store->db, "DELETE FROM acl"), 0);
	fixture_free(f);
}

TEST(test_acl_of_a_deleted_account_goes)
{
	struct fixture *f = fixture_new();
	struct wreq_account *r;

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	grant(f, RIGHT_READ, false);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM acl"), 1);
	r = wreq_account_new(&f->env, NULL);
	r->how = ACCOUNT_HOW_DEL;
	r->name = xstrdup("bob@example.org");
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM acl"), 0);
	fixture_free(f);
}

/* The ranges in the database, as one set. */
static struct uidset
seen_by(struct fixture *f, uint64_t mailbox, uint64_t reader)
{
	struct uidset s = { 0 };

	CHECK_EQ(seen_read(&f->store->db, mailbox, reader, 1, UINT32_MAX,
	    &s), 0);
	return s;
}

static uint32_t
pick(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % below;
}

/* Changes a range of bob's \Seen; its last is up to two beyond the last. */
static void
mark(struct fixture *f, uint64_t inbox, uint64_t bob, bool on,
    struct uidrange r)
{
	struct wreq_flags *w = wreq_flags_new(&f->env, NULL);

	w->w.actor = bob;
	w->mailbox = inbox;
	uidset_add(&w->uids, r.lo, r.hi);
	w->how = on ? FLAGS_ADD : FLAGS_REMOVE;
	w->flags = FLAG_SEEN;
	CHECK_EQ(fixture_run(f, &w->w), 0);
}

TEST(test_seen_is_each_readers_own)
{
	struct fixture *f = fixture_new();
	uint64_t inbox = fixture_mailbox(f, "ann@example.org", "INBOX");
	bool want[12] = { false };
	uint32_t state = 7;
	uint64_t bob;

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	bob = fixture_account(f, "bob@example.org");
	grant(f, RIGHT_READ | RIGHT_SEEN, false);
	fixture_fill(f, inbox, 10);
	for (int i = 0; i < 100; i++) {
		uint32_t lo = 1 + pick(&state, 10);
		struct uidrange r = { lo, lo + pick(&state, 4) };
		bool on = pick(&state, 2);
		struct uidset seen;

		mark(f, inbox, bob, on, r);
		for (uint32_t uid = r.lo; uid <= MIN(r.hi, 10); uid++)
			want[uid] = on;
		seen = seen_by(f, inbox, bob);
		for (uint32_t uid = 1; uid <= 11; uid++)
			CHECK_EQ(uidset_has(&seen, uid), want[uid]);
		uidset_release(&seen);
	}
	/* The owner has read none of them. */
	CHECK_EQ(fixture_row(f, inbox).unseen, 10);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM msg WHERE flags"), 0);
	fixture_free(f);	/* with check.c's blessing */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_acl_rights_are_the_owners_or_what_is_granted),
		cmocka_unit_test(test_access_takes_the_right_it_needs),
		cmocka_unit_test(
		    test_access_all_rights_asked_for_are_needed),
		cmocka_unit_test(test_acl_has_so_many_entries_at_most),
		cmocka_unit_test(test_acl_of_a_deleted_account_goes),
		cmocka_unit_test(test_seen_is_each_readers_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
