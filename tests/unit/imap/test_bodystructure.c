#include "imap/reply.h"

#include "store/mime/mime.h"
#include "tests/check.h"
#include "tests/unit/imap/sexp.h"

static void
check_body(const char *message, bool extended, bool utf8, const char *want)
{
	struct arena a = { 0 };
	struct buf b = BUF_INIT;
	struct sexp s;
	struct digest d;

	mime_digest(span_of(message), &a, &d);
	imap_put_bodystructure(&b, &d, extended, utf8);
	CHECK_STR(b.p, want);
	CHECK(sexp_parse(b.p, b.len, utf8, &a, &s));
	CHECK(sexp_is_body(&s, extended));
	buf_release(&b);
	arena_release(&a);
}

TEST(test_bodystructure_of_plain_text)
{
	check_body("Subject: x\r\n\r\nhi\r\nyou\r\n", false, false,
	    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
	    "\"7BIT\" 9 2)");
	check_body("Subject: x\r\n\r\nhi\r\nyou\r\n", true, false,
	    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
	    "\"7BIT\" 9 2 NIL NIL NIL NIL)");
}

TEST(test_bodystructure_has_all_extension_fields)
{
	check_body(
	    "Content-Type: IMAGE/PNG; name=\"a b.png\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n"
	    "Content-ID: <x@y>\r\n"
	    "Content-Description: a picture\r\n"
	    "Content-MD5: Q2hlY2s=\r\n"
	    "Content-Disposition: attachment; filename=\"a b.png\"; "
	    "size=7\r\n"
	    "Content-Language: en, de\r\n"
	    "Content-Location: http://x.test/a\r\n\r\nAAAA\r\n", true, false,
	    "(\"image\" \"png\" (\"name\" \"a b.png\") \"<x@y>\" "
	    "\"a picture\" \"BASE64\" 6 \"Q2hlY2s=\" "
	    "(\"attachment\" (\"filename\" \"a b.png\" \"size\" \"7\")) "
	    "(\"en\" \"de\") \"http://x.test/a\")");
	check_body("Content-Type: a/b\r\nContent-Language: en\r\n"
	    "Content-Disposition: inline\r\n\r\n", true, false,
	    "(\"a\" \"b\" NIL NIL NIL \"7BIT\" 0 NIL (\"inline\" NIL) "
	    "\"en\" NIL)");
}

static const char multipart[] =
    "Content-Type: multipart/mixed; boundary=b\r\n"
    "Content-Language: fr\r\n\r\n"
    "--b\r\n\r\none\r\n"
    "--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>\r\n\r\n"
    "--b--\r\n";

TEST(test_bodystructure_of_a_multipart)
{
	check_body(multipart, false, false,
	    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
	    "\"7BIT\" 3 0)(\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL "
	    "\"7BIT\" 5 1) \"mixed\")");
	check_body(multipart, true, false,
	    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
	    "\"7BIT\" 3 0 NIL NIL NIL NIL)"
	    "(\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL "
	    "\"7BIT\" 5 1 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") "
	    "NIL \"fr\" NIL)");
}

TEST(test_bodystructure_of_a_message_in_a_message)
{
	check_body("Content-Type: message/rfc822\r\n\r\n"
	    "Subject: in\r\n\r\nx\r\n", false, false,
	    "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 18 "
	    "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) "
	    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
	    "\"7BIT\" 3 1) 3)");
}

TEST(test_bodystructure_shows_broken_parts_as_leaves)
{
	check_body("Content-Type: multipart/mixed\r\n\r\nx\r\n", false, false,
	    "(\"text\" \"plain\" NIL NIL NIL \"7BIT\" 3 1)");
	check_body("Content-Type: message/rfc822\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\nx\r\n", false, false,
	    "(\"application\" \"octet-stream\" NIL NIL NIL \"BASE64\" 3)");
}

TEST(test_bodystructure_says_8bit_parameters_in_rfc_2231)
{
	const char *message = "Content-Type: a/b; "
	    "name*=UTF-8''%C3%A4%20x; x=\"\xc3\xb6\"; y=z\r\n"
	    "Content-Description: \xc3\xa4\r\n\r\n";

	check_body(message, false, false,
	    "(\"a\" \"b\" (\"name*\" \"UTF-8''%C3%A4%20x\" "
	    "\"x*\" \"UTF-8''%C3%B6\" \"y\" \"z\") NIL NIL \"7BIT\" 0)");
	check_body(message, false, true,
	    "(\"a\" \"b\" (\"name\" \"\xc3\xa4 x\" \"x\" \"\xc3\xb6\" "
	    "\"y\" \"z\") NIL \"\xc3\xa4\" \"7BIT\" 0)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodystructure_of_plain_text),
		cmocka_unit_test(
		    test_bodystructure_has_all_extension_fields),
		cmocka_unit_test(test_bodystructure_of_a_multipart),
		cmocka_unit_test(
		    test_bodystructure_of_a_message_in_a_message),
		cmocka_unit_test(
		    test_bodystructure_shows_broken_parts_as_leaves),
		cmocka_unit_test(
		    test_bodystructure_says_8bit_parameters_in_rfc_2231),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
