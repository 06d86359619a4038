/*
 * Address lists, read once from left to right.
 *
 * Whatever a list says comes out no longer than it went in: unquoting only
 * removes, and white space between words shrinks to one space. So one block
 * of the value's length takes all text, and the words of the entry at hand
 * stand in it one after the other. Until a "<", a "," or the end comes it is
 * open whether they are a display name or an address; hence only marks are
 * kept (where the last word began, where the "@" was, where the domain ended)
 * and the entry is cut up at its end.
 */
#include "store/mime/address.h"

#include "server/base/xalloc.h"
#include "store/mime/scan_priv.h"

#define ENCODED_WORD_MAX 256	/* RFC 2047 section 2 says 75 */
#define NONE SIZE_MAX

struct parser {
	struct cursor c;
	struct arena *arena;
	struct addrlist *out;
	size_t cap;		/* of out->v */
	bool in_group;
	char *text;		/* the block that takes all text */
	size_t len;		/* bytes of it in use */

	/* The entry at hand; offsets into text, NONE when not there. */
	size_t start;		/* its first byte */
	size_t word;		/* the run of words without a space between */
	size_t local;		/* where the run that has "@" began */
	size_t at;		/* the last "@" in that run */
	size_t domain_end;	/* a word after the domain began here */
	bool space;		/* white space since the last word */
	bool dot_space;		/* a space follows a dot */
	struct span comment;	/* inside of the last one */
	bool after_angle;	/* a ">" came before it, and no comma */
	size_t last;		/* entry of that ">" in out, or NONE */

	const char *no_encoded_word;	/* none ends before this */
};

static void
entry_start(struct parser *p)
{
	p->start = p->word = p->len;
	p->at = p->domain_end = NONE;
	p->space = p->dot_space = p->after_angle = false;
	p->comment = span_make(NULL, 0);
}

static struct span
text_span(const struct parser *p, size_t from, size_t to)
{
	return span_head(span_make(p->text + from, to - from),
	    DIGEST_VALUE_MAX);
}

/* Room for one more entry; one is kept back for the end of a group. */
static struct address *
list_add(struct parser *p, enum addr_kind kind)
{
	struct addrlist *l = p->out;

	if (l->n + (kind != ADDR_END) >= MIME_ADDRESSES_MAX)
		return NULL;
	if (l->n == p->cap) {
		size_t cap = p->cap ? p->cap * 4 : 2;
		struct address *v;

		cap = MIN(cap, MIME_ADDRESSES_MAX);
		v = arena_array(p->arena, cap, sizeof *v);
		if (l->n)
			memcpy(v, l->v, l->n * sizeof *v);
		l->v = v;
		p->cap = cap;
	}
	l->v[l->n] = (struct address){ .kind = kind };
	return &l->v[l->n++];
}

static bool
is_space(int ch)
{
	return ch >= 0 && (ch <= ' ' || ch == 0x7f);
}

/* White space and comments. Whether there was any. */
static bool
skip_cfws(struct parser *p)
{
	const char *start = p->c.p;

	for (;;) {
		int ch = cursor_peek(&p->c);

		if (ch == '(')
			p->comment = scan_comment(&p->c);
		else if (is_space(ch))
			p->c.p++;
		else
			return p->c.p != start;
	}
}

static void
put(struct parser *p, int ch)
{
	p->text[p->len++] = (char)ch;
}

/*
 * A word that starts with first is about to be put: settles the space before
 * it. There is none around "@" and before a dot (RFC 5322 section 4.4).
 */
static void
word_start(struct parser *p, int first)
{
	int last = p->len > p->start ? p->text[p->len - 1] : 0;
	bool space = p->space;

	p->space = false;
	if (!space || last == 0 || last == '@' || first == '@' ||
	    first == '.')
		return;
	if (last == '.') {
		if (p->at != NONE && p->domain_end == NONE)
			return;
		p->dot_space = true;
		put(p, ' ');
		return;
	}
	if (p->at != NONE && p->domain_end == NONE)
		p->domain_end = p->len;
	put(p, ' ');
	p->word = p->len;
}

/* A domain literal from its bracket on (RFC 5322 section 3.4.1). */
static void
read_literal(struct parser *p)
{
	int ch;

	while ((ch = cursor_next(&p->c)) >= 0) {
		if (!is_space(ch))
			put(p, ch);
		if (ch == ']')
			break;
	}
}

