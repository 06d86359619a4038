/*
 * APPEND of what is too large for a wire script: messages that are staged
 * while they come, limits that are passed on the way, trouble of our own.
 */
#include "tests/check.h"

#include "imap/imap.h"
#include "imap/imap_priv.h"
#include "server/base/xalloc.h"
#include "tests/driver.h"

#define MIB (1024u * 1024)

static const struct imap_settings settings = {
	.size_limit = 4 * MIB,
	.login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
};
static const struct session_maker maker = { imap_make, &settings };

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
say(struct client *c, const char *text)
{
	client_send(c, text, strlen(text));
}

static void
hears(struct client *c, const char *text)
{
	if (!strstr(c->out.p, text))
		print_error("%.300s\n", c->out.p);
	CHECK(strstr(c->out.p, text));
	buf_clear(&c->out);
}

static struct client *
log_in(void)
{
	struct client *c = client_open(&w, &maker, "127.0.0.1", true);

	say(c, "l LOGIN ann pw\r\n");
	hears(c, "l OK");
	return c;
}

/* A message of lines that all differ; ends is what ends them. */
static void
make_message(struct buf *m, size_t size, const char *ends)
{
	unsigned line = 0;

	buf_adds(m, "Subject: long");
	buf_adds(m, ends);
	buf_adds(m, ends);
	while (m->len < size)
		buf_printf(m, "This is line %u of many.%s", line++, ends);
}

/* With CRLF instead of LF. */
static void
make_right(struct buf *right, const struct buf *m)
{
	for (size_t i = 0; i < m->len; i++) {
		if (m->p[i] == '\n')
			buf_addc(right, '\r');
		buf_addc(right, m->p[i]);
	}
}

/* " {n+}" or " {n}" and, if it was agreed to, the bytes in pieces. */
static void
send_message(struct client *c, const struct buf *m, bool sync)
{
	char announced[32];

	(void)snprintf(announced, sizeof announced, " {%zu%s}\r\n", m->len,
	    sync ? "" : "+");
	say(c, announced);
	if (sync)
		hears(c, "+ Go on\r\n");
	for (size_t off = 0; off < m->len; off += 30011)
		client_send(c, m->p + off, MIN(30011, m->len - off));
}

/* The n-th message of INBOX is that. */
static void
is_stored(unsigned n, const struct buf *m)
{
	struct client *c = log_in();
	char line[64];
	const char *p;

	say(c, "s EXAMINE INBOX\r\n");
	buf_clear(&c->out);
	(void)snprintf(line, sizeof line, "f FETCH %u BODY.PEEK[]\r\n", n);
	say(c, line);
	(void)snprintf(line, sizeof line, "* %u FETCH (BODY[] {%zu}\r\n", n,
	    m->len);
	CHECK(strncmp(c->out.p, line, strlen(line)) == 0);
	p = c->out.p + strlen(line);
	CHECK(memcmp(p, m->p, m->len) == 0);
	CHECK_STR(p + m->len, ")\r\nf OK FETCH completed\r\n");
	client_close(c);
}

static void
count_is(const char *count)
{
	struct client *c = log_in();

	say(c, "s STATUS INBOX (MESSAGES)\r\n");
	hears(c, count);
	client_close(c);
}

TEST(test_large_message_arrives_as_it_was_sent)
{
	struct client *c = log_in();
	struct buf m = BUF_INIT;

	make_message(&m, 3 * MIB, "\r\n");
	say(c, "a APPEND INBOX (\\Seen)");
	send_message(c, &m, true);
	say(c, "\r\n");
	hears(c, "a OK [APPENDUID ");
	say(c, "b APPEND INBOX");
	send_message(c, &m, false);
	say(c, "\r\n");
	hears(c, "b OK [APPENDUID ");
	is_stored(1, &m);
	is_stored(2, &m);
	buf_release(&m);
}

/* What a large message holds in memory is a few chunks of it. */
TEST(test_large_message_is_not_kept_in_memory)
{
	struct client *c = log_in();
	struct buf m = BUF_INIT;
	size_t before = budget_used(&w.budget);

	make_message(&m, 3 * MIB, "\r\n");
	say(c, "a APPEND INBOX");
	send_message(c, &m, false);
	CHECK(budget_used(&w.budget) - before < MIB);
	say(c, "\r\n");
	hears(c, "a OK");
	buf_release(&m);
}

TEST(test_lines_of_a_large_message_are_put_right)
{
	struct client *c = log_in();
	struct buf m = BUF_INIT, right = BUF_INIT;

	make_message(&m, MIB, "\n");
	make_right(&right, &m);
	say(c, "a APPEND INBOX");
	send_message(c, &m, true);
	say(c, "\r\n");
	hears(c, "a OK");
	is_stored(1, &right);
	buf_release(&m);
	buf_release(&right);
}

