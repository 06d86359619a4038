/*
 * SASL mechanisms (RFC 4422), the server's side, as pure state machines.
 *
 * Messages are decoded already: base64 and the protocol around it are the
 * caller's (login.c is the only one). A mechanism never looks anything up and
 * never computes a slow hash; it stops and says what it needs.
 *
 * Thread: the loop's.
 */
#ifndef AUTH_SASL_H
#define AUTH_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/buf.h"
#include "server/base/cred.h"
#include "server/base/random.h"
#include "server/base/session.h"
#include "server/base/span.h"

#define SASL_MESSAGE_MAX 12288	/* decoded bytes; RFC 4954 section 4 */

/* In the order in which they are announced. */
enum sasl_mech {
	SASL_PLAIN,		/* RFC 4616 */
	SASL_LOGIN,		/* draft-murchison-sasl-login */
	SASL_SCRAM,		/* SCRAM-SHA-256, RFC 5802 and RFC 7677 */
	SASL_SCRAM_PLUS,	/* the same, bound to the TLS connection */
	SASL_MECH_COUNT
};
#define SASL_BIT(mech) (1u << (mech))

/* "PLAIN" and so on; never NULL. */
const char *sasl_mech_name(enum sasl_mech mech);

/* By name, letters in any case. */
bool sasl_mech_find(struct span name, enum sasl_mech *mech);

enum sasl_step {
	SASL_CONTINUE,	/* send out (may be empty), await sasl_message() */
	SASL_PASSWORD,	/* user and password are set: check them; the end */
	SASL_ACCOUNT,	/* user is set: look it up, then sasl_account() */
	/*
	 * Proven by account->creds[cred]. If out is not empty it is data that
	 * goes with success (RFC 4422 section 5): where the protocol has no
	 * place for it, send it as a challenge, which an empty response must
	 * follow. The end.
	 */
	SASL_OK,
	SASL_WRONG,	/* not proven; the end */
	SASL_BAD	/* not what the mechanism's grammar allows; the end */
};

/* What a SCRAM exchange keeps between its messages. */
struct sasl_scram {
	struct buf gs2;			/* the header as it came */
	struct buf first_bare;		/* client-first-message-bare */
	struct buf nonce;		/* client's and ours */
	struct buf server_first;
	struct span binding;		/* channel-binding data; in the peer */
};

struct sasl {
	enum sasl_mech mech;
	int state;			/* the mechanism's own */
	const struct peer *peer;	/* lives as long as the exchange */
	struct random *random;
	bool has_plus;			/* SCRAM_PLUS was announced */
	const struct cred_account *account;
	/* Results. user and password as they came, not prepared. */
	struct buf user;
	struct buf password;
	struct buf out;
	size_t cred;			/* index; after SASL_OK */
	const char *error;		/* after WRONG and BAD, for the log */
	struct sasl_scram scram;
};

/* Starts an exchange; nothing has been received. */
void sasl_init(struct sasl *s, enum sasl_mech mech, const struct peer *peer,
    struct random *random, bool has_plus);

/* Wipes and frees; legal on a zeroed struct and twice. */
void sasl_release(struct sasl *s);

/*
 * The step before any message of the client's: what to send it when it came
 * without an initial response. Always SASL_CONTINUE.
 */
enum sasl_step sasl_start(struct sasl *s);

/* Feeds one message of the client's, the initial response included. */
enum sasl_step sasl_message(struct sasl *s, struct span message);

/*
 * After SASL_ACCOUNT: goes on with the account. It has salt and iterations
 * also when it was not found (passwd_fake); then no proof is ever right.
 * Borrowed until sasl_release.
 *
 * RFC 5802 section 7: after a failure out holds the server-error ("e=...").
 * Sending it is optional there, and login.c does not: none of our protocols
 * carries data with a refusal, and an extra challenge would only hide the
 * protocol's own sentence from the user.
 */
enum sasl_step sasl_account(struct sasl *s, const struct cred_account *a);

#endif
