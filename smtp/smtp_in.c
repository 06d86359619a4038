/*
 * The receiving session: life, modes, dispatch, deadlines.
 *
 * Every call of the driver's ends in settle(), which turns what a step has
 * said into want and deadline. A command is one line; it is found, judged by
 * its row of the table, parsed and run, in that order, here and nowhere else.
 */
#include "smtp/smtp_in.h"

#include <stdlib.h>

#include "server/base/lines.h"
#include "server/base/xalloc.h"
#include "smtp/smtp_priv.h"

#define LOG_LINE_MAX 200	/* bytes of a command that a log line shows */
/* An AUTH command: its verb, mechanism and the longest initial response. */
#define AUTH_LINE_MAX (LOGIN_LINE_MAX + 64)

static struct smtp_in *
smtp_of(struct session *s)
{
	return CONTAINER_OF(s, struct smtp_in, s);
}

void
smtp_settings_init(struct smtp_settings *settings, enum smtp_service service)
{
	bool is_mx = service == SMTP_MX;

	*settings = (struct smtp_settings){
		.service = service,
		.size_limit = SMTP_SIZE_DEFAULT,
		.has_starttls = true,
		.is_lenient = !is_mx,
		.rcpts_max = is_mx ? SMTP_RCPTS_MX : SMTP_RCPTS_SUBMISSION,
		.login = { PLAINTEXT_NEVER, PASSWD_PARAMS_DEFAULT },
	};
}

/* ---- replies ---- */

const char *
smtp_area(const struct smtp_in *s)
{
	return smtp_is_submission(s) ? "submission" : "smtp";
}

/* Counts a reply, and logs it if it refuses something. */
static void
note_reply(struct smtp_in *s, const struct smtp_reply *r, struct span text)
{
	char reason[POLICY_TEXT_MAX];
	struct span who = s->login.name[0] ? span_of(s->login.name) :
	    span_of(s->s.peer.addr);

	s->errors += (r->flags & RF_ERROR) != 0;
	/* Who has logged in mistypes; others may be guessing. */
	s->unknown += (r->flags & RF_UNKNOWN) && !s->s.account;
	if (r->code < 400)
		return;
	s->refusals++;
	if (s->verb && (s->verb->flags & V_MESSAGE))
		STAT_ADD(s->s.env->stats, messages_refused, 1);
	text = span_head(text, sizeof reason - 1);
	memcpy(reason, text.p, text.len);
	reason[text.len] = '\0';
	log_refusal(s->s.env->log, smtp_area(s), reason, who, s->args.text);
}

static void
reply_text(struct smtp_in *s, enum smtp_reply_id id, struct span text)
{
	const struct smtp_reply *r = smtp_reply_get(id);

	if (text.len == 0)
		text = span_of(r->text);
	smtp_reply_put(s->s.out, id, text, s->txn.is_utf8);
	note_reply(s, r, text);
}

void
smtp_reply(struct smtp_in *s, enum smtp_reply_id id)
{
	reply_text(s, id, SPAN(""));
}

void
smtp_reply_with(struct smtp_in *s, enum smtp_reply_id id, const char *fmt, ...)
{
	struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	reply_text(s, id, buf_span(&text));
	buf_release(&text);
}

void
smtp_reply_verdict(struct smtp_in *s, const struct verdict *v)
{
	reply_text(s, v->reply, span_of(v->text));
}

/* ---- want and deadline ---- */

static bool
is_data_mode(const struct smtp_in *s)
{
	return s->mode == MODE_DATA || s->mode == MODE_BDAT;
}

static int64_t
idle_ms(const struct smtp_in *s)
{
	unsigned busy = s->settings->busy_connections;

	return busy && STAT_GET(s->s.env->stats, connections_open) > busy ?
	    SMTP_IDLE_BUSY_MS : SMTP_IDLE_MS;
}

/*
 * A command has idle_ms to come as a whole, however its bytes trickle in.
 * Message data is looked at every SMTP_RATE_MS.
 */
static void
set_deadline(struct smtp_in *s)
{
	int64_t now = env_now_ms(s->s.env);

	if (is_data_mode(s)) {
		if (s->s.deadline_ms)
			return;
		s->window_bytes = 0;
		s->s.deadline_ms = now + SMTP_RATE_MS;
	} else if (s->mode != MODE_SKIP || !s->s.deadline_ms) {
		s->s.deadline_ms = MIN(now + idle_ms(s), s->end_ms);
	}
}

