/*
 * Hashes that need no secret policy: keyed 64-bit ones for tables (seeded, so
 * that nobody outside can aim for collisions) and BLAKE2b for contents.
 */
#ifndef SERVER_BASE_HASH_H
#define SERVER_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

struct hash_key {
	unsigned char bytes[16];
};

/* SipHash-2-4. */
uint64_t hash64(const struct hash_key *key, const void *p, size_t len);

#define BLAKE2B_LEN 32	/* bytes of a BLAKE2b-256 */

/*
 * A BLAKE2b-256 in steps. Movable by memcpy, and of ordinary alignment, so
 * that structs which embed it may come from malloc. blake2b_final wipes it.
 */
struct blake2b {
	uint64_t state[48];
};
void blake2b_init(struct blake2b *h);
void blake2b_add(struct blake2b *h, const void *p, size_t len);
void blake2b_final(struct blake2b *h, unsigned char out[BLAKE2B_LEN]);

/* In one go; key may be NULL with key_len 0, else 16..64 bytes. */
void blake2b_256(unsigned char out[BLAKE2B_LEN], const void *p, size_t len,
    const void *key, size_t key_len);

/*
 * A hash table from 64-bit keys to pointers, seeded by nothing because its
 * keys are ids of ours or already hashed with a key.
 */
struct idmap_slot {
	uint64_t key;
	void *value;	/* NULL: free */
};
struct idmap {
	struct idmap_slot *slots;	/* open addressing, power of two */
	size_t cap;
	size_t count;
};
/* Zero-initialised is empty. A value must not be NULL. */
void *idmap_find(const struct idmap *m, uint64_t key);	/* NULL: none */
void idmap_put(struct idmap *m, uint64_t key, void *value);
void *idmap_take(struct idmap *m, uint64_t key);	/* removes; NULL: none */
void idmap_release(struct idmap *m);

#endif
