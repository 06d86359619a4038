#include "smtp/deliver.h"

#include <assert.h>
#include <stdlib.h>

#include "server/base/env.h"
#include "server/base/hash.h"
#include "server/base/xalloc.h"
#include "smtp/queue_out_priv.h"
#include "store/mime/date.h"

/* RFC 3848 and RFC 6531 section 4.3: how the message came. */
static void
put_protocol(struct buf *out, const struct trace *t)
{
	if (!t->is_esmtp) {
		buf_adds(out, "SMTP");
		return;
	}
	buf_adds(out, t->is_utf8 ? "UTF8SMTP" : "ESMTP");
	if (t->peer->has_tls)
		buf_addc(out, 'S');
	if (t->is_logged_in)
		buf_addc(out, 'A');
}

/* TCP-info of RFC 5321 section 4.4: the address, as a literal. */
static void
put_literal(struct buf *out, const char *addr)
{
	buf_printf(out, "[%s%s]", strchr(addr, ':') ? "IPv6:" : "", addr);
}

/* RFC 5321 section 4.4 */
static void
put_received(struct buf *out, const struct trace *t, struct span rcpt,
    bool is_only)
{
	buf_printf(out, "Received: from %s (", t->hello);
	put_literal(out, t->peer->addr);
	buf_printf(out, ")\r\n\tby %s (Kingpost) with ", t->hostname);
	put_protocol(out, t);
	buf_printf(out, " id %s", t->id);
	if (t->peer->has_tls)
		buf_printf(out, "\r\n\t(%s %s)", t->peer->tls_version,
		    t->peer->tls_cipher);
	if (is_only) {
		buf_adds(out, "\r\n\tfor <");
		buf_addspan(out, rcpt);
		buf_addc(out, '>');
	}
	buf_adds(out, ";\r\n\t");
	date_put_rfc5322(out, t->now_s);
	buf_adds(out, "\r\n");
}

void
deliver_put_prefix(struct buf *out, const struct trace *t, struct span rcpt,
    bool is_only)
{
	buf_adds(out, "Return-Path: <");
	buf_addspan(out, t->from);
	buf_adds(out, ">\r\nDelivered-To: ");	/* RFC 9228 */
	buf_addspan(out, rcpt);
	buf_adds(out, "\r\n");
	put_received(out, t, rcpt, is_only);
}

/* ---- copies here ---- */

static void
add_copies(struct wreq_deliver *r, const struct trace *t,
    const struct rcpt *rcpts, size_t count)
{
	struct idmap seen = { 0 };
	size_t max = 0;

	for (size_t i = 0; i < count; i++)
		max += rcpts[i].account_count;
	r->rcpts = xcalloc(max, sizeof *r->rcpts);
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < rcpts[i].account_count; j++) {
			uint64_t account = rcpts[i].accounts[j];
			struct buf prefix = BUF_INIT;
			struct deliver_rcpt *copy;

			if (idmap_find(&seen, account))
				continue;
			idmap_put(&seen, account, r);
			deliver_put_prefix(&prefix, t, rcpts[i].address,
			    count == 1);
			copy = &r->rcpts[r->rcpt_count++];
			copy->account = account;
			copy->prefix_len = prefix.len;
			copy->prefix = buf_take(&prefix);
		}
	}
	idmap_release(&seen);
}

/* ---- mail for elsewhere ---- */

static char *
copy_span(struct span s)
{
	struct buf b = BUF_INIT;

	buf_addspan(&b, s);
	return buf_take(&b);
}

/* The name that retries of mail to an address are counted by; owned. */
static char *
find_destination(const struct queue_settings *set, struct span address)
{
	struct arena a = { 0 };
	size_t at = address.len;
	char *name;

	while (at > 0 && address.p[at - 1] != '@')
		at--;
	name = copy_span(route_destination(&set->route,
	    destination_domain(&a, span_from(address, at)), &a));
	arena_release(&a);
	return name;
}

static bool
is_queued(const struct queue_new *q, struct span address)
{
	for (size_t i = 0; i < q->rcpt_count; i++)
		if (span_ieq(address, span_of(q->rcpts[i].address)))
			return true;
	return false;
}

