/*
 * VANISHED (EARLIER): what is gone of the messages that a client knows of (RFC
 * 7162 sections 3.2.5, 3.2.6).
 *
 * The store remembers what vanished when; if not far enough back, everything
 * that is not there is told. What the view still shows is never told here: it
 * is the view's news, and counts (3.2.10.2).
 */
#ifndef IMAP_QRESYNC_H
#define IMAP_QRESYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "store/read.h"

struct imap;
struct seqset;
struct imap_select_args;

/* Zero-initialised is empty. */
struct vanished {
	struct uidset known;	/* what is asked about; owned */
	struct rjob_vanished *job;	/* once it is home; owned */
	uint64_t next;		/* the first UID not looked at */
	size_t known_range, gone_range;	/* the first that reach up to it */
};

/*
 * The UIDs a command is about: as imap_resolve_set, but "*" reaches beyond the
 * last message, as those may be gone.
 */
void vanished_know(struct imap *im, struct vanished *v,
    const struct seqset *set);

/*
 * The same for SELECT, less what the client's sample proves to be right
 * (section 3.2.5.2).
 */
void vanished_know_select(struct imap *im, struct vanished *v,
    const struct imap_select_args *a);

/* Asks the store; done() gets the op, to be given to vanished_take. */
void vanished_submit(struct imap *im, uint64_t since);

/* Takes the op. Returns 0 or its error. */
int vanished_take(struct vanished *v, struct op *op);

/* Tells, as long as the step may. Returns whether all is told. */
bool vanished_put(struct imap *im, struct vanished *v);

void vanished_release(struct vanished *v);

#endif
