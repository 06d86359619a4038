#include "store/quota.h"

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/quota_priv.h"
#include "store/read_priv.h"
#include "store/writer_priv.h"

static void
read_row(sqlite3_stmt *s, struct quota *q)
{
	*q = (struct quota){
		.bytes = db_u64(s, 0),
		.messages = db_u64(s, 1),
		.max_bytes = db_is_null(s, 2) ? QUOTA_NONE : db_u64(s, 2),
		.max_messages = db_is_null(s, 3) ? QUOTA_NONE : db_u64(s, 3)
	};
}

/* The quota of a living account, and its address in the arena. */
static int
read_quota(struct db *db, uint64_t account, struct quota *q,
    struct arena *a, const char **name)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT bytes, messages, quota_bytes,"
	    " quota_messages, name FROM account WHERE id = ? AND state < 2",
	    A_INT(account))) < 0)
		return err;
	if ((err = db_step(db, s)) <= 0)
		return err < 0 ? err : ERR_NOUSER;
	read_row(s, q);
	if (a)
		*name = arena_str(a, db_span(s, 4));
	db_done(s);
	return 0;
}

int
quota_room(struct db *db, uint64_t account, uint64_t *room)
{
	struct quota q;
	int err;

	if ((err = read_quota(db, account, &q, NULL, NULL)) < 0)
		return err;
	if (q.messages >= q.max_messages || q.bytes >= q.max_bytes)
		*room = 0;
	else if (q.max_bytes == QUOTA_NONE)
		*room = QUOTA_NONE;
	else
		*room = q.max_bytes - q.bytes;
	return 0;
}

int
account_is_admin(struct db *db, uint64_t account, bool *is)
{
	int64_t role = 0;
	int err = db_get(db, &role, "SELECT role FROM account WHERE id = ?"
	    " AND state < 2", A_INT(account));

	*is = err == 0 && role != 0;
	return err == ERR_NOTFOUND ? 0 : err;
}

/*
 * The account meant by an address, NULL being the actor's own. Who may not
 * ask for others is told the same of those that do not exist.
 */
static int
find_account(struct db *db, uint64_t actor, const char *address,
    bool must_admin, uint64_t *account)
{
	bool is_admin = actor == 0;
	int err = 0;

	*account = actor;
	if (actor && (err = account_is_admin(db, actor, &is_admin)) < 0)
		return err;
	if (address)
		err = account_of_login(db, span_of(address), account);
	if (err < 0 && err != ERR_NOUSER)
		return err;
	if (!is_admin && (must_admin || err || *account != actor))
		return ERR_DENIED;
	return err;
}

/* ---- reading ---- */

static void
quota_job_free(struct op *op)
{
	struct rjob_quota *q = CONTAINER_OF(op, struct rjob_quota, j.op);

	free(q->mailbox);
	free(q->account);
	job_arena_free(q->arena);
	free(q);
}

struct rjob_quota *
rjob_quota_new(struct env *env, struct session *s)
{
	struct rjob_quota *q = xcalloc(1, sizeof *q);

	rjob_init(&q->j, RJOB_QUOTA, env, s, quota_job_free);
	q->arena = job_arena_new();
	return q;
}

/* RFC 9208 section 4.1.2: of one's own that may still be made as well. */
static int
owner_of(struct db *db, uint64_t actor, const char *mailbox,
    uint64_t *account)
{
	struct span name = span_of(mailbox), user, rest;
	struct mailbox_row row;
	int err = mailbox_access_name(db, actor, name,
	    RIGHT_READ, &row);

	*account = err == 0 ? row.account : actor;
	return err == ERR_NOMBOX && !mailbox_name_split(name, &user, &rest) ?
	    0 : err;
}

int
slice_quota(struct reader *r, struct rjob *j)
{
	struct rjob_quota *q = CONTAINER_OF(j, struct rjob_quota, j);
	uint64_t account;
	int err = q->mailbox ?
	    owner_of(r->db, j->actor, q->mailbox, &account) :
	    find_account(r->db, j->actor, q->account, false, &account);

	arena_clear(q->arena);
	if (err < 0)
		return err;
	q->is_own = account == j->actor;
	return read_quota(r->db, account, &q->quota, q->arena, &q->owner);
}

/* ---- writing ---- */

static void
quota_free(struct op *op)
{
	struct wreq_quota *r = (struct wreq_quota *)op;

	free(r->account);
	free(r);
}

struct wreq_quota *
wreq_quota_new(struct env *env, struct session *s)
{
	struct wreq_quota *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_QUOTA, env, s, quota_free);
	return r;
}

static struct arg
limit_arg(uint64_t limit)
{
	return limit == QUOTA_NONE ? A_NULL : A_INT(MIN(limit, QUOTA_MAX));
}

int
apply_quota(struct wtxn *t, struct wreq *w)
{
	struct wreq_quota *r = (struct wreq_quota *)w;
	uint64_t account;
	int err;

	if ((err = find_account(t->db, w->actor, r->account, true,
	    &account)) < 0)
		return err;
	if (r->sets_bytes && (err = db_run(t->db, "UPDATE account"
	    " SET quota_bytes = ? WHERE id = ?",
	    limit_arg(r->quota.max_bytes), A_INT(account))) < 0)
		return err;
	if (r->sets_messages && (err = db_run(t->db, "UPDATE account"
	    " SET quota_messages = ? WHERE id = ?",
	    limit_arg(r->quota.max_messages), A_INT(account))) < 0)
		return err;
	return read_quota(t->db, account, &r->quota, NULL, NULL);
}
