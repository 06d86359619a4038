/*
 * Asks DNS as the server does, and prints the answers: a line each of name,
 * type, status, trust, then the records.
 *
 * usage: resolve ANCHOR HINTS NAME TYPE [NAME TYPE]...
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/codec.h"
#include "server/base/env.h"
#include "server/base/random.h"
#include "server/base/session.h"
#include "server/net/resolver.h"

static struct stats stats;

static void
put_record(struct buf *out, enum dns_type type, const struct dns_record *r)
{
	char addr[ADDR_TEXT_MAX];

	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		addr_text(&r->addr, addr, sizeof addr);
		buf_adds(out, addr);
		break;
	case DNS_MX:
		buf_printf(out, "%u:%s", r->preference, r->name);
		break;
	case DNS_TLSA:
		buf_printf(out, "%u:%u:%u:", r->usage, r->selector,
		    r->matching);
		hex_encode(out, r->data.p, r->data.len);
		break;
	case DNS_TXT:
		percent_encode(out, r->data);
		break;
	case DNS_CNAME:
	case DNS_PTR:
		buf_adds(out, r->name);
		break;
	}
}

static void
put_answer(const struct dns_query *q)
{
	static const char *const trusts[] = { "insecure", "secure", "bogus" };
	struct buf line = BUF_INIT;

	buf_printf(&line, "%s %s %s %s", q->name, dns_type_name(q->type),
	    dns_status_name(q->answer.status), trusts[q->answer.trust]);
	for (size_t i = 0; i < q->answer.count; i++) {
		buf_addc(&line, ' ');
		put_record(&line, q->type, &q->answer.records[i]);
	}
	puts(line.p);
	buf_release(&line);
}

static void
came_home(struct op *op)
{
	op->tag = 1;
}

static void
ask(struct loop *loop, struct env *env, const char *name, const char *type)
{
	struct dns_query *q;
	enum dns_type t;

	if (!dns_type_parse(span_of(type), &t) ||
	    !(q = dns_query_new(env, NULL, span_of(name), t))) {
		fprintf(stderr, "resolve: %s %s?\n", name, type);
		exit(2);
	}
	q->op.finish = came_home;
	dns_ask(env->dns, q);
	while (!q->op.tag) {
		(void)poll(NULL, 0, 1);
		loop_run_once(loop);
	}
	put_answer(q);
	op_free(&q->op);
}

int
main(int argc, char **argv)
{
	struct env env = { .clock = clock_system(), .stats = &stats };
	struct resolver_settings set = { .deadline_ms = 5000 };
	struct loop *loop = loop_new(env.clock, &stats);
	struct buf why = BUF_INIT;
	struct resolver *r;

	if (argc < 5 || base_random_start() < 0)
		return 2;
	set.trust_anchor = argv[1];
	set.root_hints = argv[2];
	env.home = loop_home(loop);
	r = resolver_new(loop, &env, &set, &why);
	if (!r) {
		fprintf(stderr, "resolve: %s\n", why.p);
		return 1;
	}
	env.dns = resolver_source(r);
	for (int i = 3; i + 1 < argc; i += 2)
		ask(loop, &env, argv[i], argv[i + 1]);
	resolver_free(r);
	loop_free(loop);
	buf_release(&why);
	return 0;
}
