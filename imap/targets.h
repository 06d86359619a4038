/*
 * The messages a command names, one after the other.
 *
 * The place where it stands is a UID, so that a command may be cut into turns
 * whatever happens to the mailbox meanwhile. A sequence number is remembered
 * only within a step.
 */
#ifndef IMAP_TARGETS_H
#define IMAP_TARGETS_H

#include "store/view.h"

struct targets {
	struct uidset uids;	/* imap_resolve_set; owned */
	size_t range;		/* the range it stands in */
	uint32_t uid;		/* and from where on in it; 0: its start */
	uint32_t seq;		/* of the message given last; 0: not known */
	bool is_ghost;		/* whether that one is */
};

void targets_release(struct targets *t);

/* The next message of the view; false: that was all. */
bool targets_next(struct targets *t, const struct view *v, uint32_t *seq,
    struct msgrow *row);

/* Whether the message given last has been expunged. */
static inline bool
targets_is_ghost(const struct targets *t)
{
	return t->is_ghost;
}

/* A new step begins. */
static inline void
targets_again(struct targets *t)
{
	t->seq = 0;
}

#endif
