/*
 * One destination's agent: work, route, hosts in their order, results.
 *
 *     READ -> ROUTE -> SEND <-> COMMIT -> READ ... -> IDLE -> gone
 *                        \-> next host         \-> SWEEP -> gone
 *
 * One message at a time, and its results are on disk before the next one is
 * begun. A recipient who got no answer from a host, because the host itself
 * failed, is taken to the next host of the route; with the last host the
 * destination has failed and backs off, and those who have waited too long
 * for it are told (SWEEP).
 */
#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/err.h"
#include "server/base/idna.h"
#include "server/base/xalloc.h"
#include "smtp/queue_out_priv.h"
#include "smtp/tls_reporter.h"

#define AGENT_RCPTS 100		/* of a message at a time */
#define AGENT_IDLE_MS 2000	/* a connection is kept for more work */
#define AGENT_TROUBLE_MS 5000	/* after trouble of our own */

/* What of a message decides which hosts will do. */
#define ROUTE_FLAGS (QUEUE_REQUIRETLS | QUEUE_TLS_OPTIONAL)

static struct agent *
agent_of(struct out_owner *o)
{
	return CONTAINER_OF(o, struct agent, owner);
}

static void agent_read(struct agent *a);
static void agent_next(struct agent *a);
static void agent_settle(struct agent *a);
static void try_host(struct agent *a);

struct queue_mail *
agent_mail(const struct agent *a)
{
	return a->work && a->at < a->work->count ? &a->work->mails[a->at] :
	    NULL;
}

/* ---- its end ---- */

/* Its work, and the recipients' answers, are of no more use. */
void
agent_drop_work(struct agent *a)
{
	free(a->rcpts);
	free(a->part_of);
	free(a->part.rcpts);
	a->rcpts = NULL;
	a->part_of = NULL;
	a->part.rcpts = NULL;
	if (a->work)
		op_free(&a->work->j.op);
	a->work = NULL;
}

void
agent_free(struct agent *a)
{
	a->q->agent_count--;
	list_remove(&a->node);
	op_waiter_cancel(&a->wait);
	op_free(a->kept);
	notice_release(&a->notice);
	if (a->overdue)
		op_free(&a->overdue->j.op);
	agent_drop_work(a);
	facts_release(&a->facts);
	arena_release(&a->arena);
	free(a->destination);
	free(a);
}

/* Nothing more to do here. The session, if there is one, ends first. */
void
agent_leave(struct agent *a)
{
	struct queue *q = a->q;

	agent_drop_work(a);
	a->deadline_ms = 0;
	if (a->session) {
		a->state = AGENT_LEAVE;
		smtp_out_quit(a->session);
		return;
	}
	agent_free(a);
	queue_look(q);
}

/* Trouble of our own: agent_timeout goes on. */
static void
agent_pause(struct agent *a)
{
	a->deadline_ms = env_now_ms(a->q->env) + AGENT_TROUBLE_MS;
	queue_reckon(a->q);
}

/* ---- work ---- */

/* Messages that another agent there has in hand. */
static bool
is_taken(const struct agent *a, uint64_t id)
{
	LIST_FOREACH(node, &a->q->agents) {
		struct agent *b = CONTAINER_OF(node, struct agent, node);

		if (b == a || !b->work)
			continue;
		for (size_t i = 0; i < b->work->count; i++)
			if (b->work->mails[i].id == id)
				return true;
	}
	return false;
}

/* The ids of all that agents of the destination have in hand. */
uint64_t *
agent_ids(const struct agent *a, size_t *n)
{
	uint64_t *ids;
	size_t max = 0;

	*n = 0;
	LIST_FOREACH(node, &a->q->agents)
		max += AGENT_MAILS;
	ids = xcalloc(max, sizeof *ids);
	LIST_FOREACH(node, &a->q->agents) {
		struct agent *b = CONTAINER_OF(node, struct agent, node);

		if (!b->work || strcmp(a->destination, b->destination) != 0)
			continue;
		for (size_t i = 0; i < b->work->count; i++)
			ids[(*n)++] = b->work->mails[i].id;
	}
	return ids;
}

