#include "tests/check.h"

#include "store/mime/header.h"

TEST(test_fields_come_with_name_value_and_all_their_bytes)
{
	static const char block[] =
	    "From: a@b\r\n"
	    "Subject : folded\r\n\tonce\r\n \r\n twice\r\n"
	    "Empty:\r\n"
	    "no colon here\r\n"
	    "Bad Name: x\r\n"
	    ": no name\r\n"
	    "LF-Only: y\n"
	    "Colons: a:b\r\n"
	    "\r\n"
	    "Body: not a field\r\n";
	static const struct {
		const char *name, *value, *whole;
	} rows[] = {
		{ "From", " a@b", "From: a@b\r\n" },
		{ "Subject", " folded\r\n\tonce\r\n \r\n twice",
		    "Subject : folded\r\n\tonce\r\n \r\n twice\r\n" },
		{ "Empty", "", "Empty:\r\n" },
		{ "", "no colon here", "no colon here\r\n" },
		{ "", "Bad Name: x", "Bad Name: x\r\n" },
		{ "", ": no name", ": no name\r\n" },
		{ "LF-Only", " y", "LF-Only: y\n" },
		{ "Colons", " a:b", "Colons: a:b\r\n" },
	};
	struct field_iter it;
	struct header_field f;

	field_iter_init(&it, span_of(block));
	for (size_t i = 0; i < COUNT(rows); i++) {
		CHECK(field_iter_next(&it, &f));
		CHECK_SPAN(f.name, rows[i].name);
		CHECK_SPAN(f.value, rows[i].value);
		CHECK_SPAN(f.whole, rows[i].whole);
	}
	CHECK(!field_iter_next(&it, &f));
}

TEST(test_fields_end_where_the_block_ends)
{
	static const struct {
		const char *block, *name, *value;
	} rows[] = {
		{ "A: b", "A", " b" },
		{ "A:", "A", "" },
		{ "A", "", "A" },
		{ "A: b\r", "A", " b\r" },
		{ "A: b\r\n", "A", " b" },
		{ "A: b\r\n c", "A", " b\r\n c" },
		{ "A: b\r\n ", "A", " b\r\n " },
		{ " folded: first", "", " folded: first" },
		{ ":", "", ":" },
		{ "\xc3: x", "", "\xc3: x" },
		{ "\rA: x", "", "\rA: x" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span block = span_of(rows[i].block);
		char *copy = xmemdup(block.p, block.len);
		struct field_iter it;
		struct header_field f;

		field_iter_init(&it, span_make(copy, block.len));
		CHECK(field_iter_next(&it, &f));
		CHECK_SPAN(f.name, rows[i].name);
		CHECK_SPAN(f.value, rows[i].value);
		CHECK_EQ(f.whole.len, block.len);
		CHECK(!field_iter_next(&it, &f));
		free(copy);
	}
}

TEST(test_find_gives_the_first_in_any_case)
{
	struct span block = SPAN("To: x\r\nSUBJECT: one\r\nSubject: two\r\n"
	    "\r\nCc: body\r\n");
	struct header_field f;

	CHECK(header_find(block, "subject", &f));
	CHECK_SPAN(f.value, " one");
	CHECK(!header_find(block, "sub", &f));
	CHECK(!header_find(block, "cc", &f));
	CHECK(!header_find(SPAN(""), "cc", &f));
}

TEST(test_block_goes_through_the_blank_line)
{
	static const struct {
		const char *message;
		size_t len;
	} rows[] = {
		{ "A: b\r\n\r\nbody", 8 }, { "A: b\n\nbody", 6 },
		{ "A: b\r\n\nbody", 7 }, { "\r\nbody", 2 }, { "\n", 1 },
		{ "A: b\r\n", 6 }, { "A: b", 4 }, { "", 0 },
		{ "A: b\r\n \r\n\r\nbody", 11 }, { "A: b\r\n\r", 7 },
		{ "\r\r\n\r\n", 5 },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK_EQ(header_block_len(span_of(rows[i].message)),
		    rows[i].len);
}

TEST(test_unfold_takes_line_ends_away_and_nothing_else)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ " plain ", "plain" },
		{ " a\r\n b", "a b" },
		{ " a\r\n\tb\n  c", "a\tb  c" },
		{ "\r\n a", "a" },
		{ " a\r\n \r\n ", "a" },
		{ " a  b", "a  b" },
		{ " =?utf-8?q?x?= \xff", "=?utf-8?q?x?= \xff" },
		{ " a\rb", "a b" },
		{ "", "" }, { " ", "" }, { "\r", "" }, { "\n", "" },
		{ "a\r\n", "a" }, { "a\r", "a" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT;

		buf_adds(&out, "x ");
		header_unfold(&out, span_of(rows[i].in));
		CHECK_SPAN(span_from(buf_span(&out), 2), rows[i].out);
		buf_release(&out);
	}
}

TEST(test_unfold_drops_nuls)
{
	struct buf out = BUF_INIT;

	header_unfold(&out, span_make(" a\0b\0", 5));
	CHECK_STR(out.p, "ab");
	buf_release(&out);
}

TEST(test_message_ids_are_normalised)
{
	static const struct {
		const char *in, *ids;	/* each behind a space */
	} rows[] = {
		{ "<a@b>", " a@b" },
		{ "<a@b> <c@d>", " a@b c@d" },
		{ "<a@b><c@d>", " a@b c@d" },
		/* RFC 5256 section 3 */
		{ "<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>",
		    " 01KF8JCEOCBS0045PS@xxx.yyy.com" },
		/* RFC 5322 A.6.3 */
		{ "<1234   @   local(blah)  .machine .example>",
		    " 1234@local.machine.example" },
		{ "Your message of Monday <a@b> (was: <c@d>)", " a@b" },
		{ "<no-at> <a@b>", " a@b" },
		{ "<> <@> <a@b>", " a@b" },
		{ "a@b", "" }, { "<a@b", "" }, { "<", "" }, { "", "" },
		{ "(", "" }, { "(\\", "" }, { "<\"a@b>", "" },
		{ "<\"a\\>@b>", "" }, { "<a@b(\\>", " a@b" },
		{ "<A@B>", " A@B" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span in = span_of(rows[i].in);
		char *copy = xmemdup(in.p, in.len);
		struct cursor c = cursor_of_span(span_make(copy, in.len));
		struct buf out = BUF_INIT;
		struct arena a = { 0 };
		struct span id;

		while (header_next_msg_id(&c, &a, &id)) {
			buf_addc(&out, ' ');
			buf_addspan(&out, id);
		}
		CHECK_STR(out.p, rows[i].ids);
		buf_release(&out);
		arena_release(&a);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_fields_come_with_name_value_and_all_their_bytes),
		cmocka_unit_test(test_fields_end_where_the_block_ends),
		cmocka_unit_test(test_find_gives_the_first_in_any_case),
		cmocka_unit_test(test_block_goes_through_the_blank_line),
		cmocka_unit_test(
		    test_unfold_takes_line_ends_away_and_nothing_else),
		cmocka_unit_test(test_unfold_drops_nuls),
		cmocka_unit_test(test_message_ids_are_normalised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
