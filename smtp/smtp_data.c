/*
 * DATA and BDAT: from the first byte of a message to the reply at its end.
 *
 * The end takes several steps, each of which may wait: the spool is finished,
 * the addresses in From and Sender are looked up (submission), what leaves
 * is signed, the copies are committed. Only then is there a 250 (RFC 5321
 * section 6.1).
 */
#include "smtp/smtp_priv.h"

#include <inttypes.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/mime/digest.h"
#include "store/store.h"

/* What the end of a message waits for: smtp_in.finish_step. */
enum {
	FINISH_NOTHING,		/* it has not ended */
	FINISH_SPOOL,
	FINISH_SENDERS,
	FINISH_KEYS,
	FINISH_SIGNATURE,
	FINISH_COMMIT
};

static void
begin_message(struct smtp_in *s, bool is_stuffed)
{
	struct smtp_txn *t = &s->txn;

	t->submit = (struct submit_facts){
		.now_s = env_wall_s(s->s.env),
		.random = s->s.env->random,
		.hostname = s->s.env->hostname,
		.from = t->from.len ? t->from : span_of(s->login.name),
	};
	message_init(&t->message, &s->s, s->settings->size_limit,
	    smtp_is_submission(s) ? &t->submit : NULL, is_stuffed);
	if (smtp_is_submission(s) && smtp_leaves(t))
		message_sign(&t->message);
	s->finish_step = FINISH_NOTHING;
}

/* The transaction is over, one way or the other; the reply is given. */
static enum smtp_step
end_message(struct smtp_in *s)
{
	s->messages++;
	s->finish_step = FINISH_NOTHING;
	s->mode = MODE_COMMAND;
	smtp_end_data(s);
	smtp_reset(s);
	return STEP_DONE;
}

static enum smtp_step
refuse_message(struct smtp_in *s, enum smtp_reply_id id)
{
	if (id == R_TOO_BIG)
		smtp_reply_with(s, id, "The message is too big: the limit is "
		    "%" PRIu64 " bytes", s->settings->size_limit);
	else
		smtp_reply(s, id);
	return end_message(s);
}

/* ---- the end of a message, step by step ---- */

/* What an address that submits without a log-in is counted by. */
static uint64_t
relay_account(const struct smtp_in *s)
{
	uint64_t h = 0;

	/* The same in every run; above all ids of accounts. */
	for (size_t i = 0; i < sizeof s->s.peer.net; i++)
		h = h * 1099511628211u ^ s->s.peer.net[i];
	return h | 1ull << 63;
}

/* What a submission costs its account, and leaves in its Sent folder. */
static void
add_sender(struct smtp_in *s, struct wreq_deliver *r)
{
	struct span secret = s->txn.message.senders.secret;

	if (smtp_is_relay(s)) {
		r->caps = (struct send_caps){ relay_account(s),
		    s->settings->relay_messages_day, 0 };
		return;
	}
	r->caps = (struct send_caps){ s->s.account,
	    s->settings->messages_day, s->settings->new_rcpts_day };
	/* What a program says in nobody's name is nothing to keep. */
	if (s->txn.from.len == 0)
		return;
	r->sent_account = s->s.account;
	r->sent_prefix = xmemdup(secret.p, secret.len);
	r->sent_prefix_len = secret.len;
}

static enum smtp_step
commit(struct smtp_in *s)
{
	struct smtp_txn *t = &s->txn;
	struct trace trace = {
		.peer = &s->s.peer,
		.hello = s->hello,
		.is_esmtp = s->is_esmtp,
		.is_logged_in = s->s.account != 0,
		.is_utf8 = t->is_utf8,
		.hostname = s->s.env->hostname,
		.id = t->id,
		.now_s = env_wall_s(s->s.env),
		.from = t->from,
	};
	const struct envelope *e =
	    &spool_digest(t->message.spool)->envelope;
	struct deliver_out out = {
		.settings = s->settings->queue,
		.account = s->s.account, .is_ours = smtp_is_relay(s),
		.is_utf8 = t->is_utf8,
		.is_requiretls = t->is_requiretls,
		.is_tls_optional = t->message.is_tls_optional,
		.priority = t->priority,
		.ret = t->ret, .envid = t->envid,
		.msgid = e->has_message_id ? e->message_id : SPAN(""),
	};
	struct wreq_deliver *r = deliver_make(&s->s, &trace,
	    out.settings ? &out : NULL, t->rcpts, t->rcpt_count);

	r->spool = t->message.spool;
	t->message.spool = NULL;
	if (smtp_is_submission(s)) {
		deliver_add_signature(r, t->signature);
		add_sender(s, r);
		r->notice = deliver_notice(&s->s, &trace, &out, t->rcpts,
		    t->rcpt_count, e);
	}
	s->finish_step = FINISH_COMMIT;
	store_submit(s->s.env->store, &r->w);
	return STEP_WAIT;
}

