/*
 * Problem: a client must go on seeing the mailbox as it was last told, while
 * the mailbox moves on; and a connection that idles with 100,000 messages
 * selected must cost next to nothing.
 *
 * Shape: the rows are shared; a view has its three marks and works the rest
 * out when asked. Expunged rows that the client does not know to be gone are
 * its ghosts: graves newer than its mark, with a UID it was told. Where there
 * are any, they are listed by UID with the number of living rows below each;
 * the merged sequence of rows and ghosts is what sequence numbers count.
 * The list is brought up to date when array->gen says that rows went away,
 * so a view that nobody asks costs nothing, and one without ghosts answers
 * by index.
 *
 * Rejected: a private UID list for each session (400 KB for an idle client,
 * and a copy at SELECT).
 */
#include "store/view.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/array_priv.h"
#include "store/hub_priv.h"

struct ghost {
	uint32_t uid;
	uint32_t below;		/* living rows with a lower UID */
	uint64_t grave;
};

struct view_state {
	struct op *wait;	/* while the array is being loaded */
	bool wait_sent;		/* the op is on its way home */
	/* True as long as gen is the array's. */
	size_t gen;
	size_t told_rows;	/* living rows up to told_uid */
	/* By rising UID; told ones leave at the front. */
	struct ghost *ghosts;
	size_t ghost_head, ghost_end;
	uint64_t ghosts_from;	/* no grave below is in the list */
	uint64_t graves_seen;	/* graves below are in the list or no ghosts */
	/* Half a flags sync: UIDs from flag_uid on are still to be told. */
	struct uidset flags;
	size_t flag_range;
	uint32_t flag_uid;
	uint64_t flags_upto;	/* the mark once all are told */
	bool flags_going;
	bool tell_recent;
};

/* ---- opening and closing ---- */

static void
wait_free(struct op *op)
{
	free(op);
}

static uint32_t
view_last_uid(const struct mailarray *a)
{
	return a->d.n ? a->d.rows[a->d.n - 1].uid : 0;
}

/*
 * RFC 9051 section 2.3.2 (and RFC 3501's \Recent): what nobody has been shown
 * is recent here; a session that may write is the one who was shown.
 */
static bool
view_claim_recent(struct view *v, uint32_t above)
{
	struct mailarray *a = v->array;
	uint32_t last = view_last_uid(a);
	uint32_t from = MAX(above, a->d.recent_uid);

	/* It says what is new to the owner, so others are not told of it. */
	if (last <= from || v->account != a->d.account)
		return false;
	uidset_add(&v->recent, from + 1, last);
	if (v->writable) {
		a->d.recent_uid = last;
		v->hub->claim(v->hub, a->mailbox, last);
	}
	return true;
}

static void
view_start(struct view *v)
{
	struct mailarray *a = v->array;
	struct view_state *st = v->state;

	v->told_uid = view_last_uid(a);
	v->told_flags_modseq = v->told_expunge_modseq = a->d.modseq;
	v->told_keywords = a->d.keyword_count;
	st->gen = a->gen;
	st->told_rows = a->d.n;
	st->ghosts_from = st->graves_seen = a->graves_end;
	(void)view_claim_recent(v, 0);
}

int
view_open(struct view *v, struct hub *hub, struct session *s,
    uint64_t account, uint64_t mailbox, bool writable)
{
	struct mailarray *a = hub_array(hub, mailbox);

	*v = (struct view){ 0 };
	list_init(&v->node);
	if (!a)
		return ERR_NOMBOX;
	v->array = a;
	v->session = s;
	v->hub = hub;
	v->id = hub->next_view++;
	v->account = account;
	v->writable = writable;
	v->state = xcalloc(1, sizeof *v->state);
	list_add_tail(&a->views, &v->node);
	if (a->state == ARRAY_LOADING) {
		struct op *op = xcalloc(1, sizeof *op);

		op_init(op, s, hub->env->home, wait_free);
		op->tag = VIEW_OP_TAG;
		v->state->wait = op;
		return 1;
	}
	hub_array_used(a);
	view_start(v);
	return 0;
}

void
view_loaded(struct view *v, int err)
{
	if (err < 0) {
		v->array = NULL;
		list_remove(&v->node);
	}
	v->state->wait_sent = true;
	op_complete(v->state->wait, err);
}

