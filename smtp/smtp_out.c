/*
 * The sending session: life, dispatch of answers, deadlines, results.
 *
 * Every call of the driver's ends in settle(), which turns the phase into
 * want. Every recipient of the message at hand gets its result through
 * out_report(), which lets none have two; end() reports those still without.
 */
#include "smtp/smtp_out.h"

#include <assert.h>
#include <stdlib.h>

#include "server/base/env.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "smtp/out_priv.h"

static struct smtp_out *
out_of(struct session *s)
{
	return CONTAINER_OF(s, struct smtp_out, s);
}

/* ---- results ---- */

static void
fill_common(struct smtp_out *s, struct out_result *r)
{
	r->host = s->host;
	r->addr = s->s.peer.addr;
	r->tls = s->s.peer.has_tls ? s->s.peer.tls_version : "";
	r->takes_dsn = s->offer.features & HAS_DSN;
}

void
out_result_reply(struct smtp_out *s, struct out_result *r,
    enum out_scope scope)
{
	unsigned class = reply_class(&s->reply);

	*r = (struct out_result){
		.status = class == 2 ? OUT_DELIVERED : class == 5 ?
		    OUT_FAILED : OUT_TEMPORARY,
		.scope = scope,
		.code = s->reply.code,
		.text = s->reply.text,
	};
	if (s->reply.status[0])
		memcpy(r->enhanced, s->reply.status, sizeof r->enhanced);
	else
		snprintf(r->enhanced, sizeof r->enhanced, "%u.0.0",
		    class == 2 || class == 5 ? class : 4);
	fill_common(s, r);
}

void
out_result_own(struct smtp_out *s, struct out_result *r,
    enum out_status status, enum out_scope scope, const char *enhanced,
    const char *text)
{
	*r = (struct out_result){
		.status = status, .scope = scope, .text = text
	};
	snprintf(r->enhanced, sizeof r->enhanced, "%s", enhanced);
	fill_common(s, r);
}

void
out_report(struct smtp_out *s, size_t i, const struct out_result *r)
{
	if (s->rcpts[i] == RCPT_REPORTED)
		return;
	s->rcpts[i] = RCPT_REPORTED;
	s->owner->ops->result(s->owner, s->mail, i, r);
}

void
out_report_rest(struct smtp_out *s, const struct out_result *r)
{
	for (size_t i = 0; s->mail && i < s->mail->rcpt_count; i++)
		out_report(s, i, r);
}

/* Remembers why, for ended(). */
static void
keep_why(struct smtp_out *s, const struct out_result *r)
{
	size_t n = strnlen(r->text, OUT_TEXT_MAX);

	s->why = *r;
	memcpy(s->why_text, r->text, n);
	s->why_text[n] = '\0';
	s->why.text = s->why_text;
}

void
out_give_up(struct smtp_out *s, const struct out_result *r)
{
	keep_why(s, r);
	out_report_rest(s, &s->why);
	out_drop_job(s);
	/* In the middle of message data it would be part of the message. */
	if (s->phase != OUT_BODY && s->phase != OUT_HANDSHAKE &&
	    s->phase != OUT_NEW)
		buf_adds(s->s.out, "QUIT\r\n");
	s->phase = OUT_OVER;
}

void
out_give_up_confused(struct smtp_out *s, const char *text)
{
	struct out_result r;

	out_result_own(s, &r, OUT_TEMPORARY, OUT_SCOPE_HOST, "4.5.0", text);
	r.code = s->reply.code;
	out_give_up(s, &r);
}

/* ---- messages ---- */

static void
forget_message(struct smtp_out *s)
{
	out_drop_job(s);
	out_convert_free(s->convert);
	s->convert = NULL;
	free(s->rcpts);
	s->rcpts = NULL;
	s->mail = NULL;
	s->txn = (struct out_txn){ .rcpt_count = 0 };
}

void
out_end_message(struct smtp_out *s)
{
	forget_message(s);
	s->phase = OUT_READY;
}

void
out_say_quit(struct smtp_out *s)
{
	buf_adds(s->s.out, "QUIT\r\n");
	s->phase = OUT_QUIT;
	out_wait(s, OUT_QUIT_MS);
}

/* Begins the message that is waiting, or asks for one. */
static void
go_on(struct smtp_out *s)
{
	s->phase = OUT_IDLE;
	if (!s->mail && !s->is_quitting) {
		out_wait(s, OUT_IDLE_MS);
		s->in_idle = true;
		s->owner->ops->idle(s->owner);
		s->in_idle = false;
	}
	if (s->mail)
		out_begin_txn(s);
	else if (s->is_quitting)
		out_say_quit(s);
}

/* ---- want and deadline ---- */

void
out_wait(struct smtp_out *s, int64_t ms)
{
	s->s.deadline_ms = env_now_ms(s->s.env) + ms;
}

