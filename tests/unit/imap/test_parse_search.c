#include "imap/parse.h"

#include "imap/imap_limits.h"
#include "tests/check.h"
#include "tests/unit/imap/parsing.h"

/* A tree as text: "(and flags:1 (not recent))". */
static void
put_key(struct buf *b, const struct search_key *k)
{
	static const char *const names[] = {
		[SEARCH_ALL] = "all", [SEARCH_NONE] = "none",
		[SEARCH_AND] = "and", [SEARCH_OR] = "or",
		[SEARCH_NOT] = "not", [SEARCH_FLAGS] = "flags",
		[SEARCH_RECENT] = "recent", [SEARCH_UIDS] = "uids",
		[SEARCH_LARGER] = "larger", [SEARCH_SMALLER] = "smaller",
		[SEARCH_BEFORE] = "before", [SEARCH_ON] = "on",
		[SEARCH_SINCE] = "since",
		[SEARCH_SENT_BEFORE] = "sentbefore",
		[SEARCH_SENT_ON] = "senton",
		[SEARCH_SENT_SINCE] = "sentsince",
		[SEARCH_HEADER] = "header", [SEARCH_SUBJECT] = "subject",
		[SEARCH_FROM] = "from", [SEARCH_TO] = "to",
		[SEARCH_CC] = "cc", [SEARCH_BCC] = "bcc",
		[SEARCH_BODY] = "body", [SEARCH_TEXT] = "text",
		[SEARCH_EMAIL] = "email", [SEARCH_THREAD] = "thread",
		[SEARCH_SAVED_BEFORE] = "savedbefore",
		[SEARCH_SAVED_ON] = "savedon",
		[SEARCH_SAVED_SINCE] = "savedsince",
	};

	if (k->kid_count)
		buf_addc(b, '(');
	buf_adds(b, names[k->op]);
	if (k->op == SEARCH_FLAGS)
		buf_printf(b, ":%ju", (uintmax_t)k->mask);
	if (k->op == SEARCH_LARGER || k->op == SEARCH_SMALLER ||
	    k->op == SEARCH_EMAIL || k->op == SEARCH_THREAD)
		buf_printf(b, ":%ju", (uintmax_t)k->number);
	if ((k->op >= SEARCH_BEFORE && k->op <= SEARCH_SENT_SINCE) ||
	    k->op >= SEARCH_SAVED_BEFORE)
		buf_printf(b, ":%jd", (intmax_t)k->day);
	if (k->op == SEARCH_UIDS) {
		buf_addc(b, ':');
		uidset_put(b, &k->uids);
	}
	if (k->op == SEARCH_HEADER)
		buf_printf(b, ":%.*s", SPAN_ARG(k->name));
	if (k->op >= SEARCH_HEADER && k->op <= SEARCH_TEXT)
		buf_printf(b, ":%.*s", SPAN_ARG(k->text));
	for (size_t i = 0; i < k->kid_count; i++) {
		buf_addc(b, ' ');
		put_key(b, k->kids[i]);
	}
	if (k->kid_count)
		buf_addc(b, ')');
}

static void
check_tree(struct span in, const char *want)
{
	struct parsing *t = parsing_new(in);
	struct buf b = BUF_INIT;

	CHECK_EQ(parsing_run(t, imap_parse_search), PARSE_OK);
	put_key(&b, t->args.search.key);
	CHECK_STR(b.p, want);
	buf_release(&b);
	parsing_free(t);
}

