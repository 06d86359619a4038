#include "auth/authres.h"

#include "tests/check.h"

TEST(test_authres_of_our_name_are_recognised_however_written)
{
	static const char *const ours[] = {
		" mail.example.org; spf=pass", "MAIL.example.ORG 1; none",
		" (a (nested) \\) comment)\r\n mail.example.org;",
		" \"mail.example\\.org\" ;", "mail.example.org.;", "",
		"(", "((((((((((((((((((((", "\"mail", "; spf=pass", "(\\",
		"\"\\",
	};
	static const char *const others[] = {
		" mx.example.org; spf=pass", "xmail.example.org",
		"mail.example.org.evil.example; none", "(x)y;",
	};

	for (size_t i = 0; i < COUNT(ours); i++)
		if (!authres_is_of(span_of(ours[i]), SPAN("mail.example.org")))
			fail_msg("not ours: %s", ours[i]);
	for (size_t i = 0; i < COUNT(others); i++)
		CHECK(!authres_is_of(span_of(others[i]),
		    SPAN("mail.example.org")));
}

TEST(test_authres_are_written_safely)
{
	struct buf out = BUF_INIT;

	authres_begin(&out, "mx.example.org");
	authres_method(&out, "spf", "fail", SPAN("no) x\r\nX: y"));
	authres_property(&out, "smtp", "mailfrom",
	    SPAN("a@b.example"));
	authres_method(&out, "dkim", "pass", SPAN(""));
	authres_property(&out, "header", "i", SPAN("@b.example"));
	authres_property(&out, "header", "b", SPAN("ab/+\"\r\n"));
	authres_property(&out, "header", "s", SPAN(""));
	authres_end(&out, true);
	CHECK_STR(out.p, "Authentication-Results: mx.example.org;\r\n"
	    "\tspf=fail (no? x??X: y) smtp.mailfrom=a@b.example;\r\n"
	    "\tdkim=pass header.i=@b.example header.b=\"ab/+\\\"??\"\r\n");
	buf_clear(&out);
	authres_begin(&out, "mx.example.org");
	authres_end(&out, false);
	CHECK_STR(out.p, "Authentication-Results: mx.example.org; none\r\n");
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_authres_of_our_name_are_recognised_however_written),
		cmocka_unit_test(test_authres_are_written_safely),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
