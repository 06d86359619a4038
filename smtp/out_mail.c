/* The envelope: RSET, MAIL, RCPT, DATA, with or without their answers. */
#include "smtp/out_priv.h"

#include <inttypes.h>

#include "server/base/codec.h"
#include "server/base/env.h"
#include "server/base/idna.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "store/mime/digest.h"

/* All of an envelope's answers, however many recipients it has. */
#define ENVELOPE_MS (20 * 60 * 1000)

/* What is not settled by the host at all: a result for the whole message. */
static void
fail_message(struct smtp_out *s, enum out_status status,
    enum out_scope scope, const char *enhanced, const char *text)
{
	struct out_result r;

	out_result_own(s, &r, status, scope, enhanced, text);
	out_report_rest(s, &r);
	out_end_message(s);
}

/* ---- what a message needs of the host ---- */

static bool
needs_utf8(const struct queue_mail *m)
{
	return (m->flavour & FLAVOUR_UTF8_HEADERS) ||
	    !utf8_is_ascii(span_of(m->sender));
}

static int64_t
seconds_left(const struct smtp_out *s)
{
	return s->mail->deliver_by_s - env_wall_s(s->s.env);
}

static uint64_t
size_to_send(const struct smtp_out *s)
{
	return s->convert ? s->converted_size : s->mail->size;
}

/* RFC 8689 section 4.2.1; false: the message is over. */
static bool
check_requiretls(struct smtp_out *s)
{
	/* A bounce goes on without: better it arrives than nobody knows. */
	if (!(s->mail->flags & QUEUE_REQUIRETLS) || !s->mail->sender[0])
		return true;
	if (!s->s.peer.has_tls || s->s.peer.tls_verified == TLS_UNVERIFIED)
		fail_message(s, OUT_FAILED, OUT_SCOPE_HOST, "5.7.10",
		    "The message requires TLS with a verified certificate, "
		    "and the server has none");
	else if (!(s->offer.features & HAS_REQUIRETLS))
		fail_message(s, OUT_FAILED, OUT_SCOPE_HOST, "5.7.30",
		    "The message requires TLS on its whole way, and the "
		    "server does not promise that");
	else
		return true;
	return false;
}

/* False: the message is over, without a word to the host. */
static bool
check_message(struct smtp_out *s)
{
	const struct queue_mail *m = s->mail;
	const struct out_offer *o = &s->offer;

	if (!check_requiretls(s))
		return false;
	if (o->size_max && size_to_send(s) > o->size_max) {
		fail_message(s, OUT_FAILED, OUT_SCOPE_MESSAGE, "5.3.4",
		    "The message is bigger than the server allows");
	} else if (needs_utf8(m) && !(o->features & HAS_SMTPUTF8)) {
		fail_message(s, OUT_FAILED, OUT_SCOPE_MESSAGE, "5.6.7",
		    "The sender's address or a header line has characters "
		    "beyond ASCII, and the server does not take them");
	} else if (m->by_mode == BY_RETURN && (seconds_left(s) <= 0 ||
	    !(o->features & HAS_DELIVERBY) ||
	    seconds_left(s) < (int64_t)o->deliverby_min_s)) {
		/* RFC 2852 section 4.1.4: it must not be passed on. */
		fail_message(s, OUT_FAILED, OUT_SCOPE_MESSAGE, "5.4.7",
		    "The message cannot be delivered in the time that its "
		    "sender gave");
	} else {
		return true;
	}
	return false;
}

/* ---- the commands ---- */

/* RFC 5891: a domain in ASCII, where nothing else is in the way of it. */
static void
put_address(struct buf *out, const char *address)
{
	const char *at = strrchr(address, '@');
	size_t mark = out->len;

	if (at && !utf8_is_ascii(span_of(at)) &&
	    utf8_is_ascii(span_make(address, (size_t)(at - address)))) {
		buf_add(out, address, (size_t)(at - address) + 1);
		if (idna_to_ascii(out, span_of(at + 1)) == 0)
			return;
		buf_truncate(out, mark);
	}
	buf_adds(out, address);
}

