#include "store/acl.h"

#include "server/base/xalloc.h"
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_acl_rights_are_the_owners_or_what_is_granted),
		cmocka_unit_test(test_access_takes_the_right_it_needs),
		cmocka_unit_test(
		    test_access_all_rights_asked_for_are_needed),
		cmocka_unit_test(test_acl_of_a_deleted_account_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
