/*
 * What the store keeps for trust between servers: DKIM keys of our domains,
 * MTA-STS policies of others'. The same conventions as write.h and read.h.
 */
#ifndef STORE_TRUST_H
#define STORE_TRUST_H

#include "server/base/arena.h"
#include "store/store.h"

/* ---- DKIM keys (RFC 6376) ---- */

enum dkim_key_kind { DKIM_RSA = 0, DKIM_ED25519 = 1 };		/* stored */
enum dkim_state { DKIM_PUBLISHED = 0, DKIM_SIGNING = 1, DKIM_RETIRING = 2 };

enum dkim_key_how { DKIM_KEY_ADD, DKIM_KEY_STATE, DKIM_KEY_DEL };

/*
 * ADD: all fields; ERR_NODOMAIN, ERR_EXISTS (the selector is taken). STATE:
 * domain, selector, state, retire_s. DEL: domain, selector. ERR_NOTFOUND.
 */
struct wreq_dkim_key {
	struct wreq w;
	enum dkim_key_how how;
	char *domain, *selector;
	enum dkim_key_kind algorithm;
	void *private_key;		/* DER; wiped when freed */
	size_t private_len;
	void *public_key;		/* what p= says, before base64 */
	size_t public_len;
	enum dkim_state state;
	int64_t retire_s;		/* 0: none */
};
struct wreq_dkim_key *wreq_dkim_key_new(struct env *env, struct session *s);

struct dkim_key_row {
	const char *domain, *selector;
	enum dkim_key_kind algorithm;
	struct span private_key, public_key;
	enum dkim_state state;
	int64_t created_s, retire_s;
};

/* Keys by domain and age, and the hosted domains that have none. */
struct rjob_dkim_keys {
	struct rjob j;
	char *domain;			/* owned; NULL: all */
	/* results; the arena is wiped when freed */
	struct dkim_key_row *keys;
	size_t key_count;
	const char **bare;		/* domains */
	size_t bare_count;
	struct arena *arena;
};
struct rjob_dkim_keys *rjob_dkim_keys_new(struct env *env,
    struct session *s);

/* ---- MTA-STS policies (RFC 8461) ---- */

enum mta_sts_mode {			/* stored */
	MTA_STS_NONE = 0, MTA_STS_TESTING = 1, MTA_STS_ENFORCE = 2
};

/* Puts a domain's policy in the place of the one before. */
struct wreq_mta_sts {
	struct wreq w;
	char *domain;			/* A-labels, lower case */
	bool is_gone;			/* forget it */
	char *id;			/* of the TXT record */
	enum mta_sts_mode mode;
	char *mx;			/* patterns, a space between */
	int64_t fetched_s, expires_s;
};
struct wreq_mta_sts *wreq_mta_sts_new(struct env *env, struct session *s);

/* The stored policy of a domain, if it has not expired at now_s. */
struct rjob_mta_sts {
	struct rjob j;
	char *domain;			/* owned */
	int64_t now_s;
	/* results */
	bool found;
	const char *id, *mx;
	enum mta_sts_mode mode;
	int64_t fetched_s, expires_s;
	struct arena *arena;
};
struct rjob_mta_sts *rjob_mta_sts_new(struct env *env, struct session *s,
    struct span domain);

#endif
