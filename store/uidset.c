#include "store/uidset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"

void
uidset_release(struct uidset *s)
{
	free(s->v);
	*s = (struct uidset){ 0 };
}

void
uidset_clear(struct uidset *s)
{
	s->n = 0;
}

static void
uidset_reserve(struct uidset *s, size_t cap)
{
	if (cap <= s->cap)
		return;
	/* Most sets are one range and stay so. */
	s->cap = s->cap ? MAX(cap, s->cap * 2) : cap;
	s->v = xreallocarray(s->v, s->cap, sizeof *s->v);
}

size_t
uidset_seek(const struct uidset *s, uint32_t uid)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->v[mid].hi < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* At the end, or touching the last range: what rising order comes to. */
static bool
uidset_append(struct uidset *s, uint32_t lo, uint32_t hi)
{
	struct uidrange *last = s->n ? &s->v[s->n - 1] : NULL;

	if (last && lo < last->lo)
		return false;
	if (last && lo - 1 <= last->hi) {
		last->hi = MAX(last->hi, hi);
		return true;
	}
	uidset_reserve(s, s->n + 1);
	s->v[s->n++] = (struct uidrange){ lo, hi };
	return true;
}

void
uidset_add(struct uidset *s, uint32_t lo, uint32_t hi)
{
	size_t first, end;

	assert(lo >= 1 && lo <= hi);
	if (uidset_append(s, lo, hi))
		return;
	/* Ranges first..end-1 overlap or touch [lo, hi] and melt into it. */
	first = uidset_seek(s, lo - 1);
	for (end = first; end < s->n && s->v[end].lo - 1 <= hi; end++) {
		lo = MIN(lo, s->v[end].lo);
		hi = MAX(hi, s->v[end].hi);
	}
	if (end == first) {
		uidset_reserve(s, s->n + 1);
		memmove(s->v + first + 1, s->v + first,
		    (s->n - first) * sizeof *s->v);
		s->n++;
	} else {
		memmove(s->v + first + 1, s->v + end,
		    (s->n - end) * sizeof *s->v);
		s->n -= end - first - 1;
	}
	s->v[first] = (struct uidrange){ lo, hi };
}

void
uidset_merge(struct uidset *to, const struct uidset *from)
{
	struct uidset out = { 0 };
	size_t i = 0, j = 0;

	/* A few more into a large set: cheaper one by one. */
	if (from->n < 8) {
		for (; j < from->n; j++)
			uidset_add(to, from->v[j].lo, from->v[j].hi);
		return;
	}
	uidset_reserve(&out, to->n + from->n);
	while (i < to->n || j < from->n) {
		const struct uidrange *r;

		if (j == from->n ||
		    (i < to->n && to->v[i].lo <= from->v[j].lo))
			r = &to->v[i++];
		else
			r = &from->v[j++];
		(void)uidset_append(&out, r->lo, r->hi);
	}
	free(to->v);
	*to = out;
}

/* By halves: one after the other would walk the result n times. */
void
uidset_unite(struct uidset *to, const struct uidset *const *v, size_t n)
{
	struct uidset rest = { 0 };

	uidset_clear(to);
	if (n == 1)
		uidset_copy(to, v[0]);
	if (n < 2)
		return;
	uidset_unite(to, v, n / 2);
	uidset_unite(&rest, v + n / 2, n - n / 2);
	uidset_merge(to, &rest);
	uidset_release(&rest);
}

bool
uidset_has(const struct uidset *s, uint32_t uid)
{
	size_t i = uidset_seek(s, uid);

	return i < s->n && s->v[i].lo <= uid;
}

uint64_t
uidset_count(const struct uidset *s)
{
	uint64_t count = 0;

	for (size_t i = 0; i < s->n; i++)
		count += (uint64_t)s->v[i].hi - s->v[i].lo + 1;
	return count;
}

void
uidset_remove(struct uidset *s, uint32_t lo, uint32_t hi)
{
	size_t first = uidset_seek(s, lo), end = first;
	struct uidrange left[2];
	size_t n = 0;

	while (end < s->n && s->v[end].lo <= hi)
		end++;
	if (first == end)
		return;
	if (s->v[first].lo < lo)
		left[n++] = (struct uidrange){ s->v[first].lo, lo - 1 };
	if (s->v[end - 1].hi > hi)
		left[n++] = (struct uidrange){ hi + 1, s->v[end - 1].hi };
	uidset_reserve(s, s->n + n);
	memmove(s->v + first + n, s->v + end, (s->n - end) * sizeof *s->v);
	memcpy(s->v + first, left, n * sizeof *left);
	s->n = s->n - (end - first) + n;
}

void
uidset_intersect(struct uidset *to, const struct uidset *a,
    const struct uidset *b)
{
	size_t i = 0, j = 0;

	uidset_clear(to);
	while (i < a->n && j < b->n) {
		const struct uidrange *x = &a->v[i], *y = &b->v[j];
		uint32_t lo = MAX(x->lo, y->lo), hi = MIN(x->hi, y->hi);

		if (lo <= hi)
			uidset_add(to, lo, hi);
		if (x->hi < y->hi)
			i++;
		else
			j++;
	}
}

void
uidset_subtract(struct uidset *to, const struct uidset *a,
    const struct uidset *b)
{
	size_t j = 0;

	uidset_clear(to);
	for (size_t i = 0; i < a->n; i++) {
		uint64_t lo = a->v[i].lo, hi = a->v[i].hi;

		while (j < b->n && b->v[j].hi < lo)
			j++;
		for (; j < b->n && b->v[j].lo <= hi; j++) {
			if (lo < b->v[j].lo)
				uidset_add(to, (uint32_t)lo,
				    b->v[j].lo - 1);
			lo = (uint64_t)b->v[j].hi + 1;
			if (lo > hi)
				break;
		}
		if (lo <= hi)
			uidset_add(to, (uint32_t)lo, (uint32_t)hi);
	}
}

uint32_t
uidset_next(const struct uidset *s, uint32_t uid)
{
	size_t i = uidset_seek(s, uid);

	return i < s->n ? MAX(s->v[i].lo, uid) : 0;
}

void
uidset_slice(struct uidset *to, const struct uidset *from, uint64_t first,
    uint64_t count)
{
	uidset_clear(to);
	for (size_t i = 0; i < from->n && count > 0; i++) {
		const struct uidrange *r = &from->v[i];
		uint64_t len = (uint64_t)r->hi - r->lo + 1, here;

		if (first >= len) {
			first -= len;
			continue;
		}
		here = MIN(len - first, count);
		uidset_add(to, (uint32_t)(r->lo + first),
		    (uint32_t)(r->lo + first + here - 1));
		count -= here;
		first = 0;
	}
}

void
uidset_copy(struct uidset *to, const struct uidset *from)
{
	to->n = 0;
	uidset_reserve(to, from->n);
	if (from->n)
		memcpy(to->v, from->v, from->n * sizeof *to->v);
	to->n = from->n;
}

void
uidset_put(struct buf *out, const struct uidset *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (i)
			buf_addc(out, ',');
		buf_addu(out, s->v[i].lo);
		if (s->v[i].hi != s->v[i].lo) {
			buf_addc(out, ':');
			buf_addu(out, s->v[i].hi);
		}
	}
}
