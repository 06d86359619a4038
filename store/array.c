#include "store/array_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"

#define ROW_SIZE sizeof(struct msgrow)

/*
 * Charges up to want bytes for something that has to grow now: a change that
 * is committed cannot be refused. Over the budget it goes uncharged, and the
 * next array that somebody wants to open is refused instead.
 */
static void
charge_softly(struct budget *b, size_t *charged, size_t want)
{
	if (want < *charged) {
		budget_give(b, *charged - want);
		*charged = want;
	} else if (want > *charged &&
	    budget_take(b, want - *charged) == 0) {
		*charged = want;
	}
}

/* ---- what a load brings ---- */

void
array_data_release(struct array_data *d, struct budget *budget)
{
	for (unsigned i = 0; i < d->keyword_count; i++)
		free(d->keywords[i]);
	free(d->keywords);
	free(d->acl);
	for (size_t i = 0; i < d->overlay_count; i++)
		uidset_release(&d->overlays[i].seen);
	free(d->overlays);
	free(d->rows);
	budget_give(budget, d->charged);
	*d = (struct array_data){ 0 };
}

int
array_data_reserve(struct array_data *d, size_t n, struct budget *budget)
{
	int err;

	if (n <= d->cap)
		return 0;
	if ((err = budget_take(budget, (n - d->cap) * ROW_SIZE)) < 0)
		return err;
	d->charged += (n - d->cap) * ROW_SIZE;
	d->rows = xreallocarray(d->rows, n, ROW_SIZE);
	d->cap = n;
	return 0;
}

void
array_data_keyword(struct array_data *d, unsigned i, const char *name)
{
	if (i >= KEYWORDS_MAX)
		return;
	if (i >= d->keyword_count) {
		d->keywords = xreallocarray(d->keywords, i + 1,
		    sizeof *d->keywords);
		while (d->keyword_count <= i)
			d->keywords[d->keyword_count++] = NULL;
	}
	free(d->keywords[i]);
	d->keywords[i] = xstrdup(name);
}

/* ---- \Seen of others ---- */

static struct overlay *
find_overlay(const struct array_data *d, uint64_t reader)
{
	for (size_t i = 0; i < d->overlay_count; i++)
		if (d->overlays[i].reader == reader)
			return &d->overlays[i];
	return NULL;
}

struct overlay *
array_data_overlay(struct array_data *d, uint64_t reader)
{
	struct overlay *o = find_overlay(d, reader);

	if (o)
		return o;
	d->overlays = xreallocarray(d->overlays, d->overlay_count + 1,
	    sizeof *d->overlays);
	o = &d->overlays[d->overlay_count++];
	*o = (struct overlay){ .reader = reader };
	return o;
}

static uint64_t
flags_by(const struct overlay *o, const struct msgrow *row)
{
	uint64_t rest = row->flags & ~(uint64_t)FLAG_SEEN;

	return o && uidset_has(&o->seen, row->uid) ? rest | FLAG_SEEN : rest;
}

uint64_t
array_data_flags(const struct array_data *d, uint64_t account,
    const struct msgrow *row)
{
	return account == d->account ? row->flags :
	    flags_by(find_overlay(d, account), row);
}

/* ---- the array ---- */

void
array_init(struct mailarray *a, struct hub *hub, uint64_t mailbox)
{
	*a = (struct mailarray){ .hub = hub, .mailbox = mailbox,
	    .state = ARRAY_LOADING };
	list_init(&a->node);
	list_init(&a->views);
}

void
array_release(struct mailarray *a, struct budget *budget)
{
	array_trim(a, a->graves_end, UINT64_MAX, budget);
	array_data_release(&a->d, budget);
	for (size_t i = 0; i < a->backlog_n; i++)
		changeset_unref(a->backlog[i]);
	free(a->backlog);
	list_remove(&a->node);
}

size_t
array_memory(const struct mailarray *a)
{
	return sizeof *a + a->d.cap * ROW_SIZE;
}

