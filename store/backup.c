/*
 * A consistent copy of the store while it serves.
 *
 * VACUUM INTO makes it: one read transaction, and pages in good order. That
 * can take minutes, so it has a connection and a thread of its own, outside
 * the readers' gate (the log just grows meanwhile). The copy is checked
 * before anyone gets a byte of it; its name is gone by then, so a crash
 * leaves nothing that grows old. Handing it out is a slice like any other.
 *
 * Rejected: sqlite3_backup, which starts over at every commit.
 *
 * Mutex note: guards whether a copy is being made and on which handle, for
 * the store that closes; held for moments.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/read_priv.h"

#define COPY_NAME "backup.tmp"
#define SPARE_BYTES (64u * 1024 * 1024)	/* must stay free beside the copy */

/* A job's, once the copy is made. */
struct backup_state {
	int fd;			/* of a file without a name */
	char *chunk;
};

struct backup {
	struct store *store;
	pthread_mutex_t lock;
	bool running, joinable, closing;
	sqlite3 *handle;	/* that may be interrupted */
	pthread_t thread;
	struct rjob *job;
};

static void
backup_job_free(struct op *op)
{
	struct rjob_backup *b = CONTAINER_OF(op, struct rjob_backup, j.op);
	struct backup_state *st = b->j.state;

	if (st) {
		close(st->fd);
		free(st->chunk);
		free(st);
	}
	free(b);
}

struct rjob_backup *
rjob_backup_new(struct env *env, struct session *s)
{
	struct rjob_backup *b = xcalloc(1, sizeof *b);

	rjob_init(&b->j, RJOB_BACKUP, env, s, backup_job_free);
	return b;
}

/* ---- making the copy ---- */

/* A disk that the copy would fill refuses mail. */
static int
check_room(struct store *store, struct db *db)
{
	struct statvfs fs;
	int64_t pages, unused;
	uint64_t need, room;
	int err;

	if ((err = db_get(db, &pages, "PRAGMA page_count")) < 0 ||
	    (err = db_get(db, &unused, "PRAGMA freelist_count")) < 0)
		return err;
	if (fstatvfs(store->dir_fd, &fs) < 0)
		return ERR_IO;
	need = (uint64_t)(pages - unused) * DB_PAGE_SIZE + SPARE_BYTES;
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	return room < need ? ERR_FULL : 0;
}

/* "ok" in one row, or sentences about what is wrong. */
static int
check_copy(struct store *store, const char *path)
{
	struct db copy = { .env = store->env };
	sqlite3_stmt *s;
	int err, rc;

	rc = sqlite3_open_v2(path, &copy.h, SQLITE_OPEN_READONLY |
	    SQLITE_OPEN_NOMUTEX, store->settings.vfs);
	if (rc != SQLITE_OK) {
		err = db_fail(&copy, rc, "open the copy");
		sqlite3_close(copy.h);
		return err;
	}
	if ((err = db_query(&copy, &s, "PRAGMA integrity_check(1)")) == 0 &&
	    (err = db_step(&copy, s)) > 0) {
		err = span_is(db_span(s, 0), "ok") ? 0 : ERR_STORE;
		if (err < 0)
			log_event(store->env->log, LOG_ERROR, "store",
			    "backup-damaged", F_SPAN("what", db_span(s, 0)));
		db_done(s);
	}
	db_close(&copy);
	return err;
}

