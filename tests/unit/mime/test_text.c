#include "tests/check.h"

#include "store/mime/mime.h"
#include "store/mime/text.h"

TEST(test_contains_finds_a_needle_at_every_place)
{
	char hay[200];

	/* Every length of needle around the width of a vector, anywhere. */
	for (size_t len = 1; len <= 80; len++) {
		for (size_t at = 0; at + len <= sizeof hay; at += 7) {
			char *copy;

			memset(hay, 'a', sizeof hay);
			memset(hay + at, 'b', len);
			copy = xmemdup(hay + at, len);
			CHECK(text_contains(span_make(hay, sizeof hay),
			    span_make(copy, len)));
			copy[len - 1] = 'c';
			CHECK(!text_contains(span_make(hay, sizeof hay),
			    span_make(copy, len)));
			free(copy);
		}
	}
}

TEST(test_contains_reads_no_further_than_its_ends)
{
	for (size_t hay_len = 0; hay_len < 70; hay_len++) {
		for (size_t len = 1; len < 40; len++) {
			char *hay = xmalloc(hay_len), *needle = xmalloc(len);

			memset(hay, 'x', hay_len);
			memset(needle, 'x', len);
			CHECK_EQ(text_contains(span_make(hay, hay_len),
			    span_make(needle, len)), hay_len >= len);
			free(hay);
			free(needle);
		}
	}
}

TEST(test_contains_an_empty_needle_always)
{
	CHECK(text_contains(SPAN("a"), SPAN("")));
	CHECK(text_contains(span_make(NULL, 0), span_make(NULL, 0)));
	CHECK(!text_contains(span_make(NULL, 0), SPAN("a")));
	CHECK(text_contains(SPAN("aab"), SPAN("ab")));
	CHECK(text_contains(span_make("a\0b", 3), span_make("\0b", 2)));
}

TEST(test_header_contains_looks_at_decoded_and_folded_text)
{
	static const struct {
		const char *value, *needle;
		bool found;
	} rows[] = {
		{ "Hello World", "world", true },
		{ "Hello World", "worlds", false },
		{ "Hello", "", true },
		{ "=?utf-8?q?GR=C3=9CN?=", "gru\xcc\x88n", true },
		{ "=?iso-8859-1?q?Stra=DFe?=", "strasse", true },
		{ "=?utf-8?q?a?= =?utf-8?q?b?=", "ab", true },
		{ "=?utf-8?q?a?=", "utf-8", false },
		{ "a =? b", "=? b", true },
		{ "\xc3\x84rger", "a\xcc\x88rger", true },
		{ "\xc4rger", "a\xcc\x88rger", true },
		{ "\xce\xa3\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82",
		    "\xcf\x83\xce\xb9\xcc\x81\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x83",
		    true },
	};
	struct buf scratch = BUF_INIT;

	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK_EQ(text_header_contains(span_of(rows[i].value),
		    span_of(rows[i].needle), &scratch), rows[i].found);
	buf_release(&scratch);
}

/* Whether the body of the message, cut into pieces, contains the needle. */
static bool
scan_in_pieces(const char *message, const char *needle, size_t step)
{
	struct arena a = { 0 };
	struct digest d;
	struct span body, needles[2] = { SPAN("not there"), { NULL, 0 } };
	struct text_scan *t;
	bool found[2] = { false, false };

	needles[1] = span_of(needle);
	mime_digest(span_of(message), &a, &d);
	body = span_from(span_of(message), (size_t)d.root->body_off);
	t = text_scan_new(d.root, needles, COUNT(needles), found);
	while (body.len) {
		struct span s = span_head(body, step);
		char *copy = xmemdup(s.p, s.len);

		text_scan_add(t, copy, s.len);
		free(copy);
		body = span_from(body, s.len);
	}
	text_scan_finish(t);
	text_scan_free(t);
	arena_release(&a);
	CHECK(!found[0]);
	return found[1];
}

