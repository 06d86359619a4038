/*
 * HTML made readable: for a preview and for searching, not for showing.
 *
 * A machine that takes a byte after the other, so that a text of any size can
 * be stripped as it comes, in pieces cut anywhere. What it must remember is a
 * name or an entity, a few bytes.
 */
#include "store/mime/text.h"

#include "server/base/utf8.h"
#include "server/base/xalloc.h"

/* A ">" between quotes ends no tag, but for one this far behind the first. */
#define QUOTED_MAX 65536

static const struct {
	char name[8];
	uint16_t cp;
} entities[] = {
	{ "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' },
	{ "apos", '\'' }, { "nbsp", 0xa0 }, { "shy", 0xad },
	{ "zwnj", 0x200c }, { "zwj", 0x200d }, { "copy", 0xa9 },
	{ "reg", 0xae }, { "trade", 0x2122 }, { "hellip", 0x2026 },
	{ "mdash", 0x2014 }, { "ndash", 0x2013 }, { "lsquo", 0x2018 },
	{ "rsquo", 0x2019 }, { "ldquo", 0x201c }, { "rdquo", 0x201d },
	{ "laquo", 0xab }, { "raquo", 0xbb }, { "bull", 0x2022 },
	{ "middot", 0xb7 }, { "euro", 0x20ac }, { "pound", 0xa3 },
	{ "deg", 0xb0 }, { "auml", 0xe4 }, { "ouml", 0xf6 },
	{ "uuml", 0xfc }, { "Auml", 0xc4 }, { "Ouml", 0xd6 },
	{ "Uuml", 0xdc }, { "szlig", 0xdf }, { "eacute", 0xe9 },
	{ "egrave", 0xe8 }, { "ecirc", 0xea }, { "agrave", 0xe0 },
	{ "aacute", 0xe1 }, { "acirc", 0xe2 }, { "aring", 0xe5 },
	{ "aelig", 0xe6 }, { "ccedil", 0xe7 }, { "iacute", 0xed },
	{ "ntilde", 0xf1 }, { "oacute", 0xf3 }, { "ocirc", 0xf4 },
	{ "oslash", 0xf8 }, { "uacute", 0xfa }, { "ugrave", 0xf9 }
};

/* Elements that stand inside a word; all others part words. */
static const char *const inline_names[] = {
	"a", "abbr", "acronym", "b", "bdo", "big", "cite", "code", "del",
	"em", "font", "i", "ins", "kbd", "mark", "q", "s", "small", "span",
	"strike", "strong", "sub", "sup", "tt", "u", "wbr"
};

/* Elements whose content nobody reads. */
static const char *const hidden_names[] = {
	"noscript", "script", "style", "template", "title"
};

static bool
is_listed(struct span name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_iis(name, list[i]))
			return true;
	return false;
}

static bool
is_name_char(unsigned char c)
{
	unsigned char l = ascii_lower(c);

	return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9');
}

/* "#8217" or "#x2019" */
static uint32_t
numeric_entity(struct span s)
{
	uint32_t base = 10, cp = 0;
	size_t i = 1;

	if (s.len > 1 && ascii_lower((unsigned char)s.p[1]) == 'x') {
		base = 16;
		i = 2;
	}
	if (i == s.len)
		return 0;
	for (; i < s.len && cp <= 0x10ffff; i++) {
		unsigned char c = ascii_lower((unsigned char)s.p[i]);
		uint32_t v = c >= '0' && c <= '9' ? c - (uint32_t)'0' :
		    c >= 'a' && c <= 'f' ? c - (uint32_t)'a' + 10 : 16;

		if (v >= base)
			return 0;
		cp = cp * base + v;
	}
	return cp;
}

/* What "&" and the name before ";" stand for; 0: nothing that is known. */
static uint32_t
entity_value(struct span name)
{
	if (name.len && name.p[0] == '#')
		return numeric_entity(name);
	for (size_t i = 0; i < COUNT(entities); i++)
		if (span_is(name, entities[i].name))
			return entities[i].cp;
	return 0;
}

/* ---- the machine ---- */

static struct span
held(const struct html_strip *h)
{
	return span_make(h->held, h->held_len);
}

static void
put_entity(struct html_strip *h, struct buf *out, bool has_end)
{
	uint32_t cp = has_end ? entity_value(held(h)) : 0;

	if (cp) {
		utf8_encode(out, cp);
		return;
	}
	buf_addc(out, '&');
	buf_addspan(out, held(h));
	if (has_end)
		buf_addc(out, ';');
}

/* The name of a tag is there whole. */
static void
name_read(struct html_strip *h, struct buf *out)
{
	if (!is_listed(held(h), inline_names, COUNT(inline_names)))
		buf_addc(out, ' ');
	h->hides = !h->is_end &&
	    is_listed(held(h), hidden_names, COUNT(hidden_names));
	if (h->hides) {
		memcpy(h->hidden, h->held, h->held_len);
		h->hidden_len = h->held_len;
	}
	h->state = HTML_TAG;
}

/* Collects a name; one that is too long is none that we know. */
static bool
name_adds(struct html_strip *h, char c)
{
	if (!is_name_char((unsigned char)c))
		return false;
	if (h->held_len < sizeof h->held)
		h->held[h->held_len++] = c;
	return true;
}

