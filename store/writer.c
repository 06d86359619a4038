/*
 * The writer: applies requests in the order they came, many to a transaction.
 *
 * Problem: an fsync costs as much as a hundred requests, and every request
 * promises to be on disk before it is answered. So the writer takes all that
 * has queued while the last fsync ran, in one transaction with one fsync; no
 * timer is needed, under load the batches grow by themselves.
 *
 * Requests fail alone: each has a savepoint. When SQLite gives up a whole
 * transaction (disk full, I/O error), the batch is applied again one request
 * at a time, so that the delivery that filled the disk does not take its
 * neighbour's flag change with it.
 *
 * The writer keeps no state of its own over a savepoint; the counters of meta
 * are read when a transaction begins and written before it ends. Change sets
 * are posted to each loop before the completions, in the same queue, so that
 * a client that reads "OK" finds its own change already in its view, and
 * nobody hears of what might still be rolled back.
 *
 * This connection alone commits and checkpoints: SQLite before 3.51.3 can
 * corrupt a database when two connections do.
 */
#include "store/queue_priv.h"
#include "store/writer_priv.h"

#include <assert.h>
#include <stdatomic.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"

/* A batch ends at whichever comes first. */
#define BATCH_REQUESTS 128
#define BATCH_BYTES (8u * 1024 * 1024)

/* Log pages of DB_PAGE_SIZE: when to checkpoint, when to insist. */
#define CHECKPOINT_PAGES 1000
#define RESTART_PAGES (64 * 1024 * 1024 / DB_PAGE_SIZE)

/* So many I/O errors in a row stop what would add mail. */
#define IO_ERRORS_MAX 2

static bool
always_grows(const struct wreq *r)
{
	(void)r;
	return true;
}

static const struct wreq_ops kinds[WREQ_KINDS] = {
	[WREQ_STAGE] = { "stage", apply_stage, always_grows, stage_bytes,
	    NULL },
	[WREQ_UNSTAGE] = { "unstage", apply_unstage, NULL, NULL, NULL },
	[WREQ_DELIVER] = { "deliver", apply_deliver, always_grows,
	    deliver_bytes, deliver_ended },
	[WREQ_APPEND] = { "append", apply_append, always_grows, append_bytes,
	    append_ended },
	[WREQ_FLAGS] = { "flags", apply_flags, NULL, NULL, NULL },
	[WREQ_EXPUNGE] = { "expunge", apply_expunge, NULL, NULL, NULL },
	[WREQ_COPY] = { "copy", apply_copy, copy_grows, NULL, NULL },
	[WREQ_MAILBOX] = { "mailbox", apply_mailbox, NULL, NULL, NULL },
	[WREQ_RECENT] = { "recent", apply_recent, NULL, NULL, NULL },
	[WREQ_NOTE_LOGIN] = { "note-login", apply_note_login, NULL, NULL,
	    NULL },
	[WREQ_QUEUE_RESULT] = { "queue-result", apply_queue_result,
	    queue_result_grows, queue_result_bytes, queue_result_ended },
	[WREQ_QUEUE_EDIT] = { "queue-edit", apply_queue_edit, NULL, NULL,
	    NULL },
	[WREQ_DKIM_KEY] = { "dkim-key", apply_dkim_key, NULL, NULL, NULL },
	[WREQ_MTA_STS] = { "mta-sts", apply_mta_sts, NULL, NULL, NULL },
	[WREQ_TLS_RESULT] = { "tls-result", apply_tls_result, NULL, NULL,
	    NULL },
	[WREQ_TLS_DONE] = { "tls-done", apply_tls_done, NULL, NULL, NULL },
	[WREQ_DOMAIN] = { "domain", apply_domain, NULL, NULL, NULL },
	[WREQ_ACCOUNT] = { "account", apply_account, NULL, NULL, NULL },
	[WREQ_DEVICE] = { "device", apply_device, NULL, NULL, NULL },
	[WREQ_ALIAS] = { "alias", apply_alias, NULL, NULL, NULL },
	[WREQ_CERT] = { "cert", apply_cert, NULL, NULL, NULL },
	[WREQ_PURGE] = { "purge", apply_purge, NULL, NULL, NULL },
	[WREQ_METADATA] = { "metadata", apply_metadata, always_grows, NULL,
	    NULL },
	[WREQ_QUOTA] = { "quota", apply_quota, NULL, NULL, NULL },
	[WREQ_ACL] = { "acl", apply_acl, NULL, NULL, NULL }
};

