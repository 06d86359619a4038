/*
 * SEARCH (RFC 3501 section 6.4.4, RFC 4731, 5032, 5182, 7162): text to the
 * tree of store/search.h.
 *
 * Needles are converted to UTF-8 and folded here, once. What only a mailbox
 * can tell, the meaning of sequence numbers and of keywords, is noted in refs
 * and filled in by imap_search_resolve.
 *
 * In an AND, flags that must all be set are one node, and ALL is none: that
 * is most of what clients send.
 */
#include "imap/chars.h"
#include "imap/imap_limits.h"
#include "imap/parse.h"
#include "imap/parse_priv.h"
#include "server/base/buf.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "store/mime/charset.h"
#include "store/mime/date.h"

struct node {
	struct search_key *key;
	struct node *next;
};

/* While a tree is made. */
struct search {
	struct imap_parser *p;
	struct imap_search_args *args;
	struct span charset;	/* empty: none given */
	unsigned depth;
	unsigned key_count;
	unsigned fuzzy;		/* FUZZY keys around the one at hand */
	size_t ref_cap;
};

enum shape {
	SHAPE_PLAIN,		/* nothing follows */
	SHAPE_TEXT,		/* astring */
	SHAPE_DATE,
	SHAPE_NUMBER,
	SHAPE_KEYWORD,		/* atom */
	SHAPE_MODSEQ,		/* [entry-name type] number */
	SHAPE_HEADER,		/* astring astring */
	SHAPE_UIDAFTER,		/* uniqueid */
	SHAPE_UIDBEFORE,
	SHAPE_EMAILID,		/* objectid */
	SHAPE_THREADID,
	SHAPE_OLDER,		/* nz-number */
	SHAPE_YOUNGER,
	SHAPE_NEW,
	SHAPE_FILTER,		/* atom */
	SHAPE_FUZZY,
	SHAPE_NOT,
	SHAPE_OR,
	SHAPE_UID
};