static void
agent_rest(struct agent *a)
{
	agent_drop_work(a);
	a->has_more = false;
	if (!a->session || a->q->is_stopping) {
		agent_leave(a);
		return;
	}
	a->state = AGENT_IDLE;
	a->deadline_ms = env_now_ms(a->q->env) + AGENT_IDLE_MS;
	queue_reckon(a->q);
}

static void
work_came(struct agent *a, struct op *op)
{
	struct rjob_queue_work *w = CONTAINER_OF(op, struct rjob_queue_work,
	    j.op);
	size_t n = 0;

	if (a->q->is_stopping) {
		op_free(op);
		agent_leave(a);
		return;
	}
	if (op->err < 0) {
		op_free(op);
		agent_pause(a);
		return;
	}
	/* Two may have asked at the same time. */
	for (size_t i = 0; i < w->count; i++)
		if (!is_taken(a, w->mails[i].id))
			w->mails[n++] = w->mails[i];
	w->count = n;
	a->work = w;
	a->at = 0;
	a->has_more = w->has_more;
	a->has_called = false;
	if (n == 0)
		agent_rest(a);
	else
		agent_next(a);
}

static void
agent_read(struct agent *a)
{
	struct rjob_queue_work *w = rjob_queue_work_new(a->q->env);

	agent_drop_work(a);
	a->state = AGENT_READ;
	w->destination = xstrdup(a->destination);
	w->now_s = env_wall_s(a->q->env);
	w->max_mails = AGENT_MAILS;
	w->max_rcpts = AGENT_RCPTS;
	w->skip = agent_ids(a, &w->skip_count);
	op_wait(&a->wait, &w->j.op);
	store_read(a->q->env->store, &w->j);
}

/* ---- results ---- */

/*
 * The last host has failed, or none is known: the destination backs off. The
 * message in hand is committed with that; its recipients that got no answer
 * get this one.
 */
static void
fail_destination(struct agent *a)
{
	struct queue_mail *m = agent_mail(a);

	a->has_failed = true;
	for (size_t i = 0; m && i < m->rcpt_count; i++) {
		struct agent_rcpt *got = &a->rcpts[i];

		if (got->is_settled)
			continue;
		got->is_settled = true;
		if (got->has_last)
			continue;
		got->last.status = OUT_TEMPORARY;
		got->last.code = (unsigned)a->why_code;
		memcpy(got->last.enhanced, a->why_status,
		    sizeof got->last.enhanced);
		memcpy(got->text, a->why, sizeof got->text);
	}
	agent_settle(a);
}

/* ---- one message on one connection is over ---- */

static size_t
count_unsettled(const struct agent *a)
{
	const struct queue_mail *m = agent_mail(a);
	size_t n = 0;

	for (size_t i = 0; i < m->rcpt_count; i++)
		n += !a->rcpts[i].is_settled;
	return n;
}

/*
 * Commits those of the message who have an answer now. They are taken out of
 * it; who has none goes on to the next host.
 */
static void
agent_settle(struct agent *a)
{
	struct queue_mail *m = agent_mail(a);
	struct wreq_queue_result *req = agent_request(a, m->rcpt_count);

	a->state = AGENT_COMMIT;
	for (size_t i = 0; i < m->rcpt_count; i++)
		if (a->rcpts[i].is_settled)
			agent_put_result(a, m, i, req);
	if (a->has_failed) {
		req->reach = REACH_FAILED;
		req->dest_next_s = agent_next_try_s(a->q, m,
		    agent_backoff_s(a->q, a->failures));
		req->dest_text = agent_words(a->why_status, a->why);
	} else {
		req->reach = a->has_settled ? REACH_OK : REACH_UNKNOWN;
	}
	agent_commit(a, m, a->work->arena, req);
}

