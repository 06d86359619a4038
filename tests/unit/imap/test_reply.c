#include "imap/reply.h"

#include "store/mime/mime.h"
#include "tests/check.h"
#include "tests/unit/imap/parsing.h"

static void
check_string(struct span in, bool utf8, const char *want)
{
	struct buf b = BUF_INIT;

	imap_put_string(&b, in, utf8);
	CHECK_STR(b.p, want);
	buf_release(&b);
}

TEST(test_put_string_chooses_its_form)
{
	check_string(SPAN(""), false, "\"\"");
	check_string(SPAN("a b"), false, "\"a b\"");
	check_string(SPAN("a\"b\\"), false, "\"a\\\"b\\\\\"");
	check_string(SPAN("a\r\nb"), false, "{4}\r\na\r\nb");
	check_string(SPAN("a\rb"), false, "{3}\r\na\rb");
	check_string(SPAN("\xc3\xa4"), false, "{2}\r\n\xc3\xa4");
	check_string(SPAN("\xc3\xa4"), true, "\"\xc3\xa4\"");
	check_string(SPAN("\xe4"), true, "{1}\r\n\xe4");
	check_string(SPAN("a\0b"), false, "\"ab\"");
	check_string(SPAN("\0\n\0"), false, "{1}\r\n\n");
}

TEST(test_put_string_makes_long_ones_literals)
{
	char text[2000];
	struct buf b = BUF_INIT;

	memset(text, 'x', sizeof text);
	imap_put_string(&b, span_make(text, sizeof text), false);
	CHECK(span_starts(buf_span(&b), "{2000}\r\nx"));
	buf_release(&b);
}

TEST(test_put_astring_avoids_nil)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "INBOX", "INBOX" }, { "a]b", "a]b" }, { "", "\"\"" },
		{ "nil", "\"nil\"" }, { "a b", "\"a b\"" },
		{ "a(b", "\"a(b\"" }, { "100%", "\"100%\"" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf b = BUF_INIT;

		imap_put_astring(&b, span_of(rows[i].in), false);
		CHECK_STR(b.p, rows[i].out);
		buf_release(&b);
	}
}

/* parse(put(x)) == x, in both modes */
TEST(test_put_mailbox_is_what_parse_mailbox_reads)
{
	static const char *const names[] = {
		"INBOX", "a b", "Entw\xc3\xbcrfe", "a&b", "\xf0\x9f\x98\x80/x",
		"nil", "a\"b\\c", "100%*", "",
	};

	for (size_t i = 0; i < 2 * COUNT(names); i++) {
		const char *name = names[i / 2];
		struct buf b = BUF_INIT;
		struct parsing *t;
		struct span got;

		imap_put_mailbox(&b, span_of(name), i & 1);
		t = parsing_new(buf_span(&b));
		t->p.utf8 = i & 1;
		CHECK_EQ(imap_parse_mailbox(&t->p, &got), PARSE_OK);
		CHECK_SPAN(got, name);
		CHECK(cursor_at_end(&t->p.c));
		parsing_free(t);
		buf_release(&b);
	}
}

TEST(test_put_flags_names_bits)
{
	const char *const keywords[] = { "$Junk", "foo" };
	struct buf b = BUF_INIT;

	imap_put_flags(&b, 0, false, NULL, 0);
	buf_addc(&b, ' ');
	imap_put_flags(&b, FLAG_SEEN | 1ull << 9 | 1ull << 10, true,
	    keywords, 2);
	buf_addc(&b, ' ');
	imap_put_flags(&b, UINT64_MAX, false, keywords, 1);
	CHECK_STR(b.p, "() (\\Recent \\Seen foo) (\\Answered \\Flagged "
	    "\\Deleted \\Seen \\Draft $Junk)");
	buf_release(&b);
}

TEST(test_put_internaldate_has_quotes)
{
	struct buf b = BUF_INIT;

	imap_put_internaldate(&b, 837596665);
	CHECK_STR(b.p, "\"17-Jul-1996 09:44:25 +0000\"");
	buf_clear(&b);
	imap_put_internaldate(&b, 0);
	CHECK_STR(b.p, "\" 1-Jan-1970 00:00:00 +0000\"");
	buf_release(&b);
}

TEST(test_put_status_has_the_items_asked_for)
{
	struct mailbox_info box = {
		.messages = 5, .unseen = 2, .recent = 1, .uidnext = 9,
		.uidvalidity = 7, .modseq = 715194045007,
		.bytes = 5000000000, .deleted = 3, .deleted_bytes = 400, .id = 77,
	};
	struct buf b = BUF_INIT;

	imap_put_status(&b, &box, STATUS_UNSEEN | STATUS_MESSAGES, 0);
	CHECK_STR(b.p, "(MESSAGES 5 UNSEEN 2)");
	buf_clear(&b);
	imap_put_status(&b, &box, ~0u, 52428800);
	CHECK_STR(b.p, "(MESSAGES 5 RECENT 1 UIDNEXT 9 UIDVALIDITY 7 "
	    "UNSEEN 2 APPENDLIMIT 52428800 HIGHESTMODSEQ 715194045007 "
	    "SIZE 5000000000 DELETED 3 DELETED-STORAGE 400 MAILBOXID (F77))");
	buf_release(&b);
}

