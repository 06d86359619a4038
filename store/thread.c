/*
 * Conversations: THREADID by Message-ID and References.
 *
 * RFC 8474 section 5.2: a message's thread never changes. So the first
 * reference that is known decides, and two threads that turn out to be one
 * are never merged.
 */
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/message_priv.h"

/* Of a message's references this many count, the newest ones. */
#define REFERENCES_MAX 20
#define DAY_S 86400

int64_t
msgid_hash(const struct wtxn *t, struct span id)
{
	id = span_trim(id);
	if (id.len >= 2 && id.p[0] == '<' && id.p[id.len - 1] == '>')
		id = span_make(id.p + 1, id.len - 2);
	return (int64_t)hash64(&t->store->thread_key, id.p, id.len);
}

/* Finds the first of ids that has a thread; 0: none has. */
static int
find_thread(struct wtxn *t, uint64_t account, const int64_t *ids, size_t n,
    uint64_t *thread)
{
	int64_t found;
	int err;

	*thread = 0;
	for (size_t i = 0; i < n; i++) {
		err = db_get(t->db, &found, "SELECT thread FROM thread_ref"
		    " WHERE account = ? AND msgid = ?", A_INT(account),
		    A_INT(ids[i]));
		if (err == 0)
			*thread = (uint64_t)found;
		if (err != ERR_NOTFOUND)
			return err;
	}
	return 0;
}

int
thread_of(struct wtxn *t, uint64_t account, const struct digest *d,
    int64_t now_s, uint64_t *thread)
{
	size_t refs = MIN(d->reference_count, REFERENCES_MAX), n = 0;
	int64_t ids[REFERENCES_MAX + 1];
	int err;

	if (d->envelope.has_message_id)
		ids[n++] = msgid_hash(t, d->envelope.message_id);
	for (size_t i = d->reference_count - refs; i < d->reference_count;
	    i++)
		ids[n++] = msgid_hash(t, d->references[i]);
	if ((err = find_thread(t, account, ids, n, thread)) < 0)
		return err;
	if (*thread == 0)
		*thread = wtxn_id(t);
	for (size_t i = 0; i < n; i++)
		if ((err = db_run(t->db, "INSERT INTO thread_ref(account,"
		    " msgid, thread, used) VALUES (?1, ?2, ?3, ?4)"
		    " ON CONFLICT DO UPDATE SET used = ?4 WHERE used < ?4",
		    A_INT(account), A_INT(ids[i]), A_INT(*thread),
		    A_INT(now_s / DAY_S))) < 0)
			return err;
	return 0;
}
