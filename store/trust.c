#include "store/trust.h"

#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/read_priv.h"
#include "store/writer_priv.h"

/* ---- DKIM keys: writing ---- */

static void
dkim_key_free(struct op *op)
{
	struct wreq_dkim_key *r = (struct wreq_dkim_key *)op;

	if (r->private_key)
		explicit_bzero(r->private_key, r->private_len);
	free(r->domain);
	free(r->selector);
	free(r->private_key);
	free(r->public_key);
	free(r);
}

struct wreq_dkim_key *
wreq_dkim_key_new(struct env *env, struct session *s)
{
	struct wreq_dkim_key *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_DKIM_KEY, env, s, dkim_key_free);
	return r;
}

static int
find_key(struct wtxn *t, const struct wreq_dkim_key *r, int64_t *id)
{
	return db_get(t->db, id, "SELECT k.id FROM dkim_key k JOIN domain d"
	    " ON d.id = k.domain WHERE d.name = ? AND k.selector = ?",
	    A_STR(r->domain), A_STR(r->selector));
}

static int
add_key(struct wtxn *t, const struct wreq_dkim_key *r)
{
	int64_t domain, id;
	int err = db_get(t->db, &domain, "SELECT id FROM domain"
	    " WHERE name = ?", A_STR(r->domain));

	if (err < 0)
		return err == ERR_NOTFOUND ? ERR_NODOMAIN : err;
	if ((err = find_key(t, r, &id)) != ERR_NOTFOUND)
		return err < 0 ? err : ERR_EXISTS;
	return db_run(t->db, "INSERT INTO dkim_key(id, domain, selector,"
	    " algorithm, private, public, state, created, retire)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", A_INT(wtxn_id(t)),
	    A_INT(domain), A_STR(r->selector), A_INT(r->algorithm),
	    A_BLOB(r->private_key, r->private_len),
	    A_BLOB(r->public_key, r->public_len), A_INT(r->state),
	    A_INT(r->w.now_s), A_INT(r->retire_s));
}

int
apply_dkim_key(struct wtxn *t, struct wreq *w)
{
	struct wreq_dkim_key *r = (struct wreq_dkim_key *)w;
	int64_t id;
	int err;

	if (r->how == DKIM_KEY_ADD) {
		err = add_key(t, r);
	} else if ((err = find_key(t, r, &id)) == 0) {
		err = r->how == DKIM_KEY_DEL ?
		    db_run(t->db, "DELETE FROM dkim_key WHERE id = ?",
		    A_INT(id)) :
		    db_run(t->db, "UPDATE dkim_key SET state = ?, retire = ?"
		    " WHERE id = ?", A_INT(r->state), A_INT(r->retire_s),
		    A_INT(id));
	}
	/* Who signs hears of it as of a domain's news. */
	if (err == 0)
		changeset_add(t->changes, CHANGE_DIRECTORY, 0, 0);
	return err;
}

/* ---- DKIM keys: reading ---- */

static void
dkim_keys_free(struct op *op)
{
	struct rjob_dkim_keys *k = CONTAINER_OF(op, struct rjob_dkim_keys,
	    j.op);

	for (size_t i = 0; i < k->key_count; i++)
		explicit_bzero((void *)(uintptr_t)k->keys[i].private_key.p,
		    k->keys[i].private_key.len);
	free(k->domain);
	job_arena_free(k->arena);
	free(k);
}

struct rjob_dkim_keys *
rjob_dkim_keys_new(struct env *env, struct session *s)
{
	struct rjob_dkim_keys *k = xcalloc(1, sizeof *k);

	rjob_init(&k->j, RJOB_DKIM_KEYS, env, s, dkim_keys_free);
	k->arena = job_arena_new();
	return k;
}

static int
read_keys(struct db *db, struct rjob_dkim_keys *k)
{
	struct arena *a = k->arena;
	sqlite3_stmt *s;
	int64_t n;
	int err;

	if ((err = db_get(db, &n, "SELECT count(*) FROM dkim_key")) < 0 ||
	    (err = db_query(db, &s, "SELECT d.name, k.selector, k.algorithm,"
	    " k.private, k.public, k.state, k.created, k.retire"
	    " FROM dkim_key k JOIN domain d ON d.id = k.domain"
	    " WHERE (?1 IS NULL OR d.name = ?1) ORDER BY d.name, k.created,"
	    " k.id", A_STR(k->domain))) < 0)
		return err;
	k->keys = arena_array(a, (size_t)n, sizeof *k->keys);
	while ((err = db_step(db, s)) > 0)
		if (k->key_count < (size_t)n)
			k->keys[k->key_count++] = (struct dkim_key_row){
				.domain = arena_str(a, db_span(s, 0)),
				.selector = arena_str(a, db_span(s, 1)),
				.algorithm = (enum dkim_key_kind)db_i64(s,
				    2),
				.private_key = arena_span(a, db_span(s, 3)),
				.public_key = arena_span(a, db_span(s, 4)),
				.state = (enum dkim_state)db_i64(s, 5),
				.created_s = db_i64(s, 6),
				.retire_s = db_i64(s, 7)
			};
	return err;
}

