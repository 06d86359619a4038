#include "imap/parse.h"

#include "imap/imap_limits.h"
#include "tests/check.h"
#include "tests/unit/imap/parsing.h"

TEST(test_parse_fetch_knows_items_and_macros)
{
	static const struct {
		const char *in;
		unsigned items;
	} rows[] = {
		{ " 1 FLAGS", FETCH_FLAGS },
		{ " 1 (FLAGS UID)", FETCH_FLAGS | FETCH_UID },
		{ " 1:* (uid rfc822.size flags)",
		    FETCH_UID | FETCH_SIZE | FETCH_FLAGS },
		{ " 1 (EMAILID threadid SAVEDATE)",
		    FETCH_EMAILID | FETCH_THREADID | FETCH_SAVEDATE },
		{ " 1 (PREVIEW (LAZY) FLAGS)", FETCH_PREVIEW | FETCH_FLAGS },
		{ " 1 preview (lazy lazy)", FETCH_PREVIEW },
		{ " 1 PREVIEW", FETCH_PREVIEW },
		{ " 1 FAST", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE },
		{ " 1 all", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE |
		    FETCH_ENVELOPE },
		{ " 1 FULL", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE |
		    FETCH_ENVELOPE | FETCH_BODY },
		{ " 1 BODY", FETCH_BODY },
		{ " 1 (BODY BODYSTRUCTURE)", FETCH_BODY | FETCH_BODYSTRUCTURE },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct parsing *t = parsing_new(span_of(rows[i].in));

		CHECK_EQ(parsing_run(t, imap_parse_fetch), PARSE_OK);
		CHECK_EQ(t->args.fetch.items, rows[i].items);
		CHECK_EQ(t->args.fetch.body_count, 0);
		parsing_free(t);
	}
}

static const struct {
	const char *in, *label;
	enum imap_section_what what;
	size_t path_len, fields;
	bool peek, partial;
} sections[] = {
	{ "BODY[]", "BODY[]", SECTION_ALL, 0, 0, false, false },
	{ "body.peek[]", "BODY[]", SECTION_ALL, 0, 0, true, false },
	{ "BODY[HEADER]", "BODY[HEADER]", SECTION_HEADER, 0, 0, false, false },
	{ "BODY[TEXT]<0.2048>", "BODY[TEXT]<0>", SECTION_TEXT, 0, 0, false,
	    true },
	{ "BODY[1]", "BODY[1]", SECTION_ALL, 1, 0, false, false },
	{ "BODY.PEEK[4.2.2.1]<17.393216>", "BODY[4.2.2.1]<17>", SECTION_ALL,
	    4, 0, true, true },
	{ "BODY[3.HEADER]", "BODY[3.HEADER]", SECTION_HEADER, 1, 0, false,
	    false },
	{ "BODY[4.1.MIME]", "BODY[4.1.MIME]", SECTION_MIME, 2, 0, false,
	    false },
	{ "BODY[1.text]", "BODY[1.TEXT]", SECTION_TEXT, 1, 0, false, false },
	{ "BODY.PEEK[HEADER.FIELDS (From To x-Foo)]",
	    "BODY[HEADER.FIELDS (From To x-Foo)]", SECTION_FIELDS, 0, 3, true,
	    false },
	{ "BODY[2.header.fields.not (\"Subject\")]<0.9>",
	    "BODY[2.HEADER.FIELDS.NOT (Subject)]<0>", SECTION_FIELDS_NOT, 1,
	    1, false, true },
	{ "BODY.PEEK[HEADER.FIELDS(To)]", "BODY[HEADER.FIELDS (To)]",
	    SECTION_FIELDS, 0, 1, true, false },
	{ "BODY[HEADER.FIELDS ({3}\r\na b)]",
	    "BODY[HEADER.FIELDS (\"a b\")]", SECTION_FIELDS, 0, 1, false,
	    false },
	{ "BINARY[]", "BINARY[]", SECTION_ALL, 0, 0, false, false },
	{ "binary.peek[1.2]<3.4>", "BINARY[1.2]<3>", SECTION_ALL, 2, 0, true,
	    true },
	{ "BINARY.SIZE[1]", "BINARY.SIZE[1]", SECTION_ALL, 1, 0, true,
	    false },
	{ "RFC822", "RFC822", SECTION_ALL, 0, 0, false, false },
	{ "RFC822.HEADER", "RFC822.HEADER", SECTION_HEADER, 0, 0, true,
	    false },
	{ "rfc822.text", "RFC822.TEXT", SECTION_TEXT, 0, 0, false, false },
};

