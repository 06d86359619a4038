#include "smtp/reply_parse.h"

#include <string.h>

#include "server/base/lines.h"
#include "server/base/utf8.h"

#define STATUS_DIGITS_MAX 3	/* RFC 3463 section 2 */

/* One to three digits at s[at]; 0: none. */
static size_t
scan_digits(struct span s, size_t at)
{
	size_t n = 0;

	while (at + n < s.len && n <= STATUS_DIGITS_MAX &&
	    s.p[at + n] >= '0' && s.p[at + n] <= '9')
		n++;
	return n <= STATUS_DIGITS_MAX ? n : 0;
}

size_t
reply_scan_status(struct span words, char class_digit)
{
	size_t at = 1, n;

	if (words.len == 0 || words.p[0] != class_digit)
		return 0;
	for (int i = 0; i < 2; i++) {
		if (at >= words.len || words.p[at] != '.')
			return 0;
		if ((n = scan_digits(words, at + 1)) == 0)
			return 0;
		at += 1 + n;
	}
	return at == words.len || words.p[at] == ' ' ? at : 0;
}

/*
 * Whether cp may stand in a line of text: no C0, DEL or C1, no line or
 * paragraph separator, and nothing that turns the direction of writing.
 */
static bool
is_harmless(uint32_t cp)
{
	return cp >= 0x20 && (cp < 0x7f || cp > 0x9f) &&
	    (cp < 0x2028 || cp > 0x202e) && (cp < 0x2066 || cp > 0x2069);
}

void
reply_put_safe(char *text, size_t *len, size_t max, struct span s)
{
	uint32_t cp;
	size_t n;

	for (; s.len; s = span_from(s, n)) {
		struct span c;

		n = utf8_decode(s, &cp);
		c = span_make(s.p, n);
		if (cp == '\t')
			c = SPAN(" ");
		else if (!is_harmless(cp) || (cp == UTF8_REPLACEMENT && n == 1))
			c = SPAN("?");
		if (*len + c.len > max)
			break;
		memcpy(text + *len, c.p, c.len);
		*len += c.len;
	}
	text[*len] = '\0';
}

/* The code of a line; 0: this is no reply. */
static unsigned
scan_code(struct span line)
{
	unsigned code = 0;

	if (line.len < 3)
		return 0;
	for (size_t i = 0; i < 3; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return 0;
		code = code * 10 + (unsigned)(line.p[i] - '0');
	}
	if (line.len > 3 && line.p[3] != ' ' && line.p[3] != '-')
		return 0;
	return code >= 200 && code <= 599 ? code : 0;
}

/* Keeps the words of one line; an enhanced code only the first time. */
static void
keep_words(struct server_reply *r, struct span words)
{
	size_t n = reply_scan_status(words, (char)('0' + r->code / 100));

	if (n && r->line_count == 1) {
		memcpy(r->status, words.p, n);
		r->status[n] = '\0';
	} else if (n && span_is(span_head(words, n), r->status)) {
		words = span_from(words, n);
	}
	words = span_trim(words);
	if (words.len && r->text_len)
		reply_put_safe(r->text, &r->text_len, REPLY_TEXT_MAX,
		    SPAN(" "));
	reply_put_safe(r->text, &r->text_len, REPLY_TEXT_MAX, words);
}

enum reply_result
reply_take_line(struct server_reply *r, const char *p, size_t len,
    size_t *used)
{
	struct span line;
	unsigned code;

	*used = 0;
	/* A lone LF is taken for a line end: nothing is smuggled to us. */
	switch (lines_find(p, len, REPLY_LINE_MAX, 1, &line, used)) {
	case LINE_MORE:
		return REPLY_MORE;
	case LINE_OK:
		break;
	default:
		return REPLY_BROKEN;
	}
	r->line_count++;
	r->byte_count += *used;
	code = scan_code(line);
	if (code == 0 || (r->line_count > 1 && code != r->code) ||
	    r->line_count > REPLY_LINES_MAX || r->byte_count > REPLY_BYTES_MAX)
		return REPLY_BROKEN;
	r->code = code;
	r->line = span_from(line, 4);
	keep_words(r, r->line);
	return line.len > 3 && line.p[3] == '-' ? REPLY_LINE : REPLY_DONE;
}
