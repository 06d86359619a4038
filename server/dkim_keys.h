/*
 * A DKIM key for each hosted domain (RFC 6376): those that have none get one
 * while the server runs, one after the other on the work pool.
 *
 * Thread: the loop's.
 */
#ifndef SERVER_DKIM_KEYS_H
#define SERVER_DKIM_KEYS_H

#include "auth/dkim.h"
#include "server/base/op.h"
#include "store/hub.h"
#include "store/trust.h"

struct env;

struct dkim_keys {
	struct env *env;	/* NULL: not open */
	struct op_waiter wait;
	struct hub_listener news;	/* a domain may be new */
	bool has_news;			/* since the look under way began */
};

/* Begins to look for domains without a key. */
void dkim_keys_open(struct dkim_keys *k, struct env *env);

/* What is out comes home to nobody. Legal when it is not open. */
void dkim_keys_close(struct dkim_keys *k);

/*
 * The request that keeps a key that a job has made. Returns owned; NULL if
 * the job's record is none. session may be NULL.
 */
struct wreq_dkim_key *dkim_keys_request(struct env *env, struct session *s,
    const struct dkim_key_job *job);

#endif
