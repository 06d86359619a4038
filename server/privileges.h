/*
 * Who the process is: dropping root, raising the descriptor limit.
 */
#ifndef SERVER_PRIVILEGES_H
#define SERVER_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "server/base/buf.h"

struct identity {
	uid_t uid;
	gid_t gid;
};

/*
 * The system user called name. Returns 0, or ERR_NOUSER with a sentence that
 * says how to make it.
 */
int identity_find(const char *name, struct identity *id, struct buf *why);

/* Whose path is. Returns 0 or ERR_IO with a sentence. */
int identity_of_path(const char *path, struct identity *id, struct buf *why);

/*
 * Becomes id for good, supplementary groups and saved ids included, and
 * checks that there is no way back. Returns 0 or ERR_DENIED with a sentence.
 * name (for initgroups) may be NULL: no supplementary groups.
 */
int identity_become(const struct identity *id, const char *name,
    struct buf *why);

/* Gives path (not a link) to id. Returns 0 or ERR_IO with a sentence. */
int identity_give(const struct identity *id, const char *path,
    struct buf *why);

/* As many descriptors as the hard limit allows, at most 65536. */
void raise_descriptor_limit(void);

#endif
