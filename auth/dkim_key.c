/*
 * DKIM keys: made, published, used. mbedTLS for RSA, libsodium for Ed25519.
 */
#include <mbedtls/md.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/rsa.h>
#include <mbedtls/version.h>

#include <sodium.h>
#include <stdlib.h>

#include "auth/dkim.h"
#include "auth/dkim_priv.h"
#include "auth/secret_priv.h"
#include "server/base/codec.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/mime/date.h"

#define RSA_EXPONENT 65537
#define SEED_LEN 32		/* RFC 8032 section 5.1.5 */

_Static_assert(SEED_LEN == crypto_sign_SEEDBYTES, "the key of RFC 8032");

/* libsodium's generator is the system's. */
static int
fill_random(void *unused, unsigned char *p, size_t len)
{
	(void)unused;
	randombytes_buf(p, len);
	return 0;
}

/* Behind mbedTLS's writers, which begin at the end of their space. */
static int
put_written(struct buf *out, unsigned char *space, size_t size, int written)
{
	if (written > 0)
		buf_add(out, space + size - (size_t)written,
		    (size_t)written);
	mbedtls_platform_zeroize(space, size);
	return written > 0 ? 0 : ERR_CRYPTO;
}

/* ---- RSA ---- */

static int
make_rsa(struct buf *der)
{
	unsigned char space[DKIM_KEY_MAX];
	mbedtls_pk_context pk;
	int err = ERR_CRYPTO;

	mbedtls_pk_init(&pk);
	if (mbedtls_pk_setup(&pk,
	    mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)) == 0 &&
	    mbedtls_rsa_gen_key(mbedtls_pk_rsa(pk), fill_random, NULL,
	    DKIM_RSA_BITS, RSA_EXPONENT) == 0)
		err = put_written(der, space, sizeof space,
		    mbedtls_pk_write_key_der(&pk, space, sizeof space));
	mbedtls_pk_free(&pk);
	return err;
}

static int
read_private(mbedtls_pk_context *pk, struct span der)
{
	int ret;

	mbedtls_pk_init(pk);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	ret = mbedtls_pk_parse_key(pk, (const unsigned char *)der.p, der.len,
	    NULL, 0, fill_random, NULL);
#else
	ret = mbedtls_pk_parse_key(pk, (const unsigned char *)der.p, der.len,
	    NULL, 0);
#endif
	return ret == 0 && mbedtls_pk_get_type(pk) == MBEDTLS_PK_RSA ? 0 :
	    ERR_CRYPTO;
}

static int
put_rsa_public(struct buf *out, struct span der)
{
	unsigned char space[DKIM_KEY_MAX];
	mbedtls_pk_context pk;
	int err = read_private(&pk, der);

	if (err == 0)
		err = put_written(out, space, sizeof space,
		    mbedtls_pk_write_pubkey_der(&pk, space, sizeof space));
	mbedtls_pk_free(&pk);
	return err;
}

static int
sign_rsa(struct buf *out, struct span der,
    const unsigned char hash[DKIM_HASH_LEN])
{
	unsigned char sig[MBEDTLS_MPI_MAX_SIZE];
	mbedtls_pk_context pk;
	size_t len = 0;
	int err = read_private(&pk, der);

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	if (err == 0 && mbedtls_pk_sign(&pk, MBEDTLS_MD_SHA256, hash,
	    DKIM_HASH_LEN, sig, sizeof sig, &len, fill_random, NULL) != 0)
		err = ERR_CRYPTO;
#else
	if (err == 0 && mbedtls_pk_sign(&pk, MBEDTLS_MD_SHA256, hash,
	    DKIM_HASH_LEN, sig, &len, fill_random, NULL) != 0)
		err = ERR_CRYPTO;
#endif
	if (err == 0)
		buf_add(out, sig, len);
	mbedtls_pk_free(&pk);
	return err;
}

int
dkim_rsa_verify(struct span key, struct span signature,
    const unsigned char hash[DKIM_HASH_LEN], unsigned *bits)
{
	mbedtls_pk_context pk;
	int err = ERR_CRYPTO;

	*bits = 0;
	mbedtls_pk_init(&pk);
	if (mbedtls_pk_parse_public_key(&pk, (const unsigned char *)key.p,
	    key.len) != 0 || mbedtls_pk_get_type(&pk) != MBEDTLS_PK_RSA) {
		err = ERR_SYNTAX;
	} else {
		*bits = (unsigned)mbedtls_pk_get_bitlen(&pk);
		/* RFC 8301 section 3.2, before any work is done with it. */
		if (*bits < DKIM_RSA_BITS_MIN || *bits > DKIM_RSA_BITS_MAX)
			err = ERR_RANGE;
		else if (mbedtls_pk_verify(&pk, MBEDTLS_MD_SHA256, hash,
		    DKIM_HASH_LEN, (const unsigned char *)signature.p,
		    signature.len) == 0)
			err = 0;
	}
	mbedtls_pk_free(&pk);
	return err;
}

