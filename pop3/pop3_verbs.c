#include "pop3/pop3_priv.h"

#include "server/base/xalloc.h"

/*
 * RFC 1939 sections 5 to 7, RFC 2449, RFC 2595, RFC 5034, RFC 6856: every
 * command that we know. Dispatch refuses one outside its states and parses before it runs.
 * Sorted by name; tests/unit/pop3/test_pop3_verbs.c checks.
 */
static const struct pop3_verb verbs[] = {
	/* name   states    flags */
	/*        parse               run             done, more */
	{ "AUTH", ST_AUTH,  V_SECRET,
	          pop3_parse_auth,    pop3_run_auth,
	          pop3_open_done, NULL },
	{ "CAPA", ST_ANY,   0,
	          pop3_parse_none,    pop3_run_capa,  NULL, NULL },
	{ "DELE", ST_TRANS, 0,
	          pop3_parse_msg,     pop3_run_dele,  NULL, NULL },
	{ "LANG", ST_ANY,   0,
	          pop3_parse_lang,    pop3_run_lang,  NULL, NULL },
	{ "LIST", ST_TRANS, 0,
	          pop3_parse_opt_msg, pop3_run_list,  NULL, pop3_more_list },
	{ "NOOP", ST_TRANS, 0,
	          pop3_parse_none,    pop3_run_noop,  NULL, NULL },
	{ "PASS", ST_AUTH,  V_SECRET | V_RAW,
	          pop3_parse_text,    pop3_run_pass,
	          pop3_open_done, NULL },
	{ "QUIT", ST_ANY,   0,
	          pop3_parse_none,    pop3_run_quit,
	          pop3_done_quit, NULL },
	{ "RETR", ST_TRANS, 0,
	          pop3_parse_msg,     pop3_run_retr,
	          pop3_done_retr, pop3_more_retr },
	{ "RSET", ST_TRANS, 0,
	          pop3_parse_none,    pop3_run_rset,  NULL, NULL },
	{ "STAT", ST_TRANS, 0,
	          pop3_parse_none,    pop3_run_stat,  NULL, NULL },
	{ "STLS", ST_AUTH,  0,
	          pop3_parse_none,    pop3_run_stls,  NULL, NULL },
	{ "TOP",  ST_TRANS, 0,
	          pop3_parse_top,     pop3_run_top,
	          pop3_done_retr, pop3_more_retr },
	{ "UIDL", ST_TRANS, 0,
	          pop3_parse_opt_msg, pop3_run_uidl,  NULL, pop3_more_uidl },
	{ "USER", ST_AUTH,  0,
	          pop3_parse_text,    pop3_run_user,  NULL, NULL },
	{ "UTF8", ST_AUTH,  0,
	          pop3_parse_none,    pop3_run_utf8,  NULL, NULL },
};

const struct pop3_verb *
pop3_verb_find(struct span name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (span_iis(name, verbs[i].name))
			return &verbs[i];
	return NULL;
}

const struct pop3_verb *
pop3_verb_at(size_t i)
{
	return i < COUNT(verbs) ? &verbs[i] : NULL;
}