static enum smtp_step
committed(struct smtp_in *s, struct op *op)
{
	struct wreq_deliver *r = CONTAINER_OF(op, struct wreq_deliver, w.op);
	struct smtp_txn *t = &s->txn;
	size_t copies = r->rcpt_count;
	size_t queued = r->queue ? r->queue->rcpt_count : 0;
	bool is_new_rcpts = r->is_new_rcpts_r;
	int err = op->err;

	op_free(op);
	if (err == ERR_LIMIT)
		return refuse_message(s, is_new_rcpts ? R_CAP_RCPTS :
		    R_CAP_MESSAGES);
	if (err < 0)
		return refuse_message(s, smtp_reply_for_err(err));
	STAT_ADD(s->s.env->stats, messages_received, 1);
	log_event(s->s.env->log, LOG_INFO, smtp_area(s), "accepted",
	    F_STR("id", t->id), F_SPAN("from", t->from),
	    F_SPAN("to", t->rcpts[0].address), F_INT("copies", copies),
	    F_INT("queued", queued), F_INT("size", t->message.size), F_STR("peer", s->s.peer.addr),
	    F_STR("user", s->login.name));
	smtp_reply_with(s, R_ACCEPTED, "Message accepted as %s", t->id);
	return end_message(s);
}

static enum smtp_step
sign(struct smtp_in *s)
{
	if (!smtp_sign_begin(s))
		return commit(s);
	s->finish_step = FINISH_KEYS;
	return STEP_WAIT;
}

static enum smtp_step
keys_read(struct smtp_in *s, struct op *op)
{
	bool is_waiting = false;
	int err = smtp_sign_keys(s, op, &is_waiting);

	if (err < 0)
		return refuse_message(s, smtp_reply_for_err(err));
	if (!is_waiting)
		return commit(s);
	s->finish_step = FINISH_SIGNATURE;
	return STEP_WAIT;
}

static enum smtp_step
signature_made(struct smtp_in *s, struct op *op)
{
	int err = smtp_sign_done(s, op);

	return err < 0 ? refuse_message(s, smtp_reply_for_err(err)) :
	    commit(s);
}

/* The envelope's sender, which MAIL has found to be the account's own. */
static bool
is_envelope_sender(const struct smtp_txn *t, const struct submit_sender *a)
{
	size_t at = a->local.len;

	return t->from.len == at + 1 + a->domain.len && t->from.p[at] == '@' &&
	    span_ieq(span_head(t->from, at), a->local) &&
	    span_ieq(span_from(t->from, at + 1), a->domain);
}

/* Looks up the addresses in From and Sender; STEP_DONE: none to look up. */
static enum smtp_step
resolve_senders(struct smtp_in *s)
{
	struct submit_senders *senders = &s->txn.message.senders;
	struct rjob_resolve *r;
	size_t n = 0;

	for (size_t i = 0; i < senders->n; i++)
		if (!is_envelope_sender(&s->txn, &senders->v[i]))
			senders->v[n++] = senders->v[i];
	senders->n = n;
	if (n == 0)
		return STEP_DONE;
	r = rjob_resolve_new(s->s.env, &s->s);
	for (size_t i = 0; i < n; i++)
		rjob_resolve_add(r, senders->v[i].local,
		    senders->v[i].domain);
	s->finish_step = FINISH_SENDERS;
	store_read(s->s.env->store, &r->j);
	return STEP_WAIT;
}

