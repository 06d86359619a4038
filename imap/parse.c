#include "imap/parse.h"

#include "imap/chars.h"
#include "imap/imap_limits.h"
#include "imap/parse_priv.h"
#include "imap/utf7.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"

/* A name of MAILBOX_PATH_MAX bytes is never longer in modified UTF-7. */
#define RAW_NAME_MAX (4 * MAILBOX_PATH_MAX)

void
imap_parser_init(struct imap_parser *p, struct span text, struct arena *arena)
{
	*p = (struct imap_parser){
		.c = cursor_of_span(text),
		.arena = arena,
	};
}

static bool
is_word_char(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+';
}

struct span
imap_scan_word(struct imap_parser *p)
{
	return cursor_while(&p->c, is_word_char);
}

enum parse
imap_parse_space(struct imap_parser *p)
{
	return imap_expect(p, ' ', "expected a space and an argument");
}

enum parse
imap_parse_end(struct imap_parser *p)
{
	while (cursor_skip(&p->c, ' '))
		;
	if (!cursor_at_end(&p->c))
		return imap_bad(p, "unexpected text after the command");
	return PARSE_OK;
}

enum parse
imap_parse_start(struct imap_parser *p, struct imap_start *start)
{
	struct span tag;

	*start = (struct imap_start){ 0 };
	tag = cursor_while(&p->c, imap_is_tag_char);
	if (tag.len == 0 || tag.len > IMAP_TAG_MAX)
		return imap_bad(p, "expected a tag");
	if (!cursor_at_end(&p->c) && cursor_peek(&p->c) != ' ')
		return imap_bad(p, "a character that no tag may have");
	start->tag = tag;
	if (imap_expect(p, ' ', "expected a command after the tag"))
		return PARSE_BAD;
	start->verb = cursor_while(&p->c, imap_is_atom_char);
	if (span_iis(start->verb, "UID")) {
		start->uid = true;
		if (imap_expect(p, ' ', "expected a command after UID"))
			return PARSE_BAD;
		start->verb = cursor_while(&p->c, imap_is_atom_char);
	}
	if (start->verb.len == 0)
		return imap_bad(p, "expected a command");
	return PARSE_OK;
}

enum parse
imap_parse_atom(struct imap_parser *p, struct span *s)
{
	*s = cursor_while(&p->c, imap_is_atom_char);
	return s->len ? PARSE_OK : imap_bad(p, "expected a word");
}

/* The bytes of a quoted string whose backslashes have been checked. */
static struct span
unescape(struct arena *a, struct span raw)
{
	char *to = arena_alloc(a, raw.len);
	size_t n = 0;

	for (size_t i = 0; i < raw.len; i++) {
		if (raw.p[i] == '\\')
			i++;
		to[n++] = raw.p[i];
	}
	return span_make(to, n);
}

/*
 * quoted. Deviation from RFC 3501 section 9: bytes over 0x7f are accepted, as
 * clients send passwords and UTF-8 names that way. RFC 6855 section 3: they
 * must be UTF-8 if that is on.
 */
static enum parse
parse_quoted(struct imap_parser *p, struct span *s)
{
	const char *start = ++p->c.p;
	bool has_escape = false;

	for (;; p->c.p++) {
		switch (cursor_peek(&p->c)) {
		case -1:
			return imap_bad(p, "a quoted string does not end");
		case '\r': case '\n': case '\0':
			return imap_bad(p, "a control character in quotes");
		case '"':
			*s = span_make(start, (size_t)(p->c.p++ - start));
			if (p->utf8 && !utf8_is_valid(*s))
				return imap_bad(p, "a quoted string that is "
				    "not UTF-8");
			if (has_escape)
				*s = unescape(p->arena, *s);
			return PARSE_OK;
		case '\\':
			has_escape = true;
			p->c.p++;
			if (cursor_peek(&p->c) != '"' &&
			    cursor_peek(&p->c) != '\\')
				return imap_bad(p, "a backslash in quotes "
				    "must come before \" or \\");
			break;
		}
	}
}

