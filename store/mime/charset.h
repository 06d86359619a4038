/*
 * Character sets to UTF-8: our own table of about 40 names over glibc's iconv;
 * names outside the table are refused, and never reach iconv.
 */
#ifndef STORE_MIME_CHARSET_H
#define STORE_MIME_CHARSET_H

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/span.h"

/* Whether the name (any case) is in the table. */
bool charset_is_known(struct span name);

struct charset;

/* Returns owned; NULL for unknown names. US-ASCII and UTF-8 need no iconv. */
struct charset *charset_new(struct span name);
void charset_free(struct charset *c);

/*
 * Converts more bytes, as a stream; bytes that mean nothing in the charset
 * become U+FFFD. charset_finish flushes an incomplete character.
 */
void charset_add(struct charset *c, struct buf *out, const char *p,
    size_t len);
void charset_finish(struct charset *c, struct buf *out);

/* In one go. Returns 0, or ERR_CHARSET with nothing appended. */
int charset_to_utf8(struct buf *out, struct span name, struct span bytes);

#endif
