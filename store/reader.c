/*
 * The readers: a queue of jobs and a few threads that run them, slice by
 * slice. A job that has more to come goes home after each slice and to the
 * end of the queue when its session submits it again, so a long search keeps
 * nobody waiting and a slow client pins no snapshot.
 *
 * Mutex note: the queue has several takers, which post.h does not know; its
 * lock and condition guard the list and nothing else.
 */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/read_priv.h"

#define READERS_MAX 8

struct rjob_ops {
	const char *name;
	int (*slice)(struct reader *, struct rjob *);
	void (*home)(struct rjob *, int err);	/* NULL: as its own op */
	bool bare;		/* needs no transaction and no gate */
	/* A part of the job for a second reader, or NULL for now. */
	struct rjob *(*twin)(struct rjob *);
	/* The slice is there already, or comes by itself: do not queue. */
	bool (*ready)(struct store *, struct rjob *);
};

static const struct rjob_ops kinds[RJOB_KINDS] = {
	[RJOB_LOOKUP] = { "lookup", slice_lookup, NULL, false },
	[RJOB_LIST] = { "list", slice_list, NULL, false },
	[RJOB_MESSAGES] = { "messages", slice_messages, messages_home, false,
	    NULL, messages_ready },
	[RJOB_MESSAGES_AHEAD] = { "messages-ahead", slice_messages_ahead,
	    messages_ahead_home, false },
	[RJOB_SEARCH] = { "search", slice_search, search_home, false,
	    search_twin },
	[RJOB_SEARCH_TWIN] = { "search-twin", slice_search_twin, search_home,
	    false },
	[RJOB_LOAD] = { "load", slice_load, NULL, false },
	[RJOB_CREDS] = { "creds", slice_creds, creds_home, false },
	[RJOB_DIRECTORY] = { "directory", slice_directory, NULL, false },
	[RJOB_RESOLVE] = { "resolve", slice_resolve, NULL, false },
	[RJOB_FIND] = { "find", slice_find, NULL, false },
	[RJOB_VANISHED] = { "vanished", slice_vanished, NULL, false },
	[RJOB_THREAD] = { "thread", slice_thread, NULL, false },
	[RJOB_SORT] = { "sort", slice_sort, NULL, false },
	[RJOB_BACKUP] = { "backup", slice_backup, NULL, true },
	[RJOB_METADATA] = { "metadata", slice_metadata, NULL, false },
	[RJOB_QUEUE_DUE] = { "queue-due", slice_queue_due, NULL, false },
	[RJOB_QUEUE_WORK] = { "queue-work", slice_queue_work, NULL, false },
	[RJOB_QUEUE_OVERDUE] = { "queue-overdue", slice_queue_overdue, NULL,
	    false },
	[RJOB_QUEUE_LIST] = { "queue-list", slice_queue_list, NULL, false },
	[RJOB_DKIM_KEYS] = { "dkim-keys", slice_dkim_keys, NULL, false },
	[RJOB_MTA_STS] = { "mta-sts", slice_mta_sts, NULL, false },
	[RJOB_QUOTA] = { "quota", slice_quota, NULL, false },
	[RJOB_ACL] = { "acl", slice_acl, NULL, false },
	[RJOB_TLS_RESULTS] = { "tls-results", slice_tls_results, NULL,
	    false },
};

struct reader_thread {
	pthread_t thread;
	struct db db;
	struct load_target target;
	struct readers *readers;
};

struct readers {
	struct store *store;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct rjob *head, **tail;
	bool closing;
	size_t count;			/* threads started */
	struct reader_thread threads[READERS_MAX];
	struct load_target target;	/* inline: of the one connection */
	struct backup *backup;
};

bool
reader_is_due(const struct reader *r)
{
	struct clock *clock = r->store->env->clock;

	return clock->mono_us(clock) >= r->until_us;
}

/* ---- one slice ---- */

static void
job_home(struct rjob *j, int err)
{
	if (err < 0)
		j->more = false;
	if (kinds[j->kind].home)
		kinds[j->kind].home(j, err);
	else
		op_complete(&j->op, err);
}

static int
slice_in_transaction(struct reader *r, struct rjob *j)
{
	int err;

	gate_enter(r->store);
	err = db_begin_read(r->db);
	if (err == 0)
		err = kinds[j->kind].slice(r, j);
	db_end_read(r->db);
	gate_leave(r->store);
	return err;
}

static void
run_slice(struct store *store, struct db *db, struct load_target *target,
    struct rjob *j)
{
	struct clock *clock = store->env->clock;
	struct reader r = { .store = store, .db = db, .target = target,
	    .until_us = clock->mono_us(clock) + SLICE_US };
	int err;

	if (j->kind == RJOB_BACKUP && backup_take(store->readers->backup, j))
		return;
	j->more = false;
	if (kinds[j->kind].bare)
		err = kinds[j->kind].slice(&r, j);
	else
		err = slice_in_transaction(&r, j);
	job_home(j, err);
}

/* ---- the queue ---- */

/* With the lock held. */
static struct rjob *
take_job(struct readers *rs)
{
	struct rjob *j = rs->head;

	if (j && !(rs->head = j->next))
		rs->tail = &rs->head;
	return j;
}

