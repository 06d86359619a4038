#include "tests/check.h"

#include "store/mime/mime.h"

struct fixture {
	struct arena arena;
	struct digest d;
	struct envelope *e;
};

static void
fixture_init(struct fixture *f, const char *header)
{
	struct buf b = BUF_INIT;

	*f = (struct fixture){ 0 };
	buf_adds(&b, header);
	buf_adds(&b, "\r\n\r\n");
	mime_digest(buf_span(&b), &f->arena, &f->d);
	f->e = &f->d.envelope;
	buf_release(&b);
}

static void
fixture_release(struct fixture *f)
{
	arena_release(&f->arena);
}

/* RFC 5322 appendix A.2, the second message. */
TEST(test_envelope_has_the_fields_of_its_message)
{
	struct fixture f;

	fixture_init(&f,
	    "From: Mary Smith <mary@example.net>\r\n"
	    "To: John Doe <jdoe@machine.example>\r\n"
	    "Reply-To: \"Mary Smith: Personal Account\" "
	    "<smith@home.example>\r\n"
	    "Subject: Re: Saying Hello\r\n"
	    "Date: Fri, 21 Nov 1997 10:01:10 -0600\r\n"
	    "Message-ID: <3456@example.net>\r\n"
	    "In-Reply-To: <1234@local.machine.example>\r\n"
	    "References: <1234@local.machine.example>");
	CHECK_EQ(f.e->from.n, 1);
	CHECK_SPAN(f.e->from.v[0].display, "Mary Smith");
	CHECK_SPAN(f.e->from.v[0].local, "mary");
	CHECK_SPAN(f.e->from.v[0].domain, "example.net");
	CHECK_EQ(f.e->to.n, 1);
	CHECK_EQ(f.e->reply_to.n, 1);
	CHECK_SPAN(f.e->reply_to.v[0].display,
	    "Mary Smith: Personal Account");
	CHECK(!f.e->sender.present && !f.e->cc.present &&
	    !f.e->bcc.present);
	CHECK(f.e->has_subject && f.e->has_date && f.e->has_message_id &&
	    f.e->has_in_reply_to);
	CHECK_SPAN(f.e->subject, "Re: Saying Hello");
	CHECK_SPAN(f.e->date, "Fri, 21 Nov 1997 10:01:10 -0600");
	CHECK_SPAN(f.e->message_id, "<3456@example.net>");
	CHECK_SPAN(f.e->in_reply_to, "<1234@local.machine.example>");
	CHECK_EQ(f.d.sent_s, 880128070);
	CHECK_EQ(f.d.sent_zone_min, -360);
	CHECK_SPAN(f.d.base_subject, "saying hello");
	CHECK(f.d.is_reply);
	CHECK_EQ(f.d.reference_count, 1);
	CHECK_SPAN(f.d.references[0], "1234@local.machine.example");
	fixture_release(&f);
}

/* RFC 5322 appendix A.6.3: white space before the colons. */
TEST(test_envelope_reads_obsolete_white_space)
{
	struct fixture f;

	fixture_init(&f,
	    "From  : John Doe <jdoe@machine(comment).  example>\r\n"
	    "To    : Mary Smith\r\n  \r\n          <mary@example.net>\r\n"
	    "Subject     : Saying Hello\r\n"
	    "Date  : Fri, 21 Nov 1997 09(comment):   55  :  06 -0600\r\n"
	    "Message-ID  : <1234   @   local(blah)  .machine .example>");
	CHECK_SPAN(f.e->from.v[0].domain, "machine.example");
	CHECK_SPAN(f.e->to.v[0].local, "mary");
	CHECK_SPAN(f.e->subject, "Saying Hello");
	CHECK_EQ(f.d.sent_s, 880127706);
	CHECK(f.e->has_message_id);
	fixture_release(&f);
}

TEST(test_envelope_tells_missing_from_empty)
{
	struct fixture f;

	fixture_init(&f, "Subject:\r\nTo:\r\nX: y");
	CHECK(f.e->has_subject);
	CHECK_EQ(f.e->subject.len, 0);
	CHECK(f.e->to.present);
	CHECK_EQ(f.e->to.n, 0);
	CHECK(!f.e->has_date && !f.e->from.present);
	CHECK_EQ(f.d.sent_s, 0);
	CHECK_EQ(f.d.reference_count, 0);
	fixture_release(&f);
}

