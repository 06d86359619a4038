#include "imap/result.h"

#include "server/base/xalloc.h"

void
result_init(struct result *s, const struct finder *f, bool uid)
{
	*s = (struct result){ .f = f, .uid = uid };
}

void
result_release(struct result *s)
{
	uidset_release(&s->numbers);
}

void
result_cut_page(const struct imap *im, struct uidset *page,
    const struct uidset *of)
{
	uint64_t first, count;

	imap_partial_resolve(&im->cmd.args.search.partial, uidset_count(of),
	    &first, &count);
	uidset_slice(page, of, first, count);
}

static uint64_t
modseq_of(const struct view *v, uint32_t uid)
{
	struct msgrow row;

	(void)view_get(v, view_find_uid(v, uid), &row);
	return row.modseq;
}

/*
 * RFC 7162 3.1.6, RFC 4731 3.2: the highest of those told; of all that were
 * found, unless MIN and MAX are all that is told.
 */
static uint64_t
modseq_told(const struct imap *im, const struct result *s)
{
	const struct imap_search_args *a = &im->cmd.args.search;
	const struct uidset *f = &s->f->found;
	uint64_t modseq = 0;

	if (!a->esearch || a->partial.is_given || (a->returns &
	    (SEARCH_RETURN_ALL | SEARCH_RETURN_COUNT)))
		return s->f->modseq;
	if (a->returns & SEARCH_RETURN_MIN)
		modseq = modseq_of(s->f->view, f->v[0].lo);
	if (a->returns & SEARCH_RETURN_MAX)
		modseq = MAX(modseq, modseq_of(s->f->view,
		    f->v[f->n - 1].hi));
	return modseq;
}

static void
put_modseq(struct imap *im, const struct result *s)
{
	struct buf *out = im->s.out;

	if (!im->cmd.args.search.has_modseq || s->f->found.n == 0)
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
put_partial_head(struct imap *im, struct result *s)
{
	struct uidset page = { 0 };

	result_cut_page(im, &page, &s->numbers);
	finder_put_partial(im, page.n == 0);
	uidset_release(&s->numbers);
	s->numbers = page;
}

static void
put_correlator(struct imap *im, const struct result *s)
{
	struct buf *out = im->s.out;

	if (!s->mailbox) {
		finder_put_esearch(im);
		return;
	}
	/* RFC 7377 section 2.1 */
	buf_adds(out, "* ESEARCH (TAG ");
	imap_put_quoted(out, im->cmd.tag);
	buf_adds(out, " MAILBOX ");
	imap_put_mailbox(out, span_of(s->mailbox), im->is_utf8);
	buf_adds(out, " UIDVALIDITY ");
	buf_addu(out, view_uidvalidity(s->f->view));
	buf_adds(out, ") UID");
}

/* RFC 4731 section 3.1: MIN, MAX and ALL are not there if nothing was found. */
static void
put_esearch_head(struct imap *im, struct result *s)
{
	unsigned returns = im->cmd.args.search.returns;
	const struct uidset *f = &s->numbers;
	struct buf *out = im->s.out;

	put_correlator(im, s);
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
put_range(struct imap *im, struct result *s)
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
put_number(struct imap *im, struct result *s)
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
make_numbers(struct imap *im, struct result *s)
{
	const struct uidset *f = &s->f->found;

	if (s->uid && s->numbers.n == 0)
		uidset_copy(&s->numbers, f);
	for (; !s->uid && s->numbered < f->n; s->numbered++) {
		const struct uidrange *r = &f->v[s->numbered];
		uint32_t seq;

		if (!imap_has_time(im))
			return false;
		seq = view_find_uid(s->f->view, r->lo);
		uidset_add(&s->numbers, seq, seq + (r->hi - r->lo));
	}
	return true;
}

/* RFC 6203 section 4: as many scores as there are numbers. */
static bool
put_scores(struct imap *im, struct result *s)
{
	const struct imap_search_args *a = &im->cmd.args.search;
	uint64_t n = uidset_count(&s->f->found), first = 0, count = n;

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

bool
result_put(struct imap *im, struct result *s)
{
	bool is_esearch = im->cmd.args.search.esearch;

	if (!make_numbers(im, s))
		return false;
	if (!s->is_putting) {
		s->is_putting = true;
		if (is_esearch)
			put_esearch_head(im, s);
		else
			buf_adds(im->s.out, "* SEARCH");
	}
	while (s->range < s->numbers.n) {
		if (!imap_has_time(im))
			return false;
		if (is_esearch)
			put_range(im, s);
		else
			put_number(im, s);
	}
	if (im->cmd.args.search.partial.is_given && !s->has_scores)
		buf_addc(im->s.out, ')');
	if (!put_scores(im, s))
		return false;
	put_modseq(im, s);
	buf_adds(im->s.out, "\r\n");
	return true;
}
