#include "smtp/smtp_priv.h"

#include <stdlib.h>

#include "server/base/codec.h"
#include "server/base/xalloc.h"
#include "store/store.h"

#define RCPTS_FIRST 4		/* room for so many at the first */

/*
 * RFC 5321 section 4.5.1: postmaster is reached without a domain, and also
 * by our own name or address when that is no domain of accounts.
 */
static bool
is_own_postmaster(const struct smtp_in *s, const struct smtp_path *path)
{
	struct span literal = path->domain;

	if (path->kind == PATH_POSTMASTER)
		return true;
	if (!span_iis(path->local, "postmaster"))
		return false;
	if (!path->is_literal)
		return span_iis(path->domain, s->s.env->hostname);
	literal = span_head(span_from(literal, 1), literal.len - 2);
	if (span_istarts(literal, "IPv6:"))
		literal = span_from(literal, 5);
	return span_iis(literal, s->s.peer.local_addr);
}

/* Asks who gets mail for the address, and for postmaster if that is meant. */
static enum smtp_step
resolve(struct smtp_in *s, const struct smtp_path *path, bool is_rcpt)
{
	struct rjob_resolve *r = rjob_resolve_new(s->s.env, &s->s);

	if (path->kind == PATH_ADDRESS)
		rjob_resolve_add(r, path->local, path->domain);
	if (is_rcpt && is_own_postmaster(s, path))
		rjob_resolve_add(r, SPAN("postmaster"), SPAN(""));
	store_read(s->s.env->store, &r->j);
	return STEP_WAIT;
}

/* The address itself if it is here, else what else was asked for. */
static const struct resolve_item *
best_item(const struct rjob_resolve *r)
{
	if (r->count > 1 && r->items[0].result == RESOLVE_ELSEWHERE)
		return &r->items[1];
	return &r->items[0];
}

/* ---- MAIL ---- */

static enum smtp_step
begin_txn(struct smtp_in *s)
{
	struct smtp_txn *t = &s->txn;
	unsigned char id[SMTP_ID_BYTES];
	struct buf hex = BUF_INIT;

	random_fill(s->s.env->random, id, sizeof id);
	hex_encode(&hex, id, sizeof id);
	memcpy(t->id, hex.p, sizeof t->id);
	buf_release(&hex);
	t->from = arena_span(&t->arena, s->args.path.text);
	t->is_utf8 = s->args.is_utf8;
	t->is_binary = s->args.is_binary;
	t->size = s->args.size;
	t->is_requiretls = s->args.is_requiretls;
	t->priority = s->args.priority;
	t->ret = s->args.ret;
	t->envid = arena_span(&t->arena, s->args.envid);
	s->state = ST_MAIL;
	smtp_reply(s, R_SENDER_OK);
	return STEP_DONE;
}

enum smtp_step
smtp_run_mail(struct smtp_in *s)
{
	const struct smtp_path *path = &s->args.path;
	struct policy_mail facts = {
		.is_full = store_is_full(s->s.env->store),
		.size = s->args.size,
		.size_limit = s->settings->size_limit,
	};
	struct verdict v;

	if (s->messages >= SMTP_MESSAGES_MAX) {
		smtp_reply(s, R_MANY_MESSAGES);
		return STEP_CLOSE;
	}
	policy_mail(&facts, &v);
	if (v.reply != R_NONE) {
		smtp_reply_verdict(s, &v);
		return STEP_DONE;
	}
	/* The null sender speaks in nobody's name (RFC 3798 section 3). */
	if (!smtp_is_submission(s) || path->kind == PATH_NULL)
		return begin_txn(s);
	return resolve(s, path, false);
}

enum smtp_step
smtp_done_mail(struct smtp_in *s, struct op *op)
{
	struct rjob_resolve *r = CONTAINER_OF(op, struct rjob_resolve, j.op);
	struct verdict v = { .reply = R_NONE };

	if (op->err < 0)
		v.reply = smtp_reply_for_err(op->err);
	else if (smtp_is_relay(s))
		policy_relay_sender(&r->items[0], s->args.path.text, &v);
	else
		policy_sender(&r->items[0], s->s.account, s->args.path.text,
		    &v);
	op_free(op);
	if (v.reply == R_NONE)
		return begin_txn(s);
	smtp_reply_verdict(s, &v);
	return STEP_DONE;
}

