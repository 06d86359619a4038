/*
 * GETQUOTA and SETQUOTA: RFC 9208 section 7.
 */
#include "imap/parse.h"
#include "imap/parse_priv.h"

enum parse
imap_parse_getquota(struct imap_parser *p, union imap_args *a)
{
	a->getquota = (struct imap_getquota_args){ 0 };
	return imap_parse_space(p) ||
	    imap_parse_astring(p, &a->getquota.root) ||
	    imap_parse_end(p) ? PARSE_BAD : PARSE_OK;
}

/* setquota-resource */
static enum parse
parse_resource(struct imap_parser *p, struct imap_setquota_args *q)
{
	struct span name;
	uint64_t limit;

	if (imap_parse_atom(p, &name) || imap_parse_space(p))
		return PARSE_BAD;
	if (!cursor_number(&p->c, INT64_MAX, &limit))
		return imap_bad(p, "expected a limit of 63 bits");
	if (span_iis(name, "STORAGE"))
		q->storage = limit;
	else if (span_iis(name, "MESSAGE"))
		q->messages = limit;
	else
		q->has_unknown = true;
	return PARSE_OK;
}

enum parse
imap_parse_setquota(struct imap_parser *p, union imap_args *a)
{
	struct imap_setquota_args *q = &a->setquota;

	*q = (struct imap_setquota_args){ .storage = UINT64_MAX,
	    .messages = UINT64_MAX };
	if (imap_parse_space(p) || imap_parse_astring(p, &q->root) ||
	    imap_parse_space(p) ||
	    imap_expect(p, '(', "expected limits in parentheses"))
		return PARSE_BAD;
	if (cursor_skip(&p->c, ')'))
		return imap_parse_end(p);
	do {
		if (parse_resource(p, q))
			return PARSE_BAD;
	} while (cursor_skip(&p->c, ' '));
	return imap_expect(p, ')', "expected \")\" after the limits") ||
	    imap_parse_end(p) ? PARSE_BAD : PARSE_OK;
}
