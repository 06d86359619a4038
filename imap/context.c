#include "imap/context.h"

#include <stdlib.h>
#include <string.h>

#include "imap/finder.h"
#include "imap/targets.h"
#include "server/base/xalloc.h"

struct context {
	struct list node;
	char *tag;
	size_t tag_len;
	bool uid;			/* it is told UIDs */
	struct arena arena;		/* of key and terms */
	struct search_key *key;
	struct uidset results;
	size_t charged;
	/* SORT: the results in order; a row is a UID. */
	struct sort_term *terms;
	size_t term_count;
	struct sort_item *order;
	size_t order_count;
	struct arena texts;		/* of the keys in order */
	size_t texts_len;		/* bytes of them that are in use */
};

/* One message that joins or leaves, in the order to be told. */
struct delta {
	uint32_t uid;
	uint32_t pos;			/* of the first of those together */
	bool is_first;
};

enum context_phase { CONTEXT_FINDS, CONTEXT_FILLS, CONTEXT_SORTS,
    CONTEXT_PUTS };

struct contexts {
	struct list list;
	unsigned count;
	struct uidset noted;		/* to be looked at by all of them */
	/* While one looks. */
	struct context *at;
	struct uidset among;
	enum context_phase phase;
	struct finder f;
	struct uidset removed, added;
	struct targets targets;
	struct rjob_sort *job;
	struct delta *deltas;
	size_t delta_count, delta_removed;	/* those that leave first */
	size_t put;
	uint32_t lo, hi;		/* the range to be written; 0: none */
};

/* ---- life ---- */

static struct context *
context_of(struct list *node)
{
	return CONTAINER_OF(node, struct context, node);
}

static struct contexts *
contexts_of(struct imap *im)
{
	struct contexts *cs = im->contexts;

	if (cs)
		return cs;
	cs = im->contexts = xcalloc(1, sizeof *cs);
	list_init(&cs->list);
	return cs;
}

static void
context_free(struct imap *im, struct context *c)
{
	list_remove(&c->node);
	im->contexts->count--;
	free(c->tag);
	arena_release(&c->arena);
	arena_release(&c->texts);
	uidset_release(&c->results);
	free(c->order);
	budget_give(im->s.env->budget, c->charged);
	free(c);
}

/* The one at work is done, or given up. */
static void
end_look(struct contexts *cs)
{
	finder_release(&cs->f);
	uidset_release(&cs->removed);
	uidset_release(&cs->added);
	if (cs->job)
		op_free(&cs->job->j.op);
	cs->job = NULL;
	free(cs->deltas);
	cs->deltas = NULL;
	cs->delta_count = cs->delta_removed = cs->put = 0;
	cs->lo = cs->hi = 0;
}

void
contexts_release(struct imap *im)
{
	struct contexts *cs = im->contexts;

	if (!cs)
		return;
	end_look(cs);
	uidset_release(&cs->noted);
	uidset_release(&cs->among);
	while (!list_is_empty(&cs->list))
		context_free(im, context_of(cs->list.next));
	free(cs);
	im->contexts = NULL;
}

static struct context *
find_context(const struct imap *im, struct span tag)
{
	if (!im->contexts)
		return NULL;
	LIST_FOREACH(node, &im->contexts->list) {
		struct context *c = context_of(node);

		if (span_eq(span_make(c->tag, c->tag_len), tag))
			return c;
	}
	return NULL;
}

bool
context_is_tag_used(const struct imap *im)
{
	return find_context(im, im->cmd.tag) != NULL;
}

bool
context_cancel(struct imap *im, struct span tag)
{
	struct context *c = find_context(im, tag);

	if (c)
		context_free(im, c);
	return c != NULL;
}

