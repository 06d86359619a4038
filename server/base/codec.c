#include "server/base/codec.h"

#include <string.h>

#include "server/base/err.h"

#define BASE64_BAD (-1)

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits of each byte plus one; 0 is not in the alphabet. */
static const unsigned char base64_values[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
	18, 19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41,
	42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
	['+'] = 63, ['/'] = 64
};

static int
base64_value(char c)
{
	return base64_values[(unsigned char)c] - 1;
}

void
base64_encode(struct buf *out, const void *p, size_t len)
{
	const unsigned char *in = p;
	char q[4];

	buf_reserve(out, (len + 2) / 3 * 4);
	for (; len >= 3; in += 3, len -= 3) {
		q[0] = base64_digits[in[0] >> 2];
		q[1] = base64_digits[(in[0] & 3) << 4 | in[1] >> 4];
		q[2] = base64_digits[(in[1] & 15) << 2 | in[2] >> 6];
		q[3] = base64_digits[in[2] & 63];
		buf_add(out, q, 4);
	}
	if (len == 0)
		return;
	q[0] = base64_digits[in[0] >> 2];
	q[1] = base64_digits[(in[0] & 3) << 4 | (len > 1 ? in[1] >> 4 : 0)];
	q[2] = len > 1 ? base64_digits[(in[1] & 15) << 2] : '=';
	q[3] = '=';
	buf_add(out, q, 4);
}

/* The last four bytes, which may have padding. */
static int
base64_decode_last(struct buf *out, const char *q)
{
	int v0 = base64_value(q[0]), v1 = base64_value(q[1]);
	int v2 = base64_value(q[2]), v3 = base64_value(q[3]);

	if (v0 == BASE64_BAD || v1 == BASE64_BAD)
		return ERR_SYNTAX;
	if (q[3] == '=' && q[2] == '=') {
		if (v1 & 15)	/* RFC 4648 section 3.5: bits that are lost */
			return ERR_SYNTAX;
		buf_addc(out, (char)(v0 << 2 | v1 >> 4));
		return 0;
	}
	if (v2 == BASE64_BAD || (v3 == BASE64_BAD && q[3] != '=') ||
	    (q[3] == '=' && (v2 & 3)))
		return ERR_SYNTAX;
	buf_addc(out, (char)(v0 << 2 | v1 >> 4));
	buf_addc(out, (char)((v1 & 15) << 4 | v2 >> 2));
	if (q[3] != '=')
		buf_addc(out, (char)((v2 & 3) << 6 | v3));
	return 0;
}

int
base64_decode(struct buf *out, struct span in)
{
	const char *q = in.p;

	if (in.len == 0)
		return 0;
	if (in.len % 4)
		return ERR_SYNTAX;
	buf_reserve(out, in.len / 4 * 3);
	for (size_t left = in.len; left > 4; left -= 4, q += 4) {
		int v0 = base64_value(q[0]), v1 = base64_value(q[1]);
		int v2 = base64_value(q[2]), v3 = base64_value(q[3]);

		if ((v0 | v1 | v2 | v3) < 0)
			return ERR_SYNTAX;
		buf_addc(out, (char)(v0 << 2 | v1 >> 4));
		buf_addc(out, (char)((v1 & 15) << 4 | v2 >> 2));
		buf_addc(out, (char)((v2 & 3) << 6 | v3));
	}
	return base64_decode_last(out, q);
}

/*
 * Every byte is put out as soon as its eight bits are there, so that a text
 * whose padding was cut off loses nothing.
 */
void
base64_stream_add(struct base64_stream *s, struct buf *out, struct span in)
{
	char *to;

	if (s->ended || in.len == 0)
		return;
	buf_reserve(out, in.len / 4 * 3 + 3);
	to = out->p + out->len;
	for (size_t i = 0; i < in.len; i++) {
		int v = base64_value(in.p[i]);

		if (in.p[i] == '=') {
			s->ended = 1;
			break;
		}
		if (v == BASE64_BAD)
			continue;
		s->bits = (s->bits << 6 | (uint32_t)v) & 0xffffffu;
		s->count = (s->count + 1) & 3;
		if (s->count == 1)
			continue;	/* six bits only */
		/* 12, 18, 24 bits: what is whole is above 4, 2, 0 bits. */
		*to++ = (char)(s->bits >> (4 - s->count) % 4 * 2 & 0xff);
	}
	out->len = (size_t)(to - out->p);
	out->p[out->len] = '\0';
}

static const char hex_lower[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";

/* 0..15, or -1. */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Two hex digits at the front of s as a byte, or -1. */
static int
hex_pair(struct span s)
{
	int hi, lo;

	if (s.len < 2 || (hi = hex_value(s.p[0])) < 0 ||
	    (lo = hex_value(s.p[1])) < 0)
		return -1;
	return hi << 4 | lo;
}

void
hex_encode(struct buf *out, const void *p, size_t len)
{
	const unsigned char *in = p;

	buf_reserve(out, len * 2);
	for (size_t i = 0; i < len; i++) {
		buf_addc(out, hex_lower[in[i] >> 4]);
		buf_addc(out, hex_lower[in[i] & 15]);
	}
}

int
hex_decode(struct buf *out, struct span in)
{
	for (size_t i = 0; i < in.len; i += 2) {
		int byte = hex_pair(span_from(in, i));

		if (byte < 0)
			return ERR_SYNTAX;
		buf_addc(out, (char)byte);
	}
	return 0;
}

/* mark and two upper-case digits, for xtext ('+') and percent. */
static void
escape_add(struct buf *out, char mark, unsigned char c)
{
	buf_addc(out, mark);
	buf_addc(out, hex_upper[c >> 4]);
	buf_addc(out, hex_upper[c & 15]);
}

static bool
is_xchar(unsigned char c)
{
	return c >= '!' && c <= '~' && c != '+' && c != '=';
}

void
xtext_encode(struct buf *out, struct span in)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.p[i];

		if (is_xchar(c))
			buf_addc(out, in.p[i]);
		else
			escape_add(out, '+', c);
	}
}

int
xtext_decode(struct buf *out, struct span in)
{
	for (size_t i = 0; i < in.len; i++) {
		int byte;

		if (is_xchar((unsigned char)in.p[i])) {
			buf_addc(out, in.p[i]);
			continue;
		}
		byte = hex_pair(span_from(in, i + 1));
		/* RFC 3461 section 4: hexchar is upper case only. */
		if (in.p[i] != '+' || byte < 0 || in.p[i + 1] > 'F' ||
		    in.p[i + 2] > 'F')
			return ERR_SYNTAX;
		buf_addc(out, (char)byte);
		i += 2;
	}
	return 0;
}

/* RFC 3986 section 2.3 */
static bool
is_unreserved(unsigned char c)
{
	return (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	    c == '~';
}

void
percent_encode(struct buf *out, struct span in)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.p[i];

		if (is_unreserved(c))
			buf_addc(out, in.p[i]);
		else
			escape_add(out, '%', c);
	}
}

int
percent_decode(struct buf *out, struct span in)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.p[i];
		int byte;

		/* RFC 3986 section 2: a URI is printable ASCII. */
		if (c <= ' ' || c >= 0x7f)
			return ERR_SYNTAX;
		if (c != '%') {
			buf_addc(out, in.p[i]);
			continue;
		}
		if ((byte = hex_pair(span_from(in, i + 1))) < 0)
			return ERR_SYNTAX;
		buf_addc(out, (char)byte);
		i += 2;
	}
	return 0;
}
