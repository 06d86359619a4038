/*
 * A reader of IMAP's parenthesised values that shares no code with what
 * writes them: strings, literals, numbers, NIL, lists.
 */
#ifndef TESTS_UNIT_IMAP_SEXP_H
#define TESTS_UNIT_IMAP_SEXP_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "server/base/arena.h"

enum sexp_kind { SEXP_NIL, SEXP_NUMBER, SEXP_STRING, SEXP_LIST };

struct sexp {
	enum sexp_kind kind;
	unsigned long long number;
	char *s;		/* SEXP_STRING: its bytes, NUL after them */
	size_t len;
	struct sexp *kids;	/* SEXP_LIST: linked by next */
	struct sexp *next;
	size_t count;
};

struct sexp_reader {
	const char *p, *end;
	struct arena *arena;
	bool allow_8bit;	/* in quoted strings */
	unsigned depth;
};

static inline bool sexp_read(struct sexp_reader *r, struct sexp *out);

static inline bool
sexp_read_quoted(struct sexp_reader *r, struct sexp *out)
{
	out->kind = SEXP_STRING;
	out->s = arena_alloc(r->arena, (size_t)(r->end - r->p) + 1);
	for (r->p++; r->p < r->end && *r->p != '"'; r->p++) {
		unsigned char c = (unsigned char)*r->p;

		if (c == '\\') {
			r->p++;
			if (r->p == r->end || (*r->p != '"' && *r->p != '\\'))
				return false;
			c = (unsigned char)*r->p;
		}
		if (c == 0 || c == '\r' || c == '\n' ||
		    (c >= 0x80 && !r->allow_8bit))
			return false;
		out->s[out->len++] = (char)c;
	}
	return r->p++ < r->end;
}

