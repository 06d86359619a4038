#include "server/base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"

/*
 * Under AddressSanitizer what is not handed out is poisoned and a red zone
 * follows every piece, so that an overrun inside a block is found as surely
 * as one of malloc's.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define ARENA_RED_ZONE 16
#else
#define ASAN_POISON_MEMORY_REGION(p, len) ((void)(p), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(p, len) ((void)(p), (void)(len))
#define ARENA_RED_ZONE 0
#endif

#define ARENA_FIRST 1024		/* an idle session's arena is small */
#define ARENA_BLOCK_MAX ((size_t)64 * 1024)
#define ARENA_KEEP_MAX ((size_t)16 * 1024)
#define ARENA_ALIGN _Alignof(max_align_t)

struct arena_block {
	struct arena_block *next;
	size_t cap;		/* bytes in data */
	size_t used;
	_Alignas(max_align_t) char data[];
};

static struct arena_block *
block_new(size_t cap)
{
	struct arena_block *b;

	if (cap > SIZE_MAX - sizeof *b)
		abort();
	b = xmalloc(sizeof *b + cap);
	b->next = NULL;
	b->cap = cap;
	b->used = 0;
	ASAN_POISON_MEMORY_REGION(b->data, cap);
	return b;
}

static void
block_free(struct arena_block *b)
{
	ASAN_UNPOISON_MEMORY_REGION(b->data, b->cap);
	free(b);
}

/*
 * A block with room for need bytes. A large piece gets a block of its own
 * behind the head, so that the room left in the head is not lost.
 */
static struct arena_block *
arena_block_for(struct arena *a, size_t need)
{
	struct arena_block *head = a->head, *b;
	size_t cap;

	if (head && head->cap - head->used >= need)
		return head;
	cap = head ? MIN(head->cap * 2, ARENA_BLOCK_MAX) : ARENA_FIRST;
	if (head && need > cap) {
		b = block_new(need);
		b->next = head->next;
		head->next = b;
		return b;
	}
	b = block_new(MAX(cap, need));
	b->next = head;
	a->head = b;
	return b;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b;
	size_t need;
	char *p;

	if (size > SIZE_MAX - ARENA_RED_ZONE - ARENA_ALIGN)
		abort();
	need = size + ARENA_RED_ZONE;
	need = MAX(need, 1);
	need = (need + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
	b = arena_block_for(a, need);
	p = b->data + b->used;
	b->used += need;
	a->used += size;
	ASAN_UNPOISON_MEMORY_REGION(p, size);
	memset(p, 0, size);
	return p;
}

void *
arena_array(struct arena *a, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		abort();
	return arena_alloc(a, total);
}

void *
arena_memdup(struct arena *a, const void *p, size_t len)
{
	void *copy = arena_alloc(a, len);

	if (len)
		memcpy(copy, p, len);
	return copy;
}

struct span
arena_span(struct arena *a, struct span s)
{
	return span_make(arena_memdup(a, s.p, s.len), s.len);
}

char *
arena_str(struct arena *a, struct span s)
{
	char *copy = arena_array(a, s.len + 1, 1);

	if (s.len)
		memcpy(copy, s.p, s.len);
	return copy;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		abort();
	p = arena_alloc(a, (size_t)len + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)len + 1, fmt, ap);
	va_end(ap);
	return p;
}

void
arena_clear(struct arena *a)
{
	struct arena_block *keep = NULL;

	for (struct arena_block *b = a->head, *next; b; b = next) {
		next = b->next;
		if (!keep && b->cap <= ARENA_KEEP_MAX)
			keep = b;
		else
			block_free(b);
	}
	if (keep) {
		keep->next = NULL;
		keep->used = 0;
		ASAN_POISON_MEMORY_REGION(keep->data, keep->cap);
	}
	a->head = keep;
	a->used = 0;
}

void
arena_release(struct arena *a)
{
	for (struct arena_block *b = a->head, *next; b; b = next) {
		next = b->next;
		block_free(b);
	}
	*a = (struct arena){ 0 };
}
