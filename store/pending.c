/*
 * Weak stand-ins for parts that land after this one; each goes when its part
 * comes. Requests without an apply answer ERR_STORE.
 */
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/message_priv.h"

#define WEAK __attribute__((weak))
#define PENDING(name) WEAK int name(struct wtxn *t, struct wreq *r) \
	{ (void)t; (void)r; return ERR_STORE; }

PENDING(apply_flags)
PENDING(apply_expunge)
PENDING(apply_copy)
PENDING(apply_mailbox)
PENDING(apply_recent)

static void
recent_free(struct op *op)
{
	free(op);
}

WEAK struct wreq_recent *
wreq_recent_new(struct env *env)
{
	struct wreq_recent *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_RECENT, env, NULL, recent_free);
	return r;
}

WEAK int
store_check(struct store *store, struct buf *why)
{
	(void)store;
	(void)why;
	return 0;
}
