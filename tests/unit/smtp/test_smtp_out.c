/*
 * What a wire script cannot show of a session that sends: messages of many
 * slices, and a signature that is made anew.
 */
#include "tests/check.h"

#include <stdlib.h>

#include "auth/dkim_verify.h"
#include "server/base/dial.h"
#include "server/base/facts.h"
#include "server/base/random.h"
#include "smtp/smtp_out.h"
#include "store/mime/header.h"
#include "store/queue.h"
#include "store/trust.h"
#include "store/write.h"
#include "tests/driver.h"

#define EIGHT "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n" \
	"Content-Transfer-Encoding: 8bit\r\n"

struct sender {
	struct out_owner owner;		/* first */
	struct session *session;
	struct queue_mail mail;
	struct queue_mail_rcpt rcpt;
	unsigned delivered, ended;
};

static struct world w;
static struct sender sender;

static void
note_result(struct out_owner *o, const struct queue_mail *m, size_t rcpt,
    const struct out_result *r)
{
	(void)o;
	(void)m;
	CHECK_EQ(rcpt, 0);
	CHECK_EQ(r->status, OUT_DELIVERED);
	sender.delivered++;
}

static void
note_idle(struct out_owner *o)
{
	(void)o;
	smtp_out_quit(sender.session);
}

static void
note_ended(struct out_owner *o, const struct out_result *why)
{
	(void)o;
	(void)why;
	sender.ended++;
}

static const struct out_owner_ops ops = {
	.result = note_result, .idle = note_idle, .ended = note_ended,
};

static struct session *
make(struct env *env, const void *settings)
{
	sender.session = smtp_out_new(env, settings, &sender.owner);
	smtp_out_send(sender.session, &sender.mail);
	return sender.session;
}

static void
came_home(struct op *op)
{
	op->tag = 1;
}

static void
write_now(struct wreq *r)
{
	r->op.finish = came_home;
	r->op.tag = 0;
	store_submit(w.store, r);
	while (!r->op.tag) {
		(void)store_pump(w.store);
		(void)post_drain(&w.home);
	}
	CHECK_EQ(r->op.err, 0);
}

/* Stores a message with lines of ours on top, and makes it the mail. */
static void
prepare(const char *prefix, struct span message)
{
	struct spool *spool = spool_new(&w.env, SPOOL_CHUNK);
	struct wreq_deliver *r = wreq_deliver_new(&w.env, NULL);

	CHECK_EQ(spool_add(spool, message.p, message.len), 0);
	CHECK_EQ(spool_finish(spool), 0);
	sender = (struct sender){ .owner.ops = &ops };
	sender.rcpt.address = "joe@remote.test";
	r->spool = spool;
	r->queue = xcalloc(1, sizeof *r->queue);
	r->queue->prefix = xstrdup(prefix);
	r->queue->prefix_len = strlen(prefix);
	r->queue->sender = xstrdup("ann@example.org");
	r->queue->expires_s = r->w.now_s + 1000;
	r->queue->rcpts = xcalloc(1, sizeof *r->queue->rcpts);
	r->queue->rcpts[0].address = xstrdup("joe@remote.test");
	r->queue->rcpts[0].destination = xstrdup("remote.test");
	r->queue->rcpt_count = 1;
	write_now(&r->w);
	op_free(&r->w.op);
}

/* Takes the message out of the queue, as the scheduler does. */
static struct rjob_queue_work *
take_work(void)
{
	struct rjob_queue_work *j = rjob_queue_work_new(&w.env);

	j->destination = xstrdup("remote.test");
	j->now_s = env_wall_s(&w.env);
	j->max_mails = 1;
	j->max_rcpts = 1;
	j->j.op.finish = came_home;
	j->j.op.tag = 0;
	store_read(w.store, &j->j);
	while (!j->j.op.tag) {
		(void)store_pump(w.store);
		(void)post_drain(&w.home);
	}
	CHECK_EQ(j->count, 1);
	sender.mail = j->mails[0];
	return j;
}

