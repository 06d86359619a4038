/*
 * A set of UIDs as sorted, disjoint, non-adjacent ranges.
 */
#ifndef STORE_UIDSET_H
#define STORE_UIDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"

struct uidrange {
	uint32_t lo, hi;	/* both inside; 1 <= lo <= hi */
};

/* Zero-initialised is empty. */
struct uidset {
	struct uidrange *v;
	size_t n;
	size_t cap;
};

void uidset_release(struct uidset *s);
void uidset_clear(struct uidset *s);
/* Adding in rising order is O(1); any order is legal. */
void uidset_add(struct uidset *s, uint32_t lo, uint32_t hi);
/* Adds all of from; linear in both. */
void uidset_merge(struct uidset *to, const struct uidset *from);
/* to becomes all of v[0..n) together: m log n for m ranges in them. */
void uidset_unite(struct uidset *to, const struct uidset *const *v,
    size_t n);
/* The first range whose end is not below uid; n if there is none. */
size_t uidset_seek(const struct uidset *s, uint32_t uid);
bool uidset_has(const struct uidset *s, uint32_t uid);
uint64_t uidset_count(const struct uidset *s);
void uidset_remove(struct uidset *s, uint32_t lo, uint32_t hi);
/* to, another set, becomes those of a that b has, or has not. Linear. */
void uidset_intersect(struct uidset *to, const struct uidset *a,
    const struct uidset *b);
void uidset_subtract(struct uidset *to, const struct uidset *a,
    const struct uidset *b);
/* The lowest that is not below uid; 0: none. */
uint32_t uidset_next(const struct uidset *s, uint32_t uid);
/* to becomes those from the first-th (0: the lowest) on, at most count. */
void uidset_slice(struct uidset *to, const struct uidset *from,
    uint64_t first, uint64_t count);
void uidset_copy(struct uidset *to, const struct uidset *from);
/* "1:3,7" ; nothing for the empty set. */
void uidset_put(struct buf *out, const struct uidset *s);

#endif
