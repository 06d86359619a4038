/*
 * What is too large or too long for a wire script: messages that are staged,
 * headers over a mebibyte, limits by the hundred, trouble of our own.
 */
#include "tests/check.h"

#include "pop3/pop3.h"
#include "smtp/smtp_in.h"
#include "smtp/smtp_priv.h"
#include "tests/driver.h"

#define MIB (1024u * 1024)

static const struct smtp_settings mx = {
	.service = SMTP_MX, .size_limit = 4 * MIB,
	.rcpts_max = SMTP_RCPTS_MX,
};
static const struct smtp_settings submission = {
	.service = SMTP_SUBMISSION, .size_limit = 4 * MIB, .is_lenient = true,
	.rcpts_max = SMTP_RCPTS_SUBMISSION,
	.login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
};
static const struct pop3_settings pop3 = {
	.login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
};
static const struct session_maker mx_maker = { smtp_in_make, &mx };
static const struct session_maker sub_maker = { smtp_in_make, &submission };
static const struct session_maker pop3_maker = { pop3_make, &pop3 };

static struct world w;

static int
setup(void **state)
{
	(void)state;
	world_open(&w);
	world_add_user(&w, "ann@example.org", "pw");
	world_add_user(&w, "bob@example.org", "pw");
	return 0;
}

static int
teardown(void **state)
{
	struct buf why = BUF_INIT;
	int breaches;

	(void)state;
	breaches = world_close(&w, &why);
	if (breaches)
		print_error("%s\n", why.p);
	buf_release(&why);
	return breaches;
}

static void
say(struct client *c, const char *text)
{
	client_send(c, text, strlen(text));
}

/* The session has said exactly that since it was asked last. */
static void
hears(struct client *c, const char *text)
{
	CHECK_STR(c->out.p, text);
	buf_clear(&c->out);
}

/* Its last reply begins so. */
static void
hears_last(struct client *c, const char *start)
{
	struct span out = buf_span(&c->out);
	const char *nl = NULL;

	CHECK(out.len > 2);
	nl = memrchr(out.p, '\n', out.len - 1);
	if (nl)
		out = span_from(out, (size_t)(nl - out.p) + 1);
	if (!span_starts(out, start))
		print_error("%s\n", c->out.p);
	CHECK(span_starts(out, start));
	buf_clear(&c->out);
}

static struct client *
open_mx(const char *rcpt)
{
	struct client *c = client_open(&w, &mx_maker, "192.0.2.1", false);

	say(c, "EHLO mx.example.net\r\nMAIL FROM:<carl@example.net>\r\n"
	    "RCPT TO:<");
	say(c, rcpt);
	say(c, ">\r\n");
	hears_last(c, "250 2.1.5");
	return c;
}

static struct client *
open_submission(void)
{
	struct client *c = client_open(&w, &sub_maker, "127.0.0.1", true);

	say(c, "EHLO pc\r\nAUTH PLAIN AGFubgBwdw==\r\n"
	    "MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\n");
	hears_last(c, "250 2.1.5");
	return c;
}

/* What bob's or ann's message n is, behind the lines that we add. */
static void
fetch(const char *user, unsigned n, struct buf *text)
{
	struct client *c = client_open(&w, &pop3_maker, "127.0.0.1", true);
	char line[64];
	const char *date, *end;

	say(c, "USER ");
	say(c, user);
	say(c, "\r\nPASS pw\r\n");
	buf_clear(&c->out);
	(void)snprintf(line, sizeof line, "RETR %u\r\n", n);
	say(c, line);
	CHECK(span_starts(buf_span(&c->out), "+OK "));
	date = strstr(c->out.p, "Received: ");
	CHECK(date);
	while (date[0] != '\n' || date[1] == '\t')
		date++;
	end = c->out.p + c->out.len - 3;
	CHECK_STR(end, ".\r\n");
	buf_add(text, date + 1, (size_t)(end - date - 1));
	client_close(c);
}

/* What the log says, all of it. */
static struct buf heard = BUF_INIT;

static void
hear_log(struct log *l, enum log_level level, struct span line)
{
	(void)l;
	(void)level;
	buf_addspan(&heard, line);
	buf_addc(&heard, '\n');
}

static void
count_is(const char *user, const char *stat)
{
	struct client *c = client_open(&w, &pop3_maker, "127.0.0.1", true);

	say(c, "USER ");
	say(c, user);
	say(c, "\r\nPASS pw\r\nSTAT\r\n");
	hears_last(c, stat);
	client_close(c);
}

/* size bytes of text in lines, all different. */
static void
put_lines(struct buf *b, size_t size)
{
	size_t end = b->len + size;

	while (b->len + 80 < end)
		buf_printf(b, "line at %zu of a long message with much to "
		    "say\r\n", b->len);
	while (b->len + 2 < end)
		buf_addc(b, 'x');
	buf_adds(b, "\r\n");
}

