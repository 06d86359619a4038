#include "server/base/utf8.h"

#include <stdlib.h>

#include <utf8proc.h>

#include "server/base/ascii.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"

/*
 * Bringing combining marks in order is quadratic in their number, so what is
 * normalised is capped; names are shorter by far.
 */
#define UTF8_NORMAL_MAX 4096
#define UTF8_NAME_ROUNDS 4
#define DECOMPOSED_MAX 32	/* of a full decomposition; 18 in Unicode 15 */
#define FOLD_MAX 8	/* scalar values that one folds to; 3 in Unicode 15 */

bool
utf8_is_ascii(struct span s)
{
	return ascii_is_all(s.p, s.len);
}

/* Bytes that the lead byte announces: 1..4, 0 when it cannot lead. */
static size_t
lead_len(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c < 0xc2)	/* a continuation, or overlong */
		return 0;
	if (c < 0xe0)
		return 2;
	if (c < 0xf0)
		return 3;
	return c < 0xf5 ? 4 : 0;
}

/* RFC 3629 section 3: legal for its length, and a scalar value at all. */
static bool
is_legal(uint32_t cp, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

	return cp >= least[len] && cp <= 0x10ffff &&
	    (cp < 0xd800 || cp > 0xdfff);
}

/* As utf8_decode, but 0 for what is not valid. */
static size_t
decode_valid(struct span s, uint32_t *cp)
{
	size_t len = s.len ? lead_len((unsigned char)s.p[0]) : 0;

	if (len == 0 || len > s.len)
		return 0;
	*cp = (unsigned char)s.p[0];
	if (len == 1)
		return 1;
	*cp &= 0x7fu >> len;
	for (size_t i = 1; i < len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (c & 0x3f);
	}
	return is_legal(*cp, len) ? len : 0;
}

bool
utf8_is_valid(struct span s)
{
	uint32_t cp;
	size_t len;

	for (; s.len; s = span_from(s, len)) {
		len = ascii_run(s.p, s.len);
		if (len == 0 && (len = decode_valid(s, &cp)) == 0)
			return false;
	}
	return true;
}

size_t
utf8_decode(struct span s, uint32_t *cp)
{
	size_t len = decode_valid(s, cp);

	if (len)
		return len;
	*cp = UTF8_REPLACEMENT;
	return s.len ? 1 : 0;
}

