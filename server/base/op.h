/*
 * An op: something a session waits for.
 *
 * The intrusive header of every request that crosses threads: store writes,
 * store reads, jobs for the work pool. Whoever makes the request owns it until
 * it is submitted; then the system owns it until it is delivered back on the
 * loop. If the session is still there its done() takes the op; if it has
 * ended, the op is freed.
 *
 * An op owns copies of all it needs and never points into a session.
 */
#ifndef SERVER_BASE_OP_H
#define SERVER_BASE_OP_H

#include "server/base/list.h"
#include "server/base/post.h"

struct session;

struct op {
	struct post_item item;	/* the link while it travels home */
	struct list by_owner;	/* in owner->ops_out; loop thread only */
	struct session *owner;	/* NULL: nobody waits. Loop thread only */
	struct post *home;	/* the queue of the loop it returns to */
	int err;		/* the result: 0 or ERR_* */
	int tag;		/* the submitter's own mark, untouched */
	void (*free)(struct op *);	/* frees the whole request */
	/*
	 * Called instead of owner->ops->done if not NULL, on the loop; takes
	 * the op. For work that belongs to a module and not to a session.
	 */
	void (*finish)(struct op *);
	struct op_waiter *waiter;	/* see op_wait */
};

/*
 * Who waits for an op and is no session; embedded in it, one for each op at a
 * time. came takes the op.
 */
struct op_waiter {
	void (*came)(struct op_waiter *, struct op *);
	struct op *op;		/* what it waits for; NULL: nothing */
};

/*
 * Prepares a request for submission. owner may be NULL. free_fn gets the op
 * back. Thread: the loop's (or, with owner NULL, any).
 */
void op_init(struct op *op, struct session *owner, struct post *home,
    void (*free_fn)(struct op *));

/* Sends a finished op home. Thread: any; takes op. */
void op_complete(struct op *op, int err);

/* Frees a request through its own function; NULL is legal. */
void op_free(struct op *op);

/*
 * Ties an op that came home to a session again, before it is submitted once
 * more (the next slice of a read job, a request that was kept).
 */
void op_adopt(struct op *op, struct session *owner);

/* Ties an op without an owner to w, before it is submitted. */
void op_wait(struct op_waiter *w, struct op *op);

/* The op comes home to nobody; legal when there is none. */
void op_waiter_cancel(struct op_waiter *w);

/* Unties the op from its session: when it comes home it is just freed. */
void op_disown(struct op *op);

#endif