static const struct keyword {
	const char *name;
	enum shape shape;
	enum search_op op;
	uint64_t mask;
	bool negated;
} keywords[] = {
	{ "ALL", SHAPE_PLAIN, SEARCH_ALL },
	{ "ANSWERED", SHAPE_PLAIN, SEARCH_FLAGS, FLAG_ANSWERED },
	{ "BCC", SHAPE_TEXT, SEARCH_BCC },
	{ "BEFORE", SHAPE_DATE, SEARCH_BEFORE },
	{ "BODY", SHAPE_TEXT, SEARCH_BODY },
	{ "CC", SHAPE_TEXT, SEARCH_CC },
	{ "DELETED", SHAPE_PLAIN, SEARCH_FLAGS, FLAG_DELETED },
	{ "DRAFT", SHAPE_PLAIN, SEARCH_FLAGS, FLAG_DRAFT },
	{ "EMAILID", SHAPE_EMAILID, SEARCH_EMAIL },
	{ "FILTER", SHAPE_FILTER, SEARCH_NONE },
	{ "FLAGGED", SHAPE_PLAIN, SEARCH_FLAGS, FLAG_FLAGGED },
	{ "FROM", SHAPE_TEXT, SEARCH_FROM },
	{ "FUZZY", SHAPE_FUZZY, SEARCH_ALL },
	{ "HEADER", SHAPE_HEADER, SEARCH_HEADER },
	{ "KEYWORD", SHAPE_KEYWORD, SEARCH_FLAGS },
	{ "LARGER", SHAPE_NUMBER, SEARCH_LARGER },
	{ "MODSEQ", SHAPE_MODSEQ, SEARCH_MODSEQ },
	{ "NEW", SHAPE_NEW, SEARCH_RECENT },
	{ "NOT", SHAPE_NOT, SEARCH_NOT },
	{ "OLD", SHAPE_PLAIN, SEARCH_RECENT, 0, true },
	{ "OLDER", SHAPE_OLDER, SEARCH_NONE },
	{ "ON", SHAPE_DATE, SEARCH_ON },
	{ "OR", SHAPE_OR, SEARCH_OR },
	{ "RECENT", SHAPE_PLAIN, SEARCH_RECENT },
	{ "SAVEDATESUPPORTED", SHAPE_PLAIN, SEARCH_ALL },
	{ "SAVEDBEFORE", SHAPE_DATE, SEARCH_SAVED_BEFORE },
	{ "SAVEDON", SHAPE_DATE, SEARCH_SAVED_ON },
	{ "SAVEDSINCE", SHAPE_DATE, SEARCH_SAVED_SINCE },
	{ "SEEN", SHAPE_PLAIN, SEARCH_FLAGS, FLAG_SEEN },
	{ "SENTBEFORE", SHAPE_DATE, SEARCH_SENT_BEFORE },
	{ "SENTON", SHAPE_DATE, SEARCH_SENT_ON },
	{ "SENTSINCE", SHAPE_DATE, SEARCH_SENT_SINCE },
	{ "SINCE", SHAPE_DATE, SEARCH_SINCE },
	{ "SMALLER", SHAPE_NUMBER, SEARCH_SMALLER },
	{ "SUBJECT", SHAPE_TEXT, SEARCH_SUBJECT },
	{ "TEXT", SHAPE_TEXT, SEARCH_TEXT },
	{ "THREADID", SHAPE_THREADID, SEARCH_THREAD },
	{ "TO", SHAPE_TEXT, SEARCH_TO },
	{ "UID", SHAPE_UID, SEARCH_UIDS },
	{ "UIDAFTER", SHAPE_UIDAFTER, SEARCH_UIDS },
	{ "UIDBEFORE", SHAPE_UIDBEFORE, SEARCH_UIDS },
	{ "UNANSWERED", SHAPE_PLAIN, SEARCH_FLAGS, FLAG_ANSWERED, true },
	{ "UNDELETED", SHAPE_PLAIN, SEARCH_FLAGS, FLAG_DELETED, true },
	{ "UNDRAFT", SHAPE_PLAIN, SEARCH_FLAGS, FLAG_DRAFT, true },
	{ "UNFLAGGED", SHAPE_PLAIN, SEARCH_FLAGS, FLAG_FLAGGED, true },
	{ "UNKEYWORD", SHAPE_KEYWORD, SEARCH_FLAGS, 0, true },
	{ "UNSEEN", SHAPE_PLAIN, SEARCH_FLAGS, FLAG_SEEN, true },
	{ "YOUNGER", SHAPE_YOUNGER, SEARCH_NONE },
};

static enum parse parse_key(struct search *s, struct search_key **key);

static struct search_key *
new_key(struct search *s, enum search_op op)
{
	struct search_key *k = arena_alloc(s->p->arena, sizeof *k);

	k->op = op;
	return k;
}

static void
set_kids(struct search *s, struct search_key *k, struct search_key *a,
    struct search_key *b)
{
	k->kid_count = b ? 2 : 1;
	k->kids = arena_array(s->p->arena, k->kid_count, sizeof *k->kids);
	k->kids[0] = a;
	if (b)
		k->kids[1] = b;
}

static struct search_key *
negate(struct search *s, struct search_key *k)
{
	struct search_key *not = new_key(s, SEARCH_NOT);

	set_kids(s, not, k, NULL);
	return not;
}

/* Notes that key waits for imap_search_resolve. */
static struct imap_search_ref *
add_ref(struct search *s, enum imap_search_ref_kind kind,
    struct search_key *key)
{
	struct imap_search_args *a = s->args;
	struct imap_search_ref *v;

	if (a->ref_count == s->ref_cap) {
		s->ref_cap = s->ref_cap ? 2 * s->ref_cap : 1;
		v = arena_array(s->p->arena, s->ref_cap, sizeof *v);
		if (a->ref_count)
			memcpy(v, a->refs, a->ref_count * sizeof *v);
		a->refs = v;
	}
	v = &a->refs[a->ref_count++];
	v->kind = kind;
	v->key = key;
	return v;
}

/*
 * A needle, folded. Deviation from RFC 3501 section 6.4.4: 8-bit text without
 * a CHARSET is not refused but taken as UTF-8, or else as Latin-1.
 */