TEST(test_parse_fetch_knows_sections)
{
	for (size_t i = 0; i < COUNT(sections); i++) {
		struct buf b = BUF_INIT;
		const struct imap_fetch_body *body;
		struct parsing *t;

		buf_printf(&b, " 1 (UID %s FLAGS)", sections[i].in);
		t = parsing_new(buf_span(&b));
		CHECK_EQ(parsing_run(t, imap_parse_fetch), PARSE_OK);
		CHECK_EQ(t->args.fetch.items, FETCH_UID | FETCH_FLAGS);
		CHECK_EQ(t->args.fetch.body_count, 1);
		CHECK_EQ(t->args.fetch.sets_seen, !sections[i].peek);
		body = &t->args.fetch.bodies[0];
		CHECK_SPAN(body->label, sections[i].label);
		CHECK_EQ(body->section.what, sections[i].what);
		CHECK_EQ(body->section.path_len, sections[i].path_len);
		CHECK_EQ(body->section.field_count, sections[i].fields);
		CHECK_EQ(body->peek, sections[i].peek);
		CHECK_EQ(body->partial, sections[i].partial);
		parsing_free(t);
		buf_release(&b);
	}
}

TEST(test_parse_fetch_keeps_numbers)
{
	struct parsing *t = parsing_new(
	    SPAN(" 7 BODY[1.22.333]<4294967296.9223372036854775807>"));
	const struct imap_fetch_body *b;

	CHECK_EQ(parsing_run(t, imap_parse_fetch), PARSE_OK);
	b = t->args.fetch.bodies;
	CHECK_EQ(b->section.path[0], 1);
	CHECK_EQ(b->section.path[1], 22);
	CHECK_EQ(b->section.path[2], 333);
	CHECK_EQ(b->off, 1ull << 32);
	CHECK_EQ(b->len, INT64_MAX);
	parsing_free(t);
}

TEST(test_parse_fetch_keeps_the_order_of_sections)
{
	struct parsing *t = parsing_new(SPAN(" 1 (BODY[1] BODY[2] "
	    "BODY.PEEK[3] RFC822.HEADER BODY[5])"));

	CHECK_EQ(parsing_run(t, imap_parse_fetch), PARSE_OK);
	CHECK_EQ(t->args.fetch.body_count, 5);
	for (size_t i = 0; i < 5; i++)
		if (i != 3)
			CHECK_EQ(t->args.fetch.bodies[i].section.path[0],
			    i + 1);
	parsing_free(t);
}