/*
 * RFC 3461 section 5.2.7: an alias with several targets has delivered with
 * that; one with a single target is just another name.
 */
static unsigned
notify_of(const struct rcpt *r)
{
	if (!deliver_is_list(r) || !(r->notify & NOTIFY_SUCCESS))
		return r->notify;
	return r->notify == NOTIFY_SUCCESS ? NOTIFY_NEVER :
	    r->notify & ~(unsigned)NOTIFY_SUCCESS;
}

static void
add_queue_rcpts(struct queue_new *q, const struct queue_settings *set,
    const struct rcpt *r)
{
	for (size_t i = 0; i < r->elsewhere_count; i++) {
		if (is_queued(q, r->elsewhere[i]))
			continue;
		q->rcpts[q->rcpt_count++] = (struct queue_rcpt_new){
			.address = copy_span(r->elsewhere[i]),
			.orcpt = r->orcpt.len ? copy_span(r->orcpt) : NULL,
			.notify = notify_of(r),
			.destination = find_destination(set,
			    r->elsewhere[i]),
		};
	}
}

static void
add_queue(struct wreq_deliver *r, const struct trace *t,
    const struct deliver_out *out, const struct rcpt *rcpts, size_t count)
{
	struct queue_new *q;
	struct buf prefix = BUF_INIT;
	size_t max = 0;

	for (size_t i = 0; i < count; i++)
		max += rcpts[i].elsewhere_count;
	if (max == 0)
		return;
	q = r->queue = xcalloc(1, sizeof *q);
	q->rcpts = xcalloc(max, sizeof *q->rcpts);
	/* So that a circle is seen when it closes (RFC 9228 section 4). */
	if (count == 1 && rcpts[0].is_alias) {
		buf_adds(&prefix, "Delivered-To: ");
		buf_addspan(&prefix, rcpts[0].address);
		buf_adds(&prefix, "\r\n");
	}
	put_received(&prefix, t, rcpts[0].address, count == 1);
	q->prefix_len = prefix.len;
	q->prefix = buf_take(&prefix);
	q->sender = copy_span(t->from);
	q->account = out->account;
	q->msgid = out->msgid.len ? copy_span(out->msgid) : NULL;
	q->envid = out->envid.len ? copy_span(out->envid) : NULL;
	q->ret = out->ret;
	q->flags = (out->is_utf8 ? QUEUE_SMTPUTF8 : 0u) |
	    (out->account || out->is_ours ? 0u : QUEUE_FORWARDED) |
	    (out->is_requiretls ? QUEUE_REQUIRETLS : 0u) |
	    /* RFC 8689 section 3: REQUIRETLS is the stronger word. */
	    (out->is_tls_optional && !out->is_requiretls ?
	    QUEUE_TLS_OPTIONAL : 0u) |
	    (t->from.len ? 0u : QUEUE_IS_DSN);
	q->priority = out->priority;
	q->expires_s = t->now_s + out->settings->expire_s;
	for (size_t i = 0; i < count; i++)
		add_queue_rcpts(q, out->settings, &rcpts[i]);
}

struct wreq_deliver *
deliver_make(struct session *s, const struct trace *t,
    const struct deliver_out *out, const struct rcpt *rcpts, size_t count)
{
	struct wreq_deliver *r = wreq_deliver_new(s->env, s);

	r->internaldate_s = t->now_s;
	add_copies(r, t, rcpts, count);
	if (out)
		add_queue(r, t, out, rcpts, count);
	assert(r->rcpt_count > 0 || r->queue);
	return r;
}

void
deliver_add_signature(struct wreq_deliver *r, struct span signature)
{
	struct queue_new *q = r->queue;
	struct buf prefix = BUF_INIT;

	if (!q || !signature.len)
		return;
	buf_addspan(&prefix, signature);
	buf_add(&prefix, q->prefix, q->prefix_len);
	free(q->prefix);
	q->prefix_len = prefix.len;
	q->prefix = buf_take(&prefix);
}