/* A literal as the framer left it: "{5+}" CR LF "hello". */
static enum parse
parse_literal(struct imap_parser *p, struct span *s, bool binary)
{
	uint64_t n;

	p->c.p++;
	if (!cursor_number(&p->c, cursor_left(&p->c), &n))
		return imap_bad(p, "bad length of a literal");
	cursor_skip(&p->c, '+');
	if (!cursor_skip(&p->c, '}') || !cursor_skip(&p->c, '\r') ||
	    !cursor_skip(&p->c, '\n') || cursor_left(&p->c) < n)
		return imap_bad(p, "a literal must end its line");
	*s = span_make(p->c.p, (size_t)n);
	if (!binary && span_chr(*s, '\0'))	/* CHAR8 is %x01-ff */
		return imap_bad(p, "NUL in a literal");
	p->c.p += n;
	return PARSE_OK;
}

enum parse
imap_parse_string(struct imap_parser *p, struct span *s)
{
	*s = span_make(p->c.p, 0);
	switch (cursor_peek(&p->c)) {
	case '"':
		return parse_quoted(p, s);
	case '{':
		return parse_literal(p, s, false);
	}
	return imap_bad(p, "expected a string");
}

enum parse
imap_parse_literal8(struct imap_parser *p, struct span *s)
{
	bool binary = cursor_skip(&p->c, '~');

	*s = span_make(p->c.p, 0);
	if (cursor_peek(&p->c) != '{')
		return imap_bad(p, "expected a literal");
	return parse_literal(p, s, binary);
}

enum parse
imap_parse_astring(struct imap_parser *p, struct span *s)
{
	*s = cursor_while(&p->c, imap_is_astring_char);
	if (s->len)
		return PARSE_OK;
	return imap_parse_string(p, s);
}

enum parse
imap_parse_nstring(struct imap_parser *p, struct span *s, bool *is_nil)
{
	const char *start = p->c.p;
	struct span word = cursor_while(&p->c, imap_is_astring_char);

	*s = span_make(start, 0);
	*is_nil = span_iis(word, "NIL");
	if (*is_nil)
		return PARSE_OK;
	p->c.p = start;
	return imap_parse_string(p, s);
}

enum parse
imap_parse_number(struct imap_parser *p, uint32_t *n)
{
	uint64_t v;

	*n = 0;
	if (!cursor_number(&p->c, UINT32_MAX, &v))
		return imap_bad(p, "expected a number of 32 bits");
	*n = (uint32_t)v;
	return PARSE_OK;
}

enum parse
imap_parse_modseq(struct imap_parser *p, uint64_t *n)
{
	*n = 0;
	if (!cursor_number(&p->c, INT64_MAX, n))
		return imap_bad(p, "expected a number of 63 bits");
	return PARSE_OK;
}

enum parse
imap_parse_nz_number(struct imap_parser *p, uint32_t *n)
{
	const char *start = p->c.p;

	if (imap_parse_number(p, n))
		return PARSE_BAD;
	if (*n == 0) {
		p->c.p = start;
		return imap_bad(p, "0 is no number of a message");
	}
	return PARSE_OK;
}

static bool
is_objectid_char(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '-';
}

enum parse
imap_parse_objectid(struct imap_parser *p, enum object_kind kind,
    uint64_t *id)
{
	struct span word = cursor_while(&p->c, is_objectid_char);
	struct cursor c = cursor_of_span(word);
	uint64_t n;

	*id = 0;
	if (word.len == 0 || word.len > IMAP_OBJECTID_MAX)
		return imap_bad(p, "expected an object id");
	/* Ids are compared as text: one with a zero in front is another. */
	if (cursor_skip(&c, (char)kind) && cursor_peek(&c) != '0' &&
	    cursor_number(&c, INT64_MAX, &n) && cursor_at_end(&c))
		*id = n;
	return PARSE_OK;
}

/* seq-number */
static enum parse
parse_seq_number(struct imap_parser *p, uint32_t *n)
{
	if (cursor_skip(&p->c, '*')) {
		*n = SEQ_STAR;
		return PARSE_OK;
	}
	if (cursor_peek(&p->c) < '0' || cursor_peek(&p->c) > '9')
		return imap_bad(p, "expected message numbers");
	return imap_parse_nz_number(p, n);
}

