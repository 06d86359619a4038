#include "smtp/policy.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "server/base/arena.h"
#include "server/base/buf.h"
#include "store/mime/address.h"

__attribute__((format(printf, 3, 4)))
static void
say(struct verdict *v, enum smtp_reply_id reply, const char *fmt, ...)
{
	va_list ap;

	v->reply = reply;
	va_start(ap, fmt);
	(void)vsnprintf(v->text, sizeof v->text, fmt, ap);
	va_end(ap);
}

static void
say_plain(struct verdict *v, enum smtp_reply_id reply)
{
	v->reply = reply;
	v->text[0] = '\0';
}

void
policy_mail(const struct policy_mail *p, struct verdict *v)
{
	say_plain(v, R_NONE);
	/* RFC 1870 section 6.1: too big for ever, or for now */
	if (p->size > p->size_limit)
		say(v, R_TOO_BIG, "The message is too big: the limit is %"
		    PRIu64 " bytes", p->size_limit);
	else if (p->is_full)
		say_plain(v, R_NO_SPACE);
}

static bool
is_own(const struct resolve_item *item, uint64_t account)
{
	if (item->result != RESOLVE_OK)
		return false;
	for (size_t i = 0; i < item->account_count; i++)
		if (item->accounts[i] == account)
			return true;
	return false;
}

void
policy_sender(const struct resolve_item *item, uint64_t account,
    struct span address, struct verdict *v)
{
	say_plain(v, R_NONE);
	if (!is_own(item, account) &&
	    !(item->result == RESOLVE_OK && item->may_post))
		say(v, R_NOT_YOURS, "You may not send as <%.*s>: it is not "
		    "an address of yours", SPAN_ARG(address));
}

void
policy_relay_sender(const struct resolve_item *item, struct span address,
    struct verdict *v)
{
	say_plain(v, R_NONE);
	if (item->result == RESOLVE_ELSEWHERE)
		say(v, R_NOT_YOURS, "You may not send as <%.*s>: it is not "
		    "in a domain of this server", SPAN_ARG(address));
}

void
policy_rcpt_count(size_t count, size_t max, struct verdict *v)
{
	say_plain(v, count < max ? R_NONE : R_MANY_RCPTS);
}

void
policy_rcpt(const struct resolve_item *item, bool is_submission, bool sends,
    struct span address, struct verdict *v)
{
	say_plain(v, R_NONE);
	switch (item->result) {
	case RESOLVE_OK:
		if (item->elsewhere_count && !sends)
			say(v, R_NO_RELAY, "<%.*s> leads to another domain, "
			    "and mail for those is not sent",
			    SPAN_ARG(address));
		break;
	case RESOLVE_UNKNOWN:
		say(v, R_UNKNOWN_USER, "There is no <%.*s> here",
		    SPAN_ARG(address));
		break;
	case RESOLVE_REFUSED:
		if (item->reason && *item->reason)
			say(v, R_RCPT_REFUSED, "%s", item->reason);
		else
			say(v, R_RCPT_REFUSED, "<%.*s> takes no mail",
			    SPAN_ARG(address));
		break;
	case RESOLVE_ELSEWHERE:
		if (is_submission && !sends)
			say(v, R_NO_RELAY, "<%.*s> is not here, and mail for "
			    "other domains is not sent", SPAN_ARG(address));
		else if (!is_submission)
			say(v, R_NO_RELAY, "<%.*s> is not here; to send mail "
			    "elsewhere log in on port 587 or 465",
			    SPAN_ARG(address));
		break;
	}
}

void
policy_room(const struct resolve_item *item, uint64_t size,
    struct verdict *v)
{
	bool has_room = item->result != RESOLVE_OK ||
	    (item->room > 0 && item->room >= size);

	say_plain(v, has_room ? R_NONE : R_QUOTA);
}

void
policy_data(const struct policy_data *p, struct verdict *v)
{
	say_plain(v, R_NONE);
	if (p->has_bare)
		say_plain(v, R_BARE_IN_DATA);
	else if (p->received_count > p->received_max)
		say(v, R_LOOP, "The message has passed %u servers and goes "
		    "round in circles", p->received_count);
	else if (p->is_loop)
		say(v, R_LOOP, "The message has been delivered here before "
		    "and goes round in circles");
	else if (p->has_broken_sender)
		say(v, R_NOT_YOURS, "From and Sender must be addresses, and "
		    "yours; one of them is none");
}

/* The key of "local@domain"; false if it is no address. */
static bool
make_key(struct buf *key, struct span address)
{
	struct span local, domain;
	struct arena a = { 0 };
	bool ok;

	buf_clear(key);
	ok = address_spec_parse(span_trim(address), &a, &local,
	    &domain) == 0 && address_key(key, local, domain) == 0;
	arena_release(&a);
	return ok;
}

bool
policy_is_loop(const struct span *delivered_to, size_t n,
    const struct span *rcpts, size_t rcpt_count)
{
	struct buf key = BUF_INIT;
	struct arena a = { 0 };
	struct span *keys = arena_array(&a, n + 1, sizeof *keys);
	size_t count = 0;
	bool found = false;

	for (size_t i = 0; i < n; i++)
		if (make_key(&key, delivered_to[i]))
			keys[count++] = arena_span(&a, buf_span(&key));
	for (size_t i = 0; i < rcpt_count && count && !found; i++) {
		if (!make_key(&key, rcpts[i]))
			continue;
		for (size_t j = 0; j < count && !found; j++)
			found = span_eq(keys[j], buf_span(&key));
	}
	buf_release(&key);
	arena_release(&a);
	return found;
}
