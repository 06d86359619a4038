/*
 * The fact table that policies run over.
 *
 * A policy is a function of facts: it looks up what it needs, and where a
 * look-up finds nothing the question is noted. When it has looked at all it
 * can, it returns NEED; the owner calls facts_ask, which asks everything that
 * is noted at once, and when all of it has come home runs the policy again
 * from the top. Nothing is resumed, and an error or a time-out is a fact like
 * any other.
 *
 *	const struct dns_answer *mx = facts_dns(f, domain, DNS_MX);
 *	const struct dns_answer *txt = facts_dns(f, name, DNS_TXT);
 *	if (!mx || !txt)
 *		return NEED;
 *
 * Facts are of several kinds: answers of DNS, and what a struct fact_source
 * gets from elsewhere, by name: a row of the store, a document by HTTPS.
 *
 * Questions are capped (FACTS_MAX): one over the cap is answered by
 * DNS_SERVFAIL or ERR_LIMIT, so that a policy ends whatever DNS says.
 *
 * Thread: the loop's.
 */
#ifndef SERVER_BASE_FACTS_H
#define SERVER_BASE_FACTS_H

#include "server/base/dns.h"
#include "server/base/env.h"
#include "server/base/list.h"

#define FACTS_MAX 100		/* questions of one table */
#define FACT_NAME_MAX 512	/* bytes of a name that is not of DNS */

enum fact_kind { FACT_DNS, FACT_ROW, FACT_FETCH, FACT_KINDS };

struct facts;

/*
 * One question and, once is_found, its answer. A source gets it to answer.
 * It belongs to its table, but while it is out to the source: a table that
 * is released meanwhile leaves it, and fact_answer frees it.
 */
struct fact {
	struct list by_facts;
	struct facts *facts;		/* NULL: nobody waits any more */
	enum fact_kind kind;
	enum dns_type type;		/* FACT_DNS */
	char *name;
	bool is_out;			/* asked, not answered yet */
	bool is_found;
	struct dns_query *query;	/* FACT_DNS: the answer's owner */
	int err;			/* the others: 0 or ERR_* */
	void *value;			/* owned; NULL with an error */
	void (*free_value)(void *);
};

/* Where facts of a kind come from; embedded in what knows how. */
struct fact_source {
	/* Starts to look; fact_answer follows, perhaps during the call. */
	void (*ask)(struct fact_source *, struct fact *);
};

/*
 * The answer to a fact that a source was asked for: takes value, which
 * free_value frees (NULL: nothing to free).
 */
void fact_answer(struct fact *f, int err, void *value,
    void (*free_value)(void *));

struct facts {
	struct env *env;		/* env->dns answers FACT_DNS */
	/* NULL: env->sts for FACT_FETCH, ERR_NOTFOUND for others. */
	struct fact_source *sources[FACT_KINDS];
	/*
	 * Everything that was asked has come home: run the policy again.
	 * Called once for each facts_ask, on the loop, never within it. The
	 * owner may release the table here. A session that is changed by it
	 * calls its driver's ready afterwards.
	 */
	void (*ready)(struct facts *);
	struct list list;		/* struct fact, in the order noted */
	size_t count;
	size_t out_count;		/* facts that are out */
	struct facts_turn *turn;	/* ready is on its way; private */
	struct fact *over;		/* the answer over the cap; private */
};

/* Empty; sources are for the owner to set. */
void facts_init(struct facts *f, struct env *env,
    void (*ready)(struct facts *));

/* Forgets everything; answers still to come are for nobody. */
void facts_release(struct facts *f);

/*
 * The answer, or NULL when it is not known yet and has been noted. A name
 * that cannot be one of DNS is DNS_NXDOMAIN at once. Lives until the table is
 * released.
 */
const struct dns_answer *facts_dns(struct facts *f, const char *name,
    enum dns_type type);

/* The same for an address's PTR. */
const struct dns_answer *facts_dns_ptr(struct facts *f, const struct addr *a);

/*
 * A fact of another kind, found or with its error; NULL when it is not known
 * yet and has been noted.
 */
const struct fact *facts_other(struct facts *f, enum fact_kind kind,
    const char *name);

/* Whether a look-up has noted something that was not asked for yet. */
bool facts_is_missing(const struct facts *f);

/* Asks for everything noted; ready is called even if there is nothing. */
void facts_ask(struct facts *f);

/*
 * The time of the policy is up: what is out is DNS_TIMEOUT or ERR_TIMEOUT,
 * and ready is called soon.
 */
void facts_expire(struct facts *f);

#endif
