/*
 * DMARC: does the domain in From vouch for this message, and what does it
 * ask for where it does not (RFC 9989, by the walk up the tree of DNS).
 *
 * A policy over facts, like spf.h: DMARC_NEED means ask and call again.
 */
#ifndef AUTH_DMARC_H
#define AUTH_DMARC_H

#include "auth/dmarc_record.h"
#include "server/base/arena.h"
#include "server/base/span.h"

struct facts;

#define DMARC_QUERIES_MAX 8u	/* of one walk; RFC 9989 section 4.10 */
#define DMARC_DKIM_MAX 8u	/* signatures that are looked at */
#define DMARC_REASON_MAX 128u

enum dmarc_result {
	DMARC_NEED,		/* facts are missing; no result */
	DMARC_NO_RECORD,	/* "none": the mechanism does not apply */
	DMARC_PASS, DMARC_FAIL,
	DMARC_TEMPERROR		/* DNS could not say */
};

/* Domains are lower-case A-labels. Borrowed for the call. */
struct dmarc_input {
	struct span from;		/* the one domain in From */
	/* RFC 9989 section 4.4.2: of MAIL FROM, where SPF passed; or empty */
	struct span spf;
	/* d= of the signatures that verified */
	const struct span *dkim;
	size_t dkim_count;
};

struct dmarc_verdict {
	enum dmarc_result result;
	enum dmarc_request asked;	/* by the record, for this domain */
	enum dmarc_request applied;	/* the same, or less where t=y */
	bool is_spf_aligned, is_dkim_aligned;
	struct span policy_domain;	/* whose record it is; in arena */
	struct span org_domain;		/* of From; in arena */
	struct dmarc_record record;	/* its spans lie in facts */
	char reason[DMARC_REASON_MAX];	/* visible ASCII */
};

/* Returns v->result. */
enum dmarc_result dmarc_check(struct facts *facts,
    const struct dmarc_input *in, struct arena *arena,
    struct dmarc_verdict *v);

/* "pass", "fail", ...; RFC 9989 section 9.2. */
const char *dmarc_result_name(enum dmarc_result r);

#endif
