#include "tests/unit/net/fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/codec.h"
#include "server/base/cursor.h"
#include "server/base/err.h"

#define SLICE (64u * 1024)

/* ---- the session ---- */

struct lines {
	struct session s;
	struct world *w;
	int number;
	size_t big_left;
	size_t eat;
};

struct wait_job {
	struct job job;
};

static void
wait_free(struct op *op)
{
	free(CONTAINER_OF(op, struct wait_job, job.op));
}

static void
wait_run(struct job *j)
{
	j->op.err = 0;
}

static struct lines *
lines_of(struct session *s)
{
	return CONTAINER_OF(s, struct lines, s);
}

static void
note_out(struct lines *l)
{
	l->w->max_out = MAX(l->w->max_out, l->s.out->len);
}

static void
lines_start(struct session *s)
{
	lines_of(s)->w->started++;
	buf_adds(s->out, "hello\r\n");
}

static void
start_wait(struct lines *l)
{
	struct wait_job *j = xcalloc(1, sizeof *j);

	op_init(&j->job.op, &l->s, l->s.env->home, wait_free);
	j->job.run = wait_run;
	CHECK_EQ(work_submit(l->s.env->work, &j->job), 0);
	l->s.want = WANT_PAUSE;
}

static void
say_peer(struct session *s)
{
	struct peer *p = &s->peer;

	buf_printf(s->out, "peer addr=%s loop=%d tls=%s sni=%s exporter=",
	    p->addr, p->is_loopback, p->tls_version, p->sni);
	hex_encode(s->out, p->exporter, p->exporter_len);
	buf_adds(s->out, " endpoint=");
	hex_encode(s->out, p->endpoint, p->endpoint_len);
	buf_adds(s->out, "\r\n");
}

static uint64_t
number_of(struct span s)
{
	struct cursor c = cursor_of_span(s);
	uint64_t n = 0;

	(void)cursor_number(&c, UINT32_MAX, &n);
	return n;
}

static void
run_command(struct lines *l, struct span line)
{
	struct session *s = &l->s;

	if (span_starts(line, "ECHO ")) {
		buf_addspan(s->out, span_from(line, 5));
		buf_adds(s->out, "\r\n");
	} else if (span_is(line, "WAIT")) {
		start_wait(l);
	} else if (span_starts(line, "BIG ")) {
		l->big_left = number_of(span_from(line, 4));
		s->want = WANT_TURN;
	} else if (span_starts(line, "LOGIN ")) {
		s->account = number_of(span_from(line, 6));
		buf_adds(s->out, "in\r\n");
	} else if (span_starts(line, "DEAD ")) {
		s->deadline_ms = env_now_ms(s->env) +
		    (int64_t)number_of(span_from(line, 5));
		buf_adds(s->out, "dead\r\n");
	} else if (span_starts(line, "EAT ")) {
		l->eat = number_of(span_from(line, 4));
	} else if (span_is(line, "PEER")) {
		say_peer(s);
	} else if (span_is(line, "STARTTLS")) {
		buf_adds(s->out, "go\r\n");
		s->want = WANT_TLS;
	} else if (span_is(line, "SLOW")) {
		s->deadline_ms = env_now_ms(s->env) + 1000000;
		s->want = WANT_PAUSE;
	} else if (span_is(line, "LATE")) {
		s->deadline_ms = env_now_ms(s->env);
		usleep(3000);
		s->want = WANT_CLOSE;
	} else if (span_is(line, "DEFLATE") || span_is(line, "PLAIN")) {
		buf_adds(s->out, "ok\r\n");
		s->want = line.len == 7 ? WANT_DEFLATE : WANT_PLAIN;
	} else if (span_is(line, "QUIT")) {
		buf_adds(s->out, "bye\r\n");
		s->want = WANT_CLOSE;
	} else {
		buf_adds(s->out, "what?\r\n");
	}
}

static size_t
lines_input(struct session *s, const char *p, size_t len)
{
	struct lines *l = lines_of(s);
	struct span in = span_make(p, len);
	const char *end;

	l->w->max_input = MAX(l->w->max_input, len);
	if (l->eat) {
		if (len < l->eat)
			return 0;
		len = l->eat;
		l->eat = 0;
		buf_adds(s->out, "eaten\r\n");
		return len;
	}
	if (!(end = span_chr(in, '\n')))
		return 0;
	in.len = (size_t)(end - p) + 1;
	run_command(l, span_head(in, in.len >= 2 ? in.len - 2 : 0));
	note_out(l);
	return in.len;
}

