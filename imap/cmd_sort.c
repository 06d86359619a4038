/*
 * SORT and UID SORT (RFC 5256 section 3), ESORT (RFC 5267 section 3): what
 * finder.c found is put in order by a reader.
 */
#include <stdlib.h>

#include "imap/context.h"
#include "imap/finder.h"
#include "imap/sync.h"
#include "imap/targets.h"
#include "server/base/xalloc.h"
#include "store/read.h"

enum sort_phase { SORT_FINDS, SORT_FILLS, SORT_READS, SORT_PUTS };

struct sort {
	struct finder f;
	enum sort_phase phase;
	struct targets targets;		/* of f.found, while rows are filled */
	struct rjob_sort *job;		/* ours but while a reader has it */
	/* The answer: up to put the items are in it; lo..hi is to come. */
	size_t put, end;
	bool has_range;
	uint32_t lo, hi;
	size_t scored;			/* of them the relevancy is told */
	bool has_scores;
};

static void
sort_release(struct imap *im)
{
	struct sort *s = im->cmd.state;

	finder_forget_refused(im);
	finder_release(&s->f);
	if (s->job)
		op_free(&s->job->j.op);
}

/* ---- the answer ---- */

static uint32_t
uid_at(const struct sort *s, size_t i)
{
	return s->job->rows[s->job->items[i].row].uid;
}

static uint32_t
number_at(const struct imap *im, const struct sort *s, size_t i)
{
	uint32_t uid = uid_at(s, i);

	return im->cmd.uid ? uid : view_find_uid(&im->view, uid);
}

static uint64_t
modseq_at(const struct imap *im, const struct sort *s, size_t i)
{
	struct msgrow row;

	(void)view_get(&im->view, view_find_uid(&im->view, uid_at(s, i)),
	    &row);
	return row.modseq;
}

/* RFC 7162 3.1.6: as for SEARCH. */
static void
put_modseq(struct imap *im, const struct sort *s)
{
	const struct imap_search_args *a = &im->cmd.args.search;
	struct buf *out = im->s.out;
	uint64_t modseq = s->f.modseq;

	if (!a->has_modseq || s->job->row_count == 0)
		return;
	if (a->esearch && !a->partial.is_given &&
	    !(a->returns & (SEARCH_RETURN_ALL |
	    SEARCH_RETURN_COUNT))) {
		modseq = a->returns & SEARCH_RETURN_MIN ?
		    modseq_at(im, s, 0) : 0;
		if (a->returns & SEARCH_RETURN_MAX)
			modseq = MAX(modseq, modseq_at(im, s,
			    s->job->row_count - 1));
	}
	buf_adds(out, a->esearch ? " MODSEQ " : " (MODSEQ ");
	buf_addu(out, modseq);
	if (!a->esearch)
		buf_addc(out, ')');
	im->cmd.told_modseq = true;
}

/* The places of the page asked for. */
static void
page_of(const struct imap *im, const struct sort *s, size_t *first,
    size_t *end)
{
	uint64_t from, count;

	imap_partial_resolve(&im->cmd.args.search.partial, s->job->row_count,
	    &from, &count);
	*first = from;
	*end = from + count;
}

/* RFC 5267 section 4.4: it is cut from what is in order. */
static void
put_partial_head(struct imap *im, struct sort *s)
{
	page_of(im, s, &s->put, &s->end);
	finder_put_partial(im, s->put == s->end);
}

/* RFC 5267 section 3.1: MIN and MAX are the first and the last. */
static void
put_esort_head(struct imap *im, struct sort *s)
{
	unsigned returns = im->cmd.args.search.returns;
	size_t n = s->job->row_count;
	struct buf *out = im->s.out;

	finder_put_esearch(im);
	if ((returns & SEARCH_RETURN_MIN) && n) {
		buf_adds(out, " MIN ");
		buf_addu(out, number_at(im, s, 0));
	}
	if ((returns & SEARCH_RETURN_MAX) && n) {
		buf_adds(out, " MAX ");
		buf_addu(out, number_at(im, s, n - 1));
	}
	if (returns & SEARCH_RETURN_COUNT) {
		buf_adds(out, " COUNT ");
		buf_addu(out, n);
	}
	if (im->cmd.args.search.partial.is_given)
		put_partial_head(im, s);
	else if (!(returns & SEARCH_RETURN_ALL))
		s->put = n;
	else if (n)
		buf_adds(out, " ALL ");
}

