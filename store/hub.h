/*
 * The hub: which sessions watch what, and the arrays of open mailboxes.
 *
 * One for each loop; everything here belongs to that loop's thread. Change
 * sets arrive in commit order; the hub moves the arrays forward, then tells
 * the sessions that watch a mailbox or an account that was touched.
 */
#ifndef STORE_HUB_H
#define STORE_HUB_H

#include "server/base/env.h"
#include "server/base/list.h"
#include "server/base/session.h"
#include "store/change.h"

struct hub;
struct mailarray;

/* Arrays nobody has open are kept up to this, least recently used out. */
#define HUB_CACHE_BYTES (32u * 1024 * 1024)

/* Registers with the store for change sets. env must have store and home. */
struct hub *hub_new(struct env *env);
/* No session may be left. */
void hub_free(struct hub *hub);

/*
 * A session's interest in an account; embedded in the session. Its changed()
 * is called with every change set that touches the account or the mailbox of
 * a view it has open, or the rights on any mailbox (once for a set, after the
 * arrays have moved). A session may watch several accounts.
 */
struct hub_watch {
	struct list node;
	struct session *session;
	uint64_t account;
	uint64_t prepared;	/* hub->ended_count at that time */
};
/*
 * A log-in looks at the account first and is over much later, for a password
 * takes long to hash; what ends the account's sessions in between must not
 * miss this one. So: hub_watch_prepare, the look, the hash, and then
 * hub_watch_account, which is false, and watches nothing, if the account's
 * sessions have been ended since: then there must be no session either.
 */
void hub_watch_prepare(const struct hub *hub, struct hub_watch *w);
bool hub_watch_account(struct hub *hub, struct hub_watch *w,
    struct session *s, uint64_t account);
void hub_unwatch(struct hub_watch *w);	/* legal on a zeroed or removed one */
/* The same for one of several of a session that goes on. */
void hub_unwatch_one(struct hub_watch *w);

/* A fresh id for wreq.origin, of who has no view that asks. */
uint64_t hub_origin(struct hub *hub);

/*
 * A module of the loop that hears of every change set, after the sessions;
 * embedded in it.
 */
struct hub_listener {
	struct list node;
	void (*changed)(struct hub_listener *, struct changeset *);
};
void hub_listen(struct hub *hub, struct hub_listener *l);
void hub_unlisten(struct hub_listener *l);	/* legal when it does not */

/*
 * Whether the change set ends this account's sessions: disabled, deleted, or
 * its credentials changed. For changed() of every front-end.
 */
bool changeset_ends_account(const struct changeset *cs, uint64_t account);

#endif
