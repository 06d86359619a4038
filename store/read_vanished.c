/*
 * What has vanished from a mailbox since a modseq (RFC 7162 section 3.2.6).
 */
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/read_priv.h"

static void
vanished_free(struct op *op)
{
	struct rjob_vanished *v = CONTAINER_OF(op, struct rjob_vanished,
	    j.op);

	uidset_release(&v->uids);
	free(v);
}

struct rjob_vanished *
rjob_vanished_new(struct env *env, struct session *s, uint64_t mailbox,
    uint64_t since)
{
	struct rjob_vanished *v = xcalloc(1, sizeof *v);

	rjob_init(&v->j, RJOB_VANISHED, env, s, vanished_free);
	v->mailbox = mailbox;
	v->since = since;
	return v;
}

/* Sorted by UID, as a set is made in linear time from rising ranges only. */
static int
read_ranges(struct db *db, struct rjob_vanished *v)
{
	uint64_t since = MIN(v->since, (uint64_t)INT64_MAX);
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT uid_lo, uid_hi FROM vanished"
	    " WHERE mailbox = ? AND modseq > ? ORDER BY uid_lo",
	    A_INT(v->mailbox), A_INT(since))) < 0)
		return err;
	while ((err = db_step(db, s)) > 0) {
		uidset_add(&v->uids, db_u32(s, 0), db_u32(s, 1));
		if (v->uids.n <= VANISHED_RANGES_MAX)
			continue;
		v->complete = false;
		uidset_release(&v->uids);
		db_done(s);
		return 0;
	}
	return err;
}

int
slice_vanished(struct reader *r, struct rjob *j)
{
	struct rjob_vanished *v = CONTAINER_OF(j, struct rjob_vanished, j);
	struct mailbox_row row;
	int err;

	uidset_clear(&v->uids);
	if ((err = mailbox_access(r->db, j->actor, v->mailbox, RIGHT_READ,
	    &row)) < 0)
		return err;
	v->complete = v->since >= row.vanished_floor;
	return v->complete ? read_ranges(r->db, v) : 0;
}
