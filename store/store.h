/*
 * The store: one SQLite database, one writer thread, a few readers.
 *
 * Every change is one typed request (write.h, account.h); the writer applies
 * requests in the order they were submitted, many to a transaction, and a
 * request completes only when it is on disk (WAL, synchronous=FULL). Requests
 * fail alone. Reads are sliced jobs (read.h). Changes reach every loop's hub
 * (hub.h) before the completions of the commit that made them.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/cred.h"
#include "server/base/env.h"
#include "server/base/op.h"

struct store;

struct store_settings {
	const char *dir;		/* data folder; holds mail.db */
	/*
	 * No threads: writer and readers run inside store_pump on one
	 * connection. For scripts, tests and commands without a server.
	 */
	bool is_inline;
	bool in_memory;			/* inline only: no file at all */
	unsigned readers;		/* threads, 1..8; default 3 */
	uint64_t reserve_bytes;		/* of <dir>/reserve; 0: none */
	uint64_t size_limit;		/* largest message; for free space */
	bool secure_delete;
	int64_t purge_after_s;		/* expunged bodies are kept so long */
	/*
	 * Who gets mail for postmaster and abuse where nobody has the address:
	 * local@domain of ours. NULL or "": see account.h.
	 */
	const char *postmaster;
	const char *vfs;		/* test shim; NULL: the default */
	/* NULL: FULL. Only a test that proves what less would lose. */
	const char *synchronous;
};

/* Sensible values for everything but dir. */
void store_settings_init(struct store_settings *s);

/*
 * Opens or creates the database: takes the folder's lock (flock), migrates
 * the schema, sweeps what was left staged, starts the threads. env lends
 * clock, random, log, stats and budget, not the loop. On error why holds a
 * sentence for a person: ERR_BUSY when another process has the lock,
 * ERR_STORE, ERR_IO, ERR_FULL.
 */
int store_open(struct store **store_r, const struct store_settings *settings,
    struct env *env, struct buf *why);

/*
 * Finishes what is queued, checkpoints, closes. Requests still out come home
 * to their queues first (drain those afterwards, with env.store NULL). NULL is
 * legal.
 */
void store_close(struct store *store);

/*
 * Inline mode: does what is queued, one batch of writes and every read.
 * Returns whether there was anything.
 */
bool store_pump(struct store *store);

/*
 * Inline and threaded: time-driven work (purge, reserve, checkpoint when
 * idle). The loop calls it every few seconds.
 */
void store_tick(struct store *store);

/* Whether deliveries and appends are refused for lack of space now. */
bool store_is_full(const struct store *store);

/* The source of log-in data, for env.creds. Lives as long as the store. */
struct cred_source *store_creds(struct store *store, struct env *loop_env);

/*
 * Checks every rule the store keeps (counters, references, ranges, ids,
 * arrays against rows). Appends one line for each breach to why. Returns the
 * number of breaches or ERR_STORE. Inline mode, or after close by path.
 */
int store_check(struct store *store, struct buf *why);

/* ---- requests: the common part ---- */

struct wreq {
	struct op op;			/* first */
	struct wreq *next;		/* the writer's queue */
	int kind;			/* enum wreq_kind, write.h */
	int64_t now_s;			/* wall time chosen by the caller */
	unsigned char seed[16];		/* randomness chosen by the caller */
	uint64_t actor;			/* acting account; 0: the server itself */
	uint64_t origin;		/* view id whose own change this is, or 0 */
};

/*
 * Hands req to the writer. Takes req and everything in it. The result comes
 * home as req->op, after the loop's hub has been told of the change. If the
 * session ends first the change still happens and the request frees itself.
 *
 * Never blocks and never fails; failures are in op.err:
 *   ERR_NOMBOX ERR_NOUSER ERR_DENIED ERR_EXISTS ERR_QUOTA ERR_KEYWORDS
 *   ERR_FULL      no space: temporary
 *   ERR_STORE     database error, logged by the writer: temporary
 *   ERR_CLOSED    the store is closing
 */
void store_submit(struct store *store, struct wreq *req);

struct rjob {
	struct op op;			/* first */
	struct rjob *next;
	int kind;			/* enum rjob_kind, read.h */
	struct session *session;	/* who waits, again for each slice */
	uint64_t actor;
	bool more;			/* out: submit again for the next slice */
	void *state;			/* the reader's own, between slices */
};

/*
 * Runs one slice of the job on a reader: at most 64 KiB of results or 5 ms.
 * Comes home as job->op with the slice's results in the job. If job->more,
 * the session reads the results and submits the same job again, now or later
 * (a slow client pins no snapshot); else it frees it.
 * Errors: ERR_NOMBOX ERR_DENIED ERR_STORE ERR_BUDGET ERR_CLOSED.
 */
void store_read(struct store *store, struct rjob *job);

#endif
