#include "imap/parse.h"

#include "imap/imap_limits.h"
#include "server/base/buf.h"
#include "tests/check.h"
#include "tests/unit/imap/parsing.h"

static void
check_start(struct span in, enum parse want, const char *tag,
    const char *verb, bool uid)
{
	struct parsing *t = parsing_new(in);
	struct imap_start s;

	CHECK_EQ(imap_parse_start(&t->p, &s), want);
	CHECK_SPAN(s.tag, tag);
	if (want == PARSE_OK) {
		CHECK_SPAN(s.verb, verb);
		CHECK_EQ(s.uid, uid);
	}
	parsing_free(t);
}

TEST(test_parse_start_finds_tag_and_verb)
{
	check_start(SPAN("a1 NOOP"), PARSE_OK, "a1", "NOOP", false);
	check_start(SPAN("1 uid fetch 1"), PARSE_OK, "1", "fetch", true);
	check_start(SPAN("A]. SELECT x"), PARSE_OK, "A].", "SELECT", false);
	check_start(SPAN(""), PARSE_BAD, "", "", false);
	check_start(SPAN("a"), PARSE_BAD, "a", "", false);
	check_start(SPAN("a "), PARSE_BAD, "a", "", false);
	check_start(SPAN("a UID"), PARSE_BAD, "a", "", false);
	check_start(SPAN("a UID "), PARSE_BAD, "a", "", false);
	check_start(SPAN("+ NOOP"), PARSE_BAD, "", "", false);
	check_start(SPAN("* NOOP"), PARSE_BAD, "", "", false);
	check_start(SPAN("a\tNOOP"), PARSE_BAD, "", "", false);
	check_start(SPAN(" a NOOP"), PARSE_BAD, "", "", false);
}

TEST(test_parse_start_caps_the_tag)
{
	char text[IMAP_TAG_MAX + 6];

	memset(text, 't', sizeof text);
	memcpy(text + IMAP_TAG_MAX, " NOOP", 5);
	check_start(span_make(text, sizeof text - 1), PARSE_OK,
	    (char[]){ [0 ... IMAP_TAG_MAX - 1] = 't', 0 }, "NOOP", false);
	text[IMAP_TAG_MAX] = 't';
	text[IMAP_TAG_MAX + 1] = ' ';
	check_start(span_make(text, sizeof text), PARSE_BAD, "", "", false);
}

static const struct {
	const char *in, *out;	/* out NULL: bad */
} strings[] = {
	{ "\"\"", "" },
	{ "\"abc\"", "abc" },
	{ "\"a\\\"b\\\\c\"", "a\"b\\c" },
	{ "\"\\\\\"", "\\" },
	{ "\"\xc3\xa4\"", "\xc3\xa4" },
	{ "{0}\r\n", "" },
	{ "{3}\r\na\"b", "a\"b" },
	{ "{3+}\r\n\r\nx", "\r\nx" },
	{ "", NULL },
	{ "abc", NULL },
	{ "\"", NULL },
	{ "\"abc", NULL },
	{ "\"abc\\", NULL },
	{ "\"abc\\\"", NULL },
	{ "\"a\\bc\"", NULL },
	{ "\"a\r\n\"", NULL },
	{ "{3}\r\nab", NULL },
	{ "{3}\nabc", NULL },
	{ "{3}abc", NULL },
	{ "{}\r\n", NULL },
	{ "{-1}\r\n", NULL },
	{ "{99999999999999999999}\r\n", NULL },
	{ "{3", NULL },
	{ "{", NULL },
	{ "~{3}\r\nabc", NULL },
};

TEST(test_parse_string_takes_quoted_and_literals)
{
	for (size_t i = 0; i < COUNT(strings); i++) {
		struct parsing *t = parsing_new(span_of(strings[i].in));
		struct span s;
		enum parse r = imap_parse_string(&t->p, &s);

		CHECK_EQ(r, strings[i].out ? PARSE_OK : PARSE_BAD);
		if (strings[i].out) {
			CHECK_SPAN(s, strings[i].out);
			CHECK(cursor_at_end(&t->p.c));
		}
		parsing_free(t);
	}
}

TEST(test_parse_string_refuses_nul_in_a_literal)
{
	struct parsing *t = parsing_new(SPAN("{3}\r\na\0b"));
	struct span s;

	CHECK_EQ(imap_parse_string(&t->p, &s), PARSE_BAD);
	parsing_free(t);
}

