#include "imap/framer.h"
#include "imap/parse.h"

#include "tests/check.h"
#include "tests/unit/imap/parsing.h"

TEST(test_parse_append_takes_one_message)
{
	struct parsing *t = parsing_new(SPAN(" saved-messages (\\Seen) "
	    "\0" "0:310\0"));
	const struct imap_append_args *a = &t->args.append;

	CHECK_EQ(parsing_run(t, imap_parse_append), PARSE_OK);
	CHECK_SPAN(a->name, "saved-messages");
	CHECK_EQ(a->msg_count, 1);
	CHECK_EQ(a->msgs[0].flags.bits, FLAG_SEEN);
	CHECK(!a->msgs[0].has_date);
	CHECK_EQ(a->msgs[0].parts[0].number, 0);
	CHECK_EQ(a->msgs[0].parts[0].size, 310);
	parsing_free(t);
}

/* RFC 3502 section 6.3.11 */
TEST(test_parse_append_takes_several)
{
	struct parsing *t = parsing_new(SPAN(" {3}\r\nfoo (\\Seen $x) "
	    "\" 7-Feb-1994 22:43:04 -0800\" \0" "0:329\0 \0" "1:0\0 () "
	    "\0" "2:7\0 "));
	const struct imap_append_args *a = &t->args.append;

	CHECK_EQ(parsing_run(t, imap_parse_append), PARSE_OK);
	CHECK_EQ(a->msg_count, 3);
	CHECK_EQ(a->msgs[0].flags.keyword_count, 1);
	CHECK(a->msgs[0].has_date);
	CHECK_EQ(a->msgs[0].date_s, 760689784);
	CHECK_EQ(a->msgs[1].parts[0].number, 1);
	CHECK_EQ(a->msgs[1].parts[0].size, 0);
	CHECK_EQ(a->msgs[2].parts[0].number, 2);
	CHECK_EQ(a->msgs[2].parts[0].size, 7);
	parsing_free(t);
}

TEST(test_parse_append_refuses_what_is_none)
{
	check_bad(imap_parse_append, SPAN(""), NULL);
	check_bad(imap_parse_append, SPAN(" x"), NULL);
	check_bad(imap_parse_append, SPAN(" x "),
	    "expected a message as a literal");
	check_bad(imap_parse_append, SPAN(" \0" "0:1\0"),
	    "expected a mailbox name");
	check_bad(imap_parse_append, SPAN(" x (\\Foo) \0" "0:1\0"), NULL);
	check_bad(imap_parse_append, SPAN(" x \"1-Foo-2000 00:00:00 +0000\" "
	    "\0" "0:1\0"), NULL);
	check_bad(imap_parse_append, SPAN(" x \"17-Jul-1996 02:44:25 -0700\""
	    " (\\Seen) \0" "0:1\0"), NULL);
	check_bad(imap_parse_append, SPAN(" x {1}\r\nx"), NULL);
	check_bad(imap_parse_append, SPAN(" x \"message\""), NULL);
	check_bad(imap_parse_append, SPAN(" x \0" "0:1\0y"), NULL);
	check_bad(imap_parse_append, SPAN(" x \0" "0:1"), NULL);
	check_bad(imap_parse_append, SPAN(" x \0" "0:1\0 (\\Seen)"), NULL);
}

TEST(test_parse_append_so_far_adds_the_announced_message)
{
	struct parsing *t = parsing_new(SPAN(""));

	CHECK_EQ(imap_parse_append_so_far(&t->p,
	    SPAN("a APPEND x (\\Draft) "), &t->args), PARSE_OK);
	CHECK_EQ(t->args.append.msg_count, 1);
	CHECK_EQ(t->args.append.msgs[0].flags.bits, FLAG_DRAFT);
	CHECK_EQ(imap_parse_append_so_far(&t->p,
	    SPAN("a APPEND x \0" "0:5\0 "), &t->args), PARSE_OK);
	CHECK_EQ(t->args.append.msg_count, 2);
	CHECK_EQ(t->args.append.msgs[1].part_count, 1);
	CHECK_EQ(imap_parse_append_so_far(&t->p, SPAN("a APPEND x y "),
	    &t->args), PARSE_BAD);
	parsing_free(t);
}

