/*
 * SEARCH and UID SEARCH (RFC 3501 section 6.4.4), ESEARCH (RFC 4731), MODSEQ
 * (RFC 7162 section 3.1.5), SAVE (RFC 5182), PARTIAL (RFC 9394).
 *
 * finder.c finds; here is the answer. The view does not move while a command
 * runs, so what was found stays true.
 */
#include "imap/context.h"
#include "imap/finder.h"
#include "imap/sync.h"
#include "server/base/xalloc.h"

struct search {
	struct finder f;
	bool is_found;
	/* The answer's numbers, and where in found their making is. */
	struct uidset numbers;
	size_t numbered;
	bool is_putting;
	size_t range;			/* in numbers */
	uint64_t scored;		/* places whose relevancy is told */
	bool has_scores;
	uint32_t number;		/* 0: the range's first */
};

static void
search_release(struct imap *im)
{
	struct search *s = im->cmd.state;

	finder_forget_refused(im);
	finder_release(&s->f);
	uidset_release(&s->numbers);
}

/* ---- the answer ---- */

/* The page asked for of what was found, or of its numbers. */
static void
cut_page(const struct imap *im, struct uidset *page, const struct uidset *of)
{
	uint64_t first, count;

	imap_partial_resolve(&im->cmd.args.search.partial, uidset_count(of),
	    &first, &count);
	uidset_slice(page, of, first, count);
}

static uint64_t
modseq_of(const struct imap *im, uint32_t uid)
{
	struct msgrow row;

	(void)view_get(&im->view, view_find_uid(&im->view, uid), &row);
	return row.modseq;
}

/*
 * RFC 7162 3.1.6, RFC 4731 3.2: the highest of those told; of all that were
 * found, unless MIN and MAX are all that is told.
 */
static uint64_t
modseq_told(const struct imap *im, const struct search *s)
{
	const struct imap_search_args *a = &im->cmd.args.search;
	const struct uidset *f = &s->f.found;
	uint64_t modseq = 0;

	if (!a->esearch || a->partial.is_given || (a->returns &
	    (SEARCH_RETURN_ALL | SEARCH_RETURN_COUNT)))
		return s->f.modseq;
	if (a->returns & SEARCH_RETURN_MIN)
		modseq = modseq_of(im, f->v[0].lo);
	if (a->returns & SEARCH_RETURN_MAX)
		modseq = MAX(modseq, modseq_of(im, f->v[f->n - 1].hi));
	return modseq;
}

static void
put_modseq(struct imap *im, const struct search *s)
{
	struct buf *out = im->s.out;

	if (!im->cmd.args.search.has_modseq || s->f.found.n == 0)
		return;
	buf_adds(out, im->cmd.args.search.esearch ? " MODSEQ " :
	    " (MODSEQ ");
	buf_addu(out, modseq_told(im, s));
	if (!im->cmd.args.search.esearch)
		buf_addc(out, ')');
	im->cmd.told_modseq = true;
}

/* RFC 9394 section 3.1: of the numbers one page is left. */
static void
put_partial_head(struct imap *im, struct search *s)
{
	struct uidset page = { 0 };

	cut_page(im, &page, &s->numbers);
	finder_put_partial(im, page.n == 0);
	uidset_release(&s->numbers);
	s->numbers = page;
}

/* RFC 4731 section 3.1: MIN, MAX and ALL are not there if nothing was found. */
static void
put_esearch_head(struct imap *im, struct search *s)
{
	unsigned returns = im->cmd.args.search.returns;
	const struct uidset *f = &s->numbers;
	struct buf *out = im->s.out;

	finder_put_esearch(im);
	if ((returns & SEARCH_RETURN_MIN) && f->n) {
		buf_adds(out, " MIN ");
		buf_addu(out, f->v[0].lo);
	}
	if ((returns & SEARCH_RETURN_MAX) && f->n) {
		buf_adds(out, " MAX ");
		buf_addu(out, f->v[f->n - 1].hi);
	}
	if (returns & SEARCH_RETURN_COUNT) {
		buf_adds(out, " COUNT ");
		buf_addu(out, uidset_count(f));
	}
	if (im->cmd.args.search.partial.is_given)
		put_partial_head(im, s);
	else if (!(returns & SEARCH_RETURN_ALL))
		s->range = f->n;
	else if (f->n)
		buf_adds(out, " ALL ");
}

/* One range of ESEARCH's set. */
static void
put_range(struct imap *im, struct search *s)
{
	const struct uidrange *r = &s->numbers.v[s->range];
	struct buf *out = im->s.out;

	if (s->range++ > 0)
		buf_addc(out, ',');
	buf_addu(out, r->lo);
	if (r->hi > r->lo) {
		buf_addc(out, ':');
		buf_addu(out, r->hi);
	}
}

/* One number of SEARCH's list. */
static void
put_number(struct imap *im, struct search *s)
{
	const struct uidrange *r = &s->numbers.v[s->range];

	if (s->number == 0)
		s->number = r->lo;
	buf_addc(im->s.out, ' ');
	buf_addu(im->s.out, s->number);
	if (s->number < r->hi) {
		s->number++;
		return;
	}
	s->number = 0;
	s->range++;
}

/*
 * The numbers of the answer, as long as the step may produce. A range of UIDs
 * that were found is one of sequence numbers: nothing lies between them.
 */
