#include "server/base/facts.h"

#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"

/*
 * The call of ready on its way through the loop's queue. It outlives a table
 * that is released meanwhile.
 */
struct facts_turn {
	struct post_item item;
	struct facts *facts;	/* NULL: it has gone */
};

static void
fact_free(struct fact *f)
{
	if (!f)
		return;
	if (f->query)
		op_free(&f->query->op);
	if (f->free_value)
		f->free_value(f->value);
	free(f->name);
	free(f);
}

static struct fact *
fact_new(struct facts *t, enum fact_kind kind, const char *name)
{
	struct fact *f = xcalloc(1, sizeof *f);

	list_init(&f->by_facts);
	f->facts = t;
	f->kind = kind;
	f->name = xstrdup(name);
	return f;
}

/* ---- the table ---- */

void
facts_init(struct facts *t, struct env *env, void (*ready)(struct facts *))
{
	*t = (struct facts){ .env = env, .ready = ready };
	list_init(&t->list);
}

void
facts_release(struct facts *t)
{
	if (t->turn)
		t->turn->facts = NULL;
	LIST_FOREACH(node, &t->list) {
		struct fact *f = CONTAINER_OF(node, struct fact, by_facts);

		list_remove(&f->by_facts);
		f->facts = NULL;
		if (!f->is_out)
			fact_free(f);
	}
	fact_free(t->over);
	facts_init(t, t->env, t->ready);
}

static void
turn_deliver(struct post_item *item)
{
	struct facts_turn *turn = CONTAINER_OF(item, struct facts_turn, item);
	struct facts *t = turn->facts;

	free(turn);
	if (!t)
		return;
	t->turn = NULL;
	if (t->out_count == 0)
		t->ready(t);
}

static void
facts_wake(struct facts *t)
{
	if (t->turn || t->out_count)
		return;
	t->turn = xcalloc(1, sizeof *t->turn);
	t->turn->item.deliver = turn_deliver;
	t->turn->facts = t;
	post_push(t->env->home, &t->turn->item);
}

/* ---- answers ---- */

/* The fact is out no more; whether anybody is there to hear of it. */
static bool
fact_is_home(struct fact *f)
{
	struct facts *t = f->facts;

	f->is_out = false;
	if (!t) {
		fact_free(f);
		return false;
	}
	/* Its time was up: the answer of that moment stands. */
	if (f->is_found)
		return false;
	f->is_found = true;
	t->out_count--;
	return true;
}

static void
query_home(struct op *op)
{
	struct dns_query *q = CONTAINER_OF(op, struct dns_query, op);
	struct fact *f = q->fact;
	struct facts *t = f->facts;

	if (!fact_is_home(f)) {
		op_free(op);
		return;
	}
	f->query = q;
	facts_wake(t);
}

void
fact_answer(struct fact *f, int err, void *value,
    void (*free_value)(void *))
{
	struct facts *t = f->facts;

	if (!fact_is_home(f)) {
		if (free_value)
			free_value(value);
		return;
	}
	f->err = err;
	f->value = value;
	f->free_value = free_value;
	facts_wake(t);
}

/* An answer that no server gave. */
static struct dns_query *
query_made(struct facts *t, const char *name, enum dns_type type,
    enum dns_status status, const char *why)
{
	struct dns_query *q = dns_query_new(t->env, NULL, span_of(name), type);

	if (!q)		/* RFC 6761 section 6.4: a name for what is none */
		q = dns_query_new(t->env, NULL, SPAN("invalid"), type);
	q->answer.status = status;
	q->answer.why = why;
	return q;
}

/* ---- looking up ---- */

static struct fact *
facts_find(struct facts *t, enum fact_kind kind, enum dns_type type,
    const char *name)
{
	LIST_FOREACH(node, &t->list) {
		struct fact *f = CONTAINER_OF(node, struct fact, by_facts);

		if (f->kind == kind && f->type == type &&
		    span_iis(span_of(name), f->name))
			return f;
	}
	return NULL;
}

