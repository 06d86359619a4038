/*
 * Runs protocol scripts: wire FILE.wire ... (the language: docs/wire.md).
 *
 * Every script runs three times, as written, one byte at a time, and with
 * all that a client says in a row sent at once; each run is a process of its
 * own, so a crash or a leak fails one run and not the others. The last line
 * is "N passed, N failed".
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/codec.h"
#include "server/base/random.h"
#include "server/base/xalloc.h"
#include "store/mailbox.h"
#include "store/mime/date.h"
#include "tests/driver.h"
#include "tests/out_play.h"
#include "tests/protos.h"
#include "tests/wire/match.h"

enum mode { MODE_WRITTEN, MODE_BYTES, MODE_BURST, MODES };
static const char *const mode_names[] = {
	"as written", "byte by byte", "all at once"
};

struct peer_session {
	char name[32];
	char proto[32];
	struct client *client;
	unsigned tag;			/* last one sent (IMAP) */
	unsigned answered;		/* last one whose answer was seen */
};

struct run {
	const char *path;
	enum mode mode;
	struct world world;
	struct span *lines;		/* the script */
	size_t line_count;
	size_t at;			/* index of the line being run */
	char default_proto[32];
	struct peer_session peers[16];
	size_t peer_count;
	struct bindings bindings;
	struct buf allowed;		/* log lines that may come, one a line */
	unsigned failures;
};