/* ---- RCPT ---- */

enum smtp_step
smtp_run_rcpt(struct smtp_in *s)
{
	const struct smtp_path *path = &s->args.path;
	struct verdict v;

	policy_rcpt_count(s->txn.rcpt_count, s->settings->rcpts_max, &v);
	/* RFC 6531 section 3.4; programs that submit forget it */
	if (v.reply == R_NONE && path->has_utf8 && !s->txn.is_utf8 &&
	    !s->settings->is_lenient)
		v.reply = R_NOT_ASCII;
	if (v.reply != R_NONE) {
		smtp_reply_verdict(s, &v);
		return STEP_DONE;
	}
	return resolve(s, path, true);
}

/* Addresses of other domains that the recipient is, or leads to. */
static void
add_elsewhere(struct smtp_txn *t, struct rcpt *rcpt,
    const struct resolve_item *item)
{
	bool is_itself = item->result == RESOLVE_ELSEWHERE;
	size_t n = is_itself ? 1 : item->elsewhere_count;

	rcpt->elsewhere = arena_array(&t->arena, n, sizeof *rcpt->elsewhere);
	rcpt->elsewhere_count = n;
	if (is_itself)
		rcpt->elsewhere[0] = rcpt->address;
	for (size_t i = 0; i < n && !is_itself; i++)
		rcpt->elsewhere[i] = arena_span(&t->arena,
		    span_of(item->elsewhere[i]));
}

static void
add_rcpt(struct smtp_in *s, const struct resolve_item *item)
{
	struct smtp_txn *t = &s->txn;
	struct rcpt *rcpt;

	/* Grows at each power of two. */
	if (t->rcpt_count == 0 || (t->rcpt_count >= RCPTS_FIRST &&
	    (t->rcpt_count & (t->rcpt_count - 1)) == 0))
		t->rcpts = xreallocarray(t->rcpts, MAX(RCPTS_FIRST,
		    2 * t->rcpt_count), sizeof *t->rcpts);
	rcpt = &t->rcpts[t->rcpt_count++];
	if (s->args.path.kind == PATH_POSTMASTER)
		rcpt->address = span_of(arena_printf(&t->arena,
		    "postmaster@%s", s->s.env->hostname));
	else
		rcpt->address = arena_span(&t->arena, s->args.path.text);
	rcpt->notify = s->args.notify;
	rcpt->orcpt = arena_span(&t->arena, s->args.orcpt);
	rcpt->is_alias = item->result == RESOLVE_OK && !item->is_mailbox;
	add_elsewhere(t, rcpt, item);
	rcpt->account_count = item->account_count;
	rcpt->accounts = arena_memdup(&t->arena, item->accounts,
	    item->account_count * sizeof *item->accounts);
	t->is_utf8 = t->is_utf8 || s->args.path.has_utf8;
	s->state = ST_RCPT;
}

enum smtp_step
smtp_done_rcpt(struct smtp_in *s, struct op *op)
{
	struct rjob_resolve *r = CONTAINER_OF(op, struct rjob_resolve, j.op);
	struct verdict v = { .reply = R_NONE };

	if (op->err < 0)
		v.reply = smtp_reply_for_err(op->err);
	else
		policy_rcpt(best_item(r), smtp_is_submission(s),
		    s->settings->queue != NULL, s->args.path.text, &v);
	if (v.reply == R_NONE)
		policy_room(best_item(r), s->txn.size, &v);
	if (v.reply == R_NONE) {
		add_rcpt(s, best_item(r));
		smtp_reply(s, R_RCPT_OK);
	} else {
		/* One that may be right later makes all of it "later". */
		if (smtp_reply_get(v.reply)->code < 500)
			s->txn.no_rcpts = R_NO_RCPTS_NOW;
		else if (s->txn.no_rcpts == R_NONE)
			s->txn.no_rcpts = R_NO_RCPTS;
		smtp_reply_verdict(s, &v);
	}
	op_free(op);
	return STEP_DONE;
}
