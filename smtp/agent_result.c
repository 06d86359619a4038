/*
 * What came of attempts, on its way to the store: states, the next try, what
 * senders are told. And those who have waited too long for a host that does
 * not answer (sweep).
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"
#include "smtp/queue_out_priv.h"

int64_t
agent_backoff_s(const struct queue *q, unsigned before)
{
	int64_t s = q->set->retry_min_s;

	while (before-- > 0 && s < q->set->retry_max_s)
		s *= 2;
	return MIN(s, q->set->retry_max_s);
}

/* Who would want to hear of a delay, and has not. */
static bool
is_to_be_warned(const struct queue *q, const struct queue_mail *m,
    const struct queue_mail_rcpt *r)
{
	int64_t old_s = queue_old_s(q);

	if (r->is_warned || (m->flags & QUEUE_IS_DSN) || !*m->sender ||
	    (r->notify && !(r->notify & NOTIFY_DELAY)))
		return false;
	return m->created_s + q->set->warn_s <= old_s ||
	    (m->by_mode == BY_NOTIFY && m->deliver_by_s <= old_s);
}

/* RFC 2852 section 4.1.4: by then or not at all. */
static bool
is_too_old(const struct queue *q, const struct queue_mail *m)
{
	int64_t old_s = queue_old_s(q);

	return m->expires_s <= old_s ||
	    (m->by_mode == BY_RETURN && m->deliver_by_s <= old_s);
}

/* "5.1.1 words", unless the words begin so. */
char *
agent_words(const char *status, const char *text)
{
	struct buf b = BUF_INIT;

	if (strncmp(text, status, strlen(status)) != 0)
		buf_printf(&b, "%s ", status);
	buf_adds(&b, text);
	return buf_take(&b);
}

static char *
text_or_null(const char *s)
{
	return *s ? xstrdup(s) : NULL;
}

/* The next try of one that waits on: not beyond a promise to deliver by. */
int64_t
agent_next_try_s(const struct queue *q, const struct queue_mail *m, int64_t wait_s)
{
	int64_t now_s = env_wall_s(q->env), at_s = now_s + wait_s;

	if (m->by_mode == BY_RETURN && m->deliver_by_s > now_s)
		at_s = MIN(at_s, m->deliver_by_s);
	return at_s;
}

/* The state that follows from an attempt, and when it is tried again. */
static void
judge(const struct agent *a, const struct queue_mail *m,
    const struct queue_mail_rcpt *r, const struct agent_rcpt *got,
    struct queue_result *v)
{
	const struct queue *q = a->q;

	if (got->last.status == OUT_DELIVERED) {
		v->state = QUEUE_DELIVERED;
		return;
	}
	if (got->last.status == OUT_FAILED) {
		v->state = QUEUE_FAILED;
		return;
	}
	if (is_too_old(q, m)) {
		v->state = QUEUE_EXPIRED;
		return;
	}
	v->state = QUEUE_WAITING;
	v->next_at_s = agent_next_try_s(q, m, agent_backoff_s(q, r->attempts));
	v->is_warned = is_to_be_warned(q, m, r);
}

void
agent_put_result(const struct agent *a, const struct queue_mail *m, size_t i,
    struct wreq_queue_result *req)
{
	const struct queue_mail_rcpt *r = &m->rcpts[i];
	const struct agent_rcpt *got = &a->rcpts[i];
	struct queue_result *v = &req->results[req->result_count++];

	*v = (struct queue_result){
		.queue = m->id, .n = r->n, .is_attempt = true,
		.code = (int)got->last.code,
		.text = agent_words(got->last.enhanced, got->text),
		.host = text_or_null(got->host),
		.peer = text_or_null(got->addr),
		.tls = text_or_null(got->tls),
		.ms = (uint32_t)MIN(env_now_ms(a->q->env) - a->begun_ms,
		    INT32_MAX),
	};
	judge(a, m, r, got, v);
	log_event(a->q->env->log, LOG_INFO, "queue",
	    v->state == QUEUE_DELIVERED ? "sent" :
	    v->state == QUEUE_WAITING ? "deferred" : "failed",
	    F_INT("id", m->id), F_STR("from", m->sender),
	    F_STR("to", r->address), F_STR("host", got->host),
	    F_STR("peer", got->addr), F_STR("tls", got->tls),
	    F_INT("code", v->code), F_STR("reply", v->text));
}

