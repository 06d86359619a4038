#include "tests/check.h"

#include "store/mime/mime.h"

struct fixture {
	struct arena arena;
	struct digest d;
	const struct part *p;	/* the root */
};

/* Digests a message that is only header; lines end with LF in the text. */
static void
fixture_init(struct fixture *f, const char *header)
{
	struct buf b = BUF_INIT;

	*f = (struct fixture){ 0 };
	buf_adds(&b, header);
	buf_adds(&b, "\r\n\r\n");
	mime_digest(buf_span(&b), &f->arena, &f->d);
	f->p = f->d.root;
	buf_release(&b);
}

static void
fixture_release(struct fixture *f)
{
	arena_release(&f->arena);
}

/* " name=value" for each. */
static void
put_params(struct buf *out, const struct params *p)
{
	for (size_t i = 0; i < p->n; i++) {
		buf_addc(out, ' ');
		buf_addspan(out, p->v[i].name);
		buf_addc(out, '=');
		buf_addspan(out, p->v[i].value);
	}
}

struct row {
	const char *in, *out;
};

static void
check_params(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct buf out = BUF_INIT, in = BUF_INIT;
		struct fixture f;

		buf_adds(&in, "Content-Disposition: ");
		buf_adds(&in, rows[i].in);
		fixture_init(&f, in.p);
		buf_addspan(&out, f.p->disposition);
		put_params(&out, &f.p->disposition_params);
		CHECK_STR(out.p, rows[i].out);
		fixture_release(&f);
		buf_release(&out);
		buf_release(&in);
	}
}

TEST(test_params_are_read_as_rfc_2045_has_them)
{
	static const struct row rows[] = {
		{ "inline", "inline" },
		{ "INLINE; FileName=Foo.TXT", "inline filename=Foo.TXT" },
		{ "x; a=b; c=\"d e\"; f=g", "x a=b c=d e f=g" },
		{ "x ; a = b ;c=\"\"", "x a=b c=" },
		{ "x; a=\"b\\\"c\\\\d\"", "x a=b\"c\\d" },
		{ "x; a=us-ascii (Plain text)", "x a=us-ascii" },
		{ "(c) x (c); (c) a (c) = (c) b (c)", "x a=b" },
		{ "x; a=b; a=c", "x a=b" },
		{ "x; a=\"=?utf-8?q?b?=\"", "x a==?utf-8?q?b?=" },
		{ "x;", "x" }, { "x;;;a=b;;", "x a=b" },
	};

	check_params(rows, COUNT(rows));
}

TEST(test_params_are_read_where_programs_get_them_wrong)
{
	static const struct row rows[] = {
		{ "x; a=----=_Part_1", "x a=----=_Part_1" },
		{ "x; a=my file (1).pdf", "x a=my file" },
		{ "x; a=my file.pdf; b=c", "x a=my file.pdf b=c" },
		{ "x; a=b c=d", "x a=b c=d" },
		{ "x a=b", "x a=b" },
		{ "x; a", "x" }, { "x; a; b=c", "x b=c" },
		{ "x; =a; b=c", "x b=c" }, { "x; \"y\"=a; b=c", "x b=c" },
		{ "x; a=b(c)d", "x a=b(c)d" },
		{ "x; a=\"b\" c; d=e", "x a=b d=e" },
		{ "x; a=/b/c", "x a=/b/c" },
		/* The end comes in the middle */
		{ "x; a=", "x a=" }, { "x; a=\"", "x a=" },
		{ "x; a=\"b", "x a=b" }, { "x; a=\"b\\", "x a=b" },
		{ "x; (", "x" }, { "x; (\\", "x" }, { "x; a=b (", "x a=b" },
		{ "", "" }, { ";", "" }, { "; a=b", "" },
	};

	check_params(rows, COUNT(rows));
}

TEST(test_params_join_the_pieces_of_rfc_2231)
{
	static const struct row rows[] = {
		/* Section 3 */
		{ "x; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub/moore/"
		    "bulk-mailer/bulk-mailer.tar\"",
		    "x url=ftp://cs.utk.edu/pub/moore/bulk-mailer/"
		    "bulk-mailer.tar" },
		/* Section 4 */
		{ "x; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
		    "x title=This is ***fun***" },
		/* Section 4.1 */
		{ "x; title*0*=us-ascii'en'This%20is%20even%20more%20; "
		    "title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
		    "x title=This is even more ***fun*** isn't it!" },
		{ "x; a*1=c; a*0=b", "x a=bc" },
		{ "x; a*=utf-8''%C3%A4", "x a=\xc3\xa4" },
		{ "x; a*=iso-8859-1'de'%E4", "x a=\xc3\xa4" },
		{ "x; a*0*=iso-8859-1''%; a*1*=E4", "x a=%E4" },
		{ "x; a*0*=utf-8''%C3; a*1*=%A4", "x a=\xc3\xa4" },
		{ "x; a*=''%41", "x a=A" },
		{ "x; a*=no-such''%41%42", "x a=AB" },
		{ "x; a*=no apostrophes%41", "x a=no apostrophesA" },
		{ "x; a*=utf-8'%41", "x a=utf-8'A" },
		{ "x; a*=utf-8''a%0D%0Ab%00", "x a=a  b " },
		{ "x; a*=utf-8''%; b*=utf-8''%4; c*=utf-8''%4g",
		    "x a=% b=%4 c=%4g" },
		{ "x; a=plain; a*=utf-8''better", "x a=better" },
		{ "x; a*=utf-8''better; a=plain", "x a=better" },
		{ "x; a*0=b; a*2=d", "x a=b" },
		{ "x; a*1=b", "x a=b" },
		{ "x; a*x=b", "x a*x=b" }, { "x; *=b", "x =b" },
		{ "x; a*0x=b", "x a*0x=b" }, { "x; a*99=b", "x a*99=b" },
	};

	check_params(rows, COUNT(rows));
}

