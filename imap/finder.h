/*
 * Finding the messages of a view that match search keys: what SEARCH does,
 * and everything that begins like it.
 *
 * Two steps for each message: what its row in the view can tell (flags, UID,
 * size, arrival), here and in turns; and for those left undecided readers,
 * some hundred at a time, so that neither a large mailbox nor many hits need
 * much memory. A message that is expunged, but not told yet, is not found.
 */
#ifndef IMAP_FINDER_H
#define IMAP_FINDER_H

#include "imap/imap_priv.h"

struct finder {
	struct imap *im;		/* whose running command it is */
	const struct view *view;	/* must not move meanwhile */
	const struct search_key *key;	/* resolved; lives as long */
	struct imap_search_args *args;	/* not resolved yet; or NULL */
	unsigned filter_count;		/* inserted so far */
	struct span undefined;		/* the filter that is at fault */
	struct span filter_text;	/* the better one that was read */
	const struct uidset *among;	/* no others; NULL: all */
	bool wants_modseq;
	bool is_limited;		/* by MESSAGELIMIT (RFC 9738) */
	uint64_t next_uid;		/* look at this and those above */
	struct search_row *rows;	/* for a reader; or NULL */
	size_t row_count;
	unsigned jobs_out;
	int err;			/* why it gives up; 0 */
	struct uidset found;		/* the result, once it is over */
	struct uidset read;		/* until then, those readers found */
	uint64_t modseq;		/* the highest found, if wanted */
};

void finder_init(struct finder *f, struct imap *im, const struct view *view,
    const struct search_key *key);

/*
 * The same for a parsed tree that is still to be completed: with filters (RFC
 * 5466), and with what the view knows, numbers and the bits of keywords. Holds
 * expunges back where keys have numbers. "$" is empty but in the session's own
 * view.
 */
void finder_init_args(struct finder *f, struct imap *im,
    const struct view *view, struct imap_search_args *args);
void finder_release(struct finder *f);	/* legal on a zeroed one */

/*
 * Looks on. op: one of its own that came home, which it takes, or NULL.
 * STEP_WAIT and STEP_YIELD: to be called again, as a command's done is. Else
 * STEP_DONE: found has all, or err says what went wrong.
 */
enum imap_step finder_step(struct finder *f, struct op *op);

/* The answer for err. */
enum imap_step finder_fail(struct finder *f);

/* "* ESEARCH (TAG "a") UID", for the running command (RFC 4731). */
void finder_put_esearch(struct imap *im);

/* " PARTIAL (1:500 " or " PARTIAL (1:500 NIL"; the set and ")" follow. */
void finder_put_partial(struct imap *im, bool is_empty);

/*
 * RFC 6203 section 4: the relevancy of the i-th (from 0) of n that were found,
 * in the order of the mailbox: the newer the more.
 */
unsigned finder_relevancy(uint64_t i, uint64_t n);

/*
 * Saves what was found (RFC 5182 section 2.4, RFC 9394 section 3.2): all of
 * it, or only what MIN, MAX and PARTIAL tell where they are all that is told.
 * Of an answer in order: its first and last UID, and those of its page, which
 * is used up.
 */
int finder_save(struct imap *im, const struct uidset *found, uint32_t min,
    uint32_t max, struct uidset *page);

/* To be called when a command that finds is released. */
void finder_forget_refused(struct imap *im);

#endif
