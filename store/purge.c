/*
 * Purge: takes away for good what nothing refers to any more.
 *
 * A delete only marks: a message goes to expunged, a mailbox or account loses
 * its name, a body without references is dated. What follows from that is
 * done here, a slice at a time, each slice one transaction in the writer's
 * queue between everybody else's, so that a large mailbox holds nobody up.
 *
 * In a slice, in this order, so that what one step lets go the next can take:
 *   undelete rows past their account's days      -> a body loses a reference
 *   mailboxes that were deleted, then accounts   -> the same
 *   bodies without references, after the delay   -> a content loses one
 *   contents without references                  -> pages become free
 *   what was sent more than an hour ago          -> no copy of it is awaited
 *
 * When the disk is short of room nothing waits for its time: the oldest
 * undelete rows go first.
 */
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/body.h"
#include "store/message_priv.h"
#include "store/queue_priv.h"

/* Rows of a slice, and bytes of the contents among them. */
#define SLICE_ROWS 500
#define SLICE_BYTES (16u * 1024 * 1024)

/* A message that is still being received after this never will be. */
#define STAGE_MAX_S (2 * 86400)

/* Free pages are given back beyond this share of all: a tenth. */
#define FREE_SHARE 10
#define VACUUM_PAGES 2048

#define SWEEP_S 86400	/* from one sweep to the next */

struct slice {
	struct wtxn *t;
	int64_t now_s;
	bool hurry;		/* the disk is short */
	bool more;		/* something was left for the next slice */
};

static void
purge_free(struct op *op)
{
	free(op);
}

struct wreq_purge *
wreq_purge_new(struct store *store)
{
	struct wreq_purge *r = xcalloc(1, sizeof *r);

	op_init(&r->w.op, NULL, NULL, purge_free);
	r->w.kind = WREQ_PURGE;
	r->w.now_s = env_wall_s(store->env);
	r->is_sweep = r->w.now_s -
	    atomic_load(&store->writer->swept_s) >= SWEEP_S;
	sweep_begin(&r->sweep);
	return r;
}

/* ---- lists of ids: a row is not deleted under the statement that finds it */

struct ids {
	uint64_t v[SLICE_ROWS];
	size_t n;
};

static bool
is_damaged(const struct writer *w, uint64_t id)
{
	for (size_t i = 0; i < w->damaged_count; i++)
		if (w->damaged[i] == id)
			return true;
	return false;
}

/* sql gives ids and bytes, the oldest first, up to a date. */
static int
collect(struct slice *p, struct ids *ids, const char *sql, int64_t date)
{
	uint64_t bytes = 0;
	sqlite3_stmt *s;
	int err;

	ids->n = 0;
	if ((err = db_query(p->t->db, &s, sql, A_INT(date))) < 0)
		return err;
	while ((err = db_step(p->t->db, s)) > 0) {
		if (is_damaged(p->t->store->writer, db_u64(s, 0)))
			continue;
		bytes += db_u64(s, 1);
		if (ids->n == SLICE_ROWS ||
		    (ids->n > 0 && bytes > SLICE_BYTES)) {
			p->more = true;
			db_done(s);
			return 0;
		}
		ids->v[ids->n++] = db_u64(s, 0);
	}
	return err;
}

/* ---- undelete rows ---- */

struct expunged_row {
	uint64_t mailbox, body;
	uint32_t uid;
};

static int
drop_expunged(struct slice *p, const struct expunged_row *v, size_t n)
{
	struct db *db = p->t->db;
	int err;

	for (size_t i = 0; i < n; i++)
		if ((err = db_run(db, "DELETE FROM expunged"
		    " WHERE mailbox = ? AND uid = ?", A_INT(v[i].mailbox),
		    A_INT(v[i].uid))) < 0 ||
		    (err = body_unref(db, v[i].body, p->now_s)) < 0)
			return err;
	return 0;
}

