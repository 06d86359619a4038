/*
 * send: a message of this host's own, into mailboxes and the queue.
 */
#include <stdlib.h>

#include "server/admin.h"
#include "server/base/codec.h"
#include "server/base/env.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "smtp/deliver.h"
#include "smtp/submit.h"
#include "store/account.h"
#include "store/mime/address.h"
#include "store/mime/header.h"

#define ID_BYTES 8

/* args[0] is the sender, "<>" for none; the others are recipients. */
enum admin_step
admin_send(struct admin *a)
{
	struct rjob_resolve *r;
	struct span local, domain;

	if (a->literals[0].len > SEND_MAX)
		return admin_fail(a, "the message is larger than %u bytes; "
		    "submit it by SMTP", SEND_MAX);
	if (span_is(a->args[0], "<>"))
		a->args[0] = SPAN("");
	if (a->args[0].len && address_spec_parse(a->args[0], &a->arena,
	    &local, &domain) < 0)
		return admin_fail(a, "\"%.*s\" is not an address; write it "
		    "like alice@example.org", SPAN_ARG(a->args[0]));
	r = rjob_resolve_new(a->s.env, &a->s);
	for (unsigned i = 1; i < a->arg_count; i++) {
		/* A user of this host: the postmaster reads that. */
		if (!span_chr(a->args[i], '@')) {
			local = SPAN("postmaster");
			domain = SPAN("");
		} else if (address_spec_parse(a->args[i], &a->arena, &local,
		    &domain) < 0) {
			op_free(&r->j.op);
			return admin_fail(a, "\"%.*s\" is not an address; "
			    "write it like alice@example.org",
			    SPAN_ARG(a->args[i]));
		}
		rjob_resolve_add(r, local, domain);
	}
	a->stage = 0;
	return admin_read(a, &r->j);
}

/* Lines as mail has them. */
static void
put_crlf(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (c == '\n' && (i == 0 || text.p[i - 1] != '\r'))
			buf_addc(out, '\r');
		if (c == '\r' && (i + 1 == text.len || text.p[i + 1] != '\n'))
			buf_addc(out, '\r'), c = '\n';
		buf_addc(out, c);
	}
}

/* What goes out: header made whole, Bcc taken out. */
static struct spool *
make_spool(struct admin *a)
{
	struct submit_facts facts = {
		.now_s = env_wall_s(a->s.env), .random = a->s.env->random,
		.hostname = a->s.env->hostname, .from = a->args[0],
	};
	struct submit_senders senders = { 0 };
	struct spool *s = spool_new(a->s.env, 2 * SEND_MAX);
	struct buf text = BUF_INIT, whole = BUF_INIT;
	const char *blank;
	size_t head;
	int err;

	put_crlf(&text, a->literals[0]);
	blank = text.len ? memmem(text.p, text.len, "\r\n\r\n", 4) : NULL;
	head = span_starts(buf_span(&text), "\r\n") ? 2 :
	    blank ? (size_t)(blank - text.p) + 4 : text.len;
	submit_fix_header(&facts, span_head(buf_span(&text), head),
	    &a->arena, &whole, &senders);
	buf_addspan(&whole, span_from(buf_span(&text), head));
	if ((err = spool_add(s, whole.p, whole.len)) == 0)
		err = spool_finish(s);
	buf_release(&text);
	buf_release(&whole);
	if (err == 0)
		return s;
	spool_free(s);
	return NULL;
}

static bool
take_rcpt(struct admin *a, const struct resolve_item *item, struct span text,
    struct rcpt *rcpt)
{
	bool is_out = item->result == RESOLVE_ELSEWHERE;
	size_t n = is_out ? 1 : item->elsewhere_count;

	if (!is_out && item->result != RESOLVE_OK)
		return false;
	*rcpt = (struct rcpt){
		.address = text, .accounts = item->accounts,
		.account_count = item->account_count,
		.is_alias = !is_out && !item->is_mailbox,
		.elsewhere = arena_array(&a->arena, n, sizeof(struct span)),
		.elsewhere_count = n,
	};
	for (size_t i = 0; i < n; i++)
		rcpt->elsewhere[i] = is_out ? text :
		    span_of(item->elsewhere[i]);
	return true;
}

static enum admin_step
deliver(struct admin *a, const struct rjob_resolve *r)
{
	struct rcpt *rcpts = arena_array(&a->arena, r->count, sizeof *rcpts);
	unsigned char bytes[ID_BYTES];
	struct buf id = BUF_INIT;
	struct trace trace = {
		.peer = &a->s.peer, .hello = "localhost",
		.hostname = a->s.env->hostname,
		.now_s = env_wall_s(a->s.env), .from = a->args[0],
	};
	struct deliver_out out = { .settings = a->settings->queue,
	    .is_ours = true };
	struct wreq_deliver *d;
	struct spool *spool;

	for (size_t i = 0; i < r->count; i++)
		if (!take_rcpt(a, &r->items[i], a->args[i + 1], &rcpts[i]))
			return admin_fail(a, "%.*s takes no mail here",
			    SPAN_ARG(a->args[i + 1]));
	if (!(spool = make_spool(a)))
		return admin_fail_err(a, ERR_BUDGET, "the message");
	random_fill(a->s.env->random, bytes, sizeof bytes);
	hex_encode(&id, bytes, sizeof bytes);
	trace.id = id.p;
	d = deliver_make(&a->s, &trace, &out, rcpts, r->count);
	buf_release(&id);
	d->spool = spool;
	a->stage = 1;
	return admin_write(a, &d->w);
}

enum admin_step
admin_send_done(struct admin *a, struct op *op)
{
	enum admin_step step;

	if (op->err < 0)
		step = admin_fail_err(a, op->err, "the message");
	else if (a->stage == 0)
		step = deliver(a, CONTAINER_OF(op, struct rjob_resolve,
		    j.op));
	else
		step = admin_finish(a);
	op_free(op);
	return step;
}
