/*
 * Sets of certificates. Everything that a handshake reads is written before
 * the set is shared; that goes for what the library computes late, too: an
 * elliptic-curve key keeps a table of multiples of the base point from its
 * first signature on, so certset_add signs once (see cert_prove_key).
 */
#include "server/net/certs.h"

#include <mbedtls/error.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/platform_util.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/net/tls_priv.h"

#define RSA_BITS_MIN 2048
#define EC_BITS_MIN 256
#define HOST_MAX 253

struct cert {
	struct cert_info info;
	char *name;
	char *hosts[CERT_NAMES_MAX];
	mbedtls_x509_crt chain;
	mbedtls_pk_context key;
};

struct certset {
	atomic_uint refs;
	struct random *random;
	struct cert *certs[CERT_SETS_MAX];
	size_t count;
};

int
net_rng(void *random, unsigned char *p, size_t len)
{
	random_fill(random, p, len);
	return 0;
}

void
net_mbed_error(struct buf *why, const char *text, int ret)
{
	char detail[128];

	mbedtls_strerror(ret, detail, sizeof detail);
	buf_printf(why, "%s: %s", text, detail);
}

static struct cert *
cert_new(void)
{
	struct cert *c = xcalloc(1, sizeof *c);

	mbedtls_x509_crt_init(&c->chain);
	mbedtls_pk_init(&c->key);
	return c;
}

static void
cert_free(struct cert *c)
{
	mbedtls_x509_crt_free(&c->chain);
	mbedtls_pk_free(&c->key);
	for (size_t i = 0; i < c->info.host_count; i++)
		free(c->hosts[i]);
	free(c->name);
	free(c);
}

struct certset *
certset_new(struct random *random)
{
	struct certset *set = xcalloc(1, sizeof *set);

	atomic_init(&set->refs, 1);
	set->random = random;
	return set;
}

struct certset *
certset_ref(struct certset *set)
{
	atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	return set;
}

