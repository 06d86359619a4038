#include "auth/passwd.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "auth/secret_priv.h"
#include "server/base/cursor.h"
#include "server/base/err.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"

_Static_assert(CRED_ARGON2_MAX >= crypto_pwhash_argon2id_STRBYTES,
    "a stored hash has room");
_Static_assert(CRED_KEY_LEN == HMAC_LEN, "SCRAM-SHA-256 keys");

#define DEVICE_GROUPS 7
#define DEVICE_GROUP_LEN 4

struct keys {
	unsigned char stored[CRED_KEY_LEN];
	unsigned char server[CRED_KEY_LEN];
};

/* Unicode's category Zs without U+0020. */
static bool
is_other_space(uint32_t cp)
{
	return cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) ||
	    cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

static bool
is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7F && cp < 0xA0);
}

static bool
has_control(struct span s)
{
	uint32_t cp;
	size_t len;

	for (; s.len; s = span_from(s, len)) {
		len = utf8_decode(s, &cp);
		if (is_control(cp))
			return true;
	}
	return false;
}

/* RFC 8265 section 4.2.2: additional mapping, then normalisation. */
static int
opaque_string(struct buf *out, struct span s)
{
	struct buf mapped = BUF_INIT;
	uint32_t cp;
	size_t len;
	int err;

	buf_reserve(&mapped, s.len);
	for (; s.len; s = span_from(s, len)) {
		len = utf8_decode(s, &cp);
		if (is_other_space(cp))
			buf_addc(&mapped, ' ');
		else
			buf_add(&mapped, s.p, len);
	}
	err = utf8_nfc(out, buf_span(&mapped));
	secret_release(&mapped);
	return err;
}

int
passwd_prepare(struct buf *out, struct span password)
{
	secret_release(out);
	if (password.len == 0 || password.len > PASSWD_MAX ||
	    !utf8_is_valid(password) || has_control(password))
		return ERR_SYNTAX;
	if (utf8_is_ascii(password)) {
		secret_set(out, password);
		return 0;
	}
	/* NFC makes UTF-8 at most three times as long. */
	buf_reserve(out, 3 * password.len);
	if (opaque_string(out, password) < 0 || out->len == 0) {
		secret_release(out);
		return ERR_SYNTAX;
	}
	return 0;
}

/*
 * PBKDF2-HMAC-SHA-256 (RFC 8018 section 5.2) for one block of 32 bytes, which
 * is Hi() of RFC 5802 section 2.2. libsodium's HMAC state is copied after the
 * key, so that the key is not hashed again in each round; that makes it twice
 * as fast as mbedTLS's.
 */
static void
pbkdf2(unsigned char out[HMAC_LEN], struct span password, struct span salt,
    unsigned iterations)
{
	static const unsigned char block[4] = { 0, 0, 0, 1 };
	crypto_auth_hmacsha256_state keyed, h;
	unsigned char u[HMAC_LEN];

	crypto_auth_hmacsha256_init(&keyed,
	    (const unsigned char *)password.p, password.len);
	h = keyed;
	crypto_auth_hmacsha256_update(&h, (const unsigned char *)salt.p,
	    salt.len);
	crypto_auth_hmacsha256_update(&h, block, sizeof block);
	crypto_auth_hmacsha256_final(&h, u);
	memcpy(out, u, sizeof u);
	for (unsigned i = 1; i < iterations; i++) {
		h = keyed;
		crypto_auth_hmacsha256_update(&h, u, sizeof u);
		crypto_auth_hmacsha256_final(&h, u);
		for (size_t j = 0; j < sizeof u; j++)
			out[j] ^= u[j];
	}
	sodium_memzero(&keyed, sizeof keyed);
	sodium_memzero(&h, sizeof h);
	sodium_memzero(u, sizeof u);
}

/* RFC 5802 section 3: StoredKey and ServerKey of a prepared password. */
static void
derive_keys(struct keys *k, struct span password, struct span salt,
    unsigned iterations)
{
	const struct span client = SPAN("Client Key");
	const struct span server = SPAN("Server Key");
	unsigned char salted[HMAC_LEN], key[HMAC_LEN];

	pbkdf2(salted, password, salt, iterations);
	hmac_sha256(key, secret_span(salted, sizeof salted), &client, 1);
	crypto_hash_sha256(k->stored, key, sizeof key);
	hmac_sha256(k->server, secret_span(salted, sizeof salted), &server, 1);
	sodium_memzero(salted, sizeof salted);
	sodium_memzero(key, sizeof key);
}

int
passwd_make_cred(struct span password, struct span salt,
    enum cred_kind kind, const struct passwd_params *params, struct cred *c)
{
	struct buf prepared = BUF_INIT;
	struct keys k;
	int err;

	*c = (struct cred){ .kind = kind, .scope = SCOPE_SMTP | SCOPE_IMAP |
	    SCOPE_POP3 | SCOPE_SIEVE | SCOPE_WEB };
	if (salt.len == 0 || salt.len > CRED_SALT_MAX ||
	    params->iterations == 0)
		return ERR_SYNTAX;
	if ((err = passwd_prepare(&prepared, password)) < 0)
		return err;
	derive_keys(&k, buf_span(&prepared), salt, params->iterations);
	memcpy(c->stored_key, k.stored, sizeof k.stored);
	memcpy(c->server_key, k.server, sizeof k.server);
	if (kind == CRED_PASSWORD && crypto_pwhash_argon2id_str(c->argon2,
	    prepared.p, prepared.len, params->passes, params->memory) != 0)
		err = ERR_CRYPTO;
	sodium_memzero(&k, sizeof k);
	secret_release(&prepared);
	return err;
}