static int
purge_expunged(struct slice *p)
{
	struct expunged_row v[SLICE_ROWS];
	size_t n = 0;
	sqlite3_stmt *s;
	int err;

	/*
	 * The index gives those who are old enough for the account that
	 * keeps them shortest; then each account's own days decide.
	 */
	if ((err = db_query(p->t->db, &s, "SELECT e.mailbox, e.uid, e.body"
	    " FROM expunged e LEFT JOIN mailbox m ON m.id = e.mailbox"
	    " LEFT JOIN account a ON a.id = m.account"
	    " WHERE e.at <= ?1 - iif(?2, 0, (SELECT ifnull(min("
	    "undelete_days), 0) FROM account WHERE state < 2)) * 86400"
	    " AND (?2 OR e.at <= ?1 - ifnull(a.undelete_days, 0) * 86400)"
	    " ORDER BY e.at LIMIT ?3", A_INT(p->now_s), A_INT(p->hurry),
	    A_INT(SLICE_ROWS))) < 0)
		return err;
	while ((err = db_step(p->t->db, s)) > 0)
		v[n++] = (struct expunged_row){ .mailbox = db_u64(s, 0),
		    .uid = db_u32(s, 1), .body = db_u64(s, 2) };
	if (err < 0)
		return err;
	if (n == SLICE_ROWS)
		p->more = true;
	return drop_expunged(p, v, n);
}

/* ---- mailboxes and accounts ---- */

/* Empties a deleted mailbox; *left says that there is more in it. */
static int
empty_mailbox(struct slice *p, uint64_t mailbox, const char *select_sql,
    const char *delete_sql, bool *left)
{
	struct expunged_row v[SLICE_ROWS];
	struct db *db = p->t->db;
	sqlite3_stmt *s;
	size_t n = 0;
	int err;

	if ((err = db_query(db, &s, select_sql, A_INT(mailbox),
	    A_INT(SLICE_ROWS))) < 0)
		return err;
	while ((err = db_step(db, s)) > 0)
		v[n++] = (struct expunged_row){ .uid = db_u32(s, 0),
		    .body = db_u64(s, 1) };
	if (err < 0)
		return err;
	for (size_t i = 0; i < n; i++)
		if ((err = body_unref(db, v[i].body, p->now_s)) < 0)
			return err;
	*left = n == SLICE_ROWS;
	return n == 0 ? 0 : db_run(db, delete_sql, A_INT(mailbox),
	    A_INT(v[n - 1].uid));
}

static int
drop_mailbox(struct slice *p, uint64_t mailbox)
{
	static const char *const rows[] = {
		"DELETE FROM vanished WHERE mailbox = ?",
		"DELETE FROM keyword WHERE mailbox = ?",
		"DELETE FROM acl WHERE mailbox = ?",
		"DELETE FROM seen WHERE mailbox = ?",
		"DELETE FROM metadata WHERE mailbox = ?",
		"DELETE FROM mailbox WHERE id = ?"
	};
	bool left;
	int err;

	if ((err = empty_mailbox(p, mailbox, "SELECT uid, body FROM msg"
	    " WHERE mailbox = ? ORDER BY uid LIMIT ?", "DELETE FROM msg"
	    " WHERE mailbox = ? AND uid <= ?", &left)) < 0 ||
	    (!left && (err = empty_mailbox(p, mailbox, "SELECT uid, body"
	    " FROM expunged WHERE mailbox = ? ORDER BY uid LIMIT ?",
	    "DELETE FROM expunged WHERE mailbox = ? AND uid <= ?",
	    &left)) < 0))
		return err;
	if (left) {
		p->more = true;
		return 0;
	}
	for (size_t i = 0; i < COUNT(rows); i++)
		if ((err = db_run(p->t->db, rows[i], A_INT(mailbox))) < 0)
			return err;
	return 0;
}

/*
 * A mailbox is kept as long as its account's expunged messages are; one of a
 * deleted account goes after the delay.
 */
