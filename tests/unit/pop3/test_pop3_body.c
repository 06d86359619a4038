#include "tests/check.h"

#include "pop3/pop3_body.h"

/* What is sent for in, fed step bytes at a time. */
static void
check(struct span in, uint64_t lines, const char *sent)
{
	for (size_t step = 1; step <= in.len + 1; step++) {
		struct buf out = BUF_INIT;
		struct pop3_body b;

		pop3_body_init(&b, lines);
		for (size_t at = 0; at < in.len; at += step)
			pop3_body_add(&b, &out, span_head(span_from(in, at),
			    step));
		pop3_body_finish(&b, &out);
		CHECK_STR(out.p, sent);
		buf_release(&out);
	}
}

#define ALL POP3_ALL_LINES

TEST(test_body_goes_as_it_is)
{
	check(SPAN("A: b\r\n\r\ntext\r\n"), ALL,
	    "A: b\r\n\r\ntext\r\n.\r\n");
	check(SPAN("\r\ntext\r\n"), ALL, "\r\ntext\r\n.\r\n");
}

TEST(test_body_stuffs_dots)
{
	check(SPAN(".A: b\r\n\r\n.\r\n..x\r\na.\r\n"), ALL,
	    "..A: b\r\n\r\n..\r\n...x\r\na.\r\n.\r\n");
}

TEST(test_body_ends_its_last_line)
{
	check(SPAN("A: b\r\n\r\ntext"), ALL, "A: b\r\n\r\ntext\r\n.\r\n");
	check(SPAN("A: b\r\n\r\ntext\r"), ALL, "A: b\r\n\r\ntext\r\n.\r\n");
	check(SPAN("A: b\r\n\r\n."), ALL, "A: b\r\n\r\n..\r\n.\r\n");
}

TEST(test_body_without_blank_line_is_given_one)
{
	check(SPAN("A: b\r\n"), ALL, "A: b\r\n\r\n.\r\n");
	check(SPAN("A: b"), ALL, "A: b\r\n\r\n.\r\n");
	check(SPAN(""), ALL, "\r\n.\r\n");
}

TEST(test_body_repairs_a_bare_lf)
{
	/* A client that takes "\n.\r\n" for the end would lose its place. */
	check(SPAN("A: b\n\n.\r\n"), ALL, "A: b\r\n\r\n..\r\n.\r\n");
	check(SPAN("A: b\r\n\rx\r\n"), ALL,
	    "A: b\r\n\rx\r\n\r\n.\r\n");
}

TEST(test_body_stops_after_the_lines_of_top)
{
	struct span in = SPAN("A: b\r\n\r\n1\r\n2\r\n3");

	check(in, 0, "A: b\r\n\r\n.\r\n");
	check(in, 1, "A: b\r\n\r\n1\r\n.\r\n");
	check(in, 2, "A: b\r\n\r\n1\r\n2\r\n.\r\n");
	check(in, 3, "A: b\r\n\r\n1\r\n2\r\n3\r\n.\r\n");
	check(in, ALL - 1, "A: b\r\n\r\n1\r\n2\r\n3\r\n.\r\n");
	check(SPAN("A: b\r\n"), 0, "A: b\r\n\r\n.\r\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_body_goes_as_it_is),
		cmocka_unit_test(test_body_stuffs_dots),
		cmocka_unit_test(test_body_ends_its_last_line),
		cmocka_unit_test(test_body_without_blank_line_is_given_one),
		cmocka_unit_test(test_body_repairs_a_bare_lf),
		cmocka_unit_test(test_body_stops_after_the_lines_of_top),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