/* ---- Ed25519 (RFC 8463) ---- */

static int
put_ed25519_public(struct buf *out, struct span seed)
{
	unsigned char public[crypto_sign_PUBLICKEYBYTES];
	unsigned char secret[crypto_sign_SECRETKEYBYTES];

	if (seed.len != SEED_LEN)
		return ERR_CRYPTO;
	crypto_sign_seed_keypair(public, secret,
	    (const unsigned char *)seed.p);
	sodium_memzero(secret, sizeof secret);
	buf_add(out, public, sizeof public);
	return 0;
}

static int
sign_ed25519(struct buf *out, struct span seed,
    const unsigned char hash[DKIM_HASH_LEN])
{
	unsigned char public[crypto_sign_PUBLICKEYBYTES];
	unsigned char secret[crypto_sign_SECRETKEYBYTES];
	unsigned char sig[crypto_sign_BYTES];

	if (seed.len != SEED_LEN)
		return ERR_CRYPTO;
	crypto_sign_seed_keypair(public, secret,
	    (const unsigned char *)seed.p);
	/* RFC 8463 section 3: PureEdDSA over the hash. */
	crypto_sign_detached(sig, NULL, hash, DKIM_HASH_LEN, secret);
	sodium_memzero(secret, sizeof secret);
	buf_add(out, sig, sizeof sig);
	return 0;
}

int
dkim_ed25519_verify(struct span key, struct span signature,
    const unsigned char hash[DKIM_HASH_LEN])
{
	if (key.len != crypto_sign_PUBLICKEYBYTES)
		return ERR_SYNTAX;
	if (signature.len != crypto_sign_BYTES)
		return ERR_CRYPTO;
	return crypto_sign_verify_detached(
	    (const unsigned char *)signature.p, hash, DKIM_HASH_LEN,
	    (const unsigned char *)key.p) == 0 ? 0 : ERR_CRYPTO;
}

/* ---- both ---- */

int
dkim_key_sign(struct buf *out, const struct dkim_key *key,
    const unsigned char hash[DKIM_HASH_LEN])
{
	return key->algorithm == DKIM_ED25519_SHA256 ?
	    sign_ed25519(out, key->der, hash) : sign_rsa(out, key->der, hash);
}

int
dkim_key_make(struct buf *der, enum dkim_algorithm algorithm)
{
	unsigned char seed[SEED_LEN];

	if (algorithm == DKIM_RSA_SHA256)
		return make_rsa(der);
	randombytes_buf(seed, sizeof seed);
	buf_add(der, seed, sizeof seed);
	sodium_memzero(seed, sizeof seed);
	return 0;
}

int
dkim_key_record(struct buf *out, struct span der,
    enum dkim_algorithm algorithm)
{
	struct buf public = BUF_INIT;
	int err = algorithm == DKIM_ED25519_SHA256 ?
	    put_ed25519_public(&public, der) : put_rsa_public(&public, der);

	if (err == 0) {
		buf_printf(out, "v=DKIM1; k=%s; p=",
		    algorithm == DKIM_ED25519_SHA256 ? "ed25519" : "rsa");
		base64_encode(out, public.p, public.len);
	}
	buf_release(&public);
	return err;
}

void
dkim_selector_make(struct buf *out, int64_t now_s,
    enum dkim_algorithm algorithm)
{
	struct buf iso = BUF_INIT;

	date_put_iso(&iso, now_s);	/* "2026-05-31T..." */
	buf_adds(out, "kp");
	for (size_t i = 0; i < 10 && i < iso.len; i++)
		if (iso.p[i] != '-')
			buf_addc(out, iso.p[i]);
	if (algorithm == DKIM_ED25519_SHA256)
		buf_addc(out, 'e');
	buf_release(&iso);
}

/* ---- the job ---- */

static void
key_job_free(struct op *op)
{
	struct dkim_key_job *k = CONTAINER_OF(op, struct dkim_key_job, j.op);

	secret_release(&k->der);
	buf_release(&k->record);
	free(k->domain);
	free(k);
}

static void
key_job_run(struct job *j)
{
	struct dkim_key_job *k = CONTAINER_OF(j, struct dkim_key_job, j);

	/* A growing buffer would leave copies of the key behind. */
	buf_reserve(&k->der, DKIM_KEY_MAX);
	j->op.err = dkim_key_make(&k->der, k->algorithm);
	if (j->op.err == 0)
		j->op.err = dkim_key_record(&k->record, buf_span(&k->der),
		    k->algorithm);
}

struct dkim_key_job *
dkim_key_job_new(struct post *home, struct session *owner,
    const char *domain, enum dkim_algorithm algorithm)
{
	struct dkim_key_job *k = xcalloc(1, sizeof *k);

	op_init(&k->j.op, owner, home, key_job_free);
	k->j.run = key_job_run;
	k->domain = xstrdup(domain);
	k->algorithm = algorithm;
	buf_init(&k->der);
	buf_init(&k->record);
	return k;
}
