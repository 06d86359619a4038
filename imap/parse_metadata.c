/*
 * GETMETADATA and SETMETADATA: RFC 5464 section 5.
 */
#include "imap/chars.h"
#include "imap/imap_limits.h"
#include "imap/parse.h"
#include "imap/parse_priv.h"
#include "server/base/xalloc.h"

static enum parse
parse_entry(struct imap_parser *p, bool to_set, struct span *entry)
{
	const char *start = p->c.p;

	if (imap_parse_astring(p, entry))
		return PARSE_BAD;
	if (metadata_entry_check(*entry, to_set) == 0)
		return PARSE_OK;
	p->c.p = start;
	return imap_bad(p, "expected an entry below /private or /shared");
}

static enum parse
add_entry(struct imap_parser *p, struct span *entries, size_t *count)
{
	if (*count == IMAP_METADATA_MAX)
		return imap_bad(p, "too many entries");
	if (parse_entry(p, false, &entries[*count]))
		return PARSE_BAD;
	(*count)++;
	return PARSE_OK;
}

/* Room for as many as the text can have. */
static size_t
entries_max(const struct imap_parser *p)
{
	return MIN(cursor_left(&p->c) / 2 + 1, IMAP_METADATA_MAX);
}

enum parse
imap_parse_entries(struct imap_parser *p, struct span **entries,
    size_t *count)
{
	*count = 0;
	*entries = arena_array(p->arena, entries_max(p), sizeof **entries);
	if (imap_expect(p, '(', "expected entries in parentheses"))
		return PARSE_BAD;
	do {
		if (add_entry(p, *entries, count))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the entries");
}

/*
 * entries. The RFC's own examples have several without parentheses, which its
 * grammar does not.
 */
static enum parse
parse_get_entries(struct imap_parser *p, struct imap_getmetadata_args *g)
{
	if (cursor_peek(&p->c) == '(')
		return imap_parse_entries(p, &g->entries, &g->entry_count);
	g->entries = arena_array(p->arena, entries_max(p),
	    sizeof *g->entries);
	do {
		if (add_entry(p, g->entries, &g->entry_count))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' ') && !cursor_at_end(&p->c) &&
	    cursor_peek(&p->c) != ' ');
	return PARSE_OK;
}

static enum parse
parse_depth(struct imap_parser *p, enum metadata_depth *depth)
{
	const char *start = p->c.p;
	struct span word = imap_scan_word(p);

	if (span_is(word, "0")) {
		*depth = METADATA_DEPTH_0;
	} else if (span_is(word, "1")) {
		*depth = METADATA_DEPTH_1;
	} else if (span_iis(word, "infinity")) {
		*depth = METADATA_DEPTH_INFINITY;
	} else {
		p->c.p = start;
		return imap_bad(p, "DEPTH is 0, 1 or infinity");
	}
	return PARSE_OK;
}

static enum parse
parse_option(struct imap_parser *p, struct imap_getmetadata_args *g)
{
	uint32_t max;

	if (cursor_skip_word(&p->c, "DEPTH"))
		return imap_parse_space(p) || parse_depth(p, &g->depth) ?
		    PARSE_BAD : PARSE_OK;
	if (!cursor_skip_word(&p->c, "MAXSIZE"))
		return imap_bad(p, "unknown GETMETADATA option");
	if (imap_parse_space(p) || imap_parse_number(p, &max))
		return PARSE_BAD;
	g->max_size = max;
	return PARSE_OK;
}

/* Entries begin with a slash, quotes or a literal; options with a letter. */
static bool
is_options(const struct imap_parser *p)
{
	struct cursor look = p->c;
	int ch;

	if (!cursor_skip(&look, '('))
		return false;
	ch = cursor_peek(&look);
	return (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z');
}

/*
 * "(" option *(SP option) ")". In the RFC's grammar they stand before the
 * mailbox and in all of its examples behind.
 */
static enum parse
parse_options(struct imap_parser *p, struct imap_getmetadata_args *g)
{
	if (!is_options(p))
		return PARSE_OK;
	cursor_skip(&p->c, '(');
	do {
		if (parse_option(p, g))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the options") ||
	    imap_parse_space(p) ? PARSE_BAD : PARSE_OK;
}

enum parse
imap_parse_getmetadata(struct imap_parser *p, union imap_args *a)
{
	struct imap_getmetadata_args *g = &a->getmetadata;

	*g = (struct imap_getmetadata_args){ .max_size = UINT64_MAX };
	return imap_parse_space(p) || parse_options(p, g) ||
	    imap_parse_mailbox(p, &g->name) || imap_parse_space(p) ||
	    parse_options(p, g) || parse_get_entries(p, g) ||
	    imap_parse_end(p) ? PARSE_BAD : PARSE_OK;
}

/* value: nstring / literal8 */
static enum parse
parse_value(struct imap_parser *p, struct imap_metadata_value *v)
{
	if (cursor_peek(&p->c) == '~')
		return imap_parse_literal8(p, &v->value);
	return imap_parse_nstring(p, &v->value, &v->is_nil);
}

enum parse
imap_parse_setmetadata(struct imap_parser *p, union imap_args *a)
{
	struct imap_setmetadata_args *s = &a->setmetadata;

	*s = (struct imap_setmetadata_args){ 0 };
	if (imap_parse_space(p) || imap_parse_mailbox(p, &s->name) ||
	    imap_parse_space(p) ||
	    imap_expect(p, '(', "expected entries and values in parentheses"))
		return PARSE_BAD;
	s->values = arena_array(p->arena, entries_max(p), sizeof *s->values);
	do {
		struct imap_metadata_value *v = &s->values[s->value_count];

		if (s->value_count == IMAP_METADATA_MAX)
			return imap_bad(p, "too many entries");
		if (parse_entry(p, true, &v->entry) || imap_parse_space(p) ||
		    parse_value(p, v))
			return PARSE_BAD;
		s->value_count++;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the values") ||
	    imap_parse_end(p) ? PARSE_BAD : PARSE_OK;
}
