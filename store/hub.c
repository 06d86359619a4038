#include "store/hub.h"

#include <assert.h>
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/hub_priv.h"
#include "store/view.h"

/* ---- life ---- */

struct hub *
hub_new_bare(struct env *env)
{
	struct hub *hub = xcalloc(1, sizeof *hub);
	uint32_t base = 0;

	hub->env = env;
	list_init(&hub->idle);
	list_init(&hub->listeners);
	/* Ids of two loops' views must differ: they meet in change sets. */
	random_fill(env->random, &base, sizeof base);
	hub->next_view = ((uint64_t)base << 31) + 1;
	return hub;
}

static void
hub_array_drop(struct mailarray *a)
{
	struct hub *hub = a->hub;

	assert(list_is_empty(&a->views));
	idmap_take(&hub->arrays, a->mailbox);
	array_release(a, hub->env->budget);
	free(a);
}

static struct mailarray *
hub_any_array(struct hub *hub)
{
	for (size_t i = 0; i < hub->arrays.cap; i++)
		if (hub->arrays.slots[i].value)
			return hub->arrays.slots[i].value;
	return NULL;
}

void
hub_free_bare(struct hub *hub)
{
	struct mailarray *a;

	while ((a = hub_any_array(hub)))
		hub_array_drop(a);
	for (size_t i = 0; i < hub->accounts.cap; i++)
		free(hub->accounts.slots[i].value);
	idmap_release(&hub->arrays);
	idmap_release(&hub->accounts);
	free(hub->due);
	free(hub);
}

/* ---- arrays ---- */

struct mailarray *
hub_array(struct hub *hub, uint64_t mailbox)
{
	struct mailarray *a = idmap_find(&hub->arrays, mailbox);

	if (a)
		return a->gone ? NULL : a;
	a = xcalloc(1, sizeof *a);
	array_init(a, hub, mailbox);
	idmap_put(&hub->arrays, mailbox, a);
	hub->load(hub, a);
	return a;
}

/* Drops idle arrays, oldest first, until at most max bytes are kept. */
static bool
hub_drop_idle(struct hub *hub, size_t max)
{
	bool any = false;

	while (hub->idle_bytes > max && !list_is_empty(&hub->idle)) {
		struct mailarray *a = CONTAINER_OF(hub->idle.next,
		    struct mailarray, node);

		hub->idle_bytes -= array_memory(a);
		hub_array_drop(a);
		any = true;
	}
	return any;
}

static bool
array_is_idle(const struct mailarray *a)
{
	return !list_is_empty(&a->node);
}

void
hub_array_used(struct mailarray *a)
{
	struct hub *hub = a->hub;
	bool idle = list_is_empty(&a->views) && a->state == ARRAY_OPEN;

	if (array_is_idle(a)) {
		hub->idle_bytes -= array_memory(a);
		list_remove(&a->node);
	}
	if (!idle)
		return;
	if (a->gone) {
		hub_array_drop(a);
		return;
	}
	a->told_uid = 0;
	array_trim(a, a->graves_end, UINT64_MAX, hub->env->budget);
	list_add_tail(&hub->idle, &a->node);
	hub->idle_bytes += array_memory(a);
	hub_drop_idle(hub, HUB_CACHE_BYTES);
}

/* ---- loading ---- */

static void
array_apply_whole(struct mailarray *a, const struct change *c)
{
	struct change_place place = { 0 };

	while (!array_apply(a, c, &place, a->hub->env->budget))
		continue;
}

static void
array_backlog_add(struct mailarray *a, struct changeset *cs)
{
	if (a->backlog_n && a->backlog[a->backlog_n - 1] == cs)
		return;
	if (a->backlog_n == a->backlog_cap) {
		a->backlog_cap = a->backlog_cap ? a->backlog_cap * 2 : 8;
		a->backlog = xreallocarray(a->backlog, a->backlog_cap,
		    sizeof(struct changeset *));
	}
	a->backlog[a->backlog_n++] = changeset_ref(cs);
}

/*
 * What was committed up to the snapshot's modseq is in the rows already; the
 * kinds behind CHANGE_EXPUNGE may be applied twice.
 */
