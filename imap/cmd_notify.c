/*
 * NOTIFY (RFC 5465): the command, and the pump that tells; see notify.h.
 */
#include "imap/notify.h"

#include <stdlib.h>

#include "imap/sync.h"
#include "server/base/xalloc.h"
#include "store/read.h"

#define MESSAGE_EVENTS (NOTIFY_NEW | NOTIFY_EXPUNGE | NOTIFY_FLAGS)

/* ---- one mailbox ---- */

static bool
is_selected(const struct imap *im, const struct mailbox_info *box)
{
	return im->state == ST_SELECTED && view_is_open(&im->view) &&
	    box->id == view_mailbox(&im->view);
}

/* RFC 5465 section 5: what it takes to hear of a mailbox. */
static bool
may_hear(const struct mailbox_info *box)
{
	unsigned rights = RIGHT_LOOKUP | RIGHT_READ;

	return !box->noselect && (box->rights & rights) == rights;
}

static void
put_status(struct imap *im, const struct mailbox_info *box, unsigned items)
{
	struct buf *out = im->s.out;

	buf_adds(out, "* STATUS ");
	imap_put_mailbox(out, span_of(box->name), im->is_utf8);
	buf_addc(out, ' ');
	imap_put_status(out, box, items, im->settings->size_limit);
	buf_adds(out, "\r\n");
}

/* Sections 5.1 to 5.3. */
static unsigned
items_of_news(const struct imap *im, unsigned events)
{
	unsigned items = im->is_condstore ? STATUS_HIGHESTMODSEQ : 0;

	if (events & (NOTIFY_NEW | NOTIFY_EXPUNGE))
		items |= STATUS_MESSAGES | STATUS_UIDNEXT;
	if (events & NOTIFY_FLAGS)
		items |= STATUS_UIDVALIDITY | STATUS_UNSEEN;
	return items;
}

/* Section 3.1: with the STATUS indicator. */
static unsigned
items_at_first(unsigned events)
{
	unsigned items = 0;

	if (events & (NOTIFY_NEW | NOTIFY_EXPUNGE))
		items |= STATUS_MESSAGES | STATUS_UIDNEXT |
		    STATUS_UIDVALIDITY;
	if (events & NOTIFY_FLAGS)
		items |= STATUS_UIDVALIDITY | STATUS_HIGHESTMODSEQ;
	return items;
}

/* ---- the command ---- */

static enum imap_step
refuse_events(struct imap *im)
{
	return imap_no(im, "BADEVENT (MessageNew MessageExpunge FlagChange "
	    "MailboxName SubscriptionChange MailboxMetadataChange "
	    "ServerMetadataChange)", "No such event here");
}

/* Takes the command over: its text is parsed again into lasting memory. */
static void
take_args(struct imap *im)
{
	struct notify *n = im->notify;
	struct imap_parser p;
	union imap_args args;
	struct arena arena = { 0 };

	imap_parser_init(&p, arena_span(&arena, im->cmd.args.notify.text),
	    &arena);
	p.utf8 = im->is_utf8;
	(void)imap_parse_notify(&p, &args);	/* it has been right before */
	arena_release(&n->arena);
	n->arena = arena;
	n->args = args.notify;
	n->events = 0;
	for (size_t i = 0; i < n->args.group_count; i++)
		n->events |= n->args.groups[i].events;
}

static enum imap_step
notify_set(struct imap *im)
{
	if (!im->notify)
		im->notify = xcalloc(1, sizeof *im->notify);
	notify_notes_release(&im->notify->notes);
	imap_notify_forget_selected(im);
	im->notify->overflow = false;
	take_args(im);
	return imap_ok(im, NULL, "NOTIFY completed");
}

static void
notify_release(struct imap *im)
{
	struct rjob_list *job = im->cmd.state;

	if (job)
		op_free(&job->j.op);
}

enum imap_step
imap_run_notify(struct imap *im)
{
	const struct imap_notify_args *a = &im->cmd.args.notify;
	struct rjob_list *job;

	if (a->has_bad_event)
		return refuse_events(im);
	if (a->text.len > IMAP_NOTIFY_TEXT_MAX)
		return imap_no(im, "NOTIFICATIONOVERFLOW",
		    "This is too much to be remembered");
	(void)notify_set(im);
	if (a->group_count == 0)
		return imap_ok(im, NULL, "NOTIFY completed");
	job = rjob_list_new(im->s.env, &im->s);
	store_read(im->s.env->store, &job->j);
	im->cmd.release = notify_release;
	return STEP_WAIT;
}

/* What the new groups have to say of a mailbox at once. */
static void
tell_at_first(struct imap *im, const struct mailbox_info *box)
{
	unsigned events = notify_wanted(im, span_of(box->name), box,
	    box->subscribed) & MESSAGE_EVENTS;

	if (events == 0 || box->noselect || is_selected(im, box))
		return;
	if (!may_hear(box))
		imap_tell_list(im, span_of(box->name), NULL, "\\NoAccess",
		    SPAN(""));
	else if (im->notify->args.status)
		put_status(im, box, items_at_first(events));
}