static bool
is_ascii_local(const char *address)
{
	const char *at = strrchr(address, '@');

	return utf8_is_ascii(at ? span_make(address,
	    (size_t)(at - address)) : span_of(address));
}

static void
put_dsn(struct buf *out, const struct queue_mail *m)
{
	if (m->ret != RET_NONE)
		buf_adds(out, m->ret == RET_FULL ? " RET=FULL" : " RET=HDRS");
	if (m->envid)
		buf_printf(out, " ENVID=%s", m->envid);
}

static bool
has_utf8_rcpt(const struct smtp_out *s)
{
	for (size_t i = 0; i < s->txn.rcpt_count; i++)
		if (!is_ascii_local(
		    s->mail->rcpts[s->txn.rcpts[i]].address))
			return true;
	return false;
}

static void
say_mail(struct smtp_out *s)
{
	const struct queue_mail *m = s->mail;
	unsigned features = s->offer.features;
	struct buf *out = s->s.out;

	buf_adds(out, "MAIL FROM:<");
	put_address(out, m->sender);
	buf_addc(out, '>');
	if (features & HAS_SIZE)
		buf_printf(out, " SIZE=%" PRIu64, size_to_send(s));
	if (out_is_binary(s))
		buf_adds(out, " BODY=BINARYMIME");
	else if ((features & HAS_8BITMIME) && !s->convert &&
	    (m->flavour & FLAVOUR_8BIT))
		buf_adds(out, " BODY=8BITMIME");
	if ((features & HAS_SMTPUTF8) && (needs_utf8(m) || has_utf8_rcpt(s)))
		buf_adds(out, " SMTPUTF8");
	if (features & HAS_DSN)
		put_dsn(out, m);
	if ((m->flags & QUEUE_REQUIRETLS) && (features & HAS_REQUIRETLS))
		buf_adds(out, " REQUIRETLS");
	if (m->by_mode != BY_NONE && (features & HAS_DELIVERBY))
		buf_printf(out, " BY=%" PRId64 ";%c",
		    MAX(seconds_left(s), (int64_t)-999999999),
		    m->by_mode == BY_RETURN ? 'R' : 'N');
	if (m->priority && (features & HAS_PRIORITY))
		buf_printf(out, " MT-PRIORITY=%d", m->priority);
	buf_adds(out, "\r\n");
}

static void
put_notify(struct buf *out, unsigned notify)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{ NOTIFY_NEVER, "NEVER" }, { NOTIFY_SUCCESS, "SUCCESS" },
		{ NOTIFY_FAILURE, "FAILURE" }, { NOTIFY_DELAY, "DELAY" },
	};
	char before = '=';

	if (!notify)
		return;
	buf_adds(out, " NOTIFY");
	for (size_t i = 0; i < COUNT(names); i++) {
		if (!(notify & names[i].bit))
			continue;
		buf_addc(out, before);
		buf_adds(out, names[i].name);
		before = ',';
	}
}

static void
say_rcpt(struct smtp_out *s, const struct queue_mail_rcpt *rcpt)
{
	struct buf *out = s->s.out;

	buf_adds(out, "RCPT TO:<");
	put_address(out, rcpt->address);
	buf_addc(out, '>');
	if (s->offer.features & HAS_DSN) {
		put_notify(out, rcpt->notify);
		if (rcpt->orcpt)
			buf_printf(out, " ORCPT=%s", rcpt->orcpt);
	}
	buf_adds(out, "\r\n");
}

/* ---- the row of commands ---- */

/* The i-th command of the transaction; *rcpt for RCPT. */
static enum out_command
command_at(const struct out_txn *t, size_t i, size_t *rcpt)
{
	if (t->has_rset && i-- == 0)
		return CMD_RSET;
	if (i == 0)
		return CMD_MAIL;
	if (i - 1 < t->rcpt_count) {
		*rcpt = t->rcpts[i - 1];
		return CMD_RCPT;
	}
	return CMD_DATA;
}

/* How many commands there are; with BDAT the chunks come after them. */
static size_t
command_count(const struct out_txn *t)
{
	return t->has_rset + 1u + t->rcpt_count + (t->uses_chunks ? 0u : 1u);
}

