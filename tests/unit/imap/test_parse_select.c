#include "imap/parse.h"

#include "tests/check.h"
#include "tests/unit/imap/parsing.h"

TEST(test_parse_select_takes_a_name_alone)
{
	struct parsing *t = parsing_new(SPAN(" inbox "));

	CHECK_EQ(parsing_run(t, imap_parse_select), PARSE_OK);
	CHECK_SPAN(t->args.select.name, "INBOX");
	CHECK(!t->args.select.condstore && !t->args.select.qresync);
	parsing_free(t);
	check_bad(imap_parse_select, SPAN(""), NULL);
	check_bad(imap_parse_select, SPAN(" x y"),
	    "unexpected text after the command");
}

TEST(test_parse_select_takes_condstore)
{
	struct parsing *t = parsing_new(SPAN(" x (CONDSTORE)"));

	CHECK_EQ(parsing_run(t, imap_parse_select), PARSE_OK);
	CHECK(t->args.select.condstore && !t->args.select.qresync);
	parsing_free(t);
	check_bad(imap_parse_select, SPAN(" x ()"),
	    "unknown SELECT parameter");
	check_bad(imap_parse_select, SPAN(" x (CONDSTORE COLOUR)"),
	    "unknown SELECT parameter");
	check_bad(imap_parse_select, SPAN(" x (CONDSTORE"),
	    "expected \")\" after the parameters");
	check_bad(imap_parse_select, SPAN(" x (CONDSTORE)x"), NULL);
}

/* RFC 7162 section 3.2.5 */
TEST(test_parse_select_takes_what_is_known)
{
	static const struct {
		const char *in;
		uint64_t modseq;
		size_t uids, seqs, known;
	} rows[] = {
		{ " x (QRESYNC (67890007 20050715194045000))",
		    20050715194045000, 0, 0, 0 },
		{ " x (QRESYNC (67890007 9 41,43:211,214:541))", 9, 3, 0, 0 },
		{ " x (qresync (67890007 9 1:29997 (5000,9990:9991 "
		    "15000,29970,29973)) CONDSTORE)", 9, 1, 2, 3 },
		{ " x (CONDSTORE QRESYNC (67890007 9 (1,3 5,8)))",
		    9, 0, 2, 2 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct parsing *t = parsing_new(span_of(rows[i].in));
		const struct imap_select_args *s = &t->args.select;

		CHECK_EQ(parsing_run(t, imap_parse_select), PARSE_OK);
		CHECK(s->qresync);
		CHECK_EQ(s->uidvalidity, 67890007);
		CHECK_EQ(s->modseq, rows[i].modseq);
		CHECK_EQ(s->uids.n, rows[i].uids);
		CHECK_EQ(s->known_seqs.n, rows[i].seqs);
		CHECK_EQ(s->known_uids.n, rows[i].known);
		parsing_free(t);
	}
}

TEST(test_parse_select_refuses_what_cannot_be_known)
{
	static const char *const rows[] = {
		" x (QRESYNC)",
		" x (QRESYNC ())",
		" x (QRESYNC (1))",
		" x (QRESYNC (0 1))",
		" x (QRESYNC (1 x))",
		" x (QRESYNC (1 9223372036854775808))",
		" x (QRESYNC (1 1 1:*))",
		" x (QRESYNC (1 1 1:2 (1)))",
		" x (QRESYNC (1 1 1:2 (1 *)))",
		" x (QRESYNC (1 1 1:2 (2,1 3,4)))",	/* not rising */
		" x (QRESYNC (1 1 1:2 (1,2 4,3)))",
		" x (QRESYNC (1 1 1:2 (1:2 3:5)))",	/* not as many */
		" x (QRESYNC (1 1 1:2 (1 1) 1))",
		" x (QRESYNC (1 1) QRESYNC (1 1))",
		" x (QRESYNC (1 1)",
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check_bad(imap_parse_select, span_of(rows[i]), NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_select_takes_a_name_alone),
		cmocka_unit_test(test_parse_select_takes_condstore),
		cmocka_unit_test(test_parse_select_takes_what_is_known),
		cmocka_unit_test(
		    test_parse_select_refuses_what_cannot_be_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