enum imap_step
imap_done_notify(struct imap *im, struct op *op)
{
	struct rjob_list *job = im->cmd.state;
	struct notify *n = im->notify;

	if (op) {
		job = CONTAINER_OF(op, struct rjob_list, j.op);
		im->cmd.state = job;
		n->at = 0;
		if (op->err < 0)
			return imap_fail(im, op->err);
		notify_look_abroad(im, job, false);
	}
	for (; n->at < job->box_count; n->at++) {
		if (!imap_has_time(im))
			return STEP_YIELD;
		tell_at_first(im, &job->boxes[n->at]);
	}
	return imap_ok(im, NULL, "NOTIFY completed");
}

/* ---- the pump ---- */

static enum imap_step pump_done(struct imap *im, struct op *op);

/* The command that nobody has given. */
static const struct imap_verb pump_verb = {
	.name = "news", .states = ST_LOGGEDIN, .done = pump_done,
};

/* Section 6.1.2; IDLE is a command that may tell of expunges. */
static bool
must_hold(const struct imap *im)
{
	return im->notify->args.delayed && im->mode != MODE_IDLE;
}

static bool
selected_is_due(const struct imap *im)
{
	return im->state == ST_SELECTED && !view_is_gone(&im->view) &&
	    ((im->notify->args.selected &&
	    view_has_news(&im->view, must_hold(im))) ||
	    im->notify->fresh.n > 0);
}

bool
imap_notify_is_due(const struct imap *im)
{
	const struct notify *n = im->notify;

	if (!n || im->seen_out > 0 || im->bye)
		return false;
	return n->overflow || n->must_look || n->notes.box_count > 0 ||
	    n->notes.name_count > 0 || selected_is_due(im) ||
	    (im->metadata_news.len > 0 && (n->events &
	    (NOTIFY_METADATA | NOTIFY_SERVER_METADATA)));
}

enum imap_step
imap_notify_pump(struct imap *im)
{
	struct notify *n = im->notify;

	n->outer = im->cmd;
	im->cmd = (struct imap_cmd){ .verb = &pump_verb };
	n->stage = PUMP_SYNC;
	n->taken = n->notes;
	n->notes = (struct notify_notes){ 0 };
	return pump_done(im, NULL);
}

static void
release_command(struct imap *im)
{
	struct imap_cmd *c = &im->cmd;

	if (c->release)
		c->release(im);
	c->release = NULL;
	c->state = NULL;
	arena_release(&c->arena);
}

bool
imap_notify_is_over(struct imap *im)
{
	struct notify *n = im->notify;
	bool told_expunge = im->cmd.told_expunge;
	bool told_modseq = im->cmd.told_modseq;

	if (im->cmd.verb != &pump_verb)
		return false;
	release_command(im);
	notify_notes_release(&n->taken);
	if (n->job)
		op_free(&n->job->j.op);
	n->job = NULL;
	im->cmd = n->outer;
	n->outer = (struct imap_cmd){ .verb = NULL };
	im->cmd.told_expunge |= told_expunge;
	im->cmd.told_modseq |= told_modseq;
	return true;
}

/* Section 5.8: and as if there had been a NOTIFY NONE. */
static void
give_up(struct imap *im)
{
	struct notify *n = im->notify;

	buf_adds(im->s.out, "* OK [NOTIFICATIONOVERFLOW] Too much news\r\n");
	n->overflow = false;
	n->args = (struct imap_notify_args){ .set = false };
	n->events = 0;
	arena_release(&n->arena);
	notify_notes_release(&n->taken);
	imap_notify_forget_selected(im);
}

/* Adds what of r is not in but. */
static void
add_without(struct uidset *out, const struct uidrange *r,
    const struct uidset *but)
{
	uint64_t lo = r->lo;

	for (size_t i = 0; i < but->n && but->v[i].lo <= r->hi; i++) {
		if (but->v[i].hi < lo)
			continue;
		if (but->v[i].lo > lo)
			uidset_add(out, (uint32_t)lo, but->v[i].lo - 1);
		lo = (uint64_t)but->v[i].hi + 1;
	}
	if (lo <= r->hi)
		uidset_add(out, (uint32_t)lo, r->hi);
}

/* The new messages that are not the client's own (section 5.2). */
static void
take_fresh(struct notify *n, struct uidset *out)
{
	for (size_t i = 0; i < n->fresh.n; i++)
		add_without(out, &n->fresh.v[i], &n->own);
	uidset_release(&n->fresh);
	uidset_release(&n->own);
}

