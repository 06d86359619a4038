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

/*
 * RFC 9051 section 5.1: what a client sends is normalised rather than
 * refused, since some file systems' habits (NFD) reach us through clients.
 */
int
mailbox_name_canonical(struct span name, char *out)
{
	struct buf nfc = BUF_INIT;
	int err;

	/* Also keeps a name of any size from being normalised. */
	if (name.len > 2 * MAILBOX_NAME_MAX)
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
	if ((err = mailbox_name_check(name)) == 0) {
		memcpy(out, name.p, name.len);
		out[name.len] = '\0';
		/* RFC 9051 section 5.1: INBOX in any case, also as parent. */
		if (span_istarts(name, "INBOX") &&
		    (name.len == 5 || name.p[5] == '/'))
			memcpy(out, "INBOX", 5);
	}
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
