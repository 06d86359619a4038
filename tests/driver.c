#include "tests/driver.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/base/addr.h"
#include "server/base/dial.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/account.h"
#include "store/mime/digest.h"
#include "store/read.h"
#include "store/write.h"

static void
die(const char *what, int err)
{
	fprintf(stderr, "driver: %s: %s\n", what, err_name(err));
	abort();
}

/* ---- the world ---- */

static int
work_at_once(struct work *w, struct job *j)
{
	(void)w;
	j->run(j);
	op_complete(&j->op, j->op.err);
	return 0;
}

static void
keep_complaint(struct log *l, enum log_level level, struct span line)
{
	struct world *w = CONTAINER_OF(l, struct world, log);

	if (level < LOG_WARN)
		return;
	buf_addspan(&w->complaints, line);
	if (!line.len || line.p[line.len - 1] != '\n')
		buf_addc(&w->complaints, '\n');
}

static int world_dial(struct dialer *d, const struct dial_to *to,
    struct session *s);

void
world_open(struct world *w)
{
	struct store_settings settings;
	struct buf why = BUF_INIT;
	int err;

	*w = (struct world){ .complaints = BUF_INIT };
	list_init(&w->clients);
	list_init(&w->dials);
	w->dialer.dial = world_dial;
	fake_clock_init(&w->clock, WORLD_START_S);
	seeded_random_init(&w->random, 1);
	log_init(&w->log, &w->clock.clock, -1);
	w->log.sink = keep_complaint;
	w->budget.limit = 256u << 20;
	post_init(&w->home, NULL);
	zone_init(&w->zone);
	w->work.submit = work_at_once;
	w->env = (struct env){
		.clock = &w->clock.clock, .random = &w->random.random,
		.log = &w->log, .stats = &w->stats, .budget = &w->budget,
		.home = &w->home, .work = &w->work, .dialer = &w->dialer,
		.dns = &w->zone.source, .hostname = WORLD_HOST, .version = "0.0.0",
	};
	random_fill(&w->random.random, &w->env.hash_key,
	    sizeof w->env.hash_key);
	store_settings_init(&settings);
	settings.is_inline = true;
	settings.in_memory = true;
	settings.reserve_bytes = 0;
	if ((err = store_open(&w->store, &settings, &w->env, &why)) < 0)
		die(why.p, err);
	w->env.store = w->store;
	w->env.creds = store_creds(w->store, &w->env);
	w->env.hub = hub_new(&w->env);
	w->env.throttle = throttle_new(&w->env.hash_key);
	w->env.passcache = passcache_new(&w->random.random);
	buf_release(&why);
}

static void
free_clients(struct world *w)
{
	LIST_FOREACH(node, &w->clients) {
		struct client *c = CONTAINER_OF(node, struct client, node);

		list_remove(&c->node);
		buf_release(&c->in);
		buf_release(&c->out);
		free(c);
	}
}

int
world_close(struct world *w, struct buf *why)
{
	int breaches;

	if (w->queue)
		queue_stop(w->queue);
	LIST_FOREACH(node, &w->clients)
		client_close(CONTAINER_OF(node, struct client, node));
	LIST_FOREACH(node, &w->dials)
		client_refuse(CONTAINER_OF(node, struct client, node));
	free_clients(w);
	world_pump(w);
	breaches = store_check(w->store, why);
	queue_free(w->queue);
	hub_free(w->env.hub);
	store_close(w->store);
	w->env.store = NULL;
	post_drain(&w->home);
	throttle_free(w->env.throttle);
	passcache_free(w->env.passcache);
	if (budget_used(&w->budget) != 0) {
		buf_printf(why, "%zu bytes of the budget not given back\n",
		    budget_used(&w->budget));
		breaches++;
	}
	post_release(&w->home);
	zone_release(&w->zone);
	buf_release(&w->complaints);
	return breaches;
}

/* Runs one request to its end and returns its error; the caller frees it. */
static void
came_home(struct op *op)
{
	op->tag = 1;
}

static int
run_write(struct world *w, struct wreq *r)
{
	r->op.finish = came_home;
	r->op.tag = 0;
	store_submit(w->store, r);
	while (!r->op.tag) {
		bool busy = store_pump(w->store);

		busy |= post_drain(&w->home);
		if (!busy && !r->op.tag)
			die("a write request got lost", 0);
	}
	return r->op.err;
}

static int
run_read(struct world *w, struct rjob *j)
{
	j->op.finish = came_home;
	j->op.tag = 0;
	store_read(w->store, j);
	while (!j->op.tag) {
		bool busy = store_pump(w->store);

		busy |= post_drain(&w->home);
		if (!busy && !j->op.tag)
			die("a read job got lost", 0);
	}
	return j->op.err;
}