static int
read_bare(struct db *db, struct rjob_dkim_keys *k)
{
	sqlite3_stmt *s;
	int64_t n;
	int err;

	if ((err = db_get(db, &n, "SELECT count(*) FROM domain")) < 0 ||
	    (err = db_query(db, &s, "SELECT name FROM domain d"
	    " WHERE kind = 0 AND (?1 IS NULL OR name = ?1) AND NOT EXISTS"
	    " (SELECT 1 FROM dkim_key k WHERE k.domain = d.id)"
	    " ORDER BY name", A_STR(k->domain))) < 0)
		return err;
	k->bare = arena_array(k->arena, (size_t)n, sizeof *k->bare);
	while ((err = db_step(db, s)) > 0)
		if (k->bare_count < (size_t)n)
			k->bare[k->bare_count++] = arena_str(k->arena,
			    db_span(s, 0));
	return err;
}

int
slice_dkim_keys(struct reader *r, struct rjob *j)
{
	struct rjob_dkim_keys *k = CONTAINER_OF(j, struct rjob_dkim_keys, j);
	int err;

	k->key_count = k->bare_count = 0;
	if ((err = read_keys(r->db, k)) < 0)
		return err;
	return read_bare(r->db, k);
}

/* ---- MTA-STS ---- */

static void
mta_sts_free(struct op *op)
{
	struct wreq_mta_sts *r = (struct wreq_mta_sts *)op;

	free(r->domain);
	free(r->id);
	free(r->mx);
	free(r);
}

struct wreq_mta_sts *
wreq_mta_sts_new(struct env *env, struct session *s)
{
	struct wreq_mta_sts *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_MTA_STS, env, s, mta_sts_free);
	return r;
}

int
apply_mta_sts(struct wtxn *t, struct wreq *w)
{
	struct wreq_mta_sts *r = (struct wreq_mta_sts *)w;

	if (r->is_gone)
		return db_run(t->db, "DELETE FROM mta_sts WHERE domain = ?",
		    A_STR(r->domain));
	return db_run(t->db, "INSERT INTO mta_sts(domain, id, mode, mx,"
	    " fetched, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
	    " ON CONFLICT DO UPDATE SET id = ?2, mode = ?3, mx = ?4,"
	    " fetched = ?5, expires = ?6", A_STR(r->domain), A_STR(r->id),
	    A_INT(r->mode), A_STR(r->mx), A_INT(r->fetched_s),
	    A_INT(r->expires_s));
}

static void
mta_sts_job_free(struct op *op)
{
	struct rjob_mta_sts *m = CONTAINER_OF(op, struct rjob_mta_sts, j.op);

	free(m->domain);
	job_arena_free(m->arena);
	free(m);
}

struct rjob_mta_sts *
rjob_mta_sts_new(struct env *env, struct session *s, struct span domain)
{
	struct rjob_mta_sts *m = xcalloc(1, sizeof *m);
	struct buf name = BUF_INIT;

	rjob_init(&m->j, RJOB_MTA_STS, env, s, mta_sts_job_free);
	m->now_s = env_wall_s(env);
	m->arena = job_arena_new();
	buf_addspan(&name, domain);
	m->domain = buf_take(&name);
	return m;
}

int
slice_mta_sts(struct reader *r, struct rjob *j)
{
	struct rjob_mta_sts *m = CONTAINER_OF(j, struct rjob_mta_sts, j);
	sqlite3_stmt *s;
	int err;

	m->found = false;
	if ((err = db_query(r->db, &s, "SELECT id, mode, mx, fetched, expires"
	    " FROM mta_sts WHERE domain = ? AND expires > ?",
	    A_STR(m->domain), A_INT(m->now_s))) < 0)
		return err;
	if ((err = db_step(r->db, s)) <= 0)
		return err;
	m->found = true;
	m->id = arena_str(m->arena, db_span(s, 0));
	m->mode = (enum mta_sts_mode)db_i64(s, 1);
	m->mx = arena_str(m->arena, db_span(s, 2));
	m->fetched_s = db_i64(s, 3);
	m->expires_s = db_i64(s, 4);
	db_done(s);
	return 0;
}
