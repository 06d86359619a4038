/*
 * Self-signed certificates: what `init` puts where no authority has given
 * one yet. The subjectAltName is written by hand, because mbedTLS 2.28 has no
 * function for it.
 */
#include <mbedtls/asn1write.h>
#include <mbedtls/bignum.h>
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/platform_util.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/net/certs.h"
#include "server/net/tls_priv.h"

#define NAME_MAX_LEN 253
#define CN_MAX 64		/* RFC 5280 appendix A.1: ub-common-name */
#define PEM_MAX (64u * 1024)	/* CERT_NAMES_MAX names, base64 */
#define SERIAL_LEN 16
#define DAY_S 86400

static bool
is_host(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > NAME_MAX_LEN)
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
	    "WXYZ0123456789-._*") == len;
}

/* The calendar date of a time, the inverse of the usual day count. */
static void
time_text(int64_t s, char out[16])
{
	int64_t z = s / DAY_S + 719468, rest = s % DAY_S;
	int64_t era = z / 146097, doe = z % 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	int64_t month = mp < 10 ? mp + 3 : mp - 9;
	int64_t year = yoe + era * 400 + (month <= 2);
	int64_t day = doy - (153 * mp + 2) / 5 + 1;

	(void)snprintf(out, 16, "%04u%02u%02u%02u%02u%02u",
	    (unsigned)year % 10000, (unsigned)month % 100,
	    (unsigned)day % 100, (unsigned)(rest / 3600) % 100,
	    (unsigned)(rest / 60 % 60) % 100, (unsigned)(rest % 60) % 100);
}

/* RFC 5280 section 4.2.1.6: GeneralNames, each a dNSName [2] IA5String. */
static int
set_alt_names(mbedtls_x509write_cert *w, const char *const *names,
    size_t name_count)
{
	size_t size = name_count * (NAME_MAX_LEN + 4) + 8;
	unsigned char *space = xmalloc(size), *p = space + size;
	size_t len = 0;
	int ret = 0;

	for (size_t i = name_count; i-- > 0 && ret >= 0;) {
		ret = mbedtls_asn1_write_tagged_string(&p, space,
		    MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_X509_SAN_DNS_NAME,
		    names[i], strlen(names[i]));
		len += ret >= 0 ? (size_t)ret : 0;
	}
	if (ret >= 0 && (ret = mbedtls_asn1_write_len(&p, space, len)) >= 0) {
		len += (size_t)ret;
		ret = mbedtls_asn1_write_tag(&p, space,
		    MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE);
		len += ret >= 0 ? (size_t)ret : 0;
	}
	if (ret >= 0)
		ret = mbedtls_x509write_crt_set_extension(w,
		    MBEDTLS_OID_SUBJECT_ALT_NAME,
		    MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, p, len);
	free(space);
	return ret < 0 ? ret : 0;
}

/* RFC 5280 section 4.2.1.12: phones insist on serverAuth. */
static int
set_usage(mbedtls_x509write_cert *w)
{
	static const unsigned char server_auth[] = {
		0x30, 0x0a, 0x06, 0x08,
		0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01
	};
	int ret = mbedtls_x509write_crt_set_key_usage(w,
	    MBEDTLS_X509_KU_DIGITAL_SIGNATURE);

	if (ret == 0)
		ret = mbedtls_x509write_crt_set_basic_constraints(w, 0, -1);
	if (ret == 0)
		ret = mbedtls_x509write_crt_set_extension(w,
		    MBEDTLS_OID_EXTENDED_KEY_USAGE,
		    MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0,
		    server_auth, sizeof server_auth);
	return ret;
}

static int
set_serial(mbedtls_x509write_cert *w, struct random *random)
{
	unsigned char serial[SERIAL_LEN];
	int ret;

	random_fill(random, serial, sizeof serial);
	/* RFC 5280 section 4.1.2.2: positive, hence not zero. */
	serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40);
#if MBEDTLS_IS_3
	ret = mbedtls_x509write_crt_set_serial_raw(w, serial, sizeof serial);
#else
	mbedtls_mpi n;

	mbedtls_mpi_init(&n);
	ret = mbedtls_mpi_read_binary(&n, serial, sizeof serial);
	if (ret == 0)
		ret = mbedtls_x509write_crt_set_serial(w, &n);
	mbedtls_mpi_free(&n);
#endif
	return ret;
}

static int
set_names(mbedtls_x509write_cert *w, const char *first)
{
	char subject[CN_MAX + 4];
	int ret;

	(void)snprintf(subject, sizeof subject, "CN=%s",
	    strlen(first) <= CN_MAX ? first : "mail server");
	ret = mbedtls_x509write_crt_set_subject_name(w, subject);
	if (ret == 0)
		ret = mbedtls_x509write_crt_set_issuer_name(w, subject);
	return ret;
}

static int
make_key(mbedtls_pk_context *key, struct random *random)
{
	int ret = mbedtls_pk_setup(key,
	    mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));

	if (ret == 0)
		ret = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1,
		    mbedtls_pk_ec(*key), net_rng, random);
	return ret;
}

static int
write_pem(mbedtls_x509write_cert *w, mbedtls_pk_context *key,
    struct random *random, struct buf *cert_pem, struct buf *key_pem)
{
	unsigned char *pem = xmalloc(PEM_MAX);
	int ret = mbedtls_x509write_crt_pem(w, pem, PEM_MAX, net_rng, random);

	if (ret == 0) {
		buf_adds(cert_pem, (char *)pem);
		ret = mbedtls_pk_write_key_pem(key, pem, PEM_MAX);
	}
	if (ret == 0)
		buf_adds(key_pem, (char *)pem);
	mbedtls_platform_zeroize(pem, PEM_MAX);
	free(pem);
	return ret;
}

static int
fill(mbedtls_x509write_cert *w, mbedtls_pk_context *key,
    struct random *random, const char *const *names, size_t name_count)
{
	int ret;

	mbedtls_x509write_crt_set_version(w, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(w, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(w, key);
	mbedtls_x509write_crt_set_issuer_key(w, key);
	if ((ret = set_serial(w, random)) == 0 &&
	    (ret = set_names(w, names[0])) == 0 && (ret = set_usage(w)) == 0)
		ret = set_alt_names(w, names, name_count);
	return ret;
}

int
cert_make_self_signed(struct random *random, const char *const *names,
    size_t name_count, int64_t now_s, unsigned days, struct buf *cert_pem,
    struct buf *key_pem)
{
	mbedtls_x509write_cert w;
	mbedtls_pk_context key;
	char from[16], to[16];
	int ret;

	if (name_count == 0 || name_count > CERT_NAMES_MAX)
		return ERR_BADNAME;
	for (size_t i = 0; i < name_count; i++)
		if (!is_host(names[i]))
			return ERR_BADNAME;
	mbedtls_x509write_crt_init(&w);
	mbedtls_pk_init(&key);
	time_text(now_s - DAY_S, from);
	time_text(now_s + (int64_t)days * DAY_S, to);
	if ((ret = make_key(&key, random)) == 0 &&
	    (ret = fill(&w, &key, random, names, name_count)) == 0 &&
	    (ret = mbedtls_x509write_crt_set_validity(&w, from, to)) == 0)
		ret = write_pem(&w, &key, random, cert_pem, key_pem);
	mbedtls_pk_free(&key);
	mbedtls_x509write_crt_free(&w);
	return ret == 0 ? 0 : ERR_CRYPTO;
}