TEST(test_large_message_is_staged_and_comes_back_whole)
{
	struct client *c = open_mx("ann@example.org");
	struct buf m = BUF_INIT, got = BUF_INIT;

	buf_adds(&m, "Subject: large\r\n\r\n");
	put_lines(&m, 3 * MIB);
	say(c, "DATA\r\n");
	client_send(c, m.p, m.len);
	say(c, ".\r\n");
	hears_last(c, "250 2.0.0 Message accepted");
	fetch("ann", 1, &got);
	CHECK(span_eq(buf_span(&m), buf_span(&got)));
	buf_release(&m);
	buf_release(&got);
}

TEST(test_large_chunks_come_back_whole)
{
	struct client *c = open_submission();
	struct buf m = BUF_INIT, got = BUF_INIT;
	size_t at = 0;

	buf_adds(&m, "From: ann@example.org\r\nDate: x\r\n"
	    "Message-ID: <1@x>\r\n\r\n");
	put_lines(&m, 2 * MIB);
	while (at < m.len) {
		size_t n = MIN(m.len - at, 300 * 1000);
		char line[64];

		(void)snprintf(line, sizeof line, "BDAT %zu%s\r\n", n,
		    at + n == m.len ? " LAST" : "");
		say(c, line);
		client_send(c, m.p + at, n);
		at += n;
	}
	hears_last(c, "250 2.0.0 Message accepted");
	fetch("bob", 1, &got);
	CHECK(span_eq(buf_span(&m), buf_span(&got)));
	buf_release(&m);
	buf_release(&got);
}

TEST(test_rset_amid_staged_chunks_leaves_nothing)
{
	struct client *c = open_mx("ann@example.org");
	struct buf m = BUF_INIT;

	put_lines(&m, 2 * MIB);
	say(c, "BDAT 2097152\r\n");
	client_send(c, m.p, m.len);
	hears_last(c, "250 2.0.0");
	say(c, "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\n");
	hears_last(c, "250 2.1.5");
	say(c, "BDAT 4 LAST\r\n\r\n\r\n");
	hears_last(c, "250 2.0.0 Message accepted");
	count_is("ann", "+OK 1 ");
	buf_release(&m);
}

TEST(test_header_over_a_mebibyte_is_stored_whole)
{
	struct client *c = open_mx("ann@example.org");
	struct buf m = BUF_INIT, got = BUF_INIT;

	buf_adds(&m, "Subject: x\r\n");
	for (int i = 0; m.len < MIB + 1000; i++)
		buf_printf(&m, "X-%d: much to say about nothing\r\n", i);
	buf_adds(&m, "\r\nbody\r\n");
	say(c, "DATA\r\n");
	client_send(c, m.p, m.len);
	say(c, ".\r\n");
	hears_last(c, "250 2.0.0");
	fetch("ann", 1, &got);
	CHECK(span_eq(buf_span(&m), buf_span(&got)));
	buf_release(&m);
	buf_release(&got);
}

TEST(test_submission_refuses_a_header_it_cannot_rewrite)
{
	struct client *c = open_submission();
	struct buf m = BUF_INIT;

	while (m.len < MIB + 1000)
		buf_adds(&m, "X-1: much to say about nothing\r\n");
	say(c, "DATA\r\n");
	client_send(c, m.p, m.len);
	say(c, "Bcc: secret@example.net\r\n\r\n.\r\n");
	hears_last(c, "552 5.3.4 The header");
	count_is("bob", "+OK 0 0");
	buf_release(&m);
}

TEST(test_message_over_the_limit_is_read_to_its_end)
{
	struct client *c = open_mx("ann@example.org");
	struct buf m = BUF_INIT;

	put_lines(&m, 4 * MIB + 100);
	say(c, "DATA\r\n");
	buf_clear(&c->out);
	client_send(c, m.p, m.len);
	hears(c, "");
	say(c, ".\r\nNOOP\r\n");
	hears(c, "552 5.3.4 The message is too big: the limit is 4194304 "
	    "bytes\r\n250 2.0.0 OK\r\n");
	count_is("ann", "+OK 0 0");
	buf_release(&m);
}

TEST(test_endless_message_ends_the_session)
{
	struct client *c = open_mx("ann@example.org");
	struct buf m = BUF_INIT;

	put_lines(&m, MIB);
	say(c, "DATA\r\n");
	for (int i = 0; i < 80 && !c->is_closed; i++)
		client_send(c, m.p, m.len);
	hears_last(c, "552 5.3.4");
	CHECK(c->is_closed);
	buf_release(&m);
}

