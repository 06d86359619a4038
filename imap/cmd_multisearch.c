/*
 * ESEARCH (RFC 7377): a search of many mailboxes, one after the other.
 *
 * One read lists every mailbox that the account sees, with its rights; those
 * that are asked for, and may be read, are opened each in a view of its own,
 * searched as SEARCH does it, told of, and closed. The selected mailbox is
 * searched in the view that the client knows.
 */
#include "imap/context.h"
#include "imap/result.h"
#include "imap/sync.h"
#include "server/base/xalloc.h"
#include "store/read.h"

enum multi_phase { MULTI_LISTS, MULTI_NEXT, MULTI_OPENS, MULTI_FINDS,
    MULTI_PUTS };

struct multi {
	enum multi_phase phase;
	struct rjob_list *list;		/* has the names */
	size_t at;			/* of its mailboxes, the next */
	const struct mailbox_info *box;	/* the one at hand */
	struct view own;		/* of box, unless it is selected */
	const struct view *view;
	struct finder f;
	struct result result;
};

static void
multi_release(struct imap *im)
{
	struct multi *m = im->cmd.state;

	finder_forget_refused(im);
	finder_release(&m->f);
	result_release(&m->result);
	view_close(&m->own);
	if (m->list)
		op_free(&m->list->j.op);
}

/* ---- which mailboxes ---- */

static bool
is_selected(const struct imap *im, const struct mailbox_info *box)
{
	return im->state == ST_SELECTED && view_mailbox(&im->view) == box->id;
}

/* Below name, one level down at most if that is wanted; or name itself. */
static bool
is_in_tree(struct span box, struct span name, bool one)
{
	if (span_eq(box, name))
		return true;
	if (box.len <= name.len || box.p[name.len] != '/' ||
	    !span_eq(span_head(box, name.len), name))
		return false;
	return !one || !span_chr(span_from(box, name.len + 1), '/');
}

static bool
is_meant(const struct imap *im, const struct imap_source *s,
    const struct mailbox_info *box)
{
	struct span name = span_of(box->name);

	switch (s->kind) {
	case SOURCE_SELECTED:
		return is_selected(im, box);
	case SOURCE_INBOXES:
		return box->account == im->s.account && span_is(name, "INBOX");
	case SOURCE_PERSONAL:
		return box->account == im->s.account;
	case SOURCE_SUBSCRIBED:
		return box->subscribed;
	case SOURCE_SUBTREE:
	case SOURCE_SUBTREE_ONE:
		return is_in_tree(name, s->name,
		    s->kind == SOURCE_SUBTREE_ONE);
	case SOURCE_MAILBOXES:
		return span_eq(name, s->name);
	}
	return false;
}

/* RFC 7377 section 2.2: one without the rights is passed over. */
static bool
is_searched(const struct imap *im, const struct mailbox_info *box)
{
	const struct imap_search_args *a = &im->cmd.args.search;

	if (box->noselect || !(box->rights & RIGHT_READ))
		return false;
	for (size_t i = 0; i < a->source_count; i++)
		if (is_meant(im, &a->sources[i], box))
			return true;
	return false;
}

/* ---- one mailbox ---- */

static enum imap_step multi_find(struct imap *im, struct multi *m,
    struct op *op);

/* To the next one, in a later call. */
static void
end_box(struct multi *m)
{
	finder_release(&m->f);
	result_release(&m->result);
	view_close(&m->own);
	m->own = (struct view){ 0 };
	m->phase = MULTI_NEXT;
}

static enum imap_step
multi_put(struct imap *im, struct multi *m)
{
	m->phase = MULTI_PUTS;
	if (!result_put(im, &m->result))
		return STEP_YIELD;
	end_box(m);
	return STEP_DONE;
}

static int
multi_save(struct imap *im, const struct uidset *found)
{
	struct uidset page = { 0 };

	if (im->cmd.args.search.partial.is_given)
		result_cut_page(im, &page, found);
	return finder_save(im, found, found->n ? found->v[0].lo : 0,
	    found->n ? found->v[found->n - 1].hi : 0, &page);
}

/* RFC 7377 section 2.1: nothing is said of where nothing was found. */
static enum imap_step
multi_found(struct imap *im, struct multi *m)
{
	const struct imap_search_args *a = &im->cmd.args.search;
	const struct uidset *found = &m->f.found;

	if (m->f.err < 0)
		return finder_fail(&m->f);
	if (a->save && multi_save(im, found) < 0)
		return imap_no(im, "NOTSAVED",
		    "No memory to save the result in");
	/* Section 2.2: of the selected mailbox only. */
	if (a->update && m->view == &im->view)
		context_add(im, found, NULL);
	if (found->n == 0 || (a->returns == 0 && !a->partial.is_given)) {
		end_box(m);
		return STEP_DONE;
	}
	result_init(&m->result, &m->f, true);
	m->result.mailbox = m->box->name;
	return multi_put(im, m);
}

