/*
 * SEARCH and UID SEARCH (RFC 3501 section 6.4.4), ESEARCH (RFC 4731), MODSEQ
 * (RFC 7162 section 3.1.5).
 *
 * Two steps for each message: what its row in the view can tell (flags, UID,
 * size, arrival), here and in turns; and for those left undecided a reader,
 * some hundred at a time, so that neither a large mailbox nor many hits need
 * much memory. What is found is kept as the numbers that the answer will have:
 * the view does not move while a command runs, so they stay true.
 *
 * A message that is expunged, but not told yet, is not found.
 */
#include <stdlib.h>
#include <string.h>

#include "imap/imap_priv.h"
#include "imap/sync.h"
#include "server/base/xalloc.h"
#include "store/read.h"

#define BATCH_ROWS 512	/* 24 KiB; about what a slice of a reader does */

struct search {
	uint64_t next_uid;		/* look at this and those above */
	struct search_row *rows;	/* for the reader; BATCH_ROWS, or NULL */
	size_t row_count;
	/* UIDs or sequence numbers: by row alone, and by readers. */
	struct uidset found, read;
	uint64_t modseq;		/* the highest found */
	/* The answer: where in found it is. */
	bool is_putting;
	size_t range;
	uint32_t number;		/* 0: the range's first */
};

static void
search_release(struct imap *im)
{
	struct search *s = im->cmd.state;

	free(s->rows);
	uidset_release(&s->found);
	uidset_release(&s->read);
}

/* ---- what the mailbox knows of the keys ---- */

struct names {
	struct imap_search_names n;
	const struct imap *im;
};

/*
 * Deviation from RFC 3501 section 9, where a number beyond the last is a BAD
 * command: here it matches nothing. Clients count on a mailbox that others
 * are about to empty.
 */
static void
add_numbers(const struct imap *im, const struct seqrange *asked,
    struct uidset *out)
{
	uint32_t count = view_count(&im->view);
	struct seqrange r = imap_seqrange_resolve(*asked, count);
	struct seqset one = { &r, 1 };

	if (r.lo > count || r.hi == 0)
		return;
	r.lo = MAX(r.lo, 1);
	r.hi = MIN(r.hi, count);
	(void)imap_resolve_set(im, &one, false, out);
}

static void
names_set(struct imap_search_names *n, const struct seqset *set, bool uid,
    struct uidset *out)
{
	const struct imap *im = CONTAINER_OF(n, struct names, n)->im;

	if (uid) {
		(void)imap_resolve_set(im, set, true, out);
		return;
	}
	for (size_t i = 0; i < set->n; i++)
		add_numbers(im, &set->v[i], out);
}

static int
names_keyword(struct imap_search_names *n, struct span name)
{
	return view_find_keyword(&CONTAINER_OF(n, struct names, n)->im->view,
	    name);
}

/* ---- the answer ---- */

/* Of one of the numbers found. */
static uint64_t
modseq_of(const struct imap *im, uint32_t number)
{
	struct msgrow row;

	if (im->cmd.uid)
		number = view_find_uid(&im->view, number);
	(void)view_get(&im->view, number, &row);
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
	const struct uidset *f = &s->found;
	uint64_t modseq = 0;

	if (!a->esearch || (a->returns & (SEARCH_RETURN_ALL |
	    SEARCH_RETURN_COUNT)))
		return s->modseq;
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

	if (!im->cmd.args.search.has_modseq || s->found.n == 0)
		return;
	buf_adds(out, im->cmd.args.search.esearch ? " MODSEQ " :
	    " (MODSEQ ");
	buf_addu(out, modseq_told(im, s));
	if (!im->cmd.args.search.esearch)
		buf_addc(out, ')');
	im->cmd.told_modseq = true;
}

/* RFC 4731 section 3.1: MIN, MAX and ALL are not there if nothing was found. */
static void
put_esearch_head(struct imap *im, struct search *s)
{
	unsigned returns = im->cmd.args.search.returns;
	const struct uidset *f = &s->found;
	struct buf *out = im->s.out;

	/* Outlook takes the tag as a quoted string only. */
	buf_adds(out, "* ESEARCH (TAG ");
	imap_put_quoted(out, im->cmd.tag);
	buf_adds(out, im->cmd.uid ? ") UID" : ")");
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
	if (!(returns & SEARCH_RETURN_ALL))
		s->range = f->n;
	else if (f->n)
		buf_adds(out, " ALL ");
}