static int
make_file(struct store *store)
{
	int fd;

	/* One that a crash has left. */
	(void)unlinkat(store->dir_fd, COPY_NAME, 0);
	/* Ours from its first byte: SQLite would make it readable for all. */
	fd = openat(store->dir_fd, COPY_NAME, O_RDWR | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == ENOSPC ? ERR_FULL : ERR_IO;
	return fd;
}

/* The copy as an open file without a name, or ERR_*. */
static int
make_copy(struct store *store, struct db *db)
{
	struct buf path = BUF_INIT;
	int err, fd;

	if (store->settings.in_memory)
		return ERR_NOTFOUND;	/* there is no folder to put it in */
	if ((err = check_room(store, db)) < 0)
		return err;
	if ((fd = make_file(store)) < 0)
		return fd;
	buf_printf(&path, "%s/" COPY_NAME, store->settings.dir);
	if ((err = db_run(db, "VACUUM INTO ?", A_STR(path.p))) == 0)
		err = check_copy(store, path.p);
	(void)unlinkat(store->dir_fd, COPY_NAME, 0);
	buf_release(&path);
	if (err < 0) {
		close(fd);
		return err;
	}
	return fd;
}

static int
copied(struct rjob *j, int fd)
{
	struct rjob_backup *b = CONTAINER_OF(j, struct rjob_backup, j);
	struct backup_state *st;
	struct stat sb;

	if (fd < 0)
		return fd;
	if (fstat(fd, &sb) < 0) {
		close(fd);
		return ERR_IO;
	}
	st = xcalloc(1, sizeof *st);
	st->fd = fd;
	st->chunk = xmalloc(SLICE_BYTES);
	j->state = st;
	j->more = true;
	b->total = (uint64_t)sb.st_size;
	return 0;
}

/* ---- its thread ---- */

static void
set_handle(struct backup *b, sqlite3 *h)
{
	pthread_mutex_lock(&b->lock);
	b->handle = h;
	pthread_mutex_unlock(&b->lock);
}

static int
copy_on_thread(struct backup *b)
{
	struct buf why = BUF_INIT;
	struct db db = { 0 };
	int err;

	if ((err = db_open_reader(b->store, &db, &why)) == 0) {
		set_handle(b, db.h);
		/* VACUUM INTO writes, though not here. */
		if ((err = db_exec(&db, "PRAGMA query_only = OFF")) == 0)
			err = make_copy(b->store, &db);
		set_handle(b, NULL);
		db_close(&db);
	}
	buf_release(&why);
	return err;
}

static void *
backup_main(void *arg)
{
	struct backup *b = arg;
	struct rjob *j = b->job;
	int err = copied(j, copy_on_thread(b));

	pthread_mutex_lock(&b->lock);
	if (err < 0 && b->closing)
		err = ERR_CLOSED;
	pthread_mutex_unlock(&b->lock);
	if (err < 0)
		j->more = false;
	op_complete(&j->op, err);
	pthread_mutex_lock(&b->lock);
	b->running = false;
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

/* With the lock held. */
static int
start_copy(struct backup *b, struct rjob *j)
{
	sigset_t all, old;
	int rc;

	if (b->closing)
		return ERR_CLOSED;
	if (b->running)
		return ERR_BUSY;
	if (b->joinable)
		pthread_join(b->thread, NULL);
	b->joinable = false;
	b->job = j;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&b->thread, NULL, backup_main, b);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		return ERR_BUSY;
	b->running = b->joinable = true;
	return 0;
}

bool
backup_take(struct backup *b, struct rjob *j)
{
	int err;

	if (j->state || b->store->settings.is_inline)
		return false;
	j->more = false;
	pthread_mutex_lock(&b->lock);
	err = start_copy(b, j);
	pthread_mutex_unlock(&b->lock);
	if (err < 0)
		op_complete(&j->op, err);
	return true;
}

struct backup *
backup_new(struct store *store)
{
	struct backup *b = xcalloc(1, sizeof *b);

	b->store = store;
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

/* In short waits: an interrupt between two statements is lost. */
static void
stop_copy(struct backup *b)
{
	struct timespec wait = { .tv_nsec = 10 * 1000 * 1000 };

	pthread_mutex_lock(&b->lock);
	b->closing = true;
	while (b->running) {
		if (b->handle)
			sqlite3_interrupt(b->handle);
		pthread_mutex_unlock(&b->lock);
		nanosleep(&wait, NULL);
		pthread_mutex_lock(&b->lock);
	}
	pthread_mutex_unlock(&b->lock);
	if (b->joinable)
		pthread_join(b->thread, NULL);
}

void
backup_free(struct backup *b)
{
	if (!b)
		return;
	stop_copy(b);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* ---- handing it out ---- */

int
slice_backup(struct reader *r, struct rjob *j)
{
	struct rjob_backup *b = CONTAINER_OF(j, struct rjob_backup, j);
	struct backup_state *st = j->state;
	ssize_t n;

	if (!st)
		return copied(j, make_copy(r->store, r->db));
	b->bytes = (struct span){ 0 };
	do
		n = pread(st->fd, st->chunk, (size_t)MIN(SLICE_BYTES,
		    b->total - b->done), (off_t)b->done);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return ERR_IO;
	b->bytes = span_make(st->chunk, (size_t)n);
	b->done += (uint64_t)n;
	j->more = b->done < b->total;
	return 0;
}