static enum smtp_step
senders_resolved(struct smtp_in *s, struct op *op)
{
	struct rjob_resolve *r = CONTAINER_OF(op, struct rjob_resolve, j.op);
	struct verdict v = { .reply = R_NONE };
	struct buf address = BUF_INIT;

	if (op->err < 0)
		v.reply = smtp_reply_for_err(op->err);
	for (size_t i = 0; i < r->count && v.reply == R_NONE; i++) {
		buf_clear(&address);
		buf_addspan(&address, r->items[i].local);
		buf_addc(&address, '@');
		buf_addspan(&address, r->items[i].domain);
		if (smtp_is_relay(s))
			policy_relay_sender(&r->items[i],
			    buf_span(&address), &v);
		else
			policy_sender(&r->items[i], s->s.account,
			    buf_span(&address), &v);
	}
	buf_release(&address);
	op_free(op);
	if (v.reply == R_NONE)
		return sign(s);
	smtp_reply_verdict(s, &v);
	return end_message(s);
}

static void
judge_data(struct smtp_in *s, struct verdict *v)
{
	struct smtp_txn *t = &s->txn;
	struct message *m = &t->message;
	struct span *rcpts = arena_array(&t->arena, t->rcpt_count,
	    sizeof *rcpts);
	struct policy_data facts = {
		.has_bare = m->dots.has_bare && !smtp_is_submission(s),
		.received_count = m->received_count,
		.received_max = SMTP_RECEIVED_MAX,
		.has_broken_sender = m->senders.is_broken,
	};

	for (size_t i = 0; i < t->rcpt_count; i++)
		rcpts[i] = t->rcpts[i].address;
	facts.is_loop = policy_is_loop(m->delivered_to, m->delivered_to_count,
	    rcpts, t->rcpt_count);
	policy_data(&facts, v);
}

static enum smtp_step
finish(struct smtp_in *s)
{
	struct message *m = &s->txn.message;
	struct verdict v;

	s->finish_step = FINISH_SPOOL;
	if (!message_finish(m))
		return STEP_WAIT;
	if (m->fault != R_NONE)
		return refuse_message(s, m->fault);
	judge_data(s, &v);
	if (v.reply != R_NONE) {
		smtp_reply_verdict(s, &v);
		return end_message(s);
	}
	if (resolve_senders(s) == STEP_WAIT)
		return STEP_WAIT;
	return sign(s);
}

enum smtp_step
smtp_done_data(struct smtp_in *s, struct op *op)
{
	switch (s->finish_step) {
	case FINISH_SPOOL:
		return finish(s);
	case FINISH_SENDERS:
		return senders_resolved(s, op);
	case FINISH_KEYS:
		return keys_read(s, op);
	case FINISH_SIGNATURE:
		return signature_made(s, op);
	case FINISH_COMMIT:
		return committed(s, op);
	default:
		/* A part of the message has been written: there is room. */
		return message_is_blocked(&s->txn.message) ? STEP_WAIT :
		    STEP_DONE;
	}
}

/* ---- the bytes ---- */

/* Whether a message that is refused anyway goes on and on. */
static bool
is_endless(const struct smtp_in *s)
{
	const struct message *m = &s->txn.message;

	return m->fault != R_NONE &&
	    m->size > s->settings->size_limit + SMTP_DROP_MAX;
}

/* Feeds text until the input is used up, the message ends or blocks. */
static size_t
feed(struct smtp_in *s, const char *p, size_t len, bool *has_ended)
{
	struct message *m = &s->txn.message;
	size_t used = 0, n;
	struct span text;

	*has_ended = false;
	while (used < len && !*has_ended && !message_is_blocked(m)) {
		if (s->txn.is_binary && !m->in_head) {
			/* RFC 3030 section 3: no line ends to be judged. */
			message_add(m, span_make(p + used, len - used));
			used = len;
			break;
		}
		*has_ended = dots_next(&m->dots, p + used, len - used, &n,
		    &text) == DOTS_END;
		message_add(m, text);
		used += n;
	}
	s->window_bytes += used;
	return used;
}