TEST(test_more_than_fifty_hops_is_a_loop)
{
	for (int hops = 50; hops <= 51; hops++) {
		struct client *c = open_mx("ann@example.org");

		say(c, "DATA\r\n");
		for (int i = 0; i < hops; i++)
			say(c, "Received: from a by b\r\n");
		say(c, "\r\nReceived: from c\r\n.\r\n");
		hears_last(c, hops == 50 ? "250 2.0.0" : "554 5.4.6");
		client_close(c);
	}
}

TEST(test_recipients_have_a_limit)
{
	struct client *c = open_mx("ann@example.org");

	for (int i = 1; i < SMTP_RCPTS_MX; i++)
		say(c, "RCPT TO:<bob@example.org>\r\n");
	hears_last(c, "250 2.1.5");
	say(c, "RCPT TO:<bob@example.org>\r\n");
	hears_last(c, "452 4.5.3");
	say(c, "DATA\r\n.\r\n");
	hears_last(c, "250 2.0.0");
	count_is("bob", "+OK 1 ");
}

TEST(test_messages_have_a_limit)
{
	struct client *c = client_open(&w, &mx_maker, "192.0.2.1", false);

	say(c, "HELO a\r\n");
	for (int i = 0; i < SMTP_MESSAGES_MAX; i++) {
		say(c, "MAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\n"
		    "DATA\r\n.\r\n");
		hears_last(c, "250 2.0.0");
	}
	say(c, "MAIL FROM:<>\r\n");
	hears_last(c, "421 4.7.0 Enough messages");
	CHECK(c->is_closed);
}

static void
send_xs(struct client *c, size_t n)
{
	char *xs = xmalloc(n);

	memset(xs, 'x', n);
	client_send(c, xs, n);
	free(xs);
}

TEST(test_refusals_have_a_limit_whatever_they_are)
{
	struct client *c = client_open(&w, &mx_maker, "192.0.2.1", false);

	say(c, "EHLO mx\r\n");
	for (int i = 1; i < SMTP_REFUSALS_MAX; i++)
		say(c, "MAIL FROM:<a@example.net> SIZE=99999999\r\n");
	hears_last(c, "552 5.3.4");
	CHECK(!c->is_closed);
	say(c, "MAIL FROM:<a@example.net> SIZE=99999999\r\n");
	hears_last(c, "421 4.7.0 Too many errors");
	CHECK(c->is_closed);
}

/* Some programs send all three lines at once; nobody says they are taken. */
TEST(test_log_shows_no_password_that_came_behind_a_refused_auth)
{
	struct client *c = client_open(&w, &sub_maker, "192.0.2.1", false);
	struct client *m = client_open(&w, &mx_maker, "192.0.2.1", false);

	w.log.sink = hear_log;
	say(c, "EHLO pc\r\nNOSUCH verb\r\nAUTH LOGIN\r\nYW5u\r\n"
	    "c2VjcmV0\r\n");
	hears_last(c, "500 ");
	CHECK(strstr(heard.p, "what=\"NOSUCH verb\""));
	say(m, "EHLO mx\r\nAUTH PLAIN\r\nYW5uAGFubgBzZWNyZXQ=\r\n");
	hears_last(m, "500 ");
	CHECK(!strstr(heard.p, "c2VjcmV0"));
	CHECK(!strstr(heard.p, "YW5u"));
	buf_release(&heard);
}

TEST(test_long_line_is_one_error_and_an_endless_one_the_end)
{
	struct client *c = client_open(&w, &mx_maker, "192.0.2.1", false);

	buf_clear(&c->out);
	send_xs(c, 5000);
	hears(c, "500 5.5.2 That line is too long\r\n");
	send_xs(c, 5000);
	hears(c, "");
	say(c, "\r\nNOOP\r\n");
	hears(c, "250 2.0.0 OK\r\n");
	send_xs(c, 70000);
	hears(c, "500 5.5.2 That line is too long\r\n"
	    "421 4.7.0 That line does not end; goodbye\r\n");
	CHECK(c->is_closed);
}

TEST(test_log_in_takes_long_lines_and_no_longer_ones)
{
	struct client *c = client_open(&w, &sub_maker, "127.0.0.1", true);

	say(c, "EHLO pc\r\nAUTH PLAIN\r\n");
	buf_clear(&c->out);
	send_xs(c, 12000);
	say(c, "\r\n");
	hears_last(c, "5");
	say(c, "AUTH PLAIN\r\n");
	buf_clear(&c->out);
	send_xs(c, 20000);
	say(c, "\r\n");
	hears_last(c, "500 5.5.6");
	say(c, "NOOP\r\n");
	hears(c, "250 2.0.0 OK\r\n");
}

