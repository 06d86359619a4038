#include "server/base/random.h"

#include <string.h>

#include <sodium.h>

#include "server/base/err.h"
#include "server/base/list.h"

_Static_assert(sizeof(((struct seeded_random *)0)->seed) ==
    randombytes_SEEDBYTES, "libsodium's seed size");

static void
system_fill(struct random *r, void *p, size_t len)
{
	(void)r;
	randombytes_buf(p, len);
}

struct random *
random_system(void)
{
	static const struct random random = { system_fill };

	/* Nobody writes to it; the type is not const for the seeded one. */
	return (struct random *)&random;
}

int
base_random_start(void)
{
	return sodium_init() < 0 ? ERR_CRYPTO : 0;
}

/* Every call has a stream of its own: the seed with the count behind it. */
static void
seeded_fill(struct random *r, void *p, size_t len)
{
	struct seeded_random *s = CONTAINER_OF(r, struct seeded_random,
	    random);
	unsigned char seed[randombytes_SEEDBYTES];

	memcpy(seed, s->seed, sizeof seed);
	memcpy(seed + sizeof seed - sizeof s->counter, &s->counter,
	    sizeof s->counter);
	s->counter++;
	randombytes_buf_deterministic(p, len, seed);
}

void
seeded_random_init(struct seeded_random *s, uint64_t seed)
{
	*s = (struct seeded_random){ .random = { seeded_fill } };
	memcpy(s->seed, &seed, sizeof seed);
}
