/*
 * Notices: what the sender of a message is told, put together before the
 * results that it tells of are committed, so that both are or neither.
 *
 * Nobody is told who only may have sent the message: what came in through an
 * alias is told to our postmaster instead. And a notice that cannot be
 * delivered here makes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "server/base/codec.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "smtp/queue_out_priv.h"
#include "store/account.h"
#include "store/read.h"

#define NOTICE_ID_BYTES 12

void
notice_release(struct notice *n)
{
	op_waiter_cancel(&n->wait);
	if (n->req)
		op_free(&n->req->w.op);
	free(n->rcpts);
	buf_release(&n->original);
	n->req = NULL;
	n->rcpts = NULL;
}

/* What has been put together is in req; the results may go. */
static void
finish(struct notice *n)
{
	free(n->rcpts);
	n->rcpts = NULL;
	buf_release(&n->original);
	buf_init(&n->original);
	n->done(n);
}

/* ---- the message ---- */

static void
put_message(struct notice *n, struct buf *out, struct span to)
{
	const struct queue_mail *m = n->mail;
	unsigned char bytes[NOTICE_ID_BYTES];
	struct buf id = BUF_INIT;
	struct dsn d = {
		.hostname = n->q->env->hostname,
		.to = to, .envid = span_of(m->envid ? m->envid : ""),
		.arrival_s = m->created_s, .now_s = env_wall_s(n->q->env),
		.rcpts = n->rcpts, .rcpt_count = n->rcpt_count,
		.original = buf_span(&n->original), .is_full = n->is_full,
	};

	random_fill(n->q->env->random, bytes, sizeof bytes);
	hex_encode(&id, bytes, sizeof bytes);
	d.id = id.p;
	dsn_put(out, &d);
	buf_release(&id);
}

/* NULL: there is no memory for it. */
static struct spool *
make_spool(struct notice *n, struct span to)
{
	struct spool *s = spool_new(n->q->env, SPOOL_CHUNK);
	struct buf text = BUF_INIT;
	int err;

	put_message(n, &text, to);
	if ((err = spool_add(s, text.p, text.len)) == 0)
		err = spool_finish(s);
	buf_release(&text);
	if (err == 0)
		return s;
	spool_free(s);
	return NULL;
}

/* Copies for those of ours that the sender's address leads to. */
static void
add_notice(struct notice *n, const struct resolve_item *item, struct span to)
{
	struct wreq_queue_result *req = n->req;
	struct wreq_deliver *r;
	struct spool *spool = make_spool(n, to);

	if (!spool) {
		log_event(n->q->env->log, LOG_WARN, "queue",
		    "no-memory-for-notice", F_INT("id", n->mail->id));
		return;
	}
	r = wreq_deliver_new(n->q->env, NULL);
	r->spool = spool;
	r->rcpts = xcalloc(item->account_count, sizeof *r->rcpts);
	for (size_t i = 0; i < item->account_count; i++) {
		struct deliver_rcpt *copy = &r->rcpts[r->rcpt_count++];
		struct buf prefix = BUF_INIT;

		buf_adds(&prefix, "Return-Path: <>\r\nDelivered-To: ");
		buf_addspan(&prefix, to);
		buf_adds(&prefix, "\r\n");
		copy->account = item->accounts[i];
		copy->prefix_len = prefix.len;
		copy->prefix = buf_take(&prefix);
	}
	req->notices = xcalloc(1, sizeof *req->notices);
	req->notices[0] = r;
	req->notice_count = 1;
}

/* ---- step by step ---- */

static void
resolved(struct notice *n, struct op *op)
{
	struct rjob_resolve *r = CONTAINER_OF(op, struct rjob_resolve, j.op);
	struct span to = span_of(n->mail->sender);
	struct buf own = BUF_INIT;

	if (n->mail->flags & QUEUE_FORWARDED) {
		buf_printf(&own, "postmaster@%s", n->q->env->hostname);
		to = buf_span(&own);
	}
	if (op->err == 0 && r->items[0].result == RESOLVE_OK &&
	    r->items[0].account_count > 0)
		add_notice(n, &r->items[0], to);
	else
		log_event(n->q->env->log, LOG_INFO, "queue", "no-notice",
		    F_INT("id", n->mail->id), F_SPAN("to", to));
	buf_release(&own);
	op_free(op);
	finish(n);
}

static void
resolve(struct notice *n)
{
	struct rjob_resolve *r = rjob_resolve_new(n->q->env, NULL);
	struct span from = span_of(n->mail->sender);
	size_t at = from.len;

	while (at > 0 && from.p[at - 1] != '@')
		at--;
	if ((n->mail->flags & QUEUE_FORWARDED) || at == 0)
		rjob_resolve_add(r, SPAN("postmaster"), SPAN(""));
	else
		rjob_resolve_add(r, span_head(from, at - 1),
		    span_from(from, at));
	op_wait(&n->wait, &r->j.op);
	store_read(n->q->env->store, &r->j);
}

/* A slice of the original has come. */
static void
original_came(struct notice *n, struct op *op)
{
	struct rjob_messages *r = CONTAINER_OF(op, struct rjob_messages,
	    j.op);

	for (size_t i = 0; op->err == 0 && i < r->piece_count; i++)
		if (n->original.len < DSN_ORIGINAL_MAX)
			buf_addspan(&n->original, r->pieces[i].bytes);
	if (op->err == 0 && r->j.more) {
		op_wait(&n->wait, op);
		store_read(n->q->env->store, &r->j);
		return;
	}
	op_free(op);
	n->is_read = true;
	resolve(n);
}

/* RFC 3461 section 4.3: RET is for failures; others get the header. */
static bool
wants_full(const struct notice *n)
{
	if (n->mail->ret == RET_HDRS ||
	    n->mail->size > DSN_ORIGINAL_MAX)
		return false;
	for (size_t i = 0; i < n->rcpt_count; i++)
		if (n->rcpts[i].action == DSN_FAILED)
			return true;
	return false;
}

static void
notice_came(struct op_waiter *w, struct op *op)
{
	struct notice *n = CONTAINER_OF(w, struct notice, wait);

	if (n->is_read) {
		resolved(n, op);
		return;
	}
	original_came(n, op);
}

void
notice_start(struct notice *n)
{
	struct rjob_messages *r;

	if (n->rcpt_count == 0) {
		finish(n);
		return;
	}
	n->wait.came = notice_came;
	n->is_read = false;
	n->is_full = wants_full(n);
	r = rjob_messages_new(n->q->env, NULL, 1);
	r->items[0] = (struct read_item){ .body = n->mail->body,
	    .len = n->is_full ? READ_ALL : READ_HEADER };
	op_wait(&n->wait, &r->j.op);
	store_read(n->q->env->store, &r->j);
}
