/* From the greeting to the first message: EHLO, STARTTLS, AUTH. */
#include "smtp/out_priv.h"

#include "server/base/codec.h"
#include "server/base/cursor.h"
#include "server/base/env.h"
#include "server/base/xalloc.h"

/* ---- what EHLO says ---- */

static const struct {
	const char *name;
	unsigned feature;
} keywords[] = {
	{ "PIPELINING", HAS_PIPELINING },
	{ "SIZE", HAS_SIZE },
	{ "8BITMIME", HAS_8BITMIME },
	{ "SMTPUTF8", HAS_SMTPUTF8 },
	{ "CHUNKING", HAS_CHUNKING },
	{ "BINARYMIME", HAS_BINARYMIME },
	{ "DSN", HAS_DSN },
	{ "STARTTLS", HAS_STARTTLS },
	{ "REQUIRETLS", HAS_REQUIRETLS },
	{ "DELIVERBY", HAS_DELIVERBY },
	{ "MT-PRIORITY", HAS_PRIORITY },
};

/* Consumes a word and the spaces behind it. */
static struct span
next_word(struct cursor *c)
{
	struct span word = cursor_until(c, ' ');

	while (cursor_skip(c, ' '))
		;
	return word;
}

static void
hear_mechanisms(struct out_offer *o, struct cursor *c)
{
	while (!cursor_at_end(c)) {
		struct span name = next_word(c);

		if (span_iis(name, "PLAIN"))
			o->features |= HAS_AUTH_PLAIN;
		if (span_iis(name, "LOGIN"))
			o->features |= HAS_AUTH_LOGIN;
	}
}

/* RFC 9422 section 3: NAME=VALUE, and what is unknown is passed over. */
static void
hear_limits(struct out_offer *o, struct cursor *c)
{
	while (!cursor_at_end(c)) {
		struct cursor item = cursor_of_span(next_word(c));
		struct span name = cursor_until(&item, '=');
		uint64_t n;

		if (!cursor_skip(&item, '=') ||
		    !cursor_number(&item, 999999, &n) ||
		    !cursor_at_end(&item) || n == 0)
			continue;
		/* As many domains as recipients is what is safe to assume. */
		if ((span_iis(name, "RCPTMAX") ||
		    span_iis(name, "RCPTDOMAINMAX")) &&
		    (o->rcpts_max == 0 || n < o->rcpts_max))
			o->rcpts_max = (size_t)n;
		if (span_iis(name, "MAILMAX"))
			o->mails_max = (size_t)n;
	}
}

void
out_hear_offer(struct smtp_out *s, struct span line)
{
	struct cursor c = cursor_of_span(span_trim(line));
	struct span name = next_word(&c);
	struct out_offer *o = &s->offer;
	uint64_t n;

	/* RFC 5321 section 4.1.1.1: the first line has the host's name. */
	if (s->reply.line_count == 1) {
		o->is_us = span_iis(name, s->s.env->hostname);
		return;
	}
	for (size_t i = 0; i < COUNT(keywords); i++)
		if (span_iis(name, keywords[i].name))
			o->features |= keywords[i].feature;
	/* RFC 1870 section 4: 0 is no limit, and so is what is no number. */
	if (span_iis(name, "SIZE") && cursor_number(&c, UINT64_MAX, &n))
		o->size_max = n;
	if (span_iis(name, "DELIVERBY") && cursor_number(&c, 999999999, &n))
		o->deliverby_min_s = (unsigned)n;
	if (span_iis(name, "AUTH"))
		hear_mechanisms(o, &c);
	if (span_iis(name, "LIMITS"))
		hear_limits(o, &c);
}

/* ---- what we say ---- */

void
out_say_ehlo(struct smtp_out *s)
{
	buf_printf(s->s.out, "EHLO %s\r\n", s->s.env->hostname);
	s->phase = OUT_EHLO;
	out_wait(s, OUT_HELLO_MS);
}

static void
say_helo(struct smtp_out *s)
{
	s->offer = (struct out_offer){ 0 };
	buf_printf(s->s.out, "HELO %s\r\n", s->s.env->hostname);
	s->phase = OUT_HELO;
	out_wait(s, OUT_HELLO_MS);
}

/* What is demanded cannot be had here: the mail stays with us. */
static void
give_up_tls(struct smtp_out *s, enum out_tls_fault fault, const char *text)
{
	struct out_result r;

	out_result_own(s, &r, OUT_TEMPORARY, OUT_SCOPE_HOST, "4.7.10", text);
	r.tls_fault = fault;
	out_give_up(s, &r);
}

static void
give_up_login(struct smtp_out *s, const char *text)
{
	struct out_result r;

	out_result_own(s, &r, OUT_TEMPORARY, OUT_SCOPE_HOST, "4.7.0", text);
	out_give_up(s, &r);
}

/* Whatever DNS says of its address: it would be us who got it. */
static void
give_up_loop(struct smtp_out *s)
{
	struct out_result r;
	char text[OUT_TEXT_MAX + 1];

	snprintf(text, sizeof text, "The mail comes back to this server: the "
	    "host calls itself %s", s->s.env->hostname);
	out_result_own(s, &r, OUT_FAILED, OUT_SCOPE_HOST, "5.4.6", text);
	out_give_up(s, &r);
}

static void
put_base64_line(struct smtp_out *s, const char *text)
{
	base64_encode(s->s.out, text, strlen(text));
	buf_adds(s->s.out, "\r\n");
	out_wait(s, OUT_HELLO_MS);
}