TEST(test_parse_search_knows_every_key)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ " ALL", "all" },
		{ " ANSWERED", "flags:2" },
		{ " BCC x", "bcc:x" },
		{ " BEFORE 2-Jan-1970", "before:1" },
		{ " BODY x", "body:x" },
		{ " CC x", "cc:x" },
		{ " DELETED", "flags:8" },
		{ " DRAFT", "flags:16" },
		{ " UIDAFTER 7", "uids:8:4294967295" },
		{ " UIDAFTER 4294967295", "none" },
		{ " UIDBEFORE 7", "uids:1:6" },
		{ " UIDBEFORE 1", "none" },
		{ " EMAILID M17", "email:17" },
		{ " EMAILID m17", "none" },
		{ " EMAILID M017", "none" },
		{ " EMAILID M9223372036854775808", "none" },
		{ " EMAILID M17-", "none" },
		{ " THREADID T5", "thread:5" },
		{ " THREADID M5", "none" },
		{ " SAVEDATESUPPORTED", "all" },
		{ " SAVEDBEFORE 2-Jan-1970", "savedbefore:1" },
		{ " SAVEDON 3-Jan-1970", "savedon:2" },
		{ " SAVEDSINCE 3-Jan-1970", "savedsince:2" },
		{ " FLAGGED", "flags:4" },
		{ " FROM \"SMITH\"", "from:smith" },
		{ " HEADER Message-ID <X@y>", "header:message-id:<x@y>" },
		{ " HEADER X \"\"", "header:x:" },
		{ " LARGER 1000", "larger:1000" },
		{ " NEW", "(and recent (not flags:1))" },
		{ " NOT SEEN", "(not flags:1)" },
		{ " OLD", "(not recent)" },
		{ " ON \"3-Jan-1970\"", "on:2" },
		{ " OR SEEN FLAGGED", "(or flags:1 flags:4)" },
		{ " RECENT", "recent" },
		{ " SEEN", "flags:1" },
		{ " SENTBEFORE 1-Jan-1970", "sentbefore:0" },
		{ " SENTON 1-Jan-1970", "senton:0" },
		{ " SENTSINCE 1-Feb-1994", "sentsince:8797" },
		{ " SINCE 1-Feb-1994", "since:8797" },
		{ " SMALLER 4294967296", "smaller:4294967296" },
		{ " SUBJECT {5+}\r\nHello", "subject:hello" },
		{ " TEXT x", "text:x" },
		{ " TO x", "to:x" },
		{ " UNANSWERED", "(not flags:2)" },
		{ " UNDELETED", "(not flags:8)" },
		{ " UNDRAFT", "(not flags:16)" },
		{ " UNFLAGGED", "(not flags:4)" },
		{ " unseen", "(not flags:1)" },
		{ " 1:3", "none" },		/* not resolved yet */
		{ " UID 7", "none" },
		{ " $", "none" },
		{ " UID $", "none" },
		{ " KEYWORD $x", "none" },
		{ " UNKEYWORD $x", "(not none)" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check_tree(span_of(rows[i].in), rows[i].want);
}

TEST(test_parse_search_joins_keys)
{
	check_tree(SPAN(" FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\""),
	    "(and flags:4 since:8797 (not from:smith))");
	check_tree(SPAN(" SEEN TO a FLAGGED ALL"), "(and flags:5 to:a)");
	check_tree(SPAN(" ALL ALL"), "all");
	check_tree(SPAN(" (SEEN)"), "flags:1");
	check_tree(SPAN(" OR (SEEN TO a) (NOT (FROM b))"),
	    "(or (and flags:1 to:a) (not from:b))");
	check_tree(SPAN(" OR SEEN OR FLAGGED TO a"),
	    "(or flags:1 (or flags:4 to:a))");
	check_tree(SPAN(" NOT (SEEN FLAGGED)"), "(not flags:5)");
	check_tree(SPAN(" SEEN  TO a "), "(and flags:1 to:a)");
}

TEST(test_parse_search_converts_and_folds_needles)
{
	check_tree(SPAN(" CHARSET UTF-8 SUBJECT {5}\r\n\xc3\x84xY\x7a"),
	    "subject:a\xcc\x88xyz");
	check_tree(SPAN(" CHARSET ISO-8859-1 SUBJECT \"\xc4\""),
	    "subject:a\xcc\x88");
	check_tree(SPAN(" CHARSET \"us-ascii\" TEXT STRASSE"),
	    "text:strasse");
	/* without a CHARSET: UTF-8, or else Latin-1 */
	check_tree(SPAN(" SUBJECT \"\xc3\x84\""), "subject:a\xcc\x88");
	check_tree(SPAN(" SUBJECT \"\xc4\""), "subject:a\xcc\x88");
}

TEST(test_parse_search_tells_of_unknown_charsets)
{
	struct parsing *t = parsing_new(SPAN(" CHARSET X-FOO SUBJECT x"));

	CHECK_EQ(parsing_run(t, imap_parse_search), PARSE_OK);
	CHECK(t->args.search.is_charset_unknown);
	parsing_free(t);
}

