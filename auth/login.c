#include "auth/login.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "auth/secret_priv.h"
#include "auth/throttle.h"
#include "server/base/codec.h"
#include "server/base/env.h"
#include "server/base/err.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"

/* Others at the same account got in between so often: give up. */
#define WAITS_MAX 4

enum state {
	ST_IDLE,	/* no attempt, or it is over */
	ST_CLIENT,	/* the mechanism awaits the client */
	ST_FETCH,	/* the account is being looked up */
	ST_DELAY,	/* the throttle lets us wait */
	ST_HASH,	/* the password is being hashed */
	ST_PROVEN	/* SCRAM's verifier is sent; an empty line is to come */
};

/* A password on its way through the pool; owns all it has. */
struct hash_job {
	struct job job;
	struct cred_request *req;
	struct buf password;
	struct passwd_params params;
	struct budget *budget;
	size_t index;		/* the result */
};

static void
request_free(struct op *op)
{
	struct cred_request *req = CONTAINER_OF(op, struct cred_request, op);

	sodium_memzero(&req->result, sizeof req->result);
	free(req);
}

static void
hash_job_free(struct op *op)
{
	struct job *job = CONTAINER_OF(op, struct job, op);
	struct hash_job *h = CONTAINER_OF(job, struct hash_job, job);

	secret_release(&h->password);
	if (h->req)
		op_free(&h->req->op);
	free(h);
}

/*
 * Charges the memory while it is used: a queue of guesses that wait for their
 * turn must not keep mail from coming in.
 */
static void
hash_job_run(struct job *job)
{
	struct hash_job *h = CONTAINER_OF(job, struct hash_job, job);
	const struct cred_account *a = &h->req->result;
	size_t memory = passwd_verify_memory(a, &h->params);

	if ((job->op.err = budget_take(h->budget, memory)) < 0)
		return;
	job->op.err = passwd_verify(a, buf_span(&h->password), &h->params,
	    &h->index);
	budget_give(h->budget, memory);
}

/* The name to log and to count by: the account's own where there is one. */
static struct span
login_name(const struct login *l)
{
	if (l->req && l->req->result.found)
		return span_of(l->req->result.name);
	return buf_span(&l->user);
}

static struct throttle_who
login_who(const struct login *l)
{
	const struct peer *peer = &l->session->peer;

	return (struct throttle_who){ .name = login_name(l),
	    .net = peer->net, .is_exempt = peer->is_exempt,
	    .is_known = l->req->result.is_known_net };
}

/*
 * It has come to nothing. But a hash that is being made stays counted for its
 * time: else who hangs up at once could ask for as many as he likes.
 */
static void
login_give_up(struct login *l)
{
	struct throttle_who who;

	if (l->is_open && l->req) {
		who = login_who(l);
		throttle_give_up(l->session->env->throttle, &who);
	}
	l->is_open = false;
}

/* Ends the attempt: nothing secret stays. */
static void
login_clear(struct login *l)
{
	login_give_up(l);
	l->state = ST_IDLE;
	sasl_release(&l->sasl);
	secret_release(&l->user);
	secret_release(&l->password);
	if (l->req)
		op_free(&l->req->op);
	l->req = NULL;
	l->waits = 0;
}

static void
login_begin(struct login *l, const char *how)
{
	assert(l->state == ST_IDLE);
	buf_clear(&l->challenge);
	l->how = how;
	l->reason = LOGIN_NONE;
	l->err = 0;
	l->account = l->version = l->cred = 0;
	l->name[0] = '\0';
}

/* Ends with a refusal; why is for the log alone. */
static enum login_step
login_fail(struct login *l, enum login_reason reason, const char *why)
{
	struct session *s = l->session;

	l->reason = reason;
	if (reason != LOGIN_CANCELLED)
		log_refusal(s->env->log, s->ops->name, why,
		    span_of(s->peer.addr), login_name(l));
	if (reason == LOGIN_WRONG || reason == LOGIN_TOO_MANY) {
		STAT_ADD(s->env->stats, logins_failed, 1);
		l->failures++;
	}
	login_clear(l);
	return LOGIN_FAIL;
}

/* A guess that was looked at and was not right. */
static enum login_step
login_refuse(struct login *l, const char *why)
{
	struct env *env = l->session->env;
	struct throttle_who who = login_who(l);

	throttle_failure(env->throttle, &who, env_now_ms(env));
	l->is_open = false;
	return login_fail(l, LOGIN_WRONG, why);
}

static enum login_step
login_tempfail(struct login *l, int err)
{
	struct session *s = l->session;

	log_event(s->env->log, LOG_WARN, s->ops->name, "login-trouble",
	    F_SPAN("user", login_name(l)), F_STR("from", s->peer.addr),
	    F_ERR(err));
	l->err = err;
	login_clear(l);
	return LOGIN_TEMPFAIL;
}

