/*
 * One address by the book: what an envelope or a person gives, and the key
 * that it is stored and looked up by.
 */
#include "store/mime/address.h"

#include "server/base/cursor.h"
#include "server/base/err.h"
#include "server/base/idna.h"
#include "server/base/utf8.h"

#define LOCAL_MAX 255	/* RFC 5321 section 4.5.3.1.1 wants 64 at least */
#define DOMAIN_MAX 255	/* RFC 5321 section 4.5.3.1.2 */
#define LABEL_MAX 63

/* RFC 5322 section 3.2.3 atext, and RFC 6532 section 3.2. */
static bool
is_atext(unsigned char c)
{
	return c >= 0x80 || (c > ' ' && c != 0x7f &&
	    !memchr("()<>[]:;@\\,.\"", c, 13));
}

/* A dot-atom's end, or NULL if there is none at p. */
static const char *
dot_atom_end(const char *p, const char *end)
{
	for (;;) {
		const char *word = p;

		while (p < end && is_atext((unsigned char)*p))
			p++;
		if (p == word)
			return NULL;
		if (p == end || *p != '.')
			return p;
		p++;
	}
}

/* RFC 5321 section 4.1.2 Quoted-string, unquoted into to. Its end, or NULL. */
static const char *
quoted_end(const char *p, const char *end, char *to, size_t *len)
{
	*len = 0;
	for (p++; p < end && *p != '"'; p++) {
		if (*p == '\\' && ++p == end)
			return NULL;
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return NULL;
		to[(*len)++] = *p;
	}
	return p < end ? p + 1 : NULL;
}

/* RFC 5321 section 4.1.3: what may be in a literal, whatever it means. */
static bool
is_literal(struct span s)
{
	if (s.len < 3 || s.p[0] != '[' || s.p[s.len - 1] != ']')
		return false;
	for (size_t i = 1; i + 1 < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("[]\\", s.p[i]))
			return false;
	return true;
}

static bool
is_label(struct span s)
{
	if (s.len == 0 || s.p[0] == '-' || s.p[s.len - 1] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		unsigned char l = ascii_lower(c);

		/* "_" is in no host name, and in some mail domains. */
		if (c < 0x80 && !(l >= 'a' && l <= 'z') && c != '-' &&
		    c != '_' && !(c >= '0' && c <= '9'))
			return false;
	}
	return utf8_is_ascii(s) ? s.len <= LABEL_MAX : true;
}

static bool
is_domain(struct span s)
{
	struct cursor c = cursor_of_span(s);

	if (s.len == 0 || s.len > DOMAIN_MAX)
		return false;
	if (s.p[0] == '[')
		return is_literal(s);
	do {
		if (!is_label(cursor_until(&c, '.')))
			return false;
	} while (cursor_skip(&c, '.'));
	return true;
}

int
address_spec_parse(struct span s, struct arena *a, struct span *local,
    struct span *domain)
{
	const char *end = s.p + s.len, *p;
	size_t len;
	char *to;

	if (s.len == 0 || s.len > 2 * LOCAL_MAX + 3 + DOMAIN_MAX ||
	    !utf8_is_valid(s))
		return ERR_SYNTAX;
	if (*s.p == '"') {
		to = arena_array(a, s.len, 1);
		p = quoted_end(s.p, end, to, &len);
		*local = span_make(to, len);
	} else {
		p = dot_atom_end(s.p, end);
		*local = span_make(s.p, p ? (size_t)(p - s.p) : 0);
	}
	if (!p || p == end || *p != '@' || local->len > LOCAL_MAX)
		return ERR_SYNTAX;
	*domain = span_make(p + 1, (size_t)(end - p - 1));
	return is_domain(*domain) ? 0 : ERR_SYNTAX;
}

static bool
has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return true;
	return false;
}

int
domain_key(struct buf *out, struct span domain)
{
	if (!utf8_is_valid(domain) || !is_domain(domain))
		return ERR_SYNTAX;
	if (domain.p[0] != '[')
		return idna_to_ascii(out, domain);
	for (size_t i = 0; i < domain.len; i++)
		buf_addc(out, (char)ascii_lower((unsigned char)domain.p[i]));
	return 0;
}

int
address_key(struct buf *out, struct span local, struct span domain)
{
	struct buf folded = BUF_INIT;
	size_t start = out->len;
	int err = ERR_SYNTAX;

	if (local.len == 0 || local.len > LOCAL_MAX || has_control(local) ||
	    !utf8_is_valid(local))
		return ERR_SYNTAX;
	utf8_fold(&folded, local);
	if ((err = utf8_nfc(out, buf_span(&folded))) == 0) {
		buf_addc(out, '@');
		err = domain_key(out, domain);
	}
	if (err < 0)
		buf_truncate(out, start);
	buf_release(&folded);
	return err;
}
