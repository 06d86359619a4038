#include "store/acl.h"

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/acl_priv.h"
#include "store/read_priv.h"

int
acl_load(struct db *db, uint64_t mailbox, struct acl_entry **v, size_t *n)
{
	sqlite3_stmt *s;
	int err;

	*v = NULL;
	*n = 0;
	if ((err = db_query(db, &s, "SELECT account, negative, rights"
	    " FROM acl WHERE mailbox = ?", A_INT(mailbox))) < 0)
		return err;
	while ((err = db_step(db, s)) > 0) {
		if ((*n & (*n - 1)) == 0)
			*v = xreallocarray(*v, *n ? 2 * *n : 1, sizeof **v);
		(*v)[(*n)++] = (struct acl_entry){
			.account = db_u64(s, 0),
			.is_negative = db_i64(s, 1) != 0,
			.rights = db_u32(s, 2)
		};
	}
	return err;
}

int
acl_copy(struct wtxn *t, uint64_t from, uint64_t to)
{
	return db_run(t->db, "INSERT INTO acl(mailbox, account, negative,"
	    " rights) SELECT ?, account, negative, rights FROM acl"
	    " WHERE mailbox = ?", A_INT(to), A_INT(from));
}

int
acl_may_post(struct db *db, uint64_t actor, uint64_t owner, bool *may)
{
	uint64_t id = 0;
	sqlite3_stmt *s;
	int err;

	*may = false;
	while (!*may) {
		if ((err = db_query(db, &s, "SELECT m.id FROM acl l"
		    " JOIN mailbox m ON m.id = l.mailbox WHERE l.account"
		    " IN (0, ?1) AND NOT l.negative AND l.rights & ?2"
		    " AND m.account = ?3 AND m.name IS NOT NULL AND m.id > ?4"
		    " ORDER BY m.id LIMIT 1", A_INT(actor),
		    A_INT(RIGHT_POST), A_INT(owner), A_INT(id))) < 0 ||
		    (err = db_step(db, s)) <= 0)
			return err;
		id = db_u64(s, 0);
		db_done(s);
		/* It may have been denied again. */
		*may = mailbox_rights(db, actor, id, owner) & RIGHT_POST;
	}
	return 0;
}

/* ---- reading ---- */

static void
acl_job_free(struct op *op)
{
	struct rjob_acl *q = CONTAINER_OF(op, struct rjob_acl, j.op);

	free(q->name);
	job_arena_free(q->arena);
	free(q);
}

struct rjob_acl *
rjob_acl_new(struct env *env, struct session *s)
{
	struct rjob_acl *q = xcalloc(1, sizeof *q);

	rjob_init(&q->j, RJOB_ACL, env, s, acl_job_free);
	q->arena = job_arena_new();
	return q;
}

static int
read_owner(struct db *db, struct rjob_acl *q, uint64_t owner)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT name FROM account WHERE id = ?",
	    A_INT(owner))) < 0)
		return err;
	while ((err = db_step(db, s)) > 0)
		q->rows[q->row_count++] = (struct acl_row){
			.identifier = arena_str(q->arena, db_span(s, 0)),
			.rights = RIGHT_ALL
		};
	return err;
}

/* Of accounts that are gone nothing is said. */
static int
read_entries(struct db *db, struct rjob_acl *q, uint64_t mailbox)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT ifnull(a.name, 'anyone'),"
	    " l.negative, l.rights FROM acl l LEFT JOIN account a"
	    " ON a.id = l.account AND a.state < 2 WHERE l.mailbox = ?1"
	    " AND (l.account = 0 OR a.id IS NOT NULL)"
	    " ORDER BY l.account <> 0, a.name, l.negative LIMIT ?2",
	    A_INT(mailbox), A_INT(ACL_ENTRIES_MAX))) < 0)
		return err;
	while ((err = db_step(db, s)) > 0)
		q->rows[q->row_count++] = (struct acl_row){
			.identifier = arena_str(q->arena, db_span(s, 0)),
			.is_negative = db_i64(s, 1) != 0,
			.rights = db_u32(s, 2)
		};
	return err;
}

int
slice_acl(struct reader *r, struct rjob *j)
{
	struct rjob_acl *q = CONTAINER_OF(j, struct rjob_acl, j);
	struct mailbox_row box;
	int err;

	arena_clear(q->arena);
	q->row_count = 0;
	if ((err = mailbox_access_name(r->db, j->actor, span_of(q->name),
	    q->only_mine ? 0 : RIGHT_ADMIN, &box)) < 0)
		return err;
	q->rights = box.rights;
	if (q->only_mine)
		return 0;
	q->rows = arena_array(q->arena, ACL_ENTRIES_MAX + 1,
	    sizeof *q->rows);
	if ((err = read_owner(r->db, q, box.account)) < 0)
		return err;
	return read_entries(r->db, q, box.id);
}

