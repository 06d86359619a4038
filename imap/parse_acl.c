/*
 * SETACL, DELETEACL, LISTRIGHTS: RFC 4314 section 7.
 */
#include "imap/parse.h"
#include "imap/parse_priv.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"

static const struct {
	char letter;
	unsigned rights;
} letters[] = {
	{ 'l', RIGHT_LOOKUP }, { 'r', RIGHT_READ }, { 's', RIGHT_SEEN },
	{ 'w', RIGHT_WRITE }, { 'i', RIGHT_INSERT }, { 'p', RIGHT_POST },
	{ 'k', RIGHT_CREATE }, { 'x', RIGHT_DELETE },
	{ 't', RIGHT_DELETE_MSG }, { 'e', RIGHT_EXPUNGE },
	{ 'a', RIGHT_ADMIN },
	/* RFC 4314 section 2.1.1: what older clients know. */
	{ 'c', RIGHT_CREATE | RIGHT_DELETE },
	{ 'd', RIGHT_DELETE_MSG | RIGHT_EXPUNGE },
};

char
imap_right_letter(size_t i, unsigned *rights)
{
	if (i >= COUNT(letters))
		return '\0';
	*rights = letters[i].rights;
	return letters[i].letter;
}

/* RFC 4314 section 3.1: a letter that is no right is an error. */
static enum parse
parse_rights(struct imap_parser *p, struct imap_acl_args *a)
{
	const char *start = p->c.p;
	struct span s;
	unsigned rights;
	size_t k;
	char letter;

	if (imap_parse_astring(p, &s))
		return PARSE_BAD;
	a->how = ACL_SET;
	if (s.len && (s.p[0] == '+' || s.p[0] == '-')) {
		a->how = s.p[0] == '+' ? ACL_ADD : ACL_REMOVE;
		s = span_from(s, 1);
	}
	for (size_t i = 0; i < s.len; i++) {
		for (k = 0; (letter = imap_right_letter(k, &rights)) &&
		    letter != s.p[i]; k++)
			;
		if (!letter) {
			p->c.p = start;
			return imap_bad(p, "expected rights of lrswipkxteacd");
		}
		a->rights |= rights;
	}
	return PARSE_OK;
}

static enum parse
parse_identifier(struct imap_parser *p, struct imap_acl_args *a)
{
	const char *start = p->c.p;

	if (imap_parse_space(p) || imap_parse_astring(p, &a->given))
		return PARSE_BAD;
	/* RFC 4314 section 2: "-" before it denies. */
	a->is_negative = span_starts(a->given, "-");
	a->identifier = span_from(a->given, a->is_negative ? 1 : 0);
	if (a->identifier.len > 0 && utf8_is_valid(a->given) &&
	    !memchr(a->given.p, '\0', a->given.len))
		return PARSE_OK;
	p->c.p = start;
	return imap_bad(p, "expected an identifier");
}

enum parse
imap_parse_setacl(struct imap_parser *p, union imap_args *args)
{
	struct imap_acl_args *a = &args->acl;

	*a = (struct imap_acl_args){ 0 };
	return imap_parse_space(p) || imap_parse_mailbox(p, &a->name) ||
	    parse_identifier(p, a) || imap_parse_space(p) ||
	    parse_rights(p, a) || imap_parse_end(p) ? PARSE_BAD : PARSE_OK;
}

/* DELETEACL and LISTRIGHTS. */
enum parse
imap_parse_identifier(struct imap_parser *p, union imap_args *args)
{
	struct imap_acl_args *a = &args->acl;

	*a = (struct imap_acl_args){ 0 };
	return imap_parse_space(p) || imap_parse_mailbox(p, &a->name) ||
	    parse_identifier(p, a) || imap_parse_end(p) ?
	    PARSE_BAD : PARSE_OK;
}
