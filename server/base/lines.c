#include "server/base/lines.h"

#include <string.h>

#include "server/base/xalloc.h"

/* The LF that ends the first line, or NULL. */
static const char *
find_end(const char *p, size_t len, int lenient)
{
	const char *end = p + len;

	for (const char *at = p; at < end; at++) {
		at = memchr(at, '\n', (size_t)(end - at));
		if (!at)
			return NULL;
		if (lenient || (at > p && at[-1] == '\r'))
			return at;
	}
	return NULL;
}

/* Whether a line without its end has what strict mode does not allow. */
static int
has_bare(struct span line)
{
	return span_chr(line, '\r') || span_chr(line, '\n') ||
	    span_chr(line, '\0');
}

enum line_result
lines_find(const char *p, size_t len, size_t max, int lenient,
    struct span *line, size_t *used)
{
	const char *lf = find_end(p, MIN(len, max), lenient);
	int found;

	*line = span_make(p, 0);
	*used = 0;
	if (!lf && len < max)
		return LINE_MORE;
	if (!lf) {
		/*
		 * The rest goes as lines_skip would have dropped it, had it
		 * come later: where the input is split changes nothing.
		 */
		*used = max - 1;
		*used += lines_skip(p + *used, len - *used, &found);
		return LINE_LONG;
	}
	line->len = (size_t)(lf - p);
	*used = line->len + 1;
	if (line->len && p[line->len - 1] == '\r')
		line->len--;
	return !lenient && has_bare(*line) ? LINE_BARE : LINE_OK;
}

size_t
lines_skip(const char *p, size_t len, int *found)
{
	const char *lf = len ? memchr(p, '\n', len) : NULL;

	*found = lf != NULL;
	return lf ? (size_t)(lf - p) + 1 : len;
}
