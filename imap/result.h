/*
 * The untagged answer to a search: SEARCH's list of numbers, or ESEARCH with
 * what RETURN asks for (RFC 4731, RFC 9394, RFC 6203), in pieces.
 */
#ifndef IMAP_RESULT_H
#define IMAP_RESULT_H

#include "imap/finder.h"

struct result {
	const struct finder *f;		/* is over, and found something */
	bool uid;			/* it tells UIDs */
	const char *mailbox;		/* RFC 7377: where; NULL: selected */
	/* The numbers, and where in what was found their making is. */
	struct uidset numbers;
	size_t numbered;
	bool is_putting;
	size_t range;			/* in numbers */
	uint64_t scored;		/* places whose relevancy is told */
	bool has_scores;
	uint32_t number;		/* 0: the range's first */
};

/* f stays the caller's, and as it is. */
void result_init(struct result *s, const struct finder *f, bool uid);
void result_release(struct result *s);	/* legal on a zeroed one */

/* Puts it, or the next piece; false: call again in the next step. */
bool result_put(struct imap *im, struct result *s);

/* The page that PARTIAL asks for, of what was found or of its numbers. */
void result_cut_page(const struct imap *im, struct uidset *page,
    const struct uidset *of);

#endif
