/*
 * What a session is given: everything it may use, nothing else exists.
 *
 * One env for each loop; immutable after start but for what the pointers
 * lead to. Rooms above base see the types behind the pointers by including
 * the headers that own them.
 */
#ifndef SERVER_BASE_ENV_H
#define SERVER_BASE_ENV_H

#include "server/base/budget.h"
#include "server/base/clock.h"
#include "server/base/hash.h"
#include "server/base/log.h"
#include "server/base/post.h"
#include "server/base/random.h"
#include "server/base/stats.h"
#include "server/base/work.h"

struct cred_source;	/* server/base/cred.h */
struct dialer;		/* server/base/dial.h */
struct dns_source;	/* server/base/dns.h */
struct fact_source;	/* server/base/facts.h */
struct fetcher;		/* server/base/fetch.h */
struct hub;		/* store/hub.h */
struct store;		/* store/store.h */
struct throttle;	/* auth/throttle.h */
struct passcache;	/* auth/passwd.h */

struct env {
	struct clock *clock;
	struct random *random;
	struct log *log;
	struct stats *stats;
	struct budget *budget;
	struct post *home;		/* the loop's own queue */
	struct work *work;
	struct store *store;
	struct hub *hub;
	struct cred_source *creds;
	struct dns_source *dns;
	struct dialer *dialer;
	struct fetcher *fetcher;
	struct fact_source *sts;	/* FACT_FETCH: smtp/mta_sts.h */
	struct throttle *throttle;
	struct passcache *passcache;
	struct hash_key hash_key;	/* random, for tables of this process */
	const char *hostname;		/* ours, A-labels, lower case */
	const char *version;		/* "0.1.0" */
};

static inline int64_t
env_now_ms(const struct env *env)
{
	return env->clock->mono_ms(env->clock);
}

static inline int64_t
env_wall_s(const struct env *env)
{
	return env->clock->wall_s(env->clock);
}

#endif
