/*
 * Connections that we make, against the listener of the fixture.
 */
#include "server/net/dialer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <poll.h>
#include <unistd.h>

#include "server/base/err.h"
#include "tests/unit/net/fixture.h"

/*
 * A caller: notes what it hears. It says "STARTTLS" where script asks for it,
 * then "ECHO x", and hangs up at the answer.
 */
struct caller {
	struct session s;
	struct tls_want want;
	struct buf heard;
	bool must_tls, is_quiet;
	unsigned started, secured, ended, timeouts;
	struct peer last;		/* at the end */
};

static struct caller *
caller_of(struct session *s)
{
	return CONTAINER_OF(s, struct caller, s);
}

static void
caller_start(struct session *s)
{
	caller_of(s)->started++;
	if (caller_of(s)->must_tls)
		buf_adds(s->out, "STARTTLS\r\n");
	else if (!caller_of(s)->is_quiet)
		buf_adds(s->out, "ECHO x\r\n");
}

static size_t
caller_input(struct session *s, const char *p, size_t len)
{
	struct caller *c = caller_of(s);

	buf_add(&c->heard, p, len);
	if (c->must_tls && strstr(c->heard.p, "go\r\n"))
		s->want = WANT_TLS;
	else if (strstr(c->heard.p, "x\r\n"))
		s->want = WANT_CLOSE;
	return len;
}

static void
caller_secured(struct session *s)
{
	caller_of(s)->secured++;
	caller_of(s)->must_tls = false;
	s->want = WANT_INPUT;
	buf_adds(s->out, "ECHO x\r\n");
}

static void
caller_timeout(struct session *s)
{
	caller_of(s)->timeouts++;
	s->want = WANT_CLOSE;
}

static void
caller_stop(struct session *s, enum stop_reason reason)
{
	(void)reason;
	s->want = WANT_CLOSE;
}

static void
caller_end(struct session *s)
{
	caller_of(s)->ended++;
	caller_of(s)->last = s->peer;
}

static const struct session_ops caller_ops = {
	.name = "caller", .start = caller_start, .input = caller_input,
	.secured = caller_secured, .timeout = caller_timeout,
	.stop = caller_stop, .end = caller_end,
};

/* ---- the fixture ---- */

struct fixture {
	struct world w;
	struct dialer_net *dialer;
	struct caller c;
	struct dial_to to;
};

static void
start(struct fixture *x, struct dialer_settings set, struct span ca)
{
	struct buf why = BUF_INIT;
	struct tls_config *tls;

	*x = (struct fixture){ .c = { .heard = BUF_INIT } };
	world_init(&x->w);
	tls = tls_config_new_out(ca, x->w.env.random, &why);
	CHECK_STR(why.p, "");
	x->dialer = dialer_new(x->w.loop, &x->w.env, &set, tls);
	tls_config_unref(tls);
	session_init(&x->c.s, &caller_ops, &x->w.env);
	x->c.s.tls_want = &x->c.want;
	CHECK_EQ(addr_parse(&x->to.addr, SPAN("127.0.0.1")), 0);
	x->to.is_configured = true;
}

static int
call(struct fixture *x)
{
	x->to.port = x->to.port ? x->to.port : x->w.port;
	return dial(dialer_dialer(x->dialer), &x->to, &x->c.s);
}

/* Calls, and waits for its end. */
static void
run(struct fixture *x)
{
	CHECK_EQ(call(x), 0);
	CHECK_EQ(x->c.started, 0);
	UNTIL(&x->w, x->c.ended);
	CHECK_EQ(x->c.ended, 1);
}

static void
finish(struct fixture *x)
{
	dialer_close(x->dialer);
	UNTIL(&x->w, dialer_is_idle(x->dialer));
	dialer_free(x->dialer);
	world_release(&x->w);
	buf_release(&x->c.heard);
}

static const struct dialer_settings defaults = { .max = 0 };
static const struct span no_ca = { NULL, 0 };

TEST(test_dialer_connects_and_drives_the_session)
{
	struct fixture x;

	start(&x, defaults, no_ca);
	world_listen(&x.w, SERVICE_PLAIN);
	run(&x);
	CHECK_EQ(x.c.started, 1);
	CHECK_STR(x.c.heard.p, "hello\r\nx\r\n");
	CHECK_EQ(x.c.last.failure, 0);
	CHECK_STR(x.c.last.addr, "127.0.0.1");
	CHECK_EQ(x.c.last.port, x.w.port);
	finish(&x);
}

