/*
 * FETCH's arguments (RFC 3501 section 6.4.5, RFC 3516).
 */
#include "imap/imap_limits.h"
#include "imap/parse.h"
#include "imap/parse_priv.h"
#include "imap/reply.h"
#include "server/base/buf.h"
#include "server/base/xalloc.h"

/* Deeper than any tree that mime.h makes; what is deeper does not exist. */
#define PATH_MAX_LEN (2 * MIME_DEPTH_MAX)

static const struct {
	const char *name;
	unsigned items;
} macros[] = {
	{ "ALL", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE |
	    FETCH_ENVELOPE },
	{ "FAST", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE },
	{ "FULL", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE |
	    FETCH_ENVELOPE | FETCH_BODY },
};

static const struct {
	const char *name;
	unsigned item;
} items[] = {
	{ "UID", FETCH_UID },
	{ "FLAGS", FETCH_FLAGS },
	{ "INTERNALDATE", FETCH_INTERNALDATE },
	{ "RFC822.SIZE", FETCH_SIZE },
	{ "ENVELOPE", FETCH_ENVELOPE },
	{ "BODYSTRUCTURE", FETCH_BODYSTRUCTURE },
	{ "MODSEQ", FETCH_MODSEQ },
	{ "EMAILID", FETCH_EMAILID },
	{ "THREADID", FETCH_THREADID },
	{ "SAVEDATE", FETCH_SAVEDATE },
};

/* The old names of some sections. */
static const struct {
	const char *name;
	enum imap_section_what what;
	bool peek;
} old_bodies[] = {
	{ "RFC822", SECTION_ALL, false },
	{ "RFC822.HEADER", SECTION_HEADER, true },
	{ "RFC822.TEXT", SECTION_TEXT, false },
};

/* Those that name a section in brackets. */
static const struct {
	const char *name;
	const char *label;
	enum imap_fetch_form form;
	bool peek;
} bodies[] = {
	{ "BODY", "BODY", FORM_BODY, false },
	{ "BODY.PEEK", "BODY", FORM_BODY, true },
	{ "BINARY", "BINARY", FORM_BINARY, false },
	{ "BINARY.PEEK", "BINARY", FORM_BINARY, true },
	{ "BINARY.SIZE", "BINARY.SIZE", FORM_BINARY_SIZE, true },
};

static const struct {
	const char *name;
	enum imap_section_what what;
} section_texts[] = {
	{ "", SECTION_ALL },
	{ "HEADER", SECTION_HEADER },
	{ "HEADER.FIELDS", SECTION_FIELDS },
	{ "HEADER.FIELDS.NOT", SECTION_FIELDS_NOT },
	{ "TEXT", SECTION_TEXT },
	{ "MIME", SECTION_MIME },
};

