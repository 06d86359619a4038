/*
 * The cache of passwords that were right: 256 sets of 4 entries. A password's
 * keyed hash chooses the set and is compared with its entries; only what has
 * been verified is put in, so nobody can fill it with guesses.
 */
#include "auth/passwd.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "server/base/xalloc.h"

#define WAYS 4
#define SETS (PASSCACHE_ENTRIES / WAYS)
#define KEY_LEN crypto_generichash_KEYBYTES
#define DIGEST_LEN 32

struct passcache_entry {
	unsigned char digest[DIGEST_LEN];
	uint64_t cred;
	int64_t until_ms;
	bool used;
};

struct passcache {
	unsigned char key[KEY_LEN];
	struct passcache_entry sets[SETS][WAYS];
};

struct passcache *
passcache_new(struct random *r)
{
	struct passcache *pc = xcalloc(1, sizeof *pc);

	random_fill(r, pc->key, sizeof pc->key);
	return pc;
}

void
passcache_free(struct passcache *pc)
{
	if (!pc)
		return;
	sodium_memzero(pc, sizeof *pc);
	free(pc);
}

static void
make_digest(const struct passcache *pc, const struct cred_account *a,
    struct span password, unsigned char digest[DIGEST_LEN])
{
	const uint64_t ids[2] = { a->account, a->version };
	crypto_generichash_state h;

	(void)crypto_generichash_init(&h, pc->key, sizeof pc->key,
	    DIGEST_LEN);
	(void)crypto_generichash_update(&h, (const unsigned char *)ids,
	    sizeof ids);
	(void)crypto_generichash_update(&h,
	    (const unsigned char *)password.p, password.len);
	(void)crypto_generichash_final(&h, digest, DIGEST_LEN);
	sodium_memzero(&h, sizeof h);
}

static struct passcache_entry *
get_set(struct passcache *pc, const unsigned char digest[DIGEST_LEN])
{
	return pc->sets[(digest[0] | (unsigned)digest[1] << 8) % SETS];
}

static struct passcache_entry *
find_entry(struct passcache_entry *set,
    const unsigned char digest[DIGEST_LEN])
{
	struct passcache_entry *found = NULL;

	for (size_t i = 0; i < WAYS; i++)
		if (sodium_memcmp(set[i].digest, digest, DIGEST_LEN) == 0 &&
		    set[i].used)
			found = &set[i];
	return found;
}

/* The first that is free, or the one that would end first. */
static struct passcache_entry *
find_victim(struct passcache_entry *set)
{
	struct passcache_entry *victim = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (!set[i].used)
			return &set[i];
		if (set[i].until_ms < victim->until_ms)
			victim = &set[i];
	}
	return victim;
}

void
passcache_put(struct passcache *pc, const struct cred_account *a,
    struct span password, uint64_t cred, int64_t now_ms)
{
	unsigned char digest[DIGEST_LEN];
	struct passcache_entry *set, *e;

	make_digest(pc, a, password, digest);
	set = get_set(pc, digest);
	e = find_entry(set, digest);
	if (!e)
		e = find_victim(set);
	memcpy(e->digest, digest, DIGEST_LEN);
	e->cred = cred;
	e->until_ms = now_ms + PASSCACHE_MS;
	e->used = true;
}

bool
passcache_find(struct passcache *pc, const struct cred_account *a,
    struct span password, int64_t now_ms, uint64_t *cred)
{
	unsigned char digest[DIGEST_LEN];
	struct passcache_entry *e;

	make_digest(pc, a, password, digest);
	e = find_entry(get_set(pc, digest), digest);
	if (!e)
		return false;
	if (now_ms >= e->until_ms) {
		sodium_memzero(e, sizeof *e);
		return false;
	}
	*cred = e->cred;
	return true;
}
