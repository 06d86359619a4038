#include "smtp/mta_sts.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/fetch.h"
#include "server/base/xalloc.h"
#include "store/read.h"
#include "store/write.h"

#define PATH "/.well-known/mta-sts.txt"
#define HOST_PREFIX "mta-sts."
#define RECORD_PREFIX "_mta-sts."
#define FETCH_MS_MIN 1000
#define FAILURES_MAX 256	/* fetches that are not tried again yet */

/* A fetch that failed: of which domain and id, and until when it counts. */
struct failure {
	uint64_t hash;
	int64_t until_ms;
};

struct mta_sts {
	struct fact_source source;
	struct env *env;
	struct list lookups;
	struct failure failures[FAILURES_MAX];	/* a ring */
	size_t next_failure;
};

/* A fact that waits for a lookup. */
struct waiter {
	struct list by_lookup;
	struct fact *fact;
};

/*
 * One domain's policy being found out. It owns its requests as a session
 * does, but has no connection and so no driver.
 */
struct lookup {
	struct session s;
	struct list by_module;
	struct mta_sts *m;
	char domain[DNS_NAME_MAX + 1];
	struct list waiters;
	struct facts facts;		/* the TXT record */
	struct rjob_mta_sts *row;	/* the stored policy */
	struct op *row_op;		/* while it is out */
	bool has_record;		/* the TXT record is known */
	char id[MTA_STS_ID_MAX + 1];	/* "": DNS has none */
	int64_t due_ms;
	struct post_item end;		/* on its way to be freed */
};

/* ---- failures: RFC 8461 section 3.3 ---- */

static uint64_t
failure_hash(const struct lookup *l)
{
	char key[DNS_NAME_MAX + MTA_STS_ID_MAX + 2];
	int len = snprintf(key, sizeof key, "%s %s", l->domain, l->id);

	return hash64(&l->m->env->hash_key, key, (size_t)len);
}

static bool
has_failed_lately(const struct lookup *l)
{
	int64_t now = env_now_ms(l->m->env);
	uint64_t hash = failure_hash(l);

	for (size_t i = 0; i < FAILURES_MAX; i++)
		if (l->m->failures[i].hash == hash &&
		    l->m->failures[i].until_ms > now)
			return true;
	return false;
}

static void
note_failure(const struct lookup *l, const char *why)
{
	struct mta_sts *m = l->m;

	m->failures[m->next_failure++ % FAILURES_MAX] = (struct failure){
		failure_hash(l), env_now_ms(m->env) + MTA_STS_RETRY_MS,
	};
	log_event(m->env->log, LOG_INFO, "smtp", "mta-sts-not-fetched",
	    F_STR("domain", l->domain), F_STR("id", l->id),
	    F_STR("why", why));
}

/* ---- answers ---- */

/* A policy as a fact; the patterns stand behind it. */
static struct route_sts *
make_answer(enum mta_sts_mode mode, const char *mx)
{
	size_t len = strlen(mx);
	struct route_sts *r = xmalloc(sizeof *r + len + 1);
	char *copy = (char *)(r + 1);

	memcpy(copy, mx, len + 1);
	*r = (struct route_sts){ .mode = mode, .mx = copy };
	return r;
}

static void
lookup_free(struct post_item *item)
{
	free(CONTAINER_OF(item, struct lookup, end));
}

/* Not freed before the op whose done() this may be has left it. */
static void
lookup_end(struct lookup *l)
{
	session_disown_ops(&l->s);
	facts_release(&l->facts);
	op_free(l->row ? &l->row->j.op : NULL);
	list_remove(&l->by_module);
	l->end.deliver = lookup_free;
	post_push(l->s.env->home, &l->end);
}

/* Everybody who waits gets the same; the lookup is over. */
static void
lookup_answer(struct lookup *l, int err, enum mta_sts_mode mode,
    const char *mx)
{
	struct list *node;

	while ((node = list_take_head(&l->waiters))) {
		struct waiter *w = CONTAINER_OF(node, struct waiter,
		    by_lookup);

		if (err < 0)
			fact_answer(w->fact, err, NULL, NULL);
		else
			fact_answer(w->fact, 0, make_answer(mode, mx), free);
		free(w);
	}
	lookup_end(l);
}

/* What the store has; without it there is no policy. */
static void
answer_stored(struct lookup *l)
{
	const struct rjob_mta_sts *row = l->row;

	lookup_answer(l, row->found ? 0 : ERR_NOTFOUND, row->mode,
	    row->found ? row->mx : "");
}

/* ---- fetching ---- */

static void
store_policy(struct lookup *l, const struct mta_sts_policy *p)
{
	struct env *env = l->m->env;
	struct wreq_mta_sts *r = wreq_mta_sts_new(env, NULL);

	r->domain = xstrdup(l->domain);
	r->id = xstrdup(l->id);
	r->mode = p->mode;
	r->mx = xstrdup(p->mx);
	r->fetched_s = env_wall_s(env);
	r->expires_s = r->fetched_s + p->max_age_s;
	store_submit(env->store, &r->w);
}

static void
take_fetch(struct lookup *l, struct fetch *f)
{
	struct arena a = { 0 };
	struct mta_sts_policy p;

	if (f->fault != FETCH_OK) {
		note_failure(l, f->why);
		answer_stored(l);
	} else if (mta_sts_parse_policy(buf_span(&f->body), &a,
	    &p) != PARSE_OK) {
		note_failure(l, "it is not a policy");
		answer_stored(l);
	} else {
		store_policy(l, &p);
		lookup_answer(l, 0, p.mode, p.mx);
	}
	arena_release(&a);
	op_free(&f->op);
}

