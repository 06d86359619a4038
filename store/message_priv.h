/*
 * Rows of messages and mailboxes, as the write requests change them.
 *
 * A mailbox_row is read once by a request, changed in memory with the rows,
 * and saved once. Thread: the writer's, in its transaction.
 */
#ifndef STORE_MESSAGE_PRIV_H
#define STORE_MESSAGE_PRIV_H

#include "store/spool_priv.h"
#include "store/writer_priv.h"

/* One row of msg, all of it. */
struct message {
	struct msgrow row;
	int64_t savedate_s;
	uint64_t thread;
};

/*
 * Gives m the mailbox's next UID and the request's modseq, inserts it,
 * counts it in box and records its arrival. Does not save box.
 */
int message_put(struct wtxn *t, struct mailbox_row *box, struct message *m,
    uint64_t origin);

/* What happens to the row of a message that leaves its mailbox. */
enum message_fate {
	FATE_EXPUNGED,		/* kept for undelete */
	FATE_MOVED		/* its body went elsewhere */
};

/*
 * Takes rows out of box: runs are ranges in which no message is to stay.
 * Writes expunged (if it is their fate) and vanished. box is not counted
 * down, see mailbox_count_out.
 */
int message_remove(struct wtxn *t, const struct mailbox_row *box,
    const struct uidset *runs, enum message_fate fate, int64_t now_s);

/*
 * Messages that go from one mailbox to another, or to the same (from == to).
 * Both are saved. source and target: the UIDs, in pairs by rising UID.
 */
struct message_copy {
	struct mailbox_row *from, *to;
	uint64_t actor;			/* whose \Seen comes along */
	bool move;
	uint64_t origin;
	int64_t now_s;
	/* results; message_copy_release */
	struct uidset source, target;
	uint64_t *old_flags;		/* its own, while it works */
};
int message_copy(struct wtxn *t, struct message_copy *c,
    const struct uidset *uids);
void message_copy_release(struct message_copy *c);

/* A message more or less in the mailbox's counters. */
void mailbox_count_in(struct mailbox_row *box, uint64_t flags, uint32_t size);
void mailbox_count_out(struct mailbox_row *box, uint64_t flags,
    uint32_t size);

/*
 * A new mailbox with this name, which nothing has yet; parents are the
 * caller's business. Records its creation.
 */
int mailbox_make(struct wtxn *t, uint64_t account, struct span name,
    enum special_use use, bool noselect, int64_t now_s, uint64_t *mailbox);

/* Writes counters, uidnext and modseq (the request's). */
int mailbox_save(struct wtxn *t, struct mailbox_row *box);

/* Bytes and messages of an account, as they change. */
int account_charge(struct wtxn *t, uint64_t account, int64_t bytes,
    int64_t messages);

/*
 * ERR_QUOTA if so much more would be too much; ERR_NOUSER if the account is
 * gone. A disabled account is there.
 */
int account_check(struct wtxn *t, uint64_t account, uint64_t bytes,
    uint64_t messages);

/* The spool's content, referred to by so many bodies. Sets its id. */
int content_of_spool(struct wtxn *t, const struct spool *s, uint64_t refs,
    uint64_t *content);

/* After a request with spools has ended, well or not. */
void spool_ended(struct store *store, struct spool *s, int err);

/* ---- keyword.c ---- */

/*
 * The bits of these keyword names in a mailbox. With make, names that are not
 * there are made: ERR_KEYWORDS when no bit is left. Without, they are left
 * out.
 */
int keyword_bits(struct wtxn *t, const struct mailbox_row *box,
    char *const *names, size_t n, bool make, uint64_t *bits);

/* How keyword bits of one mailbox are named in another; by bit. */
struct keyword_map {
	bool same;			/* one mailbox: nothing to map */
	uint64_t known;			/* source bits looked up so far */
	uint64_t to[64];		/* their target bits; 0: no room */
};
/* flags of a row in from as they are in to. Makes what is missing. */
int keyword_map_flags(struct wtxn *t, struct keyword_map *map,
    const struct mailbox_row *from, const struct mailbox_row *to,
    uint64_t *flags);

/* ---- thread.c ---- */

/* Keyed hash of a Message-ID, with or without its angle brackets. */
int64_t msgid_hash(const struct wtxn *t, struct span id);

/* The conversation a message belongs to; makes one where none is known. */
int thread_of(struct wtxn *t, uint64_t account, const struct digest *d,
    int64_t now_s, uint64_t *thread);

#endif
