#include "server/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/base/list.h"
#include "tests/check.h"

struct ear {
	struct log log;
	struct fake_clock clock;
	struct buf heard;
};

static void
listen_in(struct log *l, enum log_level level, struct span line)
{
	struct ear *e = CONTAINER_OF(l, struct ear, log);

	(void)level;
	buf_addspan(&e->heard, line);
	buf_addc(&e->heard, '\n');
}

static void
ear_init(struct ear *e)
{
	fake_clock_init(&e->clock, 1767323045);
	log_init(&e->log, &e->clock.clock, -1);
	e->log.sink = listen_in;
	buf_init(&e->heard);
}

#define STAMP "2026-01-02T03:04:05Z "

TEST(test_log_line_is_key_equals_value)
{
	struct ear e;

	ear_init(&e);
	log_event(&e.log, LOG_INFO, "imap", "login",
	    F_STR("user", "alice@example.org"), F_SPAN("from", SPAN("::1")),
	    F_INT("n", -5));
	log_event(&e.log, LOG_ERROR, "store", "commit-failed", F_ERR(ERR_IO));
	log_event(&e.log, LOG_WARN, "net", "full");
	CHECK_STR(e.heard.p,
	    STAMP "info imap login user=alice@example.org from=::1 n=-5\n"
	    STAMP "error store commit-failed err=ERR_IO"
	    " text=\"input or output failed\"\n"
	    STAMP "warn net full\n");
	buf_release(&e.heard);
}

TEST(test_log_quotes_what_is_not_plain)
{
	static const struct {
		struct span in;
		const char *shown;
	} t[] = {
		{ { "", 0 }, "\"\"" },
		{ { NULL, 0 }, "\"\"" },
		{ { "two words", 9 }, "\"two words\"" },
		{ { "a=b", 3 }, "\"a=b\"" },
		{ { "say \"hi\"", 8 }, "\"say \\\"hi\\\"\"" },
		{ { "back\\slash", 10 }, "\"back\\\\slash\"" },
		{ { "x\r\ny", 4 }, "\"x\\x0d\\x0ay\"" },
		{ { "\0\x1b[2J", 5 }, "\"\\x00\\x1b[2J\"" },
		{ { "\x7f\x80\xff", 3 }, "\"\\x7f\\x80\\xff\"" },
		{ { "\xe2\x80\xae", 3 }, "\"\\xe2\\x80\\xae\"" },
	};

	for (size_t i = 0; i < COUNT(t); i++) {
		struct buf want = BUF_INIT;
		struct ear e;

		ear_init(&e);
		log_event(&e.log, LOG_INFO, "a", "b", F_SPAN("v", t[i].in));
		buf_printf(&want, STAMP "info a b v=%s\n", t[i].shown);
		CHECK_STR(e.heard.p, want.p);
		buf_release(&want);
		buf_release(&e.heard);
	}
}

/* Reads `key=value` fields back; false when the line is not made of them. */
static bool
fields_are_whole(struct span line, size_t *count)
{
	*count = 0;
	for (size_t i = 0; i < line.len; ++*count) {
		if (line.p[i++] != ' ')
			return false;
		while (i < line.len && line.p[i] != '=' && line.p[i] != ' ')
			i++;
		if (i++ >= line.len || line.p[i - 1] != '=')
			return false;
		if (i < line.len && line.p[i] != '"') {
			while (i < line.len && line.p[i] != ' ')
				if (line.p[i] == '"' || line.p[i++] == '=')
					return false;
			continue;
		}
		for (i++; i < line.len && line.p[i] != '"'; i++)
			i += line.p[i] == '\\';
		if (i++ >= line.len)
			return false;
	}
	return true;
}

TEST(test_log_line_survives_any_byte_of_a_peer)
{
	for (int c = 0; c < 256; c++) {
		char v[5] = { 'a', (char)c, '"', (char)c, 'z' };
		struct span head = SPAN(STAMP "info a b");
		struct ear e;
		size_t n;

		ear_init(&e);
		log_event(&e.log, LOG_INFO, "a", "b",
		    F_SPAN("one", span_make(v, 5)),
		    F_SPAN("two", span_make(v + 1, 1)),
		    F_STR("three", "plain"));
		CHECK(span_eq(span_head(buf_span(&e.heard), head.len), head));
		for (size_t i = 0; i + 1 < e.heard.len; i++)
			CHECK(e.heard.p[i] >= ' ' && e.heard.p[i] < 0x7f);
		buf_truncate(&e.heard, e.heard.len - 1);
		CHECK(fields_are_whole(span_from(buf_span(&e.heard),
		    head.len), &n));
		CHECK_EQ(n, 3);
		buf_release(&e.heard);
	}
}

