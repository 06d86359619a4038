#include "store/change.h"

#include <assert.h>
#include <stdlib.h>

#include "server/base/xalloc.h"

struct changeset *
changeset_new(void)
{
	struct changeset *cs = xcalloc(1, sizeof *cs);

	atomic_init(&cs->refs, 1);
	return cs;
}

struct changeset *
changeset_ref(struct changeset *cs)
{
	atomic_fetch_add_explicit(&cs->refs, 1, memory_order_relaxed);
	return cs;
}

void
changeset_unref(struct changeset *cs)
{
	/* The last one must see what the others did before they let go. */
	if (!cs || atomic_fetch_sub_explicit(&cs->refs, 1,
	    memory_order_acq_rel) > 1)
		return;
	changeset_trim(cs, 0);
	free(cs->v);
	arena_release(&cs->arena);
	free(cs);
}

struct change *
changeset_add(struct changeset *cs, enum change_kind kind, uint64_t account,
    uint64_t mailbox)
{
	struct change *c;

	if (cs->n == cs->cap) {
		cs->cap = cs->cap ? cs->cap * 2 : 8;
		cs->v = xreallocarray(cs->v, cs->cap, sizeof *cs->v);
	}
	c = &cs->v[cs->n++];
	*c = (struct change){ .kind = kind, .account = account,
	    .mailbox = mailbox };
	return c;
}

void
changeset_add_arrival(struct changeset *cs, uint64_t account,
    uint64_t mailbox, uint64_t origin, const struct msgrow *row)
{
	struct change *c = cs->n ? &cs->v[cs->n - 1] : NULL;

	/* Each request has a modseq of its own. */
	if (!c || c->kind != CHANGE_ARRIVAL || c->mailbox != mailbox ||
	    c->modseq != row->modseq || c->origin != origin) {
		c = changeset_add(cs, CHANGE_ARRIVAL, account, mailbox);
		c->modseq = row->modseq;
		c->origin = origin;
	}
	/* There is room until the count is a power of two. */
	if ((c->row_count & (c->row_count - 1)) == 0)
		c->rows = xreallocarray(c->rows, c->row_count ?
		    c->row_count * 2 : 1, sizeof *c->rows);
	c->rows[c->row_count++] = *row;
}

size_t
changeset_mark(const struct changeset *cs)
{
	return cs->n;
}

void
changeset_trim(struct changeset *cs, size_t mark)
{
	assert(mark <= cs->n);
	while (cs->n > mark) {
		struct change *c = &cs->v[--cs->n];

		uidset_release(&c->uids);
		free(c->rows);
	}
}
