/*
 * Telling a client what has happened in its mailbox (RFC 3501 section 7.4).
 *
 * The only place where a view moves: EXPUNGE, FLAGS, FETCH, EXISTS and RECENT
 * come from here, between a command's own answers and its tagged line, and in
 * IDLE.
 */
#ifndef IMAP_SYNC_H
#define IMAP_SYNC_H

#include <stdbool.h>

struct imap;

/*
 * Tells the news of the selected mailbox, if there is one, as long as the
 * step may produce. Returns whether all is told; if not, call again in the
 * next step.
 */
bool imap_sync(struct imap *im, bool hold_expunges);

/*
 * FLAGS and PERMANENTFLAGS, if there are keywords the client has not heard
 * of. To be called before flags are shown, outside of an answer.
 */
void imap_tell_keywords(struct imap *im);

/* The two lines themselves, as SELECT has them. */
void imap_put_flags_lines(struct imap *im);

#endif
