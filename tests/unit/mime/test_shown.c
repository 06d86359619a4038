#include "tests/check.h"

#include <stdlib.h>

#include "server/base/xalloc.h"
#include "store/mime/mime.h"
#include "store/mime/shown.h"

/* A text as a message: CR LF for each LF, NUL for each '@'. */
static struct buf
message_of(const char *text)
{
	struct buf out = BUF_INIT;

	for (; *text; text++) {
		if (*text == '\n')
			buf_addc(&out, '\r');
		buf_addc(&out, (char)(*text == '@' ? '\0' : *text));
	}
	return out;
}

/* What is shown of the message, made in steps of so many bytes. */
static struct buf
make(const struct shown *s, struct span message, size_t step)
{
	struct buf out = BUF_INIT;

	for (uint64_t off = 0; off < s->size;) {
		const struct shown_piece *p = shown_find(s, off);
		size_t n = (size_t)MIN(step, p->at + p->len - off), len;
		char *to = xmalloc(n);
		uint64_t from;

		shown_source(p, off, n, &from, &len);
		CHECK(from + len <= message.len);
		shown_make(p, off, n, span_make(message.p + from, len), to);
		buf_add(&out, to, n);
		free(to);
		off += n;
	}
	return out;
}

/* The trees are the same, but for what the bytes shown do not have. */
static void
check_same(const struct part *a, const struct part *b)
{
	CHECK_EQ(a->kind, b->kind);
	CHECK_EQ(a->header_off, b->header_off);
	CHECK_EQ(a->header_len, b->header_len);
	CHECK_EQ(a->body_off, b->body_off);
	CHECK_EQ(a->body_len, b->body_len);
	CHECK_EQ(a->lines, b->lines);
	CHECK_EQ(a->encoding, b->encoding);
	CHECK(span_eq(a->encoding_text, b->encoding_text));
	CHECK_EQ(!a->child, !b->child);
	CHECK_EQ(!a->next, !b->next);
	if (a->child)
		check_same(a->child, b->child);
	if (a->next)
		check_same(a->next, b->next);
}

/*
 * The message shows as the text says, in pieces of any length, and its digest
 * is that of the text.
 */
static void
check_shown(const char *text, const char *want)
{
	struct buf message = message_of(text), expected = message_of(want);
	struct buf stored = BUF_INIT;
	struct arena a = { 0 };
	struct digest made, d, again;
	struct shown s;

	mime_digest(buf_span(&message), &a, &made);
	digest_encode(&stored, &made);
	CHECK_EQ(digest_decode(buf_span(&stored), &a, &d), 0);
	CHECK_EQ(shown_size(&d), expected.len);
	shown_plan(&d, &a, &s);
	for (size_t step = 1; step < 200; step += step < 4 ? 1 : 13) {
		struct buf out = make(&s, buf_span(&message), step);

		CHECK_EQ(out.len, expected.len);
		CHECK(memcmp(out.p, expected.p, out.len) == 0);
		buf_release(&out);
	}
	shown_change(&d, &s);
	mime_digest(buf_span(&expected), &a, &again);
	CHECK_EQ(d.size, again.size);
	check_same(d.root, again.root);
	buf_release(&message);
	buf_release(&expected);
	buf_release(&stored);
	arena_release(&a);
}

TEST(test_shown_message_without_nul_is_itself)
{
	check_shown("", "");
	check_shown("Subject: a\n\nbody\n", "Subject: a\n\nbody\n");
}

TEST(test_shown_body_with_nul_is_base64)
{
	check_shown("Content-Transfer-Encoding: binary\nSubject: a\n\n@@@",
	    "Content-Transfer-Encoding: base64\nSubject: a\n\nAAAA\n");
	/* Without a field it gets one, and a folded one has fewer lines. */
	check_shown("Subject: a\n\na@",
	    "Content-Transfer-Encoding: base64\nSubject: a\n\nYQA=\n");
	check_shown("Subject: a\nContent-Transfer-Encoding:\n 8bit\n\na@",
	    "Subject: a\nContent-Transfer-Encoding: base64\n\nYQA=\n");
}

TEST(test_shown_lines_have_76_characters)
{
#define LINE "0123456789012345678901234567890123456789012345678901234" "5@"
#define CODE "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0" \
    "NTY3ODkwMTIzNDUA"
	check_shown("A: b\n\n" LINE, "Content-Transfer-Encoding: base64\n"
	    "A: b\n\n" CODE "\n");
	check_shown("A: b\n\n" LINE LINE LINE "x",
	    "Content-Transfer-Encoding: base64\n"
	    "A: b\n\n" CODE "\n" CODE "\n" CODE "\neA==\n");
}

