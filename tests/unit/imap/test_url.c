#include "imap/url.h"

#include "tests/check.h"

static bool
parse(const char *text, struct arena *a, struct imap_url *url)
{
	return imap_url_parse(span_of(text), a, url);
}

TEST(test_url_names_a_message)
{
	struct arena a = { 0 };
	struct imap_url u;

	CHECK(parse("/Drafts;UIDVALIDITY=385759045/;UID=20", &a, &u));
	CHECK(u.has_mailbox);
	CHECK_SPAN(u.mailbox, "Drafts");
	CHECK_EQ(u.uidvalidity, 385759045);
	CHECK_EQ(u.uid, 20);
	CHECK_EQ(u.part.section.what, SECTION_ALL);
	CHECK(!u.part.partial);
	/* RFC 8508's example, and one without its first slash */
	CHECK(parse("/Drafts/;UID=3002", &a, &u));
	CHECK_SPAN(u.mailbox, "Drafts");
	CHECK_EQ(u.uidvalidity, 0);
	CHECK(parse("a/b;uidvalidity=1/;uid=2", &a, &u));
	CHECK_SPAN(u.mailbox, "a/b");
	CHECK(parse(";UID=4294967295", &a, &u));
	CHECK(!u.has_mailbox);
	CHECK_EQ(u.uid, UINT32_MAX);
	arena_release(&a);
}

TEST(test_url_names_a_part)
{
	struct arena a = { 0 };
	struct imap_url u;

	CHECK(parse("/x/;UID=1/;section=1.2.MIME", &a, &u));
	CHECK_EQ(u.part.section.what, SECTION_MIME);
	CHECK_EQ(u.part.section.path_len, 2);
	CHECK(parse(";UID=1/;SECTION=HEADER.FIELDS%20(To%20Cc)/;PARTIAL=3.4",
	    &a, &u));
	CHECK_EQ(u.part.section.what, SECTION_FIELDS);
	CHECK_EQ(u.part.section.field_count, 2);
	CHECK(u.part.partial);
	CHECK_EQ(u.part.off, 3);
	CHECK_EQ(u.part.len, 4);
	CHECK(parse(";UID=1/;PARTIAL=5", &a, &u));
	CHECK_EQ(u.part.off, 5);
	CHECK_EQ(u.part.len, INT64_MAX);
	arena_release(&a);
}

TEST(test_url_decodes_the_mailbox)
{
	struct arena a = { 0 };
	struct imap_url u;

	CHECK(parse("/gr%C3%BC%C3%9Fe%20%3b/;UID=1", &a, &u));
	CHECK_SPAN(u.mailbox, "gr\xc3\xbc\xc3\x9f" "e ;");
	CHECK(parse("/inbox/;UID=1", &a, &u));
	CHECK_SPAN(u.mailbox, "INBOX");
	CHECK(parse("/Inbox%2fx/;UID=1", &a, &u));
	CHECK_SPAN(u.mailbox, "INBOX/x");
	/* not modified UTF-7 */
	CHECK(parse("/a&b/;UID=1", &a, &u));
	CHECK_SPAN(u.mailbox, "a&b");
	arena_release(&a);
}

TEST(test_url_refuses_what_is_none)
{
	static const char *const bad[] = {
		"", "/", "/x", "x", ";UID=", ";UID=0", ";UID=4294967296",
		";UID=1x", "/;UID=1", "//host/x/;UID=1",
		"imap://host/x/;UID=1", "IMAP://ann@host/x/;UID=1",
		"/x;UIDVALIDITY=0/;UID=1", "/x;UIDVALIDITY=/;UID=1",
		"/x;y/;UID=1", "/x?y/;UID=1", "/x%/;UID=1", "/x%zz/;UID=1",
		"/x%00/;UID=1", "/%ff/;UID=1", "/x/;UID=1/",
		"/x/;UID=1/;SECTION=", "/x/;UID=1/;SECTION=NO",
		"/x/;UID=1/;SECTION=1]x[", "/x/;UID=1/;PARTIAL=",
		"/x/;UID=1/;PARTIAL=1.", "/x/;UID=1/;PARTIAL=1.0",
		"/x/;UID=1/;PARTIAL=-1", "/x/;UID=1/;PARTIAL=1/;SECTION=1",
		"/x/;UID=1;URLAUTH=anonymous:internal:91354a473744909de6",
	};
	struct arena a = { 0 };
	struct imap_url u;

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(!parse(bad[i], &a, &u));
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url_names_a_message),
		cmocka_unit_test(test_url_names_a_part),
		cmocka_unit_test(test_url_decodes_the_mailbox),
		cmocka_unit_test(test_url_refuses_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
