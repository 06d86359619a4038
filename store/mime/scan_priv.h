/*
 * Tokens that several header fields have in common. A scan ends where its
 * input ends, also in the middle of a comment, a quote or an escape.
 */
#ifndef STORE_MIME_SCAN_PRIV_H
#define STORE_MIME_SCAN_PRIV_H

#include "server/base/cursor.h"

/* RFC 2045 section 5.1 token. */
static inline bool
scan_is_token(unsigned char c)
{
	return c > ' ' && c < 0x7f && !memchr("()<>@,;:\\\"/[]?=", c, 15);
}

/* 0..15, or -1. */
static inline int
scan_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * The byte that mark and two hex digits stand for at the front of s: "=E4",
 * "%E4". -1 if that is not what is there.
 */
static inline int
scan_hex_byte(struct span s, char mark)
{
	int hi, lo;

	if (s.len < 3 || *s.p != mark)
		return -1;
	hi = scan_hex_digit(s.p[1]);
	lo = scan_hex_digit(s.p[2]);
	return hi < 0 || lo < 0 ? -1 : hi << 4 | lo;
}

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