static void fail(struct run *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
fail(struct run *r, const char *fmt, ...)
{
	va_list ap;

	printf("%s:%zu (%s): ", r->path, r->at + 1, mode_names[r->mode]);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	r->failures++;
}

/* ---- words of a script line ---- */

static struct span
take_word(struct span *rest)
{
	struct span w = *rest = span_trim(*rest);
	const char *sp = span_chr(w, ' ');

	if (sp)
		w.len = (size_t)(sp - w.p);
	*rest = span_from(*rest, w.len + 1);
	return w;
}

static char *
take_string(struct span *rest)
{
	struct span w = take_word(rest);
	char *s = xmalloc(w.len + 1);

	memcpy(s, w.p, w.len);
	s[w.len] = '\0';
	return s;
}

/* A word, or what stands between double quotes. */
static char *
take_quoted(struct span *rest)
{
	struct buf b = BUF_INIT;
	const char *end;

	*rest = span_trim(*rest);
	if (!span_starts(*rest, "\""))
		return take_string(rest);
	*rest = span_from(*rest, 1);
	end = span_chr(*rest, '"');
	buf_addspan(&b, span_head(*rest, end ? (size_t)(end - rest->p) :
	    rest->len));
	*rest = span_from(*rest, b.len + 1);
	return buf_take(&b);
}

/* "ann" is ann@example.org. */
static char *
take_account(struct span *rest)
{
	struct span w = take_word(rest);
	struct buf b = BUF_INIT;

	buf_addspan(&b, w);
	if (!span_chr(w, '@'))
		buf_adds(&b, "@" WORLD_DOMAIN);
	return buf_take(&b);
}

/* ---- clients ---- */

static struct peer_session *
find_peer(struct run *r, struct span name)
{
	for (size_t i = 0; i < r->peer_count; i++)
		if (span_is(name, r->peers[i].name))
			return &r->peers[i];
	return NULL;
}

static struct peer_session *
open_peer(struct run *r, struct span name, struct span proto,
    const char *addr, bool tls)
{
	struct peer_session *p = find_peer(r, name);
	const struct session_maker *m = protos_find(proto);

	if (!m) {
		fail(r, "no front-end is called %.*s", SPAN_ARG(proto));
		return NULL;
	}
	if (!p) {
		if (r->peer_count == COUNT(r->peers)) {
			fail(r, "too many sessions in one script");
			return NULL;
		}
		p = &r->peers[r->peer_count++];
	}
	*p = (struct peer_session){ 0 };
	(void)snprintf(p->name, sizeof p->name, "%.*s", SPAN_ARG(name));
	(void)snprintf(p->proto, sizeof p->proto, "%.*s", SPAN_ARG(proto));
	p->client = client_open(&r->world, m, addr, tls);
	return p;
}

/*
 * A connection that the server makes to addr comes about, and the script
 * plays its far end; or is refused.
 */
static void
take_dial(struct run *r, struct span name, struct span addr, bool accepts)
{
	struct client *c = world_find_dial(&r->world, addr);
	struct peer_session *p = find_peer(r, name);

	if (!c) {
		fail(r, "nobody connects to %.*s", SPAN_ARG(addr));
		return;
	}
	if (!accepts) {
		client_refuse(c);
		world_pump(&r->world);
		return;
	}
	if (!p && r->peer_count == COUNT(r->peers)) {
		fail(r, "too many sessions in one script");
		return;
	}
	p = p ? p : &r->peers[r->peer_count++];
	*p = (struct peer_session){ .proto = "out", .client = c };
	(void)snprintf(p->name, sizeof p->name, "%.*s", SPAN_ARG(name));
	client_accept(c);
	world_pump(&r->world);
}

static bool
is_imap(const struct peer_session *p)
{
	return strcmp(p->proto, "imap") == 0;
}

/* Whether the script plays the server. */
static bool
is_server(const struct peer_session *p)
{
	return strncmp(p->proto, "out", 3) == 0;
}

/* The session by name; opened with its greeting dropped at first use. */
static struct peer_session *
need_peer(struct run *r, struct span name)
{
	struct peer_session *p = find_peer(r, name);

	if (p)
		return p;
	p = open_peer(r, name, span_of(r->default_proto), "127.0.0.1", false);
	if (p)
		buf_clear(&p->client->out);
	return p;
}

/* ---- output ---- */

/* Mail protocols end lines with CR LF, the control protocol's JSON with LF. */
static const char *
line_end(const struct peer_session *p)
{
	return strcmp(p->proto, "admin") == 0 ? "\n" : "\r\n";
}

/*
 * The length of the first whole response in out, with its CRLF; 0 if there is
 * none. IMAP literals (RFC 9051 section 4.3) belong to their response.
 */
static size_t
response_len(const struct peer_session *p, struct span out)
{
	const char *end = line_end(p);
	size_t from = 0;

	for (;;) {
		struct span rest = span_from(out, from), line;
		const char *nl = memmem(rest.p, rest.len, end, strlen(end));
		const char *open;

		if (!rest.len || !nl)
			return 0;
		line = span_make(rest.p, (size_t)(nl - rest.p));
		from += line.len + strlen(end);
		if (!is_imap(p) || !line.len || line.p[line.len - 1] != '}')
			return from;
		open = memrchr(line.p, '{', line.len);
		if (!open)
			return from;
		from += (size_t)strtoull(open + 1, NULL, 10);
		if (from > out.len)
			return 0;
	}
}

static bool
take_response(struct peer_session *p, struct buf *into)
{
	struct buf *out = &p->client->out;
	size_t len = response_len(p, buf_span(out));

	buf_clear(into);
	if (len == 0)
		return false;
	buf_add(into, out->p, len - strlen(line_end(p)));
	buf_consume(out, len);
	return true;
}

static void
check_quiet(struct run *r, struct peer_session *p)
{
	struct buf *out = &p->client->out;

	if (out->len == 0)
		return;
	fail(r, "session %s said what no line expects:\n%.*s", p->name,
	    (int)out->len, out->p);
	buf_clear(out);
}

/* ---- expectations ---- */

struct expectation {
	size_t line;		/* in the script */
	struct buf pattern;
	bool used;
	bool in_any_order;
};

/* Expected lines of one session up to the next thing it says. */
struct expected {
	struct expectation v[512];
	size_t n;
};

/*
 * "OK" stands for the tagged answer to the oldest command not answered yet;
 * its text after the code is free. A bare status or reply code ends with
 * "...", too: it stands for any text.
 */
static void
add_expected(struct run *r, struct peer_session *p, struct expected *e,
    struct span text, bool escaped)
{
	struct expectation *x;
	bool tagged = is_imap(p) && (span_starts(text, "OK") ||
	    span_starts(text, "NO") || span_starts(text, "BAD"));

	if (e->n == COUNT(e->v)) {
		fail(r, "too many expected lines in a row");
		return;
	}
	x = &e->v[e->n++];
	*x = (struct expectation){ .line = r->at, .pattern = BUF_INIT };
	x->in_any_order = is_imap(p) && span_starts(text, "* ");
	if (tagged)
		buf_printf(&x->pattern, "a%u ", ++p->answered);
	if (escaped)
		match_unescape(&x->pattern, text);
	else
		buf_addspan(&x->pattern, text);
	if (match_is_bare_status(text, tagged))
		buf_adds(&x->pattern, "$*");
}

/* Finds the expectation that line answers. */
static struct expectation *
find_expectation(struct run *r, struct expected *e, struct span line)
{
	for (size_t i = 0; i < e->n; i++) {
		struct expectation *x = &e->v[i];

		if (x->used)
			continue;
		if (match(&r->bindings, buf_span(&x->pattern), line))
			return x;
		if (!x->in_any_order)
			return NULL;
	}
	return NULL;
}

static void
check_expected(struct run *r, struct peer_session *p, struct expected *e)
{
	struct buf line = BUF_INIT;
	size_t at = r->at;

	for (size_t i = 0; i < e->n; i++) {
		struct expectation *x;

		if (!take_response(p, &line))
			break;
		x = find_expectation(r, e, buf_span(&line));
		if (!x) {
			r->at = e->v[0].line;
			fail(r, "session %s said\n    %.*s\nand no line "
			    "expects that", p->name, (int)line.len, line.p);
			break;
		}
		x->used = true;
	}
	for (size_t i = 0; i < e->n; i++) {
		if (!e->v[i].used && r->failures == 0) {
			r->at = e->v[i].line;
			fail(r, "session %s did not say\n    %s", p->name,
			    e->v[i].pattern.p);
			printf("  but then: %s\n", p->client->out.p);
		}
		buf_release(&e->v[i].pattern);
	}
	e->n = 0;
	r->at = at;
	buf_release(&line);
}

/* ---- input ---- */

static void
say(struct run *r, struct peer_session *p, struct span bytes)
{
	if (!p->client->session) {
		fail(r, "session %s has ended already", p->name);
		return;
	}
	if (r->mode != MODE_BYTES) {
		client_send(p->client, bytes.p, bytes.len);
		return;
	}
	for (size_t i = 0; i < bytes.len; i++)
		client_send(p->client, bytes.p + i, 1);
}

/*
 * What a line of the script says, into out. False, with nothing appended, if
 * it has a name that is not bound yet.
 */
static bool
put_said(struct run *r, struct peer_session *p, struct span op,
    struct span text, struct buf *out)
{
	struct buf bound = BUF_INIT;
	bool good = match_expand(&r->bindings, &bound, text);

	if (good && span_is(op, "<=")) {
		match_unescape(out, buf_span(&bound));
	} else if (good) {
		if (is_imap(p) && !span_is(op, "<-"))
			buf_printf(out, "a%u ", ++p->tag);
		buf_addspan(out, buf_span(&bound));
		buf_adds(out, "\r\n");
	}
	buf_release(&bound);
	return good;
}

/* Set-up: must succeed, and what else it says does not matter. */
static void
check_setup(struct run *r, struct peer_session *p)
{
	struct buf line = BUF_INIT;
	char want[32];
	bool good = false;

	(void)snprintf(want, sizeof want, "a%u OK", p->tag);
	while (take_response(p, &line)) {
		if (is_imap(p))
			good |= span_starts(buf_span(&line), want);
		else
			good |= span_starts(buf_span(&line), "+OK") ||
			    line.p[0] == '2' || line.p[0] == '3';
		if (!good && r->mode == MODE_WRITTEN &&
		    !span_starts(buf_span(&line), "*"))
			printf("  %s: %s\n", p->name, line.p);
	}
	p->answered = p->tag;
	if (!good)
		fail(r, "set-up did not succeed");
	buf_release(&line);
}

/*
 * Where a burst has to stop for the answer: a synchronising literal, and
 * STARTTLS, behind which nothing may be sent.
 */
static bool
ends_burst(struct span text)
{
	struct span w = span_trim(text);
	const char *open;

	if (span_iis(w, "STARTTLS") || span_iis(w, "STLS"))
		return true;
	if (!w.len || w.p[w.len - 1] != '}' || w.len < 3 ||
	    w.p[w.len - 2] == '+')
		return false;
	open = memrchr(w.p, '{', w.len);
	return open && isdigit((unsigned char)open[1]);
}

/* One line of the script, cut into session, operator and text. */
struct step {
	struct span name, op, text;
};

static bool
parse_step(struct span line, struct step *s)
{
	const char *sp;

	if (!line.len || *line.p == '#')
		return false;
	s->name = take_word(&line);
	while (line.len && *line.p == ' ')
		line = span_from(line, 1);
	sp = span_chr(line, ' ');
	s->op = span_head(line, sp ? (size_t)(sp - line.p) : line.len);
	/* Two spaces may follow "<" and ">" so that texts align. */
	line = span_from(line, s->op.len + 1);
	if (s->op.len == 1 && line.len && *line.p == ' ')
		line = span_from(line, 1);
	s->text = line;
	return s->op.len && (*s->op.p == '<' || *s->op.p == '>');
}

static bool
says(const struct step *s)
{
	return *s->op.p == '<';
}

static bool
is_blank(struct span line)
{
	return !line.len || *line.p == '#';
}

/*
 * The next line of the exchange of session name at or after *i; false where
 * another session or a directive has the word.
 */
static bool
next_step(const struct run *r, struct span name, size_t *i, struct step *s)
{
	while (*i < r->line_count && is_blank(r->lines[*i]))
		++*i;
	return *i < r->line_count && parse_step(r->lines[*i], s) &&
	    span_eq(s->name, name);
}

/*
 * Sends the line at r->at and, in a burst, what the session says after it as
 * long as it need not wait for an answer. Returns the first line not sent.
 */
static size_t
send_burst(struct run *r, struct peer_session *p, struct span name)
{
	struct buf said = BUF_INIT;
	size_t i = r->at;
	struct step s;

	for (; next_step(r, name, &i, &s); i++) {
		/* A server waits for what it answers. */
		if (!says(&s) && said.len && is_server(p))
			break;
		if (!says(&s))
			continue;
		if (said.len && (r->mode != MODE_BURST ||
		    span_is(s.op, "<~")))
			break;
		if (!put_said(r, p, s.op, s.text, &said)) {
			if (!said.len)
				fail(r, "a name after $ is not bound "
				    "(write $$ for a dollar)");
			break;
		}
		if (span_is(s.op, "<~") || ends_burst(s.text)) {
			i++;
			break;
		}
	}
	if (said.len)
		say(r, p, buf_span(&said));
	buf_release(&said);
	return i;
}

/* Checks the answers, those to each line said apart, to where sent ends. */
static void
hear_answers(struct run *r, struct peer_session *p, struct span name,
    size_t sent)
{
	struct expected e = { .n = 0 };
	struct step s;

	for (; next_step(r, name, &r->at, &s); r->at++) {
		if (says(&s)) {
			if (r->at >= sent)
				break;
			check_expected(r, p, &e);
		} else if (span_is(s.op, ">|") && e.n) {
			buf_adds(&e.v[e.n - 1].pattern, "\r\n");
			buf_addspan(&e.v[e.n - 1].pattern, s.text);
		} else {
			add_expected(r, p, &e, s.text, span_is(s.op, ">="));
		}
	}
	check_expected(r, p, &e);
}

/*
 * Runs the exchange that starts at this line: what one session says and is
 * expected to hear, up to a line of another session or a directive.
 */
static void
run_exchange(struct run *r, const struct step *s)
{
	struct peer_session *p = need_peer(r, s->name);
	size_t sent = r->at;

	if (!p)
		return;
	if (says(s)) {
		check_quiet(r, p);
		sent = send_burst(r, p, s->name);
	}
	if (span_is(s->op, "<~")) {
		check_setup(r, p);
		r->at++;
		return;
	}
	hear_answers(r, p, s->name, sent);
	if (r->failures == 0)
		check_quiet(r, p);
}

/* ---- directives ---- */

static void
sample_message(struct buf *m, unsigned n)
{
	buf_printf(m, "From: Bob <bob@example.org>\r\n"
	    "To: Ann <ann@example.org>\r\nSubject: Message %u\r\n"
	    "Date: Wed, 1 May 2024 09:%02u:00 +0000\r\n"
	    "Message-ID: <m%u@example.org>\r\n\r\n"
	    "This is message %u.\r\n", n, n % 60, n, n);
}

static void
do_mail(struct run *r, struct span rest)
{
	char *account = take_account(&rest), *mailbox = take_string(&rest);
	struct span count = take_word(&rest);
	unsigned n = count.len ? (unsigned)strtoul(count.p, NULL, 10) : 1;

	for (unsigned i = 1; i <= n; i++) {
		struct buf m = BUF_INIT;

		sample_message(&m, i);
		world_deliver(&r->world, account, mailbox, buf_span(&m), 0);
		buf_release(&m);
	}
	free(account);
	free(mailbox);
}

/* message ACCOUNT MAILBOX: the lines up to "." are the message. */
static void
do_message(struct run *r, struct span rest)
{
	char *account = take_account(&rest), *mailbox = take_string(&rest);
	struct buf m = BUF_INIT;

	while (++r->at < r->line_count && !span_is(r->lines[r->at], ".")) {
		if (span_is(rest, "escaped"))
			match_unescape(&m, r->lines[r->at]);
		else
			buf_addspan(&m, r->lines[r->at]);
		buf_adds(&m, "\r\n");
	}
	world_deliver(&r->world, account, mailbox, buf_span(&m), 0);
	buf_release(&m);
	free(account);
	free(mailbox);
}

static void
do_user(struct run *r, struct span rest)
{
	char *account = take_account(&rest), *password = take_string(&rest);

	world_add_user(&r->world, account, password);
	free(account);
	free(password);
}

static void
do_alias(struct run *r, struct span rest)
{
	char *address = take_string(&rest);

	do {
		char *target = take_account(&rest);

		world_add_alias(&r->world, address, target);
		free(target);
	} while (rest.len);
	free(address);
}

static void
do_refuse(struct run *r, struct span rest)
{
	char *address = take_string(&rest);

	world_add_alias(&r->world, address, NULL);
	free(address);
}

static void
set_disabled(struct run *r, struct span rest, bool disabled)
{
	char *account = take_account(&rest);

	world_set_disabled(&r->world, account, disabled);
	free(account);
}

static void
do_disable(struct run *r, struct span rest)
{
	set_disabled(r, rest, true);
}

static void
do_enable(struct run *r, struct span rest)
{
	set_disabled(r, rest, false);
}

static void
do_clock(struct run *r, struct span rest)
{
	int64_t s;

	if (date_parse_iso(span_trim(rest), &s) < 0) {
		fail(r, "not a moment like 2024-05-01T10:00:00Z");
		return;
	}
	r->world.clock.now_s = s;
}

/* advance 90s | 31m | 2h */
static void
do_advance(struct run *r, struct span rest)
{
	char *text = take_string(&rest), *end;
	int64_t ms = strtol(text, &end, 10) * 1000;

	if (*end == 'm')
		ms *= 60;
	else if (*end == 'h')
		ms *= 3600;
	free(text);
	world_advance(&r->world, ms);
}

/* dns NAME TYPE VALUE [secure|bogus] */
static void
do_dns(struct run *r, struct span rest)
{
	char *name = take_string(&rest), *type = take_string(&rest);
	char *value = take_quoted(&rest);

	if (!zone_add(&r->world.zone, span_of(name), span_of(type),
	    span_of(value), take_word(&rest)))
		fail(r, "not a record of DNS");
	free(name);
	free(type);
	free(value);
}

/* send SESSION [OPTION...] FROM TO...: tests/out_play.h */
static void
do_send(struct run *r, struct span rest)
{
	struct peer_session *p = find_peer(r, take_word(&rest));

	if (!p || !p->client->session || !out_play_send(p->client, rest))
		fail(r, "nothing that can be sent");
}

static void
do_sending(struct run *r, struct span rest)
{
	(void)rest;
	world_start_queue(&r->world);
}

static void
do_log(struct run *r, struct span rest)
{
	buf_addspan(&r->allowed, span_trim(rest));
	buf_addc(&r->allowed, '\n');
}

static const struct {
	const char *name;
	void (*run)(struct run *, struct span);
} directives[] = {
	{ "advance", do_advance }, { "alias", do_alias },
	{ "clock", do_clock }, { "disable", do_disable }, { "dns", do_dns },
	{ "enable", do_enable }, { "log", do_log }, { "mail", do_mail },
	{ "message", do_message }, { "refuse", do_refuse },
	{ "send", do_send }, { "sending", do_sending }, { "user", do_user },
};

/* "N open PROTO [tls] [from ADDR]", "N closed", "N close", "N quiet". */
static void
run_session_word(struct run *r, struct span name, struct span rest)
{
	struct span verb = take_word(&rest);
	struct peer_session *p;

	if (span_is(verb, "open")) {
		struct span proto = take_word(&rest), w;
		char *from = xstrdup("127.0.0.1");
		bool tls = false;

		while ((w = take_word(&rest)).len) {
			if (span_is(w, "tls"))
				tls = true;
			if (span_is(w, "from")) {
				free(from);
				from = take_string(&rest);
			}
		}
		open_peer(r, name, proto.len ? proto :
		    span_of(r->default_proto), from, tls);
		free(from);
		return;
	}
	if (span_is(verb, "accept") || span_is(verb, "refuse")) {
		take_dial(r, name, take_word(&rest),
		    span_is(verb, "accept"));
		return;
	}
	p = find_peer(r, name);
	if (!p)
		fail(r, "neither a directive nor a session: %.*s",
		    SPAN_ARG(name));
	else if (span_is(verb, "closed")) {
		check_quiet(r, p);
		if (!p->client->is_closed)
			fail(r, "session %s is still open", p->name);
	} else if (span_is(verb, "close")) {
		client_close(p->client);
		world_pump(&r->world);
	} else if (span_is(verb, "quiet"))
		check_quiet(r, p);
	else
		fail(r, "unknown word %.*s", SPAN_ARG(verb));
}

static void
run_line(struct run *r)
{
	struct span line = r->lines[r->at], rest = line, word;
	struct step s;

	if (is_blank(line)) {
		r->at++;
		return;
	}
	if (parse_step(line, &s)) {
		run_exchange(r, &s);
		return;
	}
	word = take_word(&rest);
	for (size_t i = 0; i < COUNT(directives); i++) {
		if (span_is(word, directives[i].name)) {
			directives[i].run(r, rest);
			r->at++;
			return;
		}
	}
	run_session_word(r, word, rest);
	r->at++;
}

/* ---- a whole script ---- */

static void
check_log(struct run *r)
{
	struct span rest = buf_span(&r->world.complaints);

	while (rest.len) {
		const char *nl = span_chr(rest, '\n');
		struct span line = span_head(rest,
		    nl ? (size_t)(nl - rest.p) : rest.len);
		struct span allowed = buf_span(&r->allowed);
		bool good = false;

		rest = span_from(rest, line.len + 1);
		while (allowed.len && !good) {
			const char *end = span_chr(allowed, '\n');
			size_t len = (size_t)(end - allowed.p);

			good = memmem(line.p, line.len, allowed.p, len);
			allowed = span_from(allowed, len + 1);
		}
		if (!good)
			fail(r, "the log says\n    %.*s", SPAN_ARG(line));
	}
}

static void
read_script(struct run *r, struct buf *text)
{
	FILE *f = fopen(r->path, "r");
	char chunk[4096];
	size_t n;

	if (!f) {
		perror(r->path);
		exit(2);
	}
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_add(text, chunk, n);
	fclose(f);
	for (size_t i = 0; i < text->len; i++)
		r->line_count += text->p[i] == '\n';
	r->lines = xcalloc(r->line_count + 1, sizeof *r->lines);
	r->line_count = 0;
	for (struct span rest = buf_span(text); rest.len;) {
		const char *nl = span_chr(rest, '\n');
		size_t len = nl ? (size_t)(nl - rest.p) : rest.len;

		r->lines[r->line_count++] = span_make(rest.p, len);
		rest = span_from(rest, len + 1);
	}
}

/* The folder a script lies in names its protocol. */
static void
set_default_proto(struct run *r)
{
	const char *end = strrchr(r->path, '/'), *start = end;

	while (start && start > r->path && start[-1] != '/')
		start--;
	if (end)
		(void)snprintf(r->default_proto, sizeof r->default_proto,
		    "%.*s", (int)(end - start), start);
}

static int
run_script(const char *path, enum mode mode)
{
	struct run *r = xcalloc(1, sizeof *r);
	struct buf text = BUF_INIT, why = BUF_INIT;
	int failures;

	r->path = path;
	r->mode = mode;
	buf_init(&r->allowed);
	set_default_proto(r);
	read_script(r, &text);
	world_open(&r->world);
	world_add_user(&r->world, "ann@example.org", "pw");
	world_add_user(&r->world, "bob@example.org", "pw");
	while (r->at < r->line_count && r->failures == 0)
		run_line(r);
	for (size_t i = 0; i < r->peer_count && r->failures == 0; i++)
		check_quiet(r, &r->peers[i]);
	if (r->failures == 0)
		check_log(r);
	if (world_close(&r->world, &why) != 0)
		fail(r, "the store is not consistent:\n%s", why.p);
	failures = (int)r->failures;
	bindings_release(&r->bindings);
	buf_release(&r->allowed);
	buf_release(&text);
	buf_release(&why);
	free(r->lines);
	free(r);
	return failures ? 1 : 0;
}

/* In a process of its own; a crash, or a leak at its exit, fails it. */
static bool
run_forked(const char *path, enum mode mode)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		exit(run_script(path, mode));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFSIGNALED(status) || WEXITSTATUS(status) > 2)
		printf("%s (%s): crashed\n", path, mode_names[mode]);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int
main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0;

	if (base_random_start() < 0)
		return 2;
	for (int i = 1; i < argc; i++)
		for (int mode = 0; mode < MODES; mode++) {
			if (run_forked(argv[i], (enum mode)mode))
				passed++;
			else
				failed++;
		}
	printf("%u passed, %u failed\n", passed, failed);
	return failed || !passed;
}
