/*
 * SQLite, as far as the store needs it: opening, cached statements, errors.
 *
 * Statements are cached by the address of their text. A text at two addresses
 * is prepared twice, which costs memory and nothing else.
 */
#include "store/db_priv.h"

#include <assert.h>
#include <inttypes.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/store_priv.h"

#define SLOTS_FIRST 64

#define WRITER_CACHE "PRAGMA cache_size = -16384"	/* KiB */
#define READER_CACHE "PRAGMA cache_size = -4096"
/* An idle log file is cut to this when it starts over. */
#define WAL_KEEP "PRAGMA journal_size_limit = 16777216"

int
db_err(int rc)
{
	/* The index of the log, which is a file too, cannot grow. */
	if (rc == SQLITE_IOERR_SHMSIZE)
		return ERR_FULL;
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_IOERR:
		return ERR_IO;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_INTERRUPT:	/* by ourselves, when the store closes */
		return ERR_CLOSED;
	default:
		return ERR_STORE;
	}
}

int
db_fail(struct db *db, int rc, const char *what)
{
	int err = db_err(rc);

	if (err == 0 || err == ERR_CLOSED)
		return err;
	STAT_ADD(db->env->stats, store_errors, 1);
	/* A full disk is met at every request; reserve.c logs it once. */
	if (err != ERR_FULL)
		log_event(db->env->log, LOG_ERROR, "store", "database",
		    F_INT("code", rc), F_STR("text", db->h ?
		    sqlite3_errmsg(db->h) : sqlite3_errstr(rc)),
		    F_STR("in", what));
	return err;
}

/* ---- opening ---- */