TEST(test_envelope_takes_the_first_text_and_all_addresses)
{
	struct fixture f;

	fixture_init(&f, "Subject: one\r\nTo: a@b\r\nSubject: two\r\n"
	    "To:\r\nTo: c@d, e@f");
	CHECK_SPAN(f.e->subject, "one");
	CHECK_EQ(f.e->to.n, 3);
	CHECK_SPAN(f.e->to.v[0].local, "a");
	CHECK_SPAN(f.e->to.v[2].local, "e");
	fixture_release(&f);
}

TEST(test_envelope_cuts_long_values)
{
	struct buf b = BUF_INIT;
	struct fixture f;

	buf_adds(&b, "Subject: ");
	for (unsigned i = 0; i < DIGEST_VALUE_MAX + 10; i++)
		buf_addc(&b, 'x');
	fixture_init(&f, b.p);
	CHECK_EQ(f.e->subject.len, DIGEST_VALUE_MAX);
	CHECK_EQ(f.d.base_subject.len, DIGEST_VALUE_MAX);
	fixture_release(&f);
	buf_release(&b);
}

TEST(test_envelope_of_an_attached_message_is_its_own)
{
	struct fixture f;
	const struct part *p;

	fixture_init(&f, "Subject: outer\r\nContent-Type: message/rfc822"
	    "\r\n\r\nSubject: inner\r\nReferences: <a@b>");
	p = f.d.root;
	CHECK_EQ(p->kind, PART_MESSAGE);
	CHECK_SPAN(f.e->subject, "outer");
	CHECK_SPAN(p->envelope->subject, "inner");
	CHECK_EQ(f.d.reference_count, 0);
	fixture_release(&f);
}

