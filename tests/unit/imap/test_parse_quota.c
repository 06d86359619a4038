#include "imap/parse.h"

#include "tests/check.h"
#include "tests/unit/imap/parsing.h"

TEST(test_parse_setquota_takes_limits)
{
	static const struct {
		const char *in, *root;
		uint64_t storage, messages;
		bool has_unknown;
	} ok[] = {
		{ " \"\" ()", "", UINT64_MAX, UINT64_MAX, false },
		{ " \"\" (STORAGE 512)", "", 512, UINT64_MAX, false },
		{ " a@b (message 0 Storage 9223372036854775807)", "a@b",
		    INT64_MAX, 0, false },
		{ " {1+}\r\nx (X-THING 7 MESSAGE 3)", "x", UINT64_MAX, 3,
		    true },
	};

	for (size_t i = 0; i < COUNT(ok); i++) {
		struct parsing *t = parsing_new(span_of(ok[i].in));
		const struct imap_setquota_args *q = &t->args.setquota;

		CHECK_EQ(parsing_run(t, imap_parse_setquota), PARSE_OK);
		CHECK_SPAN(q->root, ok[i].root);
		CHECK_EQ(q->storage, ok[i].storage);
		CHECK_EQ(q->messages, ok[i].messages);
		CHECK_EQ(q->has_unknown, ok[i].has_unknown);
		parsing_free(t);
	}
}

TEST(test_parse_setquota_refuses)
{
	static const char *const bad[] = {
		"", " \"\"", " \"\" ", " \"\" (", " \"\" (STORAGE)",
		" \"\" (STORAGE )", " \"\" (STORAGE -1)", " \"\" (STORAGE 1",
		" \"\" (STORAGE 9223372036854775808)", " \"\" (STORAGE 1 )",
		" \"\" ( STORAGE 1)", " \"\" () x", " \"\" STORAGE 1"
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(imap_parse_setquota, span_of(bad[i]), NULL);
}

TEST(test_parse_getquota_takes_one_root)
{
	struct parsing *t = parsing_new(SPAN(" \"\""));

	CHECK_EQ(parsing_run(t, imap_parse_getquota), PARSE_OK);
	CHECK_SPAN(t->args.getquota.root, "");
	parsing_free(t);
	check_bad(imap_parse_getquota, SPAN(""), NULL);
	check_bad(imap_parse_getquota, SPAN(" "), NULL);
	check_bad(imap_parse_getquota, SPAN(" a b"), NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_setquota_takes_limits),
		cmocka_unit_test(test_parse_setquota_refuses),
		cmocka_unit_test(test_parse_getquota_takes_one_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