static void
settle(struct smtp_out *s)
{
	/* A message may be over as soon as it has begun. */
	while (s->phase == OUT_READY)
		go_on(s);
	switch (s->phase) {
	case OUT_HANDSHAKE:
		s->s.want = WANT_TLS;
		break;
	case OUT_OVER:
		s->s.want = WANT_CLOSE;
		s->s.deadline_ms = 0;
		break;
	case OUT_BODY:
		s->s.want = s->s.out->len > SESSION_OUT_HIGH ? WANT_DRAIN :
		    WANT_INPUT;
		break;
	default:
		s->s.want = WANT_INPUT;
		break;
	}
}

/* ---- answers ---- */

/* RFC 5321 section 3.8: 421 ends the conversation wherever it stands. */
static void
hear_farewell(struct smtp_out *s)
{
	struct out_result r;

	out_result_reply(s, &r, OUT_SCOPE_HOST);
	out_give_up(s, &r);
}

static void
hear(struct smtp_out *s)
{
	if (s->reply.code == 421 && s->phase != OUT_QUIT) {
		hear_farewell(s);
		return;
	}
	switch (s->phase) {
	case OUT_IDLE:
	case OUT_SCAN:
		/* Nothing was asked: it may be the answer to what comes. */
		out_give_up_confused(s, "The server spoke out of turn");
		break;
	case OUT_ENVELOPE:
		out_hear_envelope(s);
		break;
	case OUT_BODY:
	case OUT_CHUNK:
	case OUT_END:
		out_hear_body(s);
		break;
	case OUT_QUIT:
		s->phase = OUT_OVER;
		break;
	default:
		out_hear_hello(s);
		break;
	}
}

/* A reply has begun: it must not drip. */
static void
watch_reply(struct smtp_out *s)
{
	if (!s->reply_end_ms)
		s->reply_end_ms = env_now_ms(s->s.env) + OUT_REPLY_MS;
	if (!s->s.deadline_ms || s->s.deadline_ms > s->reply_end_ms)
		s->s.deadline_ms = s->reply_end_ms;
}

static size_t
out_input(struct session *session, const char *p, size_t len)
{
	struct smtp_out *s = out_of(session);
	size_t used;

	switch (reply_take_line(&s->reply, p, len, &used)) {
	case REPLY_MORE:
		if (len)
			watch_reply(s);
		break;
	case REPLY_LINE:
		watch_reply(s);
		if (s->phase == OUT_EHLO)
			out_hear_offer(s, s->reply.line);
		break;
	case REPLY_DONE:
		if (s->phase == OUT_EHLO)
			out_hear_offer(s, s->reply.line);
		s->reply_end_ms = 0;
		hear(s);
		s->reply = (struct server_reply){ 0 };
		break;
	case REPLY_BROKEN:
		s->reply.code = 0;
		out_give_up_confused(s, "The server's answer is no SMTP");
		used = len;
		break;
	}
	settle(s);
	return used;
}

/* ---- the rest of its life ---- */

static void
out_start(struct session *session)
{
	struct smtp_out *s = out_of(session);

	s->phase = OUT_GREETING;
	out_wait(s, OUT_GREETING_MS);
	settle(s);
}

static void
out_done(struct session *session, struct op *op)
{
	struct smtp_out *s = out_of(session);

	s->is_waiting = false;
	if (op->tag == OUT_TAG_BODY)
		out_body_read(s, op);
	else
		out_convert_done(s, op);
	settle(s);
}

static void
out_drained(struct session *session)
{
	struct smtp_out *s = out_of(session);

	if (s->phase == OUT_BODY)
		out_body_more(s);
	settle(s);
}

/* RFC 3207 section 4.2: what was said in plain text is forgotten. */
static void
out_secured(struct session *session)
{
	struct smtp_out *s = out_of(session);

	s->offer = (struct out_offer){ 0 };
	s->reply = (struct server_reply){ 0 };
	s->reply_end_ms = 0;
	out_say_ehlo(s);
	settle(s);
}

/* Whether enough of a message has left since the last look. */
static bool
is_flowing(struct smtp_out *s)
{
	uint64_t left = s->put_bytes - MIN(s->put_bytes, s->s.out->len);
	bool is_enough = s->s.out->len == 0 ||
	    left - MIN(left, s->window_bytes) >= OUT_RATE_BYTES;

	s->window_bytes = left;
	return is_enough;
}

