#include "imap/parse.h"

#include "imap/imap_limits.h"
#include "tests/check.h"
#include "tests/unit/imap/parsing.h"

TEST(test_parse_sort_knows_every_criterion)
{
	static const struct {
		const char *in;
		struct sort_term term;
	} rows[] = {
		{ "ARRIVAL", { SORT_ARRIVAL, false } },
		{ "CC", { SORT_CC, false } },
		{ "DATE", { SORT_DATE, false } },
		{ "displayfrom", { SORT_DISPLAYFROM, false } },
		{ "DISPLAYTO", { SORT_DISPLAYTO, false } },
		{ "FROM", { SORT_FROM, false } },
		{ "reverse Size", { SORT_SIZE, true } },
		{ "SUBJECT", { SORT_SUBJECT, false } },
		{ "REVERSE TO", { SORT_TO, true } },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf b = BUF_INIT;
		struct parsing *t;

		buf_printf(&b, " (%s) UTF-8 ALL", rows[i].in);
		t = parsing_new(buf_span(&b));
		CHECK_EQ(parsing_run(t, imap_parse_sort), PARSE_OK);
		CHECK_EQ(t->args.search.term_count, 1);
		CHECK_EQ(t->args.search.terms[0].by, rows[i].term.by);
		CHECK_EQ(t->args.search.terms[0].reverse,
		    rows[i].term.reverse);
		parsing_free(t);
		buf_release(&b);
	}
}

TEST(test_parse_sort_takes_options_criteria_charset_keys)
{
	struct parsing *t = parsing_new(SPAN(" RETURN (COUNT SAVE) (SUBJECT "
	    "REVERSE DATE) \"iso-8859-1\" SEEN SUBJECT \"\xc4\""));
	const struct imap_search_args *a = &t->args.search;

	CHECK_EQ(parsing_run(t, imap_parse_sort), PARSE_OK);
	CHECK(a->esearch);
	CHECK(a->save);
	CHECK_EQ(a->returns, SEARCH_RETURN_COUNT);
	CHECK_EQ(a->term_count, 2);
	CHECK(a->terms[1].reverse);
	CHECK_EQ(a->key->kid_count, 2);
	CHECK_SPAN(a->key->kids[1]->text, "a\xcc\x88");
	parsing_free(t);
	t = parsing_new(SPAN(" (DATE) X-FOO SUBJECT x"));
	CHECK_EQ(parsing_run(t, imap_parse_sort), PARSE_OK);
	CHECK(t->args.search.is_charset_unknown);
	parsing_free(t);
}

TEST(test_parse_sort_refuses_what_is_none)
{
	static const char *const bad[] = {
		"", " ", " ALL", " ()", " () UTF-8 ALL", " (DATE)",
		" (DATE) UTF-8", " (DATE) UTF-8 ", " (DATE",
		" (DATE ) UTF-8 ALL", " (DATE)UTF-8 ALL", " (REVERSE) UTF-8 ALL",
		" (REVERSE REVERSE DATE) UTF-8 ALL", " (X) UTF-8 ALL",
		" RETURN (DATE) UTF-8 ALL", " RETURN () UTF-8 ALL",
		" (DATE) RETURN () UTF-8 ALL",
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(imap_parse_sort, span_of(bad[i]), NULL);
	check_bad(imap_parse_sort, SPAN(" (DATES) UTF-8 ALL"),
	    "unknown sort criterion");
}

TEST(test_parse_sort_caps_its_criteria)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, " (DATE");
	for (size_t i = 1; i < IMAP_SORT_TERMS_MAX; i++)
		buf_adds(&b, " REVERSE DATE");
	buf_adds(&b, ") UTF-8 ALL");
	check_good(imap_parse_sort, buf_span(&b));
	buf_truncate(&b, b.len - strlen(") UTF-8 ALL"));
	buf_adds(&b, " DATE) UTF-8 ALL");
	check_bad(imap_parse_sort, buf_span(&b), "too many sort criteria");
	buf_release(&b);
}

