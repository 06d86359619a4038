/*
 * The array of an open mailbox: what is known of every message, in memory.
 *
 * Rows by rising UID, shared by all views of the loop and moved forward by
 * change records alone. Three things let views lag behind:
 *
 *  - the graveyard: expunged rows in the order they went, each with a running
 *    number, kept until every view has been told;
 *  - the ring: which UIDs the last 1024 flag changes really touched, and who
 *    asked for them; a view that is further behind scans the rows;
 *  - gen: raised whenever rows go away, so that a view knows when positions
 *    it remembers are no good any more.
 *
 * An array that no view has open keeps neither graveyard nor ring.
 * Thread: the loop's, but for array_data while a reader fills it.
 */
#ifndef STORE_ARRAY_PRIV_H
#define STORE_ARRAY_PRIV_H

#include "server/base/budget.h"
#include "server/base/list.h"
#include "store/change.h"
#include "store/mailbox.h"
#include "store/uidset.h"

#define ARRAY_RING 1024		/* flag changes remembered */
#define ARRAY_RING_RANGES 65536	/* UID ranges in all of them together */
#define ARRAY_STEP 8192		/* rows that come or go in one step */

struct hub;
struct rjob_load;

/*
 * What the database knows of a mailbox at one moment. Rows are charged to the
 * budget: charged bytes of the cap * sizeof *rows that are allocated (all of
 * them, unless the budget was used up while the mailbox grew).
 */
struct array_data {
	uint64_t account;		/* the owner */
	uint64_t modseq;		/* of the last change in it */
	uint32_t uidvalidity, uidnext;
	uint32_t recent_uid;		/* UIDs above nobody has been shown */
	uint32_t unseen_uid;		/* every row below has \Seen */
	struct msgrow *rows;
	size_t n, cap;
	size_t charged;
	char **keywords;		/* bit KEYWORD_FIRST + i */
	unsigned keyword_count;
	struct acl_entry *acl;		/* malloc */
	size_t acl_count;
	struct overlay *overlays;	/* malloc */
	size_t overlay_count;
};

/*
 * What one who is not the owner has read: the \Seen of its account. May have
 * UIDs that are gone, or not here yet.
 */
struct overlay {
	uint64_t reader;
	struct uidset seen;
};

struct grave {
	struct msgrow row;
	uint64_t modseq;		/* of the expunge */
};

/* Graves are dug in blocks, so that a large graveyard never moves. */
#define GRAVES_BLOCK 64

struct flag_record {
	uint64_t modseq, origin;
	uint64_t reader;		/* whose \Seen changed; 0: others too */
	struct uidset uids;		/* those that changed */
};

enum array_state { ARRAY_LOADING, ARRAY_OPEN };

struct mailarray {
	struct list node;		/* the hub's idle list, or nowhere */
	struct list views;
	struct hub *hub;
	uint64_t mailbox;
	enum array_state state;
	bool gone;			/* the mailbox was deleted */
	struct array_data d;
	size_t gen;
	/*
	 * Graves g with graves_first <= number < graves_end; number g lies in
	 * block g / GRAVES_BLOCK, of which blocks[0] is number block_first.
	 */
	struct grave **blocks;
	size_t block_n, block_cap;
	uint64_t block_first;
	size_t graves_charged;
	uint64_t graves_first, graves_end;
	struct flag_record *ring;	/* ring_cap slots, a power of two */
	size_t ring_cap, ring_head, ring_n, ring_ranges;
	uint64_t ring_floor;		/* complete above this modseq */
	uint64_t flags_modseq;		/* of the last flag change */
	uint32_t told_uid;		/* no view was told more: views_trim */
	/* While loading. */
	struct rjob_load *load;
	struct changeset **backlog;
	size_t backlog_n, backlog_cap;
	bool retried;
};

/* Gives the rows back to the budget. */
void array_data_release(struct array_data *d, struct budget *budget);

/* Room for n rows in all, charged. Returns 0 or ERR_BUDGET. */
int array_data_reserve(struct array_data *d, size_t n,
    struct budget *budget);

/* Adds a keyword name (copied) at index i of keywords. */
void array_data_keyword(struct array_data *d, unsigned i, const char *name);

/* The overlay of an account, made if there is none. */
struct overlay *array_data_overlay(struct array_data *d, uint64_t reader);

/* A row's flags as an account sees them. */
uint64_t array_data_flags(const struct array_data *d, uint64_t account,
    const struct msgrow *row);

void array_init(struct mailarray *a, struct hub *hub, uint64_t mailbox);
void array_release(struct mailarray *a, struct budget *budget);

/* Bytes held, for the cache. */
size_t array_memory(const struct mailarray *a);

/* The index of the first row whose UID is >= uid. */
size_t array_seek(const struct mailarray *a, uint32_t uid);

/* How far a change has been applied; zero before its first step. */
struct change_place {
	size_t row;			/* arrival: the next of its rows */
	uint32_t uid;			/* expunge: those below have gone */
};

/*
 * Moves the array over one change of its mailbox, ARRAY_STEP rows at most.
 * Returns whether that was all; if not, nothing else may be applied before
 * the rest. Meanwhile no row of an arrival is there and some of an expunge
 * have gone; the array's modseq stays behind the change until its end.
 */
bool array_apply(struct mailarray *a, const struct change *c,
    struct change_place *place, struct budget *budget);

/* The grave with this number. */
const struct grave *array_grave(const struct mailarray *a, uint64_t number);

/* The i-th newest flag record, i < ring_n. */
const struct flag_record *array_flag_record(const struct mailarray *a,
    size_t i);

/* Forgets graves below the number and flag records up to the modseq. */
void array_trim(struct mailarray *a, uint64_t grave, uint64_t modseq,
    struct budget *budget);

/* The first row without \Seen at or behind from; n if there is none. */
size_t array_first_unseen(struct mailarray *a);

#endif
