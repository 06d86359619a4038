/*
 * Sorting on a reader, in slices: a merge sort that can stop anywhere.
 *
 * An item is ordered by its key's bytes; what is equal stays in the order of
 * its rows.
 */
#ifndef STORE_MSORT_H
#define STORE_MSORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader;

struct sort_item {
	uint64_t head;			/* the key's first bytes, as a number */
	const unsigned char *rest;	/* and those behind it */
	uint32_t rest_len;
	uint32_t row;
};

/* < 0, 0 or > 0, by the keys alone. */
int sort_item_compare(const struct sort_item *a, const struct sort_item *b);

struct msort {
	struct sort_item *v;		/* sorted, once it is over */
	struct sort_item *spare;	/* as many */
	size_t n;
	/* Runs of width are sorted; out of the merged ones are in spare. */
	size_t width, out;
	size_t i, j;			/* where in the two runs at hand */
};

/* v and spare have room for n items each and change places now and then. */
void msort_init(struct msort *m, struct sort_item *v,
    struct sort_item *spare, size_t n);

/* Goes on until all is sorted, or, false, the slice is over. */
bool msort_run(struct msort *m, const struct reader *r);

#endif
