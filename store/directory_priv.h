/*
 * Addresses and domains, as the write requests change them.
 *
 * Thread: the writer's, in its transaction.
 */
#ifndef STORE_DIRECTORY_PRIV_H
#define STORE_DIRECTORY_PRIV_H

#include "store/writer_priv.h"

/* address.kind, stored */
enum address_kind {
	ADDRESS_ACCOUNT = 0, ADDRESS_ALIAS = 1, ADDRESS_REFUSED = 2
};

/* The hosted domain behind the '@' of an address: ERR_NODOMAIN. */
int address_domain(struct wtxn *t, const char *address, uint64_t *domain);

/* What the address is; ERR_NOTFOUND. */
int address_find(struct wtxn *t, struct span address,
    enum address_kind *kind);

/* Takes an account's addresses away, and what leads to nobody else. */
int address_drop_account(struct wtxn *t, uint64_t account);

/* Records that domains or addresses are not what they were. */
void directory_changed(struct wtxn *t);

#endif