static void
lines_done(struct session *s, struct op *op)
{
	lines_of(s)->w->op_homes++;
	CHECK_EQ(op->err, 0);
	buf_adds(s->out, "waited\r\n");
	s->want = WANT_INPUT;
	op_free(op);
}

static void
lines_changed(struct session *s, struct changeset *cs)
{
	(void)s;
	(void)cs;
}

static void
note_turn(struct lines *l)
{
	struct world *w = l->w;

	w->turns_in_row = w->last_turn == l->number ? w->turns_in_row + 1 : 1;
	w->last_turn = l->number;
	w->max_turns_in_row = MAX(w->max_turns_in_row, w->turns_in_row);
}

static void
lines_turn(struct session *s)
{
	struct lines *l = lines_of(s);
	size_t n = MIN(l->big_left, SLICE);

	note_turn(l);
	buf_reserve(s->out, n);
	memset(s->out->p + s->out->len, 'x', n);
	s->out->len += n;
	s->out->p[s->out->len] = '\0';
	l->big_left -= n;
	if (l->big_left == 0) {
		buf_adds(s->out, "end\r\n");
		s->want = WANT_INPUT;
	} else {
		s->want = s->out->len >= SESSION_OUT_HIGH ? WANT_DRAIN :
		    WANT_TURN;
	}
	note_out(l);
}

static void
lines_drained(struct session *s)
{
	s->want = WANT_TURN;
}

static void
lines_secured(struct session *s)
{
	lines_of(s)->w->secured++;
	s->want = WANT_INPUT;
}

static void
lines_deflated(struct session *s)
{
	s->want = WANT_INPUT;
}

static void
lines_timeout(struct session *s)
{
	lines_of(s)->w->timeouts++;
	buf_adds(s->out, "timeout\r\n");
	s->want = WANT_CLOSE;
}

static void
lines_stop(struct session *s, enum stop_reason reason)
{
	lines_of(s)->w->stopped++;
	buf_adds(s->out, reason == STOP_SHUTDOWN ? "stop\r\n" :
	    "overload\r\n");
	s->want = WANT_CLOSE;
}

static void
lines_end(struct session *s)
{
	lines_of(s)->w->ended++;
	free(lines_of(s));
}

static const struct session_ops lines_ops = {
	"lines", lines_start, lines_input, lines_done, lines_changed,
	lines_turn, lines_drained, lines_secured, lines_deflated,
	lines_timeout, lines_stop, lines_end
};

static struct session *
lines_make(struct env *env, const void *settings)
{
	struct lines *l = xcalloc(1, sizeof *l);

	l->w = CONTAINER_OF(env, struct world, env);
	CHECK(settings == l->w);
	l->number = (int)l->w->started + 1;
	session_init(&l->s, &lines_ops, env);
	return &l->s;
}

struct session_maker
lines_maker(struct world *w)
{
	return (struct session_maker){ lines_make, w };
}

/* ---- the world ---- */

static void
make_certs(struct world *w)
{
	static const char *const names[] = { "mail.example.test" };
	struct buf cert = BUF_INIT, key = BUF_INIT, why = BUF_INIT;

	CHECK_EQ(cert_make_self_signed(w->env.random, names, 1,
	    env_wall_s(&w->env), 30, &cert, &key), 0);
	w->certs = certset_new(w->env.random);
	CHECK_EQ(certset_add(w->certs, "test", buf_span(&cert),
	    buf_span(&key), &why), 0);
	buf_release(&cert);
	buf_release(&key);
	buf_release(&why);
}

static void
make_tls(struct world *w)
{
	struct buf why = BUF_INIT;
	struct tls_config *cfg = tls_config_new_server(w->certs, NULL,
	    w->env.random, &why);

	CHECK(cfg != NULL);
	service_set_tls(&w->service, cfg);
	tls_config_unref(cfg);
	w->client = tls_config_new_client(NULL, (struct span){ 0 },
	    w->env.random, &why);
	CHECK(w->client != NULL);
	buf_release(&why);
}

void
world_init(struct world *w)
{
	struct conn_limits_settings set = { .new_minute = 1000,
	    .pending = 1000 };

	*w = (struct world){ 0 };
	CHECK_EQ(base_random_start(), 0);
	log_init(&w->log, clock_system(), -1);
	w->env.clock = clock_system();
	w->env.random = random_system();
	w->env.log = &w->log;
	w->env.stats = &w->stats;
	w->loop = loop_new(w->env.clock, &w->stats);
	w->env.home = loop_home(w->loop);
	w->pool = work_pool_new(2, WORK_QUEUE_MAX, WORK_HEAVY_MAX);
	w->env.work = work_pool_work(w->pool);
	conn_limits_init(&w->limits, &w->env, &set);
	make_certs(w);
	w->service.name = "lines";
	w->service.maker = lines_maker(w);
	w->service.busy_line = "busy\r\n";
	make_tls(w);
}

