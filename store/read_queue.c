/*
 * What the scheduler and people ask of the queue.
 *
 * What is due is found by the rows of destinations and the index over those
 * who wait, never by looking at all of the queue.
 */
#include <stdlib.h>
#include <string.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/queue_priv.h"
#include "store/read_priv.h"

/* ---- which destinations are due ---- */

static void
due_free(struct op *op)
{
	struct rjob_queue_due *d = CONTAINER_OF(op, struct rjob_queue_due,
	    j.op);

	names_free(d->skip, d->skip_count);
	job_arena_free(d->arena);
	free(d);
}

struct rjob_queue_due *
rjob_queue_due_new(struct env *env)
{
	struct rjob_queue_due *d = xcalloc(1, sizeof *d);

	rjob_init(&d->j, RJOB_QUEUE_DUE, env, NULL, due_free);
	d->arena = job_arena_new();
	return d;
}

static bool
is_skipped_dest(const struct rjob_queue_due *d, struct span name)
{
	for (size_t i = 0; i < d->skip_count; i++)
		if (span_is(name, d->skip[i]))
			return true;
	return false;
}

int
slice_queue_due(struct reader *r, struct rjob *j)
{
	struct rjob_queue_due *d = CONTAINER_OF(j, struct rjob_queue_due, j);
	sqlite3_stmt *s;
	int err;

	d->count = 0;
	if ((err = db_query(r->db, &s, "SELECT name, failures, next_at"
	    " FROM destination WHERE next_at <= ? ORDER BY next_at LIMIT ?",
	    A_INT(d->now_s), A_INT(QUEUE_DUE_MAX + d->skip_count))) < 0)
		return err;
	while ((err = db_step(r->db, s)) > 0) {
		struct span name = db_span(s, 0);

		if (d->count == QUEUE_DUE_MAX || is_skipped_dest(d, name))
			continue;
		d->dests[d->count++] = (struct queue_dest){
			.name = arena_str(d->arena, name),
			.failures = db_u32(s, 1),
			.due_s = db_i64(s, 2)
		};
	}
	if (err < 0)
		return err;
	err = db_get(r->db, &d->next_s, "SELECT next_at FROM destination"
	    " WHERE next_at > ? ORDER BY next_at LIMIT 1", A_INT(d->now_s));
	if (err == ERR_NOTFOUND)
		d->next_s = 0;
	return err == ERR_NOTFOUND ? 0 : err;
}

/* ---- messages and recipients ---- */

static const char *
text(struct arena *a, sqlite3_stmt *s, int col)
{
	return db_is_null(s, col) ? NULL : arena_str(a, db_span(s, col));
}

/* Columns of a recipient, from col on. */
#define RCPT_COLUMNS \
	"r.n, r.rcpt, r.orcpt, r.notify, r.destination, r.state," \
	" r.attempts, r.next_at, r.warned, r.done, r.code, r.text"

static struct queue_mail_rcpt
read_rcpt(struct arena *a, sqlite3_stmt *s, int col)
{
	return (struct queue_mail_rcpt){
		.n = db_u32(s, col),
		.address = arena_str(a, db_span(s, col + 1)),
		.orcpt = text(a, s, col + 2),
		.notify = (unsigned)db_u32(s, col + 3),
		.destination = arena_str(a, db_span(s, col + 4)),
		.state = (enum queue_state)db_i64(s, col + 5),
		.attempts = (unsigned)db_u32(s, col + 6),
		.next_at_s = db_i64(s, col + 7),
		.is_warned = !db_is_null(s, col + 8),
		.done_s = db_i64(s, col + 9),
		.code = (int)db_i64(s, col + 10),
		.text = text(a, s, col + 11)
	};
}

