#include "store/mime/encoded.h"

#include "server/base/ascii.h"
#include "server/base/codec.h"
#include "server/base/cursor.h"
#include "server/base/utf8.h"
#include "store/mime/charset.h"
#include "store/mime/scan_priv.h"

#define WORD_CHARSET_MAX 64	/* charset and language */
#define WORD_MAX 75		/* RFC 2047 section 2 */
#define WORD_FRAME 12		/* "=?utf-8?B?" and "?=" */

struct word {
	struct span charset;
	char encoding;		/* 'B' or 'Q' */
	struct span text;
};

/* RFC 2047 section 2 token; "." and ":" are in some names of charsets. */
static bool
is_charset_char(unsigned char c)
{
	return c > ' ' && c < 0x7f && !memchr("()<>@,;\"/[]?=", c, 13);
}

/*
 * An encoded-word at the cursor. Spaces in the text, which RFC 2047 forbids,
 * are let pass; a "?" is not, so what is looked at twice stays short.
 */
static bool
scan_word(struct cursor *c, struct word *w)
{
	struct cursor in = *c;
	const char *star;
	int encoding;

	if (!cursor_skip(&in, '=') || !cursor_skip(&in, '?'))
		return false;
	w->charset = cursor_while(&in, is_charset_char);
	if (w->charset.len == 0 || w->charset.len > WORD_CHARSET_MAX ||
	    !cursor_skip(&in, '?'))
		return false;
	/* RFC 2231 section 5: "*" and a language. */
	if ((star = span_chr(w->charset, '*')) != NULL)
		w->charset.len = (size_t)(star - w->charset.p);
	encoding = cursor_next(&in) & ~0x20;
	if ((encoding != 'B' && encoding != 'Q') || !cursor_skip(&in, '?'))
		return false;
	w->encoding = (char)encoding;
	w->text = cursor_until(&in, '?');
	if (!cursor_skip(&in, '?') || !cursor_skip(&in, '='))
		return false;
	*c = in;
	return true;
}

/* RFC 2047 section 4.2; an "=" without two digits stays. */
static void
add_q(struct buf *out, struct span s)
{
	while (s.len) {
		int byte = scan_hex_byte(s, '=');
		size_t len = byte < 0 ? 1 : 3;

		if (byte < 0)
			byte = *s.p == '_' ? ' ' : *s.p;
		buf_addc(out, (char)byte);
		s = span_from(s, len);
	}
}

static void
add_word_bytes(struct buf *out, const struct word *w)
{
	struct base64_stream b = { 0 };

	if (w->encoding == 'B')
		base64_stream_add(&b, out, w->text);
	else
		add_q(out, w->text);
}

