/*
 * The POP3 session: life, modes, dispatch, deadlines.
 *
 * Every call of the driver's ends in settle(), which turns what a step has
 * said into want and deadline.
 */
#include "pop3/pop3.h"

#include <stdlib.h>

#include "pop3/pop3_priv.h"
#include "server/base/err.h"
#include "server/base/lines.h"
#include "server/base/xalloc.h"

/* An AUTH command: its keyword, mechanism and the longest response. */
#define AUTH_LINE_MAX (LOGIN_LINE_MAX + 64)

static const char timed_out[] = "Timed out; goodbye";
static const char many_errors[] = "Too many errors; goodbye";
static const char endless_line[] = "That line does not end; goodbye";
static const char shutting_down[] = "The server is shutting down; try again "
    "soon";
static const char overloaded[] = "The server is too busy; try again soon";
static const char account_ended[] = "The account has been changed; log in "
    "again";

static struct pop3 *
pop3_of(struct session *s)
{
	return CONTAINER_OF(s, struct pop3, s);
}

void
pop3_settings_init(struct pop3_settings *settings)
{
	*settings = (struct pop3_settings){
		.has_stls = true,
		.login = { PLAINTEXT_NEVER, PASSWD_PARAMS_DEFAULT },
	};
}

/* ---- replies ---- */

void
pop3_ok(struct pop3 *s, const char *text)
{
	buf_printf(s->s.out, "+OK %s\r\n", text);
}

void
pop3_err(struct pop3 *s, const char *code, const char *text)
{
	struct span who = s->login.name[0] ? span_of(s->login.name) :
	    span_of(s->s.peer.addr);

	if (code)
		buf_printf(s->s.out, "-ERR [%s] %s\r\n", code, text);
	else
		buf_printf(s->s.out, "-ERR %s\r\n", text);
	s->refusals += s->state == ST_AUTH;
	log_refusal(s->s.env->log, "pop3", text, who,
	    span_of(s->verb ? s->verb->name : ""));
}

void
pop3_trouble(struct pop3 *s, int err)
{
	/* Whatever is wrong with us may be right later (LIMITS: promises). */
	if (err == ERR_BUDGET || err == ERR_BUSY)
		pop3_err(s, "SYS/TEMP", "Short of memory; try again later");
	else
		pop3_err(s, "SYS/TEMP",
		    "Trouble on our side; try again later");
}

bool
pop3_is_deleted(const struct pop3 *s, uint32_t msg)
{
	return s->deleted[(msg - 1) / 8] & 1u << (msg - 1) % 8;
}

/* ---- want and deadline ---- */

static void
set_deadline(struct pop3 *s)
{
	int64_t due = s->idle_end_ms;

	if (s->seen.n)
		due = MIN(due, s->seen_due_ms);
	s->s.deadline_ms = due;
}

/* A whole command has its time, however its bytes trickle in. */
static void
begin_idle(struct pop3 *s)
{
	s->idle_end_ms = env_now_ms(s->s.env) + POP3_IDLE_MS;
	if (s->state == ST_AUTH)
		s->idle_end_ms = MIN(s->idle_end_ms, s->login_end_ms);
	set_deadline(s);
}

/*
 * \Seen of what was read: written when the input has run dry, but not for
 * each message of a client that asks for them one by one.
 */
static void
plan_seen(struct pop3 *s)
{
	int64_t now = env_now_ms(s->s.env);

	if (!s->seen.n)
		return;
	if (!s->has_rest && now >= s->seen_last_ms + POP3_SEEN_MS) {
		pop3_flush_seen(s);
		return;
	}
	s->seen_due_ms = MAX(s->seen_last_ms, s->has_rest ? now : 0) +
	    POP3_SEEN_MS;
}

static void
close_with(struct pop3 *s, const char *text)
{
	pop3_err(s, "SYS/TEMP", text);
	s->s.want = WANT_CLOSE;
}

static void
settle_done(struct pop3 *s)
{
	unsigned max = s->state == ST_AUTH ? POP3_ERRORS_LOGIN_MAX :
	    POP3_ERRORS_MAX;

	if (s->stop)
		close_with(s, s->stop);
	else if (s->errors >= max || (s->state == ST_AUTH &&
	    s->refusals >= POP3_REFUSALS_LOGIN_MAX))
		close_with(s, many_errors);
	else
		s->s.want = s->s.out->len > SESSION_OUT_HIGH ? WANT_DRAIN :
		    WANT_INPUT;
	plan_seen(s);
	if (s->mode != MODE_SKIP)
		begin_idle(s);
}