void
world_listen(struct world *w, enum service_tls mode)
{
	struct buf why = BUF_INIT;
	int fd = listener_bind("127.0.0.1", 0, &why);

	CHECK(fd >= 0);
	w->port = listener_port(fd);
	w->service.tls_mode = mode;
	w->listener = listener_start(w->loop, &w->env, fd, &w->service,
	    &w->limits);
	buf_release(&why);
}

void
world_release(struct world *w)
{
	listener_stop(w->listener);
	conns_close(&w->limits);
	UNTIL(w, list_is_empty(&w->limits.conns));
	CHECK_EQ(w->limits.count, 0);
	CHECK_EQ(w->started, w->ended);
	CHECK_EQ(STAT_GET(&w->stats, connections_open), 0);
	work_pool_free(w->pool);
	loop_free(w->loop);
	conn_limits_release(&w->limits);
	service_set_tls(&w->service, NULL);
	tls_config_unref(w->client);
	certset_unref(w->certs);
}

/* The workers and the kernel need a moment too. */
void
world_round(struct world *w)
{
	loop_run_once(w->loop);
	(void)poll(NULL, 0, 1);
	loop_run_once(w->loop);
}

/* ---- the client ---- */

void
client_connect(struct world *w, struct client *c)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_port = htons(w->port)
	};

	*c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM, 0) };
	buf_init(&c->in);
	CHECK(c->fd >= 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(connect(c->fd, (struct sockaddr *)&in, sizeof in), 0);
}

/* All of it, running the loop while the socket is full. */
static bool
send_raw(struct world *w, struct client *c, const char *p, size_t len)
{
	unsigned rounds = 0;

	while (len > 0) {
		ssize_t n = send(c->fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return false;	/* the server has hung up */
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (++rounds > 200) {
			return false;	/* it does not read */
		} else {
			world_round(w);
		}
	}
	return true;
}

bool
client_send(struct world *w, struct client *c, const char *p, size_t len)
{
	struct buf *out;
	bool went;

	if (!c->tls)
		return send_raw(w, c, p, len);
	while (len > 0) {
		int n = tls_write(c->tls, p, len);

		CHECK(n > 0);
		p += n;
		len -= (size_t)n;
	}
	out = tls_cipher_out(c->tls);
	went = send_raw(w, c, out->p, out->len);
	buf_truncate(out, 0);
	return went;
}

void
client_says(struct world *w, struct client *c, const char *line)
{
	(void)client_send(w, c, line, strlen(line));
}

static void
decrypt(struct client *c)
{
	char plain[4096];
	int n;

	while ((n = tls_read(c->tls, plain, sizeof plain)) > 0)
		buf_add(&c->in, plain, (size_t)n);
	if (n == ERR_CLOSED)
		c->has_ended = true;
}

static void
read_raw(struct client *c, struct buf *into, size_t max)
{
	char bytes[16384];

	while (max > 0) {
		ssize_t n = recv(c->fd, bytes, MIN(max, sizeof bytes),
		    MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			c->has_ended = true;
		if (n < 0 && errno == ECONNRESET)
			c->has_reset = true;
		if (n <= 0)
			return;
		buf_add(into, bytes, (size_t)n);
		max -= (size_t)n;
	}
}

void
client_read(struct client *c, size_t max)
{
	if (!c->tls) {
		read_raw(c, &c->in, max);
		return;
	}
	read_raw(c, tls_cipher_in(c->tls), max);
	decrypt(c);
}

bool
client_has(struct client *c, const char *text)
{
	client_read(c, SIZE_MAX);
	return memmem(c->in.p, c->in.len, text, strlen(text)) != NULL;
}

bool
client_start_tls(struct world *w, struct client *c, const char *name)
{
	enum tls_result r;

	c->tls = tls_new(w->client, name);
	CHECK(c->tls != NULL);
	while ((r = tls_handshake(c->tls)) == TLS_MORE && !c->has_ended) {
		struct buf *out = tls_cipher_out(c->tls);

		(void)send_raw(w, c, out->p, out->len);
		buf_truncate(out, 0);
		world_round(w);
		read_raw(c, tls_cipher_in(c->tls), SIZE_MAX);
	}
	(void)client_send(w, c, "", 0);
	return r == TLS_DONE;
}

void
client_close(struct client *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	tls_free(c->tls);
	buf_release(&c->in);
	*c = (struct client){ .fd = -1 };
	buf_init(&c->in);
}
