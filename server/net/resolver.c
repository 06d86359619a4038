#include "server/net/resolver.h"

#include <signal.h>
#include <stdlib.h>
#include <unbound.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/net/net_priv.h"

#define RCODE_NXDOMAIN 3	/* RFC 1035 section 4.1.1 */
#define CLASS_IN 1

struct resolver {
	struct dns_source source;
	struct loop *loop;
	struct env *env;
	struct ub_ctx *ctx;
	uv_poll_t *poll;	/* outlives us until libuv lets go of it */
	struct list asked;	/* in the order they are due */
	size_t count;
	int64_t deadline_ms;
	struct loop_timer timer;
};

/* A question with the library. */
struct asked {
	struct list by_resolver;
	struct resolver *resolver;
	struct dns_query *query;
	int id;
	int64_t due_ms;
};

/* ---- answers ---- */

static void
asked_free(struct asked *a)
{
	list_remove(&a->by_resolver);
	a->resolver->count--;
	free(a);
}

static void
go_home(struct dns_query *q, enum dns_status status, const char *why)
{
	q->answer.status = status;
	q->answer.why = why;
	op_complete(&q->op, 0);
}

static void
give_up(struct asked *a)
{
	struct dns_query *q = a->query;

	(void)ub_cancel(a->resolver->ctx, a->id);
	asked_free(a);
	go_home(q, DNS_TIMEOUT, "no answer in time");
}

static void
take_records(struct dns_query *q, const struct ub_result *result)
{
	for (size_t i = 0; result->havedata && result->data[i]; i++)
		if (result->len[i] > 0)
			dns_answer_add(q, (unsigned char *)result->data[i],
			    (size_t)result->len[i]);
	/*
	 * Records that cannot be used are not the same as none: whoever has
	 * an MX of nonsense does not mean that his address takes mail.
	 */
	if (q->answer.status == DNS_NODATA && q->answer.bad_count) {
		q->answer.status = DNS_SERVFAIL;
		q->answer.why = "no record that could be used";
	}
}

/* What the library found, as an answer. */
static void
take_result(struct dns_query *q, const struct ub_result *result)
{
	struct dns_answer *a = &q->answer;

	a->ttl_s = result->ttl > 0 ? (uint32_t)result->ttl : 0;
	a->trust = result->secure ? DNS_SECURE : DNS_INSECURE;
	if (result->bogus) {
		a->trust = DNS_BOGUS;
		a->status = DNS_SERVFAIL;
		a->why = "DNSSEC validation failed";
	} else if (result->rcode == RCODE_NXDOMAIN || result->nxdomain) {
		a->status = DNS_NXDOMAIN;
	} else if (result->rcode != 0) {
		a->trust = DNS_INSECURE;
		a->status = DNS_SERVFAIL;
		a->why = "the name servers could not answer";
	} else if (result->canonname && !dns_answer_set_canonical(q,
	    span_of(result->canonname))) {
		a->status = DNS_SERVFAIL;
		a->why = "a CNAME to what is no name";
	} else {
		take_records(q, result);
	}
}

/* From ub_process, on the loop. */
static void
on_result(void *arg, int err, struct ub_result *result)
{
	struct asked *a = arg;
	struct dns_query *q = a->query;

	asked_free(a);
	if (err != 0)
		go_home(q, DNS_SERVFAIL, ub_strerror(err));
	else {
		take_result(q, result);
		op_complete(&q->op, 0);
	}
	ub_resolve_free(result);
}

static void
on_readable(uv_poll_t *h, int status, int events)
{
	struct resolver *r = h->data;
	struct loop_turn start;

	(void)status;
	(void)events;
	if (!r)
		return;
	start = loop_turn_begin(r->loop);
	(void)ub_process(r->ctx);
	loop_turn_end(r->loop, start);
}

/* ---- deadlines ---- */

static void
set_timer(struct resolver *r)
{
	struct asked *first = CONTAINER_OF(r->asked.next, struct asked,
	    by_resolver);

	if (list_is_empty(&r->asked))
		loop_timer_stop(&r->timer);
	else
		loop_timer_start(r->loop, &r->timer,
		    MAX(first->due_ms - env_now_ms(r->env), 1), 0);
}

static void
on_timer(struct loop_timer *t)
{
	struct resolver *r = CONTAINER_OF(t, struct resolver, timer);
	int64_t now = env_now_ms(r->env);

	LIST_FOREACH(node, &r->asked) {
		struct asked *a = CONTAINER_OF(node, struct asked,
		    by_resolver);

		if (a->due_ms > now)
			break;
		give_up(a);
	}
	set_timer(r);
}

/* ---- questions ---- */

static void
resolver_ask(struct dns_source *source, struct dns_query *q)
{
	struct resolver *r = CONTAINER_OF(source, struct resolver, source);
	struct asked *a;
	int err;

	if (r->count >= RESOLVER_MAX) {
		go_home(q, DNS_SERVFAIL, "too many questions at once");
		return;
	}
	dns_answer_start(q);
	a = xcalloc(1, sizeof *a);
	a->resolver = r;
	a->query = q;
	a->due_ms = env_now_ms(r->env) + r->deadline_ms;
	list_add_tail(&r->asked, &a->by_resolver);
	r->count++;
	err = ub_resolve_async(r->ctx, q->name, (int)q->type, CLASS_IN, a,
	    on_result, &a->id);
	if (err != 0) {
		asked_free(a);
		go_home(q, DNS_SERVFAIL, ub_strerror(err));
	} else if (!r->timer.handle) {
		set_timer(r);
	}
}

