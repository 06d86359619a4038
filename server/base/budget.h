/*
 * The process-wide memory budget.
 *
 * Anything a peer can make large (spool, literal, mailbox array, reply, hash
 * job) is charged here before it is allocated and given back when it is
 * freed. Over the limit a charge is refused; nothing else happens.
 *
 * Thread: any; the counter is atomic.
 */
#ifndef SERVER_BASE_BUDGET_H
#define SERVER_BASE_BUDGET_H

#include <stdatomic.h>
#include <stddef.h>

struct budget {
	atomic_size_t used;	/* bytes */
	size_t limit;		/* bytes; fixed after start */
	atomic_size_t spooled;	/* of those used, messages coming in (spool.h) */
};

/* Charges size bytes. Returns 0, or ERR_BUDGET with nothing charged. */
int budget_take(struct budget *b, size_t size);

/* Gives back what was taken. */
void budget_give(struct budget *b, size_t size);

/* Bytes charged now. */
size_t budget_used(const struct budget *b);

#endif
