#include "tests/protos.h"

#include <stddef.h>

#include "imap/imap.h"
#include "pop3/pop3.h"
#include "server/admin.h"
#include "server/base/dial.h"
#include "server/base/err.h"
#include "smtp/smtp_in.h"
#include "smtp/smtp_out.h"
#include "tests/driver.h"
#include "tests/out_play.h"

/* Small enough for a script to pass it. */
#define SIZE_LIMIT 100000

/* As world_start_queue has them. */
static const struct queue_settings queue = {
	.expire_s = 5 * 24 * 60 * 60, .route.hostname = WORLD_HOST,
};

static const struct smtp_settings mx = {
	.service = SMTP_MX, .size_limit = SIZE_LIMIT, .has_starttls = true,
	.rcpts_max = SMTP_RCPTS_MX, .queue = &queue,
};

/* 198.51.100.0/24 */
static const struct addr_net relay_from[] = {
	{ .base.bytes = { [10] = 0xff, 0xff, 198, 51, 100 },
	    .prefix = 96 + 24 }
};

static const struct smtp_settings submission = {
	.service = SMTP_SUBMISSION, .size_limit = SIZE_LIMIT,
	.has_starttls = true, .is_lenient = true,
	.rcpts_max = SMTP_RCPTS_SUBMISSION, .queue = &queue,
	.messages_day = 20, .new_rcpts_day = 10,
	.relay_from = relay_from, .relay_from_count = 1,
	.relay_messages_day = 2,
	.login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
};

static const struct pop3_settings pop3 = {
	.has_stls = true, .login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
};

static const struct imap_settings imap = {
	.size_limit = SIZE_LIMIT, .has_starttls = true,
	.login = { PLAINTEXT_LOOPBACK, PASSWD_PARAMS_TEST },
};

/* There is no TLS here whose certificate could be changed. */
static int
refuse_certificate(struct admin_host *host, struct span chain,
    struct span key, char *name, size_t name_size, int64_t *not_after_s,
    struct buf *why)
{
	(void)host;
	(void)chain;
	(void)key;
	(void)name;
	(void)name_size;
	(void)not_after_s;
	buf_adds(why, "this is not a certificate");
	return ERR_CONFIG;
}

static void
put_no_status(struct admin_host *host, json_t *row)
{
	(void)host;
	json_object_set_new(row, "running", json_true());
}

static struct admin_host admin_host = { refuse_certificate, put_no_status };

static const struct admin_settings admin = {
	.params = PASSWD_PARAMS_TEST, .host = &admin_host, .queue = &queue,
};

static const struct tls_want any_tls = { .mode = TLS_OPPORTUNISTIC };
static const struct tls_want verified_tls = { .mode = TLS_PKIX };

/* Mail to a server that the script plays. */
static const struct smtp_out_params out = {
	.host = "mx.remote.test", .tls = OUT_TLS_MAY, .tls_want = &any_tls,
};

static const struct smtp_out_params out_must = {
	.host = "mx.remote.test", .tls = OUT_TLS_MUST,
	.tls_want = &verified_tls,
};

static const struct smtp_out_params out_login = {
	.host = "relay.remote.test", .tls = OUT_TLS_MUST,
	.tls_want = &verified_tls, .user = "us", .password = "secret",
};

struct proto {
	const char *name;
	struct session_maker maker;
};

/* A row for each front-end. */
static const struct proto protos[] = {
	{ "admin", { admin_make, &admin } },
	{ "imap", { imap_make, &imap } },
	{ "out", { out_play_make, &out } },
	{ "out-login", { out_play_make, &out_login } },
	{ "out-must", { out_play_make, &out_must } },
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