static enum imap_step
pump_fetch(struct imap *im, struct op *op)
{
	struct uidset uids = { 0 };
	enum imap_step step = STEP_DONE;

	if (im->cmd.state) {
		step = imap_done_fetch(im, op);
	} else if (im->notify->fresh.n > 0 && im->state == ST_SELECTED) {
		take_fresh(im->notify, &uids);
		im->cmd.args.fetch = im->notify->args.fetch;
		step = imap_fetch_uids(im, &uids);
	}
	if (step == STEP_DONE)
		release_command(im);
	return step;
}

static unsigned
noted_events(const struct notify_notes *notes, uint64_t mailbox)
{
	for (size_t i = 0; i < notes->box_count; i++)
		if (notes->boxes[i].mailbox == mailbox)
			return notes->boxes[i].events;
	return 0;
}

static void
tell_box(struct imap *im, const struct mailbox_info *box)
{
	unsigned events = noted_events(&im->notify->taken, box->id);

	if (events == 0 || is_selected(im, box) || !may_hear(box))
		return;
	events &= notify_wanted(im, span_of(box->name), box,
	    box->subscribed);
	/* Section 5.1: of flags only what MODSEQ or UNSEEN can tell. */
	if (events)
		put_status(im, box, items_of_news(im, events));
}

static const struct mailbox_info *
find_box(const struct rjob_list *job, const char *name)
{
	size_t lo = 0, hi = job->box_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = mailbox_name_compare(job->boxes[mid].name, name);

		if (order == 0)
			return &job->boxes[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static bool
is_subscribed(const struct rjob_list *job, const char *name)
{
	for (size_t i = 0; i < job->subscription_count; i++)
		if (mailbox_name_compare(job->subscriptions[i], name) == 0)
			return true;
	return false;
}

/* Sections 5.4 and 5.5. */
static void
tell_name(struct imap *im, const struct notify_name *name)
{
	const struct rjob_list *job = im->notify->job;
	const struct mailbox_info *box = find_box(job, name->name);
	bool subscribed = is_subscribed(job, name->name);
	struct span old = name->old_name ? span_of(name->old_name) : SPAN("");
	unsigned events = notify_wanted(im, span_of(name->name), box,
	    subscribed);

	/* Who watches a name wants to know that it has gone away. */
	if (old.len)
		events |= notify_wanted(im, old, NULL,
		    is_subscribed(job, name->old_name));
	if (events & name->events)
		imap_tell_list(im, span_of(name->name), box, subscribed ?
		    "\\NonExistent \\Subscribed" : "\\NonExistent", old);
}

static enum imap_step
pump_list(struct imap *im)
{
	const struct notify_notes *taken = &im->notify->taken;
	struct rjob_list *job;

	if (taken->box_count == 0 && taken->name_count == 0 &&
	    !im->notify->must_look)
		return STEP_DONE;
	im->notify->stage = PUMP_TELL;
	im->notify->at = 0;
	job = rjob_list_new(im->s.env, &im->s);
	store_read(im->s.env->store, &job->j);
	return STEP_WAIT;
}

static enum imap_step
pump_tell(struct imap *im, struct op *op)
{
	struct notify *n = im->notify;
	const struct notify_notes *taken = &n->taken;

	if (op)
		n->job = CONTAINER_OF(op, struct rjob_list, j.op);
	/* Nothing can be said of it; the next news may fare better. */
	if (n->job->j.op.err < 0) {
		n->must_look = false;
		return STEP_DONE;
	}
	if (n->must_look)
		notify_look_abroad(im, n->job, true);
	for (; n->at < n->job->box_count + taken->name_count; n->at++) {
		if (!imap_has_time(im))
			return STEP_YIELD;
		if (n->at < taken->name_count)
			tell_name(im, &taken->names[n->at]);
		else
			tell_box(im,
			    &n->job->boxes[n->at - taken->name_count]);
	}
	return STEP_DONE;
}

static enum imap_step
pump_sync(struct imap *im, struct op *op)
{
	enum imap_step step;

	if (im->notify->overflow) {
		give_up(im);
		return STEP_DONE;
	}
	step = imap_tell(im, must_hold(im), op);
	if (step == STEP_DONE)
		imap_tell_highestmodseq(im);
	return step;
}

static enum imap_step
pump_done(struct imap *im, struct op *op)
{
	struct notify *n = im->notify;
	enum imap_step step = STEP_DONE;

	if (n->stage == PUMP_SYNC) {
		if ((step = pump_sync(im, op)) != STEP_DONE)
			return step;
		n->stage = PUMP_FETCH;
		op = NULL;
	}
	if (n->stage == PUMP_FETCH) {
		if ((step = pump_fetch(im, op)) != STEP_DONE)
			return step;
		n->stage = PUMP_LIST;
	}
	return n->stage == PUMP_LIST ? pump_list(im) : pump_tell(im, op);
}
