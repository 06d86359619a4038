#include "tests/check.h"

#include "store/mime/mime.h"

struct row {
	const char *subject, *base;
	bool is_reply;
};

static void
check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct buf message = BUF_INIT;
		struct arena a = { 0 };
		struct digest d;

		buf_printf(&message, "Subject: %s\r\n\r\n", rows[i].subject);
		mime_digest(buf_span(&message), &a, &d);
		CHECK_SPAN(d.base_subject, rows[i].base);
		CHECK_EQ(d.is_reply, rows[i].is_reply);
		buf_release(&message);
		arena_release(&a);
	}
}

TEST(test_base_subject_drops_leaders_and_trailers)
{
	static const struct row rows[] = {
		{ "hello", "hello", false },
		{ "Hello World", "hello world", false },
		{ "Re: hello", "hello", true },
		{ "RE: hello", "hello", true },
		{ "re:hello", "hello", true },
		{ "Re : hello", "hello", true },
		{ "Fw: hello", "hello", true },
		{ "Fwd: hello", "hello", true },
		{ "Re: Fwd: RE: hello", "hello", true },
		{ "Re[2]: hello", "hello", true },
		{ "Re [2] : hello", "hello", true },
		{ "Re [2][3]: hello", "re [2][3]: hello", false },
		{ "hello (fwd)", "hello", true },
		{ "hello (FWD) (fwd)  ", "hello", true },
		{ "[list] hello", "hello", false },
		{ "[list] Re: hello", "hello", true },
		{ "Re: [list] hello", "hello", true },
		{ "Re: [list] Re: [list] hello", "hello", true },
		{ "[a] [b] [c] hello", "hello", false },
		{ "[a][b]Re:[c][d]hello", "hello", true },
		{ "[list]", "[list]", false },
		{ "[a] [b]", "[b]", false },
		{ "Re: [list]", "[list]", true },
		{ "[unclosed hello", "[unclosed hello", false },
		{ "[a[b]] hello", "[a[b]] hello", false },
		{ "[fwd: hello]", "hello", true },
		{ "[Fwd: Re: hello (fwd)]", "hello", true },
		{ "[fwd: [fwd: [list] hello]]", "hello", true },
		{ "Re: [fwd: hello]", "hello", true },
		{ "[fwd: hello", "[fwd: hello", false },
		{ "[fwd: hello] x", "x", false },
		{ "[fwd:]", "", true },
		{ "hello world   again", "hello world again", false },
		{ "hello\tworld", "hello world", false },
		{ "Re:", "", true },
		{ "Re: Re:", "", true },
		{ "(fwd)", "", true },
		{ "", "", false },
		{ "Reply: hello", "reply: hello", false },
		{ "Re hello", "re hello", false },
		{ "Regarding", "regarding", false },
		{ "re", "re", false }, { "fw", "fw", false },
		{ "re[", "re[", false }, { "re[]", "re[]", false },
		{ "[", "[", false }, { "]", "]", false },
		/* RFC 5256 section 2.1: exactly this, in no other language */
		{ "AW: hello", "aw: hello", false },
		{ "SV: hello", "sv: hello", false },
	};

	check_rows(rows, COUNT(rows));
}

TEST(test_base_subject_is_decoded_and_folded)
{
	static const struct row rows[] = {
		{ "=?utf-8?Q?Re:_GR=C3=9CN?=", "gr\xc3\xbcn", true },
		{ "=?utf-8?Q?Re?=: x", "x", true },
		{ "Re: =?iso-8859-1?Q?=5Blist=5D_=C4rger?=",
		    "\xc3\xa4rger", true },
		{ "folded\r\n here", "folded here", false },
	};

	check_rows(rows, COUNT(rows));
}

TEST(test_base_subject_of_many_blobs_takes_no_longer_than_they_are)
{
	struct buf message = BUF_INIT;
	struct arena a = { 0 };
	struct digest d;

	buf_adds(&message, "Subject: ");
	for (int i = 0; i < 2000; i++)
		buf_adds(&message, "[a]");
	buf_adds(&message, "x\r\n\r\n");
	mime_digest(buf_span(&message), &a, &d);
	CHECK_SPAN(d.base_subject, "x");
	buf_release(&message);
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base_subject_drops_leaders_and_trailers),
		cmocka_unit_test(test_base_subject_is_decoded_and_folded),
		cmocka_unit_test(
	test_base_subject_of_many_blobs_takes_no_longer_than_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
