#include "imap/notify.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"
#include "store/read.h"

#define MESSAGE_EVENTS (NOTIFY_NEW | NOTIFY_EXPUNGE | NOTIFY_FLAGS)

void
notify_notes_release(struct notify_notes *n)
{
	for (size_t i = 0; i < n->name_count; i++) {
		free(n->names[i].name);
		free(n->names[i].old_name);
	}
	free(n->names);
	free(n->boxes);
	*n = (struct notify_notes){ 0 };
}

static void
foreign_release(struct notify *n)
{
	for (size_t i = 0; i < n->watch_count; i++)
		hub_unwatch_one(&n->watches[i]);
	free(n->watches);
	n->watches = NULL;
	n->watch_count = 0;
	for (size_t i = 0; i < n->foreign_count; i++)
		free(n->foreign[i].name);
	free(n->foreign);
	n->foreign = NULL;
	n->foreign_count = 0;
}

void
imap_notify_free(struct imap *im)
{
	struct notify *n = im->notify;

	if (!n)
		return;
	notify_notes_release(&n->notes);
	notify_notes_release(&n->taken);
	uidset_release(&n->fresh);
	uidset_release(&n->own);
	foreign_release(n);
	if (n->job)
		op_free(&n->job->j.op);
	arena_release(&n->arena);
	free(n);
	im->notify = NULL;
}

/*
 * RFC 5465 section 3.1: without SELECTED nothing is told. What a command of
 * the client's own does to its mailbox is an answer, and no event.
 */
unsigned
imap_notify_selected(const struct imap *im)
{
	const struct imap_verb *v = im->cmd.verb;

	if (!im->notify || (v && (v->flags & V_NEWS)))
		return MESSAGE_EVENTS;
	return im->notify->args.selected;
}

void
imap_notify_exists(struct imap *im, uint32_t above)
{
	struct notify *n = im->notify;
	uint32_t last = im->view.told_uid;

	if (n && n->args.has_fetch && last > above)
		uidset_add(&n->fresh, above + 1, last);
}

void
imap_notify_forget_selected(struct imap *im)
{
	if (!im->notify)
		return;
	uidset_release(&im->notify->fresh);
	uidset_release(&im->notify->own);
}

/* ---- what is wanted ---- */

static bool
is_below(struct span name, struct span parent)
{
	return name.len > parent.len && name.p[parent.len] == '/' &&
	    span_eq(span_head(name, parent.len), parent);
}

static bool
names_match(const struct imap_notify_group *g, struct span name)
{
	for (size_t i = 0; i < g->name_count; i++)
		if (span_eq(g->names[i], name) ||
		    (g->filter == NOTIFY_SUBTREE &&
		    is_below(name, g->names[i])))
			return true;
	return false;
}

/* RFC 5465 sections 6.2 to 6.6. */
static bool
group_matches(const struct imap *im, const struct imap_notify_group *g,
    struct span name, const struct mailbox_info *box, bool is_subscribed)
{
	switch (g->filter) {
	case NOTIFY_INBOXES:	/* a filter may put mail anywhere */
	case NOTIFY_PERSONAL:
		return !box || box->account == im->s.account;
	case NOTIFY_SUBSCRIBED:
		return is_subscribed;
	case NOTIFY_SUBTREE:
	case NOTIFY_MAILBOXES:
		return names_match(g, name);
	}
	return false;
}

unsigned
notify_wanted(const struct imap *im, struct span name,
    const struct mailbox_info *box, bool is_subscribed)
{
	const struct imap_notify_args *a = &im->notify->args;
	unsigned events = 0;

	for (size_t i = 0; i < a->group_count; i++)
		if (group_matches(im, &a->groups[i], name, box,
		    is_subscribed))
			events |= a->groups[i].events;
	return events;
}

bool
imap_notify_wants_metadata(const struct imap *im, const struct change *c)
{
	if (!im->notify)
		return false;
	if (c->mailbox == 0)
		return im->notify->events & NOTIFY_SERVER_METADATA;
	return (im->notify->events & NOTIFY_METADATA) &&
	    (notify_wanted(im, span_of(c->name), NULL, false) &
	    NOTIFY_METADATA);
}

/* ---- noting ---- */

