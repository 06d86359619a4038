/*
 * Quotas in the store: for look-ups of any kind.
 */
#ifndef STORE_QUOTA_PRIV_H
#define STORE_QUOTA_PRIV_H

#include "store/quota.h"
#include "store/store_priv.h"

/*
 * Bytes of one more message that the account has room for; 0: no message,
 * however small; QUOTA_NONE: no limit. ERR_NOUSER.
 */
int quota_room(struct db *db, uint64_t account, uint64_t *room);

/* Whether the account administers the server. */
int account_is_admin(struct db *db, uint64_t account, bool *is);

#endif
