#include "tests/check.h"

#include "server/base/err.h"
#include "smtp/smtp_reply.h"

static const enum err errors[] = {
#define X(name, text) name,
	ERR_LIST(X)
#undef X
};

TEST(test_replies_have_codes_that_agree)
{
	for (int i = R_NONE + 1; i < SMTP_REPLY_COUNT; i++) {
		const struct smtp_reply *r =
		    smtp_reply_get((enum smtp_reply_id)i);

		CHECK(r->code >= 200 && r->code <= 599);
		/* RFC 2034 section 4: first digits are the same. */
		if (*r->enhanced)
			CHECK_EQ(*r->enhanced, '0' + r->code / 100);
		else
			CHECK(r->code / 100 == 3 || i == R_GREETING ||
			    i == R_HELLO);
		CHECK(strlen(r->text) < 100);
	}
}

TEST(test_trouble_of_our_own_is_temporary)
{
	for (size_t i = 0; i < COUNT(errors); i++) {
		int code = smtp_reply_get(smtp_reply_for_err(errors[i]))->code;

		CHECK_EQ(code / 100, 4);
	}
	CHECK_EQ(smtp_reply_for_err(ERR_FULL), R_NO_SPACE);
	CHECK_EQ(smtp_reply_for_err(ERR_BUDGET), R_NO_MEMORY);
	CHECK_EQ(smtp_reply_for_err(ERR_QUOTA), R_QUOTA);
	CHECK_EQ(smtp_reply_for_err(ERR_STORE), R_TROUBLE);
}

TEST(test_reply_is_one_line_whatever_is_in_it)
{
	struct buf out = BUF_INIT;

	smtp_reply_put(&out, R_OK, SPAN("a\r\nb\x01" "c\xc3\xa4"), false);
	CHECK_STR(out.p, "250 2.0.0 a??b?c??\r\n");
	buf_clear(&out);
	smtp_reply_put(&out, R_OK, SPAN("\xc3\xa4\n"), true);
	CHECK_STR(out.p, "250 2.0.0 \xc3\xa4?\r\n");
	buf_clear(&out);
	smtp_reply_put(&out, R_OK, SPAN("\xc3"), true);
	CHECK_STR(out.p, "250 2.0.0 ?\r\n");
	buf_release(&out);
}

TEST(test_reply_line_keeps_to_512_bytes)
{
	struct buf out = BUF_INIT, text = BUF_INIT;

	for (int i = 0; i < 600; i++)
		buf_addc(&text, 'x');
	smtp_reply_put(&out, R_NOT_YOURS, buf_span(&text), false);
	CHECK(out.len <= 512);
	CHECK_STR(out.p + out.len - 2, "\r\n");
	buf_release(&out);
	buf_release(&text);
}

TEST(test_reply_says_the_tables_words_by_default)
{
	struct buf out = BUF_INIT;

	smtp_reply_put(&out, R_BYE, SPAN(""), false);
	CHECK_STR(out.p, "221 2.0.0 Goodbye\r\n");
	buf_clear(&out);
	smtp_reply_line(&out, 250, false, "A");
	smtp_reply_line(&out, 250, true, "B");
	CHECK_STR(out.p, "250-A\r\n250 B\r\n");
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies_have_codes_that_agree),
		cmocka_unit_test(test_trouble_of_our_own_is_temporary),
		cmocka_unit_test(test_reply_is_one_line_whatever_is_in_it),
		cmocka_unit_test(test_reply_line_keeps_to_512_bytes),
		cmocka_unit_test(test_reply_says_the_tables_words_by_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