/* Charges what it has now. ERR_BUDGET: it cannot stay. */
static int
charge(struct imap *im, struct context *c)
{
	size_t bytes = c->results.cap * sizeof *c->results.v +
	    c->order_count * sizeof *c->order + c->texts.used;
	int err = 0;

	if (bytes > c->charged)
		err = budget_take(im->s.env->budget, bytes - c->charged);
	else
		budget_give(im->s.env->budget, c->charged - bytes);
	if (err == 0)
		c->charged = bytes;
	return err;
}

/* RFC 5267 section 4.3.1 */
static void
put_noupdate(struct imap *im, struct span tag, const char *why)
{
	buf_adds(im->s.out, "* NO [NOUPDATE ");
	imap_put_quoted(im->s.out, tag);
	buf_adds(im->s.out, "] ");
	buf_adds(im->s.out, why);
	buf_adds(im->s.out, "\r\n");
}

static void
give_up(struct imap *im, struct context *c)
{
	put_noupdate(im, span_make(c->tag, c->tag_len),
	    "No memory to go on with this");
	context_free(im, c);
}

/* The keys' texts go along; rows turn into UIDs. */
static void
take_order(struct context *c, struct rjob_sort *job)
{
	for (size_t i = 0; i < job->row_count; i++) {
		job->items[i].row = job->rows[job->items[i].row].uid;
		c->texts_len += job->items[i].rest_len;
	}
	c->order = job->items;
	c->order_count = job->row_count;
	c->texts = job->keys;
	job->items = NULL;
	job->keys = (struct arena){ 0 };
	c->terms = arena_memdup(&c->arena, job->terms,
	    job->term_count * sizeof *job->terms);
	c->term_count = job->term_count;
}

void
context_add(struct imap *im, const struct uidset *found,
    struct rjob_sort *job)
{
	struct contexts *cs = contexts_of(im);
	struct context *c;

	if (cs->count == IMAP_CONTEXTS_MAX) {
		put_noupdate(im, im->cmd.tag, "Too many contexts");
		return;
	}
	c = xcalloc(1, sizeof *c);
	list_add_tail(&cs->list, &c->node);
	cs->count++;
	c->tag = xmemdup(im->cmd.tag.p, im->cmd.tag.len);
	c->tag_len = im->cmd.tag.len;
	c->uid = im->cmd.uid;
	c->key = search_key_copy(im->cmd.args.search.key, &c->arena);
	uidset_copy(&c->results, found);
	if (job)
		take_order(c, job);
	if (charge(im, c) < 0)
		give_up(im, c);
}

/* ---- news ---- */

void
contexts_note_range(struct imap *im, uint32_t lo, uint32_t hi)
{
	if (im->contexts && im->contexts->count && lo <= hi)
		uidset_add(&im->contexts->noted, lo, hi);
}

void
contexts_note(struct imap *im, const struct uidset *uids)
{
	if (im->contexts && im->contexts->count)
		uidset_merge(&im->contexts->noted, uids);
}

/* Keywords that nobody had used have a bit now. Depth: as deep as parsed. */
static void
resolve_keywords(const struct imap *im, struct search_key *k)
{
	int bit;

	for (size_t i = 0; i < k->kid_count; i++)
		resolve_keywords(im, k->kids[i]);
	if (k->op != SEARCH_NONE || k->name.len == 0)
		return;
	bit = view_find_keyword(&im->view, k->name);
	if (bit < 0)
		return;
	k->op = SEARCH_FLAGS;
	k->mask = 1ull << bit;
}

void
contexts_note_keywords(struct imap *im)
{
	if (!im->contexts)
		return;
	LIST_FOREACH(node, &im->contexts->list)
		resolve_keywords(im, context_of(node)->key);
}

static void
put_head(struct imap *im, const struct context *c)
{
	buf_adds(im->s.out, "* ESEARCH (TAG ");
	imap_put_quoted(im->s.out, span_make(c->tag, c->tag_len));
	buf_adds(im->s.out, c->uid ? ") UID" : ")");
}