static enum login_step
login_challenge(struct login *l, struct span text)
{
	buf_clear(&l->challenge);
	base64_encode(&l->challenge, text.p, text.len);
	return LOGIN_CONTINUE;
}

/* Everything is proven and allowed: says so to all who keep count. */
static enum login_step
login_succeed(struct login *l)
{
	const struct cred_account *a = &l->req->result;
	struct session *s = l->session;
	struct env *env = s->env;
	struct throttle_who who = login_who(l);

	l->account = a->account;
	l->version = a->version;
	memcpy(l->name, a->name, sizeof l->name);
	s->account = a->account;
	throttle_success(env->throttle, &who, env_now_ms(env));
	l->is_open = false;
	env->creds->note_use(env->creds, a->account, l->cred, s->peer.net,
	    s->peer.addr);
	STAT_ADD(env->stats, logins, 1);
	log_event(env->log, LOG_INFO, s->ops->name, "login",
	    F_STR("user", a->name), F_STR("from", s->peer.addr),
	    F_STR("how", l->how), F_INT("cred", l->cred));
	login_clear(l);
	return LOGIN_OK;
}

/* Why a credential that was proven must not be used; NULL: it may. */
static const char *
cred_objection(const struct login *l, const struct cred *c)
{
	if (l->req->result.disabled)
		return "account disabled";
	if (c->expires_s && c->expires_s <= env_wall_s(l->session->env))
		return "password expired";
	if (!(c->scope & l->scope))
		return "password not for this service";
	return NULL;
}

/* creds[index] is proven. SCRAM has data of its own to send with success. */
static enum login_step
login_proven(struct login *l, size_t index)
{
	const struct cred *c = &l->req->result.creds[index];
	const char *objection = cred_objection(l, c);

	if (objection)
		return login_refuse(l, objection);
	l->cred = c->id;
	if (l->sasl.out.len == 0)
		return login_succeed(l);
	l->state = ST_PROVEN;
	return login_challenge(l, buf_span(&l->sasl.out));
}

static const char *
wrong_text(const struct login *l)
{
	if (!l->req->result.found)
		return "no such account";
	return l->req->result.disabled ? "account disabled" :
	    "wrong password";
}

/* Takes the job's request back and judges by its result. */
static enum login_step
login_hashed(struct login *l, struct op *op)
{
	struct job *job = CONTAINER_OF(op, struct job, op);
	struct hash_job *h = CONTAINER_OF(job, struct hash_job, job);
	struct env *env = l->session->env;
	const struct cred_account *a = &h->req->result;
	size_t index = h->index;
	int err = op->err;

	l->req = h->req;
	h->req = NULL;
	op_free(op);
	if (err == ERR_AUTH || (err == 0 && !a->found))
		return login_refuse(l, wrong_text(l));
	if (err < 0)
		return login_tempfail(l, err);
	/* What must not be used is not remembered: it is refused slowly. */
	if (!cred_objection(l, &a->creds[index]))
		passcache_put(env->passcache, a, buf_span(&l->password),
		    a->creds[index].id, env_now_ms(env));
	return login_proven(l, index);
}

static enum login_step
login_start_hash(struct login *l)
{
	struct session *s = l->session;
	struct hash_job *h = xcalloc(1, sizeof *h);
	int err;

	op_init(&h->job.op, s, s->env->home, hash_job_free);
	h->job.run = hash_job_run;
	h->job.heavy = 1;
	h->params = l->settings->params;
	h->budget = s->env->budget;
	secret_set(&h->password, buf_span(&l->password));
	h->req = l->req;
	l->req = NULL;
	if ((err = work_submit(s->env->work, &h->job)) < 0) {
		l->req = h->req;
		h->req = NULL;
		op_free(&h->job.op);
		return login_tempfail(l, err);
	}
	STAT_ADD(s->env->stats, hash_jobs, 1);
	l->op = &h->job.op;
	l->state = ST_HASH;
	return LOGIN_WAIT;
}

/* The credential of a password that was right a short time ago. */
static bool
find_cached(struct login *l, size_t *index)
{
	const struct cred_account *a = &l->req->result;
	struct env *env = l->session->env;
	uint64_t cred;

	if (!a->found || !passcache_find(env->passcache, a,
	    buf_span(&l->password), env_now_ms(env), &cred))
		return false;
	for (size_t i = 0; i < a->cred_count; i++) {
		if (a->creds[i].id == cred) {
			*index = i;
			return true;
		}
	}
	return false;
}

static enum login_step login_step_of(struct login *l, enum sasl_step step);

