#include "smtp/smtp_priv.h"

#include "server/base/xalloc.h"

/*
 * RFC 5321 section 4.1: every command that we know. Dispatch refuses one
 * outside its states and parses before it runs; run and done rely on both. A
 * row without parse is answered whatever its arguments are.
 * Sorted by name; tests/unit/smtp/test_smtp_verbs.c checks.
 */
static const struct smtp_verb verbs[] = {
	/* name      states               flags */
	/*           parse                run                done */
	{ "AUTH",     ST_READY,            V_SUBMISSION | V_SECRET,
	              smtp_parse_auth,     smtp_run_auth,     NULL },
	{ "BDAT",     ST_ANY,              V_MESSAGE | V_PAYLOAD,
	              smtp_parse_bdat,     smtp_run_bdat,     smtp_done_data },
	{ "CONNECT",  ST_ANY,              0,
	              smtp_parse_text,     smtp_run_stranger, NULL },
	{ "DATA",     ST_RCPT,             V_MESSAGE,
	              smtp_parse_none,     smtp_run_data,     smtp_done_data },
	{ "EHLO",     ST_ANY,              0,
	              smtp_parse_hello,    smtp_run_ehlo,     NULL },
	{ "ETRN",     ST_ANY,              0,
	              smtp_parse_text,     smtp_run_missing,  NULL },
	{ "EXPN",     ST_ANY,              0,
	              smtp_parse_text,     smtp_run_missing,  NULL },
	{ "GET",      ST_ANY,              0,
	              smtp_parse_text,     smtp_run_stranger, NULL },
	{ "HEAD",     ST_ANY,              0,
	              smtp_parse_text,     smtp_run_stranger, NULL },
	{ "HELO",     ST_ANY,              0,
	              smtp_parse_hello,    smtp_run_helo,     NULL },
	{ "HELP",     ST_ANY,              0,
	              smtp_parse_text,     smtp_run_help,     NULL },
	{ "MAIL",     ST_READY,            V_LOGIN | V_MESSAGE,
	              smtp_parse_mail,     smtp_run_mail,     smtp_done_mail },
	{ "NOOP",     ST_ANY,              0,
	              smtp_parse_text,     smtp_run_noop,     NULL },
	{ "OPTIONS",  ST_ANY,              0,
	              smtp_parse_text,     smtp_run_stranger, NULL },
	{ "POST",     ST_ANY,              0,
	              smtp_parse_text,     smtp_run_stranger, NULL },
	{ "PUT",      ST_ANY,              0,
	              smtp_parse_text,     smtp_run_stranger, NULL },
	{ "QUIT",     ST_ANY,              0,
	              smtp_parse_none,     smtp_run_quit,     NULL },
	{ "RCPT",     ST_MAIL | ST_RCPT,   V_LOGIN | V_MESSAGE,
	              smtp_parse_rcpt,     smtp_run_rcpt,     smtp_done_rcpt },
	{ "RSET",     ST_ANY,              0,
	              smtp_parse_none,     smtp_run_rset,     NULL },
	{ "STARTTLS", ST_NEW | ST_READY,   0,
	              smtp_parse_none,     smtp_run_starttls, NULL },
	{ "TURN",     ST_ANY,              0,
	              smtp_parse_text,     smtp_run_missing,  NULL },
	{ "VRFY",     ST_ANY,              0,
	              smtp_parse_text,     smtp_run_vrfy,     NULL },
};

const struct smtp_verb *
smtp_verb_find(struct span name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (span_iis(name, verbs[i].name))
			return &verbs[i];
	return NULL;
}

const struct smtp_verb *
smtp_verb_at(size_t i)
{
	return i < COUNT(verbs) ? &verbs[i] : NULL;
}
