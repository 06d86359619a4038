#include "smtp/queue.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "smtp/queue_out_priv.h"

/* However far off the next try is: clocks jump. */
#define LOOK_AGAIN_MS (60 * 1000)
/* After trouble of our own. */
#define TROUBLE_MS (5 * 1000)
/* Clocks differ by so much and it is no jump. */
#define CLOCK_BACK_S 60

void
queue_settings_init(struct queue_settings *s)
{
	*s = (struct queue_settings){
		.retry_min_s = 5 * 60,
		.retry_max_s = 60 * 60,
		.warn_s = 4 * 60 * 60,
		.expire_s = 5 * 24 * 60 * 60,
		.agents_max = QUEUE_AGENTS_MAX,
		.agents_host = QUEUE_AGENTS_HOST,
	};
}

/* ---- time ---- */

/* The time of the start and what has passed since: it does not jump. */
static int64_t
steady_s(const struct queue *q)
{
	return q->start_wall_s + (env_now_ms(q->env) - q->start_ms) / 1000;
}

int64_t
queue_old_s(const struct queue *q)
{
	return MIN(env_wall_s(q->env), steady_s(q));
}

/* Whether wall time has gone back since the last look. */
static bool
has_gone_back(struct queue *q)
{
	int64_t drift_s = env_wall_s(q->env) - steady_s(q);
	bool back = drift_s < q->drift_s - CLOCK_BACK_S;

	q->drift_s = drift_s;
	return back;
}

static void
resume(struct queue *q)
{
	struct wreq_queue_edit *r = wreq_queue_edit_new(q->env, NULL);

	r->how = QUEUE_RESUME;
	r->far_s = r->w.now_s + q->set->retry_max_s + CLOCK_BACK_S;
	store_submit(q->env->store, &r->w);
}

void
queue_reckon(struct queue *q)
{
	int64_t first = q->look_ms;

	LIST_FOREACH(node, &q->agents) {
		struct agent *a = CONTAINER_OF(node, struct agent, node);

		if (a->deadline_ms && (!first || a->deadline_ms < first))
			first = a->deadline_ms;
	}
	if (first == q->deadline_ms)
		return;
	q->deadline_ms = first;
	if (q->wake)
		q->wake(q, q->arg);
}

int64_t
queue_deadline_ms(const struct queue *q)
{
	return q->deadline_ms;
}

static void
look_in(struct queue *q, int64_t ms)
{
	q->look_ms = env_now_ms(q->env) + ms;
	queue_reckon(q);
}

void
queue_timeout(struct queue *q)
{
	int64_t now = env_now_ms(q->env);

	q->deadline_ms = 0;
	if (has_gone_back(q))
		resume(q);
	LIST_FOREACH(node, &q->agents) {
		struct agent *a = CONTAINER_OF(node, struct agent, node);

		if (a->deadline_ms && a->deadline_ms <= now) {
			a->deadline_ms = 0;
			agent_timeout(a);
		}
	}
	if (q->look_ms && q->look_ms <= now) {
		q->look_ms = 0;
		queue_look(q);
	}
	queue_reckon(q);
}

/* ---- who goes where ---- */

/* An agent there waits for work; NULL: none. */
static struct agent *
find_idle(struct queue *q, const char *destination)
{
	LIST_FOREACH(node, &q->agents) {
		struct agent *a = CONTAINER_OF(node, struct agent, node);

		if (a->state == AGENT_IDLE &&
		    strcmp(a->destination, destination) == 0)
			return a;
	}
	return NULL;
}

/*
 * Whether another connection there would help: there is more than the one
 * there has in hand, and it has shown that messages get through.
 */
static bool
wants_agent(struct queue *q, const char *destination)
{
	unsigned n = 0;

	LIST_FOREACH(node, &q->agents) {
		struct agent *a = CONTAINER_OF(node, struct agent, node);

		if (strcmp(a->destination, destination) != 0)
			continue;
		if (a->state == AGENT_IDLE)
			return true;
		if (!a->is_proven || !a->has_more)
			return false;
		n++;
	}
	return n < q->set->agents_host;
}

