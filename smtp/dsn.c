#include "smtp/dsn.h"

#include <inttypes.h>
#include <string.h>

#include "server/base/codec.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "store/mime/date.h"

static const char *const action_names[] = {
	[DSN_FAILED] = "failed", [DSN_DELAYED] = "delayed",
	[DSN_DELIVERED] = "delivered", [DSN_RELAYED] = "relayed",
	[DSN_EXPANDED] = "expanded"
};

/* What happened, to these. */
static const char *const action_words[] = {
	[DSN_FAILED] = "Your message could not be delivered to:",
	[DSN_DELAYED] = "Your message has not been delivered yet to:",
	[DSN_DELIVERED] = "Your message has been delivered to:",
	[DSN_RELAYED] =
	    "Your message is with the next server, which tells no more, for:",
	[DSN_EXPANDED] = "Your message has been delivered to the list:"
};

/* What to do about it; "": nothing. */
static const char *
advice(enum dsn_action action)
{
	if (action == DSN_FAILED)
		return "It will not be tried again. Check the address, or "
		    "reach the person in\r\nanother way and tell what the "
		    "other server said.\r\n";
	if (action == DSN_DELAYED)
		return "There is nothing to do: it will be tried again. If "
		    "that fails, too, you\r\nwill be told.\r\n";
	return "";
}

/* Bytes that have no place in a line become '?'. */
static void
put_line_text(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		buf_addc(out, c < ' ' || c == 0x7f ? '?' : s.p[i]);
	}
}

/* The first action that any recipient has; they say what it is about. */
static enum dsn_action
main_action(const struct dsn *d)
{
	enum dsn_action first = DSN_EXPANDED;

	for (size_t i = 0; i < d->rcpt_count; i++)
		first = MIN(first, d->rcpts[i].action);
	return first;
}

static bool
is_utf8(const struct dsn *d)
{
	for (size_t i = 0; i < d->rcpt_count; i++)
		if (!utf8_is_ascii(d->rcpts[i].address) ||
		    !utf8_is_ascii(d->rcpts[i].text))
			return true;
	return !utf8_is_ascii(d->to);
}

static const char *
subject(enum dsn_action action)
{
	switch (action) {
	case DSN_FAILED:
		return "Your message could not be delivered";
	case DSN_DELAYED:
		return "Your message is delayed";
	case DSN_DELIVERED:
	case DSN_EXPANDED:
		return "Your message has been delivered";
	case DSN_RELAYED:
		return "Your message has been handed over";
	}
	return "Your message";
}

/* RFC 3464 section 2; Auto-Submitted is RFC 3834 section 5. */
static void
put_header(struct buf *out, const struct dsn *d)
{
	buf_printf(out, "From: Mail delivery <postmaster@%s>\r\nTo: <",
	    d->hostname);
	put_line_text(out, d->to);
	buf_printf(out, ">\r\nSubject: %s\r\nDate: ",
	    subject(main_action(d)));
	date_put_rfc5322(out, d->now_s);
	buf_printf(out, "\r\nMessage-ID: <%s@%s>\r\n"
	    "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    "\tboundary=\"=_%s\"\r\n\r\n", d->id, d->hostname, d->id);
}

/* ---- for people ---- */

static void
put_rcpt_words(struct buf *out, const struct dsn_rcpt *r)
{
	buf_adds(out, "\r\n    ");
	put_line_text(out, r->address);
	buf_adds(out, "\r\n");
	if (r->text.len == 0 || r->action > DSN_DELAYED)
		return;
	buf_adds(out, "    ");
	if (r->host.len) {
		put_line_text(out, r->host);
		buf_adds(out, " said: ");
		if (r->code)
			buf_printf(out, "%d ", r->code);
	}
	put_line_text(out, r->text);
	buf_adds(out, "\r\n");
}

static void
put_until(struct buf *out, int64_t until_s)
{
	if (until_s == 0)
		return;
	buf_adds(out, "It is given up on ");
	date_put_rfc5322(out, until_s);
	buf_adds(out, ".\r\n");
}

static void
put_words(struct buf *out, const struct dsn *d)
{
	buf_printf(out, "--=_%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: %s\r\n\r\n"
	    "This is the mail server %s.\r\n", d->id,
	    is_utf8(d) ? "8bit" : "7bit", d->hostname);
	for (enum dsn_action a = DSN_FAILED; a <= DSN_EXPANDED; a++) {
		int64_t until_s = 0;
		bool any = false;

		for (size_t i = 0; i < d->rcpt_count; i++) {
			if (d->rcpts[i].action != a)
				continue;
			if (!any)
				buf_printf(out, "\r\n%s\r\n",
				    action_words[a]);
			any = true;
			put_rcpt_words(out, &d->rcpts[i]);
			until_s = d->rcpts[i].until_s;
		}
		if (any && *advice(a))
			buf_printf(out, "\r\n%s", advice(a));
		if (any)
			put_until(out, until_s);
	}
}