/* ---- listeners ---- */

/*
 * Counted, because news on its way to a loop outlives both the store and the
 * hub: the store's list holds one, each piece of news holds one.
 */
struct listener {
	struct listener *next;		/* in the writer's list */
	struct writer *writer;		/* NULL once the store is closed */
	atomic_uint refs;
	struct post *home;
	struct hub *hub;		/* NULL once it listens no more */
	bool (*changed)(struct hub *, struct changeset *);
};

struct news_item {
	struct post_item item;
	struct listener *listener;
	struct changeset *changes;
};

static void
listener_unref(struct listener *l)
{
	if (atomic_fetch_sub(&l->refs, 1) == 1)
		free(l);
}

/* On the listener's loop. */
static void
news_deliver(struct post_item *item)
{
	struct news_item *n = CONTAINER_OF(item, struct news_item, item);

	/* The completions behind it wait until all of it is known. */
	if (n->listener->hub &&
	    n->listener->changed(n->listener->hub, n->changes)) {
		post_again(n->listener->home, item);
		return;
	}
	listener_unref(n->listener);
	changeset_unref(n->changes);
	free(n);
}

struct listener *
store_listen(struct store *store, struct post *home, struct hub *hub,
    bool (*changed)(struct hub *, struct changeset *))
{
	struct writer *w = store->writer;
	struct listener *l = xcalloc(1, sizeof *l);

	l->writer = w;
	l->home = home;
	l->hub = hub;
	l->changed = changed;
	atomic_init(&l->refs, 2);	/* the list's and the caller's */
	pthread_mutex_lock(&w->lock);
	l->next = w->listeners;
	w->listeners = l;
	pthread_mutex_unlock(&w->lock);
	return l;
}

void
store_unlisten(struct listener *l)
{
	struct writer *w;

	if (!l)
		return;
	l->hub = NULL;
	if ((w = l->writer)) {
		pthread_mutex_lock(&w->lock);
		for (struct listener **at = &w->listeners; *at;
		    at = &(*at)->next)
			if (*at == l) {
				*at = l->next;
				break;
			}
		pthread_mutex_unlock(&w->lock);
		listener_unref(l);
	}
	listener_unref(l);
}

/* The store closes: no news from now on. */
static void
drop_listeners(struct writer *w)
{
	for (struct listener *l = w->listeners, *next; l; l = next) {
		next = l->next;
		l->writer = NULL;
		listener_unref(l);
	}
	w->listeners = NULL;
}

static void
writer_publish(struct writer *w, struct changeset *changes)
{
	if (changes->n == 0)
		return;
	pthread_mutex_lock(&w->lock);
	for (struct listener *l = w->listeners; l; l = l->next) {
		struct news_item *n = xcalloc(1, sizeof *n);

		n->item.deliver = news_deliver;
		n->listener = l;
		n->changes = changeset_ref(changes);
		atomic_fetch_add(&l->refs, 1);
		post_push(l->home, &n->item);
	}
	pthread_mutex_unlock(&w->lock);
}

/* ---- the transaction ---- */

uint64_t
wtxn_id(struct wtxn *t)
{
	return t->now.next_id++;
}

uint32_t
wtxn_uidvalidity(struct wtxn *t)
{
	return (uint32_t)++t->now.uidvalidity;
}

uint64_t
wtxn_modseq(struct wtxn *t)
{
	if (t->modseq == 0)
		t->modseq = ++t->now.modseq;
	return t->modseq;
}

