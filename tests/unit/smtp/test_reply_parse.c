#include "tests/check.h"

#include "smtp/reply_parse.h"

/* Feeds all of text; the last verdict. */
static enum reply_result
feed(struct server_reply *r, const char *text, size_t len, size_t *used)
{
	enum reply_result result = REPLY_MORE;
	size_t n;

	*r = (struct server_reply){ 0 };
	*used = 0;
	do {
		result = reply_take_line(r, text + *used, len - *used, &n);
		*used += n;
	} while (result == REPLY_LINE);
	return result;
}

TEST(test_reply_is_read_as_the_rfc_writes_it)
{
	static const struct {
		const char *in;
		unsigned code;
		const char *status, *text;
	} ok[] = {
		{ "250 ok\r\n", 250, "", "ok" },
		{ "250\r\n", 250, "", "" },
		{ "250 \r\n", 250, "", "" },
		{ "354 \tgo\ton \r\n", 354, "", "go on" },
		{ "220 lone LF\n", 220, "", "lone LF" },
		{ "550 5.1.1 no such user\r\n", 550, "5.1.1",
		    "5.1.1 no such user" },
		{ "550 5.1.1\r\n", 550, "5.1.1", "5.1.1" },
		{ "550-5.7.1 first\r\n550-5.7.1 second\r\n550 third\r\n", 550,
		    "5.7.1", "5.7.1 first second third" },
		{ "450-4.1.2 a\r\n450 4.1.3 b\r\n", 450, "4.1.2",
		    "4.1.2 a 4.1.3 b" },
		/* RFC 2034 section 4: the class has to be the code's. */
		{ "450 5.1.1 odd\r\n", 450, "", "5.1.1 odd" },
		{ "550 5.1 odd\r\n", 550, "", "5.1 odd" },
		{ "550 5.1.1.1 odd\r\n", 550, "", "5.1.1.1 odd" },
		{ "550 5.1234.1 odd\r\n", 550, "", "5.1234.1 odd" },
		{ "550 5.999.999 fine\r\n", 550, "5.999.999",
		    "5.999.999 fine" },
	};
	struct server_reply r;
	size_t used;

	for (size_t i = 0; i < COUNT(ok); i++) {
		CHECK_EQ(feed(&r, ok[i].in, strlen(ok[i].in), &used),
		    REPLY_DONE);
		CHECK_EQ(used, strlen(ok[i].in));
		CHECK_EQ(r.code, ok[i].code);
		CHECK_STR(r.status, ok[i].status);
		CHECK_STR(r.text, ok[i].text);
	}
}

TEST(test_reply_that_is_none_is_broken)
{
	static const char *const bad[] = {
		"\r\n", "25\r\n", "2500 ok\r\n", "250ok\r\n", "ok\r\n",
		"199 low\r\n", "600 high\r\n", "25x ok\r\n", " 250 ok\r\n",
		"250-a\r\n251 b\r\n", "250-a\r\nb\r\n",
	};
	struct server_reply r;
	size_t used;

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(feed(&r, bad[i], strlen(bad[i]), &used),
		    REPLY_BROKEN);
	CHECK_EQ(feed(&r, "250 o", 5, &used), REPLY_MORE);
	CHECK_EQ(used, 0);
}

TEST(test_reply_has_an_end)
{
	static char line[REPLY_LINE_MAX + 1];
	struct server_reply r = { 0 };
	enum reply_result result;
	size_t used, total = 0, lines = 0;

	/* Lines without a last one. */
	do {
		result = reply_take_line(&r, "250-x\r\n", 7, &used);
		lines++;
	} while (result == REPLY_LINE);
	CHECK_EQ(result, REPLY_BROKEN);
	CHECK_EQ(lines, REPLY_LINES_MAX + 1);
	/* A line without an end. */
	memset(line, 'x', sizeof line);
	memcpy(line, "250-", 4);
	CHECK_EQ(feed(&r, line, REPLY_LINE_MAX - 1, &used), REPLY_MORE);
	CHECK_EQ(feed(&r, line, REPLY_LINE_MAX, &used), REPLY_BROKEN);
	/* Many long ones; the text stays short. */
	memcpy(line + REPLY_LINE_MAX - 2, "\r\n", 2);
	r = (struct server_reply){ 0 };
	do {
		result = reply_take_line(&r, line, REPLY_LINE_MAX, &used);
		total += used;
	} while (result == REPLY_LINE);
	CHECK_EQ(result, REPLY_BROKEN);
	CHECK(total <= REPLY_BYTES_MAX + REPLY_LINE_MAX);
	CHECK(r.text_len <= REPLY_TEXT_MAX);
}

TEST(test_reply_text_is_harmless)
{
	static const char in[] = "554 \0a\x7f\x1b[1m\xc2\x85\xff"
	    "\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6 \xc3\xa4\r\n";
	struct server_reply r;
	size_t used;

	CHECK_EQ(feed(&r, in, sizeof in - 1, &used), REPLY_DONE);
	CHECK_STR(r.text, "?a??[1m????? \xc3\xa4");
}

TEST(test_reply_text_is_cut_between_characters)
{
	char text[8];
	size_t len = 0;

	reply_put_safe(text, &len, 7, SPAN("abcde\xc3\xa4\xc3\xa4"));
	CHECK_STR(text, "abcde\xc3\xa4");
	len = 0;
	reply_put_safe(text, &len, 6, SPAN("abcde\xc3\xa4"));
	CHECK_STR(text, "abcde");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply_is_read_as_the_rfc_writes_it),
		cmocka_unit_test(test_reply_that_is_none_is_broken),
		cmocka_unit_test(test_reply_has_an_end),
		cmocka_unit_test(test_reply_text_is_harmless),
		cmocka_unit_test(test_reply_text_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
