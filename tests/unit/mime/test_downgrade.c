#include "store/mime/downgrade.h"

#include "tests/check.h"

static void
check_header(const char *in, const char *want)
{
	struct buf b = BUF_INIT;
	bool changed = downgrade_header(&b, span_of(in));

	CHECK_STR(b.p, want);
	CHECK_EQ(changed, strcmp(in, want) != 0);
	buf_release(&b);
}

TEST(test_downgrade_leaves_ascii_alone)
{
	check_header("Subject: =?utf-8?Q?x?=\r\n y\r\nnot a field\r\n\r\n",
	    "Subject: =?utf-8?Q?x?=\r\n y\r\nnot a field\r\n\r\n");
	check_header("", "");
	check_header("A: b", "A: b");
}

/* RFC 6858 sections 2.1 to 2.4 */
TEST(test_downgrade_follows_the_rfc)
{
	check_header("Subject: gr\xc3\xbc\xc3\x9f\r\nX: 1\r\n\r\n",
	    "Subject: =?utf-8?B?Z3LDvMOf?=\r\nX: 1\r\n\r\n");
	check_header("to: J\xc3\xb6 <a@b.test>, x@y\r\n\r\n",
	    "to: =?utf-8?B?SsO2?= <a@b.test>,\r\n <x@y>\r\n\r\n");
	check_header("From: <d\xc3\xb6@x.test>\r\n\r\n",
	    "From: =?utf-8?B?PGTDtkB4LnRlc3Q+?= "
	    "<invalid@internationalized-address.invalid>\r\n\r\n");
	check_header("Content-Disposition: attachment; filename=\xc3\xb6; "
	    "size=3\r\n\r\n",
	    "Content-Disposition: attachment; size=3\r\n\r\n");
	check_header("X-Foo: \xc3\xb6\r\nMessage-ID: <\xc3\xb6@x>\r\nA: b\r\n"
	    "\r\n", "A: b\r\n\r\n");
	check_header("Content-Type: \xc3\xb6/x; a=b\r\n\r\n", "\r\n");
	check_header("no \xc3\xb6 field\r\nA: b\r\n", "A: b\r\n");
}

TEST(test_downgrade_keeps_groups_and_quotes_what_it_must)
{
	check_header("Cc: G: \"a, b\" <\"x y\"@z.test>, <\xc3\xb6@z.test>;\r\n"
	    "\r\n", "Cc: G: \"a, b\" <\"x y\"@z.test>,\r\n "
	    "=?utf-8?B?PMO2QHoudGVzdD4=?= "
	    "<invalid@internationalized-address.invalid> ;\r\n\r\n");
	check_header("From: \"Doe, J\xc3\xb6\" <a@b>\r\n\r\n",
	    "From: \"Doe,\" =?utf-8?B?SsO2?= <a@b>\r\n\r\n");
}

TEST(test_downgrade_takes_what_is_no_utf8_as_latin1)
{
	check_header("Subject: gr\xfc\xdf\r\n\r\n",
	    "Subject: =?utf-8?B?Z3LDvMOf?=\r\n\r\n");
}

TEST(test_downgrade_leaves_no_8bit)
{
	struct buf b = BUF_INIT;

	downgrade_header(&b, SPAN("Subject: \xff\r\nTo: \xff <\xff@\xff>\r\n"
	    "Content-Type: a/b; \"\xff\r\n\xff: \xff\r\n"));
	CHECK(!downgrade_is_needed(buf_span(&b)));
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_downgrade_leaves_ascii_alone),
		cmocka_unit_test(test_downgrade_follows_the_rfc),
		cmocka_unit_test(
		    test_downgrade_keeps_groups_and_quotes_what_it_must),
		cmocka_unit_test(
		    test_downgrade_takes_what_is_no_utf8_as_latin1),
		cmocka_unit_test(test_downgrade_leaves_no_8bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
