#include "tests/check.h"

#include "store/mime/encoded.h"

/* Decodes in pieces of step bytes, each in memory of its own. */
static void
decode(struct buf *out, enum part_encoding encoding, struct span in,
    size_t step)
{
	struct decoder d;

	decoder_init(&d, encoding);
	while (in.len) {
		struct span s = span_head(in, step);
		char *copy = xmemdup(s.p, s.len);

		decoder_add(&d, out, copy, s.len);
		free(copy);
		in = span_from(in, s.len);
	}
	decoder_finish(&d, out);
}

static void
check(enum part_encoding encoding, const char *in, const char *out)
{
	for (size_t step = 1; step <= strlen(in) + 1; step++) {
		struct buf b = BUF_INIT;

		decode(&b, encoding, span_of(in), step);
		CHECK_STR(b.p, out);
		buf_release(&b);
	}
}

TEST(test_quoted_printable_follows_rfc_2045)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		/* Section 6.7, the example */
		{ "Now's the time =\r\nfor all folk to come=\r\n"
		    " to the aid of their country.",
		    "Now's the time for all folk to come to the aid of "
		    "their country." },
		{ "=3D=3d=C3=A4", "==\xc3\xa4" },
		{ "a=20\r\nb", "a \r\nb" },
		/* Rule 3: white space at the end of a line */
		{ "a  \t\r\nb", "a\r\nb" },
		{ "a \nb \n", "a\nb\n" },
		{ "a ", "a" },
		{ " \t \r\n", "\r\n" },
		{ "a b\tc", "a b\tc" },
		/* A soft line break with padding */
		{ "a= \t\r\nb", "ab" },
		{ "a=\nb", "ab" },
		{ "a=", "a" },
		{ "a=\r", "a" },
		{ "a =\r\nb", "a b" },
		/* What is wrong is left as it is */
		{ "a=zb", "a=zb" },
		{ "a=3", "a=3" },
		{ "a=3z", "a=3z" },
		{ "a== b", "a== b" },
		{ "a= b", "a= b" },
		{ "==", "=" },
		{ "=3=3D", "=3=" },
		{ "a\rb", "a\rb" },
		{ "a \r\r\n", "a\r\n" },
		{ "\xff\x01", "\xff\x01" },
		{ "", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check(ENC_QP, rows[i].in, rows[i].out);
}

TEST(test_quoted_printable_holds_little_back)
{
	struct buf in = BUF_INIT, whole = BUF_INIT, pieces = BUF_INIT;

	/* More white space than is held: the oldest comes out. */
	for (int i = 0; i < 300; i++)
		buf_addc(&in, i % 7 ? ' ' : '\t');
	buf_adds(&in, "\r\nx=");
	for (int i = 0; i < 300; i++)
		buf_addc(&in, ' ');
	buf_adds(&in, "y");
	decode(&whole, ENC_QP, buf_span(&in), in.len);
	for (size_t step = 1; step < 400; step += 13) {
		buf_clear(&pieces);
		decode(&pieces, ENC_QP, buf_span(&in), step);
		CHECK(span_eq(buf_span(&whole), buf_span(&pieces)));
	}
	CHECK(whole.len > 300 && whole.len < 2 * 300);
	buf_release(&in);
	buf_release(&whole);
	buf_release(&pieces);
}

TEST(test_base64_follows_rfc_2045)
{
	check(ENC_BASE64, "SGVsbG8=", "Hello");
	check(ENC_BASE64, "SGVs\r\nbG8=\r\n", "Hello");
	check(ENC_BASE64, "SG*V s-bG8", "Hello");
	check(ENC_BASE64, "SGVsbG8=SGVs", "Hello");
	check(ENC_BASE64, "", "");
}

TEST(test_identity_encodings_change_nothing)
{
	check(ENC_7BIT, "a=3D \r\n", "a=3D \r\n");
	check(ENC_8BIT, "\xff", "\xff");
	check(ENC_BINARY, "\r\r\n", "\r\r\n");
	check(ENC_OTHER, "begin 644 x", "begin 644 x");
}

TEST(test_decoder_starts_anew_after_its_end)
{
	struct buf out = BUF_INIT;
	struct decoder d;

	decoder_init(&d, ENC_BASE64);
	decoder_add(&d, &out, "YQ==", 4);
	decoder_finish(&d, &out);
	decoder_add(&d, &out, "Yg==", 4);
	decoder_finish(&d, &out);
	CHECK_STR(out.p, "ab");
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quoted_printable_follows_rfc_2045),
		cmocka_unit_test(test_quoted_printable_holds_little_back),
		cmocka_unit_test(test_base64_follows_rfc_2045),
		cmocka_unit_test(test_identity_encodings_change_nothing),
		cmocka_unit_test(test_decoder_starts_anew_after_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
