#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/message_priv.h"
#include "store/seen_priv.h"

static void
flags_free(struct op *op)
{
	struct wreq_flags *r = (struct wreq_flags *)op;

	uidset_release(&r->uids);
	uidset_release(&r->modified_r);
	names_free(r->keywords, r->keyword_count);
	free(r);
}

struct wreq_flags *
wreq_flags_new(struct env *env, struct session *s)
{
	struct wreq_flags *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_FLAGS, env, s, flags_free);
	r->unchanged_since = UINT64_MAX;
	return r;
}

/*
 * RFC 4314 section 4: \Seen, \Deleted and the rest are three rights. Flags
 * that one has no right to are left as they are; to have none to any of those
 * asked for is an error.
 */
static int
check_rights(const struct wreq_flags *r, unsigned have)
{
	unsigned any = 0;

	if ((r->flags & FLAG_SEEN) || r->how == FLAGS_REPLACE)
		any |= RIGHT_SEEN;
	if ((r->flags & FLAG_DELETED) || r->how == FLAGS_REPLACE)
		any |= RIGHT_DELETE_MSG;
	if ((r->flags & ~(uint64_t)(FLAG_SEEN | FLAG_DELETED)) ||
	    r->keyword_count > 0 || r->how == FLAGS_REPLACE)
		any |= RIGHT_WRITE;
	return any == 0 || (have & any) ? 0 : ERR_DENIED;
}

/* The request as the rule that array and database apply. */
static int
make_rule(struct wtxn *t, const struct wreq_flags *r,
    const struct mailbox_row *box, struct change *rule)
{
	uint64_t bits, allowed = flags_allowed(box->rights);
	int err;

	if ((err = keyword_bits(t, box, r->keywords, r->keyword_count,
	    r->how != FLAGS_REMOVE && (box->rights & RIGHT_WRITE),
	    &bits)) < 0)
		return err;
	bits |= r->flags & FLAG_SYSTEM_MASK;
	bits &= allowed;
	*rule = (struct change){ .kind = CHANGE_FLAGS,
	    .reader = seen_reader(r->w.actor, box),
	    .max_modseq = r->unchanged_since };
	if (r->how != FLAGS_REMOVE)
		rule->set = bits;
	if (r->how == FLAGS_REMOVE)
		rule->clear = bits;
	if (r->how == FLAGS_REPLACE)
		rule->clear = allowed;
	return 0;
}

/* One message whose flags change, in the mailbox's counters. */
static void
recount(struct mailbox_row *box, uint64_t old, uint64_t new, uint32_t size)
{
	mailbox_count_out(box, old, size);
	mailbox_count_in(box, new, size);
}

/* Looks at what is there: counts what will change, and what may not. */
static int
scan_range(struct wtxn *t, struct wreq_flags *r, struct mailbox_row *box,
    const struct change *rule, const struct uidrange *range, bool *any)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(t->db, &s, "SELECT uid, flags, modseq, size"
	    " FROM msg WHERE mailbox = ? AND uid BETWEEN ? AND ?",
	    A_INT(box->id), A_INT(range->lo), A_INT(range->hi))) < 0)
		return err;
	while ((err = db_step(t->db, s)) > 0) {
		uint64_t old = db_u64(s, 1);
		uint64_t new = change_apply_flags(rule, old);

		if (db_u64(s, 2) > rule->max_modseq) {
			uidset_add(&r->modified_r, db_u32(s, 0),
			    db_u32(s, 0));
		} else if (new != old) {
			recount(box, old, new, db_u32(s, 3));
			*any = true;
		}
	}
	return err;
}

/* What a rule comes to for one who is not the owner. */
struct own_work {
	struct uidset hit;	/* whose row changes, if just in its modseq */
	struct uidset on, off;	/* whose \Seen does */
};

/* The same as scan_range, with \Seen of the rule's reader. */
static int
scan_own(struct wtxn *t, struct wreq_flags *r, struct mailbox_row *box,
    const struct change *rule, const struct uidrange *range,
    struct own_work *w)
{
	const uint64_t seen_bit = FLAG_SEEN;
	struct uidset seen = { 0 };
	sqlite3_stmt *s;
	int err;

	if ((err = seen_read(t->db, box->id, rule->reader, range->lo,
	    range->hi, &seen)) < 0 ||
	    (err = db_query(t->db, &s, "SELECT uid, flags, modseq, size"
	    " FROM msg WHERE mailbox = ? AND uid BETWEEN ? AND ?",
	    A_INT(box->id), A_INT(range->lo), A_INT(range->hi))) < 0)
		goto out;
	while ((err = db_step(t->db, s)) > 0) {
		uint32_t uid = db_u32(s, 0);
		uint64_t row = db_u64(s, 1), rest = row & ~seen_bit;
		uint64_t old = uidset_has(&seen, uid) ? rest | seen_bit : rest;
		uint64_t new = change_apply_flags(rule, old);

		if (db_u64(s, 2) > rule->max_modseq) {
			uidset_add(&r->modified_r, uid, uid);
			continue;
		}
		if (new == old)
			continue;
		uidset_add(&w->hit, uid, uid);
		if ((new ^ old) & seen_bit)
			uidset_add(new & seen_bit ? &w->on : &w->off, uid,
			    uid);
		recount(box, row, (new & ~seen_bit) | (row & seen_bit),
		    db_u32(s, 3));
	}
out:
	uidset_release(&seen);
	return err;
}

