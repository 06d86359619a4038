/*
 * The resolver against a name server in a thread of this process. What
 * DNSSEC makes of answers is tested with a real one in tests/world.
 */
#include "server/net/resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/net/fixture.h"

#define HEADER 12

/* ---- the name server ---- */

struct server {
	int udp, tcp, stop;
	int stop_end;		/* closed: the thread ends */
	pthread_t thread;
	char forward[32];
};

/* An answer under construction: the question's bytes, then records. */
struct reply {
	unsigned char p[2048];
	size_t len;
};

static void
put(struct reply *r, const void *p, size_t len)
{
	memcpy(r->p + r->len, p, len);
	r->len += len;
}

static void
put_record(struct reply *r, unsigned type, const void *rdata, size_t len)
{
	unsigned char head[12] = {
		0xc0, HEADER, 0, (unsigned char)type, 0, 1, 0, 0, 0, 60,
		(unsigned char)(len >> 8), (unsigned char)len
	};

	put(r, head, sizeof head);
	put(r, rdata, len);
	r->p[7]++;
}

/* The question ends behind its name, type and class. */
static size_t
question_len(const unsigned char *p, size_t len)
{
	size_t at = HEADER;

	while (at < len && p[at])
		at += p[at] + 1u;
	return at + 5;
}

static bool
is_for(const unsigned char *q, const char *label)
{
	return q[HEADER] == strlen(label) &&
	    memcmp(q + HEADER + 1, label, q[HEADER]) == 0;
}

static void
answer(struct reply *r, const unsigned char *q, bool is_tcp)
{
	static const unsigned char a[4] = { 192, 0, 2, 1 };
	unsigned type = q[question_len(q, 512) - 3];

	if (is_for(q, "a") && type == DNS_A) {
		put_record(r, DNS_A, a, sizeof a);
	} else if (is_for(q, "mx") && type == DNS_MX) {
		put_record(r, DNS_MX, "\0\12\1a\7example\0", 13);
		put_record(r, DNS_MX, "\0\24\2b\n\7example\0", 14);
	} else if (is_for(q, "bad") && type == DNS_MX) {
		put_record(r, DNS_MX, "\0\24\2b\n\7example\0", 14);
	} else if (is_for(q, "alias") && type == DNS_A) {
		put_record(r, DNS_CNAME, "\1a\7example\0", 11);
	} else if (is_for(q, "loop")) {
		put_record(r, DNS_CNAME, "\4loop\7example\0", 14);
	} else if (is_for(q, "nx")) {
		r->p[3] |= 3;
	} else if (is_for(q, "fail")) {
		r->p[3] |= 2;
	} else if (is_for(q, "long") && type == DNS_TXT) {
		if (is_tcp)
			put_record(r, DNS_TXT, "\3tcp", 4);
		else
			r->p[2] |= 2;	/* TC */
	}
}

/* Returns the length of the answer, 0 for none. */
static size_t
make_reply(struct reply *r, const unsigned char *q, size_t len, bool is_tcp)
{
	if (len < HEADER + 5 || len > 512 || is_for(q, "silent"))
		return 0;
	*r = (struct reply){ .len = 0 };
	put(r, q, question_len(q, len));
	r->p[2] = 0x84;
	r->p[3] = 0x80;
	memset(r->p + 6, 0, 6);
	if (is_for(q, "liar")) {
		r->p[0] ^= 0x55;	/* another question's answer */
		put_record(r, DNS_A, "\177\0\0\1", 4);
	}
	answer(r, q, is_tcp);
	return r->len;
}

static void
serve_udp(struct server *s)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof from;
	unsigned char q[2048];
	struct reply r;
	ssize_t n = recvfrom(s->udp, q, sizeof q, 0, (struct sockaddr *)&from,
	    &from_len);

	if (n > 0 && make_reply(&r, q, (size_t)n, false))
		(void)sendto(s->udp, r.p, r.len, 0, (struct sockaddr *)&from,
		    from_len);
}

