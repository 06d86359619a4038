/*
 * gzip (RFC 1952), in one go.
 */
#ifndef SERVER_BASE_GZIP_H
#define SERVER_BASE_GZIP_H

#include "server/base/buf.h"
#include "server/base/span.h"

/* Appends in, compressed. Returns 0, or ERR_LIMIT if it is over 1 GiB. */
int gzip_add(struct buf *out, struct span in);

#endif
