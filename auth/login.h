/*
 * Logging in: the one flow that SMTP, POP3 and IMAP share.
 *
 * A front-end embeds a struct login in its session, hands it what the client
 * said, and acts on the step that comes back; it has no code of its own that
 * knows a password. The flow is
 *
 *     message(s) -> credentials fetched -> throttle -> hash job -> verdict
 *
 * and a name that does not exist, a disabled account and a wrong password go
 * the same way at the same price to the same answer; only the log differs.
 *
 * How a front-end drives it:
 *
 *     AUTH / AUTHENTICATE  login_auth(mechanism, initial response or NULL)
 *     next line            login_response(line)
 *     USER+PASS / LOGIN    login_password(user, password)
 *     session done(op)     if (login_owns(l, op)) login_done(l, op)
 *     session timeout()    if (login_is_delayed(l)) login_timeout(l)
 *
 * All five return the next enum login_step. Rules:
 *
 *     LOGIN_CONTINUE  send l->challenge (base64 already, may be empty) in the
 *                     protocol's form and feed the next line, up to
 *                     LOGIN_LINE_MAX bytes without its end, to
 *                     login_response(); want = WANT_INPUT
 *     LOGIN_WAIT      an op is out; want = WANT_PAUSE
 *     LOGIN_DELAY     want = WANT_PAUSE, deadline_ms = l->delay_until_ms;
 *                     put your own deadline back afterwards
 *     LOGIN_OK        l->account, name, version, cred; session.account is set
 *     LOGIN_FAIL      l->reason tells why; if login_is_exhausted(l), answer
 *                     and WANT_CLOSE
 *     LOGIN_TEMPFAIL  trouble of our own, l->err: the protocol's "try later"
 *
 * After OK, FAIL and TEMPFAIL nothing secret is left and a new attempt may
 * begin. Logs, counters, throttle, pass cache and note_use are done here.
 *
 * Uses env: clock, random, log, stats, budget, home, work, creds, throttle,
 * passcache. Thread: the loop's.
 */
#ifndef AUTH_LOGIN_H
#define AUTH_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/passwd.h"
#include "auth/sasl.h"
#include "server/base/buf.h"
#include "server/base/cred.h"
#include "server/base/session.h"
#include "server/base/span.h"

/* Base64 of SASL_MESSAGE_MAX bytes. RFC 4954 section 4: 12288. */
#define LOGIN_LINE_MAX 16384

enum login_plaintext {
	PLAINTEXT_NEVER,	/* log-in only under TLS */
	PLAINTEXT_LOOPBACK	/* also without TLS from loopback */
};

/* A part of each front-end's settings; immutable. */
struct login_settings {
	enum login_plaintext plaintext;
	struct passwd_params params;
};

enum login_step {
	LOGIN_CONTINUE, LOGIN_WAIT, LOGIN_DELAY, LOGIN_OK, LOGIN_FAIL,
	LOGIN_TEMPFAIL
};

enum login_reason {
	LOGIN_NONE,
	LOGIN_WRONG,		/* user or password; also: disabled, unknown,
				   expired, not for this service */
	LOGIN_NOMECH,		/* no such mechanism, or not for this peer */
	LOGIN_INSECURE,		/* needs TLS first */
	LOGIN_TOO_MANY,		/* too many failures from there; later */
	LOGIN_MALFORMED,	/* not base64, or not the mechanism's grammar */
	LOGIN_TOO_LONG,		/* a line over LOGIN_LINE_MAX */
	LOGIN_CANCELLED		/* the client sent "*" */
};

struct login {
	/* Set by login_init; borrowed, live as long as the session. */
	struct session *session;
	const struct login_settings *settings;
	unsigned scope;			/* one of enum cred_scope */

	/* For the front-end to read. */
	struct buf challenge;
	int64_t delay_until_ms;
	enum login_reason reason;
	int err;
	uint64_t account;
	uint64_t version;
	uint64_t cred;
	char name[256];			/* canonical; "" before LOGIN_OK */
	unsigned failures;		/* in this session */

	/* login.c's own. */
	int state;
	const char *how;		/* "PLAIN", or "password" */
	struct sasl sasl;
	struct buf user;		/* prepared */
	struct buf password;
	struct op *op;			/* out now, or NULL */
	struct cred_request *req;	/* come home; owned */
	unsigned waits;
	bool is_open;			/* the throttle counts it */
};

void login_init(struct login *l, struct session *s,
    const struct login_settings *settings, unsigned scope);

/*
 * Wipes and frees; call from the session's end(). Ops still out are the
 * session's and disowned with the others.
 */
void login_release(struct login *l);

/*
 * Mechanisms that are taken now, SASL_BIT()s; 0: log-in is not possible on this
 * connection yet (IMAP: LOGINDISABLED; POP3: no USER). LOGIN is for SMTP only.
 * Ask again after STARTTLS.
 */
unsigned login_mechanisms(const struct login *l);

/*
 * Appends the names to announce, each with prefix before it: "AUTH=", or " ".
 * SCRAM-SHA-256-PLUS is taken in SMTP and not announced there (login.c).
 */
void login_put_mechanisms(const struct login *l, struct buf *out,
    const char *prefix, const char *separator);

/*
 * Begins with a mechanism. initial is the initial response as it came (base64;
 * "=" stands for an empty one, RFC 4954 section 4, RFC 4959 section 3, RFC
 * 5034 section 4), or NULL.
 */
enum login_step login_auth(struct login *l, struct span mech,
    const struct span *initial);

/* One line of the client's, without its line end; "*" gives up. */
enum login_step login_response(struct login *l, struct span line);

/* User name and password in the clear: USER/PASS, LOGIN. Copied. */
enum login_step login_password(struct login *l, struct span user,
    struct span password);

bool login_owns(const struct login *l, const struct op *op);
enum login_step login_done(struct login *l, struct op *op);	/* takes op */

bool login_is_delayed(const struct login *l);
enum login_step login_timeout(struct login *l);

/* So many failures that the session must end. */
bool login_is_exhausted(const struct login *l);

#endif