TEST(test_parse_search_knows_return)
{
	static const struct {
		const char *in;
		bool esearch;
		unsigned returns;
	} rows[] = {
		{ " ALL", false, 0 },
		{ " RETURN () ALL", true, SEARCH_RETURN_ALL },
		{ " return (min COUNT) ALL", true,
		    SEARCH_RETURN_MIN | SEARCH_RETURN_COUNT },
		{ " RETURN (MAX ALL) CHARSET UTF-8 ALL", true,
		    SEARCH_RETURN_MAX | SEARCH_RETURN_ALL },
		{ " RETURN (SAVE) ALL", true, 0 },
		{ " RETURN (save COUNT) $", true, SEARCH_RETURN_COUNT },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct parsing *t = parsing_new(span_of(rows[i].in));

		CHECK_EQ(parsing_run(t, imap_parse_search), PARSE_OK);
		CHECK_EQ(t->args.search.esearch, rows[i].esearch);
		CHECK_EQ(t->args.search.returns, rows[i].returns);
		parsing_free(t);
	}
}

TEST(test_parse_search_refuses_what_is_none)
{
	static const char *const bad[] = {
		"", " ", " FOO", " NOT", " NOT ", " OR SEEN", " OR SEEN ",
		" ()", " (SEEN", " SEEN)", " (SEEN))", " SUBJECT",
		" SUBJECT ", " SUBJECT \"x", " SINCE 1-Foo-1994",
		" SINCE 31-Feb", " LARGER x", " LARGER -1", " UID", " UID x",
		" UID 0", " KEYWORD", " KEYWORD \\Seen", " HEADER x",
		" SEENFLAGGED", " SUBJECT x(SEEN)", " RETURN ALL",
		" RETURN (FOO) ALL", " RETURN (MIN)", " RETURN (MIN ALL",
		" CHARSET", " CHARSET UTF-8", " CHARSET UTF-8 ",
		" 1:3,", " $,1", " 1,$", " (SEEN)FLAGGED",
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(imap_parse_search, span_of(bad[i]), NULL);
	check_bad(imap_parse_search, SPAN(" FOO"), "unknown search key");
	check_bad(imap_parse_search, SPAN(" "), "expected a search key");
}

static void
repeat(struct buf *b, const char *s, size_t n)
{
	while (n--)
		buf_adds(b, s);
}

TEST(test_parse_search_caps_depth_and_count)
{
	struct buf b = BUF_INIT;

	buf_addc(&b, ' ');
	repeat(&b, "(", IMAP_DEPTH_MAX - 1);
	buf_adds(&b, "SEEN");
	repeat(&b, ")", IMAP_DEPTH_MAX - 1);
	check_good(imap_parse_search, buf_span(&b));

	buf_clear(&b);
	buf_addc(&b, ' ');
	repeat(&b, "(", 30000);
	check_bad(imap_parse_search, buf_span(&b),
	    "search keys are nested too deep");

	buf_clear(&b);
	buf_addc(&b, ' ');
	repeat(&b, "NOT ", IMAP_DEPTH_MAX);
	buf_adds(&b, "SEEN");
	check_bad(imap_parse_search, buf_span(&b),
	    "search keys are nested too deep");

	buf_clear(&b);
	repeat(&b, " SEEN", IMAP_SEARCH_KEYS_MAX);
	check_good(imap_parse_search, buf_span(&b));
	buf_adds(&b, " SEEN");
	check_bad(imap_parse_search, buf_span(&b), "too many search keys");
	buf_release(&b);
}

/* A mailbox in which UIDs are sequence numbers times ten, and $x is 9. */
static void
fake_set(struct imap_search_names *n, const struct seqset *set, bool uid,
    struct uidset *out)
{
	(void)n;
	for (size_t i = 0; i < set->n; i++) {
		struct seqrange r = imap_seqrange_resolve(set->v[i],
		    uid ? 50 : 5);

		for (uint32_t v = r.lo; v <= r.hi; v++)
			uidset_add(out, uid ? v : v * 10, uid ? v : v * 10);
	}
}

static int
fake_keyword(struct imap_search_names *n, struct span name)
{
	(void)n;
	return span_iis(name, "$x") ? 9 : -1;
}

TEST(test_search_resolve_fills_in_the_mailbox)
{
	struct parsing *t = parsing_new(SPAN(" OR (4:* UID 7:8) "
	    "(KEYWORD $X UNKEYWORD $y NOT 1:2)"));
	struct imap_search_names names = { fake_set, fake_keyword };
	struct buf b = BUF_INIT;

	CHECK_EQ(parsing_run(t, imap_parse_search), PARSE_OK);
	imap_search_resolve(&t->args.search, &t->arena, &names);
	put_key(&b, t->args.search.key);
	CHECK_STR(b.p, "(or (and uids:40,50 uids:7:8) (and flags:512 "
	    "(not none) (not uids:10,20)))");
	buf_release(&b);
	parsing_free(t);
}

/* RFC 7162 section 3.1.5, examples 15 and 16 */
TEST(test_parse_search_takes_modseq)
{
	static const struct {
		const char *in;
		uint64_t number;
	} rows[] = {
		{ " MODSEQ 620162338", 620162338 },
		{ " modseq \"/flags/\\\\draft\" all 620162338", 620162338 },
		{ " MODSEQ \"/flags/$MDNSent\" PRIV 0", 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct parsing *t = parsing_new(span_of(rows[i].in));

		CHECK_EQ(parsing_run(t, imap_parse_search), PARSE_OK);
		CHECK(t->args.search.has_modseq);
		CHECK_EQ(t->args.search.key->op, SEARCH_MODSEQ);
		CHECK_EQ(t->args.search.key->number, rows[i].number);
		parsing_free(t);
	}
	check_good(imap_parse_search, SPAN(" OR NOT MODSEQ 7 LARGER 50000"));
	check_bad(imap_parse_search, SPAN(" MODSEQ"), NULL);
	check_bad(imap_parse_search, SPAN(" MODSEQ x"),
	    "expected a number of 63 bits");
	check_bad(imap_parse_search, SPAN(" MODSEQ \"/flags/x\" 7"),
	    "expected priv, shared or all");
	check_bad(imap_parse_search, SPAN(" MODSEQ 9223372036854775808"), NULL);
}

/* RFC 5466 section 3.1 */
TEST(test_search_insert_puts_a_filter_in_its_place)
{
	struct imap_search_names names = { fake_set, fake_keyword };
	struct parsing *t = parsing_new(SPAN(" SEEN OR FILTER f UID 7 "
	    "KEYWORD $x"));
	struct imap_search_args *a = &t->args.search;
	struct imap_parser text;
	struct buf b = BUF_INIT;
	size_t i = 0;

	CHECK_EQ(parsing_run(t, imap_parse_search), PARSE_OK);
	CHECK(a->has_filter);
	CHECK_EQ(a->ref_count, 3);
	while (a->refs[i].kind != SEARCH_REF_FILTER)
		i++;
	CHECK_SPAN(a->refs[i].keyword, "f");
	imap_parser_init(&text, SPAN(" OR"), &t->arena);
	CHECK_EQ(imap_search_insert(a, i, &text), PARSE_BAD);
	imap_parser_init(&text, SPAN(" 2 SUBJECT \"a b\" UID 8"), &t->arena);
	CHECK_EQ(imap_search_insert(a, i, &text), PARSE_OK);
	CHECK_EQ(a->ref_count, 4);
	imap_search_resolve(a, &t->arena, &names);
	put_key(&b, a->key);
	CHECK_STR(b.p, "(and flags:1 (or (and (and uids:20 subject:a b "
	    "uids:8)) uids:7) flags:512)");
	buf_release(&b);
	parsing_free(t);
	check_bad(imap_parse_search, SPAN(" FILTER"), NULL);
	check_bad(imap_parse_search, SPAN(" FILTER a/b"),
	    "expected the name of a filter");
	check_bad(imap_parse_search, SPAN(" CHARSET ISO-8859-1 FILTER a"),
	    "FILTER goes with UTF-8 only");
}

/* RFC 6203 */
TEST(test_parse_search_splits_fuzzy_texts)
{
	check_tree(SPAN(" FUZZY SUBJECT \"a  b \""),
	    "(and subject:a subject:b)");
	check_tree(SPAN(" FUZZY SUBJECT a SUBJECT \"a b\""),
	    "(and subject:a subject:a b)");
	check_tree(SPAN(" FUZZY (NOT TEXT \"a b\") SEEN"),
	    "(and (not (and text:a text:b)) flags:1)");
	check_tree(SPAN(" FUZZY HEADER X \"a b\""),
	    "(and header:x:a header:x:b)");
	check_tree(SPAN(" FUZZY FUZZY SEEN"), "flags:1");
	check_tree(SPAN(" FUZZY SUBJECT \" \""), "all");
	check_bad(imap_parse_search, SPAN(" FUZZY"), NULL);
	check_bad(imap_parse_search, SPAN(" RETURN (RELEVANCY) SEEN"),
	    "RELEVANCY goes with FUZZY only");
	check_good(imap_parse_search,
	    SPAN(" RETURN (RELEVANCY) OR SEEN FUZZY SEEN"));
}

/* RFC 9394 section 4 */
TEST(test_parse_search_takes_a_page)
{
	static const struct {
		const char *in;
		bool from_end;
		uint32_t lo, hi;
		uint64_t n, first, count;
	} rows[] = {
		{ "1:500", false, 1, 500, 9, 0, 9 },
		{ "4:2", false, 2, 4, 9, 1, 3 },
		{ "9:9", false, 9, 9, 9, 8, 1 },
		{ "10:12", false, 10, 12, 9, 0, 0 },
		{ "-1:-3", true, 1, 3, 9, 6, 3 },
		{ "-4:-3", true, 3, 4, 9, 5, 2 },
		{ "-9:-900", true, 9, 900, 9, 0, 1 },
		{ "-1:-1", true, 1, 1, 0, 0, 0 },
		{ "1:4294967295", false, 1, UINT32_MAX, 2, 0, 2 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct imap_partial *page;
		uint64_t first, count;
		struct buf b = BUF_INIT;
		struct parsing *t;

		buf_printf(&b, " RETURN (PARTIAL %s) ALL", rows[i].in);
		t = parsing_new(buf_span(&b));
		page = &t->args.search.partial;
		CHECK_EQ(parsing_run(t, imap_parse_search), PARSE_OK);
		CHECK(page->is_given);
		CHECK_EQ(page->from_end, rows[i].from_end);
		CHECK_EQ(page->lo, rows[i].lo);
		CHECK_EQ(page->hi, rows[i].hi);
		CHECK_SPAN(page->text, rows[i].in);
		imap_partial_resolve(page, rows[i].n, &first, &count);
		CHECK_EQ(first, rows[i].first);
		CHECK_EQ(count, rows[i].count);
		parsing_free(t);
		buf_release(&b);
	}
	check_bad(imap_parse_search, SPAN(" RETURN (PARTIAL 1:-1) ALL"),
	    "expected both ends with the same sign");
	check_bad(imap_parse_search, SPAN(" RETURN (PARTIAL 7) ALL"), NULL);
	check_bad(imap_parse_search, SPAN(" RETURN (PARTIAL 0:1) ALL"), NULL);
	check_bad(imap_parse_search, SPAN(" RETURN (PARTIAL *:1) ALL"), NULL);
	check_bad(imap_parse_search, SPAN(" RETURN (PARTIAL 1:2 ALL) ALL"),
	    "PARTIAL and ALL exclude each other");
}

/* RFC 5032 */
TEST(test_parse_search_counts_ages_from_now)
{
	struct imap_search_names names = { fake_set, fake_keyword, 1000 };
	struct parsing *t = parsing_new(SPAN(" OLDER 60 YOUNGER 259200"));
	struct search_key **kids;

	CHECK_EQ(parsing_run(t, imap_parse_search), PARSE_OK);
	imap_search_resolve(&t->args.search, &t->arena, &names);
	CHECK_EQ(t->args.search.key->kid_count, 2);
	kids = t->args.search.key->kids;
	CHECK_EQ(kids[0]->op, SEARCH_OLDER);
	CHECK_EQ(kids[0]->number, 60);
	CHECK_EQ(kids[0]->now_s, 1000);
	CHECK_EQ(kids[1]->op, SEARCH_YOUNGER);
	CHECK_EQ(kids[1]->number, 259200);
	parsing_free(t);
	check_bad(imap_parse_search, SPAN(" OLDER 0"),
	    "expected a number of seconds");
	check_bad(imap_parse_search, SPAN(" YOUNGER"), NULL);
	check_bad(imap_parse_search, SPAN(" YOUNGER -1"), NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_search_knows_every_key),
		cmocka_unit_test(test_parse_search_joins_keys),
		cmocka_unit_test(
		    test_parse_search_converts_and_folds_needles),
		cmocka_unit_test(test_parse_search_tells_of_unknown_charsets),
		cmocka_unit_test(test_parse_search_knows_return),
		cmocka_unit_test(test_parse_search_refuses_what_is_none),
		cmocka_unit_test(test_parse_search_caps_depth_and_count),
		cmocka_unit_test(test_search_resolve_fills_in_the_mailbox),
		cmocka_unit_test(test_parse_search_takes_modseq),
		cmocka_unit_test(test_parse_search_takes_a_page),
		cmocka_unit_test(test_parse_search_splits_fuzzy_texts),
		cmocka_unit_test(
	test_search_insert_puts_a_filter_in_its_place),
		cmocka_unit_test(test_parse_search_counts_ages_from_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
