/*
 * Annotations of mailboxes and of the server (RFC 5464): requests and reads.
 * The same conventions as write.h and read.h.
 *
 * An entry's name begins with /shared/ or /private/ in any case: the first has
 * one value for all, the second one for each account. Names are ASCII and
 * compared without regard to case; who asks has checked them
 * (metadata_entry_check).
 */
#ifndef STORE_METADATA_H
#define STORE_METADATA_H

#include "server/base/arena.h"
#include "store/mailbox.h"
#include "store/store.h"

#define METADATA_ENTRY_MAX 255u		/* bytes of a name */
#define METADATA_VALUE_MAX 16384u	/* RFC 5464 section 4.1: >= 1024 */
/* Of a mailbox or the server, each of /shared and one's /private. >= 10 */
#define METADATA_ENTRIES_MAX 100

/*
 * Whether this is an entry's name (RFC 5464 section 3.2). to_set: one that may
 * have a value, not just others below it. Returns 0 or ERR_BADNAME.
 */
int metadata_entry_check(struct span entry, bool to_set);

/* One value to set, or to take away. Owned by the request. */
struct metadata_item {
	char *entry;
	bool remove;
	char *value;			/* any bytes */
	size_t value_len;
};

/*
 * Sets all of them or none. Private ones are those of w.actor.
 *   ERR_NOMBOX, ERR_DENIED: RFC 5464 section 3.3; shared entries of a mailbox
 *                take the right to write, those of the server its
 *                administrator, and /shared/admin is nobody's to set
 *   ERR_LIMIT    METADATA_ENTRIES_MAX
 *   ERR_RANGE    METADATA_VALUE_MAX
 */
struct wreq_metadata {
	struct wreq w;
	char *name;			/* canonical; NULL: the server's */
	struct metadata_item *items;
	size_t item_count;
};
struct wreq_metadata *wreq_metadata_new(struct env *env, struct session *s);

enum metadata_depth { METADATA_DEPTH_0, METADATA_DEPTH_1,
    METADATA_DEPTH_INFINITY };

struct metadata_row {
	struct span entry;		/* as it was set */
	struct span value;
	bool is_nil;			/* asked for by name, and not there */
};

/*
 * Values of entries, and of those below them down to depth. A name asked for
 * without depth that has no value gives a row that says so. Values longer
 * than max_size are left out, the size of the longest of them told.
 * Errors: ERR_NOMBOX, ERR_DENIED (RFC 5464 section 3.3).
 */
struct rjob_metadata {
	struct rjob j;
	uint64_t mailbox;		/* by id; 0: by name */
	char *name;			/* canonical, owned; NULL: the server */
	char **entries;			/* owned */
	size_t entry_count;
	enum metadata_depth depth;
	uint64_t max_size;		/* UINT64_MAX: none */
	/* results of this slice */
	struct metadata_row *rows;
	size_t row_count;
	uint64_t longest;		/* of those left out so far; 0: none */
	struct arena *arena;
	/* the reader's own */
	size_t at;
	char *after;
};
struct rjob_metadata *rjob_metadata_new(struct env *env, struct session *s,
    size_t entry_count);

#endif
