/*
 * Read jobs on mail, run slice by slice on the readers (store.h store_read).
 *
 * x_new returns an owned job; results live in it until the next slice is
 * submitted or the job is freed. Every look-up of a mailbox takes the acting
 * account (rjob.actor, set from session->account) and the right it needs; a
 * mailbox one may not see answers ERR_NOMBOX like one that does not exist.
 */
#ifndef STORE_READ_H
#define STORE_READ_H

#include "server/base/arena.h"
#include "store/forest.h"
#include "store/mailbox.h"
#include "store/mime/digest.h"
#include "store/msort.h"
#include "store/search.h"
#include "store/sort.h"
#include "store/store.h"
#include "store/uidset.h"

enum rjob_kind {
	RJOB_SORT,
	RJOB_THREAD,
	RJOB_LOOKUP, RJOB_LIST, RJOB_MESSAGES, RJOB_MESSAGES_AHEAD,
	RJOB_SEARCH, RJOB_SEARCH_TWIN, RJOB_LOAD, RJOB_CREDS,
	RJOB_DIRECTORY, RJOB_RESOLVE, RJOB_VANISHED, RJOB_FIND, RJOB_BACKUP,
	RJOB_METADATA, RJOB_QUOTA, RJOB_ACL,
	/* queue.h, trust.h */
	RJOB_QUEUE_DUE, RJOB_QUEUE_WORK, RJOB_QUEUE_OVERDUE, RJOB_QUEUE_LIST,
	RJOB_DKIM_KEYS, RJOB_MTA_STS,
	RJOB_TLS_RESULTS, RJOB_KINDS
};

/* One mailbox by name: ERR_NOMBOX, ERR_DENIED when rights are missing. */
struct rjob_lookup {
	struct rjob j;
	char *name;			/* canonical; owned */
	unsigned rights;		/* all of these are needed */
	/* results */
	struct mailbox_info info;
	struct arena *arena;
};
struct rjob_lookup *rjob_lookup_new(struct env *env, struct session *s,
    struct span name, unsigned rights);

/*
 * Every mailbox the actor can see, sorted by name ('/' lowest), with its
 * counters, and every subscription (also of names that do not exist).
 */
struct rjob_list {
	struct rjob j;
	/* results */
	struct mailbox_info *boxes;
	size_t box_count;
	const char **subscriptions;	/* sorted */
	size_t subscription_count;
	struct arena *arena;
};
struct rjob_list *rjob_list_new(struct env *env, struct session *s);

/*
 * Digests and bytes of messages by body id, in the order given. Bytes are
 * those of the message as its owner sees it: prefix, then content; offsets
 * count from the prefix's first byte.
 *
 * A binary message is shown as store/mime/shown.h says: bytes, total and
 * digest are those of the shown message, unless as_stored is set.
 */
#define READ_NOTHING 0
#define READ_ALL UINT64_MAX		/* to the end */
#define READ_HEADER (UINT64_MAX - 1)	/* prefix and root header */

/*
 * With is_on: the bytes of the range with their transfer encoding undone, of
 * those again len (READ_NOTHING, READ_ALL) from off on. The range is gone
 * through before the first byte comes, and meanwhile a slice may bring no
 * piece at all.
 */
struct read_decode {
	bool is_on;
	enum part_encoding encoding;
	uint64_t off, len;
};

struct read_item {
	uint64_t body;
	uint64_t off;			/* first byte wanted */
	uint64_t len;			/* bytes, or one of READ_* */
	bool digest;			/* the stored digest too */
	bool saved;			/* thread and savedate_s too */
	bool as_stored;
	struct read_decode decode;
	uint32_t tag;			/* the caller's own; the UID if saved */
};

/* One answer; a long body gives several, in order, the last with last set. */
struct read_piece {
	uint32_t item;			/* index into items */
	bool gone;			/* no such body any more: nothing else set */
	bool last;			/* the item is done */
	struct span digest;		/* encoded; with the item's first piece */
	uint32_t prefix_len;		/* set with the item's first piece */
	uint64_t total;			/* prefix + content bytes */
	unsigned flavour;
	/* With the item's first piece; 0: the message has left its mailbox. */
	uint64_t thread;		/* THREADID */
	int64_t savedate_s;
	uint64_t off;			/* of bytes, within the message */
	uint64_t want_len;		/* bytes that will come for the item */
	uint64_t decoded_len;		/* of the range; decode, READ_NOTHING */
	bool has_nul;			/* so have those that come; decode */
	struct span bytes;		/* at most 64 KiB */
};

