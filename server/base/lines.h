/*
 * CRLF framing of command lines.
 *
 * Security invariant that lives here and nowhere else: a bare CR or a bare LF
 * never ends a line in strict mode (LIMITS: end-of-data smuggling), and a
 * peer's line is never buffered past its limit.
 */
#ifndef SERVER_BASE_LINES_H
#define SERVER_BASE_LINES_H

#include <stddef.h>

#include "server/base/span.h"

enum line_result {
	LINE_OK,	/* *line is set, without its CRLF; *used counts it with */
	LINE_MORE,	/* no line end yet; nothing used, call again with more */
	LINE_LONG,	/* over max; *used bytes are to be dropped, see below */
	LINE_BARE,	/* strict: bare LF, bare CR or NUL inside; *used covers it */
};

/*
 * Finds the first line in the len bytes at p. With lenient a lone LF ends a
 * line too (what people type at a terminal); CR LF always does. max counts
 * bytes including the line end and is at least 1.
 *
 * LINE_LONG comes as soon as max bytes hold no line end; then *used is len if
 * there is still none, or reaches through the line end if there is one by now:
 * exactly then p[*used - 1] is LF. If not, the caller keeps dropping input
 * through the next LF (lines_skip).
 *
 * LINE_BARE comes with the CR LF that ends the line, so that nothing after a
 * bare CR or LF can be taken for a command. In a line over max, which is
 * refused whatever it holds, any LF ends what is dropped.
 */
enum line_result lines_find(const char *p, size_t len, size_t max,
    int lenient, struct span *line, size_t *used);

/*
 * Bytes to drop up to and including the next LF. *found tells whether the LF
 * was there; if not, all len bytes are to be dropped.
 */
size_t lines_skip(const char *p, size_t len, int *found);

#endif
