#include "tests/check.h"

#include "smtp/smtp_parse.h"

static struct arena arena;

static enum parse
parse_path(const char *text, bool is_lenient, struct smtp_path *path,
    size_t *left)
{
	struct smtp_grammar g = { &arena, is_lenient };
	struct cursor c = cursor_of(text);
	enum parse result = smtp_parse_path(&c, &g, path);

	*left = cursor_left(&c);
	return result;
}

static bool
is_path(const char *text)
{
	struct smtp_path path;
	size_t left;

	return parse_path(text, false, &path, &left) == PARSE_OK && left == 0;
}

TEST(test_path_gives_address_in_pieces)
{
	static const struct {
		const char *in, *local, *domain, *text;
	} ok[] = {
		{ "<a@b>", "a", "b", "a@b" },
		{ "<Ann.Lee+x@Example.ORG>", "Ann.Lee+x", "Example.ORG",
		    "Ann.Lee+x@Example.ORG" },
		{ "<\"a b\"@c>", "a b", "c", "\"a b\"@c" },
		{ "<\"a\\\"b\\\\\"@c>", "a\"b\\", "c", "\"a\\\"b\\\\\"@c" },
		{ "<\"plain\"@c>", "plain", "c", "plain@c" },
		{ "<\"\"@c>", "", "c", "\"\"@c" },
		{ "<a@b.c.>", "a", "b.c", "a@b.c" },
		{ "<a@[192.0.2.1]>", "a", "[192.0.2.1]", "a@[192.0.2.1]" },
		{ "<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]",
		    "a@[IPv6:2001:db8::1]" },
		{ "<@x,@y.z:a@b>", "a", "b", "a@b" },
		{ "<.a..b.@c>", ".a..b.", "c", ".a..b.@c" },
		{ "<a@b_c.d>", "a", "b_c.d", "a@b_c.d" },
		{ "<a/b=c@d>", "a/b=c", "d", "a/b=c@d" },
	};

	for (size_t i = 0; i < COUNT(ok); i++) {
		struct smtp_path path;
		size_t left;

		CHECK_EQ(parse_path(ok[i].in, false, &path, &left), PARSE_OK);
		CHECK_EQ(left, 0);
		CHECK_EQ(path.kind, PATH_ADDRESS);
		CHECK_SPAN(path.local, ok[i].local);
		CHECK_SPAN(path.domain, ok[i].domain);
		CHECK_SPAN(path.text, ok[i].text);
		CHECK(!path.has_utf8);
	}
	arena_release(&arena);
}

