/*
 * Tokens that several header fields have in common. A scan ends where its
 * input ends, also in the middle of a comment, a quote or an escape.
 */
#ifndef STORE_MIME_SCAN_PRIV_H
#define STORE_MIME_SCAN_PRIV_H

#include "server/base/cursor.h"

/*
 * A comment from its parenthesis on (RFC 5322 section 3.2.2); without its end
 * it takes the rest. Nesting is counted, not recursed. Returns its inside.
 */
static inline struct span
scan_comment(struct cursor *c)
{
	const char *inside = c->p + 1;
	size_t depth = 0;
	int ch;

	while ((ch = cursor_next(c)) >= 0) {
		if (ch == '\\')
			(void)cursor_next(c);
		else if (ch == '(')
			depth++;
		else if (ch == ')' && --depth == 0)
			break;
	}
	return span_make(inside, (size_t)(c->p - inside) - (ch == ')'));
}

/* White space and comments. */
static inline void
scan_cfws(struct cursor *c)
{
	int ch;

	while ((ch = cursor_peek(c)) >= 0) {
		if (ch == '(')
			(void)scan_comment(c);
		else if (ch <= ' ')
			c->p++;
		else
			return;
	}
}

/*
 * A quoted string from its first quote on, unquoted into to, which has room
 * for what is left. Returns the bytes put there.
 */
static inline size_t
scan_quoted(struct cursor *c, char *to)
{
	size_t n = 0;
	int ch;

	c->p++;
	while ((ch = cursor_next(c)) >= 0 && ch != '"') {
		if (ch == '\\' && (ch = cursor_next(c)) < 0)
			break;
		to[n++] = (char)ch;
	}
	return n;
}

#endif
