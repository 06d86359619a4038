/*
 * The hub's inside, for view.c, the loader and tests.
 */
#ifndef STORE_HUB_PRIV_H
#define STORE_HUB_PRIV_H

#include "server/base/hash.h"
#include "store/array_priv.h"
#include "store/hub.h"

struct listener;
struct view;

/* A set takes so much of a turn, and one step. */
#define HUB_TURN_US 500

/* Accounts whose sessions were ended lately; more, and any may be one. */
#define HUB_ENDED 64

struct hub {
	struct env *env;
	struct listener *listener;	/* how the store reaches us */
	struct idmap arrays;		/* by mailbox id */
	struct idmap accounts;		/* struct hub_account by id */
	struct list listeners;		/* struct hub_listener */
	struct list idle;		/* arrays without views, oldest first */
	size_t idle_bytes;
	uint64_t next_view;		/* ids of views, for wreq.origin */
	/* Where the set at hand has got to. */
	size_t moved;			/* changes that arrays have seen */
	struct change_place place;	/* in the next one */
	struct session **due;		/* to be told of it, from told on */
	size_t due_n, due_cap, told;
	uint64_t ended[HUB_ENDED];	/* a ring, the next at ended_count */
	uint64_t ended_count;
	/* How to reach the store; tests put their own. */
	void (*load)(struct hub *, struct mailarray *);
	void (*claim)(struct hub *, uint64_t mailbox, uint32_t recent_uid);
};

/* Who watches an account. Kept until the hub goes. */
struct hub_account {
	struct list watches;
};

/* hub_new without the store: load and claim are the caller's to set. */
struct hub *hub_new_bare(struct env *env);
void hub_free_bare(struct hub *hub);

/* The session goes: it is not told of the set that is being told now. */
void hub_forget(struct hub *hub, const struct session *s);

/* It closes a view: the same, unless it watches the account as well. */
void hub_forget_view(struct hub *hub, const struct view *v);

/*
 * The array of a mailbox, open or loading; starts the load. A deleted
 * mailbox: NULL.
 */
struct mailarray *hub_array(struct hub *hub, uint64_t mailbox);

/* Call after a view has left or joined the array's views. */
void hub_array_used(struct mailarray *a);

/*
 * A load has come home: takes over d when err is 0, applies what was
 * committed meanwhile and tells the views that wait. Retries once when the
 * budget was short and idle arrays could be dropped.
 */
void hub_array_loaded(struct mailarray *a, struct array_data *d, int err);

/*
 * A change set has come to this loop; borrowed. True: that was a turn's work,
 * and it is to be called again with the same set, before anything else that
 * comes from the store.
 */
bool hub_apply(struct hub *hub, struct changeset *cs);

/* view.c: the load that a view waits for has ended. */
void view_loaded(struct view *v, int err);
/* view.c: forgets what all views of the array have been told. */
void views_trim(struct mailarray *a);

#endif