TEST(test_put_text_is_safe)
{
	struct buf b = BUF_INIT;

	imap_put_text(&b, SPAN("[x] a\r\nb\xc3\0"));
	buf_addc(&b, '|');
	imap_put_text(&b, SPAN(""));
	CHECK_STR(b.p, "(x] a??b??|-");
	buf_release(&b);
}

static void
check_envelope(const char *message, bool utf8, const char *want)
{
	struct arena a = { 0 };
	struct buf b = BUF_INIT;
	struct digest d;

	mime_digest(span_of(message), &a, &d);
	imap_put_envelope(&b, &d.envelope, utf8);
	CHECK_STR(b.p, want);
	buf_release(&b);
	arena_release(&a);
}

/* The message of RFC 3501 section 8. */
TEST(test_put_envelope_of_the_rfc)
{
	check_envelope(
	    "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
	    "From: Terry Gray <gray@cac.washington.edu>\r\n"
	    "Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
	    "To: imap@cac.washington.edu\r\n"
	    "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>"
	    "\r\n"
	    "Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n", false,
	    "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" "
	    "\"IMAP4rev1 WG mtg summary and minutes\" "
	    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
	    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
	    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
	    "((NIL NIL \"imap\" \"cac.washington.edu\")) "
	    "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")"
	    "(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
	    "\"<B27397-0100000@cac.washington.edu>\")");
}

TEST(test_put_envelope_of_nothing)
{
	check_envelope("\r\n", false,
	    "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	check_envelope("Subject:\r\nSender:\r\nReply-To: \r\nFrom: a@b\r\n"
	    "\r\n", false, "(NIL \"\" ((NIL NIL \"a\" \"b\")) "
	    "((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) "
	    "NIL NIL NIL NIL NIL)");
}

TEST(test_put_envelope_knows_groups_routes_and_missing_hosts)
{
	check_envelope("To: A Group: Ed <joe@where.test>;, "
	    "<@relay.test:x@y>\r\nCc: nobody\r\n"
	    "Bcc: undisclosed-recipients:;\r\n\r\n", false,
	    "(NIL NIL NIL NIL NIL "
	    "((NIL NIL \"A Group\" NIL)(\"Ed\" NIL \"joe\" \"where.test\")"
	    "(NIL NIL NIL NIL)(NIL \"@relay.test\" \"x\" \"y\")) "
	    "((NIL NIL \"nobody\" \"\")) "
	    "((NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL)) "
	    "NIL NIL)");
}

/* RFC 6858 section 2 */
TEST(test_put_envelope_downgrades_for_old_clients)
{
	const char *message = "Subject: gr\xc3\xbc\xc3\x9f\r\n"
	    "From: J\xc3\xb6rg <j@x.test>\r\n"
	    "To: <d\xc3\xb6@x.test>\r\n"
	    "Message-ID: <\xc3\xb6@x>\r\n\r\n";

	check_envelope(message, true,
	    "(NIL \"gr\xc3\xbc\xc3\x9f\" "
	    "((\"J\xc3\xb6rg\" NIL \"j\" \"x.test\")) "
	    "((\"J\xc3\xb6rg\" NIL \"j\" \"x.test\")) "
	    "((\"J\xc3\xb6rg\" NIL \"j\" \"x.test\")) "
	    "((NIL NIL \"d\xc3\xb6\" \"x.test\")) NIL NIL NIL "
	    "\"<\xc3\xb6@x>\")");
	check_envelope(message, false,
	    "(NIL \"=?utf-8?B?Z3LDvMOf?=\" "
	    "((\"=?utf-8?B?SsO2cmc=?=\" NIL \"j\" \"x.test\")) "
	    "((\"=?utf-8?B?SsO2cmc=?=\" NIL \"j\" \"x.test\")) "
	    "((\"=?utf-8?B?SsO2cmc=?=\" NIL \"j\" \"x.test\")) "
	    "((\"=?utf-8?B?PGTDtkB4LnRlc3Q+?=\" NIL \"invalid\" "
	    "\"internationalized-address.invalid\")) NIL NIL NIL NIL)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_string_chooses_its_form),
		cmocka_unit_test(test_put_string_makes_long_ones_literals),
		cmocka_unit_test(test_put_astring_avoids_nil),
		cmocka_unit_test(
		    test_put_mailbox_is_what_parse_mailbox_reads),
		cmocka_unit_test(test_put_flags_names_bits),
		cmocka_unit_test(test_put_internaldate_has_quotes),
		cmocka_unit_test(test_put_status_has_the_items_asked_for),
		cmocka_unit_test(test_put_text_is_safe),
		cmocka_unit_test(test_put_envelope_of_the_rfc),
		cmocka_unit_test(test_put_envelope_of_nothing),
		cmocka_unit_test(
		    test_put_envelope_knows_groups_routes_and_missing_hosts),
		cmocka_unit_test(
		    test_put_envelope_downgrades_for_old_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
