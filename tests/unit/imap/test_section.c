#include "imap/section.h"

#include "store/mime/mime.h"
#include "tests/check.h"
#include "tests/unit/imap/parsing.h"

#define PREFIX "Received: here\r\n"

static const char message[] =
    "Subject: out\r\n"
    "To: a@b\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n"
    "\r\n"
    "preamble\r\n"
    "--b\r\n"
    "\r\n"
    "one\r\n"
    "--b\r\n"
    "Content-Type: message/rfc822\r\n"
    "\r\n"
    "Subject: in\r\n"
    "X: y\r\n"
    "\r\n"
    "inner\r\n"
    "--b--\r\n"
    "epilogue\r\n";

/* What a FETCH of the item gives, or "NIL". */
static void
fetch(const char *content, const char *prefix, const char *item,
    struct buf *out)
{
	struct buf whole = BUF_INIT, text = BUF_INIT, filtered = BUF_INIT;
	const struct imap_fetch_body *body;
	struct section_range r;
	struct arena a = { 0 };
	struct parsing *t;
	struct digest d;

	mime_digest(span_of(content), &a, &d);
	buf_adds(&whole, prefix);
	buf_adds(&whole, content);
	buf_printf(&text, " 1 %s", item);
	t = parsing_new(buf_span(&text));
	CHECK_EQ(parsing_run(t, imap_parse_fetch), PARSE_OK);
	body = &t->args.fetch.bodies[0];
	section_find(&d, (uint32_t)strlen(prefix), &body->section, &r);
	if (!r.found) {
		buf_adds(out, "NIL");
	} else if (r.filter) {
		uint64_t off = 0, len;

		section_filter(&filtered, span_make(whole.p + r.off,
		    (size_t)r.len), &body->section);
		len = filtered.len;
		section_cut(body, &off, &len);
		buf_add(out, filtered.p + off, (size_t)len);
	} else {
		section_cut(body, &r.off, &r.len);
		CHECK(r.off + r.len <= whole.len);
		buf_add(out, whole.p + r.off, (size_t)r.len);
	}
	parsing_free(t);
	buf_release(&whole);
	buf_release(&text);
	buf_release(&filtered);
	arena_release(&a);
}

static void
check_of(const char *content, const char *item, const char *want)
{
	struct buf b = BUF_INIT;

	fetch(content, PREFIX, item, &b);
	CHECK_STR(b.p, want);
	buf_release(&b);
}

#define OUTER_HEADER "Subject: out\r\nTo: a@b\r\n" \
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define INNER "Subject: in\r\nX: y\r\n\r\ninner"

TEST(test_section_finds_the_parts)
{
	static const struct {
		const char *item, *want;
	} rows[] = {
		{ "BODY[HEADER]", PREFIX OUTER_HEADER },
		{ "BODY[1]", "one" },
		{ "BODY[1.MIME]", "\r\n" },
		{ "BODY[2]", INNER },
		{ "BODY[2.MIME]", "Content-Type: message/rfc822\r\n\r\n" },
		{ "BODY[2.HEADER]", "Subject: in\r\nX: y\r\n\r\n" },
		{ "BODY[2.TEXT]", "inner" },
		{ "BODY[2.1]", "inner" },
		{ "BODY[2.1.MIME]", "Subject: in\r\nX: y\r\n\r\n" },
		{ "BODY[2.HEADER.FIELDS (x)]", "X: y\r\n\r\n" },
		{ "BODY[2.HEADER.FIELDS.NOT (x)]", "Subject: in\r\n\r\n" },
		{ "BODY[3]", "NIL" },
		{ "BODY[1.1]", "NIL" },
		{ "BODY[1.HEADER]", "NIL" },
		{ "BODY[1.TEXT]", "NIL" },
		{ "BODY[2.2]", "NIL" },
		{ "BODY[2.1.1]", "NIL" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check_of(message, rows[i].item, rows[i].want);
}

TEST(test_section_text_is_all_behind_the_header)
{
	check_of(message, "BODY[TEXT]",
	    message + sizeof OUTER_HEADER - 1);
	check_of(message, "RFC822.TEXT", message + sizeof OUTER_HEADER - 1);
	check_of("Subject: x\r\n", "BODY[TEXT]", "");
}

TEST(test_section_of_the_whole_has_the_prefix)
{
	struct buf want = BUF_INIT;

	buf_adds(&want, PREFIX);
	buf_adds(&want, message);
	check_of(message, "BODY[]", want.p);
	check_of(message, "RFC822", want.p);
	buf_release(&want);
	check_of(message, "BODY[]<0.3>", "Rec");
	check_of(message, "BODY[]<17.4>", "ubje");
	check_of(message, "BODY[]<99999.4>", "");
}

/* RFC 3501 section 6.4.5: every message has at least one part number */
TEST(test_section_1_of_a_plain_message_is_its_body)
{
	check_of("Subject: x\r\n\r\nhi\r\n", "BODY[1]", "hi\r\n");
	check_of("Subject: x\r\n\r\nhi\r\n", "BODY[1.MIME]",
	    PREFIX "Subject: x\r\n\r\n");
	check_of("Subject: x\r\n\r\nhi\r\n", "BODY[2]", "NIL");
	check_of("Subject: x\r\n\r\nhi\r\n", "BODY[1.TEXT]", "NIL");
}

TEST(test_section_fields_come_with_their_folds)
{
	const char *m = "Subject: a\r\n b\r\nto: x\r\nSUBJECT: c\r\n\r\nhi";

	check_of(m, "BODY[HEADER.FIELDS (subject From)]",
	    "Subject: a\r\n b\r\nSUBJECT: c\r\n\r\n");
	check_of(m, "BODY[HEADER.FIELDS (Received TO)]",
	    PREFIX "to: x\r\n\r\n");
	check_of(m, "BODY[HEADER.FIELDS.NOT (Received Subject)]",
	    "to: x\r\n\r\n");
	check_of(m, "BODY[HEADER.FIELDS (Foo)]", "\r\n");
	check_of(m, "BODY[HEADER.FIELDS (Subject)]<3.9>", "ject: a\r\n");
}

TEST(test_section_fields_end_in_a_blank_line_whatever_the_header_does)
{
	check_of("Subject: x", "BODY[HEADER.FIELDS (Subject)]",
	    "Subject: x\r\n\r\n");
	check_of("", "BODY[HEADER.FIELDS (Subject)]", "\r\n");
}

TEST(test_section_of_all_needs_no_digest)
{
	struct imap_section s = { 0 };

	CHECK(!section_needs_digest(&s));
	s.what = SECTION_TEXT;
	CHECK(section_needs_digest(&s));
	s.what = SECTION_ALL;
	s.path_len = 1;
	CHECK(section_needs_digest(&s));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_section_finds_the_parts),
		cmocka_unit_test(
		    test_section_text_is_all_behind_the_header),
		cmocka_unit_test(test_section_of_the_whole_has_the_prefix),
		cmocka_unit_test(
		    test_section_1_of_a_plain_message_is_its_body),
		cmocka_unit_test(test_section_fields_come_with_their_folds),
		cmocka_unit_test(
		test_section_fields_end_in_a_blank_line_whatever_the_header_does),
		cmocka_unit_test(test_section_of_all_needs_no_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
