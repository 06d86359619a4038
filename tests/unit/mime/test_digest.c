#include "tests/check.h"

#include "server/base/err.h"
#include "store/mime/mime.h"

/* Has about everything that a digest can hold. */
static const char message[] =
    "Date: Thu, 13 Feb 1969 23:32:54 -0330\r\n"
    "From: A Group:Ed Jones <@r.test:c@a.test>,joe@where.test;\r\n"
    "To: \"Jo\" <jo@x.test>\r\nSender:\r\n"
    "Cc: root\r\nBcc: a@b\r\nReply-To: c@d\r\n"
    "Subject: Re: hello\r\nMessage-ID: <1@x>\r\n"
    "In-Reply-To: <2@x>\r\nReferences: <3@x> <2@x>\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n"
    "Content-Language: en, de\r\n\r\n"
    "--b\r\nContent-ID: <i@d>\r\nContent-Description: desc\r\n"
    "Content-MD5: md5\r\nContent-Location: loc\r\n"
    "Content-Disposition: attachment; filename=f; size=3\r\n"
    "Content-Transfer-Encoding: x-odd\r\n\r\nfirst\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: inner\r\nTo: z@z\r\n\r\ntext\r\n"
    "--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>hey\r\n"
    "--b--\r\n";

static void
make(struct buf *stored, struct arena *a, struct digest *d)
{
	mime_digest(span_of(message), a, d);
	digest_encode(stored, d);
}

TEST(test_digest_keys_are_those_of_the_whole)
{
	struct buf stored = BUF_INIT;
	struct arena a = { 0 };
	struct digest_keys k;
	struct digest d;

	make(&stored, &a, &d);
	CHECK_EQ(digest_decode_keys(buf_span(&stored), &a, &k), 0);
	CHECK_EQ(k.sent_s, d.sent_s);
	CHECK(k.is_reply);
	CHECK_SPAN(k.base_subject, "hello");
	CHECK_SPAN(k.sort_from, "a group");
	CHECK_SPAN(k.sort_to, "jo");
	CHECK_SPAN(k.sort_cc, "root");
	CHECK_SPAN(k.display_from, "a group");
	CHECK_SPAN(k.display_to, "jo");
	CHECK_SPAN(k.message_id, "<1@x>");
	CHECK_EQ(k.reference_count, 2);
	CHECK_SPAN(k.references[0], "3@x");
	/* Of another version, or cut before they end. */
	CHECK_EQ(digest_decode_keys(span_head(buf_span(&stored), 20), &a,
	    &k), ERR_SYNTAX);
	stored.p[0] = DIGEST_VERSION + 1;
	CHECK_EQ(digest_decode_keys(buf_span(&stored), &a, &k), ERR_SYNTAX);
	arena_release(&a);
	buf_release(&stored);
}

TEST(test_digest_is_read_back_as_it_was)
{
	struct buf stored = BUF_INIT, again = BUF_INIT;
	struct arena a = { 0 };
	struct digest d, back;
	const struct part *p;

	make(&stored, &a, &d);
	CHECK_EQ(digest_decode(buf_span(&stored), &a, &back), 0);
	CHECK_EQ(back.size, sizeof message - 1);
	CHECK_EQ(back.sent_s, -27723426);
	CHECK_EQ(back.sent_zone_min, -210);
	CHECK(back.is_reply);
	CHECK_SPAN(back.base_subject, "hello");
	CHECK_EQ(back.reference_count, 2);
	CHECK_SPAN(back.references[1], "2@x");
	CHECK_EQ(back.envelope.from.n, 4);
	CHECK_EQ(back.envelope.from.v[0].kind, ADDR_GROUP);
	CHECK_SPAN(back.envelope.from.v[1].route, "@r.test");
	CHECK_EQ(back.envelope.from.v[3].kind, ADDR_END);
	CHECK(back.envelope.sender.present);
	CHECK_EQ(back.envelope.sender.n, 0);
	CHECK_SPAN(back.preview, "hey");
	CHECK_EQ(back.root->language_count, 2);
	p = back.root->child;
	CHECK(p->parent == back.root);
	CHECK_EQ(p->depth, 1);
	CHECK_SPAN(p->encoding_text, "X-ODD");
	CHECK_EQ(p->encoding, ENC_OTHER);
	CHECK_SPAN(p->disposition_params.v[1].name, "size");
	CHECK_SPAN(p->location, "loc");
	CHECK_SPAN(p->next->envelope->subject, "inner");
	CHECK_SPAN(p->next->next->subtype, "html");
	CHECK(p->next->next->next == NULL);

	digest_encode(&again, &back);
	CHECK(span_eq(buf_span(&stored), buf_span(&again)));
	buf_release(&stored);
	buf_release(&again);
	arena_release(&a);
}

TEST(test_digest_is_refused_when_cut_or_longer)
{
	struct buf stored = BUF_INIT;
	struct arena a = { 0 };
	struct digest d;

	make(&stored, &a, &d);
	for (size_t len = 0; len < stored.len; len++) {
		char *copy = xmemdup(stored.p, len);

		CHECK_EQ(digest_decode(span_make(copy, len), &a, &d),
		    ERR_SYNTAX);
		free(copy);
		arena_clear(&a);
	}
	buf_addc(&stored, 0);
	CHECK_EQ(digest_decode(buf_span(&stored), &a, &d), ERR_SYNTAX);
	buf_release(&stored);
	arena_release(&a);
}