/* Leaves those in the message who have not been settled. */
static void
keep_unsettled(struct agent *a)
{
	struct queue_mail *m = agent_mail(a);
	size_t n = 0;

	for (size_t i = 0; i < m->rcpt_count; i++)
		if (!a->rcpts[i].is_settled) {
			m->rcpts[n] = m->rcpts[i];
			a->rcpts[n++] = a->rcpts[i];
		}
	m->rcpt_count = n;
}

static void
committed(struct agent *a, struct op *op)
{
	if (op->err < 0) {
		/* Kept until it is on disk: nobody is to get it twice. */
		a->kept = op;
		agent_pause(a);
		return;
	}
	op_free(op);
	if (a->state == AGENT_SWEEP) {
		agent_sweep_next(a);
		return;
	}
	if (a->has_failed) {
		a->failures++;
		agent_sweep(a);
		return;
	}
	keep_unsettled(a);
	if (agent_mail(a)->rcpt_count > 0) {
		if (!a->session)
			try_host(a);
		else
			a->state = AGENT_QUIT;
		return;
	}
	a->failures = 0;
	a->at++;
	/* More than it can do alone, and it gets through: another helps. */
	if (a->has_more && a->is_proven && !a->has_called) {
		a->has_called = true;
		queue_look(a->q);
	}
	agent_next(a);
}

/* ---- the session's calls ---- */

static void
copy_text(char *to, size_t size, const char *from)
{
	(void)snprintf(to, size, "%s", from ? from : "");
}

static void
out_told(struct out_owner *o, const struct queue_mail *part, size_t rcpt,
    const struct out_result *r)
{
	struct agent *a = agent_of(o);
	struct agent_rcpt *got = &a->rcpts[a->part_of[rcpt]];

	(void)part;
	got->has_last = true;
	got->last = *r;
	copy_text(got->text, sizeof got->text, r->text);
	copy_text(got->host, sizeof got->host, r->host);
	copy_text(got->addr, sizeof got->addr, r->addr);
	copy_text(got->tls, sizeof got->tls, r->tls);
	/* RFC 5321 section 5.1: a host that fails is not the end of it. */
	got->is_settled = r->status == OUT_DELIVERED ||
	    r->scope != OUT_SCOPE_HOST;
	a->has_settled = a->has_settled || got->is_settled;
	a->is_proven = a->is_proven || r->status == OUT_DELIVERED;
}

/* Why a host did not do, for when it was the last. */
static void
note_why(struct agent *a, const struct out_result *r)
{
	a->why_code = (int)r->code;
	copy_text(a->why_status, sizeof a->why_status,
	    *r->enhanced ? r->enhanced : "4.4.1");
	(void)snprintf(a->why, sizeof a->why, "%s: %s",
	    r->host ? r->host : a->destination, r->text ? r->text : "");
}

/* Gives the session what is left of the message. */
static void
send_part(struct agent *a)
{
	struct queue_mail *m = agent_mail(a);
	size_t n = 0;

	free(a->part.rcpts);
	free(a->part_of);
	a->part = *m;
	a->part.rcpts = xcalloc(m->rcpt_count, sizeof *a->part.rcpts);
	a->part_of = xcalloc(m->rcpt_count, sizeof *a->part_of);
	for (size_t i = 0; i < m->rcpt_count; i++) {
		if (a->rcpts[i].is_settled)
			continue;
		a->part.rcpts[n] = m->rcpts[i];
		a->part_of[n++] = i;
	}
	a->part.rcpt_count = n;
	a->is_sending = true;
	a->state = AGENT_SEND;
	smtp_out_send(a->session, &a->part);
}

static void
out_idle(struct out_owner *o)
{
	struct agent *a = agent_of(o);

	a->is_ready = true;
	if (a->is_sending) {
		a->is_sending = false;
		a->is_host_done = count_unsettled(a) > 0;
		agent_settle(a);
		if (a->is_host_done)
			smtp_out_quit(a->session);
	} else if (a->state == AGENT_SEND) {
		send_part(a);
	}
}

/* Whether it was TLS alone that failed, where it can be done without. */
static bool
may_go_without_tls(const struct agent *a, const struct out_result *why)
{
	return a->route.hosts[a->host].tls == ROUTE_TLS_MAY &&
	    !a->without_tls && why->tls_fault == OUT_TLS_BROKEN;
}

