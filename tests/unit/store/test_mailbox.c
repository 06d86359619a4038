#include "store/mailbox.h"

#include <string.h>

#include "server/base/buf.h"
#include "server/base/err.h"
#include "tests/check.h"

TEST(mailbox_name_check_knows_good_from_bad)
{
	static const struct {
		const char *name;
		int err;
	} cases[] = {
		{ "INBOX", 0 },
		{ "Sent", 0 },
		{ "a/b/c", 0 },
		{ "with space", 0 },
		{ "Entw\xc3\xbcrfe", 0 },
		{ "", ERR_BADNAME },
		{ "/", ERR_BADNAME },
		{ "/a", ERR_BADNAME },
		{ "a/", ERR_BADNAME },
		{ "a//b", ERR_BADNAME },
		{ "a\tb", ERR_BADNAME },
		{ "a\x7f", ERR_BADNAME },
		{ "a\xc2\x85", ERR_BADNAME },		/* C1 */
		{ "a\xe2\x80\xa8", ERR_BADNAME },	/* line separator */
		{ "\xff", ERR_BADNAME },
		{ "Entwu\xcc\x88rfe", ERR_BADNAME },	/* NFD */
		{ "1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6", 0 },
		{ "1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7", ERR_LIMIT },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK_EQ(mailbox_name_check(span_of(cases[i].name)),
		    cases[i].err);
}

TEST(mailbox_name_has_a_longest_length)
{
	char name[MAILBOX_NAME_MAX + 2], out[MAILBOX_PATH_MAX + 1];

	memset(name, 'x', sizeof name);
	CHECK_EQ(mailbox_name_check(span_make(name, MAILBOX_NAME_MAX)), 0);
	CHECK_EQ(mailbox_name_canonical(span_make(name, MAILBOX_NAME_MAX),
	    out), 0);
	CHECK_EQ(strlen(out), MAILBOX_NAME_MAX);
	CHECK_EQ(mailbox_name_check(span_make(name, MAILBOX_NAME_MAX + 1)),
	    ERR_LIMIT);
	CHECK_EQ(mailbox_name_canonical(span_make(name, MAILBOX_NAME_MAX + 1),
	    out), ERR_LIMIT);
}

TEST(mailbox_name_canonical_maps_what_means_the_same)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "inbox", "INBOX" },
		{ "InBoX/sub", "INBOX/sub" },
		{ "inboxes", "inboxes" },
		{ "a/inbox", "a/inbox" },
		{ "a/", "a" },
		{ "inbox/", "INBOX" },
		{ "Entwu\xcc\x88rfe", "Entw\xc3\xbcrfe" },
		{ "Users/a@b/inbox/x", "Users/a@b/INBOX/x" },
		{ "Users/a@b/", "Users/a@b" },
		{ "Usersx/a/inbox", "Usersx/a/inbox" },
	};
	char out[MAILBOX_PATH_MAX + 1];

	for (size_t i = 0; i < COUNT(cases); i++) {
		CHECK_EQ(mailbox_name_canonical(span_of(cases[i].in), out),
		    0);
		CHECK_STR(out, cases[i].out);
	}
	CHECK_EQ(mailbox_name_canonical(span_of("a//"), out), ERR_BADNAME);
	CHECK_EQ(mailbox_name_canonical(span_of("Users//a"), out),
	    ERR_BADNAME);
	CHECK_EQ(mailbox_name_canonical(span_of("Users/a//b"), out),
	    ERR_BADNAME);
	CHECK_EQ(mailbox_name_canonical(span_of("/"), out), ERR_BADNAME);
	CHECK_EQ(mailbox_name_canonical(span_of("\xc3"), out), ERR_BADNAME);
	CHECK_EQ(mailbox_name_canonical(SPAN("a\0b"), out), ERR_BADNAME);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mailbox_name_check_knows_good_from_bad),
		cmocka_unit_test(mailbox_name_has_a_longest_length),
		cmocka_unit_test(
		    mailbox_name_canonical_maps_what_means_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
