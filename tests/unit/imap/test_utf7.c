#include "imap/utf7.h"

#include "server/base/err.h"
#include "tests/check.h"

static const struct {
	const char *utf7, *utf8;
} pairs[] = {
	{ "", "" },
	{ "INBOX", "INBOX" },
	{ "a&-b", "a&b" },
	{ "&-&-", "&&" },
	/* RFC 3501 section 5.1.3 */
	{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
	    "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
	    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
	{ "Entw&APw-rfe", "Entw\xc3\xbcrfe" },
	{ "&AOQ-&-&APY-", "\xc3\xa4&\xc3\xb6" },
	{ "&2D3eAA-", "\xf0\x9f\x98\x80" },
	{ "&AAE-", "\x01" },
	{ "100%*", "100%*" },
};

TEST(test_utf7_decodes_and_encodes)
{
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct buf b = BUF_INIT;

		CHECK_EQ(utf7_decode(&b, span_of(pairs[i].utf7)), 0);
		CHECK_STR(b.p, pairs[i].utf8);
		buf_clear(&b);
		utf7_encode(&b, span_of(pairs[i].utf8));
		CHECK_STR(b.p, pairs[i].utf7);
		buf_release(&b);
	}
}

TEST(test_utf7_refuses_other_forms_of_a_name)
{
	static const char *const bad[] = {
		"&", "a&", "&AOQ", "&A-", "&AO-", "&AOQ/-", "&AOR-",
		"&AGE-",		/* "a" needs no base64 */
		"&ACY-",		/* nor does "&" */
		"&AOQ-&APY-",		/* one run in two (RFC 3501 5.1.3) */
		"&AOQAYQ-",		/* "a" inside a run */
		"&2D0-", "&3gA-", "&2D0AYQ-", "&2D3YPQ-", /* surrogates */
		"&AOQA-", "&AOQAA-",	/* bits left over */
		"a\x01", "\x7f", "\xc3\xa4", "&\xc3\xa4-",
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf b = BUF_INIT;

		CHECK_EQ(utf7_decode(&b, span_of(bad[i])), ERR_SYNTAX);
		buf_release(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf7_decodes_and_encodes),
		cmocka_unit_test(test_utf7_refuses_other_forms_of_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