/* header-list: "(" header-fld-name *(SP header-fld-name) ")" */
static enum parse
parse_fields(struct imap_parser *p, struct imap_section *s)
{
	struct cursor look;
	size_t max = 1;
	int ch;

	/* The space is left out even in examples: RFC 6858 section 3 */
	(void)cursor_skip(&p->c, ' ');
	if (imap_expect(p, '(',
	    "expected a list of field names in parentheses"))
		return PARSE_BAD;
	look = p->c;
	while (max < IMAP_FETCH_FIELDS_MAX &&
	    (ch = cursor_next(&look)) != -1 && ch != ')')
		max += ch == ' ';
	s->fields = arena_array(p->arena, max, sizeof *s->fields);
	do {
		if (s->field_count == IMAP_FETCH_FIELDS_MAX)
			return imap_bad(p, "too many field names");
		/* ")" within a name: more names than were counted. */
		if (s->field_count == max)
			return imap_bad(p, "expected a field name");
		if (imap_parse_astring(p, &s->fields[s->field_count]))
			return PARSE_BAD;
		s->field_count++;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the field names");
}

/* section-part, and the "." before what follows: "1.2." */
static enum parse
parse_path(struct imap_parser *p, struct imap_section *s, bool *dot)
{
	*dot = false;
	if (cursor_peek(&p->c) < '0' || cursor_peek(&p->c) > '9')
		return PARSE_OK;
	s->path = arena_array(p->arena, PATH_MAX_LEN, sizeof *s->path);
	do {
		*dot = false;
		if (cursor_peek(&p->c) < '0' || cursor_peek(&p->c) > '9') {
			*dot = true;
			break;
		}
		if (s->path_len == PATH_MAX_LEN)
			return imap_bad(p, "too many part numbers");
		if (imap_parse_nz_number(p, &s->path[s->path_len]))
			return imap_bad(p, "expected the number of a part");
		s->path_len++;
	} while (cursor_skip(&p->c, '.'));
	return PARSE_OK;
}

enum parse
imap_parse_section(struct imap_parser *p, struct imap_section *s)
{
	const char *start;
	struct span word;
	bool dot;

	*s = (struct imap_section){ 0 };
	if (imap_expect(p, '[', "expected \"[\"") || parse_path(p, s, &dot))
		return PARSE_BAD;
	start = p->c.p;
	word = imap_scan_word(p);
	for (size_t i = 0; i < COUNT(section_texts); i++) {
		if (!span_iis(word, section_texts[i].name))
			continue;
		s->what = section_texts[i].what;
		/* "1." and "1HEADER" are wrong, and so is MIME alone. */
		if ((s->path_len && dot != (word.len > 0)) ||
		    (s->what == SECTION_MIME && !s->path_len))
			break;
		if ((s->what == SECTION_FIELDS ||
		    s->what == SECTION_FIELDS_NOT) && parse_fields(p, s))
			return PARSE_BAD;
		return imap_expect(p, ']', "expected \"]\"");
	}
	p->c.p = start;
	return imap_bad(p, "unknown section of a message");
}

/* "<" number "." nz-number ">" */
static enum parse
parse_partial(struct imap_parser *p, struct imap_fetch_body *b)
{
	uint64_t max = INT64_MAX;	/* RFC 9051 section 9: number64 */

	if (!cursor_skip(&p->c, '<'))
		return PARSE_OK;
	b->partial = true;
	if (!cursor_number(&p->c, max, &b->off) || !cursor_skip(&p->c, '.') ||
	    !cursor_number(&p->c, max, &b->len) || b->len == 0 ||
	    !cursor_skip(&p->c, '>'))
		return imap_bad(p, "expected <offset.length>, the length not "
		    "0");
	return PARSE_OK;
}

/* What the answer calls the section; the names as the client wrote them. */
static void
put_label(struct buf *b, const char *name, const struct imap_fetch_body *body)
{
	const struct imap_section *s = &body->section;

	buf_adds(b, name);
	buf_addc(b, '[');
	for (size_t i = 0; i < s->path_len; i++) {
		if (i)
			buf_addc(b, '.');
		buf_addu(b, s->path[i]);
	}
	if (s->path_len && s->what != SECTION_ALL)
		buf_addc(b, '.');
	for (size_t i = 0; i < COUNT(section_texts); i++)
		if (section_texts[i].what == s->what)
			buf_adds(b, section_texts[i].name);
	for (size_t i = 0; i < s->field_count; i++) {
		buf_adds(b, i ? " " : " (");
		imap_put_astring(b, s->fields[i], false);
	}
	if (s->field_count)
		buf_addc(b, ')');
	buf_addc(b, ']');
	if (body->partial) {
		buf_addc(b, '<');
		buf_addu(b, body->off);
		buf_addc(b, '>');
	}
}

/* name: what the answer calls it. b->form is set. */
static enum parse
parse_body(struct imap_parser *p, const char *name, struct imap_fetch_body *b)
{
	struct buf label = BUF_INIT;

	if (imap_parse_section(p, &b->section))
		return PARSE_BAD;
	/* RFC 3516 section 7: section-binary is a part, or nothing. */
	if (b->form != FORM_BODY && b->section.what != SECTION_ALL)
		return imap_bad(p, "expected the number of a part");
	if (b->form != FORM_BINARY_SIZE && parse_partial(p, b))
		return PARSE_BAD;
	put_label(&label, name, b);
	b->label = arena_span(p->arena, buf_span(&label));
	buf_release(&label);
	return PARSE_OK;
}

/* Room for one more; what is there moves, pointers into it do not exist. */
static struct imap_fetch_body *
add_body(struct imap_parser *p, struct imap_fetch_args *f)
{
	size_t n = f->body_count;

	if ((n & (n - 1)) == 0) {	/* full at each power of two */
		struct imap_fetch_body *v = arena_array(p->arena,
		    n ? 2 * n : 1, sizeof *v);

		if (n)
			memcpy(v, f->bodies, n * sizeof *v);
		f->bodies = v;
	}
	return &f->bodies[f->body_count++];
}

/*
 * ["SP" "(" "LAZY" ")"], RFC 8970 section 6. Previews are at hand, so it
 * makes no difference.
 */
static enum parse
parse_preview(struct imap_parser *p, struct imap_fetch_args *f)
{
	struct cursor look = p->c;

	f->items |= FETCH_PREVIEW;
	/* A modifier of FETCH may follow just as well. */
	if (!cursor_skip(&look, ' ') || !cursor_skip(&look, '(') ||
	    !cursor_skip_word(&look, "LAZY"))
		return PARSE_OK;
	while (cursor_skip_word(&look, " LAZY"))
		;
	p->c = look;
	return imap_expect(p, ')', "expected \")\" after LAZY");
}

static enum parse
parse_item(struct imap_parser *p, struct imap_fetch_args *f)
{
	const char *start = p->c.p;
	struct span word = imap_scan_word(p);
	struct imap_fetch_body *b;

	for (size_t i = 0; i < COUNT(items); i++) {
		if (!span_iis(word, items[i].name))
			continue;
		f->items |= items[i].item;
		return PARSE_OK;
	}
	if (span_iis(word, "PREVIEW"))
		return parse_preview(p, f);
	if (span_iis(word, "BODY") && cursor_peek(&p->c) != '[') {
		f->items |= FETCH_BODY;
		return PARSE_OK;
	}
	if (f->body_count == IMAP_FETCH_ITEMS_MAX)
		return imap_bad(p, "too many sections in one FETCH");
	for (size_t i = 0; i < COUNT(bodies); i++) {
		if (!span_iis(word, bodies[i].name))
			continue;
		b = add_body(p, f);
		b->form = bodies[i].form;
		b->peek = bodies[i].peek;
		f->sets_seen |= !b->peek;
		return parse_body(p, bodies[i].label, b);
	}
	for (size_t i = 0; i < COUNT(old_bodies); i++) {
		if (!span_iis(word, old_bodies[i].name))
			continue;
		b = add_body(p, f);
		b->section.what = old_bodies[i].what;
		b->peek = old_bodies[i].peek;
		b->label = span_of(old_bodies[i].name);
		f->sets_seen |= !b->peek;
		return PARSE_OK;
	}
	p->c.p = start;
	return imap_bad(p, "unknown FETCH item");
}

enum parse
imap_parse_fetch_atts(struct imap_parser *p, struct imap_fetch_args *f)
{
	if (imap_expect(p, '(', "expected items in parentheses"))
		return PARSE_BAD;
	do {
		if (parse_item(p, f))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the items");
}

static enum parse
parse_items(struct imap_parser *p, struct imap_fetch_args *f)
{
	return cursor_peek(&p->c) == '(' ? imap_parse_fetch_atts(p, f) :
	    parse_item(p, f);
}

static enum parse
parse_macro_or_items(struct imap_parser *p, struct imap_fetch_args *f)
{
	const char *start = p->c.p;
	struct span word = imap_scan_word(p);

	for (size_t i = 0; i < COUNT(macros); i++) {
		if (!span_iis(word, macros[i].name))
			continue;
		f->items = macros[i].items;
		return PARSE_OK;
	}
	p->c.p = start;
	return parse_items(p, f);
}

static enum parse
parse_modifier(struct imap_parser *p, struct imap_fetch_args *f)
{
	const char *start = p->c.p;
	struct span word = imap_scan_word(p);

	if (span_iis(word, "VANISHED") && !f->vanished) {
		f->vanished = true;
		return PARSE_OK;
	}
	if (span_iis(word, "PARTIAL") && !f->partial.is_given)
		return imap_parse_space(p) || imap_parse_partial_range(p,
		    &f->partial) ? PARSE_BAD : PARSE_OK;
	if (span_iis(word, "CHANGEDSINCE") && !f->has_changedsince) {
		f->has_changedsince = true;
		/* RFC 7162 3.1.4.1: it asks for MODSEQ as well. */
		f->items |= FETCH_MODSEQ;
		return imap_parse_space(p) ||
		    imap_parse_modseq(p, &f->changed_since) ?
		    PARSE_BAD : PARSE_OK;
	}
	p->c.p = start;
	return imap_bad(p, "unknown FETCH modifier");
}

/* [SP "(" modifier *(SP modifier) ")"], RFC 4466 section 2.4 */
static enum parse
parse_modifiers(struct imap_parser *p, struct imap_fetch_args *f)
{
	if (!cursor_skip(&p->c, ' ') || !cursor_skip(&p->c, '('))
		return PARSE_OK;
	do {
		if (parse_modifier(p, f))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the modifiers");
}

enum parse
imap_parse_fetch(struct imap_parser *p, union imap_args *a)
{
	struct imap_fetch_args *f = &a->fetch;

	*f = (struct imap_fetch_args){ 0 };
	return imap_parse_space(p) || imap_parse_seqset(p, &f->set) ||
	    imap_parse_space(p) || parse_macro_or_items(p, f) ||
	    parse_modifiers(p, f) || imap_parse_end(p) ?
	    PARSE_BAD : PARSE_OK;
}