static inline bool
sexp_read_literal(struct sexp_reader *r, struct sexp *out)
{
	size_t n = 0;

	out->kind = SEXP_STRING;
	for (r->p++; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
		n = n * 10 + (size_t)(*r->p - '0');
	if (r->end - r->p < 3 || memcmp(r->p, "}\r\n", 3) != 0)
		return false;
	r->p += 3;
	if ((size_t)(r->end - r->p) < n || memchr(r->p, 0, n))
		return false;
	out->s = arena_alloc(r->arena, n + 1);
	memcpy(out->s, r->p, n);
	out->len = n;
	r->p += n;
	return true;
}

/* "(" [value *([SP] value)] ")": between lists no space is needed. */
static inline bool
sexp_read_list(struct sexp_reader *r, struct sexp *out)
{
	struct sexp **tail = &out->kids, *last = NULL;

	out->kind = SEXP_LIST;
	r->p++;
	while (r->p < r->end && *r->p != ')') {
		struct sexp *kid = arena_alloc(r->arena, sizeof *kid);
		bool spaced = last && *r->p == ' ';

		r->p += spaced;
		if (!sexp_read(r, kid))
			return false;
		if (last && !spaced && (last->kind != SEXP_LIST ||
		    kid->kind != SEXP_LIST))
			return false;
		*tail = last = kid;
		tail = &kid->next;
		out->count++;
	}
	return r->p++ < r->end;
}

static inline bool
sexp_read(struct sexp_reader *r, struct sexp *out)
{
	bool ok;

	*out = (struct sexp){ 0 };
	if (r->p == r->end)
		return false;
	if (*r->p == '"')
		return sexp_read_quoted(r, out);
	if (*r->p == '{')
		return sexp_read_literal(r, out);
	if (*r->p == '(') {
		if (r->depth++ > 400)
			return false;
		ok = sexp_read_list(r, out);
		r->depth--;
		return ok;
	}
	if (r->end - r->p >= 3 && memcmp(r->p, "NIL", 3) == 0) {
		r->p += 3;
		return true;
	}
	out->kind = SEXP_NUMBER;
	if (*r->p < '0' || *r->p > '9')
		return false;
	for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
		out->number = out->number * 10 +
		    (unsigned long long)(*r->p - '0');
	return true;
}

/* The whole of text as one value. */
static inline bool
sexp_parse(const char *text, size_t len, bool allow_8bit, struct arena *a,
    struct sexp *out)
{
	struct sexp_reader r = { text, text + len, a, allow_8bit, 0 };

	return sexp_read(&r, out) && r.p == r.end;
}

static inline const struct sexp *
sexp_at(const struct sexp *list, size_t i)
{
	const struct sexp *k = list->kids;

	while (k && i--)
		k = k->next;
	return k;
}

static inline bool
sexp_is_nstring(const struct sexp *s)
{
	return s && (s->kind == SEXP_NIL || s->kind == SEXP_STRING);
}

static inline bool
sexp_is_string(const struct sexp *s)
{
	return s && s->kind == SEXP_STRING;
}

static inline bool
sexp_is_number(const struct sexp *s)
{
	return s && s->kind == SEXP_NUMBER;
}

/* ---- RFC 3501 section 9: envelope ---- */

static inline bool
sexp_is_address_list(const struct sexp *s)
{
	if (!s || s->kind == SEXP_NIL)
		return s != NULL;
	if (s->kind != SEXP_LIST || s->count == 0)
		return false;
	for (const struct sexp *a = s->kids; a; a = a->next) {
		if (a->kind != SEXP_LIST || a->count != 4)
			return false;
		for (size_t i = 0; i < 4; i++)
			if (!sexp_is_nstring(sexp_at(a, i)))
				return false;
	}
	return true;
}

static inline bool
sexp_is_envelope(const struct sexp *s)
{
	if (!s || s->kind != SEXP_LIST || s->count != 10)
		return false;
	for (size_t i = 0; i < 10; i++) {
		const struct sexp *k = sexp_at(s, i);

		if (i >= 2 && i <= 7 ? !sexp_is_address_list(k) :
		    !sexp_is_nstring(k))
			return false;
	}
	return true;
}

/* ---- body ---- */

/* body-fld-param: NIL or pairs of strings */
static inline bool
sexp_is_params(const struct sexp *s)
{
	if (!s || s->kind == SEXP_NIL)
		return s != NULL;
	if (s->kind != SEXP_LIST || s->count == 0 || s->count % 2)
		return false;
	for (const struct sexp *k = s->kids; k; k = k->next)
		if (!sexp_is_string(k))
			return false;
	return true;
}

/* body-fld-dsp, body-fld-lang, body-fld-loc: three values from *k on */
static inline bool
sexp_are_extensions(const struct sexp *k)
{
	if (!k || !k->next || !k->next->next || k->next->next->next)
		return false;
	if (k->kind != SEXP_NIL && (k->kind != SEXP_LIST || k->count != 2 ||
	    !sexp_is_string(k->kids) || !sexp_is_params(k->kids->next)))
		return false;
	k = k->next;
	if (k->kind == SEXP_LIST && k->count == 0)
		return false;
	if (k->kind == SEXP_LIST)
		for (const struct sexp *l = k->kids; l; l = l->next)
			if (!sexp_is_string(l))
				return false;
	if (k->kind != SEXP_LIST && !sexp_is_nstring(k))
		return false;
	return sexp_is_nstring(k->next);
}

static inline bool
sexp_is_word(const struct sexp *s, const char *word)
{
	return sexp_is_string(s) && strcasecmp(s->s, word) == 0;
}

static inline bool
sexp_is_body(const struct sexp *s, bool extended)
{
	const struct sexp *k;
	bool is_message, is_text;

	if (!s || s->kind != SEXP_LIST || s->count == 0)
		return false;
	k = s->kids;
	if (k->kind == SEXP_LIST) {		/* body-type-mpart */
		for (; k && k->kind == SEXP_LIST; k = k->next)
			if (!sexp_is_body(k, extended))
				return false;
		if (!sexp_is_string(k))
			return false;
		if (!extended)
			return !k->next;
		return sexp_is_params(k->next) &&
		    sexp_are_extensions(k->next->next);
	}
	is_text = sexp_is_word(k, "text");
	is_message = sexp_is_word(k, "message") &&
	    (sexp_is_word(k->next, "rfc822") ||
	    sexp_is_word(k->next, "global"));
	if (s->count < 7 || sexp_is_word(k, "multipart"))
		return false;
	for (size_t i = 0; i < 7; i++, k = k->next) {
		if (i == 0 || i == 1 || i == 5 ? !sexp_is_string(k) :
		    i == 2 ? !sexp_is_params(k) :
		    i == 6 ? !sexp_is_number(k) : !sexp_is_nstring(k))
			return false;
	}
	if (is_message) {
		if (!sexp_is_envelope(k) || !sexp_is_body(k->next, extended))
			return false;
		k = k->next->next;
	}
	if (is_message || is_text) {
		if (!sexp_is_number(k))
			return false;
		k = k->next;
	}
	if (!extended)
		return !k;
	return sexp_is_nstring(k) && sexp_are_extensions(k->next);
}

#endif
