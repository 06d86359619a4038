#include "tests/wire/match.h"

#include <ctype.h>
#include <stdlib.h>

#include "server/base/codec.h"
#include "server/base/xalloc.h"

void
bindings_release(struct bindings *b)
{
	while (b->head) {
		struct binding *x = b->head;

		b->head = x->next;
		free(x->name);
		free(x->value);
		free(x);
	}
}

static struct binding *
find_binding(const struct bindings *b, struct span name)
{
	for (struct binding *x = b->head; x; x = x->next)
		if (span_is(name, x->name))
			return x;
	return NULL;
}

static char *
copy(struct span s)
{
	char *p = xmalloc(s.len + 1);

	memcpy(p, s.p, s.len);
	p[s.len] = '\0';
	return p;
}

static void
bind_name(struct bindings *b, struct span name, struct span value)
{
	struct binding *x = xcalloc(1, sizeof *x);

	x->name = copy(name);
	x->value = copy(value);
	x->next = b->head;
	b->head = x;
}

static void
unbind_last(struct bindings *b)
{
	struct binding *x = b->head;

	b->head = x->next;
	free(x->name);
	free(x->value);
	free(x);
}

static struct span
name_at(struct span s)
{
	size_t n = 0;

	while (n < s.len && (isalnum((unsigned char)s.p[n])))
		n++;
	return span_head(s, n);
}

static size_t
word_len(struct span s)
{
	size_t n = 0;

	while (n < s.len && !strchr(" ()\r\n\"]", s.p[n]))
		n++;
	return n;
}

static bool
match_any(struct bindings *b, struct span rest, struct span text)
{
	for (size_t i = 0; i <= text.len; i++)
		if (match(b, rest, span_from(text, i)))
			return true;
	return false;
}

static bool
match_name(struct bindings *b, struct span name, struct span rest,
    struct span text)
{
	struct binding *x = find_binding(b, name);
	size_t n;

	if (x) {
		n = strlen(x->value);
		return span_starts(text, x->value) &&
		    match(b, rest, span_from(text, n));
	}
	n = word_len(text);
	if (n == 0)
		return false;
	bind_name(b, name, span_head(text, n));
	if (match(b, rest, span_from(text, n)))
		return true;
	unbind_last(b);
	return false;
}

bool
match(struct bindings *b, struct span pattern, struct span text)
{
	while (pattern.len) {
		struct span rest = span_from(pattern, 1), name;

		if (*pattern.p != '$' || !rest.len) {
			if (!text.len || *text.p != *pattern.p)
				return false;
			text = span_from(text, 1);
			pattern = rest;
			continue;
		}
		if (*rest.p == '*')
			return match_any(b, span_from(rest, 1), text);
		if (*rest.p == '_') {
			size_t n = word_len(text);

			return n > 0 && match(b, span_from(rest, 1),
			    span_from(text, n));
		}
		name = name_at(rest);
		if (name.len)
			return match_name(b, name, span_from(rest, name.len),
			    text);
		/* "$$" */
		if (!text.len || *text.p != '$')
			return false;
		text = span_from(text, 1);
		pattern = span_from(rest, 1);
	}
	return text.len == 0;
}

bool
match_expand(struct bindings *b, struct buf *out, struct span text)
{
	bool good = true;

	while (text.len) {
		struct span rest = span_from(text, 1), name = name_at(rest);
		struct binding *x;

		if (*text.p != '$') {
			buf_addc(out, *text.p);
			text = rest;
			continue;
		}
		if (rest.len && *rest.p == '$') {
			buf_addc(out, '$');
			text = span_from(rest, 1);
			continue;
		}
		x = find_binding(b, name);
		if (x)
			buf_adds(out, x->value);
		good = good && x;
		text = span_from(rest, name.len);
	}
	return good;
}

void
match_unescape(struct buf *out, struct span text)
{
	static const char from[] = "rnt0\\\"", to[] = "\r\n\t\0\\\"";

	while (text.len) {
		struct span rest = span_from(text, 1);
		const char *c;

		if (*text.p != '\\' || !rest.len) {
			buf_addc(out, *text.p);
			text = rest;
		} else if (*rest.p == 'x' && rest.len >= 3) {
			(void)hex_decode(out, span_make(rest.p + 1, 2));
			text = span_from(rest, 3);
		} else {
			c = strchr(from, *rest.p);
			buf_addc(out, c ? to[c - from] : *rest.p);
			text = span_from(rest, 1);
		}
	}
}

bool
match_is_bare_status(struct span text, bool tagged)
{
	if (tagged)
		return span_is(text, "OK") || span_is(text, "NO") ||
		    span_is(text, "BAD") || (text.p[text.len - 1] == ']' &&
		    !span_chr(text, '$'));
	if (span_is(text, "+OK") || span_is(text, "-ERR"))
		return true;
	if (span_starts(text, "-ERR [") || span_starts(text, "+OK ["))
		return text.p[text.len - 1] == ']';
	/* "250", "250 2.1.0" */
	if (text.len < 3 || !isdigit((unsigned char)*text.p))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!isdigit((unsigned char)text.p[i]) && text.p[i] != '.' &&
		    !(text.p[i] == ' ' && i == 3))
			return false;
	return true;
}