struct rjob_messages {
	struct rjob j;
	uint64_t mailbox;		/* for items with saved; else 0 */
	struct read_item *items;	/* malloc, owned; fill before submit */
	size_t item_count;
	/* results of this slice */
	struct read_piece *pieces;
	size_t piece_count;
	struct arena *arena;
};
struct rjob_messages *rjob_messages_new(struct env *env, struct session *s,
    size_t item_count);

/*
 * Which of these rows match: for what the array alone cannot answer
 * (search.h). The key tree is copied into the job.
 */
struct rjob_search {
	struct rjob j;
	uint64_t mailbox;		/* the rows' */
	struct search_key *key;		/* in arena */
	struct search_row *rows;	/* malloc, owned */
	size_t row_count;
	/* results of this slice: UIDs, rising, all that matched so far new */
	uint32_t *uids;
	size_t uid_count;
	size_t done_count;		/* rows looked at so far */
	struct arena *arena;
};
struct rjob_search *rjob_search_new(struct env *env, struct session *s,
    uint64_t mailbox, const struct search_key *key, size_t row_count);

/*
 * Puts messages in order. Rows come in the order that ties keep, that of the
 * mailbox. All the memory is charged to the budget; ERR_BUDGET in op.err.
 */
struct rjob_sort {
	struct rjob j;
	struct budget *budget;
	size_t charged;
	struct sort_term *terms;	/* malloc, owned */
	size_t term_count;
	struct sort_row *rows;		/* malloc, owned */
	size_t row_count, row_cap;
	/* results, once there is no more: row_count items in order */
	struct sort_item *items;
	struct arena keys;		/* theirs; borrows nothing */
};
/* For at most row_cap rows. NULL: over the budget. */
struct rjob_sort *rjob_sort_new(struct env *env, struct session *s,
    const struct sort_term *terms, size_t term_count, size_t row_cap);
void rjob_sort_add(struct rjob_sort *job, const struct msgrow *row);

/* The threads of messages. Rows, memory and errors as for sorting. */
struct rjob_thread {
	struct rjob j;
	struct budget *budget;
	size_t charged;
	enum thread_by by;
	struct sort_row *rows;		/* malloc, owned */
	size_t row_count, row_cap;
	/* results, once there is no more: row_count steps (forest.h) */
	const struct thread_step *steps;
};
struct rjob_thread *rjob_thread_new(struct env *env, struct session *s,
    enum thread_by by, size_t row_cap);
void rjob_thread_add(struct rjob_thread *job, const struct msgrow *row);

/*
 * The body of a message by mailbox and UID, for those who have no view of it.
 * ERR_NOMSG: it is not there, or the mailbox has another UIDVALIDITY (0: any
 * will do).
 */
struct rjob_find {
	struct rjob j;
	uint64_t mailbox;
	uint32_t uidvalidity, uid;
	/* results */
	uint64_t body;
};
struct rjob_find *rjob_find_new(struct env *env, struct session *s,
    uint64_t mailbox, uint32_t uidvalidity, uint32_t uid);

/*
 * What has vanished from a mailbox since a modseq (RFC 7162 section 3.2.6).
 * The set may have UIDs that were gone before, and those that a view still
 * shows; it has none that is there. One slice.
 */
#define VANISHED_RANGES_MAX 32768u	/* 256 KiB */

struct rjob_vanished {
	struct rjob j;
	uint64_t mailbox;
	uint64_t since;
	/* results */
	bool complete;		/* false: not remembered, or too much */
	struct uidset uids;	/* if complete */
};
struct rjob_vanished *rjob_vanished_new(struct env *env, struct session *s,
    uint64_t mailbox, uint64_t since);

/*
 * A consistent, checked copy of the whole store: made in the data folder
 * (name removed at once), then handed out slice by slice. The first slice
 * comes home when the copy is made, without bytes. Errors besides those of
 * store_read: ERR_BUSY, one is being made already; ERR_FULL, no room for it;
 * ERR_NOTFOUND, the store is in memory.
 */
struct rjob_backup {
	struct rjob j;
	/* results */
	uint64_t total, done;		/* bytes, done with this slice's */
	struct span bytes;
};
struct rjob_backup *rjob_backup_new(struct env *env, struct session *s);

#endif
