#include "imap/framer.h"

#include "imap/imap_limits.h"
#include "server/base/err.h"
#include "tests/check.h"
#include "tests/unit/imap/transcript.h"

static const struct framer_limits small = {
	.line = 64,
	.literal = 10,
	.literals = 15,
	.literal_count = 4,
	.read_off = 40,
};

/* The same events for the whole input and for every size of pieces. */
static void
check_with(const struct transcript *how, struct span in, const char *want)
{
	for (size_t step = 0; step <= in.len; step++) {
		struct transcript t = *how;
		struct buf got = BUF_INIT;

		t.step = step;
		transcript_write(&t, in, &got);
		CHECK_STR(got.p, want);
		buf_release(&got);
	}
}

static void
check(struct span in, const char *want)
{
	check_with(&(struct transcript){ .limits = &small }, in, want);
}

static void
check_refused(struct span in, const char *want)
{
	check_with(&(struct transcript){ .limits = &small, .refuse = true },
	    in, want);
}

TEST(test_framer_gives_lines_as_commands)
{
	check(SPAN("a NOOP\r\nb LOGOUT\r\n"),
	    "COMMAND [a NOOP]\nCOMMAND [b LOGOUT]\n");
	check(SPAN("\r\na X\r\n"), "COMMAND []\nCOMMAND [a X]\n");
}

TEST(test_framer_lets_a_lone_lf_end_a_line)
{
	check(SPAN("a NOOP\nb X\r\n\n"),
	    "COMMAND [a NOOP]\nCOMMAND [b X]\nCOMMAND []\n");
	check(SPAN("a LOGIN {2}\nxy z\n"),
	    "CONTINUE\nCOMMAND [a LOGIN {2}\\r\\nxy z]\n");
}

TEST(test_framer_leaves_a_lone_cr_to_the_parser)
{
	check(SPAN("a NO\rOP\r\r\n"), "COMMAND [a NO\\rOP\\r]\n");
}

TEST(test_framer_collects_literals_in_place)
{
	check(SPAN("a LOGIN {3}\r\nx\r\n {4+}\r\npass\r\nb NOOP\r\n"),
	    "CONTINUE\n"
	    "COMMAND [a LOGIN {3}\\r\\nx\\r\\n {4+}\\r\\npass]\n"
	    "COMMAND [b NOOP]\n");
	check(SPAN("a X {0+}\r\n {0}\r\n\r\n"),
	    "CONTINUE\nCOMMAND [a X {0+}\\r\\n {0}\\r\\n]\n");
}

TEST(test_framer_takes_a_command_line_inside_a_literal_as_bytes)
{
	check(SPAN("a X {9+}\r\nb NOOP\r\n{ y\r\n"),
	    "COMMAND [a X {9+}\\r\\nb NOOP\\r\\n{ y]\n");
}

TEST(test_framer_knows_what_is_no_announcement)
{
	check(SPAN("a X {}\r\n"), "COMMAND [a X {}]\n");
	check(SPAN("a X {+}\r\n"), "COMMAND [a X {+}]\n");
	check(SPAN("a X {1 }\r\n"), "COMMAND [a X {1 }]\n");
	check(SPAN("a X {1}x\r\n"), "COMMAND [a X {1}x]\n");
	check(SPAN("a X 1}\r\n"), "COMMAND [a X 1}]\n");
	check(SPAN("1}\r\n"), "COMMAND [1}]\n");
	check(SPAN("}\r\n"), "COMMAND [}]\n");
}

TEST(test_framer_refuses_long_lines_and_finds_the_next)
{
	char in[200];
	struct buf b = BUF_INIT;

	memset(in, 'x', sizeof in);
	buf_adds(&b, "tag ");
	buf_add(&b, in, 59);
	buf_adds(&b, "\n");
	CHECK_EQ(b.len, 64);
	buf_adds(&b, "tag ");
	buf_add(&b, in, 60);
	buf_adds(&b, "\na NOOP\r\n");
	for (size_t step = 0; step <= b.len; step++) {
		struct transcript t = { .limits = &small, .step = step };
		struct buf got = BUF_INIT;

		transcript_write(&t, buf_span(&b), &got);
		CHECK(strstr(got.p, "xxx]\nERROR 1 [tag]\nCOMMAND [a NOOP]\n"));
		buf_release(&got);
	}
	buf_release(&b);
}

