/*
 * A session that can log in: accounts in memory, a pool that runs a job at
 * once, a clock that stands. No files, no threads, no time.
 */
#ifndef TESTS_UNIT_AUTH_LOGIN_FIXTURE_H
#define TESTS_UNIT_AUTH_LOGIN_FIXTURE_H

#include "auth/login.h"
#include "auth/throttle.h"
#include "server/base/env.h"

struct login_fixture {
	struct env env;
	struct fake_clock clock;
	struct log log;
	struct stats stats;
	struct budget budget;
	struct post home;
	struct work work;
	struct cred_source creds;
	struct login_settings settings;
	struct session session;
	struct login login;

	struct cred_account *accounts;	/* two: ann, and bob, disabled */
	bool everyone_is_known;		/* is_known_net of all */
	int fetch_err, work_err;	/* trouble to be had */
	bool work_keeps;		/* a job is kept and not run */
	struct job *kept;
	unsigned fetches;
	unsigned notes;			/* calls of note_use */
	uint64_t noted;			/* the credential of the last */
	struct buf logged;		/* all log lines */
	enum login_step step;		/* of the last op that came home */
	int64_t delayed_ms;		/* sum of all delays */
};

/*
 * ann has "pencil" as credential 1, "phone-secret" as device 2 for IMAP only,
 * "old-secret" as device 3, expired; bob has "pencil" too and is disabled.
 * The peer is under TLS, with an endpoint hash and no exporter.
 */
void login_fixture_init(struct login_fixture *f, unsigned scope);
void login_fixture_release(struct login_fixture *f);

/* Ends the session as a driver does, and makes the next one. */
void login_fixture_reconnect(struct login_fixture *f);

/* Goes on from step through ops and delays until the client is asked. */
enum login_step login_fixture_settle(struct login_fixture *f,
    enum login_step step);

/* A message in base64; to the end of what the server does with it. */
enum login_step login_fixture_say(struct login_fixture *f, struct span plain);
enum login_step login_fixture_auth(struct login_fixture *f, const char *mech,
    const struct span *plain);
enum login_step login_fixture_password(struct login_fixture *f,
    const char *user, const char *password);

/* The challenge decoded, into out. */
void login_fixture_challenge(struct login_fixture *f, struct buf *out);

#endif
