/*
 * Putting messages in order: the keys of SORT (RFC 5256, RFC 5957).
 */
#ifndef STORE_SORT_H
#define STORE_SORT_H

#include <stdbool.h>
#include <stdint.h>

enum sort_by {
	SORT_ARRIVAL,		/* internal date */
	SORT_CC,
	SORT_DATE,		/* sent; where there is none internal date */
	SORT_DISPLAYFROM,
	SORT_DISPLAYTO,
	SORT_FROM,
	SORT_SIZE,
	SORT_SUBJECT,		/* base subject */
	SORT_TO
};

struct sort_term {
	enum sort_by by;
	bool reverse;
};

/* What a reader needs to know of a message beside its digest. 24 bytes. */
struct sort_row {
	uint64_t body;
	int64_t internaldate_s;
	uint32_t uid;
	uint32_t size;
};

#endif
