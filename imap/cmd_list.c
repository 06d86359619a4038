/*
 * LIST, LSUB (RFC 3501 sections 6.3.8, 6.3.9) and XLIST, with LIST-EXTENDED
 * (RFC 5258), LIST-STATUS (RFC 5819), SPECIAL-USE (RFC 6154), LIST-MYRIGHTS
 * (RFC 8440) and LIST-METADATA (RFC 9590).
 *
 * One read gives every mailbox and every subscription, both sorted with '/'
 * lowest. From them one list of names is made, in the same order: those of
 * mailboxes, those that are only subscribed to, and those that are only
 * parents of the latter. Each name has the index of its parent, which stands
 * before it, so one walk back through the list tells every name what there is
 * below it. Then one walk forward matches and another answers, in turns.
 *
 * LSUB is LIST (SUBSCRIBED RECURSIVEMATCH) with other words: where that has
 * CHILDINFO for a name that is not subscribed itself, LSUB has \Noselect.
 */
#include <string.h>

#include "imap/imap_priv.h"
#include "imap/listmatch.h"
#include "imap/metadata.h"
#include "imap/sync.h"
#include "server/base/xalloc.h"
#include "store/read.h"

#define NO_PARENT SIZE_MAX

struct entry {
	struct span name;
	const struct mailbox_info *box;	/* NULL: does not exist */
	size_t parent;
	bool is_subscribed;
	bool is_selected;		/* meets the selection criteria */
	bool matches;			/* the patterns */
	bool has_selected;		/* something below it is selected */
	bool has_hidden;		/* ... which the patterns do not show */
};

struct list_state {
	struct rjob_list *job;		/* owns the names */
	struct entry *v;		/* in the arena */
	size_t n, cap;
	size_t at;			/* of the walk that goes on */
	bool is_matched;		/* it is the one that answers */
};

static void
list_release(struct imap *im)
{
	struct list_state *st = im->cmd.state;

	if (st->job)
		op_free(&st->job->j.op);
}

/* "LIST", "LSUB" or "XLIST": also the word of its answers. */
static const char *
word(const struct imap *im)
{
	return im->cmd.verb->name;
}

static bool
is_lsub(const struct imap *im)
{
	return word(im)[1] == 'S';
}

static bool
is_xlist(const struct imap *im)
{
	return word(im)[0] == 'X';
}

/* ---- the names ---- */

static struct entry *
add_entry(struct imap *im, struct list_state *st, struct span name,
    size_t parent)
{
	struct entry *e;

	if (st->n == st->cap) {
		struct entry *old = st->v;

		st->cap = st->cap ? 2 * st->cap : 64;
		st->v = arena_array(&im->cmd.arena, st->cap, sizeof *st->v);
		if (st->n)
			memcpy(st->v, old, st->n * sizeof *st->v);
	}
	e = &st->v[st->n++];
	e->name = name;
	e->parent = parent;
	return e;
}

static bool
is_below(struct span name, struct span parent)
{
	return name.len > parent.len && name.p[parent.len] == '/' &&
	    span_eq(span_head(name, parent.len), parent);
}

/* The nearest name above that is in the list; those between are added. */
static size_t
parent_of(struct imap *im, struct list_state *st, struct span name)
{
	size_t parent = st->n ? st->n - 1 : NO_PARENT, from = 0;

	while (parent != NO_PARENT && !is_below(name, st->v[parent].name))
		parent = st->v[parent].parent;
	if (parent != NO_PARENT)
		from = st->v[parent].name.len + 1;
	for (size_t i = from; i < name.len; i++) {
		if (name.p[i] != '/')
			continue;
		(void)add_entry(im, st, span_head(name, i), parent);
		parent = st->n - 1;
	}
	return parent;
}

static bool
is_selected(const struct imap_list_args *a, const struct entry *e)
{
	if ((a->select & LIST_SPECIAL_USE) &&
	    (!e->box || e->box->use == USE_NONE))
		return false;
	return a->select & LIST_SUBSCRIBED ? e->is_subscribed :
	    e->box != NULL;
}

/* Merges the two lists of the job. */
static void
list_merge(struct imap *im, struct list_state *st)
{
	const struct rjob_list *job = st->job;
	size_t i = 0, k = 0;

	while (i < job->box_count || k < job->subscription_count) {
		const char *box = i < job->box_count ? job->boxes[i].name :
		    NULL;
		const char *sub = k < job->subscription_count ?
		    job->subscriptions[k] : NULL;
		int order = !box ? 1 : !sub ? -1 :
		    mailbox_name_compare(box, sub);
		struct span name = span_of(order <= 0 ? box : sub);
		size_t parent = parent_of(im, st, name);
		struct entry *e = add_entry(im, st, name, parent);

		if (order <= 0)
			e->box = &job->boxes[i++];
		if (order >= 0) {
			e->is_subscribed = true;
			k++;
		}
		e->is_selected = is_selected(&im->cmd.args.list, e);
	}
}