static void
begin(struct html_strip *h, enum html_state state)
{
	h->state = state;
	h->held_len = 0;
}

/* What each state does with a byte. False: the next state is to have it. */

static bool
text_byte(struct html_strip *h, struct buf *out, char c)
{
	if (c == '<')
		begin(h, HTML_LT);
	else if (c == '&')
		begin(h, HTML_ENTITY);
	else
		buf_addc(out, c);
	return true;
}

static bool
entity_byte(struct html_strip *h, struct buf *out, char c)
{
	if (h->held_len < ENTITY_MAX && (c == '#' ||
	    is_name_char((unsigned char)c))) {
		h->held[h->held_len++] = c;
		return true;
	}
	put_entity(h, out, c == ';');
	h->state = HTML_TEXT;
	return c == ';';
}

static bool
lt_byte(struct html_strip *h, struct buf *out, char c)
{
	h->is_end = c == '/';
	if (c == '!')
		h->state = HTML_BANG;
	else if (c == '/' || c == '?' || is_name_char((unsigned char)c))
		h->state = HTML_NAME;
	if (h->state != HTML_LT)
		return c == '!' || c == '/';
	buf_addc(out, '<');	/* "1 < 2" */
	h->state = HTML_TEXT;
	return false;
}

static bool
bang_byte(struct html_strip *h, struct buf *out, char c)
{
	if (c == '-') {
		h->dashes = 0;
		h->state = h->state == HTML_BANG ? HTML_BANG_DASH :
		    HTML_COMMENT;
		return true;
	}
	buf_addc(out, ' ');
	h->hides = false;
	h->state = HTML_TAG;
	return false;
}

static bool
comment_byte(struct html_strip *h, char c)
{
	if (c == '>' && h->dashes >= 2)
		h->state = HTML_TEXT;
	h->dashes = c == '-' ? MIN(h->dashes + 1, 2) : 0;
	return true;
}

static bool
tag_byte(struct html_strip *h, char c)
{
	if (c == '>') {
		h->state = h->hides ? HTML_HIDDEN : HTML_TEXT;
	} else if (c == '"' || c == '\'') {
		h->state = HTML_QUOTED;
		h->quote = c;
		h->quoted = 0;
	}
	return true;
}

static bool
quoted_byte(struct html_strip *h, char c)
{
	if (c == h->quote)
		h->state = HTML_TAG;
	else if (++h->quoted > QUOTED_MAX && c == '>')
		return tag_byte(h, c);
	return true;
}

/* Only its own end tag ends a hidden element. */
static bool
hidden_byte(struct html_strip *h, char c)
{
	if (c == '<')
		begin(h, HTML_HIDDEN_LT);
	else if (h->state == HTML_HIDDEN_LT && c == '/')
		h->state = HTML_HIDDEN_NAME;
	else if (h->state != HTML_HIDDEN_NAME || !name_adds(h, c))
		h->state = HTML_HIDDEN;
	return true;
}

static bool
hidden_name_byte(struct html_strip *h, char c)
{
	if (is_name_char((unsigned char)c) ||
	    !span_ieq(held(h), span_make(h->hidden, h->hidden_len)))
		return hidden_byte(h, c);
	h->hides = false;
	h->state = HTML_TAG;
	return false;
}

static bool
take_byte(struct html_strip *h, struct buf *out, char c)
{
	switch (h->state) {
	case HTML_TEXT:
		return text_byte(h, out, c);
	case HTML_ENTITY:
		return entity_byte(h, out, c);
	case HTML_LT:
		return lt_byte(h, out, c);
	case HTML_NAME:
		if (name_adds(h, c))
			return true;
		name_read(h, out);
		return false;
	case HTML_BANG:
	case HTML_BANG_DASH:
		return bang_byte(h, out, c);
	case HTML_COMMENT:
		return comment_byte(h, c);
	case HTML_TAG:
		return tag_byte(h, c);
	case HTML_QUOTED:
		return quoted_byte(h, c);
	case HTML_HIDDEN:
	case HTML_HIDDEN_LT:
		return hidden_byte(h, c);
	case HTML_HIDDEN_NAME:
		return hidden_name_byte(h, c);
	}
	return true;
}

void
html_strip_add(struct html_strip *h, struct buf *out, struct span html)
{
	const char *p = html.p, *end = html.p + html.len;

	while (p < end) {
		const char *start = p;

		while (h->state == HTML_TEXT && p < end && *p != '<' &&
		    *p != '&')
			p++;
		buf_add(out, start, (size_t)(p - start));
		if (p < end && take_byte(h, out, *p))
			p++;
	}
}

void
html_strip_finish(struct html_strip *h, struct buf *out)
{
	if (h->state == HTML_LT)
		buf_addc(out, '<');
	else if (h->state == HTML_ENTITY)
		put_entity(h, out, false);
	else if (h->state == HTML_NAME)
		name_read(h, out);
	else if (h->state == HTML_BANG || h->state == HTML_BANG_DASH)
		buf_addc(out, ' ');
	*h = (struct html_strip){ 0 };
}

void
text_strip_html(struct buf *out, struct span html)
{
	struct html_strip h = { 0 };

	html_strip_add(&h, out, html);
	html_strip_finish(&h, out);
}
