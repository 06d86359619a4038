#include "tests/check.h"

#include "pop3/pop3_parse.h"

static enum parse
parse(enum parse (*f)(struct cursor *, struct pop3_args *), const char *text,
    struct pop3_args *args)
{
	struct cursor c = cursor_of(text);

	*args = (struct pop3_args){ 0 };
	return f(&c, args);
}

TEST(test_msg_is_a_number)
{
	static const char *const bad[] = { "", "x", "1x", "-1", "1 2", "+1" };
	struct pop3_args a;

	CHECK_EQ(parse(pop3_parse_msg, "12", &a), PARSE_OK);
	CHECK(a.has_msg && a.msg == 12);
	CHECK_EQ(parse(pop3_parse_msg, " 007", &a), PARSE_OK);
	CHECK_EQ(a.msg, 7);
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(parse(pop3_parse_msg, bad[i], &a), PARSE_BAD);
}

TEST(test_msg_too_large_is_no_message)
{
	struct pop3_args a;

	CHECK_EQ(parse(pop3_parse_msg, "4294967296", &a), PARSE_OK);
	CHECK(a.has_msg && a.msg == 0);
	CHECK_EQ(parse(pop3_parse_msg, "99999999999999999999999", &a),
	    PARSE_OK);
	CHECK(a.has_msg && a.msg == 0);
}

TEST(test_opt_msg_may_be_missing)
{
	struct pop3_args a;

	CHECK_EQ(parse(pop3_parse_opt_msg, "", &a), PARSE_OK);
	CHECK(!a.has_msg);
	CHECK_EQ(parse(pop3_parse_opt_msg, "3", &a), PARSE_OK);
	CHECK(a.has_msg && a.msg == 3);
	CHECK_EQ(parse(pop3_parse_opt_msg, "3 4", &a), PARSE_BAD);
}

TEST(test_top_takes_two_numbers)
{
	static const char *const bad[] = { "", "1", "1 ", "x 1", "1 x",
	    "1 -1", "1 1 1" };
	struct pop3_args a;

	CHECK_EQ(parse(pop3_parse_top, "1 0", &a), PARSE_OK);
	CHECK(a.msg == 1 && a.lines == 0);
	CHECK_EQ(parse(pop3_parse_top, "2  99999999999999999999999", &a),
	    PARSE_OK);
	CHECK(a.lines == UINT64_MAX);
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(parse(pop3_parse_top, bad[i], &a), PARSE_BAD);
}

TEST(test_text_keeps_its_spaces)
{
	struct pop3_args a;

	CHECK_EQ(parse(pop3_parse_text, " pass  word ", &a), PARSE_OK);
	CHECK_SPAN(a.text, " pass  word ");
	CHECK_EQ(parse(pop3_parse_text, "", &a), PARSE_BAD);
}

TEST(test_auth_may_be_bare)
{
	struct pop3_args a;

	CHECK_EQ(parse(pop3_parse_auth, "", &a), PARSE_OK);
	CHECK_EQ(a.word.len, 0);
	CHECK_EQ(parse(pop3_parse_auth, " ", &a), PARSE_OK);
	CHECK_EQ(a.word.len, 0);
	CHECK_EQ(parse(pop3_parse_auth, "PLAIN =", &a), PARSE_OK);
	CHECK(a.has_initial);
	CHECK_EQ(parse(pop3_parse_auth, "PLAIN a b", &a), PARSE_BAD);
}

TEST(test_lang_takes_one_range_or_none)
{
	struct pop3_args a;

	CHECK_EQ(parse(pop3_parse_lang, "", &a), PARSE_OK);
	CHECK_EQ(a.word.len, 0);
	CHECK_EQ(parse(pop3_parse_lang, " en-GB", &a), PARSE_OK);
	CHECK_SPAN(a.word, "en-GB");
	CHECK_EQ(parse(pop3_parse_lang, "*", &a), PARSE_OK);
	CHECK_EQ(parse(pop3_parse_lang, "en de", &a), PARSE_BAD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_msg_is_a_number),
		cmocka_unit_test(test_msg_too_large_is_no_message),
		cmocka_unit_test(test_opt_msg_may_be_missing),
		cmocka_unit_test(test_top_takes_two_numbers),
		cmocka_unit_test(test_text_keeps_its_spaces),
		cmocka_unit_test(test_auth_may_be_bare),
		cmocka_unit_test(test_lang_takes_one_range_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
