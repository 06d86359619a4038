/*
 * Reads a message as its bytes pass and makes its digest.
 *
 * A push parser: any split of the bytes gives the same digest. Memory is one
 * entity's header, 32 KiB of text for the preview, and the tree, which
 * MIME_HEADER_MAX bounds; the work is linear in the bytes. Nothing is
 * refused: over a cap the rest is an opaque leaf and FLAVOUR_UNPARSED is set.
 * Lines end with LF here, CR before it or not, since what is stored is stored
 * verbatim.
 *
 * Pure: no clock, no I/O.
 */
#ifndef STORE_MIME_MIME_H
#define STORE_MIME_MIME_H

#include "store/mime/digest.h"

struct mime;

/* Returns owned. */
struct mime *mime_new(void);
void mime_free(struct mime *m);

/* More bytes of the message. */
void mime_add(struct mime *m, const char *p, size_t len);

/*
 * The message has ended: its digest. Lives until mime_free. Call once.
 */
const struct digest *mime_finish(struct mime *m);

/* Bytes of memory held, for the budget. */
size_t mime_memory(const struct mime *m);

/* All of the above over one span, into the arena. For tests and re-digests. */
void mime_digest(struct span message, struct arena *a, struct digest *d);

#endif