int
view_opened(struct view *v, struct op *op)
{
	int err = op->err;

	assert(v->state && v->state->wait == op);
	v->state->wait = NULL;
	op_free(op);
	if (err == 0 && v->array->gone)
		err = ERR_NOMBOX;
	if (err < 0) {
		view_close(v);
		return err;
	}
	view_start(v);
	return 0;
}

void
view_close(struct view *v)
{
	struct mailarray *a = v->array;
	struct view_state *st = v->state;

	if (!st)
		return;
	hub_forget_view(v->hub, v);
	if (st->wait && st->wait_sent)
		op_disown(st->wait);	/* freed when it comes home */
	else
		op_free(st->wait);
	list_remove(&v->node);
	free(st->ghosts);
	uidset_release(&st->flags);
	uidset_release(&v->recent);
	free(st);
	*v = (struct view){ 0 };
	list_init(&v->node);
	if (!a)
		return;
	if (!list_is_empty(&a->views))
		views_trim(a);
	hub_array_used(a);
}

bool
view_is_open(const struct view *v)
{
	return v->state && v->array && !v->state->wait;
}

/*
 * A view needs the graves that it lists or has not looked at, of messages it
 * was told of, and the flag changes behind its mark. One whose op is still on
 * its way needs nothing.
 */
void
views_trim(struct mailarray *a)
{
	uint64_t grave = a->graves_end, modseq = UINT64_MAX;

	a->told_uid = 0;
	LIST_FOREACH(node, &a->views) {
		struct view *v = CONTAINER_OF(node, struct view, node);

		if (v->state->wait)
			continue;
		grave = MIN(grave, v->state->ghosts_from);
		modseq = MIN(modseq, v->told_flags_modseq);
		a->told_uid = MAX(a->told_uid, v->told_uid);
	}
	array_trim(a, grave, modseq, a->hub->env->budget);
}

/* ---- ghosts ---- */

static int
ghost_compare(const void *x, const void *y)
{
	const struct ghost *a = x, *b = y;

	return (a->uid > b->uid) - (a->uid < b->uid);
}

/* The graves that the view has not looked at; returns how many are ghosts. */
static size_t
ghosts_fresh(const struct view *v, struct ghost *fresh)
{
	const struct mailarray *a = v->array;
	size_t n = 0;

	for (uint64_t g = v->state->graves_seen; g < a->graves_end; g++) {
		uint32_t uid = array_grave(a, g)->row.uid;

		if (uid <= v->told_uid)
			fresh[n++] = (struct ghost){ .uid = uid, .grave = g };
	}
	/* One expunge buries in order of UID. */
	for (size_t i = 1; i < n; i++)
		if (fresh[i].uid < fresh[i - 1].uid) {
			qsort(fresh, n, sizeof *fresh, ghost_compare);
			break;
		}
	return n;
}

/*
 * Adds the graves dug since the last look to the list. A message that came
 * and went before the view was told of it is nobody's ghost.
 */
static void
ghosts_collect(struct view *v)
{
	struct view_state *st = v->state;
	size_t more = (size_t)(v->array->graves_end - st->graves_seen);
	const struct ghost *old = st->ghosts ? st->ghosts + st->ghost_head :
	    NULL;
	size_t n, left = st->ghost_end - st->ghost_head, end;
	struct ghost *list;

	if (more == 0)
		return;
	list = xcalloc(more, sizeof *list);
	n = ghosts_fresh(v, list);
	end = left + n;
	if (end != more)
		list = xreallocarray(list, MAX(end, 1), sizeof *list);
	/* Two sorted lists into one, from the end, in the room of the new. */
	for (size_t at = end; left > 0; at--)
		list[at - 1] = n == 0 || old[left - 1].uid > list[n - 1].uid ?
		    old[--left] : list[--n];
	free(st->ghosts);
	st->ghosts = list;
	st->ghost_head = 0;
	st->ghost_end = end;
	st->graves_seen = v->array->graves_end;
}

static void
ghosts_drop_if_empty(struct view_state *st)
{
	if (st->ghost_head < st->ghost_end)
		return;
	free(st->ghosts);
	st->ghosts = NULL;
	st->ghost_head = st->ghost_end = 0;
	st->ghosts_from = st->graves_seen;
}

