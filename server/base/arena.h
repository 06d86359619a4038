/*
 * A bump allocator: everything a command allocates, freed at once.
 *
 * Zero-initialised is empty and usable. Blocks grow geometrically up to
 * 64 KiB; larger requests get a block of their own. Pointers stay valid until
 * arena_clear or arena_release.
 */
#ifndef SERVER_BASE_ARENA_H
#define SERVER_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "server/base/span.h"

struct arena_block;

struct arena {
	struct arena_block *head;	/* newest first */
	size_t used;			/* bytes handed out since the last clear */
};

/* Zeroed memory, aligned for any type. Aborts when out of memory. */
void *arena_alloc(struct arena *a, size_t size);

/* Zeroed memory for count elements; aborts if count * size overflows. */
void *arena_array(struct arena *a, size_t count, size_t size);

/* Copies; the results live in the arena. arena_str is NUL-terminated. */
void *arena_memdup(struct arena *a, const void *p, size_t len);
struct span arena_span(struct arena *a, struct span s);
char *arena_str(struct arena *a, struct span s);
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Forgets everything, keeps one block of at most 16 KiB for reuse. */
void arena_clear(struct arena *a);

/* Forgets and frees everything; the arena is empty and usable again. */
void arena_release(struct arena *a);

#endif