/* Takes it out of the order; returns its place there, from 1. */
static uint32_t
take_place(struct context *c, uint32_t uid)
{
	size_t i = 0;

	while (i < c->order_count && c->order[i].row != uid)
		i++;
	if (i == c->order_count)
		return 0;
	c->texts_len -= c->order[i].rest_len;
	c->order_count--;
	memmove(c->order + i, c->order + i + 1,
	    (c->order_count - i) * sizeof *c->order);
	return (uint32_t)i + 1;
}

bool
contexts_expunge(struct imap *im, uint32_t seq, uint32_t uid)
{
	bool has_told = false;

	if (!im->contexts)
		return false;
	LIST_FOREACH(node, &im->contexts->list) {
		struct context *c = context_of(node);

		if (!uidset_has(&c->results, uid))
			continue;
		uidset_remove(&c->results, uid, uid);
		put_head(im, c);
		buf_adds(im->s.out, " REMOVEFROM (");
		buf_addu(im->s.out, take_place(c, uid));
		buf_addc(im->s.out, ' ');
		buf_addu(im->s.out, c->uid ? uid : seq);
		buf_adds(im->s.out, ")\r\n");
		has_told = true;
	}
	return has_told;
}

/* ---- what has changed ---- */

static struct delta *
add_delta(struct contexts *cs, uint32_t uid)
{
	struct delta *d = &cs->deltas[cs->delta_count++];

	*d = (struct delta){ .uid = uid };
	return d;
}

/* RFC 5267 section 4.3.2: without an order there need be no places. */
static void
note_unordered(struct contexts *cs, const struct uidset *uids)
{
	bool is_first = true;

	for (size_t i = 0; i < uids->n; i++) {
		for (uint64_t u = uids->v[i].lo; u <= uids->v[i].hi; u++) {
			add_delta(cs, (uint32_t)u)->is_first = is_first;
			is_first = false;
		}
	}
}

/* Each run leaves from where it stands once those before it have left. */
static void
remove_ordered(struct contexts *cs, struct context *c)
{
	bool was_removed = false;
	size_t kept = 0;

	for (size_t i = 0; i < c->order_count; i++) {
		struct delta *d;

		if (!uidset_has(&cs->removed, c->order[i].row)) {
			c->order[kept++] = c->order[i];
			was_removed = false;
			continue;
		}
		d = add_delta(cs, c->order[i].row);
		d->pos = (uint32_t)kept + 1;
		d->is_first = !was_removed;
		was_removed = true;
		c->texts_len -= c->order[i].rest_len;
	}
	c->order_count = kept;
}