int
world_read(struct world *w, struct rjob *j)
{
	return run_read(w, j);
}

void
world_add_domain(struct world *w, const char *name)
{
	struct wreq_domain *r = wreq_domain_new(&w->env, NULL);
	int err;

	r->how = DIR_ADD;
	r->name = xstrdup(name);
	if ((err = run_write(w, &r->w)) < 0 && err != ERR_EXISTS)
		die("cannot add the domain", err);
	op_free(&r->w.op);
	world_pump(w);
}

void
world_add_user(struct world *w, const char *address, const char *password)
{
	struct passwd_params params = PASSWD_PARAMS_TEST;
	struct wreq_account *r;
	const char *at = strchr(address, '@');
	int err;

	if (!at)
		die("an account is named local@domain", ERR_BADNAME);
	world_add_domain(w, at + 1);
	r = wreq_account_new(&w->env, NULL);
	r->how = ACCOUNT_HOW_ADD;
	r->name = xstrdup(address);
	r->salt_len = PASSWD_SALT_LEN;
	random_fill(&w->random.random, r->salt, r->salt_len);
	r->iterations = params.iterations;
	err = passwd_make_cred(span_of(password),
	    span_make((const char *)r->salt, r->salt_len), CRED_PASSWORD,
	    &params, &r->cred);
	if (err < 0 || (err = run_write(w, &r->w)) < 0)
		die("cannot add the account", err);
	op_free(&r->w.op);
	world_pump(w);
}

void
world_add_alias(struct world *w, const char *address, const char *target)
{
	struct wreq_alias *r = wreq_alias_new(&w->env, NULL);
	int err;

	r->how = DIR_ADD;
	r->address = xstrdup(address);
	r->refused = !target;
	if (target) {
		r->targets = xcalloc(1, sizeof *r->targets);
		r->targets[0] = xstrdup(target);
		r->target_count = 1;
	}
	if ((err = run_write(w, &r->w)) < 0)
		die("cannot add the alias", err);
	op_free(&r->w.op);
	world_pump(w);
}

void
world_set_disabled(struct world *w, const char *address, bool disabled)
{
	struct wreq_account *r = wreq_account_new(&w->env, NULL);
	int err;

	r->how = disabled ? ACCOUNT_HOW_DISABLE : ACCOUNT_HOW_ENABLE;
	r->name = xstrdup(address);
	if ((err = run_write(w, &r->w)) < 0)
		die("cannot change the account", err);
	op_free(&r->w.op);
	world_pump(w);
}

/* The account's id, and the mailbox's unless it is INBOX. */
static uint64_t
find_mailbox(struct world *w, const char *address, const char *mailbox,
    uint64_t *account)
{
	struct span a = span_of(address);
	size_t at = (size_t)(strchr(address, '@') - address);
	struct rjob_resolve *r = rjob_resolve_new(&w->env, NULL);
	struct rjob_lookup *l;
	uint64_t id;
	int err;

	rjob_resolve_add(r, span_head(a, at), span_from(a, at + 1));
	if ((err = run_read(w, &r->j)) < 0 ||
	    r->items[0].result != RESOLVE_OK)
		die("no such account", err);
	*account = r->items[0].accounts[0];
	op_free(&r->j.op);
	l = rjob_lookup_new(&w->env, NULL, span_of(mailbox), RIGHT_INSERT);
	l->j.actor = *account;
	if ((err = run_read(w, &l->j)) < 0)
		die("no such mailbox", err);
	id = l->info.id;
	op_free(&l->j.op);
	return id;
}

void
world_deliver(struct world *w, const char *address, const char *mailbox,
    struct span message, uint64_t flags)
{
	/* Under a chunk: there is no session that could submit stages. */
	struct spool *spool = spool_new(&w->env, SPOOL_CHUNK);
	struct wreq_deliver *r;
	uint64_t account, id = find_mailbox(w, address, mailbox, &account);
	int err;

	if ((err = spool_add(spool, message.p, message.len)) < 0 ||
	    (err = spool_finish(spool)) < 0)
		die("cannot spool the message", err);
	r = wreq_deliver_new(&w->env, NULL);
	r->spool = spool;
	r->rcpts = xcalloc(1, sizeof *r->rcpts);
	r->rcpt_count = 1;
	r->rcpts[0].account = account;
	r->rcpts[0].mailbox = id;
	r->rcpts[0].flags = flags;
	r->internaldate_s = w->env.clock->wall_s(w->env.clock);
	w->last_size = message.len;
	w->last_flavour = spool_digest(spool)->flavour;
	if ((err = run_write(w, &r->w)) < 0)
		die("cannot deliver the message", err);
	w->last_body = r->rcpts[0].body_r;
	op_free(&r->w.op);
	world_pump(w);
}