static void
settle(struct pop3 *s, enum pop3_step step)
{
	s->is_busy = step == STEP_WAIT;
	switch (step) {
	case STEP_WAIT:
		s->s.want = WANT_PAUSE;
		s->s.deadline_ms = 0;
		return;
	case STEP_DELAY:
		s->s.want = WANT_PAUSE;
		s->s.deadline_ms = s->login.delay_until_ms;
		return;
	case STEP_DRAIN:
		s->s.want = WANT_DRAIN;
		begin_idle(s);
		return;
	case STEP_TLS:
		s->s.want = WANT_TLS;
		break;
	case STEP_CLOSE:
		s->s.want = WANT_CLOSE;
		break;
	case STEP_DONE:
		settle_done(s);
		break;
	}
	if (s->mode != MODE_SASL)
		s->verb = NULL;
}

/* ---- commands ---- */

static enum pop3_step
refuse(struct pop3 *s, const char *text)
{
	s->errors++;
	pop3_err(s, NULL, text);
	return STEP_DONE;
}

static enum pop3_step
run_line(struct pop3 *s, struct span line)
{
	struct cursor c = cursor_of_span(line);
	struct span name = cursor_until(&c, ' ');
	struct span rest;

	s->verb = pop3_verb_find(span_trim(name));
	if (!s->verb)
		return refuse(s, "There is no such command");
	if (!(s->verb->states & s->state))
		return refuse(s, s->state == ST_AUTH ? "Log in first" :
		    "You are logged in already");
	(void)cursor_skip(&c, ' ');
	rest = span_make(c.p, cursor_left(&c));
	if (!(s->verb->flags & V_RAW))
		rest = span_trim(rest);
	c = cursor_of_span(rest);
	s->args = (struct pop3_args){ 0 };
	if (s->verb->parse(&c, &s->args) == PARSE_BAD)
		return refuse(s, "Those arguments are not understood");
	return s->verb->run(s);
}

/* ---- input ---- */

/* Counts bytes of a line that is too long; false: far too long. */
static bool
count_skipped(struct pop3 *s, size_t n, bool is_over)
{
	s->skipped += n;
	if (s->skipped > POP3_LINE_DROP_MAX) {
		close_with(s, endless_line);
		return false;
	}
	if (is_over) {
		s->mode = s->skip_to;
		s->skipped = 0;
	}
	return true;
}

/* A line over max bytes: the reply is given, used bytes of it are here. */
static void
begin_skip(struct pop3 *s, const char *p, size_t used, size_t max)
{
	s->skip_to = s->mode;
	s->mode = MODE_SKIP;
	settle(s, STEP_DONE);
	if (s->s.want != WANT_CLOSE &&
	    count_skipped(s, used, used > max && p[used - 1] == '\n'))
		settle(s, STEP_DONE);
}

static size_t
input_skip(struct pop3 *s, const char *p, size_t len)
{
	int found;
	size_t used = lines_skip(p, len, &found);

	if (count_skipped(s, used, found))
		settle(s, STEP_DONE);
	return used;
}

static size_t
input_command(struct pop3 *s, const char *p, size_t len)
{
	size_t max = span_istarts(span_make(p, len), "AUTH ") ?
	    AUTH_LINE_MAX : POP3_LINE_MAX;
	enum pop3_step step;
	struct span line;
	size_t used;

	switch (lines_find(p, len, max, 0, &line, &used)) {
	case LINE_MORE:
		return 0;
	case LINE_OK:
		s->rest = span_make(p + used, len - used);
		s->taken = 0;
		step = run_line(s, line);
		s->has_rest = s->rest.len > s->taken;
		s->rest = SPAN("");
		settle(s, step);
		return used + s->taken;
	case LINE_LONG:
		(void)refuse(s, "That line is too long");
		begin_skip(s, p, used, max);
		return used;
	case LINE_BARE:
		settle(s, refuse(s, "A line ends with CR LF and holds neither "
		    "inside"));
		return used;
	}
	return 0;
}

static size_t
input_sasl(struct pop3 *s, const char *p, size_t len)
{
	/* One byte more than may be: login.c tells the client. */
	size_t max = LOGIN_LINE_MAX + 3;
	enum login_step step;
	struct span line;
	size_t used;

	switch (lines_find(p, len, max, 0, &line, &used)) {
	case LINE_MORE:
		return 0;
	case LINE_OK:
	case LINE_BARE:
		step = login_response(&s->login, line);
		settle(s, pop3_login_step(s, step));
		break;
	case LINE_LONG:
		step = login_response(&s->login, span_make(p, max));
		settle(s, pop3_login_step(s, step));
		if (s->s.want != WANT_CLOSE)
			begin_skip(s, p, used, max);
		break;
	}
	return used;
}