static void
put_range(struct imap *im, const struct sort *s)
{
	struct buf *out = im->s.out;

	buf_addu(out, s->lo);
	if (s->hi > s->lo) {
		buf_addc(out, ':');
		buf_addu(out, s->hi);
	}
}

/* RFC 5267 section 3.2: a range only where numbers rise. */
static bool
put_ranges(struct imap *im, struct sort *s)
{
	for (; s->put < s->end; s->put++) {
		uint32_t number = number_at(im, s, s->put);

		if (!imap_has_time(im))
			return false;
		if (s->has_range && number == s->hi + 1) {
			s->hi = number;
			continue;
		}
		if (s->has_range) {
			put_range(im, s);
			buf_addc(im->s.out, ',');
		}
		s->lo = s->hi = number;
		s->has_range = true;
	}
	if (s->has_range)
		put_range(im, s);
	s->has_range = false;
	return true;
}

static bool
put_numbers(struct imap *im, struct sort *s)
{
	for (; s->put < s->end; s->put++) {
		if (!imap_has_time(im))
			return false;
		buf_addc(im->s.out, ' ');
		buf_addu(im->s.out, number_at(im, s, s->put));
	}
	return true;
}

/* RFC 6203 section 6: in the order of the answer. */
static bool
put_scores(struct imap *im, struct sort *s)
{
	size_t first = 0, end = s->job->row_count;

	if (!(im->cmd.args.search.returns & SEARCH_RETURN_RELEVANCY))
		return true;
	if (im->cmd.args.search.partial.is_given)
		page_of(im, s, &first, &end);
	if (!s->has_scores) {
		s->has_scores = true;
		s->scored = first;
		buf_adds(im->s.out, " RELEVANCY (");
	}
	for (; s->scored < end; s->scored++) {
		if (!imap_has_time(im))
			return false;
		if (s->scored > first)
			buf_addc(im->s.out, ' ');
		buf_addu(im->s.out, finder_relevancy(
		    s->job->items[s->scored].row, s->job->row_count));
	}
	buf_addc(im->s.out, ')');
	return true;
}

static enum imap_step
sort_end(struct imap *im, const struct sort *s, const char *text)
{
	if (im->cmd.args.search.update)
		context_add(im, &s->f.found, s->job);
	return imap_ok(im, NULL, text);
}

static enum imap_step
sort_put(struct imap *im, struct sort *s)
{
	bool is_over = im->cmd.args.search.esearch ? put_ranges(im, s) :
	    put_numbers(im, s);

	if (!is_over)
		return STEP_YIELD;
	if (im->cmd.args.search.partial.is_given && !s->has_scores)
		buf_addc(im->s.out, ')');
	if (!put_scores(im, s))
		return STEP_YIELD;
	put_modseq(im, s);
	buf_adds(im->s.out, "\r\n");
	return sort_end(im, s, "SORT completed");
}

/* The UIDs at first..end-1; by way of their rows, as a set grows rising. */
static void
uids_of_page(const struct sort *s, size_t first, size_t end,
    struct uidset *page)
{
	const struct rjob_sort *job = s->job;
	bool *is_in = xcalloc(job->row_count, sizeof *is_in);

	for (size_t i = first; i < end; i++)
		is_in[job->items[i].row] = true;
	for (size_t i = 0; i < job->row_count; i++)
		if (is_in[i])
			uidset_add(page, job->rows[i].uid, job->rows[i].uid);
	free(is_in);
}

