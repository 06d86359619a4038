/*
 * Buffers that hold secrets, and HMAC-SHA-256. For auth alone.
 */
#ifndef AUTH_SECRET_PRIV_H
#define AUTH_SECRET_PRIV_H

#include <stddef.h>

#include "server/base/buf.h"
#include "server/base/span.h"

#define HMAC_LEN 32

/* Wipes the bytes, all that were allocated, and frees them. */
void secret_release(struct buf *b);

/*
 * Replaces the contents by a copy of s in memory of the right size: a buffer
 * that grows would leave its old bytes behind. s must not lie in b.
 */
void secret_set(struct buf *b, struct span s);

/* HMAC-SHA-256 over the parts, one after the other. */
void hmac_sha256(unsigned char out[HMAC_LEN], struct span key,
    const struct span *parts, size_t count);

/* Bytes as a span. */
static inline struct span
secret_span(const void *p, size_t len)
{
	return (struct span){ p, len };
}

#endif
