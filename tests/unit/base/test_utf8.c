#include "server/base/utf8.h"

#include "server/base/err.h"
#include "tests/check.h"

#include <utf8proc.h>

TEST(test_utf8_takes_what_rfc_3629_allows)
{
	static const char *const good[] = {
		"", "abc", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
		"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
	};

	for (size_t i = 0; i < COUNT(good); i++)
		CHECK(utf8_is_valid(span_of(good[i])));
	CHECK(utf8_is_valid(SPAN("a\0b")));
}

static const char *const invalid[] = {
	"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
	"\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80",
	"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
	"\xfe", "\xc2", "\xe2\x82", "\xf0\x9f\x98", "\xc2" "A",
	"\xe2\x82" "A", "\xf8\x88\x80\x80\x80",
};

TEST(test_utf8_refuses_overlong_surrogates_and_cut_ones)
{
	for (size_t i = 0; i < COUNT(invalid); i++)
		CHECK(!utf8_is_valid(span_of(invalid[i])));
}

TEST(test_utf8_decode_takes_one_byte_of_what_is_invalid)
{
	for (size_t i = 0; i < COUNT(invalid); i++) {
		uint32_t cp = 0;

		CHECK_EQ(utf8_decode(span_of(invalid[i]), &cp), 1);
		CHECK_EQ(cp, UTF8_REPLACEMENT);
	}
}

TEST(test_utf8_every_scalar_value_comes_back)
{
	for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
		struct buf out = BUF_INIT;
		uint32_t back;

		utf8_encode(&out, cp);
		if (utf8_decode(buf_span(&out), &back) != out.len)
			CHECK_EQ(cp, 0);
		if (back != cp && (cp < 0xd800 || cp > 0xdfff))
			CHECK_EQ(back, cp);
		if (cp >= 0xd800 && cp <= 0xdfff)
			CHECK_EQ(back, UTF8_REPLACEMENT);
		buf_release(&out);
	}
}

TEST(test_utf8_encode_replaces_what_is_no_scalar_value)
{
	struct buf out = BUF_INIT;

	utf8_encode(&out, 0x110000);
	utf8_encode(&out, UINT32_MAX);
	CHECK_STR(out.p, "\xef\xbf\xbd\xef\xbf\xbd");
	buf_release(&out);
}

TEST(test_utf8_ascii_is_below_0x80)
{
	CHECK(utf8_is_ascii(SPAN("")));
	CHECK(utf8_is_ascii(SPAN("\x01\x7f\0")));
	CHECK(!utf8_is_ascii(SPAN("abc\x80")));
}

static void
check_fold(const char *in, const char *want)
{
	struct buf out = BUF_INIT;

	utf8_fold(&out, span_of(in));
	CHECK_STR(out.p, want);
	buf_release(&out);
}

/* Some letters are folded without the library; it must agree on all. */
TEST(test_utf8_fold_agrees_with_the_library_on_every_character)
{
	struct buf in = BUF_INIT, out = BUF_INIT, want = BUF_INIT;

	for (uint32_t cp = 1; cp <= 0x10ffff; cp++) {
		utf8proc_int32_t to[8];
		int last = 0;
		utf8proc_ssize_t n;

		if (cp >= 0xd800 && cp <= 0xdfff)
			continue;
		buf_truncate(&in, 0);
		buf_truncate(&out, 0);
		buf_truncate(&want, 0);
		utf8_encode(&in, cp);
		utf8_fold(&out, buf_span(&in));
		n = utf8proc_decompose_char((utf8proc_int32_t)cp, to,
		    COUNT(to), UTF8PROC_CASEFOLD, &last);
		for (utf8proc_ssize_t i = 0; i < n; i++)
			utf8_encode(&want, (uint32_t)to[i]);
		if (!span_eq(buf_span(&out), buf_span(&want)))
			fail_msg("U+%04X", (unsigned)cp);
	}
	buf_release(&in);
	buf_release(&out);
	buf_release(&want);
}