static int
load_counter(struct db *db, const char *name, uint64_t *out)
{
	int64_t v;
	int err = db_get(db, &v, "SELECT value FROM meta WHERE name = ?",
	    A_STR(name));

	*out = (uint64_t)v;
	/* Without its counters the store must not write anything. */
	return err == ERR_NOTFOUND ? ERR_STORE : err;
}

static int
wtxn_begin(struct wtxn *t)
{
	int err;

	if ((err = db_run(t->db, "BEGIN IMMEDIATE")) < 0 ||
	    (err = load_counter(t->db, "next_id", &t->stored.next_id)) < 0 ||
	    (err = load_counter(t->db, "modseq", &t->stored.modseq)) < 0 ||
	    (err = load_counter(t->db, "uidvalidity",
	    &t->stored.uidvalidity)) < 0)
		return err;
	t->now = t->stored;
	return 0;
}

static int
save_counter(struct db *db, const char *name, uint64_t stored, uint64_t now)
{
	if (stored == now)
		return 0;
	return db_run(db, "UPDATE meta SET value = ? WHERE name = ?",
	    A_INT(now), A_STR(name));
}

/* The new counters of one mailbox, if it is still there. */
static int
add_counters(struct wtxn *t, uint64_t mailbox)
{
	struct mailbox_row row;
	struct change *c;
	int err = mailbox_access(t->db, 0, mailbox, RIGHT_LOOKUP, &row);

	if (err < 0)
		return err == ERR_NOMBOX ? 0 : err;
	c = changeset_add(t->changes, CHANGE_COUNTERS, row.account, row.id);
	c->modseq = row.modseq;
	c->uidnext = row.uidnext;
	c->messages = row.messages;
	c->unseen = row.unseen;
	c->deleted = row.deleted;
	c->uidvalidity = row.uidvalidity;
	return 0;
}

/* A set ends with the counters of each mailbox it touches. */
static int
add_all_counters(struct wtxn *t)
{
	size_t n = t->changes->n;
	struct idmap done = { 0 };
	int err = 0;

	for (size_t i = 0; i < n && err == 0; i++) {
		uint64_t mailbox = t->changes->v[i].mailbox;

		if (mailbox == 0 || idmap_find(&done, mailbox))
			continue;
		idmap_put(&done, mailbox, t);
		err = add_counters(t, mailbox);
	}
	idmap_release(&done);
	return err;
}

static int
wtxn_commit(struct wtxn *t)
{
	int err;

	if ((err = add_all_counters(t)) < 0 ||
	    (err = save_counter(t->db, "next_id", t->stored.next_id,
	    t->now.next_id)) < 0 ||
	    (err = save_counter(t->db, "modseq", t->stored.modseq,
	    t->now.modseq)) < 0 ||
	    (err = save_counter(t->db, "uidvalidity", t->stored.uidvalidity,
	    t->now.uidvalidity)) < 0)
		return err;
	return db_run(t->db, "COMMIT");
}

/* ---- applying ---- */

/* Whether mail may be added now: 0, ERR_FULL or ERR_STORE. */
static int
may_grow(const struct wtxn *t)
{
	if (store_is_full(t->store))
		return ERR_FULL;
	if (t->store->writer->io_errors >= IO_ERRORS_MAX)
		return ERR_STORE;
	return 0;
}

/*
 * Applies one request inside the open transaction; alone says that nothing
 * else is in it. A request that fails is undone alone. Returns 0 while the
 * transaction is usable, ERR_* once the batch is lost.
 */