/* All of a message but its recipients. ERR_NOTFOUND. */
static int
read_mail(struct db *db, struct arena *a, struct queue_mail *m)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT q.body,"
	    " length(b.prefix) + c.length, c.flavour, q.sender, q.account,"
	    " q.msgid, q.envid, q.ret, q.flags, q.priority, q.created,"
	    " q.expires, q.release, q.deliver_by, q.by_mode FROM queue q"
	    " JOIN body b ON b.id = q.body JOIN content c ON c.id = b.content"
	    " WHERE q.id = ?", A_INT(m->id))) < 0)
		return err;
	if ((err = db_step(db, s)) <= 0)
		return err < 0 ? err : ERR_NOTFOUND;
	m->body = db_u64(s, 0);
	m->size = db_u64(s, 1);
	m->flavour = (unsigned)db_u32(s, 2);
	m->sender = arena_str(a, db_span(s, 3));
	m->account = db_u64(s, 4);
	m->msgid = text(a, s, 5);
	m->envid = text(a, s, 6);
	m->ret = (enum queue_ret)db_i64(s, 7);
	m->flags = (unsigned)db_u32(s, 8);
	m->priority = (int)db_i64(s, 9);
	m->created_s = db_i64(s, 10);
	m->expires_s = db_i64(s, 11);
	m->release_s = db_i64(s, 12);
	m->deliver_by_s = db_i64(s, 13);
	m->by_mode = (enum queue_by)db_i64(s, 14);
	db_done(s);
	return 0;
}

/* ---- the work at one destination ---- */

static void
work_free(struct op *op)
{
	struct rjob_queue_work *w = CONTAINER_OF(op, struct rjob_queue_work,
	    j.op);

	free(w->destination);
	free(w->skip);
	job_arena_free(w->arena);
	free(w);
}

struct rjob_queue_work *
rjob_queue_work_new(struct env *env)
{
	struct rjob_queue_work *w = xcalloc(1, sizeof *w);

	rjob_init(&w->j, RJOB_QUEUE_WORK, env, NULL, work_free);
	w->arena = job_arena_new();
	return w;
}

/* The message's place in the result, or a new one; NULL: leave it out. */
static struct queue_mail *
mail_of(struct rjob_queue_work *w, uint64_t queue)
{
	struct queue_mail *m;

	for (size_t i = 0; i < w->skip_count; i++)
		if (w->skip[i] == queue)
			return NULL;
	for (size_t i = w->count; i > 0; i--)
		if (w->mails[i - 1].id == queue) {
			m = &w->mails[i - 1];
			if (m->rcpt_count == w->max_rcpts)
				w->has_more = true;
			return m->rcpt_count < w->max_rcpts ? m : NULL;
		}
	if (w->count == w->max_mails) {
		w->has_more = true;
		return NULL;
	}
	m = &w->mails[w->count++];
	*m = (struct queue_mail){ .id = queue };
	return m;
}

static void
add_rcpt(struct arena *a, struct queue_mail *m,
    const struct queue_mail_rcpt *rcpt)
{
	size_t n = m->rcpt_count;

	if ((n & (n - 1)) == 0) {	/* full: the old one is left behind */
		struct queue_mail_rcpt *v = arena_array(a, n ? 2 * n : 1,
		    sizeof *v);

		if (n)
			memcpy(v, m->rcpts, n * sizeof *v);
		m->rcpts = v;
	}
	m->rcpts[m->rcpt_count++] = *rcpt;
}

/*
 * In the order in which they are due. The statement is left as soon as a
 * message is found for which there is no room.
 */
static int
find_work(struct reader *r, struct rjob_queue_work *w)
{
	struct queue_mail_rcpt rcpt;
	struct queue_mail *m;
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(r->db, &s, "SELECT r.queue, " RCPT_COLUMNS
	    " FROM queue_rcpt r WHERE r.destination = ? AND r.state = 0"
	    " AND r.next_at <= ? ORDER BY r.next_at", A_STR(w->destination),
	    A_INT(w->now_s))) < 0)
		return err;
	while ((err = db_step(r->db, s)) > 0) {
		if (!(m = mail_of(w, db_u64(s, 0)))) {
			if (w->has_more && w->count == w->max_mails)
				break;
			continue;
		}
		rcpt = read_rcpt(w->arena, s, 1);
		add_rcpt(w->arena, m, &rcpt);
	}
	if (err > 0)
		db_done(s);
	return MIN(err, 0);
}