/* ---- matching ---- */

static bool
matches(const struct imap_list_args *a, struct span name)
{
	for (size_t i = 0; i < a->pattern_count; i++)
		if (list_match(a->patterns[i], name))
			return true;
	return false;
}

/* What a name has below it: children stand behind their parents. */
static void
tell_parents(struct list_state *st)
{
	for (size_t i = st->n; i-- > 0; ) {
		const struct entry *e = &st->v[i];
		struct entry *parent;

		if (e->parent == NO_PARENT)
			continue;
		parent = &st->v[e->parent];
		parent->has_selected |= e->is_selected || e->has_selected;
		parent->has_hidden |= (e->is_selected && !e->matches) ||
		    e->has_hidden;
	}
}

/*
 * Many long patterns with many stars are work, so time is looked at after
 * each name. False: not through yet.
 */
static bool
list_matches(struct imap *im, struct list_state *st)
{
	struct clock *clock = im->s.env->clock;

	while (st->at < st->n) {
		struct entry *e = &st->v[st->at++];

		e->matches = matches(&im->cmd.args.list, e->name);
		if (clock->mono_us(clock) - im->step_us >= IMAP_STEP_US)
			break;
	}
	return st->at == st->n;
}

/* ---- answers ---- */

static void
put_attribute(struct buf *out, const char *name)
{
	if (out->p[out->len - 1] != '(')
		buf_addc(out, ' ');
	buf_adds(out, name);
}

static void
put_use(struct imap *im, const struct entry *e)
{
	struct buf *out = im->s.out;

	if (!e->box)
		return;
	/* Old Outlook looks for its folders in LSUB and XLIST. */
	if (is_xlist(im) && span_is(e->name, "INBOX"))
		put_attribute(out, "\\Inbox");
	if (is_xlist(im) && e->box->use == USE_JUNK)
		put_attribute(out, "\\Spam");
	if (e->box->use != USE_NONE)
		put_attribute(out, imap_use_name(e->box->use));
}

/* What the mailbox alone says, which may not be there. */
static void
put_box_attributes(struct buf *out, const struct mailbox_info *box)
{
	if (!box)
		put_attribute(out, "\\NonExistent");
	else if (box->noselect)
		put_attribute(out, "\\Noselect");
	/* RFC 5258 section 4: may be told unasked, and clients like it. */
	put_attribute(out, box && box->has_children ?
	    "\\HasChildren" : "\\HasNoChildren");
}

static void
put_list_attributes(struct imap *im, const struct entry *e)
{
	const struct imap_list_args *a = &im->cmd.args.list;
	struct buf *out = im->s.out;

	put_box_attributes(out, e->box);
	if (e->is_subscribed && ((a->select & LIST_SUBSCRIBED) ||
	    (a->returns & LIST_RETURN_SUBSCRIBED)))
		put_attribute(out, "\\Subscribed");
	put_use(im, e);
}

/* RFC 5258 section 3.5: ("CHILDINFO" ("SUBSCRIBED")). */
static void
put_childinfo(struct imap *im)
{
	unsigned select = im->cmd.args.list.select;
	struct buf *out = im->s.out;

	buf_adds(out, " (\"CHILDINFO\" (");
	if (select & LIST_SUBSCRIBED)
		put_attribute(out, "\"SUBSCRIBED\"");
	if (select & LIST_SPECIAL_USE)
		put_attribute(out, "\"SPECIAL-USE\"");
	buf_adds(out, "))");
}

static void
put_line(struct imap *im, const struct entry *e)
{
	const struct imap_list_args *a = &im->cmd.args.list;
	struct buf *out = im->s.out;

	buf_adds(out, "* ");
	buf_adds(out, word(im));
	buf_adds(out, " (");
	if (!is_lsub(im))
		put_list_attributes(im, e);
	else if (e->is_selected)
		put_use(im, e);
	else
		put_attribute(out, "\\Noselect");
	buf_adds(out, ") \"/\" ");
	imap_put_mailbox(out, e->name, im->is_utf8);
	if (!is_lsub(im) && (a->select & LIST_RECURSIVEMATCH) &&
	    e->has_selected)
		put_childinfo(im);
	buf_adds(out, "\r\n");
}

void
imap_tell_list(struct imap *im, struct span name,
    const struct mailbox_info *box, const char *attribute,
    struct span old_name)
{
	struct buf *out = im->s.out;

	buf_adds(out, "* LIST (");
	if (box) {
		put_box_attributes(out, box);
		if (box->subscribed)
			put_attribute(out, "\\Subscribed");
		if (box->use != USE_NONE)
			put_attribute(out, imap_use_name(box->use));
	} else if (attribute) {
		put_attribute(out, attribute);
	}
	buf_adds(out, ") \"/\" ");
	imap_put_mailbox(out, name, im->is_utf8);
	if (old_name.len) {
		buf_adds(out, " (\"OLDNAME\" (");
		imap_put_mailbox(out, old_name, im->is_utf8);
		buf_adds(out, "))");
	}
	buf_adds(out, "\r\n");
}

