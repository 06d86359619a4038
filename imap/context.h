/*
 * Contexts: searches that go on (RFC 5267 section 4.3).
 *
 * A SEARCH or SORT with UPDATE leaves a context behind: its keys and what was
 * found. When the view moves, the messages that have changed or come are
 * looked at again, and the client hears of what has joined the results or
 * left them: REMOVEFROM for expunged messages before their EXPUNGE, all else
 * behind the news that caused it. Keys may need a reader, and so may the place
 * of a message in an order; until a context is done the view stays as it is.
 *
 * A context lasts until it is cancelled or the mailbox is left. What it keeps
 * is charged; one that cannot grow any more is cancelled with [NOUPDATE].
 */
#ifndef IMAP_CONTEXT_H
#define IMAP_CONTEXT_H

#include "imap/imap_priv.h"
#include "store/read.h"

/* Whether the running command's tag is that of a context. */
bool context_is_tag_used(const struct imap *im);

/*
 * The running command has found these. job: what has put them in order, of
 * which the items and keys are taken; or NULL. Says NO [NOUPDATE] if there
 * are too many contexts already.
 */
void context_add(struct imap *im, const struct uidset *found,
    struct rjob_sort *job);

/* False: there is none of this tag. */
bool context_cancel(struct imap *im, struct span tag);
void contexts_release(struct imap *im);

/* ---- news, as the view tells it; nothing happens without contexts ---- */

/* These messages have come, or their flags have changed. */
void contexts_note(struct imap *im, const struct uidset *uids);
void contexts_note_range(struct imap *im, uint32_t lo, uint32_t hi);
/* The mailbox has new keywords. */
void contexts_note_keywords(struct imap *im);
/* A message is going to be told as expunged. Returns whether it said so. */
bool contexts_expunge(struct imap *im, uint32_t seq, uint32_t uid);

/*
 * Looks at what was noted, and tells. op: one of its own that came home, or
 * NULL. STEP_DONE: all is told; STEP_WAIT and STEP_YIELD as for a command.
 */
enum imap_step contexts_step(struct imap *im, struct op *op);

#endif