/* One range of ESEARCH's set. */
static void
put_range(struct imap *im, struct search *s)
{
	const struct uidrange *r = &s->found.v[s->range];
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
	const struct uidrange *r = &s->found.v[s->range];

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

static enum imap_step
search_put(struct imap *im, struct search *s)
{
	bool is_esearch = im->cmd.args.search.esearch;

	if (!s->is_putting) {
		s->is_putting = true;
		uidset_merge(&s->found, &s->read);
		if (is_esearch)
			put_esearch_head(im, s);
		else
			buf_adds(im->s.out, "* SEARCH");
	}
	while (s->range < s->found.n) {
		if (!imap_has_time(im))
			return STEP_YIELD;
		if (is_esearch)
			put_range(im, s);
		else
			put_number(im, s);
	}
	put_modseq(im, s);
	buf_adds(im->s.out, "\r\n");
	return imap_ok(im, NULL, "SEARCH completed");
}

/* ---- looking ---- */

static enum imap_step
search_read(struct imap *im, struct search *s)
{
	struct rjob_search *job = rjob_search_new(im->s.env, &im->s,
	    view_mailbox(&im->view), im->cmd.args.search.key, s->row_count);

	imap_progress(im, view_find_uid(&im->view, s->rows[0].row.uid) - 1,
	    view_count(&im->view));
	memcpy(job->rows, s->rows, s->row_count * sizeof *s->rows);
	s->row_count = 0;
	store_read(im->s.env->store, &job->j);
	return STEP_WAIT;
}

static void
search_look(struct imap *im, struct search *s, uint32_t seq)
{
	struct search_row row;
	bool is_ghost = view_get(&im->view, seq, &row.row);
	uint32_t number = im->cmd.uid ? row.row.uid : seq;
	enum tri t;

	s->next_uid = (uint64_t)row.row.uid + 1;
	if (is_ghost)
		return;
	row.recent = view_is_recent(&im->view, row.row.uid);
	t = search_eval_row(im->cmd.args.search.key, &row);
	if (t == TRI_YES) {
		uidset_add(&s->found, number, number);
		s->modseq = MAX(s->modseq, row.row.modseq);
	}
	if (t != TRI_UNKNOWN)
		return;
	if (!s->rows)
		s->rows = xcalloc(BATCH_ROWS, sizeof *s->rows);
	s->rows[s->row_count++] = row;
}

/* Looks at rows until there is enough for a reader, or none left. */
static enum imap_step
search_scan(struct imap *im, struct search *s)
{
	uint32_t count = view_count(&im->view);
	uint32_t seq = count + 1;

	if (s->next_uid <= UINT32_MAX)
		seq = view_seek_uid(&im->view, (uint32_t)s->next_uid);
	for (; seq <= count && s->row_count < BATCH_ROWS; seq++) {
		if (!imap_has_time(im))
			return STEP_YIELD;
		search_look(im, s, seq);
	}
	return s->row_count ? search_read(im, s) : search_put(im, s);
}

enum imap_step
imap_run_search(struct imap *im)
{
	struct names names = { { names_set, names_keyword,
	    env_wall_s(im->s.env) }, im };
	struct search *s = arena_alloc(&im->cmd.arena, sizeof *s);

	im->cmd.state = s;
	im->cmd.release = search_release;
	s->next_uid = 1;
	/* RFC 9051 section 6.4.4: there is no other answer any more. */
	if (im->is_rev2 && !im->cmd.args.search.esearch) {
		im->cmd.args.search.esearch = true;
		im->cmd.args.search.returns = SEARCH_RETURN_ALL;
	}
	if (im->cmd.args.search.has_modseq)
		imap_enable_condstore(im);
	/* RFC 7162 3.2.10.2: numbers in the keys must stay what they are. */
	for (size_t i = 0; i < im->cmd.args.search.ref_count; i++)
		if (im->cmd.args.search.refs[i].kind == SEARCH_REF_SEQ)
			im->cmd.holds_expunges = true;
	imap_search_resolve(&im->cmd.args.search, &im->cmd.arena, &names.n);
	return search_scan(im, s);
}

/* A slice of what a reader has looked at. */
static enum imap_step
search_slice(struct imap *im, struct search *s, struct rjob_search *job)
{
	int err = job->j.op.err;

	for (size_t i = 0; err == 0 && i < job->uid_count; i++) {
		uint32_t n = job->uids[i];

		if (!im->cmd.uid)
			n = view_find_uid(&im->view, n);
		uidset_add(&s->read, n, n);
		if (im->cmd.args.search.has_modseq)
			s->modseq = MAX(s->modseq, modseq_of(im, n));
	}
	if (err == 0 && job->j.more) {
		op_adopt(&job->j.op, &im->s);
		store_read(im->s.env->store, &job->j);
		return STEP_WAIT;
	}
	op_free(&job->j.op);
	return err < 0 ? imap_fail(im, err) : search_scan(im, s);
}

enum imap_step
imap_done_search(struct imap *im, struct op *op)
{
	struct search *s = im->cmd.state;

	if (op)
		return search_slice(im, s, (struct rjob_search *)op);
	return s->is_putting ? search_put(im, s) : search_scan(im, s);
}
