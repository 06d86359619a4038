#include "imap/imap_priv.h"
#include "server/base/xalloc.h"

/*
 * RFC 3501 section 6: every command we know. imap.c refuses a command outside
 * its states and parses before it runs; handlers rely on both. A UID form
 * shares its functions; cmd.uid tells. Sorted by name, which
 * tests/unit/imap/test_verbs.c checks.
 */
static const struct imap_verb verbs[] = {
	{ "APPEND", ST_LOGGEDIN, 0, imap_parse_append,
	    imap_run_append, imap_done_append, &imap_append_stream },
	{ "AUTHENTICATE", ST_NOAUTH, V_SECRET, imap_parse_authenticate,
	    imap_run_authenticate, NULL },
	{ "CANCELUPDATE", ST_SELECTED, 0, imap_parse_cancelupdate,
	    imap_run_cancelupdate, NULL },
	{ "CAPABILITY", ST_ANY, 0, imap_parse_none,
	    imap_run_capability, NULL },
	{ "CHECK", ST_SELECTED, 0, imap_parse_none,
	    imap_run_noop, NULL },
	{ "CLOSE", ST_SELECTED, 0, imap_parse_none,
	    imap_run_close, imap_done_close },
	{ "COMPRESS", ST_LOGGEDIN, 0, imap_parse_compress,
	    imap_run_compress, NULL },
	{ "COPY", ST_SELECTED, V_NUMBERS, imap_parse_copy,
	    imap_run_copy, imap_done_copy },
	{ "CREATE", ST_LOGGEDIN, 0, imap_parse_create,
	    imap_run_create, imap_done_mailbox },
	{ "DELETE", ST_LOGGEDIN, V_DELETES, imap_parse_mailbox_only,
	    imap_run_delete, imap_done_mailbox },
	{ "DELETEACL", ST_LOGGEDIN, 0, imap_parse_identifier,
	    imap_run_setacl, imap_done_setacl },
	{ "ENABLE", ST_LOGGEDIN, 0, imap_parse_enable,
	    imap_run_enable, NULL },
	{ "ESEARCH", ST_LOGGEDIN, 0, imap_parse_esearch,
	    imap_run_esearch, imap_done_esearch },
	{ "EXAMINE", ST_LOGGEDIN, 0, imap_parse_select,
	    imap_run_select, imap_done_select },
	{ "EXPUNGE", ST_SELECTED, V_WRITES | V_NEWS, imap_parse_none,
	    imap_run_expunge, imap_done_expunge },
	{ "FETCH", ST_SELECTED, V_NOEXPUNGE | V_NUMBERS, imap_parse_fetch,
	    imap_run_fetch, imap_done_fetch },
	{ "GETACL", ST_LOGGEDIN, 0, imap_parse_mailbox_only,
	    imap_run_getacl, imap_done_getacl },
	{ "GETMETADATA", ST_LOGGEDIN, 0, imap_parse_getmetadata,
	    imap_run_getmetadata, imap_done_getmetadata },
	{ "GETQUOTA", ST_LOGGEDIN, 0, imap_parse_getquota,
	    imap_run_getquota, imap_done_getquota },
	{ "GETQUOTAROOT", ST_LOGGEDIN, 0, imap_parse_mailbox_only,
	    imap_run_getquotaroot, imap_done_getquotaroot },
	{ "ID", ST_ANY, 0, imap_parse_id,
	    imap_run_id, NULL },
	{ "IDLE", ST_LOGGEDIN, 0, imap_parse_none,
	    imap_run_idle, imap_done_idle },
	{ "LANGUAGE", ST_ANY, 0, imap_parse_language,
	    imap_run_language, NULL },
	{ "LIST", ST_LOGGEDIN, 0, imap_parse_list,
	    imap_run_list, imap_done_list },
	{ "LISTRIGHTS", ST_LOGGEDIN, 0, imap_parse_identifier,
	    imap_run_listrights, imap_done_listrights },
	{ "LOGIN", ST_NOAUTH, V_SECRET, imap_parse_login,
	    imap_run_login, NULL },
	{ "LOGOUT", ST_ANY, 0, imap_parse_none,
	    imap_run_logout, NULL },
	{ "LSUB", ST_LOGGEDIN, 0, imap_parse_lsub,
	    imap_run_lsub, imap_done_list },
	{ "MOVE", ST_SELECTED, V_WRITES | V_NUMBERS | V_NEWS,
	    imap_parse_copy, imap_run_copy, imap_done_copy },
	{ "MYRIGHTS", ST_LOGGEDIN, 0, imap_parse_mailbox_only,
	    imap_run_myrights, imap_done_myrights },
	{ "NAMESPACE", ST_LOGGEDIN, 0, imap_parse_none,
	    imap_run_namespace, NULL },
	{ "NOOP", ST_ANY, 0, imap_parse_none,
	    imap_run_noop, NULL },
	{ "NOTIFY", ST_LOGGEDIN, V_NEWS, imap_parse_notify,
	    imap_run_notify, imap_done_notify },
	{ "RENAME", ST_LOGGEDIN, 0, imap_parse_rename,
	    imap_run_rename, imap_done_mailbox },
	{ "REPLACE", ST_SELECTED, V_WRITES | V_NUMBERS, imap_parse_replace,
	    imap_run_append, imap_done_append, &imap_append_stream },
	{ "SEARCH", ST_SELECTED, V_NOEXPUNGE | V_NUMBERS, imap_parse_search,
	    imap_run_search, imap_done_search },
	{ "SELECT", ST_LOGGEDIN, 0, imap_parse_select,
	    imap_run_select, imap_done_select },
	{ "SETACL", ST_LOGGEDIN, 0, imap_parse_setacl,
	    imap_run_setacl, imap_done_setacl },
	{ "SETMETADATA", ST_LOGGEDIN, 0, imap_parse_setmetadata,
	    imap_run_setmetadata, imap_done_setmetadata },
	{ "SETQUOTA", ST_LOGGEDIN, 0, imap_parse_setquota,
	    imap_run_setquota, imap_done_setquota },
	{ "SORT", ST_SELECTED, V_NOEXPUNGE | V_NUMBERS, imap_parse_sort,
	    imap_run_sort, imap_done_sort },
	{ "STARTTLS", ST_NOAUTH, 0, imap_parse_none,
	    imap_run_starttls, NULL },
	{ "STATUS", ST_LOGGEDIN, 0, imap_parse_status,
	    imap_run_status, imap_done_status },
	{ "STORE", ST_SELECTED, V_WRITES | V_NOEXPUNGE | V_NUMBERS,
	    imap_parse_store, imap_run_store, imap_done_store },
	{ "SUBSCRIBE", ST_LOGGEDIN, 0, imap_parse_mailbox_only,
	    imap_run_subscribe, imap_done_mailbox },
	{ "THREAD", ST_SELECTED, V_NOEXPUNGE | V_NUMBERS, imap_parse_thread,
	    imap_run_thread, imap_done_thread },
	{ "UID COPY", ST_SELECTED, 0, imap_parse_copy,
	    imap_run_copy, imap_done_copy },
	{ "UID EXPUNGE", ST_SELECTED, V_WRITES | V_NEWS,
	    imap_parse_uid_expunge, imap_run_expunge, imap_done_expunge },
	{ "UID FETCH", ST_SELECTED, 0, imap_parse_fetch,
	    imap_run_fetch, imap_done_fetch },
	{ "UID MOVE", ST_SELECTED, V_WRITES | V_NEWS, imap_parse_copy,
	    imap_run_copy, imap_done_copy },
	{ "UID REPLACE", ST_SELECTED, V_WRITES, imap_parse_replace,
	    imap_run_append, imap_done_append, &imap_append_stream },
	{ "UID SEARCH", ST_SELECTED, 0, imap_parse_search,
	    imap_run_search, imap_done_search },
	{ "UID SORT", ST_SELECTED, 0, imap_parse_sort,
	    imap_run_sort, imap_done_sort },
	{ "UID STORE", ST_SELECTED, V_WRITES, imap_parse_store,
	    imap_run_store, imap_done_store },
	{ "UID THREAD", ST_SELECTED, 0, imap_parse_thread,
	    imap_run_thread, imap_done_thread },
	{ "UIDBATCHES", ST_SELECTED, 0, imap_parse_uidbatches,
	    imap_run_uidbatches, NULL },
	{ "UNAUTHENTICATE", ST_LOGGEDIN, 0, imap_parse_none,
	    imap_run_unauthenticate, NULL },
	{ "UNSELECT", ST_SELECTED, 0, imap_parse_none,
	    imap_run_unselect, NULL },
	{ "UNSUBSCRIBE", ST_LOGGEDIN, 0, imap_parse_mailbox_only,
	    imap_run_unsubscribe, imap_done_mailbox },
	{ "XLIST", ST_LOGGEDIN, 0, imap_parse_lsub,
	    imap_run_list, imap_done_list },
};

const struct imap_verb *
imap_verb_at(size_t i)
{
	return i < COUNT(verbs) ? &verbs[i] : NULL;
}

/* Whether name, with "UID " before it if uid, is the verb's. */
static bool
is_named(const struct imap_verb *v, struct span name, bool uid)
{
	struct span whole = span_of(v->name);

	if (uid != span_starts(whole, "UID "))
		return false;
	return span_ieq(uid ? span_from(whole, 4) : whole, name);
}

const struct imap_verb *
imap_verb_find(struct span name, bool uid)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (is_named(&verbs[i], name, uid))
			return &verbs[i];
	return NULL;
}