/* RFC 4616 section 2: authorization identity, NUL, name, NUL, password. */
static void
say_auth_plain(struct smtp_out *s)
{
	struct buf b = BUF_INIT;

	buf_addc(&b, '\0');
	buf_adds(&b, s->user);
	buf_addc(&b, '\0');
	buf_adds(&b, s->password);
	buf_adds(s->s.out, "AUTH PLAIN ");
	base64_encode(s->s.out, b.p, b.len);
	buf_adds(s->s.out, "\r\n");
	explicit_bzero(b.p, b.len);
	buf_release(&b);
	s->phase = OUT_AUTH;
	out_wait(s, OUT_HELLO_MS);
}

static void
log_in(struct smtp_out *s)
{
	/* A password goes in plain text only where the operator wants it. */
	if (!s->s.peer.has_tls && s->tls != OUT_TLS_NEVER) {
		give_up_tls(s, OUT_TLS_NOT_OFFERED, "The server offers no "
		    "TLS, and the password must not go without");
	} else if (s->offer.features & HAS_AUTH_PLAIN) {
		say_auth_plain(s);
	} else if (s->offer.features & HAS_AUTH_LOGIN) {
		buf_adds(s->s.out, "AUTH LOGIN\r\n");
		s->phase = OUT_AUTH_USER;
		out_wait(s, OUT_HELLO_MS);
	} else {
		give_up_login(s, "The server offers no way to log in that "
		    "this one knows");
	}
}

/* EHLO or HELO has been answered well. */
static void
greeted(struct smtp_out *s)
{
	if (!s->s.peer.has_tls && s->tls != OUT_TLS_NEVER &&
	    (s->offer.features & HAS_STARTTLS)) {
		buf_adds(s->s.out, "STARTTLS\r\n");
		s->phase = OUT_STARTTLS;
		out_wait(s, OUT_HELLO_MS);
	} else if (!s->s.peer.has_tls && s->tls == OUT_TLS_MUST) {
		give_up_tls(s, OUT_TLS_NOT_OFFERED,
		    "TLS is required for this mail, and the server does not "
		    "offer it");
	} else if (s->user) {
		log_in(s);
	} else {
		s->phase = OUT_READY;
	}
}

/* ---- what we hear ---- */

/* An answer that is neither yes nor one this server's state allows. */
static void
refused(struct smtp_out *s)
{
	struct out_result r;

	if (reply_class(&s->reply) < 4) {
		out_give_up_confused(s, "The server's answer does not fit "
		    "the command");
		return;
	}
	out_result_reply(s, &r, OUT_SCOPE_HOST);
	out_give_up(s, &r);
}

static void
hear_greeting(struct smtp_out *s)
{
	struct out_result r;

	if (s->reply.code == 220) {
		out_say_ehlo(s);
		return;
	}
	if (reply_class(&s->reply) < 4) {
		refused(s);
		return;
	}
	out_result_reply(s, &r, OUT_SCOPE_HOST);
	/* RFC 7504 section 4: 521 and 554 are meant to last; others may be
	 * about this hour. */
	if (s->reply.code != 521 && s->reply.code != 554 &&
	    r.status == OUT_FAILED)
		r.status = OUT_TEMPORARY;
	out_give_up(s, &r);
}

static void
hear_ehlo(struct smtp_out *s)
{
	/* RFC 5321 section 3.2: an old server knows HELO alone. */
	if (s->reply.code == 250 && s->offer.is_us)
		give_up_loop(s);
	else if (s->reply.code == 250)
		greeted(s);
	else if (reply_class(&s->reply) == 5 && s->phase == OUT_EHLO)
		say_helo(s);
	else
		refused(s);
}

static void
hear_starttls(struct smtp_out *s)
{
	if (s->reply.code == 220) {
		s->phase = OUT_HANDSHAKE;
		out_wait(s, OUT_TLS_MS);
	} else if (s->tls == OUT_TLS_MUST) {
		give_up_tls(s, OUT_TLS_REFUSED, "TLS is required for this "
		    "mail, and the server refused to begin it");
	} else if (reply_class(&s->reply) >= 4) {
		s->offer.features &= ~(unsigned)HAS_STARTTLS;
		greeted(s);
	} else {
		refused(s);
	}
}

/* The log-in is the operator's to put right: no mail is lost by it. */
static void
hear_auth(struct smtp_out *s)
{
	char text[OUT_TEXT_MAX + 1];
	bool is_prompt = s->reply.code == 334;

	if (s->reply.code == 235) {
		s->phase = OUT_READY;
	} else if (is_prompt && s->phase == OUT_AUTH_USER) {
		s->phase = OUT_AUTH_PASSWORD;
		put_base64_line(s, s->user);
	} else if (is_prompt && s->phase == OUT_AUTH_PASSWORD) {
		s->phase = OUT_AUTH;
		put_base64_line(s, s->password);
	} else {
		snprintf(text, sizeof text, "The server refused our log-in: "
		    "%u %.*s", s->reply.code, OUT_TEXT_MAX - 48,
		    s->reply.text);
		give_up_login(s, text);
	}
}

void
out_hear_hello(struct smtp_out *s)
{
	switch (s->phase) {
	case OUT_GREETING:
		hear_greeting(s);
		break;
	case OUT_EHLO:
	case OUT_HELO:
		hear_ehlo(s);
		break;
	case OUT_STARTTLS:
		hear_starttls(s);
		break;
	case OUT_AUTH:
	case OUT_AUTH_USER:
	case OUT_AUTH_PASSWORD:
		hear_auth(s);
		break;
	default:
		refused(s);
		break;
	}
}
