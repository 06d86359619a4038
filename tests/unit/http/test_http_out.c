/*
 * Fetching, against a zone and a dialer of the test's own: each call that is
 * made is kept, and the test plays the server.
 */
#include "server/http/http_out.h"

#include "server/base/dial.h"
#include "server/base/err.h"
#include "tests/check.h"
#include "tests/zone.h"

#define CALLS_MAX 8

struct call {
	struct session *s;
	struct dial_to to;
	struct buf out;
};

struct fixture {
	struct env env;
	struct fake_clock clock;
	struct post home;
	struct zone zone;
	struct dialer dialer;
	struct http_client *client;
	struct call calls[CALLS_MAX];
	size_t count;
	int refuse;		/* what dial returns instead */
	struct fetch *fetch;	/* the last one; home when op.tag is set */
};

static int
keep_call(struct dialer *d, const struct dial_to *to, struct session *s)
{
	struct fixture *x = CONTAINER_OF(d, struct fixture, dialer);
	struct call *c = &x->calls[x->count];

	if (x->refuse)
		return x->refuse;
	CHECK(x->count < CALLS_MAX);
	x->count++;
	*c = (struct call){ .s = s, .to = *to, .out = BUF_INIT };
	s->out = &c->out;
	return 0;
}

static void
start(struct fixture *x)
{
	*x = (struct fixture){ .count = 0 };
	fake_clock_init(&x->clock, 1700000000);
	post_init(&x->home, NULL);
	zone_init(&x->zone);
	x->dialer.dial = keep_call;
	x->env.clock = &x->clock.clock;
	x->env.home = &x->home;
	x->env.dns = &x->zone.source;
	x->env.dialer = &x->dialer;
	x->env.version = "0";
	x->client = http_client_new(&x->env);
}

static void
pump(struct fixture *x)
{
	while (post_drain(&x->home))
		;
}

static void
finish(struct fixture *x)
{
	http_client_free(x->client);
	pump(x);
	CHECK(x->fetch->op.tag);
	op_free(&x->fetch->op);
	for (size_t i = 0; i < x->count; i++)
		buf_release(&x->calls[i].out);
	zone_release(&x->zone);
	post_release(&x->home);
}

static void
came_home(struct op *op)
{
	op->tag = 1;
}

static void
fetch(struct fixture *x)
{
	x->fetch = fetch_new(&x->env, NULL, "mta-sts.example",
	    "/.well-known/mta-sts.txt");
	x->fetch->op.finish = came_home;
	x->fetch->body_max = 100;
	http_client_fetcher(x->client)->fetch(http_client_fetcher(x->client),
	    x->fetch);
	pump(x);
}

static void
add(struct fixture *x, const char *type, const char *value)
{
	CHECK(zone_add(&x->zone, SPAN("mta-sts.example"), span_of(type),
	    span_of(value), SPAN("")));
}

static void
end(struct call *c, int failure)
{
	c->s->peer.failure = failure;
	c->s->ops->end(c->s);
	c->s = NULL;
}

/* The server says all of it, step bytes at a time, and hangs up. */
static void
answer(struct fixture *x, struct call *c, const char *text, size_t step)
{
	struct buf in = BUF_INIT;
	struct span rest = span_of(text);

	c->s->ops->start(c->s);
	while (rest.len && c->s->want == WANT_INPUT) {
		struct span piece = span_head(rest, step);
		size_t used;

		buf_addspan(&in, piece);
		rest = span_from(rest, piece.len);
		do {
			used = c->s->ops->input(c->s, in.p, in.len);
			buf_consume(&in, used);
		} while (used && in.len && c->s->want == WANT_INPUT);
	}
	end(c, c->s->want == WANT_CLOSE ? 0 : ERR_CLOSED);
	pump(x);
	buf_release(&in);
}

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

TEST(test_http_out_gets_a_document)
{
	for (size_t step = 1; step < 100; step += 7) {
		struct fixture x;

		start(&x);
		add(&x, "A", "192.0.2.1");
		fetch(&x);
		CHECK_EQ(x.count, 1);
		CHECK_EQ(x.calls[0].to.port, 443);
		CHECK(x.calls[0].to.has_tls_first);
		CHECK(!x.calls[0].to.is_configured);
		CHECK_EQ(x.calls[0].s->tls_want->mode, TLS_PKIX);
		CHECK_STR(x.calls[0].s->tls_want->server_name,
		    "mta-sts.example");
		CHECK_STR(x.calls[0].s->tls_want->names[0],
		    "mta-sts.example");
		answer(&x, &x.calls[0], "HTTP/1.1 103 Early Hints\r\n\r\n"
		    HEAD "Transfer-Encoding: chunked\r\n\r\n"
		    "5\r\nhello\r\n0\r\n\r\n", step);
		CHECK(strstr(x.calls[0].out.p,
		    "GET /.well-known/mta-sts.txt HTTP/1.1\r\n"
		    "Host: mta-sts.example\r\n"));
		CHECK_EQ(x.fetch->fault, FETCH_OK);
		CHECK_EQ(x.fetch->op.err, 0);
		CHECK_STR(x.fetch->body.p, "hello");
		finish(&x);
	}
}