/* Where the item belongs: behind all that are not greater. */
static size_t
seek_place(const struct context *c, const struct sort_item *item)
{
	size_t lo = 0, hi = c->order_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = sort_item_compare(&c->order[mid], item);

		if (order < 0 || (order == 0 && c->order[mid].row < item->row))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Both are in order; each of the new ones is told at its last place. */
static void
insert_ordered(struct contexts *cs, struct context *c)
{
	const struct rjob_sort *job = cs->job;
	size_t n = job->row_count, old = 0, to = 0, last = SIZE_MAX;
	struct sort_item *v = xcalloc(c->order_count + n, sizeof *v);

	for (size_t i = 0; i < n; i++) {
		struct sort_item item = job->items[i];
		struct delta *d;
		size_t place;

		item.row = job->rows[item.row].uid;
		item.rest = arena_memdup(&c->texts, item.rest, item.rest_len);
		c->texts_len += item.rest_len;
		place = seek_place(c, &item);
		if (place > old)
			memcpy(v + to, c->order + old,
			    (place - old) * sizeof *v);
		to += place - old;
		old = place;
		d = add_delta(cs, item.row);
		d->pos = (uint32_t)to + 1;
		d->is_first = place != last;
		last = place;
		v[to++] = item;
	}
	if (c->order_count > old)
		memcpy(v + to, c->order + old,
		    (c->order_count - old) * sizeof *v);
	free(c->order);
	c->order = v;
	c->order_count += n;
}

/* Texts of what has left are not given back one by one. */
static void
tidy_texts(struct context *c)
{
	struct arena fresh = { 0 };

	if (c->texts.used <= 2 * c->texts_len + 64 * 1024)
		return;
	for (size_t i = 0; i < c->order_count; i++)
		c->order[i].rest = arena_memdup(&fresh, c->order[i].rest,
		    c->order[i].rest_len);
	arena_release(&c->texts);
	c->texts = fresh;
}

/* ---- telling ---- */

static void
put_range(struct imap *im, struct contexts *cs)
{
	if (cs->lo == 0)
		return;
	buf_addu(im->s.out, cs->lo);
	if (cs->hi > cs->lo) {
		buf_addc(im->s.out, ':');
		buf_addu(im->s.out, cs->hi);
	}
	cs->lo = cs->hi = 0;
}

/* What stands before the number of the i-th. */
static void
put_before(struct imap *im, struct contexts *cs, size_t i)
{
	const struct delta *d = &cs->deltas[i];
	bool opens = i == 0 || i == cs->delta_removed;

	put_range(im, cs);
	if (i > 0 && opens)
		buf_addc(im->s.out, ')');
	if (opens)
		buf_adds(im->s.out, i < cs->delta_removed ? " REMOVEFROM (" :
		    " ADDTO (");
	else
		buf_addc(im->s.out, d->is_first ? ' ' : ',');
	if (!opens && !d->is_first)
		return;
	buf_addu(im->s.out, d->pos);
	buf_addc(im->s.out, ' ');
}

static enum imap_step
tell_deltas(struct imap *im, struct contexts *cs)
{
	const struct context *c = cs->at;

	if (cs->put == 0)
		put_head(im, c);
	for (; cs->put < cs->delta_count; cs->put++) {
		const struct delta *d = &cs->deltas[cs->put];
		uint32_t number = c->uid ? d->uid :
		    view_find_uid(&im->view, d->uid);

		if (!imap_has_time(im))
			return STEP_YIELD;
		if (!d->is_first && cs->lo && number == cs->hi + 1) {
			cs->hi = number;
			continue;
		}
		put_before(im, cs, cs->put);
		cs->lo = cs->hi = number;
	}
	put_range(im, cs);
	buf_adds(im->s.out, ")\r\n");
	return STEP_DONE;
}

/* ---- looking ---- */

/* The one at work is done: the next one, or none. */
static enum imap_step
next_context(struct imap *im, struct contexts *cs, int err)
{
	struct context *c = cs->at;
	bool is_last = c->node.next == &cs->list;

	cs->at = is_last ? NULL : context_of(c->node.next);
	tidy_texts(c);
	end_look(cs);
	if (err < 0 || charge(im, c) < 0)
		give_up(im, c);
	return STEP_DONE;
}

static enum imap_step
put_deltas(struct imap *im, struct contexts *cs)
{
	enum imap_step step = STEP_DONE;

	cs->phase = CONTEXT_PUTS;
	if (cs->delta_count)
		step = tell_deltas(im, cs);
	return step == STEP_DONE ? next_context(im, cs, 0) : step;
}

static enum imap_step
read_order(struct imap *im, struct contexts *cs)
{
	struct rjob *j = &cs->job->j;

	cs->job = NULL;
	cs->phase = CONTEXT_SORTS;
	op_adopt(&j->op, &im->s);
	store_read(im->s.env->store, j);
	return STEP_WAIT;
}

static enum imap_step
fill_order(struct imap *im, struct contexts *cs)
{
	struct msgrow row;
	uint32_t seq;

	targets_again(&cs->targets);
	while (imap_has_time(im)) {
		if (!targets_next(&cs->targets, &im->view, &seq, &row))
			return read_order(im, cs);
		rjob_sort_add(cs->job, &row);
	}
	return STEP_YIELD;
}

static enum imap_step
take_slice(struct imap *im, struct contexts *cs, struct op *op)
{
	cs->job = CONTAINER_OF(op, struct rjob_sort, j.op);
	if (op->err < 0)
		return next_context(im, cs, op->err);
	if (cs->job->j.more)
		return read_order(im, cs);
	insert_ordered(cs, cs->at);
	return put_deltas(im, cs);
}

/* What has joined and what has left, of those among the noted. */
static void
compare_results(struct contexts *cs)
{
	struct context *c = cs->at;
	struct uidset there = { 0 };

	uidset_subtract(&cs->added, &cs->f.found, &c->results);
	uidset_intersect(&there, &c->results, &cs->among);
	uidset_subtract(&cs->removed, &there, &cs->f.found);
	uidset_release(&there);
	uidset_subtract(&there, &c->results, &cs->removed);
	uidset_release(&c->results);
	c->results = there;
	uidset_merge(&c->results, &cs->added);
}

static enum imap_step
found_all(struct imap *im, struct contexts *cs)
{
	struct context *c = cs->at;
	size_t n;

	if (cs->f.err < 0)
		return next_context(im, cs, cs->f.err);
	compare_results(cs);
	n = uidset_count(&cs->removed) + uidset_count(&cs->added);
	cs->deltas = xcalloc(n, sizeof *cs->deltas);
	if (c->terms)
		remove_ordered(cs, c);
	else
		note_unordered(cs, &cs->removed);
	cs->delta_removed = cs->delta_count;
	if (!c->terms)
		note_unordered(cs, &cs->added);
	if (!c->terms || cs->added.n == 0)
		return put_deltas(im, cs);
	cs->job = rjob_sort_new(im->s.env, NULL, c->terms, c->term_count,
	    uidset_count(&cs->added));
	if (!cs->job)
		return next_context(im, cs, ERR_BUDGET);
	cs->phase = CONTEXT_FILLS;
	cs->targets = (struct targets){ .uids = cs->added };
	return fill_order(im, cs);
}

static enum imap_step
look_on(struct imap *im, struct contexts *cs, struct op *op)
{
	enum imap_step step;

	switch (cs->phase) {
	case CONTEXT_FINDS:
		step = finder_step(&cs->f, op);
		return step == STEP_DONE ? found_all(im, cs) : step;
	case CONTEXT_FILLS:
		return fill_order(im, cs);
	case CONTEXT_SORTS:
		return op ? take_slice(im, cs, op) : STEP_WAIT;
	case CONTEXT_PUTS:
		return put_deltas(im, cs);
	}
	return STEP_DONE;
}

static void
begin_look(struct imap *im, struct contexts *cs)
{
	cs->phase = CONTEXT_FINDS;
	finder_init(&cs->f, im, &im->view, cs->at->key);
	cs->f.among = &cs->among;
}

/* The first of all looks at what was noted meanwhile; false: nothing. */
static bool
begin_round(struct contexts *cs)
{
	uidset_release(&cs->among);
	if (cs->noted.n == 0 || list_is_empty(&cs->list))
		return false;
	cs->among = cs->noted;
	cs->noted = (struct uidset){ 0 };
	cs->at = context_of(cs->list.next);
	return true;
}

enum imap_step
contexts_step(struct imap *im, struct op *op)
{
	struct contexts *cs = im->contexts;

	if (!cs)
		return STEP_DONE;
	if (!cs->at) {
		if (!begin_round(cs))
			return STEP_DONE;
		begin_look(im, cs);
	}
	for (;;) {
		enum imap_step step = look_on(im, cs, op);

		op = NULL;
		if (step != STEP_DONE)
			return step;
		if (!cs->at && !begin_round(cs))
			return STEP_DONE;
		begin_look(im, cs);
	}
}