/* With the lock held. */
static void
put_job(struct readers *rs, struct rjob *j)
{
	j->next = NULL;
	*rs->tail = j;
	rs->tail = &j->next;
	pthread_cond_signal(&rs->wake);
}

static void *
reader_main(void *arg)
{
	struct reader_thread *t = arg;
	struct readers *rs = t->readers;

	for (;;) {
		struct rjob *j = NULL;

		pthread_mutex_lock(&rs->lock);
		while (!rs->closing && !(j = take_job(rs)))
			pthread_cond_wait(&rs->wake, &rs->lock);
		pthread_mutex_unlock(&rs->lock);
		if (!j)
			return NULL;
		run_slice(rs->store, &t->db, &t->target, j);
	}
}

/* For the next slice the session waits again. */
static void
job_own(struct rjob *j)
{
	if (!j->session || j->op.owner)
		return;
	j->op.owner = j->session;
	list_add_tail(&j->session->ops_out, &j->op.by_owner);
}

void
readers_put(struct store *store, struct rjob *job)
{
	struct readers *rs = store->readers;
	bool is_queued;

	pthread_mutex_lock(&rs->lock);
	is_queued = !rs->closing;
	if (is_queued)
		put_job(rs, job);
	pthread_mutex_unlock(&rs->lock);
	if (!is_queued)
		job_home(job, ERR_CLOSED);
}

void
store_read(struct store *store, struct rjob *job)
{
	struct readers *rs = store->readers;
	struct rjob *twin = NULL;
	bool is_queued;

	job_own(job);
	if (kinds[job->kind].ready && kinds[job->kind].ready(store, job))
		return;
	if (kinds[job->kind].twin)
		twin = kinds[job->kind].twin(job);
	pthread_mutex_lock(&rs->lock);
	is_queued = !rs->closing;
	if (is_queued) {
		put_job(rs, job);
		if (twin)
			put_job(rs, twin);
	}
	pthread_mutex_unlock(&rs->lock);
	if (is_queued)
		return;
	if (twin)
		job_home(twin, ERR_CLOSED);
	job_home(job, ERR_CLOSED);
}

/* ---- life ---- */

static int
start_thread(struct readers *rs, struct buf *why)
{
	struct reader_thread *t = &rs->threads[rs->count];
	sigset_t all, old;
	int err;

	t->readers = rs;
	if ((err = db_open_reader(rs->store, &t->db, why)) < 0)
		return err;
	if ((err = load_register(&t->db, &t->target)) < 0) {
		db_close(&t->db);
		return err;
	}
	/* Signals are the main thread's business. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&t->thread, NULL, reader_main, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err != 0) {
		db_close(&t->db);
		buf_adds(why, "cannot start a reader thread");
		return ERR_BUSY;
	}
	rs->count++;
	return 0;
}

int
readers_start(struct store *store, struct buf *why)
{
	struct readers *rs = xcalloc(1, sizeof *rs);
	unsigned n = store->settings.readers;
	int err;

	rs->store = store;
	pthread_mutex_init(&rs->lock, NULL);
	pthread_cond_init(&rs->wake, NULL);
	rs->tail = &rs->head;
	rs->backup = backup_new(store);
	store->readers = rs;
	if (store->settings.is_inline)
		return load_register(&store->db, &rs->target);
	n = n < 1 ? 1 : MIN(n, READERS_MAX);
	while (rs->count < n)
		if ((err = start_thread(rs, why)) < 0)
			return err;	/* the store closes, and so stops us */
	return 0;
}

void
readers_stop(struct store *store)
{
	struct readers *rs = store->readers;
	struct rjob *j;

	if (!rs)
		return;
	pthread_mutex_lock(&rs->lock);
	rs->closing = true;
	pthread_cond_broadcast(&rs->wake);
	pthread_mutex_unlock(&rs->lock);
	for (size_t i = 0; i < rs->count; i++) {
		pthread_join(rs->threads[i].thread, NULL);
		db_close(&rs->threads[i].db);
	}
	while ((j = take_job(rs)))
		job_home(j, ERR_CLOSED);
	backup_free(rs->backup);
	pthread_cond_destroy(&rs->wake);
	pthread_mutex_destroy(&rs->lock);
	free(rs);
	store->readers = NULL;
}

/*
 * Inline: one round. Nothing submits while it runs, because what is done here
 * comes home only when the loop's queue is drained.
 */
bool
readers_pump(struct store *store)
{
	struct readers *rs = store->readers;
	struct rjob *j;
	bool any = false;

	assert(store->settings.is_inline);
	while ((j = take_job(rs))) {
		run_slice(store, &store->db, &rs->target, j);
		any = true;
	}
	return any;
}

/* ---- what all jobs share ---- */

void
rjob_init(struct rjob *j, enum rjob_kind kind, struct env *env,
    struct session *s, void (*free_fn)(struct op *))
{
	op_init(&j->op, s, env->home, free_fn);
	j->kind = (int)kind;
	j->session = s;
	j->actor = s ? s->account : 0;
}

struct arena *
job_arena_new(void)
{
	return xcalloc(1, sizeof(struct arena));
}

void
job_arena_free(struct arena *a)
{
	if (!a)
		return;
	arena_release(a);
	free(a);
}
