/*
 * What a sender hears at once: recipients here have the message with its 250
 * (RFC 3461 section 5.2.6), and a list has passed it on (section 5.2.7).
 */
#include "smtp/deliver.h"

#include "server/base/codec.h"
#include "server/base/env.h"
#include "server/base/xalloc.h"
#include "smtp/dsn.h"

#define NOTICE_ID_BYTES 12

bool
deliver_is_list(const struct rcpt *r)
{
	return r->is_alias && r->account_count + r->elsewhere_count > 1;
}

static size_t
put_rcpts(struct dsn_rcpt *v, const struct rcpt *rcpts, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct rcpt *r = &rcpts[i];

		/* What only leads elsewhere is for the queue to tell. */
		if (!(r->notify & NOTIFY_SUCCESS) ||
		    (r->account_count == 0 && !deliver_is_list(r)))
			continue;
		v[n++] = (struct dsn_rcpt){
			.action = deliver_is_list(r) ? DSN_EXPANDED :
			    DSN_DELIVERED,
			.address = r->address, .orcpt = r->orcpt,
			.status = "2.1.5",
		};
	}
	return n;
}

static void
put_field(struct buf *out, const char *name, bool has, struct span value)
{
	if (!has)
		return;
	buf_printf(out, "%s: ", name);
	buf_addspan(out, value);
	buf_adds(out, "\r\n");
}

/* Enough of the header to know it by. */
static void
put_header(struct buf *out, const struct envelope *e)
{
	put_field(out, "Date", e->has_date, e->date);
	put_field(out, "Subject", e->has_subject, e->subject);
	put_field(out, "Message-ID", e->has_message_id, e->message_id);
	buf_adds(out, "\r\n");
}

static struct spool *
make_spool(struct env *env, struct dsn *d)
{
	struct spool *s = spool_new(env, SPOOL_CHUNK);
	unsigned char bytes[NOTICE_ID_BYTES];
	struct buf id = BUF_INIT, text = BUF_INIT;
	int err;

	random_fill(env->random, bytes, sizeof bytes);
	hex_encode(&id, bytes, sizeof bytes);
	d->id = id.p;
	dsn_put(&text, d);
	if ((err = spool_add(s, text.p, text.len)) == 0)
		err = spool_finish(s);
	buf_release(&id);
	buf_release(&text);
	if (err == 0)
		return s;
	spool_free(s);
	return NULL;
}

struct wreq_deliver *
deliver_notice(struct session *s, const struct trace *t,
    const struct deliver_out *out, const struct rcpt *rcpts, size_t count,
    const struct envelope *e)
{
	struct dsn_rcpt *v = xcalloc(count, sizeof *v);
	struct buf header = BUF_INIT;
	struct dsn d = {
		.hostname = t->hostname, .to = t->from, .envid = out->envid,
		.arrival_s = t->now_s, .now_s = t->now_s,
		.rcpts = v, .rcpt_count = put_rcpts(v, rcpts, count),
	};
	struct wreq_deliver *r = NULL;
	struct spool *spool = NULL;

	if (d.rcpt_count && t->from.len && out->account) {
		put_header(&header, e);
		d.original = buf_span(&header);
		spool = make_spool(s->env, &d);
	}
	if (spool) {
		r = wreq_deliver_new(s->env, NULL);
		r->spool = spool;
		r->rcpts = xcalloc(1, sizeof *r->rcpts);
		r->rcpt_count = 1;
		r->rcpts[0].account = out->account;
		r->rcpts[0].prefix = xstrdup("Return-Path: <>\r\n");
		r->rcpts[0].prefix_len = strlen(r->rcpts[0].prefix);
	}
	buf_release(&header);
	free(v);
	return r;
}
