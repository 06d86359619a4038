#include "auth/tags.h"

/* RFC 6376 section 2.8: folding white space may stand around each part. */
static bool
is_space(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span
trim(struct span s)
{
	while (s.len && is_space((unsigned char)*s.p)) {
		s.p++;
		s.len--;
	}
	while (s.len && is_space((unsigned char)s.p[s.len - 1]))
		s.len--;
	return s;
}

static bool
is_alpha(unsigned char c)
{
	return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

/* tag-name = ALPHA *ALNUMPUNC */
static bool
is_tag_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (!is_alpha(c) && (i == 0 ||
		    !((c >= '0' && c <= '9') || c == '_')))
			return false;
	}
	return s.len > 0;
}

/* VALCHAR is visible ASCII but the semicolon; UTF-8 is RFC 8616's. */
static bool
is_tag_value(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < 0x21 && !is_space(c)) || c == 0x7F)
			return false;
	}
	return true;
}

const struct span *
tags_find(const struct tags *tags, const char *name)
{
	for (size_t i = 0; i < tags->count; i++)
		if (span_is(tags->v[i].name, name))
			return &tags->v[i].value;
	return NULL;
}

static bool
has_name(const struct tags *tags, struct span name)
{
	for (size_t i = 0; i < tags->count; i++)
		if (span_eq(tags->v[i].name, name))
			return true;
	return false;
}

enum parse
tags_parse(struct span text, struct tags *tags)
{
	struct cursor c = cursor_of_span(text);

	tags->count = 0;
	while (!cursor_at_end(&c)) {
		struct span spec = trim(cursor_until(&c, ';'));
		bool is_last = !cursor_skip(&c, ';');
		struct cursor t = cursor_of_span(spec);
		struct tag tag;

		/* Nothing may stand behind the last semicolon alone. */
		if (spec.len == 0 && tags->count > 0 && is_last)
			return PARSE_OK;
		tag.name = trim(cursor_until(&t, '='));
		if (!cursor_skip(&t, '=') || tags->count == TAGS_MAX)
			return PARSE_BAD;
		tag.value = trim(span_make(t.p, cursor_left(&t)));
		if (!is_tag_name(tag.name) || !is_tag_value(tag.value) ||
		    has_name(tags, tag.name))
			return PARSE_BAD;
		tags->v[tags->count++] = tag;
	}
	return tags->count ? PARSE_OK : PARSE_BAD;
}

bool
tags_next_item(struct cursor *c, char separator, struct span *item)
{
	if (cursor_at_end(c))
		return false;
	*item = trim(cursor_until(c, separator));
	(void)cursor_skip(c, separator);
	return true;
}
