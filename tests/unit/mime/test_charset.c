#include "tests/check.h"

#include "server/base/err.h"
#include "store/mime/charset.h"

TEST(test_charset_converts_what_mail_is_written_in)
{
	static const struct {
		const char *name, *in, *out;
	} rows[] = {
		{ "utf-8", "\xc3\xa4", "\xc3\xa4" },
		{ "UTF8", "a", "a" },
		{ "US-ASCII", "abc", "abc" },
		{ "ascii", "a\x80", "a\xef\xbf\xbd" },
		{ "ISO-8859-1", "\xe4\xff", "\xc3\xa4\xc3\xbf" },
		{ "latin1", "\x80\x96", "\xe2\x82\xac\xe2\x80\x93" },
		{ "windows-1252", "\x81", "\xc2\x81" },
		{ "iso-8859-2", "\xb1", "\xc4\x85" },
		{ "iso-8859-5", "\xb0", "\xd0\x90" },
		{ "iso-8859-7", "\xe1", "\xce\xb1" },
		{ "iso-8859-8-i", "\xe0", "\xd7\x90" },
		{ "iso-8859-9", "\xfd", "\xc4\xb1" },
		{ "iso-8859-15", "\xa4", "\xe2\x82\xac" },
		{ "latin-9", "\xa4", "\xe2\x82\xac" },
		{ "iso-8859-16", "\xa4", "\xe2\x82\xac" },
		{ "windows-1250", "\xb9", "\xc4\x85" },
		{ "windows-1251", "\xc0", "\xd0\x90" },
		{ "windows-1255", "\xe0", "\xd7\x90" },
		{ "windows-1258", "a\xec" "b", "\xc3\xa1" "b" },
		{ "windows-874", "\xa1", "\xe0\xb8\x81" },
		{ "tis-620", "\xa1", "\xe0\xb8\x81" },
		{ "koi8-r", "\xc1", "\xd0\xb0" },
		{ "KOI8-U", "\xa4", "\xd1\x94" },
		{ "gb2312", "\xd6\xd0", "\xe4\xb8\xad" },
		{ "gbk", "\x81\x40", "\xe4\xb8\x82" },
		{ "gb18030", "\x84\x31\x95\x33", "\xef\xbb\xbf" },
		/* RFC 1843 */
		{ "hz-gb-2312", "~{VPND~}a~~b~\nc~x\n",
		    "\xe4\xb8\xad\xe6\x96\x87" "a~bc\xef\xbf\xbdx\n" },
		{ "big5", "\xa4\xa4", "\xe4\xb8\xad" },
		{ "euc-jp", "\xc6\xfc", "\xe6\x97\xa5" },
		{ "Shift_JIS", "\x93\xfa", "\xe6\x97\xa5" },
		{ "ISO-2022-JP", "\x1b$BF|\x1b(Ba", "\xe6\x97\xa5" "a" },
		{ "euc-kr", "\xc7\xd1", "\xed\x95\x9c" },
		{ "ks_c_5601-1987", "\xc7\xd1", "\xed\x95\x9c" },
		{ "iso-2022-kr", "\x1b$)C\x0eGQ\x0f" "a", "\xed\x95\x9c" "a" },
		{ "utf-16be", "\x20\xac", "\xe2\x82\xac" },
		{ "utf-16le", "\xac\x20", "\xe2\x82\xac" },
		{ "utf-16", "\xfe\xff\x20\xac", "\xe2\x82\xac" },
		/* RFC 2152 */
		{ "utf-7", "Hi Mom -+Jjo--!", "Hi Mom -\xe2\x98\xba-!" },
		{ "macintosh", "\x8a", "\xc3\xa4" },
		{ "ibm437", "\x84", "\xc3\xa4" },
		{ "cp850", "\x84", "\xc3\xa4" },
		{ "ibm866", "\x80", "\xd0\x90" },
		{ "viscii", "\xe1", "\xc3\xa1" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT;

		CHECK(charset_is_known(span_of(rows[i].name)));
		CHECK_EQ(charset_to_utf8(&out, span_of(rows[i].name),
		    span_of(rows[i].in)), 0);
		CHECK_STR(out.p, rows[i].out);
		buf_release(&out);
	}
}

TEST(test_charset_opens_every_name_of_its_table)
{
	static const char *const names[] = {
		"utf-8", "us-ascii", "ansi_x3.4-1968", "iso-8859-1",
		"iso-8859-2", "latin2", "iso-8859-3", "iso-8859-4",
		"iso-8859-5", "iso-8859-6", "iso-8859-7", "iso-8859-8",
		"iso-8859-9", "latin5", "iso-8859-10", "iso-8859-11",
		"iso-8859-13", "iso-8859-14", "iso-8859-15", "iso-8859-16",
		"windows-1250", "windows-1251", "windows-1252",
		"windows-1253", "windows-1254", "windows-1255",
		"windows-1256", "windows-1257", "windows-1258",
		"windows-874", "windows-31j", "cp932", "koi8-r", "koi8-u",
		"gb2312", "gb_2312-80", "gbk", "gb18030", "hz-gb-2312", "big5",
		"big5-hkscs", "euc-jp", "shift_jis", "shift-jis", "sjis",
		"x-sjis", "iso-2022-jp", "iso-2022-jp-1", "iso-2022-jp-2",
		"iso-2022-kr", "euc-kr", "ks_c_5601-1987", "ksc5601",
		"cp949", "utf-16", "utf-16le", "utf-16be", "utf-32", "utf-7",
		"unicode-1-1-utf-7", "macintosh", "x-mac-roman", "ibm437",
		"cp437", "ibm850", "cp850", "ibm852", "ibm866", "cp866",
		"tis-620", "viscii",
	};

	for (size_t i = 0; i < COUNT(names); i++) {
		struct charset *c = charset_new(span_of(names[i]));

		CHECK(c != NULL);
		charset_free(c);
	}
}

TEST(test_charset_refuses_names_outside_its_table)
{
	/* Some of them iconv would take. */
	static const char *const bad[] = {
		"", "x", "utf", "utf-8//TRANSLIT", "ISO-2022-CN-EXT",
		"utf-8\n", "utf-8 ", "ebcdic-us", "UCS-2", "wchar_t", "char",
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf out = BUF_INIT;

		CHECK(!charset_is_known(span_of(bad[i])));
		CHECK(charset_new(span_of(bad[i])) == NULL);
		CHECK_EQ(charset_to_utf8(&out, span_of(bad[i]), SPAN("a")),
		    ERR_CHARSET);
		CHECK_EQ(out.len, 0);
		buf_release(&out);
	}
}

TEST(test_charset_replaces_what_means_nothing)
{
	static const struct {
		const char *name, *in, *out;
	} rows[] = {
		{ "utf-8", "a\xff" "b", "a\xef\xbf\xbd" "b" },
		{ "utf-8", "\xc3", "\xef\xbf\xbd" },
		{ "utf-8", "\xc3" "a", "\xef\xbf\xbd" "a" },
		{ "utf-8", "\xe2\x82", "\xef\xbf\xbd" },
		{ "utf-8", "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "utf-8", "\xed\xa0\x80",
		    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "euc-jp", "a\xff", "a\xef\xbf\xbd" },
		{ "gb2312", "\xd6", "\xef\xbf\xbd" },
		{ "utf-16be", "\x20", "\xef\xbf\xbd" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT;

		CHECK_EQ(charset_to_utf8(&out, span_of(rows[i].name),
		    span_of(rows[i].in)), 0);
		CHECK_STR(out.p, rows[i].out);
		buf_release(&out);
	}
}

TEST(test_charset_gives_the_same_byte_by_byte)
{
	static const struct {
		const char *name, *in;
	} rows[] = {
		{ "utf-8", "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xff\xe2x" },
		{ "utf-8", "\xf0\x9f\xe2\x82\xc3\xed\xa0\x80\xf4\x90\x80" },
		{ "iso-8859-1", "a\xe4\x80" },
		{ "gb18030", "a\x84\x31\x95\x33\xd6\xd0\xff\x81" },
		{ "big5", "\xa4\xa4\xa4\xff\xa4" },
		{ "shift_jis", "\x93\xfa\x93\x93\xfa" },
		{ "iso-2022-jp", "\x1b$BF|K\\\x1b(Ba\x1b\x1b$BF|\x1b" },
		{ "iso-2022-kr", "\x1b$)C\x0eGQ\x0f" "a" },
		{ "utf-16", "\xff\xfe\xac\x20\x3d\xd8\x00\xde" },
		{ "utf-7", "a+Jjo-b+AGE" },
		{ "windows-1255", "\xe0\xc7\xc8 abc\xe1 def" },
		{ "hz-gb-2312", "a~{VPND~}b~~~\nc~{V\nd~x\xe4~" },
		{ "windows-1258", "a\xec" "bc\xd2 de" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct charset *c = charset_new(span_of(rows[i].name));
		struct buf whole = BUF_INIT, bytes = BUF_INIT;
		struct span in = span_of(rows[i].in);

		CHECK(c != NULL);
		CHECK_EQ(charset_to_utf8(&whole, span_of(rows[i].name), in),
		    0);
		for (size_t k = 0; k < in.len; k++)
			charset_add(c, &bytes, in.p + k, 1);
		charset_finish(c, &bytes);
		CHECK_STR(bytes.p, whole.p);
		charset_free(c);
		buf_release(&whole);
		buf_release(&bytes);
	}
}

TEST(test_charset_free_takes_null)
{
	charset_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_charset_converts_what_mail_is_written_in),
		cmocka_unit_test(
		    test_charset_opens_every_name_of_its_table),
		cmocka_unit_test(
		    test_charset_refuses_names_outside_its_table),
		cmocka_unit_test(test_charset_replaces_what_means_nothing),
		cmocka_unit_test(test_charset_gives_the_same_byte_by_byte),
		cmocka_unit_test(test_charset_free_takes_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
