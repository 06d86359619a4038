/*
 * FETCH from inside: cmd_fetch.c decides and answers from the view,
 * fetch_body.c reads messages.
 */
#ifndef IMAP_FETCH_PRIV_H
#define IMAP_FETCH_PRIV_H

#include "imap/imap_priv.h"
#include "imap/qresync.h"
#include "imap/targets.h"

#define FLAGS_TEXT_MAX 128

struct fetch_batch;

struct fetch {
	struct targets targets;
	unsigned items;			/* enum imap_fetch_item, UID's own too */
	struct uidset seen;		/* these get \Seen by this command */
	bool some_gone;			/* bytes of an expunged one are gone */
	bool no_memory;			/* something is NIL for lack of it */
	bool unknown_cte;		/* a part could not be decoded */
	bool has_item;			/* the line that is open has one */
	struct fetch_batch *batch;	/* fetch_body.c's own */
	struct vanished vanished;	/* told before anything else */
	bool is_started;		/* all that comes before is done */
	/* Within a step: names, and the flags put last as text. */
	struct imap_keywords keywords;
	bool is_cached, cached_recent;
	uint64_t cached_flags;
	char cached[FLAGS_TEXT_MAX];
	size_t cached_len;
};

/* A new step begins, between two lines or in one. */
void fetch_begin_step(struct imap *im, struct fetch *f, bool between);

/* "* 5 FETCH (" and what the row has; ")" is still to come. */
void fetch_put_head(struct imap *im, struct fetch *f, uint32_t seq,
    const struct msgrow *row);

/*
 * The next of t that CHANGEDSINCE lets pass (RFC 7162 section 3.1.4.1); false:
 * that was all.
 */
bool fetch_next(struct imap *im, struct targets *t, uint32_t *seq,
    struct msgrow *row);

/*
 * A space, unless the parenthesis has just opened. The output cannot tell: it
 * may end in a literal with any byte, or have been sent.
 */
void fetch_put_space(struct fetch *f, struct buf *out);

/* Every message is told. */
enum imap_step fetch_over(struct imap *im, struct fetch *f);

/* fetch_body.c: what rows do not have. */
bool fetch_needs_reader(const struct imap_fetch_args *a);
enum imap_step fetch_bodies_run(struct imap *im, struct fetch *f);
enum imap_step fetch_bodies_done(struct imap *im, struct fetch *f,
    struct op *op);
void fetch_batch_free(struct imap *im, struct fetch_batch *b);

#endif
