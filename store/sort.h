/*
 * Putting messages in order: what SORT and THREAD ask for (RFC 5256, 5957).
 */
#ifndef STORE_SORT_H
#define STORE_SORT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/mailbox.h"

enum sort_by {
	SORT_ARRIVAL,		/* internal date */
	SORT_CC,
	SORT_DATE,		/* sent; where there is none internal date */
	SORT_DISPLAYFROM,
	SORT_DISPLAYTO,
	SORT_FROM,
	SORT_RELEVANCY,		/* the highest UID first */
	SORT_SIZE,
	SORT_SUBJECT,		/* base subject */
	SORT_TO
};

struct sort_term {
	enum sort_by by;
	bool reverse;
};

/* RFC 5256 section 3; REFS: draft-ietf-morg-inthread. */
enum thread_by { THREAD_ORDEREDSUBJECT, THREAD_REFERENCES, THREAD_REFS };

/* What a reader needs to know of a message beside its digest. 24 bytes. */
struct sort_row {
	uint64_t body;
	int64_t internaldate_s;
	uint32_t uid;
	uint32_t size;
};

static inline struct sort_row
sort_row_of(const struct msgrow *row)
{
	return (struct sort_row){
		.body = row->body,
		.internaldate_s = row->internaldate_s,
		.uid = row->uid,
		.size = row->size
	};
}

#endif
