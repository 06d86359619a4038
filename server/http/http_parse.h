/*
 * Answers of HTTP/1.1 (RFC 9112), read by a client that trusts nobody.
 *
 * The head is parsed when it is there whole; the body is decoded as it comes.
 * Pure; no session.
 */
#ifndef SERVER_HTTP_HTTP_PARSE_H
#define SERVER_HTTP_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/cursor.h"
#include "server/base/span.h"

#define HTTP_HEAD_MAX (16u * 1024)	/* status line and fields */
#define HTTP_LINE_MAX 1024u		/* of a chunk's size, or a trailer */
#define HTTP_TRAILERS_MAX 32u

struct http_head {
	int status;			/* 100..599 */
	struct span media_type;		/* "text/plain", parameters cut off */
	bool has_length;
	uint64_t length;
	bool is_chunked;
};

/*
 * Where the head ends: its length with the empty line, or 0 while that has
 * not come. Line ends are CRLF; a lone LF is one too (RFC 9112 section 2.2).
 */
size_t http_find_head(struct span in);

/*
 * A head as http_find_head found it; spans point into it. PARSE_BAD also for
 * what would leave the end of the body in doubt: two lengths, a length beside
 * a transfer coding, a coding other than chunked (RFC 9112 section 6.3).
 */
enum parse http_parse_head(struct span head, struct http_head *h);

enum http_step {
	HTTP_MORE,	/* all of it used; more to come */
	HTTP_DONE,	/* the body is whole */
	HTTP_BAD,
	HTTP_LARGE	/* over the cap */
};

/* The body's place. Zero but for what http_body_start sets. */
struct http_body {
	enum {
		BODY_LENGTH, BODY_SIZE, BODY_CHUNK, BODY_CHUNK_END,
		BODY_TRAILER, BODY_END
	} mode;
	uint64_t left;		/* of the body, or of this chunk */
	size_t max;
	char line[HTTP_LINE_MAX];
	size_t line_len;
	unsigned trailers;
};

/*
 * Starts on the body of h, which must have a length or be chunked. Returns
 * HTTP_MORE, HTTP_DONE for an empty one, or HTTP_LARGE.
 */
enum http_step http_body_start(struct http_body *b,
    const struct http_head *h, size_t max);

/* Decodes in to the end of out; *used is set to the bytes consumed. */
enum http_step http_body_add(struct http_body *b, struct span in,
    struct buf *out, size_t *used);

#endif
