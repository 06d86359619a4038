/*
 * The writer: its queue, its transaction, and one apply function a kind.
 *
 * Thread: the writer's, but for writer_submit and what start and stop do.
 */
#ifndef STORE_WRITER_PRIV_H
#define STORE_WRITER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/account.h"
#include "store/store_priv.h"
#include "store/write.h"

/* The counters in meta. They only rise. */
struct counters {
	uint64_t next_id, modseq, uidvalidity;
};

/* A batch's transaction. Everything in it is forgotten on rollback. */
struct wtxn {
	struct store *store;
	struct db *db;
	struct changeset *changes;
	struct counters stored;		/* as they are in meta */
	struct counters now;		/* as this transaction has raised them */
	uint64_t modseq;		/* of the request at hand; 0: none yet */
};

/* A fresh id. */
uint64_t wtxn_id(struct wtxn *t);
/* A fresh UIDVALIDITY. */
uint32_t wtxn_uidvalidity(struct wtxn *t);
/* The request's modseq: the same until the request ends. */
uint64_t wtxn_modseq(struct wtxn *t);

/*
 * One kind of request. apply works on database and request alone, may be
 * called again after a rollback, and so leaves what the request holds in
 * place; its results are set anew each time.
 */
struct wreq_ops {
	const char *name;
	int (*apply)(struct wtxn *t, struct wreq *r);
	/*
	 * Whether it needs room to stay, and so is refused while the disk is
	 * full; NULL: never.
	 */
	bool (*grows)(const struct wreq *r);
	/* Bytes it will write, for the batch's cap; NULL: little. */
	size_t (*bytes)(const struct wreq *r);
	/* It has come to its end, 0 or ERR_*; NULL: nothing to do. */
	void (*ended)(struct store *store, struct wreq *r, int err);
};

int apply_stage(struct wtxn *t, struct wreq *r);
int apply_unstage(struct wtxn *t, struct wreq *r);
int apply_deliver(struct wtxn *t, struct wreq *r);
int apply_append(struct wtxn *t, struct wreq *r);
int apply_flags(struct wtxn *t, struct wreq *r);
int apply_expunge(struct wtxn *t, struct wreq *r);
int apply_copy(struct wtxn *t, struct wreq *r);
int apply_mailbox(struct wtxn *t, struct wreq *r);
int apply_recent(struct wtxn *t, struct wreq *r);
int apply_note_login(struct wtxn *t, struct wreq *r);
int apply_domain(struct wtxn *t, struct wreq *r);
int apply_account(struct wtxn *t, struct wreq *r);
int apply_device(struct wtxn *t, struct wreq *r);
int apply_alias(struct wtxn *t, struct wreq *r);
int apply_cert(struct wtxn *t, struct wreq *r);
int apply_purge(struct wtxn *t, struct wreq *r);
int apply_metadata(struct wtxn *t, struct wreq *r);
int apply_dkim_key(struct wtxn *t, struct wreq *r);
int apply_mta_sts(struct wtxn *t, struct wreq *r);
int apply_quota(struct wtxn *t, struct wreq *r);
int apply_acl(struct wtxn *t, struct wreq *r);
int apply_tls_result(struct wtxn *t, struct wreq *r);
int apply_tls_done(struct wtxn *t, struct wreq *r);

bool copy_grows(const struct wreq *r);
size_t stage_bytes(const struct wreq *r);
size_t deliver_bytes(const struct wreq *r);
size_t append_bytes(const struct wreq *r);
void deliver_ended(struct store *store, struct wreq *r, int err);
void append_ended(struct store *store, struct wreq *r, int err);

/* Frees a list of owned names. */
void names_free(char **names, size_t n);

/* For x_new: the common part of a request. session may be NULL. */
void wreq_init(struct wreq *w, int kind, struct env *env, struct session *s,
    void (*free_fn)(struct op *));

/* ---- the thread ---- */

/* More, and purging ends: the database is broken. */
#define DAMAGED_MAX 64

struct writer {
	struct store *store;
	pthread_t thread;
	/* Guards the queue, closing and the listeners. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct wreq *head, **tail;
	bool closing;
	struct listener *listeners;
	/* The writer's own from here. */
	int wal_pages;			/* in the log after the last commit */
	bool wal_dirty;			/* some are not in the database yet */
	int checkpoint_at;		/* log pages that call for the next */
	unsigned io_errors;		/* in a row */
	atomic_bool purge_out;		/* a purge request is in the queue */
	_Atomic int64_t swept_s;	/* when the last sweep ended */
	/* Ids of bodies and contents that cannot be purged: damage. */
	uint64_t damaged[DAMAGED_MAX];
	size_t damaged_count;
};

int writer_start(struct store *store);
/* Applies what is queued, refuses what comes, ends the thread. */
void writer_stop(struct store *store);
void writer_free(struct writer *w);
void writer_submit(struct writer *w, struct wreq *r);
/* Inline: applies one batch. Whether there was one. */
bool writer_pump(struct store *store);

/* ---- purge.c ---- */

/* How far a sweep (sweep.c) has got: the keys behind which it goes on. */
struct sweep {
	enum { SWEEP_THREADS, SWEEP_PEERS, SWEEP_VANISHED, SWEEP_END } phase;
	uint64_t account, mailbox;
	int64_t msgid;
};
void sweep_begin(struct sweep *s);
/* One slice; moves *s on. */
int sweep_slice(struct wtxn *t, struct sweep *s, int64_t now_s);

/* One slice of purging. */
struct wreq_purge {
	struct wreq w;
	bool is_sweep;			/* the day's is due */
	struct sweep sweep;
	/* results */
	bool more;			/* there was more to do */
	struct sweep swept;
};
struct wreq_purge *wreq_purge_new(struct store *store);
/*
 * Between transactions: gives some free pages back to the file system, if
 * they are worth it. Whether any were.
 */
bool purge_vacuum(struct store *store);

/* ---- reserve.c: room for the requests that make room ---- */

/* Makes the reserve if there is room; sets is_full. */
void reserve_start(struct store *store);
/* Between transactions: is there still room, is there room again? */
void reserve_tick(struct store *store);
/*
 * When there is no room to open the database: gives up the reserve. Whether
 * there was one.
 */
bool reserve_spend(struct store *store);
/* At SQLITE_FULL. Whether something was freed, so that a retry may work. */
bool reserve_give(struct store *store);
/* Full, and what purge has freed so far is not enough: it must hurry. */
bool reserve_is_short(struct store *store);

#endif