TEST(test_literal_role_tells_messages_from_arguments)
{
	static const struct {
		struct span text;
		bool binary;
		enum literal_role role;
	} rows[] = {
		{ SPAN("a LOGIN "), false, LITERAL_ARGUMENT },
		{ SPAN("a APPEND "), false, LITERAL_ARGUMENT },
		{ SPAN("a APPEND x "), false, LITERAL_MESSAGE },
		{ SPAN("a append {1}\r\nx (\\Seen) \"17-Jul-1996 02:44:25 "
		    "-0700\" "), false, LITERAL_MESSAGE },
		{ SPAN("a APPEND x \0" "0:3\0 (k) "), false,
		    LITERAL_MESSAGE },
		{ SPAN("a APPEND x (\\Seen "), false, LITERAL_SENSELESS },
		{ SPAN("a APPEND x \0" "0:3\0"), false, LITERAL_SENSELESS },
		{ SPAN("a APPEND x y "), false, LITERAL_SENSELESS },
		{ SPAN("a UID APPEND x "), false, LITERAL_ARGUMENT },
		{ SPAN("a APPEND x "), true, LITERAL_MESSAGE },
		{ SPAN("a APPEND "), true, LITERAL_SENSELESS },
		{ SPAN("a LOGIN "), true, LITERAL_SENSELESS },
		{ SPAN("a APPEND x CATENATE (TEXT "), false,
		    LITERAL_MESSAGE },
		{ SPAN("a APPEND x CATENATE (URL y TEXT "), true,
		    LITERAL_MESSAGE },
		{ SPAN("a APPEND x CATENATE (TEXT \0" "0:3\0 URL "), false,
		    LITERAL_ARGUMENT },
		{ SPAN("a APPEND x CATENATE ("), false, LITERAL_SENSELESS },
		{ SPAN("a APPEND x CATENATE "), false, LITERAL_SENSELESS },
		{ SPAN("a APPEND x CATENATE (URL y"), false,
		    LITERAL_SENSELESS },
		{ SPAN("a REPLACE 1 x "), false, LITERAL_MESSAGE },
		{ SPAN("a UID REPLACE 1 "), false, LITERAL_ARGUMENT },
		{ SPAN("a REPLACE "), false, LITERAL_SENSELESS },
		{ SPAN("a"), false, LITERAL_SENSELESS },
		{ SPAN(""), false, LITERAL_SENSELESS },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *why = NULL;

		CHECK_EQ(imap_literal_roles.role(rows[i].text,
		    rows[i].binary, &why), rows[i].role);
		CHECK_EQ(why != NULL, rows[i].role == LITERAL_SENSELESS);
	}
}

TEST(test_parse_append_takes_parts)
{
	struct parsing *t = parsing_new(SPAN(" x (\\Seen) CATENATE (URL "
	    "\"/a b/;UID=1\" TEXT \0" "0:3\0 url {2}\r\n/c) \0" "1:4\0 "
	    "catenate (text \0" "2:0\0)  "));
	const struct imap_append_args *a = &t->args.append;

	CHECK_EQ(parsing_run(t, imap_parse_append), PARSE_OK);
	CHECK_EQ(a->msg_count, 3);
	CHECK(a->msgs[0].is_catenated && !a->msgs[1].is_catenated);
	CHECK_EQ(a->msgs[0].part_count, 3);
	CHECK(a->msgs[0].parts[0].is_url);
	CHECK_SPAN(a->msgs[0].parts[0].url, "/a b/;UID=1");
	CHECK(!a->msgs[0].parts[1].is_url);
	CHECK_EQ(a->msgs[0].parts[1].size, 3);
	CHECK_SPAN(a->msgs[0].parts[2].url, "/c");
	CHECK_EQ(a->msgs[1].parts[0].size, 4);
	CHECK_EQ(a->msgs[2].parts[0].number, 2);
	parsing_free(t);
}

TEST(test_parse_replace_takes_one_number_and_one_message)
{
	static const struct span bad[] = {
		SPAN(" 1:2 x \0" "0:3\0"), SPAN(" 1,2 x \0" "0:3\0"),
		SPAN(" 1 \0" "0:3\0"), SPAN(" x \0" "0:3\0"), SPAN(" 1 x"),
		SPAN(" 1 x \0" "0:3\0 \0" "1:3\0"),
	};
	struct parsing *t = parsing_new(SPAN(" * x (a) CATENATE (URL y)"));

	CHECK_EQ(parsing_run(t, imap_parse_replace), PARSE_OK);
	CHECK_EQ(t->args.append.replaced.n, 1);
	CHECK_EQ(t->args.append.msg_count, 1);
	CHECK_SPAN(t->args.append.name, "x");
	parsing_free(t);
	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(imap_parse_replace, bad[i], NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_append_takes_one_message),
		cmocka_unit_test(test_parse_append_takes_several),
		cmocka_unit_test(test_parse_append_refuses_what_is_none),
		cmocka_unit_test(
		    test_parse_append_so_far_adds_the_announced_message),
		cmocka_unit_test(test_parse_append_takes_parts),
		cmocka_unit_test(
		    test_parse_replace_takes_one_number_and_one_message),
		cmocka_unit_test(
		    test_literal_role_tells_messages_from_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
