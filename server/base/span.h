/*
 * A span: (pointer, length) into bytes that somebody else owns.
 *
 * Never NUL-terminated by right, never freed through. An empty span may have
 * any pointer, NULL included. Case-insensitive means ASCII letters only.
 */
#ifndef SERVER_BASE_SPAN_H
#define SERVER_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
	const char *p;
	size_t len;
};

/* For printf: printf("%.*s", SPAN_ARG(s)). Only for bytes known printable. */
#define SPAN_ARG(s) (int)(s).len, (s).p
/* A literal as a constant initialiser. */
#define SPAN(lit) ((struct span){ "" lit, sizeof(lit) - 1 })

static inline struct span
span_make(const char *p, size_t len)
{
	return (struct span){ p, len };
}

/* NULL gives the empty span. */
static inline struct span
span_of(const char *s)
{
	return (struct span){ s, s ? strlen(s) : 0 };
}

static inline unsigned char
ascii_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

static inline bool
span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool
span_ieq(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower((unsigned char)a.p[i]) !=
		    ascii_lower((unsigned char)b.p[i]))
			return false;
	return true;
}

/* Compares with a C string. */
static inline bool
span_is(struct span a, const char *s)
{
	return span_eq(a, span_of(s));
}

static inline bool
span_iis(struct span a, const char *s)
{
	return span_ieq(a, span_of(s));
}

/* The rest from offset on; empty when offset is past the end. */
static inline struct span
span_from(struct span s, size_t offset)
{
	if (s.len == 0)
		return s;	/* NULL may be, which has no arithmetic */
	if (offset >= s.len)
		return (struct span){ s.len ? s.p + s.len : s.p, 0 };
	return (struct span){ s.p + offset, s.len - offset };
}

/* At most len bytes of the beginning. */
static inline struct span
span_head(struct span s, size_t len)
{
	return (struct span){ s.p, s.len < len ? s.len : len };
}

static inline bool
span_starts(struct span s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && memcmp(s.p, prefix, n) == 0;
}

static inline bool
span_istarts(struct span s, const char *prefix)
{
	return span_iis(span_head(s, strlen(prefix)), prefix);
}

/* The first c, or NULL. */
static inline const char *
span_chr(struct span s, char c)
{
	return s.len ? memchr(s.p, c, s.len) : NULL;
}

/* Without spaces and tabs at both ends. */
static inline struct span
span_trim(struct span s)
{
	while (s.len && (*s.p == ' ' || *s.p == '\t')) {
		s.p++;
		s.len--;
	}
	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

#endif