static void
serve_tcp(struct server *s)
{
	unsigned char q[2048], size[2];
	struct reply r;
	int fd = accept(s->tcp, NULL, NULL);

	if (fd >= 0 && recv(fd, size, 2, MSG_WAITALL) == 2) {
		ssize_t n = recv(fd, q, (size_t)(size[0] << 8 | size[1]),
		    MSG_WAITALL);

		if (n > 0 && make_reply(&r, q, (size_t)n, true)) {
			size[0] = (unsigned char)(r.len >> 8);
			size[1] = (unsigned char)r.len;
			(void)send(fd, size, 2, MSG_NOSIGNAL);
			(void)send(fd, r.p, r.len, MSG_NOSIGNAL);
		}
	}
	close(fd);
}

static void *
serve(void *arg)
{
	struct server *s = arg;
	struct pollfd fds[] = {
		{ s->udp, POLLIN, 0 }, { s->tcp, POLLIN, 0 },
		{ s->stop, POLLIN, 0 },
	};

	while (poll(fds, 3, -1) >= 0 && !fds[2].revents) {
		if (fds[0].revents)
			serve_udp(s);
		if (fds[1].revents)
			serve_tcp(s);
	}
	return NULL;
}

/* One port for both; the first that UDP gets may be taken for TCP. */
static void
bind_both(struct server *s, struct sockaddr_in *a)
{
	for (int tries = 0; tries < 100; tries++) {
		socklen_t len = sizeof *a;

		*a = (struct sockaddr_in){ .sin_family = AF_INET };
		a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		CHECK_EQ(bind(s->udp, (struct sockaddr *)a, sizeof *a), 0);
		CHECK_EQ(getsockname(s->udp, (struct sockaddr *)a, &len), 0);
		if (bind(s->tcp, (struct sockaddr *)a, sizeof *a) == 0)
			return;
		close(s->udp);
		close(s->tcp);
	}
	fail_msg("no port is free for UDP and TCP");
}