/*
 * 32 characters, 5 bits each: neither l and 1 nor o and 0. 7 groups of 4 are
 * 140 bits.
 */
void
passwd_generate(struct random *r, struct buf *out)
{
	static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char bytes[DEVICE_GROUPS * DEVICE_GROUP_LEN];

	_Static_assert(sizeof alphabet == 32 + 1, "5 bits a character");
	random_fill(r, bytes, sizeof bytes);
	buf_reserve(out, sizeof bytes + DEVICE_GROUPS);
	for (size_t i = 0; i < sizeof bytes; i++) {
		if (i > 0 && i % DEVICE_GROUP_LEN == 0)
			buf_addc(out, '-');
		buf_addc(out, alphabet[bytes[i] % 32]);
	}
	sodium_memzero(bytes, sizeof bytes);
}

/*
 * libsodium tells a wrong password from trouble by errno alone: EINVAL is a
 * mismatch, anything else is memory that could not be had or a stored hash
 * that cannot be read.
 */
static int
argon2_check(const char *stored, struct span password)
{
	errno = 0;
	if (crypto_pwhash_argon2id_str_verify(stored, password.p,
	    password.len) == 0)
		return 0;
	return errno == EINVAL ? ERR_AUTH : ERR_CRYPTO;
}

/* The price of argon2_check, for nothing. */
static int
argon2_burn(struct span password, const struct passwd_params *params)
{
	static const unsigned char salt[crypto_pwhash_argon2id_SALTBYTES];
	unsigned char out[HMAC_LEN];
	int err;

	err = crypto_pwhash_argon2id(out, sizeof out, password.p,
	    password.len, salt, params->passes, params->memory,
	    crypto_pwhash_argon2id_ALG_ARGON2ID13);
	sodium_memzero(out, sizeof out);
	return err == 0 ? ERR_AUTH : ERR_CRYPTO;
}

/* Looks at every device password, whichever of them it is. */
static bool
find_device(const struct cred_account *a, struct span password, size_t *index)
{
	bool found = false;
	struct keys k;

	derive_keys(&k, password, secret_span(a->salt, a->salt_len),
	    a->iterations);
	for (size_t i = 0; i < a->cred_count; i++) {
		if (sodium_memcmp(a->creds[i].stored_key, k.stored,
		    sizeof k.stored) == 0 &&
		    a->creds[i].kind == CRED_DEVICE) {
			found = true;
			*index = i;
		}
	}
	sodium_memzero(&k, sizeof k);
	return found;
}

static int
find_credential(const struct cred_account *a, struct span password,
    const struct passwd_params *params, size_t *index)
{
	int hashed = 0, err = ERR_AUTH;

	if (find_device(a, password, index))
		return 0;
	for (size_t i = 0; i < a->cred_count && err == ERR_AUTH; i++) {
		if (a->creds[i].kind != CRED_PASSWORD)
			continue;
		hashed++;
		err = argon2_check(a->creds[i].argon2, password);
		if (err == 0)
			*index = i;
	}
	return hashed ? err : argon2_burn(password, params);
}

int
passwd_verify(const struct cred_account *a, struct span password,
    const struct passwd_params *params, size_t *index)
{
	struct buf prepared = BUF_INIT;
	size_t at = 0;
	int bad, err;

	/* What cannot be a password is wrong like any other, and as slowly. */
	bad = passwd_prepare(&prepared, password);
	err = find_credential(a, buf_span(&prepared), params, &at);
	if (bad && err == 0)
		err = ERR_AUTH;
	if (err == 0)
		*index = at;
	secret_release(&prepared);
	return err;
}

/* The m= of "$argon2id$v=19$m=19456,t=2,p=1$...", in bytes; 0: none. */
static size_t
argon2_memory(const char *stored)
{
	struct cursor c = cursor_of(stored);
	uint64_t kib;

	if (!cursor_skip_word(&c, "$argon2id$v=19$m=") ||
	    !cursor_number(&c, UINT32_MAX, &kib))
		return 0;
	return (size_t)kib * 1024;
}

size_t
passwd_verify_memory(const struct cred_account *a,
    const struct passwd_params *params)
{
	size_t most = params->memory;

	for (size_t i = 0; i < a->cred_count; i++)
		most = MAX(most, argon2_memory(a->creds[i].argon2));
	return most;
}

void
passwd_fake(struct cred_account *a, struct span name,
    const unsigned char secret[32], const struct passwd_params *params)
{
	const struct span parts[] = { SPAN("scram salt "), name };
	unsigned char salt[HMAC_LEN];

	hmac_sha256(salt, secret_span(secret, 32), parts, COUNT(parts));
	memcpy(a->salt, salt, PASSWD_SALT_LEN);
	a->salt_len = PASSWD_SALT_LEN;
	a->iterations = params->iterations;
}
