#include "server/http/http_out.h"

#include <stdlib.h>

#include "server/base/dial.h"
#include "server/base/err.h"
#include "server/base/facts.h"
#include "server/base/xalloc.h"
#include "server/http/http_parse.h"

#define HTTPS_PORT 443
#define ADDRS_MAX 6		/* of a host, tried */
#define CONNECT_MS (10 * 1000)	/* for one of several addresses */
#define INTERIM_MAX 5u		/* answers of 1xx before the real one */

struct http_client {
	struct fetcher fetcher;
	struct env *env;
	struct list list;
};

/* A fetch on its way. */
struct get {
	struct list by_client;
	struct env *env;
	struct fetch *fetch;
	struct facts facts;
	int64_t due_ms;
	struct addr addrs[ADDRS_MAX];
	size_t count, next;
	struct http_out *out;		/* the session now; NULL: none */
};

struct http_out {
	struct session s;
	struct get *get;		/* NULL: nobody waits */
	struct tls_want want;
	const char *name;		/* the one in want */
	char host[DNS_NAME_MAX + 1];
	struct http_body body;
	bool has_head, has_started, has_result;
	unsigned interims;
};

static void get_try(struct get *g);

static void
get_finish(struct get *g, enum fetch_fault fault, const char *why)
{
	if (g->out)
		g->out->get = NULL;
	facts_release(&g->facts);
	list_remove(&g->by_client);
	fetch_finish(g->fetch, fault, why);
	free(g);
}

/* ---- the session ---- */

static struct http_out *
out_of(struct session *s)
{
	return CONTAINER_OF(s, struct http_out, s);
}

/* What came of it; the session has no more to do. */
static size_t
out_result(struct http_out *o, enum fetch_fault fault, const char *why)
{
	o->has_result = true;
	o->s.want = WANT_CLOSE;
	if (o->get)
		get_finish(o->get, fault, why);
	o->get = NULL;
	return 0;
}

static void
out_start(struct session *s)
{
	struct http_out *o = out_of(s);

	o->has_started = true;
	if (!o->get) {
		s->want = WANT_CLOSE;
		return;
	}
	s->deadline_ms = o->get->due_ms;
	/* RFC 9112 section 3.2, RFC 9110 section 12.5.1 */
	buf_printf(s->out, "GET %s HTTP/1.1\r\nHost: %s\r\n"
	    "User-Agent: Kingpost/%s\r\nAccept: %s\r\n"
	    "Connection: close\r\n\r\n", o->get->fetch->path, o->host,
	    s->env->version, o->get->fetch->media_type);
}

/*
 * The head, once it is there. Only 200 will do: RFC 8461 section 3.3 forbids
 * to follow redirects, and the rest is no document.
 */
static size_t
take_head(struct http_out *o, struct span in)
{
	struct fetch *f = o->get->fetch;
	struct http_head h;
	size_t len = http_find_head(in);

	if (len == 0 && in.len < HTTP_HEAD_MAX)
		return 0;
	if (len == 0 || http_parse_head(span_head(in, len), &h) != PARSE_OK)
		return out_result(o, FETCH_SYNTAX, "that is not HTTP");
	if (h.status < 200) {	/* RFC 9110 section 15.2 */
		if (++o->interims > INTERIM_MAX)
			return out_result(o, FETCH_SYNTAX,
			    "too many interim answers");
		return len;
	}
	f->status = h.status;
	if (h.status != 200)
		return out_result(o, FETCH_STATUS, "the answer is not 200");
	if (!span_iis(h.media_type, f->media_type))
		return out_result(o, FETCH_TYPE, "another media type");
	/*
	 * Without a length the end is where the connection ends, and who can
	 * cut it could make of a document its first half.
	 */
	if (!h.has_length && !h.is_chunked)
		return out_result(o, FETCH_SYNTAX,
		    "the answer does not tell its length");
	o->has_head = true;
	switch (http_body_start(&o->body, &h, f->body_max)) {
	case HTTP_DONE:
		(void)out_result(o, FETCH_OK, "");
		break;
	case HTTP_LARGE:
		(void)out_result(o, FETCH_LARGE, "the answer is too large");
		break;
	default:
		break;
	}
	return len;
}

static size_t
take_body(struct http_out *o, struct span in)
{
	size_t used;

	switch (http_body_add(&o->body, in, &o->get->fetch->body, &used)) {
	case HTTP_MORE:
		break;
	case HTTP_DONE:
		(void)out_result(o, FETCH_OK, "");
		break;
	case HTTP_BAD:
		(void)out_result(o, FETCH_SYNTAX, "that is not HTTP");
		break;
	case HTTP_LARGE:
		(void)out_result(o, FETCH_LARGE, "the answer is too large");
		break;
	}
	return used;
}