/* Away from a host that has failed. */
static void
next_address(struct agent *a)
{
	a->is_host_done = false;
	if (++a->addr >= a->route.hosts[a->host].addr_count) {
		a->addr = 0;
		a->host++;
	}
}

/* What the end of a connection means for the host. */
static void
judge_host(struct agent *a, const struct out_result *why, bool was_sending)
{
	a->without_tls = !was_sending && a->state == AGENT_SEND &&
	    may_go_without_tls(a, why);
	if (why->status != OUT_DELIVERED) {
		note_why(a, why);
		a->is_host_done = !a->without_tls;
	}
	if (was_sending && count_unsettled(a))
		a->is_host_done = true;
}

/* For TLS reports (RFC 8460), but for what carries one. */
static void
count_tls(struct agent *a, const struct out_result *why)
{
	const struct fact *sts;

	if (!a->has_route || a->host >= a->route.host_count ||
	    (a->route_flags & QUEUE_TLS_OPTIONAL))
		return;
	sts = facts_other(&a->facts, FACT_FETCH, arena_str(&a->arena,
	    a->route_domain));
	tls_reporter_count(a->q->env, a->route_domain,
	    &a->route.hosts[a->host], sts && sts->err == 0 ? sts->value :
	    NULL, &a->session->peer, why);
}

static void
out_ended(struct out_owner *o, const struct out_result *why)
{
	struct agent *a = agent_of(o);
	struct queue *q = a->q;
	bool was_sending = a->is_sending;

	if (a->state != AGENT_DIAL)
		count_tls(a, why);
	a->session = NULL;
	a->is_sending = a->is_ready = false;
	if (a->state == AGENT_DIAL)
		return;		/* dial_host knows */
	if (a->work && a->host < a->route.host_count)
		judge_host(a, why, was_sending);
	switch (a->state) {
	case AGENT_SEND:
		if (was_sending && count_unsettled(a) <
		    agent_mail(a)->rcpt_count)
			agent_settle(a);
		else
			try_host(a);
		break;
	case AGENT_QUIT:
		try_host(a);
		break;
	case AGENT_IDLE:
	case AGENT_LEAVE:
		agent_leave(a);
		break;
	default:
		break;		/* what it waits for will go on */
	}
	LIST_FOREACH(node, &q->agents)
		agent_unpark(CONTAINER_OF(node, struct agent, node));
}

static const struct out_owner_ops owner_ops = {
	.result = out_told, .idle = out_idle, .ended = out_ended
};

/* ---- hosts ---- */

static bool
is_host_full(const struct agent *a, const char *host)
{
	unsigned n = 0;

	LIST_FOREACH(node, &a->q->agents) {
		struct agent *b = CONTAINER_OF(node, struct agent, node);

		n += b->session && b->host < b->route.host_count &&
		    strcmp(b->route.hosts[b->host].name, host) == 0;
	}
	return n >= a->q->set->agents_host;
}

/* With what TLS the host is dialled; NULL: none. */
static const struct tls_want *
find_tls(const struct agent *a, const struct route_host *h,
    enum out_tls *tls)
{
	*tls = h->tls == ROUTE_TLS_NEVER || a->without_tls ? OUT_TLS_NEVER :
	    h->tls == ROUTE_TLS_MAY ? OUT_TLS_MAY : OUT_TLS_MUST;
	return *tls == OUT_TLS_NEVER ? NULL : &h->want;
}