/* ---- writing ---- */

static void
acl_free(struct op *op)
{
	struct wreq_acl *r = (struct wreq_acl *)op;

	free(r->name);
	free(r->identifier);
	free(r);
}

struct wreq_acl *
wreq_acl_new(struct env *env, struct session *s)
{
	struct wreq_acl *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_ACL, env, s, acl_free);
	return r;
}

static int
find_identifier(struct wtxn *t, const struct wreq_acl *r,
    const struct mailbox_row *box, uint64_t *account)
{
	struct span id = span_of(r->identifier);
	int err;

	*account = ACL_ANYONE;
	if (span_iis(id, "anyone"))
		return 0;
	if ((err = account_of_login(t->db, id, account)) < 0)
		return err;
	return *account == box->account ? ERR_REFUSED : 0;
}

/* The rights that the entry is to have. */
static int
rights_wanted(struct wtxn *t, const struct wreq_acl *r, uint64_t mailbox,
    uint64_t account, unsigned *old, unsigned *new)
{
	int64_t have = 0;
	int err = db_get(t->db, &have, "SELECT rights FROM acl"
	    " WHERE mailbox = ? AND account = ? AND negative = ?",
	    A_INT(mailbox), A_INT(account), A_INT(r->is_negative));

	if (err < 0 && err != ERR_NOTFOUND)
		return err;
	*old = (unsigned)have;
	switch (r->how) {
	case ACL_SET:
		*new = r->rights;
		break;
	case ACL_ADD:
		*new = *old | r->rights;
		break;
	case ACL_REMOVE:
		*new = *old & ~r->rights;
		break;
	}
	return 0;
}

/* Who has the mailbox open is judged by the whole of the new list. */
static int
tell(struct wtxn *t, const struct mailbox_row *box)
{
	struct change *c;
	struct acl_entry *v;
	size_t n;
	int err = acl_load(t->db, box->id, &v, &n);

	if (err == 0 && n > 2 * ACL_ENTRIES_MAX)
		err = ERR_LIMIT;
	if (err < 0) {
		free(v);
		return err;
	}
	c = changeset_add(t->changes, CHANGE_ACL, box->account, box->id);
	c->modseq = wtxn_modseq(t);
	c->acl = arena_array(&t->changes->arena, n, sizeof *v);
	c->acl_count = n;
	if (n)
		memcpy(c->acl, v, n * sizeof *v);
	free(v);
	return 0;
}

static int
check_room(struct wtxn *t, uint64_t mailbox)
{
	int64_t n;
	int err = db_get(t->db, &n, "SELECT count(*) FROM acl"
	    " WHERE mailbox = ?", A_INT(mailbox));

	if (err < 0)
		return err;
	return n <= ACL_ENTRIES_MAX ? 0 : ERR_LIMIT;
}

int
apply_acl(struct wtxn *t, struct wreq *w)
{
	struct wreq_acl *r = (struct wreq_acl *)w;
	struct mailbox_row box;
	unsigned old = 0, new = 0;
	uint64_t account;
	int err;

	if ((err = mailbox_access_name(t->db, w->actor, span_of(r->name),
	    RIGHT_ADMIN, &box)) < 0 ||
	    (err = find_identifier(t, r, &box, &account)) < 0 ||
	    (err = rights_wanted(t, r, box.id, account, &old, &new)) < 0 ||
	    old == new)
		return err;
	err = new ? db_run(t->db, "INSERT OR REPLACE INTO acl(mailbox,"
	    " account, negative, rights) VALUES (?, ?, ?, ?)", A_INT(box.id),
	    A_INT(account), A_INT(r->is_negative), A_INT(new)) :
	    db_run(t->db, "DELETE FROM acl WHERE mailbox = ?"
	    " AND account = ? AND negative = ?", A_INT(box.id),
	    A_INT(account), A_INT(r->is_negative));
	if (err < 0 || (err = check_room(t, box.id)) < 0 ||
	    (err = tell(t, &box)) < 0)
		return err;
	return db_run(t->db, "UPDATE mailbox SET modseq = ? WHERE id = ?",
	    A_INT(wtxn_modseq(t)), A_INT(box.id));
}