TEST(test_parse_nstring_knows_nil)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "NIL", NULL }, { "nil)", NULL }, { "\"NIL\"", "NIL" },
	};
	struct span s;
	bool is_nil;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct parsing *t = parsing_new(span_of(rows[i].in));

		CHECK_EQ(imap_parse_nstring(&t->p, &s, &is_nil), PARSE_OK);
		CHECK_EQ(is_nil, rows[i].out == NULL);
		CHECK_SPAN(s, rows[i].out ? rows[i].out : "");
		parsing_free(t);
	}
	struct parsing *t = parsing_new(SPAN("NILX"));
	CHECK_EQ(imap_parse_nstring(&t->p, &s, &is_nil), PARSE_BAD);
	parsing_free(t);
}

TEST(test_parse_seqset_accepts_ranges_in_any_order)
{
	static const struct {
		const char *in;
		uint32_t lo, hi;
		size_t count;
	} ok[] = {
		{ "7",          7,          7,          1 },
		{ "9:4",        4,          9,          1 },
		{ "*:40",       40,         SEQ_STAR,   1 },
		{ "40:*",       40,         SEQ_STAR,   1 },
		{ "*",          SEQ_STAR,   SEQ_STAR,   1 },
		{ "*:*",        SEQ_STAR,   SEQ_STAR,   1 },
		{ "1,3:4,8:*",  1,          1,          3 },
		{ "4294967295", UINT32_MAX, UINT32_MAX, 1 },
		{ "007",        7,          7,          1 },
	};

	for (size_t i = 0; i < COUNT(ok); i++) {
		struct parsing *t = parsing_new(span_of(ok[i].in));
		struct seqset set;

		CHECK_EQ(imap_parse_seqset(&t->p, &set), PARSE_OK);
		CHECK(cursor_at_end(&t->p.c));
		CHECK_EQ(set.n, ok[i].count);
		CHECK(set.v[0].lo == ok[i].lo && set.v[0].hi == ok[i].hi);
		parsing_free(t);
	}
}

/* RFC 5182 section 3 */
TEST(test_parse_seqset_knows_what_was_saved)
{
	struct parsing *t = parsing_new(SPAN("$"));
	struct seqset set;

	CHECK_EQ(imap_parse_seqset(&t->p, &set), PARSE_OK);
	CHECK(set.is_saved);
	CHECK_EQ(set.n, 0);
	parsing_free(t);
}

TEST(test_parse_seqset_refuses_what_is_none)
{
	static const char *const bad[] = {
		"", "0", "a", ",1", "1,", "1,,2", "1:", ":1", "1:0",
		"4294967296", "-1", "1:a", "**:", "$1", "$,1",
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct parsing *t = parsing_new(span_of(bad[i]));
		struct seqset set;
		enum parse r = imap_parse_seqset(&t->p, &set);

		CHECK(r == PARSE_BAD || !cursor_at_end(&t->p.c));
		parsing_free(t);
	}
}

TEST(test_seqrange_resolve_orders_the_ends)
{
	static const struct {
		struct seqrange in;
		uint32_t max;
		struct seqrange out;
	} rows[] = {
		{ { 2, 4 }, 10, { 2, 4 } },
		{ { 2, SEQ_STAR }, 10, { 2, 10 } },
		{ { 20, SEQ_STAR }, 10, { 10, 20 } },
		{ { SEQ_STAR, SEQ_STAR }, 10, { 10, 10 } },
		{ { SEQ_STAR, SEQ_STAR }, 0, { 0, 0 } },
		{ { 2, 40 }, 10, { 2, 40 } },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct seqrange r = imap_seqrange_resolve(rows[i].in,
		    rows[i].max);

		CHECK_EQ(r.lo, rows[i].out.lo);
		CHECK_EQ(r.hi, rows[i].out.hi);
	}
}

static void
check_mailbox(const char *in, bool utf8, const char *out, const char *code)
{
	struct parsing *t = parsing_new(span_of(in));
	struct span name;

	t->p.utf8 = utf8;
	CHECK_EQ(imap_parse_mailbox(&t->p, &name),
	    out ? PARSE_OK : PARSE_BAD);
	if (out)
		CHECK_SPAN(name, out);
	else if (code)
		CHECK_STR(t->p.code, code);
	else
		CHECK(t->p.code == NULL);
	parsing_free(t);
}

