/*
 * SORT (RFC 5256 section 3, RFC 5957) with RETURN (RFC 5267 section 3), and
 * THREAD: what stands before the search keys.
 */
#include "imap/imap_limits.h"
#include "imap/parse.h"
#include "imap/parse_priv.h"
#include "server/base/xalloc.h"

static const struct {
	const char *name;
	enum sort_by by;
} sort_keys[] = {
	{ "ARRIVAL", SORT_ARRIVAL },
	{ "CC", SORT_CC },
	{ "DATE", SORT_DATE },
	{ "DISPLAYFROM", SORT_DISPLAYFROM },
	{ "DISPLAYTO", SORT_DISPLAYTO },
	{ "FROM", SORT_FROM },
	{ "RELEVANCY", SORT_RELEVANCY },
	{ "SIZE", SORT_SIZE },
	{ "SUBJECT", SORT_SUBJECT },
	{ "TO", SORT_TO },
};

/* ["REVERSE" SP] sort-key */
static enum parse
parse_term(struct imap_parser *p, struct sort_term *t)
{
	const char *start = p->c.p;
	struct span word = imap_scan_word(p);

	t->reverse = span_iis(word, "REVERSE");
	if (t->reverse) {
		if (imap_parse_space(p))
			return PARSE_BAD;
		start = p->c.p;
		word = imap_scan_word(p);
	}
	for (size_t i = 0; i < COUNT(sort_keys); i++) {
		if (!span_iis(word, sort_keys[i].name))
			continue;
		t->by = sort_keys[i].by;
		return PARSE_OK;
	}
	p->c.p = start;
	return imap_bad(p, "unknown sort criterion");
}

/* SP "(" sort-criterion *(SP sort-criterion) ")" */
static enum parse
parse_terms(struct imap_parser *p, struct imap_search_args *a)
{
	if (imap_parse_space(p) ||
	    imap_expect(p, '(', "expected sort criteria in parentheses"))
		return PARSE_BAD;
	a->terms = arena_array(p->arena, IMAP_SORT_TERMS_MAX,
	    sizeof *a->terms);
	do {
		if (a->term_count == IMAP_SORT_TERMS_MAX)
			return imap_bad(p, "too many sort criteria");
		if (parse_term(p, &a->terms[a->term_count]))
			return PARSE_BAD;
		a->term_count++;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the criteria");
}

/* SP charset 1*(SP search-key): the charset must be there. */
static enum parse
parse_criteria(struct imap_parser *p, struct imap_search_args *a)
{
	struct span charset;

	return imap_parse_space(p) || imap_parse_astring(p, &charset) ||
	    imap_parse_program(p, charset, a) ? PARSE_BAD : PARSE_OK;
}

static const struct {
	const char *name;
	enum thread_by by;
} algorithms[] = {
	{ "ORDEREDSUBJECT", THREAD_ORDEREDSUBJECT },
	{ "REFERENCES", THREAD_REFERENCES },
	{ "REFS", THREAD_REFS },
};

/* SP thread-alg */
static enum parse
parse_algorithm(struct imap_parser *p, struct imap_search_args *a)
{
	const char *start;
	struct span word;

	if (imap_parse_space(p))
		return PARSE_BAD;
	start = p->c.p;
	word = imap_scan_word(p);
	for (size_t i = 0; i < COUNT(algorithms); i++) {
		if (!span_iis(word, algorithms[i].name))
			continue;
		a->thread_by = algorithms[i].by;
		return PARSE_OK;
	}
	p->c.p = start;
	return imap_bad(p, "unknown threading algorithm");
}

enum parse
imap_parse_thread(struct imap_parser *p, union imap_args *a)
{
	a->search = (struct imap_search_args){ 0 };
	return parse_algorithm(p, &a->search) ||
	    parse_criteria(p, &a->search) ? PARSE_BAD : PARSE_OK;
}

enum parse
imap_parse_sort(struct imap_parser *p, union imap_args *a)
{
	a->search = (struct imap_search_args){ 0 };
	return imap_parse_return(p, &a->search) ||
	    parse_terms(p, &a->search) || parse_criteria(p, &a->search) ?
	    PARSE_BAD : PARSE_OK;
}
