/*
 * A command without a server: the admin session run in this process, over
 * the store opened under its lock.
 */
#ifndef SERVER_LOCAL_H
#define SERVER_LOCAL_H

#include "server/base/buf.h"
#include "server/base/span.h"
#include "server/config.h"

/*
 * Runs one request (control.h, line and literals). What the session answers
 * is handed to sink as it comes. Becomes the user who owns the store first.
 * Returns 0 when it has answered, or ERR_* with a sentence in *why; ERR_BUSY:
 * a process that does not answer has the store.
 */
struct local_sink {
	void (*take)(struct local_sink *, struct buf *out);
};
int local_run(const struct config *c, struct span request,
    struct local_sink *sink, struct buf *why);

#endif