TEST(test_http_out_takes_nothing_else)
{
	static const struct {
		const char *answer;
		enum fetch_fault fault;
	} rows[] = {
		{ "", FETCH_CONNECT },
		{ "HTTP/1.1 2", FETCH_CONNECT },
		{ "hello\r\n\r\n", FETCH_SYNTAX },
		{ "HTTP/1.1 301 Moved\r\nLocation: https://a.example/\r\n"
		    "\r\n", FETCH_STATUS },
		{ "HTTP/1.1 404 no\r\n\r\n", FETCH_STATUS },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
		    FETCH_TYPE },
		{ "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
		    "Content-Length: 2\r\n\r\nhi", FETCH_TYPE },
		{ HEAD "\r\nhello", FETCH_SYNTAX },
		{ HEAD "Content-Length: 101\r\n\r\n", FETCH_LARGE },
		{ HEAD "Content-Length: 5\r\n\r\nhel", FETCH_CONNECT },
		{ HEAD "Transfer-Encoding: chunked\r\n\r\n65\r\n",
		    FETCH_LARGE },
		{ HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		    FETCH_SYNTAX },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fixture x;

		start(&x);
		add(&x, "A", "192.0.2.1");
		fetch(&x);
		answer(&x, &x.calls[0], rows[i].answer, 3);
		CHECK(x.fetch->op.tag);
		CHECK_EQ(x.fetch->fault, rows[i].fault);
		CHECK(x.fetch->op.err < 0);
		CHECK_EQ(x.fetch->body.len, 0);
		finish(&x);
	}
}

TEST(test_http_out_caps_the_head)
{
	struct buf text = BUF_INIT;
	struct fixture x;

	start(&x);
	add(&x, "A", "192.0.2.1");
	fetch(&x);
	buf_adds(&text, HEAD);
	while (text.len < 17 * 1024)
		buf_adds(&text, "X: y\r\n");
	answer(&x, &x.calls[0], text.p, 1000);
	CHECK_EQ(x.fetch->fault, FETCH_SYNTAX);
	finish(&x);
	buf_release(&text);
}

TEST(test_http_out_tries_every_address_but_not_after_tls)
{
	struct fixture x;

	start(&x);
	add(&x, "A", "192.0.2.1");
	add(&x, "AAAA", "2001:db8::1");
	fetch(&x);
	CHECK_EQ(x.count, 1);
	CHECK(!addr_is_v4(&x.calls[0].to.addr));
	end(&x.calls[0], ERR_TIMEOUT);
	CHECK_EQ(x.count, 2);
	CHECK(addr_is_v4(&x.calls[1].to.addr));
	CHECK(!x.fetch->op.tag);
	x.calls[1].s->peer.tls_fault = TLS_FAULT_EXPIRED;
	end(&x.calls[1], ERR_TLS);
	pump(&x);
	CHECK_EQ(x.fetch->fault, FETCH_TLS);
	CHECK_EQ(x.fetch->tls_fault, TLS_FAULT_EXPIRED);
	finish(&x);
}

TEST(test_http_out_needs_an_address)
{
	struct fixture x;

	start(&x);
	fetch(&x);
	CHECK_EQ(x.fetch->fault, FETCH_DNS);
	finish(&x);
	start(&x);
	add(&x, "A", "192.0.2.1");
	add(&x, "A", "192.0.2.2");
	x.refuse = ERR_BUSY;
	fetch(&x);
	CHECK_EQ(x.fetch->fault, FETCH_CONNECT);
	finish(&x);
}

TEST(test_http_out_has_a_deadline)
{
	struct fixture x;
	struct session *s;

	start(&x);
	add(&x, "A", "192.0.2.1");
	fetch(&x);
	s = x.calls[0].s;
	s->ops->start(s);
	CHECK_EQ(s->deadline_ms, env_now_ms(&x.env) + FETCH_DEADLINE_MS);
	s->ops->timeout(s);
	CHECK_EQ(s->want, WANT_CLOSE);
	end(&x.calls[0], 0);
	pump(&x);
	CHECK_EQ(x.fetch->fault, FETCH_CONNECT);
	finish(&x);
}

TEST(test_http_out_ends_with_its_client)
{
	struct fixture x;

	start(&x);
	add(&x, "A", "192.0.2.1");
	fetch(&x);
	http_client_free(x.client);
	x.client = NULL;
	pump(&x);
	CHECK_EQ(x.fetch->fault, FETCH_CONNECT);
	x.calls[0].s->ops->start(x.calls[0].s);
	CHECK_EQ(x.calls[0].s->want, WANT_CLOSE);
	end(&x.calls[0], 0);
	finish(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_out_gets_a_document),
		cmocka_unit_test(test_http_out_takes_nothing_else),
		cmocka_unit_test(test_http_out_caps_the_head),
		cmocka_unit_test(
		    test_http_out_tries_every_address_but_not_after_tls),
		cmocka_unit_test(test_http_out_needs_an_address),
		cmocka_unit_test(test_http_out_has_a_deadline),
		cmocka_unit_test(test_http_out_ends_with_its_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
