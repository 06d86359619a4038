/*
 * A message by its mailbox and UID, for those who have no view of it.
 */
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/read_priv.h"

static void
find_free(struct op *op)
{
	free(CONTAINER_OF(op, struct rjob_find, j.op));
}

struct rjob_find *
rjob_find_new(struct env *env, struct session *s, uint64_t mailbox,
    uint32_t uidvalidity, uint32_t uid)
{
	struct rjob_find *f = xcalloc(1, sizeof *f);

	rjob_init(&f->j, RJOB_FIND, env, s, find_free);
	f->mailbox = mailbox;
	f->uidvalidity = uidvalidity;
	f->uid = uid;
	return f;
}

int
slice_find(struct reader *r, struct rjob *j)
{
	struct rjob_find *f = CONTAINER_OF(j, struct rjob_find, j);
	struct mailbox_row box;
	int64_t body;
	int err;

	if ((err = mailbox_access(r->db, j->actor, f->mailbox, RIGHT_READ,
	    &box)) < 0)
		return err;
	if (f->uidvalidity && f->uidvalidity != box.uidvalidity)
		return ERR_NOMSG;
	err = db_get(r->db, &body, "SELECT body FROM msg WHERE mailbox = ?"
	    " AND uid = ?", A_INT(f->mailbox), A_INT(f->uid));
	f->body = (uint64_t)body;
	return err == ERR_NOTFOUND ? ERR_NOMSG : err;
}