/*
 * Bytes of the encoded-word that starts here, 0 if there is none. It is taken
 * whole, because many programs leave specials in it as they are (RFC 2047
 * section 5 rule 3 forbids it). A search that failed is not made again.
 */
static size_t
encoded_word_len(struct parser *p)
{
	const char *s = p->c.p, *end = p->c.end;
	int marks = 0;

	if (end - s < 8 || s[1] != '?' || s < p->no_encoded_word)
		return 0;
	if (end - s > ENCODED_WORD_MAX)
		end = s + ENCODED_WORD_MAX;
	for (s += 2; s < end && *s > ' ' && *s != '"'; s++) {
		if (*s != '?')
			continue;
		if (++marks == 3)
			return s + 1 < end && s[1] == '=' ?
			    (size_t)(s + 2 - p->c.p) : 0;
	}
	p->no_encoded_word = s;
	return 0;
}

static bool
is_atom(int ch)
{
	return ch > ' ' && ch != 0x7f && !memchr("()<>,;:@\"\\", ch, 10);
}

static void
read_atom(struct parser *p)
{
	size_t n;

	while (is_atom(cursor_peek(&p->c))) {
		n = *p->c.p == '=' ? encoded_word_len(p) : 0;
		n = n ? n : 1;
		memcpy(p->text + p->len, p->c.p, n);
		p->len += n;
		p->c.p += n;
	}
}

/*
 * One word: atom, quoted string, domain literal or a character taken
 * literally. False if none is next.
 */
static bool
read_word(struct parser *p)
{
	int ch = cursor_peek(&p->c);

	if (ch != '"' && ch != '\\' && !is_atom(ch))
		return false;
	word_start(p, ch);
	if (ch == '"') {
		p->len += scan_quoted(&p->c, p->text + p->len);
	} else if (ch == '\\') {
		p->c.p++;
		if ((ch = cursor_next(&p->c)) >= 0)
			put(p, ch);
	} else if (ch == '[' && p->at != NONE && p->at + 1 == p->len) {
		read_literal(p);
	} else {
		read_atom(p);
	}
	return true;
}

/* RFC 5322 section 4.4: white space around the dots of a local part. */
static size_t
close_dots(struct parser *p, size_t from, size_t to)
{
	size_t n = from;

	for (size_t i = from; i < to; i++)
		if (p->text[i] != ' ' || i == from || p->text[i - 1] != '.')
			p->text[n++] = p->text[i];
	return n;
}

/* The comment's text as a display name: "jo@example.org (Jo)". */
static struct span
comment_text(struct parser *p)
{
	size_t start = p->len;
	struct span s = span_trim(p->comment);

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\\' && ++i == s.len)
			break;
		put(p, s.p[i]);
	}
	return text_span(p, start, p->len);
}

/* An address is what stands from local on, to the end of its domain. */
static void
set_address(struct parser *p, struct address *a, size_t local)
{
	size_t end = p->domain_end == NONE ? p->len : p->domain_end;
	size_t local_end = p->at == NONE ? p->len : p->at;

	if (p->at != NONE)
		a->domain = text_span(p, p->at + 1, end);
	if (p->dot_space)
		local_end = close_dots(p, local, local_end);
	a->local = text_span(p, local, local_end);
}

/* The entry is words without brackets: an address, or a mere name. */
static void
emit_bare(struct parser *p)
{
	struct address *a;

	if (p->len == p->start || !(a = list_add(p, ADDR_MAILBOX)))
		return;
	if (p->at != NONE && p->local > p->start) {
		a->display = text_span(p, p->start, p->local - 1);
		set_address(p, a, p->local);
	} else {
		set_address(p, a, p->start);
		a->display = comment_text(p);
	}
}

/* A comma, a semicolon or the end has come. */
static void
entry_end(struct parser *p)
{
	if (!p->after_angle || p->at != NONE)
		emit_bare(p);
	else if (p->last != NONE && p->out->v[p->last].display.len == 0)
		p->out->v[p->last].display = comment_text(p);
	entry_start(p);
}