static int
purge_mailbox(struct slice *p, int64_t delay_s)
{
	sqlite3_stmt *s;
	uint64_t mailbox;
	int err;

	if ((err = db_query(p->t->db, &s, "SELECT m.id FROM mailbox m"
	    " LEFT JOIN account a ON a.id = m.account"
	    " WHERE m.dropped IS NOT NULL AND (?2 OR m.dropped <= ?1 -"
	    " CASE WHEN a.state < 2 THEN a.undelete_days * 86400"
	    " ELSE ?3 END) ORDER BY m.dropped LIMIT 1", A_INT(p->now_s),
	    A_INT(p->hurry), A_INT(delay_s))) < 0)
		return err;
	if ((err = db_step(p->t->db, s)) <= 0)
		return err;
	mailbox = db_u64(s, 0);
	db_done(s);
	p->more = true;		/* there may be another */
	return drop_mailbox(p, mailbox);
}

/* Accounts that were deleted and have no mailbox any more. */
static int
purge_accounts(struct slice *p)
{
	struct db *db = p->t->db;
	int err;

	if ((err = db_run(db, "DELETE FROM thread_ref WHERE (account, msgid)"
	    " IN (SELECT t.account, t.msgid FROM account a JOIN thread_ref t"
	    " ON t.account = a.id WHERE a.deleted IS NOT NULL LIMIT ?)",
	    A_INT(SLICE_ROWS))) < 0)
		return err;
	if (sqlite3_changes(db->h) == SLICE_ROWS) {
		p->more = true;
		return 0;
	}
	/* Some hundred rows at most each, or they would be sliced too. */
	if ((err = db_run(db, "DELETE FROM metadata WHERE account IN"
	    " (SELECT id FROM account WHERE deleted IS NOT NULL) AND EXISTS"
	    " (SELECT 1 FROM account WHERE deleted IS NOT NULL)")) < 0)
		return err;
	if ((err = db_run(db, "DELETE FROM seen WHERE account IN"
	    " (SELECT id FROM account WHERE deleted IS NOT NULL) AND EXISTS"
	    " (SELECT 1 FROM account WHERE deleted IS NOT NULL)")) < 0)
		return err;
	return db_run(db, "DELETE FROM account WHERE deleted IS NOT NULL"
	    " AND NOT EXISTS (SELECT 1 FROM mailbox m"
	    " WHERE m.account = account.id AND m.dropped IS NOT NULL)");
}

/* ---- bodies and contents ---- */

/* Said once; until the next start the row is passed over. */
static int
note_damaged(struct slice *p, const char *what, uint64_t id, int err)
{
	struct writer *w = p->t->store->writer;

	if (w->damaged_count == DAMAGED_MAX)
		return ERR_STORE;
	w->damaged[w->damaged_count++] = id;
	log_event(p->t->store->env->log, LOG_ERROR, "store", "damaged",
	    F_STR("what", what), F_INT("id", (int64_t)id),
	    F_STR("why", err == ERR_NOTFOUND ?
	    "it is to go, and something still refers to it" :
	    err_text(err)), F_STR("done", "left as it is"));
	return 0;
}

/*
 * Frees each alone: one that is damaged must not keep the others. Damage is
 * what has not to do with the disk or the transaction as a whole.
 */
static int
free_all(struct slice *p, const struct ids *ids, const char *what,
    int (*free_one)(struct db *, uint64_t id, int64_t now_s))
{
	struct db *db = p->t->db;
	int err = 0, row_err;

	for (size_t i = 0; i < ids->n && err == 0; i++) {
		if ((err = db_run(db, "SAVEPOINT row")) < 0)
			return err;
		row_err = free_one(db, ids->v[i], p->now_s);
		if (row_err == ERR_NOTFOUND || row_err == ERR_STORE) {
			if ((err = db_run(db, "ROLLBACK TO row")) == 0)
				err = note_damaged(p, what, ids->v[i],
				    row_err);
		} else {
			err = row_err;
		}
		if (err == 0)
			err = db_run(db, "RELEASE row");
	}
	return err;
}