/* ---- clients ---- */


static void
client_is_ready(struct session *s)
{
	(void)s;	/* client_step looks at everything anyway */
}

static const struct session_driver client_driver = { client_is_ready };

static void
client_end(struct client *c)
{
	struct session *s = c->session;

	if (!s)
		return;
	c->session = NULL;
	c->is_closed = true;
	session_disown_ops(s);
	s->ops->end(s);
}

static void
client_secure(struct client *c)
{
	struct session *s = c->session;

	buf_clear(&c->in);	/* RFC 3207 section 4.2 */
	s->want = WANT_INPUT;
	s->peer.has_tls = true;
	(void)snprintf(s->peer.tls_version, sizeof s->peer.tls_version,
	    "TLSv1.3");
	(void)snprintf(s->peer.tls_cipher, sizeof s->peer.tls_cipher,
	    "TLS1-3-CHACHA20-POLY1305-SHA256");
	if (s->tls_want && s->tls_want->mode != TLS_OPPORTUNISTIC)
		s->peer.tls_verified = TLS_BY_PKIX;
	s->ops->secured(s);
}

/* ---- the server's own connections ---- */

static void
client_init(struct client *c, struct world *w, struct session *s)
{
	c->world = w;
	buf_init(&c->in);
	buf_init(&c->out);
	c->session = s;
	s->out = &c->out;
	s->driver = &client_driver;
}

static int
world_dial(struct dialer *d, const struct dial_to *to, struct session *s)
{
	struct world *w = CONTAINER_OF(d, struct world, dialer);
	struct client *c = xcalloc(1, sizeof *c);

	client_init(c, w, s);
	c->to = *to;
	c->is_dialling = true;
	c->dial_end_ms = env_now_ms(&w->env) +
	    (to->connect_ms ? to->connect_ms : DIAL_CONNECT_MS);
	addr_text(&to->addr, s->peer.addr, sizeof s->peer.addr);
	s->peer.port = to->port;
	list_add_tail(&w->dials, &c->node);
	return 0;
}

struct client *
world_find_dial(struct world *w, struct span addr)
{
	LIST_FOREACH(node, &w->dials) {
		struct client *c = CONTAINER_OF(node, struct client, node);

		if (span_is(addr, c->session->peer.addr))
			return c;
	}
	return NULL;
}

static void
take_dial(struct client *c)
{
	if (!c->is_dialling)
		die("that connection is made already", 0);
	c->is_dialling = false;
	list_remove(&c->node);
	list_add_tail(&c->world->clients, &c->node);
}

void
client_accept(struct client *c)
{
	take_dial(c);
	c->session->ops->start(c->session);
}

static void
fail_dial(struct client *c, int err, const char *text)
{
	take_dial(c);
	c->session->peer.failure = err;
	(void)snprintf(c->session->peer.failure_text,
	    sizeof c->session->peer.failure_text, "%s", text);
	client_end(c);
}

void
client_refuse(struct client *c)
{
	fail_dial(c, ERR_IO, "connection refused");
}

/* Asks dialled about those it has not seen. */
static bool
show_dials(struct world *w)
{
	bool any = false;

	LIST_FOREACH(node, &w->dials) {
		struct client *c = CONTAINER_OF(node, struct client, node);

		if (c->is_shown || !w->dialled)
			continue;
		c->is_shown = any = true;
		w->dialled(c);
	}
	return any;
}

void
world_start_queue(struct world *w)
{
	queue_settings_init(&w->queue_settings);
	w->queue_settings.route.hostname = WORLD_HOST;
	w->queue_settings.postmaster = "";
	w->queue = queue_new(&w->env, &w->queue_settings, NULL, NULL);
	world_pump(w);
}

static bool
client_feed(struct client *c)
{
	size_t used;

	if (c->in.len == 0)
		return false;
	used = c->session->ops->input(c->session, c->in.p, c->in.len);
	if (used > c->in.len)
		die("a session consumed more than there was", 0);
	buf_consume(&c->in, used);
	return used > 0;
}

