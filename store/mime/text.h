/*
 * Text as people search it: parts decoded, folded, scanned for substrings.
 *
 * A search key is folded once (utf8_fold); message text is decoded from its
 * transfer encoding and charset, folded and scanned as a stream, so that a
 * match across two chunks is found and memory stays small.
 */
#ifndef STORE_MIME_TEXT_H
#define STORE_MIME_TEXT_H

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/span.h"
#include "store/mime/digest.h"

/* Substring search in bytes; true for an empty needle. SSE2 where there is. */
bool text_contains(struct span haystack, struct span needle);

/* Whether one header value, decoded and folded, contains the folded needle. */
bool text_header_contains(struct span raw_value, struct span folded_needle,
    struct buf *scratch);

/*
 * Streams the bytes of one text part's body and looks for several folded
 * needles at once (found[i] is set when needle i has been seen).
 */
struct text_scan;
struct text_scan *text_scan_new(const struct part *part,
    const struct span *folded_needles, size_t count, bool *found);
void text_scan_add(struct text_scan *t, const char *p, size_t len);
void text_scan_finish(struct text_scan *t);
void text_scan_free(struct text_scan *t);

/* HTML with tags and entities taken away, roughly, for preview. */
void text_strip_html(struct buf *out, struct span html);

#endif