TEST(test_params_have_a_cap)
{
	struct buf in = BUF_INIT;
	struct fixture f;

	buf_adds(&in, "Content-Disposition: x");
	for (int i = 0; i < 100; i++)
		buf_printf(&in, "; p%d=%d", i, i);
	fixture_init(&f, in.p);
	CHECK_EQ(f.p->disposition_params.n, MIME_PARAMS_MAX);
	CHECK_SPAN(f.p->disposition_params.v[63].value, "63");
	fixture_release(&f);
	buf_release(&in);
}

TEST(test_type_is_read_or_the_default)
{
	static const struct row rows[] = {
		{ "X: y", "text/plain charset=us-ascii" },
		{ "Content-Type: TEXT/HTML; Charset=UTF-8",
		    "text/html charset=UTF-8" },
		{ "Content-Type: text/plain", "text/plain" },
		{ "Content-Type: application/octet-stream (x)",
		    "application/octet-stream" },
		{ "Content-Type: text / plain ; a=b", "text/plain a=b" },
		{ "content-type:image/svg+xml", "image/svg+xml" },
		/* RFC 2045 section 5.2: not well formed is not there */
		{ "Content-Type: text", "text/plain charset=us-ascii" },
		{ "Content-Type: text/", "text/plain charset=us-ascii" },
		{ "Content-Type: /plain", "text/plain charset=us-ascii" },
		{ "Content-Type: ", "text/plain charset=us-ascii" },
		{ "Content-Type: ;charset=x", "text/plain charset=us-ascii" },
		{ "Content-Type: bad\r\nContent-Type: a/b", "a/b" },
		{ "Content-Type: a/b\r\nContent-Type: c/d", "a/b" },
		{ "Content-Type: message/rfc822 x", "message/rfc822" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT;
		struct fixture f;

		fixture_init(&f, rows[i].in);
		buf_addspan(&out, f.p->type);
		buf_addc(&out, '/');
		buf_addspan(&out, f.p->subtype);
		put_params(&out, &f.p->params);
		CHECK_STR(out.p, rows[i].out);
		fixture_release(&f);
		buf_release(&out);
	}
}

TEST(test_encoding_is_known_by_its_name)
{
	static const struct {
		const char *in, *text;
		enum part_encoding encoding;
	} rows[] = {
		{ "X: y", "7BIT", ENC_7BIT },
		{ "Content-Transfer-Encoding: 7bit", "7BIT", ENC_7BIT },
		{ "Content-Transfer-Encoding: 8Bit", "8BIT", ENC_8BIT },
		{ "Content-Transfer-Encoding: binary", "BINARY", ENC_BINARY },
		{ "Content-Transfer-Encoding: quoted-printable (x)",
		    "QUOTED-PRINTABLE", ENC_QP },
		{ "Content-Transfer-Encoding: (x) Base64;", "BASE64",
		    ENC_BASE64 },
		{ "Content-Transfer-Encoding: 8-bit", "8-BIT", ENC_8BIT },
		{ "Content-Transfer-Encoding: x-uuencode", "X-UUENCODE",
		    ENC_OTHER },
		{ "Content-Transfer-Encoding: ", "7BIT", ENC_7BIT },
		{ "Content-Transfer-Encoding: base64\r\n"
		    "Content-Transfer-Encoding: 7bit", "BASE64", ENC_BASE64 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fixture f;

		fixture_init(&f, rows[i].in);
		CHECK_SPAN(f.p->encoding_text, rows[i].text);
		CHECK_EQ(f.p->encoding, rows[i].encoding);
		fixture_release(&f);
	}
}

TEST(test_other_fields_are_kept)
{
	struct fixture f;

	fixture_init(&f,
	    "Content-ID: <a@b>\r\n"
	    "Content-Description: =?utf-8?q?x?= folded\r\n here\r\n"
	    "Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\n"
	    "Content-Location: http://example.org/\r\n"
	    "Content-Language: en, de-CH (Swiss),, fr\r\n"
	    "Content-Duration: 3");
	CHECK_SPAN(f.p->id, "<a@b>");
	CHECK_SPAN(f.p->description, "=?utf-8?q?x?= folded here");
	CHECK_SPAN(f.p->md5, "Q2hlY2sgSW50ZWdyaXR5IQ==");
	CHECK_SPAN(f.p->location, "http://example.org/");
	CHECK_EQ(f.p->language_count, 3);
	CHECK_SPAN(f.p->languages[0], "en");
	CHECK_SPAN(f.p->languages[1], "de-CH");
	CHECK_SPAN(f.p->languages[2], "fr");
	CHECK(!f.p->has_disposition);
	fixture_release(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_params_are_read_as_rfc_2045_has_them),
		cmocka_unit_test(
		    test_params_are_read_where_programs_get_them_wrong),
		cmocka_unit_test(test_params_join_the_pieces_of_rfc_2231),
		cmocka_unit_test(test_params_have_a_cap),
		cmocka_unit_test(test_type_is_read_or_the_default),
		cmocka_unit_test(test_encoding_is_known_by_its_name),
		cmocka_unit_test(test_other_fields_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