/* Values in the database file are data: nothing in it may act. */
static void
harden(sqlite3 *h)
{
	sqlite3_extended_result_codes(h, 1);
	sqlite3_db_config(h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(h, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(h, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(h, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_db_config(h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_enable_load_extension(h, 0);
}

static int
open_handle(struct db *db, const char *path, const char *vfs, int flags,
    struct buf *why)
{
	int rc = sqlite3_open_v2(path, &db->h, flags | SQLITE_OPEN_NOMUTEX,
	    vfs);

	if (rc != SQLITE_OK) {
		buf_printf(why, "cannot open %s: %s", path, db->h ?
		    sqlite3_errmsg(db->h) : sqlite3_errstr(rc));
		return db_fail(db, rc, "open");
	}
	harden(db->h);
	/*
	 * A log that is just starting over makes a reader wait. And a reader
	 * that finds the log's index half-written takes the writer's lock for
	 * a moment, to see it whole.
	 */
	sqlite3_busy_timeout(db->h, 5000);
	return 0;
}

/* Runs a NULL-ended list of texts; why names the first that fails. */
static int
run_pragmas(struct db *db, const char *const *pragmas, struct buf *why)
{
	int err;

	for (; *pragmas; pragmas++)
		if ((err = db_exec(db, *pragmas)) < 0) {
			buf_printf(why, "the database refuses %s: %s",
			    *pragmas, sqlite3_errmsg(db->h));
			return err;
		}
	return 0;
}

int
db_open(struct db *db, const struct db_open *o, struct env *env,
    struct buf *why)
{
	const char *const pragmas[] = {
		/* The first two count only before the first table. */
		"PRAGMA page_size = 8192",
		"PRAGMA auto_vacuum = INCREMENTAL",
		"PRAGMA journal_mode = WAL",
		"PRAGMA wal_autocheckpoint = 0",
		WAL_KEEP,
		"PRAGMA mmap_size = 0",
		"PRAGMA temp_store = MEMORY",
		"PRAGMA foreign_keys = OFF",	/* check.c; purge in slices */
		WRITER_CACHE,
		o->secure_delete ? "PRAGMA secure_delete = ON" :
		    "PRAGMA secure_delete = OFF",
		o->synchronous && strcmp(o->synchronous, "NORMAL") == 0 ?
		    "PRAGMA synchronous = NORMAL" :
		    o->synchronous && strcmp(o->synchronous, "OFF") == 0 ?
		    "PRAGMA synchronous = OFF" : "PRAGMA synchronous = FULL",
		NULL
	};
	int grow = DB_GROW_BYTES, err;

	/*
	 * Nobody asks how much memory SQLite has, and to count it takes a
	 * mutex, for all threads, at each allocation: an eighth of the CPU
	 * time of a delivery. Refused, and harmless, but for the first.
	 */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	*db = (struct db){ .env = env };
	if ((err = open_handle(db, o->path, o->vfs,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, why)) < 0 ||
	    (err = run_pragmas(db, pragmas, why)) < 0) {
		db_close(db);
		return err;
	}
	sqlite3_file_control(db->h, "main", SQLITE_FCNTL_CHUNK_SIZE, &grow);
	return 0;
}

int
db_open_reader(struct store *store, struct db *db, struct buf *why)
{
	static const char *const pragmas[] = {
		"PRAGMA query_only = ON",
		"PRAGMA wal_autocheckpoint = 0",
		"PRAGMA mmap_size = 0",
		"PRAGMA temp_store = MEMORY",
		READER_CACHE,
		NULL
	};
	int err;

	*db = (struct db){ .env = store->env };
	/* Read-write, because a reader of a WAL marks its place in it. */
	if ((err = open_handle(db, store->path, store->settings.vfs,
	    SQLITE_OPEN_READWRITE, why)) < 0 ||
	    (err = run_pragmas(db, pragmas, why)) < 0) {
		db_close(db);
		return err;
	}
	return 0;
}

void
db_close(struct db *db)
{
	int rc;

	if (!db->h)
		return;
	db_blob_close(db);
	for (size_t i = 0; i < db->slot_cap; i++)
		sqlite3_finalize(db->slots[i].stmt);
	free(db->slots);
	rc = sqlite3_close(db->h);
	assert(rc == SQLITE_OK);	/* else a statement was left open */
	(void)rc;
	*db = (struct db){ 0 };
}

/* ---- statements ---- */

static struct db_slot *
find_slot(const struct db *db, const char *sql)
{
	size_t i = (size_t)(((uintptr_t)sql *
	    UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (db->slot_cap - 1);

	while (db->slots[i].sql && db->slots[i].sql != sql)
		i = (i + 1) & (db->slot_cap - 1);
	return &db->slots[i];
}

static void
grow_slots(struct db *db)
{
	struct db_slot *old = db->slots;
	size_t old_cap = db->slot_cap;

	db->slot_cap = old_cap ? old_cap * 2 : SLOTS_FIRST;
	db->slots = xcalloc(db->slot_cap, sizeof *db->slots);
	for (size_t i = 0; i < old_cap; i++)
		if (old[i].sql)
			*find_slot(db, old[i].sql) = old[i];
	free(old);
}

static int
prepare(struct db *db, sqlite3_stmt **s_r, const char *sql)
{
	struct db_slot *slot;
	int rc;

	if (db->slot_count + 1 > db->slot_cap / 4 * 3)
		grow_slots(db);
	slot = find_slot(db, sql);
	if (!slot->sql) {
		rc = sqlite3_prepare_v3(db->h, sql, -1,
		    SQLITE_PREPARE_PERSISTENT, &slot->stmt, NULL);
		if (rc != SQLITE_OK)
			return db_fail(db, rc, sql);
		slot->sql = sql;
		db->slot_count++;
	}
	assert(!sqlite3_stmt_busy(slot->stmt));
	*s_r = slot->stmt;
	return 0;
}

static int
bind_arg(sqlite3_stmt *s, int n, const struct arg *a)
{
	static const char nothing[1];
	const void *p = a->p ? a->p : nothing;

	switch (a->kind) {
	case ARG_INT:
		return sqlite3_bind_int64(s, n, a->i);
	case ARG_TEXT:
		return sqlite3_bind_text64(s, n, p, a->len, SQLITE_STATIC,
		    SQLITE_UTF8);
	case ARG_BLOB:
		return sqlite3_bind_blob64(s, n, p, a->len, SQLITE_STATIC);
	case ARG_NULL:
	case ARG_END:
		break;
	}
	return sqlite3_bind_null(s, n);
}

int
db_query_args(struct db *db, sqlite3_stmt **s_r, const char *sql,
    const struct arg *args)
{
	int err, n = 0, rc;

	if ((err = prepare(db, s_r, sql)) < 0)
		return err;
	for (; args[n].kind != ARG_END; n++)
		if ((rc = bind_arg(*s_r, n + 1, &args[n])) != SQLITE_OK)
			return db_fail(db, rc, sql);
	assert(n == sqlite3_bind_parameter_count(*s_r));
	return 0;
}

int
db_step(struct db *db, sqlite3_stmt *s)
{
	int rc = sqlite3_step(s);

	if (rc == SQLITE_ROW)
		return 1;
	sqlite3_reset(s);
	return rc == SQLITE_DONE ? 0 : db_fail(db, rc, sqlite3_sql(s));
}

void
db_done(sqlite3_stmt *s)
{
	sqlite3_reset(s);
}

int
db_run_args(struct db *db, const char *sql, const struct arg *args)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query_args(db, &s, sql, args)) < 0)
		return err;
	while ((err = db_step(db, s)) > 0)
		continue;
	return err;
}

int
db_get_args(struct db *db, int64_t *out, const char *sql,
    const struct arg *args)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query_args(db, &s, sql, args)) < 0)
		return err;
	if ((err = db_step(db, s)) <= 0)
		return err < 0 ? err : ERR_NOTFOUND;
	*out = db_i64(s, 0);
	db_done(s);
	return 0;
}

int
db_exec(struct db *db, const char *sql)
{
	int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_fail(db, rc, sql);
}

struct span
db_span(sqlite3_stmt *s, int col)
{
	/* The pointer first: asking for it may convert, and so the length. */
	const char *p = sqlite3_column_blob(s, col);

	return span_make(p, (size_t)sqlite3_column_bytes(s, col));
}

/* ---- reading ---- */

int
db_begin_read(struct db *db)
{
	return db_run(db, "BEGIN");
}

void
db_end_read(struct db *db)
{
	db_blob_close(db);
	/* Nothing was written, so this cannot fail in a way that matters. */
	if (db_in_transaction(db))
		(void)db_run(db, "COMMIT");
}

void
db_blob_close(struct db *db)
{
	sqlite3_blob_close(db->blob);
	db->blob = NULL;
}

bool
db_in_transaction(const struct db *db)
{
	return !sqlite3_get_autocommit(db->h);
}
