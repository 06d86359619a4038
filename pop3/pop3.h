/*
 * POP3: INBOX for programs that fetch mail and take it away.
 *
 * RFC 1939 without APOP, with TOP and UIDL, CAPA and PIPELINING (2449), STLS
 * (2595), SASL (5034), AUTH-RESP-CODE (3206), UTF8 and LANG (6856). The
 * maildrop is a view that is
 * never moved: what a client has been told stays true until it quits. There
 * is no lock; several sessions at once see and delete side by side.
 */
#ifndef POP3_POP3_H
#define POP3_POP3_H

#include <stdbool.h>

#include "auth/login.h"
#include "server/base/session.h"

#define POP3_LINE_MAX 512		/* RFC 2449 section 4: 255 */
#define POP3_LINE_DROP_MAX 65536	/* of one line; then the end */
#define POP3_ERRORS_MAX 20		/* commands that make no sense */
#define POP3_ERRORS_LOGIN_MAX 5		/* of these before the log-in */
#define POP3_REFUSALS_LOGIN_MAX 50	/* of any kind before the log-in */
#define POP3_IDLE_MS (10 * 60 * 1000)	/* RFC 1939 section 3: 10 minutes */
#define POP3_LOGIN_MS (10 * 60 * 1000)	/* in all, to the log-in */
#define POP3_BATCH_MAX 512		/* pipelined RETR read in one job */
#define POP3_HEAD_MAX (1024u * 1024)	/* of a header shown in ASCII */
#define POP3_SEEN_MS 1000		/* \Seen is written so often at most */

/* Immutable while sessions live. */
struct pop3_settings {
	bool has_stls;			/* there is a certificate for it */
	struct login_settings login;
};

void pop3_settings_init(struct pop3_settings *settings);

/* For struct session_maker; settings is a struct pop3_settings. */
struct session *pop3_make(struct env *env, const void *settings);

#endif
