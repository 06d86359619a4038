/*
 * The queue, as requests change it.
 *
 * Two rules hold after each of them. A message is there as long as one of its
 * recipients waits or is held, and holds one reference to its body. And a
 * destination has a row exactly while recipients wait for it, whose next_at is
 * when there is work: never before the first of them is due, and while it
 * backs off not before that is over.
 */
#include "store/queue_priv.h"

#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/body.h"
#include "store/write.h"

#define PRIORITY_MAX 9
#define PRIORITY_STEP_S 60

void
queue_new_free(struct queue_new *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->rcpt_count; i++) {
		free(q->rcpts[i].address);
		free(q->rcpts[i].orcpt);
		free(q->rcpts[i].destination);
	}
	free(q->rcpts);
	free(q->prefix);
	free(q->sender);
	free(q->msgid);
	free(q->envid);
	free(q);
}

static void
result_free(struct op *op)
{
	struct wreq_queue_result *r = (struct wreq_queue_result *)op;

	for (size_t i = 0; i < r->result_count; i++) {
		free(r->results[i].text);
		free(r->results[i].host);
		free(r->results[i].peer);
		free(r->results[i].tls);
	}
	for (size_t i = 0; i < r->notice_count; i++)
		op_free(&r->notices[i]->w.op);
	free(r->notices);
	free(r->results);
	free(r->destination);
	free(r->dest_text);
	free(r);
}

struct wreq_queue_result *
wreq_queue_result_new(struct env *env)
{
	struct wreq_queue_result *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_QUEUE_RESULT, env, NULL, result_free);
	return r;
}

void
queue_filter_release(struct queue_filter *f)
{
	free(f->sender);
	free(f->rcpt);
	free(f->domain);
	free(f->destination);
}

static void
edit_free(struct op *op)
{
	struct wreq_queue_edit *r = (struct wreq_queue_edit *)op;

	queue_filter_release(&r->filter);
	free(r->destination);
	free(r);
}

struct wreq_queue_edit *
wreq_queue_edit_new(struct env *env, struct session *s)
{
	struct wreq_queue_edit *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_QUEUE_EDIT, env, s, edit_free);
	r->filter.state = -1;
	return r;
}

/* ---- destinations ---- */

/* There is work from at_s on, unless the destination backs off. */
static int
dest_add(struct wtxn *t, const char *name, int64_t at_s)
{
	return db_run(t->db, "INSERT INTO destination(name, failures, next_at)"
	    " VALUES (?1, 0, ?2) ON CONFLICT DO UPDATE SET next_at = ?2"
	    " WHERE failures = 0 AND next_at > ?2", A_STR(name),
	    A_INT(at_s));
}

/* When its first recipient is due; ERR_NOTFOUND: nobody waits. */
static int
dest_first(struct wtxn *t, const char *name, int64_t *at_s)
{
	return db_get(t->db, at_s, "SELECT next_at FROM queue_rcpt"
	    " WHERE destination = ? AND state = 0 ORDER BY next_at LIMIT 1",
	    A_STR(name));
}

/* Brings the row into line with its recipients; keep: a back-off stays. */
static int
dest_settle(struct wtxn *t, const char *name, bool keep)
{
	int64_t first;
	int err = dest_first(t, name, &first);

	if (err == ERR_NOTFOUND)
		return db_run(t->db, "DELETE FROM destination WHERE name = ?",
		    A_STR(name));
	if (err < 0)
		return err;
	return db_run(t->db, "INSERT INTO destination(name, failures, next_at)"
	    " VALUES (?1, 0, ?2) ON CONFLICT DO UPDATE SET"
	    " next_at = iif(?3 AND failures > 0, max(next_at, ?2), ?2),"
	    " failures = iif(?3, failures, 0), text = iif(?3, text, NULL)",
	    A_STR(name), A_INT(first), A_INT(keep));
}

static int
dest_fail(struct wtxn *t, const struct wreq_queue_result *r)
{
	int err = dest_settle(t, r->destination, true);

	if (err < 0)
		return err;
	return db_run(t->db, "UPDATE destination SET failures = failures + 1,"
	    " next_at = max(next_at, ?), text = ? WHERE name = ?",
	    A_INT(r->dest_next_s), A_STR(r->dest_text),
	    A_STR(r->destination));
}

