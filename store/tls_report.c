#include "store/tls_report.h"

#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/read_priv.h"
#include "store/writer_priv.h"

#define DAY_S 86400

/* NULL is the empty text: keys have no holes. */
static const char *
text(const char *s)
{
	return s ? s : "";
}

/* ---- writing ---- */

static void
result_free(struct op *op)
{
	struct wreq_tls_result *r = (struct wreq_tls_result *)op;

	free(r->domain);
	free(r->type);
	free(r->policy);
	free(r->result);
	free(r->host);
	free(r->peer);
	free(r->local);
	free(r->reason);
	free(r);
}

struct wreq_tls_result *
wreq_tls_result_new(struct env *env)
{
	struct wreq_tls_result *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_TLS_RESULT, env, NULL, result_free);
	return r;
}

/* What is too old to be reported goes with the first count of a day. */
static int
sweep(struct wtxn *t, int64_t day)
{
	return db_run(t->db, "DELETE FROM tls_result WHERE day < ?",
	    A_INT(day - TLS_RESULT_DAYS));
}

int
apply_tls_result(struct wtxn *t, struct wreq *w)
{
	struct wreq_tls_result *r = (struct wreq_tls_result *)w;
	int64_t day = w->now_s / DAY_S, kinds = 0;
	int err = db_get(t->db, &kinds, "SELECT count(*) FROM tls_result"
	    " WHERE day = ? AND domain = ?", A_INT(day), A_STR(r->domain));

	if (err < 0 || (kinds == 0 && (err = sweep(t, day)) < 0))
		return err;
	err = db_run(t->db, "INSERT INTO tls_result(day, domain, type,"
	    " policy, result, host, peer, local, reason, n)"
	    " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0"
	    " WHERE ?10 < ?11 ON CONFLICT DO NOTHING", A_INT(day),
	    A_STR(r->domain), A_STR(text(r->type)), A_STR(text(r->policy)),
	    A_STR(text(r->result)), A_STR(text(r->host)),
	    A_STR(text(r->peer)), A_STR(text(r->local)),
	    A_STR(text(r->reason)), A_INT(kinds), A_INT(TLS_RESULTS_MAX));
	if (err < 0)
		return err;
	return db_run(t->db, "UPDATE tls_result SET n = n + 1"
	    " WHERE day = ? AND domain = ? AND type = ? AND policy = ?"
	    " AND result = ? AND host = ? AND peer = ? AND local = ?"
	    " AND reason = ?", A_INT(day), A_STR(r->domain),
	    A_STR(text(r->type)), A_STR(text(r->policy)),
	    A_STR(text(r->result)), A_STR(text(r->host)),
	    A_STR(text(r->peer)), A_STR(text(r->local)),
	    A_STR(text(r->reason)));
}

static void
done_free(struct op *op)
{
	struct wreq_tls_done *r = (struct wreq_tls_done *)op;

	free(r->domain);
	free(r);
}

struct wreq_tls_done *
wreq_tls_done_new(struct env *env)
{
	struct wreq_tls_done *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_TLS_DONE, env, NULL, done_free);
	return r;
}

int
apply_tls_done(struct wtxn *t, struct wreq *w)
{
	struct wreq_tls_done *r = (struct wreq_tls_done *)w;

	return db_run(t->db, "DELETE FROM tls_result WHERE day = ?"
	    " AND domain = ?", A_INT(r->day), A_STR(r->domain));
}

/* ---- reading ---- */

static void
job_free(struct op *op)
{
	struct rjob_tls_results *j = CONTAINER_OF(op, struct rjob_tls_results,
	    j.op);

	job_arena_free(j->arena);
	free(j);
}

struct rjob_tls_results *
rjob_tls_results_new(struct env *env, int64_t before_day)
{
	struct rjob_tls_results *j = xcalloc(1, sizeof *j);

	rjob_init(&j->j, RJOB_TLS_RESULTS, env, NULL, job_free);
	j->before_day = before_day;
	j->arena = job_arena_new();
	return j;
}

static int
read_oldest(struct reader *r, struct rjob_tls_results *j)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(r->db, &s, "SELECT day, domain FROM tls_result"
	    " WHERE day < ? ORDER BY day, domain LIMIT 1",
	    A_INT(j->before_day))) < 0 || (err = db_step(r->db, s)) <= 0)
		return err;
	j->day = db_i64(s, 0);
	j->domain = arena_str(j->arena, db_span(s, 1));
	db_done(s);
	return 0;
}

static void
read_row(struct rjob_tls_results *j, sqlite3_stmt *s)
{
	struct tls_result *row = &j->rows[j->count++];
	const char **texts[] = {
		&row->type, &row->policy, &row->result, &row->host,
		&row->peer, &row->local, &row->reason
	};

	for (size_t i = 0; i < COUNT(texts); i++)
		*texts[i] = arena_str(j->arena, db_span(s, (int)i));
	row->count = (uint64_t)db_i64(s, COUNT(texts));
}

int
slice_tls_results(struct reader *r, struct rjob *job)
{
	struct rjob_tls_results *j = CONTAINER_OF(job,
	    struct rjob_tls_results, j);
	sqlite3_stmt *s;
	int err;

	if ((err = read_oldest(r, j)) < 0 || !j->domain)
		return err;
	j->rows = arena_array(j->arena, TLS_RESULTS_MAX, sizeof *j->rows);
	if ((err = db_query(r->db, &s, "SELECT type, policy, result, host,"
	    " peer, local, reason, n FROM tls_result WHERE day = ?"
	    " AND domain = ? ORDER BY type, policy, result, host, peer",
	    A_INT(j->day), A_STR(j->domain))) < 0)
		return err;
	while (j->count < TLS_RESULTS_MAX && (err = db_step(r->db, s)) > 0)
		read_row(j, s);
	db_done(s);
	return err < 0 ? err : 0;
}