/* ---- life ---- */

static int
set_up(struct ub_ctx *ctx, const struct resolver_settings *set,
    struct buf *why)
{
	/* Bounds the memory: with 1.17's defaults a few MiB in all. */
	static const char *const options[][2] = {
		{ "msg-cache-size:", "2m" }, { "rrset-cache-size:", "4m" },
		{ "key-cache-size:", "1m" }, { "neg-cache-size:", "512k" },
		{ "infra-cache-numhosts:", "2000" },
		{ "cache-max-ttl:", "86400" },
		{ "cache-max-negative-ttl:", "900" },
		{ "val-bogus-ttl:", "60" },
	};
	bool has_local = false;
	int err = 0;

	for (size_t i = 0; i < COUNT(options) && err == 0; i++)
		err = ub_ctx_set_option(ctx, options[i][0], options[i][1]);
	for (size_t i = 0; i < set->forward_count && err == 0; i++) {
		has_local |= span_starts(span_of(set->forward[i]), "127.") ||
		    span_starts(span_of(set->forward[i]), "::1");
		err = ub_ctx_set_fwd(ctx, set->forward[i]);
	}
	/* Off by default, so that a lying referral cannot lead home. */
	if (err == 0 && has_local)
		err = ub_ctx_set_option(ctx, "do-not-query-localhost:", "no");
	/* Whoever has a resolver of their own has names of their own in it. */
	if (err == 0 && set->forward_count)
		err = ub_ctx_set_option(ctx, "unblock-lan-zones:", "yes");
	if (err == 0 && set->root_hints)
		err = ub_ctx_set_option(ctx, "root-hints:", set->root_hints);
	if (err == 0 && set->trust_anchor)
		err = ub_ctx_add_ta_file(ctx, set->trust_anchor);
	if (err != 0)
		buf_printf(why, "the resolver cannot be set up: %s",
		    ub_strerror(err));
	return err ? ERR_CONFIG : 0;
}

/*
 * The first question starts the thread and makes the library read its files:
 * asked here, so that a bad file is an error of the start, and with signals
 * blocked, for they are the loop's.
 */
static int
start_thread(struct ub_ctx *ctx, struct buf *why)
{
	sigset_t all, before;
	int err, id;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	err = ub_resolve_async(ctx, "localhost", DNS_A, CLASS_IN, NULL, NULL,
	    &id);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err == 0)
		(void)ub_cancel(ctx, id);
	else
		buf_printf(why, "the resolver cannot be started (trust anchor "
		    "or root hints?): %s", ub_strerror(err));
	return err ? ERR_CONFIG : 0;
}

static void
on_poll_closed(uv_handle_t *h)
{
	free(h);
}

static int
start_poll(struct resolver *r, struct buf *why)
{
	r->poll = xcalloc(1, sizeof *r->poll);
	if (uv_poll_init(&r->loop->uv, r->poll, ub_fd(r->ctx)) < 0) {
		free(r->poll);
		r->poll = NULL;
		buf_adds(why, "the resolver cannot be polled");
		return ERR_IO;
	}
	r->poll->data = r;
	(void)uv_poll_start(r->poll, UV_READABLE, on_readable);
	return 0;
}

struct resolver *
resolver_new(struct loop *loop, struct env *env,
    const struct resolver_settings *set, struct buf *why)
{
	struct resolver *r = xcalloc(1, sizeof *r);

	r->source.ask = resolver_ask;
	r->loop = loop;
	r->env = env;
	r->deadline_ms = set->deadline_ms ? set->deadline_ms :
	    DNS_DEADLINE_MS;
	r->timer.fire = on_timer;
	list_init(&r->asked);
	r->ctx = ub_ctx_create();
	if (!r->ctx) {
		buf_adds(why, "the resolver cannot be made");
	} else {
		/* Its words would go to standard error. */
		(void)ub_ctx_debugout(r->ctx, NULL);
		(void)ub_ctx_async(r->ctx, 1);
		if (set_up(r->ctx, set, why) == 0 &&
		    start_thread(r->ctx, why) == 0 && start_poll(r, why) == 0)
			return r;
	}
	resolver_free(r);
	return NULL;
}

struct dns_source *
resolver_source(struct resolver *r)
{
	return &r->source;
}

void
resolver_free(struct resolver *r)
{
	if (!r)
		return;
	loop_timer_stop(&r->timer);
	if (r->poll) {
		r->poll->data = NULL;
		uv_close((uv_handle_t *)r->poll, on_poll_closed);
	}
	LIST_FOREACH(node, &r->asked)
		give_up(CONTAINER_OF(node, struct asked, by_resolver));
	if (r->ctx)
		ub_ctx_delete(r->ctx);
	free(r);
}
