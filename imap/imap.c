/*
 * The session: life, modes, dispatch, deadlines.
 *
 * Every call of the driver's ends in settle(), which turns what a step has
 * said into want and deadline. A command is framed, looked up, judged by its
 * row of the table, parsed and run, in that order, here and nowhere else; its
 * tagged line is put here too, after the news of its mailbox.
 *
 * An APPEND begins when its message is announced, while the rest of it is
 * still to come: then the running command and the framer go on side by side,
 * and the state of the framer tells what a step of the command means.
 */
#include "imap/imap.h"

#include <stdlib.h>
#include <string.h>

#include "imap/context.h"
#include "imap/imap_priv.h"
#include "imap/metadata.h"
#include "imap/notify.h"
#include "imap/sync.h"
#include "server/base/xalloc.h"

static void feed(struct imap *im, const char *p, size_t len);
static void settle_wait(struct imap *im);
static void settle(struct imap *im, enum imap_step step);

static struct imap *
imap_of(struct session *s)
{
	return CONTAINER_OF(s, struct imap, s);
}

/* ---- the answer ---- */

static enum imap_step
answer(struct imap *im, enum imap_status status, const char *code,
    const char *text)
{
	im->cmd.status = status;
	im->cmd.code = code;
	im->cmd.text = text;
	return STEP_DONE;
}

enum imap_step
imap_ok(struct imap *im, const char *code, const char *text)
{
	return answer(im, STATUS_OK, code, text);
}

enum imap_step
imap_no(struct imap *im, const char *code, const char *text)
{
	return answer(im, STATUS_NO, code, text);
}

enum imap_step
imap_bad(struct imap *im, const char *text)
{
	return answer(im, STATUS_BAD, NULL, text);
}

/* RFC 5530 section 3, RFC 3501 section 7.1, RFC 9051 section 7.1. */
static const struct {
	int err;
	const char *code;
	const char *text;
} err_answers[] = {
	{ ERR_NOMBOX, "NONEXISTENT", "There is no such mailbox" },
	{ ERR_NOTFOUND, "NONEXISTENT", "There is no such thing" },
	{ ERR_EXISTS, "ALREADYEXISTS", "This mailbox exists already" },
	{ ERR_INUSE, "INUSE", "The mailbox is in use" },
	{ ERR_BADNAME, "CANNOT", "A mailbox cannot have this name" },
	{ ERR_DENIED, "NOPERM", "Not permitted" },
	{ ERR_LIMIT, "LIMIT", "Over a limit of this server" },
	{ ERR_KEYWORDS, "LIMIT", "The mailbox has no room for new keywords" },
	{ ERR_NOMSG, "EXPUNGEISSUED", "A message has been expunged" },
	{ ERR_QUOTA, "OVERQUOTA", "Over the quota of this account" },
	{ ERR_FULL, "OVERQUOTA", "The server's disk is full" },
};

enum imap_step
imap_fail(struct imap *im, int err)
{
	for (size_t i = 0; i < COUNT(err_answers); i++)
		if (err_answers[i].err == err)
			return imap_no(im, err_answers[i].code,
			    err_answers[i].text);
	log_event(im->s.env->log, LOG_WARN, "imap", "command-trouble",
	    F_STR("user", im->name ? im->name : ""),
	    F_STR("command", im->cmd.verb ? im->cmd.verb->name : ""),
	    F_ERR(err));
	return imap_no(im, "UNAVAILABLE", "Trouble here, try again later");
}

enum imap_step
imap_fail_target(struct imap *im, int err)
{
	if (err == ERR_NOMBOX)
		return imap_no(im, "TRYCREATE", "There is no such mailbox");
	return imap_fail(im, err);
}

void
imap_continue(struct imap *im, const char *text)
{
	buf_adds(im->s.out, "+ ");
	buf_adds(im->s.out, text);
	buf_adds(im->s.out, "\r\n");
}

static void
log_answer(struct imap *im)
{
	const struct imap_cmd *c = &im->cmd;

	log_refusal(im->s.env->log, "imap", c->text,
	    span_of(im->name ? im->name : im->s.peer.addr),
	    span_of(c->verb ? c->verb->name : "-"));
}