TEST(test_framer_counts_all_lines_of_a_command)
{
	/* 31 and 34 bytes of lines: one over */
	check(SPAN("t 3456789012345678901234 {1+}\r\n"
	    "x 3456789012345678901234567890123\r\na NOOP\r\n"),
	    "ERROR 1 [t]\nCOMMAND [a NOOP]\n");
}

TEST(test_framer_hangs_up_on_a_line_without_end)
{
	char in[200];

	memset(in, 'x', sizeof in);
	check(span_make(in, sizeof in), "BYE 1 []\n");
}

TEST(test_framer_refuses_sync_literals_at_once)
{
	/* The client has sent nothing of it: the next line is a command. */
	check(SPAN("a X {11}\r\nb NOOP\r\n"),
	    "ERROR 2 [a]\nCOMMAND [b NOOP]\n");
	check(SPAN("a X {99999999999999999999999}\r\n"),
	    "COMMAND [a X {99999999999999999999999}]\n");
	check(SPAN("a X {99999999999999999999}\r\n"), "ERROR 2 [a]\n");
}

TEST(test_framer_reads_refused_literals_off)
{
	check(SPAN("a X {12+}\r\nb NOOP\r\nxxxx {3+}\r\nabc {3}\r\n"
	    "c NOOP\r\n"), "ERROR 2 [a]\nCOMMAND [c NOOP]\n");
	check(SPAN("a X {12+}\r\n123456789012\r\nc NOOP\r\n"),
	    "ERROR 2 [a]\nCOMMAND [c NOOP]\n");
}

TEST(test_framer_caps_the_sum_and_count_of_literals)
{
	check(SPAN("a X {9+}\r\n123456789 {6+}\r\n123456 {1+}\r\nx\r\n"),
	    "ERROR 2 [a]\n");
	check(SPAN("a X {1+}\r\n1 {1+}\r\n1 {1+}\r\n1 {1+}\r\n1\r\n"),
	    "COMMAND [a X {1+}\\r\\n1 {1+}\\r\\n1 {1+}\\r\\n1 "
	    "{1+}\\r\\n1]\n");
	check(SPAN("a X {0+}\r\n{0+}\r\n{0+}\r\n{0+}\r\n{0+}\r\n\r\n"),
	    "ERROR 3 [a]\n");
}

TEST(test_framer_hangs_up_on_what_it_cannot_read_off)
{
	check(SPAN("a X {41+}\r\n"), "BYE 2 [a]\n");
	check(SPAN("a X {40+}\r\n"), "");
	check(SPAN("a X {30+}\r\n123456789012345678901234567890 {20+}\r\n"),
	    "BYE 2 [a]\n");
	check(SPAN("a X {99999999999999999999+}\r\nb NOOP\r\n"),
	    "BYE 2 [a]\n");
}

TEST(test_framer_refuses_nul_outside_literals)
{
	check(SPAN("a X\0\r\nb NOOP\r\n"), "ERROR 4 [a]\nCOMMAND [b NOOP]\n");
	check(SPAN("a \0 {3+}\r\nabc\r\nb NOOP\r\n"),
	    "ERROR 4 [a]\nCOMMAND [b NOOP]\n");
	/* no mark can be forged */
	check(SPAN("a APPEND x \0" "0:3\0\r\n"), "ERROR 4 [a]\n");
}

TEST(test_framer_echoes_nothing_but_tags)
{
	check(SPAN("a\0b X\r\n"), "ERROR 4 []\n");
	check(SPAN("(a X {41+}\r\n"), "BYE 5 []\n");
	check(SPAN("+ {1}\r\n"), "ERROR 5 []\n");
}

TEST(test_framer_streams_the_message_of_append)
{
	check(SPAN("a APPEND x {20}\r\n12345678901234567890\r\nb NOOP\r\n"),
	    "MESSAGE [a APPEND x ] #0 20\n"
	    "BYTES 12345678901234567890\n"
	    "COMMAND [a APPEND x \\00:20\\0]\nCOMMAND [b NOOP]\n");
}

