/*
 * MTA-STS (RFC 8461): what a domain demands of TLS to its mail servers.
 *
 * The grammar is pure. The module beside it is where the fact FACT_FETCH of a
 * domain comes from: the policy that the store keeps, checked against the id
 * that DNS has now, and fetched again by HTTPS where that differs, or half of
 * its life is over. What cannot be fetched leaves the stored one in force
 * until it expires (section 5.1).
 *
 * Thread: the loop's.
 */
#ifndef SMTP_MTA_STS_H
#define SMTP_MTA_STS_H

#include <stdint.h>

#include "server/base/arena.h"
#include "server/base/cursor.h"
#include "server/base/dns.h"
#include "server/base/facts.h"
#include "smtp/route.h"
#include "store/trust.h"

#define MTA_STS_ID_MAX 32		/* RFC 8461 section 3.1 */
#define MTA_STS_POLICY_MAX (64u * 1024)	/* section 3.2 leaves it to us */
#define MTA_STS_MX_MAX 100		/* patterns */
#define MTA_STS_AGE_MAX 31557600	/* section 3.2: seconds */
#define MTA_STS_BUDGET_MS (18 * 1000)	/* for DNS and the fetch together */
#define MTA_STS_RETRY_MS (5 * 60 * 1000)	/* section 3.3 */

/* ---- the grammar ---- */

/* A TXT record: "v=STSv1; id=20160831085700Z;" (section 3.1). */
enum parse mta_sts_parse_record(struct span txt, struct span *id);

/*
 * The id that the answer for _mta-sts.DOMAIN has. False where that makes no
 * policy available: none, more than one, a bad one. *id lives in the answer.
 */
bool mta_sts_find_id(const struct dns_answer *txt, struct span *id);

struct mta_sts_policy {
	enum mta_sts_mode mode;
	int64_t max_age_s;
	const char *mx;		/* patterns, lower case, a space between */
};

/* A policy file (section 3.2); allocates from a. */
enum parse mta_sts_parse_policy(struct span text, struct arena *a,
    struct mta_sts_policy *p);

/* ---- the module ---- */

struct mta_sts;

/* Uses env's dns, fetcher and store, which outlive it. */
struct mta_sts *mta_sts_new(struct env *env);

/*
 * For facts->sources[FACT_FETCH]: answers with a struct route_sts, or with
 * ERR_NOTFOUND where there is no policy. Every other error means that it is
 * not known whether there is one: a domain that has a policy must not lose
 * it by our trouble.
 */
struct fact_source *mta_sts_source(struct mta_sts *m);

/* Facts that are out are answered ERR_CANCELLED. NULL is legal. */
void mta_sts_free(struct mta_sts *m);

#endif