static unsigned
bad_max(const struct imap *im)
{
	return im->state == ST_NOAUTH ? IMAP_BAD_MAX_NOAUTH : IMAP_BAD_MAX;
}

/* Counts bad commands: in a row, once somebody has logged in. */
static void
count_bad(struct imap *im)
{
	if (im->cmd.status == STATUS_BAD) {
		if (++im->bad_count >= bad_max(im) && !im->bye)
			im->bye = "Too many bad commands";
	} else if (im->cmd.status == STATUS_OK && im->state != ST_NOAUTH) {
		im->bad_count = 0;
	}
}

static void
put_answer(struct imap *im)
{
	static const char *const words[] = { " OK ", " NO ", " BAD " };
	const struct imap_cmd *c = &im->cmd;
	struct buf *out = im->s.out;

	buf_addspan(out, c->tag);
	buf_adds(out, words[c->status]);
	if (c->code) {
		buf_addc(out, '[');
		buf_adds(out, c->code);
		buf_adds(out, "] ");
	}
	buf_adds(out, c->text);
	buf_adds(out, "\r\n");
	count_bad(im);
	/* Of a log-in that failed auth/login.c knows more. */
	if (c->status != STATUS_OK && !(c->verb && (c->verb->flags &
	    V_SECRET)))
		log_answer(im);
}

static void
command_release(struct imap *im)
{
	struct imap_cmd *c = &im->cmd;

	if (c->release)
		c->release(im);
	arena_release(&c->arena);
	*c = (struct imap_cmd){ .verb = NULL };
}

/* ---- steps ---- */

static void
step_begin(struct imap *im)
{
	im->step_out = im->s.out->len;
	im->step_us = im->s.env->clock->mono_us(im->s.env->clock);
	im->step_looks = 0;
}

bool
imap_has_time(struct imap *im)
{
	struct clock *clock = im->s.env->clock;

	if (im->s.out->len - im->step_out >= IMAP_STEP_OUT)
		return false;
	if (++im->step_looks % 64)
		return true;
	return clock->mono_us(clock) - im->step_us < IMAP_STEP_US;
}

void
imap_unselect(struct imap *im)
{
	if (im->state != ST_SELECTED)
		return;
	view_close(&im->view);
	imap_notify_forget_selected(im);
	im->skipped_modseq = 0;
	contexts_release(im);
	imap_forget_found(im);
	im->state = ST_AUTH;
}

/* A mailbox that is gone ends the session, but for who deleted it. */
static void
look_for_mailbox(struct imap *im)
{
	if (im->state != ST_SELECTED || !view_is_gone(&im->view))
		return;
	if (im->cmd.verb && (im->cmd.verb->flags & V_DELETES))
		imap_unselect(im);
	else if (!im->bye)
		im->bye = "The selected mailbox has been deleted";
}

static void
say_bye(struct imap *im)
{
	buf_adds(im->s.out, "* BYE ");
	buf_adds(im->s.out, im->bye);
	buf_adds(im->s.out, "\r\n");
	im->s.want = WANT_CLOSE;
}

/*
 * The command has its answer. STEP_DONE: it is said, the command is over.
 * Else there is something to be done before.
 */
static enum imap_step
finish(struct imap *im)
{
	struct imap_cmd *c = &im->cmd;
	enum imap_step step;

	if (imap_notify_is_over(im))
		return STEP_DONE;	/* nobody waits for an answer */
	if (im->framer.state == FRAMER_ASKED && !framer_refuse(&im->framer)) {
		c->is_refused = true;
		feed(im, "", 0);
		return STEP_INPUT;
	}
	c->is_answered = true;
	/* Flags without the \Seen just told would take it back. */
	if (c->verb && c->status != STATUS_BAD && im->seen_out == 0) {
		step = imap_tell(im, c->holds_expunges ||
		    (c->verb->flags & V_NOEXPUNGE), NULL);
		if (step != STEP_DONE)
			return step;
		imap_tell_limit(im);
		imap_tell_highestmodseq(im);
	}
	put_answer(im);
	look_for_mailbox(im);
	im->mode = MODE_COMMAND;
	command_release(im);
	framer_done(&im->framer);
	framer_set_limits(&im->framer, im->state == ST_NOAUTH ?
	    &framer_limits_noauth : &framer_limits_loggedin);
	return STEP_DONE;
}

