#include "store/mime/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>

#include "server/base/ascii.h"
#include "server/base/err.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"

#define CARRY_MAX 16		/* bytes of a character or an escape sequence */
#define CHUNK_SIZE 4096		/* UTF-8 that one step of iconv may make */
#define NAME_MAX_LEN 40

enum kind {
	KIND_ASCII, KIND_UTF8, KIND_LATIN1, KIND_ICONV, KIND_PAIRS, KIND_HZ
};

struct charset_name {
	const char *name;
	const char *iconv;	/* what glibc calls it; NULL: its own name */
	enum kind kind;
	bool over_ascii;	/* bytes under 0x80 are ASCII, in any state, and
				 * iconv holds no character back to compose */
};

/*
 * Latin-1 is read as windows-1252, which adds characters where Latin-1 has
 * controls that no text has: mail says the former and means the latter.
 */
static const struct charset_name names[] = {
	{ "utf-8", NULL, KIND_UTF8, true },
	{ "utf8", NULL, KIND_UTF8, true },
	{ "us-ascii", NULL, KIND_ASCII, true },
	{ "ascii", NULL, KIND_ASCII, true },
	{ "ansi_x3.4-1968", NULL, KIND_ASCII, true },
	{ "iso646-us", NULL, KIND_ASCII, true },
	{ "iso-8859-1", NULL, KIND_LATIN1, true },
	{ "iso8859-1", NULL, KIND_LATIN1, true },
	{ "iso_8859-1", NULL, KIND_LATIN1, true },
	{ "latin1", NULL, KIND_LATIN1, true },
	{ "windows-1252", NULL, KIND_LATIN1, true },
	{ "cp1252", NULL, KIND_LATIN1, true },
	{ "iso-8859-2", NULL, KIND_ICONV, true },
	{ "latin2", "iso-8859-2", KIND_ICONV, true },
	{ "iso-8859-3", NULL, KIND_ICONV, true },
	{ "iso-8859-4", NULL, KIND_ICONV, true },
	{ "iso-8859-5", NULL, KIND_ICONV, true },
	{ "iso-8859-6", NULL, KIND_ICONV, true },
	{ "iso-8859-7", NULL, KIND_ICONV, true },
	{ "iso-8859-8", NULL, KIND_ICONV, true },
	{ "iso-8859-8-i", "iso-8859-8", KIND_ICONV, true },
	{ "iso-8859-9", NULL, KIND_ICONV, true },
	{ "latin5", "iso-8859-9", KIND_ICONV, true },
	{ "iso-8859-10", NULL, KIND_ICONV, true },
	{ "iso-8859-11", NULL, KIND_ICONV, true },
	{ "iso-8859-13", NULL, KIND_ICONV, true },
	{ "iso-8859-14", NULL, KIND_ICONV, true },
	{ "iso-8859-15", NULL, KIND_ICONV, true },
	{ "latin9", "iso-8859-15", KIND_ICONV, true },
	{ "latin-9", "iso-8859-15", KIND_ICONV, true },
	{ "iso-8859-16", NULL, KIND_ICONV, true },
	{ "windows-1250", "cp1250", KIND_ICONV, true },
	{ "cp1250", NULL, KIND_ICONV, true },
	{ "windows-1251", "cp1251", KIND_ICONV, true },
	{ "cp1251", NULL, KIND_ICONV, true },
	{ "windows-1253", "cp1253", KIND_ICONV, true },
	{ "windows-1254", "cp1254", KIND_ICONV, true },
	{ "windows-1255", "cp1255", KIND_ICONV, false },
	{ "windows-1256", "cp1256", KIND_ICONV, true },
	{ "windows-1257", "cp1257", KIND_ICONV, true },
	{ "windows-1258", "cp1258", KIND_ICONV, false },
	{ "windows-874", "cp874", KIND_ICONV, true },
	{ "windows-31j", "cp932", KIND_ICONV, false },
	{ "cp932", NULL, KIND_ICONV, false },
	{ "koi8-r", NULL, KIND_ICONV, true },
	{ "koi8-u", NULL, KIND_ICONV, true },
	{ "gb2312", "gbk", KIND_ICONV, false },
	{ "gb_2312-80", "gbk", KIND_ICONV, false },
	{ "gbk", NULL, KIND_ICONV, false },
	{ "gb18030", NULL, KIND_ICONV, false },
	{ "hz-gb-2312", "gbk", KIND_HZ, false },
	{ "big5", "cp950", KIND_ICONV, false },
	{ "big5-hkscs", NULL, KIND_ICONV, false },
	{ "euc-jp", NULL, KIND_ICONV, true },
	{ "shift_jis", "cp932", KIND_ICONV, false },
	{ "shift-jis", "cp932", KIND_ICONV, false },
	{ "sjis", "cp932", KIND_ICONV, false },
	{ "x-sjis", "cp932", KIND_ICONV, false },
	{ "iso-2022-jp", "iso-2022-jp-2", KIND_ICONV, false },
	{ "iso-2022-jp-1", "iso-2022-jp-2", KIND_ICONV, false },
	{ "iso-2022-jp-2", NULL, KIND_ICONV, false },
	{ "iso-2022-kr", NULL, KIND_ICONV, false },
	{ "euc-kr", "cp949", KIND_PAIRS, true },
	{ "ks_c_5601-1987", "cp949", KIND_PAIRS, true },
	{ "ksc5601", "cp949", KIND_PAIRS, true },
	{ "cp949", NULL, KIND_PAIRS, true },
	{ "utf-16", NULL, KIND_ICONV, false },
	{ "utf-16le", NULL, KIND_ICONV, false },
	{ "utf-16be", NULL, KIND_ICONV, false },
	{ "utf-32", NULL, KIND_ICONV, false },
	{ "utf-7", NULL, KIND_ICONV, false },
	{ "unicode-1-1-utf-7", "utf-7", KIND_ICONV, false },
	{ "macintosh", NULL, KIND_ICONV, true },
	{ "x-mac-roman", "macintosh", KIND_ICONV, true },
	{ "ibm437", NULL, KIND_ICONV, true },
	{ "cp437", NULL, KIND_ICONV, true },
	{ "ibm850", NULL, KIND_ICONV, true },
	{ "cp850", NULL, KIND_ICONV, true },
	{ "ibm852", NULL, KIND_ICONV, true },
	{ "ibm866", NULL, KIND_ICONV, true },
	{ "cp866", NULL, KIND_ICONV, true },
	{ "tis-620", NULL, KIND_ICONV, true },
	{ "viscii", NULL, KIND_ICONV, false },
};