TEST(test_framer_streams_several_messages_and_collects_the_name)
{
	check(SPAN("a append {3+}\r\nfoo (\\Seen) {3+}\r\nabc {0+}\r\n\r\n"),
	    "MESSAGE [a append {3+}\\r\\nfoo (\\Seen) ] #0 3+\n"
	    "BYTES abc\n"
	    "MESSAGE [a append {3+}\\r\\nfoo (\\Seen) \\00:3\\0 ] #1 0+\n"
	    "BYTES \n"
	    "COMMAND [a append {3+}\\r\\nfoo (\\Seen) \\00:3\\0 \\01:0\\0]\n");
}

TEST(test_framer_forgets_a_refused_sync_message)
{
	check_refused(SPAN("a APPEND x {20}\r\nb NOOP\r\n"),
	    "MESSAGE [a APPEND x ] #0 20\nCOMMAND [b NOOP]\n");
}

TEST(test_framer_reads_a_refused_message_off)
{
	check_refused(SPAN("a APPEND x {9+}\r\nb NOOP\r\nz {3+}\r\nabc\r\n"
	    "c NOOP\r\n"),
	    "MESSAGE [a APPEND x ] #0 9+\nERROR 7 [a]\nCOMMAND [c NOOP]\n");
	check_refused(SPAN("a APPEND x {0+}\r\n\r\nc NOOP\r\n"),
	    "MESSAGE [a APPEND x ] #0 0+\nERROR 7 [a]\nCOMMAND [c NOOP]\n");
	check_refused(SPAN("a APPEND x {41+}\r\n"),
	    "MESSAGE [a APPEND x ] #0 41+\nBYE 7 [a]\n");
}

TEST(test_framer_refuses_a_literal_where_none_makes_sense)
{
	check(SPAN("a APPEND x foo {30}\r\nb NOOP\r\n"),
	    "ERROR 5 [a]\nCOMMAND [b NOOP]\n");
	check(SPAN("a APPEND ~{5}\r\n"), "ERROR 5 [a]\n");
	check(SPAN("a APPEND ~{5+}\r\nabcde\r\nb NOOP\r\n"),
	    "ERROR 5 [a]\nCOMMAND [b NOOP]\n");
	check(SPAN("{5}\r\n"), "ERROR 5 []\n");
}

TEST(test_framer_takes_a_message_with_nul)
{
	check(SPAN("a APPEND x ~{3+}\r\n\0\r\n\r\nb NOOP\r\n"),
	    "MESSAGE [a APPEND x ] #0 3+\nBYTES \\0\\r\\n\n"
	    "COMMAND [a APPEND x \\00:3\\0]\nCOMMAND [b NOOP]\n");
}

TEST(test_framer_charges_and_gives_back)
{
	struct budget budget = { .limit = 8192 };
	struct framer f;
	struct frame fr;

	framer_init(&f, &imap_literal_roles, &budget);
	framer_set_limits(&f, &framer_limits_loggedin);
	CHECK_EQ(framer_feed(&f, "a X {4000+}\r\n", 13, &fr), 13);
	CHECK_EQ(fr.kind, FRAME_MORE);
	CHECK(budget_used(&budget) >= 4000);
	CHECK(!framer_is_idle(&f));
	framer_release(&f);
	CHECK_EQ(budget_used(&budget), 0);
}

TEST(test_framer_refuses_what_the_budget_does)
{
	struct budget budget = { .limit = 8192 };
	struct transcript t = {
		.limits = &framer_limits_loggedin, .budget = &budget,
	};

	check_with(&t, SPAN("a X {9000}\r\nb NOOP\r\n"),
	    "ERROR 6 [a]\nCOMMAND [b NOOP]\n");
	CHECK_EQ(budget_used(&budget), 0);
}

TEST(test_framer_holds_no_memory_after_a_command)
{
	struct framer f;
	struct frame fr;

	framer_init(&f, &imap_literal_roles, NULL);
	framer_feed(&f, "a X {1+}\r\nx\r\n", 13, &fr);
	CHECK_EQ(fr.kind, FRAME_COMMAND);
	CHECK(!fr.in_input);
	CHECK_SPAN(fr.text, "a X {1+}\r\nx");
	CHECK(framer_is_idle(&f));
	framer_done(&f);
	CHECK_EQ(f.text.cap, 0);
	framer_release(&f);
}