TEST(test_scan_finds_text_under_its_encodings)
{
	static const struct {
		const char *message, *needle;
		bool found;
	} rows[] = {
		{ "\r\nHello World", "lo wo", true },
		{ "\r\nHello World", "hello", true },
		{ "\r\nHello World", "world", true },
		{ "\r\nHello World", "worldx", false },
		{ "\r\n", "x", false },
		{ "\r\n", "", true },
		{ "Content-Type: text/plain; charset=utf-8\r\n\r\n"
		    "xx GR\xc3\x9cN xx", "gru\xcc\x88n", true },
		{ "Content-Type: text/plain; charset=iso-8859-1\r\n\r\n"
		    "GR\xdcN", "gru\xcc\x88n", true },
		{ "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
		    "GR\xc3\x9cN", "gru\xcc\x88n", true },
		{ "Content-Type: text/plain; charset=no-such\r\n\r\n"
		    "GR\xc3\x9cN", "gru\xcc\x88n", true },
		{ "Content-Transfer-Encoding: quoted-printable\r\n"
		    "Content-Type: text/plain; charset=utf-8\r\n\r\n"
		    "Gr=C3=\r\n=9Cn=\r\nlich", "gru\xcc\x88nlich", true },
		{ "Content-Transfer-Encoding: base64\r\n\r\n"
		    "SGVsbG8g\r\nV29ybGQ=", "hello world", true },
		{ "Content-Transfer-Encoding: base64\r\n"
		    "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n"
		    "GyRCRnxLXBsoQg==", "\xe6\x97\xa5\xe6\x9c\xac", true },
		{ "Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8g",
		    "sgvs", false },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t step = 1; step < 40; step += 3)
			CHECK_EQ(scan_in_pieces(rows[i].message,
			    rows[i].needle, step), rows[i].found);
}

TEST(test_html_loses_its_tags)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "plain", "plain" },
		{ "<p>a</p>", " a " },
		{ "a<b>b</b>c", "abc" },
		{ "a<br>b", "a b" },
		{ "a<br/>b", "a b" },
		{ "a<!-- > -->b", "ab" },
		{ "a<!DOCTYPE html>b", "a b" },
		{ "<a href=\"x>y\">b</a>", "b" },
		{ "<a href='x>y'>b</a>", "b" },
		{ "<style>p { x: \"</p>\" }</style>a", " a" },
		{ "<script>if (a<b) c</script>d", " d" },
		{ "<STYLE type=x>y</style >z", " z" },
		{ "a &amp; b &lt;c&gt; &quot;d&quot;", "a & b <c> \"d\"" },
		{ "&#228;&#xE4;&#XE4;", "\xc3\xa4\xc3\xa4\xc3\xa4" },
		{ "&auml;&euro;", "\xc3\xa4\xe2\x82\xac" },
		{ "&nosuch; & &; &#; &#x; &#xg;",
		    "&nosuch; & &; &#; &#x; &#xg;" },
		{ "&#xD800;&#1114112;", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "1 < 2", "1 < 2" },
		/* The end comes in the middle */
		{ "a<", "a<" }, { "a<b", "a" }, { "a</", "a " },
		{ "a<b x=\"", "a" }, { "a<b x=\"y>z", "a" },
		{ "a<!--", "a" }, { "a<!--x--", "a" }, { "a<!-", "a " },
		{ "a<style>b", "a " }, { "a<style>b</", "a " },
		{ "a<style>b</style", "a " }, { "a&", "a&" },
		{ "a&amp", "a&amp" }, { "a&#", "a&#" }, { "", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span in = span_of(rows[i].in);
		char *copy = xmemdup(in.p, in.len);
		struct buf out = BUF_INIT;
		struct html_strip h = { 0 };

		text_strip_html(&out, span_make(copy, in.len));
		CHECK_STR(out.p, rows[i].out);
		buf_clear(&out);
		for (size_t at = 0; at < in.len; at++)
			html_strip_add(&h, &out, span_make(in.p + at, 1));
		html_strip_finish(&h, &out);
		CHECK_STR(out.p, rows[i].out);
		buf_release(&out);
		free(copy);
	}
}

/* A quote that nobody closes hides no more than a long value may have. */
TEST(test_html_ends_a_tag_whose_quote_has_no_end)
{
	struct buf in = BUF_INIT, out = BUF_INIT;

	buf_adds(&in, "a<img src=\"");
	for (int i = 0; i < 70000; i++)
		buf_addc(&in, 'x');
	buf_adds(&in, ">b");
	text_strip_html(&out, buf_span(&in));
	CHECK_STR(out.p, "a b");
	buf_release(&in);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contains_finds_a_needle_at_every_place),
		cmocka_unit_test(
		    test_contains_reads_no_further_than_its_ends),
		cmocka_unit_test(test_contains_an_empty_needle_always),
		cmocka_unit_test(
		    test_header_contains_looks_at_decoded_and_folded_text),
		cmocka_unit_test(test_scan_finds_text_under_its_encodings),
		cmocka_unit_test(test_html_loses_its_tags),
		cmocka_unit_test(test_html_ends_a_tag_whose_quote_has_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
