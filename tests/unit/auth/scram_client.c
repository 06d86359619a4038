#include "tests/unit/auth/scram_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/base64.h>
#include <mbedtls/md.h>
#include <mbedtls/pkcs5.h>
#include <mbedtls/version.h>

#define TEXT_MAX 4096

void
scram_client_init(struct scram_client *c, const char *user,
    const char *password)
{
	*c = (struct scram_client){ .user = user, .password = password,
	    .nonce = "fyko+d2lbbFgONRv9qkxdawL", .gs2 = "n,,", .extra = "" };
	buf_init(&c->first);
	buf_init(&c->final);
}

void
scram_client_release(struct scram_client *c)
{
	buf_release(&c->first);
	buf_release(&c->final);
}

void
scram_client_first(struct scram_client *c)
{
	buf_clear(&c->first);
	buf_printf(&c->first, "%sn=%s,r=%s%s", c->gs2, c->user, c->nonce,
	    c->extra);
}

static void
hmac(const unsigned char key[32], const char *text, unsigned char out[32])
{
	if (mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256),
	    key, 32, (const unsigned char *)text, strlen(text), out) != 0)
		abort();
}

static void
salt_password(const char *password, const unsigned char *salt,
    size_t salt_len, unsigned count, unsigned char out[32])
{
	const unsigned char *p = (const unsigned char *)password;
	int err;

#if MBEDTLS_VERSION_NUMBER >= 0x03030000
	err = mbedtls_pkcs5_pbkdf2_hmac_ext(MBEDTLS_MD_SHA256, p,
	    strlen(password), salt, salt_len, count, 32, out);
#else
	mbedtls_md_context_t md;

	mbedtls_md_init(&md);
	if (mbedtls_md_setup(&md,
	    mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 1) != 0)
		abort();
	err = mbedtls_pkcs5_pbkdf2_hmac(&md, p, strlen(password), salt,
	    salt_len, count, 32, out);
	mbedtls_md_free(&md);
#endif
	if (err != 0)
		abort();
}

static void
put_base64(struct buf *out, const void *p, size_t len)
{
	unsigned char text[TEXT_MAX];
	size_t n;

	if (mbedtls_base64_encode(text, sizeof text, &n, p, len) != 0)
		abort();
	buf_add(out, text, n);
}

static void
sign(struct scram_client *c, const char *auth, const unsigned char *salt,
    size_t salt_len, unsigned count)
{
	unsigned char salted[32], key[32], stored[32], signature[32];

	salt_password(c->password, salt, salt_len, count, salted);
	hmac(salted, "Client Key", key);
	if (mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key, 32,
	    stored) != 0)
		abort();
	hmac(stored, auth, signature);
	for (size_t i = 0; i < sizeof key; i++)
		key[i] ^= signature[i];
	buf_adds(&c->final, ",p=");
	put_base64(&c->final, key, sizeof key);
	hmac(salted, "Server Key", key);
	hmac(key, auth, c->auth);
}

bool
scram_client_final(struct scram_client *c, struct span server_first)
{
	char nonce[1024], salt64[256], first[TEXT_MAX];
	unsigned char salt[128];
	struct buf auth = BUF_INIT, cbind = BUF_INIT;
	size_t salt_len;
	unsigned count;

	(void)snprintf(first, sizeof first, "%.*s", SPAN_ARG(server_first));
	if (sscanf(first, "r=%1023[^,],s=%255[^,],i=%u", nonce, salt64,
	    &count) != 3 || strncmp(nonce, c->nonce, strlen(c->nonce)) != 0 ||
	    mbedtls_base64_decode(salt, sizeof salt, &salt_len,
	    (unsigned char *)salt64, strlen(salt64)) != 0)
		return false;
	buf_adds(&cbind, c->gs2);
	buf_addspan(&cbind, c->binding);
	buf_clear(&c->final);
	buf_adds(&c->final, "c=");
	put_base64(&c->final, cbind.p, cbind.len);
	buf_printf(&c->final, ",r=%s%s", nonce, c->extra);
	buf_printf(&auth, "%s,%s,%s", c->first.p + strlen(c->gs2), first,
	    c->final.p);
	sign(c, auth.p, salt, salt_len, count);
	buf_release(&auth);
	buf_release(&cbind);
	return true;
}

bool
scram_client_verify(struct scram_client *c, struct span server_final)
{
	struct buf want = BUF_INIT;
	bool same;

	buf_adds(&want, "v=");
	put_base64(&want, c->auth, sizeof c->auth);
	same = span_eq(buf_span(&want), server_final);
	buf_release(&want);
	return same;
}
