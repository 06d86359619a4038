/*
 * Where the hub meets the store: change sets come in, mailboxes are loaded,
 * and what was shown as \Recent is noted.
 *
 * A load is one slice, however large the mailbox: rows and modseq must be of
 * one moment, and 100,000 rows take 12 ms.
 */
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/acl_priv.h"
#include "store/hub_priv.h"
#include "store/read_priv.h"
#include "store/write.h"

/* Ranges of others' \Seen are charged to the budget so many at a time. */
#define OVERLAY_CHARGE 1024

/* ---- the slice, on a reader ---- */

/*
 * An aggregate function of ours takes the rows: it is called once a row with
 * the values at hand, where stepping through a statement costs half as much
 * again. UIDs must rise; in a database that is damaged they might not.
 */
static void
load_row(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	struct load_target *t = sqlite3_user_data(ctx);
	struct array_data *d = &t->load->d;
	struct msgrow *row;

	(void)argc;
	/* The counter made room for all; it should have been right. */
	if (t->err == 0 && d->n == d->cap)
		t->err = array_data_reserve(d, d->cap + d->cap / 4 + 16,
		    t->load->budget);
	if (t->err < 0)
		return;
	row = &d->rows[d->n];
	row->uid = (uint32_t)sqlite3_value_int64(argv[0]);
	row->flags = (uint64_t)sqlite3_value_int64(argv[1]);
	row->modseq = (uint64_t)sqlite3_value_int64(argv[2]);
	row->body = (uint64_t)sqlite3_value_int64(argv[3]);
	row->size = (uint32_t)sqlite3_value_int64(argv[4]);
	row->internaldate_s = sqlite3_value_int64(argv[5]);
	if (d->n > 0 && row->uid <= row[-1].uid) {
		t->err = ERR_STORE;
		return;
	}
	if (!(row->flags & FLAG_SEEN) && row->uid < d->unseen_uid)
		d->unseen_uid = row->uid;
	d->n++;
}

static void
load_done(sqlite3_context *ctx)
{
	sqlite3_result_int(ctx, 0);
}

int
load_register(struct db *db, struct load_target *t)
{
	int rc = sqlite3_create_function_v2(db->h, "load_row", 6,
	    SQLITE_UTF8 | SQLITE_DIRECTONLY, t, NULL, load_row, load_done,
	    NULL);

	return rc == SQLITE_OK ? 0 : db_fail(db, rc, "load_row");
}

static int
load_rows(struct reader *r, struct rjob_load *l)
{
	int err;

	l->d.unseen_uid = UINT32_MAX;
	*r->target = (struct load_target){ .load = l };
	err = db_run(r->db, "SELECT load_row(uid, flags, modseq, body, size,"
	    " internaldate) FROM msg WHERE mailbox = ?", A_INT(l->mailbox));
	return err < 0 ? err : r->target->err;
}

static int
load_keywords(struct reader *r, struct rjob_load *l)
{
	struct arena a = { 0 };
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(r->db, &s, "SELECT bit, name FROM keyword"
	    " WHERE mailbox = ? ORDER BY bit", A_INT(l->mailbox))) < 0)
		return err;
	while ((err = db_step(r->db, s)) > 0)
		array_data_keyword(&l->d, (unsigned)db_u32(s, 0) -
		    KEYWORD_FIRST, arena_str(&a, db_span(s, 1)));
	arena_release(&a);
	return err;
}

/* \Seen of all who are not the owner, for whoever of them opens it. */
static int
load_seen(struct reader *r, struct rjob_load *l)
{
	struct overlay *o = NULL;
	sqlite3_stmt *s;
	size_t n = 0;
	int err;

	if ((err = db_query(r->db, &s, "SELECT account, uid_lo, uid_hi"
	    " FROM seen WHERE mailbox = ? ORDER BY account, uid_lo",
	    A_INT(l->mailbox))) < 0)
		return err;
	while ((err = db_step(r->db, s)) > 0) {
		if (!o || o->reader != db_u64(s, 0))
			o = array_data_overlay(&l->d, db_u64(s, 0));
		if (n++ % OVERLAY_CHARGE == 0 && (err = budget_take(l->budget,
		    OVERLAY_CHARGE * sizeof *o->seen.v)) < 0) {
			db_done(s);
			return err;
		}
		if (n % OVERLAY_CHARGE == 1)
			l->d.charged += OVERLAY_CHARGE * sizeof *o->seen.v;
		uidset_add(&o->seen, db_u32(s, 1), db_u32(s, 2));
	}
	return err;
}

int
slice_load(struct reader *r, struct rjob *j)
{
	struct rjob_load *l = CONTAINER_OF(j, struct rjob_load, j);
	struct mailbox_row row;
	int err;

	/* Rights were checked by the look-up that gave the id. */
	if ((err = mailbox_access(r->db, 0, l->mailbox, RIGHT_READ,
	    &row)) < 0)
		return err;
	l->d = (struct array_data){
		.account = row.account,
		.modseq = row.modseq,
		.uidvalidity = row.uidvalidity,
		.uidnext = row.uidnext,
		.recent_uid = row.recent_uid
	};
	if ((err = array_data_reserve(&l->d, row.messages, l->budget)) < 0 ||
	    (err = load_rows(r, l)) < 0 ||
	    (err = acl_load(r->db, l->mailbox, &l->d.acl,
	    &l->d.acl_count)) < 0 ||
	    (err = load_seen(r, l)) < 0)
		return err;
	return load_keywords(r, l);
}

/* ---- the loop's side ---- */

static void
load_free(struct op *op)
{
	struct rjob_load *l = CONTAINER_OF(op, struct rjob_load, j.op);

	array_data_release(&l->d, l->budget);
	free(l);
}

static void
load_finish(struct op *op)
{
	struct rjob_load *l = CONTAINER_OF(op, struct rjob_load, j.op);

	if (l->array)
		hub_array_loaded(l->array, &l->d, op->err);
	op_free(op);
}

static void
hub_load(struct hub *hub, struct mailarray *a)
{
	struct rjob_load *l = xcalloc(1, sizeof *l);

	rjob_init(&l->j, RJOB_LOAD, hub->env, NULL, load_free);
	l->j.op.finish = load_finish;
	l->mailbox = a->mailbox;
	l->budget = hub->env->budget;
	l->array = a;
	a->load = l;
	store_read(hub->env->store, &l->j);
}

static void
hub_claim(struct hub *hub, uint64_t mailbox, uint32_t recent_uid)
{
	struct wreq_recent *w = wreq_recent_new(hub->env);

	w->mailbox = mailbox;
	w->recent_uid = recent_uid;
	store_submit(hub->env->store, &w->w);
}

struct hub *
hub_new(struct env *env)
{
	struct hub *hub = hub_new_bare(env);

	hub->load = hub_load;
	hub->claim = hub_claim;
	hub->listener = store_listen(env->store, env->home, hub, hub_apply);
	return hub;
}

void
hub_free(struct hub *hub)
{
	if (!hub)
		return;
	store_unlisten(hub->listener);
	/* Loads still out come home to nobody. */
	for (size_t i = 0; i < hub->arrays.cap; i++) {
		struct mailarray *a = hub->arrays.slots[i].value;

		if (a && a->load)
			a->load->array = NULL;
	}
	hub_free_bare(hub);
}