/* What windows-1252 has at 0x80..0x9f; 0 where it has nothing. */
static const uint16_t latin1_extra[32] = {
	0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017d, 0,
	0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
	0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178
};

struct charset {
	const struct charset_name *name;
	iconv_t cd;		/* (iconv_t)-1 where iconv is not needed */
	bool in_gb;		/* KIND_HZ: between "~{" and "~}" */
	char carry[CARRY_MAX];	/* the beginning of a character */
	size_t carry_len;
};

static const struct charset_name *
find_name(struct span name)
{
	if (name.len == 0 || name.len > NAME_MAX_LEN)
		return NULL;
	for (size_t i = 0; i < COUNT(names); i++)
		if (span_iis(name, names[i].name))
			return &names[i];
	return NULL;
}

bool
charset_is_known(struct span name)
{
	return find_name(name) != NULL;
}

struct charset *
charset_new(struct span name)
{
	const struct charset_name *n = find_name(name);
	struct charset *c;
	iconv_t cd = (iconv_t)-1;

	if (!n)
		return NULL;
	if (n->kind >= KIND_ICONV) {
		cd = iconv_open("UTF-8", n->iconv ? n->iconv : n->name);
		if (cd == (iconv_t)-1)	/* a system without its tables */
			return NULL;
	}
	c = xcalloc(1, sizeof *c);
	c->name = n;
	c->cd = cd;
	return c;
}