static bool
is_wsp(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Bytes outside of encoded-words: UTF-8 (RFC 6532), or else Latin-1. */
static void
add_raw(struct buf *out, struct span s)
{
	if (ascii_is_all(s.p, s.len) || utf8_is_valid(s))
		buf_addspan(out, s);
	else
		(void)charset_to_utf8(out, SPAN("iso-8859-1"), s);
}

/*
 * A run of encoded-words in one charset. Their bytes are joined before they
 * are converted: many programs cut in the middle of a character (RFC 2047
 * section 5 forbids it). What is in an unknown charset stays as it was.
 */
static void
decode_run(struct buf *out, struct cursor *c, struct word w)
{
	const char *start = c->p;
	struct buf bytes = BUF_INIT;
	struct word first = w;

	(void)scan_word(c, &w);
	for (;;) {
		struct cursor in = *c;

		add_word_bytes(&bytes, &w);
		(void)cursor_while(&in, is_wsp);
		if (!scan_word(&in, &w) ||
		    !span_ieq(w.charset, first.charset))
			break;
		*c = in;
	}
	if (charset_to_utf8(out, first.charset, buf_span(&bytes)) < 0)
		add_raw(out, span_make(start, (size_t)(c->p - start)));
	buf_release(&bytes);
}

/* Makes controls spaces: C0 but tab, DEL, and C1 in its UTF-8 form. */
static void
blank_controls(struct buf *out, size_t start)
{
	size_t n = start;

	for (size_t i = start; i < out->len; i++) {
		unsigned char c = (unsigned char)out->p[i];

		/* All is valid UTF-8 here, so C2 has a byte after it. */
		if (c == 0xc2 && (unsigned char)out->p[i + 1] < 0xa0) {
			i++;
			c = ' ';
		} else if ((c < ' ' && c != '\t') || c == 0x7f) {
			c = ' ';
		}
		out->p[n++] = (char)c;
	}
	buf_truncate(out, n);
}

void
encoded_decode(struct buf *out, struct span value)
{
	struct cursor c = cursor_of_span(value);
	size_t start = out->len;
	const char *raw = value.p;	/* not yet added */
	struct word w;

	while (!cursor_at_end(&c)) {
		struct cursor in;
		struct span s;

		c.p = memchr(c.p, '=', cursor_left(&c));
		if (!c.p)
			break;
		in = c;
		if (!scan_word(&in, &w)) {
			c.p++;
			continue;
		}
		s = span_make(raw, (size_t)(c.p - raw));
		/* RFC 2047 section 6.2: white space between two is not
		 * shown; two of different charsets here. */
		if (raw == value.p || cursor_while(&(struct cursor){ raw,
		    c.p }, is_wsp).len != s.len)
			add_raw(out, s);
		decode_run(out, &c, w);
		raw = c.p;
	}
	add_raw(out, span_from(value, (size_t)(raw - value.p)));
	blank_controls(out, start);
}

/* Whether the word between spaces cannot stand as it is. */
static bool
needs_encoding(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' ? c != '\t' : c >= 0x7f)
			return true;
		if (c == '=' && i + 1 < s.len && s.p[i + 1] == '?')
			return true;
	}
	return false;
}

/* RFC 2047 section 5 rule 3: what Q may leave as it is anywhere. */
static bool
is_q_safe(unsigned char c)
{
	unsigned char l = ascii_lower(c);

	return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') ||
	    (c && strchr("!*+-/", c));
}

static size_t
q_len(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.p[i] == ' ' || is_q_safe((unsigned char)s.p[i]) ? 1 : 3;
	return n;
}

static void
put_q(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == ' ')
			buf_addc(out, '_');
		else if (is_q_safe(c))
			buf_addc(out, (char)c);
		else
			buf_printf(out, "=%02X", c);
	}
}

/* Bytes of s that one word takes, whole characters only. */
static size_t
word_fill(struct span s, bool as_q)
{
	size_t n = 0;
	uint32_t cp;

	while (n < s.len) {
		size_t len = utf8_decode(span_from(s, n), &cp);
		struct span more = span_head(s, n + len);

		if ((as_q ? q_len(more) : (more.len + 2) / 3 * 4) >
		    WORD_MAX - WORD_FRAME)
			break;
		n += len;
	}
	return n;
}

static void
put_words(struct buf *out, struct span s)
{
	bool as_q = q_len(s) <= (s.len + 2) / 3 * 4;

	while (s.len) {
		size_t n = word_fill(s, as_q);
		struct span part = span_head(s, n);

		buf_adds(out, as_q ? "=?utf-8?Q?" : "=?utf-8?B?");
		if (as_q)
			put_q(out, part);
		else
			base64_encode(out, part.p, part.len);
		buf_adds(out, "?=");
		s = span_from(s, n);
		if (s.len)
			buf_addc(out, ' ');
	}
}

/*
 * From the first to the last of the space-separated words that need it, all
 * is encoded, since white space between two encoded-words is lost.
 */
void
encoded_encode(struct buf *out, struct span utf8)
{
	struct cursor c = cursor_of_span(utf8);
	const char *first = NULL, *last = NULL;

	while (!cursor_at_end(&c)) {
		struct span word = cursor_until(&c, ' ');

		if (needs_encoding(word)) {
			first = first ? first : word.p;
			last = c.p;
		}
		(void)cursor_skip(&c, ' ');
	}
	if (!first) {
		buf_addspan(out, utf8);
		return;
	}
	buf_add(out, utf8.p, (size_t)(first - utf8.p));
	put_words(out, span_make(first, (size_t)(last - first)));
	buf_add(out, last, (size_t)(utf8.p + utf8.len - last));
}