static size_t
out_input(struct session *s, const char *p, size_t len)
{
	struct http_out *o = out_of(s);
	struct span in = span_make(p, len);

	if (!o->get) {
		s->want = WANT_CLOSE;
		return len;
	}
	return o->has_head ? take_body(o, in) : take_head(o, in);
}

static void
out_timeout(struct session *s)
{
	(void)out_result(out_of(s), FETCH_CONNECT, "took too long");
}

static void
out_stop(struct session *s, enum stop_reason reason)
{
	(void)reason;
	(void)out_result(out_of(s), FETCH_CONNECT, "the server is stopping");
}

static void
out_end(struct session *s)
{
	struct http_out *o = out_of(s);
	struct get *g = o->get;

	if (g) {
		g->out = NULL;
		g->fetch->tls_fault = s->peer.tls_fault;
		if (s->peer.failure == ERR_TLS)
			get_finish(g, FETCH_TLS, s->peer.failure_text);
		else if (!o->has_started && g->next < g->count)
			get_try(g);
		else
			get_finish(g, FETCH_CONNECT, s->peer.failure_text);
	}
	free(o);
}

static const struct session_ops out_ops = {
	.name = "https-out", .start = out_start, .input = out_input,
	.timeout = out_timeout, .stop = out_stop, .end = out_end,
};

static struct http_out *
out_new(struct get *g)
{
	struct http_out *o = xcalloc(1, sizeof *o);

	session_init(&o->s, &out_ops, g->env);
	memcpy(o->host, g->fetch->host, sizeof o->host);
	o->get = g;
	o->name = o->host;
	o->want = (struct tls_want){
		.mode = TLS_PKIX, .server_name = o->host,
		.names = &o->name, .name_count = 1,
	};
	o->s.tls_want = &o->want;
	return o;
}

/* ---- a fetch ---- */

/* The next address. */
static void
get_try(struct get *g)
{
	int64_t left = g->due_ms - env_now_ms(g->env);
	struct dial_to to = {
		.addr = g->addrs[g->next++], .port = HTTPS_PORT,
		.has_tls_first = true, .stall_ms = MAX(left, 1),
		.connect_ms = MIN(MAX(left, 1), CONNECT_MS),
	};
	int err;

	if (left <= 0) {
		get_finish(g, FETCH_CONNECT, "took too long");
		return;
	}
	g->out = out_new(g);
	err = dial(g->env->dialer, &to, &g->out->s);
	if (err == 0)
		return;
	free(g->out);
	g->out = NULL;
	if (g->next < g->count)
		get_try(g);	/* at most ADDRS_MAX deep */
	else
		get_finish(g, FETCH_CONNECT, err_text(err));
}

static void
add_addrs(struct get *g, const struct dns_answer *a)
{
	for (size_t i = 0; i < a->count && g->count < ADDRS_MAX; i++)
		g->addrs[g->count++] = a->records[i].addr;
}

static void
get_ready(struct facts *facts)
{
	struct get *g = CONTAINER_OF(facts, struct get, facts);
	const struct dns_answer *six, *four;

	six = facts_dns(facts, g->fetch->host, DNS_AAAA);
	four = facts_dns(facts, g->fetch->host, DNS_A);
	if (!six || !four) {
		facts_ask(facts);
		return;
	}
	add_addrs(g, six);
	if (g->count > ADDRS_MAX / 2)
		g->count = ADDRS_MAX / 2;	/* room for the others */
	add_addrs(g, four);
	if (g->count)
		get_try(g);
	else
		get_finish(g, FETCH_DNS, "the host has no address");
}

static void
client_fetch(struct fetcher *fetcher, struct fetch *f)
{
	struct http_client *c = CONTAINER_OF(fetcher, struct http_client,
	    fetcher);
	struct get *g = xcalloc(1, sizeof *g);

	g->env = c->env;
	g->fetch = f;
	g->due_ms = env_now_ms(c->env) + f->deadline_ms;
	list_add_tail(&c->list, &g->by_client);
	facts_init(&g->facts, c->env, get_ready);
	(void)facts_dns(&g->facts, f->host, DNS_AAAA);
	(void)facts_dns(&g->facts, f->host, DNS_A);
	facts_ask(&g->facts);
}

struct http_client *
http_client_new(struct env *env)
{
	struct http_client *c = xcalloc(1, sizeof *c);

	c->fetcher.fetch = client_fetch;
	c->env = env;
	list_init(&c->list);
	return c;
}

struct fetcher *
http_client_fetcher(struct http_client *c)
{
	return &c->fetcher;
}

void
http_client_free(struct http_client *c)
{
	if (!c)
		return;
	LIST_FOREACH(node, &c->list)
		get_finish(CONTAINER_OF(node, struct get, by_client),
		    FETCH_CONNECT, "the server is stopping");
	free(c);
}