static void
wait_for_answer(struct smtp_out *s)
{
	static const int64_t ms[] = {
		[CMD_RSET] = OUT_HELLO_MS, [CMD_MAIL] = OUT_MAIL_MS,
		[CMD_RCPT] = OUT_RCPT_MS, [CMD_DATA] = OUT_DATA_MS
	};
	size_t rcpt;

	out_wait(s, ms[command_at(&s->txn, s->txn.heard, &rcpt)]);
	s->s.deadline_ms = MIN(s->s.deadline_ms, s->txn.end_ms);
}

static void
say_command(struct smtp_out *s)
{
	size_t rcpt;

	switch (command_at(&s->txn, s->txn.sent, &rcpt)) {
	case CMD_RSET:
		buf_adds(s->s.out, "RSET\r\n");
		break;
	case CMD_MAIL:
		say_mail(s);
		break;
	case CMD_RCPT:
		say_rcpt(s, &s->mail->rcpts[rcpt]);
		break;
	case CMD_DATA:
		buf_adds(s->s.out, "DATA\r\n");
		break;
	}
	s->txn.sent++;
}

/* RFC 2920 section 3.1: all at once, DATA last; or one at a time. */
static void
say_commands(struct smtp_out *s)
{
	size_t count = command_count(&s->txn);

	if (!(s->offer.features & HAS_PIPELINING))
		count = MIN(count, s->txn.heard + 1);
	while (s->txn.sent < count)
		say_command(s);
	wait_for_answer(s);
}

/*
 * Recipients of the next transaction. One whose local part is beyond ASCII
 * cannot be told to a host that takes no SMTPUTF8 (RFC 6531 section 3.1).
 */
static void
choose_rcpts(struct smtp_out *s)
{
	size_t max = smtp_out_rcpts_max(&s->s);
	struct out_result r;

	out_result_own(s, &r, OUT_FAILED, OUT_SCOPE_RCPT, "5.6.7",
	    "The address has characters beyond ASCII, and the server does "
	    "not take them");
	for (size_t i = 0; i < s->mail->rcpt_count; i++) {
		if (s->rcpts[i] != RCPT_TODO)
			continue;
		if (!(s->offer.features & HAS_SMTPUTF8) &&
		    !is_ascii_local(s->mail->rcpts[i].address)) {
			out_report(s, i, &r);
			continue;
		}
		if (s->txn.rcpt_count == max)
			break;
		s->rcpts[i] = RCPT_ASKED;
		s->txn.rcpts[s->txn.rcpt_count++] = i;
	}
}

void
out_begin_txn(struct smtp_out *s)
{
	s->txn = (struct out_txn){
		.has_rset = s->needs_rset,
		.uses_chunks = s->offer.features & HAS_CHUNKING,
		.end_ms = env_now_ms(s->s.env) + ENVELOPE_MS,
	};
	/* RFC 9422 section 4.1: the others on the next connection. */
	if (smtp_out_messages_left(&s->s) == 0) {
		fail_message(s, OUT_TEMPORARY, OUT_SCOPE_MESSAGE, "4.5.3",
		    "The server takes no more messages on this connection");
		return;
	}
	if (!check_message(s))
		return;
	if (out_must_convert(s) && !s->convert) {
		out_begin_scan(s);
		return;
	}
	choose_rcpts(s);
	if (s->txn.rcpt_count == 0) {
		out_end_message(s);
		return;
	}
	s->needs_rset = true;
	s->mails++;
	s->phase = OUT_ENVELOPE;
	say_commands(s);
}

/* ---- the answers ---- */

/* Everybody who was asked in this transaction. */
static void
report_txn(struct smtp_out *s, const struct out_result *r)
{
	for (size_t i = 0; i < s->txn.rcpt_count; i++)
		out_report(s, s->txn.rcpts[i], r);
}

/* The transaction is over; the message perhaps not. */
void
out_end_txn(struct smtp_out *s)
{
	for (size_t i = 0; i < s->mail->rcpt_count; i++) {
		if (s->rcpts[i] != RCPT_REPORTED) {
			out_begin_txn(s);
			return;
		}
	}
	out_end_message(s);
}