TEST(test_parse_mailbox_decodes_names)
{
	check_mailbox("foo/bar", false, "foo/bar", NULL);
	check_mailbox("\"a b\"", false, "a b", NULL);
	check_mailbox("\"\"", false, "", NULL);
	check_mailbox("{3}\r\na b", false, "a b", NULL);
	check_mailbox("Entw&APw-rfe", false, "Entw\xc3\xbcrfe", NULL);
	check_mailbox("a&-b", false, "a&b", NULL);
}

TEST(test_parse_mailbox_keeps_a_name_that_nfc_changed)
{
	static const struct {
		const char *in;
		bool utf8;
		const char *old_name;
	} rows[] = {
		{ "\"u\xcc\x88\"", true, "u\xcc\x88" },
		{ "u&Awg-", false, "u\xcc\x88" },
		{ "\"\xc3\xbc\"", true, "" },
		{ "inbox", true, "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct parsing *t = parsing_new(span_of(rows[i].in));
		struct span name;

		t->p.utf8 = rows[i].utf8;
		CHECK_EQ(imap_parse_mailbox(&t->p, &name), PARSE_OK);
		CHECK_SPAN(t->p.old_name, rows[i].old_name);
		parsing_free(t);
	}
}

TEST(test_parse_quoted_is_utf8_where_that_is_on)
{
	static const struct {
		const char *in;
		enum parse with, without;
	} rows[] = {
		{ "\"\xc3\xbc\"", PARSE_OK, PARSE_OK },
		{ "\"\xc3\"", PARSE_BAD, PARSE_OK },
		{ "\"\xed\xa0\x80\"", PARSE_BAD, PARSE_OK },
		{ "\"\\\"\xff\"", PARSE_BAD, PARSE_OK },
		{ "{1}\r\n\xff", PARSE_OK, PARSE_OK },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct parsing *t = parsing_new(span_of(rows[i].in));
		struct span s;

		CHECK_EQ(imap_parse_string(&t->p, &s), rows[i].without);
		parsing_free(t);
		t = parsing_new(span_of(rows[i].in));
		t->p.utf8 = true;
		CHECK_EQ(imap_parse_string(&t->p, &s), rows[i].with);
		parsing_free(t);
	}
}

TEST(test_parse_mailbox_takes_utf8_as_it_is)
{
	check_mailbox("\"\xc3\xbc&b\"", false, "\xc3\xbc&b", NULL);
	check_mailbox("a&b", true, "a&b", NULL);
	check_mailbox("\"&APw-\"", true, "&APw-", NULL);
	/* u and a combining diaeresis */
	check_mailbox("\"u\xcc\x88\"", false, "\xc3\xbc", NULL);
}

TEST(test_parse_mailbox_knows_inbox_in_any_case)
{
	check_mailbox("iNbOx", false, "INBOX", NULL);
	check_mailbox("inbox/foo", false, "INBOX/foo", NULL);
	check_mailbox("inboxes", false, "inboxes", NULL);
	check_mailbox("foo/inbox", false, "foo/inbox", NULL);
}

TEST(test_parse_mailbox_refuses_bad_names)
{
	char long_name[4 * MAILBOX_PATH_MAX + 2];

	check_mailbox("a&b", false, NULL, "CANNOT");
	check_mailbox("\"\xc3\"", false, NULL, "CANNOT");
	check_mailbox("", false, NULL, NULL);
	check_mailbox("(a)", false, NULL, NULL);
	check_mailbox("%", false, NULL, NULL);
	memset(long_name, 'x', sizeof long_name);
	long_name[sizeof long_name - 1] = '\0';
	check_mailbox(long_name, false, NULL, "LIMIT");
}

TEST(test_parse_mailbox_says_what_is_wrong)
{
	struct parsing *t = parsing_new(SPAN("%"));
	struct span name;

	CHECK_EQ(imap_parse_mailbox(&t->p, &name), PARSE_BAD);
	CHECK_STR(t->p.why, "expected a mailbox name");
	parsing_free(t);
	t = parsing_new(SPAN("\"x"));
	CHECK_EQ(imap_parse_mailbox(&t->p, &name), PARSE_BAD);
	CHECK_STR(t->p.why, "a quoted string does not end");
	parsing_free(t);
}

TEST(test_parse_flag_list_sorts_flags_and_keywords)
{
	struct parsing *t = parsing_new(
	    SPAN("(\\sEEN $Junk \\Deleted \\Recent $JUNK foo[1)"));
	struct imap_flags f;

	CHECK_EQ(imap_parse_flag_list(&t->p, &f), PARSE_OK);
	CHECK_EQ(f.bits, FLAG_SEEN | FLAG_DELETED);
	CHECK_EQ(f.keyword_count, 2);
	CHECK_SPAN(f.keywords[0], "$Junk");
	CHECK_SPAN(f.keywords[1], "foo[1");
	CHECK(cursor_at_end(&t->p.c));
	parsing_free(t);
}

TEST(test_parse_flag_list_may_be_empty)
{
	struct parsing *t = parsing_new(SPAN("()"));
	struct imap_flags f;

	CHECK_EQ(imap_parse_flag_list(&t->p, &f), PARSE_OK);
	CHECK(f.bits == 0 && f.keyword_count == 0);
	parsing_free(t);
}

TEST(test_parse_flag_list_refuses_what_is_none)
{
	static const char *const bad[] = {
		"", "\\Seen", "(", "(\\Seen", "(\\Foo)", "(\\*)", "(\\)",
		"( \\Seen)", "(\\Seen )", "(a  b)", "(a(b))", "(\"a\")",
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct parsing *t = parsing_new(span_of(bad[i]));
		struct imap_flags f;

		CHECK_EQ(imap_parse_flag_list(&t->p, &f), PARSE_BAD);
		CHECK(t->p.why != NULL);
		parsing_free(t);
	}
}

TEST(test_parse_flag_list_has_caps)
{
	struct buf b = BUF_INIT;
	struct imap_flags f;
	struct parsing *t;

	buf_addc(&b, '(');
	for (size_t i = 0; i < IMAP_FLAGS_MAX; i++)
		buf_printf(&b, "%sk%zu", i ? " " : "", i);
	buf_addc(&b, ')');
	t = parsing_new(buf_span(&b));
	CHECK_EQ(imap_parse_flag_list(&t->p, &f), PARSE_OK);
	CHECK_EQ(f.keyword_count, IMAP_FLAGS_MAX);
	parsing_free(t);

	buf_truncate(&b, b.len - 1);
	buf_adds(&b, " x)");
	t = parsing_new(buf_span(&b));
	CHECK_EQ(imap_parse_flag_list(&t->p, &f), PARSE_BAD);
	parsing_free(t);

	buf_clear(&b);
	buf_addc(&b, '(');
	for (size_t i = 0; i <= KEYWORD_NAME_MAX; i++)
		buf_addc(&b, 'k');
	buf_addc(&b, ')');
	t = parsing_new(buf_span(&b));
	CHECK_EQ(imap_parse_flag_list(&t->p, &f), PARSE_BAD);
	parsing_free(t);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_start_finds_tag_and_verb),
		cmocka_unit_test(test_parse_start_caps_the_tag),
		cmocka_unit_test(test_parse_string_takes_quoted_and_literals),
		cmocka_unit_test(test_parse_string_refuses_nul_in_a_literal),
		cmocka_unit_test(test_parse_nstring_knows_nil),
		cmocka_unit_test(test_parse_seqset_accepts_ranges_in_any_order),
		cmocka_unit_test(test_parse_seqset_knows_what_was_saved),
		cmocka_unit_test(test_parse_seqset_refuses_what_is_none),
		cmocka_unit_test(test_seqrange_resolve_orders_the_ends),
		cmocka_unit_test(test_parse_mailbox_decodes_names),
		cmocka_unit_test(
		    test_parse_mailbox_keeps_a_name_that_nfc_changed),
		cmocka_unit_test(test_parse_quoted_is_utf8_where_that_is_on),
		cmocka_unit_test(test_parse_mailbox_takes_utf8_as_it_is),
		cmocka_unit_test(test_parse_mailbox_knows_inbox_in_any_case),
		cmocka_unit_test(test_parse_mailbox_refuses_bad_names),
		cmocka_unit_test(test_parse_mailbox_says_what_is_wrong),
		cmocka_unit_test(test_parse_flag_list_sorts_flags_and_keywords),
		cmocka_unit_test(test_parse_flag_list_may_be_empty),
		cmocka_unit_test(test_parse_flag_list_refuses_what_is_none),
		cmocka_unit_test(test_parse_flag_list_has_caps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