TEST(test_log_cuts_what_is_long_and_stays_whole)
{
	static const char fills[] = { 'x', ' ', '\n', '"' };

	for (size_t f = 0; f < COUNT(fills); f++) {
		for (size_t len = 0; len < 1200; len++) {
			struct span head = SPAN(STAMP "info a b");
			char v[1200];
			struct span s = span_make(v, len);
			struct ear e;
			size_t n;

			memset(v, fills[f], sizeof v);
			ear_init(&e);
			log_event(&e.log, LOG_INFO, "a", "b", F_SPAN("k", s),
			    F_SPAN("l", s), F_SPAN("m", s), F_SPAN("n", s),
			    F_SPAN("o", s), F_ERR(ERR_IO), F_INT("p", 1));
			CHECK(e.heard.len <= 2048);
			buf_truncate(&e.heard, e.heard.len - 1);
			CHECK(fields_are_whole(span_from(buf_span(&e.heard),
			    head.len), &n));
			buf_release(&e.heard);
		}
	}
}

TEST(test_log_makes_no_lines_below_its_level)
{
	struct ear e;

	ear_init(&e);
	log_event(&e.log, LOG_DEBUG, "a", "b");
	CHECK_EQ(e.heard.len, 0);
	e.log.level = LOG_ERROR;
	log_event(&e.log, LOG_WARN, "a", "b");
	CHECK_EQ(e.heard.len, 0);
	log_event(&e.log, LOG_ERROR, "a", "b");
	CHECK(e.heard.len > 0);
	buf_release(&e.heard);
}

TEST(test_log_refusal_says_why_to_whom_and_what)
{
	struct ear e;

	ear_init(&e);
	log_refusal(&e.log, "smtp", "no such user", SPAN("192.0.2.1"),
	    SPAN("<bob\r\n@x>"));
	CHECK_STR(e.heard.p, STAMP "info smtp refused"
	    " reason=\"no such user\" who=192.0.2.1"
	    " what=\"<bob\\x0d\\x0a@x>\"\n");
	buf_release(&e.heard);
}

static void
read_all(int fd, struct buf *out)
{
	char chunk[4096];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		buf_add(out, chunk, (size_t)n);
}

TEST(test_log_full_pipe_loses_whole_lines_and_says_how_many)
{
	struct fake_clock clock;
	struct buf got = BUF_INIT;
	struct log log;
	size_t lost;
	char want[100];
	int fd[2];

	CHECK_EQ(pipe(fd), 0);
	/* The writing end blocks, as standard error may. */
	CHECK_EQ(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	fake_clock_init(&clock, 1767323045);
	log_init(&log, &clock.clock, fd[1]);
	for (int i = 0; i < 10000; i++)
		log_event(&log, LOG_INFO, "a", "line", F_INT("i", i));
	lost = log.lost;
	CHECK(lost > 0 && lost < 10000);
	read_all(fd[0], &got);
	CHECK_EQ(got.p[got.len - 1], '\n');
	buf_clear(&got);

	errno = EDOM;
	log_event(&log, LOG_INFO, "a", "again");
	CHECK_EQ(errno, EDOM);
	CHECK_EQ(log.lost, 0);
	read_all(fd[0], &got);
	snprintf(want, sizeof want, STAMP "warn log lines-lost count=%zu\n"
	    STAMP "info a again\n", lost);
	CHECK_STR(got.p, want);
	buf_release(&got);
	close(fd[0]);
	close(fd[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_line_is_key_equals_value),
		cmocka_unit_test(test_log_quotes_what_is_not_plain),
		cmocka_unit_test(test_log_line_survives_any_byte_of_a_peer),
		cmocka_unit_test(test_log_cuts_what_is_long_and_stays_whole),
		cmocka_unit_test(test_log_makes_no_lines_below_its_level),
		cmocka_unit_test(test_log_refusal_says_why_to_whom_and_what),
		cmocka_unit_test(test_log_full_pipe_loses_whole_lines_and_says_how_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