/* "@" outside of brackets. */
static void
read_at(struct parser *p)
{
	p->c.p++;
	word_start(p, '@');
	if (p->domain_end != NONE) {
		/* "a@b c@d": the comma was forgotten. The words of c are the
		 * last thing in text, so no comment may be put there. */
		p->comment.len = 0;
		emit_bare(p);
		p->start = p->word;
		p->at = p->domain_end = NONE;
	}
	if (p->at == NONE)
		p->local = p->word;
	p->at = p->len;
	put(p, '@');
}

/*
 * RFC 5322 section 4.4 obs-route, c being at its "@". Without its colon it is
 * left to be a domain.
 */
static struct span
read_route(struct parser *p)
{
	bool comma = false;

	while (cursor_peek(&p->c) == '@') {
		if (comma)
			put(p, ',');
		p->at = p->len;
		put(p, *p->c.p++);
		do
			skip_cfws(p);
		while (read_word(p));
		for (comma = false; cursor_skip(&p->c, ','); comma = true)
			skip_cfws(p);
	}
	p->space = comma;
	if (!cursor_skip(&p->c, ':'))
		return span_make(NULL, 0);
	p->at = NONE;
	return text_span(p, p->start, p->len);
}

/* The inside of brackets, to a ">" or to what cannot be in them. */
static void
read_angle_words(struct parser *p)
{
	for (;;) {
		int ch;

		p->space |= skip_cfws(p);
		ch = cursor_peek(&p->c);
		if (ch < 0 || ch == ',' || ch == ';' || ch == '<')
			return;
		if (read_word(p))
			continue;
		p->c.p++;
		if (ch == '>')
			return;
		if (ch == '@') {
			word_start(p, ch);
			p->at = p->len;
			p->domain_end = NONE;
			put(p, ch);
		} else if (ch == ':' && p->at == NONE) {
			p->start = p->word = p->len;	/* "mailto:" */
		}
	}
}

static void
read_angle(struct parser *p)
{
	struct span display = text_span(p, p->start, p->len);
	struct span comment = p->comment, route = { NULL, 0 };
	struct address *a;

	p->c.p++;
	entry_start(p);
	p->comment = comment;
	skip_cfws(p);
	if (cursor_peek(&p->c) == '@') {
		route = read_route(p);
		if (route.len)
			p->start = p->word = p->len;
	}
	read_angle_words(p);
	comment = p->comment;
	p->last = NONE;
	if ((a = list_add(p, ADDR_MAILBOX)) != NULL) {
		p->last = p->out->n - 1;
		a->display = display;
		a->route = route;
		set_address(p, a, p->start);
	}
	entry_start(p);
	p->comment = comment;
	p->after_angle = true;
}

static void
read_colon(struct parser *p)
{
	struct address *a;

	p->c.p++;
	if (p->in_group || (p->at != NONE && p->at != p->start)) {
		p->space = true;
		return;
	}
	/* At the start of an entry "@" begins a route without brackets. */
	if (p->at == NONE && (a = list_add(p, ADDR_GROUP)) != NULL) {
		a->display = text_span(p, p->start, p->len);
		p->in_group = true;
	}
	entry_start(p);
}

static void
group_end(struct parser *p)
{
	if (p->in_group)
		(void)list_add(p, ADDR_END);
	p->in_group = false;
}

void
address_list_parse(struct span value, struct arena *arena,
    struct addrlist *out)
{
	struct parser p = {
		.c = cursor_of_span(value), .arena = arena, .out = out,
		.last = NONE
	};

	*out = (struct addrlist){ .present = true };
	if (value.len == 0)
		return;
	p.text = arena_array(arena, value.len, 1);
	p.no_encoded_word = value.p;
	entry_start(&p);
	for (;;) {
		int ch;

		p.space |= skip_cfws(&p);
		if ((ch = cursor_peek(&p.c)) < 0)
			break;
		if (ch == '<') {
			read_angle(&p);
		} else if (ch == '@') {
			read_at(&p);
		} else if (ch == ':') {
			read_colon(&p);
		} else if (ch == ',' || ch == ';') {
			p.c.p++;
			entry_end(&p);
			if (ch == ';')
				group_end(&p);
		} else if (!read_word(&p)) {
			p.c.p++;
			p.space = true;
		}
	}
	entry_end(&p);
	group_end(&p);
}