TEST(test_message_that_grows_over_the_limit_is_too_big)
{
	struct client *c = log_in();
	struct buf m = BUF_INIT;

	make_message(&m, 4 * MIB - 64, "\n");
	say(c, "a APPEND INBOX");
	send_message(c, &m, true);
	say(c, "\r\n");
	hears(c, "a NO [TOOBIG]");
	count_is("(MESSAGES 0)");
	buf_release(&m);
}

TEST(test_message_over_the_limit_that_comes_unasked_is_read_off)
{
	struct client *c = log_in();
	struct buf m = BUF_INIT;

	make_message(&m, 4 * MIB + 1, "\r\n");
	say(c, "a APPEND INBOX");
	send_message(c, &m, false);
	say(c, "\r\n");
	hears(c, "a NO [TOOBIG]");
	say(c, "b APPEND Nowhere");
	send_message(c, &m, false);
	say(c, " (\\Seen) {1}\r\n");
	hears(c, "b NO [TOOBIG]");
	say(c, "c NOOP\r\n");
	hears(c, "c OK");
	count_is("(MESSAGES 0)");
	buf_release(&m);
}

TEST(test_several_large_messages_are_stored_together)
{
	struct client *c = log_in();
	struct buf a = BUF_INIT, b = BUF_INIT;

	make_message(&a, 600 * 1000, "\r\n");
	make_message(&b, 300 * 1000, "\r\n");
	say(c, "a APPEND INBOX");
	send_message(c, &a, true);
	send_message(c, &b, false);
	say(c, " (\\Seen)");
	send_message(c, &a, true);
	say(c, "\r\n");
	hears(c, "a OK [APPENDUID ");
	is_stored(1, &a);
	is_stored(2, &b);
	is_stored(3, &a);
	/* The last is one too many: nothing is stored. */
	say(c, "b APPEND INBOX");
	send_message(c, &a, false);
	say(c, " {99999999}\r\n");
	hears(c, "b NO [TOOBIG]");
	say(c, "c APPEND INBOX");
	send_message(c, &a, false);
	say(c, " (\r\n");
	hears(c, "c BAD");
	count_is("(MESSAGES 3)");
	buf_release(&a);
	buf_release(&b);
}

TEST(test_connection_lost_in_a_message_leaves_nothing)
{
	struct buf m = BUF_INIT;

	make_message(&m, 900 * 1000, "\r\n");
	for (size_t part = 0; part < m.len; part += 250 * 1000) {
		struct client *c = log_in();

		say(c, "a APPEND INBOX {1000000}\r\n");
		client_send(c, m.p, part);
		client_close(c);
	}
	count_is("(MESSAGES 0)");
	buf_release(&m);
}

TEST(test_no_memory_is_said_at_the_end_and_passes)
{
	struct client *c = log_in();
	size_t limit = w.budget.limit;
	struct buf m = BUF_INIT;

	make_message(&m, 200 * 1000, "\r\n");
	say(c, "a APPEND INBOX");
	w.budget.limit = budget_used(&w.budget) + 100 * 1000;
	send_message(c, &m, true);
	say(c, "\r\n");
	hears(c, "a NO [UNAVAILABLE]");
	w.budget.limit = limit;
	buf_clear(&w.complaints);
	say(c, "b APPEND INBOX");
	send_message(c, &m, true);
	say(c, "\r\n");
	hears(c, "b OK");
	is_stored(1, &m);
	buf_release(&m);
}

/* RFC 3501 5.5: the next command waits, however it was sent. */
TEST(test_there_is_no_ok_before_the_commit)
{
	struct client *c = log_in();
	const char *text = "a APPEND INBOX {1+}\r\nx\r\nb NOOP\r\n";
	size_t len = strlen(text), used = 0;

	buf_clear(&c->out);
	/* The mailbox is looked up, then the message is taken. */
	used = c->session->ops->input(c->session, text, len);
	CHECK_EQ(c->session->want, WANT_PAUSE);
	CHECK_STR(c->out.p, "");
	CHECK_EQ(used, strlen("a APPEND INBOX {1+}\r\n"));
	world_pump(&w);
	used += c->session->ops->input(c->session, text + used, len - used);
	while (c->session->want == WANT_INPUT)
		used += c->session->ops->input(c->session, text + used,
		    len - used);
	CHECK_EQ(c->session->want, WANT_PAUSE);
	CHECK_STR(c->out.p, "");
	say(c, text + used);
	CHECK(strncmp(c->out.p, "a OK", 4) == 0);
	hears(c, "\r\nb OK");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_large_message_arrives_as_it_was_sent),
		T(test_large_message_is_not_kept_in_memory),
		T(test_lines_of_a_large_message_are_put_right),
		T(test_message_that_grows_over_the_limit_is_too_big),
		T(test_message_over_the_limit_that_comes_unasked_is_read_off),
		T(test_several_large_messages_are_stored_together),
		T(test_connection_lost_in_a_message_leaves_nothing),
		T(test_no_memory_is_said_at_the_end_and_passes),
		T(test_there_is_no_ok_before_the_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
