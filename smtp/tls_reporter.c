#include "smtp/tls_reporter.h"

#include <stdlib.h>
#include <string.h>

#include "auth/dkim.h"
#include "server/base/codec.h"
#include "server/base/err.h"
#include "server/base/facts.h"
#include "server/base/xalloc.h"
#include "smtp/tls_report.h"
#include "store/queue.h"
#include "store/read.h"
#include "store/trust.h"
#include "store/write.h"

#define DAY_S 86400
#define KEYS_MAX 4
#define POLICY_MAX 4096		/* bytes of a policy's strings */

/* ---- counting ---- */

static char *
copy(struct span s)
{
	struct buf b = BUF_INIT;

	buf_addspan(&b, s);
	return buf_take(&b);
}

/* RFC 8460 section 4.5: TLSA records as a zone file has them. */
static void
put_tlsa(struct buf *out, const struct tls_want *want)
{
	for (size_t i = 0; i < want->tlsa_count && out->len < POLICY_MAX;
	    i++) {
		const struct dns_record *r = &want->tlsa[i];

		buf_printf(out, "%s%u %u %u ", i ? "\n" : "", r->usage,
		    r->selector, r->matching);
		hex_encode(out, r->data.p, r->data.len);
	}
}

static void
put_sts(struct buf *out, const struct route_sts *sts)
{
	struct cursor c = cursor_of(sts->mx);

	buf_printf(out, "version: STSv1\nmode: %s",
	    sts->mode == MTA_STS_ENFORCE ? "enforce" : "testing");
	while (!cursor_at_end(&c) && out->len < POLICY_MAX) {
		struct span mx = cursor_until(&c, ' ');

		(void)cursor_skip(&c, ' ');
		buf_adds(out, "\nmx: ");
		buf_addspan(out, mx);
	}
}

/* RFC 8460 section 4.3; "" is success. */
static const char *
result_of(const struct peer *peer, const struct out_result *why)
{
	static const char *const faults[] = {
		[TLS_FAULT_NONE] = "validation-failure",
		[TLS_FAULT_HOST] = "certificate-host-mismatch",
		[TLS_FAULT_EXPIRED] = "certificate-expired",
		[TLS_FAULT_UNTRUSTED] = "certificate-not-trusted",
		[TLS_FAULT_TLSA] = "tlsa-invalid",
		[TLS_FAULT_OTHER] = "validation-failure",
	};

	switch (why->tls_fault) {
	case OUT_TLS_NOT_OFFERED:
	case OUT_TLS_REFUSED:
		return "starttls-not-supported";
	case OUT_TLS_BROKEN:
		return faults[peer->tls_fault];
	case OUT_TLS_FINE:
		break;
	}
	return "";
}

void
tls_reporter_count(struct env *env, struct span domain,
    const struct route_host *h, const struct route_sts *sts,
    const struct peer *peer, const struct out_result *why)
{
	const char *result = result_of(peer, why);
	struct wreq_tls_result *r;
	struct buf policy = BUF_INIT;

	/*
	 * What our configuration asks for is nobody's policy, and what did
	 * not come to TLS is a failure of the network (section 4.3.4).
	 */
	if (h->why == ROUTE_BY_CONFIG || h->is_configured ||
	    (!*result && !peer->has_tls))
		return;
	r = wreq_tls_result_new(env);
	r->domain = copy(domain);
	r->type = xstrdup("no-policy-found");
	if (h->why == ROUTE_BY_DANE) {
		free(r->type);
		r->type = xstrdup("tlsa");
		put_tlsa(&policy, &h->want);
	} else if (h->why != ROUTE_BY_DEFAULT && sts) {
		free(r->type);
		r->type = xstrdup("sts");
		put_sts(&policy, sts);
	}
	r->policy = buf_take(&policy);
	r->result = xstrdup(result);
	if (*result) {
		r->host = xstrdup(h->name);
		r->peer = xstrdup(peer->addr);
		r->local = xstrdup(peer->local_addr);
		r->reason = xstrdup(peer->failure_text);
	}
	store_submit(env->store, &r->w);
}

/* ---- reporting ---- */

struct tls_reporter {
	struct env *env;
	const struct route_settings *route;
	const char *contact;
	const char *domain;		/* of contact */
	int64_t delay_s;		/* into the day */
	int64_t next_s;			/* wall time; 0: not known yet */
	struct op_waiter wait;
	void (*came)(struct tls_reporter *, struct op *);
	/* the report at hand */
	struct rjob_tls_results *job;	/* NULL: none */
	struct facts facts;
	struct arena arena;
	struct tls_rua rua;
	struct buf message;
};