/*
 * RFC 3501 section 9, sequence-set. The order of two ends carries no meaning
 * ("5:1" is "1:5"), so that ranges are stored low end first. "$" stands alone
 * (RFC 5182 section 3).
 */
enum parse
imap_parse_seqset(struct imap_parser *p, struct seqset *set)
{
	struct cursor look = p->c;
	size_t max = 1;
	int ch;

	*set = (struct seqset){ 0 };
	if (cursor_skip(&p->c, '$')) {
		set->is_saved = true;
		return PARSE_OK;
	}
	while ((ch = cursor_next(&look)) == ',' || ch == ':' || ch == '*' ||
	    (ch >= '0' && ch <= '9'))
		max += ch == ',';
	set->v = arena_array(p->arena, max, sizeof *set->v);

	do {
		struct seqrange r;

		if (parse_seq_number(p, &r.lo))
			return PARSE_BAD;
		r.hi = r.lo;
		if (cursor_skip(&p->c, ':') && parse_seq_number(p, &r.hi))
			return PARSE_BAD;
		if (r.hi != SEQ_STAR && (r.lo == SEQ_STAR || r.lo > r.hi))
			r = (struct seqrange){ .lo = r.hi, .hi = r.lo };
		set->v[set->n++] = r;
	} while (cursor_skip(&p->c, ','));
	return PARSE_OK;
}

/* ["-"] nz-number */
static enum parse
parse_place(struct imap_parser *p, bool *is_negative, uint32_t *n)
{
	*is_negative = cursor_skip(&p->c, '-');
	return imap_parse_nz_number(p, n);
}

/* RFC 9394 section 4: both ends have the same sign, their order is free. */
enum parse
imap_parse_partial_range(struct imap_parser *p, struct imap_partial *range)
{
	const char *start = p->c.p;
	bool other;

	*range = (struct imap_partial){ .is_given = true };
	if (parse_place(p, &range->from_end, &range->lo) ||
	    imap_expect(p, ':', "expected a range like 1:500") ||
	    parse_place(p, &other, &range->hi))
		return PARSE_BAD;
	if (other != range->from_end)
		return imap_bad(p, "expected both ends with the same sign");
	range->text = span_make(start, (size_t)(p->c.p - start));
	if (range->lo > range->hi) {
		uint32_t hi = range->lo;

		range->lo = range->hi;
		range->hi = hi;
	}
	return PARSE_OK;
}

void
imap_partial_resolve(const struct imap_partial *range, uint64_t n,
    uint64_t *first, uint64_t *count)
{
	uint64_t hi = MIN(range->hi, n);

	*first = *count = 0;
	if (range->lo > n)
		return;
	*first = range->from_end ? n - hi : range->lo - 1;
	*count = hi - range->lo + 1;
}

struct seqrange
imap_seqrange_resolve(struct seqrange r, uint32_t max)
{
	if (r.lo == SEQ_STAR)
		r.lo = max;
	if (r.hi == SEQ_STAR)
		r.hi = max;
	if (r.lo > r.hi)
		r = (struct seqrange){ .lo = r.hi, .hi = r.lo };
	return r;
}

enum parse
imap_decode_name(struct imap_parser *p, struct span raw, struct span *name)
{
	struct buf b = BUF_INIT, nfc = BUF_INIT;
	enum parse result = PARSE_OK;

	*name = span_make(raw.p, 0);
	p->old_name = *name;
	if (raw.len > RAW_NAME_MAX) {
		p->code = "LIMIT";
		return imap_bad(p, "the mailbox name is too long");
	}
	if (p->utf8 || !utf8_is_ascii(raw))
		buf_addspan(&b, raw);
	else if (utf7_decode(&b, raw) < 0)
		result = imap_bad(p, "the mailbox name is not in modified "
		    "UTF-7");
	if (!result && utf8_nfc(&nfc, buf_span(&b)) < 0)
		result = imap_bad(p, "the mailbox name is not in UTF-8");
	if (result)
		p->code = "CANNOT";
	else
		*name = arena_span(p->arena, buf_span(&nfc));
	if (!result && !span_eq(buf_span(&b), buf_span(&nfc)))
		p->old_name = arena_span(p->arena, buf_span(&b));
	buf_release(&b);
	buf_release(&nfc);
	return result;
}

