/*
 * The scheduler and its agents against servers that the test plays, on a
 * clock that stands still.
 */
#include "smtp/queue.h"

#include <stdio.h>

#include "store/queue.h"
#include "store/write.h"
#include "tests/check.h"
#include "tests/driver.h"
#include "tests/protos.h"

#define MINUTE_MS (60 * 1000)
#define HOUR_MS (60 * MINUTE_MS)
#define HOUR_S 3600
#define DAY_S 86400
#define HOSTS_MAX 16

/* A far end: how it answers, and what it has seen. */
struct host {
	const char *name;		/* and domain */
	const char *addr;
	bool is_dead;			/* does not answer a connection */
	bool is_refusing;
	const char *rcpt_reply;		/* NULL: 250 */
	const char *end_reply;		/* to the end of the message; NULL */
	bool takes_dsn;
	bool hangs_up;			/* after end_reply */
	bool is_own;			/* name and addr are to be freed */
	unsigned connections, open, open_max, messages;
	struct buf heard;		/* all of it */
};

struct rig {
	struct world w;			/* first */
	struct host hosts[HOSTS_MAX];
	size_t host_count;
	int64_t live_done_ms;		/* when the last message arrived */
};

/* ---- a server that answers ---- */

static struct host *
host_of(struct client *c)
{
	struct rig *g = (struct rig *)(void *)c->world;
	char addr[64];

	addr_text(&c->to.addr, addr, sizeof addr);
	for (size_t i = 0; i < g->host_count; i++)
		if (strcmp(g->hosts[i].addr, addr) == 0)
			return &g->hosts[i];
	fail_msg("nobody lives at %s", addr);
	return NULL;
}

static bool
starts(struct span line, const char *word)
{
	return span_istarts(line, word);
}

static const char *
reply_to(struct host *h, struct span line)
{
	if (starts(line, "EHLO"))
		return h->takes_dsn ? "250-there\r\n250-PIPELINING\r\n250 DSN"
		    : "250-there\r\n250 PIPELINING";
	if (starts(line, "RCPT") && h->rcpt_reply)
		return h->rcpt_reply;
	if (starts(line, "DATA"))
		return h->rcpt_reply ? "503 5.5.1 no recipients" :
		    "354 go on";
	if (starts(line, "QUIT"))
		return "221 bye";
	return "250 2.0.0 fine";
}

static void
say(struct client *c, const char *text)
{
	buf_printf(&c->in, "%s\r\n", text);
}

/* One line, or one message; is_data is kept in to.connect_ms. */
static bool
answer(struct client *c)
{
	struct rig *g = (struct rig *)(void *)c->world;
	struct host *h = host_of(c);
	const char *end;
	struct span line;

	if (!c->session) {
		h->open -= c->is_shown;
		c->is_shown = false;
		return false;
	}
	if (c->to.port == 0 && c->in.len == 0) {
		client_close(c);
		return true;
	}
	if (c->to.connect_ms) {
		if (!(end = strstr(c->out.p, "\r\n.\r\n")))
			return false;
		buf_add(&h->heard, c->out.p, (size_t)(end + 5 - c->out.p));
		buf_consume(&c->out, (size_t)(end + 5 - c->out.p));
		c->to.connect_ms = 0;
		h->messages++;
		g->live_done_ms = env_now_ms(&g->w.env);
		say(c, h->end_reply ? h->end_reply : "250 2.0.0 taken");
		c->to.port = h->hangs_up ? 0 : c->to.port;
		return true;
	}
	if (!c->out.len || !(end = strstr(c->out.p, "\r\n")))
		return false;
	line = span_make(c->out.p, (size_t)(end - c->out.p));
	buf_addspan(&h->heard, line);
	buf_adds(&h->heard, "\n");
	say(c, reply_to(h, line));
	c->to.connect_ms = starts(line, "DATA") && !h->rcpt_reply;
	buf_consume(&c->out, line.len + 2);
	return true;
}