size_t
array_seek(const struct mailarray *a, uint32_t uid)
{
	const struct msgrow *rows = a->d.rows;
	size_t lo = 0, hi = a->d.n;

	/* Mailboxes that only grow have no holes: the place is known. */
	if (hi > 0 && uid > rows[hi - 1].uid)
		return hi;
	if (hi > 0 && uid >= rows[0].uid && uid - rows[0].uid < hi &&
	    rows[uid - rows[0].uid].uid == uid)
		return uid - rows[0].uid;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (rows[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
note_unseen(struct mailarray *a, const struct msgrow *row)
{
	if (!(row->flags & FLAG_SEEN) && row->uid < a->d.unseen_uid)
		a->d.unseen_uid = row->uid;
}

size_t
array_first_unseen(struct mailarray *a)
{
	size_t i = array_seek(a, a->d.unseen_uid);

	while (i < a->d.n && (a->d.rows[i].flags & FLAG_SEEN))
		i++;
	a->d.unseen_uid = i < a->d.n ? a->d.rows[i].uid : UINT32_MAX;
	return i;
}

static void
rows_reserve(struct array_data *d, size_t more, struct budget *budget)
{
	if (more <= d->cap - d->n)
		return;
	d->cap = MAX(d->cap + d->cap / 4 + 16, d->n + more);
	d->rows = xreallocarray(d->rows, d->cap, ROW_SIZE);
	charge_softly(budget, &d->charged, d->cap * ROW_SIZE);
}

/*
 * Behind the last row, where nobody looks, until all are there: a client that
 * saw some of them, with the modseq of all, would never ask for the rest.
 */
static bool
apply_arrival(struct mailarray *a, const struct change *c,
    struct change_place *place, struct budget *budget)
{
	size_t from = place->row, n = MIN(c->row_count - from, ARRAY_STEP);
	struct array_data *d = &a->d;

	if (n == 0)
		return true;
	/* UIDs only rise within a mailbox. */
	assert(d->n == 0 || c->rows[0].uid > d->rows[d->n - 1].uid);
	rows_reserve(d, c->row_count, budget);
	memcpy(d->rows + d->n + from, c->rows + from, n * ROW_SIZE);
	place->row += n;
	if (place->row < c->row_count)
		return false;
	d->n += c->row_count;
	d->uidnext = MAX(d->uidnext, d->rows[d->n - 1].uid + 1);
	for (size_t i = 0; i < c->row_count; i++)
		note_unseen(a, &c->rows[i]);
	return true;
}

/* ---- flags and the ring ---- */

static size_t
ring_slot(const struct mailarray *a, size_t i)
{
	return (a->ring_head + i) & (a->ring_cap - 1);
}

const struct flag_record *
array_flag_record(const struct mailarray *a, size_t i)
{
	return &a->ring[ring_slot(a, a->ring_n - 1 - i)];
}

static void
ring_drop_oldest(struct mailarray *a)
{
	struct flag_record *r = &a->ring[a->ring_head];

	a->ring_floor = r->modseq;
	a->ring_ranges -= r->uids.n;
	uidset_release(&r->uids);
	a->ring_head = ring_slot(a, 1);
	a->ring_n--;
}

static void
ring_grow(struct mailarray *a)
{
	size_t cap = a->ring_cap ? a->ring_cap * 2 : 4;
	struct flag_record *ring = xcalloc(cap, sizeof *ring);

	for (size_t i = 0; i < a->ring_n; i++)
		ring[i] = a->ring[ring_slot(a, i)];
	free(a->ring);
	a->ring = ring;
	a->ring_cap = cap;
	a->ring_head = 0;
}

/* Takes the set. */
static void
ring_add(struct mailarray *a, const struct change *c, uint64_t reader,
    struct uidset uids)
{
	if (uids.n == 0)
		return;
	while (a->ring_n == ARRAY_RING || (a->ring_n > 0 &&
	    a->ring_ranges + uids.n > ARRAY_RING_RANGES))
		ring_drop_oldest(a);
	if (a->ring_n == a->ring_cap)
		ring_grow(a);
	a->ring[ring_slot(a, a->ring_n++)] = (struct flag_record){
	    .modseq = c->modseq, .origin = c->origin, .reader = reader,
	    .uids = uids };
	a->ring_ranges += uids.n;
	a->flags_modseq = c->modseq;
}

/* A flag change while it is made, with what it comes to. */
struct flags_work {
	const struct change *c;
	struct overlay *overlay;	/* NULL: \Seen is the owner's */
	struct uidset on, off;		/* of the overlay */
	struct uidset shared, own;	/* what changed, for whom */
};

/* Whether the row changes. */
static bool
change_row(struct flags_work *w, struct msgrow *row)
{
	uint64_t old = w->overlay ? flags_by(w->overlay, row) : row->flags;
	uint64_t new = change_apply_flags(w->c, old), diff = old ^ new;

	if (row->modseq > w->c->max_modseq || diff == 0)
		return false;
	if (!w->overlay)
		row->flags = new;
	else
		row->flags ^= diff & ~(uint64_t)FLAG_SEEN;
	row->modseq = w->c->modseq;
	if (w->overlay && (diff & FLAG_SEEN))
		uidset_add(new & FLAG_SEEN ? &w->on : &w->off, row->uid,
		    row->uid);
	/* \Seen is news to who has read it alone. */
	uidset_add(diff == FLAG_SEEN ? &w->own : &w->shared, row->uid,
	    row->uid);
	return true;
}

static void
take_unread(struct uidset *seen, const struct uidset *off)
{
	struct uidset left = { 0 };

	if (off->n == 0)
		return;
	uidset_subtract(&left, seen, off);
	uidset_release(seen);
	*seen = left;
}

/*
 * The same rule as the database's: rows above max_modseq and rows that have
 * the flags already are left alone. What really changed goes into the ring.
 */
static void
apply_flags(struct mailarray *a, const struct change *c)
{
	struct flags_work w = { .c = c };

	if (c->reader)
		w.overlay = array_data_overlay(&a->d, c->reader);
	for (size_t r = 0; r < c->uids.n; r++) {
		const struct uidrange *range = &c->uids.v[r];

		for (size_t i = array_seek(a, range->lo); i < a->d.n &&
		    a->d.rows[i].uid <= range->hi; i++)
			if (change_row(&w, &a->d.rows[i]))
				note_unseen(a, &a->d.rows[i]);
	}
	if (w.overlay) {
		uidset_merge(&w.overlay->seen, &w.on);
		take_unread(&w.overlay->seen, &w.off);
		uidset_release(&w.on);
		uidset_release(&w.off);
	}
	/* An array that nobody looks at keeps no ring. */
	if (list_is_empty(&a->views)) {
		uidset_release(&w.shared);
		uidset_release(&w.own);
	}
	ring_add(a, c, 0, w.shared);
	ring_add(a, c, c->reader ? c->reader : a->d.account, w.own);
}

/* ---- expunges and the graveyard ---- */

const struct grave *
array_grave(const struct mailarray *a, uint64_t number)
{
	assert(number >= a->graves_first && number < a->graves_end);
	return &a->blocks[number / GRAVES_BLOCK - a->block_first]
	    [number % GRAVES_BLOCK];
}

static void
graves_charge(struct mailarray *a, struct budget *budget)
{
	charge_softly(budget, &a->graves_charged,
	    a->block_n * GRAVES_BLOCK * sizeof **a->blocks);
}

static void
graves_add_block(struct mailarray *a, struct budget *budget)
{
	if (a->block_n == 0)
		a->block_first = a->graves_end / GRAVES_BLOCK;
	if (a->block_n == a->block_cap) {
		a->block_cap = a->block_cap ? a->block_cap * 2 : 4;
		a->blocks = xreallocarray(a->blocks, a->block_cap,
		    sizeof(struct grave *));
	}
	a->blocks[a->block_n++] = xcalloc(GRAVES_BLOCK, sizeof **a->blocks);
	graves_charge(a, budget);
}

static void
bury(struct mailarray *a, const struct msgrow *row, uint64_t modseq,
    struct budget *budget)
{
	uint64_t block = a->graves_end / GRAVES_BLOCK;

	if (a->block_n == 0 || block == a->block_first + a->block_n)
		graves_add_block(a, budget);
	a->blocks[block - a->block_first][a->graves_end % GRAVES_BLOCK] =
	    (struct grave){ *row, modseq };
	a->graves_end++;
}

/* Lets the graves below the number go. */
static void
graves_trim(struct mailarray *a, uint64_t number, struct budget *budget)
{
	size_t drop;

	assert(number <= a->graves_end);
	a->graves_first = MAX(a->graves_first, number);
	if (a->block_n == 0)
		return;
	drop = a->graves_first == a->graves_end ? a->block_n :
	    (size_t)(a->graves_first / GRAVES_BLOCK - a->block_first);
	if (drop == 0)
		return;
	for (size_t i = 0; i < drop; i++)
		free(a->blocks[i]);
	a->block_n -= drop;
	a->block_first += drop;
	memmove(a->blocks, a->blocks + drop,
	    a->block_n * sizeof(struct grave *));
	if (a->block_n == 0) {
		free(a->blocks);
		a->blocks = NULL;
		a->block_cap = 0;
	}
	graves_charge(a, budget);
}

static void
rows_shrink(struct mailarray *a, struct budget *budget)
{
	struct array_data *d = &a->d;

	if (d->n >= d->cap / 4)
		return;
	d->cap = d->n + d->n / 4 + 1;
	d->rows = xreallocarray(d->rows, d->cap, ROW_SIZE);
	charge_softly(budget, &d->charged,
	    MIN(d->charged, d->cap * ROW_SIZE));
}

/*
 * One pass over the rows from the first that goes, whatever the UIDs, and
 * what is behind the step's rows closes up. What no view has been told of
 * needs no grave: mail that comes and goes must not pile up before a client
 * that stays silent.
 */
static bool
apply_expunge(struct mailarray *a, const struct change *c,
    struct change_place *place, struct budget *budget)
{
	struct msgrow *rows = a->d.rows;
	size_t from, to, told, end, r;

	if (c->uids.n == 0)
		return true;
	from = to = array_seek(a, MAX(c->uids.v[0].lo, place->uid));
	told = array_seek(a, a->told_uid + 1);
	end = MIN(a->d.n, from + ARRAY_STEP);
	r = from < end ? uidset_seek(&c->uids, rows[from].uid) : c->uids.n;
	for (; from < end; from++) {
		while (r < c->uids.n && c->uids.v[r].hi < rows[from].uid)
			r++;
		if (r == c->uids.n)
			break;
		if (rows[from].uid < c->uids.v[r].lo)
			rows[to++] = rows[from];
		else if (from < told)
			bury(a, &rows[from], c->modseq, budget);
	}
	place->uid = from < a->d.n ? rows[from].uid : UINT32_MAX;
	if (to != from) {
		memmove(rows + to, rows + from, (a->d.n - from) * ROW_SIZE);
		a->d.n -= from - to;
		a->gen++;
		rows_shrink(a, budget);
	}
	return r == c->uids.n || to == a->d.n;
}

/* ---- all changes ---- */

static void
apply_acl(struct mailarray *a, const struct change *c)
{
	free(a->d.acl);
	a->d.acl = xmemdup(c->acl, c->acl_count * sizeof *c->acl);
	a->d.acl_count = c->acl_count;
}

bool
array_apply(struct mailarray *a, const struct change *c,
    struct change_place *place, struct budget *budget)
{
	bool is_moved = true;

	switch (c->kind) {
	case CHANGE_ARRIVAL:
		is_moved = apply_arrival(a, c, place, budget);
		break;
	case CHANGE_FLAGS:
		apply_flags(a, c);
		break;
	case CHANGE_EXPUNGE:
		is_moved = apply_expunge(a, c, place, budget);
		break;
	case CHANGE_KEYWORD:
		array_data_keyword(&a->d, c->bit - KEYWORD_FIRST, c->name);
		break;
	case CHANGE_COUNTERS:
		a->d.uidnext = MAX(a->d.uidnext, c->uidnext);
		break;
	case CHANGE_MAILBOX_DELETED:
		a->gone = true;
		break;
	case CHANGE_ACL:
		apply_acl(a, c);
		break;
	case CHANGE_MAILBOX_CREATED:
	case CHANGE_MAILBOX_RENAMED:
	case CHANGE_MAILBOX_META:
	case CHANGE_METADATA:
	case CHANGE_SUBSCRIPTION:
	case CHANGE_ACCOUNT:
	case CHANGE_DIRECTORY:
	case CHANGE_QUEUE:
		break;
	}
	if (is_moved)
		a->d.modseq = MAX(a->d.modseq, c->modseq);
	return is_moved;
}

void
array_trim(struct mailarray *a, uint64_t grave, uint64_t modseq,
    struct budget *budget)
{
	while (a->ring_n > 0 && a->ring[a->ring_head].modseq <= modseq)
		ring_drop_oldest(a);
	if (a->ring_n == 0) {
		free(a->ring);
		a->ring = NULL;
		a->ring_cap = a->ring_head = 0;
	}
	graves_trim(a, grave, budget);
}
