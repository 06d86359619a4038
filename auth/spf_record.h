/*
 * SPF records: their grammar and their macros (RFC 7208 sections 4.6, 5, 6
 * and 7). Pure; what a record means for a client is spf.h's business.
 */
#ifndef AUTH_SPF_RECORD_H
#define AUTH_SPF_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/addr.h"
#include "server/base/arena.h"
#include "server/base/buf.h"
#include "server/base/cursor.h"

/*
 * A TXT record above is no policy anybody could publish by hand; RFC 7208
 * section 3.4 asks for what fits a 512 octet answer.
 */
#define SPF_RECORD_MAX 16384u
#define SPF_TERMS_MAX 512u
#define SPF_NAME_MAX 253u	/* RFC 7208 section 7.3 */

enum spf_mechanism {
	SPF_ALL, SPF_INCLUDE, SPF_A, SPF_MX, SPF_PTR, SPF_IP4, SPF_IP6,
	SPF_EXISTS
};

struct spf_term {
	enum spf_mechanism mechanism;
	char qualifier;			/* '+' '-' '~' '?' */
	struct span text;		/* as written, for reasons */
	struct span domain_spec;	/* with macros; empty: the domain */
	struct addr_net net;		/* ip4, ip6 */
	unsigned cidr4, cidr6;		/* a, mx: 0..32, 0..128 */
};

/* Spans lie in the text that was parsed, terms in the arena. */
struct spf_record {
	struct spf_term *terms;
	size_t count;
	struct span redirect;		/* domain-spec; empty: none */
	struct span explanation;	/* of exp=; empty: none */
};

/* Whether a TXT record is an SPF record at all (section 4.5). */
bool spf_is_record(struct span txt);

/*
 * The whole of a record for which spf_is_record holds. PARSE_BAD: an error
 * of syntax anywhere in it, which is a permerror (section 4.6).
 */
enum parse spf_record_parse(struct span txt, struct arena *a,
    struct spf_record *r);

/* What macros stand for. */
struct spf_macros {
	struct span sender;		/* local@domain */
	struct span domain;		/* the one being looked at */
	struct span helo;
	struct span receiver;		/* c, r, t: in explanations alone */
	const struct addr *ip;
	int64_t now_s;
	struct span validated;		/* for %{p}; empty: "unknown" */
};

/* Whether a macro-string asks for %{p}, which costs a look-up. */
bool spf_uses_p(struct span macro_string);

/*
 * Appends a macro-string that was parsed, expanded. is_explanation: c, r and
 * t have a meaning. PARSE_BAD: the text has a macro that is none (only
 * possible where it was not parsed before: an explanation).
 */
enum parse spf_expand(struct buf *out, struct span macro_string,
    const struct spf_macros *m, bool is_explanation);

/*
 * Expands a domain-spec to a name to ask for: cut from the left to 253 bytes
 * (section 7.3), lower case, without a final dot. PARSE_BAD: no name that
 * DNS could have (an empty label, one over 63, a byte that is not visible
 * ASCII), which matches nothing.
 */
enum parse spf_target_name(struct buf *out, struct span domain_spec,
    const struct spf_macros *m);

/* Whether a name has labels of 1..63 visible bytes; count of them in *n. */
bool spf_is_name(struct span name, unsigned *n);

#endif