/*
 * LIMITS: log-in has a time of its own; later what counts is when the client
 * was heard last.
 */
static int64_t
next_deadline(const struct imap *im)
{
	int64_t end = im->heard_ms + IMAP_IDLE_TIMEOUT_MS;

	if (im->state == ST_NOAUTH)
		return im->noauth_end_ms;
	return im->mode == MODE_IDLE ? MIN(end, im->still_here_ms) : end;
}

/* Whether the session only waits for its client. */
static bool
is_waiting(const struct imap *im)
{
	return im->mode == MODE_IDLE || (im->mode == MODE_COMMAND &&
	    !im->cmd.verb && framer_is_idle(&im->framer));
}

static void
settle_input(struct imap *im)
{
	if (im->bye) {
		say_bye(im);
		return;
	}
	if (is_waiting(im) && im->s.out->len <= SESSION_OUT_HIGH &&
	    imap_notify_is_due(im)) {
		settle(im, imap_notify_pump(im));
		return;
	}
	im->s.want = WANT_INPUT;
	im->s.deadline_ms = next_deadline(im);
	/* The message just announced is taken. */
	if (im->framer.state == FRAMER_ASKED) {
		if (im->framer.sync)
			imap_continue(im, "Go on");
		framer_accept(&im->framer);
		feed(im, "", 0);
	}
}

static void
settle_done(struct imap *im)
{
	settle_input(im);
	if (im->s.want == WANT_INPUT && im->switch_to != WANT_INPUT) {
		im->s.want = im->switch_to;
		im->switch_to = WANT_INPUT;
	} else if (im->s.want == WANT_INPUT &&
	    im->s.out->len > SESSION_OUT_HIGH) {
		im->s.want = WANT_DRAIN;
		im->s.deadline_ms = 0;
	}
}

static void
settle(struct imap *im, enum imap_step step)
{
	if (im->s.want == WANT_CLOSE)
		return;
	if (step == STEP_DONE && (step = finish(im)) == STEP_INPUT)
		return;		/* feed() has settled it */
	im->s.deadline_ms = 0;
	switch (step) {
	case STEP_DONE:
		settle_done(im);
		break;
	case STEP_WAIT:
		settle_wait(im);
		break;
	case STEP_YIELD:
		/* In the middle of an answer there is no place for a BYE. */
		if (im->bye && !im->cmd.is_answered)
			im->s.want = WANT_CLOSE;
		else
			im->s.want = im->s.out->len > SESSION_OUT_HIGH ?
			    WANT_DRAIN : WANT_TURN;
		break;
	case STEP_INPUT:
		settle_input(im);
		break;
	case STEP_DELAY:
		im->s.want = WANT_PAUSE;
		im->s.deadline_ms = im->login->delay_until_ms;
		/* The time that we let it wait is not its own. */
		im->noauth_end_ms += im->login->delay_until_ms -
		    env_now_ms(im->s.env);
		break;
	case STEP_TLS:
		(void)finish(im);
		im->s.want = WANT_TLS;
		break;
	case STEP_CLOSE:
		(void)finish(im);
		im->s.want = WANT_CLOSE;
		break;
	}
}

/* ---- progress ---- */

void
imap_progress(struct imap *im, uint32_t done, uint32_t goal)
{
	im->cmd.done = done;
	im->cmd.goal = goal;
}

/* "* OK [INPROGRESS ("a1" 500 9000)] ..." (RFC 9585 section 5). */
static void
put_progress(struct imap *im)
{
	const struct imap_cmd *c = &im->cmd;
	struct buf *out = im->s.out;

	buf_adds(out, "* OK [INPROGRESS (");
	/* Section 4: a "]" would end the code. */
	if (span_chr(c->tag, ']'))
		buf_adds(out, "NIL");
	else
		imap_put_quoted(out, c->tag);
	if (c->done < c->goal) {
		buf_addc(out, ' ');
		buf_addu(out, c->done);
		buf_addc(out, ' ');
		buf_addu(out, c->goal);
	} else {
		buf_adds(out, " NIL NIL");
	}
	buf_adds(out, ")] Still at it\r\n");
}

