#include "store/mime/header.h"

#include "store/mime/scan_priv.h"

void
field_iter_init(struct field_iter *it, struct span block)
{
	it->c = cursor_of_span(block);
}

/* Where the line at p ends: behind its LF, or the end. */
static const char *
line_end(const char *p, const char *end)
{
	const char *lf = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;

	return lf ? lf + 1 : end;
}

static bool
is_blank_line(const char *p, const char *end)
{
	return (end - p >= 1 && p[0] == '\n') ||
	    (end - p >= 2 && p[0] == '\r' && p[1] == '\n');
}

/* RFC 5322 section 2.2: printable ASCII; RFC 6532 leaves names alone. */
static bool
is_field_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~')
			return false;
	return name.len > 0;
}

/* Takes the final LF or CR LF away. */
static struct span
chomp(struct span s)
{
	if (s.len && s.p[s.len - 1] == '\n') {
		s.len--;
		if (s.len && s.p[s.len - 1] == '\r')
			s.len--;
	}
	return s;
}

bool
field_iter_next(struct field_iter *it, struct header_field *f)
{
	const char *p = it->c.p, *end = it->c.end, *next, *colon;

	if (p >= end || is_blank_line(p, end))
		return false;
	next = line_end(p, end);
	f->name = span_make(p, 0);
	colon = memchr(p, ':', (size_t)(next - p));
	if (colon)
		f->name = span_trim(span_make(p, (size_t)(colon - p)));
	/* A line that starts with white space continues a field; here there
	 * is none to be continued. */
	if (f->name.p != p || !is_field_name(f->name)) {
		f->name = span_make(p, 0);
		colon = NULL;
	}
	while (next < end && (*next == ' ' || *next == '\t'))
		next = line_end(next, end);
	f->whole = span_make(p, (size_t)(next - p));
	f->value = chomp(colon ? span_from(f->whole, (size_t)(colon + 1 - p)) :
	    f->whole);
	it->c.p = next;
	return true;
}

bool
header_find(struct span block, const char *name, struct header_field *f)
{
	struct field_iter it;

	field_iter_init(&it, block);
	while (field_iter_next(&it, f))
		if (span_iis(f->name, name))
			return true;
	return false;
}

size_t
header_block_len(struct span message)
{
	const char *p = message.p, *end = message.p + message.len;

	for (; p < end; p = line_end(p, end))
		if (is_blank_line(p, end))
			return (size_t)(line_end(p, end) - message.p);
	return message.len;
}

/* Appends s without NULs; a CR of its own becomes a space. */
static void
add_clean(struct buf *out, struct span s)
{
	if (!span_chr(s, '\0') && !span_chr(s, '\r')) {
		buf_addspan(out, s);
		return;
	}
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i])
			buf_addc(out, s.p[i] == '\r' ? ' ' : s.p[i]);
}

void
header_unfold(struct buf *out, struct span value)
{
	size_t start = out->len;
	const char *lf;

	while (value.len && strchr(" \t\r\n", *value.p) && *value.p)
		value = span_from(value, 1);
	while ((lf = span_chr(value, '\n')) != NULL) {
		size_t len = (size_t)(lf + 1 - value.p);

		add_clean(out, chomp(span_head(value, len)));
		value = span_from(value, len);
	}
	add_clean(out, value);
	while (out->len > start && strchr(" \t", out->p[out->len - 1]))
		buf_truncate(out, out->len - 1);
}

/*
 * What is between angle brackets, c being behind the first. False if it has
 * no "@" or no end: then it is no msg-id and c is behind what was read.
 */
static bool
read_msg_id(struct cursor *c, struct arena *a, struct span *id)
{
	struct span rest = span_make(c->p, cursor_left(c));
	const char *close = span_chr(rest, '>');
	size_t n = 0, max = close ? (size_t)(close - c->p) : 0;
	struct cursor in = cursor_of_span(span_head(rest, max));
	bool has_at = false;
	char *to;

	c->p = close ? close + 1 : c->end;
	if (!span_chr(span_head(rest, max), '@'))
		return false;
	to = arena_array(a, max, 1);
	while (!cursor_at_end(&in)) {
		int ch = cursor_peek(&in);

		if (ch == '"') {
			n += scan_quoted(&in, to + n);
			continue;
		}
		if (ch == '(') {
			(void)scan_comment(&in);
			continue;
		}
		in.p++;
		if (ch > ' ') {
			has_at |= ch == '@';
			to[n++] = (char)ch;
		}
	}
	*id = span_make(to, n);
	return has_at && n > 1;
}

bool
header_next_msg_id(struct cursor *c, struct arena *a, struct span *id)
{
	while (!cursor_at_end(c)) {
		switch (cursor_peek(c)) {
		case '(':
			(void)scan_comment(c);
			break;
		case '<':
			c->p++;
			if (read_msg_id(c, a, id))
				return true;
			break;
		default:
			c->p++;
		}
	}
	return false;
}
