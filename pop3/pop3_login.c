/*
 * Before the maildrop: CAPA, STLS, UTF8 and LANG, logging in, opening INBOX.
 */
#include "pop3/pop3_priv.h"

#include <inttypes.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/store.h"

/* ---- what can be done here ---- */

enum pop3_step
pop3_run_capa(struct pop3 *s)
{
	struct buf *out = s->s.out;
	bool can_login = login_mechanisms(&s->login) != 0;

	pop3_ok(s, "This is what works here");
	buf_adds(out, "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
	    "PIPELINING\r\nEXPIRE NEVER\r\nLOGIN-DELAY 0\r\n"
	    "UTF8 USER\r\nLANG\r\n");
	if (can_login) {
		buf_adds(out, "USER\r\nSASL");
		login_put_mechanisms(&s->login, out, " ", "");
		buf_adds(out, "\r\n");
	}
	if (s->state == ST_AUTH && s->settings->has_stls &&
	    !s->s.peer.has_tls)
		buf_adds(out, "STLS\r\n");
	buf_adds(out, "IMPLEMENTATION Kingpost\r\n.\r\n");
	return STEP_DONE;
}

enum pop3_step
pop3_run_stls(struct pop3 *s)
{
	if (s->s.peer.has_tls) {
		pop3_err(s, NULL, "TLS is on already");
		return STEP_DONE;
	}
	if (s->is_utf8) {
		/* RFC 6856 section 2.1 */
		pop3_err(s, NULL, "STLS comes before UTF8");
		return STEP_DONE;
	}
	if (!s->settings->has_stls) {
		pop3_err(s, NULL, "TLS is not available here");
		return STEP_DONE;
	}
	pop3_ok(s, "Start TLS now");
	return STEP_TLS;
}

enum pop3_step
pop3_run_utf8(struct pop3 *s)
{
	s->is_utf8 = true;
	pop3_ok(s, "UTF-8 it is");
	return STEP_DONE;
}

/* The tags of our languages; the first is what "*" means. */
static const struct {
	const char *tag, *name;
} languages[] = {
	{ "en", "English" },
	{ "i-default", "Default language" },
};

/* RFC 4647 section 3.3.1: a range is a tag, or its beginning up to a "-". */
static bool
is_in_range(struct span tag, struct span range)
{
	return span_is(range, "*") || (span_ieq(span_head(tag, range.len),
	    range) && (tag.len == range.len || tag.p[range.len] == '-'));
}

enum pop3_step
pop3_run_lang(struct pop3 *s)
{
	struct span range = s->args.word;

	if (range.len == 0) {
		pop3_ok(s, "These are the languages");
		for (size_t i = 0; i < COUNT(languages); i++)
			buf_printf(s->s.out, "%s %s\r\n", languages[i].tag,
			    languages[i].name);
		buf_adds(s->s.out, ".\r\n");
		return STEP_DONE;
	}
	for (size_t i = 0; i < COUNT(languages); i++) {
		if (!is_in_range(span_of(languages[i].tag), range))
			continue;
		buf_printf(s->s.out, "+OK %s So be it\r\n",
		    languages[i].tag);
		return STEP_DONE;
	}
	pop3_err(s, NULL, "That language is not spoken here");
	return STEP_DONE;
}

/* ---- INBOX ---- */

/* Logged in, and no maildrop: nothing can be done but try again. */
static enum pop3_step
open_failed(struct pop3 *s, int err)
{
	pop3_trouble(s, err);
	return STEP_CLOSE;
}

static enum pop3_step
opened(struct pop3 *s)
{
	struct msgrow row;
	char text[64];

	s->count = s->left_count = view_count(&s->view);
	s->deleted = xcalloc(s->count / 8 + 1, 1);
	s->left_size = 0;
	for (uint32_t i = 1; i <= s->count; i++) {
		(void)view_get(&s->view, i, &row);
		s->left_size += row.size;
	}
	s->state = ST_TRANS;
	(void)snprintf(text, sizeof text, "Logged in; %" PRIu32 " messages",
	    s->count);
	pop3_ok(s, text);
	return STEP_DONE;
}

static enum pop3_step
open_inbox(struct pop3 *s)
{
	struct rjob_lookup *r;

	if (!hub_watch_account(s->s.env->hub, &s->watch, &s->s,
	    s->login.account))
		return open_failed(s, ERR_DISABLED);
	r = rjob_lookup_new(s->s.env, &s->s, SPAN("INBOX"), RIGHT_READ);
	store_read(s->s.env->store, &r->j);
	return STEP_WAIT;
}