/* Too much for a client that is not there: it is told of that alone. */
static void
overflow(struct notify *n)
{
	notify_notes_release(&n->notes);
	n->overflow = true;
}

static void
note_box(struct notify *n, uint64_t mailbox, unsigned events)
{
	struct notify_notes *notes = &n->notes;

	for (size_t i = notes->box_count; i-- > 0; )
		if (notes->boxes[i].mailbox == mailbox) {
			notes->boxes[i].events |= events;
			return;
		}
	if (notes->box_count == NOTIFY_BOXES_MAX) {
		overflow(n);
		return;
	}
	/* There is room until the count is a power of two. */
	if ((notes->box_count & (notes->box_count - 1)) == 0)
		notes->boxes = xreallocarray(notes->boxes,
		    notes->box_count ? 2 * notes->box_count : 1,
		    sizeof *notes->boxes);
	notes->boxes[notes->box_count++] = (struct notify_box){ mailbox,
	    events };
}

static char *
copy_name(struct span name)
{
	char *copy = xmalloc(name.len + 1);

	memcpy(copy, name.p, name.len);
	copy[name.len] = '\0';
	return copy;
}

static void
note_name(struct notify *n, struct span name, const char *old_name,
    unsigned events)
{
	struct notify_notes *notes = &n->notes;

	for (size_t i = 0; i < notes->name_count && !old_name; i++)
		if (span_is(name, notes->names[i].name)) {
			notes->names[i].events |= events;
			return;
		}
	if (notes->name_count == NOTIFY_NAMES_MAX) {
		overflow(n);
		return;
	}
	if ((notes->name_count & (notes->name_count - 1)) == 0)
		notes->names = xreallocarray(notes->names,
		    notes->name_count ? 2 * notes->name_count : 1,
		    sizeof *notes->names);
	notes->names[notes->name_count++] = (struct notify_name){
		.name = copy_name(name),
		.old_name = old_name ? xstrdup(old_name) : NULL,
		.events = events,
	};
}

/* RFC 5465 section 5.4: the mailbox and its direct parent. */
static void
note_birth_or_death(struct notify *n, const char *name)
{
	const char *slash = strrchr(name, '/');

	note_name(n, span_of(name), NULL, NOTIFY_NAME);
	if (slash)
		note_name(n, span_make(name, (size_t)(slash - name)), NULL,
		    NOTIFY_NAME);
}

static const struct notify_foreign *
find_foreign(const struct notify_foreign *v, size_t n, uint64_t mailbox)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].mailbox == mailbox)
			return &v[i];
	return NULL;
}

/* Messages of the selected mailbox are the view's business. */
static void
note_messages(struct imap *im, const struct change *c)
{
	struct notify *n = im->notify;
	unsigned events = c->kind == CHANGE_FLAGS ? NOTIFY_FLAGS :
	    NOTIFY_NEW | NOTIFY_EXPUNGE;

	if (im->state == ST_SELECTED && view_is_open(&im->view) &&
	    c->mailbox == view_mailbox(&im->view)) {
		if (c->kind == CHANGE_ARRIVAL && c->origin == im->origin &&
		    n->args.has_fetch)
			uidset_add(&n->own, c->rows[0].uid,
			    c->rows[c->row_count - 1].uid);
		return;
	}
	if (c->account != im->s.account &&
	    !find_foreign(n->foreign, n->foreign_count, c->mailbox))
		return;
	if ((n->events & events) && c->origin != im->origin)
		note_box(n, c->mailbox, events);
}

/* What another account does to its mailboxes may be seen, or not any more. */
static void
note_abroad(struct notify *n, const struct change *c)
{
	if (c->kind != CHANGE_ACL && c->kind != CHANGE_MAILBOX_DELETED &&
	    c->kind != CHANGE_MAILBOX_RENAMED)
		return;
	for (size_t i = 0; i < n->args.group_count; i++)
		if (n->args.groups[i].filter >= NOTIFY_SUBSCRIBED)
			n->must_look = true;
}

