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
#include "smtp/sign.h"
#include "smtp/submit.h"
#include "store/account.h"
#include "store/mime/address.h"
#include "store/mime/header.h"

#define ID_BYTES 8

enum { STAGE_RESOLVE, STAGE_KEYS, STAGE_SIGN, STAGE_COMMIT };

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
	a->stage = STAGE_RESOLVE;
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

/*
 * What goes out: header made whole, Bcc taken out. Into a->text. *author: the
 * domain in whose name it speaks, or "".
 */
static void
make_text(struct admin *a, struct span *author)
{
	struct submit_facts facts = {
		.now_s = env_wall_s(a->s.env), .random = a->s.env->random,
		.hostname = a->s.env->hostname, .from = a->args[0],
	};
	struct submit_senders senders = { 0 };
	struct buf text = BUF_INIT, whole = BUF_INIT;
	const char *blank;
	size_t head;

	put_crlf(&text, a->literals[0]);
	blank = text.len ? memmem(text.p, text.len, "\r\n\r\n", 4) : NULL;
	head = span_starts(buf_span(&text), "\r\n") ? 2 :
	    blank ? (size_t)(blank - text.p) + 4 : text.len;
	submit_fix_header(&facts, span_head(buf_span(&text), head),
	    &a->arena, &whole, &senders);
	buf_addspan(&whole, span_from(buf_span(&text), head));
	a->text = arena_span(&a->arena, buf_span(&whole));
	*author = senders.author;
	buf_release(&text);
	buf_release(&whole);
}

static struct spool *
make_spool(struct admin *a)
{
	struct spool *s = spool_new(a->s.env, 2 * SEND_MAX);
	int err;

	if ((err = spool_add(s, a->text.p, a->text.len)) == 0)
		err = spool_finish(s);
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
deliver(struct admin *a, struct span signature)
{
	struct rjob_resolve *r = CONTAINER_OF(a->kept, struct rjob_resolve,
	    j.op);
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
	deliver_add_signature(d, signature);
	buf_release(&id);
	d->spool = spool;
	a->stage = STAGE_COMMIT;
	return admin_write(a, &d->w);
}

/* ---- signing what leaves ---- */

static bool
leaves(const struct rjob_resolve *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].result == RESOLVE_ELSEWHERE ||
		    r->items[i].elsewhere_count)
			return true;
	return false;
}

/* The recipients are known, and stay with the command. Takes op. */
static enum admin_step
resolved(struct admin *a, struct op *op)
{
	struct rjob_dkim_keys *job;
	struct buf domain = BUF_INIT;
	struct span author;

	a->kept = op;
	make_text(a, &author);
	if (!leaves(CONTAINER_OF(op, struct rjob_resolve, j.op)) ||
	    !author.len || domain_key(&domain, author) < 0) {
		buf_release(&domain);
		return deliver(a, SPAN(""));
	}
	job = rjob_dkim_keys_new(a->s.env, &a->s);
	job->domain = buf_take(&domain);
	a->stage = STAGE_KEYS;
	return admin_read(a, &job->j);
}

static enum admin_step
sign(struct admin *a, struct op *op)
{
	struct rjob_dkim_keys *job = CONTAINER_OF(op, struct rjob_dkim_keys,
	    j.op);
	struct dkim_signer *signer = dkim_signer_new();
	size_t head = header_block_len(a->text);
	struct span body = span_from(a->text, head);
	bool is_waiting;
	int err;

	dkim_signer_body(signer, body.p, body.len);
	err = sign_submit(&a->s, &signer, span_head(a->text, head), job, 0,
	    &is_waiting);
	dkim_signer_free(signer);
	op_free(op);
	if (err < 0)
		return admin_fail_err(a, err, "the signature");
	a->stage = STAGE_SIGN;
	return is_waiting ? ADMIN_WAIT : deliver(a, SPAN(""));
}

static enum admin_step
signature_made(struct admin *a, struct op *op)
{
	struct dkim_sign_job *job = CONTAINER_OF(op, struct dkim_sign_job,
	    j.op);
	struct span field = arena_span(&a->arena, buf_span(&job->field));

	op_free(op);
	return deliver(a, field);
}

enum admin_step
admin_send_done(struct admin *a, struct op *op)
{
	enum admin_step step;

	if (op->err < 0) {
		step = admin_fail_err(a, op->err, "the message");
		op_free(op);
		return step;
	}
	switch (a->stage) {
	case STAGE_RESOLVE:
		return resolved(a, op);
	case STAGE_KEYS:
		return sign(a, op);
	case STAGE_SIGN:
		return signature_made(a, op);
	default:
		op_free(op);
		return admin_finish(a);
	}
}
