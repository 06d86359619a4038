/*
 * The tree of search keys, for whoever can answer its leaves.
 */
#ifndef STORE_SEARCH_PRIV_H
#define STORE_SEARCH_PRIV_H

#include "store/search.h"

/* Embedded by what knows about one message. */
struct search_leaves {
	enum tri (*leaf)(struct search_leaves *, const struct search_key *);
};

/* AND, OR and NOT over three values; kids are asked only where needed. */
enum tri search_eval(const struct search_key *k, struct search_leaves *l);

/* A leaf that the row alone can answer; TRI_UNKNOWN for the others. */
enum tri search_row_leaf(const struct search_key *k,
    const struct search_row *r);

#endif
