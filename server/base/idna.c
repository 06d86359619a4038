#include "server/base/idna.h"

#include <idn2.h>

#include "server/base/err.h"
#include "server/base/utf8.h"

#define DOMAIN_MAX 253		/* RFC 1035 section 2.3.4, as text */
#define LABEL_MAX 63
#define UTF8_DOMAIN_MAX 1024	/* before it is asked what it comes to */

static bool
is_host_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	    c == '_';
}

/* Appends an ASCII name in lower case, or nothing if it is not one. */
static int
add_ascii(struct buf *out, struct span s)
{
	size_t start = out->len, label = 0;

	if (s.len == 0 || s.len > DOMAIN_MAX)
		return ERR_SYNTAX;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = ascii_lower((unsigned char)s.p[i]);

		if (c == '.' ? label == 0 : !is_host_char(c) ||
		    label == LABEL_MAX)
			goto bad;
		label = c == '.' ? 0 : label + 1;
		buf_addc(out, (char)c);
	}
	if (label)
		return 0;
bad:
	buf_truncate(out, start);
	return ERR_SYNTAX;
}

int
idna_to_ascii(struct buf *out, struct span domain)
{
	struct buf z = BUF_INIT;
	uint8_t *ascii = NULL;
	int err = ERR_SYNTAX;

	if (domain.len && utf8_is_ascii(domain))
		return add_ascii(out, domain);
	if (domain.len == 0 || domain.len > UTF8_DOMAIN_MAX ||
	    span_chr(domain, '\0') || !utf8_is_valid(domain))
		return ERR_SYNTAX;
	buf_addspan(&z, domain);	/* the library wants a C string */
	if (idn2_lookup_u8((const uint8_t *)z.p, &ascii,
	    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK)
		err = add_ascii(out, span_of((const char *)ascii));
	idn2_free(ascii);
	buf_release(&z);
	return err;
}
