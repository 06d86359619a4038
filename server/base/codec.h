/*
 * Text encodings of bytes: base64, hex, percent, xtext.
 *
 * Decoders are strict unless they say otherwise: a bad byte is ERR_SYNTAX and
 * out holds what was appended before it was found.
 */
#ifndef SERVER_BASE_CODEC_H
#define SERVER_BASE_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/span.h"

/* RFC 4648 section 4, padded, no line breaks. Appends to out. */
void base64_encode(struct buf *out, const void *p, size_t len);

/*
 * RFC 4648 section 4: padding required, nothing after it, no spaces, unused
 * bits zero. Appends to out. Returns 0 or ERR_SYNTAX.
 */
int base64_decode(struct buf *out, struct span in);

/*
 * MIME's base64 (RFC 2045 section 6.8), as a stream: skips what is not in the
 * alphabet, stops at padding, never fails. Zero-initialised is the start.
 */
struct base64_stream {
	uint32_t bits;
	unsigned count;		/* sextets held, 0..3 */
	int ended;		/* padding seen */
};
void base64_stream_add(struct base64_stream *s, struct buf *out,
    struct span in);

/* Lower-case hex; decoding takes either case. */
void hex_encode(struct buf *out, const void *p, size_t len);
int hex_decode(struct buf *out, struct span in);

/* RFC 3461 section 4 xtext. Decoding: 0 or ERR_SYNTAX. */
void xtext_encode(struct buf *out, struct span in);
int xtext_decode(struct buf *out, struct span in);

/* RFC 3986 percent-encoding; what is unreserved stays. 0 or ERR_SYNTAX. */
void percent_encode(struct buf *out, struct span in);
int percent_decode(struct buf *out, struct span in);

#endif
