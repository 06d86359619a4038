/*
 * One SQLite connection: how it is opened, and statements over it.
 *
 * A connection belongs to one thread. SQL texts have static storage: the
 * statement cache goes by their address, so a text is prepared once for each
 * connection. Values are always bound, never pasted.
 *
 *     sqlite3_stmt *s;
 *     int err;
 *
 *     if ((err = db_query(db, &s, "SELECT uid FROM msg WHERE mailbox = ?",
 *         A_INT(mailbox))) < 0)
 *             return err;
 *     while ((err = db_step(db, s)) > 0)
 *             use(db_u64(s, 0));
 *     return err;             // 0 at the end: the statement is reset
 *
 * Leaving such a loop early needs db_done(s). A text may not be in use twice
 * at the same time (asserted): a nested loop needs a text of its own.
 *
 * Nobody may open the database file in any other way while the store is open:
 * closing any descriptor of it drops SQLite's locks (POSIX).
 */
#ifndef STORE_DB_PRIV_H
#define STORE_DB_PRIV_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/env.h"
#include "server/base/span.h"

struct store;

struct db_slot {
	const char *sql;
	sqlite3_stmt *stmt;
};

struct db {
	sqlite3 *h;
	struct env *env;		/* log and stats */
	struct db_slot *slots;		/* open addressing, power of two */
	size_t slot_cap, slot_count;
	sqlite3_blob *blob;		/* body.c's; lives in a transaction */
};

#define DB_PAGE_SIZE 8192
#define DB_GROW_BYTES (16 * 1024 * 1024)

/* How the one writing connection (or the inline one) is opened. */
struct db_open {
	const char *path;		/* or ":memory:" */
	const char *vfs;		/* NULL: the default */
	bool secure_delete;
	const char *synchronous;	/* "FULL"; lower only in tests */
};

/* Opens or creates. On error why holds a sentence. Schema: schema.c. */
int db_open(struct db *db, const struct db_open *o, struct env *env,
    struct buf *why);

/*
 * A connection for one reader thread: cannot write, never checkpoints. Call
 * on the thread that will use it or before it starts. Not in inline mode.
 */
int db_open_reader(struct store *store, struct db *db, struct buf *why);

/* Finalizes what is cached and closes; legal on a zeroed one. */
void db_close(struct db *db);

/* ---- values ---- */

enum arg_kind { ARG_END, ARG_NULL, ARG_INT, ARG_TEXT, ARG_BLOB };
struct arg {
	enum arg_kind kind;
	int64_t i;
	const void *p;		/* must live until the statement is reset */
	size_t len;
};
static inline struct arg
arg_text(struct span s)
{
	return (struct arg){ s.p ? ARG_TEXT : ARG_NULL, 0, s.p, s.len };
}
#define A_INT(v)     ((struct arg){ ARG_INT, (int64_t)(v), NULL, 0 })
#define A_STR(s)     arg_text(span_of(s))	/* NULL: SQL's NULL */
#define A_SPAN(s)    arg_text(s)
#define A_BLOB(p, n) ((struct arg){ ARG_BLOB, 0, (p), (n) })
#define A_NULL       ((struct arg){ ARG_NULL, 0, NULL, 0 })
#define DB_ARGS(...) (const struct arg[]){ __VA_ARGS__ __VA_OPT__(,) \
	    { ARG_END, 0, NULL, 0 } }

/* ---- statements: 0 or ERR_*, logged here where it is the database's ---- */

/* Prepares (once) and binds every parameter. */
int db_query_args(struct db *db, sqlite3_stmt **s_r, const char *sql,
    const struct arg *args);
#define db_query(db, s_r, sql, ...) \
	db_query_args((db), (s_r), (sql), DB_ARGS(__VA_ARGS__))

/* 1: a row. 0: the end, reset. ERR_*: reset. */
int db_step(struct db *db, sqlite3_stmt *s);

/* Resets a statement that is left before its end. */
void db_done(sqlite3_stmt *s);

/* Runs to the end; rows are ignored. */
int db_run_args(struct db *db, const char *sql, const struct arg *args);
#define db_run(db, sql, ...) db_run_args((db), (sql), DB_ARGS(__VA_ARGS__))

/* The first column of the first row as a number; ERR_NOTFOUND: no row. */
int db_get_args(struct db *db, int64_t *out, const char *sql,
    const struct arg *args);
#define db_get(db, out, sql, ...) \
	db_get_args((db), (out), (sql), DB_ARGS(__VA_ARGS__))

/* Any text, several statements, not cached. */
int db_exec(struct db *db, const char *sql);

/* Columns of the row at hand; spans live until the next step. */
static inline int64_t
db_i64(sqlite3_stmt *s, int col)
{
	return sqlite3_column_int64(s, col);
}
static inline uint64_t
db_u64(sqlite3_stmt *s, int col)
{
	return (uint64_t)sqlite3_column_int64(s, col);
}
static inline uint32_t
db_u32(sqlite3_stmt *s, int col)
{
	return (uint32_t)sqlite3_column_int64(s, col);
}
static inline bool
db_is_null(sqlite3_stmt *s, int col)
{
	return sqlite3_column_type(s, col) == SQLITE_NULL;
}
struct span db_span(sqlite3_stmt *s, int col);	/* text or blob */

/*
 * One consistent picture for a slice of reading. Never kept over a wait. End
 * also closes the blob that body_read uses, which would pin the snapshot.
 */
int db_begin_read(struct db *db);
void db_end_read(struct db *db);

/* Closes the cached blob handle. */
void db_blob_close(struct db *db);

bool db_in_transaction(const struct db *db);

/*
 * What a result code of SQLite means to us: ERR_FULL, ERR_IO, ERR_BUSY or
 * ERR_STORE. db_fail also logs and counts it.
 */
int db_err(int rc);
int db_fail(struct db *db, int rc, const char *what);

/* schema.c: creates or migrates. ERR_STORE with why if it is newer. */
int schema_migrate(struct db *db, struct env *env, struct buf *why);
int schema_version(void);

#endif