static void
op_came(struct op_waiter *w, struct op *op)
{
	struct tls_reporter *r = CONTAINER_OF(w, struct tls_reporter, wait);

	r->came(r, op);
}

static void
wait_for(struct tls_reporter *r, struct op *op,
    void (*came)(struct tls_reporter *, struct op *))
{
	r->came = came;
	op_wait(&r->wait, op);
}

static void
forget(struct tls_reporter *r)
{
	op_free(r->job ? &r->job->j.op : NULL);
	r->job = NULL;
	facts_release(&r->facts);
	arena_release(&r->arena);
	buf_release(&r->message);
}

/* Not now: trouble of ours. What is counted stays. */
static void
put_off(struct tls_reporter *r)
{
	forget(r);
	r->next_s = env_wall_s(r->env) + TLS_REPORT_RETRY_S;
}

static void read_next(struct tls_reporter *r);

static void
done_came(struct tls_reporter *r, struct op *op)
{
	int err = op->err;

	op_free(op);
	if (err < 0) {
		put_off(r);
		return;
	}
	forget(r);
	read_next(r);
}

/* The report is on its way, or there is none: the counts may go. */
static void
finish(struct tls_reporter *r)
{
	struct wreq_tls_done *d = wreq_tls_done_new(r->env);

	d->domain = xstrdup(r->job->domain);
	d->day = r->job->day;
	wait_for(r, &d->w.op, done_came);
	store_submit(r->env->store, &d->w);
}

static void
queue_came(struct tls_reporter *r, struct op *op)
{
	int err = op->err;

	op_free(op);
	if (err < 0) {
		put_off(r);
		return;
	}
	log_event(r->env->log, LOG_INFO, "smtp", "tls-report",
	    F_STR("domain", r->job->domain),
	    F_STR("to", r->rua.address[0]));
	finish(r);
}

static struct queue_new *
make_queue(struct tls_reporter *r, struct span field)
{
	struct queue_new *q = xcalloc(1, sizeof *q);

	q->prefix_len = field.len;
	q->prefix = copy(field);
	q->sender = xstrdup("");
	/*
	 * Section 3: a report is delivered whatever TLS does; and no report
	 * of it, nor of its failing, is made.
	 */
	q->flags = QUEUE_IS_DSN | QUEUE_TLS_OPTIONAL;
	q->expires_s = env_wall_s(r->env) + TLS_REPORT_EXPIRE_S;
	q->rcpts = xcalloc(r->rua.count, sizeof *q->rcpts);
	for (size_t i = 0; i < r->rua.count; i++) {
		struct queue_rcpt_new *to = &q->rcpts[q->rcpt_count++];
		const char *at = strrchr(r->rua.address[i], '@');

		to->address = xstrdup(r->rua.address[i]);
		to->notify = NOTIFY_NEVER;
		to->destination = copy(route_destination(r->route,
		    span_of(at + 1), &r->arena));
	}
	return q;
}

static void
signed_came(struct tls_reporter *r, struct op *op)
{
	struct dkim_sign_job *sign = CONTAINER_OF(op, struct dkim_sign_job,
	    j.op);
	struct spool *spool = spool_new(r->env, SPOOL_CHUNK);
	struct wreq_deliver *d;

	if (op->err < 0 || spool_add(spool, r->message.p,
	    r->message.len) < 0 || spool_finish(spool) < 0) {
		op_free(op);
		spool_free(spool);
		put_off(r);
		return;
	}
	d = wreq_deliver_new(r->env, NULL);
	d->spool = spool;
	d->queue = make_queue(r, buf_span(&sign->field));
	op_free(op);
	wait_for(r, &d->w.op, queue_came);
	store_submit(r->env->store, &d->w);
}

static void
sign(struct tls_reporter *r, const struct dkim_key *keys, size_t n)
{
	struct dkim_signer *s = dkim_signer_new();
	char *body = strstr(r->message.p, "\r\n\r\n") + 4;
	size_t head = (size_t)(body - r->message.p);
	struct dkim_sign_job *job;

	dkim_signer_body(s, body, r->message.len - head);
	job = dkim_sign_job_new(s, r->env->home, NULL, keys, n,
	    span_make(r->message.p, head - 2), env_wall_s(r->env));
	wait_for(r, &job->j.op, signed_came);
	if (work_submit(r->env->work, &job->j) == 0)
		return;
	op_waiter_cancel(&r->wait);
	op_free(&job->j.op);
	put_off(r);
}

