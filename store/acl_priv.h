/*
 * Access control lists in the store, and how names lead to mailboxes.
 */
#ifndef STORE_ACL_PRIV_H
#define STORE_ACL_PRIV_H

#include "store/acl.h"
#include "store/store_priv.h"
#include "store/writer_priv.h"

/* The account that stands for anyone in an entry. */
#define ACL_ANYONE 0

/*
 * All entries of a mailbox, by rising account. malloc; n at most
 * 2 * ACL_ENTRIES_MAX.
 */
int acl_load(struct db *db, uint64_t mailbox, struct acl_entry **v,
    size_t *n);

/* A new mailbox has the list of another (RFC 4314 section 4: CREATE). */
int acl_copy(struct wtxn *t, uint64_t from, uint64_t to);

/*
 * Whether actor has the right to post (RFC 4314: p) on any mailbox of owner.
 */
int acl_may_post(struct db *db, uint64_t actor, uint64_t owner, bool *may);

#endif