/* Found or noted now; over the cap, the one that says so. */
static struct fact *
facts_note(struct facts *t, enum fact_kind kind, enum dns_type type,
    const char *name)
{
	struct fact *f = facts_find(t, kind, type, name);

	if (f)
		return f;
	if (t->count >= FACTS_MAX) {
		if (!t->over) {
			t->over = fact_new(t, kind, "");
			t->over->is_found = true;
			t->over->err = ERR_LIMIT;
			t->over->query = query_made(t, "", DNS_A,
			    DNS_SERVFAIL, "too many questions");
		}
		return t->over;
	}
	f = fact_new(t, kind, name);
	f->type = type;
	list_add_tail(&t->list, &f->by_facts);
	t->count++;
	return f;
}

const struct dns_answer *
facts_dns(struct facts *t, const char *name, enum dns_type type)
{
	struct fact *f = facts_note(t, FACT_DNS, type, name);
	struct dns_query *q;

	if (!f->is_found && !f->is_out) {
		q = dns_query_new(t->env, NULL, span_of(name), type);
		if (!q) {
			f->is_found = true;
			f->query = query_made(t, "", type, DNS_NXDOMAIN,
			    "not a name of DNS");
		}
		op_free(q ? &q->op : NULL);
	}
	return f->is_found ? &f->query->answer : NULL;
}

const struct dns_answer *
facts_dns_ptr(struct facts *t, const struct addr *a)
{
	struct dns_query *q = dns_query_new_ptr(t->env, NULL, a);
	const struct dns_answer *answer = facts_dns(t, q->name, DNS_PTR);

	op_free(&q->op);
	return answer;
}

static struct fact_source *
source_of(const struct facts *t, enum fact_kind kind)
{
	if (t->sources[kind])
		return t->sources[kind];
	return kind == FACT_FETCH ? t->env->sts : NULL;
}

const struct fact *
facts_other(struct facts *t, enum fact_kind kind, const char *name)
{
	struct fact *f;

	f = facts_note(t, kind, 0, name);
	if (!f->is_found && !source_of(t, kind)) {
		f->is_found = true;
		f->err = ERR_NOTFOUND;
	}
	return f->is_found ? f : NULL;
}

/* ---- asking ---- */

static bool
is_missing(const struct fact *f)
{
	return !f->is_found && !f->is_out;
}

bool
facts_is_missing(const struct facts *t)
{
	LIST_FOREACH(node, &t->list)
		if (is_missing(CONTAINER_OF(node, struct fact, by_facts)))
			return true;
	return false;
}

static void
fact_ask(struct facts *t, struct fact *f)
{
	struct fact_source *source;
	struct dns_query *q;

	f->is_out = true;
	t->out_count++;
	if (f->kind != FACT_DNS) {
		source = source_of(t, f->kind);
		source->ask(source, f);
		return;
	}
	q = dns_query_new(t->env, NULL, span_of(f->name), f->type);
	q->fact = f;
	q->op.finish = query_home;
	dns_ask(t->env->dns, q);
}

void
facts_ask(struct facts *t)
{
	/* Counted itself, so that no answer during the calls is the last. */
	t->out_count++;
	LIST_FOREACH(node, &t->list) {
		struct fact *f = CONTAINER_OF(node, struct fact, by_facts);

		if (is_missing(f))
			fact_ask(t, f);
	}
	t->out_count--;
	facts_wake(t);
}

void
facts_expire(struct facts *t)
{
	if (t->out_count == 0)
		return;
	LIST_FOREACH(node, &t->list) {
		struct fact *f = CONTAINER_OF(node, struct fact, by_facts);

		if (!f->is_out || f->is_found)
			continue;
		f->is_found = true;
		f->err = ERR_TIMEOUT;
		if (f->kind == FACT_DNS)
			f->query = query_made(t, f->name, f->type,
			    DNS_TIMEOUT, "the time for all questions is up");
	}
	t->out_count = 0;
	facts_wake(t);
}
