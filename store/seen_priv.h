/*
 * \Seen of accounts other than a mailbox's owner: its own for each of them.
 *
 * The flag in a message's row is the owner's. What the others have read is
 * kept as ranges of UIDs, which may stretch over UIDs that are gone. A change
 * of it gives the message a new modseq like any change of flags.
 */
#ifndef STORE_SEEN_PRIV_H
#define STORE_SEEN_PRIV_H

#include "store/store_priv.h"
#include "store/uidset.h"
#include "store/writer_priv.h"

/* Whose \Seen actor's is in the mailbox: 0 if it is the one in the rows. */
static inline uint64_t
seen_reader(uint64_t actor, const struct mailbox_row *box)
{
	return actor == box->account ? 0 : actor;
}

/* What reader has read between lo and hi; a range may begin before. */
int seen_read(struct db *db, uint64_t mailbox, uint64_t reader, uint32_t lo,
    uint32_t hi, struct uidset *seen);

/* How many messages of the mailbox reader has read. */
int seen_count(struct db *db, uint64_t mailbox, uint64_t reader,
    uint32_t *count);

/* Makes UIDs read, or unread; only such as are or were there. */
int seen_put(struct wtxn *t, uint64_t mailbox, uint64_t reader,
    const struct uidset *uids);
int seen_take(struct wtxn *t, uint64_t mailbox, uint64_t reader,
    const struct uidset *uids);

/*
 * Messages that reader has just put into the mailbox and has read. Tells of
 * it, behind their arrival.
 */
int seen_arrived(struct wtxn *t, const struct mailbox_row *box,
    uint64_t reader, uint64_t origin, const struct uidset *uids);

#endif