static void
hear_mail(struct smtp_out *s)
{
	struct out_result r;

	if (reply_class(&s->reply) == 2)
		return;
	if (reply_class(&s->reply) == 3) {
		out_give_up_confused(s, "The server's answer to MAIL does "
		    "not fit");
		return;
	}
	out_result_reply(s, &r, OUT_SCOPE_MESSAGE);
	report_txn(s, &r);
	s->txn.has_failed = true;
}

/*
 * RFC 5321 section 4.5.3.1.10: 452, from old servers 552, says that this
 * transaction has enough recipients. The next takes the others; that it took
 * one keeps this from going on for ever.
 */
static bool
is_enough_rcpts(const struct smtp_out *s)
{
	bool is_about_count = s->reply.status[0] == '\0' ||
	    strcmp(s->reply.status + 1, ".5.3") == 0;

	return s->txn.taken_count > 0 && is_about_count &&
	    (s->reply.code == 452 || s->reply.code == 552);
}

static void
hear_rcpt(struct smtp_out *s, size_t rcpt)
{
	struct out_result r;

	if (s->txn.has_failed)
		return;		/* whatever it says: there is no MAIL */
	switch (reply_class(&s->reply)) {
	case 2:
		s->rcpts[rcpt] = RCPT_TAKEN;
		s->txn.taken_count++;
		return;
	case 3:
		out_give_up_confused(s, "The server's answer to RCPT does "
		    "not fit");
		return;
	default:
		break;
	}
	if (is_enough_rcpts(s)) {
		s->rcpts[rcpt] = RCPT_TODO;
		return;
	}
	out_result_reply(s, &r, OUT_SCOPE_RCPT);
	out_report(s, rcpt, &r);
}

/* Those whom the host has taken, and would have sent the message to. */
void
out_report_taken(struct smtp_out *s, const struct out_result *r)
{
	for (size_t i = 0; i < s->txn.rcpt_count; i++)
		if (s->rcpts[s->txn.rcpts[i]] == RCPT_TAKEN)
			out_report(s, s->txn.rcpts[i], r);
}

static void
hear_data(struct smtp_out *s)
{
	struct out_result r;

	if (s->reply.code == 354 && s->txn.taken_count) {
		out_begin_body(s);
	} else if (s->reply.code == 354) {
		/* RFC 2920 section 3.1: it takes data for nobody. */
		buf_adds(s->s.out, ".\r\n");
		s->phase = OUT_END;
		out_wait(s, OUT_END_MS);
	} else if (reply_class(&s->reply) < 4) {
		out_give_up_confused(s, "The server's answer to DATA does "
		    "not fit");
	} else {
		out_result_reply(s, &r, OUT_SCOPE_MESSAGE);
		out_report_taken(s, &r);
		out_end_txn(s);
	}
}

/* With BDAT nothing is asked after the last RCPT; or nobody is left. */
static void
envelope_heard(struct smtp_out *s)
{
	if (s->txn.taken_count)
		out_begin_body(s);
	else
		out_end_txn(s);
}

/* Whether the next command would be in vain and has not been said yet. */
static bool
is_in_vain(const struct smtp_out *s)
{
	size_t rcpt, next = s->txn.heard;

	if (s->txn.sent > next)
		return false;
	return s->txn.has_failed ||
	    (command_at(&s->txn, next, &rcpt) == CMD_DATA &&
	    s->txn.taken_count == 0);
}

void
out_hear_envelope(struct smtp_out *s)
{
	size_t rcpt = 0;

	switch (command_at(&s->txn, s->txn.heard, &rcpt)) {
	case CMD_RSET:
		if (reply_class(&s->reply) != 2)
			out_give_up_confused(s, "The server refused RSET");
		break;
	case CMD_MAIL:
		hear_mail(s);
		break;
	case CMD_RCPT:
		hear_rcpt(s, rcpt);
		break;
	case CMD_DATA:
		hear_data(s);
		return;
	}
	if (s->phase != OUT_ENVELOPE)
		return;
	s->txn.heard++;
	if (s->txn.heard == command_count(&s->txn))
		envelope_heard(s);
	else if (is_in_vain(s))
		out_end_txn(s);
	else
		say_commands(s);
}
