/*
 * Bounds-checked scanning for parsers.
 *
 * A cursor is a position and an end. Every function either consumes what it
 * names or leaves the cursor where it was. Nothing here allocates.
 */
#ifndef SERVER_BASE_CURSOR_H
#define SERVER_BASE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/span.h"

/* What a grammar function says: framing is complete, so never "more". */
enum parse { PARSE_OK, PARSE_BAD };

struct cursor {
	const char *p;
	const char *end;
};

static inline struct cursor
cursor_of_span(struct span s)
{
	/* An empty span may be NULL, which no arithmetic is defined for. */
	return (struct cursor){ s.p, s.len ? s.p + s.len : s.p };
}

static inline struct cursor
cursor_of(const char *s)
{
	return cursor_of_span(span_of(s));
}

static inline bool
cursor_at_end(const struct cursor *c)
{
	return c->p >= c->end;
}

static inline size_t
cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

/* The next byte, or -1 at the end. */
static inline int
cursor_peek(const struct cursor *c)
{
	return c->p < c->end ? (unsigned char)*c->p : -1;
}

/* Consumes and returns the next byte, or -1 at the end. */
static inline int
cursor_next(struct cursor *c)
{
	return c->p < c->end ? (unsigned char)*c->p++ : -1;
}

/* Consumes ch if it is next. */
static inline bool
cursor_skip(struct cursor *c, char ch)
{
	if (c->p >= c->end || *c->p != ch)
		return false;
	c->p++;
	return true;
}

/* Consumes the word if it is next, ASCII letters in any case. */
static inline bool
cursor_skip_word(struct cursor *c, const char *word)
{
	size_t n = strlen(word);

	if (cursor_left(c) < n || !span_ieq(span_make(c->p, n),
	    span_make(word, n)))
		return false;
	c->p += n;
	return true;
}

/* Consumes bytes while in(byte) holds; the result may be empty. */
static inline struct span
cursor_while(struct cursor *c, bool (*in)(unsigned char))
{
	const char *start = c->p;

	while (c->p < c->end && in((unsigned char)*c->p))
		c->p++;
	return span_make(start, (size_t)(c->p - start));
}

/* Consumes up to, not including, the first ch or the end. */
static inline struct span
cursor_until(struct cursor *c, char ch)
{
	const char *start = c->p;

	while (c->p < c->end && *c->p != ch)
		c->p++;
	return span_make(start, (size_t)(c->p - start));
}

/*
 * Consumes decimal digits into *n. False, with nothing consumed, if there is
 * no digit or the number exceeds max. Leading zeros are allowed.
 */
static inline bool
cursor_number(struct cursor *c, uint64_t max, uint64_t *n)
{
	const char *p = c->p;
	uint64_t v = 0;

	for (; p < c->end && *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (v > (max - digit) / 10 || max < digit)
			return false;
		v = v * 10 + digit;
	}
	if (p == c->p)
		return false;
	c->p = p;
	*n = v;
	return true;
}

#endif
