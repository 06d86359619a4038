#include "server/base/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "server/base/xalloc.h"

_Static_assert(sizeof(crypto_generichash_state) ==
    sizeof(((struct blake2b *)0)->state), "libsodium's state size");
_Static_assert(sizeof(((struct hash_key *)0)->bytes) ==
    crypto_shorthash_KEYBYTES, "libsodium's SipHash key size");

uint64_t
hash64(const struct hash_key *key, const void *p, size_t len)
{
	uint64_t out;

	crypto_shorthash((unsigned char *)&out, len ? p : key->bytes, len,
	    key->bytes);
	return out;
}

/*
 * libsodium wants its state on a boundary of 64 bytes, which malloc does not
 * give to the structs that embed ours. The state is copied in and out: 768
 * bytes moved for each call, little beside the hashing of what a call brings.
 */
void
blake2b_init(struct blake2b *h)
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, BLAKE2B_LEN);
	memcpy(h->state, &st, sizeof st);
}

void
blake2b_add(struct blake2b *h, const void *p, size_t len)
{
	crypto_generichash_state st;

	if (len == 0)
		return;
	memcpy(&st, h->state, sizeof st);
	crypto_generichash_update(&st, p, len);
	memcpy(h->state, &st, sizeof st);
}

void
blake2b_final(struct blake2b *h, unsigned char out[BLAKE2B_LEN])
{
	crypto_generichash_state st;

	memcpy(&st, h->state, sizeof st);
	crypto_generichash_final(&st, out, BLAKE2B_LEN);
	sodium_memzero(&st, sizeof st);
	sodium_memzero(h, sizeof *h);
}

void
blake2b_256(unsigned char out[BLAKE2B_LEN], const void *p, size_t len,
    const void *key, size_t key_len)
{
	int err = crypto_generichash(out, BLAKE2B_LEN, p, len, key, key_len);

	assert(err == 0);	/* only a key of a wrong length fails */
	(void)err;
}

#define IDMAP_FIRST 16

/* Fibonacci hashing: ids are dense, so the high bits of a product spread. */
static size_t
idmap_home(const struct idmap *m, uint64_t key)
{
	return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) &
	    (m->cap - 1);
}

/* The key's slot, or the free one where it would go. */
static struct idmap_slot *
idmap_slot(const struct idmap *m, uint64_t key)
{
	size_t i = idmap_home(m, key);

	while (m->slots[i].value && m->slots[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return &m->slots[i];
}

static void
idmap_grow(struct idmap *m)
{
	struct idmap old = *m;

	m->cap = old.cap ? old.cap * 2 : IDMAP_FIRST;
	m->slots = xcalloc(m->cap, sizeof *m->slots);
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].value)
			*idmap_slot(m, old.slots[i].key) = old.slots[i];
	free(old.slots);
}

void *
idmap_find(const struct idmap *m, uint64_t key)
{
	return m->count ? idmap_slot(m, key)->value : NULL;
}

void
idmap_put(struct idmap *m, uint64_t key, void *value)
{
	struct idmap_slot *slot;

	assert(value);
	if (m->count + 1 > m->cap / 4 * 3)
		idmap_grow(m);
	slot = idmap_slot(m, key);
	if (!slot->value)
		m->count++;
	*slot = (struct idmap_slot){ key, value };
}

/*
 * Removal leaves no marks: those behind the hole that may move into it do,
 * so a probe never has to pass over the dead.
 */
void *
idmap_take(struct idmap *m, uint64_t key)
{
	size_t mask = m->cap - 1, hole;
	struct idmap_slot *slot;
	void *value;

	if (m->count == 0 || !(slot = idmap_slot(m, key))->value)
		return NULL;
	value = slot->value;
	hole = (size_t)(slot - m->slots);
	for (size_t i = (hole + 1) & mask; m->slots[i].value;
	    i = (i + 1) & mask) {
		size_t home = idmap_home(m, m->slots[i].key);

		/* Its home is behind the hole: it has to stay there. */
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		m->slots[hole] = m->slots[i];
		hole = i;
	}
	m->slots[hole] = (struct idmap_slot){ 0, NULL };
	m->count--;
	return value;
}

void
idmap_release(struct idmap *m)
{
	free(m->slots);
	*m = (struct idmap){ 0 };
}