static int
purge_bodies(struct slice *p, int64_t delay_s)
{
	struct ids ids;
	int err;

	if ((err = collect(p, &ids, "SELECT id, 0 FROM body"
	    " WHERE freed <= ? ORDER BY freed", p->hurry ? p->now_s :
	    p->now_s - delay_s)) < 0)
		return err;
	return free_all(p, &ids, "body", body_free);
}

static int
purge_contents(struct slice *p)
{
	struct ids ids;
	int err;

	/* Minus the time of its first chunk: one that was never finished. */
	if ((err = db_run(p->t->db, "UPDATE content SET freed = 0"
	    " WHERE freed < 0 AND freed > ?",
	    A_INT(-(p->now_s - STAGE_MAX_S)))) < 0)
		return err;
	/* Their bodies have waited; contents need not wait again. */
	if ((err = collect(p, &ids, "SELECT id, length FROM content"
	    " WHERE freed BETWEEN 0 AND ? ORDER BY freed", p->now_s)) < 0)
		return err;
	return free_all(p, &ids, "content", content_free);
}

/* ---- the slice ---- */

/* A write that shows whether the disk takes writes again. */
static int
probe(struct wtxn *t, int64_t now_s)
{
	return db_run(t->db, "INSERT INTO meta(name, value) VALUES"
	    " ('probe', ?1) ON CONFLICT DO UPDATE SET value = ?1",
	    A_INT(now_s));
}

int
apply_purge(struct wtxn *t, struct wreq *w)
{
	struct wreq_purge *r = (struct wreq_purge *)w;
	int64_t delay_s = t->store->settings.purge_after_s;
	struct slice p = { .t = t, .now_s = w->now_s,
	    .hurry = reserve_is_short(t->store) };
	int err;

	r->more = false;
	if (t->store->writer->io_errors > 0 &&
	    (err = probe(t, w->now_s)) < 0)
		return err;
	if ((err = purge_expunged(&p)) < 0 ||
	    (err = purge_mailbox(&p, delay_s)) < 0 ||
	    (err = purge_accounts(&p)) < 0 ||
	    (err = purge_bodies(&p, delay_s)) < 0 ||
	    (err = purge_contents(&p)) < 0 ||
	    (err = sent_purge(t, w->now_s)) < 0)
		return err;
	r->more = p.more;
	r->swept = r->sweep;
	if (!r->is_sweep || p.hurry)
		return 0;
	if ((err = sweep_slice(t, &r->swept, w->now_s)) < 0)
		return err;
	r->more |= r->swept.phase != SWEEP_END;
	return 0;
}

/* Whether so many free pages are worth giving back. */
static bool
is_worth_vacuum(struct store *store, int64_t pages, int64_t free_pages)
{
	if (store_is_full(store))
		return free_pages > 0;
	return free_pages * DB_PAGE_SIZE >= DB_GROW_BYTES &&
	    free_pages > pages / FREE_SHARE;
}

bool
purge_vacuum(struct store *store)
{
	struct db *db = &store->db;
	int64_t pages, free_pages;
	char pragma[64];
	int err = ERR_FULL;

	if (db_get(db, &pages, "PRAGMA page_count") < 0 ||
	    db_get(db, &free_pages, "PRAGMA freelist_count") < 0 ||
	    !is_worth_vacuum(store, pages, free_pages))
		return false;
	/*
	 * Each a transaction of its own. Pages move through the log, which
	 * may not find the room for so many.
	 */
	for (int n = VACUUM_PAGES; n > 0 && err == ERR_FULL; n /= 4) {
		snprintf(pragma, sizeof pragma,
		    "PRAGMA incremental_vacuum(%d)", n);
		err = db_exec(db, pragma);
	}
	return err == 0;
}