/* Where each ghost stands among the living. */
static void
ghosts_place(struct view *v)
{
	const struct mailarray *a = v->array;
	struct view_state *st = v->state;
	size_t n = st->ghost_end - st->ghost_head, below;

	if (n == 0)
		return;
	below = array_seek(a, st->ghosts[st->ghost_head].uid);
	for (size_t i = st->ghost_head; i < st->ghost_end; i++) {
		struct ghost *g = &st->ghosts[i];

		/* Few among many: search. Else walk along. */
		if (n < a->d.n / 32)
			below = array_seek(a, g->uid);
		else
			while (below < a->d.n && a->d.rows[below].uid < g->uid)
				below++;
		g->below = (uint32_t)below;
	}
}

/* Rows have gone since the view was last asked. */
static void
view_catch_up(struct view *v)
{
	struct view_state *st = v->state;

	ghosts_collect(v);
	ghosts_drop_if_empty(st);
	ghosts_place(v);
	st->told_rows = array_seek(v->array, v->told_uid);
	if (st->told_rows < v->array->d.n &&
	    v->array->d.rows[st->told_rows].uid == v->told_uid)
		st->told_rows++;
	st->gen = v->array->gen;
}

/*
 * The state, up to date. What it holds follows from marks and array, so it
 * may be worked out behind a const view.
 */
static struct view_state *
view_look(const struct view *v)
{
	if (v->state->gen != v->array->gen)
		view_catch_up((struct view *)(uintptr_t)v);
	return v->state;
}

static size_t
ghost_count(const struct view_state *st)
{
	return st->ghost_end - st->ghost_head;
}

