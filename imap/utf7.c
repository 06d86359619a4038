#include "imap/utf7.h"

#include <stdbool.h>
#include <stdint.h>

#include "server/base/cursor.h"
#include "server/base/err.h"
#include "server/base/utf8.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int
sextet(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == ',' ? 63 : -1;
}

static bool
is_direct(uint32_t cp)
{
	return cp >= 0x20 && cp <= 0x7e;
}

/* One UTF-16 unit of a shifted run; *high is a surrogate that waits. */
static bool
add_unit(struct buf *out, uint32_t unit, uint32_t *high)
{
	if (*high) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return false;
		utf8_encode(out, 0x10000 + ((*high - 0xd800) << 10) +
		    (unit - 0xdc00));
		*high = 0;
		return true;
	}
	if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
		return true;
	}
	/* RFC 3501 section 5.1.3: no base64 for what stands for itself */
	if ((unit >= 0xdc00 && unit <= 0xdfff) || is_direct(unit))
		return false;
	utf8_encode(out, unit);
	return true;
}

/* After "&": to and over the closing "-". */
static int
decode_run(struct buf *out, struct cursor *c)
{
	uint32_t bits = 0, high = 0;
	unsigned count = 0;
	bool any = false;
	int v;

	while ((v = sextet(cursor_peek(c))) >= 0) {
		c->p++;
		bits = bits << 6 | (uint32_t)v;
		count += 6;
		if (count < 16)
			continue;
		count -= 16;
		if (!add_unit(out, bits >> count & 0xffff, &high))
			return ERR_SYNTAX;
		bits &= (1u << count) - 1;
		any = true;
	}
	/* Left over are less than a sextet, and zero. */
	if (!any || high || count >= 6 || bits || !cursor_skip(c, '-'))
		return ERR_SYNTAX;
	/* Two runs in a row are one run written in two ways. */
	if (cursor_left(c) >= 2 && c->p[0] == '&' && c->p[1] != '-')
		return ERR_SYNTAX;
	return 0;
}

int
utf7_decode(struct buf *out, struct span in)
{
	struct cursor c = cursor_of_span(in);
	int ch, err;

	while ((ch = cursor_next(&c)) >= 0) {
		if (!is_direct((uint32_t)ch))
			return ERR_SYNTAX;
		if (ch != '&')
			buf_addc(out, (char)ch);
		else if (cursor_skip(&c, '-'))
			buf_addc(out, '&');
		else if ((err = decode_run(out, &c)) < 0)
			return err;
	}
	return 0;
}

/* A shifted run being written. */
struct run {
	bool open;
	uint32_t bits;
	unsigned count;
};

static void
put_unit(struct buf *out, struct run *r, uint32_t unit)
{
	if (!r->open)
		buf_addc(out, '&');
	r->open = true;
	r->bits = r->bits << 16 | unit;
	for (r->count += 16; r->count >= 6; r->count -= 6)
		buf_addc(out, alphabet[r->bits >> (r->count - 6) & 63]);
	r->bits &= (1u << r->count) - 1;
}

static void
close_run(struct buf *out, struct run *r)
{
	if (r->open && r->count)
		buf_addc(out, alphabet[r->bits << (6 - r->count) & 63]);
	if (r->open)
		buf_addc(out, '-');
	*r = (struct run){ 0 };
}

void
utf7_encode(struct buf *out, struct span utf8)
{
	struct run run = { 0 };
	uint32_t cp;
	size_t n;

	while ((n = utf8_decode(utf8, &cp)) > 0) {
		utf8 = span_from(utf8, n);
		if (is_direct(cp)) {
			close_run(out, &run);
			buf_addc(out, (char)cp);
			if (cp == '&')
				buf_addc(out, '-');
		} else if (cp >= 0x10000) {
			put_unit(out, &run, 0xd800 + ((cp - 0x10000) >> 10));
			put_unit(out, &run, 0xdc00 + ((cp - 0x10000) & 0x3ff));
		} else {
			put_unit(out, &run, cp);
		}
	}
	close_run(out, &run);
}
