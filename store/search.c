#include "store/search.h"

#include "server/base/list.h"
#include "store/search_priv.h"

#define DAY_S 86400

/* Days since 1970-01-01 in UTC, also before it. */
static int64_t
day_of(int64_t s)
{
	return s >= 0 ? s / DAY_S : -((-s + DAY_S - 1) / DAY_S);
}

static enum tri
tri_of(bool yes)
{
	return yes ? TRI_YES : TRI_NO;
}

/*
 * AND and OR are one walk: a kid that answers "stop" decides, else any kid
 * not known leaves the whole not known.
 */
static enum tri
eval_kids(const struct search_key *k, struct search_leaves *l, enum tri stop)
{
	enum tri rest = stop == TRI_NO ? TRI_YES : TRI_NO;

	for (size_t i = 0; i < k->kid_count; i++) {
		enum tri t = search_eval(k->kids[i], l);

		if (t == stop)
			return stop;
		if (t == TRI_UNKNOWN)
			rest = TRI_UNKNOWN;
	}
	return rest;
}

enum tri
search_eval(const struct search_key *k, struct search_leaves *l)
{
	enum tri t;

	switch (k->op) {
	case SEARCH_AND:
		return eval_kids(k, l, TRI_NO);
	case SEARCH_OR:
		return eval_kids(k, l, TRI_YES);
	case SEARCH_NOT:
		/* Its kids are taken together, as AND. */
		t = eval_kids(k, l, TRI_NO);
		if (t == TRI_UNKNOWN)
			return t;
		return t == TRI_YES ? TRI_NO : TRI_YES;
	default:
		return l->leaf(l, k);
	}
}

static bool
is_row_key(enum search_op op)
{
	return op < SEARCH_SENT_BEFORE ||
	    (op > SEARCH_SENT_SINCE && op < SEARCH_HEADER);
}

enum tri
search_row_leaf(const struct search_key *k, const struct search_row *r)
{
	const struct msgrow *m = &r->row;

	if (!is_row_key(k->op))
		return TRI_UNKNOWN;
	switch (k->op) {
	case SEARCH_ALL:
		return TRI_YES;
	case SEARCH_FLAGS:
		return tri_of((m->flags & k->mask) == k->mask);
	case SEARCH_RECENT:
		return tri_of(r->recent);
	case SEARCH_UIDS:
		return tri_of(uidset_has(&k->uids, m->uid));
	case SEARCH_LARGER:
		return tri_of(m->size > k->number);
	case SEARCH_SMALLER:
		return tri_of(m->size < k->number);
	case SEARCH_BEFORE:
		return tri_of(day_of(m->internaldate_s) < k->day);
	case SEARCH_ON:
		return tri_of(day_of(m->internaldate_s) == k->day);
	case SEARCH_SINCE:
		return tri_of(day_of(m->internaldate_s) >= k->day);
	case SEARCH_OLDER:
		/* RFC 5032: OLDER and YOUNGER both take in the boundary. */
		return tri_of(k->now_s - m->internaldate_s >=
		    (int64_t)k->number);
	case SEARCH_YOUNGER:
		return tri_of(k->now_s - m->internaldate_s <=
		    (int64_t)k->number);
	case SEARCH_MODSEQ:
		return tri_of(m->modseq >= k->number);
	case SEARCH_EMAIL:
		return tri_of(m->body == k->number);
	default:
		return TRI_NO;
	}
}

struct row_leaves {
	struct search_leaves l;
	const struct search_row *row;
};

static enum tri
row_leaf(struct search_leaves *l, const struct search_key *k)
{
	return search_row_leaf(k, CONTAINER_OF(l, struct row_leaves, l)->row);
}

enum tri
search_eval_row(const struct search_key *k, const struct search_row *r)
{
	struct row_leaves leaves = { .l.leaf = row_leaf, .row = r };

	return search_eval(k, &leaves.l);
}

bool
search_needs_reader(const struct search_key *k)
{
	if (!is_row_key(k->op))
		return true;
	for (size_t i = 0; i < k->kid_count; i++)
		if (search_needs_reader(k->kids[i]))
			return true;
	return false;
}

struct search_key *
search_key_copy(const struct search_key *k, struct arena *a)
{
	struct search_key *copy = arena_memdup(a, k, sizeof *k);

	copy->uids.cap = k->uids.n;
	copy->uids.v = k->uids.n ? arena_memdup(a, k->uids.v,
	    k->uids.n * sizeof *k->uids.v) : NULL;
	copy->name = arena_span(a, k->name);
	copy->text = arena_span(a, k->text);
	copy->kids = arena_array(a, k->kid_count, sizeof(struct search_key *));
	for (size_t i = 0; i < k->kid_count; i++)
		copy->kids[i] = search_key_copy(k->kids[i], a);
	return copy;
}
