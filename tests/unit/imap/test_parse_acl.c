#include "imap/parse.h"

#include "tests/check.h"
#include "tests/unit/imap/parsing.h"

TEST(test_parse_setacl_takes_rights)
{
	static const struct {
		const char *in, *name, *identifier;
		bool is_negative;
		enum acl_how how;
		unsigned rights;
	} ok[] = {
		{ " x bob lr", "x", "bob", false, ACL_SET,
		    RIGHT_LOOKUP | RIGHT_READ },
		{ " inbox -bob +swipkxtea", "INBOX", "bob", true, ACL_ADD,
		    RIGHT_ALL & ~(RIGHT_LOOKUP | RIGHT_READ) },
		{ " x anyone \"\"", "x", "anyone", false, ACL_SET, 0 },
		{ " x {1+}\r\nb {1+}\r\n-", "x", "b", false, ACL_REMOVE, 0 },
		{ " x b cd", "x", "b", false, ACL_SET, RIGHT_CREATE |
		    RIGHT_DELETE | RIGHT_DELETE_MSG | RIGHT_EXPUNGE },
		{ " x b -ll", "x", "b", false, ACL_REMOVE, RIGHT_LOOKUP },
	};

	for (size_t i = 0; i < COUNT(ok); i++) {
		struct parsing *t = parsing_new(span_of(ok[i].in));
		const struct imap_acl_args *a = &t->args.acl;

		CHECK_EQ(parsing_run(t, imap_parse_setacl), PARSE_OK);
		CHECK_SPAN(a->name, ok[i].name);
		CHECK_SPAN(a->identifier, ok[i].identifier);
		CHECK_EQ(a->is_negative, ok[i].is_negative);
		CHECK_EQ(a->how, ok[i].how);
		CHECK_EQ(a->rights, ok[i].rights);
		parsing_free(t);
	}
}

TEST(test_parse_setacl_refuses)
{
	static const char *const bad[] = {
		"", " x", " x b", " x b ", " x b q", " x b L", " x b 1",
		" x b +-l", " x b l+", " x \"\" l", " x - l", " x b l r",
		" x \"\xff\" l", " x {3+}\r\na\0b l"
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(imap_parse_setacl, span_of(bad[i]), NULL);
}

TEST(test_parse_identifier_is_kept_as_given)
{
	struct parsing *t = parsing_new(SPAN(" x -bob"));

	CHECK_EQ(parsing_run(t, imap_parse_identifier), PARSE_OK);
	CHECK_SPAN(t->args.acl.given, "-bob");
	CHECK_SPAN(t->args.acl.identifier, "bob");
	parsing_free(t);
	check_bad(imap_parse_identifier, SPAN(" x"), NULL);
	check_bad(imap_parse_identifier, SPAN(" x bob l"), NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_setacl_takes_rights),
		cmocka_unit_test(test_parse_setacl_refuses),
		cmocka_unit_test(test_parse_identifier_is_kept_as_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
