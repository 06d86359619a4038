/*
 * How many connections there may be, in all, from one address, to one
 * account; and the list of those there are.
 *
 * One struct conn_limits for each process, owned by the server. An address is
 * what addr_limit_key makes of it: an IPv6 /64 counts as one.
 *
 * Thread: the loop's.
 */
#ifndef SERVER_NET_CONN_LIMITS_H
#define SERVER_NET_CONN_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/addr.h"
#include "server/base/env.h"
#include "server/base/hash.h"
#include "server/base/list.h"
#include "server/base/session.h"

#define LIMIT_TOTAL 1024	/* connections in all */
#define LIMIT_PENDING 20	/* of one address, not logged in */
#define LIMIT_NEW_MINUTE 60	/* new ones of one address in a minute */
#define LIMIT_ACCOUNT 50	/* of one account, logged in */
#define LIMIT_ADDRS 16384	/* addresses remembered */

struct conn_limits_settings {
	unsigned total;		/* 0 in any of these: the default above */
	unsigned pending;
	unsigned new_minute;
	unsigned account;
	/* Free of the per-address limits; borrowed, outlives the limits. */
	const struct addr_net *exempt;
	size_t exempt_count;
};

struct conn_limits {
	struct conn_limits_settings set;	/* replaced at a reload */
	struct env *env;
	struct list conns;	/* of struct conn, by_limits */
	unsigned count;		/* of these, without local ones */
	struct idmap addrs;	/* hash of the key -> struct limit_addr */
	struct list idle;	/* limit_addr without any, oldest first */
	struct idmap accounts;	/* account -> struct limit_account */
	/*
	 * Called on the loop when conns becomes empty, local connections
	 * included; may be NULL.
	 */
	void (*empty)(struct conn_limits *);
};

/* Why a connection is not taken; "" for LIMIT_OK. */
enum limit_verdict {
	LIMIT_OK, LIMIT_OVER_TOTAL, LIMIT_OVER_PENDING, LIMIT_OVER_RATE,
	LIMIT_OVER_ACCOUNT
};
const char *limit_text(enum limit_verdict v);

void conn_limits_init(struct conn_limits *l, struct env *env,
    const struct conn_limits_settings *set);

/* There must be no connections. */
void conn_limits_release(struct conn_limits *l);

/*
 * The total that leaves `reserved` descriptors of RLIMIT_NOFILE for the
 * store, listeners, the control socket and the log; at most wanted, at
 * least 1.
 */
unsigned conn_limits_total(unsigned wanted, unsigned reserved);

bool conn_limits_is_exempt(const struct conn_limits *l, const struct addr *a);

/*
 * What one connection holds of the limits. Zero is nothing. For conn.c and
 * tests.
 */
struct limit_hold {
	struct limit_addr *addr;	/* NULL: exempt, or local */
	struct limit_account *account;
	bool is_pending;		/* counted as not logged in */
	bool is_counted;		/* in the total */
};

/*
 * A new connection from a (NULL: a local one, which is free of all limits).
 * Everything but LIMIT_OK leaves *h zero, but counts as an attempt.
 */
enum limit_verdict limit_enter(struct conn_limits *l, struct limit_hold *h,
    const struct addr *a);

/*
 * The connection is now account's (0: nobody's again). Returns
 * LIMIT_OVER_ACCOUNT with it counted nonetheless until it goes.
 */
enum limit_verdict limit_login(struct conn_limits *l, struct limit_hold *h,
    uint64_t account);

/* The connection is gone. */
void limit_leave(struct conn_limits *l, struct limit_hold *h);

#endif
