#include "tests/unit/auth/login_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/codec.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"

#define WALL_S 1700000000

static struct login_fixture *
of_session(struct session *s)
{
	return CONTAINER_OF(s, struct login_fixture, session);
}

static void
session_done(struct session *s, struct op *op)
{
	struct login_fixture *f = of_session(s);

	if (!login_owns(&f->login, op))
		abort();
	f->step = login_done(&f->login, op);
}

static const struct session_ops ops = { .name = "test",
    .done = session_done };

static void
fetch(struct cred_source *source, struct cred_request *req)
{
	struct login_fixture *f =
	    CONTAINER_OF(source, struct login_fixture, creds);

	f->fetches++;
	for (size_t i = 0; i < 2; i++) {
		size_t len = strcspn(f->accounts[i].name, "@");

		if (strcmp(req->name, f->accounts[i].name) == 0 ||
		    span_eq(span_of(req->name),
		    span_make(f->accounts[i].name, len)))
			req->result = f->accounts[i];
	}
	req->result.is_known_net = f->everyone_is_known;
	op_complete(&req->op, f->fetch_err);
}

static void
note_use(struct cred_source *source, uint64_t account, uint64_t cred,
    const unsigned char net[16], const char *from)
{
	struct login_fixture *f =
	    CONTAINER_OF(source, struct login_fixture, creds);

	(void)account;
	(void)net;
	(void)from;
	f->notes++;
	f->noted = cred;
}

static int
submit(struct work *work, struct job *job)
{
	struct login_fixture *f =
	    CONTAINER_OF(work, struct login_fixture, work);

	if (f->work_err)
		return f->work_err;
	if (f->work_keeps) {
		f->kept = job;
		return 0;
	}
	job->run(job);
	op_complete(&job->op, job->op.err);
	return 0;
}

static void
log_sink(struct log *log, enum log_level level, struct span line)
{
	struct login_fixture *f = CONTAINER_OF(log, struct login_fixture, log);

	(void)level;
	buf_addspan(&f->logged, line);
	buf_addc(&f->logged, '\n');
}

static void
add_cred(struct cred_account *a, struct cred like, const char *password)
{
	const struct passwd_params params = { 1, 8192, a->iterations };
	struct cred *c = &a->creds[a->cred_count++];

	if (passwd_make_cred(span_of(password),
	    span_make((char *)a->salt, a->salt_len), like.kind, &params, c))
		abort();
	c->id = like.id;
	c->expires_s = like.expires_s;
	if (like.scope)
		c->scope = like.scope;
}

static void
add_account(struct cred_account *a, const char *name, uint64_t id)
{
	a->found = true;
	a->account = id;
	a->version = 1;
	memcpy(a->name, name, strlen(name) + 1);
	a->salt_len = PASSWD_SALT_LEN;
	memset(a->salt, (int)id, a->salt_len);
	a->iterations = 2;
	add_cred(a, (struct cred){ .id = 1, .kind = CRED_PASSWORD },
	    "pencil");
}

static void
connect_peer(struct login_fixture *f)
{
	struct peer *peer = &f->session.peer;

	session_init(&f->session, &ops, &f->env);
	memcpy(peer->addr, "192.0.2.1", 10);
	memcpy(peer->net, "\0\0\0\0\0\0\0\0\0\0\xFF\xFF\xC0\0\2\1", 16);
	peer->has_tls = true;
	peer->endpoint_len = 32;
	memset(peer->endpoint, 0x11, 32);
}

void
login_fixture_init(struct login_fixture *f, unsigned scope)
{
	*f = (struct login_fixture){ .settings.params = PASSWD_PARAMS_TEST };
	fake_clock_init(&f->clock, WALL_S);
	fake_clock_advance(&f->clock, 1000000);
	log_init(&f->log, &f->clock.clock, -1);
	f->log.sink = log_sink;
	buf_init(&f->logged);
	f->budget.limit = 64u << 20;
	post_init(&f->home, NULL);
	f->work.submit = submit;
	f->creds.fetch = fetch;
	f->creds.note_use = note_use;
	f->env = (struct env){ .clock = &f->clock.clock,
	    .random = random_system(), .log = &f->log, .stats = &f->stats,
	    .budget = &f->budget, .home = &f->home, .work = &f->work,
	    .creds = &f->creds, .hostname = "mx.example.org",
	    .version = "0" };
	f->env.throttle = throttle_new(&f->env.hash_key);
	f->env.passcache = passcache_new(f->env.random);
	f->accounts = xcalloc(2, sizeof *f->accounts);
	add_account(&f->accounts[0], "ann@example.org", 7);
	add_cred(&f->accounts[0], (struct cred){ .id = 2,
	    .kind = CRED_DEVICE, .scope = SCOPE_IMAP }, "phone-secret");
	add_cred(&f->accounts[0], (struct cred){ .id = 3,
	    .kind = CRED_DEVICE, .expires_s = WALL_S }, "old-secret");
	add_account(&f->accounts[1], "bob@example.org", 8);
	f->accounts[1].disabled = true;
	connect_peer(f);
	login_init(&f->login, &f->session, &f->settings, scope);
}

void
login_fixture_reconnect(struct login_fixture *f)
{
	unsigned scope = f->login.scope;

	session_disown_ops(&f->session);
	login_release(&f->login);
	(void)post_drain(&f->home);
	connect_peer(f);
	login_init(&f->login, &f->session, &f->settings, scope);
}

void
login_fixture_release(struct login_fixture *f)
{
	login_fixture_reconnect(f);
	login_release(&f->login);
	throttle_free(f->env.throttle);
	passcache_free(f->env.passcache);
	post_release(&f->home);
	buf_release(&f->logged);
	free(f->accounts);
	if (budget_used(&f->budget) != 0)
		abort();
}

enum login_step
login_fixture_settle(struct login_fixture *f, enum login_step step)
{
	for (;;) {
		int64_t now = env_now_ms(&f->env);

		if (step == LOGIN_WAIT) {
			if (!post_drain(&f->home))
				abort();
			step = f->step;
		} else if (step == LOGIN_DELAY) {
			if (!login_is_delayed(&f->login) ||
			    f->login.delay_until_ms <= now)
				abort();
			f->delayed_ms += f->login.delay_until_ms - now;
			fake_clock_advance(&f->clock,
			    f->login.delay_until_ms - now);
			step = login_timeout(&f->login);
		} else {
			return step;
		}
	}
}

enum login_step
login_fixture_say(struct login_fixture *f, struct span plain)
{
	struct buf line = BUF_INIT;
	enum login_step step;

	base64_encode(&line, plain.p, plain.len);
	step = login_response(&f->login, buf_span(&line));
	buf_release(&line);
	return login_fixture_settle(f, step);
}

enum login_step
login_fixture_auth(struct login_fixture *f, const char *mech,
    const struct span *plain)
{
	struct buf line = BUF_INIT;
	struct span initial;
	enum login_step step;

	if (plain)
		base64_encode(&line, plain->p, plain->len);
	initial = buf_span(&line);
	step = login_auth(&f->login, span_of(mech), plain ? &initial : NULL);
	buf_release(&line);
	return login_fixture_settle(f, step);
}

enum login_step
login_fixture_password(struct login_fixture *f, const char *user,
    const char *password)
{
	return login_fixture_settle(f, login_password(&f->login,
	    span_of(user), span_of(password)));
}

void
login_fixture_challenge(struct login_fixture *f, struct buf *out)
{
	buf_clear(out);
	if (base64_decode(out, buf_span(&f->login.challenge)) < 0)
		abort();
}