void
utf8_encode(struct buf *out, uint32_t cp)
{
	char c[4];

	if (!is_legal(cp, 1))
		cp = UTF8_REPLACEMENT;
	if (cp < 0x80) {
		buf_addc(out, (char)cp);
	} else if (cp < 0x800) {
		c[0] = (char)(0xc0 | cp >> 6);
		c[1] = (char)(0x80 | (cp & 0x3f));
		buf_add(out, c, 2);
	} else if (cp < 0x10000) {
		c[0] = (char)(0xe0 | cp >> 12);
		c[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		c[2] = (char)(0x80 | (cp & 0x3f));
		buf_add(out, c, 3);
	} else {
		c[0] = (char)(0xf0 | cp >> 18);
		c[1] = (char)(0x80 | (cp >> 12 & 0x3f));
		c[2] = (char)(0x80 | (cp >> 6 & 0x3f));
		c[3] = (char)(0x80 | (cp & 0x3f));
		buf_add(out, c, 4);
	}
}

/* Appends the full case folding of cp, which has len bytes at p. */
static void
fold_add(struct buf *out, uint32_t cp, const char *p, size_t len)
{
	utf8proc_int32_t to[FOLD_MAX];
	utf8proc_ssize_t n;
	int last_class = 0;

	n = utf8proc_decompose_char((utf8proc_int32_t)cp, to, FOLD_MAX,
	    UTF8PROC_CASEFOLD, &last_class);
	if (n < 0 || n > FOLD_MAX) {
		buf_add(out, p, len);
		return;
	}
	for (utf8proc_ssize_t i = 0; i < n; i++)
		utf8_encode(out, (uint32_t)to[i]);
}

/*
 * What cp folds to where that is known without asking the library: 0 where it
 * is not. These are the letters that much of all mail outside of ASCII is
 * written in.
 */
static uint32_t
fold_known(uint32_t cp)
{
	if (cp >= 0xc0 && cp <= 0xff)		/* Latin-1; sharp s is "ss" */
		return cp == 0xdf ? 0 : cp >= 0xdf || cp == 0xd7 ? cp :
		    cp + 0x20;
	if (cp >= 0x410 && cp <= 0x44f)		/* Cyrillic */
		return cp < 0x430 ? cp + 0x20 : cp;
	if (cp >= 0x2010 && cp <= 0x2027)	/* dashes and quotes */
		return cp;
	if (cp >= 0x3000 && cp <= 0x9fff)	/* kana, Han: no case */
		return cp;
	if (cp >= 0xac00 && cp <= 0xd7a3)	/* Hangul: no case */
		return cp;
	return 0;
}

/* Appends one character from the front of s; returns its bytes. */
static size_t
fold_one(struct buf *out, struct span s)
{
	uint32_t cp = 0, to;
	size_t len = decode_valid(s, &cp);

	if (len == 0) {
		buf_addc(out, *s.p);
		return 1;
	}
	if ((to = fold_known(cp)) == cp)
		buf_add(out, s.p, len);
	else if (to)
		utf8_encode(out, to);
	else
		fold_add(out, cp, s.p, len);
	return len;
}

void
utf8_fold(struct buf *out, struct span s)
{
	size_t len;

	buf_reserve(out, s.len);
	for (; s.len; s = span_from(s, len)) {
		len = ascii_run(s.p, s.len);
		if (len == 0) {
			len = fold_one(out, s);
			continue;
		}
		buf_reserve(out, len);
		ascii_lower_copy(out->p + out->len, s.p, len);
		out->len += len;
		out->p[out->len] = '\0';
	}
}

/* Appends cp decomposed as far as it goes. */
static void
decompose_add(struct buf *out, utf8proc_int32_t cp)
{
	utf8proc_int32_t to[DECOMPOSED_MAX];
	utf8proc_ssize_t n;
	int last_class = 0;

	n = utf8proc_decompose_char(cp, to, DECOMPOSED_MAX,
	    UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE, &last_class);
	if (n < 0 || n > DECOMPOSED_MAX) {
		utf8_encode(out, (uint32_t)cp);
		return;
	}
	for (utf8proc_ssize_t i = 0; i < n; i++)
		utf8_encode(out, (uint32_t)to[i]);
}

/* Whether cp is known to fold to one letter, which has no parts. */
static bool
is_simple(uint32_t cp)
{
	if (cp >= 0x410 && cp <= 0x44f)		/* Cyrillic but short i */
		return cp != 0x419 && cp != 0x439;
	return cp >= 0x4e00 && cp <= 0x9fff;	/* Han */
}

/*
 * Appends one character from the front of s, folded, in title case if wanted
 * (RFC 5051 section 2 (2)), decomposed; returns its bytes.
 */
static size_t
collate_one(struct buf *out, struct span s, bool title)
{
	utf8proc_int32_t folded[FOLD_MAX];
	utf8proc_ssize_t n;
	int last_class = 0;
	uint32_t cp = 0;
	size_t len = decode_valid(s, &cp);

	if (len == 0) {
		buf_addc(out, *s.p);
		return 1;
	}
	if (!title && is_simple(cp)) {
		utf8_encode(out, fold_known(cp));
		return len;
	}
	n = utf8proc_decompose_char((utf8proc_int32_t)cp, folded, FOLD_MAX,
	    UTF8PROC_CASEFOLD, &last_class);
	if (n < 0 || n > FOLD_MAX)
		decompose_add(out, (utf8proc_int32_t)cp);
	for (utf8proc_ssize_t i = 0; i < n && n <= FOLD_MAX; i++)
		decompose_add(out, title ? utf8proc_totitle(folded[i]) :
		    folded[i]);
	return len;
}

static void
ascii_upper_add(struct buf *out, struct span s)
{
	buf_reserve(out, s.len);
	for (size_t i = 0; i < s.len; i++)
		out->p[out->len + i] = (char)(s.p[i] >= 'a' &&
		    s.p[i] <= 'z' ? s.p[i] - 0x20 : s.p[i]);
	out->len += s.len;
	out->p[out->len] = '\0';
}

void
utf8_casemap(struct buf *out, struct span s)
{
	size_t len;

	for (; s.len; s = span_from(s, len)) {
		len = ascii_run(s.p, s.len);
		if (len == 0)
			len = collate_one(out, s, true);
		else
			ascii_upper_add(out, span_head(s, len));
	}
}

void
utf8_fold_loose(struct buf *out, struct span s)
{
	size_t len;

	buf_reserve(out, s.len);
	for (; s.len; s = span_from(s, len)) {
		len = ascii_run(s.p, s.len);
		if (len == 0) {
			len = collate_one(out, s, false);
			continue;
		}
		buf_reserve(out, len);
		ascii_lower_copy(out->p + out->len, s.p, len);
		out->len += len;
		out->p[out->len] = '\0';
	}
}

/* Appends s, which is valid, after utf8proc's work on it. */
static int
map_add(struct buf *out, struct span s, utf8proc_option_t options)
{
	utf8proc_uint8_t *to = NULL;
	utf8proc_ssize_t n;

	if (s.len == 0)
		return 0;
	n = utf8proc_map((const utf8proc_uint8_t *)s.p,
	    (utf8proc_ssize_t)s.len, &to, options);
	if (n < 0)
		return ERR_SYNTAX;
	buf_add(out, to, (size_t)n);
	free(to);
	return 0;
}

int
utf8_nfc(struct buf *out, struct span s)
{
	if (s.len > UTF8_NORMAL_MAX || !utf8_is_valid(s))
		return ERR_SYNTAX;
	return map_add(out, s, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
}

/* RFC 8264 section 9: no controls, spaces, unassigned or private ones. */
static bool
is_name_char(uint32_t cp)
{
	switch (utf8proc_category((utf8proc_int32_t)cp)) {
	case UTF8PROC_CATEGORY_CN:
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CO:
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return false;
	default:
		return true;
	}
}

static bool
is_name(struct span s)
{
	uint32_t cp;
	size_t len;

	for (size_t i = 0; i < s.len; i += len) {
		len = utf8_decode(span_from(s, i), &cp);
		if (!is_name_char(cp))
			return false;
	}
	return s.len > 0;
}

/*
 * RFC 8265 section 3.3: folding may undo the composition and the reverse, so
 * both are done until nothing changes, a few times at most (RFC 8264
 * section 7).
 */
static int
name_settle(struct buf *name)
{
	struct buf next = BUF_INIT;
	int err = ERR_BADNAME;

	for (int i = 0; i < UTF8_NAME_ROUNDS && err; i++) {
		buf_clear(&next);
		if (name->len > UTF8_NORMAL_MAX || map_add(&next,
		    buf_span(name), UTF8PROC_STABLE | UTF8PROC_COMPOSE |
		    UTF8PROC_CASEFOLD) < 0)
			break;
		if (span_eq(buf_span(name), buf_span(&next)))
			err = 0;
		buf_swap(name, &next);
	}
	buf_release(&next);
	return err;
}

int
utf8_prepare_name(struct buf *out, struct span s)
{
	struct buf name = BUF_INIT;
	int err = ERR_BADNAME;

	if (s.len > UTF8_NORMAL_MAX || !utf8_is_valid(s))
		return ERR_BADNAME;
	buf_addspan(&name, s);
	if (is_name(s) && name_settle(&name) == 0 &&
	    is_name(buf_span(&name))) {
		buf_addspan(out, buf_span(&name));
		err = 0;
	}
	buf_release(&name);
	return err;
}