static bool
search_number(struct imap *im, struct search *s)
{
	const struct uidset *f = &s->f.found;

	if (im->cmd.uid && s->numbers.n == 0)
		uidset_copy(&s->numbers, f);
	for (; !im->cmd.uid && s->numbered < f->n; s->numbered++) {
		const struct uidrange *r = &f->v[s->numbered];
		uint32_t seq;

		if (!imap_has_time(im))
			return false;
		seq = view_find_uid(&im->view, r->lo);
		uidset_add(&s->numbers, seq, seq + (r->hi - r->lo));
	}
	return true;
}

/* RFC 6203 section 4: as many scores as there are numbers. */
static bool
put_scores(struct imap *im, struct search *s)
{
	const struct imap_search_args *a = &im->cmd.args.search;
	uint64_t n = uidset_count(&s->f.found), first = 0, count = n;

	if (!(a->returns & SEARCH_RETURN_RELEVANCY))
		return true;
	if (a->partial.is_given)
		imap_partial_resolve(&a->partial, n, &first, &count);
	if (!s->has_scores) {
		s->has_scores = true;
		s->scored = first;
		buf_adds(im->s.out, " RELEVANCY (");
	}
	for (; s->scored < first + count; s->scored++) {
		if (!imap_has_time(im))
			return false;
		if (s->scored > first)
			buf_addc(im->s.out, ' ');
		buf_addu(im->s.out, finder_relevancy(s->scored, n));
	}
	buf_addc(im->s.out, ')');
	return true;
}

static enum imap_step
search_end(struct imap *im, const struct search *s, const char *text)
{
	if (im->cmd.args.search.update)
		context_add(im, &s->f.found, NULL);
	return imap_ok(im, NULL, text);
}

static enum imap_step
search_put(struct imap *im, struct search *s)
{
	bool is_esearch = im->cmd.args.search.esearch;

	if (!search_number(im, s))
		return STEP_YIELD;
	if (!s->is_putting) {
		s->is_putting = true;
		if (is_esearch)
			put_esearch_head(im, s);
		else
			buf_adds(im->s.out, "* SEARCH");
	}
	while (s->range < s->numbers.n) {
		if (!imap_has_time(im))
			return STEP_YIELD;
		if (is_esearch)
			put_range(im, s);
		else
			put_number(im, s);
	}
	if (im->cmd.args.search.partial.is_given && !s->has_scores)
		buf_addc(im->s.out, ')');
	if (!put_scores(im, s))
		return STEP_YIELD;
	put_modseq(im, s);
	buf_adds(im->s.out, "\r\n");
	return search_end(im, s, "SEARCH completed");
}

/* ---- the command ---- */

static int
search_save(struct imap *im, const struct uidset *found)
{
	struct uidset page = { 0 };

	if (im->cmd.args.search.partial.is_given)
		cut_page(im, &page, found);
	return finder_save(im, found, found->n ? found->v[0].lo : 0,
	    found->n ? found->v[found->n - 1].hi : 0, &page);
}

static enum imap_step
search_over(struct imap *im, struct search *s)
{
	const struct imap_search_args *a = &im->cmd.args.search;
	const struct uidset *f = &s->f.found;

	if (s->f.err < 0)
		return imap_fail(im, s->f.err);
	s->is_found = true;
	if (a->save && search_save(im, f) < 0)
		return imap_no(im, "NOTSAVED",
		    "No memory to save the result in");
	if (a->save && a->returns == 0 && !a->partial.is_given)
		return search_end(im, s, "SEARCH completed, result saved");
	return search_put(im, s);
}

static enum imap_step
search_look(struct imap *im, struct search *s, struct op *op)
{
	enum imap_step step = finder_step(&s->f, op);

	return step == STEP_DONE ? search_over(im, s) : step;
}

enum imap_step
imap_run_search(struct imap *im)
{
	struct imap_search_args *a = &im->cmd.args.search;
	struct search *s = arena_alloc(&im->cmd.arena, sizeof *s);

	im->cmd.state = s;
	im->cmd.release = search_release;
	/* RFC 9051 section 6.4.4: there is no other answer any more. */
	if (im->is_rev2 && !a->esearch) {
		a->esearch = true;
		a->returns = SEARCH_RETURN_ALL;
	}
	if (a->update && context_is_tag_used(im))
		return imap_bad(im, "This tag is that of a context");
	if (a->is_charset_unknown)
		return imap_no(im, IMAP_BADCHARSET, "Unknown charset");
	if (imap_is_page_over(im, &a->partial))
		return imap_no(im, imap_limit_code(im), "The page is too large");
	if (a->has_modseq)
		imap_enable_condstore(im);
	finder_resolve(im, a);
	finder_init(&s->f, im, &im->view, a->key);
	s->f.next_uid = imap_limit_search(im, a->key);
	s->f.wants_modseq = a->has_modseq;
	return search_look(im, s, NULL);
}

enum imap_step
imap_done_search(struct imap *im, struct op *op)
{
	struct search *s = im->cmd.state;

	return s->is_found ? search_put(im, s) : search_look(im, s, op);
}

enum imap_step
imap_run_cancelupdate(struct imap *im)
{
	const struct imap_cancel_args *a = &im->cmd.args.cancel;
	bool is_known = true;

	for (size_t i = 0; i < a->count; i++)
		is_known &= context_cancel(im, a->tags[i]);
	if (!is_known)
		return imap_bad(im, "There is no context with such a tag");
	return imap_ok(im, NULL, "No further updates");
}
