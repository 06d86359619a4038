/*
 * LIST, LSUB and XLIST: RFC 3501 section 6.3.8, RFC 5258 with the options of
 * RFC 5819 (STATUS), RFC 6154 (SPECIAL-USE), RFC 8440 (MYRIGHTS) and RFC 9590
 * (METADATA).
 */
#include "imap/chars.h"
#include "imap/imap_limits.h"
#include "imap/parse.h"
#include "imap/parse_priv.h"
#include "server/base/xalloc.h"

struct option {
	const char *name;
	unsigned bit;
};

static const struct option select_options[] = {
	{ "SUBSCRIBED", LIST_SUBSCRIBED },
	{ "REMOTE", LIST_REMOTE },
	{ "RECURSIVEMATCH", LIST_RECURSIVEMATCH },
	{ "SPECIAL-USE", LIST_SPECIAL_USE },
	{ NULL, 0 },
};

static const struct option return_options[] = {
	{ "SUBSCRIBED", LIST_RETURN_SUBSCRIBED },
	{ "CHILDREN", LIST_RETURN_CHILDREN },
	{ "SPECIAL-USE", LIST_RETURN_SPECIAL_USE },
	{ "STATUS", LIST_RETURN_STATUS },
	{ "METADATA", LIST_RETURN_METADATA },
	{ "MYRIGHTS", LIST_RETURN_MYRIGHTS },
	{ NULL, 0 },
};

static enum parse
parse_option(struct imap_parser *p, const struct option *table, unsigned *bit)
{
	const char *start = p->c.p;
	struct span word = imap_scan_word(p);

	for (; table->name; table++) {
		if (!span_iis(word, table->name))
			continue;
		*bit = table->bit;
		return PARSE_OK;
	}
	p->c.p = start;
	return imap_bad(p, "unknown LIST option");
}

/* What a return option has behind its name. */
static enum parse
parse_option_args(struct imap_parser *p, unsigned bit,
    struct imap_list_args *l)
{
	switch (bit) {
	case LIST_RETURN_STATUS:
		return imap_parse_space(p) ||
		    imap_parse_status_items(p, &l->status_items) ?
		    PARSE_BAD : PARSE_OK;
	case LIST_RETURN_METADATA:	/* RFC 9590 */
		return imap_parse_space(p) || imap_parse_entries(p,
		    &l->entries, &l->entry_count) ? PARSE_BAD : PARSE_OK;
	}
	return PARSE_OK;
}

/* "(" [option *(SP option)] ")" */
static enum parse
parse_options(struct imap_parser *p, const struct option *table,
    unsigned *set, struct imap_list_args *l)
{
	unsigned bit;

	if (imap_expect(p, '(', "expected options in parentheses"))
		return PARSE_BAD;
	if (cursor_skip(&p->c, ')'))
		return PARSE_OK;
	do {
		if (parse_option(p, table, &bit))
			return PARSE_BAD;
		*set |= bit;
		if (table == return_options && parse_option_args(p, bit, l))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the options");
}

/* list-mailbox: 1*list-char or a string */
static enum parse
parse_pattern(struct imap_parser *p, struct imap_list_args *l, bool *is_empty)
{
	const char *start = p->c.p;
	struct span raw, name;
	char *joined;

	raw = cursor_while(&p->c, imap_is_list_char);
	if (!raw.len && imap_parse_string(p, &raw))
		return p->c.p == start ? imap_bad(p,
		    "expected a mailbox name or pattern") : PARSE_BAD;
	*is_empty = raw.len == 0;
	if (*is_empty)
		return PARSE_OK;
	if (imap_decode_name(p, raw, &name))
		return PARSE_BAD;
	if (l->reference.len + name.len > IMAP_PATTERN_MAX) {
		p->code = "LIMIT";
		return imap_bad(p, "the pattern is too long");
	}
	joined = arena_alloc(p->arena, l->reference.len + name.len);
	if (l->reference.len)
		memcpy(joined, l->reference.p, l->reference.len);
	memcpy(joined + l->reference.len, name.p, name.len);
	l->patterns[l->pattern_count++] = span_make(joined,
	    l->reference.len + name.len);
	return PARSE_OK;
}

/* patterns: "(" list-mailbox *(SP list-mailbox) ")" */
static enum parse
parse_patterns(struct imap_parser *p, struct imap_list_args *l)
{
	bool is_empty;

	l->extended = true;
	l->patterns = arena_array(p->arena, IMAP_LIST_PATTERNS_MAX,
	    sizeof *l->patterns);
	do {
		if (l->pattern_count == IMAP_LIST_PATTERNS_MAX)
			return imap_bad(p, "too many patterns");
		if (parse_pattern(p, l, &is_empty))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the patterns");
}

static enum parse
parse_reference(struct imap_parser *p, struct imap_list_args *l)
{
	return imap_parse_space(p) || imap_parse_mailbox(p, &l->reference) ||
	    imap_parse_space(p) ? PARSE_BAD : PARSE_OK;
}

static enum parse
parse_one_pattern(struct imap_parser *p, struct imap_list_args *l)
{
	l->patterns = arena_array(p->arena, 1, sizeof *l->patterns);
	return parse_pattern(p, l, &l->ask_delimiter);
}

enum parse
imap_parse_lsub(struct imap_parser *p, union imap_args *a)
{
	struct imap_list_args *l = &a->list;

	*l = (struct imap_list_args){ 0 };
	return parse_reference(p, l) || parse_one_pattern(p, l) ||
	    imap_parse_end(p) ? PARSE_BAD : PARSE_OK;
}

/* [SP "RETURN" SP "(" options ")"] */
static enum parse
parse_return(struct imap_parser *p, struct imap_list_args *l)
{
	struct cursor look = p->c;

	if (!cursor_skip(&look, ' ') || cursor_at_end(&look) ||
	    cursor_peek(&look) == ' ')
		return PARSE_OK;
	p->c = look;
	if (!cursor_skip_word(&p->c, "RETURN"))
		return imap_bad(p, "expected RETURN or nothing");
	l->extended = true;
	return imap_parse_space(p) || parse_options(p, return_options,
	    &l->returns, l) ? PARSE_BAD : PARSE_OK;
}

enum parse
imap_parse_list(struct imap_parser *p, union imap_args *a)
{
	struct imap_list_args *l = &a->list;
	struct cursor look = p->c;
	const unsigned modifiers = LIST_RECURSIVEMATCH | LIST_REMOTE;

	*l = (struct imap_list_args){ 0 };
	if (cursor_skip(&look, ' ') && cursor_peek(&look) == '(') {
		l->extended = true;
		p->c = look;
		if (parse_options(p, select_options, &l->select, l))
			return PARSE_BAD;
	}
	/* RFC 5258 section 3.1: it modifies another option */
	if ((l->select & LIST_RECURSIVEMATCH) && !(l->select & ~modifiers))
		return imap_bad(p, "RECURSIVEMATCH needs another option");
	if (parse_reference(p, l))
		return PARSE_BAD;
	if (cursor_skip(&p->c, '(')) {
		if (parse_patterns(p, l))
			return PARSE_BAD;
	} else if (parse_one_pattern(p, l)) {
		return PARSE_BAD;
	}
	if (parse_return(p, l))
		return PARSE_BAD;
	/* RFC 5258 section 3: "" has its special meaning in the old form */
	l->ask_delimiter &= !l->extended;
	return imap_parse_end(p);
}
