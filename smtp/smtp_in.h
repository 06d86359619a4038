/*
 * Receiving mail: port 25 and submission, one session for both.
 *
 * RFC 5321, with PIPELINING (2920), SIZE (1870), 8BITMIME (6152), SMTPUTF8
 * (6531), CHUNKING (3030), ENHANCEDSTATUSCODES (2034), STARTTLS (3207) and,
 * on submission (6409), AUTH (4954) and DSN (3461). Port 25 takes mail for
 * addresses of ours; what they lead to elsewhere is passed on, nothing else.
 */
#ifndef SMTP_SMTP_IN_H
#define SMTP_SMTP_IN_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/login.h"
#include "server/base/addr.h"
#include "server/base/session.h"
#include "smtp/queue.h"

/* Limits. Bytes with line ends; what the RFC asks for at least is beside. */
#define SMTP_LINE_MAX 4096		/* RFC 5321 4.5.3.1.4: 512 */
#define SMTP_LINE_DROP_MAX 65536	/* of one line; then the end */
#define SMTP_RCPTS_MX 200		/* RFC 5321 4.5.3.1.8: 100 */
#define SMTP_RCPTS_SUBMISSION 1000
#define SMTP_MESSAGES_MAX 100		/* on one connection */
#define SMTP_ERRORS_MAX 10
#define SMTP_UNKNOWN_MAX 10		/* recipients that do not exist */
#define SMTP_REFUSALS_MAX 1000		/* of any kind */
#define SMTP_SIZE_DEFAULT (50u * 1024 * 1024)	/* 4.5.3.1.7: 64 KiB */
#define SMTP_DROP_MAX (64u * 1024 * 1024)	/* read after a refusal */
#define SMTP_IDLE_MS (300 * 1000)	/* RFC 5321 4.5.3.2.7: 5 minutes */
#define SMTP_IDLE_BUSY_MS (60 * 1000)
#define SMTP_SESSION_MS (30 * 60 * 1000)	/* without message data */
#define SMTP_RATE_MS (60 * 1000)	/* message data: in this time ... */
#define SMTP_RATE_BYTES (60 * 1024)	/* ... at least so much */

enum smtp_service { SMTP_MX, SMTP_SUBMISSION };

/* Immutable while sessions live. */
struct smtp_settings {
	enum smtp_service service;
	uint64_t size_limit;		/* bytes of a message */
	bool has_starttls;		/* there is a certificate for it */
	bool is_lenient;		/* "MAIL FROM: a@b": submission */
	unsigned rcpts_max;
	/* Open connections above which the idle time is short; 0: never. */
	unsigned busy_connections;
	struct login_settings login;	/* submission */
	/* How mail for elsewhere is sent; NULL: none is taken. */
	const struct queue_settings *queue;
	/* What an account may send in a day; 0: as much as it likes. */
	unsigned messages_day, new_rcpts_day;
	/*
	 * Who submits without a log-in, in the name of any domain of ours, and
	 * what such an address may send in a day: scanners, printers.
	 */
	const struct addr_net *relay_from;
	size_t relay_from_count;
	unsigned relay_messages_day;
};

/* The defaults of a service. */
void smtp_settings_init(struct smtp_settings *settings,
    enum smtp_service service);

/* For struct session_maker; settings is a struct smtp_settings. */
struct session *smtp_in_make(struct env *env, const void *settings);

#endif
