/*
 * Parameters of Content-Type and Content-Disposition (RFC 2045 section 5.1),
 * with RFC 2231's pieces and charsets.
 *
 * First the pieces are read as they are written, then those of one name are
 * joined. A name that comes both ways is taken in its RFC 2231 form: the
 * other is for programs that know no better.
 */
#include "server/base/cursor.h"
#include "server/base/xalloc.h"
#include "store/mime/charset.h"
#include "store/mime/mime_priv.h"
#include "store/mime/scan_priv.h"

#define WHOLE (-1)	/* not one of several pieces */

struct piece {
	struct span name;	/* lower case, without what "*" began */
	struct span value;	/* unquoted */
	int section;		/* RFC 2231 section 3: 0.., or WHOLE */
	bool extended;		/* section 4: a final "*" */
	bool used;
};

struct pieces {
	struct piece v[MIME_PARAMS_MAX];
	size_t n;
	char *text;		/* as long as the value that is read */
	size_t len;
};

/* Takes "*" [number] ["*"] off a name, if that is all there is. */
static void
split_name(struct piece *p)
{
	const char *star = span_chr(p->name, '*');
	struct cursor c;
	uint64_t section;

	p->section = WHOLE;
	if (!star)
		return;
	c = cursor_of_span(span_from(p->name, (size_t)(star + 1 -
	    p->name.p)));
	if (cursor_at_end(&c)) {
		p->extended = true;
	} else {
		if (!cursor_number(&c, MIME_PARAMS_MAX, &section))
			return;
		p->extended = cursor_skip(&c, '*');
		if (!cursor_at_end(&c)) {
			p->extended = false;
			return;
		}
		p->section = (int)section;
	}
	p->name.len = (size_t)(star - p->name.p);
}

/* Whether what follows here is "name=": then a semicolon was forgotten. */
static bool
is_name_next(struct cursor c)
{
	(void)cursor_while(&c, scan_is_token);
	return cursor_peek(&c) == '=';
}

/*
 * A value without quotes. Many programs leave them out where they must be, so
 * it goes on to the semicolon, over spaces and all, but not into a comment.
 */
static struct span
read_bare(struct pieces *all, struct cursor *c)
{
	char *start = all->text + all->len;
	size_t n = 0;
	int ch;

	while ((ch = cursor_peek(c)) >= 0 && ch != ';') {
		const char *space = c->p;

		while (cursor_peek(c) >= 0 && cursor_peek(c) <= ' ')
			c->p++;
		if (c->p == space) {
			start[n++] = (char)ch;
			c->p++;
			continue;
		}
		ch = cursor_peek(c);
		if (ch < 0 || ch == ';' || ch == '(' || is_name_next(*c))
			break;
		start[n++] = ' ';
	}
	all->len += n;
	return span_make(start, n);
}

static struct span
read_value(struct pieces *all, struct cursor *c)
{
	char *start = all->text + all->len;
	size_t n;

	scan_cfws(c);
	if (cursor_peek(c) != '"')
		return read_bare(all, c);
	n = scan_quoted(c, start);
	all->len += n;
	return span_make(start, n);
}

static struct span
read_name(struct pieces *all, struct cursor *c)
{
	char *start = all->text + all->len;
	struct span name = cursor_while(c, scan_is_token);

	for (size_t i = 0; i < name.len; i++)
		start[i] = (char)ascii_lower((unsigned char)name.p[i]);
	all->len += name.len;
	return span_make(start, name.len);
}

static void
read_pieces(struct pieces *all, struct cursor *c)
{
	while (all->n < MIME_PARAMS_MAX) {
		struct piece *p = &all->v[all->n];

		do
			scan_cfws(c);
		while (cursor_skip(c, ';'));
		if (cursor_at_end(c))
			return;
		*p = (struct piece){ .name = read_name(all, c) };
		scan_cfws(c);
		if (p->name.len && cursor_skip(c, '=')) {
			p->value = read_value(all, c);
			split_name(p);
			all->n++;
		} else if (p->name.len == 0) {
			(void)cursor_until(c, ';');
		}
	}
}

