#include "auth/secret_priv.h"

#include <sodium.h>

void
secret_release(struct buf *b)
{
	if (b->cap)
		sodium_memzero(b->p, b->cap);
	buf_release(b);
}

void
secret_set(struct buf *b, struct span s)
{
	secret_release(b);
	buf_reserve(b, s.len);
	buf_addspan(b, s);
}

void
hmac_sha256(unsigned char out[HMAC_LEN], struct span key,
    const struct span *parts, size_t count)
{
	crypto_auth_hmacsha256_state h;

	crypto_auth_hmacsha256_init(&h, (const unsigned char *)key.p,
	    key.len);
	for (size_t i = 0; i < count; i++)
		crypto_auth_hmacsha256_update(&h,
		    (const unsigned char *)parts[i].p, parts[i].len);
	crypto_auth_hmacsha256_final(&h, out);
	sodium_memzero(&h, sizeof h);
}
