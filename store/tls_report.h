/*
 * What became of TLS with other servers, counted for their reports (RFC
 * 8460). The same conventions as write.h and read.h.
 *
 * Counts belong to a day of UTC and a policy domain. A domain-day has at most
 * TLS_RESULTS_MAX kinds of them: who has hosts without end shall not fill the
 * store.
 */
#ifndef STORE_TLS_REPORT_H
#define STORE_TLS_REPORT_H

#include "server/base/arena.h"
#include "store/store.h"

#define TLS_RESULTS_MAX 200
#define TLS_RESULT_DAYS 7	/* what nobody has asked for by then goes */

/* One kind of outcome; all but count tell kinds apart. NULL is "". */
struct tls_result {
	const char *type;	/* "tlsa", "sts", "no-policy-found" */
	const char *policy;	/* its strings, a LF between */
	const char *result;	/* "": success; RFC 8460 section 4.3 */
	const char *host;	/* the MX */
	const char *peer;	/* its address */
	const char *local;	/* ours */
	const char *reason;	/* a few words */
	uint64_t count;
};

/* Adds one session of today (w.now_s). What it points to it owns. */
struct wreq_tls_result {
	struct wreq w;
	char *domain;
	char *type, *policy, *result, *host, *peer, *local, *reason;
};
struct wreq_tls_result *wreq_tls_result_new(struct env *env);

/* Forgets a domain's day: its report is on its way, or nobody wants it. */
struct wreq_tls_done {
	struct wreq w;
	char *domain;
	int64_t day;
};
struct wreq_tls_done *wreq_tls_done_new(struct env *env);

/* The counts of the oldest domain-day before a day. */
struct rjob_tls_results {
	struct rjob j;
	int64_t before_day;
	/* results; domain NULL: there is none */
	const char *domain;
	int64_t day;
	struct tls_result *rows;	/* by type and policy */
	size_t count;
	struct arena *arena;
};
struct rjob_tls_results *rjob_tls_results_new(struct env *env,
    int64_t before_day);

#endif