enum smtp_step
smtp_run_data(struct smtp_in *s)
{
	/* RFC 3030 section 3: and then only RSET is left. */
	if (s->txn.is_binary) {
		s->txn.has_failed = true;
		s->state = ST_CHUNKS;
		smtp_reply(s, R_BINARY_DATA);
		return STEP_DONE;
	}
	begin_message(s, true);
	smtp_begin_data(s);
	smtp_reply(s, R_SEND_DATA);
	s->mode = MODE_DATA;
	return STEP_DONE;
}

size_t
smtp_data_input(struct smtp_in *s, const char *p, size_t len,
    enum smtp_step *step)
{
	bool has_ended;
	size_t used = feed(s, p, len, &has_ended);

	if (has_ended) {
		*step = finish(s);
	} else if (is_endless(s)) {
		(void)refuse_message(s, s->txn.message.fault);
		*step = STEP_CLOSE;
	} else {
		*step = message_is_blocked(&s->txn.message) ? STEP_WAIT :
		    STEP_DONE;
	}
	return used;
}

/* ---- BDAT (RFC 3030) ---- */

/* Why this chunk is no part of a message; R_NONE: it is. */
static enum smtp_reply_id
judge_chunk(const struct smtp_in *s)
{
	if (!(s->state & (ST_RCPT | ST_CHUNKS)))
		return smtp_wrong_state(s);
	return s->txn.has_failed ? R_CHUNKS_FAILED : R_NONE;
}

/* The chunk's bytes are in. */
static enum smtp_step
end_chunk(struct smtp_in *s)
{
	struct message *m = &s->txn.message;

	if (s->chunk_fault == R_NONE && s->args.is_last) {
		message_add(m, dots_finish(&m->dots));
		return finish(s);
	}
	smtp_end_data(s);
	s->mode = MODE_COMMAND;
	if (s->chunk_fault == R_NONE)
		s->chunk_fault = m->fault;
	if (s->chunk_fault == R_NONE) {
		smtp_reply_with(s, R_CHUNK_OK, "%" PRIu64 " bytes received",
		    s->args.chunk_len);
		return STEP_DONE;
	}
	smtp_reply(s, s->chunk_fault);
	if (s->state == ST_CHUNKS) {
		/* RFC 3030 section 2: what is in the pipe is dropped. */
		s->txn.has_failed = true;
		message_release(m);
		if (s->args.is_last)
			smtp_reset(s);
	}
	return STEP_DONE;
}

enum smtp_step
smtp_run_bdat(struct smtp_in *s)
{
	uint64_t limit = SMTP_DROP_MAX;

	s->chunk_fault = judge_chunk(s);
	if (s->chunk_fault == R_NONE)
		limit += s->settings->size_limit;
	if (s->args.chunk_len > limit) {
		smtp_reply(s, s->chunk_fault == R_NONE ? R_TOO_BIG :
		    s->chunk_fault);
		return STEP_CLOSE;
	}
	if (s->state == ST_RCPT) {
		begin_message(s, false);
		s->state = ST_CHUNKS;
	}
	smtp_begin_data(s);
	s->mode = MODE_BDAT;
	s->chunk_left = s->args.chunk_len;
	return s->chunk_left ? STEP_DONE : end_chunk(s);
}

size_t
smtp_bdat_input(struct smtp_in *s, const char *p, size_t len,
    enum smtp_step *step)
{
	size_t used = (size_t)MIN((uint64_t)len, s->chunk_left);
	bool has_ended;

	if (s->chunk_fault == R_NONE)
		used = feed(s, p, used, &has_ended);
	else
		s->window_bytes += used;
	s->chunk_left -= used;
	if (s->chunk_left == 0)
		*step = end_chunk(s);
	else if (is_endless(s)) {
		(void)refuse_message(s, s->txn.message.fault);
		*step = STEP_CLOSE;
	} else {
		*step = s->chunk_fault == R_NONE &&
		    message_is_blocked(&s->txn.message) ? STEP_WAIT :
		    STEP_DONE;
	}
	return used;
}