static int
update_range(struct wtxn *t, const struct mailbox_row *box,
    const struct change *rule, const struct uidrange *range)
{
	uint64_t max = MIN(rule->max_modseq, (uint64_t)INT64_MAX);

	return db_run(t->db, "UPDATE msg SET flags = (flags & ?1) | ?2,"
	    " modseq = ?3 WHERE mailbox = ?4 AND uid BETWEEN ?5 AND ?6"
	    " AND modseq <= ?7 AND flags <> ((flags & ?1) | ?2)",
	    A_INT(~rule->clear), A_INT(rule->set), A_INT(wtxn_modseq(t)),
	    A_INT(box->id), A_INT(range->lo), A_INT(range->hi), A_INT(max));
}

static void
tell_flags(struct wtxn *t, const struct wreq_flags *r,
    const struct mailbox_row *box, const struct change *rule)
{
	struct change *c = changeset_add(t->changes, CHANGE_FLAGS,
	    box->account, box->id);

	c->modseq = wtxn_modseq(t);
	c->origin = r->w.origin;
	c->reader = rule->reader;
	c->set = rule->set;
	c->clear = rule->clear;
	c->max_modseq = rule->max_modseq;
	uidset_copy(&c->uids, &r->uids);
}

/*
 * Whether the number of rows that an UPDATE changes says all there is to
 * count. It does for a whole mailbox marked as read, which is the largest
 * change that people make: no need to look at every row twice.
 */
static bool
is_countable(const struct change *rule)
{
	uint64_t bits = rule->set | rule->clear;

	return rule->max_modseq == UINT64_MAX &&
	    (bits == FLAG_SEEN || !(bits & (FLAG_SEEN | FLAG_DELETED)));
}

static int
update_all(struct wtxn *t, const struct wreq_flags *r,
    const struct mailbox_row *box, const struct change *rule,
    sqlite3_int64 *changed)
{
	sqlite3_int64 before = sqlite3_total_changes64(t->db->h);
	int err;

	for (size_t i = 0; i < r->uids.n; i++)
		if ((err = update_range(t, box, rule, &r->uids.v[i])) < 0)
			return err;
	*changed = sqlite3_total_changes64(t->db->h) - before;
	return 0;
}

/* One who is not the owner changes its own \Seen, and else the rows. */
static int
change_own(struct wtxn *t, struct wreq_flags *r, struct mailbox_row *box,
    const struct change *rule, bool *any)
{
	const uint64_t others = ~(uint64_t)FLAG_SEEN;
	struct own_work w = { 0 };
	int err = 0;

	for (size_t i = 0; i < r->uids.n && err == 0; i++)
		err = scan_own(t, r, box, rule, &r->uids.v[i], &w);
	for (size_t i = 0; i < w.hit.n && err == 0; i++)
		err = db_run(t->db, "UPDATE msg SET flags = (flags & ?1) | ?2,"
		    " modseq = ?3 WHERE mailbox = ?4"
		    " AND uid BETWEEN ?5 AND ?6",
		    A_INT(~(rule->clear & others)), A_INT(rule->set & others),
		    A_INT(wtxn_modseq(t)), A_INT(box->id),
		    A_INT(w.hit.v[i].lo), A_INT(w.hit.v[i].hi));
	if (err == 0)
		err = seen_put(t, box->id, rule->reader, &w.on);
	if (err == 0)
		err = seen_take(t, box->id, rule->reader, &w.off);
	*any = w.hit.n > 0;
	uidset_release(&w.hit);
	uidset_release(&w.on);
	uidset_release(&w.off);
	return err;
}

static int
change_rows(struct wtxn *t, struct wreq_flags *r, struct mailbox_row *box,
    const struct change *rule, bool *any)
{
	sqlite3_int64 changed;
	int err;

	if (rule->reader)
		return change_own(t, r, box, rule, any);
	if (is_countable(rule)) {
		if ((err = update_all(t, r, box, rule, &changed)) < 0)
			return err;
		if (rule->set & FLAG_SEEN)
			box->unseen -= (uint32_t)changed;
		else if (rule->clear & FLAG_SEEN)
			box->unseen += (uint32_t)changed;
		*any = changed > 0;
		return 0;
	}
	for (size_t i = 0; i < r->uids.n; i++)
		if ((err = scan_range(t, r, box, rule, &r->uids.v[i],
		    any)) < 0)
			return err;
	return *any ? update_all(t, r, box, rule, &changed) : 0;
}

int
apply_flags(struct wtxn *t, struct wreq *w)
{
	struct wreq_flags *r = (struct wreq_flags *)w;
	size_t mark = changeset_mark(t->changes);
	struct mailbox_row box;
	struct change rule;
	bool any = false;
	int err;

	uidset_clear(&r->modified_r);
	if ((err = mailbox_access(t->db, w->actor, r->mailbox, RIGHT_READ,
	    &box)) < 0 || (err = check_rights(r, box.rights)) < 0 ||
	    (err = make_rule(t, r, &box, &rule)) < 0)
		return err;
	r->modseq_r = box.modseq;
	if ((err = change_rows(t, r, &box, &rule, &any)) < 0)
		return err;
	if (any)
		tell_flags(t, r, &box, &rule);
	/* A keyword that nothing got yet is news as well. */
	if (changeset_mark(t->changes) == mark)
		return 0;
	r->modseq_r = wtxn_modseq(t);
	return mailbox_save(t, &box);
}

/* ---- \Recent ---- */

static void
recent_free(struct op *op)
{
	free(op);
}

struct wreq_recent *
wreq_recent_new(struct env *env)
{
	struct wreq_recent *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_RECENT, env, NULL, recent_free);
	return r;
}

int
apply_recent(struct wtxn *t, struct wreq *w)
{
	struct wreq_recent *r = (struct wreq_recent *)w;

	return db_run(t->db, "UPDATE mailbox SET recent_uid = ?2"
	    " WHERE id = ?1 AND recent_uid < ?2", A_INT(r->mailbox),
	    A_INT(r->recent_uid));
}
