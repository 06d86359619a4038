/*
 * Documents by HTTPS: an interface, as DNS and dialling are.
 *
 * One GET of one path of one host, at the port and by the rules of HTTPS: the
 * certificate is verified for the host (RFC 6125), nothing is redirected,
 * cached or authenticated, and what the answer may be is capped. A fetch is an
 * op; all its trouble is in the struct when it comes home.
 *
 * Thread: the loop's.
 */
#ifndef SERVER_BASE_FETCH_H
#define SERVER_BASE_FETCH_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/dns.h"
#include "server/base/op.h"
#include "server/base/session.h"

#define FETCH_DEADLINE_MS (60 * 1000)	/* RFC 8461 section 3.3 */

enum fetch_fault {
	FETCH_OK,
	FETCH_DNS,		/* no address of the host */
	FETCH_CONNECT,		/* nobody there, or an end too early */
	FETCH_TLS,		/* tls_fault tells more */
	FETCH_STATUS,		/* not 200 */
	FETCH_TYPE,		/* another media type */
	FETCH_LARGE,
	FETCH_SYNTAX		/* that was not HTTP */
};

struct fetch {
	struct op op;		/* err: 0 with FETCH_OK, else ERR_* */
	char host[DNS_NAME_MAX + 1];	/* A-labels */
	const char *path;	/* constant; "/.well-known/mta-sts.txt" */
	const char *media_type;	/* constant; what it must be, "text/plain" */
	size_t body_max;	/* bytes */
	int64_t deadline_ms;	/* for all of it; 0: FETCH_DEADLINE_MS */
	/* results */
	struct buf body;
	enum fetch_fault fault;
	int status;		/* of HTTP; 0: it did not come to that */
	enum tls_fault tls_fault;
	char why[FAILURE_TEXT_MAX];	/* in plain words */
};

/* Returns owned; host must be a name of DNS. owner NULL: set op.finish. */
struct fetch *fetch_new(struct env *env, struct session *owner,
    const char *host, const char *path);

struct fetcher {
	/* Takes f, which comes home after its deadline at the latest. */
	void (*fetch)(struct fetcher *, struct fetch *f);
};

/* Sets the result and sends f home. Takes f. For fetchers. */
void fetch_finish(struct fetch *f, enum fetch_fault fault, const char *why);

#endif
