/*
 * Internationalised headers for clients that know nothing of them (RFC 6858).
 *
 * Text becomes encoded-words, an address that cannot be shown an invalid one
 * whose display name tells what it was, a parameter that cannot be shown is
 * left out, and so is every other field. 8-bit bytes that are no UTF-8 count
 * as Latin-1, as everywhere.
 */
#ifndef STORE_MIME_DOWNGRADE_H
#define STORE_MIME_DOWNGRADE_H

#include <stdbool.h>

#include "server/base/arena.h"
#include "server/base/buf.h"
#include "server/base/span.h"
#include "store/mime/digest.h"

/* Whether a value has bytes that such a client cannot be shown. */
bool downgrade_is_needed(struct span value);

/* Unstructured text, for Subject and display names: as encoded-words. */
void downgrade_text(struct buf *out, struct span value);

/*
 * The address to show instead of one that cannot be shown (memory from a);
 * one that can be is returned as it is.
 */
struct address downgrade_address(const struct address *addr, struct arena *a);

/*
 * A whole header block, with its blank line. Fields without 8-bit bytes pass
 * as they are. Returns whether anything was changed.
 */
bool downgrade_header(struct buf *out, struct span header);

#endif
