/*
 * DNS: questions, answers, and who answers them.
 *
 * A question is an op. Its answer tells apart what a policy has to tell
 * apart: there are records, the name has none of this type, there is no such
 * name, no server could say, nobody answered in time; and beside that whether
 * DNSSEC vouches for it. A bogus answer has the status DNS_SERVFAIL and no
 * records, so who forgets to look at the trust believes nothing (RFC 4033
 * section 5).
 *
 * Names are lower-case A-labels without the final dot, letters, digits, "-"
 * and "_" only; records that name anything else are left out of an answer and
 * counted in bad_count. CNAMEs are followed: canonical is where they led.
 */
#ifndef SERVER_BASE_DNS_H
#define SERVER_BASE_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/addr.h"
#include "server/base/arena.h"
#include "server/base/op.h"
#include "server/base/span.h"

struct env;
struct fact;

#define DNS_NAME_MAX 253	/* RFC 1035 section 2.3.4, as text */
#define DNS_RECORDS_MAX 100	/* of one answer; more are bad_count */
#define DNS_ANSWER_MAX (64u * 1024)	/* bytes of data in one answer */

enum dns_type {		/* the numbers are those on the wire */
	DNS_A = 1, DNS_CNAME = 5, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16,
	DNS_AAAA = 28, DNS_TLSA = 52
};

enum dns_status {
	DNS_OK,		/* at least one record */
	DNS_NODATA,	/* the name is there, records of the type are not */
	DNS_NXDOMAIN,	/* there is no such name */
	DNS_SERVFAIL,	/* no server could tell; or DNSSEC says it is a lie */
	DNS_TIMEOUT	/* nobody answered in time */
};

/*
 * DNS_SECURE is said of every step: the CNAMEs on the way and, where there
 * is nothing, of the proof that there is nothing.
 */
enum dns_trust { DNS_INSECURE, DNS_SECURE, DNS_BOGUS };

struct dns_record {
	struct addr addr;		/* A, AAAA */
	uint16_t preference;		/* MX */
	const char *name;		/* MX ("" is null MX), PTR, CNAME */
	uint8_t usage, selector, matching;	/* TLSA, RFC 6698 section 2.1 */
	struct span data;		/* TXT: its strings joined. TLSA */
};

/* Immutable; lives as long as the query that it is in. */
struct dns_answer {
	enum dns_status status;
	enum dns_trust trust;
	uint32_t ttl_s;
	const char *canonical;		/* the question's own without CNAMEs */
	const struct dns_record *records;	/* in no meaningful order */
	size_t count;			/* 0 unless DNS_OK */
	size_t bad_count;		/* records that were not used */
	const char *why;		/* for SERVFAIL: a few words, or "" */
};

/* "MX", "TLSA", ...; "OK", "NXDOMAIN", ...; never NULL. */
const char *dns_type_name(enum dns_type type);
const char *dns_status_name(enum dns_status status);

/* The type of a name in any case; false if it is none of ours. */
bool dns_type_parse(struct span s, enum dns_type *type);

/* Whether one may act on the answer: it is not to be asked again later. */
static inline bool
dns_is_final(const struct dns_answer *a)
{
	return a->status <= DNS_NXDOMAIN;
}

/*
 * One question. op.err stays 0: that something went wrong is an answer too.
 * Whoever gets it back frees it with op_free, answer and all.
 */
struct dns_query {
	struct op op;
	char name[DNS_NAME_MAX + 1];
	enum dns_type type;
	struct dns_answer answer;
	struct arena arena;		/* the answer's bytes */
	struct fact *fact;		/* for facts.c, whose question it is */
};

/*
 * A question about name, in any spelling that idna_to_ascii takes, a final
 * dot allowed. Returns owned; NULL if it cannot be a name in DNS. owner NULL:
 * set op.finish.
 */
struct dns_query *dns_query_new(struct env *env, struct session *owner,
    struct span name, enum dns_type type);

/*
 * The question for the name of an address: 1.2.0.192.in-addr.arpa (RFC 1035
 * section 3.5, RFC 3596 section 2.5). Returns owned.
 */
struct dns_query *dns_query_new_ptr(struct env *env, struct session *owner,
    const struct addr *a);

/*
 * Who answers: libunbound (server/net/resolver.c), or a test's zone. Every
 * question comes home, after DNS_DEADLINE_MS at the latest.
 */
#define DNS_DEADLINE_MS 15000

struct dns_source {
	/* Takes q. Thread: the loop's. */
	void (*ask)(struct dns_source *, struct dns_query *q);
};

static inline void
dns_ask(struct dns_source *source, struct dns_query *q)
{
	source->ask(source, q);
}

/*
 * Where an answer is put together, record by record, out of bytes that
 * nobody vouches for. Starts as DNS_NODATA; the first record makes DNS_OK of
 * it. Copies what it keeps into the query's arena.
 */
void dns_answer_start(struct dns_query *q);

/*
 * Adds the record with this RDATA (RFC 1035 section 3.3, names uncompressed),
 * or counts it as bad. Never fails.
 */
void dns_answer_add(struct dns_query *q, const unsigned char *rdata,
    size_t len);

/* name is where the CNAMEs led; returns whether it can be used at all. */
bool dns_answer_set_canonical(struct dns_query *q, struct span name);

#endif