/* The throttle has let us through: the password or the exchange itself. */
static enum login_step
login_check(struct login *l)
{
	size_t index;

	if (l->password.len == 0) {
		l->state = ST_CLIENT;
		return login_step_of(l,
		    sasl_account(&l->sasl, &l->req->result));
	}
	if (find_cached(l, &index))
		return login_proven(l, index);
	return login_start_hash(l);
}

/* Before anything slow: whether it is this one's turn. */
static enum login_step
login_ask_throttle(struct login *l)
{
	struct env *env = l->session->env;
	struct throttle_who who = login_who(l);

	switch (throttle_check(env->throttle, &who, env_now_ms(env),
	    &l->delay_until_ms)) {
	case THROTTLE_PASS:
		l->is_open = true;
		return login_check(l);
	case THROTTLE_WAIT:
		if (l->waits++ < WAITS_MAX) {
			l->state = ST_DELAY;
			return LOGIN_DELAY;
		}
		return login_fail(l, LOGIN_TOO_MANY,
		    "too many attempts at this account");
	case THROTTLE_REFUSE:
		break;
	}
	return login_fail(l, LOGIN_TOO_MANY,
	    "too many failures from this address");
}

/* The account is there, or known not to be. */
static enum login_step
login_fetched(struct login *l)
{
	struct cred_account *a = &l->req->result;

	if (!a->found)
		passwd_fake(a, buf_span(&l->user),
		    l->session->env->creds->secret, &l->settings->params);
	return login_ask_throttle(l);
}

/*
 * Looks the user up. A name that cannot be one is nobody's, and goes the same
 * way from there.
 */
static enum login_step
login_look_up(struct login *l, struct span user)
{
	struct session *s = l->session;
	struct cred_request *req = xcalloc(1, sizeof *req);
	bool is_name;

	is_name = utf8_prepare_name(&l->user, user) == 0 &&
	    l->user.len < sizeof req->name;
	if (!is_name) {
		op_init(&req->op, NULL, s->env->home, request_free);
		secret_set(&l->user, span_head(user, sizeof req->name - 1));
		l->req = req;
		return login_fetched(l);
	}
	op_init(&req->op, s, s->env->home, request_free);
	memcpy(req->name, l->user.p, l->user.len);
	memcpy(req->net, s->peer.net, sizeof req->net);
	l->op = &req->op;
	l->state = ST_FETCH;
	s->env->creds->fetch(s->env->creds, req);
	return LOGIN_WAIT;
}

/* A step of the mechanism as a step of the log-in. */
static enum login_step
login_step_of(struct login *l, enum sasl_step step)
{
	struct sasl *sasl = &l->sasl;

	switch (step) {
	case SASL_CONTINUE:
		return login_challenge(l, buf_span(&sasl->out));
	case SASL_PASSWORD:
		secret_set(&l->password, buf_span(&sasl->password));
		return login_look_up(l, buf_span(&sasl->user));
	case SASL_ACCOUNT:
		return login_look_up(l, buf_span(&sasl->user));
	case SASL_OK:
		return login_proven(l, sasl->cred);
	case SASL_WRONG:
		if (!l->req)
			return login_fail(l, LOGIN_WRONG, sasl->error);
		return login_refuse(l, l->req->result.found &&
		    !l->req->result.disabled ? sasl->error : wrong_text(l));
	case SASL_BAD:
		break;
	}
	return login_fail(l, LOGIN_MALFORMED, sasl->error);
}

/* One message of the client's in base64. */
static enum login_step
login_message(struct login *l, struct span line)
{
	struct buf m = BUF_INIT;
	enum login_step step;

	if (line.len > LOGIN_LINE_MAX)
		return login_fail(l, LOGIN_TOO_LONG, "response too long");
	buf_reserve(&m, line.len);
	if (base64_decode(&m, line) < 0)
		step = login_fail(l, LOGIN_MALFORMED, "not base64");
	else
		step = login_step_of(l, sasl_message(&l->sasl, buf_span(&m)));
	secret_release(&m);
	return step;
}

/* RFC 5802 section 5: after the verifier the client has nothing to say. */
static enum login_step
login_last_line(struct login *l, struct span line)
{
	if (line.len)
		return login_fail(l, LOGIN_MALFORMED,
		    "data after the last message");
	return login_succeed(l);
}

void
login_init(struct login *l, struct session *s,
    const struct login_settings *settings, unsigned scope)
{
	*l = (struct login){ .session = s, .settings = settings,
	    .scope = scope, .how = "" };
	buf_init(&l->challenge);
	buf_init(&l->user);
	buf_init(&l->password);
	sasl_init(&l->sasl, SASL_PLAIN, &s->peer, s->env->random, false);
}