static enum parse
parse_needle(struct search *s, struct span *needle)
{
	struct imap_parser *p = s->p;
	struct buf utf8 = BUF_INIT, folded = BUF_INIT;
	struct span charset = s->charset, raw;

	if (imap_parse_astring(p, &raw))
		return PARSE_BAD;
	if (raw.len > IMAP_SEARCH_TEXT_MAX)
		return imap_bad(p, "the text to search for is too long");
	if (charset.len == 0 || span_iis(charset, "US-ASCII") ||
	    s->args->is_charset_unknown)
		charset = utf8_is_valid(raw) ? SPAN("UTF-8") :
		    SPAN("ISO-8859-1");
	if (charset_to_utf8(&utf8, charset, raw) < 0) {
		buf_release(&utf8);
		return imap_bad(p, "unknown charset");
	}
	utf8_fold_loose(&folded, buf_span(&utf8));
	*needle = arena_span(p->arena, buf_span(&folded));
	buf_release(&utf8);
	buf_release(&folded);
	return PARSE_OK;
}

/* The name of a field, in lower case. */
static enum parse
parse_field_name(struct search *s, struct span *name)
{
	struct span raw;
	char *lower;

	if (imap_parse_astring(s->p, &raw))
		return PARSE_BAD;
	lower = arena_alloc(s->p->arena, raw.len);
	for (size_t i = 0; i < raw.len; i++)
		lower[i] = (char)ascii_lower((unsigned char)raw.p[i]);
	*name = span_make(lower, raw.len);
	return PARSE_OK;
}

/* date: with or without quotes */
static enum parse
parse_date(struct search *s, int64_t *day)
{
	const char *start = s->p->c.p;
	struct span raw;

	if (imap_parse_astring(s->p, &raw))
		return PARSE_BAD;
	if (date_parse_imap_day(raw, day) < 0) {
		s->p->c.p = start;
		return imap_bad(s->p, "expected a date like 1-Feb-1994");
	}
	return PARSE_OK;
}

static enum parse
parse_number(struct search *s, uint64_t *number)
{
	/* RFC 9051 section 9: number64 */
	if (!cursor_number(&s->p->c, INT64_MAX, number))
		return imap_bad(s->p, "expected a number");
	return PARSE_OK;
}

static enum parse
parse_set(struct search *s, enum imap_search_ref_kind kind,
    struct search_key **key)
{
	*key = new_key(s, SEARCH_NONE);
	return imap_parse_seqset(s->p, &add_ref(s, kind, *key)->set);
}

static enum parse
parse_flag_keyword(struct search *s, struct search_key *k)
{
	struct imap_search_ref *ref = add_ref(s, SEARCH_REF_KEYWORD, k);

	k->op = SEARCH_NONE;
	return imap_parse_atom(s->p, &ref->keyword);
}

/*
 * [entry-name SP entry-type-req SP] mod-sequence-valzer. RFC 7162 section
 * 3.1.5: the entry means nothing where each message has but one modseq.
 */
static enum parse
parse_modseq_key(struct search *s, struct search_key *k)
{
	static const char *const types[] = { "priv", "shared", "all" };
	struct imap_parser *p = s->p;
	struct span entry, type;
	bool is_type = false;

	s->args->has_modseq = true;
	if (cursor_peek(&p->c) != '"')
		return imap_parse_modseq(p, &k->number);
	if (imap_parse_string(p, &entry) || imap_parse_space(p) ||
	    imap_parse_atom(p, &type))
		return PARSE_BAD;
	for (size_t i = 0; i < COUNT(types); i++)
		is_type |= span_iis(type, types[i]);
	if (!is_type)
		return imap_bad(p, "expected priv, shared or all");
	return imap_parse_space(p) || imap_parse_modseq(p, &k->number) ?
	    PARSE_BAD : PARSE_OK;
}

/* RFC 5032: an interval in seconds; what it counts from comes later. */
static enum parse
parse_interval(struct search *s, enum imap_search_ref_kind kind,
    struct search_key *k)
{
	uint32_t n;

	(void)add_ref(s, kind, k);
	if (imap_parse_number(s->p, &n) || n == 0)
		return imap_bad(s->p, "expected a number of seconds");
	k->number = n;
	return PARSE_OK;
}