static void
array_backlog_apply(struct mailarray *a)
{
	uint64_t loaded = a->d.modseq;

	for (size_t i = 0; i < a->backlog_n; i++) {
		struct changeset *cs = a->backlog[i];

		for (size_t j = 0; j < cs->n; j++) {
			const struct change *c = &cs->v[j];

			if (c->mailbox == a->mailbox &&
			    (c->modseq > loaded || c->kind > CHANGE_EXPUNGE))
				array_apply_whole(a, c);
		}
		changeset_unref(cs);
	}
	free(a->backlog);
	a->backlog = NULL;
	a->backlog_n = a->backlog_cap = 0;
}

static void
array_load_failed(struct mailarray *a, int err)
{
	struct list *node;

	while ((node = list_take_head(&a->views)))
		view_loaded(CONTAINER_OF(node, struct view, node), err);
	hub_array_drop(a);
}

void
hub_array_loaded(struct mailarray *a, struct array_data *d, int err)
{
	struct hub *hub = a->hub;

	a->load = NULL;
	if (err == ERR_BUDGET && !a->retried && hub_drop_idle(hub, 0)) {
		a->retried = true;
		hub->load(hub, a);
		return;
	}
	if (err < 0) {
		array_load_failed(a, err);
		return;
	}
	a->d = *d;
	*d = (struct array_data){ 0 };
	array_backlog_apply(a);
	a->state = ARRAY_OPEN;
	/* What came while loading was told to nobody and never will be. */
	array_trim(a, a->graves_end, UINT64_MAX, hub->env->budget);
	LIST_FOREACH(node, &a->views)
		view_loaded(CONTAINER_OF(node, struct view, node), 0);
	hub_array_used(a);
}

/* ---- watching ---- */

void
hub_watch_prepare(const struct hub *hub, struct hub_watch *w)
{
	w->prepared = hub->ended_count;
}

/* Whether the account's sessions have been ended since then. */
static bool
has_ended(const struct hub *hub, uint64_t account, uint64_t since)
{
	if (hub->ended_count - since > HUB_ENDED)
		return true;
	for (uint64_t i = since; i < hub->ended_count; i++)
		if (hub->ended[i % HUB_ENDED] == account)
			return true;
	return false;
}

bool
hub_watch_account(struct hub *hub, struct hub_watch *w, struct session *s,
    uint64_t account)
{
	struct hub_account *ha = idmap_find(&hub->accounts, account);

	assert(!w->node.next || list_is_empty(&w->node));
	if (has_ended(hub, account, w->prepared))
		return false;
	if (!ha) {
		ha = xcalloc(1, sizeof *ha);
		list_init(&ha->watches);
		idmap_put(&hub->accounts, account, ha);
	}
	w->session = s;
	w->account = account;
	list_add_tail(&ha->watches, &w->node);
	return true;
}

void
hub_forget(struct hub *hub, const struct session *s)
{
	for (size_t i = 0; i < hub->due_n; i++)
		if (hub->due[i] == s)
			hub->due[i] = NULL;
}

void
hub_forget_view(struct hub *hub, const struct view *v)
{
	struct hub_account *ha = idmap_find(&hub->accounts, v->account);

	if (ha)
		LIST_FOREACH(node, &ha->watches)
			if (CONTAINER_OF(node, struct hub_watch,
			    node)->session == v->session)
				return;
	hub_forget(hub, v->session);
}

void
hub_unwatch_one(struct hub_watch *w)
{
	if (!w->node.next)
		return;
	list_remove(&w->node);
	w->session = NULL;
}

void
hub_unwatch(struct hub_watch *w)
{
	if (!w->node.next)
		return;
	list_remove(&w->node);
	/* A session that goes while others are told of a set. */
	if (w->session && w->session->env->hub)
		hub_forget(w->session->env->hub, w->session);
	w->session = NULL;
}

static void
due_add(struct hub *hub, struct session *s)
{
	for (size_t i = 0; i < hub->due_n; i++)
		if (hub->due[i] == s)
			return;
	if (hub->due_n == hub->due_cap) {
		hub->due_cap = hub->due_cap ? hub->due_cap * 2 : 16;
		hub->due = xreallocarray(hub->due, hub->due_cap,
		    sizeof(struct session *));
	}
	hub->due[hub->due_n++] = s;
}

static void
due_add_account(struct hub *hub, const struct hub_account *ha)
{
	if (ha)
		LIST_FOREACH(node, &ha->watches)
			due_add(hub, CONTAINER_OF(node, struct hub_watch,
			    node)->session);
}