static void
note_own(struct agent *a, const char *status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
note_own(struct agent *a, const char *status, const char *fmt, ...)
{
	va_list ap;

	a->why_code = 0;
	copy_text(a->why_status, sizeof a->why_status, status);
	va_start(ap, fmt);
	(void)vsnprintf(a->why, sizeof a->why, fmt, ap);
	va_end(ap);
}

/* Whether the connection is on its way. */
static bool
dial_host(struct agent *a, const struct route_host *h)
{
	struct smtp_out_params p = { .host = h->name, .user = h->user,
	    .password = h->password };
	struct dial_to to = {
		.addr = h->addrs[a->addr], .port = h->port,
		.has_tls_first = h->is_implicit_tls,
		.is_configured = h->is_configured,
	};
	struct session *s;
	int err;

	a->state = AGENT_DIAL;
	p.tls_want = find_tls(a, h, &p.tls);
	s = smtp_out_new(a->q->env, &p, &a->owner);
	s->tls_want = p.tls_want;
	a->session = s;
	if ((err = dial(a->q->env->dialer, &to, s)) == 0) {
		a->state = AGENT_SEND;
		return true;
	}
	s->ops->end(s);
	note_own(a, "4.4.1", "%s: %s", h->name, err_text(err));
	return false;
}

/* The host at hand, or the next one that can be dialled. */
static void
try_host(struct agent *a)
{
	if (a->q->is_stopping) {
		agent_leave(a);
		return;
	}
	a->begun_ms = env_now_ms(a->q->env);
	if (a->is_host_done)
		next_address(a);
	while (a->host < a->route.host_count) {
		const struct route_host *h = &a->route.hosts[a->host];

		if (a->addr < h->addr_count && is_host_full(a, h->name)) {
			a->state = AGENT_PARKED;
			return;
		}
		if (a->addr < h->addr_count && dial_host(a, h))
			return;
		next_address(a);
	}
	if (!*a->why)
		note_own(a, "4.4.1", "no host answers for %s",
		    a->destination);
	fail_destination(a);
}

void
agent_unpark(struct agent *a)
{
	if (a->state == AGENT_PARKED)
		try_host(a);
}

/* ---- the route ---- */

struct span
destination_domain(struct arena *a, struct span domain)
{
	struct buf name = BUF_INIT;
	struct span s;

	/* One that is no name in DNS, a literal say, stays what it is. */
	if (idna_to_ascii(&name, domain) == 0)
		s = arena_span(a, buf_span(&name));
	else
		s = arena_span(a, domain);
	buf_release(&name);
	return s;
}

/* The domain that is asked for: the recipients', or where they were sent. */
static struct span
route_domain(struct agent *a)
{
	struct span rcpt = span_of(agent_mail(a)->rcpts[0].address), domain;
	size_t at = rcpt.len;

	while (at > 0 && rcpt.p[at - 1] != '@')
		at--;
	domain = destination_domain(&a->arena, span_from(rcpt, at));
	if (span_is(route_destination(&a->q->set->route, domain, &a->arena),
	    a->destination))
		return domain;
	return span_of(a->destination);
}

/* There is no way for this message, for now or ever. */
static void
refuse_message(struct agent *a, bool for_ever)
{
	struct queue_mail *m = agent_mail(a);

	note_own(a, *a->route.status ? a->route.status :
	    for_ever ? "5.4.4" : "4.4.4", "%s",
	    a->route.text ? a->route.text : "no route");
	if (!for_ever && !(m->flags & QUEUE_REQUIRETLS)) {
		fail_destination(a);
		return;
	}
	for (size_t i = 0; i < m->rcpt_count; i++) {
		struct agent_rcpt *got = &a->rcpts[i];

		got->is_settled = got->has_last = true;
		got->last.status = for_ever ? OUT_FAILED : OUT_TEMPORARY;
		copy_text(got->last.enhanced, sizeof got->last.enhanced,
		    a->why_status);
		copy_text(got->text, sizeof got->text, a->why);
	}
	agent_settle(a);
}

static void
agent_route(struct agent *a)
{
	struct queue_mail *m = agent_mail(a);
	struct route_query query = {
		.is_requiretls = (m->flags & QUEUE_REQUIRETLS) != 0,
		.is_tls_optional = (m->flags & QUEUE_TLS_OPTIONAL) != 0,
		.seed = m->id, .now_s = env_wall_s(a->q->env),
	};
	enum route_result result;

	a->state = AGENT_ROUTE;
	a->route = (struct route){ 0 };
	arena_clear(&a->arena);
	if (strcmp(a->destination, QUEUE_GIVEN_UP) == 0) {
		a->route = (struct route){ .status = "5.0.0",
		    .text = "The administrator has given the message up" };
		refuse_message(a, true);
		return;
	}
	query.domain = a->route_domain = route_domain(a);
	result = route_find(&a->q->set->route, &query, &a->facts, &a->arena,
	    &a->route);
	a->has_route = result == ROUTE_OK;
	a->route_flags = m->flags & ROUTE_FLAGS;
	a->host = a->addr = 0;
	a->is_host_done = a->without_tls = false;
	switch (result) {
	case ROUTE_NEED:
		facts_ask(&a->facts);
		break;
	case ROUTE_OK:
		a->why[0] = '\0';
		try_host(a);
		break;
	case ROUTE_LATER:
	case ROUTE_FAIL:
		a->route.host_count = 0;
		refuse_message(a, result == ROUTE_FAIL);
		break;
	}
}

static void
facts_ready(struct facts *f)
{
	struct agent *a = CONTAINER_OF(f, struct agent, facts);

	if (a->q->is_stopping)
		agent_leave(a);
	else
		agent_route(a);
}

/* ---- the next message ---- */

static void
agent_next(struct agent *a)
{
	struct queue_mail *m = agent_mail(a);

	if (!m || a->q->is_stopping) {
		if (a->q->is_stopping)
			agent_leave(a);
		else
			agent_read(a);
		return;
	}
	free(a->rcpts);
	a->rcpts = xcalloc(m->rcpt_count, sizeof *a->rcpts);
	a->begun_ms = env_now_ms(a->q->env);
	a->has_settled = false;
	if (!a->has_route || a->route_flags != (m->flags & ROUTE_FLAGS)) {
		/* What TLS it needs may be another: another connection. */
		if (a->session) {
			a->has_route = false;
			agent_leave(a);
			return;
		}
		agent_route(a);
	} else if (!a->session) {
		if (a->is_host_done)
			next_address(a);
		if (a->host >= a->route.host_count)
			a->host = a->addr = 0;
		try_host(a);
	} else if (a->is_ready && smtp_out_messages_left(a->session)) {
		send_part(a);
	} else {
		/* RFC 9422: it takes no more on this connection. */
		a->state = AGENT_QUIT;
		smtp_out_quit(a->session);
	}
}

/* ---- from outside ---- */

static void
agent_came(struct op_waiter *w, struct op *op)
{
	struct agent *a = CONTAINER_OF(w, struct agent, wait);

	switch (a->state) {
	case AGENT_READ:
		work_came(a, op);
		break;
	case AGENT_SWEEP:
		if (op == &a->overdue->j.op)
			agent_sweep_came(a, op);
		else
			committed(a, op);
		break;
	default:
		committed(a, op);
		break;
	}
}

void
agent_start(struct queue *q, const struct queue_dest *dest)
{
	struct agent *a = xcalloc(1, sizeof *a);

	a->owner.ops = &owner_ops;
	a->q = q;
	a->destination = xstrdup(dest->name);
	a->failures = dest->failures;
	a->wait.came = agent_came;
	a->notice.q = q;
	a->notice.done = agent_notice_done;
	facts_init(&a->facts, q->env, facts_ready);
	list_add_tail(&q->agents, &a->node);
	q->agent_count++;
	agent_read(a);
}

void
agent_poke(struct agent *a)
{
	a->deadline_ms = 0;
	agent_read(a);
}

void
agent_timeout(struct agent *a)
{
	struct op *kept = a->kept;

	if (kept) {
		a->kept = NULL;
		op_wait(&a->wait, kept);
		store_submit(a->q->env->store,
		    CONTAINER_OF(kept, struct wreq, op));
	} else if (a->state == AGENT_READ)
		agent_read(a);
	else
		agent_leave(a);
}

void
agent_stop(struct agent *a)
{
	if (a->state == AGENT_IDLE || a->state == AGENT_PARKED ||
	    a->state == AGENT_ROUTE)
		agent_leave(a);
}