TEST(test_path_refuses_what_is_no_address)
{
	static const char *const bad[] = {
		"", "<", ">", "a@b", "<a>", "<a@>", "<@b>", "<a@b", "<a b@c>",
		"<a@b c>", "<a@b..c>", "<a@.b>", "<a@b..>", "<a@.>", "<a@-@b>", "<\"a@b>",
		"<\"a\\", "<\"a\\\"@b>", "<\"", "<\"\r\n\"@b>", "<a\r@b>",
		"<a@[1.2.3]>", "<a@[192.0.2.1>", "<a@[]>", "<a@[", "<a@[x]>",
		"<a@[IPv6:192.0.2.1]>", "<a@[2001:db8::1]>", "<a@b(c)>",
		"<@x a@b>", "<@x:>", "<@x", "<<a@b>>", "<a@\x7f>",
		"<\xc3@b>", "<a@\xff>", "<a\xc2\x85@b>", "<\"\xc2\x9b\"@b>",
		"<a@x\xc2\x80.b>",
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(!is_path(bad[i]));
	arena_release(&arena);
}

TEST(test_path_knows_null_and_postmaster)
{
	struct smtp_path path;
	size_t left;

	CHECK_EQ(parse_path("<>", false, &path, &left), PARSE_OK);
	CHECK_EQ(path.kind, PATH_NULL);
	CHECK_EQ(path.text.len, 0);
	CHECK_EQ(parse_path("<PostMaster>", false, &path, &left), PARSE_OK);
	CHECK_EQ(path.kind, PATH_POSTMASTER);
	CHECK_SPAN(path.text, "PostMaster");
	arena_release(&arena);
}

TEST(test_path_tells_utf8)
{
	struct smtp_path path;
	size_t left;

	CHECK_EQ(parse_path("<\xc3\xa4@b>", false, &path, &left), PARSE_OK);
	CHECK(path.has_utf8);
	CHECK_EQ(parse_path("<a@\xc3\xa4.b>", false, &path, &left), PARSE_OK);
	CHECK(path.has_utf8);
	arena_release(&arena);
}

TEST(test_path_has_limits)
{
	char text[700];
	int n;

	n = snprintf(text, sizeof text, "<%0255d@b>", 0);
	CHECK(n > 0 && is_path(text));
	n = snprintf(text, sizeof text, "<%0256d@b>", 0);
	CHECK(n > 0 && !is_path(text));
	n = snprintf(text, sizeof text, "<a@%0255d>", 0);
	CHECK(n > 0 && is_path(text));
	n = snprintf(text, sizeof text, "<a@%0256d>", 0);
	CHECK(n > 0 && !is_path(text));
	arena_release(&arena);
}

TEST(test_path_without_brackets_is_for_submission)
{
	struct smtp_path path;
	size_t left;

	CHECK_EQ(parse_path("a@b SIZE=1", true, &path, &left), PARSE_OK);
	CHECK_EQ(left, 7);
	CHECK_SPAN(path.text, "a@b");
	CHECK_EQ(parse_path("a@b>", true, &path, &left), PARSE_OK);
	CHECK_EQ(left, 1);
	arena_release(&arena);
}

static enum smtp_reply_id
parse(enum smtp_reply_id (*f)(struct cursor *, const struct smtp_grammar *,
    struct smtp_args *), const char *text, bool is_lenient,
    struct smtp_args *args)
{
	struct smtp_grammar g = { &arena, is_lenient };
	struct cursor c = cursor_of(text);

	*args = (struct smtp_args){ 0 };
	return f(&c, &g, args);
}

TEST(test_mail_takes_the_parameters_it_announces)
{
	struct smtp_args a;

	CHECK_EQ(parse(smtp_parse_mail, "from:<a@b> size=123 Body=8BITMIME "
	    "SMTPUTF8", false, &a), R_NONE);
	CHECK(a.has_size && a.size == 123 && a.is_8bit && a.is_utf8);
	CHECK_EQ(parse(smtp_parse_mail, "FROM:<> BODY=7BIT", false, &a),
	    R_NONE);
	CHECK(!a.has_size && !a.is_8bit && a.path.kind == PATH_NULL);
	CHECK_EQ(parse(smtp_parse_mail, "FROM:<> BODY=binarymime", false,
	    &a), R_NONE);
	CHECK(a.is_binary && !a.is_8bit);
	CHECK_EQ(parse(smtp_parse_mail, "FROM:<a@b> SIZE="
	    "99999999999999999999", false, &a), R_NONE);
	CHECK(a.size == UINT64_MAX);
	CHECK_EQ(parse(smtp_parse_mail, "FROM:<a@b> AUTH=<>", true, &a),
	    R_NONE);
	arena_release(&arena);
}

TEST(test_mail_says_what_is_wrong)
{
	static const struct {
		const char *in;
		enum smtp_reply_id reply;
	} bad[] = {
		{ "", R_BAD_SENDER },
		{ "<a@b>", R_BAD_SENDER },
		{ "TO:<a@b>", R_BAD_SENDER },
		{ "FROM <a@b>", R_BAD_SENDER },
		{ "FROM: <a@b>", R_BAD_SENDER },
		{ "FROM:a@b", R_BAD_SENDER },
		{ "FROM:<postmaster>", R_BAD_SENDER },
		{ "FROM:<a@b>x", R_BAD_SENDER },
		{ "FROM:<a@b> =1", R_BAD_ARGUMENTS },
		{ "FROM:<a@b> SIZE=", R_BAD_ARGUMENTS },
		{ "FROM:<a@b> SIZE", R_BAD_PARAM },
		{ "FROM:<a@b> SIZE=1x", R_BAD_PARAM },
		{ "FROM:<a@b> SIZE=-1", R_BAD_PARAM },
		{ "FROM:<a@b> SIZE=1 SIZE=1", R_BAD_PARAM },
		{ "FROM:<a@b> SIZE=000000000000000000001", R_BAD_PARAM },
		{ "FROM:<a@b> BODY=BINARY", R_BAD_PARAM },
		{ "FROM:<a@b> BODY", R_BAD_PARAM },
		{ "FROM:<a@b> SMTPUTF8=1", R_BAD_PARAM },
		{ "FROM:<a@b> RET=HDRS", R_UNKNOWN_PARAM },
		{ "FROM:<a@b> AUTH=<>", R_UNKNOWN_PARAM },
		{ "FROM:<\xc3\xa4@b>", R_NOT_ASCII },
	};
	struct smtp_args a;

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(parse(smtp_parse_mail, bad[i].in, false, &a),
		    bad[i].reply);
	arena_release(&arena);
}

TEST(test_mail_of_submission_forgives_what_programs_do)
{
	static const char *const ok[] = {
		"FROM: <a@b>", "FROM : <a@b>", "FROM:a@b", "FROM: a@b SIZE=1",
		"FROM:<\xc3\xa4@b>", "FROM:  <>",
	};
	struct smtp_args a;

	for (size_t i = 0; i < COUNT(ok); i++)
		CHECK_EQ(parse(smtp_parse_mail, ok[i], true, &a), R_NONE);
	CHECK_EQ(parse(smtp_parse_mail, "FROM:<\xc3\xa4@b>", true, &a),
	    R_NONE);
	CHECK(a.is_utf8);
	CHECK_EQ(parse(smtp_parse_mail, "FROM:", true, &a), R_BAD_SENDER);
	arena_release(&arena);
}

TEST(test_rcpt_takes_no_parameters)
{
	struct smtp_args a;

	CHECK_EQ(parse(smtp_parse_rcpt, "TO:<a@b>", false, &a), R_NONE);
	CHECK_EQ(parse(smtp_parse_rcpt, "To:<Postmaster>", false, &a), R_NONE);
	CHECK_EQ(parse(smtp_parse_rcpt, "TO:<>", false, &a), R_BAD_RCPT);
	CHECK_EQ(parse(smtp_parse_rcpt, "TO: <a@b>", false, &a), R_BAD_RCPT);
	CHECK_EQ(parse(smtp_parse_rcpt, "TO: <a@b>", true, &a), R_NONE);
	CHECK_EQ(parse(smtp_parse_rcpt, "TO:<a@b> NOTIFY=NEVER", false, &a),
	    R_UNKNOWN_PARAM);
	CHECK_EQ(parse(smtp_parse_rcpt, "TO:<a@b>,<c@d>", false, &a),
	    R_BAD_RCPT);
	arena_release(&arena);
}

TEST(test_hello_takes_the_first_word)
{
	struct smtp_args a;
	char text[300];

	CHECK_EQ(parse(smtp_parse_hello, "[127.0.0.1]", false, &a), R_NONE);
	CHECK_SPAN(a.word, "[127.0.0.1]");
	CHECK_EQ(parse(smtp_parse_hello, "my pc", false, &a), R_NONE);
	CHECK_SPAN(a.word, "my");
	CHECK_EQ(parse(smtp_parse_hello, "", false, &a), R_BAD_HELLO);
	CHECK_EQ(parse(smtp_parse_hello, "\x01", false, &a), R_BAD_HELLO);
	(void)snprintf(text, sizeof text, "%0256d", 0);
	CHECK_EQ(parse(smtp_parse_hello, text, false, &a), R_BAD_HELLO);
}

TEST(test_auth_takes_an_initial_response)
{
	struct smtp_args a;

	CHECK_EQ(parse(smtp_parse_auth, "PLAIN", true, &a), R_NONE);
	CHECK(!a.has_initial);
	CHECK_EQ(parse(smtp_parse_auth, "PLAIN =", true, &a), R_NONE);
	CHECK(a.has_initial);
	CHECK_SPAN(a.initial, "=");
	CHECK_EQ(parse(smtp_parse_auth, "", true, &a), R_BAD_ARGUMENTS);
	CHECK_EQ(parse(smtp_parse_auth, "PLAIN a b", true, &a),
	    R_BAD_ARGUMENTS);
}

TEST(test_bdat_takes_a_size_and_last)
{
	static const char *const bad[] = {
		"", "LAST", "1 FIRST", "1LAST", "-1", "1 LAST x", "0x10",
		"9223372036854775808", "99999999999999999999999",
	};
	struct smtp_args a;

	CHECK_EQ(parse(smtp_parse_bdat, "0 LAST", false, &a), R_NONE);
	CHECK(a.chunk_len == 0 && a.is_last);
	CHECK_EQ(parse(smtp_parse_bdat, "9223372036854775807", false, &a),
	    R_NONE);
	CHECK(a.chunk_len == INT64_MAX && !a.is_last);
	CHECK_EQ(parse(smtp_parse_bdat, "12 last", false, &a), R_NONE);
	CHECK(a.chunk_len == 12 && a.is_last);
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(parse(smtp_parse_bdat, bad[i], false, &a),
		    R_BAD_ARGUMENTS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_gives_address_in_pieces),
		cmocka_unit_test(test_path_refuses_what_is_no_address),
		cmocka_unit_test(test_path_knows_null_and_postmaster),
		cmocka_unit_test(test_path_tells_utf8),
		cmocka_unit_test(test_path_has_limits),
		cmocka_unit_test(test_path_without_brackets_is_for_submission),
		cmocka_unit_test(test_mail_takes_the_parameters_it_announces),
		cmocka_unit_test(test_mail_says_what_is_wrong),
		cmocka_unit_test(
		    test_mail_of_submission_forgives_what_programs_do),
		cmocka_unit_test(test_rcpt_takes_no_parameters),
		cmocka_unit_test(test_hello_takes_the_first_word),
		cmocka_unit_test(test_auth_takes_an_initial_response),
		cmocka_unit_test(test_bdat_takes_a_size_and_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