/* RFC 9738 section 3.2: the UIDs after one, or before it. */
static enum parse
parse_beside(struct search *s, bool after, struct search_key *k)
{
	struct uidrange r = { 1, UINT32_MAX };
	uint32_t uid;

	if (imap_parse_nz_number(s->p, &uid))
		return PARSE_BAD;
	if (uid == (after ? UINT32_MAX : 1)) {
		k->op = SEARCH_NONE;
		return PARSE_OK;
	}
	if (after)
		r.lo = uid + 1;
	else
		r.hi = uid - 1;
	k->uids.v = arena_memdup(s->p->arena, &r, sizeof r);
	k->uids.n = 1;
	return PARSE_OK;
}

/* An id that is nobody's finds nothing. */
static enum parse
parse_objectid(struct search *s, enum object_kind kind, struct search_key *k)
{
	if (imap_parse_objectid(s->p, kind, &k->number))
		return PARSE_BAD;
	if (k->number == 0)
		k->op = SEARCH_NONE;
	return PARSE_OK;
}

/* RFC 5466 section 4: no "/" in the name */
static enum parse
parse_filter(struct search *s, struct search_key *k)
{
	struct imap_search_ref *ref = add_ref(s, SEARCH_REF_FILTER, k);

	if (imap_parse_atom(s->p, &ref->keyword) ||
	    ref->keyword.len > IMAP_FILTER_NAME_MAX ||
	    span_chr(ref->keyword, '/'))
		return imap_bad(s->p, "expected the name of a filter");
	s->args->has_filter = true;
	return PARSE_OK;
}

/* A text key for each word of the needle of k. */
static void
split_words(struct search *s, struct search_key *k, enum search_op op)
{
	struct span text = k->text;
	size_t count = 1;

	for (size_t i = 0; i < text.len; i++)
		count += text.p[i] == ' ';
	if (count == 1)
		return;
	k->op = SEARCH_AND;
	k->kids = arena_array(s->p->arena, count, sizeof *k->kids);
	while (text.len) {
		size_t len = 0;
		struct search_key *word;

		while (len < text.len && text.p[len] != ' ')
			len++;
		if (len) {
			word = new_key(s, op);
			word->name = k->name;
			word->text = span_head(text, len);
			k->kids[k->kid_count++] = word;
		}
		text = span_from(text, MIN(len + 1, text.len));
	}
	if (k->kid_count == 0)
		k->op = SEARCH_ALL;
}

/*
 * RFC 6203 section 5: what is fuzzy is the order of words, and what may stand
 * between them; other keys are matched as they are.
 */
static enum parse
parse_fuzzy(struct search *s, struct search_key **key)
{
	enum parse r;

	s->args->has_fuzzy = true;
	s->fuzzy++;
	r = parse_key(s, key);
	s->fuzzy--;
	return r;
}

static enum parse
parse_or(struct search *s, struct search_key *k)
{
	struct search_key *a, *b;

	if (parse_key(s, &a) || imap_parse_space(s->p) || parse_key(s, &b))
		return PARSE_BAD;
	set_kids(s, k, a, b);
	return PARSE_OK;
}

/* What follows the word of row. */
static enum parse
parse_rest(struct search *s, const struct keyword *row,
    struct search_key **key)
{
	struct search_key *k = new_key(s, row->op), *kid;
	enum parse r = PARSE_OK;