static int
sort_save(struct imap *im, struct sort *s)
{
	size_t n = s->job->row_count, first, end;
	struct uidset page = { 0 };

	if (im->cmd.args.search.partial.is_given) {
		page_of(im, s, &first, &end);
		uids_of_page(s, first, end, &page);
	}
	return finder_save(im, &s->f.found, n ? uid_at(s, 0) : 0,
	    n ? uid_at(s, n - 1) : 0, &page);
}

/* All is in order. */
static enum imap_step
sort_over(struct imap *im, struct sort *s)
{
	const struct imap_search_args *a = &im->cmd.args.search;

	s->phase = SORT_PUTS;
	s->end = s->job->row_count;
	if (a->save && sort_save(im, s) < 0)
		return imap_no(im, "NOTSAVED",
		    "No memory to save the result in");
	if (a->save && a->returns == 0 && !a->partial.is_given)
		return sort_end(im, s, "SORT completed, result saved");
	if (a->esearch)
		put_esort_head(im, s);
	else
		buf_adds(im->s.out, "* SORT");
	return sort_put(im, s);
}

/* ---- the order ---- */

static enum imap_step
sort_read(struct imap *im, struct sort *s)
{
	struct rjob *j = &s->job->j;

	s->job = NULL;
	s->phase = SORT_READS;
	op_adopt(&j->op, &im->s);
	store_read(im->s.env->store, j);
	return STEP_WAIT;
}

/* Tells the reader of each message found. */
static enum imap_step
sort_fill(struct imap *im, struct sort *s)
{
	struct msgrow row;
	uint32_t seq;

	targets_again(&s->targets);
	while (imap_has_time(im)) {
		if (!targets_next(&s->targets, &im->view, &seq, &row))
			return sort_read(im, s);
		rjob_sort_add(s->job, &row);
	}
	return STEP_YIELD;
}

/* A slice of the reader's. */
static enum imap_step
sort_slice(struct imap *im, struct sort *s, struct op *op)
{
	s->job = CONTAINER_OF(op, struct rjob_sort, j.op);
	if (op->err < 0)
		return imap_fail(im, op->err);
	return s->job->j.more ? sort_read(im, s) : sort_over(im, s);
}

/* ---- the command ---- */

static enum imap_step
sort_find(struct imap *im, struct sort *s, struct op *op)
{
	const struct imap_search_args *a = &im->cmd.args.search;
	enum imap_step step = finder_step(&s->f, op);

	if (step != STEP_DONE)
		return step;
	if (s->f.err < 0)
		return finder_fail(&s->f);
	s->job = rjob_sort_new(im->s.env, NULL, a->terms, a->term_count,
	    uidset_count(&s->f.found));
	if (!s->job)
		return imap_fail(im, ERR_BUDGET);
	s->phase = SORT_FILLS;
	s->targets.uids = s->f.found;
	return sort_fill(im, s);
}

enum imap_step
imap_run_sort(struct imap *im)
{
	struct imap_search_args *a = &im->cmd.args.search;
	struct sort *s = arena_alloc(&im->cmd.arena, sizeof *s);

	im->cmd.state = s;
	im->cmd.release = sort_release;
	if (a->update && context_is_tag_used(im))
		return imap_bad(im, "This tag is that of a context");
	if (a->is_charset_unknown)
		return imap_no(im, IMAP_BADCHARSET, "Unknown charset");
	finder_init_args(&s->f, im, &im->view, a);
	return sort_find(im, s, NULL);
}

enum imap_step
imap_done_sort(struct imap *im, struct op *op)
{
	struct sort *s = im->cmd.state;

	switch (s->phase) {
	case SORT_FINDS:
		return sort_find(im, s, op);
	case SORT_FILLS:
		return sort_fill(im, s);
	case SORT_READS:
		return sort_slice(im, s, op);
	case SORT_PUTS:
		return sort_put(im, s);
	}
	return STEP_WAIT;
}