/* RFC 2231 section 4; a "%" without two digits stays. */
static void
add_percent(struct buf *out, struct span s)
{
	while (s.len) {
		int byte = scan_hex_byte(s, '%');

		buf_addc(out, byte < 0 ? *s.p : (char)byte);
		s = span_from(s, byte < 0 ? 1 : 3);
	}
}

/* Takes charset'language' off the first piece; empty if it is not there. */
static struct span
take_charset(struct span *value)
{
	struct cursor c = cursor_of_span(*value);
	struct span charset = cursor_until(&c, '\'');

	if (!cursor_skip(&c, '\''))
		return span_make(value->p, 0);
	(void)cursor_until(&c, '\'');
	if (!cursor_skip(&c, '\''))
		return span_make(value->p, 0);
	*value = span_make(c.p, cursor_left(&c));
	return charset;
}

static struct piece *
find_piece(struct pieces *all, struct span name, int section)
{
	for (size_t i = 0; i < all->n; i++) {
		struct piece *p = &all->v[i];

		if (p->section == section && (section >= 0 || p->extended) &&
		    span_eq(p->name, name))
			return p;
	}
	return NULL;
}

/* Nothing that was hidden behind "%" may end a line later on. */
static void
blank_controls(struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if ((unsigned char)b->p[i] < ' ')
			b->p[i] = ' ';
}

/* Joins first and what follows it, in the charset that it names. */
static struct span
join(struct pieces *all, struct piece *first, struct arena *a)
{
	struct buf bytes = BUF_INIT, text = BUF_INIT;
	struct span value = first->value, charset = { NULL, 0 };
	struct piece *p = first;

	if (first->extended)
		charset = take_charset(&value);
	for (int section = first->section;;) {
		if (p->extended)
			add_percent(&bytes, value);
		else
			buf_addspan(&bytes, value);
		if (section == WHOLE)
			break;
		if (!(p = find_piece(all, first->name, ++section)))
			break;
		value = p->value;
	}
	if (charset_to_utf8(&text, charset, buf_span(&bytes)) < 0)
		buf_swap(&text, &bytes);
	blank_controls(&text);
	value = value_copy(a, buf_span(&text));
	buf_release(&text);
	buf_release(&bytes);
	return value;
}

/* The value of all pieces with the name of this one, its first. */
static struct span
whole_value(struct pieces *all, struct piece *p, struct arena *a)
{
	struct piece *first = find_piece(all, p->name, 0);

	if (!first)
		first = find_piece(all, p->name, WHOLE);
	if (first)
		return join(all, first, a);
	return span_head(p->value, DIGEST_VALUE_MAX);
}

void
params_parse(struct span value, struct arena *a, struct params *out)
{
	struct cursor c = cursor_of_span(value);
	struct pieces all;

	*out = (struct params){ 0 };
	scan_cfws(&c);
	if (cursor_at_end(&c))
		return;
	all.n = all.len = 0;
	all.text = arena_array(a, cursor_left(&c), 1);
	read_pieces(&all, &c);
	if (all.n == 0)
		return;
	out->v = arena_array(a, all.n, sizeof *out->v);
	for (size_t i = 0; i < all.n; i++) {
		struct piece *p = &all.v[i];

		if (p->used)
			continue;
		out->v[out->n++] = (struct param){
			.name = span_head(p->name, DIGEST_VALUE_MAX),
			.value = whole_value(&all, p, a)
		};
		for (size_t j = i + 1; j < all.n; j++)
			if (span_eq(all.v[j].name, p->name))
				all.v[j].used = true;
	}
}

struct span
params_find(const struct params *params, const char *name)
{
	for (size_t i = 0; i < params->n; i++)
		if (span_is(params->v[i].name, name))
			return params->v[i].value;
	return span_make(NULL, 0);
}
