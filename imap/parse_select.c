/*
 * SELECT and EXAMINE (RFC 3501 section 6.3.1) with their parameters (RFC 4466
 * section 2.1): CONDSTORE and QRESYNC (RFC 7162).
 */
#include "imap/parse.h"
#include "imap/parse_priv.h"

/* A set without "*"; rising: from number to number, if it must be. */
static enum parse
parse_plain_set(struct imap_parser *p, bool rising, struct seqset *set)
{
	uint32_t last = 0;

	if (imap_parse_seqset(p, set))
		return PARSE_BAD;
	if (set->is_saved)
		return imap_bad(p, "\"$\" cannot stand here");
	for (size_t i = 0; i < set->n; i++) {
		if (set->v[i].hi == SEQ_STAR)
			return imap_bad(p, "\"*\" cannot stand here");
		if (rising && set->v[i].lo <= last)
			return imap_bad(p, "expected rising numbers");
		last = set->v[i].hi;
	}
	return PARSE_OK;
}

static uint64_t
count_numbers(const struct seqset *set)
{
	uint64_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += (uint64_t)set->v[i].hi - set->v[i].lo + 1;
	return n;
}

/* "(" known-sequence-set SP known-uid-set ")" */
static enum parse
parse_seq_match(struct imap_parser *p, struct imap_select_args *s)
{
	/* RFC 9586 section 3.7 */
	if (p->uid_only && cursor_peek(&p->c) == '(') {
		p->bad_code = "UIDREQUIRED";
		return imap_bad(p, "no sequence numbers once UIDONLY is on");
	}
	if (imap_expect(p, '(', "expected a list of known numbers") ||
	    parse_plain_set(p, true, &s->known_seqs) ||
	    imap_parse_space(p) ||
	    parse_plain_set(p, true, &s->known_uids) ||
	    imap_expect(p, ')', "expected \")\" after the known UIDs"))
		return PARSE_BAD;
	/* RFC 7162 3.2.5.2: the one is the sample, the other its UIDs. */
	if (count_numbers(&s->known_seqs) != count_numbers(&s->known_uids))
		return imap_bad(p, "expected as many UIDs as numbers");
	return PARSE_OK;
}

/* "(" uidvalidity SP modseq [SP known-uids] [SP seq-match-data] ")" */
static enum parse
parse_qresync(struct imap_parser *p, struct imap_select_args *s)
{
	if (imap_parse_space(p) ||
	    imap_expect(p, '(', "expected UIDVALIDITY and modseq") ||
	    imap_parse_nz_number(p, &s->uidvalidity) ||
	    imap_parse_space(p) || imap_parse_modseq(p, &s->modseq))
		return PARSE_BAD;
	if (cursor_skip(&p->c, ' ')) {
		if (cursor_peek(&p->c) != '(' &&
		    parse_plain_set(p, false, &s->uids))
			return PARSE_BAD;
		if ((s->uids.n == 0 || cursor_skip(&p->c, ' ')) &&
		    parse_seq_match(p, s))
			return PARSE_BAD;
	}
	return imap_expect(p, ')', "expected \")\" after what is known");
}

static enum parse
parse_param(struct imap_parser *p, struct imap_select_args *s)
{
	const char *start = p->c.p;
	struct span word = imap_scan_word(p);

	if (span_iis(word, "CONDSTORE")) {
		s->condstore = true;
		return PARSE_OK;
	}
	if (span_iis(word, "QRESYNC") && !s->qresync) {
		s->qresync = true;
		return parse_qresync(p, s);
	}
	p->c.p = start;
	return imap_bad(p, "unknown SELECT parameter");
}

enum parse
imap_parse_select(struct imap_parser *p, union imap_args *a)
{
	struct imap_select_args *s = &a->select;

	*s = (struct imap_select_args){ 0 };
	if (imap_parse_space(p) || imap_parse_mailbox(p, &s->name))
		return PARSE_BAD;
	s->old_name = p->old_name;
	if (!cursor_skip(&p->c, ' ') || !cursor_skip(&p->c, '('))
		return imap_parse_end(p);
	do {
		if (parse_param(p, s))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the parameters") ||
	    imap_parse_end(p) ? PARSE_BAD : PARSE_OK;
}