TEST(test_shown_parts_beside_stay)
{
	check_shown("Content-Type: multipart/mixed; boundary=b\n\n"
	    "--b\nContent-Type: text/plain\n\none\n"
	    "--b\nContent-Type: image/png\n"
	    "Content-Transfer-Encoding: binary\nContent-ID: <x>\n\n@\n@\n"
	    "--b\n\n@\n--b\n\nlast\n--b--\nend\n",
	    "Content-Type: multipart/mixed; boundary=b\n\n"
	    "--b\nContent-Type: text/plain\n\none\n"
	    "--b\nContent-Type: image/png\n"
	    "Content-Transfer-Encoding: base64\nContent-ID: <x>\n\n"
	    "AA0KAA==\n\n"
	    "--b\nContent-Transfer-Encoding: base64\n\nAA==\n\n"
	    "--b\n\nlast\n--b--\nend\n");
}

TEST(test_shown_message_inside_is_changed_inside)
{
	check_shown("Content-Type: message/rfc822\n"
	    "Content-Transfer-Encoding: binary\n\n"
	    "Subject: inner\nContent-Transfer-Encoding: \n binary\n\na@",
	    "Content-Type: message/rfc822\n"
	    "Content-Transfer-Encoding: binary\n\n"
	    "Subject: inner\nContent-Transfer-Encoding: base64\n\nYQA=\n");
}

/* '#' is a bare LF. */
TEST(test_shown_binary_part_with_bare_line_ends_is_base64)
{
	struct buf message = message_of("Content-Type: multipart/mixed; "
	    "boundary=b\n\n--b\nContent-Transfer-Encoding: binary\n\na#b\n"
	    "--b\n\nc#d\n--b--\n");
	struct arena a = { 0 };
	struct digest d;
	struct shown s;
	struct buf out;

	for (size_t i = 0; i < message.len; i++)
		if (message.p[i] == '#')
			message.p[i] = '\n';
	mime_digest(buf_span(&message), &a, &d);
	shown_plan(&d, &a, &s);
	out = make(&s, buf_span(&message), SIZE_MAX);
	CHECK_STR(out.p, "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	    "--b\r\nContent-Transfer-Encoding: base64\r\n\r\nYQpi\r\n\r\n"
	    "--b\r\n\r\nc\nd\r\n--b--\r\n");
	CHECK_EQ(shown_size(&d), out.len);
	buf_release(&out);
	buf_release(&message);
	arena_release(&a);
}

/* The text with 0x80 for each '%' is what is shown; digests may differ. */
static void
check_replaced(const char *text, const char *want)
{
	struct buf message = message_of(text), expected = message_of(want);
	struct arena a = { 0 };
	struct digest d;
	struct shown s;
	struct buf out;

	for (size_t i = 0; i < expected.len; i++)
		if (expected.p[i] == '%')
			expected.p[i] = (char)0x80;
	mime_digest(buf_span(&message), &a, &d);
	shown_plan(&d, &a, &s);
	out = make(&s, buf_span(&message), SIZE_MAX);
	CHECK_EQ(out.len, expected.len);
	CHECK(memcmp(out.p, expected.p, out.len) == 0);
	buf_release(&out);
	buf_release(&message);
	buf_release(&expected);
	arena_release(&a);
}

TEST(test_shown_nul_elsewhere_is_0x80)
{
	/* in a header, before the first part, in what is encoded already */
	check_replaced("Subject: a@b\n\nbody", "Subject: a%b\n\nbody");
	check_replaced("Content-Type: multipart/mixed; boundary=b\n\n@\n"
	    "--b\n\none\n--b--\n@",
	    "Content-Type: multipart/mixed; boundary=b\n\n%\n"
	    "--b\n\none\n--b--\n%");
	check_replaced("Content-Transfer-Encoding: quoted-printable\n\n@",
	    "Content-Transfer-Encoding: quoted-printable\n\n%");
	/* a multipart without parts has no encoding to choose */
	check_replaced("Content-Type: multipart/mixed; boundary=b\n\n@",
	    "Content-Type: multipart/mixed; boundary=b\n\n%");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shown_message_without_nul_is_itself),
		cmocka_unit_test(test_shown_body_with_nul_is_base64),
		cmocka_unit_test(test_shown_lines_have_76_characters),
		cmocka_unit_test(test_shown_parts_beside_stay),
		cmocka_unit_test(test_shown_message_inside_is_changed_inside),
		cmocka_unit_test(
		    test_shown_binary_part_with_bare_line_ends_is_base64),
		cmocka_unit_test(test_shown_nul_elsewhere_is_0x80),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