static void
dialled(struct client *c)
{
	struct host *h = host_of(c);

	h->connections++;
	if (h->is_dead)
		return;
	if (h->is_refusing) {
		client_refuse(c);
		return;
	}
	h->open++;
	h->open_max = MAX(h->open_max, h->open);
	c->to.connect_ms = 0;
	c->answer = answer;
	client_accept(c);
	say(c, "220 there");
}

/* ---- the world ---- */

static struct rig *
rig_new(void)
{
	struct rig *g = xcalloc(1, sizeof *g);

	world_open(&g->w);
	g->w.dialled = dialled;
	world_add_user(&g->w, "ann@example.org", "pw");
	return g;
}

static void
rig_free(struct rig *g)
{
	struct buf why = BUF_INIT;
	int breaches = world_close(&g->w, &why);

	if (breaches)
		print_error("%s", why.p);
	CHECK_EQ(breaches, 0);
	buf_release(&why);
	for (size_t i = 0; i < g->host_count; i++) {
		struct host *h = &g->hosts[i];

		buf_release(&h->heard);
		if (h->is_own) {
			free((char *)(uintptr_t)h->name);
			free((char *)(uintptr_t)h->addr);
		}
	}
	free(g);
}

static struct host *
add_host(struct rig *g, const char *name, const char *addr)
{
	struct host *h = &g->hosts[g->host_count++];

	*h = (struct host){ .name = name, .addr = addr, .heard = BUF_INIT };
	CHECK(zone_add(&g->w.zone, span_of(name), SPAN("A"), span_of(addr),
	    SPAN("")));
	return h;
}

/* A queued message from ann. */
static void
queue_mail(struct rig *g, const char *rcpt, unsigned notify)
{
	static const char text[] = "Subject: s\r\nMessage-ID: <m@x>\r\n\r\n"
	    "hello\r\n";
	struct wreq_deliver *r = wreq_deliver_new(&g->w.env, NULL);
	struct queue_new *q = xcalloc(1, sizeof *q);

	r->spool = spool_new(&g->w.env, 100000);
	CHECK_EQ(spool_add(r->spool, text, sizeof text - 1), 0);
	CHECK_EQ(spool_finish(r->spool), 0);
	r->queue = q;
	q->sender = xstrdup("ann@example.org");
	q->expires_s = r->w.now_s + 5 * DAY_S;
	q->rcpts = xcalloc(1, sizeof *q->rcpts);
	q->rcpt_count = 1;
	q->rcpts[0].address = xstrdup(rcpt);
	q->rcpts[0].destination = xstrdup(strchr(rcpt, '@') + 1);
	q->rcpts[0].notify = notify;
	store_submit(g->w.store, &r->w);
	world_pump(&g->w);
}

/* Messages in the queue, as the store has them. */
static size_t
queued(struct rig *g, char *text, size_t size)
{
	struct rjob_queue_list *l = rjob_queue_list_new(&g->w.env, NULL);
	size_t n;

	CHECK_EQ(world_read(&g->w, &l->j), 0);
	n = l->count;
	if (text && n)
		(void)snprintf(text, size, "%d %s", l->mails[0].rcpts[0].code,
		    l->mails[0].rcpts[0].text ? l->mails[0].rcpts[0].text :
		    "");
	op_free(&l->j.op);
	return n;
}

/* What ann's INBOX has, by POP3: the last message; owned. */
static char *
inbox(struct rig *g, size_t *count)
{
	struct client *c = client_open(&g->w, protos_find(SPAN("pop3")),
	    "127.0.0.1", true);
	const char *lines = "USER ann@example.org\r\nPASS pw\r\nSTAT\r\n";
	char retr[32];
	char *stat;

	client_send(c, lines, strlen(lines));
	stat = strstr(c->out.p, "PASS") ? NULL : strrchr(c->out.p, '+');
	CHECK(stat != NULL);
	*count = strtoul(stat + 4, NULL, 10);
	buf_clear(&c->out);
	(void)snprintf(retr, sizeof retr, "RETR %zu\r\n", *count);
	client_send(c, retr, strlen(retr));
	stat = xstrdup(c->out.p);
	client_send(c, "QUIT\r\n", 6);
	return stat;
}