TEST(test_utf8_fold_and_its_kin_see_every_place_of_a_word)
{
	char text[40];

	for (size_t len = 0; len < sizeof text - 2; len++) {
		for (size_t at = 0; at < len; at++) {
			struct buf out = BUF_INIT;

			memset(text, 'A', len + 1);
			CHECK(utf8_is_ascii(span_make(text, len)));
			text[at] = '\xc3';
			CHECK(!utf8_is_ascii(span_make(text, len)));
			CHECK(!utf8_is_valid(span_make(text, len)));
			text[at + 1] = '\x84';
			CHECK(utf8_is_valid(span_make(text, len + 1)));
			utf8_fold(&out, span_make(text, len + 1));
			CHECK_EQ(out.len, len + 1);
			for (size_t i = 0; i <= len; i++)
				CHECK_EQ(out.p[i], i == at ? '\xc3' :
				    i == at + 1 ? '\xa4' : 'a');
			buf_release(&out);
		}
	}
}

TEST(test_utf8_fold_is_full_case_folding)
{
	check_fold("HeLLo 1", "hello 1");
	check_fold("STRA\xc3\x9f" "E", "strasse");	/* sharp s */
	check_fold("\xc3\x84\xc3\x96", "\xc3\xa4\xc3\xb6");
	check_fold("\xce\xa3\xcf\x82", "\xcf\x83\xcf\x83");	/* sigmas */
	check_fold("\xd0\x9f\xd0\xa0", "\xd0\xbf\xd1\x80");
	check_fold("\xe6\x97\xa5", "\xe6\x97\xa5");
	check_fold("\xef\xac\x83", "ffi");		/* ligature */
}

TEST(test_utf8_fold_copies_what_is_invalid)
{
	check_fold("A\xff" "B\xc3", "a\xff" "b\xc3");
	check_fold("\xed\xa0\x80Z", "\xed\xa0\x80z");
}

static void
check_casemap(const char *in, const char *want)
{
	struct buf out = BUF_INIT;

	utf8_casemap(&out, span_of(in));
	CHECK_STR(out.p, want);
	buf_release(&out);
}

/* RFC 5051 section 2 */
TEST(test_utf8_casemap_is_title_case_decomposed)
{
	check_casemap("abc_ XYZ", "ABC_ XYZ");
	check_casemap("\xc3\xa9t\xc3\x89", "E\xcc\x81TE\xcc\x81");
	check_casemap("e\xcc\x81", "E\xcc\x81");
	/* its example: U+01C4 */
	check_casemap("\xc7\x84", "Dz\xcc\x8c");
	check_casemap("\xef\xac\x81", "FI");		/* ligature */
	check_casemap("\xef\xbc\xa1", "A");		/* of full width */
	check_casemap("\xd0\xb9", "\xd0\x98\xcc\x86");	/* short i */
	check_casemap("\xea\xb0\x80", "\xe1\x84\x80\xe1\x85\xa1");
	check_casemap("\xe6\x97\xa5", "\xe6\x97\xa5");
	/* beyond it: what folds together */
	check_casemap("stra\xc3\x9f" "e", "STRASSE");
	check_casemap("a\xff" "b\xc3", "A\xff" "B\xc3");
}

static void
check_loose(const char *in, const char *want)
{
	struct buf out = BUF_INIT;

	utf8_fold_loose(&out, span_of(in));
	CHECK_STR(out.p, want);
	buf_release(&out);
}

TEST(test_utf8_fold_loose_is_small_and_decomposed)
{
	check_loose("abc_ XYZ", "abc_ xyz");
	check_loose("\xc3\xa9t\xc3\x89", "e\xcc\x81te\xcc\x81");
	check_loose("E\xcc\x81", "e\xcc\x81");
	check_loose("\xef\xac\x81 STRA\xc3\x9f" "E", "fi strasse");
	check_loose("\xd0\x9f\xd0\x99", "\xd0\xbf\xd0\xb8\xcc\x86");
	check_loose("\xe6\x97\xa5\xef\xbc\xa1", "\xe6\x97\xa5" "a");
	check_loose("A\xff" "B\xc3", "a\xff" "b\xc3");
}