int
slice_queue_work(struct reader *r, struct rjob *j)
{
	struct rjob_queue_work *w = CONTAINER_OF(j, struct rjob_queue_work,
	    j);
	int err;

	w->count = 0;
	w->has_more = false;
	w->mails = arena_array(w->arena, w->max_mails, sizeof *w->mails);
	err = find_work(r, w);
	for (size_t i = 0; err == 0 && i < w->count; i++)
		err = read_mail(r->db, w->arena, &w->mails[i]);
	return err == ERR_NOTFOUND ? ERR_STORE : err;
}

/* ---- who has waited too long ---- */

static void
overdue_free(struct op *op)
{
	struct rjob_queue_overdue *o = CONTAINER_OF(op,
	    struct rjob_queue_overdue, j.op);

	free(o->destination);
	free(o->skip);
	job_arena_free(o->arena);
	free(o);
}

struct rjob_queue_overdue *
rjob_queue_overdue_new(struct env *env)
{
	struct rjob_queue_overdue *o = xcalloc(1, sizeof *o);

	rjob_init(&o->j, RJOB_QUEUE_OVERDUE, env, NULL, overdue_free);
	o->arena = job_arena_new();
	return o;
}

static bool
is_skipped(const struct rjob_queue_overdue *o, uint64_t queue)
{
	for (size_t i = 0; i < o->skip_count; i++)
		if (o->skip[i] == queue)
			return true;
	return false;
}

int
slice_queue_overdue(struct reader *r, struct rjob *j)
{
	struct rjob_queue_overdue *o = CONTAINER_OF(j,
	    struct rjob_queue_overdue, j);
	struct queue_mail *m = NULL;
	struct queue_mail_rcpt rcpt;
	sqlite3_stmt *s;
	int err;

	arena_clear(o->arena);
	o->count = 0;
	o->mails = arena_array(o->arena, QUEUE_LIST_SLICE, sizeof *o->mails);
	if ((err = db_query(r->db, &s, "SELECT r.queue, " RCPT_COLUMNS
	    " FROM queue_rcpt r JOIN queue q ON q.id = r.queue"
	    " WHERE r.destination = ?1 AND r.state = 0 AND (q.expires <= ?2"
	    " OR (q.created <= ?3 AND r.warned IS NULL"
	    " AND q.flags & ?5 = 0 AND r.notify & ?6 = 0"
	    " AND (r.notify = 0 OR r.notify & ?7))"
	    " OR (q.deliver_by > 0 AND q.deliver_by <= ?2"
	    " AND (q.by_mode = 1 OR r.warned IS NULL)))"
	    " AND r.queue > ?4 ORDER BY r.queue, r.n",
	    A_STR(o->destination), A_INT(o->now_s), A_INT(o->warn_before_s),
	    A_INT(o->after), A_INT(QUEUE_IS_DSN), A_INT(NOTIFY_NEVER),
	    A_INT(NOTIFY_DELAY))) < 0)
		return err;
	while ((err = db_step(r->db, s)) > 0) {
		uint64_t queue = db_u64(s, 0);

		if (is_skipped(o, queue))
			continue;
		if (!m || m->id != queue) {
			if (o->count == QUEUE_LIST_SLICE) {
				j->more = true;
				break;
			}
			m = &o->mails[o->count++];
			*m = (struct queue_mail){ .id = queue };
			o->after = queue;
		}
		rcpt = read_rcpt(o->arena, s, 1);
		add_rcpt(o->arena, m, &rcpt);
	}
	if (err > 0)
		db_done(s);
	for (size_t i = 0; err >= 0 && i < o->count; i++)
		err = read_mail(r->db, o->arena, &o->mails[i]);
	return MIN(err, 0);
}

/* ---- lists for people ---- */

static void
list_free(struct op *op)
{
	struct rjob_queue_list *l = CONTAINER_OF(op, struct rjob_queue_list,
	    j.op);

	queue_filter_release(&l->filter);
	job_arena_free(l->arena);
	free(l);
}

