/*
 * Search keys: a typed tree, and its evaluation in two steps.
 *
 * First over what the array knows (flags, UIDs, sizes, internal dates), on
 * the loop, with the answer "not known" for the rest; then, for those rows
 * only, on a reader with the rest of the row, digest and text. Semantics are those of RFC 9051
 * section 6.4.4; strings are UTF-8, case-folded (utf8_fold_loose) by the parser.
 */
#ifndef STORE_SEARCH_H
#define STORE_SEARCH_H

#include "server/base/arena.h"
#include "server/base/span.h"
#include "store/mailbox.h"
#include "store/uidset.h"

enum search_op {
	SEARCH_ALL, SEARCH_NONE,
	SEARCH_AND, SEARCH_OR, SEARCH_NOT,	/* kids */
	SEARCH_FLAGS,		/* all bits of mask set */
	SEARCH_RECENT,		/* row.recent */
	SEARCH_UIDS,		/* uids (sequence sets come translated) */
	SEARCH_LARGER, SEARCH_SMALLER,		/* number, bytes */
	SEARCH_BEFORE, SEARCH_ON, SEARCH_SINCE,	/* day: internal date, UTC */
	SEARCH_SENT_BEFORE, SEARCH_SENT_ON, SEARCH_SENT_SINCE,	/* Date field */
	SEARCH_OLDER, SEARCH_YOUNGER,		/* number: seconds before now_s */
	SEARCH_MODSEQ,		/* modseq >= number */
	SEARCH_EMAIL,		/* number: EMAILID */
	SEARCH_HEADER,		/* name, text ("" : the field is there) */
	SEARCH_SUBJECT, SEARCH_FROM, SEARCH_TO, SEARCH_CC, SEARCH_BCC,
	SEARCH_BODY, SEARCH_TEXT,		/* text */
	SEARCH_THREAD,				/* number: THREADID */
	SEARCH_SAVED_BEFORE, SEARCH_SAVED_ON, SEARCH_SAVED_SINCE /* day */
};

struct search_key {
	enum search_op op;
	uint64_t mask;
	uint64_t number;
	int64_t day;			/* days since 1970-01-01 */
	int64_t now_s;
	struct uidset uids;		/* v in the tree's arena */
	struct span name;		/* HEADER: lower case; a keyword's */
	struct span text;		/* folded needle */
	struct search_key **kids;
	size_t kid_count;
};

struct search_row {
	struct msgrow row;		/* flags as the asking view sees them */
	bool recent;
};

enum tri { TRI_NO, TRI_YES, TRI_UNKNOWN };

/* What the array alone can tell. Pure. Depth is capped by the parser (64). */
enum tri search_eval_row(const struct search_key *k,
    const struct search_row *r);

/* Whether any row could need a reader. */
bool search_needs_reader(const struct search_key *k);

/* A deep copy. */
struct search_key *search_key_copy(const struct search_key *k,
    struct arena *a);

#endif
