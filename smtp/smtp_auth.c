#include "smtp/smtp_priv.h"

/* RFC 4954 sections 4 and 6, and RFC 5248 for the enhanced codes. */
static enum smtp_reply_id
reply_for_reason(enum login_reason reason)
{
	switch (reason) {
	case LOGIN_NOMECH:
		return R_NO_MECHANISM;
	case LOGIN_INSECURE:
		return R_LOGIN_TLS;
	case LOGIN_TOO_MANY:
		return R_LOGIN_MANY;
	case LOGIN_MALFORMED:
		return R_BAD_LOGIN;
	case LOGIN_TOO_LONG:
		return R_LOGIN_LONG;
	case LOGIN_CANCELLED:
		return R_LOGIN_CANCELLED;
	default:
		return R_WRONG_LOGIN;
	}
}

static enum smtp_step
logged_in(struct smtp_in *s)
{
	if (hub_watch_account(s->s.env->hub, &s->watch, &s->s,
	    s->login.account)) {
		smtp_reply(s, R_LOGGED_IN);
	} else {
		s->s.account = 0;
		smtp_reply(s, R_LOGIN_LATER);
	}
	return STEP_DONE;
}

enum smtp_step
smtp_login_step(struct smtp_in *s, enum login_step step)
{
	s->mode = MODE_COMMAND;
	switch (step) {
	case LOGIN_CONTINUE:
		buf_adds(s->s.out, "334 ");
		buf_addspan(s->s.out, buf_span(&s->login.challenge));
		buf_adds(s->s.out, "\r\n");
		s->mode = MODE_SASL;
		return STEP_DONE;
	case LOGIN_WAIT:
		return STEP_WAIT;
	case LOGIN_DELAY:
		return STEP_DELAY;
	case LOGIN_OK:
		return logged_in(s);
	case LOGIN_FAIL:
		smtp_reply(s, reply_for_reason(s->login.reason));
		return login_is_exhausted(&s->login) ? STEP_CLOSE : STEP_DONE;
	case LOGIN_TEMPFAIL:
		smtp_reply(s, R_LOGIN_LATER);
		return STEP_DONE;
	}
	return STEP_DONE;
}

enum smtp_step
smtp_run_auth(struct smtp_in *s)
{
	if (s->s.account) {
		smtp_reply(s, R_LOGGED_IN_ALREADY);
		return STEP_DONE;
	}
	hub_watch_prepare(s->s.env->hub, &s->watch);
	return smtp_login_step(s, login_auth(&s->login, s->args.word,
	    s->args.has_initial ? &s->args.initial : NULL));
}