TEST(test_no_memory_is_452_and_passes)
{
	struct client *c = open_mx("ann@example.org");
	size_t limit = w.budget.limit;
	struct buf m = BUF_INIT;

	buf_adds(&m, "Subject: x\r\n\r\n");
	put_lines(&m, 200 * 1000);
	w.budget.limit = budget_used(&w.budget) + 100 * 1000;
	say(c, "DATA\r\n");
	client_send(c, m.p, m.len);
	say(c, ".\r\n");
	hears_last(c, "452 4.3.1 Short of memory");
	w.budget.limit = budget_used(&w.budget);
	say(c, "MAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n"
	    "Subject: x\r\n.\r\n");
	hears_last(c, "452 4.3.1 Short of memory");
	w.budget.limit = limit;
	say(c, "MAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n");
	client_send(c, m.p, m.len);
	say(c, ".\r\n");
	hears_last(c, "250 2.0.0");
	count_is("ann", "+OK 1 ");
	buf_release(&m);
}

/* Feeds without letting the store or the loop run. */
static void
feed(struct client *c, const char *text)
{
	size_t len = strlen(text), used = 0;

	while (used < len && c->session->want == WANT_INPUT)
		used += c->session->ops->input(c->session, text + used,
		    len - used);
	CHECK_EQ(used, len);
}

TEST(test_there_is_no_250_before_the_commit)
{
	struct client *c = open_mx("ann@example.org");

	say(c, "DATA\r\n");
	buf_clear(&c->out);
	feed(c, "Subject: x\r\n\r\n.\r\n");
	CHECK_EQ(c->session->want, WANT_PAUSE);
	hears(c, "");
	world_pump(&w);
	hears_last(c, "250 2.0.0");
}

TEST(test_shutdown_waits_for_the_commit_and_for_nothing_else)
{
	struct client *c = open_mx("ann@example.org");

	say(c, "DATA\r\n");
	buf_clear(&c->out);
	feed(c, "Subject: x\r\n\r\n.\r\n");
	c->session->ops->stop(c->session, STOP_SHUTDOWN);
	hears(c, "");
	world_pump(&w);
	CHECK(strstr(c->out.p, "250 2.0.0"));
	hears_last(c, "421 4.3.2");
	CHECK(c->is_closed);

	c = open_mx("ann@example.org");
	say(c, "DATA\r\nhalf of it\r\n");
	buf_clear(&c->out);
	c->session->ops->stop(c->session, STOP_SHUTDOWN);
	hears_last(c, "421 4.3.2");
	CHECK_EQ(c->session->want, WANT_CLOSE);
	world_pump(&w);
	count_is("ann", "+OK 1 ");
}

TEST(test_session_that_ends_amid_anything_leaves_nothing_behind)
{
	static const char *const ways[] = {
		"", "EHLO a\r\n", "EHLO a\r\nMAIL FROM:<>\r\n",
		"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\n",
		"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\n"
		    "DATA\r\nSubject: x\r\n",
		"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\n"
		    "BDAT 100\r\nSubject: x\r\n\r\n",
	};

	for (size_t i = 0; i < COUNT(ways); i++) {
		struct client *c = client_open(&w, &mx_maker, "192.0.2.1",
		    false);

		say(c, ways[i]);
		client_close(c);
	}
	count_is("ann", "+OK 0 0");
}

#define IN_A_WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_WORLD(test_large_message_is_staged_and_comes_back_whole),
		IN_A_WORLD(test_large_chunks_come_back_whole),
		IN_A_WORLD(test_rset_amid_staged_chunks_leaves_nothing),
		IN_A_WORLD(test_header_over_a_mebibyte_is_stored_whole),
		IN_A_WORLD(test_submission_refuses_a_header_it_cannot_rewrite),
		IN_A_WORLD(test_message_over_the_limit_is_read_to_its_end),
		IN_A_WORLD(test_endless_message_ends_the_session),
		IN_A_WORLD(test_more_than_fifty_hops_is_a_loop),
		IN_A_WORLD(test_recipients_have_a_limit),
		IN_A_WORLD(test_messages_have_a_limit),
		IN_A_WORLD(test_refusals_have_a_limit_whatever_they_are),
		IN_A_WORLD(
		    test_log_shows_no_password_that_came_behind_a_refused_auth),
		IN_A_WORLD(
		    test_long_line_is_one_error_and_an_endless_one_the_end),
		IN_A_WORLD(test_log_in_takes_long_lines_and_no_longer_ones),
		IN_A_WORLD(test_no_memory_is_452_and_passes),
		IN_A_WORLD(test_there_is_no_250_before_the_commit),
		IN_A_WORLD(
		    test_shutdown_waits_for_the_commit_and_for_nothing_else),
		IN_A_WORLD(
		    test_session_that_ends_amid_anything_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