TEST(test_parse_thread_knows_its_algorithms)
{
	static const struct {
		const char *in;
		enum thread_by by;
	} rows[] = {
		{ " ORDEREDSUBJECT UTF-8 ALL", THREAD_ORDEREDSUBJECT },
		{ " references \"us-ascii\" SEEN 1:3", THREAD_REFERENCES },
		{ " Refs UTF-8 $", THREAD_REFS },
	};
	static const char *const bad[] = {
		"", " ", " REFS", " REFS UTF-8", " REFS ALL", " REF UTF-8 ALL",
		" (REFS) UTF-8 ALL", " RETURN () REFS UTF-8 ALL",
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct parsing *t = parsing_new(span_of(rows[i].in));

		CHECK_EQ(parsing_run(t, imap_parse_thread), PARSE_OK);
		CHECK_EQ(t->args.search.thread_by, rows[i].by);
		parsing_free(t);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(imap_parse_thread, span_of(bad[i]), NULL);
}

/* RFC 7377 section 4 */
TEST(test_parse_esearch_knows_where_to_look)
{
	struct parsing *t = parsing_new(SPAN(" IN (selected Subtree-One (a/b "
	    "inbox) mailboxes \"c d\" personal) RETURN (MIN) SEEN"));
	const struct imap_search_args *a = &t->args.search;

	CHECK_EQ(parsing_run(t, imap_parse_esearch), PARSE_OK);
	CHECK_EQ(a->source_count, 5);
	CHECK_EQ(a->sources[0].kind, SOURCE_SELECTED);
	CHECK_EQ(a->sources[1].kind, SOURCE_SUBTREE_ONE);
	CHECK_SPAN(a->sources[1].name, "a/b");
	CHECK_SPAN(a->sources[2].name, "INBOX");
	CHECK_EQ(a->sources[3].kind, SOURCE_MAILBOXES);
	CHECK_EQ(a->sources[4].kind, SOURCE_PERSONAL);
	CHECK_EQ(a->returns, SEARCH_RETURN_MIN);
	parsing_free(t);
	t = parsing_new(SPAN(" SEEN"));
	a = &t->args.search;
	CHECK_EQ(parsing_run(t, imap_parse_esearch), PARSE_OK);
	CHECK_EQ(a->source_count, 1);
	CHECK_EQ(a->sources[0].kind, SOURCE_SELECTED);
	CHECK(a->esearch);
	CHECK_EQ(a->returns, SEARCH_RETURN_ALL);
	parsing_free(t);
}

TEST(test_parse_esearch_refuses_what_is_none)
{
	static const char *const bad[] = {
		"", " ", " IN", " IN ALL", " IN () ALL", " IN (personal)",
		" IN (personal ALL", " IN (mailboxes) ALL",
		" IN (mailboxes ()) ALL", " IN (subtree (a b) ALL",
		" IN (selected-delayed) ALL", " IN (personal)ALL",
		" RETURN (ALL) IN (personal) ALL",
	};
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(imap_parse_esearch, span_of(bad[i]), NULL);
	buf_adds(&b, " IN (mailboxes (a");
	for (size_t i = 1; i < IMAP_SOURCES_MAX; i++)
		buf_adds(&b, " a");
	buf_adds(&b, ")) ALL");
	check_good(imap_parse_esearch, buf_span(&b));
	buf_truncate(&b, b.len - strlen(") ALL"));
	buf_adds(&b, " inboxes) ALL");
	check_bad(imap_parse_esearch, buf_span(&b),
	    "too many mailboxes to search");
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_sort_knows_every_criterion),
		cmocka_unit_test(
	test_parse_sort_takes_options_criteria_charset_keys),
		cmocka_unit_test(test_parse_sort_refuses_what_is_none),
		cmocka_unit_test(test_parse_sort_caps_its_criteria),
		cmocka_unit_test(test_parse_thread_knows_its_algorithms),
		cmocka_unit_test(test_parse_esearch_knows_where_to_look),
		cmocka_unit_test(test_parse_esearch_refuses_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
