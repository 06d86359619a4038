/*
 * HTML made readable in one line: for a preview, not for showing.
 */
#include "store/mime/text.h"

#include "server/base/cursor.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"

#define ENTITY_MAX 10	/* bytes between "&" and ";" */

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

static void
read_entity(struct buf *out, struct cursor *c)
{
	struct span rest = span_head(span_make(c->p + 1,
	    cursor_left(c) - 1), ENTITY_MAX + 1);
	const char *semicolon = span_chr(rest, ';');
	uint32_t cp = 0;

	if (semicolon)
		cp = entity_value(span_make(rest.p,
		    (size_t)(semicolon - rest.p)));
	if (cp) {
		utf8_encode(out, cp);
		c->p = semicolon + 1;
	} else {
		buf_addc(out, *c->p++);
	}
}

/* Behind the next what, or the end. */
static void
skip_past(struct cursor *c, const char *what)
{
	size_t len = strlen(what);
	const char *at = memmem(c->p, cursor_left(c), what, len);

	c->p = at ? at + len : c->end;
}

/*
 * The rest of a tag, behind its name. A ">" between quotes ends none. A quote
 * that is not closed is looked for once at most, since then there is no other
 * of its kind in all that follows.
 */
static void
skip_tag(struct cursor *c)
{
	int ch;

	while ((ch = cursor_next(c)) >= 0 && ch != '>') {
		const char *close = NULL;

		if (ch == '"' || ch == '\'')
			close = memchr(c->p, ch, cursor_left(c));
		if (close)
			c->p = close + 1;
	}
}

/* Behind the end tag of a hidden element, or to the end. */
static void
skip_hidden(struct cursor *c, struct span name)
{
	const char *lt;

	while ((lt = memchr(c->p, '<', cursor_left(c))) != NULL) {
		c->p = lt + 1;
		if (cursor_skip(c, '/') &&
		    span_ieq(cursor_while(c, is_name_char), name)) {
			skip_tag(c);
			return;
		}
	}
	c->p = c->end;
}

/* From a "<" on. */
static void
read_tag(struct buf *out, struct cursor *c)
{
	struct span name;
	bool is_end;

	if (cursor_skip_word(c, "<!--")) {
		skip_past(c, "-->");
		return;
	}
	c->p++;
	is_end = cursor_skip(c, '/');
	name = cursor_while(c, is_name_char);
	if (name.len == 0 && !is_end && cursor_peek(c) != '!' &&
	    cursor_peek(c) != '?') {
		buf_addc(out, '<');	/* "1 < 2" */
		return;
	}
	skip_tag(c);
	if (!is_end && is_listed(name, hidden_names, COUNT(hidden_names)))
		skip_hidden(c, name);
	if (!is_listed(name, inline_names, COUNT(inline_names)))
		buf_addc(out, ' ');
}

void
text_strip_html(struct buf *out, struct span html)
{
	struct cursor c = cursor_of_span(html);

	while (!cursor_at_end(&c)) {
		const char *start = c.p;

		while (c.p < c.end && *c.p != '<' && *c.p != '&')
			c.p++;
		buf_add(out, start, (size_t)(c.p - start));
		if (cursor_peek(&c) == '<')
			read_tag(out, &c);
		else if (cursor_peek(&c) == '&')
			read_entity(out, &c);
	}
}