/* The destinations that have what they need, each once. */
static void
put_skip(struct queue *q, struct rjob_queue_due *d)
{
	d->skip = xcalloc(q->agent_count + 1, sizeof *d->skip);
	LIST_FOREACH(node, &q->agents) {
		struct agent *a = CONTAINER_OF(node, struct agent, node);

		if (!wants_agent(q, a->destination))
			d->skip[d->skip_count++] = xstrdup(a->destination);
	}
}

static void
send_agents(struct queue *q, const struct rjob_queue_due *d)
{
	for (size_t i = 0; i < d->count; i++) {
		struct agent *idle = find_idle(q, d->dests[i].name);

		if (idle)
			agent_poke(idle);
		else if (q->agent_count < q->set->agents_max &&
		    wants_agent(q, d->dests[i].name))
			agent_start(q, &d->dests[i]);
	}
}

static void
due_came(struct op_waiter *w, struct op *op)
{
	struct rjob_queue_due *d = CONTAINER_OF(op, struct rjob_queue_due,
	    j.op);
	struct queue *q = CONTAINER_OF(w, struct queue, wait);
	int64_t wait_ms = LOOK_AGAIN_MS;

	if (op->err < 0) {
		op_free(op);
		look_in(q, TROUBLE_MS);
		return;
	}
	q->next_s = d->next_s;
	send_agents(q, d);
	if (d->next_s)
		wait_ms = MIN(wait_ms, (d->next_s - env_wall_s(q->env)) * 1000);
	op_free(op);
	look_in(q, MAX(wait_ms, 1));
	if (q->is_dirty)
		queue_look(q);
}

void
queue_look(struct queue *q)
{
	struct rjob_queue_due *d;

	q->is_dirty = q->wait.op != NULL;
	if (q->wait.op || q->is_stopping || q->agent_count >= q->set->agents_max)
		return;
	d = rjob_queue_due_new(q->env);
	d->now_s = env_wall_s(q->env);
	put_skip(q, d);
	op_wait(&q->wait, &d->j.op);
	store_read(q->env->store, &d->j);
}

static void
heard(struct hub_listener *l, struct changeset *cs)
{
	struct queue *q = CONTAINER_OF(l, struct queue, news);

	for (size_t i = 0; i < cs->n; i++)
		if (cs->v[i].kind == CHANGE_QUEUE) {
			queue_look(q);
			return;
		}
}

/* ---- life ---- */

struct queue *
queue_new(struct env *env, const struct queue_settings *s,
    void (*wake)(struct queue *, void *), void *arg)
{
	struct queue *q = xcalloc(1, sizeof *q);

	q->env = env;
	q->set = s;
	q->wake = wake;
	q->arg = arg;
	q->start_wall_s = env_wall_s(env);
	q->start_ms = env_now_ms(env);
	list_init(&q->agents);
	q->wait.came = due_came;
	q->news.changed = heard;
	hub_listen(env->hub, &q->news);
	resume(q);
	queue_look(q);
	return q;
}

void
queue_stop(struct queue *q)
{
	q->is_stopping = true;
	q->look_ms = 0;
	LIST_FOREACH(node, &q->agents)
		agent_stop(CONTAINER_OF(node, struct agent, node));
	queue_reckon(q);
}

void
queue_free(struct queue *q)
{
	if (!q)
		return;
	hub_unlisten(&q->news);
	op_waiter_cancel(&q->wait);
	LIST_FOREACH(node, &q->agents)
		agent_free(CONTAINER_OF(node, struct agent, node));
	free(q);
}

void
queue_count(const struct queue *q, struct queue_counts *c)
{
	*c = (struct queue_counts){ .agents = q->agent_count,
	    .next_s = q->next_s };
	LIST_FOREACH(node, &q->agents)
		c->connections += CONTAINER_OF(node, struct agent,
		    node)->session != NULL;
}
