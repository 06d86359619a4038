#include "server/base/op.h"

#include "server/base/session.h"

#include <assert.h>

/* Runs on the loop, from post_drain. */
static void
op_deliver(struct post_item *item)
{
	struct op *op = CONTAINER_OF(item, struct op, item);
	struct session *owner = op->owner;

	list_remove(&op->by_owner);
	op->owner = NULL;
	if (op->finish) {
		op->finish(op);
	} else if (!owner) {
		op_free(op);
	} else {
		owner->ops->done(owner, op);
		if (owner->driver)
			owner->driver->ready(owner);
	}
}

void
op_init(struct op *op, struct session *owner, struct post *home,
    void (*free_fn)(struct op *))
{
	*op = (struct op){ .owner = owner, .home = home, .free = free_fn };
	op->item.deliver = op_deliver;
	list_init(&op->by_owner);
	if (owner)
		list_add_tail(&owner->ops_out, &op->by_owner);
}

void
op_complete(struct op *op, int err)
{
	op->err = err;
	post_push(op->home, &op->item);
}

void
op_free(struct op *op)
{
	if (!op)
		return;
	op_disown(op);
	op->free(op);
}

void
op_adopt(struct op *op, struct session *owner)
{
	list_remove(&op->by_owner);
	op->owner = owner;
	op->err = 0;
	list_add_tail(&owner->ops_out, &op->by_owner);
}

void
op_disown(struct op *op)
{
	list_remove(&op->by_owner);
	op->owner = NULL;
}

static void
waiter_finish(struct op *op)
{
	struct op_waiter *w = op->waiter;

	w->op = NULL;
	w->came(w, op);
}

void
op_wait(struct op_waiter *w, struct op *op)
{
	assert(!w->op && !op->owner);
	w->op = op;
	op->waiter = w;
	op->finish = waiter_finish;
}

void
op_waiter_cancel(struct op_waiter *w)
{
	if (!w->op)
		return;
	w->op->finish = NULL;
	w->op = NULL;
}
