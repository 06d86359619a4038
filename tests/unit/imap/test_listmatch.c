#include "imap/listmatch.h"

#include "tests/check.h"

static const struct {
	const char *pattern, *name;
	bool match;
} rows[] = {
	{ "*", "a/b/c", true },
	{ "*", "", true },
	{ "%", "a", true },
	{ "%", "a/b", false },
	{ "%", "", true },
	{ "%/%", "a/b", true },
	{ "%/%", "a/b/c", false },
	{ "%/%", "a", false },
	{ "a/*", "a/b/c", true },
	{ "a/*", "a", false },
	{ "a*", "a", true },
	{ "*b", "a/b", true },
	{ "%b", "a/b", false },
	{ "*/%b", "x/y/aab", true },
	{ "*%", "a/b", true },
	{ "%*", "a/b", true },
	{ "%a%", "banana", true },
	{ "%an%na", "banana", true },
	{ "%a/b", "xa/xa/b", false },
	{ "*a/b", "xa/xa/b", true },
	{ "*a%b", "a/ab", true },
	{ "*x%y*z", "x/xy/z", true },
	{ "a", "a", true },
	{ "a", "A", false },
	{ "a", "aa", false },
	{ "", "", true },
	{ "", "a", false },
	/* RFC 3501 section 5.1: INBOX in any case, its children in theirs */
	{ "inbox", "INBOX", true },
	{ "InBo%", "INBOX", true },
	{ "inbox/a", "INBOX/a", true },
	{ "inbox/A", "INBOX/a", false },
	{ "inboxes", "INBOXES", false },
	{ "a/inbox", "a/INBOX", false },
	{ "*box", "INBOX", true },
	{ "\xc3\xa4%", "\xc3\xa4\xc3\xb6", true },
};

TEST(test_list_match_knows_its_wildcards)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK_EQ(list_match(span_of(rows[i].pattern),
		    span_of(rows[i].name)), rows[i].match);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_match_knows_its_wildcards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
