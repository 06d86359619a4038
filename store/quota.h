/*
 * How much an account may hold (RFC 9208): requests and reads. The same
 * conventions as write.h and read.h.
 *
 * An account is one quota root for all of its mailboxes. Where it counts is
 * the writer: what APPEND, COPY and MOVE bring into a mailbox is charged to
 * the mailbox's owner, all or nothing. A delivery is judged before, when its
 * recipient is named, and may end above the limit (write_deliver.c).
 */
#ifndef STORE_QUOTA_H
#define STORE_QUOTA_H

#include "server/base/arena.h"
#include "store/store.h"

#define QUOTA_NONE UINT64_MAX
/* A limit fits a signed column, and in units of 1024 bytes too. */
#define QUOTA_MAX (UINT64_C(1) << 62)

struct quota {
	uint64_t bytes, messages;		/* held */
	uint64_t max_bytes, max_messages;	/* QUOTA_NONE: no limit */
};

/*
 * Who is looked at: an account by its address, or the owner of a mailbox. One
 * of one's own that does not exist yet would be one's own.
 *   ERR_NOMBOX  another's that one may not know of
 *   ERR_DENIED  a mailbox that one may not read; another's account, there or
 *               not, but for the administrator and the server itself
 *   ERR_NOUSER  no such account
 */
struct rjob_quota {
	struct rjob j;
	char *mailbox;		/* canonical, owned; or NULL */
	char *account;		/* log-in name, owned; NULL: one's own */
	/* results */
	bool is_own;
	const char *owner;	/* address key */
	struct quota quota;
	struct arena *arena;
};
struct rjob_quota *rjob_quota_new(struct env *env, struct session *s);

/* Sets limits, by the administrator or the server itself; errors as above. */
struct wreq_quota {
	struct wreq w;
	char *account;		/* log-in name; NULL: w.actor */
	bool sets_bytes, sets_messages;
	struct quota quota;	/* in: its limits. Result: all of it */
};
struct wreq_quota *wreq_quota_new(struct env *env, struct session *s);

#endif