static void
due_add_watchers(struct hub *hub, const struct change *c)
{
	struct mailarray *a = idmap_find(&hub->arrays, c->mailbox);

	due_add_account(hub, idmap_find(&hub->accounts, c->account));
	/*
	 * What the server says of itself is for everybody, and so is what
	 * an account lets others do.
	 */
	if ((c->kind == CHANGE_METADATA && c->account == 0) ||
	    c->kind == CHANGE_ACL)
		for (size_t i = 0; i < hub->accounts.cap; i++)
			due_add_account(hub, hub->accounts.slots[i].value);
	if (a && a->state == ARRAY_OPEN)
		LIST_FOREACH(node, &a->views)
			due_add(hub, CONTAINER_OF(node, struct view,
			    node)->session);
}

/* ---- change sets ---- */

static bool
ends_account(const struct change *c)
{
	return c->kind == CHANGE_ACCOUNT && (c->event == ACCOUNT_DISABLED ||
	    c->event == ACCOUNT_DELETED || c->event == ACCOUNT_CREDENTIALS);
}

/*
 * One step of a change. Returns whether it was the last. Between two, the
 * array may have got or lost its last view, or have gone from the cache.
 */
static bool
hub_move_array(struct hub *hub, struct changeset *cs, const struct change *c)
{
	struct mailarray *a = idmap_find(&hub->arrays, c->mailbox);
	bool is_moved;

	if (!a)
		return true;
	if (a->state == ARRAY_LOADING) {
		array_backlog_add(a, cs);
		return true;
	}
	if (array_is_idle(a))
		hub->idle_bytes -= array_memory(a);
	else if (c->kind == CHANGE_FLAGS || c->kind == CHANGE_EXPUNGE)
		views_trim(a);
	is_moved = array_apply(a, c, &hub->place, hub->env->budget);
	if (array_is_idle(a))
		hub->idle_bytes += array_memory(a);
	if (a->gone)
		hub_array_used(a);	/* frees it where nobody looks */
	return is_moved;
}

static void
hub_move_arrays(struct hub *hub, struct changeset *cs)
{
	const struct change *c = &cs->v[hub->moved];

	if (!hub_move_array(hub, cs, c))
		return;
	hub->place = (struct change_place){ 0 };
	if (ends_account(c))
		hub->ended[hub->ended_count++ % HUB_ENDED] = c->account;
	hub->moved++;
}

/* Who is to be told; all arrays have moved. */
static void
hub_find_due(struct hub *hub, const struct changeset *cs)
{
	uint64_t account = 0, mailbox = 0;

	for (size_t i = 0; i < cs->n; i++) {
		const struct change *c = &cs->v[i];

		/* Runs of changes to one mailbox are the rule. */
		if (i > 0 && c->account == account && c->mailbox == mailbox)
			continue;
		account = c->account;
		mailbox = c->mailbox;
		due_add_watchers(hub, c);
	}
}

bool
hub_apply(struct hub *hub, struct changeset *cs)
{
	struct clock *clock = hub->env->clock;
	int64_t until_us = clock->mono_us(clock) + HUB_TURN_US;

	while (hub->moved < cs->n) {
		hub_move_arrays(hub, cs);
		if (hub->moved == cs->n)
			hub_find_due(hub, cs);
		if (clock->mono_us(clock) >= until_us)
			return true;
	}
	while (hub->told < hub->due_n) {
		struct session *s = hub->due[hub->told++];

		if (s)
			session_changed(s, cs);
		if (clock->mono_us(clock) >= until_us)
			return true;
	}
	hub->moved = hub->told = hub->due_n = 0;
	LIST_FOREACH(node, &hub->listeners) {
		struct hub_listener *l = CONTAINER_OF(node,
		    struct hub_listener, node);

		l->changed(l, cs);
	}
	return false;
}

void
hub_listen(struct hub *hub, struct hub_listener *l)
{
	list_add_tail(&hub->listeners, &l->node);
}

void
hub_unlisten(struct hub_listener *l)
{
	if (l->node.next)
		list_remove(&l->node);
}

uint64_t
hub_origin(struct hub *hub)
{
	return hub->next_view++;
}

bool
changeset_ends_account(const struct changeset *cs, uint64_t account)
{
	for (size_t i = 0; i < cs->n; i++)
		if (cs->v[i].account == account && ends_account(&cs->v[i]))
			return true;
	return false;
}
