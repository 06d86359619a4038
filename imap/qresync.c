#include "imap/qresync.h"

#include "imap/imap_priv.h"
#include "server/base/xalloc.h"

/* Bytes of a line, about; clients need not swallow a set at once. */
#define LINE_BYTES 4000

void
vanished_release(struct vanished *v)
{
	uidset_release(&v->known);
	if (v->job)
		op_free(&v->job->j.op);
	*v = (struct vanished){ 0 };
}

/* ---- what is asked about ---- */

void
vanished_know(struct imap *im, struct vanished *v, const struct seqset *set)
{
	(void)imap_resolve_set(im, set, true, &v->known);
	for (size_t i = 0; i < set->n; i++) {
		const struct seqrange *r = &set->v[i];

		if (r->hi == SEQ_STAR && r->lo != SEQ_STAR)
			uidset_add(&v->known, r->lo, UINT32_MAX);
	}
}

/* The i-th number of a set. */
static uint32_t
number_at(const struct seqset *set, uint64_t i)
{
	const struct seqrange *r = set->v;

	while (i > r->hi - r->lo) {
		i -= (uint64_t)r->hi - r->lo + 1;
		r++;
	}
	return r->lo + (uint32_t)i;
}

/* How many numbers a set without "*" has. */
static uint64_t
count_of(const struct seqset *set)
{
	uint64_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += (uint64_t)set->v[i].hi - set->v[i].lo + 1;
	return n;
}

static bool
is_match(const struct imap *im, uint32_t seq, uint32_t uid)
{
	struct msgrow row;

	if (seq > view_count(&im->view))
		return false;
	(void)view_get(&im->view, seq, &row);
	return row.uid == uid;
}

/*
 * The highest UID of the sample that has its old number still. Nothing below
 * is missing then, for numbers only ever fall: so what matches is the
 * beginning of the sample, and its end can be searched for.
 */
static uint32_t
matching_uid(const struct imap *im, const struct imap_select_args *a)
{
	uint64_t lo = 0, hi = count_of(&a->known_seqs);

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (is_match(im, number_at(&a->known_seqs, mid),
		    number_at(&a->known_uids, mid)))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 ? number_at(&a->known_uids, lo - 1) : 0;
}

void
vanished_know_select(struct imap *im, struct vanished *v,
    const struct imap_select_args *a)
{
	if (a->uids.n)
		vanished_know(im, v, &a->uids);
	else
		uidset_add(&v->known, 1, UINT32_MAX);
	if (a->known_seqs.n)
		v->next = (uint64_t)matching_uid(im, a) + 1;
}

/* ---- the store ---- */

void
vanished_submit(struct imap *im, uint64_t since)
{
	struct rjob_vanished *job = rjob_vanished_new(im->s.env, &im->s,
	    view_mailbox(&im->view), since);

	store_read(im->s.env->store, &job->j);
}

int
vanished_take(struct vanished *v, struct op *op)
{
	v->job = CONTAINER_OF(op, struct rjob_vanished, j.op);
	return op->err;
}

/* ---- the answer ---- */

/* The first range that ends at or behind uid, from *i on; NULL: none. */
static const struct uidrange *
range_at(const struct uidset *s, size_t *i, uint64_t uid)
{
	while (*i < s->n && s->v[*i].hi < uid)
		++*i;
	return *i < s->n ? &s->v[*i] : NULL;
}

/* The next range that may be told, as far as the sets say. */
static bool
next_gone(const struct imap *im, struct vanished *v, struct uidrange *out)
{
	const struct uidset *gone = v->job->complete ? &v->job->uids : NULL;
	uint32_t last = gone ? UINT32_MAX : view_uidnext(&im->view) - 1;

	for (;;) {
		const struct uidrange *k = range_at(&v->known,
		    &v->known_range, v->next);
		const struct uidrange *g = gone ? range_at(gone,
		    &v->gone_range, v->next) : k;
		uint64_t lo;

		if (!k || !g)
			return false;
		lo = MAX(v->next, MAX(k->lo, g->lo));
		if (lo > last)
			return false;
		v->next = lo;
		if (lo > k->hi || lo > g->hi)
			continue;
		*out = (struct uidrange){ (uint32_t)lo,
		    MIN(MIN(k->hi, g->hi), last) };
		return true;
	}
}

/* The beginning of r with nobody there; false: r.lo is. */
static bool
cut_at_next(const struct imap *im, struct uidrange *r)
{
	uint32_t next = view_next_uid(&im->view, r->lo);

	if (next == r->lo)
		return false;
	if (next > 0)
		r->hi = MIN(r->hi, next - 1);
	return true;
}

static void
put_range(struct buf *out, const struct uidrange *r, size_t *line)
{
	if (*line == 0) {
		buf_adds(out, "* VANISHED (EARLIER) ");
		*line = out->len;
	} else {
		buf_addc(out, ',');
	}
	buf_addu(out, r->lo);
	if (r->hi > r->lo) {
		buf_addc(out, ':');
		buf_addu(out, r->hi);
	}
}

static void
end_line(struct buf *out, size_t *line)
{
	if (*line)
		buf_adds(out, "\r\n");
	*line = 0;
}

bool
vanished_put(struct imap *im, struct vanished *v)
{
	struct buf *out = im->s.out;
	bool is_over = false;
	struct uidrange r;
	size_t line = 0;	/* where its set begins; 0: no line is open */

	while (!is_over && imap_has_time(im)) {
		is_over = !next_gone(im, v, &r);
		if (is_over)
			break;
		if (!cut_at_next(im, &r)) {
			v->next = (uint64_t)r.lo + 1;
			continue;
		}
		put_range(out, &r, &line);
		v->next = (uint64_t)r.hi + 1;
		if (out->len - line >= LINE_BYTES)
			end_line(out, &line);
	}
	end_line(out, &line);
	return is_over;
}
