#include "store/seen_priv.h"

#include "server/base/err.h"
#include "server/base/xalloc.h"

int
seen_read(struct db *db, uint64_t mailbox, uint64_t reader, uint32_t lo,
    uint32_t hi, struct uidset *seen)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT uid_lo, uid_hi FROM seen"
	    " WHERE mailbox = ?1 AND account = ?2 AND uid_lo <= ?4"
	    " AND uid_lo >= ifnull((SELECT max(uid_lo) FROM seen"
	    " WHERE mailbox = ?1 AND account = ?2 AND uid_lo <= ?3), 0)"
	    " ORDER BY uid_lo", A_INT(mailbox), A_INT(reader), A_INT(lo),
	    A_INT(hi))) < 0)
		return err;
	while ((err = db_step(db, s)) > 0)
		uidset_add(seen, db_u32(s, 0), db_u32(s, 1));
	return err;
}

int
seen_count(struct db *db, uint64_t mailbox, uint64_t reader, uint32_t *count)
{
	int64_t n = 0;
	int err = db_get(db, &n, "SELECT count(*) FROM seen s JOIN msg g"
	    " ON g.mailbox = s.mailbox AND g.uid BETWEEN s.uid_lo"
	    " AND s.uid_hi WHERE s.mailbox = ? AND s.account = ?",
	    A_INT(mailbox), A_INT(reader));

	*count = (uint32_t)n;
	return err;
}

/*
 * The last range that begins at or before below and ends at or behind above.
 * It is taken out; *r is empty (lo 0) if there is none.
 */
static int
take_last(struct wtxn *t, uint64_t mailbox, uint64_t reader, uint32_t above,
    uint32_t below, struct uidrange *r)
{
	sqlite3_stmt *s;
	int err;

	*r = (struct uidrange){ 0 };
	if ((err = db_query(t->db, &s, "SELECT uid_lo, uid_hi FROM seen"
	    " WHERE mailbox = ? AND account = ? AND uid_lo <= ?"
	    " ORDER BY uid_lo DESC LIMIT 1", A_INT(mailbox), A_INT(reader),
	    A_INT(below))) < 0 || (err = db_step(t->db, s)) <= 0)
		return err;
	if (db_u32(s, 1) >= above)
		*r = (struct uidrange){ db_u32(s, 0), db_u32(s, 1) };
	db_done(s);
	return r->lo == 0 ? 0 : db_run(t->db, "DELETE FROM seen"
	    " WHERE mailbox = ? AND account = ? AND uid_lo = ?",
	    A_INT(mailbox), A_INT(reader), A_INT(r->lo));
}

static int
insert(struct wtxn *t, uint64_t mailbox, uint64_t reader, uint32_t lo,
    uint32_t hi)
{
	return db_run(t->db, "INSERT INTO seen(mailbox, account, uid_lo,"
	    " uid_hi) VALUES (?, ?, ?, ?)", A_INT(mailbox), A_INT(reader),
	    A_INT(lo), A_INT(hi));
}

int
seen_put(struct wtxn *t, uint64_t mailbox, uint64_t reader,
    const struct uidset *uids)
{
	int err = 0;

	for (size_t i = 0; i < uids->n && err == 0; i++) {
		struct uidrange whole = uids->v[i], old;

		/* What it overlaps or touches melts into it. */
		while ((err = take_last(t, mailbox, reader, whole.lo - 1,
		    whole.hi + 1, &old)) == 0 && old.lo) {
			whole.lo = MIN(whole.lo, old.lo);
			whole.hi = MAX(whole.hi, old.hi);
		}
		if (err == 0)
			err = insert(t, mailbox, reader, whole.lo, whole.hi);
	}
	return err;
}

int
seen_take(struct wtxn *t, uint64_t mailbox, uint64_t reader,
    const struct uidset *uids)
{
	int err = 0;

	for (size_t i = 0; i < uids->n && err == 0; i++) {
		const struct uidrange *gone = &uids->v[i];
		struct uidrange old;

		while ((err = take_last(t, mailbox, reader, gone->lo,
		    gone->hi, &old)) == 0 && old.lo) {
			if (old.hi > gone->hi)
				err = insert(t, mailbox, reader,
				    gone->hi + 1, old.hi);
			if (err == 0 && old.lo < gone->lo)
				err = insert(t, mailbox, reader, old.lo,
				    gone->lo - 1);
			if (err < 0)
				return err;
		}
	}
	return err;
}

int
seen_arrived(struct wtxn *t, const struct mailbox_row *box, uint64_t reader,
    uint64_t origin, const struct uidset *uids)
{
	struct change *c;
	int err;

	if (uids->n == 0)
		return 0;
	if ((err = seen_put(t, box->id, reader, uids)) < 0)
		return err;
	c = changeset_add(t->changes, CHANGE_FLAGS, box->account, box->id);
	c->modseq = wtxn_modseq(t);
	c->origin = origin;
	c->reader = reader;
	c->set = FLAG_SEEN;
	c->max_modseq = UINT64_MAX;
	uidset_copy(&c->uids, uids);
	return 0;
}