enum pop3_step
pop3_open_done(struct pop3 *s, struct op *op)
{
	struct rjob_lookup *r;
	int err;

	if (op->tag == VIEW_OP_TAG) {
		err = view_opened(&s->view, op);
		return err < 0 ? open_failed(s, err) : opened(s);
	}
	r = CONTAINER_OF(op, struct rjob_lookup, j.op);
	err = op->err;
	s->mailbox = r->info.id;
	op_free(op);
	if (err < 0)
		return open_failed(s, err);
	/* Not writable: who fetches by POP3 leaves \Recent to IMAP. */
	err = view_open(&s->view, s->s.env->hub, &s->s, s->s.account,
	    s->mailbox, false);
	if (err < 0)
		return open_failed(s, err);
	return err > 0 ? STEP_WAIT : opened(s);
}

/* ---- who is there ---- */

/* RFC 2449 section 8 and RFC 3206: [AUTH] for wrong credentials alone. */
static void
refuse_login(struct pop3 *s)
{
	switch (s->login.reason) {
	case LOGIN_NOMECH:
		pop3_err(s, NULL, "That way to log in is not offered");
		break;
	case LOGIN_INSECURE:
		pop3_err(s, NULL, "Log-in needs TLS; say STLS first");
		break;
	case LOGIN_TOO_MANY:
		pop3_err(s, "SYS/TEMP", "Too many failed log-ins from your "
		    "address; try again later");
		break;
	case LOGIN_MALFORMED:
		pop3_err(s, NULL, "That log-in is not well formed");
		break;
	case LOGIN_TOO_LONG:
		pop3_err(s, NULL, "That line is too long");
		break;
	case LOGIN_CANCELLED:
		pop3_err(s, NULL, "Log-in given up");
		break;
	default:
		pop3_err(s, "AUTH", "Wrong user name or password");
		break;
	}
}

enum pop3_step
pop3_login_step(struct pop3 *s, enum login_step step)
{
	s->mode = MODE_COMMAND;
	switch (step) {
	case LOGIN_CONTINUE:
		buf_adds(s->s.out, "+ ");
		buf_addspan(s->s.out, buf_span(&s->login.challenge));
		buf_adds(s->s.out, "\r\n");
		s->mode = MODE_SASL;
		return STEP_DONE;
	case LOGIN_WAIT:
		return STEP_WAIT;
	case LOGIN_DELAY:
		return STEP_DELAY;
	case LOGIN_OK:
		return open_inbox(s);
	case LOGIN_FAIL:
		refuse_login(s);
		return login_is_exhausted(&s->login) ? STEP_CLOSE : STEP_DONE;
	case LOGIN_TEMPFAIL:
		pop3_trouble(s, s->login.err);
		return STEP_DONE;
	}
	return STEP_DONE;
}

enum pop3_step
pop3_run_auth(struct pop3 *s)
{
	if (s->args.word.len == 0) {
		/* CLIENTS 3.1: Outlook asks so for the mechanisms. */
		pop3_ok(s, "These are the ways to log in");
		login_put_mechanisms(&s->login, s->s.out, "", "\r\n");
		if (login_mechanisms(&s->login))
			buf_adds(s->s.out, "\r\n");
		buf_adds(s->s.out, ".\r\n");
		return STEP_DONE;
	}
	hub_watch_prepare(s->s.env->hub, &s->watch);
	return pop3_login_step(s, login_auth(&s->login, s->args.word,
	    s->args.has_initial ? &s->args.initial : NULL));
}

enum pop3_step
pop3_run_user(struct pop3 *s)
{
	if (!login_mechanisms(&s->login)) {
		pop3_err(s, NULL, "Log-in needs TLS; say STLS first");
		return STEP_DONE;
	}
	buf_clear(&s->user);
	buf_addspan(&s->user, s->args.text);
	/* RFC 1939 section 13: the same for every name. */
	pop3_ok(s, "Now the password");
	return STEP_DONE;
}

enum pop3_step
pop3_run_pass(struct pop3 *s)
{
	enum login_step step;

	if (s->user.len == 0) {
		pop3_err(s, NULL, "Say USER first");
		return STEP_DONE;
	}
	hub_watch_prepare(s->s.env->hub, &s->watch);
	step = login_password(&s->login, buf_span(&s->user), s->args.text);
	buf_clear(&s->user);
	return pop3_login_step(s, step);
}
