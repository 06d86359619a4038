/*
 * Threads: which message answers which (RFC 5256 section 3).
 *
 * Messages are added one by one, in the order of the mailbox; then the work
 * goes on in pieces; then the answer is there as a list. All of it is linear
 * but for sorting, and none of it recurs: a thread may be as deep as there
 * are messages.
 */
#ifndef STORE_FOREST_H
#define STORE_FOREST_H

#include "server/base/budget.h"
#include "server/base/hash.h"
#include "store/mime/digest.h"
#include "store/sort.h"

struct reader;

/*
 * One message of the answer, and how many parentheses go before and behind
 * it: "(1 2)(3)" is 1: 1 0, 2: 0 1, 3: 1 1.
 */
struct thread_step {
	uint32_t row;
	uint32_t opens, closes;
};

struct forest;

/* For at most row_cap messages; charged. NULL: over the budget. */
struct forest *forest_new(enum thread_by by, const struct hash_key *key,
    struct budget *budget, size_t row_cap);
void forest_free(struct forest *f);

/* The next message. Returns 0 or ERR_BUDGET. */
int forest_add(struct forest *f, const struct sort_row *row,
    const struct digest_keys *keys);

/* Goes on, once all are added. 0: done. 1: the slice is over. ERR_BUDGET. */
int forest_run(struct forest *f, const struct reader *r);

/* The answer: as many steps as there are messages; lives as long as f. */
const struct thread_step *forest_steps(const struct forest *f);

#endif
