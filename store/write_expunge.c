#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/message_priv.h"

static void
expunge_free(struct op *op)
{
	struct wreq_expunge *r = (struct wreq_expunge *)op;

	uidset_release(&r->uids);
	uidset_release(&r->expunged_r);
	free(r);
}

struct wreq_expunge *
wreq_expunge_new(struct env *env, struct session *s)
{
	struct wreq_expunge *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_EXPUNGE, env, s, expunge_free);
	return r;
}

/*
 * Finds what is to go in a range: into expunged_r exactly, into runs as
 * ranges that stretch over UIDs which are gone already. Counts it out.
 */
static int
scan_range(struct wtxn *t, struct wreq_expunge *r, struct mailbox_row *box,
    const struct uidrange *range, struct uidset *runs)
{
	uint32_t last = 0;	/* the last to go with none staying since */
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(t->db, &s, "SELECT uid, flags, size FROM msg"
	    " WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid",
	    A_INT(box->id), A_INT(range->lo), A_INT(range->hi))) < 0)
		return err;
	while ((err = db_step(t->db, s)) > 0) {
		uint32_t uid = db_u32(s, 0);

		if (r->only_deleted && !(db_u64(s, 1) & FLAG_DELETED)) {
			last = 0;
			continue;
		}
		uidset_add(&r->expunged_r, uid, uid);
		uidset_add(runs, last ? last + 1 : uid, uid);
		mailbox_count_out(box, db_u64(s, 1), db_u32(s, 2));
		last = uid;
	}
	return err;
}

static int
scan(struct wtxn *t, struct wreq_expunge *r, struct mailbox_row *box,
    struct uidset *runs)
{
	static const struct uidrange everything = { 1, UINT32_MAX };
	int err = 0;

	if (r->only_deleted && box->deleted == 0)
		return 0;
	if (r->all)
		return scan_range(t, r, box, &everything, runs);
	for (size_t i = 0; i < r->uids.n && err == 0; i++)
		err = scan_range(t, r, box, &r->uids.v[i], runs);
	return err;
}

int
apply_expunge(struct wtxn *t, struct wreq *w)
{
	struct wreq_expunge *r = (struct wreq_expunge *)w;
	struct mailbox_row box, before;
	struct uidset runs = { 0 };
	struct change *c;
	int err;

	uidset_clear(&r->expunged_r);
	if ((err = mailbox_access(t->db, w->actor, r->mailbox,
	    r->only_deleted ? RIGHT_EXPUNGE :
	    RIGHT_EXPUNGE | RIGHT_DELETE_MSG, &box)) < 0)
		return err;
	before = box;
	r->modseq_r = box.modseq;
	if ((err = scan(t, r, &box, &runs)) < 0 || runs.n == 0)
		goto out;
	if ((err = message_remove(t, &box, &runs, FATE_EXPUNGED,
	    w->now_s)) < 0 ||
	    (err = mailbox_save(t, &box)) < 0 ||
	    (err = account_charge(t, box.account,
	    (int64_t)(box.bytes - before.bytes),
	    (int64_t)box.messages - before.messages)) < 0)
		goto out;
	r->modseq_r = wtxn_modseq(t);
	c = changeset_add(t->changes, CHANGE_EXPUNGE, box.account, box.id);
	c->modseq = r->modseq_r;
	c->origin = w->origin;
	uidset_copy(&c->uids, &r->expunged_r);
out:
	uidset_release(&runs);
	return err;
}
