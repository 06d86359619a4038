#include "imap/parse.h"

#include "imap/imap_limits.h"
#include "tests/check.h"
#include "tests/unit/imap/parsing.h"

/* patterns joined by '|' */
static void
check_list(const char *in, bool extended, bool delimiter, unsigned select,
    unsigned returns, const char *patterns)
{
	struct parsing *t = parsing_new(span_of(in));
	const struct imap_list_args *l = &t->args.list;
	struct buf b = BUF_INIT;

	CHECK_EQ(parsing_run(t, imap_parse_list), PARSE_OK);
	CHECK_EQ(l->extended, extended);
	CHECK_EQ(l->ask_delimiter, delimiter);
	CHECK_EQ(l->select, select);
	CHECK_EQ(l->returns, returns);
	for (size_t i = 0; i < l->pattern_count; i++) {
		if (i)
			buf_addc(&b, '|');
		buf_addspan(&b, l->patterns[i]);
	}
	CHECK_STR(b.p, patterns);
	buf_release(&b);
	parsing_free(t);
}

TEST(test_parse_list_knows_the_old_form)
{
	check_list(" \"\" *", false, false, 0, 0, "*");
	check_list(" \"\" \"%\"", false, false, 0, 0, "%");
	check_list(" foo/ %", false, false, 0, 0, "foo/%");
	check_list(" \"\" \"\"", false, true, 0, 0, "");
	check_list(" foo \"\"", false, true, 0, 0, "");
	check_list(" \"\" inbox", false, false, 0, 0, "inbox");
	check_list(" Entw&APw- */&AOQ-*", false, false, 0, 0,
	    "Entw\xc3\xbc*/\xc3\xa4*");
	check_list(" \"\" {2}\r\na%", false, false, 0, 0, "a%");
	check_list(" \"\" * ", false, false, 0, 0, "*");
}

/* RFC 5258 section 5, RFC 5819, RFC 6154 */
TEST(test_parse_list_knows_the_extended_form)
{
	check_list(" (SUBSCRIBED) \"\" *", true, false, LIST_SUBSCRIBED, 0,
	    "*");
	check_list(" () \"\" \"\"", true, false, 0, 0, "");
	check_list(" \"\" \"%\" RETURN (CHILDREN)", true, false, 0,
	    LIST_RETURN_CHILDREN, "%");
	check_list(" (REMOTE RECURSIVEMATCH SUBSCRIBED) \"\" % "
	    "return (children Subscribed)", true, false,
	    LIST_REMOTE | LIST_RECURSIVEMATCH | LIST_SUBSCRIBED,
	    LIST_RETURN_CHILDREN | LIST_RETURN_SUBSCRIBED, "%");
	check_list(" \"\" (\"INBOX\" \"Drafts\" Sent/%)", true, false, 0, 0,
	    "INBOX|Drafts|Sent/%");
	check_list(" (SPECIAL-USE) \"\" * RETURN (SPECIAL-USE)", true, false,
	    LIST_SPECIAL_USE, LIST_RETURN_SPECIAL_USE, "*");
	check_list(" (SPECIAL-USE RECURSIVEMATCH) \"\" *", true, false,
	    LIST_SPECIAL_USE | LIST_RECURSIVEMATCH, 0, "*");
	check_list(" a (b \"\" c)", true, false, 0, 0, "ab|ac");
	check_list(" \"\" % RETURN ()", true, false, 0, 0, "%");
	check_list(" \"\" \"\" RETURN (CHILDREN)", true, false, 0,
	    LIST_RETURN_CHILDREN, "");
}

TEST(test_parse_list_knows_return_status)
{
	struct parsing *t = parsing_new(SPAN(" \"\" % RETURN (STATUS "
	    "(MESSAGES UNSEEN) CHILDREN)"));

	CHECK_EQ(parsing_run(t, imap_parse_list), PARSE_OK);
	CHECK_EQ(t->args.list.returns,
	    LIST_RETURN_STATUS | LIST_RETURN_CHILDREN);
	CHECK_EQ(t->args.list.status_items, STATUS_MESSAGES | STATUS_UNSEEN);
	parsing_free(t);
}

TEST(test_parse_list_refuses_what_is_none)
{
	static const char *const bad[] = {
		"", " \"\"", " \"\" ", " * *", " \"\" ()", " \"\" (a",
		" \"\" (a )", " \"\" * x", " \"\" * RETURN",
		" \"\" * RETURN (", " \"\" * RETURN (FOO)",
		" \"\" * RETURN (STATUS)", " \"\" * RETURN (STATUS ())",
		" \"\" * RETURN CHILDREN", " (FOO) \"\" *", " (SUBSCRIBED *",
		" (RECURSIVEMATCH) \"\" *", " (RECURSIVEMATCH REMOTE) \"\" *",
		" (STATUS) \"\" *", " \"\" a&b*", " \"\" *\\",
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(imap_parse_list, span_of(bad[i]), NULL);
	check_bad(imap_parse_list, SPAN(" \"\" "),
	    "expected a mailbox name or pattern");
}

TEST(test_parse_list_has_caps)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, " \"\" (x");
	for (size_t i = 1; i < IMAP_LIST_PATTERNS_MAX; i++)
		buf_adds(&b, " x");
	buf_addc(&b, ')');
	check_good(imap_parse_list, buf_span(&b));
	buf_truncate(&b, b.len - 1);
	buf_adds(&b, " x)");
	check_bad(imap_parse_list, buf_span(&b), "too many patterns");

	buf_clear(&b);
	buf_adds(&b, " \"\" ");
	for (size_t i = 0; i < IMAP_PATTERN_MAX; i++)
		buf_addc(&b, 'x');
	check_good(imap_parse_list, buf_span(&b));
	buf_addc(&b, 'x');
	check_bad(imap_parse_list, buf_span(&b), "the pattern is too long");
	buf_release(&b);
}

TEST(test_parse_lsub_is_plain)
{
	struct parsing *t = parsing_new(SPAN(" \"\" \"%\""));

	CHECK_EQ(parsing_run(t, imap_parse_lsub), PARSE_OK);
	CHECK(!t->args.list.extended);
	CHECK_EQ(t->args.list.pattern_count, 1);
	parsing_free(t);
	check_bad(imap_parse_lsub, SPAN(" (SUBSCRIBED) \"\" *"), NULL);
	check_bad(imap_parse_lsub, SPAN(" \"\" * RETURN ()"), NULL);
	check_bad(imap_parse_lsub, SPAN(" \"\" (a b)"), NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_list_knows_the_old_form),
		cmocka_unit_test(test_parse_list_knows_the_extended_form),
		cmocka_unit_test(test_parse_list_knows_return_status),
		cmocka_unit_test(test_parse_list_refuses_what_is_none),
		cmocka_unit_test(test_parse_list_has_caps),
		cmocka_unit_test(test_parse_lsub_is_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
