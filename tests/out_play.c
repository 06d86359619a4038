#include "tests/out_play.h"

#include <stdlib.h>

#include "server/base/xalloc.h"
#include "smtp/out_priv.h"

#define MAILS_MAX 8

struct play {
	struct out_owner owner;		/* first */
	struct session *session;
	struct queue_mail mails[MAILS_MAX];	/* in a ring, all kept */
	size_t count, next;
	struct arena arena;
};

static const char *const status_names[] = {
	[OUT_DELIVERED] = "delivered", [OUT_TEMPORARY] = "temporary",
	[OUT_FAILED] = "failed"
};
static const char *const scope_names[] = {
	[OUT_SCOPE_RCPT] = "rcpt", [OUT_SCOPE_MESSAGE] = "message",
	[OUT_SCOPE_HOST] = "host"
};
static const char *const fault_names[] = {
	[OUT_TLS_FINE] = "", [OUT_TLS_NOT_OFFERED] = " tls-not-offered",
	[OUT_TLS_REFUSED] = " tls-refused", [OUT_TLS_BROKEN] = " tls-broken"
};

static void
put_result(struct play *p, const char *what, const struct out_result *r)
{
	buf_printf(p->session->out, "= %s %s %s%s%s%s %u %s %s\r\n", what,
	    status_names[r->status], scope_names[r->scope],
	    fault_names[r->tls_fault], r->tls[0] ? " tls" : "",
	    r->status == OUT_DELIVERED && r->takes_dsn ? " dsn" : "",
	    r->code, r->enhanced, r->text);
}

static void
play_result(struct out_owner *o, const struct queue_mail *m, size_t rcpt,
    const struct out_result *r)
{
	put_result((struct play *)o, m->rcpts[rcpt].address, r);
}

static void
send_next(struct play *p)
{
	if (p->next < p->count)
		smtp_out_send(p->session, &p->mails[p->next++]);
}

static void
play_idle(struct out_owner *o)
{
	struct play *p = (struct play *)o;

	buf_adds(p->session->out, "= idle\r\n");
	send_next(p);
}

static void
play_ended(struct out_owner *o, const struct out_result *why)
{
	struct play *p = (struct play *)o;

	put_result(p, "end", why);
	arena_release(&p->arena);
	free(p);
}

static const struct out_owner_ops play_ops = {
	.result = play_result, .idle = play_idle, .ended = play_ended,
};

struct session *
out_play_make(struct env *env, const void *settings)
{
	struct play *p = xcalloc(1, sizeof *p);

	p->owner.ops = &play_ops;
	p->session = smtp_out_new(env, settings, &p->owner);
	return p->session;
}

/* ---- what a script sends ---- */

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

static bool
take_option(struct play *p, struct queue_mail *m, struct span w)
{
	static const struct {
		const char *name;
		unsigned flag;
	} flags[] = {
		{ "requiretls", QUEUE_REQUIRETLS },
		{ "utf8", QUEUE_SMTPUTF8 },
		{ "forwarded", QUEUE_FORWARDED },
	};

	for (size_t i = 0; i < COUNT(flags); i++) {
		if (span_is(w, flags[i].name)) {
			m->flags |= flags[i].flag;
			return true;
		}
	}
	if (span_starts(w, "ret="))
		m->ret = span_is(w, "ret=full") ? RET_FULL : RET_HDRS;
	else if (span_starts(w, "envid="))
		m->envid = arena_str(&p->arena, span_from(w, 6));
	else if (span_starts(w, "priority="))
		m->priority = (int)strtol(w.p + 9, NULL, 10);
	else
		return false;
	return true;
}

/* ADDRESS[:NOTIFY[:ORCPT]], NOTIFY as a number. */
static void
add_rcpt(struct play *p, struct queue_mail *m, struct span w)
{
	struct queue_mail_rcpt *r = &m->rcpts[m->rcpt_count];
	const char *colon = span_chr(w, ':');
	struct span rest = SPAN("");

	if (colon)
		rest = span_from(w, (size_t)(colon - w.p) + 1);
	*r = (struct queue_mail_rcpt){ .n = (uint32_t)m->rcpt_count++ };
	r->address = arena_str(&p->arena,
	    colon ? span_head(w, (size_t)(colon - w.p)) : w);
	r->destination = strchr(r->address, '@') + 1;
	if (!rest.len)
		return;
	r->notify = (unsigned)(rest.p[0] - '0');
	if (rest.len > 2)
		r->orcpt = arena_str(&p->arena, span_from(rest, 2));
}

bool
out_play_send(struct client *c, struct span words)
{
	struct smtp_out *s = (struct smtp_out *)c->session;
	struct play *p = (struct play *)s->owner;
	struct queue_mail *m = &p->mails[p->count];
	struct span w;

	if (span_is(span_trim(words), "quit")) {
		smtp_out_quit(c->session);
		world_pump(c->world);
		return true;
	}
	if (p->count == MAILS_MAX)
		return false;
	*m = (struct queue_mail){
		.id = p->count + 1, .body = c->world->last_body,
		.size = c->world->last_size,
		.flavour = c->world->last_flavour,
	};
	while ((w = take_word(&words)).len && take_option(p, m, w))
		;
	m->sender = span_is(w, "-") ? "" : arena_str(&p->arena, w);
	m->rcpts = arena_array(&p->arena, OUT_RCPTS_MAX, sizeof *m->rcpts);
	while ((w = take_word(&words)).len)
		add_rcpt(p, m, w);
	if (m->rcpt_count == 0)
		return false;
	p->count++;
	if (s->phase <= OUT_IDLE && !s->mail)
		send_next(p);
	world_pump(c->world);
	return true;
}
