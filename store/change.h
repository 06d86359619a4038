/*
 * Change sets: all changes of one commit, ordered, immutable, counted.
 *
 * The writer builds one for each commit and posts it to every loop before the
 * commit's completions. A flag change is recorded as it was asked (UIDs, bits
 * to set and clear, the highest modseq allowed) and an expunge as UIDs; array
 * and database apply the same rule to the same old state. A message that is
 * not there is passed over; one whose flags the change would leave as they
 * are keeps its modseq too, every other takes the change's modseq.
 */
#ifndef STORE_CHANGE_H
#define STORE_CHANGE_H

#include <stdatomic.h>

#include "server/base/arena.h"
#include "store/mailbox.h"
#include "store/uidset.h"

enum change_kind {
	CHANGE_ARRIVAL,		/* rows: all of one request, UIDs rising */
	CHANGE_FLAGS,		/* uids, set, clear, max_modseq, origin */
	CHANGE_EXPUNGE,		/* uids */
	CHANGE_KEYWORD,		/* bit, name: a new keyword of the mailbox */
	CHANGE_COUNTERS,	/* counters; last of each mailbox in a set */
	CHANGE_MAILBOX_CREATED,	/* name */
	CHANGE_MAILBOX_RENAMED,	/* old_name, name */
	CHANGE_MAILBOX_DELETED,	/* name */
	CHANGE_MAILBOX_META,	/* special use changed */
	CHANGE_METADATA,	/* entry, reader, name of the mailbox, origin */
	CHANGE_ACL,		/* acl: the whole of the new list */
	CHANGE_SUBSCRIPTION,	/* name, on */
	CHANGE_ACCOUNT,		/* event */
	CHANGE_DIRECTORY,	/* domains, addresses or keys changed */
	CHANGE_QUEUE		/* there is other work in the queue */
};

enum account_event {
	ACCOUNT_ADDED, ACCOUNT_ENABLED,
	ACCOUNT_DISABLED, ACCOUNT_DELETED, ACCOUNT_CREDENTIALS
};

struct change {
	enum change_kind kind;
	uint64_t account;	/* the mailbox's owner, or the account itself */
	uint64_t mailbox;	/* 0 where there is none */
	uint64_t modseq;
	uint64_t origin;	/* who asked: wreq.origin; 0: nobody */
	struct msgrow *rows;	/* changeset_add_arrival; the set's */
	size_t row_count;
	struct uidset uids;	/* uidset_add; released with its set */
	uint64_t set, clear;	/* new = (old & ~clear) | set */
	uint64_t max_modseq;	/* rows above are left alone; UINT64_MAX: none */
	uint32_t uidnext;	/* counters */
	uint32_t messages, unseen, deleted;
	uint32_t uidvalidity;
	unsigned bit;
	bool on;
	enum account_event event;
	const char *name, *old_name;	/* in the set's arena */
	struct acl_entry *acl;	/* in the set's arena */
	size_t acl_count;
	const char *entry;	/* of metadata; the mailbox is 0: the server's */
	/*
	 * Of metadata: whose private entry; 0: shared. Of flags: whose \Seen
	 * it is that set and clear mean; 0: the owner's, in the rows.
	 */
	uint64_t reader;
};

struct changeset {
	atomic_uint refs;
	struct change *v;
	size_t n, cap;
	struct arena arena;
};

/* One reference, empty. Building: the writer's thread only. */
struct changeset *changeset_new(void);
struct changeset *changeset_ref(struct changeset *cs);
void changeset_unref(struct changeset *cs);	/* NULL is legal */

/* Appends a zeroed change and returns it; valid until the next add. */
struct change *changeset_add(struct changeset *cs, enum change_kind kind,
    uint64_t account, uint64_t mailbox);

/*
 * Adds a message that has come, to the change before if that is of the same
 * request and mailbox: a copy of very many is one change.
 */
void changeset_add_arrival(struct changeset *cs, uint64_t account,
    uint64_t mailbox, uint64_t origin, const struct msgrow *row);

/* For a savepoint: forget all changes behind mark. */
size_t changeset_mark(const struct changeset *cs);
void changeset_trim(struct changeset *cs, size_t mark);

/* The rule for flags, used by array and database alike. */
static inline uint64_t
change_apply_flags(const struct change *c, uint64_t old)
{
	return (old & ~c->clear) | c->set;
}

#endif