void
smtp_begin_data(struct smtp_in *s)
{
	s->data_since_ms = env_now_ms(s->s.env);
	s->s.deadline_ms = 0;
}

void
smtp_end_data(struct smtp_in *s)
{
	s->end_ms += env_now_ms(s->s.env) - s->data_since_ms;
	s->s.deadline_ms = 0;
}

static void
close_with(struct smtp_in *s, enum smtp_reply_id id)
{
	smtp_reply(s, id);
	s->s.want = WANT_CLOSE;
}

/* A command, or the part of it that could be done, is over. */
static void
settle_done(struct smtp_in *s)
{
	s->is_busy = false;
	if (s->stop != R_NONE)
		close_with(s, s->stop);
	else if (s->errors >= SMTP_ERRORS_MAX ||
	    s->refusals >= SMTP_REFUSALS_MAX)
		close_with(s, R_MANY_ERRORS);
	else if (s->unknown >= SMTP_UNKNOWN_MAX)
		close_with(s, R_MANY_UNKNOWN);
	else
		s->s.want = s->s.out->len > SESSION_OUT_HIGH ? WANT_DRAIN :
		    WANT_INPUT;
	set_deadline(s);
}

static void
settle(struct smtp_in *s, enum smtp_step step)
{
	switch (step) {
	case STEP_WAIT:
		s->is_busy = true;
		s->s.want = WANT_PAUSE;
		s->s.deadline_ms = 0;
		return;
	case STEP_DELAY:
		s->is_busy = false;
		s->s.want = WANT_PAUSE;
		s->s.deadline_ms = s->login.delay_until_ms;
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
	if (!is_data_mode(s)) {
		s->verb = NULL;
		s->args = (struct smtp_args){ 0 };
		arena_clear(&s->arena);
	}
}

/* ---- commands ---- */

void
smtp_reset(struct smtp_in *s)
{
	struct smtp_txn *t = &s->txn;

	message_release(&t->message);
	free(t->rcpts);
	arena_release(&t->arena);
	*t = (struct smtp_txn){ .rcpt_count = 0 };
	if (s->state != ST_NEW)
		s->state = ST_READY;
}

enum smtp_reply_id
smtp_wrong_state(const struct smtp_in *s)
{
	bool is_data = s->verb->run == smtp_run_data ||
	    s->verb->run == smtp_run_bdat;

	switch (s->state) {
	case ST_NEW:
		return R_HELLO_FIRST;
	case ST_READY:
		return R_MAIL_FIRST;
	case ST_MAIL:
		if (!is_data)
			return R_MAIL_OPEN;
		return s->txn.no_rcpts == R_NONE ? R_RCPT_FIRST :
		    s->txn.no_rcpts;
	case ST_CHUNKS:
		return s->txn.has_failed ? R_CHUNKS_FAILED : R_CHUNKS_OPEN;
	default:
		return R_MAIL_OPEN;
	}
}

bool
smtp_is_relay(const struct smtp_in *s)
{
	struct addr a;

	if (!smtp_is_submission(s) || s->s.account ||
	    s->settings->relay_from_count == 0 ||
	    addr_parse(&a, span_of(s->s.peer.addr)) < 0)
		return false;
	for (size_t i = 0; i < s->settings->relay_from_count; i++)
		if (addr_in_net(&a, &s->settings->relay_from[i]))
			return true;
	return false;
}

/*
 * Who has logged in is told what became of his mail. Others only say who they
 * are, and are promised nothing.
 */
unsigned
smtp_params(const struct smtp_in *s)
{
	if (!smtp_is_submission(s) || !s->settings->queue)
		return 0;
	/* RFC 8689 section 2: only where TLS is on. */
	return PARAMS_DSN | PARAMS_PRIORITY |
	    (s->s.peer.has_tls ? PARAMS_REQUIRETLS : 0u);
}

/* What the table says against running the verb now; R_NONE: nothing. */
static enum smtp_reply_id
judge(const struct smtp_in *s)
{
	const struct smtp_verb *v = s->verb;

	if ((v->flags & V_SUBMISSION) && !smtp_is_submission(s))
		return R_NO_LOGIN;
	if (!(v->states & s->state))
		return smtp_wrong_state(s);
	if ((v->flags & V_LOGIN) && smtp_is_submission(s) &&
	    !s->s.account && !smtp_is_relay(s))
		return login_mechanisms(&s->login) ? R_LOGIN_FIRST :
		    R_TLS_FIRST;
	return R_NONE;
}

/*
 * What the log may show of a line. Some clients send name and password behind
 * AUTH LOGIN without waiting; when it is refused they look like commands.
 */
static void
note_line(struct smtp_in *s, struct span line, struct span name)
{
	bool is_secret = s->verb && (s->verb->flags & V_SECRET);

	s->has_tried_auth = s->has_tried_auth || is_secret;
	if (is_secret)
		line = name;
	else if (!s->verb && s->has_tried_auth)
		line = SPAN("");
	s->args.text = arena_span(&s->arena, span_head(line, LOG_LINE_MAX));
}

static enum smtp_step
run_line(struct smtp_in *s, struct span line)
{
	struct smtp_grammar g = {
		.arena = &s->arena, .is_lenient = s->settings->is_lenient,
		.params = smtp_params(s),
	};
	struct cursor c = cursor_of_span(line);
	struct span name = cursor_until(&c, ' ');
	enum smtp_reply_id bad;

	s->verb = smtp_verb_find(name);
	note_line(s, line, name);
	if (!s->verb) {
		smtp_reply(s, R_UNKNOWN_COMMAND);
		return STEP_DONE;
	}
	c = cursor_of_span(span_trim(span_make(c.p, cursor_left(&c))));
	if ((bad = judge(s)) == R_NONE)
		bad = s->verb->parse(&c, &g, &s->args);
	if (bad == R_NONE)
		return s->verb->run(s);
	smtp_reply(s, bad);
	/* Who knows how much follows? What others wrote must not be run. */
	return s->verb->flags & V_PAYLOAD ? STEP_CLOSE : STEP_DONE;
}

/* ---- input ---- */

/* Counts bytes of a line that is too long; false: far too long. */
static bool
count_skipped(struct smtp_in *s, size_t n, bool is_over)
{
	s->skipped += n;
	if (s->skipped > SMTP_LINE_DROP_MAX) {
		close_with(s, R_LINE_ENDLESS);
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
begin_skip(struct smtp_in *s, const char *p, size_t used, size_t max)
{
	s->skip_to = s->mode;
	s->mode = MODE_SKIP;
	s->s.deadline_ms = 0;
	settle(s, STEP_DONE);
	if (s->s.want != WANT_CLOSE &&
	    count_skipped(s, used, used > max && p[used - 1] == '\n'))
		settle(s, STEP_DONE);
}

static size_t
input_skip(struct smtp_in *s, const char *p, size_t len)
{
	int found;
	size_t used = lines_skip(p, len, &found);

	if (count_skipped(s, used, found))
		settle(s, STEP_DONE);
	return used;
}

static size_t
input_command(struct smtp_in *s, const char *p, size_t len)
{
	size_t max = smtp_is_submission(s) && span_istarts(span_make(p, len),
	    "AUTH ") ? AUTH_LINE_MAX : SMTP_LINE_MAX;
	struct span line;
	size_t used;

	switch (lines_find(p, len, max, 0, &line, &used)) {
	case LINE_MORE:
		break;
	case LINE_OK:
		settle(s, run_line(s, line));
		break;
	case LINE_LONG:
		smtp_reply(s, R_LINE_LONG);
		begin_skip(s, p, used, max);
		break;
	case LINE_BARE:
		smtp_reply(s, R_LINE_BARE);
		settle(s, STEP_DONE);
		break;
	}
	return used;
}

static size_t
input_sasl(struct smtp_in *s, const char *p, size_t len)
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
		settle(s, smtp_login_step(s, step));
		break;
	case LINE_LONG:
		step = login_response(&s->login, span_make(p, max));
		settle(s, smtp_login_step(s, step));
		if (s->s.want != WANT_CLOSE)
			begin_skip(s, p, used, max);
		break;
	}
	return used;
}

static size_t
smtp_input(struct session *session, const char *p, size_t len)
{
	struct smtp_in *s = smtp_of(session);
	enum smtp_step step;
	size_t used;

	switch (s->mode) {
	case MODE_COMMAND:
		return input_command(s, p, len);
	case MODE_SASL:
		return input_sasl(s, p, len);
	case MODE_SKIP:
		return input_skip(s, p, len);
	case MODE_DATA:
		used = smtp_data_input(s, p, len, &step);
		break;
	case MODE_BDAT:
		used = smtp_bdat_input(s, p, len, &step);
		break;
	default:
		return 0;
	}
	settle(s, step);
	return used;
}

/* ---- the rest of its life ---- */

static void
smtp_start(struct session *session)
{
	struct smtp_in *s = smtp_of(session);

	s->end_ms = env_now_ms(s->s.env) + SMTP_SESSION_MS;
	smtp_reply_with(s, R_GREETING, "%s ESMTP Kingpost",
	    s->s.env->hostname);
	settle(s, STEP_DONE);
}

static void
smtp_done(struct session *session, struct op *op)
{
	struct smtp_in *s = smtp_of(session);
	enum smtp_step step;

	if (login_owns(&s->login, op)) {
		step = smtp_login_step(s, login_done(&s->login, op));
	} else if (op->tag == SPOOL_OP_TAG) {
		message_staged(&s->txn.message, op);
		/* Chunks are written while others come: nobody waits. */
		if (!s->is_busy)
			return;
		step = smtp_done_data(s, NULL);
	} else {
		step = s->verb->done(s, op);
	}
	settle(s, step);
}

/* Ends the session at once or, if it waits for a commit, with that. */
static void
stop_with(struct smtp_in *s, enum smtp_reply_id id)
{
	if (s->s.want == WANT_CLOSE)
		return;
	s->stop = id;
	if (s->is_busy)
		return;
	if (s->s.want == WANT_TLS)
		s->s.want = WANT_CLOSE;
	else
		close_with(s, id);
}

static void
smtp_changed(struct session *session, struct changeset *cs)
{
	struct smtp_in *s = smtp_of(session);

	if (s->s.account && changeset_ends_account(cs, s->s.account))
		stop_with(s, R_ACCOUNT_ENDED);
}

static void
smtp_stop(struct session *session, enum stop_reason reason)
{
	stop_with(smtp_of(session), reason == STOP_SHUTDOWN ? R_SHUTDOWN :
	    R_OVERLOAD);
}

static void
smtp_drained(struct session *session)
{
	struct smtp_in *s = smtp_of(session);

	settle(s, STEP_DONE);
	if (s->s.want == WANT_DRAIN)	/* below the low mark: go on */
		s->s.want = WANT_INPUT;
}

static void
init_login(struct smtp_in *s)
{
	unsigned failures = s->login.failures;

	hub_unwatch(&s->watch);
	login_init(&s->login, &s->s, &s->settings->login, SCOPE_SMTP);
	s->login.failures = failures;
	s->s.account = 0;
}

/* RFC 3207 section 4.2: nothing from before TLS is known any more. */
static void
smtp_secured(struct session *session)
{
	struct smtp_in *s = smtp_of(session);

	smtp_reset(s);
	s->state = ST_NEW;
	s->mode = MODE_COMMAND;
	s->hello[0] = '\0';
	s->is_esmtp = false;
	login_release(&s->login);
	init_login(s);
	settle(s, STEP_DONE);
}

static void
smtp_timeout(struct session *session)
{
	struct smtp_in *s = smtp_of(session);

	if (s->s.want == WANT_TLS) {
		s->s.want = WANT_CLOSE;
	} else if (login_is_delayed(&s->login)) {
		settle(s, smtp_login_step(s, login_timeout(&s->login)));
	} else if (is_data_mode(s)) {
		if (s->window_bytes >= SMTP_RATE_BYTES)
			settle(s, STEP_DONE);
		else
			close_with(s, R_TOO_SLOW);
	} else if (env_now_ms(s->s.env) >= s->end_ms) {
		close_with(s, R_TOO_LONG_HERE);
	} else {
		close_with(s, R_TIMEOUT);
	}
}

static void
smtp_end(struct session *session)
{
	struct smtp_in *s = smtp_of(session);

	hub_unwatch(&s->watch);
	login_release(&s->login);
	smtp_reset(s);
	arena_release(&s->arena);
	free(s);
}

static const struct session_ops smtp_ops = {
	.name = "smtp",
	.start = smtp_start,
	.input = smtp_input,
	.done = smtp_done,
	.changed = smtp_changed,
	.turn = smtp_drained,
	.drained = smtp_drained,
	.secured = smtp_secured,
	.timeout = smtp_timeout,
	.stop = smtp_stop,
	.end = smtp_end,
};

struct session *
smtp_in_make(struct env *env, const void *settings)
{
	struct smtp_in *s = xcalloc(1, sizeof *s);

	session_init(&s->s, &smtp_ops, env);
	s->settings = settings;
	s->state = ST_NEW;
	init_login(s);
	return &s->s;
}