static void
check_name(const char *in, const char *want)
{
	struct buf out = BUF_INIT;

	CHECK_EQ(utf8_prepare_name(&out, span_of(in)), 0);
	CHECK_STR(out.p, want);
	buf_release(&out);
}

TEST(test_utf8_names_match_without_case_and_form)
{
	check_name("Alice@Example.ORG", "alice@example.org");
	check_name("J\xc3\x96RG", "j\xc3\xb6rg");
	check_name("jo\xcc\x88rg", "j\xc3\xb6rg");	/* o and a diaeresis */
	check_name("o'neil+tag_x-1", "o'neil+tag_x-1");
}

TEST(test_utf8_names_have_no_controls_spaces_or_unassigned)
{
	static const struct span bad[] = {
		{ "", 0 }, { "a b", 3 }, { "a\tb", 3 }, { "a\0b", 3 },
		{ "a\x7f", 2 }, { "a\xc2\xa0" "b", 4 },
		{ "a\xe2\x80\xae" "b", 5 },	/* right-to-left override */
		{ "a\xe2\x80\x8b" "b", 5 },	/* zero width space */
		{ "a\xff", 2 }, { "a\xef\xbf\xbe", 4 },
		{ "\xee\x80\x80", 3 },		/* private use */
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf out = BUF_INIT;

		CHECK_EQ(utf8_prepare_name(&out, bad[i]), ERR_BADNAME);
		CHECK_EQ(out.len, 0);
		buf_release(&out);
	}
}

TEST(test_utf8_names_that_are_endless_are_refused)
{
	struct buf in = BUF_INIT, out = BUF_INIT;

	for (int i = 0; i < 5000; i++)
		buf_addc(&in, 'a');
	CHECK_EQ(utf8_prepare_name(&out, buf_span(&in)), ERR_BADNAME);
	CHECK_EQ(utf8_nfc(&out, buf_span(&in)), ERR_SYNTAX);
	buf_release(&in);
	buf_release(&out);
}

TEST(test_utf8_nfc_composes_and_refuses_invalid)
{
	struct buf out = BUF_INIT;

	CHECK_EQ(utf8_nfc(&out, SPAN("A\xcc\x8a \xe2\x84\xab")), 0);
	CHECK_STR(out.p, "\xc3\x85 \xc3\x85");
	buf_clear(&out);
	CHECK_EQ(utf8_nfc(&out, SPAN("")), 0);
	CHECK_EQ(utf8_nfc(&out, SPAN("a\xff")), ERR_SYNTAX);
	CHECK_EQ(out.len, 0);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8_takes_what_rfc_3629_allows),
		cmocka_unit_test(test_utf8_refuses_overlong_surrogates_and_cut_ones),
		cmocka_unit_test(test_utf8_decode_takes_one_byte_of_what_is_invalid),
		cmocka_unit_test(test_utf8_every_scalar_value_comes_back),
		cmocka_unit_test(test_utf8_encode_replaces_what_is_no_scalar_value),
		cmocka_unit_test(test_utf8_ascii_is_below_0x80),
		cmocka_unit_test(
	test_utf8_fold_agrees_with_the_library_on_every_character),
		cmocka_unit_test(
	test_utf8_fold_and_its_kin_see_every_place_of_a_word),
		cmocka_unit_test(test_utf8_fold_is_full_case_folding),
		cmocka_unit_test(test_utf8_fold_copies_what_is_invalid),
		cmocka_unit_test(test_utf8_casemap_is_title_case_decomposed),
		cmocka_unit_test(test_utf8_fold_loose_is_small_and_decomposed),
		cmocka_unit_test(test_utf8_names_match_without_case_and_form),
		cmocka_unit_test(test_utf8_names_have_no_controls_spaces_or_unassigned),
		cmocka_unit_test(test_utf8_names_that_are_endless_are_refused),
		cmocka_unit_test(test_utf8_nfc_composes_and_refuses_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