/* What the sender of this result is to be told; false: nothing. */
static bool
put_notice(const struct queue_mail *m, const struct queue_mail_rcpt *r,
    const struct queue_result *v, bool takes_dsn, struct dsn_rcpt *d)
{
	if (!*m->sender || (m->flags & QUEUE_IS_DSN))
		return false;
	*d = (struct dsn_rcpt){
		.address = span_of(r->address),
		.orcpt = span_of(r->orcpt ? r->orcpt : ""),
		.code = v->code, .text = span_of(v->text ? v->text : ""),
		.host = span_of(v->host ? v->host : ""),
	};
	switch (v->state) {
	case QUEUE_DELIVERED:
		d->action = DSN_RELAYED;
		d->status = "2.0.0";
		/* RFC 3461 section 5.2.2: who takes DSN tells it himself. */
		return !takes_dsn && (r->notify & NOTIFY_SUCCESS);
	case QUEUE_WAITING:
		d->action = DSN_DELAYED;
		d->status = "4.0.0";
		d->until_s = m->expires_s;
		return v->is_warned;
	default:
		d->action = DSN_FAILED;
		d->status = v->state == QUEUE_EXPIRED ? "4.4.7" : "5.0.0";
		return r->notify == 0 || (r->notify & NOTIFY_FAILURE);
	}
}

/* The status in the first word of a text, where there is one. */
static const char *
status_of(struct arena *a, const struct queue_result *v, const char *other)
{
	size_t n = v->text ? strspn(v->text, "0123456789.") : 0;

	if (n < 5 || v->text[n] != ' ' || !strchr("245", v->text[0]))
		return other;
	return arena_str(a, span_make(v->text, n));
}

/* req's results, all of m, on their way to the store. */
void
agent_commit(struct agent *a, const struct queue_mail *m, struct arena *arena,
    struct wreq_queue_result *req)
{
	struct notice *n = &a->notice;

	n->mail = m;
	n->req = req;
	n->rcpts = xcalloc(req->result_count, sizeof *n->rcpts);
	n->rcpt_count = 0;
	for (size_t i = 0, j = 0; i < req->result_count; i++) {
		struct queue_result *v = &req->results[i];
		struct dsn_rcpt *d = &n->rcpts[n->rcpt_count];
		bool takes_dsn;

		while (m->rcpts[j].n != v->n)
			j++;
		takes_dsn = a->rcpts && a->rcpts[j].last.takes_dsn;
		if (!put_notice(m, &m->rcpts[j], v, takes_dsn, d))
			continue;
		if (v->state != QUEUE_EXPIRED)
			d->status = status_of(arena, v, d->status);
		d->tried_s = env_wall_s(a->q->env);
		n->rcpt_count++;
	}
	notice_start(n);
}

/* What its sender is told is with it: off to the store. */
void
agent_notice_done(struct notice *n)
{
	struct agent *a = CONTAINER_OF(n, struct agent, notice);
	struct wreq_queue_result *req = n->req;

	n->req = NULL;
	op_wait(&a->wait, &req->w.op);
	store_submit(a->q->env->store, &req->w);
}

struct wreq_queue_result *
agent_request(struct agent *a, size_t results)
{
	struct wreq_queue_result *req = wreq_queue_result_new(a->q->env);

	req->destination = xstrdup(a->destination);
	req->results = xcalloc(results, sizeof *req->results);
	return req;
}

/* ---- a destination that has failed ---- */

static void
sweep_read(struct agent *a)
{
	struct rjob_queue_overdue *o = a->overdue;

	op_wait(&a->wait, &o->j.op);
	store_read(a->q->env->store, &o->j);
}

/* Those who wait for a host that does not answer grow old all the same. */
void
agent_sweep(struct agent *a)
{
	struct rjob_queue_overdue *o = rjob_queue_overdue_new(a->q->env);

	agent_drop_work(a);
	a->state = AGENT_SWEEP;
	a->overdue = o;
	o->destination = xstrdup(a->destination);
	o->now_s = queue_old_s(a->q);
	o->warn_before_s = o->now_s - a->q->set->warn_s;
	o->skip = agent_ids(a, &o->skip_count);
	sweep_read(a);
}

void
agent_sweep_came(struct agent *a, struct op *op)
{
	if (op->err < 0) {
		agent_leave(a);
		return;
	}
	a->overdue_at = 0;
	agent_sweep_next(a);
}

static void
sweep_one(struct agent *a, const struct queue_mail *m)
{
	struct wreq_queue_result *req = agent_request(a, m->rcpt_count);
	bool is_over = is_too_old(a->q, m);

	for (size_t i = 0; i < m->rcpt_count; i++) {
		const struct queue_mail_rcpt *r = &m->rcpts[i];

		req->results[req->result_count++] = (struct queue_result){
			.queue = m->id, .n = r->n,
			.state = is_over ? QUEUE_EXPIRED : QUEUE_WAITING,
			.next_at_s = r->next_at_s,
			.is_warned = !is_over,
			.code = a->why_code,
			.text = agent_words(a->why_status, a->why),
		};
	}
	agent_commit(a, m, a->overdue->arena, req);
}

void
agent_sweep_next(struct agent *a)
{
	struct rjob_queue_overdue *o = a->overdue;

	if (a->overdue_at < o->count && !a->q->is_stopping)
		sweep_one(a, &o->mails[a->overdue_at++]);
	else if (o->j.more && !a->q->is_stopping)
		sweep_read(a);
	else
		agent_leave(a);
}
