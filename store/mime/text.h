/*
 * Text as people search it: parts decoded, folded, scanned for substrings.
 *
 * A search key is folded once (utf8_fold_loose); message text is decoded from its
 * transfer encoding and charset, folded and scanned as a stream, so that a
 * match across two chunks is found and memory stays small. Of HTML it is the
 * text that people read which is scanned, not its source.
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
 * needles at once. found[i] is set when needle i has been seen; one that is
 * set already is not looked for.
 */
struct text_scan;
struct text_scan *text_scan_new(const struct part *part,
    const struct span *folded_needles, size_t count, bool *found);
void text_scan_add(struct text_scan *t, const char *p, size_t len);
void text_scan_finish(struct text_scan *t);
void text_scan_free(struct text_scan *t);

/* HTML with tags and entities taken away, roughly: what somebody reads. */
void text_strip_html(struct buf *out, struct span html);

/*
 * The same in pieces, cut anywhere. Zero before the first and after the end;
 * it owns nothing.
 */
#define ENTITY_MAX 10	/* bytes between "&" and ";" */
enum html_state {
	HTML_TEXT, HTML_ENTITY, HTML_LT, HTML_NAME, HTML_BANG, HTML_BANG_DASH,
	HTML_COMMENT, HTML_TAG, HTML_QUOTED, HTML_HIDDEN, HTML_HIDDEN_LT,
	HTML_HIDDEN_NAME
};
struct html_strip {
	enum html_state state;
	char held[ENTITY_MAX + 2];	/* a name, or an entity */
	size_t held_len;
	char hidden[ENTITY_MAX + 2];	/* whose end tag is waited for */
	size_t hidden_len;
	bool is_end;			/* "</" */
	bool hides;			/* what the tag begins is hidden */
	char quote;
	size_t quoted;			/* bytes between quotes so far */
	unsigned dashes;
};
void html_strip_add(struct html_strip *h, struct buf *out,
    struct span html);
void html_strip_finish(struct html_strip *h, struct buf *out);

#endif