static void
server_start(struct server *s)
{
	struct sockaddr_in a;
	int ends[2];

	bind_both(s, &a);
	CHECK_EQ(listen(s->tcp, 8), 0);
	(void)snprintf(s->forward, sizeof s->forward, "127.0.0.1@%u",
	    ntohs(a.sin_port));
	CHECK_EQ(pipe(ends), 0);
	s->stop = ends[0];
	s->stop_end = ends[1];
	CHECK_EQ(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void
server_stop(struct server *s)
{
	close(s->stop_end);
	pthread_join(s->thread, NULL);
	close(s->udp);
	close(s->tcp);
	close(s->stop);
}

/* ---- asking ---- */

struct fixture {
	struct world w;
	struct server server;
	struct resolver *resolver;
};

static void
start(struct fixture *x, int64_t deadline_ms)
{
	const char *forward[] = { x->server.forward };
	struct resolver_settings set = {
		.forward = forward, .forward_count = 1,
		.deadline_ms = deadline_ms,
	};
	struct buf why = BUF_INIT;

	server_start(&x->server);
	world_init(&x->w);
	x->resolver = resolver_new(x->w.loop, &x->w.env, &set, &why);
	CHECK_STR(why.p, "");
	CHECK(x->resolver);
	buf_release(&why);
}

static void
stop(struct fixture *x)
{
	resolver_free(x->resolver);
	world_release(&x->w);
	server_stop(&x->server);
}

static void
came_home(struct op *op)
{
	op->tag = 1;
}

static struct dns_query *
submit(struct fixture *x, const char *name, enum dns_type type)
{
	struct dns_query *q = dns_query_new(&x->w.env, NULL, span_of(name),
	    type);

	CHECK(q);
	q->op.finish = came_home;
	dns_ask(resolver_source(x->resolver), q);
	return q;
}

static struct dns_query *
ask(struct fixture *x, const char *name, enum dns_type type)
{
	struct dns_query *q = submit(x, name, type);

	UNTIL(&x->w, q->op.tag);
	return q;
}

TEST(test_resolver_tells_outcomes_apart)
{
	static const struct {
		const char *name;
		enum dns_type type;
		enum dns_status status;
		size_t count;
	} rows[] = {
		{ "a.example", DNS_A, DNS_OK, 1 },
		{ "a.example", DNS_AAAA, DNS_NODATA, 0 },
		{ "nx.example", DNS_MX, DNS_NXDOMAIN, 0 },
		{ "fail.example", DNS_MX, DNS_SERVFAIL, 0 },
		{ "bad.example", DNS_MX, DNS_SERVFAIL, 0 },
		{ "loop.example", DNS_A, DNS_SERVFAIL, 0 },
		{ "long.example", DNS_TXT, DNS_OK, 1 },
	};
	struct fixture x;

	start(&x, 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dns_query *q = ask(&x, rows[i].name, rows[i].type);

		CHECK_STR(dns_status_name(q->answer.status),
		    dns_status_name(rows[i].status));
		CHECK_EQ(q->answer.count, rows[i].count);
		CHECK_EQ(q->answer.trust, DNS_INSECURE);
		op_free(&q->op);
	}
	stop(&x);
}

TEST(test_resolver_leaves_out_names_that_are_none)
{
	struct fixture x;
	struct dns_query *q;

	start(&x, 0);
	q = ask(&x, "mx.example", DNS_MX);
	CHECK_EQ(q->answer.count, 1);
	CHECK_EQ(q->answer.bad_count, 1);
	CHECK_STR(q->answer.records[0].name, "a.example");
	CHECK_EQ(q->answer.ttl_s, 60);
	op_free(&q->op);
	stop(&x);
}

TEST(test_resolver_follows_cnames)
{
	struct fixture x;
	struct dns_query *q;

	start(&x, 0);
	q = ask(&x, "alias.example", DNS_A);
	CHECK_EQ(q->answer.status, DNS_OK);
	CHECK_STR(q->answer.canonical, "a.example");
	op_free(&q->op);
	stop(&x);
}

TEST(test_resolver_gives_up_at_its_deadline)
{
	struct fixture x;
	struct dns_query *a, *b;

	start(&x, 300);
	a = submit(&x, "silent.example", DNS_A);
	b = submit(&x, "liar.example", DNS_A);
	UNTIL(&x.w, a->op.tag && b->op.tag);
	CHECK_EQ(a->answer.status, DNS_TIMEOUT);
	CHECK_EQ(b->answer.status, DNS_TIMEOUT);
	CHECK_EQ(b->answer.count, 0);
	op_free(&a->op);
	op_free(&b->op);
	stop(&x);
}

TEST(test_resolver_caps_what_waits)
{
	struct dns_query *q[RESOLVER_MAX + 1];
	struct fixture x;

	start(&x, 0);
	for (size_t i = 0; i < COUNT(q); i++)
		q[i] = submit(&x, "silent.example", DNS_A);
	UNTIL(&x.w, q[RESOLVER_MAX]->op.tag);
	CHECK_EQ(q[RESOLVER_MAX]->answer.status, DNS_SERVFAIL);
	CHECK(!q[0]->op.tag);
	/* And its end is everybody's. */
	resolver_free(x.resolver);
	x.resolver = NULL;
	for (size_t i = 0; i < RESOLVER_MAX; i++) {
		UNTIL(&x.w, q[i]->op.tag);
		CHECK_EQ(q[i]->answer.status, DNS_TIMEOUT);
	}
	for (size_t i = 0; i < COUNT(q); i++)
		op_free(&q[i]->op);
	stop(&x);
}

TEST(test_resolver_says_why_it_cannot_start)
{
	static const struct resolver_settings bad[] = {
		{ .trust_anchor = "/nonexistent/root.key" },
		{ .root_hints = "/nonexistent/root.hints" },
	};
	struct world w;

	world_init(&w);
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf why = BUF_INIT;

		CHECK(!resolver_new(w.loop, &w.env, &bad[i], &why));
		CHECK(why.len > 0);
		buf_release(&why);
	}
	world_release(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolver_tells_outcomes_apart),
		cmocka_unit_test(test_resolver_leaves_out_names_that_are_none),
		cmocka_unit_test(test_resolver_follows_cnames),
		cmocka_unit_test(test_resolver_gives_up_at_its_deadline),
		cmocka_unit_test(test_resolver_caps_what_waits),
		cmocka_unit_test(test_resolver_says_why_it_cannot_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
