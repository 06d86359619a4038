#include <stdlib.h>
#include <string.h>

#include "imap/imap_priv.h"
#include "server/base/xalloc.h"
#include "store/read.h"

/* ---- sets ---- */

static uint32_t
last_uid(const struct view *v)
{
	uint32_t count = view_count(v);
	struct msgrow row;

	if (count == 0)
		return 0;
	(void)view_get(v, count, &row);
	return row.uid;
}

static uint32_t
uid_of(const struct view *v, uint32_t seq)
{
	struct msgrow row;

	(void)view_get(v, seq, &row);
	return row.uid;
}

/*
 * RFC 9051 section 6.4.9: UIDs that do not exist are passed over, and a range
 * with "*" has the last message whatever the other end is.
 */
static struct uidrange
uids_of_uids(const struct view *v, const struct seqrange *asked)
{
	struct seqrange r = imap_seqrange_resolve(*asked, last_uid(v));

	return (struct uidrange){ r.hi ? MAX(r.lo, 1) : 0, r.hi };
}

/*
 * A range with "*" means something as long as there are messages, and nothing
 * in an empty mailbox: clients ask for 1:* without looking. Any other number
 * beyond the last is an error (RFC 9051 section 2.3.1.2).
 */
static int
uids_of_seqs(const struct view *v, const struct seqrange *asked,
    struct uidrange *out)
{
	uint32_t count = view_count(v);
	struct seqrange r = imap_seqrange_resolve(*asked, count);

	*out = (struct uidrange){ 0, 0 };
	if (asked->hi == SEQ_STAR) {
		if (count == 0)
			return 0;
		r.lo = MIN(r.lo, count);
		r.hi = count;
	}
	if (r.lo == 0 || r.hi > count)
		return ERR_RANGE;
	*out = (struct uidrange){ uid_of(v, r.lo), uid_of(v, r.hi) };
	return 0;
}

static int
compare_ranges(const void *x, const void *y)
{
	const struct uidrange *a = x, *b = y;

	return (a->lo > b->lo) - (a->lo < b->lo);
}

/* Sorted first, for a set is made in linear time from rising ranges only. */
int
imap_resolve_in(const struct view *view, const struct seqset *set, bool uid,
    struct uidset *out)
{
	struct uidrange *v = xcalloc(set->n, sizeof *v);
	int err = 0;

	for (size_t i = 0; i < set->n && err == 0; i++) {
		if (uid)
			v[i] = uids_of_uids(view, &set->v[i]);
		else
			err = uids_of_seqs(view, &set->v[i], &v[i]);
	}
	qsort(v, set->n, sizeof *v, compare_ranges);
	for (size_t i = 0; i < set->n && err == 0; i++)
		if (v[i].hi > 0)
			uidset_add(out, v[i].lo, v[i].hi);
	free(v);
	return err;
}

int
imap_resolve_set(const struct imap *im, const struct seqset *set, bool uid,
    struct uidset *out)
{
	if (!set->is_saved)
		return imap_resolve_in(&im->view, set, uid, out);
	uidset_copy(out, &im->saved);
	return 0;
}

enum imap_step
imap_bad_set(struct imap *im)
{
	return imap_bad(im, "There is no message with such a number");
}

/* The numbers lo..hi-1 of the messages in a range of UIDs. */
static void
seqs_of_uids(const struct view *v, const struct uidrange *r, uint32_t *lo,
    uint32_t *hi)
{
	*lo = view_seek_uid(v, r->lo);
	*hi = r->hi == UINT32_MAX ? view_count(v) + 1 :
	    view_seek_uid(v, r->hi + 1);
}

void
imap_cut_page(const struct imap *im, const struct imap_partial *page,
    struct uidset *uids)
{
	const struct view *v = &im->view;
	struct uidset seqs = { 0 }, cut = { 0 };
	uint64_t first, count;
	uint32_t lo, hi;

	for (size_t i = 0; i < uids->n; i++) {
		seqs_of_uids(v, &uids->v[i], &lo, &hi);
		if (lo < hi)
			uidset_add(&seqs, lo, hi - 1);
	}
	imap_partial_resolve(page, uidset_count(&seqs), &first, &count);
	uidset_slice(&cut, &seqs, first, count);
	uidset_clear(uids);
	for (size_t i = 0; i < cut.n; i++)
		uidset_add(uids, uid_of(v, cut.v[i].lo),
		    uid_of(v, cut.v[i].hi));
	uidset_release(&seqs);
	uidset_release(&cut);
}

/* ---- what was found last ---- */