static int
writer_apply(struct wtxn *t, struct wreq *r, bool alone)
{
	const struct wreq_ops *ops = &kinds[r->kind];
	size_t mark = changeset_mark(t->changes);
	struct counters before = t->now;
	int err;

	t->modseq = 0;
	/* Before anything is tried: SQLite has no part in this refusal. */
	if (ops->grows && ops->grows(r) && (r->op.err = may_grow(t)) < 0)
		return 0;
	if (!alone && (err = db_run(t->db, "SAVEPOINT req")) < 0)
		return err;
	r->op.err = ops->apply(t, r);
	if (r->op.err < 0) {
		/* These are worth another try alone, with the reserve. */
		if (r->op.err == ERR_FULL || r->op.err == ERR_IO ||
		    !db_in_transaction(t->db))
			return r->op.err;
		if (alone)
			return r->op.err;
		changeset_trim(t->changes, mark);
		t->now = before;
		if ((err = db_run(t->db, "ROLLBACK TO req")) < 0)
			return err;
	}
	/* What does not say whose it is comes from who made the request. */
	for (size_t i = mark; i < t->changes->n; i++)
		if (t->changes->v[i].origin == 0)
			t->changes->v[i].origin = r->origin;
	/* No news: its modseq was not used, and need not be written. */
	if (changeset_mark(t->changes) == mark)
		t->now.modseq = before.modseq;
	return alone ? 0 : db_run(t->db, "RELEASE req");
}

/* ---- checkpoints ---- */

/* After each commit: how long the log is. */
static int
wal_grew(void *writer, sqlite3 *h, const char *name, int pages)
{
	struct writer *w = writer;

	(void)h;
	(void)name;
	if (pages < w->wal_pages)	/* it has started over */
		w->checkpoint_at = CHECKPOINT_PAGES;
	w->wal_pages = pages;
	w->wal_dirty = true;
	return SQLITE_OK;
}

/*
 * Copies the log into the database. Past RESTART_PAGES, and always on a full
 * disk, the readers are kept out between two slices, so that the log can
 * start over in the room that it has: just for what is left to copy then, or
 * they would wait for all of it to be on disk. Its file is never cut to
 * nothing: on a full disk that room is all there is to work in.
 */
static void
writer_checkpoint(struct writer *w)
{
	struct db *db = &w->store->db;
	bool insist = w->wal_pages >= RESTART_PAGES ||
	    store_is_full(w->store);
	int log = 0, done = 0, rc;

	rc = sqlite3_wal_checkpoint_v2(db->h, NULL, SQLITE_CHECKPOINT_PASSIVE,
	    &log, &done);
	if (rc == SQLITE_OK && insist) {
		gate_close(w->store);
		rc = sqlite3_wal_checkpoint_v2(db->h, NULL,
		    SQLITE_CHECKPOINT_RESTART, &log, &done);
		gate_open(w->store);
	}
	STAT_ADD(db->env->stats, checkpoints, 1);
	if ((rc & 0xff) == SQLITE_FULL)
		(void)reserve_give(w->store);	/* the next one may work */
	else if ((rc & 0xff) != SQLITE_BUSY)
		(void)db_fail(db, rc, "checkpoint");
	w->wal_dirty = rc != SQLITE_OK || done < log;
	/*
	 * Whether or not all of it was copied, a log that a reader keeps from
	 * starting over grows on: come back when there is as much again, not
	 * at every commit.
	 */
	w->checkpoint_at = w->wal_pages + CHECKPOINT_PAGES;
}

/* After a commit: is it time? On a full disk it always is. */
static void
writer_maybe_checkpoint(struct writer *w)
{
	if (w->wal_pages >= w->checkpoint_at ||
	    (w->wal_dirty && store_is_full(w->store)))
		writer_checkpoint(w);
}

/* ---- batches ---- */

/* Sends a request home, or ends it where nobody waits. */
static void
writer_complete_one(struct store *store, struct wreq *r)
{
	const struct wreq_ops *ops = &kinds[r->kind];
	int err = r->op.err == ERR_IO || r->op.err == ERR_BUSY ? ERR_STORE :
	    r->op.err;

	if (ops->ended)
		ops->ended(store, r, err);
	if (r->op.home)
		op_complete(&r->op, err);
	else
		op_free(&r->op);
}

static void
writer_complete(struct store *store, struct wreq *batch)
{
	for (struct wreq *next; batch; batch = next) {
		next = batch->next;
		writer_complete_one(store, batch);
	}
}