void
charset_free(struct charset *c)
{
	if (c && c->cd != (iconv_t)-1)
		(void)iconv_close(c->cd);
	free(c);
}

static void
add_replacement(struct buf *out)
{
	utf8_encode(out, UTF8_REPLACEMENT);
}

/* Every byte is a character: US-ASCII, Latin-1. */
static void
add_bytes(const struct charset *c, struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint32_t cp = (unsigned char)s.p[i];

		if (cp >= 0x80 && c->name->kind == KIND_ASCII)
			cp = UTF8_REPLACEMENT;
		else if (cp >= 0x80 && cp < 0xa0 && latin1_extra[cp - 0x80])
			cp = latin1_extra[cp - 0x80];
		utf8_encode(out, cp);
	}
}

/* Whether s may be the beginning of a character that is valid when whole. */
static bool
is_cut_off(struct span s)
{
	unsigned char lead = (unsigned char)s.p[0];
	char whole[4] = { s.p[0], (char)0x80, (char)0x80, (char)0x80 };
	size_t len = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	uint32_t cp;

	if (s.len >= len)
		return false;
	/* E0, ED, F0 and F4 bind their second byte: 0x80 may be too low. */
	if (s.len == 1 && (lead == 0xe0 || lead == 0xf0))
		whole[1] = (char)0xbf - (lead == 0xf0 ? 0x10 : 0);
	memcpy(whole, s.p, s.len);
	return utf8_decode(span_make(whole, len), &cp) == len;
}

/* Adds what is valid and replaces the rest. Bytes left at a cut-off end. */
static size_t
add_utf8(struct buf *out, struct span s)
{
	uint32_t cp;

	if (utf8_is_valid(s)) {
		buf_addspan(out, s);
		return 0;
	}
	while (s.len) {
		size_t len = utf8_decode(s, &cp);

		if (len == 1 && cp == UTF8_REPLACEMENT && is_cut_off(s))
			break;
		utf8_encode(out, cp);
		s = span_from(s, len);
	}
	return s.len;
}

/*
 * Lets iconv work until it wants more input; a byte that it refuses is
 * replaced. Bytes left: the beginning of a character.
 */
static size_t
add_iconv(struct charset *c, struct buf *out, struct span s)
{
	char *in = (char *)(uintptr_t)s.p;	/* iconv does not write there */
	size_t left = s.len;

	while (left) {
		char chunk[CHUNK_SIZE], *to = chunk;
		size_t room = sizeof chunk;
		size_t r = iconv(c->cd, &in, &left, &to, &room);
		int err = errno;

		buf_add(out, chunk, sizeof chunk - room);
		if (r != (size_t)-1 || err == E2BIG)
			continue;
		if (err != EILSEQ)
			break;
		add_replacement(out);
		if (left == 0)	/* some converters step over it first */
			break;
		in++;
		left--;
	}
	return left;
}

/* One character whose bytes are known to be all; false if it means nothing. */
static bool
add_pair(struct charset *c, struct buf *out, struct span s)
{
	char *in = (char *)(uintptr_t)s.p, text[8], *to = text;
	size_t left = s.len, room = sizeof text;

	if (iconv(c->cd, &in, &left, &to, &room) == (size_t)-1) {
		add_replacement(out);
		return false;
	}
	buf_add(out, text, sizeof text - room);
	return true;
}

/*
 * Korean in pairs of bytes, one at a time: glibc's converter has stepped over
 * a pair that means nothing when it says so, and what follows would be lost.
 */