static void
keys_came(struct tls_reporter *r, struct op *op)
{
	struct rjob_dkim_keys *job = CONTAINER_OF(op, struct rjob_dkim_keys,
	    j.op);
	struct dkim_key keys[KEYS_MAX];
	size_t n = 0;

	for (size_t i = 0; op->err == 0 && i < job->key_count &&
	    n < KEYS_MAX; i++) {
		const struct dkim_key_row *k = &job->keys[i];

		if (k->state == DKIM_SIGNING)
			keys[n++] = (struct dkim_key){
				k->domain, k->selector, k->private_key,
				(enum dkim_algorithm)k->algorithm
			};
	}
	if (op->err < 0)
		put_off(r);
	else if (n == 0)
		finish(r);
	else
		sign(r, keys, n);
	op_free(op);
}

static void
compose(struct tls_reporter *r)
{
	struct tls_report report = {
		.domain = r->job->domain, .day = r->job->day,
		.contact = r->contact, .hostname = r->env->hostname,
		.rows = r->job->rows, .count = r->job->count,
	};
	struct rjob_dkim_keys *keys = rjob_dkim_keys_new(r->env, NULL);
	uint64_t seed;

	random_fill(r->env->random, &seed, sizeof seed);
	tls_report_put_message(&r->message, &report, &r->rua,
	    env_wall_s(r->env), seed);
	keys->domain = xstrdup(r->domain);
	wait_for(r, &keys->j.op, keys_came);
	store_read(r->env->store, &keys->j);
}

/* Nobody is asked twice: where DNS fails, this day has no report. */
static void
record_ready(struct facts *facts)
{
	struct tls_reporter *r = CONTAINER_OF(facts, struct tls_reporter,
	    facts);
	const struct dns_answer *txt = facts_dns(facts, arena_printf(&r->arena,
	    "_smtp._tls.%s", r->job->domain), DNS_TXT);

	if (!txt)
		facts_ask(facts);
	else if (tls_report_find_rua(txt, &r->arena, &r->rua))
		compose(r);
	else
		finish(r);
}

static void
results_came(struct tls_reporter *r, struct op *op)
{
	r->job = CONTAINER_OF(op, struct rjob_tls_results, j.op);
	if (op->err < 0) {
		put_off(r);
	} else if (!r->job->domain) {
		/* All done, until tomorrow. */
		r->next_s = (env_wall_s(r->env) / DAY_S + 1) * DAY_S +
		    r->delay_s;
		forget(r);
	} else {
		record_ready(&r->facts);
	}
}

static void
read_next(struct tls_reporter *r)
{
	int64_t today = env_wall_s(r->env) / DAY_S;
	struct rjob_tls_results *job = rjob_tls_results_new(r->env, today);

	wait_for(r, &job->j.op, results_came);
	store_read(r->env->store, &job->j);
}

void
tls_reporter_tick(struct tls_reporter *r)
{
	int64_t now = env_wall_s(r->env);

	if (!r->domain || r->job || r->wait.op)
		return;
	if (r->next_s == 0)
		r->next_s = now / DAY_S * DAY_S + r->delay_s;
	/* A clock that was wrong by days is waited for no longer than one. */
	if (now >= r->next_s || r->next_s > now + 2 * DAY_S)
		read_next(r);
}

struct tls_reporter *
tls_reporter_new(struct env *env, const struct route_settings *route,
    const char *contact)
{
	struct tls_reporter *r = xcalloc(1, sizeof *r);
	const char *at = contact ? strrchr(contact, '@') : NULL;
	uint32_t chance;

	random_fill(env->random, &chance, sizeof chance);
	r->env = env;
	r->route = route;
	r->contact = contact;
	r->domain = at ? at + 1 : NULL;
	r->delay_s = TLS_REPORT_DELAY_MIN_S + chance % TLS_REPORT_DELAY_S;
	r->wait.came = op_came;
	buf_init(&r->message);
	facts_init(&r->facts, env, record_ready);
	return r;
}

void
tls_reporter_free(struct tls_reporter *r)
{
	if (!r)
		return;
	op_waiter_cancel(&r->wait);
	forget(r);
	free(r);
}