/* ---- tests ---- */

TEST(test_queue_sends_and_forgets)
{
	struct rig *g = rig_new();
	struct host *h = add_host(g, "one.test", "192.0.2.1");

	queue_mail(g, "bob@one.test", 0);
	CHECK_EQ(queued(g, NULL, 0), 1);
	world_start_queue(&g->w);
	CHECK_EQ(h->messages, 1);
	CHECK_EQ(queued(g, NULL, 0), 0);
	/* One that comes while it runs wakes it. */
	queue_mail(g, "eve@one.test", 0);
	CHECK_EQ(h->messages, 2);
	CHECK_EQ(h->connections, 1);
	CHECK(strstr(h->heard.p, "MAIL FROM:<ann@example.org>") != NULL);
	world_advance(&g->w, MINUTE_MS);
	CHECK(strstr(h->heard.p, "QUIT") != NULL);
	rig_free(g);
}

TEST(test_queue_tries_again_and_doubles_the_wait)
{
	struct rig *g = rig_new();
	struct host *h = add_host(g, "one.test", "192.0.2.1");
	char text[200];

	h->is_refusing = true;
	queue_mail(g, "bob@one.test", 0);
	world_start_queue(&g->w);
	CHECK_EQ(h->connections, 1);
	CHECK_EQ(queued(g, text, sizeof text), 1);
	CHECK(strstr(text, "connection refused") != NULL);
	world_advance(&g->w, 4 * MINUTE_MS);
	CHECK_EQ(h->connections, 1);
	world_advance(&g->w, MINUTE_MS);
	CHECK_EQ(h->connections, 2);
	world_advance(&g->w, 9 * MINUTE_MS);
	CHECK_EQ(h->connections, 2);
	world_advance(&g->w, MINUTE_MS);
	CHECK_EQ(h->connections, 3);
	/* Never longer than an hour. */
	world_advance(&g->w, 10 * HOUR_MS);
	h->connections = 0;
	world_advance(&g->w, HOUR_MS + 1000);
	CHECK_EQ(h->connections, 1);
	h->is_refusing = false;
	world_advance(&g->w, HOUR_MS + 1000);
	CHECK_EQ(h->messages, 1);
	CHECK_EQ(queued(g, NULL, 0), 0);
	rig_free(g);
}

TEST(test_queue_warns_after_four_hours_and_fails_after_five_days)
{
	struct rig *g = rig_new();
	struct host *h = add_host(g, "one.test", "192.0.2.1");
	size_t n;
	char *text;

	h->is_refusing = true;
	queue_mail(g, "bob@one.test", 0);
	world_start_queue(&g->w);
	world_advance(&g->w, 3 * HOUR_MS);
	free(inbox(g, &n));
	CHECK_EQ(n, 0);
	world_advance(&g->w, 2 * HOUR_MS);
	text = inbox(g, &n);
	CHECK_EQ(n, 1);
	CHECK(strstr(text, "Action: delayed") != NULL);
	CHECK(strstr(text, "connection refused") != NULL);
	CHECK(strstr(text, "Return-Path: <>") != NULL);
	free(text);
	world_advance(&g->w, 4 * 24 * HOUR_MS);
	free(inbox(g, &n));
	CHECK_EQ(n, 1);
	CHECK_EQ(queued(g, NULL, 0), 1);
	world_advance(&g->w, 22 * HOUR_MS);
	text = inbox(g, &n);
	CHECK_EQ(n, 2);
	CHECK(strstr(text, "Action: failed") != NULL);
	CHECK(strstr(text, "Status: 4.4.7") != NULL);
	CHECK(strstr(text, "Subject: s") != NULL);
	free(text);
	CHECK_EQ(queued(g, NULL, 0), 0);
	rig_free(g);
}

