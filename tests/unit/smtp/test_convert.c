#include "tests/check.h"

#include <stdio.h>

#include "server/base/arena.h"
#include "smtp/convert.h"
#include "store/mime/mime.h"

/* Converts in pieces of step bytes; whether it broke. */
static bool
convert(const char *in, size_t len, size_t step, struct buf *out)
{
	struct convert *c = convert_new();
	bool breaks;

	for (size_t at = 0; at < len; at += step)
		convert_add(c, out, in + at, MIN(step, len - at));
	convert_finish(c, out);
	breaks = convert_breaks(c);
	convert_free(c);
	return breaks;
}

static void
check(const char *in, const char *want)
{
	for (size_t step = 1; step < 5; step++) {
		struct buf out = BUF_INIT;

		CHECK(!convert(in, strlen(in), step, &out));
		CHECK_STR(out.p, want);
		buf_release(&out);
	}
}

static bool
breaks(const char *in)
{
	struct buf out = BUF_INIT;
	bool b = convert(in, strlen(in), 7, &out);

	buf_release(&out);
	return b;
}

#define CTE "Content-Transfer-Encoding: "
#define TEXT "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"

TEST(test_convert_text_becomes_quoted_printable)
{
	check(TEXT CTE "8bit\r\n\r\nGr\xc3\xbc\xc3\x9f""e \r\n1 = 1\r\n\t\r\n",
	    TEXT CTE "quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe=20\r\n"
	    "1 =3D 1\r\n=09\r\n");
	/* RFC 2045 section 6.7: lines of 76. */
	check(TEXT "\r\n"
	    "0123456789012345678901234567890123456789012345678901234567890"
	    "1234567890123456789\r\n",
	    TEXT CTE "quoted-printable\r\n\r\n"
	    "01234567890123456789012345678901234567890123456789012345678901"
	    "2345678901234=\r\n56789\r\n");
	/* Without a MIME header it gets what it needs of one. */
	check("Subject: x\r\n\r\n\xe4", "Subject: x\r\nMIME-Version: 1.0\r\n"
	    CTE "quoted-printable\r\n\r\n=E4\r\n");
	check("Subject: x\r\n\r\na\nb\rc\r\n", "Subject: x\r\n"
	    "MIME-Version: 1.0\r\n" CTE "quoted-printable\r\n\r\n"
	    "a\r\nb=0Dc\r\n");
}

TEST(test_convert_other_things_become_base64)
{
	check("MIME-Version: 1.0\r\nContent-Type: image/png\r\n"
	    CTE "binary\r\n\r\n\x89PNG\r\n\x1a\n",
	    "MIME-Version: 1.0\r\nContent-Type: image/png\r\n"
	    CTE "base64\r\n\r\niVBORw0KGgo=\r\n");
	/* Binary text has line ends that are none. */
	check(TEXT CTE "binary\r\n\r\na\nb\r", TEXT CTE "base64\r\n\r\n"
	    "YQpiDQ==\r\n");
}

#define MIXED "MIME-Version: 1.0\r\n" \
	"Content-Type: multipart/mixed; boundary=\"-x y\"\r\n"

TEST(test_convert_goes_through_parts)
{
	check(MIXED CTE "8bit\r\n\r\npre\xc3\xa4mble\r\n---x y\r\n\r\n"
	    "\xc3\xa4\r\n\r\n---x y  \r\n" CTE "BASE64\r\n\r\nAAAA\r\n"
	    "---x y--\r\nepi\r\n",
	    MIXED CTE "7bit\r\n\r\npre??mble\r\n---x y\r\n"
	    CTE "quoted-printable\r\n\r\n=C3=A4\r\n\r\n---x y\r\n"
	    CTE "BASE64\r\n\r\nAAAA\r\n---x y--\r\nepi\r\n");
	/* A part without a body, and none that is closed. */
	check(MIXED "\r\n---x y\r\nA: b\r\n---x y\r\n\r\nc",
	    MIXED "\r\n---x y\r\nA: b\r\n" CTE "quoted-printable\r\n\r\n"
	    "---x y\r\n" CTE "quoted-printable\r\n\r\nc\r\n");
	/* The messages in a digest. */
	check("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n"
	    "Subject: in\r\n\r\n\xe4\r\n--b--\r\n",
	    "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n"
	    "Subject: in\r\nMIME-Version: 1.0\r\n" CTE "quoted-printable\r\n"
	    "\r\n=E4\r\n--b--\r\n");
}

TEST(test_convert_makes_no_delimiter)
{
	/* A soft break before what looks like one. */
	check("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
	    "0123456789012345678901234567890123456789012345678901234567890"
	    "12345678901234--b\r\n--b--\r\n",
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	    CTE "quoted-printable\r\n\r\n"
	    "01234567890123456789012345678901234567890123456789012345678901"
	    "2345678901234=\r\n=2D-b\r\n--b--\r\n");
}

TEST(test_convert_folds_long_header_lines)
{
	struct buf in = BUF_INIT, out = BUF_INIT;
	struct arena a = { 0 };
	struct digest d;

	buf_adds(&in, "Subject:");
	for (int i = 0; i < 500; i++)
		buf_adds(&in, " word");
	buf_adds(&in, "\r\nX-Long: ");
	for (int i = 0; i < 3000; i++)
		buf_addc(&in, 'x');
	buf_adds(&in, "\r\n\r\nbody\r\n");
	CHECK(!convert(in.p, in.len, 11, &out));
	mime_digest(buf_span(&out), &a, &d);
	CHECK_EQ(d.flavour, 0);
	CHECK_EQ(d.envelope.subject.len, 500 * 5 - 1);
	arena_release(&a);
	buf_release(&in);
	buf_release(&out);
}

TEST(test_convert_says_when_something_breaks)
{
	/* RFC 1847: signed as it stands. */
	static const char sign[] = "Content-Type: multipart/signed; "
	    "boundary=s\r\n\r\n--s\r\n\r\n%s\r\n--s--\r\n";
	char in[200];

	snprintf(in, sizeof in, sign, "plain");
	check(in, in);
	snprintf(in, sizeof in, sign, "\xe4");
	CHECK(breaks(in));
	CHECK(breaks(CTE "x-own\r\n\r\n\xe4\r\n"));
	CHECK(!breaks(CTE "x-own\r\n\r\na\r\n"));
	CHECK(breaks("Content-Type: message/rfc822\r\n\r\nSubject: \xe4\r\n"
	    "\r\nx\r\n"));
	/* The outermost header is for SMTPUTF8 to carry. */
	check("Subject: \xc3\xa4\r\n" CTE "base64\r\n\r\nAAAA\r\n",
	    "Subject: \xc3\xa4\r\n" CTE "base64\r\n\r\nAAAA\r\n");
}

TEST(test_convert_ends_with_a_line_end)
{
	check("", "MIME-Version: 1.0\r\n" CTE "quoted-printable\r\n\r\n");
	check("A: b", "A: b\r\nMIME-Version: 1.0\r\n"
	    CTE "quoted-printable\r\n\r\n");
	check(CTE "base64\r\n\r\nAAAA", CTE "base64\r\n\r\nAAAA\r\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_convert_text_becomes_quoted_printable),
		cmocka_unit_test(test_convert_other_things_become_base64),
		cmocka_unit_test(test_convert_goes_through_parts),
		cmocka_unit_test(test_convert_makes_no_delimiter),
		cmocka_unit_test(test_convert_folds_long_header_lines),
		cmocka_unit_test(test_convert_says_when_something_breaks),
		cmocka_unit_test(test_convert_ends_with_a_line_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
