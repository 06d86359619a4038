/*
 * NOTIFY (RFC 5465): news without being asked, also of other mailboxes.
 *
 * What a client wants to hear of is kept as it said it, and parsed again into
 * memory of its own. A change set is only noted: which mailboxes have news of
 * what kind, and which names; so that a client that never reads costs no more
 * than the number of its mailboxes. What was noted is told by the pump, a
 * command that nobody has given: it runs between two commands and within
 * IDLE, takes one look at all mailboxes as the account sees them now, and
 * tells those that match.
 *
 * Of other accounts a session hears by watching those that share something it
 * wants to hear of. Rights that come and go are found by comparing what can be
 * seen with what could be seen before (RFC 5465 section 5.9).
 *
 * Until the first NOTIFY there is no struct notify, and the selected mailbox
 * is told of with every command, as ever.
 */
#ifndef IMAP_NOTIFY_H
#define IMAP_NOTIFY_H

#include "imap/imap_priv.h"
#include "store/change.h"

/* Noted at most; more is NOTIFICATIONOVERFLOW. */
#define NOTIFY_BOXES_MAX 1024u
#define NOTIFY_NAMES_MAX 256u

struct notify_box {
	uint64_t mailbox;
	unsigned events;
};

struct notify_name {
	char *name, *old_name;	/* owned; old_name NULL: not renamed */
	unsigned events;
};

struct notify_notes {
	struct notify_box *boxes;
	size_t box_count;
	struct notify_name *names;
	size_t name_count;
};

/* A mailbox of another account that is watched, as it was seen last. */
struct notify_foreign {
	uint64_t mailbox, account;
	char *name;		/* owned */
};

enum notify_stage { PUMP_SYNC, PUMP_FETCH, PUMP_LIST, PUMP_TELL };

struct notify {
	struct arena arena;		/* of args */
	struct imap_notify_args args;	/* set is false: nothing is wanted */
	unsigned events;		/* of all groups together */
	struct notify_notes notes;	/* not told yet */
	bool overflow;
	/* What others share: looked for again when they change something. */
	struct notify_foreign *foreign;
	size_t foreign_count;
	struct hub_watch *watches;	/* of the accounts that share it */
	size_t watch_count;
	bool must_look;
	/* New in the selected mailbox, to be fetched; and who made it. */
	struct uidset fresh, own;
	/* The pump: what it tells now, and the command it stands in. */
	struct imap_cmd outer;
	struct notify_notes taken;
	struct rjob_list *job;
	enum notify_stage stage;
	size_t at;
};

/* The events told of the selected mailbox now (enum imap_notify_event). */
unsigned imap_notify_selected(const struct imap *im);

/* Notes what a change set has. */
void imap_notify_note(struct imap *im, const struct changeset *cs);

/* The client has been told of messages above this UID. */
void imap_notify_exists(struct imap *im, uint32_t above);

/* Another mailbox is selected, or none. */
void imap_notify_forget_selected(struct imap *im);

/* Whether an annotation's change is asked for; name NULL: the server's. */
bool imap_notify_wants_metadata(const struct imap *im,
    const struct change *c);

/* Legal where there is none. */
void imap_notify_free(struct imap *im);

/* ---- cmd_notify.c ---- */

/* The events that the groups want of a mailbox. box NULL: it is gone. */
unsigned notify_wanted(const struct imap *im, struct span name,
    const struct mailbox_info *box, bool is_subscribed);

void notify_notes_release(struct notify_notes *n);

/*
 * Watches what others share, as the job found it. news: mailboxes that have
 * come, gone or been renamed since the last time are noted.
 */
void notify_look_abroad(struct imap *im, const struct rjob_list *job,
    bool news);

#endif
