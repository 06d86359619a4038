/*
 * Where mail for a domain goes: a policy over facts.
 *
 * route_find() is pure. It reads what is known already (server/base/facts.h:
 * DNS answers with their DNSSEC verdict, MTA-STS policies) and, where that is
 * not enough, names all that it can see is missing and is called again from
 * the start once that is known. An error or a time-out is a fact too.
 *
 * RFC 5321 section 5.1 (MX, order, ourselves among them), 7505 (null MX),
 * 7672 (DANE), 8461 (MTA-STS), 8689 (REQUIRETLS).
 */
#ifndef SMTP_ROUTE_H
#define SMTP_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/addr.h"
#include "server/base/arena.h"
#include "server/base/dial.h"
#include "server/base/span.h"
#include "store/trust.h"

struct facts;		/* server/base/facts.h */

/*
 * The fact FACT_FETCH of a domain's name: its MTA-STS policy, cached or
 * fetched. ERR_NOTFOUND is that there is none to go by; other errors are
 * ours, and mail waits.
 */
struct route_sts {
	enum mta_sts_mode mode;
	const char *mx;		/* patterns, a space between */
};

#define ROUTE_HOSTS_MAX 20	/* MX hosts tried; the best of more */
#define ROUTE_ADDRS_MAX 8	/* addresses of a host */
#define ROUTE_MX_MAX 100	/* MX records read */

/* How TLS is asked for at a host; each demands what those above it do. */
enum route_tls {
	ROUTE_TLS_NEVER,	/* the config says so */
	ROUTE_TLS_MAY,		/* where it is offered, unverified */
	ROUTE_TLS_MUST,		/* encrypted, unverified */
	ROUTE_TLS_VERIFY,	/* a certificate of the web's CAs for host name
				   or one of names */
	ROUTE_TLS_DANE		/* one that tlsa names; RFC 7672 */
};

/* What asked for it; for people, and for TLS reports. */
enum route_why { ROUTE_BY_DEFAULT, ROUTE_BY_CONFIG, ROUTE_BY_DANE,
    ROUTE_BY_STS, ROUTE_BY_STS_TESTING };

struct route_host {
	const char *name;	/* A-labels, lower case; "[192.0.2.1]" */
	uint16_t port;
	uint16_t preference;
	struct addr *addrs;	/* in the order to try */
	size_t addr_count;
	enum route_tls tls;
	enum route_why why;
	bool is_implicit_tls;		/* TLS comes first */
	bool is_configured;		/* its address may be loopback */
	struct tls_want want;		/* unused with ROUTE_TLS_NEVER */
	const char *user;	/* of a smarthost; NULL: no AUTH */
	const char *password;
};

enum route_result {
	ROUTE_OK,		/* hosts */
	ROUTE_NEED,		/* facts_ask, and call it again */
	ROUTE_LATER,		/* nothing for now: text and status say why */
	ROUTE_FAIL		/* nothing ever: likewise */
};

struct route {
	struct route_host *hosts;	/* in the order to try */
	size_t host_count;
	char status[12];	/* RFC 3463: "5.1.10" */
	const char *text;	/* one sentence */
};

/* ---- from the config ---- */

/* A host that takes mail for others from us. */
struct route_smarthost {
	const char *host;	/* A-labels or an address literal */
	uint16_t port;		/* 0: 587, or 465 with implicit TLS */
	bool is_implicit_tls;
	enum route_tls tls;
	const char *user;	/* NULL: no AUTH */
	const char *password;
};

/* What the config says of a domain; "*" is every other, ".d" below d. */
struct route_rule {
	const char *domain;
	const struct route_smarthost *via;	/* NULL: by MX */
	bool has_tls;
	enum route_tls tls;
};

/* Immutable while the server runs. */
struct route_settings {
	const char *hostname;		/* ours: a loop if an MX is it */
	const struct addr *own_addrs;	/* likewise; loopback always is */
	size_t own_addr_count;
	const struct route_rule *rules;
	size_t rule_count;
	/* Tried after all others, and where DNS fails; NULL: none. */
	const struct route_smarthost *fallback;
	uint16_t port;			/* 0: 25; another is for tests */
	bool allows_loopback;		/* for tests: hosts at 127.0.0.1 */
};

struct route_query {
	struct span domain;	/* A-labels, lower case, or "[192.0.2.1]" */
	bool is_requiretls;	/* RFC 8689: only verified TLS */
	bool is_tls_optional;	/* "TLS-Required: No": no policy but the
				   config's */
	uint64_t seed;		/* of the order among equals; a fact */
	int64_t now_s;
};

/*
 * Finds the route. What it points to lives in arena, in facts or in settings.
 */
enum route_result route_find(const struct route_settings *settings,
    const struct route_query *query, struct facts *facts,
    struct arena *arena, struct route *route);

/*
 * What to group mail by (connections, retries, dead hosts): the domain, or
 * the smarthost it goes through. Lives in arena or settings.
 */
struct span route_destination(const struct route_settings *settings,
    struct span domain, struct arena *arena);

#endif