static struct client *
begin(const char *offer)
{
	static const struct tls_want want = { .mode = TLS_OPPORTUNISTIC };
	static const struct smtp_out_params params = {
		.host = "mx.remote.test", .tls = OUT_TLS_MAY,
		.tls_want = &want,
	};
	static const struct session_maker maker = { make, &params };
	struct client *c = client_open(&w, &maker, "192.0.2.1", false);

	client_send(c, "220 x\r\n", 7);
	client_send(c, offer, strlen(offer));
	client_send(c, "250 x\r\n250 x\r\n", 14);
	return c;
}

/* What stands behind the first line that is cmd. */
static struct span
after(struct client *c, const char *cmd)
{
	struct span out = buf_span(&c->out);
	const char *p = memmem(out.p, out.len, cmd, strlen(cmd));

	CHECK(p != NULL);
	return span_from(out, (size_t)(p - out.p) + strlen(cmd));
}

static void
end(struct client *c)
{
	client_send(c, "221 x\r\n", 7);
	CHECK_EQ(sender.delivered, 1);
	CHECK_EQ(sender.ended, 1);
	CHECK(c->is_closed);
}

static int
setup(void **state)
{
	(void)state;
	world_open(&w);
	world_add_user(&w, "ann@example.org", "pw");
	return 0;
}

static int
teardown(void **state)
{
	struct buf why = BUF_INIT;
	int breaches;

	(void)state;
	breaches = world_close(&w, &why);
	if (breaches)
		print_error("%s\n", why.p);
	buf_release(&why);
	return breaches;
}

/* 200 KiB with dots at the beginning of lines. */
static void
big_message(struct buf *m)
{
	buf_adds(m, "Subject: big\r\n\r\n");
	for (unsigned i = 0; m->len < 200 * 1024; i++)
		buf_printf(m, "%sline %u\r\n", i % 3 ? "" : ".", i);
}

static void
remove_dots(struct buf *out, struct span data)
{
	while (!span_starts(data, ".\r\n")) {
		const char *lf = span_chr(data, '\n');
		size_t n;

		CHECK(lf != NULL);
		n = (size_t)(lf - data.p) + 1;
		buf_addspan(out, *data.p == '.' ? span_make(data.p + 1,
		    n - 1) : span_head(data, n));
		data = span_from(data, n);
	}
}

TEST(test_out_sends_many_slices_as_data)
{
	struct buf m = BUF_INIT, got = BUF_INIT;
	struct rjob_queue_work *j;
	struct client *c;

	big_message(&m);
	prepare("Received: here\r\n", buf_span(&m));
	j = take_work();
	c = begin("250 x\r\n");
	client_send(c, "354 x\r\n", 7);
	remove_dots(&got, after(c, "\r\nDATA\r\n"));
	CHECK_EQ(got.len, m.len + 16);
	CHECK(span_eq(span_from(buf_span(&got), 16), buf_span(&m)));
	client_send(c, "250 x\r\n", 7);
	end(c);
	op_free(&j->j.op);
	buf_release(&m);
	buf_release(&got);
}

TEST(test_out_sends_a_chunk_for_each_slice)
{
	struct buf m = BUF_INIT, got = BUF_INIT;
	struct rjob_queue_work *j;
	struct client *c;
	unsigned chunks = 0;
	bool is_last = false;

	big_message(&m);
	prepare("", buf_span(&m));
	j = take_work();
	c = begin("250-x\r\n250 CHUNKING\r\n");
	while (!is_last) {
		struct span data = after(c, "BDAT ");
		size_t n = strtoul(data.p, NULL, 10);
		const char *lf = span_chr(data, '\n');

		is_last = memmem(data.p, (size_t)(lf - data.p), "LAST", 4);
		buf_add(&got, lf + 1, n);
		buf_clear(&c->out);
		client_send(c, "250 x\r\n", 7);
		chunks++;
	}
	CHECK(chunks > 1);
	CHECK(span_eq(buf_span(&got), buf_span(&m)));
	end(c);
	op_free(&j->j.op);
	buf_release(&m);
	buf_release(&got);
}