/*
 * While a command waits for an op it is at the end of a line, but for FETCH,
 * which has more to say than that anyway.
 */
static void
settle_wait(struct imap *im)
{
	struct imap_cmd *c = &im->cmd;
	int64_t now = env_now_ms(im->s.env);

	im->s.want = WANT_PAUSE;
	if (im->state == ST_NOAUTH || c->tag.len == 0 ||
	    !c->verb || c->verb->run == imap_run_fetch)
		return;
	if (c->progress_ms && now >= c->progress_ms &&
	    im->s.out->len <= SESSION_OUT_HIGH)
		put_progress(im);
	if (!c->progress_ms || now >= c->progress_ms)
		c->progress_ms = now + IMAP_PROGRESS_MS;
	im->s.deadline_ms = c->progress_ms;
}

/* ---- commands ---- */

/* What the table says against the verb now; NULL: nothing. */
static const char *
judge(const struct imap *im, const struct imap_verb *v)
{
	if (!v)
		return "Unknown command";
	if (v->states & im->state)
		return NULL;
	if (im->state == ST_NOAUTH)
		return "Log in first";
	if (v->states == ST_NOAUTH)
		return "You are logged in already";
	return "Select a mailbox first";
}

/*
 * A FETCH tells of \Seen before the store has it, and the next one may do the
 * same: so messages read one by one do not wait for the disk each. Whatever
 * looks at flags does, or it would contradict what was told.
 */
static bool
must_wait(const struct imap *im)
{
	return im->seen_out > 0 && !(im->cmd.verb->run == imap_run_fetch &&
	    imap_fetch_is_blind(im));
}

static enum imap_step
run_or_hold(struct imap *im)
{
	im->cmd.is_held = must_wait(im);
	return im->cmd.is_held ? STEP_WAIT : im->cmd.verb->run(im);
}

/* Whether the selected mailbox is there, but not for this account any more. */
static bool
is_shut_out(const struct imap *im)
{
	return !(view_rights(&im->view) & RIGHT_READ);
}

/* Whether the command may go on; if not its answer is set. */
static bool
command_begin(struct imap *im, const struct imap_start *start)
{
	struct imap_cmd *c = &im->cmd;
	const char *bad;

	c->tag = arena_span(&c->arena, start->tag);
	c->uid = start->uid;
	c->verb = imap_verb_find(start->verb, start->uid);
	bad = judge(im, c->verb);
	if (bad)
		imap_bad(im, bad);
	else if ((c->verb->flags & V_NUMBERS) && im->is_uidonly)
		answer(im, STATUS_BAD, "UIDREQUIRED", "Use the UID form");
	else if (c->verb->states == ST_SELECTED && is_shut_out(im))
		imap_fail(im, ERR_NOMBOX);	/* and then BYE */
	else if ((c->verb->flags & V_WRITES) && !im->view.writable)
		imap_no(im, "READ-ONLY", "The mailbox is open read-only");
	else
		return true;
	return false;
}

static enum imap_step
command_without_start(struct imap *im, struct span tag, const char *why)
{
	struct arena *a = &im->cmd.arena;

	/* RFC 3501 7.1.3: without a tag it is nobody's. */
	im->cmd.tag = tag.len ? arena_span(a, tag) : SPAN("*");
	return imap_bad(im, why);
}