static void
note_change(struct imap *im, const struct change *c)
{
	struct notify *n = im->notify;

	if (c->kind == CHANGE_ARRIVAL || c->kind == CHANGE_FLAGS ||
	    c->kind == CHANGE_EXPUNGE) {
		note_messages(im, c);
		return;
	}
	if (c->account != im->s.account)
		note_abroad(n, c);
	/* Section 5: nothing of what the client does itself. */
	if (c->account != im->s.account || c->origin == im->origin)
		return;
	if (c->kind == CHANGE_SUBSCRIPTION &&
	    (n->events & NOTIFY_SUBSCRIPTION))
		note_name(n, span_of(c->name), NULL, NOTIFY_SUBSCRIPTION);
	if ((c->kind == CHANGE_MAILBOX_CREATED ||
	    c->kind == CHANGE_MAILBOX_DELETED) && (n->events & NOTIFY_NAME))
		note_birth_or_death(n, c->name);
}

/* A renaming brings what is below along; only the shortest name is told. */
static void
note_renamed(struct imap *im, const struct change *top)
{
	if (top && top->account == im->s.account &&
	    top->origin != im->origin && (im->notify->events & NOTIFY_NAME))
		note_name(im->notify, span_of(top->name), top->old_name,
		    NOTIFY_NAME);
}

void
imap_notify_note(struct imap *im, const struct changeset *cs)
{
	const struct change *top = NULL;

	if (!im->notify || im->notify->overflow)
		return;
	for (size_t i = 0; i < cs->n; i++) {
		const struct change *c = &cs->v[i];

		if (c->kind != CHANGE_MAILBOX_RENAMED ||
		    c->account != im->s.account) {
			note_change(im, c);
			continue;
		}
		if (top && top->modseq != c->modseq)
			note_renamed(im, top);
		if (!top || top->modseq != c->modseq ||
		    strlen(c->old_name) < strlen(top->old_name))
			top = c;
	}
	note_renamed(im, top);
}

/* ---- what others share ---- */

static void
watch_account(struct imap *im, uint64_t account)
{
	struct notify *n = im->notify;
	struct hub *hub = im->s.env->hub;

	for (size_t i = 0; i < n->watch_count; i++)
		if (n->watches[i].account == account)
			return;
	hub_watch_prepare(hub, &n->watches[n->watch_count]);
	if (hub_watch_account(hub, &n->watches[n->watch_count], &im->s,
	    account))
		n->watch_count++;
}

/* Differences to before that have to do with names. */
static void
note_differences(struct notify *n, const struct notify_foreign *old,
    size_t old_count)
{
	for (size_t i = 0; i < n->foreign_count; i++) {
		const struct notify_foreign *now = &n->foreign[i];
		const struct notify_foreign *was = find_foreign(old,
		    old_count, now->mailbox);

		if (!was || strcmp(was->name, now->name) != 0)
			note_name(n, span_of(now->name), was ? was->name :
			    NULL, NOTIFY_NAME);
	}
	for (size_t i = 0; i < old_count; i++)
		if (!find_foreign(n->foreign, n->foreign_count,
		    old[i].mailbox))
			note_name(n, span_of(old[i].name), NULL, NOTIFY_NAME);
}

static bool
is_foreign(const struct imap *im, const struct mailbox_info *box)
{
	return box->id && box->account != im->s.account &&
	    notify_wanted(im, span_of(box->name), box, box->subscribed);
}

void
notify_look_abroad(struct imap *im, const struct rjob_list *job, bool news)
{
	struct notify *n = im->notify;
	struct notify before = { .foreign = n->foreign,
	    .foreign_count = n->foreign_count, .watches = n->watches,
	    .watch_count = n->watch_count };
	size_t count = 0;

	n->must_look = false;
	for (size_t i = 0; i < job->box_count; i++)
		count += is_foreign(im, &job->boxes[i]);
	n->foreign = xcalloc(count, sizeof *n->foreign);
	n->watches = xcalloc(count, sizeof *n->watches);
	n->foreign_count = n->watch_count = 0;
	for (size_t i = 0; i < job->box_count; i++) {
		const struct mailbox_info *box = &job->boxes[i];

		if (!is_foreign(im, box))
			continue;
		n->foreign[n->foreign_count++] = (struct notify_foreign){
		    box->id, box->account, xstrdup(box->name) };
		watch_account(im, box->account);
	}
	if (news && (n->events & NOTIFY_NAME))
		note_differences(n, before.foreign, before.foreign_count);
	foreign_release(&before);
}