TEST(test_queue_a_clock_that_jumps_bounces_nothing)
{
	struct rig *g = rig_new();
	struct host *h = add_host(g, "one.test", "192.0.2.1");
	size_t n;

	h->is_refusing = true;
	queue_mail(g, "bob@one.test", 0);
	world_start_queue(&g->w);
	g->w.clock.now_s += 100 * DAY_S;
	world_advance(&g->w, 2 * HOUR_MS);
	free(inbox(g, &n));
	CHECK_EQ(n, 0);
	CHECK_EQ(queued(g, NULL, 0), 1);
	/* Back again, and what waits is still tried. */
	g->w.clock.now_s -= 200 * DAY_S;
	h->connections = 0;
	world_advance(&g->w, 2 * HOUR_MS);
	CHECK(h->connections > 0);
	free(inbox(g, &n));
	CHECK_EQ(n, 0);
	rig_free(g);
}

TEST(test_queue_refusals_come_back_with_the_words)
{
	struct rig *g = rig_new();
	struct host *h = add_host(g, "one.test", "192.0.2.1");
	size_t n;
	char *text;

	h->rcpt_reply = "550 5.1.1 nobody of that name";
	queue_mail(g, "bob@one.test", 0);
	queue_mail(g, "eve@one.test", NOTIFY_NEVER);
	world_start_queue(&g->w);
	text = inbox(g, &n);
	CHECK_EQ(n, 1);
	CHECK(strstr(text, "bob@one.test") != NULL);
	CHECK(strstr(text, "said: 550 5.1.1 nobody of that name") != NULL);
	CHECK(strstr(text, "Status: 5.1.1") != NULL);
	free(text);
	CHECK_EQ(queued(g, NULL, 0), 0);
	rig_free(g);
}

TEST(test_queue_success_is_told_where_the_host_does_not)
{
	struct rig *g = rig_new();
	struct host *h = add_host(g, "one.test", "192.0.2.1");
	size_t n;
	char *text;

	queue_mail(g, "bob@one.test", NOTIFY_SUCCESS);
	world_start_queue(&g->w);
	text = inbox(g, &n);
	CHECK_EQ(n, 1);
	CHECK(strstr(text, "Action: relayed") != NULL);
	free(text);
	h->takes_dsn = true;
	world_advance(&g->w, MINUTE_MS);
	queue_mail(g, "bob@one.test", NOTIFY_SUCCESS);
	CHECK_EQ(h->messages, 2);
	free(inbox(g, &n));
	CHECK_EQ(n, 1);
	rig_free(g);
}

TEST(test_queue_no_domain_fails_and_dns_trouble_waits)
{
	struct rig *g = rig_new();
	size_t n;

	CHECK(zone_add(&g->w.zone, SPAN("sick.test"), SPAN("A"),
	    SPAN("servfail"), SPAN("")));
	CHECK(zone_add(&g->w.zone, SPAN("sick.test"), SPAN("MX"),
	    SPAN("servfail"), SPAN("")));
	queue_mail(g, "bob@gone.test", 0);
	queue_mail(g, "bob@sick.test", 0);
	world_start_queue(&g->w);
	world_advance(&g->w, MINUTE_MS);
	free(inbox(g, &n));
	CHECK_EQ(n, 1);
	CHECK_EQ(queued(g, NULL, 0), 1);
	rig_free(g);
}

TEST(test_queue_two_connections_to_a_host_at_most)
{
	struct rig *g = rig_new();
	struct host *h = add_host(g, "one.test", "192.0.2.1");

	for (int i = 0; i < 200; i++)
		queue_mail(g, "bob@one.test", 0);
	world_start_queue(&g->w);
	world_advance(&g->w, MINUTE_MS);
	CHECK_EQ(h->messages, 200);
	CHECK_EQ(h->open_max, 2);
	CHECK_EQ(h->connections, 2);
	CHECK_EQ(queued(g, NULL, 0), 0);
	rig_free(g);
}

static void
add_record(struct rig *g, const char *name, const char *type,
    const char *value)
{
	CHECK(zone_add(&g->w.zone, span_of(name), span_of(type),
	    span_of(value), SPAN("")));
}