/* One step; returns whether anything happened. */
static bool
client_step(struct client *c)
{
	struct session *s = c->session;

	if (!s)
		return false;
	switch (s->want) {
	case WANT_INPUT:
		return client_feed(c);
	case WANT_PAUSE:
		return false;
	case WANT_TURN:
		s->ops->turn(s);
		return true;
	case WANT_DRAIN:
		/* The client reads everything at once. */
		s->ops->drained(s);
		return true;
	case WANT_TLS:
		client_secure(c);
		return true;
	case WANT_DEFLATE:
	case WANT_PLAIN:
		/* As with TLS the bytes are as they were. */
		s->want = WANT_INPUT;
		s->ops->deflated(s);
		return true;
	case WANT_CLOSE:
		client_end(c);
		return true;
	}
	return false;
}

void
world_pump(struct world *w)
{
	bool busy = true;

	while (busy) {
		busy = store_pump(w->store);
		busy |= post_drain(&w->home);
		busy |= show_dials(w);
		LIST_FOREACH(node, &w->clients) {
			struct client *c = CONTAINER_OF(node, struct client,
			    node);

			busy |= client_step(c);
			if (c->answer)
				busy |= c->answer(c);
		}
	}
}

/* The client whose deadline comes first, up to a moment. */
static struct client *
find_due(struct world *w, int64_t until_ms)
{
	struct client *due = NULL;

	LIST_FOREACH(node, &w->clients) {
		struct client *c = CONTAINER_OF(node, struct client, node);

		if (!c->session || c->session->deadline_ms == 0 ||
		    c->session->deadline_ms > until_ms)
			continue;
		if (!due || c->session->deadline_ms <
		    due->session->deadline_ms)
			due = c;
	}
	return due;
}

/* The connection under way that gives up first. They all wait as long. */
static struct client *
find_due_dial(struct world *w, int64_t until_ms)
{
	struct client *c;

	if (list_is_empty(&w->dials))
		return NULL;
	c = CONTAINER_OF(w->dials.next, struct client, node);
	return c->dial_end_ms <= until_ms ? c : NULL;
}

/* The clock moves on to at, but not back. */
static void
move_to(struct world *w, int64_t at_ms)
{
	int64_t now = env_now_ms(&w->env);

	if (at_ms > now)
		fake_clock_advance(&w->clock, at_ms - now);
}

/* The first thing that is due up to a moment happens; false: nothing is. */
static bool
do_next(struct world *w, int64_t until_ms)
{
	struct client *c = find_due(w, until_ms);
	struct client *d = find_due_dial(w, until_ms);
	int64_t queue = w->queue ? queue_deadline_ms(w->queue) : 0;

	if (c && d && d->dial_end_ms < c->session->deadline_ms)
		c = NULL;
	if (queue && queue <= until_ms &&
	    (!c || queue < c->session->deadline_ms) &&
	    (c || !d || queue < d->dial_end_ms)) {
		move_to(w, queue);
		queue_timeout(w->queue);
	} else if (c) {
		move_to(w, c->session->deadline_ms);
		c->session->deadline_ms = 0;
		c->session->ops->timeout(c->session);
	} else if (d) {
		move_to(w, d->dial_end_ms);
		fail_dial(d, ERR_TIMEOUT, "connection timed out");
	} else {
		return false;
	}
	world_pump(w);
	return true;
}

void
world_advance(struct world *w, int64_t ms)
{
	int64_t until = env_now_ms(&w->env) + ms;

	while (do_next(w, until))
		;
	move_to(w, until);
	store_tick(w->store);
	world_pump(w);
}

struct client *
client_open(struct world *w, const struct session_maker *m, const char *addr,
    bool tls)
{
	struct client *c = xcalloc(1, sizeof *c);
	struct session *s = m->make(&w->env, m->settings);
	struct addr a;

	client_init(c, w, s);
	list_add_tail(&w->clients, &c->node);
	(void)snprintf(s->peer.addr, sizeof s->peer.addr, "%s", addr);
	if (addr_parse(&a, span_of(addr)) == 0) {
		s->peer.is_loopback = addr_is_loopback(&a);
		s->peer.is_exempt = s->peer.is_loopback;
		addr_limit_key(&a, s->peer.net);
	}
	s->peer.port = 40000;
	(void)snprintf(s->peer.local_addr, sizeof s->peer.local_addr,
	    "127.0.0.1");
	if (tls) {
		s->peer.has_tls = true;
		(void)snprintf(s->peer.tls_version,
		    sizeof s->peer.tls_version, "TLSv1.3");
		(void)snprintf(s->peer.tls_cipher, sizeof s->peer.tls_cipher,
		    "TLS1-3-CHACHA20-POLY1305-SHA256");
	}
	s->ops->start(s);
	world_pump(w);
	return c;
}

void
client_send(struct client *c, const char *p, size_t len)
{
	if (!c->session)
		return;
	buf_add(&c->in, p, len);
	world_pump(c->world);
}

void
client_close(struct client *c)
{
	client_end(c);
}