TEST(test_digest_survives_every_changed_byte)
{
	struct buf stored = BUF_INIT;
	struct arena a = { 0 };
	struct digest d;

	make(&stored, &a, &d);
	for (size_t i = 0; i < stored.len; i++) {
		char *copy = xmemdup(stored.p, stored.len);

		for (int bit = 0; bit < 8; bit++) {
			copy[i] = (char)(stored.p[i] ^ 1 << bit);
			(void)digest_decode(span_make(copy, stored.len), &a,
			    &d);
			arena_clear(&a);
		}
		free(copy);
	}
	buf_release(&stored);
	arena_release(&a);
}

TEST(test_digest_of_another_version_is_refused)
{
	struct buf stored = BUF_INIT;
	struct arena a = { 0 };
	struct digest d;

	make(&stored, &a, &d);
	stored.p[0]++;
	CHECK_EQ(digest_decode(buf_span(&stored), &a, &d), ERR_SYNTAX);
	buf_release(&stored);
	arena_release(&a);
}

/* What a part number leads to: its description, or "-". */
static void
check_part(const struct digest *d, const uint32_t *path, size_t n,
    const char *what)
{
	const struct part *p = digest_part(d, path, n);

	if (!p) {
		CHECK_STR(what, "-");
		return;
	}
	CHECK_SPAN(p->description, what);
}

#define PATH(...) (const uint32_t[]){ __VA_ARGS__ }, \
	COUNT(((const uint32_t[]){ __VA_ARGS__ }))

/* The shape of the example in RFC 9051 section 6.4.5.1. */
TEST(test_part_numbers_are_those_of_rfc_9051)
{
	static const char text[] =
	    "Content-Type: multipart/mixed; boundary=a\r\n"
	    "Content-Description: root\r\n\r\n"
	    "--a\r\nContent-Description: 1\r\n\r\n"
	    "--a\r\nContent-Description: 2\r\n\r\n"
	    "--a\r\nContent-Type: message/rfc822\r\n"
	    "Content-Description: 3\r\n\r\n"
	    "Content-Type: multipart/mixed; boundary=b\r\n"
	    "Content-Description: 3m\r\n\r\n"
	    "--b\r\nContent-Description: 3.1\r\n\r\n"
	    "--b\r\nContent-Description: 3.2\r\n\r\n--b--\r\n"
	    "--a\r\nContent-Type: multipart/mixed; boundary=c\r\n"
	    "Content-Description: 4\r\n\r\n"
	    "--c\r\nContent-Description: 4.1\r\n\r\n"
	    "--c\r\nContent-Type: message/rfc822\r\n"
	    "Content-Description: 4.2\r\n\r\n"
	    "Content-Description: 4.2.1\r\n\r\nx\r\n--c--\r\n--a--\r\n";
	struct arena a = { 0 };
	struct digest d;

	mime_digest(span_of(text), &a, &d);
	check_part(&d, NULL, 0, "root");
	check_part(&d, PATH(1), "1");
	check_part(&d, PATH(2), "2");
	check_part(&d, PATH(3), "3");
	check_part(&d, PATH(3, 1), "3.1");
	check_part(&d, PATH(3, 2), "3.2");
	check_part(&d, PATH(4), "4");
	check_part(&d, PATH(4, 1), "4.1");
	check_part(&d, PATH(4, 2), "4.2");
	check_part(&d, PATH(4, 2, 1), "4.2.1");
	check_part(&d, PATH(0), "-");
	check_part(&d, PATH(5), "-");
	check_part(&d, PATH(1, 1), "-");
	check_part(&d, PATH(3, 3), "-");
	check_part(&d, PATH(3, 1, 1), "-");
	check_part(&d, PATH(4, 2, 2), "-");
	check_part(&d, PATH(4, 2, 1, 1), "-");
	check_part(&d, PATH(UINT32_MAX), "-");
	arena_release(&a);
}

TEST(test_part_1_of_what_has_no_parts_is_itself)
{
	struct arena a = { 0 };
	struct digest d;

	mime_digest(SPAN("Content-Description: d\r\n\r\nx"), &a, &d);
	check_part(&d, PATH(1), "d");
	check_part(&d, PATH(2), "-");
	check_part(&d, PATH(1, 1), "-");
	mime_digest(SPAN("Content-Type: message/rfc822\r\n"
	    "Content-Description: m\r\n\r\nContent-Description: i\r\n\r\nx"),
	    &a, &d);
	check_part(&d, PATH(1), "m");
	check_part(&d, PATH(1, 1), "i");
	check_part(&d, PATH(1, 1, 1), "-");
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digest_keys_are_those_of_the_whole),
		cmocka_unit_test(test_digest_is_read_back_as_it_was),
		cmocka_unit_test(test_digest_is_refused_when_cut_or_longer),
		cmocka_unit_test(test_digest_survives_every_changed_byte),
		cmocka_unit_test(test_digest_of_another_version_is_refused),
		cmocka_unit_test(test_part_numbers_are_those_of_rfc_9051),
		cmocka_unit_test(test_part_1_of_what_has_no_parts_is_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