TEST(test_queue_goes_from_host_to_host)
{
	struct rig *g = rig_new();
	struct host *first = add_host(g, "mx1.one.test", "192.0.2.1");
	struct host *second = add_host(g, "mx2.one.test", "192.0.2.2");
	char text[200];

	add_record(g, "one.test", "MX", "10 mx1.one.test");
	add_record(g, "one.test", "MX", "20 mx2.one.test");
	/* RFC 5321 section 5.1: the next host, in the same attempt. */
	first->is_refusing = true;
	queue_mail(g, "bob@one.test", 0);
	world_start_queue(&g->w);
	CHECK_EQ(first->connections, 1);
	CHECK_EQ(second->messages, 1);
	CHECK_EQ(queued(g, NULL, 0), 0);
	/* One that hangs is left after its time. */
	world_advance(&g->w, MINUTE_MS);
	first->is_refusing = false;
	first->is_dead = true;
	queue_mail(g, "bob@one.test", 0);
	CHECK_EQ(second->messages, 1);
	world_advance(&g->w, MINUTE_MS);
	CHECK_EQ(second->messages, 2);
	CHECK_EQ(queued(g, NULL, 0), 0);
	/* A refusal for good by one of them is the answer. */
	first->is_dead = false;
	first->rcpt_reply = "550 5.1.1 no such user";
	queue_mail(g, "bob@one.test", NOTIFY_NEVER);
	world_advance(&g->w, MINUTE_MS);
	CHECK_EQ(second->messages, 2);
	CHECK_EQ(queued(g, NULL, 0), 0);
	/* One of them all: the destination waits. */
	first->rcpt_reply = NULL;
	first->is_refusing = second->is_refusing = true;
	queue_mail(g, "bob@one.test", 0);
	world_advance(&g->w, MINUTE_MS);
	CHECK_EQ(queued(g, text, sizeof text), 1);
	first->is_refusing = second->is_refusing = false;
	world_advance(&g->w, 5 * MINUTE_MS);
	CHECK_EQ(queued(g, NULL, 0), 0);
	CHECK_EQ(first->messages, 1);
	rig_free(g);
}

TEST(test_queue_a_host_that_hangs_up_costs_one_message_a_try)
{
	struct rig *g = rig_new();
	struct host *h = add_host(g, "one.test", "192.0.2.1");

	/* It closes behind its refusal for now (RFC 5321 section 3.8). */
	h->end_reply = "421 4.3.2 going down";
	h->hangs_up = true;
	for (int i = 0; i < 10; i++)
		queue_mail(g, "bob@one.test", 0);
	world_start_queue(&g->w);
	CHECK_EQ(h->messages, 1);
	CHECK_EQ(queued(g, NULL, 0), 10);
	h->end_reply = NULL;
	h->hangs_up = false;
	h->messages = 0;
	world_advance(&g->w, 5 * MINUTE_MS + 1000);
	CHECK_EQ(h->messages, 10);
	CHECK_EQ(queued(g, NULL, 0), 0);
	rig_free(g);
}

TEST(test_queue_domains_at_one_host_share_its_connections)
{
	struct rig *g = rig_new();
	struct host *h = add_host(g, "mx.one.test", "192.0.2.1");
	char name[32], rcpt[64];

	for (int i = 0; i < 8; i++) {
		(void)snprintf(name, sizeof name, "d%d.test", i);
		add_record(g, name, "MX", "10 mx.one.test");
		(void)snprintf(rcpt, sizeof rcpt, "bob@%s", name);
		queue_mail(g, rcpt, 0);
	}
	world_start_queue(&g->w);
	world_advance(&g->w, 5 * MINUTE_MS);
	CHECK_EQ(h->messages, 8);
	CHECK_EQ(h->open_max, 2);
	CHECK_EQ(queued(g, NULL, 0), 0);
	rig_free(g);
}