TEST(test_parse_fetch_refuses_what_is_none)
{
	static const char *const bad[] = {
		"", " 1", " 1 ", " 1 ()", " x FLAGS", " 1 (FLAGS", " 1 FOO",
		" 1 (FLAGS )", " 1 (FLAGS  UID)", " 1 FLAGS UID", " 1 (ALL)",
		" 1 BODY[", " 1 BODY[]<", " 1 BODY[]<0>", " 1 BODY[]<0.>",
		" 1 BODY[]<0.0>", " 1 BODY[]<.1>", " 1 BODY[]<0.1",
		" 1 BODY[]<0.9223372036854775808>",
		" 1 BODY[0]", " 1 BODY[1.]", " 1 BODY[1.0]", " 1 BODY[.1]",
		" 1 BODY[1HEADER]", " 1 BODY[1.FOO]", " 1 BODY[MIME]",
		" 1 BODY[HEADER.FIELDS]", " 1 BODY[HEADER.FIELDS ()]",
		" 1 BODY[HEADER.FIELDS (a b]", " 1 BODY[HEADER.FIELDS a]",
		" 1 BODY[HEADER.FIELDS (a )]", " 1 BODY[TEXT.HEADER]",
		" 1 BODY[4294967296]", " 1 BODY.PEEK", " 1 BODYX",
		" 1 RFC822[]", " 1 BODY[1..2]",
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(imap_parse_fetch, span_of(bad[i]), NULL);
	check_bad(imap_parse_fetch, SPAN(" 1 FOO"), "unknown FETCH item");
}

TEST(test_parse_fetch_has_caps)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, " 1 (BODY[]");
	for (size_t i = 1; i < IMAP_FETCH_ITEMS_MAX; i++)
		buf_adds(&b, " BODY[]");
	buf_addc(&b, ')');
	check_good(imap_parse_fetch, buf_span(&b));
	buf_truncate(&b, b.len - 1);
	buf_adds(&b, " BODY[])");
	check_bad(imap_parse_fetch, buf_span(&b), NULL);

	buf_clear(&b);
	buf_adds(&b, " 1 BODY[HEADER.FIELDS (x");
	for (size_t i = 1; i < IMAP_FETCH_FIELDS_MAX; i++)
		buf_adds(&b, " x");
	buf_adds(&b, ")]");
	check_good(imap_parse_fetch, buf_span(&b));
	buf_truncate(&b, b.len - 2);
	buf_adds(&b, " x)]");
	check_bad(imap_parse_fetch, buf_span(&b), "too many field names");

	buf_clear(&b);
	buf_adds(&b, " 1 BODY[1");
	for (size_t i = 0; i < 200; i++)
		buf_adds(&b, ".1");
	buf_adds(&b, "]");
	check_bad(imap_parse_fetch, buf_span(&b), "too many part numbers");
	buf_release(&b);
}

/* RFC 7162 sections 3.1.4 and 3.2.6 */
TEST(test_parse_fetch_takes_modifiers)
{
	static const struct {
		const char *in;
		uint64_t since;
		bool has, vanished;
	} rows[] = {
		{ " 1:* FLAGS (CHANGEDSINCE 12345)", 12345, true, false },
		{ " 1:* (FLAGS UID) (changedsince 0)", 0, true, false },
		{ " 1:* FAST (CHANGEDSINCE 9 VANISHED) ", 9, true, true },
		{ " 1 BODY[] (VANISHED CHANGEDSINCE 1)", 1, true, true },
		{ " 1 FLAGS (VANISHED)", 0, false, true },
		{ " 1 FLAGS  ", 0, false, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct parsing *t = parsing_new(span_of(rows[i].in));

		CHECK_EQ(parsing_run(t, imap_parse_fetch), PARSE_OK);
		CHECK_EQ(t->args.fetch.has_changedsince, rows[i].has);
		CHECK_EQ(t->args.fetch.changed_since, rows[i].since);
		CHECK_EQ(t->args.fetch.vanished, rows[i].vanished);
		CHECK_EQ(!(t->args.fetch.items & FETCH_MODSEQ), !rows[i].has);
		parsing_free(t);
	}
	check_bad(imap_parse_fetch, SPAN(" 1 FLAGS (CHANGEDSINCE)"), NULL);
	check_bad(imap_parse_fetch, SPAN(" 1 FLAGS (CHANGEDSINCE x)"),
	    "expected a number of 63 bits");
	check_bad(imap_parse_fetch, SPAN(" 1 FLAGS (SINCE 1)"),
	    "unknown FETCH modifier");
	check_bad(imap_parse_fetch,
	    SPAN(" 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 2)"), NULL);
	check_bad(imap_parse_fetch, SPAN(" 1 FLAGS (VANISHED"), NULL);
	check_bad(imap_parse_fetch, SPAN(" 1 FLAGS ()"), NULL);
	check_bad(imap_parse_fetch, SPAN(" 1 FLAGS(CHANGEDSINCE 1)"), NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_fetch_knows_items_and_macros),
		cmocka_unit_test(test_parse_fetch_knows_sections),
		cmocka_unit_test(test_parse_fetch_keeps_numbers),
		cmocka_unit_test(test_parse_fetch_keeps_the_order_of_sections),
		cmocka_unit_test(test_parse_fetch_refuses_what_is_none),
		cmocka_unit_test(test_parse_fetch_has_caps),
		cmocka_unit_test(test_parse_fetch_takes_modifiers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