void
login_release(struct login *l)
{
	login_clear(l);
	secret_release(&l->challenge);
	l->op = NULL;
}

static bool
is_permitted(const struct login *l)
{
	const struct peer *peer = &l->session->peer;

	return peer->has_tls || (peer->is_loopback &&
	    l->settings->plaintext == PLAINTEXT_LOOPBACK);
}

unsigned
login_mechanisms(const struct login *l)
{
	const struct peer *peer = &l->session->peer;
	unsigned mechs = SASL_BIT(SASL_PLAIN) | SASL_BIT(SASL_SCRAM);

	if (!is_permitted(l))
		return 0;
	if (l->scope == SCOPE_SMTP)
		mechs |= SASL_BIT(SASL_LOGIN);
	if (peer->has_tls && (peer->exporter_len || peer->endpoint_len))
		mechs |= SASL_BIT(SASL_SCRAM_PLUS);
	return mechs;
}

/*
 * CLIENTS: mutt as Debian builds it takes SCRAM-SHA-256-PLUS for the best it
 * can do, has no binding to give, and does not send mail by anything else
 * then; with IMAP and POP3 it goes on to the next. So SMTP takes PLUS from who
 * asks for it, and does not say so.
 */
static unsigned
announced(const struct login *l)
{
	unsigned mechs = login_mechanisms(l);

	if (l->scope == SCOPE_SMTP)
		mechs &= ~SASL_BIT(SASL_SCRAM_PLUS);
	return mechs;
}

void
login_put_mechanisms(const struct login *l, struct buf *out,
    const char *prefix, const char *separator)
{
	unsigned mechs = announced(l);
	bool first = true;

	for (unsigned m = 0; m < SASL_MECH_COUNT; m++) {
		if (!(mechs & SASL_BIT(m)))
			continue;
		if (!first)
			buf_adds(out, separator);
		first = false;
		buf_adds(out, prefix);
		buf_adds(out, sasl_mech_name((enum sasl_mech)m));
	}
}

enum login_step
login_auth(struct login *l, struct span mech, const struct span *initial)
{
	unsigned mechs = login_mechanisms(l);
	enum sasl_mech which;

	login_begin(l, "");
	if (!sasl_mech_find(mech, &which))
		return login_fail(l, LOGIN_NOMECH, "unknown mechanism");
	if (!mechs)
		return login_fail(l, LOGIN_INSECURE, "log-in needs TLS");
	if (!(mechs & SASL_BIT(which)))
		return login_fail(l, LOGIN_NOMECH,
		    "mechanism not offered here");
	l->how = sasl_mech_name(which);
	sasl_init(&l->sasl, which, &l->session->peer, l->session->env->random,
	    announced(l) & SASL_BIT(SASL_SCRAM_PLUS));
	l->state = ST_CLIENT;
	if (!initial)
		return login_step_of(l, sasl_start(&l->sasl));
	if (span_is(*initial, "="))
		return login_message(l, SPAN(""));
	return login_message(l, *initial);
}

enum login_step
login_response(struct login *l, struct span line)
{
	assert(l->state == ST_CLIENT || l->state == ST_PROVEN);
	if (span_is(line, "*"))
		return login_fail(l, LOGIN_CANCELLED, "cancelled");
	if (l->state == ST_PROVEN)
		return login_last_line(l, line);
	return login_message(l, line);
}

enum login_step
login_password(struct login *l, struct span user, struct span password)
{
	login_begin(l, "password");
	if (!is_permitted(l))
		return login_fail(l, LOGIN_INSECURE, "log-in needs TLS");
	if (user.len == 0 || password.len == 0 || user.len + password.len >
	    SASL_MESSAGE_MAX)
		return login_fail(l, LOGIN_WRONG, "no name or no password");
	secret_set(&l->password, password);
	return login_look_up(l, user);
}

bool
login_owns(const struct login *l, const struct op *op)
{
	return l->op == op;
}

enum login_step
login_done(struct login *l, struct op *op)
{
	int err = op->err;

	assert(l->op == op);
	l->op = NULL;
	if (l->state == ST_HASH)
		return login_hashed(l, op);
	assert(l->state == ST_FETCH);
	l->req = CONTAINER_OF(op, struct cred_request, op);
	if (err < 0)
		return login_tempfail(l, err);
	return login_fetched(l);
}

bool
login_is_delayed(const struct login *l)
{
	return l->state == ST_DELAY;
}

enum login_step
login_timeout(struct login *l)
{
	assert(l->state == ST_DELAY);
	return login_ask_throttle(l);
}

bool
login_is_exhausted(const struct login *l)
{
	return l->failures >= THROTTLE_SESSION_FAILURES;
}
