/*
 * Compression of a connection (RFC 4978: raw deflate, RFC 1951). No sockets.
 *
 * Every connection inflates with a history of its own, which the peer relies
 * on. Deflating needs none: each batch of output is compressed by itself and
 * flushed, so that a loop has one deflater for all of its connections, with
 * the widest window, and an idle connection has no memory in it.
 */
#ifndef SERVER_NET_DEFLATE_H
#define SERVER_NET_DEFLATE_H

#include <stddef.h>

#include "server/base/buf.h"

struct deflater;

/* Returns owned. */
struct deflater *deflater_new(void);
void deflater_free(struct deflater *d);		/* NULL is legal */

/*
 * Appends the len bytes at p to out as blocks that end with a sync flush: a
 * peer that has all of them has all of the bytes.
 */
void deflater_add(struct deflater *d, struct buf *out, const char *p,
    size_t len);

struct inflater;

/* Returns owned: about 7 KiB, and at most 32 KiB more as bytes come. */
struct inflater *inflater_new(void);
void inflater_free(struct inflater *i);		/* NULL is legal */

/* Where bytes from the network are appended; what is in it is what is left. */
struct buf *inflater_in(struct inflater *i);

/*
 * Up to len plain bytes into p, so what a peer may blow up is bounded by the
 * caller's room. Ends where the peer has flushed: what it sends behind that
 * may not be compressed any more. Returns their count; 0 when more is needed
 * first; ERR_CLOSED at the end of the peer's stream; ERR_SYNTAX for what is
 * no deflate, and then for ever.
 */
int inflater_read(struct inflater *i, char *p, size_t len);

#endif