int
imap_save_found(struct imap *im, struct uidset *uids)
{
	int err;

	imap_forget_found(im);
	err = budget_take(im->s.env->budget, uids->cap * sizeof *uids->v);
	if (err < 0) {
		uidset_release(uids);
		return err;
	}
	im->saved = *uids;
	*uids = (struct uidset){ 0 };
	return 0;
}

void
imap_forget_found(struct imap *im)
{
	budget_give(im->s.env->budget, im->saved.cap * sizeof *im->saved.v);
	uidset_release(&im->saved);
}

/* ---- MESSAGELIMIT ---- */

bool
imap_limit_set(struct imap *im, struct uidset *uids)
{
	const struct view *v = &im->view;
	uint32_t left = im->settings->message_limit;

	if (left == 0 || view_count(v) <= left)
		return false;
	for (size_t i = uids->n; i-- > 0; ) {
		struct uidrange *r = &uids->v[i];
		uint32_t first, end;

		seqs_of_uids(v, r, &first, &end);
		if (end - first <= left) {
			left -= end - first;
			continue;
		}
		if (left > 0)
			r->lo = uid_of(v, end - left);
		else
			i++;
		memmove(uids->v, uids->v + i, (uids->n - i) *
		    sizeof *uids->v);
		uids->n -= i;
		im->cmd.limit_uid = uids->v[0].lo;
		return true;
	}
	return false;
}

bool
imap_is_page_over(const struct imap *im, const struct imap_partial *page)
{
	uint32_t limit = im->settings->message_limit;

	return limit && page->is_given && page->hi - page->lo >= limit;
}

/* The UIDs that a key is about, if it is: alone or joined with others. */
static const struct uidset *
uids_of_key(const struct search_key *key)
{
	if (key->op == SEARCH_UIDS)
		return &key->uids;
	for (size_t i = 0; key->op == SEARCH_AND && i < key->kid_count; i++)
		if (key->kids[i]->op == SEARCH_UIDS)
			return &key->kids[i]->uids;
	return NULL;
}

uint32_t
imap_limit_search(struct imap *im, const struct search_key *key)
{
	struct uidrange everything = { 1, UINT32_MAX };
	struct uidset all = { .v = &everything, .n = 1 }, copy = { 0 };
	const struct uidset *asked = uids_of_key(key);
	uint32_t lowest = 1;

	uidset_copy(&copy, asked ? asked : &all);
	if (imap_limit_set(im, &copy))
		lowest = im->cmd.limit_uid;
	uidset_release(&copy);
	return lowest;
}

const char *
imap_limit_code(struct imap *im)
{
	struct arena *a = &im->cmd.arena;
	unsigned limit = im->settings->message_limit;

	return im->cmd.limit_uid ? arena_printf(a, "MESSAGELIMIT %u %u",
	    limit, (unsigned)im->cmd.limit_uid) :
	    arena_printf(a, "MESSAGELIMIT %u", limit);
}

/* RFC 9738 section 3.1: another code has its place in the tagged OK. */
void
imap_tell_limit(struct imap *im)
{
	struct imap_cmd *c = &im->cmd;

	if (c->limit_uid == 0 || c->status != STATUS_OK)
		return;
	if (!c->code) {
		c->code = imap_limit_code(im);
		return;
	}
	buf_adds(im->s.out, "* NO [");
	buf_adds(im->s.out, imap_limit_code(im));
	buf_adds(im->s.out, "] Go on below\r\n");
}

/* ---- keywords ---- */

void
imap_keywords_get(const struct imap *im, struct imap_keywords *k)
{
	k->n = MIN(view_keyword_count(&im->view), KEYWORDS_MAX);
	for (unsigned i = 0; i < k->n; i++)
		k->v[i] = view_keyword(&im->view, i);
}

bool
imap_is_recent(const struct imap *im, uint32_t uid)
{
	return !im->is_rev2 && view_is_recent(&im->view, uid);
}

char **
imap_keywords_copy(const struct imap_flags *f)
{
	char **v = xcalloc(f->keyword_count, sizeof *v);

	for (size_t i = 0; i < f->keyword_count; i++)
		v[i] = xmemdup0(f->keywords[i].p,
		    f->keywords[i].len);
	return v;
}

/* ---- names ---- */

int
imap_lookup(struct imap *im, struct span name, unsigned rights)
{
	char canonical[MAILBOX_PATH_MAX + 1];
	struct rjob_lookup *job;

	if (mailbox_name_canonical(name, canonical) < 0)
		return ERR_NOMBOX;
	job = rjob_lookup_new(im->s.env, &im->s, span_of(canonical), rights);
	store_read(im->s.env->store, &job->j);
	return 0;
}
