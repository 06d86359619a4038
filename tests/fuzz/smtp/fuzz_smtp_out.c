/*
 * A session that sends, against a server that says anything: it ends, every
 * recipient has one result and no more, and each line that is said ends with
 * CR LF. The first byte chooses what TLS is demanded; 0xff among the rest
 * lets half a minute pass.
 */
#include <assert.h>
#include <stdlib.h>

#include "server/base/dial.h"
#include "server/base/random.h"
#include "server/base/xalloc.h"
#include "smtp/smtp_out.h"
#include "store/queue.h"
#include "tests/driver.h"

#define RCPTS 3
#define MESSAGE "Subject: x\r\n\r\n.a\r\n..\r\nb\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sender {
	struct out_owner owner;		/* first */
	struct session *session;
	struct queue_mail_rcpt rcpts[RCPTS];
	struct queue_mail mail;
	unsigned results[RCPTS];
	unsigned sent;
	bool has_ended;
};

static struct world *world;
static struct sender sender;

static void
note_result(struct out_owner *o, const struct queue_mail *m, size_t rcpt,
    const struct out_result *r)
{
	(void)o;
	assert(m == &sender.mail && rcpt < RCPTS);
	sender.results[rcpt]++;
	assert(sender.results[rcpt] == sender.sent);
	assert(strlen(r->text) <= OUT_TEXT_MAX && r->enhanced[0]);
	assert(r->status != OUT_DELIVERED || r->code / 100 == 2);
}

static void
note_idle(struct out_owner *o)
{
	(void)o;
	for (size_t i = 0; i < RCPTS; i++)
		assert(sender.results[i] == sender.sent);
	if (sender.sent++ < 4)
		smtp_out_send(sender.session, &sender.mail);
	else
		smtp_out_quit(sender.session);
}

static void
note_ended(struct out_owner *o, const struct out_result *why)
{
	(void)o;
	(void)why;
	sender.has_ended = true;
}

static const struct out_owner_ops ops = {
	.result = note_result, .idle = note_idle, .ended = note_ended,
};

static struct session *
make(struct env *env, const void *settings)
{
	sender.session = smtp_out_new(env, settings, &sender.owner);
	return sender.session;
}

static struct world *
open_world(void)
{
	struct world *w = xcalloc(1, sizeof *w);

	if (base_random_start() < 0)
		abort();
	world_open(w);
	world_add_user(w, "ann@example.org", "pw");
	world_deliver(w, "ann@example.org", "INBOX", SPAN(MESSAGE), 0);
	return w;
}

static void
start(bool is_must, bool has_login)
{
	static const struct tls_want want = { .mode = TLS_OPPORTUNISTIC };
	struct smtp_out_params params = {
		.host = "mx.test", .tls = is_must ? OUT_TLS_MUST : OUT_TLS_MAY,
		.tls_want = &want, .user = has_login ? "u" : NULL,
		.password = has_login ? "p" : NULL,
	};
	struct session_maker maker = { make, &params };

	sender = (struct sender){ .owner.ops = &ops };
	for (size_t i = 0; i < RCPTS; i++)
		sender.rcpts[i] = (struct queue_mail_rcpt){
			.address = i ? "a@b.test" : "\xc3\xa4@b.test",
			.orcpt = "rfc822;a@b.test", .notify = (unsigned)i
		};
	sender.mail = (struct queue_mail){
		.sender = "ann@example.org", .rcpts = sender.rcpts,
		.rcpt_count = RCPTS, .body = world->last_body,
		.size = world->last_size, .envid = "x",
	};
	(void)client_open(world, &maker, "192.0.2.1", false);
}

static void
check_lines(struct span out)
{
	for (size_t i = 0; i < out.len; i++) {
		if (out.p[i] == '\n')
			assert(i > 0 && out.p[i - 1] == '\r');
		if (out.p[i] == '\r')
			assert(i + 1 < out.len && out.p[i + 1] == '\n');
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client *c;

	if (size == 0)
		return 0;
	if (!world)
		world = open_world();
	start(data[0] & 1, data[0] & 2);
	c = CONTAINER_OF(world->clients.prev, struct client, node);
	for (size_t i = 1; i < size && c->session;) {
		const uint8_t *p = data + i;
		const uint8_t *pause = memchr(p, 0xff, size - i);
		size_t n = pause ? (size_t)(pause - p) : size - i;

		client_send(c, (const char *)p, n);
		if (pause)
			world_advance(world, 30000);
		i += n + (pause != NULL);
	}
	world_advance(world, 3600 * 1000);
	assert(sender.has_ended);
	check_lines(buf_span(&c->out));
	list_remove(&c->node);
	buf_release(&c->in);
	buf_release(&c->out);
	free(c);
	return 0;
}
