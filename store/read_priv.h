/*
 * The readers: what a slice of each kind of job is given.
 *
 * A slice runs on one reader, inside one read transaction, for about 5 ms or
 * until it has 64 KiB of results. What it keeps between slices is in the job;
 * nothing of it may point into a statement or a blob.
 */
#ifndef STORE_READ_PRIV_H
#define STORE_READ_PRIV_H

#include "store/account.h"
#include "store/array_priv.h"
#include "store/body.h"
#include "store/mime/digest.h"
#include "store/read.h"
#include "store/store_priv.h"

struct rjob_load;

#define SLICE_BYTES (64u * 1024)
#define SLICE_US 5000

/* Where the rows of a load go, for the SQL function that takes them. */
struct load_target {
	struct rjob_load *load;
	int err;
};

/* One connection and the slice at hand. Thread: the reader's. */
struct reader {
	struct store *store;
	struct db *db;
	struct load_target *target;	/* the connection's */
	int64_t until_us;		/* when the slice should end */
};

/* Whether the slice has had its time. */
bool reader_is_due(const struct reader *r);

/*
 * Before a search is queued: its second shard as a job of its own, or NULL;
 * and its way home, when both have had their slice.
 */
struct rjob *search_twin(struct rjob *j);
void search_home(struct rjob *j, int err);

/* Queues a part of a job; if the store closes it goes home at once. */
void readers_put(struct store *store, struct rjob *job);

/* Reading ahead (read_messages.c): before it is queued, and its ways home. */
bool messages_ready(struct store *store, struct rjob *j);
void messages_home(struct rjob *j, int err);
void messages_ahead_home(struct rjob *j, int err);

/* Each returns 0 or ERR_* and sets job->more. */
int slice_lookup(struct reader *r, struct rjob *j);
int slice_list(struct reader *r, struct rjob *j);
int slice_messages(struct reader *r, struct rjob *j);
int slice_messages_ahead(struct reader *r, struct rjob *j);
int slice_search(struct reader *r, struct rjob *j);
int slice_search_twin(struct reader *r, struct rjob *j);
int slice_load(struct reader *r, struct rjob *j);
int slice_creds(struct reader *r, struct rjob *j);
int slice_directory(struct reader *r, struct rjob *j);
int slice_resolve(struct reader *r, struct rjob *j);
int slice_find(struct reader *r, struct rjob *j);
int slice_vanished(struct reader *r, struct rjob *j);
int slice_backup(struct reader *r, struct rjob *j);
int slice_metadata(struct reader *r, struct rjob *j);
int slice_queue_due(struct reader *r, struct rjob *j);
int slice_queue_work(struct reader *r, struct rjob *j);
int slice_queue_overdue(struct reader *r, struct rjob *j);
int slice_queue_list(struct reader *r, struct rjob *j);
int slice_dkim_keys(struct reader *r, struct rjob *j);
int slice_mta_sts(struct reader *r, struct rjob *j);
int slice_sort(struct reader *r, struct rjob *j);
int slice_thread(struct reader *r, struct rjob *j);
int slice_quota(struct reader *r, struct rjob *j);
int slice_acl(struct reader *r, struct rjob *j);
int slice_tls_results(struct reader *r, struct rjob *j);

/* The digest of a body: as stored, or made again where it is outdated. */
int read_digest(struct db *db, struct arena *a, const struct body *body,
    struct span *bytes);

/*
 * What msg knows of a message and an array does not; of an expunged one too.
 * ERR_NOTFOUND: it has left the mailbox without a trace.
 */
struct saved {
	uint64_t thread;
	int64_t savedate_s;
};
int read_saved(struct db *db, uint64_t mailbox, uint32_t uid,
    struct saved *saved);

/*
 * What a body is sorted and threaded by. The bytes and the references go into
 * the arena. ERR_NOTFOUND: it is gone, or its digest is damaged.
 */
int read_digest_keys(struct db *db, struct arena *a, uint64_t body,
    struct digest_keys *k);

/* Sends the job home; the default for all but credentials. */
void creds_home(struct rjob *j, int err);

/* Sets the common part. session may be NULL: the server itself asks. */
void rjob_init(struct rjob *j, enum rjob_kind kind, struct env *env,
    struct session *s, void (*free_fn)(struct op *));

/* An arena that belongs to a job. */
struct arena *job_arena_new(void);
void job_arena_free(struct arena *a);

/* ---- jobs that only the store itself makes ---- */

/* All of a mailbox for an array. */
struct rjob_load {
	struct rjob j;
	uint64_t mailbox;
	struct budget *budget;
	struct mailarray *array;	/* loop thread only; NULL: given up */
	struct array_data d;		/* result */
};

/* Teaches a connection the function that loads call; t lives as long. */
int load_register(struct db *db, struct load_target *t);

/* The log-in data of one account. */
struct rjob_creds {
	struct rjob j;
	struct cred_request *req;	/* goes home in the job's place */
};

/* ---- backup.c: its long part has a thread of its own ---- */

struct backup;
struct backup *backup_new(struct store *store);
/* Gives up a copy that is being made; its job comes home with ERR_CLOSED. */
void backup_free(struct backup *b);
/* Whether it took the job: the copy is still to be made. */
bool backup_take(struct backup *b, struct rjob *j);

#endif