static void
start_fetch(struct lookup *l)
{
	struct env *env = l->m->env;
	char host[DNS_NAME_MAX + sizeof HOST_PREFIX];
	struct fetch *f;
	int len = snprintf(host, sizeof host, HOST_PREFIX "%s", l->domain);

	if (len > DNS_NAME_MAX) {
		answer_stored(l);
		return;
	}
	f = fetch_new(env, &l->s, host, PATH);
	f->body_max = MTA_STS_POLICY_MAX;
	f->deadline_ms = MAX(l->due_ms - env_now_ms(env), FETCH_MS_MIN);
	env->fetcher->fetch(env->fetcher, f);
}

/*
 * RFC 8461 section 10.2: a policy is fetched again before it expires, so
 * that nobody who blocks us once can wait it out.
 */
static bool
is_half_spent(const struct rjob_mta_sts *row)
{
	return row->now_s - row->fetched_s >
	    (row->expires_s - row->fetched_s) / 2;
}

/* ---- a lookup ---- */

static void
lookup_go(struct lookup *l)
{
	const struct rjob_mta_sts *row = l->row;

	if (!row || !l->has_record)
		return;
	if (row->j.op.err < 0)
		lookup_answer(l, row->j.op.err, MTA_STS_NONE, "");
	else if (!*l->id || (row->found && strcmp(row->id, l->id) == 0 &&
	    !is_half_spent(row)) || has_failed_lately(l))
		answer_stored(l);
	else
		start_fetch(l);
}

/* Section 3.1: without a record the stored policy stays in force. */
static void
record_ready(struct facts *facts)
{
	struct lookup *l = CONTAINER_OF(facts, struct lookup, facts);
	char name[DNS_NAME_MAX + sizeof RECORD_PREFIX];
	const struct dns_answer *txt;
	struct span id;

	(void)snprintf(name, sizeof name, RECORD_PREFIX "%s", l->domain);
	txt = facts_dns(facts, name, DNS_TXT);
	if (!txt) {
		facts_ask(facts);
		return;
	}
	if (mta_sts_find_id(txt, &id))
		(void)snprintf(l->id, sizeof l->id, "%.*s", SPAN_ARG(id));
	l->has_record = true;
	lookup_go(l);
}

static void
lookup_done(struct session *s, struct op *op)
{
	struct lookup *l = CONTAINER_OF(s, struct lookup, s);

	if (op != l->row_op) {
		take_fetch(l, CONTAINER_OF(op, struct fetch, op));
		return;
	}
	l->row_op = NULL;
	l->row = CONTAINER_OF(op, struct rjob_mta_sts, j.op);
	lookup_go(l);
}

static const struct session_ops lookup_ops = {
	.name = "mta-sts", .done = lookup_done,
};

static struct lookup *
lookup_find(struct mta_sts *m, const char *domain)
{
	LIST_FOREACH(node, &m->lookups) {
		struct lookup *l = CONTAINER_OF(node, struct lookup,
		    by_module);

		if (span_iis(span_of(domain), l->domain))
			return l;
	}
	return NULL;
}

/* The first question is asked by record_ready itself. */
static void
lookup_start(struct mta_sts *m, const char *domain, struct waiter *w)
{
	struct lookup *l = xcalloc(1, sizeof *l);
	struct rjob_mta_sts *row;

	session_init(&l->s, &lookup_ops, m->env);
	l->m = m;
	(void)snprintf(l->domain, sizeof l->domain, "%s", domain);
	l->due_ms = env_now_ms(m->env) + MTA_STS_BUDGET_MS;
	list_init(&l->waiters);
	list_add_tail(&l->waiters, &w->by_lookup);
	list_add_tail(&m->lookups, &l->by_module);
	row = rjob_mta_sts_new(m->env, &l->s, span_of(l->domain));
	l->row_op = &row->j.op;
	store_read(m->env->store, &row->j);
	facts_init(&l->facts, m->env, record_ready);
	facts_ask(&l->facts);
}

static void
ask(struct fact_source *source, struct fact *f)
{
	struct mta_sts *m = CONTAINER_OF(source, struct mta_sts, source);
	struct lookup *l = lookup_find(m, f->name);
	struct waiter *w;

	if (strlen(f->name) > DNS_NAME_MAX) {
		fact_answer(f, ERR_NOTFOUND, NULL, NULL);
		return;
	}
	w = xcalloc(1, sizeof *w);
	list_init(&w->by_lookup);
	w->fact = f;
	if (l)
		list_add_tail(&l->waiters, &w->by_lookup);
	else
		lookup_start(m, f->name, w);
}

struct mta_sts *
mta_sts_new(struct env *env)
{
	struct mta_sts *m = xcalloc(1, sizeof *m);

	m->source.ask = ask;
	m->env = env;
	list_init(&m->lookups);
	return m;
}

struct fact_source *
mta_sts_source(struct mta_sts *m)
{
	return &m->source;
}

void
mta_sts_free(struct mta_sts *m)
{
	if (!m)
		return;
	LIST_FOREACH(node, &m->lookups)
		lookup_answer(CONTAINER_OF(node, struct lookup, by_module),
		    ERR_CANCELLED, MTA_STS_NONE, "");
	free(m);
}