static enum imap_step
command_run(struct imap *im, struct span text, bool in_input)
{
	struct imap_cmd *c = &im->cmd;
	struct imap_parser p;
	struct imap_start start;
	enum imap_step step;

	if (in_input)
		text = arena_span(&c->arena, text);
	imap_parser_init(&p, text, &c->arena);
	p.utf8 = im->is_utf8;
	p.utf8_accept = im->is_utf8_accept;
	p.uid_only = im->is_uidonly;
	if (imap_parse_start(&p, &start) != PARSE_OK)
		return command_without_start(im, start.tag, p.why);
	/* An APPEND has begun when its message was announced. */
	if (!c->verb && !command_begin(im, &start))
		return STEP_DONE;
	if (c->verb->parse(&p, &c->args) != PARSE_OK)
		step = p.code ? imap_no(im, p.code, p.why) :
		    answer(im, STATUS_BAD, p.bad_code, p.why);
	else
		step = run_or_hold(im);
	if (c->verb->flags & V_SECRET)
		explicit_bzero((char *)(uintptr_t)text.p, text.len);
	return step;
}

/* The message of an APPEND is announced. */
static enum imap_step
command_announced(struct imap *im, const struct frame *f)
{
	struct imap_cmd *c = &im->cmd;
	struct imap_parser p;
	struct imap_start start;

	if (!c->verb) {
		imap_parser_init(&p, f->text, &c->arena);
		if (imap_parse_start(&p, &start) != PARSE_OK)
			return command_without_start(im, start.tag, p.why);
		if (!command_begin(im, &start))
			return STEP_DONE;
	}
	/* The grammar of the framer knows APPEND, and so does the table. */
	return c->verb->stream ? c->verb->stream->announced(im, f) :
	    imap_bad(im, "No message is wanted here");
}

static const char *
error_code(enum frame_error error)
{
	switch (error) {
	case FRAME_E_TOOBIG:
		return "TOOBIG";	/* RFC 7888 section 4 */
	case FRAME_E_BUDGET:
		return "UNAVAILABLE";
	default:
		return NULL;
	}
}

/* The framer has refused a command and read it off. */
static enum imap_step
command_refused(struct imap *im, const struct frame *f)
{
	struct imap_cmd *c = &im->cmd;

	if (c->is_refused)
		return STEP_DONE;	/* by us: the answer is set */
	if (c->verb)
		command_release(im);
	command_without_start(im, f->text, f->why);
	c->code = error_code(f->error);
	if (f->error == FRAME_E_BUDGET)
		c->status = STATUS_NO;
	return STEP_DONE;
}

/* ---- input ---- */

static enum imap_step
take_frame(struct imap *im, const struct frame *f)
{
	switch (f->kind) {
	case FRAME_MORE:
	case FRAME_LINE:
		return STEP_INPUT;
	case FRAME_COMMAND:
		return command_run(im, f->text, f->in_input);
	case FRAME_CONTINUE:
		imap_continue(im, "Go on");
		return STEP_INPUT;
	case FRAME_MESSAGE:
		return command_announced(im, f);
	case FRAME_BYTES:
		return im->cmd.verb->stream->bytes(im, f->text, f->left);
	case FRAME_ERROR:
		return command_refused(im, f);
	case FRAME_BYE:
		/* Why a message was refused the command knows. */
		im->bye = im->cmd.is_refused ? im->cmd.text : f->why;
		return STEP_INPUT;
	}
	return STEP_INPUT;
}

/* Gives bytes to the framer, until they or it are used up. */
static size_t
feed_frame(struct imap *im, const char *p, size_t len)
{
	struct frame f;
	size_t used = framer_feed(&im->framer, p, len, &f);

	settle(im, take_frame(im, &f));
	return used;
}

static void
feed(struct imap *im, const char *p, size_t len)
{
	(void)feed_frame(im, p, len);
}

static size_t
feed_line(struct imap *im, const char *p, size_t len)
{
	bool is_sasl = im->mode == MODE_SASL;
	struct frame f;
	size_t used = framer_feed_line(&im->framer, p, len, is_sasl ?
	    IMAP_SASL_LINE_MAX : IMAP_IDLE_LINE_MAX, &f);
	enum imap_step step = STEP_INPUT;

	if (f.kind == FRAME_ERROR)
		f.text = SPAN("*");	/* ends log-in and IDLE alike */
	if (f.kind == FRAME_LINE || f.kind == FRAME_ERROR)
		step = is_sasl ? imap_login_step(im,
		    login_response(im->login, f.text)) :
		    imap_idle_line(im, f.text);
	settle(im, step);
	return used;
}

