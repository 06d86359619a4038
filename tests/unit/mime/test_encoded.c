#include "tests/check.h"

#include "server/base/cursor.h"
#include "store/mime/encoded.h"

static void
check_decoded(const char *in, const char *out)
{
	size_t len = strlen(in);
	char *copy = xmemdup(in, len);
	struct buf b = BUF_INIT;

	encoded_decode(&b, span_make(copy, len));
	CHECK_STR(b.p, out);
	buf_release(&b);
	free(copy);
}

struct row {
	const char *in, *out;
};

TEST(test_decode_shows_the_examples_of_rfc_2047)
{
	static const struct row rows[] = {
		{ "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>",
		    "Keith Moore <moore@cs.utk.edu>" },
		{ "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>",
		    "Keld J\xc3\xb8rn Simonsen <keld@dkuug.dk>" },
		{ "=?ISO-8859-1?Q?Andr=E9?= Pirard",
		    "Andr\xc3\xa9 Pirard" },
		{ "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= "
		    "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
		    "If you can read this you understand the example." },
		{ "=?ISO-8859-1?Q?Patrik_F=E4ltstr=F6m?=",
		    "Patrik F\xc3\xa4ltstr\xc3\xb6m" },
		{ "(=?iso-8859-8?b?7eXs+SDv4SDp7Oj08A==?=)",
		    "(\xd7\x9d\xd7\x95\xd7\x9c\xd7\xa9 \xd7\x9f\xd7\x91 "
		    "\xd7\x99\xd7\x9c\xd7\x98\xd7\xa4\xd7\xa0)" },
		/* Section 8, the table */
		{ "(=?ISO-8859-1?Q?a?=)", "(a)" },
		{ "(=?ISO-8859-1?Q?a?= b)", "(a b)" },
		{ "(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)" },
		{ "(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)" },
		{ "(=?ISO-8859-1?Q?a?=     =?ISO-8859-1?Q?b?=)", "(ab)" },
		{ "(=?ISO-8859-1?Q?a_b?=)", "(a b)" },
		{ "(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)" },
		/* RFC 2231 section 5 */
		{ "=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check_decoded(rows[i].in, rows[i].out);
}

TEST(test_decode_forgives_what_programs_get_wrong)
{
	static const struct row rows[] = {
		/* A character cut in two, in Q and in B */
		{ "=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "\xc3\xa4" },
		{ "=?utf-8?b?ww==?= =?UTF-8?B?pA==?=", "\xc3\xa4" },
		{ "=?utf-8?q?a b?=", "a b" },
		{ "x=?utf-8?q?a?=y", "xay" },
		{ "=?utf-8?q?=C3=A?=", "\xef\xbf\xbd=A" },
		{ "=?utf-8?q?=?=", "=" },
		{ "=?utf-8?q?\?=", "" },
		{ "=?utf-8?b?\?=", "" },
		{ "=?utf-8?b?YQ?=", "a" },
		{ "=?us-ascii?q?=E4?=", "\xef\xbf\xbd" },
		{ "=?iso-8859-1?q?=80?=", "\xe2\x82\xac" },
		{ "=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=",
		    "\xe6\x97\xa5\xe6\x9c\xac" },
		{ "=?gb2312?B?1tDOxA==?=", "\xe4\xb8\xad\xe6\x96\x87" },
		{ "=?koi8-r?Q?=F4=C5=D3=D4?=",
		    "\xd0\xa2\xd0\xb5\xd1\x81\xd1\x82" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check_decoded(rows[i].in, rows[i].out);
}

TEST(test_decode_leaves_what_is_no_encoded_word)
{
	static const char *const same[] = {
		"", "plain", "=", "=?", "=?utf-8", "=?utf-8?", "=?utf-8?q",
		"=?utf-8?q?", "=?utf-8?q?a", "=?utf-8?q?a?", "=?utf-8?x?a?=",
		"=??q?a?=", "=?utf-8?qq?a?=", "=?no-such?q?a?=",
		"=?no-such?q?a?= =?no-such?q?b?=", "=?utf-8?q?a?b?=",
		"=?utf 8?q?a?=", "a = b ?= c", "a  b\tc", " a ",
		"=?=?=?=?", "\xc3\xa4",
	};

	for (size_t i = 0; i < COUNT(same); i++)
		check_decoded(same[i], same[i]);
}

TEST(test_decode_makes_raw_bytes_utf8)
{
	check_decoded("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
	check_decoded("gr\xfc\xdf", "gr\xc3\xbc\xc3\x9f");
	check_decoded("\xe4 =?utf-8?q?=C3=A4?=", "\xc3\xa4 \xc3\xa4");
	check_decoded("\xc3", "\xc3\x83");
	check_decoded("=?no-such?q?\xff?=", "=?no-such?q?\xc3\xbf?=");
}

TEST(test_decode_makes_controls_spaces)
{
	check_decoded("a\nb\rc\td\x7f" "e", "a b c\td e");
	check_decoded("=?utf-8?q?a=0D=0Ab=00c=1B?=", "a  b c ");
	check_decoded("=?utf-8?q?a=C2=85b?=", "a b");
	check_decoded("a\xc2\xa0z", "a\xc2\xa0z");
}

TEST(test_decode_appends)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "\x01" "x");
	encoded_decode(&b, SPAN("=?utf-8?q?a?="));
	CHECK_STR(b.p, "\x01xa");
	buf_release(&b);
}

TEST(test_encode_leaves_ascii_alone)
{
	static const char *const same[] = {
		"", "Hello", "a  b", " a ", "a = b", "x?y", "a\tb",
	};

	for (size_t i = 0; i < COUNT(same); i++) {
		struct buf b = BUF_INIT;

		encoded_encode(&b, span_of(same[i]));
		CHECK_STR(b.p, same[i]);
		buf_release(&b);
	}
}

TEST(test_encode_takes_the_shorter_encoding_for_what_needs_it)
{
	static const struct row rows[] = {
		{ "gr\xc3\xbc\xc3\x9f" "e aus Berlin",
		    "=?utf-8?B?Z3LDvMOfZQ==?= aus Berlin" },
		{ "ein sch\xc3\xb6nes Wort", "ein =?utf-8?Q?sch=C3=B6nes?= "
		    "Wort" },
		{ "\xc3\xa4 b \xc3\xa4 c", "=?utf-8?B?w6QgYiDDpA==?= c" },
		{ "a =?b", "a =?utf-8?B?PT9i?=" },
		{ "a\x01", "=?utf-8?Q?a=01?=" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf b = BUF_INIT;

		encoded_encode(&b, span_of(rows[i].in));
		CHECK_STR(b.p, rows[i].out);
		buf_release(&b);
	}
}

/* Every word is at most 75 octets, and what was encoded is read back. */
static void
check_there_and_back(struct span text)
{
	struct buf there = BUF_INIT, back = BUF_INIT;
	struct cursor c;

	encoded_encode(&there, text);
	c = cursor_of_span(buf_span(&there));
	while (!cursor_at_end(&c)) {
		struct span word = cursor_until(&c, ' ');

		CHECK(!span_starts(word, "=?") || word.len <= 75);
		(void)cursor_skip(&c, ' ');
	}
	encoded_decode(&back, buf_span(&there));
	CHECK(span_eq(buf_span(&back), text));
	buf_release(&there);
	buf_release(&back);
}

TEST(test_encode_is_read_back_the_same)
{
	static const char *const texts[] = {
		"gr\xc3\xbc\xc3\x9f", "\xc3\xa4  \xc3\xa4", "  \xc3\xa4  ",
		"a =?utf-8?q?b?= c", "=?", "\xf0\x9f\x98\x80 x _ = ?",
		"\xc3\xa4\t\xc3\xa4",
	};
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < COUNT(texts); i++)
		check_there_and_back(span_of(texts[i]));
	for (int i = 0; i < 200; i++) {
		buf_adds(&b, i % 3 ? "\xe6\x97\xa5" : "a");
		check_there_and_back(buf_span(&b));
	}
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode_shows_the_examples_of_rfc_2047),
		cmocka_unit_test(test_decode_forgives_what_programs_get_wrong),
		cmocka_unit_test(test_decode_leaves_what_is_no_encoded_word),
		cmocka_unit_test(test_decode_makes_raw_bytes_utf8),
		cmocka_unit_test(test_decode_makes_controls_spaces),
		cmocka_unit_test(test_decode_appends),
		cmocka_unit_test(test_encode_leaves_ascii_alone),
		cmocka_unit_test(
		    test_encode_takes_the_shorter_encoding_for_what_needs_it),
		cmocka_unit_test(test_encode_is_read_back_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
