/*
 * A view: what one session has been told of a mailbox.
 *
 * Three marks on the shared array (hub.h): the highest UID told, the modseq
 * up to which flags were told, the modseq up to which expunges were told.
 * What the view has not been told to forget (ghosts) is still there to be
 * read under its old sequence number. The view moves only when the session
 * calls view_sync, at points the protocol allows (RFC 9051 section 7.5.1).
 *
 * Sequence numbers are 1-based. Thread: the loop's.
 */
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include "store/hub.h"
#include "store/mailbox.h"
#include "store/uidset.h"

struct view {
	struct list node;		/* in the array's views */
	struct mailarray *array;	/* NULL: not open */
	struct session *session;
	struct hub *hub;
	uint64_t id;			/* for wreq.origin; never 0 when open */
	uint64_t account;		/* acting */
	bool writable;			/* SELECT, not EXAMINE: claims \Recent */
	/* the marks */
	uint32_t told_uid;
	uint64_t told_flags_modseq;
	uint64_t told_expunge_modseq;
	uint32_t told_keywords;		/* how many keyword names were told */
	struct uidset recent;		/* UIDs that are \Recent here */
	struct view_state *state;	/* view.c's own: ghosts, half a sync */
};

/*
 * Opens mailbox (an id from a look-up that checked the rights) for session.
 * Returns 0: open now. 1: being loaded; done() will get an op with op.tag
 * VIEW_OP_TAG, to be given to view_opened, which returns 0 or ERR_*.
 * While loading, view_close is legal and ends it.
 */
#define VIEW_OP_TAG 0x71e0
int view_open(struct view *v, struct hub *hub, struct session *s,
    uint64_t account, uint64_t mailbox, bool writable);
int view_opened(struct view *v, struct op *op);
/* Legal on a zeroed or closed view. */
void view_close(struct view *v);
bool view_is_open(const struct view *v);

uint64_t view_mailbox(const struct view *v);
uint32_t view_uidvalidity(const struct view *v);
uint32_t view_uidnext(const struct view *v);	/* at least told_uid + 1 */
/* RFC 7162 section 3.2: the lower of the two modseq marks. */
uint64_t view_highestmodseq(const struct view *v);
/* The mailbox was deleted, or may not be read any more. */
bool view_is_gone(const struct view *v);
/* enum right, of the acting account; as they are now. */
unsigned view_rights(const struct view *v);

uint32_t view_count(const struct view *v);	/* EXISTS as told, with ghosts */
uint32_t view_recent_count(const struct view *v);
/*
 * The first without \Seen, as told; 0: none. Of a mailbox of others right
 * after it was opened only.
 */
uint32_t view_first_unseen(const struct view *v);

/*
 * The message with this sequence number (1..view_count). Returns whether it
 * is a ghost (expunged, not told). Flags are those of the acting account.
 */
bool view_get(const struct view *v, uint32_t seq, struct msgrow *row);
bool view_is_recent(const struct view *v, uint32_t uid);

/* Sequence number of uid, 0 when the view does not show it. */
uint32_t view_find_uid(const struct view *v, uint32_t uid);
/* The lowest sequence number whose uid is >= uid; view_count + 1 if none. */
uint32_t view_seek_uid(const struct view *v, uint32_t uid);

/*
 * The lowest UID >= uid of a message that is there, told of or not, or that
 * the view shows as a ghost; 0: none. For what asks about UIDs that are gone.
 */
uint32_t view_next_uid(const struct view *v, uint32_t uid);

/* Keyword names: bit KEYWORD_FIRST + i; NULL past the end. */
const char *view_keyword(const struct view *v, unsigned i);
unsigned view_keyword_count(const struct view *v);
/* The bit of a keyword name (any case), or -1. */
int view_find_keyword(const struct view *v, struct span name);

/*
 * Syncing, one piece of news at a time, so that a session can stop when its
 * output is full and go on later. Expunges first (unless held back), then new
 * keywords, flags, then EXISTS and RECENT. NEWS_END: told everything there is
 * (that was allowed). Flag changes with wreq.origin == view.id are no news.
 */
enum news_kind {
	NEWS_END,
	NEWS_EXPUNGE,		/* seq (as of now), uid */
	NEWS_KEYWORDS,		/* FLAGS and PERMANENTFLAGS are to be sent */
	NEWS_FLAGS,		/* seq, uid: its flags have changed */
	NEWS_EXISTS,		/* count */
	NEWS_RECENT		/* count */
};
struct news {
	enum news_kind kind;
	uint32_t seq, uid, count;
};
enum news_kind view_sync(struct view *v, bool hold_expunges,
    struct news *news);
/* Whether view_sync would have anything to tell. */
bool view_has_news(const struct view *v, bool hold_expunges);

#endif