enum parse
imap_fold_inbox(struct imap_parser *p, struct span *name)
{
	char *copy;

	if (!span_istarts(*name, "INBOX") ||
	    (name->len > 5 && name->p[5] != '/'))
		return PARSE_OK;
	copy = arena_memdup(p->arena, name->p, name->len);
	memcpy(copy, "INBOX", 5);
	name->p = copy;
	return PARSE_OK;
}

enum parse
imap_parse_mailbox(struct imap_parser *p, struct span *name)
{
	const char *start = p->c.p;
	struct span raw;

	*name = span_make(start, 0);
	if (imap_parse_astring(p, &raw)) {
		/* Inside a string the fault has a better name already. */
		return p->c.p == start ?
		    imap_bad(p, "expected a mailbox name") : PARSE_BAD;
	}
	if (imap_decode_name(p, raw, name))
		return PARSE_BAD;
	return imap_fold_inbox(p, name);
}

static const struct {
	const char *name;
	uint64_t bit;
} system_flags[] = {
	{ "Seen", FLAG_SEEN },
	{ "Answered", FLAG_ANSWERED },
	{ "Flagged", FLAG_FLAGGED },
	{ "Deleted", FLAG_DELETED },
	{ "Draft", FLAG_DRAFT },
	{ "Recent", 0 },
};

static enum parse
parse_system_flag(struct imap_parser *p, struct imap_flags *f)
{
	const char *start = p->c.p++;
	struct span name = cursor_while(&p->c, imap_is_atom_char);

	for (size_t i = 0; i < COUNT(system_flags); i++) {
		if (!span_iis(name, system_flags[i].name))
			continue;
		f->bits |= system_flags[i].bit;
		return PARSE_OK;
	}
	p->c.p = start;
	return imap_bad(p, "a flag with a backslash that is none of \\Seen "
	    "\\Answered \\Flagged \\Deleted \\Draft");
}

void
imap_flags_init(struct imap_parser *p, struct imap_flags *f)
{
	struct cursor look = p->c;
	size_t max = 1;
	int ch;

	*f = (struct imap_flags){ 0 };
	while (max < IMAP_FLAGS_MAX && (ch = cursor_next(&look)) != -1 &&
	    ch != ')')
		max += ch == ' ';
	f->keywords = arena_array(p->arena, max, sizeof *f->keywords);
}

enum parse
imap_parse_flag(struct imap_parser *p, struct imap_flags *f)
{
	const char *start = p->c.p;
	struct span name;

	if (cursor_peek(&p->c) == '\\')
		return parse_system_flag(p, f);
	name = cursor_while(&p->c, imap_is_atom_char);
	if (name.len == 0)
		return imap_bad(p, "expected a flag");
	if (name.len > KEYWORD_NAME_MAX) {
		p->c.p = start;
		return imap_bad(p, "the name of a keyword is too long");
	}
	for (size_t i = 0; i < f->keyword_count; i++)
		if (span_ieq(f->keywords[i], name))
			return PARSE_OK;
	f->keywords[f->keyword_count++] = name;
	return PARSE_OK;
}

enum parse
imap_parse_flag_list(struct imap_parser *p, struct imap_flags *f)
{
	size_t words = 0;

	*f = (struct imap_flags){ 0 };
	if (imap_expect(p, '(', "expected a list of flags in parentheses"))
		return PARSE_BAD;
	imap_flags_init(p, f);
	if (cursor_skip(&p->c, ')'))
		return PARSE_OK;
	do {
		if (words++ == IMAP_FLAGS_MAX)
			return imap_bad(p, "too many flags");
		if (imap_parse_flag(p, f))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the flags");
}