static size_t
add_pairs(struct charset *c, struct buf *out, struct span s)
{
	while (s.len) {
		size_t len = *s.p & 0x80 ? 2 : 1;

		if (len > s.len)
			break;
		if (!add_pair(c, out, span_head(s, len)) &&
		    !(s.p[len - 1] & 0x80))
			len = 1;
		s = span_from(s, len);
	}
	return s.len;
}

/* RFC 1843: what follows a "~". Returns the bytes of both. */
static size_t
hz_escape(struct charset *c, struct buf *out, char next)
{
	switch (next) {
	case '{':
		c->in_gb = true;
		return 2;
	case '}':
		c->in_gb = false;
		return 2;
	case '~':
		buf_addc(out, '~');
		return 2;
	case '\n':	/* a line that goes on */
		return 2;
	}
	add_replacement(out);
	return 1;
}

/* RFC 1843, which glibc does not have: GB 2312 in seven bits. */
static size_t
add_hz(struct charset *c, struct buf *out, struct span s)
{
	size_t len;

	for (; s.len; s = span_from(s, len)) {
		char pair[2];

		len = 1;
		if (*s.p == '~' || (c->in_gb && *s.p > ' '))
			len = 2;
		if (len > s.len)
			break;
		if (*s.p == '~') {
			len = hz_escape(c, out, s.p[1]);
		} else if (len == 2) {
			pair[0] = (char)(s.p[0] | 0x80);
			pair[1] = (char)(s.p[1] | 0x80);
			(void)add_pair(c, out, span_make(pair, 2));
		} else if (*s.p & 0x80) {
			add_replacement(out);
		} else {
			c->in_gb = c->in_gb && *s.p != '\n';
			buf_addc(out, *s.p);
		}
	}
	return s.len;
}

/* Converts; bytes left at the end, the beginning of a character. */
static size_t
convert(struct charset *c, struct buf *out, struct span s)
{
	switch (c->name->kind) {
	case KIND_UTF8:
		return add_utf8(out, s);
	case KIND_ICONV:
		return add_iconv(c, out, s);
	case KIND_PAIRS:
		return add_pairs(c, out, s);
	case KIND_HZ:
		return add_hz(c, out, s);
	case KIND_ASCII:
	case KIND_LATIN1:
		break;
	}
	add_bytes(c, out, s);
	return 0;
}

/* Keeps the beginning of a character; one that is too long is none. */
static void
keep_carry(struct charset *c, struct buf *out, const char *p, size_t len)
{
	while (len >= CARRY_MAX) {
		add_replacement(out);
		p++;
		len--;
	}
	memmove(c->carry, p, len);
	c->carry_len = len;
}

void
charset_add(struct charset *c, struct buf *out, const char *p, size_t len)
{
	size_t left;

	while (c->carry_len && len) {
		c->carry[c->carry_len++] = *p++;
		len--;
		left = convert(c, out, span_make(c->carry, c->carry_len));
		keep_carry(c, out, c->carry + c->carry_len - left, left);
	}
	if (len == 0)
		return;
	if (c->name->over_ascii && ascii_is_all(p, len)) {
		buf_add(out, p, len);
		return;
	}
	left = convert(c, out, span_make(p, len));
	keep_carry(c, out, p + len - left, left);
}

void
charset_finish(struct charset *c, struct buf *out)
{
	if (c->carry_len)
		add_replacement(out);
	c->carry_len = 0;
	c->in_gb = false;
	if (c->cd != (iconv_t)-1) {
		char chunk[64], *to = chunk;
		size_t room = sizeof chunk;

		(void)iconv(c->cd, NULL, NULL, &to, &room);
		buf_add(out, chunk, sizeof chunk - room);
	}
}

int
charset_to_utf8(struct buf *out, struct span name, struct span bytes)
{
	struct charset *c = charset_new(name);

	if (!c)
		return ERR_CHARSET;
	charset_add(c, out, bytes.p, bytes.len);
	charset_finish(c, out);
	charset_free(c);
	return 0;
}
