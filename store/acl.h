/*
 * Access control lists (RFC 4314): requests and reads. The same conventions
 * as write.h and read.h.
 *
 * An identifier is the log-in name of an account, or "anyone". The owner of a
 * mailbox has all rights on it, which no entry can change.
 */
#ifndef STORE_ACL_H
#define STORE_ACL_H

#include "server/base/arena.h"
#include "store/mailbox.h"
#include "store/store.h"

#define ACL_ENTRIES_MAX 100		/* of one mailbox */

enum acl_how { ACL_SET, ACL_ADD, ACL_REMOVE };

/*
 * Changes one entry; without rights it goes.
 *   ERR_NOMBOX, ERR_DENIED (takes RIGHT_ADMIN)
 *   ERR_NOUSER   no account has this name
 *   ERR_REFUSED  it is the owner's
 *   ERR_LIMIT    ACL_ENTRIES_MAX
 */
struct wreq_acl {
	struct wreq w;
	char *name;			/* of the mailbox, canonical */
	char *identifier;
	bool is_negative;		/* the rights denied */
	enum acl_how how;
	unsigned rights;
};
struct wreq_acl *wreq_acl_new(struct env *env, struct session *s);

struct acl_row {
	const char *identifier;
	bool is_negative;
	unsigned rights;
};

/*
 * The list of one mailbox, the owner first: takes RIGHT_ADMIN. With only_mine
 * nothing but the actor's rights, which takes one of them (RFC 4314 section
 * 4).
 */
struct rjob_acl {
	struct rjob j;
	char *name;			/* canonical; owned */
	bool only_mine;
	/* results */
	unsigned rights;		/* the actor's */
	struct acl_row *rows;
	size_t row_count;
	struct arena *arena;
};
struct rjob_acl *rjob_acl_new(struct env *env, struct session *s);

#endif
