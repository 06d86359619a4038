#include "auth/tags.h"

#include "server/base/buf.h"
#include "tests/check.h"

TEST(test_tags_are_read_with_folding_around_them)
{
	struct tags t;

	CHECK_EQ(tags_parse(SPAN("v=1; a = rsa-sha256;\r\n\tbh=ab\r\n cd=;x=;"),
	    &t), PARSE_OK);
	CHECK_EQ(t.count, 4);
	CHECK_SPAN(*tags_find(&t, "a"), "rsa-sha256");
	CHECK_SPAN(*tags_find(&t, "bh"), "ab\r\n cd=");
	CHECK_SPAN(*tags_find(&t, "x"), "");
	CHECK(tags_find(&t, "A") == NULL);
}

TEST(test_tags_refuse_what_is_no_list)
{
	static const char *const bad[] = {
		"", ";", "a", "a=1;;b=2", "=1", "1a=2", "a b=2", "a=1;a=2",
		"a=\x01", "a=1; b",
	};
	struct tags t;

	for (size_t i = 0; i < COUNT(bad); i++)
		if (tags_parse(span_of(bad[i]), &t) == PARSE_OK)
			fail_msg("taken: %s", bad[i]);
}

TEST(test_tags_are_capped)
{
	struct buf text = BUF_INIT;
	struct tags t;

	for (unsigned i = 0; i < TAGS_MAX; i++)
		buf_printf(&text, "t%u=%u;", i, i);
	CHECK_EQ(tags_parse(buf_span(&text), &t), PARSE_OK);
	CHECK_EQ(t.count, TAGS_MAX);
	buf_adds(&text, "x=1");
	CHECK_EQ(tags_parse(buf_span(&text), &t), PARSE_BAD);
	buf_release(&text);
}

TEST(test_tags_items_have_no_space_around_them)
{
	struct cursor c = cursor_of(" From :\r\n To:Subject");
	struct span item;

	CHECK(tags_next_item(&c, ':', &item));
	CHECK_SPAN(item, "From");
	CHECK(tags_next_item(&c, ':', &item));
	CHECK_SPAN(item, "To");
	CHECK(tags_next_item(&c, ':', &item));
	CHECK_SPAN(item, "Subject");
	CHECK(!tags_next_item(&c, ':', &item));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags_are_read_with_folding_around_them),
		cmocka_unit_test(test_tags_refuse_what_is_no_list),
		cmocka_unit_test(test_tags_are_capped),
		cmocka_unit_test(test_tags_items_have_no_space_around_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
