/*
 * Encoded-words (RFC 2047, RFC 2231 section 5) and transfer encodings.
 */
#ifndef STORE_MIME_ENCODED_H
#define STORE_MIME_ENCODED_H

#include "server/base/buf.h"
#include "server/base/span.h"
#include "store/mime/digest.h"

/*
 * Appends value as UTF-8: encoded-words decoded, white space between adjacent
 * ones dropped, raw bytes taken as UTF-8 or else as Latin-1. Controls other
 * than tab become spaces. Never fails.
 */
void encoded_decode(struct buf *out, struct span value);

/* Appends UTF-8 text as encoded-words of at most 75 octets where needed. */
void encoded_encode(struct buf *out, struct span utf8);

/* Undoing a transfer encoding as a stream; never fails, skips what is bad. */
struct decoder {
	enum part_encoding encoding;
	unsigned char state[64];
};
void decoder_init(struct decoder *d, enum part_encoding encoding);
void decoder_add(struct decoder *d, struct buf *out, const char *p,
    size_t len);
void decoder_finish(struct decoder *d, struct buf *out);

#endif
