/*
 * queue: what waits for other servers, and how it is told to go on.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/admin.h"
#include "server/base/cursor.h"
#include "server/base/env.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/mime/address.h"
#include "store/queue.h"
#include "store/read.h"

static const char *const state_names[] = {
	[QUEUE_WAITING] = "waiting", [QUEUE_HELD] = "held",
	[QUEUE_DELIVERED] = "delivered", [QUEUE_FAILED] = "failed",
	[QUEUE_EXPIRED] = "expired", [QUEUE_DROPPED] = "dropped"
};

/* ---- filters ---- */

static char *
copy(struct span s)
{
	struct buf b = BUF_INIT;

	buf_addspan(&b, s);
	return buf_take(&b);
}

static bool
take_state(struct queue_filter *f, struct span value)
{
	for (size_t i = 0; i < COUNT(state_names); i++)
		if (span_iis(value, state_names[i])) {
			f->state = (int)i;
			return true;
		}
	return false;
}

/* "12", "from=a@b", "to=a@b", "domain=d", "state=held", "via=host", "all" */
static bool
take_word(struct queue_filter *f, struct span word)
{
	struct cursor c = cursor_of_span(word);
	struct span key, value;
	char **text = NULL;

	if (cursor_number(&c, INT64_MAX, &f->id) && cursor_at_end(&c))
		return f->id != 0;
	f->id = 0;
	if (span_iis(word, "all"))
		return true;
	c = cursor_of_span(word);
	key = cursor_until(&c, '=');
	if (!cursor_skip(&c, '='))
		return false;
	value = span_make(c.p, cursor_left(&c));
	if (span_iis(key, "state"))
		return take_state(f, value);
	if (span_iis(key, "from"))
		text = &f->sender;
	else if (span_iis(key, "to"))
		text = &f->rcpt;
	else if (span_iis(key, "domain"))
		text = &f->domain;
	else if (span_iis(key, "via"))
		text = &f->destination;
	if (!text || *text || value.len == 0)
		return false;
	*text = copy(value);
	return true;
}

/* The first n arguments; false: the answer has been given. */
static bool
take_filter(struct admin *a, struct queue_filter *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!take_word(f, a->args[i])) {
			admin_fail(a, "\"%.*s\" is no filter; write an id, "
			    "all, from=ADDRESS, to=ADDRESS, domain=DOMAIN, "
			    "state=waiting, state=held or via=HOST",
			    SPAN_ARG(a->args[i]));
			return false;
		}
	return true;
}

/* ---- queue list ---- */

enum admin_step
admin_queue_list(struct admin *a)
{
	struct rjob_queue_list *l = rjob_queue_list_new(a->s.env, &a->s);

	if (!take_filter(a, &l->filter, a->arg_count)) {
		op_free(&l->j.op);
		return ADMIN_DONE;
	}
	return admin_read(a, &l->j);
}

static const char *
next_try(struct admin *a, const struct queue_mail_rcpt *r)
{
	if (r->state != QUEUE_WAITING)
		return "";
	return r->next_at_s <= env_wall_s(a->s.env) ? "now" :
	    admin_date(a, r->next_at_s);
}

/* Bytes of another server's are shown, whatever they are. */
static json_t *
text_of(const char *s)
{
	json_t *t = json_string(s ? s : "");

	return t ? t : json_string("?");
}

static void
put_mail(struct admin *a, const struct queue_mail *m)
{
	for (size_t i = 0; i < m->rcpt_count; i++) {
		const struct queue_mail_rcpt *r = &m->rcpts[i];

		admin_put_row(a, json_pack(
		    "{s:I,s:o,s:o,s:I,s:s,s:s,s:i,s:s,s:i,s:o}",
		    "id", (json_int_t)m->id, "from", text_of(m->sender),
		    "to", text_of(r->address), "size", (json_int_t)m->size,
		    "queued", admin_date(a, m->created_s),
		    "state", state_names[r->state],
		    "attempts", (int)r->attempts, "next", next_try(a, r),
		    "code", r->code, "reply", text_of(r->text)));
	}
}

enum admin_step
admin_queue_list_done(struct admin *a, struct op *op)
{
	struct rjob_queue_list *l = CONTAINER_OF(op, struct rjob_queue_list,
	    j.op);
	enum admin_step step;

	if (op->err < 0) {
		step = admin_fail_err(a, op->err, "the queue");
		op_free(op);
		return step;
	}
	for (size_t i = 0; i < l->count; i++)
		put_mail(a, &l->mails[i]);
	l->count = 0;
	if (!l->j.more) {
		op_free(op);
		return admin_finish(a);
	}
	if (a->s.out->len > SESSION_OUT_HIGH) {
		a->kept = op;
		return ADMIN_DRAIN;
	}
	op_adopt(op, &a->s);
	store_read(a->s.env->store, &l->j);
	return ADMIN_WAIT;
}

/* ---- queue show ---- */

enum admin_step
admin_queue_show(struct admin *a)
{
	struct rjob_queue_list *l = rjob_queue_list_new(a->s.env, &a->s);

	if (!take_word(&l->filter, a->args[0]) || !l->filter.id) {
		op_free(&l->j.op);
		return admin_fail(a, "\"%.*s\" is not the id of a message; "
		    "`kingpost queue list` shows them", SPAN_ARG(a->args[0]));
	}
	a->stage = 0;
	return admin_read(a, &l->j);
}

