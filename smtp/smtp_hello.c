#include "smtp/smtp_priv.h"

#include <inttypes.h>

/*
 * What a Received line may show of a name that the client made up: no white
 * space, no parentheses, nothing that needs quoting.
 */
static void
clean_hello(char *out, struct span name)
{
	size_t n = 0;

	for (size_t i = 0; i < name.len && n < SMTP_HELLO_MAX; i++) {
		unsigned char c = (unsigned char)name.p[i];
		bool ok = (c >= '0' && c <= '9') ||
		    (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
		    (c && strchr(".-_:[]", c));

		out[n++] = ok ? (char)c : '?';
	}
	out[n] = '\0';
}

/* RFC 5321 section 4.1.4: a new EHLO is a RSET as well. */
static void
set_hello(struct smtp_in *s, bool is_esmtp)
{
	smtp_reset(s);
	clean_hello(s->hello, s->args.word);
	s->is_esmtp = is_esmtp;
	s->state = ST_READY;
}

enum smtp_step
smtp_run_helo(struct smtp_in *s)
{
	set_hello(s, false);
	smtp_reply_with(s, R_HELLO, "%s", s->s.env->hostname);
	return STEP_DONE;
}

/* What works here and now, and nothing else. */
enum smtp_step
smtp_run_ehlo(struct smtp_in *s)
{
	struct buf *out = s->s.out;
	unsigned params = smtp_params(s);

	set_hello(s, true);
	smtp_reply_line(out, 250, false, s->s.env->hostname);
	smtp_reply_line(out, 250, false, "PIPELINING");
	buf_printf(out, "250-SIZE %" PRIu64 "\r\n", s->settings->size_limit);
	smtp_reply_line(out, 250, false, "8BITMIME");
	smtp_reply_line(out, 250, false, "SMTPUTF8");
	smtp_reply_line(out, 250, false, "CHUNKING");
	smtp_reply_line(out, 250, false, "BINARYMIME");
	smtp_reply_line(out, 250, false, "ENHANCEDSTATUSCODES");
	/* RFC 9422 section 4 */
	buf_printf(out, "250-LIMITS MAILMAX=%d RCPTMAX=%u\r\n",
	    SMTP_MESSAGES_MAX, s->settings->rcpts_max);
	if (params & PARAMS_DSN)
		smtp_reply_line(out, 250, false, "DSN");
	if (params & PARAMS_PRIORITY)
		smtp_reply_line(out, 250, false, "MT-PRIORITY");
	if (params & PARAMS_REQUIRETLS)
		smtp_reply_line(out, 250, false, "REQUIRETLS");
	if (s->settings->has_starttls && !s->s.peer.has_tls)
		smtp_reply_line(out, 250, false, "STARTTLS");
	if (smtp_is_submission(s) && !s->s.account &&
	    login_mechanisms(&s->login)) {
		buf_adds(out, "250-AUTH");
		login_put_mechanisms(&s->login, out, " ", "");
		buf_adds(out, "\r\n");
	}
	smtp_reply_line(out, 250, true, "HELP");
	return STEP_DONE;
}

enum smtp_step
smtp_run_help(struct smtp_in *s)
{
	const struct smtp_verb *v;
	struct buf *out = s->s.out;

	smtp_reply_line(out, 214, false,
	    "2.0.0 This is Kingpost. It knows these commands:");
	buf_adds(out, "214-2.0.0");
	for (size_t i = 0; (v = smtp_verb_at(i)) != NULL; i++) {
		if (v->run == smtp_run_stranger || v->run == smtp_run_missing)
			continue;
		if ((v->flags & V_SUBMISSION) && !smtp_is_submission(s))
			continue;
		buf_printf(out, " %s", v->name);
	}
	buf_adds(out, "\r\n");
	smtp_reply_line(out, 214, true, smtp_is_submission(s) ?
	    "2.0.0 Log in with AUTH, then send your mail" :
	    "2.0.0 To send mail of your own, use port 587 or 465");
	return STEP_DONE;
}

enum smtp_step
smtp_run_noop(struct smtp_in *s)
{
	smtp_reply(s, R_OK);
	return STEP_DONE;
}

enum smtp_step
smtp_run_quit(struct smtp_in *s)
{
	smtp_reply(s, R_BYE);
	return STEP_CLOSE;
}

enum smtp_step
smtp_run_rset(struct smtp_in *s)
{
	smtp_reset(s);
	smtp_reply(s, R_OK);
	return STEP_DONE;
}

enum smtp_step
smtp_run_vrfy(struct smtp_in *s)
{
	/* RFC 5321 section 7.3: who lives here is nobody's business. */
	smtp_reply(s, s->args.word.len ? R_NO_VERIFY : R_BAD_ARGUMENTS);
	return STEP_DONE;
}

enum smtp_step
smtp_run_starttls(struct smtp_in *s)
{
	if (s->s.peer.has_tls) {
		smtp_reply(s, R_TLS_ALREADY);
		return STEP_DONE;
	}
	if (!s->settings->has_starttls) {
		smtp_reply(s, R_NOT_HERE);
		return STEP_DONE;
	}
	smtp_reply(s, R_START_TLS);
	return STEP_TLS;
}

enum smtp_step
smtp_run_missing(struct smtp_in *s)
{
	smtp_reply(s, R_NOT_HERE);
	return STEP_DONE;
}

/* A web browser was sent here, perhaps to say SMTP in the page's body. */
enum smtp_step
smtp_run_stranger(struct smtp_in *s)
{
	smtp_reply(s, R_STRANGER);
	return STEP_CLOSE;
}
