#include "smtp/deliver.h"

#include <assert.h>

#include "server/base/env.h"
#include "server/base/hash.h"
#include "server/base/xalloc.h"
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

struct wreq_deliver *
deliver_make(struct session *s, const struct trace *t,
    const struct rcpt *rcpts, size_t count)
{
	struct wreq_deliver *r = wreq_deliver_new(s->env, s);
	struct idmap seen = { 0 };
	size_t max = 0;

	for (size_t i = 0; i < count; i++)
		max += rcpts[i].account_count;
	r->rcpts = xcalloc(max, sizeof *r->rcpts);
	r->internaldate_s = t->now_s;
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
	assert(r->rcpt_count > 0);
	return r;
}
