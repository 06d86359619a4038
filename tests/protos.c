#include "tests/protos.h"

#include <stddef.h>

#include "imap/imap.h"
#include "pop3/pop3.h"
#include "smtp/smtp_in.h"

/* Small enough for a script to pass it. */
#define SIZE_LIMIT 100000

static const struct smtp_settings mx = {
	.service = SMTP_MX, .size_limit = SIZE_LIMIT, .has_starttls = true,
	.rcpts_max = SMTP_RCPTS_MX,
};

static const struct smtp_settings submission = {
	.service = SMTP_SUBMISSION, .size_limit = SIZE_LIMIT,
	.has_starttls = true, .is_lenient = true,
	.rcpts_max = SMTP_RCPTS_SUBMISSION,
	.login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
};

static const struct pop3_settings pop3 = {
	.has_stls = true, .login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
};

static const struct imap_settings imap = {
	.size_limit = SIZE_LIMIT, .has_starttls = true,
	.login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
};

struct proto {
	const char *name;
	struct session_maker maker;
};

/* A row for each front-end. */
static const struct proto protos[] = {
	{ "imap", { imap_make, &imap } },
	{ "pop3", { pop3_make, &pop3 } },
	{ "smtp", { smtp_in_make, &mx } },
	{ "submission", { smtp_in_make, &submission } },
	{ NULL, { NULL, NULL } },
};

const struct session_maker *
protos_find(struct span name)
{
	for (const struct proto *p = protos; p->name; p++)
		if (span_is(name, p->name))
			return &p->maker;
	return NULL;
}
