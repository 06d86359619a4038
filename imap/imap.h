/*
 * IMAP: the session that Thunderbird, Outlook, phones and mutt talk to.
 *
 * IMAP4rev1 (RFC 3501), IMAP4rev2 (RFC 9051) and the extensions that docs/rfc.md lists. One command
 * at a time for each connection; what a client has been told of its mailbox
 * is a view (store/view.h).
 */
#ifndef IMAP_IMAP_H
#define IMAP_IMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/login.h"
#include "server/base/session.h"

/* Immutable while sessions live. */
struct imap_settings {
	uint64_t size_limit;		/* bytes of a message; APPENDLIMIT */
	uint32_t message_limit;		/* of one command; 0: none */
	bool has_starttls;		/* there is a certificate for it */
	struct login_settings login;
};

/* For struct session_maker; settings is a struct imap_settings. */
struct session *imap_make(struct env *env, const void *settings);

#endif