static enum imap_step
multi_find(struct imap *im, struct multi *m, struct op *op)
{
	enum imap_step step = finder_step(&m->f, op);

	return step == STEP_DONE ? multi_found(im, m) : step;
}

static enum imap_step
begin_find(struct imap *im, struct multi *m)
{
	m->phase = MULTI_FINDS;
	finder_init_args(&m->f, im, m->view, &im->cmd.args.search);
	return multi_find(im, m, NULL);
}

/* One that has gone since it was listed is not there. */
static enum imap_step
opened(struct imap *im, struct multi *m, int err)
{
	if (err == ERR_NOMBOX) {
		end_box(m);
		return STEP_DONE;
	}
	return err < 0 ? imap_fail(im, err) : begin_find(im, m);
}

static enum imap_step
begin_box(struct imap *im, struct multi *m)
{
	int err;

	m->view = &im->view;
	if (is_selected(im, m->box))
		return begin_find(im, m);
	m->view = &m->own;
	err = view_open(&m->own, im->s.env->hub, &im->s, im->s.account,
	    m->box->id, false);
	m->phase = MULTI_OPENS;
	return err > 0 ? STEP_WAIT : opened(im, m, err);
}

/* ---- all of them ---- */

/*
 * Goes on with the next mailbox until something has to be waited for. A step
 * of one that is STEP_DONE in another phase than MULTI_NEXT is the command's.
 */
static enum imap_step
multi_next(struct imap *im, struct multi *m)
{
	enum imap_step step;

	while (m->at < m->list->box_count) {
		m->box = &m->list->boxes[m->at];
		if (!imap_has_time(im))
			return STEP_YIELD;
		m->at++;
		if (!is_searched(im, m->box))
			continue;
		step = begin_box(im, m);
		if (step != STEP_DONE || m->phase != MULTI_NEXT)
			return step;
	}
	return imap_ok(im, NULL, "ESEARCH completed");
}

static enum imap_step
listed(struct imap *im, struct multi *m, struct op *op)
{
	m->list = CONTAINER_OF(op, struct rjob_list, j.op);
	if (op->err < 0)
		return imap_fail(im, op->err);
	m->phase = MULTI_NEXT;
	return multi_next(im, m);
}

enum imap_step
imap_done_esearch(struct imap *im, struct op *op)
{
	struct multi *m = im->cmd.state;
	enum imap_step step = STEP_DONE;

	switch (m->phase) {
	case MULTI_LISTS:
		return listed(im, m, op);
	case MULTI_NEXT:
		break;
	case MULTI_OPENS:
		step = opened(im, m, view_opened(&m->own, op));
		break;
	case MULTI_FINDS:
		step = multi_find(im, m, op);
		break;
	case MULTI_PUTS:
		step = multi_put(im, m);
		break;
	}
	return step == STEP_DONE && m->phase == MULTI_NEXT ?
	    multi_next(im, m) : step;
}

/* Whether what is asked for can be had where it is asked for. */
static const char *
judge(const struct imap *im)
{
	const struct imap_search_args *a = &im->cmd.args.search;
	bool is_plain = true, has_selected = false;

	for (size_t i = 0; i < a->source_count; i++) {
		bool is = a->sources[i].kind == SOURCE_SELECTED;

		has_selected |= is;
		is_plain &= is;
	}
	if ((has_selected || a->update) && im->state != ST_SELECTED)
		return "Select a mailbox first";
	if (a->save && !is_plain)
		return "SAVE goes with the selected mailbox only";
	if (a->update && context_is_tag_used(im))
		return "This tag is that of a context";
	return NULL;
}

enum imap_step
imap_run_esearch(struct imap *im)
{
	struct imap_search_args *a = &im->cmd.args.search;
	struct multi *m = arena_alloc(&im->cmd.arena, sizeof *m);
	const char *bad = judge(im);
	struct rjob_list *job;

	im->cmd.state = m;
	im->cmd.release = multi_release;
	im->cmd.uid = true;	/* it works like UID SEARCH */
	if (bad)
		return imap_bad(im, bad);
	if (a->is_charset_unknown)
		return imap_no(im, IMAP_BADCHARSET, "Unknown charset");
	job = rjob_list_new(im->s.env, &im->s);
	store_read(im->s.env->store, &job->j);
	return STEP_WAIT;
}
