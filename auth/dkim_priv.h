/*
 * What DKIM's files share: operations with keys. For auth alone.
 */
#ifndef AUTH_DKIM_PRIV_H
#define AUTH_DKIM_PRIV_H

#include "auth/dkim.h"

/* RFC 8301 section 3.2; beyond the upper one lies only work for us. */
#define DKIM_RSA_BITS_MIN 1024u
#define DKIM_RSA_BITS_MAX 4096u

/* Appends the signature of a hash. 0 or ERR_CRYPTO. Milliseconds. */
int dkim_key_sign(struct buf *out, const struct dkim_key *key,
    const unsigned char hash[DKIM_HASH_LEN]);

/*
 * 0: it is the key's signature; ERR_CRYPTO: it is not; ERR_SYNTAX: the key
 * is none; ERR_RANGE: its size is not acceptable. *bits: of the key.
 */
int dkim_rsa_verify(struct span key, struct span signature,
    const unsigned char hash[DKIM_HASH_LEN], unsigned *bits);
int dkim_ed25519_verify(struct span key, struct span signature,
    const unsigned char hash[DKIM_HASH_LEN]);

#endif
