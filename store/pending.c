/*
 * Weak stand-ins for parts that land after this one; each goes when its part
 * comes. Reads answer ERR_CLOSED, requests without an apply ERR_STORE.
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

WEAK int
readers_start(struct store *store, struct buf *why)
{
	(void)store;
	(void)why;
	return 0;
}

WEAK void
readers_stop(struct store *store)
{
	(void)store;
}

WEAK bool
readers_pump(struct store *store)
{
	(void)store;
	return false;
}

WEAK void
creds_free(struct cred_source *creds)
{
	(void)creds;
}

WEAK int
store_check(struct store *store, struct buf *why)
{
	(void)store;
	(void)why;
	return 0;
}

/* ---- store/mime: nothing is learned from a message ---- */

struct mime {
	struct digest digest;
};

WEAK struct mime *
mime_new(void)
{
	return xcalloc(1, sizeof(struct mime));
}

WEAK void
mime_free(struct mime *m)
{
	free(m);
}

WEAK void
mime_add(struct mime *m, const char *p, size_t len)
{
	(void)p;
	m->digest.size += len;
}

WEAK const struct digest *
mime_finish(struct mime *m)
{
	return &m->digest;
}

WEAK size_t
mime_memory(const struct mime *m)
{
	return sizeof *m;
}

WEAK void
digest_encode(struct buf *out, const struct digest *d)
{
	(void)d;
	buf_adds(out, "digest");
}