TEST(test_dialer_uses_the_source_address)
{
	struct fixture x;

	start(&x, defaults, no_ca);
	world_listen(&x.w, SERVICE_PLAIN);
	CHECK_EQ(addr_parse(&x.to.from, SPAN("127.0.0.3")), 0);
	run(&x);
	CHECK_STR(x.c.last.local_addr, "127.0.0.3");
	finish(&x);
}

TEST(test_dialer_tells_of_refusal_without_a_start)
{
	struct fixture x;

	start(&x, defaults, no_ca);
	world_listen(&x.w, SERVICE_PLAIN);
	x.to.port = x.w.port;
	listener_stop(x.w.listener);
	x.w.listener = NULL;
	world_round(&x.w);
	run(&x);
	CHECK_EQ(x.c.started, 0);
	CHECK_EQ(x.c.last.failure, ERR_IO);
	CHECK_STR(x.c.last.failure_text, "Connection refused");
	CHECK_STR(x.c.last.addr, "127.0.0.1");
	finish(&x);
}

TEST(test_dialer_gives_up_on_silence)
{
	struct fixture x;
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof in;
	int fd = socket(AF_INET, SOCK_STREAM, 0), busy;

	start(&x, defaults, no_ca);
	/* A listener whose queue is full lets nobody in. */
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
	CHECK_EQ(listen(fd, 0), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	busy = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_EQ(connect(busy, (struct sockaddr *)&in, sizeof in), 0);
	x.to.port = ntohs(in.sin_port);
	x.to.connect_ms = 50;
	run(&x);
	CHECK_EQ(x.c.started, 0);
	CHECK_EQ(x.c.last.failure, ERR_TIMEOUT);
	close(busy);
	close(fd);
	finish(&x);
}

TEST(test_dialer_tells_of_the_peers_end)
{
	struct fixture x;

	start(&x, defaults, no_ca);
	world_listen(&x.w, SERVICE_PLAIN);
	x.c.is_quiet = true;
	CHECK_EQ(call(&x), 0);
	UNTIL(&x.w, x.w.started);
	conns_close(&x.w.limits);
	UNTIL(&x.w, x.c.ended);
	CHECK(x.c.last.failure == ERR_CLOSED || x.c.last.failure == ERR_IO);
	finish(&x);
}

TEST(test_dialer_makes_tls_opportunistically)
{
	struct fixture x;

	start(&x, defaults, no_ca);
	world_listen(&x.w, SERVICE_STARTTLS);
	x.c.must_tls = true;
	x.c.want.server_name = "mail.example.test";
	run(&x);
	CHECK_EQ(x.c.secured, 1);
	CHECK_EQ(x.c.last.failure, 0);
	CHECK(x.c.last.has_tls);
	CHECK_EQ(x.c.last.tls_verified, TLS_UNVERIFIED);
	CHECK_STR(x.c.heard.p, "hello\r\ngo\r\nx\r\n");
	finish(&x);
}

TEST(test_dialer_makes_tls_first)
{
	struct fixture x;

	start(&x, defaults, no_ca);
	world_listen(&x.w, SERVICE_IMPLICIT);
	x.to.has_tls_first = true;
	run(&x);
	CHECK_EQ(x.c.started, 1);
	CHECK_EQ(x.c.secured, 0);
	CHECK(x.c.last.has_tls);
	CHECK_STR(x.c.heard.p, "hello\r\nx\r\n");
	finish(&x);
}

static const char *const good_name[] = { "mail.example.test" };
static const char *const bad_name[] = { "other.example.test" };

/* The listener's own certificate is the authority. */
static void
check_pkix(const char *const *names, bool is_trusted, enum tls_fault fault)
{
	static const char *const made[] = { "mail.example.test" };
	struct buf cert = BUF_INIT, key = BUF_INIT, why = BUF_INIT;
	struct tls_config *server;
	struct certset *set;
	struct fixture x;

	CHECK_EQ(base_random_start(), 0);
	CHECK_EQ(cert_make_self_signed(random_system(), made, 1,
	    clock_system()->wall_s(clock_system()), 30, &cert, &key), 0);
	start(&x, defaults, is_trusted ? buf_span(&cert) : no_ca);
	set = certset_new(x.w.env.random);
	CHECK_EQ(certset_add(set, "t", buf_span(&cert), buf_span(&key), &why),
	    0);
	server = tls_config_new_server(set, NULL, x.w.env.random, &why);
	service_set_tls(&x.w.service, server);
	tls_config_unref(server);
	certset_unref(set);
	world_listen(&x.w, SERVICE_STARTTLS);
	x.c.must_tls = true;
	x.c.want.mode = TLS_PKIX;
	x.c.want.names = names;
	x.c.want.name_count = 1;
	run(&x);
	CHECK_EQ(x.c.last.tls_fault, fault);
	CHECK_EQ(x.c.secured, fault == TLS_FAULT_NONE);
	CHECK_EQ(x.c.last.failure, fault == TLS_FAULT_NONE ? 0 : ERR_TLS);
	CHECK_EQ(x.c.last.tls_verified, fault == TLS_FAULT_NONE ?
	    TLS_BY_PKIX : TLS_UNVERIFIED);
	/* What was to be said under TLS only was never said. */
	if (fault != TLS_FAULT_NONE)
		CHECK_STR(x.c.heard.p, "hello\r\ngo\r\n");
	finish(&x);
	buf_release(&cert);
	buf_release(&key);
	buf_release(&why);
}

TEST(test_dialer_enforces_verification)
{
	check_pkix(good_name, true, TLS_FAULT_NONE);
	check_pkix(bad_name, true, TLS_FAULT_HOST);
	check_pkix(good_name, false, TLS_FAULT_UNTRUSTED);
}

TEST(test_dialer_tells_of_a_handshake_that_failed)
{
	struct fixture x;

	start(&x, defaults, no_ca);
	/* What answers is no TLS at all. */
	world_listen(&x.w, SERVICE_PLAIN);
	x.to.has_tls_first = true;
	run(&x);
	CHECK_EQ(x.c.started, 0);
	CHECK_EQ(x.c.last.failure, ERR_TLS);
	CHECK_EQ(x.c.last.tls_fault, TLS_FAULT_OTHER);
	CHECK(!x.c.last.has_tls);
	finish(&x);
}

TEST(test_dialer_refuses_addresses_of_nobody)
{
	static const char *const nobody[] = {
		"127.0.0.1", "127.9.9.9", "::1", "::", "0.0.0.0", "0.1.2.3",
		"224.0.0.1", "255.255.255.255", "ff02::1", "::ffff:127.0.0.1",
	};
	struct fixture x;

	start(&x, defaults, no_ca);
	x.to.is_configured = false;
	x.to.port = 25;
	for (size_t i = 0; i < COUNT(nobody); i++) {
		CHECK_EQ(addr_parse(&x.to.addr, span_of(nobody[i])), 0);
		CHECK_EQ(call(&x), ERR_DENIED);
	}
	CHECK_EQ(x.c.ended, 0);
	finish(&x);
}

TEST(test_dialer_ports_lead_elsewhere_in_tests)
{
	struct dialer_settings set = { .allows_loopback = true };
	struct fixture x;

	start(&x, set, no_ca);
	world_listen(&x.w, SERVICE_PLAIN);
	dialer_free(x.dialer);
	set.port_smtp = x.w.port;
	x.dialer = dialer_new(x.w.loop, &x.w.env, &set, NULL);
	x.to.is_configured = false;
	x.to.port = 25;
	run(&x);
	CHECK_STR(x.c.heard.p, "hello\r\nx\r\n");
	finish(&x);
}

TEST(test_dialer_is_capped_and_stops)
{
	struct dialer_settings set = { .max = 1 };
	struct fixture x;
	struct caller second = { .heard = BUF_INIT };

	start(&x, set, no_ca);
	world_listen(&x.w, SERVICE_PLAIN);
	session_init(&second.s, &caller_ops, &x.w.env);
	CHECK_EQ(call(&x), 0);
	CHECK_EQ(dial(dialer_dialer(x.dialer), &x.to, &second.s), ERR_BUSY);
	dialer_stop(x.dialer, NULL);
	UNTIL(&x.w, x.c.ended);
	CHECK_EQ(x.c.last.failure, ERR_CANCELLED);
	UNTIL(&x.w, dialer_is_idle(x.dialer));
	CHECK_EQ(dial(dialer_dialer(x.dialer), &x.to, &second.s), ERR_BUSY);
	CHECK_EQ(second.ended, 0);
	finish(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialer_connects_and_drives_the_session),
		cmocka_unit_test(test_dialer_uses_the_source_address),
		cmocka_unit_test(test_dialer_tells_of_refusal_without_a_start),
		cmocka_unit_test(test_dialer_gives_up_on_silence),
		cmocka_unit_test(test_dialer_tells_of_the_peers_end),
		cmocka_unit_test(test_dialer_makes_tls_opportunistically),
		cmocka_unit_test(test_dialer_makes_tls_first),
		cmocka_unit_test(test_dialer_enforces_verification),
		cmocka_unit_test(test_dialer_tells_of_a_handshake_that_failed),
		cmocka_unit_test(test_dialer_refuses_addresses_of_nobody),
		cmocka_unit_test(test_dialer_ports_lead_elsewhere_in_tests),
		cmocka_unit_test(test_dialer_is_capped_and_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