struct rjob_queue_list *
rjob_queue_list_new(struct env *env, struct session *s)
{
	struct rjob_queue_list *l = xcalloc(1, sizeof *l);

	rjob_init(&l->j, RJOB_QUEUE_LIST, env, s, list_free);
	l->filter.state = -1;
	l->arena = job_arena_new();
	return l;
}

static int
list_ids(struct db *db, struct rjob_queue_list *l)
{
	const struct queue_filter *f = &l->filter;
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT q.id FROM queue q"
	    " WHERE (?1 = 0 OR q.id = ?1) AND q.id > ?7 AND EXISTS"
	    " (SELECT 1 FROM queue_rcpt r WHERE r.queue = q.id AND"
	    QUEUE_FILTER_SQL ") ORDER BY q.id LIMIT ?8",
	    QUEUE_FILTER_ARGS(f), A_INT(l->after),
	    A_INT(QUEUE_LIST_SLICE))) < 0)
		return err;
	while ((err = db_step(db, s)) > 0)
		if (l->count < QUEUE_LIST_SLICE)
			l->mails[l->count++] = (struct queue_mail){
			    .id = db_u64(s, 0) };
	return err;
}

static int
list_rcpts(struct db *db, struct rjob_queue_list *l, struct queue_mail *m)
{
	struct queue_filter f = l->filter;
	struct queue_mail_rcpt rcpt;
	sqlite3_stmt *s;
	int err;

	f.id = m->id;
	if ((err = db_query(db, &s, "SELECT " RCPT_COLUMNS " FROM queue q"
	    " JOIN queue_rcpt r ON r.queue = q.id WHERE q.id = ?1 AND"
	    QUEUE_FILTER_SQL " ORDER BY r.n", QUEUE_FILTER_ARGS(&f))) < 0)
		return err;
	while ((err = db_step(db, s)) > 0) {
		rcpt = read_rcpt(l->arena, s, 0);
		add_rcpt(l->arena, m, &rcpt);
	}
	return err;
}

static int
list_attempts(struct db *db, struct rjob_queue_list *l)
{
	sqlite3_stmt *s;
	int64_t n;
	int err;

	if ((err = db_get(db, &n, "SELECT count(*) FROM queue_attempt"
	    " WHERE queue = ?", A_INT(l->filter.id))) < 0 ||
	    (err = db_query(db, &s, "SELECT n, at, host, peer, tls, code,"
	    " text, ms FROM queue_attempt WHERE queue = ? ORDER BY at, n",
	    A_INT(l->filter.id))) < 0)
		return err;
	l->attempts = arena_array(l->arena, (size_t)n, sizeof *l->attempts);
	while ((err = db_step(db, s)) > 0)
		if (l->attempt_count < (size_t)n)
			l->attempts[l->attempt_count++] =
			    (struct queue_attempt){
				.n = db_u32(s, 0),
				.at_s = db_i64(s, 1),
				.host = text(l->arena, s, 2),
				.peer = text(l->arena, s, 3),
				.tls = text(l->arena, s, 4),
				.code = (int)db_i64(s, 5),
				.text = text(l->arena, s, 6),
				.ms = db_u32(s, 7)
			};
	return err;
}

int
slice_queue_list(struct reader *r, struct rjob *j)
{
	struct rjob_queue_list *l = CONTAINER_OF(j, struct rjob_queue_list,
	    j);
	int err;

	arena_clear(l->arena);
	l->count = l->attempt_count = 0;
	l->mails = arena_array(l->arena, QUEUE_LIST_SLICE, sizeof *l->mails);
	err = list_ids(r->db, l);
	for (size_t i = 0; err == 0 && i < l->count; i++)
		if ((err = read_mail(r->db, l->arena, &l->mails[i])) == 0)
			err = list_rcpts(r->db, l, &l->mails[i]);
	if (err == 0 && l->filter.id)
		err = list_attempts(r->db, l);
	if (l->count)
		l->after = l->mails[l->count - 1].id;
	j->more = l->count == QUEUE_LIST_SLICE;
	return err;
}