/* The ghosts with a UID below uid. */
static size_t
ghosts_below_uid(const struct view_state *st, uint32_t uid)
{
	size_t lo = st->ghost_head, hi = st->ghost_end;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (st->ghosts[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo - st->ghost_head;
}

/* The ghosts before the message at index (from 0) of the merged sequence. */
static size_t
ghosts_before(const struct view_state *st, size_t index)
{
	size_t lo = st->ghost_head, hi = st->ghost_end;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (st->ghosts[mid].below + (mid - st->ghost_head) < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo - st->ghost_head;
}

/* ---- what the view shows ---- */

uint64_t
view_mailbox(const struct view *v)
{
	return v->array->mailbox;
}

uint32_t
view_uidvalidity(const struct view *v)
{
	return v->array->d.uidvalidity;
}

uint32_t
view_uidnext(const struct view *v)
{
	return MAX(v->array->d.uidnext, v->told_uid + 1);
}

uint64_t
view_highestmodseq(const struct view *v)
{
	return MIN(v->told_flags_modseq, v->told_expunge_modseq);
}

unsigned
view_rights(const struct view *v)
{
	const struct array_data *d = &v->array->d;

	return acl_rights(d->acl, d->acl_count, v->account, d->account);
}

bool
view_is_gone(const struct view *v)
{
	return v->array->gone || !(view_rights(v) & RIGHT_READ);
}

uint32_t
view_count(const struct view *v)
{
	const struct view_state *st = view_look(v);

	return (uint32_t)(st->told_rows + ghost_count(st));
}

static uint64_t
own_flags(const struct view *v, const struct msgrow *row)
{
	return array_data_flags(&v->array->d, v->account, row);
}

bool
view_get(const struct view *v, uint32_t seq, struct msgrow *row)
{
	const struct view_state *st = view_look(v);
	size_t index = seq - 1, before;

	if (!st->ghosts) {
		assert(seq >= 1 && index < st->told_rows);
		*row = v->array->d.rows[index];
		row->flags = own_flags(v, row);
		return false;
	}
	assert(seq >= 1 && index < st->told_rows + ghost_count(st));
	before = ghosts_before(st, index);
	if (before < ghost_count(st)) {
		const struct ghost *g = &st->ghosts[st->ghost_head + before];

		if (g->below + before == index) {
			*row = array_grave(v->array, g->grave)->row;
			row->flags = own_flags(v, row);
			return true;
		}
	}
	*row = v->array->d.rows[index - before];
	row->flags = own_flags(v, row);
	return false;
}

uint32_t
view_seek_uid(const struct view *v, uint32_t uid)
{
	const struct view_state *st = view_look(v);

	if (uid > v->told_uid)
		return (uint32_t)(st->told_rows + ghost_count(st) + 1);
	return (uint32_t)(array_seek(v->array, uid) +
	    ghosts_below_uid(st, uid) + 1);
}

uint32_t
view_find_uid(const struct view *v, uint32_t uid)
{
	uint32_t seq = view_seek_uid(v, uid);
	struct msgrow row;

	if (seq > view_count(v))
		return 0;
	(void)view_get(v, seq, &row);
	return row.uid == uid ? seq : 0;
}

uint32_t
view_next_uid(const struct view *v, uint32_t uid)
{
	const struct view_state *st = view_look(v);
	const struct array_data *d = &v->array->d;
	size_t row = array_seek(v->array, uid);
	size_t ghost = st->ghost_head + ghosts_below_uid(st, uid);
	uint32_t next = row < d->n ? d->rows[row].uid : 0;

	if (ghost < st->ghost_end &&
	    (next == 0 || st->ghosts[ghost].uid < next))
		next = st->ghosts[ghost].uid;
	return next;
}

static uint32_t
first_unseen(const struct view *v, const struct view_state *st)
{
	size_t row = array_first_unseen(v->array);

	for (size_t i = st->ghost_head; i < st->ghost_end; i++) {
		const struct ghost *g = &st->ghosts[i];

		if (g->below > row)
			break;
		if (!(array_grave(v->array, g->grave)->row.flags & FLAG_SEEN))
			return (uint32_t)(g->below + (i - st->ghost_head) + 1);
	}
	if (row >= st->told_rows)
		return 0;
	return view_find_uid(v, v->array->d.rows[row].uid);
}

/* The first living row up to the mark that the reader has not read. */
static uint32_t
first_unseen_by(const struct view *v, const struct view_state *st)
{
	const struct array_data *d = &v->array->d;
	const struct uidset *seen =
	    &array_data_overlay(&v->array->d, v->account)->seen;
	size_t r = 0;

	for (size_t i = 0; i < st->told_rows; i++) {
		uint32_t uid = d->rows[i].uid;

		while (r < seen->n && seen->v[r].hi < uid)
			r++;
		if (r == seen->n || uid < seen->v[r].lo)
			return view_find_uid(v, uid);
	}
	return 0;
}

uint32_t
view_first_unseen(const struct view *v)
{
	const struct view_state *st = view_look(v);

	if (v->account != v->array->d.account)
		return first_unseen_by(v, st);
	return first_unseen(v, st);
}

/* The set holds ranges; what counts is who of them is still shown. */
uint32_t
view_recent_count(const struct view *v)
{
	uint32_t count = 0;

	for (size_t i = 0; i < v->recent.n; i++) {
		const struct uidrange *r = &v->recent.v[i];

		uint32_t end = r->hi >= v->told_uid ? view_count(v) + 1 :
		    view_seek_uid(v, r->hi + 1);

		count += end - view_seek_uid(v, r->lo);
	}
	return count;
}

bool
view_is_recent(const struct view *v, uint32_t uid)
{
	return uidset_has(&v->recent, uid);
}

const char *
view_keyword(const struct view *v, unsigned i)
{
	return i < v->array->d.keyword_count ? v->array->d.keywords[i] : NULL;
}

unsigned
view_keyword_count(const struct view *v)
{
	return v->array->d.keyword_count;
}

int
view_find_keyword(const struct view *v, struct span name)
{
	for (unsigned i = 0; i < v->array->d.keyword_count; i++)
		if (span_iis(name, v->array->d.keywords[i]))
			return (int)(KEYWORD_FIRST + i);
	return -1;
}

/* ---- syncing ---- */

/* Lowest UID first: no ghost is left below the one that is told. */
static void
sync_expunge(struct view_state *st, struct news *news)
{
	const struct ghost *g = &st->ghosts[st->ghost_head];

	news->kind = NEWS_EXPUNGE;
	news->seq = g->below + 1;
	news->uid = g->uid;
	st->ghost_head++;
	ghosts_drop_if_empty(st);
}

/* A view behind the ring cannot know what others did from what it did. */
static void
flags_scan(const struct view *v, struct uidset *set)
{
	const struct mailarray *a = v->array;
	const struct view_state *st = v->state;
	struct uidset ghosts = { 0 };

	for (size_t i = 0; i < st->told_rows; i++)
		if (a->d.rows[i].modseq > v->told_flags_modseq)
			uidset_add(set, a->d.rows[i].uid, a->d.rows[i].uid);
	for (size_t i = st->ghost_head; i < st->ghost_end; i++)
		if (array_grave(a, st->ghosts[i].grave)->row.modseq >
		    v->told_flags_modseq)
			uidset_add(&ghosts, st->ghosts[i].uid,
			    st->ghosts[i].uid);
	uidset_merge(set, &ghosts);
	uidset_release(&ghosts);
}

/* Which UIDs have flag changes that the client does not know of. */
static void
flags_collect(struct view *v)
{
	const struct uidset *others[ARRAY_RING];
	const struct mailarray *a = v->array;
	struct view_state *st = v->state;
	size_t n = 0;

	uidset_clear(&st->flags);
	st->flag_range = 0;
	st->flag_uid = 1;
	st->flags_upto = a->d.modseq;
	st->flags_going = true;
	if (v->told_flags_modseq < a->ring_floor) {
		flags_scan(v, &st->flags);
		return;
	}
	for (size_t i = 0; i < a->ring_n; i++) {
		const struct flag_record *r = array_flag_record(a, i);

		if (r->modseq <= v->told_flags_modseq)
			break;
		if (r->reader && r->reader != v->account)
			continue;
		if (r->origin == 0 || r->origin != v->id)
			others[n++] = &r->uids;
	}
	uidset_unite(&st->flags, others, n);
}

static void
flags_end(struct view *v)
{
	struct view_state *st = v->state;

	v->told_flags_modseq = st->flags_upto;
	st->flags_going = false;
	uidset_release(&st->flags);
}

/* The next of the collected UIDs that is still shown. */
static bool
flags_find(struct view *v, struct news *news)
{
	struct view_state *st = v->state;

	while (st->flag_range < st->flags.n) {
		const struct uidrange *r = &st->flags.v[st->flag_range];
		uint32_t from = MAX(st->flag_uid, r->lo);
		uint32_t seq = view_seek_uid(v, from);
		struct msgrow row;

		if (seq > view_count(v))
			return false;
		(void)view_get(v, seq, &row);
		if (from <= r->hi && row.uid <= r->hi) {
			news->kind = NEWS_FLAGS;
			news->seq = seq;
			news->uid = st->flag_uid = row.uid;
			return true;
		}
		/* Ranges before the next message hold nobody. */
		st->flag_range++;
	}
	return false;
}

static bool
sync_flags(struct view *v, struct news *news, bool peek)
{
	struct view_state *st = v->state;

	for (;;) {
		if (!st->flags_going) {
			if (v->told_flags_modseq >= v->array->flags_modseq)
				return false;
			flags_collect(v);
		}
		if (flags_find(v, news)) {
			if (!peek)
				st->flag_uid = news->uid + 1;
			return true;
		}
		flags_end(v);
	}
}

static void
sync_exists(struct view *v, struct view_state *st, struct news *news)
{
	uint32_t before = v->told_uid;

	v->told_uid = view_last_uid(v->array);
	st->told_rows = v->array->d.n;
	if (view_claim_recent(v, before))
		st->tell_recent = true;
	news->kind = NEWS_EXISTS;
	news->count = view_count(v);
}

/* Everything that may be told has been: the marks move. */
static void
sync_end(struct view *v, struct view_state *st)
{
	struct mailarray *a = v->array;
	bool moved = view_highestmodseq(v) != a->d.modseq;

	v->told_flags_modseq = a->d.modseq;
	if (!st->ghosts)
		v->told_expunge_modseq = a->d.modseq;
	if (moved && (a->ring_n || a->block_n))
		views_trim(a);
}

enum news_kind
view_sync(struct view *v, bool hold_expunges, struct news *news)
{
	struct view_state *st = view_look(v);

	*news = (struct news){ .kind = NEWS_END };
	if (st->ghosts && !hold_expunges) {
		sync_expunge(st, news);
	} else if (v->told_keywords < v->array->d.keyword_count) {
		v->told_keywords = v->array->d.keyword_count;
		news->kind = NEWS_KEYWORDS;
	} else if (sync_flags(v, news, false)) {
		;
	} else if (st->told_rows < v->array->d.n) {
		sync_exists(v, st, news);
	} else if (st->tell_recent) {
		st->tell_recent = false;
		news->kind = NEWS_RECENT;
		news->count = view_recent_count(v);
	} else {
		sync_end(v, st);
	}
	return news->kind;
}

bool
view_has_news(const struct view *cv, bool hold_expunges)
{
	struct view *v = (struct view *)(uintptr_t)cv;
	struct view_state *st = view_look(v);
	struct news news;

	return (st->ghosts && !hold_expunges) ||
	    v->told_keywords < v->array->d.keyword_count ||
	    st->told_rows < v->array->d.n || st->tell_recent ||
	    sync_flags(v, &news, true);
}