static json_t *
rcpts_of(struct admin *a, const struct queue_mail *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->rcpt_count; i++) {
		const struct queue_mail_rcpt *r = &m->rcpts[i];

		json_array_append_new(list, json_pack(
		    "{s:o,s:s,s:o,s:i,s:s,s:i,s:o}",
		    "to", text_of(r->address), "state", state_names[r->state],
		    "via", text_of(r->destination),
		    "attempts", (int)r->attempts, "next", next_try(a, r),
		    "code", r->code, "reply", text_of(r->text)));
	}
	return list;
}

static json_t *
attempts_of(struct admin *a, const struct rjob_queue_list *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->attempt_count; i++) {
		const struct queue_attempt *t = &l->attempts[i];

		json_array_append_new(list, json_pack(
		    "{s:s,s:i,s:o,s:o,s:o,s:i,s:o,s:I}",
		    "at", admin_date(a, t->at_s), "recipient", (int)t->n,
		    "host", text_of(t->host), "peer", text_of(t->peer),
		    "tls", text_of(t->tls), "code", t->code,
		    "reply", text_of(t->text), "ms", (json_int_t)t->ms));
	}
	return list;
}

static enum admin_step
show_mail(struct admin *a, struct op *op)
{
	struct rjob_queue_list *l = CONTAINER_OF(op, struct rjob_queue_list,
	    j.op);
	struct rjob_messages *r;
	const struct queue_mail *m;

	if (op->err < 0 || l->count == 0) {
		enum admin_step step = admin_fail_err(a, op->err < 0 ?
		    op->err : ERR_NOTFOUND, "the message");

		op_free(op);
		return step;
	}
	m = &l->mails[0];
	admin_put_row(a, json_pack("{s:I,s:o,s:I,s:s,s:s,s:o,s:o,s:o}",
	    "id", (json_int_t)m->id, "from", text_of(m->sender),
	    "size", (json_int_t)m->size,
	    "queued", admin_date(a, m->created_s),
	    "given_up", admin_date(a, m->expires_s),
	    "message_id", text_of(m->msgid),
	    "recipients", rcpts_of(a, m), "attempts", attempts_of(a, l)));
	r = rjob_messages_new(a->s.env, &a->s, 1);
	r->items[0] = (struct read_item){ .body = m->body,
	    .len = READ_HEADER };
	op_free(op);
	a->stage = 1;
	return admin_read(a, &r->j);
}

/* The header, a note a line. */
static enum admin_step
show_header(struct admin *a, struct op *op)
{
	struct rjob_messages *r = CONTAINER_OF(op, struct rjob_messages,
	    j.op);

	for (size_t i = 0; op->err == 0 && i < r->piece_count; i++) {
		struct cursor c = cursor_of_span(r->pieces[i].bytes);

		while (!cursor_at_end(&c)) {
			struct span line = cursor_until(&c, '\n');

			(void)cursor_skip(&c, '\n');
			line = span_trim(line);
			if (line.len)
				admin_put_note(a, "%.*s", SPAN_ARG(line));
		}
	}
	op_free(op);
	return admin_finish(a);
}

enum admin_step
admin_queue_show_done(struct admin *a, struct op *op)
{
	return a->stage == 0 ? show_mail(a, op) : show_header(a, op);
}

/* ---- what changes it ---- */

static enum admin_step
edit(struct admin *a, enum queue_how how, unsigned filters)
{
	struct wreq_queue_edit *r = wreq_queue_edit_new(a->s.env, &a->s);

	r->how = how;
	if (!take_filter(a, &r->filter, filters)) {
		op_free(&r->w.op);
		return ADMIN_DONE;
	}
	if (how == QUEUE_ROUTE)
		r->destination = copy(a->args[filters]);
	return admin_write(a, &r->w);
}

enum admin_step
admin_queue_bounce(struct admin *a)
{
	return edit(a, QUEUE_BOUNCE, a->arg_count);
}

enum admin_step
admin_queue_hold(struct admin *a)
{
	return edit(a, QUEUE_HOLD, a->arg_count);
}

enum admin_step
admin_queue_release(struct admin *a)
{
	return edit(a, QUEUE_RELEASE, a->arg_count);
}

enum admin_step
admin_queue_retry(struct admin *a)
{
	return edit(a, QUEUE_RETRY, a->arg_count);
}

enum admin_step
admin_queue_drop(struct admin *a)
{
	return edit(a, QUEUE_DROP, a->arg_count);
}

enum admin_step
admin_queue_route(struct admin *a)
{
	struct span to = a->args[a->arg_count - 1];
	struct buf name = BUF_INIT;
	int err = domain_key(&name, to);

	buf_release(&name);
	if (err < 0)
		return admin_fail(a, "\"%.*s\" is not a host; write it like "
		    "relay.example.net", SPAN_ARG(to));
	return edit(a, QUEUE_ROUTE, a->arg_count - 1);
}

enum admin_step
admin_queue_edited(struct admin *a, struct op *op)
{
	static const char *const words[] = {
		[QUEUE_HOLD] = "held", [QUEUE_RELEASE] = "released",
		[QUEUE_RETRY] = "due now", [QUEUE_DROP] = "dropped",
		[QUEUE_ROUTE] = "on another way now",
		[QUEUE_BOUNCE] = "given up; the sender is told"
	};
	struct wreq_queue_edit *r = CONTAINER_OF(op, struct wreq_queue_edit,
	    w.op);
	enum admin_step step;

	if (op->err == ERR_NOTFOUND) {
		step = admin_fail(a, "nothing in the queue is like that");
	} else if (op->err < 0) {
		step = admin_fail_err(a, op->err, "the queue");
	} else {
		admin_put_note(a, "%zu recipient%s %s", r->count_r,
		    r->count_r == 1 ? " is" : "s are", words[r->how]);
		step = admin_finish(a);
	}
	op_free(op);
	return step;
}