void
certset_unref(struct certset *set)
{
	if (!set || atomic_fetch_sub_explicit(&set->refs, 1,
	    memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < set->count; i++)
		cert_free(set->certs[i]);
	free(set);
}

/*
 * The library's PEM parsers want a NUL and count it. Owned, or NULL with a
 * sentence in *why; freed by pem_free.
 */
static unsigned char *
pem_copy(struct span pem, const char *what, struct buf *why)
{
	unsigned char *p;

	if (pem.len == 0 || pem.len > CERT_FILE_MAX) {
		buf_printf(why, "the %s is %s", what,
		    pem.len ? "too large" : "empty");
		return NULL;
	}
	p = xmalloc(pem.len + 1);
	memcpy(p, pem.p, pem.len);
	p[pem.len] = '\0';
	return p;
}

static void
pem_free(unsigned char *p, size_t len)
{
	if (p)
		mbedtls_platform_zeroize(p, len);
	free(p);
}

static int
parse_chain(mbedtls_x509_crt *chain, struct span pem, struct buf *why)
{
	unsigned char *p = pem_copy(pem, "certificate", why);
	int ret;

	if (!p)
		return ERR_CONFIG;
	ret = mbedtls_x509_crt_parse(chain, p, pem.len + 1);
	pem_free(p, pem.len);
	if (ret < 0)
		net_mbed_error(why, "the certificate is not PEM", ret);
	else if (ret > 0)
		buf_printf(why, "%d certificates of the chain cannot be read",
		    ret);
	return ret == 0 ? 0 : ERR_CONFIG;
}

static int
parse_key(mbedtls_pk_context *key, struct span pem, struct random *random,
    struct buf *why)
{
	unsigned char *p = pem_copy(pem, "key", why);
	int ret;

	if (!p)
		return ERR_CONFIG;
#if MBEDTLS_IS_3
	ret = mbedtls_pk_parse_key(key, p, pem.len + 1, NULL, 0, net_rng,
	    random);
#else
	(void)random;
	ret = mbedtls_pk_parse_key(key, p, pem.len + 1, NULL, 0);
#endif
	pem_free(p, pem.len);
	if (ret != 0)
		net_mbed_error(why, "the key cannot be read", ret);
	return ret == 0 ? 0 : ERR_CONFIG;
}

static int
check_pair(struct cert *c, struct random *random, struct buf *why)
{
#if MBEDTLS_IS_3
	int ret = mbedtls_pk_check_pair(&c->chain.pk, &c->key, net_rng,
	    random);
#else
	int ret = mbedtls_pk_check_pair(&c->chain.pk, &c->key);

	(void)random;
#endif
	if (ret == 0)
		return 0;
	buf_adds(why, "the key does not belong to the certificate");
	return ERR_CONFIG;
}

/*
 * Signs once: that the key can, and so that what the key computes at its
 * first signature is there before several threads sign with it.
 */
static int
cert_prove_key(struct cert *c, struct random *random, struct buf *why)
{
	unsigned char sig[MBEDTLS_PK_SIGNATURE_MAX_SIZE], hash[32] = { 0 };
	size_t sig_len;
#if MBEDTLS_IS_3
	int ret = mbedtls_pk_sign(&c->key, MBEDTLS_MD_SHA256, hash,
	    sizeof hash, sig, sizeof sig, &sig_len, net_rng, random);
#else
	int ret = mbedtls_pk_sign(&c->key, MBEDTLS_MD_SHA256, hash,
	    sizeof hash, sig, &sig_len, net_rng, random);
#endif

	if (ret != 0)
		net_mbed_error(why, "the key cannot sign", ret);
	return ret == 0 ? 0 : ERR_CONFIG;
}

static int
check_strength(struct cert *c, struct buf *why)
{
	size_t bits = mbedtls_pk_get_bitlen(&c->chain.pk);
	size_t min = mbedtls_pk_can_do(&c->chain.pk, MBEDTLS_PK_RSA) ?
	    RSA_BITS_MIN : EC_BITS_MIN;

	if (bits >= min)
		return 0;
	buf_printf(why, "the key has %zu bits; at least %zu are needed", bits,
	    min);
	return ERR_CONFIG;
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar. */
static int64_t
days_from_civil(int64_t y, int64_t m, int64_t d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int64_t
time_of(const mbedtls_x509_time *t)
{
	return days_from_civil(t->year, t->mon, t->day) * 86400 +
	    t->hour * 3600 + t->min * 60 + t->sec;
}

/*
 * RFC 5929 section 4.1: the hash of the certificate's signature algorithm,
 * but SHA-256 where that is MD5 or SHA-1.
 */
static mbedtls_md_type_t
endpoint_md(const mbedtls_x509_crt *crt)
{
#if MBEDTLS_IS_3
	mbedtls_md_type_t md = crt->MBEDTLS_PRIVATE(sig_md);
#else
	mbedtls_md_type_t md = crt->sig_md;
#endif

	return md == MBEDTLS_MD_SHA384 || md == MBEDTLS_MD_SHA512 ? md :
	    MBEDTLS_MD_SHA256;
}

static int
cert_hashes(struct cert_info *info, const mbedtls_x509_crt *crt)
{
	const mbedtls_md_info_t *sha = mbedtls_md_info_from_type(
	    MBEDTLS_MD_SHA256);
	const mbedtls_md_info_t *md = mbedtls_md_info_from_type(
	    endpoint_md(crt));

	if (!sha || !md || mbedtls_md_get_size(md) > CERT_ENDPOINT_MAX)
		return ERR_CONFIG;
	info->endpoint_len = mbedtls_md_get_size(md);
	if (mbedtls_md(sha, crt->raw.p, crt->raw.len, info->fingerprint) ||
	    mbedtls_md(md, crt->raw.p, crt->raw.len, info->endpoint))
		return ERR_CONFIG;
	return 0;
}

static int
cert_facts(struct cert_info *info, const mbedtls_x509_crt *crt,
    struct buf *why)
{
	info->not_before_s = time_of(&crt->valid_from);
	info->not_after_s = time_of(&crt->valid_to);
	if (cert_hashes(info, crt) == 0)
		return 0;
	buf_adds(why, "the certificate cannot be hashed");
	return ERR_CONFIG;
}

/*
 * The name in lower case, or NULL if it is none that a client could ask for:
 * a NUL or a space inside it is an attempt to look like another one.
 */
static char *
host_copy(const mbedtls_x509_buf *b)
{
	char *host;

	if (b->len == 0 || b->len > HOST_MAX)
		return NULL;
	host = xmalloc(b->len + 1);
	for (size_t i = 0; i < b->len; i++) {
		unsigned char c = ascii_lower(b->p[i]);
		bool is_star = c == '*' && i == 0 && b->len > 2 &&
		    b->p[1] == '.';

		if (!is_star && !(c >= 'a' && c <= 'z') &&
		    !(c >= '0' && c <= '9') && c != '-' && c != '.' &&
		    c != '_') {
			free(host);
			return NULL;
		}
		host[i] = (char)c;
	}
	host[b->len] = '\0';
	return host;
}

/* host[] has room for CERT_NAMES_MAX; what is over is left out. */
static size_t
host_put(char **hosts, size_t count, const mbedtls_x509_buf *b)
{
	char *host = count < CERT_NAMES_MAX ? host_copy(b) : NULL;

	if (host)
		hosts[count++] = host;
	return count;
}

/*
 * RFC 6125 section 6.4.4: the common name counts only where there is no DNS
 * name in subjectAltName.
 */
static size_t
cert_hosts(const mbedtls_x509_crt *crt, char **hosts)
{
	size_t n = 0;

	for (const mbedtls_x509_sequence *s = &crt->subject_alt_names;
	    s && s->buf.p; s = s->next)
		if ((s->buf.tag & 0xff) == (MBEDTLS_ASN1_CONTEXT_SPECIFIC |
		    MBEDTLS_X509_SAN_DNS_NAME))
			n = host_put(hosts, n, &s->buf);
	if (n > 0)
		return n;
	for (const mbedtls_x509_name *d = &crt->subject; d; d = d->next)
		if (d->oid.p && MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN,
		    &d->oid) == 0)
			n = host_put(hosts, n, &d->val);
	return n;
}

int
certset_add(struct certset *set, const char *name, struct span chain_pem,
    struct span key_pem, struct buf *why)
{
	struct cert *c;
	int err;

	if (set->count == CERT_SETS_MAX) {
		buf_printf(why, "more than %d certificates", CERT_SETS_MAX);
		return ERR_CONFIG;
	}
	c = cert_new();
	if ((err = parse_chain(&c->chain, chain_pem, why)) < 0 ||
	    (err = parse_key(&c->key, key_pem, set->random, why)) < 0 ||
	    (err = check_pair(c, set->random, why)) < 0 ||
	    (err = check_strength(c, why)) < 0 ||
	    (err = cert_prove_key(c, set->random, why)) < 0 ||
	    (err = cert_facts(&c->info, &c->chain, why)) < 0) {
		cert_free(c);
		return err;
	}
	c->info.name = c->name = xstrdup(name);
	c->info.host_count = cert_hosts(&c->chain, c->hosts);
	c->info.hosts = (const char *const *)c->hosts;
	set->certs[set->count++] = c;
	return 0;
}

size_t
certset_count(const struct certset *set)
{
	return set->count;
}

const struct cert_info *
certset_info(const struct certset *set, size_t i)
{
	return &set->certs[i]->info;
}

mbedtls_x509_crt *
certset_chain(struct certset *set, size_t i)
{
	return &set->certs[i]->chain;
}

mbedtls_pk_context *
certset_key(struct certset *set, size_t i)
{
	return &set->certs[i]->key;
}

static bool
cert_has_host(const struct cert *c, struct span host)
{
	for (size_t i = 0; i < c->info.host_count; i++)
		if (span_ieq(host, span_of(c->hosts[i])))
			return true;
	return false;
}

/* RFC 6125 section 6.4.3: "*" stands for exactly one label. */
static bool
cert_has_wildcard(const struct cert *c, struct span host)
{
	const char *dot = span_chr(host, '.');
	struct span rest;

	if (!dot || dot == host.p)
		return false;
	rest = span_from(host, (size_t)(dot - host.p));
	for (size_t i = 0; i < c->info.host_count; i++)
		if (c->hosts[i][0] == '*' &&
		    span_ieq(rest, span_of(c->hosts[i] + 1)))
			return true;
	return false;
}

size_t
certset_choose(const struct certset *set, struct span server_name)
{
	struct span host = server_name;

	if (host.len && host.p[host.len - 1] == '.')
		host.len--;
	for (size_t i = 0; i < set->count; i++)
		if (cert_has_host(set->certs[i], host))
			return i;
	for (size_t i = 0; i < set->count; i++)
		if (cert_has_wildcard(set->certs[i], host))
			return i;
	return 0;
}

int
cert_describe(struct span pem, struct cert_info *info, struct buf *hosts,
    struct buf *why)
{
	struct cert *c = cert_new();
	int err;

	*info = (struct cert_info){ .name = "" };
	if ((err = parse_chain(&c->chain, pem, why)) == 0 &&
	    (err = cert_facts(info, &c->chain, why)) == 0) {
		c->info.host_count = cert_hosts(&c->chain, c->hosts);
		for (size_t i = 0; i < c->info.host_count; i++) {
			buf_adds(hosts, c->hosts[i]);
			buf_addc(hosts, '\n');
		}
		info->host_count = c->info.host_count;
	}
	cert_free(c);
	return err;
}