static size_t
imap_input(struct session *session, const char *p, size_t len)
{
	struct imap *im = imap_of(session);

	step_begin(im);
	im->heard_ms = env_now_ms(im->s.env);
	return im->mode == MODE_COMMAND ? feed_frame(im, p, len) :
	    feed_line(im, p, len);
}

/* ---- the rest of its life ---- */

static void
init_login(struct imap *im)
{
	unsigned failures = im->login ? im->login->failures : 0;

	if (im->login)
		login_release(im->login);
	else
		im->login = xcalloc(1, sizeof *im->login);
	login_init(im->login, &im->s, &im->settings->login, SCOPE_IMAP);
	im->login->failures = failures;
	im->noauth_end_ms = env_now_ms(im->s.env) + IMAP_NOAUTH_TIMEOUT_MS;
}

static void
imap_start(struct session *session)
{
	struct imap *im = imap_of(session);
	struct buf *out = im->s.out;

	init_login(im);
	step_begin(im);
	buf_adds(out, "* OK [");
	imap_put_capability(im, out);
	buf_adds(out, "] ");
	buf_adds(out, im->s.env->hostname);
	buf_adds(out, " Kingpost ready\r\n");
	settle(im, STEP_INPUT);
}

/* If the disk failed the message is unread again, which hurts nobody. */
static void
seen_done(struct imap *im, struct op *op)
{
	op_free(op);
	im->seen_out--;
	if (im->seen_out == 0 && im->cmd.is_held) {
		im->cmd.is_held = false;
		settle(im, im->cmd.verb->run(im));
	} else if (im->s.want == WANT_INPUT) {
		settle(im, STEP_INPUT);
	}
}

static void
imap_done(struct session *session, struct op *op)
{
	struct imap *im = imap_of(session);
	enum imap_step step;

	step_begin(im);
	if (im->login && login_owns(im->login, op)) {
		settle(im, imap_login_step(im, login_done(im->login, op)));
		return;
	}
	if (op->tag == IMAP_SEEN_TAG) {
		seen_done(im, op);
		return;
	}
	if (im->cmd.is_answered) {
		settle(im, contexts_step(im, op));
		return;
	}
	if (!im->cmd.verb || !im->cmd.verb->done) {
		op_free(op);
		return;
	}
	step = im->cmd.verb->done(im, op);
	/* While a refused command is read off its answer waits. */
	settle(im, im->cmd.is_refused ? STEP_INPUT : step);
}

/* The next turn of what was cut, or the time after a flood of output. */
static void
imap_turn(struct session *session)
{
	struct imap *im = imap_of(session);

	step_begin(im);
	if (!im->cmd.verb)
		settle(im, STEP_INPUT);
	else if (im->cmd.is_answered)
		settle(im, STEP_DONE);
	else
		settle(im, im->cmd.verb->done(im, NULL));
}

/* Ends the session as soon as there is a place for the word. */
static void
bye(struct imap *im, const char *text)
{
	if (!im->bye)
		im->bye = text;
	switch (im->s.want) {
	case WANT_INPUT:
		say_bye(im);
		break;
	case WANT_DRAIN:
	case WANT_TURN:
		if (im->cmd.verb && !im->cmd.is_answered &&
		    im->mode != MODE_IDLE)
			im->s.want = WANT_CLOSE;
		else
			say_bye(im);
		break;
	case WANT_PAUSE:
	case WANT_CLOSE:
		break;
	case WANT_TLS:
	case WANT_DEFLATE:
	case WANT_PLAIN:
		im->s.want = WANT_CLOSE;
		break;
	}
}

static void
imap_changed(struct session *session, struct changeset *cs)
{
	struct imap *im = imap_of(session);

	if (im->s.account && changeset_ends_account(cs, im->s.account)) {
		bye(im, "The account has been changed, log in again");
		return;
	}
	if (!imap_metadata_changed(im, cs)) {
		bye(im, "Too much news for a client that does not ask");
		return;
	}
	imap_notify_note(im, cs);
	if (im->s.want != WANT_INPUT || !is_waiting(im) ||
	    (im->mode != MODE_IDLE && !im->notify))
		return;
	step_begin(im);
	look_for_mailbox(im);
	settle(im, im->mode == MODE_IDLE ? im->cmd.verb->done(im, NULL) :
	    STEP_INPUT);
}

