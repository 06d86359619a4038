/*
 * Header fields: walking a header block, finding fields, unfolding.
 *
 * A header block is the bytes from the start of an entity to and including
 * its blank line (which may be missing). RFC 5322 section 2.2.
 */
#ifndef STORE_MIME_HEADER_H
#define STORE_MIME_HEADER_H

#include <stdbool.h>

#include "server/base/arena.h"
#include "server/base/buf.h"
#include "server/base/cursor.h"
#include "server/base/span.h"

struct field_iter {
	struct cursor c;
};

struct header_field {
	struct span whole;	/* name, colon, value, final CRLF, folds */
	struct span name;	/* as written, without space before the colon */
	struct span value;	/* raw, after the colon, final CRLF not in it */
};

void field_iter_init(struct field_iter *it, struct span block);

/*
 * The next field. False at the blank line or the end. A line that is no field
 * (no colon) is given with an empty name, so that nothing is lost.
 */
bool field_iter_next(struct field_iter *it, struct header_field *f);

/* The first field with this name (any case). */
bool header_find(struct span block, const char *name, struct header_field *f);

/* Bytes up to and including the blank line; all of them if there is none. */
size_t header_block_len(struct span message);

/*
 * Appends value unfolded (RFC 5322 section 2.2.3), trimmed, NULs dropped; a
 * CR that ends no line becomes a space.
 */
void header_unfold(struct buf *out, struct span value);

/*
 * The next msg-id (RFC 5322 section 3.6.4) in an unfolded value, normalised
 * for comparing (RFC 5256 section 3): no brackets, no quotes, no comments.
 * What is no msg-id is skipped. False at the end. *id lives in the arena.
 */
bool header_next_msg_id(struct cursor *c, struct arena *a, struct span *id);

#endif
