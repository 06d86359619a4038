/*
 * SPF: may this address send for this domain (RFC 7208).
 *
 * A policy over facts (server/base/facts.h): where an answer of DNS is
 * missing it is noted, with all others that the record at hand can be seen to
 * need, and SPF_NEED comes back; once they are known it is called again from
 * the start. An answer that never came is a fact too, and a temperror.
 */
#ifndef AUTH_SPF_H
#define AUTH_SPF_H

#include <stdint.h>

#include "server/base/addr.h"
#include "server/base/arena.h"
#include "server/base/span.h"

struct facts;

/* RFC 7208 section 4.6.4 */
#define SPF_LOOKUPS_MAX 10u	/* terms that ask DNS */
#define SPF_VOIDS_MAX 2u	/* of them, answered with nothing */
#define SPF_HOSTS_MAX 10u	/* of one mx or ptr */

#define SPF_REASON_MAX 128u
#define SPF_EXPLANATION_MAX 256u

enum spf_result {
	SPF_NEED,		/* facts are missing; no result */
	SPF_NONE, SPF_NEUTRAL, SPF_PASS, SPF_FAIL, SPF_SOFTFAIL,
	SPF_TEMPERROR, SPF_PERMERROR
};

/* Borrowed for the call. */
struct spf_input {
	const struct addr *ip;		/* of the client */
	struct span local, domain;	/* reverse-path; domain empty: null */
	struct span helo;		/* A-labels; an address literal is none */
	const char *receiver;		/* our host name */
	int64_t now_s;
};

struct spf_verdict {
	enum spf_result result;
	struct span domain;		/* that was asked; in arena */
	char reason[SPF_REASON_MAX];	/* visible ASCII: what decided */
	/* Of exp=, visible ASCII, for SPF_FAIL; a stranger's words. "": none */
	char explanation[SPF_EXPLANATION_MAX];
};

/*
 * check_host() for MAIL FROM or, with a null reverse-path, for HELO as
 * section 2.4 has it. Returns v->result.
 */
enum spf_result spf_check(struct facts *facts, const struct spf_input *in,
    struct arena *arena, struct spf_verdict *v);

/* "pass", ...; RFC 8601 section 2.7.2. */
const char *spf_result_name(enum spf_result r);

#endif