/* RFC 5256 section 3 */
TEST(test_references_or_else_the_first_in_reply_to)
{
	static const struct {
		const char *header, *ids;
	} rows[] = {
		{ "References: <a@b> <c@d>\r\nIn-Reply-To: <e@f>",
		    " a@b c@d" },
		{ "In-Reply-To: <e@f> <g@h>", " e@f" },
		{ "References: none\r\nIn-Reply-To: <e@f>", " e@f" },
		{ "In-Reply-To: <e@f>\r\nReferences: <a@b>", " a@b" },
		{ "References: <a@b>\r\nReferences: <c@d>", " a@b" },
		{ "In-Reply-To: your message", "" },
		{ "X: y", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT;
		struct fixture f;

		fixture_init(&f, rows[i].header);
		for (size_t k = 0; k < f.d.reference_count; k++) {
			buf_addc(&out, ' ');
			buf_addspan(&out, f.d.references[k]);
		}
		CHECK_STR(out.p, rows[i].ids);
		buf_release(&out);
		fixture_release(&f);
	}
}

TEST(test_of_many_references_the_first_and_the_last_stay)
{
	for (int count = 199; count < 620; count += 7) {
		struct buf b = BUF_INIT;
		char want[32];
		struct fixture f;
		int first;

		buf_adds(&b, "References:");
		for (int i = 0; i < count; i++)
			buf_printf(&b, " <%d@x>", i);
		fixture_init(&f, b.p);
		CHECK_EQ(f.d.reference_count, MIN(count, 200));
		CHECK_SPAN(f.d.references[0], "0@x");
		first = MAX(count - 200, 0);
		for (int i = 1; i < MIN(count, 200); i++) {
			snprintf(want, sizeof want, "%d@x", first + i);
			CHECK_SPAN(f.d.references[i], want);
		}
		fixture_release(&f);
		buf_release(&b);
	}
}

/* RFC 5256 section 3, RFC 5957 section 3 */
TEST(test_sort_keys_come_from_the_first_address)
{
	static const struct {
		const char *header, *sort, *display;
	} rows[] = {
		{ "From: Jo Public <JoP@example.org>, b@c", "jop",
		    "jo public" },
		{ "From: JoP@Example.org", "jop", "jop@example.org" },
		{ "From: =?utf-8?q?J=C3=96?= <a@b>", "a", "j\xc3\xb6" },
		{ "From: Friends: a@b;", "friends", "friends" },
		{ "From: root", "root", "root" },
		{ "From:", "", "" },
		{ "X: y", "", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fixture f;

		fixture_init(&f, rows[i].header);
		CHECK_SPAN(f.d.sort_from, rows[i].sort);
		CHECK_SPAN(f.d.display_from, rows[i].display);
		CHECK_EQ(f.d.sort_to.len, 0);
		fixture_release(&f);
	}
}

TEST(test_preview_is_the_first_text_in_one_line)
{
	static const struct {
		const char *message, *preview;
	} rows[] = {
		{ "A: b\r\n\r\nHello\r\n  World\t!\r\n", "Hello World !" },
		{ "A: b\r\n\r\n", "" },
		{ "Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8=",
		    "Hello" },
		{ "Content-Transfer-Encoding: quoted-printable\r\n"
		    "Content-Type: text/plain; charset=utf-8\r\n\r\n"
		    "gr=C3=BC=\r\n=C3=9Fe", "gr\xc3\xbc\xc3\x9f" "e" },
		{ "Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\xe4",
		    "\xc3\xa4" },
		{ "Content-Type: text/html\r\n\r\n<style>p{}</style>"
		    "<p>a&amp;b<br>c&nbsp;&zwnj;&nbsp;d</p>", "a&b c d" },
		{ "Content-Type: image/png\r\n\r\nno text", "" },
		{ "Content-Type: text/plain\r\n"
		    "Content-Disposition: attachment\r\n\r\nno", "" },
		{ "Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nno", "" },
		{ "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n"
		    "--b\r\nContent-Type: image/png\r\n\r\nx\r\n"
		    "--b\r\n\r\n \r\n--b\r\n\r\nsecond\r\n--b--\r\nepi",
		    "second" },
		{ "Content-Type: text/plain; charset=utf-8\r\n\r\n"
		    "a\xff" "b", "a\xef\xbf\xbd" "b" },
		{ "Content-Type: text/plain; charset=utf-8\r\n\r\n"
		    "soft\xc2\xad" "hyphen\xe2\x80\x8b", "softhyphen" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arena a = { 0 };
		struct digest d;

		mime_digest(span_of(rows[i].message), &a, &d);
		CHECK_SPAN(d.preview, rows[i].preview);
		arena_release(&a);
	}
}

TEST(test_preview_is_cut_where_a_character_ends)
{
	for (size_t pad = 0; pad < 5; pad++) {
		struct buf b = BUF_INIT;
		struct arena a = { 0 };
		struct digest d;

		buf_adds(&b, "Content-Type: text/plain; charset=utf-8"
		    "\r\n\r\n");
		for (size_t i = 0; i < pad; i++)
			buf_addc(&b, 'x');
		for (int i = 0; i < 300; i++)
			buf_adds(&b, "\xe2\x82\xac");
		mime_digest(buf_span(&b), &a, &d);
		CHECK(d.preview.len <= DIGEST_PREVIEW_MAX);
		CHECK(d.preview.len > DIGEST_PREVIEW_MAX - 5);
		CHECK_EQ((d.preview.len - pad) % 3, 0);
		buf_release(&b);
		arena_release(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_envelope_has_the_fields_of_its_message),
		cmocka_unit_test(test_envelope_reads_obsolete_white_space),
		cmocka_unit_test(test_envelope_tells_missing_from_empty),
		cmocka_unit_test(
		    test_envelope_takes_the_first_text_and_all_addresses),
		cmocka_unit_test(test_envelope_cuts_long_values),
		cmocka_unit_test(
		    test_envelope_of_an_attached_message_is_its_own),
		cmocka_unit_test(
		    test_references_or_else_the_first_in_reply_to),
		cmocka_unit_test(
		    test_of_many_references_the_first_and_the_last_stay),
		cmocka_unit_test(test_sort_keys_come_from_the_first_address),
		cmocka_unit_test(test_preview_is_the_first_text_in_one_line),
		cmocka_unit_test(test_preview_is_cut_where_a_character_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