	k->mask = row->mask;
	*key = k;
	if (row->shape != SHAPE_PLAIN && row->shape != SHAPE_NEW &&
	    imap_parse_space(s->p))
		return PARSE_BAD;
	switch (row->shape) {
	case SHAPE_PLAIN:
		break;
	case SHAPE_TEXT:
		r = parse_needle(s, &k->text);
		break;
	case SHAPE_DATE:
		r = parse_date(s, &k->day);
		break;
	case SHAPE_NUMBER:
		r = parse_number(s, &k->number);
		break;
	case SHAPE_KEYWORD:
		r = parse_flag_keyword(s, k);
		break;
	case SHAPE_MODSEQ:
		r = parse_modseq_key(s, k);
		break;
	case SHAPE_HEADER:
		r = parse_field_name(s, &k->name) ||
		    imap_parse_space(s->p) || parse_needle(s, &k->text) ?
		    PARSE_BAD : PARSE_OK;
		break;
	case SHAPE_UIDAFTER:
		r = parse_beside(s, true, k);
		break;
	case SHAPE_UIDBEFORE:
		r = parse_beside(s, false, k);
		break;
	case SHAPE_EMAILID:
		r = parse_objectid(s, OBJECT_EMAIL, k);
		break;
	case SHAPE_THREADID:
		r = parse_objectid(s, OBJECT_THREAD, k);
		break;
	case SHAPE_OLDER:
		r = parse_interval(s, SEARCH_REF_OLDER, k);
		break;
	case SHAPE_YOUNGER:
		r = parse_interval(s, SEARCH_REF_YOUNGER, k);
		break;
	case SHAPE_NEW:			/* RECENT UNSEEN */
		kid = new_key(s, SEARCH_FLAGS);
		kid->mask = FLAG_SEEN;
		*key = new_key(s, SEARCH_AND);
		set_kids(s, *key, k, negate(s, kid));
		break;
	case SHAPE_FILTER:
		r = parse_filter(s, k);
		break;
	case SHAPE_FUZZY:
		r = parse_fuzzy(s, key);
		break;
	case SHAPE_NOT:
		r = parse_key(s, &kid);
		if (!r)
			set_kids(s, k, kid, NULL);
		break;
	case SHAPE_OR:
		r = parse_or(s, k);
		break;
	case SHAPE_UID:
		r = parse_set(s, SEARCH_REF_UID, key);
		break;
	}
	if (!r && s->fuzzy && (row->shape == SHAPE_TEXT ||
	    row->shape == SHAPE_HEADER))
		split_words(s, *key, row->op);
	if (!r && row->negated)
		*key = negate(s, *key);
	return r;
}

/* The kids of an AND: ALL adds nothing, and flags are one kid. */
static struct search_key *
make_and(struct search *s, struct node *head, size_t count)
{
	struct search_key *and = new_key(s, SEARCH_AND), *flags = NULL;

	and->kids = arena_array(s->p->arena, count, sizeof *and->kids);
	for (struct node *n = head; n; n = n->next) {
		struct search_key *k = n->key;

		if (k->op == SEARCH_ALL)
			continue;
		if (k->op == SEARCH_FLAGS && flags) {
			flags->mask |= k->mask;
			continue;
		}
		if (k->op == SEARCH_FLAGS)
			flags = k;
		and->kids[and->kid_count++] = k;
	}
	if (and->kid_count == 1)
		return and->kids[0];
	if (and->kid_count == 0)
		and->op = SEARCH_ALL;
	return and;
}

/* search-key *(SP search-key), up to ")" or the end */
static enum parse
parse_keys(struct search *s, struct search_key **key)
{
	struct node *head = NULL, **tail = &head;
	size_t count = 0;

	for (;;) {
		struct node *n = arena_alloc(s->p->arena, sizeof *n);

		if (parse_key(s, &n->key))
			return PARSE_BAD;
		*tail = n;
		tail = &n->next;
		count++;
		while (cursor_skip(&s->p->c, ' '))
			;	/* clients do double a space */
		if (cursor_at_end(&s->p->c) || cursor_peek(&s->p->c) == ')')
			break;
		if (s->p->c.p[-1] != ' ')
			return imap_bad(s->p, "expected a space");
	}
	*key = make_and(s, head, count);
	return PARSE_OK;
}

static enum parse
parse_key_word(struct search *s, struct search_key **key)
{
	const char *start = s->p->c.p;
	struct span word = cursor_while(&s->p->c, imap_is_atom_char);

	for (size_t i = 0; i < COUNT(keywords); i++)
		if (span_iis(word, keywords[i].name))
			return parse_rest(s, &keywords[i], key);
	s->p->c.p = start;
	return imap_bad(s->p, word.len ? "unknown search key" :
	    "expected a search key");
}

