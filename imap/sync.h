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
#include <stdint.h>

struct imap;
struct op;
struct imap_keywords;
struct msgrow;

/*
 * Tells the news of the selected mailbox, if there is one, as long as the
 * step may produce. Returns whether all is told; if not, call again in the
 * next step.
 */
bool imap_sync(struct imap *im, bool hold_expunges);

/*
 * The same, and what contexts make of it (context.h). op: theirs that came
 * home, or NULL. STEP_DONE: all is told. STEP_WAIT and STEP_YIELD: again.
 */
enum imap_step imap_tell(struct imap *im, bool hold_expunges,
    struct op *op);

/*
 * FLAGS and PERMANENTFLAGS, if there are keywords the client has not heard
 * of. To be called before flags are shown, outside of an answer.
 */
void imap_tell_keywords(struct imap *im);

/* The two lines themselves, as SELECT has them. */
void imap_put_flags_lines(struct imap *im);

/*
 * "* 5 FETCH (", or "* 77 UIDFETCH (" for who has enabled UIDONLY (RFC 9586
 * section 3.3): an answer begins, the message's items are to follow.
 */
void imap_put_fetch_head(struct imap *im, uint32_t seq, uint32_t uid);

/*
 * "* 5 FETCH (FLAGS (\\Seen))": what a message has now, for who has not asked.
 * UID is there in a UID command, and UID and MODSEQ for a CONDSTORE-aware
 * client (RFC 7162 section 3.2.4); flags: whether FLAGS are.
 */
void imap_put_news(struct imap *im, const struct imap_keywords *k,
    uint32_t seq, const struct msgrow *row, bool flags);

/* ---- RFC 7162 ---- */

/*
 * The client is CONDSTORE-aware from here on, until the connection ends. The
 * first time it is told the HIGHESTMODSEQ of the mailbox it has selected.
 */
void imap_enable_condstore(struct imap *im);

/* "* OK [HIGHESTMODSEQ 7] ..." of the view. */
void imap_put_highestmodseq(struct imap *im);

/*
 * The command's news are all told and its answer is set: adds HIGHESTMODSEQ
 * to it where the numbers told would let the client believe in another.
 */
void imap_tell_highestmodseq(struct imap *im);

#endif