static size_t
count_requests(const struct wreq *r)
{
	size_t n = 0;

	for (; r; r = r->next)
		n++;
	return n;
}

/* One transaction. On error it is rolled back and nobody has been told. */
static int
writer_transact(struct store *store, struct wreq *batch)
{
	struct wtxn t = { .store = store, .db = &store->db };
	sqlite3_int64 before = sqlite3_total_changes64(store->db.h);
	int err;

	t.changes = changeset_new();
	if ((err = wtxn_begin(&t)) < 0)
		goto out;
	for (struct wreq *r = batch; r; r = r->next)
		if ((err = writer_apply(&t, r, r == batch && !r->next)) < 0)
			goto out;
	if ((err = wtxn_commit(&t)) < 0)
		goto out;
	/* A transaction without a write proves nothing of the disk. */
	if (sqlite3_total_changes64(store->db.h) != before)
		store->writer->io_errors = 0;
	STAT_ADD(store->env->stats, commits, 1);
	STAT_ADD(store->env->stats, commit_requests, count_requests(batch));
	writer_publish(store->writer, t.changes);
out:
	/* A blob handle would keep the transaction from ending. */
	db_blob_close(&store->db);
	if (err < 0 && db_in_transaction(&store->db))
		(void)db_run(&store->db, "ROLLBACK");
	changeset_unref(t.changes);
	return err;
}

/* A transaction for one request; a full disk gives up its reserve once. */
static void
writer_commit_one(struct store *store, struct wreq *r)
{
	int err;

	r->next = NULL;
	err = writer_transact(store, r);
	if (err == ERR_FULL && reserve_give(store))
		err = writer_transact(store, r);
	if (err == ERR_IO && store->writer->io_errors++ == IO_ERRORS_MAX - 1)
		log_event(store->env->log, LOG_ERROR, "store", "stopped",
		    F_STR("why", "input and output errors, no mail is taken "
		    "until a write succeeds"));
	if (err < 0)
		r->op.err = err;
	writer_complete(store, r);
}

/*
 * Group commit: applies the batch in order and makes it durable with one
 * fsync. A batch lost as a whole is tried again one request at a time.
 */
static void
writer_commit(struct store *store, struct wreq *batch)
{
	if (!batch->next) {
		writer_commit_one(store, batch);
	} else if (writer_transact(store, batch) == 0) {
		writer_complete(store, batch);
	} else {
		for (struct wreq *next; batch; batch = next) {
			next = batch->next;
			writer_commit_one(store, batch);
		}
	}
	writer_maybe_checkpoint(store->writer);
}

static bool
is_idle(struct writer *w)
{
	bool idle;

	pthread_mutex_lock(&w->lock);
	idle = !w->head;
	pthread_mutex_unlock(&w->lock);
	return idle;
}

/* On a full disk so many steps of giving pages back follow each other. */
#define VACUUM_STEPS 16

/* What only happens when no transaction is open. */
static void
writer_maintain(struct store *store)
{
	int steps = 0;

	while (purge_vacuum(store)) {
		writer_checkpoint(store->writer);
		reserve_tick(store);
		if (!store_is_full(store) || ++steps == VACUUM_STEPS)
			return;
	}
	if (store->writer->wal_dirty && is_idle(store->writer))
		writer_checkpoint(store->writer);
	reserve_tick(store);
}

/*
 * A purge request stands alone: it is cut into slices, each behind whatever
 * has come meanwhile, and the last is followed by maintenance.
 */
static void
writer_purge(struct store *store, struct wreq *r)
{
	struct wreq_purge *p = (struct wreq_purge *)r;
	struct writer *w = store->writer;
	bool closing;
	int err;

	r->next = NULL;
	if ((err = writer_transact(store, r)) < 0)
		/* The next tick asks again, unless there is room now. */
		p->more = err == ERR_FULL && reserve_give(store);
	else
		p->sweep = p->swept;
	writer_maybe_checkpoint(w);
	pthread_mutex_lock(&w->lock);
	closing = w->closing;
	if (p->more && !closing) {
		*w->tail = r;
		w->tail = &r->next;
		r = NULL;
	}
	pthread_mutex_unlock(&w->lock);
	if (!r)
		return;
	if (!closing)
		writer_maintain(store);
	if (p->is_sweep && p->sweep.phase == SWEEP_END)
		atomic_store(&w->swept_s, r->now_s);
	atomic_store(&w->purge_out, false);
	op_free(&r->op);
}