static enum parse
parse_key(struct search *s, struct search_key **key)
{
	int ch = cursor_peek(&s->p->c);
	enum parse r;

	if (s->depth == IMAP_DEPTH_MAX)
		return imap_bad(s->p, "search keys are nested too deep");
	if (s->key_count++ == IMAP_SEARCH_KEYS_MAX)
		return imap_bad(s->p, "too many search keys");
	s->depth++;
	if (cursor_skip(&s->p->c, '(')) {
		r = parse_keys(s, key);
		if (!r)
			r = imap_expect(s->p, ')',
			    "expected \")\" after search keys");
	} else if (ch == '$') {
		r = parse_set(s, SEARCH_REF_SEQ, key);
	} else if (ch == '*' || (ch >= '0' && ch <= '9')) {
		/* RFC 9586 section 3.5 */
		if (s->p->uid_only) {
			s->p->bad_code = "UIDREQUIRED";
			return imap_bad(s->p, "expected UID and a set");
		}
		r = parse_set(s, SEARCH_REF_SEQ, key);
	} else {
		r = parse_key_word(s, key);
	}
	s->depth--;
	return r;
}

static const struct {
	const char *name;
	unsigned bit;
} return_options[] = {
	{ "MIN", SEARCH_RETURN_MIN },
	{ "MAX", SEARCH_RETURN_MAX },
	{ "ALL", SEARCH_RETURN_ALL },
	{ "COUNT", SEARCH_RETURN_COUNT },
	{ "RELEVANCY", SEARCH_RETURN_RELEVANCY },
};

static enum parse
parse_return_option(struct imap_parser *p, struct imap_search_args *a)
{
	const char *start = p->c.p;
	struct span word = imap_scan_word(p);

	if (span_iis(word, "SAVE")) {
		a->save = true;
		return PARSE_OK;
	}
	if (span_iis(word, "UPDATE")) {
		a->update = true;
		return PARSE_OK;
	}
	/* RFC 5267 section 4.2: a hint, and we need none. */
	if (span_iis(word, "CONTEXT"))
		return PARSE_OK;
	if (span_iis(word, "PARTIAL") && !a->partial.is_given)
		return imap_parse_space(p) || imap_parse_partial_range(p,
		    &a->partial) ? PARSE_BAD : PARSE_OK;
	for (size_t i = 0; i < COUNT(return_options); i++) {
		if (!span_iis(word, return_options[i].name))
			continue;
		a->returns |= return_options[i].bit;
		return PARSE_OK;
	}
	p->c.p = start;
	return imap_bad(p, "unknown SEARCH RETURN option");
}

enum parse
imap_parse_return(struct imap_parser *p, struct imap_search_args *a)
{
	const char *start = p->c.p;

	if (imap_parse_space(p))
		return PARSE_BAD;
	if (!cursor_skip_word(&p->c, "RETURN")) {
		p->c.p = start;
		return PARSE_OK;
	}
	a->esearch = true;
	if (imap_parse_space(p) || imap_expect(p, '(',
	    "expected options in parentheses"))
		return PARSE_BAD;
	if (!cursor_skip(&p->c, ')')) {
		do {
			if (parse_return_option(p, a))
				return PARSE_BAD;
		} while (cursor_skip(&p->c, ' '));
		if (imap_expect(p, ')', "expected \")\" after the options"))
			return PARSE_BAD;
	}
	/* RFC 9394 section 3.1, RFC 5267 section 4.4 */
	if (a->partial.is_given && (a->returns & SEARCH_RETURN_ALL))
		return imap_bad(p, "PARTIAL and ALL exclude each other");
	if (!a->returns && !a->save && !a->update && !a->partial.is_given)
		a->returns = SEARCH_RETURN_ALL;
	return PARSE_OK;
}

/* RFC 6203 sections 4 and 6 */
static bool
needs_fuzzy(const struct imap_search_args *a)
{
	bool needs = a->returns & SEARCH_RETURN_RELEVANCY;

	for (size_t i = 0; i < a->term_count; i++)
		needs |= a->terms[i].by == SORT_RELEVANCY;
	return needs;
}

enum parse
imap_parse_program(struct imap_parser *p, struct span charset,
    struct imap_search_args *a)
{
	struct search s = { .p = p, .args = a, .charset = charset };

	a->is_charset_unknown = charset.len && !charset_is_known(charset);
	if (imap_parse_space(p) || parse_keys(&s, &a->key) ||
	    imap_parse_end(p))
		return PARSE_BAD;
	/* RFC 5466 section 3.1 */
	if (a->has_filter && charset.len && !span_iis(charset, "UTF-8") &&
	    !span_iis(charset, "US-ASCII")) {
		p->bad_code = IMAP_BADCHARSET;
		return imap_bad(p, "FILTER goes with UTF-8 only");
	}
	if (!a->has_fuzzy && needs_fuzzy(a))
		return imap_bad(p, "RELEVANCY goes with FUZZY only");
	return PARSE_OK;
}