static size_t
pop3_input(struct session *session, const char *p, size_t len)
{
	struct pop3 *s = pop3_of(session);

	switch (s->mode) {
	case MODE_COMMAND:
		return input_command(s, p, len);
	case MODE_SASL:
		return input_sasl(s, p, len);
	case MODE_SKIP:
		return input_skip(s, p, len);
	}
	return 0;
}

/* ---- the rest of its life ---- */

static void
pop3_start(struct session *session)
{
	struct pop3 *s = pop3_of(session);

	s->login_end_ms = env_now_ms(s->s.env) + POP3_LOGIN_MS;
	pop3_ok(s, "Kingpost is ready");
	settle(s, STEP_DONE);
}

static void
pop3_done(struct session *session, struct op *op)
{
	struct pop3 *s = pop3_of(session);
	enum pop3_step step;

	if (login_owns(&s->login, op))
		step = pop3_login_step(s, login_done(&s->login, op));
	else
		step = s->verb->done(s, op);
	settle(s, step);
}

static void
pop3_drained(struct session *session)
{
	struct pop3 *s = pop3_of(session);

	if (s->verb && s->verb->more) {
		settle(s, s->verb->more(s));
		return;
	}
	settle(s, STEP_DONE);
	if (s->s.want == WANT_DRAIN)	/* below the low mark: go on */
		s->s.want = WANT_INPUT;
}

/* Ends the session at once or, if it waits for a commit, with that. */
static void
stop_with(struct pop3 *s, const char *text)
{
	if (s->s.want == WANT_CLOSE)
		return;
	s->stop = text;
	if (s->is_busy)
		return;
	/* In TLS's handshake or amid a message there is no place for words. */
	if (s->s.want == WANT_TLS || s->batch)
		s->s.want = WANT_CLOSE;
	else
		close_with(s, text);
}

static void
pop3_changed(struct session *session, struct changeset *cs)
{
	struct pop3 *s = pop3_of(session);

	if (s->s.account && changeset_ends_account(cs, s->s.account))
		stop_with(s, account_ended);
}

static void
pop3_stop(struct session *session, enum stop_reason reason)
{
	stop_with(pop3_of(session), reason == STOP_SHUTDOWN ? shutting_down :
	    overloaded);
}

static void
init_login(struct pop3 *s)
{
	unsigned failures = s->login.failures;

	login_init(&s->login, &s->s, &s->settings->login, SCOPE_POP3);
	s->login.failures = failures;
}

/* RFC 2595 section 4: what was said before TLS is forgotten. */
static void
pop3_secured(struct session *session)
{
	struct pop3 *s = pop3_of(session);

	buf_clear(&s->user);
	s->mode = MODE_COMMAND;
	login_release(&s->login);
	init_login(s);
	settle(s, STEP_DONE);
}

static void
pop3_timeout(struct session *session)
{
	struct pop3 *s = pop3_of(session);
	int64_t now = env_now_ms(s->s.env);

	if (s->s.want == WANT_TLS || s->batch) {
		s->s.want = WANT_CLOSE;
	} else if (login_is_delayed(&s->login)) {
		settle(s, pop3_login_step(s, login_timeout(&s->login)));
	} else if (s->seen.n && now < s->idle_end_ms) {
		pop3_flush_seen(s);
		set_deadline(s);
	} else {
		/* RFC 1939 section 3: no UPDATE, nothing is deleted. */
		close_with(s, timed_out);
	}
}

static void
pop3_end(struct session *session)
{
	struct pop3 *s = pop3_of(session);

	pop3_drop_batch(s);
	pop3_flush_seen(s);
	uidset_release(&s->seen);
	view_close(&s->view);
	hub_unwatch(&s->watch);
	login_release(&s->login);
	buf_release(&s->user);
	free(s->deleted);
	free(s);
}

static const struct session_ops pop3_ops = {
	.name = "pop3",
	.start = pop3_start,
	.input = pop3_input,
	.done = pop3_done,
	.changed = pop3_changed,
	.turn = pop3_drained,
	.drained = pop3_drained,
	.secured = pop3_secured,
	.timeout = pop3_timeout,
	.stop = pop3_stop,
	.end = pop3_end,
};

struct session *
pop3_make(struct env *env, const void *settings)
{
	struct pop3 *s = xcalloc(1, sizeof *s);

	session_init(&s->s, &pop3_ops, env);
	s->settings = settings;
	s->state = ST_AUTH;
	s->seen_last_ms = -POP3_SEEN_MS;
	buf_init(&s->user);
	buf_init(&s->head);
	init_login(s);
	return &s->s;
}
