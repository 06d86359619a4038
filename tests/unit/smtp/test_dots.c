#include "tests/check.h"

#include "server/base/buf.h"
#include "smtp/dots.h"

/*
 * Feeds in, step bytes at a time; appends the text to out. Returns the bytes
 * up to the end of the message, 0 when it did not end.
 */
static size_t
feed(struct dots *d, struct span in, size_t step, struct buf *out)
{
	size_t at = 0, used;
	struct span text;

	while (at < in.len) {
		size_t len = MIN(step, in.len - at);
		size_t stop = at + len;

		while (at < stop) {
			enum dots_result r = dots_next(d, in.p + at,
			    stop - at, &used, &text);

			at += used;
			if (r == DOTS_END)
				return at;
			if (r == DOTS_TEXT)
				buf_addspan(out, text);
			else
				CHECK_EQ(at, stop);
		}
	}
	return 0;
}

struct example {
	const char *in;
	size_t end;		/* bytes used; 0: has not ended */
	const char *text;	/* as it stands */
	const char *repaired;
	bool has_bare;
};

static const struct example examples[] = {
	{ ".\r\n", 3, "", "", false },
	{ "a\r\n.\r\nQUIT\r\n", 6, "a\r\n", "a\r\n", false },
	{ "..\r\n..a\r\n.\r\n", 12, ".\r\n.a\r\n", ".\r\n.a\r\n", false },
	{ ".a\r\n.\r\n", 7, "a\r\n", "a\r\n", false },
	{ "a.\r\n.b.\r\n.\r\n", 12, "a.\r\nb.\r\n", "a.\r\nb.\r\n", false },
	{ "\r\n\r\n.\r\n", 7, "\r\n\r\n", "\r\n\r\n", false },
	/* What smuggling is made of: none of these is the end. */
	{ "a\n.\n", 0, "a\n.\n", "a\r\n.\r\n", true },
	{ "a\n.\r\nb", 0, "a\n.\r\nb", "a\r\n.\r\nb", true },
	{ "a\r\n.\nb", 0, "a\r\n\nb", "a\r\n\r\nb", true },
	{ "a\r\n.\rb", 0, "a\r\n\rb", "a\r\n\r\nb", true },
	{ "a\r.\r\nb", 0, "a\r.\r\nb", "a\r\n.\r\nb", true },
	{ "a\r\r\n.\r\n", 7, "a\r\r\n", "a\r\n\r\n", true },
	{ "a\r\n.\r\r\nb", 0, "a\r\n\r\r\nb", "a\r\n\r\n\r\nb", true },
	{ ".\n\r\n.\r\n", 7, "\n\r\n", "\r\n\r\n", true },
	{ "\n\n", 0, "\n\n", "\r\n\r\n", true },
	{ "a\n\r.\r\n", 0, "a\n\r.\r\n", "a\r\n\r\n.\r\n", true },
};

static void
check_example(const struct example *e, size_t step, bool is_repaired)
{
	struct buf out = BUF_INIT;
	struct dots d;

	dots_init(&d, true, is_repaired);
	CHECK_EQ(feed(&d, span_of(e->in), step, &out), e->end);
	CHECK_STR(out.p, is_repaired ? e->repaired : e->text);
	CHECK_EQ(d.has_bare, e->has_bare);
	buf_release(&out);
}

TEST(test_dots_end_is_exact_wherever_input_is_split)
{
	for (size_t i = 0; i < COUNT(examples); i++)
		for (size_t step = 1; step < 12; step++)
			check_example(&examples[i], step, false);
}

TEST(test_dots_repair_bare_line_ends)
{
	for (size_t i = 0; i < COUNT(examples); i++)
		for (size_t step = 1; step < 12; step++)
			check_example(&examples[i], step, true);
}

TEST(test_dots_leave_chunks_alone)
{
	struct span in = SPAN(".\r\n..\r\n.\r\na\r");
	struct span text = in;

	for (size_t step = 1; step < in.len; step++) {
		struct buf out = BUF_INIT;
		struct dots d;

		dots_init(&d, false, false);
		CHECK_EQ(feed(&d, in, step, &out), 0);
		CHECK(!d.has_bare);
		text = dots_finish(&d);
		buf_addspan(&out, text);
		CHECK(d.has_bare);
		CHECK_STR(out.p, in.p);
		buf_release(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_dots_end_is_exact_wherever_input_is_split),
		cmocka_unit_test(test_dots_repair_bare_line_ends),
		cmocka_unit_test(test_dots_leave_chunks_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