/* ---- a message comes ---- */

void
queue_changed(struct wtxn *t)
{
	changeset_add(t->changes, CHANGE_QUEUE, 0, 0);
}

static int
put_rcpt(struct wtxn *t, const struct queue_new *q, uint32_t n, int64_t at_s)
{
	const struct queue_rcpt_new *r = &q->rcpts[n];
	int err;

	if ((err = db_run(t->db, "INSERT INTO queue_rcpt(queue, n, rcpt,"
	    " orcpt, notify, destination, state, next_at)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)", A_INT(q->id_r), A_INT(n),
	    A_STR(r->address), A_STR(r->orcpt), A_INT(r->notify),
	    A_STR(r->destination),
	    A_INT(q->is_held ? QUEUE_HELD : QUEUE_WAITING),
	    A_INT(at_s))) < 0)
		return err;
	return q->is_held ? 0 : dest_add(t, r->destination, at_s);
}

int
queue_put(struct wtxn *t, struct queue_new *q, uint64_t content,
    int64_t now_s)
{
	/*
	 * RFC 6710: of those who are due, the more urgent comes first; it is
	 * ahead of what came a minute earlier for each step.
	 */
	int64_t at_s = q->release_s > now_s ? q->release_s :
	    now_s - (q->priority + PRIORITY_MAX) * PRIORITY_STEP_S;
	uint64_t body = wtxn_id(t);
	int err;

	q->id_r = wtxn_id(t);
	if ((err = body_put(t->db, body, content, 1,
	    span_make(q->prefix, q->prefix_len))) < 0 ||
	    (err = db_run(t->db, "INSERT INTO queue(id, body, sender, account,"
	    " msgid, created, release, expires, deliver_by, by_mode,"
	    " priority, ret, envid, flags)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	    A_INT(q->id_r), A_INT(body), A_STR(q->sender), A_INT(q->account),
	    A_STR(q->msgid), A_INT(now_s), A_INT(q->release_s),
	    A_INT(q->expires_s), A_INT(q->deliver_by_s), A_INT(q->by_mode),
	    A_INT(q->priority), A_INT(q->ret), A_STR(q->envid),
	    A_INT(q->flags))) < 0)
		return err;
	for (uint32_t n = 0; n < q->rcpt_count; n++)
		if ((err = put_rcpt(t, q, n, at_s)) < 0)
			return err;
	queue_changed(t);
	return 0;
}

/* ---- results ---- */

/* The message goes if nobody of it waits or is held any more. */
static int
finish_queue(struct wtxn *t, uint64_t queue)
{
	int64_t body;
	int err;

	err = db_get(t->db, &body, "SELECT body FROM queue WHERE id = ?1"
	    " AND NOT EXISTS (SELECT 1 FROM queue_rcpt WHERE queue = ?1"
	    " AND state < 2)", A_INT(queue));
	if (err < 0)
		return err == ERR_NOTFOUND ? 0 : err;
	/* Dated long ago: no view shows it, and nothing undeletes it. */
	if ((err = body_unref(t->db, (uint64_t)body, 0)) < 0 ||
	    (err = db_run(t->db, "DELETE FROM queue_attempt WHERE queue = ?",
	    A_INT(queue))) < 0 ||
	    (err = db_run(t->db, "DELETE FROM queue_rcpt WHERE queue = ?",
	    A_INT(queue))) < 0)
		return err;
	return db_run(t->db, "DELETE FROM queue WHERE id = ?", A_INT(queue));
}

static int
put_attempt(struct wtxn *t, const struct queue_result *v, int64_t now_s)
{
	return db_run(t->db, "INSERT OR REPLACE INTO queue_attempt(queue, n,"
	    " at, host, peer, tls, code, text, ms)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", A_INT(v->queue),
	    A_INT(v->n), A_INT(now_s), A_STR(v->host), A_STR(v->peer),
	    A_STR(v->tls), A_INT(v->code), A_STR(v->text), A_INT(v->ms));
}

