#include "imap/parse.h"

#include "imap/imap_limits.h"
#include "tests/check.h"
#include "tests/unit/imap/parsing.h"

static void
check_get(const char *in, const char *name, enum metadata_depth depth,
    uint64_t max_size, const char *entries)
{
	struct parsing *t = parsing_new(span_of(in));
	const struct imap_getmetadata_args *g = &t->args.getmetadata;
	struct buf b = BUF_INIT;

	CHECK_EQ(parsing_run(t, imap_parse_getmetadata), PARSE_OK);
	CHECK_SPAN(g->name, name);
	CHECK_EQ(g->depth, depth);
	CHECK_EQ(g->max_size, max_size);
	for (size_t i = 0; i < g->entry_count; i++) {
		if (i)
			buf_addc(&b, ' ');
		buf_addspan(&b, g->entries[i]);
	}
	CHECK_STR(b.p, entries);
	buf_release(&b);
	parsing_free(t);
}

TEST(test_parse_getmetadata_takes_options_at_both_places)
{
	check_get(" \"\" /shared/comment", "", METADATA_DEPTH_0, UINT64_MAX,
	    "/shared/comment");
	check_get(" inbox (/shared/comment \"/PRIVATE/comment\")", "INBOX",
	    METADATA_DEPTH_0, UINT64_MAX, "/shared/comment /PRIVATE/comment");
	check_get(" (depth Infinity MAXSIZE 0) x /shared", "x",
	    METADATA_DEPTH_INFINITY, 0, "/shared");
	check_get(" x (MAXSIZE 1024) (/private/a)", "x", METADATA_DEPTH_0,
	    1024, "/private/a");
	check_get(" x (DEPTH 1) /private/a /shared/b ", "x",
	    METADATA_DEPTH_1, UINT64_MAX, "/private/a /shared/b");
	check_get(" x ({10+}\r\n/private/a)", "x", METADATA_DEPTH_0,
	    UINT64_MAX, "/private/a");
}

TEST(test_parse_getmetadata_refuses)
{
	static const char *const bad[] = {
		"", " ", " x", " x ", " x ()", " x (/private/a", " x /private/",
		" x /privat/a", " x /", " x \"\"", " x /private//a",
		" x \"/private/\x7f\"", " x \"/private/\xc3\xa4\"",
		" x \"/private/\x19\"", " x (DEPTH 0) ", " x (DEPTH) /private/a",
		" x (DEPTH 2) /private/a", " x (MAXSIZE -1) /private/a",
		" x (MAXSIZE 4294967296) /private/a", " x (SIZE 1) /private/a",
		" (DEPTH 1 x /private/a"
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(imap_parse_getmetadata, span_of(bad[i]), NULL);
}

TEST(test_parse_metadata_limits_names_and_numbers)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, " x (/private/0");
	for (unsigned i = 1; i < IMAP_METADATA_MAX; i++)
		buf_printf(&b, " /private/%u", i);
	buf_addc(&b, ')');
	check_good(imap_parse_getmetadata, buf_span(&b));
	buf_truncate(&b, b.len - 1);
	buf_adds(&b, " /private/x)");
	check_bad(imap_parse_getmetadata, buf_span(&b), "too many entries");
	buf_clear(&b);
	buf_adds(&b, " x /private/");
	while (b.len < 3 + METADATA_ENTRY_MAX)
		buf_addc(&b, 'a');
	check_good(imap_parse_getmetadata, buf_span(&b));
	buf_addc(&b, 'a');
	check_bad(imap_parse_getmetadata, buf_span(&b), NULL);
	buf_release(&b);
}

TEST(test_parse_setmetadata_takes_values_of_each_form)
{
	struct span in = SPAN(" \"\" (/private/a \"x\" /shared/b NIL"
	    " /private/vendor/c/d {2+}\r\nyz /private/e ~{3}\r\na\0b)");
	struct parsing *t = parsing_new(in);
	const struct imap_setmetadata_args *s = &t->args.setmetadata;

	CHECK_EQ(parsing_run(t, imap_parse_setmetadata), PARSE_OK);
	CHECK_EQ(s->value_count, 4);
	CHECK_SPAN(s->values[0].entry, "/private/a");
	CHECK_SPAN(s->values[0].value, "x");
	CHECK(!s->values[0].is_nil && s->values[1].is_nil);
	CHECK_SPAN(s->values[2].value, "yz");
	CHECK(span_eq(s->values[3].value, SPAN("a\0b")));
	parsing_free(t);
}

TEST(test_parse_setmetadata_refuses)
{
	static const char *const bad[] = {
		" x", " x (", " x ()", " x /private/a \"x\"",
		" x (/private/a)", " x (/private/a x)", " x (/private \"x\")",
		" x (/private/a \"x\" )", " x (/private/a \"x\"",
		" x (/private/a ~\"x\")", " x (/private/a ~{3}\r\nab)",
		" x (/private/vendor/a \"x\")", " x (/shared/vendor \"x\")"
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		check_bad(imap_parse_setmetadata, span_of(bad[i]), NULL);
	check_bad(imap_parse_setmetadata, SPAN(" x (/private/a {1}\r\n\0)"),
	    "NUL in a literal");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_parse_getmetadata_takes_options_at_both_places),
		cmocka_unit_test(test_parse_getmetadata_refuses),
		cmocka_unit_test(test_parse_metadata_limits_names_and_numbers),
		cmocka_unit_test(
		    test_parse_setmetadata_takes_values_of_each_form),
		cmocka_unit_test(test_parse_setmetadata_refuses)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
