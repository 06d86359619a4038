#include "server/base/xalloc.h"
#include "tests/unit/store/fixture.h"

static int64_t
thread(struct fixture *f, const char *account, const char *bytes)
{
	uint32_t uid = fixture_deliver(f, account, bytes);
	uint64_t inbox = fixture_mailbox(f, account, "INBOX");
	int64_t id;

	CHECK_EQ(db_get(&f->store->db, &id, "SELECT thread FROM msg"
	    " WHERE mailbox = ? AND uid = ?", A_INT(inbox), A_INT(uid)), 0);
	return id;
}

TEST(test_thread_follows_references_and_never_merges)
{
	struct fixture *f = fixture_new();
	const char *ann = "ann@example.org";
	int64_t a, b;

	a = thread(f, ann, "Message-ID: <1@x>\r\n\r\n");
	b = thread(f, ann, "Message-ID: <2@x>\r\n\r\n");
	CHECK(a != b);
	CHECK_EQ(thread(f, ann, "Message-ID: <3@x>\r\n"
	    "References: <1@x>\r\n\r\n"), a);
	CHECK_EQ(thread(f, ann, "Message-ID: <4@x>\r\n"
	    "In-Reply-To: <3@x>\r\n\r\n"), a);
	/* It knows both: the two stay two. */
	thread(f, ann, "Message-ID: <5@x>\r\n"
	    "References: <1@x> <2@x>\r\n\r\n");
	CHECK_EQ(thread(f, ann, "References: <2@x>\r\n\r\n"), b);
	CHECK_EQ(thread(f, ann, "References: <1@x>\r\n\r\n"), a);
	fixture_free(f);
}

TEST(test_thread_of_an_answer_that_came_first)
{
	struct fixture *f = fixture_new();
	const char *ann = "ann@example.org";
	int64_t a = thread(f, ann, "Message-ID: <2@x>\r\n"
	    "References: <1@x>\r\n\r\n");

	CHECK_EQ(thread(f, ann, "Message-ID: <1@x>\r\n\r\n"), a);
	fixture_free(f);
}

TEST(test_thread_is_the_accounts_own)
{
	struct fixture *f = fixture_new();

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	CHECK(thread(f, "ann@example.org", "Message-ID: <1@x>\r\n\r\n") !=
	    thread(f, "bob@example.org", "Message-ID: <1@x>\r\n\r\n"));
	fixture_free(f);
}

TEST(test_thread_without_ids_is_alone)
{
	struct fixture *f = fixture_new();

	CHECK(thread(f, "ann@example.org", "Subject: a\r\n\r\n") !=
	    thread(f, "ann@example.org", "Subject: a\r\n\r\n"));
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM thread_ref"), 0);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_thread_follows_references_and_never_merges),
		cmocka_unit_test(test_thread_of_an_answer_that_came_first),
		cmocka_unit_test(test_thread_is_the_accounts_own),
		cmocka_unit_test(test_thread_without_ids_is_alone)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
