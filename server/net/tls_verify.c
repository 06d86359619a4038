/*
 * Whether a server's certificate satisfies what was asked for.
 *
 * The handshake itself verifies nothing but that the peer has the key; then
 * this looks at the chain it showed, before a byte of ours has left. So one
 * TLS configuration serves every mode, and what a fault was is known better
 * than from an aborted handshake.
 */
#include <mbedtls/md.h>
#include <mbedtls/oid.h>

#include "server/base/ascii.h"
#include "server/base/err.h"
#include "server/net/tls_priv.h"

#define CHAIN_MAX 16		/* certificates of a peer that are looked at */
#define DIGEST_MAX 64

/* ---- names: RFC 6125 section 6.4 ---- */

/* "*" stands for a whole first label, and for one only. */
static bool
name_fits(struct span pattern, struct span name)
{
	const char *dot = span_chr(name, '.');

	if (span_ieq(pattern, name))
		return name.len > 0;
	return dot && dot > name.p && span_starts(pattern, "*.") &&
	    span_chr(span_from(pattern, 2), '.') &&
	    span_ieq(span_from(pattern, 1),
	    span_from(name, (size_t)(dot - name.p)));
}

static bool
name_is_wanted(const struct tls_want *want, const mbedtls_x509_buf *b)
{
	struct span pattern = span_make((const char *)b->p, b->len);

	for (size_t i = 0; i < want->name_count; i++)
		if (name_fits(pattern, span_of(want->names[i])))
			return true;
	return false;
}

static bool
is_dns_name(const mbedtls_x509_sequence *s)
{
	return (s->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) ==
	    MBEDTLS_X509_SAN_DNS_NAME;
}

/*
 * RFC 6125 section 6.4.4, RFC 7672 section 3.2.3: the common name counts
 * only where there is no DNS name in subjectAltName; with MTA-STS never (RFC
 * 8461 section 4.1).
 */
static bool
cert_has_name(const mbedtls_x509_crt *crt, const struct tls_want *want)
{
	bool has_dns = false;

	for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s;
	    s = s->next) {
		if (!s->buf.p || !is_dns_name(s))
			continue;
		has_dns = true;
		if (name_is_wanted(want, &s->buf))
			return true;
	}
	if (has_dns || want->mode != TLS_DANE)
		return false;
	for (const mbedtls_x509_name *n = &crt->subject; n; n = n->next)
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0 &&
		    name_is_wanted(want, &n->val))
			return true;
	return false;
}

/* ---- chains ---- */

/* The first of them that flags tell of; the name is not the library's part. */
static enum tls_fault
fault_of(uint32_t flags)
{
	if (flags & (MBEDTLS_X509_BADCERT_EXPIRED |
	    MBEDTLS_X509_BADCERT_FUTURE))
		return TLS_FAULT_EXPIRED;
	if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
		return TLS_FAULT_UNTRUSTED;
	return flags ? TLS_FAULT_OTHER : TLS_FAULT_NONE;
}