static void
writer_run(struct store *store, struct wreq *batch)
{
	if (batch->kind == WREQ_PURGE)
		writer_purge(store, batch);
	else
		writer_commit(store, batch);
}

/* ---- the queue ---- */

/* Takes the next batch off the queue; NULL when empty. Lock held. */
static struct wreq *
take_batch(struct writer *w)
{
	struct wreq *batch = w->head, *last = NULL;
	size_t bytes = 0, n = 0;

	for (struct wreq *r = batch; r; last = r, r = r->next) {
		const struct wreq_ops *ops = &kinds[r->kind];
		size_t size = ops->bytes ? ops->bytes(r) : 0;

		if (r->kind == WREQ_PURGE && n > 0)
			break;
		if (n == BATCH_REQUESTS || (n > 0 && bytes + size >
		    BATCH_BYTES))
			break;
		n++;
		bytes += size;
		if (r->kind == WREQ_PURGE) {
			last = r;
			break;
		}
	}
	if (last) {
		w->head = last->next;
		if (!w->head)
			w->tail = &w->head;
		last->next = NULL;
	}
	return batch;
}

void
writer_submit(struct writer *w, struct wreq *r)
{
	bool closing;

	r->next = NULL;
	pthread_mutex_lock(&w->lock);
	closing = w->closing;
	if (!closing) {
		*w->tail = r;
		w->tail = &r->next;
		pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->lock);
	if (closing) {
		r->op.err = ERR_CLOSED;
		writer_complete_one(w->store, r);
	}
}

bool
writer_pump(struct store *store)
{
	struct writer *w = store->writer;
	struct wreq *batch;

	pthread_mutex_lock(&w->lock);
	batch = take_batch(w);
	pthread_mutex_unlock(&w->lock);
	if (batch)
		writer_run(store, batch);
	return batch != NULL;
}

static void *
writer_main(void *arg)
{
	struct store *store = arg;
	struct writer *w = store->writer;
	struct wreq *batch;

	for (;;) {
		pthread_mutex_lock(&w->lock);
		while (!w->head && !w->closing)
			pthread_cond_wait(&w->wake, &w->lock);
		batch = take_batch(w);
		pthread_mutex_unlock(&w->lock);
		if (!batch)
			return NULL;
		writer_run(store, batch);
	}
}

int
writer_start(struct store *store)
{
	struct writer *w = xcalloc(1, sizeof *w);

	store->writer = w;
	w->store = store;
	w->tail = &w->head;
	w->checkpoint_at = CHECKPOINT_PAGES;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	sqlite3_wal_hook(store->db.h, wal_grew, w);
	if (store->settings.is_inline)
		return 0;
	if (pthread_create(&w->thread, NULL, writer_main, store) != 0) {
		writer_free(w);
		store->writer = NULL;
		return ERR_BUSY;
	}
	return 0;
}

void
writer_stop(struct store *store)
{
	struct writer *w = store->writer;

	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	if (!store->settings.is_inline)
		pthread_join(w->thread, NULL);
	else
		while (writer_pump(store))
			continue;
	drop_listeners(w);
}

void
writer_free(struct writer *w)
{
	if (!w)
		return;
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* ---- requests ---- */

void
names_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

void
wreq_init(struct wreq *w, int kind, struct env *env, struct session *s,
    void (*free_fn)(struct op *))
{
	op_init(&w->op, s, env->home, free_fn);
	w->kind = kind;
	w->now_s = env_wall_s(env);
	random_fill(env->random, w->seed, sizeof w->seed);
	w->actor = s ? s->account : 0;
}