static int
apply_result(struct wtxn *t, const struct queue_result *v, int64_t now_s)
{
	int err;

	/*
	 * One that was put on hold meanwhile stays so, unless it has come to
	 * its end.
	 */
	if ((err = db_run(t->db, "UPDATE queue_rcpt SET"
	    " state = iif(?3 = 0, state, ?3), attempts = attempts + ?4,"
	    " next_at = iif(?3 = 0, ?5, NULL), code = ?6, text = ?7,"
	    " warned = iif(?8, ?9, warned), done = iif(?3 = 0, NULL, ?9)"
	    " WHERE queue = ?1 AND n = ?2 AND state < 2", A_INT(v->queue),
	    A_INT(v->n), A_INT(v->state), A_INT(v->is_attempt),
	    A_INT(v->next_at_s), A_INT(v->code), A_STR(v->text),
	    A_INT(v->is_warned), A_INT(now_s))) < 0)
		return err;
	if (sqlite3_changes(t->db->h) == 0 || !v->is_attempt)
		return 0;
	return put_attempt(t, v, now_s);
}

int
apply_queue_result(struct wtxn *t, struct wreq *w)
{
	struct wreq_queue_result *r = (struct wreq_queue_result *)w;
	int err;

	for (size_t i = 0; i < r->notice_count; i++)
		if ((err = apply_deliver(t, &r->notices[i]->w)) < 0)
			return err;
	for (size_t i = 0; i < r->result_count; i++)
		if ((err = apply_result(t, &r->results[i], w->now_s)) < 0)
			return err;
	for (size_t i = 0; i < r->result_count; i++)
		if ((i == 0 || r->results[i].queue !=
		    r->results[i - 1].queue) &&
		    (err = finish_queue(t, r->results[i].queue)) < 0)
			return err;
	if (r->reach == REACH_FAILED)
		return dest_fail(t, r);
	return dest_settle(t, r->destination, r->reach == REACH_UNKNOWN);
}

bool
queue_result_grows(const struct wreq *w)
{
	return ((const struct wreq_queue_result *)w)->notice_count > 0;
}

size_t
queue_result_bytes(const struct wreq *w)
{
	const struct wreq_queue_result *r =
	    (const struct wreq_queue_result *)w;
	size_t n = 0;

	for (size_t i = 0; i < r->notice_count; i++)
		n += deliver_bytes(&r->notices[i]->w);
	return n;
}

void
queue_result_ended(struct store *store, struct wreq *w, int err)
{
	struct wreq_queue_result *r = (struct wreq_queue_result *)w;

	for (size_t i = 0; i < r->notice_count; i++)
		deliver_ended(store, &r->notices[i]->w, err);
}

/* ---- by hand ---- */

struct edited {
	uint64_t queue;
	uint32_t n;
	char *destination;
};

struct edits {
	struct edited *v;
	size_t n;
};

static void
edits_free(struct edits *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i].destination);
	free(e->v);
}

static int
query_edits(struct wtxn *t, const struct wreq_queue_edit *r,
    sqlite3_stmt **s)
{
	const struct queue_filter *f = &r->filter;

	if (r->how == QUEUE_RESUME)
		return db_query(t->db, s, "SELECT r.queue, r.n, r.destination"
		    " FROM destination d JOIN queue_rcpt r"
		    " ON r.destination = d.name AND r.state = 0"
		    " JOIN queue q ON q.id = r.queue WHERE d.next_at > ?1"
		    " AND q.release <= ?2", A_INT(r->far_s),
		    A_INT(r->w.now_s));
	return db_query(t->db, s, "SELECT r.queue, r.n, r.destination"
	    " FROM queue q JOIN queue_rcpt r ON r.queue = q.id"
	    " WHERE r.state < 2 AND (?1 = 0 OR q.id = ?1) AND"
	    QUEUE_FILTER_SQL, QUEUE_FILTER_ARGS(f));
}

