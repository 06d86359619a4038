/*
 * ESEARCH (RFC 7377 section 4): where to search, and what SEARCH takes.
 */
#include "imap/imap_limits.h"
#include "imap/parse.h"
#include "imap/parse_priv.h"
#include "server/base/xalloc.h"

static const struct {
	const char *name;
	enum imap_source_kind kind;
} sources[] = {
	{ "SELECTED", SOURCE_SELECTED },
	{ "INBOXES", SOURCE_INBOXES },
	{ "PERSONAL", SOURCE_PERSONAL },
	{ "SUBSCRIBED", SOURCE_SUBSCRIBED },
	{ "SUBTREE", SOURCE_SUBTREE },
	{ "SUBTREE-ONE", SOURCE_SUBTREE_ONE },
	{ "MAILBOXES", SOURCE_MAILBOXES },
};

static struct imap_source *
add_source(struct imap_parser *p, struct imap_search_args *a,
    enum imap_source_kind kind)
{
	struct imap_source *s;

	if (a->source_count == IMAP_SOURCES_MAX) {
		p->code = "LIMIT";
		(void)imap_bad(p, "too many mailboxes to search");
		return NULL;
	}
	s = &a->sources[a->source_count++];
	s->kind = kind;
	return s;
}

static enum parse
parse_one(struct imap_parser *p, struct imap_search_args *a,
    enum imap_source_kind kind)
{
	struct imap_source *s = add_source(p, a, kind);

	return s ? imap_parse_mailbox(p, &s->name) : PARSE_BAD;
}

/* mailbox / "(" mailbox *(SP mailbox) ")" */
static enum parse
parse_names(struct imap_parser *p, struct imap_search_args *a,
    enum imap_source_kind kind)
{
	if (!cursor_skip(&p->c, '('))
		return parse_one(p, a, kind);
	do {
		if (parse_one(p, a, kind))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the mailboxes");
}

/* filter-mailboxes, RFC 5465 section 8 */
static enum parse
parse_source(struct imap_parser *p, struct imap_search_args *a)
{
	const char *start = p->c.p;
	struct span word = imap_scan_word(p);

	for (size_t i = 0; i < COUNT(sources); i++) {
		if (!span_iis(word, sources[i].name))
			continue;
		if (sources[i].kind < SOURCE_SUBTREE)
			return add_source(p, a, sources[i].kind) ? PARSE_OK :
			    PARSE_BAD;
		return imap_parse_space(p) ||
		    parse_names(p, a, sources[i].kind) ?
		    PARSE_BAD : PARSE_OK;
	}
	p->c.p = start;
	return imap_bad(p, "unknown place to search");
}

/* [SP "IN" SP "(" filter-mailboxes *(SP filter-mailboxes) ")"] */
static enum parse
parse_sources(struct imap_parser *p, struct imap_search_args *a)
{
	const char *start = p->c.p;

	a->sources = arena_array(p->arena, IMAP_SOURCES_MAX,
	    sizeof *a->sources);
	if (imap_parse_space(p))
		return PARSE_BAD;
	if (!cursor_skip_word(&p->c, "IN")) {
		p->c.p = start;
		(void)add_source(p, a, SOURCE_SELECTED);
		return PARSE_OK;
	}
	if (imap_parse_space(p) ||
	    imap_expect(p, '(', "expected places in parentheses"))
		return PARSE_BAD;
	do {
		if (parse_source(p, a))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the places");
}

/* RFC 7377 section 2.1: ESEARCH is the answer, and ALL what it has. */
enum parse
imap_parse_esearch(struct imap_parser *p, union imap_args *a)
{
	struct imap_search_args *s = &a->search;
	struct span charset;

	*s = (struct imap_search_args){ 0 };
	if (parse_sources(p, s) || imap_parse_return(p, s) ||
	    imap_parse_charset(p, &charset) ||
	    imap_parse_program(p, charset, s))
		return PARSE_BAD;
	if (!s->esearch)
		s->returns = SEARCH_RETURN_ALL;
	s->esearch = true;
	return PARSE_OK;
}
