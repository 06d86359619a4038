/*
 * Sweeping: once a day, what is remembered for a time and past it.
 *
 * Three tables grow with use and have no owner that takes their rows along:
 * which conversation a Message-ID belongs to, from which networks an account
 * has logged in, and which UIDs have vanished. They are walked in slices, by
 * key, so that no index is needed that each delivery would have to keep up.
 * Where a walk has got to is in the request: a slice that is lost is made
 * again, and a restart begins anew, which costs little.
 */
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/read.h"
#include "store/writer_priv.h"

#define DAY_S 86400

/* Rows looked at in a slice; of mailboxes, rows deleted from one. */
#define SLICE_ROWS 2000
#define SLICE_MAILBOXES 20

/*
 * A reply to something that nobody has answered for so long begins a new
 * conversation.
 */
#define THREAD_DAYS 730

/* With more a client is told what is there, not what has gone: read.h. */
#define VANISHED_KEEP VANISHED_RANGES_MAX

void
sweep_begin(struct sweep *s)
{
	*s = (struct sweep){ .phase = SWEEP_THREADS, .msgid = INT64_MIN };
}

static void
next_phase(struct sweep *s)
{
	s->phase++;
	s->account = s->mailbox = 0;
}

static int
sweep_threads(struct wtxn *t, struct sweep *s, int64_t now_s)
{
	struct sweep end = { .account = INT64_MAX };
	struct db *db = t->db;
	sqlite3_stmt *stmt;
	int err, found;

	if ((err = db_query(db, &stmt, "SELECT account, msgid FROM thread_ref"
	    " WHERE (account, msgid) > (?, ?) ORDER BY account, msgid"
	    " LIMIT 1 OFFSET ?", A_INT(s->account), A_INT(s->msgid),
	    A_INT(SLICE_ROWS - 1))) < 0 ||
	    (found = db_step(db, stmt)) < 0)
		return err < 0 ? err : found;
	if (found) {
		end.account = db_u64(stmt, 0);
		end.msgid = db_i64(stmt, 1);
		db_done(stmt);
	}
	if ((err = db_run(db, "DELETE FROM thread_ref WHERE (account, msgid)"
	    " > (?, ?) AND (account, msgid) <= (?, ?) AND used < ?",
	    A_INT(s->account), A_INT(s->msgid), A_INT(end.account),
	    A_INT(end.msgid), A_INT(now_s / DAY_S - THREAD_DAYS))) < 0)
		return err;
	s->account = end.account;
	s->msgid = end.msgid;
	if (!found)
		next_phase(s);
	return 0;
}

static int
sweep_peers(struct wtxn *t, struct sweep *s, int64_t now_s)
{
	int err = db_run(t->db, "DELETE FROM known_peer WHERE (account, net)"
	    " IN (SELECT account, net FROM known_peer WHERE last_ok <= ?"
	    " LIMIT ?)", A_INT(now_s - KNOWN_NET_S), A_INT(SLICE_ROWS));

	if (err == 0 && sqlite3_changes(t->db->h) < SLICE_ROWS)
		next_phase(s);
	return err;
}

/* Returns 1 if there is more to take away from it. */
static int
sweep_mailbox(struct wtxn *t, uint64_t mailbox)
{
	struct db *db = t->db;
	int64_t floor;
	int err;

	err = db_get(db, &floor, "SELECT modseq FROM vanished"
	    " WHERE mailbox = ? ORDER BY modseq DESC, uid_lo DESC"
	    " LIMIT 1 OFFSET ?", A_INT(mailbox), A_INT(VANISHED_KEEP));
	if (err < 0)
		return err == ERR_NOTFOUND ? 0 : err;
	/* Complete above the floor, whatever is still there below it. */
	if ((err = db_run(db, "UPDATE mailbox SET vanished_floor ="
	    " max(vanished_floor, ?) WHERE id = ?", A_INT(floor),
	    A_INT(mailbox))) < 0 ||
	    (err = db_run(db, "DELETE FROM vanished"
	    " WHERE (mailbox, modseq, uid_lo) IN"
	    " (SELECT mailbox, modseq, uid_lo FROM vanished"
	    " WHERE mailbox = ? AND modseq <= ? LIMIT ?)", A_INT(mailbox),
	    A_INT(floor), A_INT(SLICE_ROWS))) < 0)
		return err;
	return sqlite3_changes(db->h) == SLICE_ROWS;
}

static int
sweep_vanished(struct wtxn *t, struct sweep *s)
{
	uint64_t ids[SLICE_MAILBOXES];
	size_t n = 0;
	sqlite3_stmt *stmt;
	int err;

	if ((err = db_query(t->db, &stmt, "SELECT id FROM mailbox"
	    " WHERE id > ? ORDER BY id LIMIT ?", A_INT(s->mailbox),
	    A_INT(SLICE_MAILBOXES))) < 0)
		return err;
	while ((err = db_step(t->db, stmt)) > 0)
		ids[n++] = db_u64(stmt, 0);
	for (size_t i = 0; i < n && err == 0; i++) {
		err = sweep_mailbox(t, ids[i]);
		if (err == 0)
			s->mailbox = ids[i];
	}
	if (err == 0 && n < SLICE_MAILBOXES)
		next_phase(s);
	return MIN(err, 0);
}

int
sweep_slice(struct wtxn *t, struct sweep *s, int64_t now_s)
{
	switch (s->phase) {
	case SWEEP_THREADS:
		return sweep_threads(t, s, now_s);
	case SWEEP_PEERS:
		return sweep_peers(t, s, now_s);
	case SWEEP_VANISHED:
		return sweep_vanished(t, s);
	case SWEEP_END:
		break;
	}
	return 0;
}
