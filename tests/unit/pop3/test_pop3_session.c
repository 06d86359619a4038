/*
 * What is too large for a wire script: batches of RETR, output that has to
 * drain, \Seen that is written rarely.
 */
#include "tests/check.h"

#include "pop3/pop3.h"
#include "tests/driver.h"

static const struct pop3_settings settings = {
	.login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
};
static const struct session_maker maker = { pop3_make, &settings };

static struct world w;

static int
setup(void **state)
{
	(void)state;
	world_open(&w);
	world_add_user(&w, "ann@example.org", "pw");
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
deliver(struct span message, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		world_deliver(&w, "ann@example.org", "INBOX", message, 0);
}

static void
say(struct client *c, const char *text)
{
	client_send(c, text, strlen(text));
}

static struct client *
log_in(void)
{
	struct client *c = client_open(&w, &maker, "127.0.0.1", true);

	say(c, "USER ann\r\nPASS pw\r\n");
	CHECK(strstr(c->out.p, "+OK Logged in"));
	buf_clear(&c->out);
	return c;
}

static unsigned
count(const struct buf *out, const char *what)
{
	unsigned n = 0;
	size_t len = strlen(what);

	for (const char *p = out->p; (p = memmem(p,
	    (size_t)(out->p + out->len - p), what, len)); p += len)
		n++;
	return n;
}

static unsigned ticks;		/* of advance() */

/* Time passes; the store makes use of it for one commit of its own. */
static void
advance(int64_t ms)
{
	world_advance(&w, ms);
	ticks++;
}

/* Commits that have been made so far, but for those. */
static uint64_t
commits(void)
{
	return STAT_GET(&w.stats, commits) - ticks;
}

TEST(test_pipelined_retrs_are_answered_in_their_order)
{
	struct buf in = BUF_INIT, message = BUF_INIT, want = BUF_INIT;
	struct client *c;
	unsigned n = POP3_BATCH_MAX + 50;

	for (unsigned i = 1; i <= n; i++) {
		buf_clear(&message);
		buf_printf(&message, "Subject: %u\r\n\r\n%u\r\n", i, i);
		deliver(buf_span(&message), 1);
		buf_printf(&in, "RETR %u\r\n", i);
		buf_printf(&want, "+OK %zu octets\r\n%s.\r\n", message.len,
		    message.p);
	}
	c = log_in();
	client_send(c, in.p, in.len);
	CHECK_STR(c->out.p, want.p);
	buf_release(&in);
	buf_release(&message);
	buf_release(&want);
}

TEST(test_large_messages_drain_and_arrive_whole)
{
	struct buf message = BUF_INIT, want = BUF_INIT;
	struct client *c;

	buf_adds(&message, "Subject: large\r\n\r\n");
	while (message.len < 200 * 1000)
		buf_printf(&message, "line at %zu\r\n", message.len);
	deliver(buf_span(&message), 4);
	for (int i = 0; i < 4; i++)
		buf_printf(&want, "+OK %zu octets\r\n%s.\r\n", message.len,
		    message.p);
	c = log_in();
	say(c, "RETR 1\r\nRETR 2\r\nRETR 3\r\nRETR 4\r\n");
	CHECK(span_eq(buf_span(&c->out), buf_span(&want)));
	buf_clear(&c->out);
	say(c, "TOP 2 1\r\nNOOP\r\n");
	CHECK_STR(c->out.p, "+OK The top of the message\r\nSubject: large"
	    "\r\n\r\nline at 18\r\n.\r\n+OK Still here\r\n");
	buf_release(&message);
	buf_release(&want);
}

TEST(test_session_that_ends_amid_a_batch_leaves_nothing_behind)
{
	struct span m = SPAN("Subject: x\r\n\r\ntext\r\n");
	static const char in[] = "RETR 1\r\nRETR 2\r\n";
	struct client *c;

	deliver(m, 2);
	c = log_in();
	CHECK_EQ(c->session->ops->input(c->session, in, sizeof in - 1),
	    sizeof in - 1);
	CHECK_EQ(c->session->want, WANT_PAUSE);
	client_close(c);
}

TEST(test_seen_is_written_once_for_what_came_together)
{
	struct span m = SPAN("Subject: x\r\n\r\ntext\r\n");
	struct client *c;
	uint64_t before;

	deliver(m, 20);
	c = log_in();
	/* Whatever the log-in has left to be written. */
	advance(60 * 1000);
	before = commits();
	say(c, "RETR 1\r\nRETR 2\r\nRETR 3\r\nRETR 4\r\n");
	CHECK_EQ(commits() - before, 1);
	/* One by one: not a commit each. */
	for (int i = 5; i <= 20; i++) {
		char line[32];

		(void)snprintf(line, sizeof line, "RETR %d\r\n", i);
		say(c, line);
	}
	CHECK_EQ(commits() - before, 1);
	advance(POP3_SEEN_MS);
	CHECK_EQ(commits() - before, 2);
	/* They are seen already. */
	say(c, "RETR 7\r\n");
	advance(5 * POP3_SEEN_MS);
	CHECK_EQ(commits() - before, 2);
	say(c, "TOP 1 5\r\nQUIT\r\n");
	CHECK_EQ(commits() - before, 2);
}

TEST(test_messages_that_go_are_not_marked_first)
{
	struct span m = SPAN("Subject: x\r\n\r\ntext\r\n");
	struct client *c;
	uint64_t before;

	deliver(m, 3);
	c = log_in();
	before = STAT_GET(&w.stats, commit_requests);
	say(c, "RETR 1\r\nRETR 2\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n");
	CHECK_EQ(STAT_GET(&w.stats, commit_requests) - before, 1);
	CHECK_EQ(count(&c->out, "+OK"), 5);
}

TEST(test_long_lists_arrive_whole)
{
	struct span m = SPAN("\r\n");
	struct client *c;

	deliver(m, 1500);
	c = log_in();
	say(c, "LIST\r\nUIDL\r\n");
	/* Every line, two headings and two dots. */
	CHECK_EQ(count(&c->out, "\r\n"), 2 * 1500 + 4);
	CHECK(strstr(c->out.p, "\r\n1500 2\r\n.\r\n+OK The unique ids\r\n1 "));
}

TEST(test_quit_is_answered_after_the_commit)
{
	struct span m = SPAN("\r\n");
	static const char in[] = "QUIT\r\n";
	struct client *c;

	deliver(m, 1);
	c = log_in();
	say(c, "DELE 1\r\n");
	buf_clear(&c->out);
	CHECK_EQ(c->session->ops->input(c->session, in, sizeof in - 1),
	    sizeof in - 1);
	CHECK_EQ(c->session->want, WANT_PAUSE);
	CHECK_EQ(c->out.len, 0);
	c->session->ops->stop(c->session, STOP_SHUTDOWN);
	CHECK_EQ(c->out.len, 0);
	world_pump(&w);
	CHECK_STR(c->out.p, "+OK Goodbye; 1 messages deleted\r\n");
	CHECK(c->is_closed);
}

#define IN_A_WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_WORLD(test_pipelined_retrs_are_answered_in_their_order),
		IN_A_WORLD(test_large_messages_drain_and_arrive_whole),
		IN_A_WORLD(
		    test_session_that_ends_amid_a_batch_leaves_nothing_behind),
		IN_A_WORLD(test_seen_is_written_once_for_what_came_together),
		IN_A_WORLD(test_messages_that_go_are_not_marked_first),
		IN_A_WORLD(test_long_lists_arrive_whole),
		IN_A_WORLD(test_quit_is_answered_after_the_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
