/*
 * LOGIN and AUTHENTICATE (RFC 3501 sections 6.2.2 and 6.2.3, RFC 4959). All
 * that knows a password is in auth/login.h.
 */
#include <stdlib.h>

#include "imap/imap_priv.h"
#include "server/base/xalloc.h"

/* RFC 3501 section 7.1, RFC 5530 section 3. */
static enum imap_step
refuse(struct imap *im, enum login_reason reason)
{
	switch (reason) {
	case LOGIN_NOMECH:
		return imap_no(im, NULL, "There is no such mechanism here");
	case LOGIN_INSECURE:
		return imap_no(im, "PRIVACYREQUIRED",
		    "Use TLS before you log in");
	case LOGIN_TOO_MANY:
		return imap_no(im, "UNAVAILABLE",
		    "Too many failures, try again later");
	case LOGIN_MALFORMED:
		return imap_bad(im, "This is not what the mechanism says");
	case LOGIN_TOO_LONG:
		return imap_bad(im, "The response is too long");
	case LOGIN_CANCELLED:
		return imap_bad(im, "Log-in given up");
	default:
		return imap_no(im, "AUTHENTICATIONFAILED",
		    "Wrong user name or password");
	}
}

/* RFC 3501 7.1: capabilities change now, and the client is spared asking. */
static enum imap_step
welcome(struct imap *im)
{
	struct buf code = BUF_INIT;
	const char *text;

	if (!hub_watch_account(im->s.env->hub, &im->watch, &im->s,
	    im->login->account)) {
		im->s.account = 0;
		return imap_no(im, "UNAVAILABLE",
		    "The account has been changed, log in again");
	}
	im->state = ST_AUTH;
	im->origin = hub_origin(im->s.env->hub);
	im->name = xstrdup(im->login->name);
	im->bad_count = 0;
	login_release(im->login);
	free(im->login);
	im->login = NULL;
	imap_put_capability(im, &code);
	text = arena_str(&im->cmd.arena, buf_span(&code));
	buf_release(&code);
	return imap_ok(im, text, "Logged in");
}

enum imap_step
imap_login_step(struct imap *im, enum login_step step)
{
	switch (step) {
	case LOGIN_CONTINUE:
		/* The command's own text is not needed from here on. */
		framer_done(&im->framer);
		im->mode = MODE_SASL;
		imap_continue(im, im->login->challenge.p);
		return STEP_INPUT;
	case LOGIN_WAIT:
		return STEP_WAIT;
	case LOGIN_DELAY:
		return STEP_DELAY;
	case LOGIN_OK:
		return welcome(im);
	case LOGIN_TEMPFAIL:
		return imap_no(im, "UNAVAILABLE",
		    "Trouble here, try again later");
	case LOGIN_FAIL:
		break;
	}
	if (login_is_exhausted(im->login))
		im->bye = "Too many failed log-ins";
	return refuse(im, im->login->reason);
}

enum imap_step
imap_run_login(struct imap *im)
{
	const struct imap_login_args *a = &im->cmd.args.login;

	hub_watch_prepare(im->s.env->hub, &im->watch);
	return imap_login_step(im, login_password(im->login, a->user,
	    a->password));
}

enum imap_step
imap_run_authenticate(struct imap *im)
{
	const struct imap_authenticate_args *a = &im->cmd.args.authenticate;

	hub_watch_prepare(im->s.env->hub, &im->watch);
	return imap_login_step(im, login_auth(im->login, a->mechanism,
	    a->has_initial ? &a->initial : NULL));
}
