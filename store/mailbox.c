#include "store/mailbox.h"

#include <string.h>

#include "server/base/err.h"
#include "server/base/utf8.h"

/*
 * C0 and C1 controls, DEL, and the line and paragraph separators have no
 * place in a name that is shown to people (RFC 5198 section 2).
 */
static bool
name_has_control(struct span name)
{
	uint32_t cp;
	size_t n;

	while ((n = utf8_decode(name, &cp)) > 0) {
		if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) ||
		    cp == 0x2028 || cp == 0x2029)
			return true;
		name = span_from(name, n);
	}
	return false;
}

/* No empty level; at most MAILBOX_DEPTH_MAX of them. */
static int
name_check_levels(struct span name)
{
	size_t levels = 1;

	if (name.p[0] == '/' || name.p[name.len - 1] == '/')
		return ERR_BADNAME;
	for (size_t i = 1; i < name.len; i++) {
		if (name.p[i] != '/')
			continue;
		if (name.p[i - 1] == '/')
			return ERR_BADNAME;
		levels++;
	}
	return levels > MAILBOX_DEPTH_MAX ? ERR_LIMIT : 0;
}

int
mailbox_name_check(struct span name)
{
	struct buf nfc = BUF_INIT;
	int err;

	if (name.len == 0)
		return ERR_BADNAME;
	if (name.len > MAILBOX_NAME_MAX)
		return ERR_LIMIT;
	if (!utf8_is_valid(name) || name_has_control(name))
		return ERR_BADNAME;
	if ((err = name_check_levels(name)) < 0)
		return err;
	/* RFC 9051 section 5.1: names are Net-Unicode, thus NFC. */
	if (!utf8_is_ascii(name)) {
		if (utf8_nfc(&nfc, name) < 0 ||
		    !span_eq(buf_span(&nfc), name))
			err = ERR_BADNAME;
		buf_release(&nfc);
	}
	return err;
}

bool
mailbox_name_split(struct span name, struct span *user, struct span *rest)
{
	const char *slash;

	*user = *rest = (struct span){ 0 };
	if (!span_starts(name, "Users") || (name.len > 5 && name.p[5] != '/'))
		return false;
	if (name.len <= 6)
		return true;
	*user = span_from(name, 6);
	slash = memchr(user->p, '/', user->len);
	if (slash) {
		*rest = span_from(*user, (size_t)(slash - user->p) + 1);
		user->len = (size_t)(slash - user->p);
	}
	return true;
}

/* A name within one account's tree, without the '/' at its end. */
static int
put_canonical(struct span name, char *out)
{
	int err = mailbox_name_check(name);

	if (err < 0)
		return err;
	memcpy(out, name.p, name.len);
	out[name.len] = '\0';
	/* RFC 9051 section 5.1: INBOX in any case, also as parent. */
	if (span_istarts(name, "INBOX") &&
	    (name.len == 5 || name.p[5] == '/'))
		memcpy(out, "INBOX", 5);
	return 0;
}

/* The name of an account has no case and is no longer than an address. */
static int
put_canonical_shared(struct span name, struct span user, struct span rest,
    char *out)
{
	size_t head = name.len - rest.len;
	int err;

	if (user.len > MAILBOX_PATH_MAX - MAILBOX_NAME_MAX - 7)
		return ERR_LIMIT;
	/* The levels above are a name like any other. */
	err = put_canonical(span_head(name, rest.len ? head - 1 : head), out);
	if (err < 0 || rest.len == 0)
		return err;
	out[head - 1] = '/';
	return put_canonical(rest, out + head);
}

/*
 * RFC 9051 section 5.1: what a client sends is normalised rather than
 * refused, since some file systems' habits (NFD) reach us through clients.
 */
int
mailbox_name_canonical(struct span name, char *out)
{
	struct buf nfc = BUF_INIT;
	struct span user, rest;
	int err;

	/* Also keeps a name of any size from being normalised. */
	if (name.len > 2 * MAILBOX_PATH_MAX)
		return ERR_LIMIT;
	if (!utf8_is_ascii(name)) {
		if (utf8_nfc(&nfc, name) < 0) {
			buf_release(&nfc);
			return ERR_BADNAME;
		}
		name = buf_span(&nfc);
	}
	/* RFC 9051 section 6.3.4: a trailing delimiter declares intent. */
	if (name.len > 1 && name.p[name.len - 1] == '/')
		name.len--;
	err = mailbox_name_split(name, &user, &rest) ?
	    put_canonical_shared(name, user, rest, out) :
	    put_canonical(name, out);
	buf_release(&nfc);
	return err;
}

int
mailbox_name_compare(const char *a, const char *b)
{
	unsigned char x, y;

	while (*a && *a == *b) {
		a++;
		b++;
	}
	x = *a == '/' ? 1 : (unsigned char)*a;
	y = *b == '/' ? 1 : (unsigned char)*b;
	return (x > y) - (x < y);
}