/* Read out first: rows are not changed under the statement that finds them. */
static int
find_edits(struct wtxn *t, const struct wreq_queue_edit *r, struct edits *e)
{
	sqlite3_stmt *s;
	int err;

	if ((err = query_edits(t, r, &s)) < 0)
		return err;
	while ((err = db_step(t->db, s)) > 0) {
		struct span d = db_span(s, 2);

		if ((e->n & (e->n - 1)) == 0)
			e->v = xreallocarray(e->v, e->n ? 2 * e->n : 1,
			    sizeof *e->v);
		e->v[e->n] = (struct edited){ db_u64(s, 0), db_u32(s, 1),
		    xmalloc(d.len + 1) };
		memcpy(e->v[e->n].destination, d.p, d.len);
		e->v[e->n++].destination[d.len] = '\0';
	}
	return err;
}

static int
edit_rcpt(struct wtxn *t, const struct wreq_queue_edit *r,
    const struct edited *v)
{
	switch (r->how) {
	case QUEUE_HOLD:
		return db_run(t->db, "UPDATE queue_rcpt SET state = 1"
		    " WHERE queue = ? AND n = ?", A_INT(v->queue),
		    A_INT(v->n));
	case QUEUE_RELEASE:
		return db_run(t->db, "UPDATE queue_rcpt SET next_at ="
		    " iif(state = 1, ?, next_at), state = 0"
		    " WHERE queue = ? AND n = ?", A_INT(r->w.now_s),
		    A_INT(v->queue), A_INT(v->n));
	case QUEUE_RETRY:
	case QUEUE_RESUME:
		return db_run(t->db, "UPDATE queue_rcpt SET next_at = ?"
		    " WHERE queue = ? AND n = ? AND state = 0",
		    A_INT(r->w.now_s), A_INT(v->queue), A_INT(v->n));
	case QUEUE_DROP:
		return db_run(t->db, "UPDATE queue_rcpt SET state = 5,"
		    " next_at = NULL, done = ? WHERE queue = ? AND n = ?",
		    A_INT(r->w.now_s), A_INT(v->queue), A_INT(v->n));
	case QUEUE_BOUNCE:
		return db_run(t->db, "UPDATE queue_rcpt SET destination = ?,"
		    " next_at = ?, state = 0 WHERE queue = ? AND n = ?",
		    A_STR(QUEUE_GIVEN_UP), A_INT(r->w.now_s),
		    A_INT(v->queue), A_INT(v->n));
	case QUEUE_ROUTE:
		return db_run(t->db, "UPDATE queue_rcpt SET destination = ?,"
		    " next_at = ? WHERE queue = ? AND n = ?",
		    A_STR(r->destination), A_INT(r->w.now_s),
		    A_INT(v->queue), A_INT(v->n));
	}
	return ERR_RANGE;
}

/* The destinations touched, each once where they stand together. */
static int
settle_edits(struct wtxn *t, const struct wreq_queue_edit *r,
    const struct edits *e)
{
	bool keep = r->how != QUEUE_RETRY && r->how != QUEUE_RESUME;
	int err;

	for (size_t i = 0; i < e->n; i++) {
		if (i > 0 && strcmp(e->v[i].destination,
		    e->v[i - 1].destination) == 0)
			continue;
		if ((err = dest_settle(t, e->v[i].destination, keep)) < 0)
			return err;
	}
	if (r->how == QUEUE_BOUNCE)
		return dest_settle(t, QUEUE_GIVEN_UP, false);
	return r->how == QUEUE_ROUTE ? dest_settle(t, r->destination, false) :
	    0;
}

int
apply_queue_edit(struct wtxn *t, struct wreq *w)
{
	struct wreq_queue_edit *r = (struct wreq_queue_edit *)w;
	struct edits e = { 0 };
	int err;

	if ((err = find_edits(t, r, &e)) < 0)
		goto out;
	r->count_r = e.n;
	if (e.n == 0)
		err = ERR_NOTFOUND;
	for (size_t i = 0; err == 0 && i < e.n; i++)
		err = edit_rcpt(t, r, &e.v[i]);
	for (size_t i = 0; err == 0 && r->how == QUEUE_DROP && i < e.n; i++)
		err = finish_queue(t, e.v[i].queue);
	if (err == 0)
		err = settle_edits(t, r, &e);
	if (err == 0)
		queue_changed(t);
out:
	edits_free(&e);
	return err;
}