static void
out_timeout(struct session *session)
{
	struct smtp_out *s = out_of(session);
	struct out_result r;

	if (s->phase == OUT_BODY && !s->reply_end_ms && is_flowing(s)) {
		out_wait(s, OUT_RATE_MS);
	} else if (s->phase == OUT_IDLE) {
		out_say_quit(s);
	} else if (s->phase == OUT_QUIT) {
		s->phase = OUT_OVER;
	} else {
		out_result_own(s, &r, OUT_TEMPORARY, OUT_SCOPE_HOST, "4.4.2",
		    s->phase == OUT_BODY ?
		    "The server takes the message too slowly" :
		    "The server did not answer in time");
		r.tls_fault = s->phase == OUT_HANDSHAKE ? OUT_TLS_BROKEN :
		    OUT_TLS_FINE;
		out_give_up(s, &r);
	}
	settle(s);
}

/*
 * What has been said to its end may be answered still; whatever else would
 * only be done twice.
 */
static void
out_stop(struct session *session, enum stop_reason reason)
{
	struct smtp_out *s = out_of(session);
	struct out_result r;

	(void)reason;
	s->is_quitting = true;
	if (s->phase == OUT_END || s->phase == OUT_QUIT ||
	    s->phase == OUT_OVER)
		return;
	if (s->phase == OUT_IDLE) {
		out_say_quit(s);
	} else {
		out_result_own(s, &r, OUT_TEMPORARY, OUT_SCOPE_MESSAGE,
		    "4.3.2", "This server is being stopped");
		out_give_up(s, &r);
	}
	settle(s);
}

/* The connection is gone without our wish. */
static void
note_lost(struct smtp_out *s)
{
	const struct peer *p = &s->s.peer;
	struct out_result r;

	out_result_own(s, &r, OUT_TEMPORARY, OUT_SCOPE_HOST,
	    s->phase == OUT_NEW ? "4.4.1" : "4.4.2",
	    p->failure_text[0] ? p->failure_text :
	    s->phase == OUT_NEW ? "The connection could not be made" :
	    "The server closed the connection");
	if (p->failure == ERR_TLS || s->phase == OUT_HANDSHAKE) {
		r.tls_fault = OUT_TLS_BROKEN;
		snprintf(r.enhanced, sizeof r.enhanced, "4.7.5");
	}
	keep_why(s, &r);
}

static void
out_end(struct session *session)
{
	struct smtp_out *s = out_of(session);

	if (s->phase != OUT_OVER && s->phase != OUT_QUIT) {
		note_lost(s);
		out_report_rest(s, &s->why);
	}
	s->phase = OUT_OVER;
	forget_message(s);
	s->owner->ops->ended(s->owner, &s->why);
	if (s->password)
		explicit_bzero(s->password, strlen(s->password));
	free(s->password);
	free(s->user);
	free(s->host);
	free(s);
}

static const struct session_ops out_ops = {
	.name = "smtp-out",
	.start = out_start,
	.input = out_input,
	.done = out_done,
	.turn = out_drained,
	.drained = out_drained,
	.secured = out_secured,
	.timeout = out_timeout,
	.stop = out_stop,
	.end = out_end,
};

/* ---- for the owner ---- */

struct session *
smtp_out_new(struct env *env, const struct smtp_out_params *params,
    struct out_owner *owner)
{
	struct smtp_out *s = xcalloc(1, sizeof *s);

	session_init(&s->s, &out_ops, env);
	s->s.tls_want = params->tls_want;
	s->owner = owner;
	s->host = xstrdup(params->host);
	s->user = params->user ? xstrdup(params->user) : NULL;
	s->password = params->password ? xstrdup(params->password) : NULL;
	s->tls = params->tls;
	out_result_own(s, &s->why, OUT_DELIVERED, OUT_SCOPE_HOST, "2.0.0",
	    "Done");
	return &s->s;
}

/* The owner acts while nothing of ours runs. */
static void
wake(struct smtp_out *s)
{
	if (s->phase != OUT_IDLE || s->in_idle)
		return;
	s->phase = OUT_READY;
	settle(s);
	s->s.driver->ready(&s->s);
}

void
smtp_out_send(struct session *session, const struct queue_mail *m)
{
	struct smtp_out *s = out_of(session);

	assert(!s->mail && m->rcpt_count > 0);
	s->mail = m;
	s->rcpts = xcalloc(m->rcpt_count, sizeof *s->rcpts);
	wake(s);
}

void
smtp_out_quit(struct session *session)
{
	struct smtp_out *s = out_of(session);

	s->is_quitting = true;
	wake(s);
}

size_t
smtp_out_rcpts_max(const struct session *session)
{
	const struct smtp_out *s = CONTAINER_OF(session, struct smtp_out, s);
	size_t max = s->offer.rcpts_max;

	return max && max < OUT_RCPTS_MAX ? max : OUT_RCPTS_MAX;
}

size_t
smtp_out_messages_left(const struct session *session)
{
	const struct smtp_out *s = CONTAINER_OF(session, struct smtp_out, s);
	size_t max = s->offer.mails_max;

	if (max == 0)
		return SIZE_MAX;
	return max > s->mails ? max - s->mails : 0;
}
