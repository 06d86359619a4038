/*
 * Slows those who guess passwords, and never locks the owner out.
 *
 * Failures are counted three ways: for an account, for an address, and for
 * the pair of both. An attempt waits until some time after the last failure,
 * 1, 2, 4, 8 and then 15 seconds by their number; an address with 10 failures
 * in 10 minutes is refused. An address that has logged in to the account
 * lately is judged by its own failures with it (the pair) and by nothing that
 * others do. Addresses in limits_exempt are free of what is counted for
 * addresses, never of what is counted for accounts.
 *
 * Attempts at one account take turns: one that is let through pushes the
 * others back as a failure would, so many connections guess no faster than
 * one. That holds for the first ones, too: of those under way at the same
 * time, more than THROTTLE_OPEN_MAX count as failures until it is known how
 * they end, or for a minute. A client may well log in ten times at once; one
 * from an exempt address as often as it likes.
 *
 * Bounded: one seeded table of fixed size; where it is full the entry with
 * the fewest and oldest failures gives way. An address is peer.net: IPv4, or
 * an IPv6 /64. Times are the env clock's milliseconds.
 *
 * Thread: the loop's.
 */
#ifndef AUTH_THROTTLE_H
#define AUTH_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/hash.h"
#include "server/base/span.h"

#define THROTTLE_SESSION_FAILURES 3	/* then the session ends */
#define THROTTLE_NET_FAILURES 10	/* in THROTTLE_WINDOW_MS */
#define THROTTLE_WINDOW_MS (10 * 60 * 1000)
#define THROTTLE_DELAY_MAX_MS (15 * 1000)
#define THROTTLE_OPEN_MAX 20		/* attempts under way */
#define THROTTLE_OPEN_MS (60 * 1000)	/* then one has come to nothing */
#define THROTTLE_ENTRIES 8192

struct throttle;

/* Who tries what. */
struct throttle_who {
	struct span name;		/* the account's, canonical */
	const unsigned char *net;	/* peer.net, 16 bytes */
	bool is_exempt;			/* peer.is_exempt */
	bool is_known;			/* cred_account.is_known_net */
};

enum throttle_verdict {
	THROTTLE_PASS,		/* go on; counted as under way */
	THROTTLE_WAIT,		/* ask again at *until_ms */
	THROTTLE_REFUSE		/* too many failures from the address */
};

/* key seeds the table; copied. */
struct throttle *throttle_new(const struct hash_key *key);
void throttle_free(struct throttle *t);

/* Asked before a password is looked at, that is before a hash is queued. */
enum throttle_verdict throttle_check(struct throttle *t,
    const struct throttle_who *who, int64_t now_ms, int64_t *until_ms);

/* One that was let through has come to nothing: there was no guess. */
void throttle_give_up(struct throttle *t, const struct throttle_who *who);

void throttle_failure(struct throttle *t, const struct throttle_who *who,
    int64_t now_ms);

/*
 * Forgets the pair's failures and lets the address be known for a day. What
 * is counted for the account and the address stays: a guesser with an account
 * of his own must not clear his record with it.
 */
void throttle_success(struct throttle *t, const struct throttle_who *who,
    int64_t now_ms);

#endif
