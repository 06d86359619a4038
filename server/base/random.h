/*
 * Random bytes, injected: the system's generator, or a seeded stream so that
 * a test script gets the same ids every time.
 *
 * Thread: any for the system's; the seeded one belongs to one thread.
 */
#ifndef SERVER_BASE_RANDOM_H
#define SERVER_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
	void (*fill)(struct random *, void *p, size_t len);
};

static inline void
random_fill(struct random *r, void *p, size_t len)
{
	r->fill(r, p, len);
}

/* libsodium's generator; shared, constant. Call base_random_start first. */
struct random *random_system(void);

/* Once, before any thread: 0, or ERR_CRYPTO if there is no randomness. */
int base_random_start(void);

struct seeded_random {
	struct random random;
	unsigned char seed[32];
	uint64_t counter;
};
void seeded_random_init(struct seeded_random *s, uint64_t seed);

#endif