static void
put_status(struct imap *im, const struct entry *e)
{
	struct buf *out = im->s.out;

	buf_adds(out, "* STATUS ");
	imap_put_mailbox(out, e->name, im->is_utf8);
	buf_addc(out, ' ');
	imap_put_status(out, e->box, im->cmd.args.list.status_items,
	    im->settings->size_limit);
	buf_adds(out, "\r\n");
}

/*
 * RFC 9590 section 3: annotations are read mailbox by mailbox, so that those
 * of a thousand are never together in memory.
 */
static void
read_metadata(struct imap *im, const struct entry *e)
{
	const struct imap_list_args *a = &im->cmd.args.list;
	struct rjob_metadata *job = rjob_metadata_new(im->s.env, &im->s,
	    a->entry_count);

	imap_metadata_entries(job, a->entries);
	job->mailbox = e->box->id;
	store_read(im->s.env->store, &job->j);
}

/* Whether an op is out now, for what there is to be said besides. */
static bool
put_entry(struct imap *im, const struct entry *e)
{
	const struct imap_list_args *a = &im->cmd.args.list;

	if (!e->matches)
		return false;
	/* RFC 5258 section 3.3: of parents only those that stand for more. */
	if (!e->is_selected &&
	    !((a->select & LIST_RECURSIVEMATCH) && e->has_hidden))
		return false;
	put_line(im, e);
	if (!e->is_selected || !e->box)
		return false;
	/* RFC 5819 section 2: none for what cannot be selected. */
	if ((a->returns & LIST_RETURN_STATUS) && !e->box->noselect)
		put_status(im, e);
	/* RFC 8440: none of what one has no rights on. */
	if ((a->returns & LIST_RETURN_MYRIGHTS) && e->box->rights)
		imap_put_myrights(im, e->name, e->box->rights);
	/* A level that is no mailbox has no id either. */
	if ((a->returns & LIST_RETURN_METADATA) && e->box->id) {
		read_metadata(im, e);
		return true;
	}
	return false;
}

static enum imap_step
list_over(struct imap *im)
{
	return imap_ok(im, NULL, arena_printf(&im->cmd.arena, "%s completed",
	    word(im)));
}

static enum imap_step
list_go_on(struct imap *im, struct list_state *st)
{
	if (!st->is_matched) {
		if (!list_matches(im, st))
			return STEP_YIELD;
		tell_parents(st);
		st->is_matched = true;
		st->at = 0;
	}
	while (st->at < st->n) {
		if (!imap_has_time(im))
			return STEP_YIELD;
		if (put_entry(im, &st->v[st->at++]))
			return STEP_WAIT;
	}
	return list_over(im);
}

/* A slice of the annotations of the mailbox that was listed last. */
static enum imap_step
list_metadata(struct imap *im, struct list_state *st,
    struct rjob_metadata *job)
{
	if (job->j.op.err == 0)
		imap_put_metadata(im, st->v[st->at - 1].name, job);
	if (job->j.op.err == 0 && job->j.more) {
		op_adopt(&job->j.op, &im->s);
		store_read(im->s.env->store, &job->j);
		return STEP_WAIT;
	}
	/* RFC 9590 section 3: what cannot be read is left out. */
	op_free(&job->j.op);
	return list_go_on(im, st);
}

/* ---- the commands ---- */

enum imap_step
imap_run_list(struct imap *im)
{
	struct rjob_list *job;

	if (im->cmd.args.list.status_items & STATUS_HIGHESTMODSEQ)
		imap_enable_condstore(im);
	/* RFC 3501 6.3.8: LIST "" "" asks for the delimiter and the root. */
	if (im->cmd.args.list.ask_delimiter) {
		buf_adds(im->s.out, "* ");
		buf_adds(im->s.out, word(im));
		buf_adds(im->s.out, " (\\Noselect) \"/\" \"\"\r\n");
		return list_over(im);
	}
	im->cmd.state = arena_alloc(&im->cmd.arena,
	    sizeof(struct list_state));
	im->cmd.release = list_release;
	job = rjob_list_new(im->s.env, &im->s);
	store_read(im->s.env->store, &job->j);
	return STEP_WAIT;
}

enum imap_step
imap_run_lsub(struct imap *im)
{
	im->cmd.args.list.select = LIST_SUBSCRIBED | LIST_RECURSIVEMATCH;
	return imap_run_list(im);
}

enum imap_step
imap_done_list(struct imap *im, struct op *op)
{
	struct list_state *st = im->cmd.state;

	if (op && st->job)
		return list_metadata(im, st, CONTAINER_OF(op,
		    struct rjob_metadata, j.op));
	if (op) {
		st->job = CONTAINER_OF(op, struct rjob_list, j.op);
		if (op->err < 0)
			return imap_fail(im, op->err);
		list_merge(im, st);
	}
	return list_go_on(im, st);
}