enum parse
imap_parse_charset(struct imap_parser *p, struct span *charset)
{
	const char *start = p->c.p;

	*charset = (struct span){ 0 };
	if (imap_parse_space(p))
		return PARSE_BAD;
	if (!cursor_skip_word(&p->c, "CHARSET")) {
		p->c.p = start;
		return PARSE_OK;
	}
	/* RFC 6855 section 3 */
	if (p->utf8_accept)
		return imap_bad(p, "no CHARSET once UTF8=ACCEPT is on");
	return imap_parse_space(p) || imap_parse_astring(p, charset) ?
	    PARSE_BAD : PARSE_OK;
}

enum parse
imap_parse_search(struct imap_parser *p, union imap_args *a)
{
	struct span charset;

	a->search = (struct imap_search_args){ 0 };
	return imap_parse_return(p, &a->search) ||
	    imap_parse_charset(p, &charset) ||
	    imap_parse_program(p, charset, &a->search) ?
	    PARSE_BAD : PARSE_OK;
}

bool
imap_search_is_filter(struct span text, struct arena *a)
{
	struct imap_search_args args = { 0 };
	struct buf b = BUF_INIT;
	struct imap_parser p;
	bool is;

	buf_addc(&b, ' ');
	buf_addspan(&b, text);
	imap_parser_init(&p, buf_span(&b), a);
	is = imap_parse_program(&p, SPAN("UTF-8"), &args) == PARSE_OK;
	buf_release(&b);
	return is;
}

/* The key becomes an AND of one kid: what the filter says, as a whole. */
enum parse
imap_search_insert(struct imap_search_args *args, size_t i,
    struct imap_parser *text)
{
	struct imap_search_args sub = { 0 };
	struct search_key *key = args->refs[i].key;
	size_t n = args->ref_count - 1;
	struct imap_search_ref *refs;

	if (imap_parse_program(text, SPAN("UTF-8"), &sub))
		return PARSE_BAD;
	key->op = SEARCH_AND;
	key->kid_count = 1;
	key->kids = arena_array(text->arena, 1, sizeof *key->kids);
	key->kids[0] = sub.key;
	refs = arena_array(text->arena, n + sub.ref_count, sizeof *refs);
	args->refs[i] = args->refs[n];
	if (n)
		memcpy(refs, args->refs, n * sizeof *refs);
	if (sub.ref_count)
		memcpy(refs + n, sub.refs, sub.ref_count * sizeof *refs);
	args->refs = refs;
	args->ref_count = n + sub.ref_count;
	args->has_modseq |= sub.has_modseq;
	return PARSE_OK;
}

void
imap_search_resolve(struct imap_search_args *args, struct arena *a,
    struct imap_search_names *names)
{
	for (size_t i = 0; i < args->ref_count; i++) {
		struct imap_search_ref *ref = &args->refs[i];
		struct search_key *k = ref->key;
		struct uidset found = { 0 };
		int bit;

		if (ref->kind == SEARCH_REF_KEYWORD) {
			bit = names->keyword(names, ref->keyword);
			k->op = bit < 0 ? SEARCH_NONE : SEARCH_FLAGS;
			k->name = ref->keyword;
			k->mask = bit < 0 ? 0 : 1ull << bit;
			continue;
		}
		if (ref->kind == SEARCH_REF_OLDER ||
		    ref->kind == SEARCH_REF_YOUNGER) {
			k->op = ref->kind == SEARCH_REF_OLDER ?
			    SEARCH_OLDER : SEARCH_YOUNGER;
			k->now_s = names->now_s;
			continue;
		}
		names->set(names, &ref->set, ref->kind == SEARCH_REF_UID,
		    &found);
		k->op = found.n ? SEARCH_UIDS : SEARCH_NONE;
		k->uids = (struct uidset){ .n = found.n };
		if (found.n)
			k->uids.v = arena_memdup(a, found.v,
			    found.n * sizeof *found.v);
		uidset_release(&found);
	}
}