static void
add_key(struct buf *record)
{
	struct wreq_dkim_key *r = wreq_dkim_key_new(&w.env, NULL);
	struct buf der = BUF_INIT;

	CHECK_EQ(dkim_key_make(&der, DKIM_ED25519_SHA256), 0);
	CHECK_EQ(dkim_key_record(record, buf_span(&der),
	    DKIM_ED25519_SHA256), 0);
	r->how = DKIM_KEY_ADD;
	r->domain = xstrdup("example.org");
	r->selector = xstrdup("s1");
	r->algorithm = DKIM_ED25519;
	r->private_key = xmemdup(der.p, der.len);
	r->private_len = der.len;
	r->public_key = xmemdup("x", 1);
	r->public_len = 1;
	r->state = DKIM_SIGNING;
	write_now(&r->w);
	op_free(&r->w.op);
	buf_release(&der);
}

static void
on_ready(struct facts *f)
{
	(void)f;
}

/* Whether the one signature of a message is good. */
static enum dkim_result
verify(struct span message)
{
	size_t n = header_block_len(message);
	struct dkim_verifier *v = dkim_verifier_new(span_head(message, n),
	    env_wall_s(&w.env));
	struct dkim_verify_job *j;
	enum dkim_result result;
	struct facts facts;

	CHECK(v != NULL);
	CHECK_EQ(v->count, 1);
	facts_init(&facts, &w.env, on_ready);
	dkim_verifier_body(v, message.p + n, message.len - n);
	dkim_verifier_end(v);
	while (!dkim_verifier_keys(v, &facts)) {
		facts_ask(&facts);
		world_pump(&w);
	}
	if (dkim_verifier_needs_job(v)) {
		j = dkim_verify_job_new(v, &w.home, NULL);
		j->j.run(&j->j);
		CHECK(dkim_verify_job_take(j) == v);
		op_free(&j->j.op);
	}
	result = v->sigs[0].result;
	dkim_verifier_free(v);
	facts_release(&facts);
	return result;
}

TEST(test_out_signs_anew_what_it_converts)
{
	struct buf record = BUF_INIT, got = BUF_INIT;
	struct rjob_queue_work *j;
	struct client *c;

	add_key(&record);
	CHECK(zone_add(&w.zone, SPAN("s1._domainkey.example.org"),
	    SPAN("TXT"), buf_span(&record), SPAN("")));
	prepare("DKIM-Signature: v=1; a=ed25519-sha256; d=example.org;\r\n"
	    " s=old; h=from; bh=AAAA; b=AAAA\r\nReceived: here\r\n",
	    SPAN("From: ann@example.org\r\nMIME-Version: 1.0\r\n" EIGHT
	    "\r\n\xc3\xa4\r\n.\r\n"));
	j = take_work();
	c = begin("250 x\r\n");
	client_send(c, "354 x\r\n", 7);
	remove_dots(&got, after(c, "\r\nDATA\r\n"));
	CHECK(memmem(got.p, got.len, "s=old", 5) == NULL);
	CHECK(memmem(got.p, got.len, "=C3=A4\r\n.\r\n", 11) != NULL);
	CHECK(span_starts(buf_span(&got), "DKIM-Signature: "));
	CHECK_EQ(verify(buf_span(&got)), DKIM_PASS);
	client_send(c, "250 x\r\n", 7);
	end(c);
	op_free(&j->j.op);
	buf_release(&record);
	buf_release(&got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_out_sends_many_slices_as_data, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_out_sends_a_chunk_for_each_slice, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_out_signs_anew_what_it_converts, setup, teardown),
	};

	if (base_random_start() < 0)
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