TEST(test_framer_is_strict_before_login)
{
	struct transcript t = { .limits = &framer_limits_noauth };

	check_with(&t, SPAN("a LOGIN {1025+}\r\n"), "BYE 2 [a]\n");
	check_with(&t, SPAN("a LOGIN {1025}\r\n"), "ERROR 2 [a]\n");
	check_with(&t, SPAN("a LOGIN {1024+}\r\n"), "");
	CHECK_EQ(framer_limits_loggedin.read_off, 64u << 20);
}

/* Lines that are no commands, step bytes at a time. */
static void
check_lines(struct span in, const char *want)
{
	for (size_t step = 1; step <= in.len; step++) {
		struct buf got = BUF_INIT;
		struct framer f;
		struct frame fr;

		framer_init(&f, &imap_literal_roles, NULL);
		framer_set_limits(&f, &small);
		for (size_t at = 0; at < in.len; at += step) {
			struct span s = span_head(span_from(in, at), step);

			while (s.len) {
				s = span_from(s, framer_feed_line(&f, s.p,
				    s.len, 8, &fr));
				if (fr.kind == FRAME_MORE)
					continue;
				buf_addc(&got, fr.kind == FRAME_LINE ? '=' :
				    fr.kind == FRAME_ERROR ? '!' : '?');
				if (fr.kind == FRAME_LINE)
					buf_addspan(&got, fr.text);
			}
		}
		CHECK_STR(got.p, want);
		buf_release(&got);
		framer_release(&f);
	}
}

TEST(test_framer_lines_announce_nothing)
{
	check_lines(SPAN("DONE\r\n{5+}\r\n\r\nx\n"), "=DONE={5+}==x");
}

TEST(test_framer_lines_have_a_cap)
{
	check_lines(SPAN("123456\r\n1234567\r\nDONE\r\n"), "=123456!=DONE");
	check_lines(SPAN("12345678901234567890123456789012345678901234567890"
	    "\r\nDONE\r\n"), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_framer_gives_lines_as_commands),
		cmocka_unit_test(test_framer_lets_a_lone_lf_end_a_line),
		cmocka_unit_test(test_framer_leaves_a_lone_cr_to_the_parser),
		cmocka_unit_test(test_framer_collects_literals_in_place),
		cmocka_unit_test(
		    test_framer_takes_a_command_line_inside_a_literal_as_bytes),
		cmocka_unit_test(test_framer_knows_what_is_no_announcement),
		cmocka_unit_test(
		    test_framer_refuses_long_lines_and_finds_the_next),
		cmocka_unit_test(test_framer_counts_all_lines_of_a_command),
		cmocka_unit_test(test_framer_hangs_up_on_a_line_without_end),
		cmocka_unit_test(test_framer_refuses_sync_literals_at_once),
		cmocka_unit_test(test_framer_reads_refused_literals_off),
		cmocka_unit_test(
		    test_framer_caps_the_sum_and_count_of_literals),
		cmocka_unit_test(
		    test_framer_hangs_up_on_what_it_cannot_read_off),
		cmocka_unit_test(test_framer_refuses_nul_outside_literals),
		cmocka_unit_test(test_framer_echoes_nothing_but_tags),
		cmocka_unit_test(test_framer_streams_the_message_of_append),
		cmocka_unit_test(
		    test_framer_streams_several_messages_and_collects_the_name),
		cmocka_unit_test(test_framer_forgets_a_refused_sync_message),
		cmocka_unit_test(test_framer_reads_a_refused_message_off),
		cmocka_unit_test(
		    test_framer_refuses_a_literal_where_none_makes_sense),
		cmocka_unit_test(test_framer_takes_a_message_with_nul),
		cmocka_unit_test(test_framer_charges_and_gives_back),
		cmocka_unit_test(test_framer_refuses_what_the_budget_does),
		cmocka_unit_test(test_framer_holds_no_memory_after_a_command),
		cmocka_unit_test(test_framer_is_strict_before_login),
		cmocka_unit_test(test_framer_lines_announce_nothing),
		cmocka_unit_test(test_framer_lines_have_a_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
