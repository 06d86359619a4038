/*
 * Opening and closing the store; what ties its parts together.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/body.h"
#include "store/store_priv.h"
#include "store/writer_priv.h"

#define DB_NAME "mail.db"
#define MIB (1024u * 1024)

void
store_settings_init(struct store_settings *s)
{
	*s = (struct store_settings){
		.readers = 3,
		.reserve_bytes = 64 * MIB,
		.size_limit = 50 * MIB,
		.purge_after_s = 3600
	};
}

/* ---- the data folder ---- */

/*
 * One process at a time: the folder itself is locked, so that no lock file
 * is left behind and a kill needs no repair.
 */
static int
lock_dir(struct store *store, struct buf *why)
{
	const char *dir = store->settings.dir;
	int fd;

	store->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->dir_fd < 0) {
		buf_printf(why, "cannot open the data folder %s: %s", dir,
		    strerror(errno));
		return ERR_IO;
	}
	if (flock(store->dir_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK) {
			buf_printf(why, "the data folder %s is in use by "
			    "another process", dir);
			return ERR_BUSY;
		}
		buf_printf(why, "cannot lock the data folder %s: %s", dir,
		    strerror(errno));
		return ERR_IO;
	}
	/* SQLite would make it readable for all; the log takes after it. */
	fd = openat(store->dir_fd, DB_NAME, O_RDWR | O_CREAT | O_EXCL |
	    O_CLOEXEC, 0600);
	if (fd >= 0) {
		close(fd);
		(void)fsync(store->dir_fd);
	} else if (errno != EEXIST) {
		buf_printf(why, "cannot make %s/" DB_NAME ": %s", dir,
		    strerror(errno));
		return errno == ENOSPC ? ERR_FULL : ERR_IO;
	}
	return 0;
}

/* ---- opening ---- */

static int
load_secret(struct store *store, const char *name, void *out, size_t size)
{
	struct span value;
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(&store->db, &s,
	    "SELECT value FROM meta WHERE name = ?", A_STR(name))) < 0)
		return err;
	if ((err = db_step(&store->db, s)) <= 0)
		return err < 0 ? err : ERR_STORE;
	value = db_span(s, 0);
	if (value.len == size)
		memcpy(out, value.p, size);
	db_done(s);
	return value.len == size ? 0 : ERR_STORE;
}

static int
open_db(struct store *store, struct buf *why)
{
	struct db_open o = {
		.path = store->path,
		.vfs = store->settings.vfs,
		.secure_delete = store->settings.secure_delete,
		.synchronous = store->settings.synchronous
	};
	int err;

	if ((err = db_open(&store->db, &o, store->env, why)) < 0 ||
	    (err = schema_migrate(&store->db, store->env, why)) < 0)
		return err;
	/*
	 * What a former run has left in the log: nobody reads yet, so that it
	 * starts over and needs no room on a disk that has none.
	 */
	(void)sqlite3_wal_checkpoint_v2(store->db.h, NULL,
	    SQLITE_CHECKPOINT_RESTART, NULL, NULL);
	if ((err = load_secret(store, "secret_scram", store->secret,
	    sizeof store->secret)) < 0 ||
	    (err = load_secret(store, "secret_thread",
	    store->thread_key.bytes, sizeof store->thread_key.bytes)) < 0 ||
	    /* If there is no room for it, purge does it in time. */
	    ((err = content_unstage_all(&store->db)) < 0 && err != ERR_FULL))
		buf_printf(why, "the database cannot be used: %s",
		    err_text(err));
	else
		err = 0;
	return err;
}

/* A full disk is no reason not to start: that is what the reserve is for. */
static int
open_db_somehow(struct store *store, struct buf *why)
{
	int err = open_db(store, why);

	if (err != ERR_FULL || !reserve_spend(store))
		return err;
	db_close(&store->db);
	buf_clear(why);
	return open_db(store, why);
}

static void
copy_settings(struct store *store, const struct store_settings *settings)
{
	store->settings = *settings;
	if (settings->in_memory)
		store->settings.is_inline = true;
	store->settings.dir = xstrdup(settings->dir ? settings->dir : "");
	store->settings.vfs = settings->vfs ? xstrdup(settings->vfs) : NULL;
	store->settings.postmaster = xstrdup(settings->postmaster ?
	    settings->postmaster : "");
	if (settings->in_memory) {
		store->path = xstrdup(":memory:");
	} else {
		struct buf path = BUF_INIT;

		buf_printf(&path, "%s/" DB_NAME, settings->dir);
		store->path = buf_take(&path);
	}
}

/* Frees all but what threads would still use. */
static void
release(struct store *store)
{
	db_close(&store->db);
	if (store->dir_fd >= 0)
		close(store->dir_fd);	/* and so unlocks */
	writer_free(store->writer);
	pthread_rwlock_destroy(&store->gate);
	free((char *)(uintptr_t)store->settings.dir);
	free((char *)(uintptr_t)store->settings.vfs);
	free((char *)(uintptr_t)store->settings.postmaster);
	free(store->path);
	free(store);
}

static void
init_gate(struct store *store)
{
	pthread_rwlockattr_t attr;

	/* Else busy readers could keep the writer out for ever. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr,
	    PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&store->gate, &attr);
	pthread_rwlockattr_destroy(&attr);
}

int
store_open(struct store **store_r, const struct store_settings *settings,
    struct env *env, struct buf *why)
{
	struct store *store = xcalloc(1, sizeof *store);
	int err;

	*store_r = NULL;
	store->env = env;
	store->dir_fd = -1;
	copy_settings(store, settings);
	init_gate(store);
	if ((!settings->in_memory && (err = lock_dir(store, why)) < 0) ||
	    (err = open_db_somehow(store, why)) < 0) {
		release(store);
		return err;
	}
	reserve_start(store);
	if ((err = writer_start(store)) < 0 ||
	    (err = readers_start(store, why)) < 0) {
		if (why->len == 0)
			buf_adds(why, "cannot start the store's threads");
		store_close(store);
		return err;
	}
	*store_r = store;
	return 0;
}

void
store_close(struct store *store)
{
	if (!store)
		return;
	writer_stop(store);
	/* Readers go first: the last connection to close is the writer's. */
	readers_stop(store);
	creds_free(store->creds);
	/* On a full disk the log's file is the room of the next start. */
	(void)sqlite3_wal_checkpoint_v2(store->db.h, NULL,
	    store_is_full(store) ? SQLITE_CHECKPOINT_RESTART :
	    SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	release(store);
}

/* ---- while it is open ---- */

bool
store_pump(struct store *store)
{
	bool wrote = writer_pump(store);
	bool read = readers_pump(store);

	return wrote || read;
}

void
store_tick(struct store *store)
{
	struct writer *w = store->writer;

	/* One at a time: a slow disk must not make a queue of them. */
	if (!atomic_exchange(&w->purge_out, true))
		writer_submit(w, &wreq_purge_new(store)->w);
}

bool
store_is_full(const struct store *store)
{
	return atomic_load_explicit(&store->is_full, memory_order_relaxed);
}

void
store_submit(struct store *store, struct wreq *req)
{
	writer_submit(store->writer, req);
}

/* ---- the gate ---- */

void
gate_enter(struct store *store)
{
	pthread_rwlock_rdlock(&store->gate);
}

void
gate_leave(struct store *store)
{
	pthread_rwlock_unlock(&store->gate);
}

void
gate_close(struct store *store)
{
	pthread_rwlock_wrlock(&store->gate);
}

void
gate_open(struct store *store)
{
	pthread_rwlock_unlock(&store->gate);
}
