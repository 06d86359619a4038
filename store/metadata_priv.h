/*
 * What the writing and the reading half know of annotations.
 */
#ifndef STORE_METADATA_PRIV_H
#define STORE_METADATA_PRIV_H

#include "store/metadata.h"
#include "store/store_priv.h"

struct wtxn;

/* RFC 5464 section 3.2.1.1: how to reach who runs the server. */
#define METADATA_ADMIN "/shared/admin"

bool metadata_is_shared(struct span entry);

/*
 * The mailbox by id, or by name if that is 0, where the actor may have to do
 * with its entries (RFC 5464 section 3.3).
 */
int metadata_access(struct db *db, uint64_t actor, uint64_t mailbox,
    struct span name, struct mailbox_row *row);

/* All entries of a mailbox, for another as well. */
int metadata_copy(struct wtxn *t, uint64_t from, uint64_t to);

#endif