static void
imap_secured(struct session *session)
{
	struct imap *im = imap_of(session);

	/* RFC 3501 6.2.1: nothing from before TLS is known any more. */
	step_begin(im);
	framer_release(&im->framer);
	framer_init(&im->framer, &imap_literal_roles, im->s.env->budget);
	init_login(im);
	settle(im, STEP_INPUT);
}

/* Compression is on now, or off again. */
static void
imap_deflated(struct session *session)
{
	struct imap *im = imap_of(session);

	step_begin(im);
	settle(im, STEP_INPUT);
}

static void
give_deflate_back(struct imap *im)
{
	if (im->is_compressed)
		budget_give(im->s.env->budget, SESSION_DEFLATE_MEMORY);
	im->is_compressed = false;
}

void
imap_unauthenticate(struct imap *im)
{
	imap_unselect(im);
	hub_unwatch(&im->watch);
	im->s.account = 0;
	im->state = ST_NOAUTH;
	free(im->name);
	im->name = NULL;
	im->is_utf8 = im->is_utf8_accept = false;
	im->is_rev2 = im->is_uidonly = false;
	im->is_condstore = im->is_qresync = false;
	im->batches = (struct imap_batches){ 0 };
	imap_notify_free(im);
	im->is_metadata = false;
	buf_clear(&im->metadata_news);
	im->bad_count = 0;
	/* RFC 8437 section 4.1 */
	if (im->is_compressed)
		im->switch_to = WANT_PLAIN;
	give_deflate_back(im);
	init_login(im);
}

static void
imap_timeout(struct session *session)
{
	struct imap *im = imap_of(session);
	int64_t now = env_now_ms(im->s.env);

	step_begin(im);
	if (im->login && login_is_delayed(im->login)) {
		settle(im, imap_login_step(im, login_timeout(im->login)));
	} else if (im->s.want == WANT_PAUSE) {
		settle(im, STEP_WAIT);
	} else if (im->mode == MODE_IDLE && now >= im->still_here_ms &&
	    now < im->heard_ms + IMAP_IDLE_TIMEOUT_MS) {
		imap_idle_still_here(im);
		settle(im, STEP_INPUT);
	} else {
		bye(im, im->state == ST_NOAUTH ? "Log-in took too long" :
		    "Logged out after a long silence");
	}
}

static void
imap_stop(struct session *session, enum stop_reason reason)
{
	bye(imap_of(session), reason == STOP_SHUTDOWN ?
	    "The server is going down" : "Too many connections");
}

static void
imap_end(struct session *session)
{
	struct imap *im = imap_of(session);

	(void)imap_notify_is_over(im);
	command_release(im);
	imap_notify_free(im);
	contexts_release(im);
	imap_forget_found(im);
	give_deflate_back(im);
	view_close(&im->view);
	hub_unwatch(&im->watch);
	if (im->login)
		login_release(im->login);
	free(im->login);
	framer_release(&im->framer);
	buf_release(&im->metadata_news);
	free(im->name);
	free(im);
}

static const struct session_ops imap_ops = {
	.name = "imap",
	.start = imap_start,
	.input = imap_input,
	.done = imap_done,
	.changed = imap_changed,
	.turn = imap_turn,
	.drained = imap_turn,
	.secured = imap_secured,
	.deflated = imap_deflated,
	.timeout = imap_timeout,
	.stop = imap_stop,
	.end = imap_end,
};

struct session *
imap_make(struct env *env, const void *settings)
{
	struct imap *im = xcalloc(1, sizeof *im);

	session_init(&im->s, &imap_ops, env);
	im->settings = settings;
	im->state = ST_NOAUTH;
	buf_init(&im->metadata_news);
	framer_init(&im->framer, &imap_literal_roles, env->budget);
	return &im->s;
}