/* ---- for programs ---- */

/* RFC 3464 section 2.3.1, from RFC 3461 section 4.2; xtext undone. */
static void
put_orcpt(struct buf *out, struct span orcpt)
{
	const char *semicolon = span_chr(orcpt, ';');
	struct buf plain = BUF_INIT;
	size_t type_len;

	if (!semicolon)
		return;
	type_len = (size_t)(semicolon - orcpt.p);
	if (xtext_decode(&plain, span_from(orcpt, type_len + 1)) == 0) {
		buf_adds(out, "Original-Recipient: ");
		put_line_text(out, span_head(orcpt, type_len));
		buf_addc(out, ';');
		put_line_text(out, buf_span(&plain));
		buf_adds(out, "\r\n");
	}
	buf_release(&plain);
}

static void
put_rcpt(struct buf *out, const struct dsn_rcpt *r)
{
	buf_adds(out, "\r\n");
	put_orcpt(out, r->orcpt);
	/* RFC 6533 section 3 */
	buf_printf(out, "Final-Recipient: %s;",
	    utf8_is_ascii(r->address) ? "rfc822" : "utf-8");
	put_line_text(out, r->address);
	buf_printf(out, "\r\nAction: %s\r\nStatus: %s\r\n",
	    action_names[r->action], r->status);
	if (r->host.len) {
		buf_adds(out, "Remote-MTA: dns;");
		put_line_text(out, r->host);
		buf_adds(out, "\r\n");
	}
	/* RFC 3464 section 2.3.6: only what another server did say */
	if (r->host.len && r->code) {
		buf_printf(out, "Diagnostic-Code: smtp;%d ", r->code);
		put_line_text(out, r->text);
		buf_adds(out, "\r\n");
	}
	if (r->tried_s) {
		buf_adds(out, "Last-Attempt-Date: ");
		date_put_rfc5322(out, r->tried_s);
		buf_adds(out, "\r\n");
	}
	if (r->action == DSN_DELAYED && r->until_s) {
		buf_adds(out, "Will-Retry-Until: ");
		date_put_rfc5322(out, r->until_s);
		buf_adds(out, "\r\n");
	}
}

static void
put_report(struct buf *out, const struct dsn *d)
{
	struct buf plain = BUF_INIT;

	buf_printf(out, "\r\n--=_%s\r\nContent-Type: message/%s\r\n\r\n",
	    d->id, is_utf8(d) ? "global-delivery-status" :
	    "delivery-status");
	if (d->envid.len && xtext_decode(&plain, d->envid) == 0) {
		buf_adds(out, "Original-Envelope-Id: ");
		put_line_text(out, buf_span(&plain));
		buf_adds(out, "\r\n");
	}
	buf_release(&plain);
	buf_printf(out, "Reporting-MTA: dns;%s\r\nArrival-Date: ",
	    d->hostname);
	date_put_rfc5322(out, d->arrival_s);
	buf_adds(out, "\r\n");
	for (size_t i = 0; i < d->rcpt_count; i++)
		put_rcpt(out, &d->rcpts[i]);
}

/* ---- the original ---- */

/* What a 7-bit part may hold; a header may have more (RFC 6533 section 4). */
static void
put_original(struct buf *out, const struct dsn *d)
{
	bool is_ascii = utf8_is_ascii(d->original);

	buf_printf(out, "\r\n--=_%s\r\nContent-Type: ", d->id);
	if (d->is_full)
		buf_adds(out, "message/rfc822\r\n");
	else
		buf_adds(out, is_ascii ? "text/rfc822-headers\r\n" :
		    "message/global-headers\r\n");
	if (!is_ascii)
		buf_adds(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_adds(out, "\r\n");
	buf_addspan(out, d->original);
	if (out->len < 2 || out->p[out->len - 1] != '\n')
		buf_adds(out, "\r\n");
	buf_printf(out, "\r\n--=_%s--\r\n", d->id);
}

void
dsn_put(struct buf *out, const struct dsn *d)
{
	put_header(out, d);
	put_words(out, d);
	put_report(out, d);
	put_original(out, d);
}