/* The chain to one of ca, dates, uses, and one of the names. */
static enum tls_fault
verify_chain(mbedtls_x509_crt *chain, mbedtls_x509_crt *ca,
    const struct tls_want *want)
{
	enum tls_fault fault;
	uint32_t flags = 0;
	int ret = mbedtls_x509_crt_verify_with_profile(chain, ca, NULL,
	    &mbedtls_x509_crt_profile_default, NULL, &flags, NULL, NULL);

	if (ret != 0 && ret != MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
		return TLS_FAULT_OTHER;
	fault = fault_of(flags);
	/* RFC 5280 section 4.2.1.12: made for another purpose? */
	if (fault == TLS_FAULT_NONE && mbedtls_x509_crt_check_extended_key_usage(
	    chain, MBEDTLS_OID_SERVER_AUTH,
	    MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) != 0)
		fault = TLS_FAULT_OTHER;
	if (fault == TLS_FAULT_NONE && !cert_has_name(chain, want))
		fault = TLS_FAULT_HOST;
	return fault;
}

/* ---- DANE: RFC 6698, 7671, 7672 ---- */

static bool
digest_is(mbedtls_md_type_t type, struct span in, struct span digest)
{
	const mbedtls_md_info_t *info = mbedtls_md_info_from_type(type);
	unsigned char out[DIGEST_MAX];

	return info && digest.len == mbedtls_md_get_size(info) &&
	    mbedtls_md(info, (const unsigned char *)in.p, in.len, out) == 0 &&
	    memcmp(out, digest.p, digest.len) == 0;
}

static bool
tlsa_fits(const struct dns_record *r, const mbedtls_x509_crt *crt)
{
	const mbedtls_x509_buf *b = r->selector == 0 ? &crt->raw :
	    &crt->pk_raw;
	struct span part = span_make((const char *)b->p, b->len);

	switch (r->matching) {
	case 0:
		return span_eq(part, r->data);
	case 1:
		return digest_is(MBEDTLS_MD_SHA256, part, r->data);
	case 2:
		return digest_is(MBEDTLS_MD_SHA512, part, r->data);
	default:
		return false;
	}
}

/* The chain to an anchor given as DER. */
static enum tls_fault
verify_anchor(mbedtls_x509_crt *chain, const unsigned char *der, size_t len,
    const struct tls_want *want)
{
	enum tls_fault fault = TLS_FAULT_TLSA;
	mbedtls_x509_crt anchor;

	mbedtls_x509_crt_init(&anchor);
	if (mbedtls_x509_crt_parse_der(&anchor, der, len) == 0)
		fault = verify_chain(chain, &anchor, want);
	mbedtls_x509_crt_free(&anchor);
	return fault;
}

/*
 * RFC 7672 section 3.1.2: the anchor is in the chain that the server shows;
 * where the record is the whole certificate, it need not be.
 */
static enum tls_fault
verify_dane_ta(mbedtls_x509_crt *chain, const struct dns_record *r,
    const struct tls_want *want)
{
	enum tls_fault fault = TLS_FAULT_TLSA;
	unsigned n = 0;

	if (r->selector == 0 && r->matching == 0)
		return verify_anchor(chain, (const unsigned char *)r->data.p,
		    r->data.len, want);
	for (mbedtls_x509_crt *c = chain; c && n < CHAIN_MAX; c = c->next) {
		n++;
		if (!tlsa_fits(r, c))
			continue;
		fault = verify_anchor(chain, c->raw.p, c->raw.len, want);
		if (fault == TLS_FAULT_NONE)
			break;
	}
	return fault;
}

/*
 * RFC 7671 section 5: any record that fits will do. DANE-EE(3) is the key
 * alone: neither names nor dates are looked at (RFC 7672 section 3.1.1).
 */
static enum tls_fault
verify_dane(mbedtls_x509_crt *chain, const struct tls_want *want)
{
	enum tls_fault fault = TLS_FAULT_TLSA, one;

	for (size_t i = 0; i < want->tlsa_count; i++) {
		const struct dns_record *r = &want->tlsa[i];

		if (!tls_want_is_usable(r))
			continue;
		one = TLS_FAULT_TLSA;
		if (r->usage == 2)
			one = verify_dane_ta(chain, r, want);
		else if (tlsa_fits(r, chain))
			one = TLS_FAULT_NONE;
		if (one == TLS_FAULT_NONE)
			return one;
		if (one != TLS_FAULT_TLSA)
			fault = one;	/* this tells more */
	}
	return fault;
}

enum tls_fault
tls_verify(mbedtls_x509_crt *chain, mbedtls_x509_crt *ca,
    const struct tls_want *want)
{
	if (want->mode == TLS_OPPORTUNISTIC)
		return TLS_FAULT_NONE;
	if (!chain)
		return TLS_FAULT_UNTRUSTED;
	if (want->mode == TLS_DANE)
		return verify_dane(chain, want);
	return verify_chain(chain, ca, want);
}

const char *
tls_fault_text(enum tls_fault fault)
{
	static const char *const texts[] = {
		"",
		"the certificate is for other names",
		"the certificate has expired or is not valid yet",
		"the certificate is not signed by anybody we trust",
		"the certificate is not the one that its TLSA records name",
		"the certificate is not acceptable",
	};

	return texts[fault];
}