TEST(test_queue_more_destinations_than_agents)
{
	struct rig *g = rig_new();
	char name[32], rcpt[64];
	unsigned messages = 0;

	for (int i = 0; i < HOSTS_MAX; i++) {
		char *addr = xmalloc(32), *host = xmalloc(32);

		(void)snprintf(host, 32, "h%d.test", i);
		(void)snprintf(addr, 32, "192.0.2.%d", 100 + i);
		add_host(g, host, addr)->is_own = true;
	}
	/* Three messages to each domain of each host. */
	for (int i = 0; i < 3 * 4 * HOSTS_MAX; i++) {
		(void)snprintf(name, sizeof name, "d%d.test", i % 60);
		if (i < 60) {
			char mx[32];

			(void)snprintf(mx, sizeof mx, "10 h%d.test",
			    i % HOSTS_MAX);
			add_record(g, name, "MX", mx);
		}
		(void)snprintf(rcpt, sizeof rcpt, "bob@%s", name);
		queue_mail(g, rcpt, 0);
	}
	world_start_queue(&g->w);
	world_advance(&g->w, 5 * MINUTE_MS);
	for (size_t i = 0; i < g->host_count; i++) {
		messages += g->hosts[i].messages;
		CHECK(g->hosts[i].open_max <= 2);
	}
	CHECK_EQ(messages, 3 * 4 * HOSTS_MAX);
	CHECK_EQ(queued(g, NULL, 0), 0);
	rig_free(g);
}

/*
 * 10,000 messages to one dead and nine live hosts: nobody waits for the dead
 * one's deadline, and the dead one has one connection at a time.
 */
TEST(test_queue_a_dead_host_delays_nobody)
{
	static const char *const names[] = { "h0.test", "h1.test", "h2.test",
	    "h3.test", "h4.test", "h5.test", "h6.test", "h7.test", "h8.test",
	    "h9.test" };
	static const char *const addrs[] = { "192.0.2.10", "192.0.2.11",
	    "192.0.2.12", "192.0.2.13", "192.0.2.14", "192.0.2.15",
	    "192.0.2.16", "192.0.2.17", "192.0.2.18", "192.0.2.19" };
	struct rig *g = rig_new();
	unsigned messages = 0;
	char rcpt[64];
	int64_t start_ms;

	for (size_t i = 0; i < 10; i++)
		add_host(g, names[i], addrs[i]);
	g->hosts[0].is_dead = true;
	for (int i = 0; i < 10000; i++) {
		(void)snprintf(rcpt, sizeof rcpt, "bob@%s", names[i % 10]);
		queue_mail(g, rcpt, 0);
	}
	start_ms = env_now_ms(&g->w.env);
	world_start_queue(&g->w);
	for (size_t i = 1; i < 10; i++)
		messages += g->hosts[i].messages;
	CHECK_EQ(messages, 9000);
	CHECK_EQ(g->live_done_ms, start_ms);
	CHECK_EQ(g->hosts[0].connections, 1);
	world_advance(&g->w, 4 * MINUTE_MS);
	CHECK_EQ(g->hosts[0].connections, 1);
	rig_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queue_sends_and_forgets),
		cmocka_unit_test(test_queue_tries_again_and_doubles_the_wait),
		cmocka_unit_test(
		    test_queue_warns_after_four_hours_and_fails_after_five_days),
		cmocka_unit_test(
		    test_queue_a_clock_that_jumps_bounces_nothing),
		cmocka_unit_test(
		    test_queue_refusals_come_back_with_the_words),
		cmocka_unit_test(
		    test_queue_success_is_told_where_the_host_does_not),
		cmocka_unit_test(
		    test_queue_no_domain_fails_and_dns_trouble_waits),
		cmocka_unit_test(
		    test_queue_two_connections_to_a_host_at_most),
		cmocka_unit_test(test_queue_goes_from_host_to_host),
		cmocka_unit_test(
		    test_queue_a_host_that_hangs_up_costs_one_message_a_try),
		cmocka_unit_test(
		    test_queue_domains_at_one_host_share_its_connections),
		cmocka_unit_test(test_queue_more_destinations_than_agents),
		cmocka_unit_test(test_queue_a_dead_host_delays_nobody),
	};

	if (base_random_start() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
