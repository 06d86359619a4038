#include "server/base/utf8.h"
#include "store/mime/charset.h"
#include "store/mime/encoded.h"
#include "store/mime/mime_priv.h"
#include "store/mime/text.h"

#define PLAIN_WANTS ((size_t)2 * 1024)
#define UTF8_MAX 4
#define HTML_WANTS ((size_t)32 * 1024)	/* much of it is no text */

static bool
is_html(const struct part *p)
{
	return span_is(p->subtype, "html");
}

size_t
preview_wants(const struct part *p)
{
	if (p->kind != PART_LEAF || !span_is(p->type, "text") ||
	    span_is(p->disposition, "attachment"))
		return 0;
	/* What is sent along inside of another message is not its text. */
	for (const struct part *up = p->parent; up; up = up->parent)
		if (up->kind == PART_MESSAGE)
			return 0;
	return is_html(p) ? HTML_WANTS : PLAIN_WANTS;
}

/* Shown as nothing, or as a space: newsletters pad their beginning so. */
static bool
is_blank(uint32_t cp)
{
	return cp <= ' ' || (cp >= 0x7f && cp <= 0xa0) || cp == 0xad ||
	    cp == 0x34f || (cp >= 0x2000 && cp <= 0x200f) ||
	    cp == 0x2028 || cp == 0x2029 || cp == 0x202f || cp == 0x205f ||
	    cp == 0x2060 || cp == 0x3000 || cp == 0xfeff;
}

/* Whether it joins what is on both sides of it, not parting words. */
static bool
is_invisible(uint32_t cp)
{
	return cp == 0xad || cp == 0x34f || (cp >= 0x200b && cp <= 0x200f) ||
	    cp == 0x2060 || cp == 0xfeff;
}

/* How much of s is visible ASCII. */
static size_t
ascii_word(struct span s)
{
	size_t n = 0;

	while (n < s.len && s.p[n] > ' ' && s.p[n] < 0x7f)
		n++;
	return n;
}

/* Appends text in one line, white space collapsed, cut at a character. */
static void
add_line(struct buf *out, struct span s)
{
	bool space = false;
	uint32_t cp;

	while (s.len) {
		size_t n = ascii_word(s);
		size_t room = DIGEST_PREVIEW_MAX - out->len;
		size_t len = n ? n : utf8_decode(s, &cp);
		struct span word = span_head(s, len);

		s = span_from(s, len);
		if (n == 0 && is_blank(cp)) {
			space |= !is_invisible(cp);
			continue;
		}
		space = space && out->len;
		/* An invalid byte becomes U+FFFD, three bytes. */
		if (room < (size_t)space + (n ? 1 : UTF8_MAX))
			return;
		if (space)
			buf_addc(out, ' ');
		if (n)
			buf_addspan(out, span_head(word, room - space));
		else
			utf8_encode(out, cp);
		space = false;
	}
}

static void
decode_body(struct buf *out, const struct part *p, struct span body)
{
	struct charset *c = text_charset(p);
	struct buf bytes = BUF_INIT;
	struct decoder d;

	decoder_init(&d, p->encoding);
	decoder_add(&d, &bytes, body.p, body.len);
	/* The rest of a character that is cut off here is no loss. */
	charset_add(c, out, bytes.p, bytes.len);
	charset_free(c);
	buf_release(&bytes);
}

void
preview_make(struct buf *out, const struct part *p, struct span body)
{
	struct buf text = BUF_INIT, plain = BUF_INIT;

	decode_body(&text, p, body);
	if (is_html(p))
		text_strip_html(&plain, buf_span(&text));
	else
		buf_swap(&plain, &text);
	buf_clear(out);
	add_line(out, buf_span(&plain));
	buf_release(&text);
	buf_release(&plain);
}
