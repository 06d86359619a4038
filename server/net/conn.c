/*
 * The life of a connection.
 *
 * Whatever happens (readable, writable, an op came home, a timer, a later
 * turn) is noted in the struct, and then conn_go does what the state and the
 * session's want allow. Sessions are called from nowhere else, so no call
 * into one is ever nested in another.
 * */
#include "server/net/conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/net/conn_priv.h"
#include "server/net/deflate.h"

#define TURN_US 1000		/* then the others have their turn */
#define KEEPALIVE_S 300
#define LINGER_BYTES (256u * 1024)	/* thrown away in one turn */

static void on_poll(uv_poll_t *h, int status, int events);
static void on_timer(uv_timer_t *h);

void
service_set_tls(struct service *s, struct tls_config *cfg)
{
	struct tls_config *old = s->tls;

	s->tls = cfg ? tls_config_ref(cfg) : NULL;
	tls_config_unref(old);
}

/* ---- the end ---- */

static void
on_handle_closed(uv_handle_t *h)
{
	struct conn *c = h->data;

	if (--c->handles == 0)
		free(c);
}

void
conn_end_session(struct conn *c)
{
	struct session *s = c->session;

	if (!s)
		return;
	c->session = NULL;
	s->driver = NULL;
	session_disown_ops(s);
	s->ops->end(s);
}

void
conn_close(struct conn *c)
{
	struct conn_limits *limits = c->limits;

	if (c->state == CONN_CLOSED)
		return;
	conn_fail(c, ERR_CANCELLED, "given up");
	conn_end_session(c);
	conn_drop_tls(c);
	inflater_free(c->inflater);
	c->inflater = NULL;
	c->state = CONN_CLOSED;
	loop_task_cancel(&c->ready);
	loop_task_cancel(&c->turn);
	buf_truncate(&c->in, 0);
	buf_truncate(&c->out, 0);
	buf_release(&c->packed);
	conn_return(c);
	uv_close((uv_handle_t *)&c->poll, on_handle_closed);
	uv_close((uv_handle_t *)&c->timer, on_handle_closed);
	(void)close(c->fd);
	if (!c->is_out)
		STAT_SUB(c->env->stats, connections_open, 1);
	list_remove(&c->by_limits);
	limit_leave(limits, &c->hold);
	if (list_is_empty(&limits->conns) && limits->empty)
		limits->empty(limits);
}

void
conn_log(const struct conn *c, const char *event, const char *why)
{
	struct peer peer = { 0 };

	(void)conn_fill_peer(c, &peer);
	log_event(c->env->log, LOG_INFO, "net", event,
	    F_STR("service", c->service->name), F_STR("from", peer.addr),
	    F_STR("why", why));
}

/* ---- the session ---- */

static void
note_account(struct conn *c)
{
	struct session *s = c->session;

	if (s->account == c->account)
		return;
	c->account = s->account;
	/* Local connections are free of limits. */
	if (!c->hold.is_counted ||
	    limit_login(c->limits, &c->hold, s->account) == LIMIT_OK)
		return;
	log_refusal(c->env->log, "net", limit_text(LIMIT_OVER_ACCOUNT),
	    span_of(s->peer.addr), span_of(c->service->name));
	STAT_ADD(c->env->stats, connections_refused, 1);
	s->ops->stop(s, STOP_OVERLOAD);
}

static bool
has_room(struct conn *c)
{
	if (conn_unsent(c) >= conn_out_high(c))
		conn_send(c);
	return conn_unsent(c) < conn_out_high(c);
}

/*
 * Feeds the session. Returns whether it is worth asking it again. When the
 * peer has ended and the session can make nothing of what is left, it ends.
 */
static bool
step_input(struct conn *c)
{
	struct session *s = c->session;
	struct span in;
	size_t n;

	if (!has_room(c))
		return false;
	if (conn_is_wrapped(c) && (c->is_stuck || conn_input(c).len == 0))
		conn_refill(c);
	in = conn_input(c);
	if (in.len == 0 || c->is_stuck) {
		if (c->has_eof) {
			conn_fail(c, ERR_CLOSED, "the connection was closed");
			s->want = WANT_CLOSE;
		}
		return c->has_eof;
	}
	n = s->ops->input(s, in.p, in.len);
	c->in_used += n;
	if (n > 0 || s->want != WANT_INPUT)
		return true;
	c->is_stuck = true;
	if (in.len >= conn_input_max(c)) {
		/* Its own caps are lower; it would wait for ever. */
		conn_log(c, "input-stuck", "session waits for ever");
		conn_fail(c, ERR_LIMIT, "the answer is too long");
		s->want = WANT_CLOSE;
	}
	return s->want == WANT_CLOSE || c->has_eof || conn_is_wrapped(c);
}

static bool
step_turn(struct conn *c)
{
	struct session *s = c->session;

	if (!c->is_turn) {
		loop_later(c->loop, &c->turn);
		return false;
	}
	if (!has_room(c))
		return false;
	c->is_turn = false;
	c->is_stuck = false;
	s->ops->turn(s);
	return true;
}

static bool
step_drain(struct conn *c)
{
	conn_send(c);
	if (conn_unsent(c) >= SESSION_OUT_LOW)
		return false;
	c->is_stuck = false;
	c->session->ops->drained(c->session);
	return true;
}

static bool
step_tls(struct conn *c)
{
	conn_send(c);
	if (conn_unsent(c) > 0)
		return false;
	if (c->tls || conn_start_tls(c) < 0) {
		conn_log(c, "tls-not-possible", "no certificate");
		conn_fail(c, ERR_TLS, "TLS cannot be started");
		c->session->want = WANT_CLOSE;
		return true;
	}
	return false;
}

static bool
step_deflate(struct conn *c, bool is_on)
{
	struct session *s = c->session;

	conn_send(c);
	if (conn_unsent(c) > 0)
		return false;
	conn_set_deflate(c, is_on);
	s->want = WANT_INPUT;
	s->ops->deflated(s);
	return true;
}

/* One call into the session, if it wants any; whether to go on. */
static bool
step(struct conn *c)
{
	switch (c->session->want) {
	case WANT_INPUT:
		return step_input(c);
	case WANT_PAUSE:
		return false;
	case WANT_TURN:
		return step_turn(c);
	case WANT_DRAIN:
		return step_drain(c);
	case WANT_TLS:
		return step_tls(c);
	case WANT_DEFLATE:
		return step_deflate(c, true);
	case WANT_PLAIN:
		return step_deflate(c, false);
	case WANT_CLOSE:
		break;
	}
	conn_end_session(c);
	c->state = CONN_FLUSH;
	return false;
}

/* Whether bytes from the network would be fed to the session. */
static bool
wants_bytes(const struct conn *c)
{
	return c->session->want == WANT_INPUT && !c->has_eof &&
	    (c->is_stuck || conn_input(c).len == 0) &&
	    conn_input(c).len < conn_input_max(c) &&
	    conn_unsent(c) < conn_out_high(c);
}

/*
 * A client whose system holds small packets back (Nagle) until the last one
 * is acknowledged, which ours puts off in the hope of something to send with
 * it: a literal and the line end behind it would take 40 ms. Where there is
 * nothing to send, and more must come, say so at once.
 */
static void
acknowledge(struct conn *c)
{
	int on = 1;

	if (c->has_received && !c->has_sent && c->state == CONN_OPEN &&
	    c->session->want == WANT_INPUT)
		(void)setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &on,
		    sizeof on);
	c->has_received = c->has_sent = false;
}

/*
 * Whether the session waits for time alone, as a log-in does that is slowed,
 * while the peer has gone: then it would only take up room.
 */
static bool
waits_for_nobody(const struct conn *c)
{
	return c->is_gone && c->session->want == WANT_PAUSE &&
	    c->session->deadline_ms != 0 &&
	    list_is_empty(&c->session->ops_out);
}

static void
go_open(struct conn *c)
{
	struct clock *clock = c->env->clock;
	int64_t start_us = clock->mono_us(clock);

	note_account(c);
	do {
		if (c->can_read && wants_bytes(c))
			conn_receive(c);
		if (!step(c))
			break;
		note_account(c);
		if (clock->mono_us(clock) - start_us > TURN_US) {
			loop_later(c->loop, &c->turn);
			break;
		}
	} while (c->state == CONN_OPEN && !c->has_failed);
	if (c->state == CONN_OPEN || c->state == CONN_FLUSH)
		conn_send(c);
	if (c->state == CONN_OPEN) {
		c->is_muted = !wants_bytes(c) && (c->is_muted || c->can_read);
		c->can_read = false;
		c->must_close = c->must_close || waits_for_nobody(c);
	}
	acknowledge(c);
}

/*
 * Closing a socket with unread input sends a reset, which may overtake our
 * last reply; so our side is shut first and the peer's end waited for.
 */
static void
go_flush(struct conn *c)
{
	c->is_muted = true;
	conn_send(c);
	if (c->has_failed || conn_unsent(c) > 0)
		return;
	if (c->tls) {
		/* If it does not fit by now, the peer can do without. */
		tls_close(c->tls);
		conn_send(c);
	}
	(void)shutdown(c->fd, SHUT_WR);
	c->state = CONN_LINGER;
	c->stall_ms = 0;
	c->is_muted = false;
	c->phase_ms = env_now_ms(c->env) + CONN_LINGER_MS;
	if (c->has_eof)
		conn_close(c);
}

static void
go_linger(struct conn *c)
{
	char trash[4096];
	size_t total = 0;
	ssize_t n = 1;

	while (c->can_read && n > 0 && total < LINGER_BYTES) {
		n = recv(c->fd, trash, sizeof trash, MSG_DONTWAIT);
		total += n > 0 ? (size_t)n : 0;
	}
	if (c->can_read && (n == 0 || (n < 0 && errno != EAGAIN)))
		conn_close(c);
	c->can_read = false;
}

/* ---- the driver ---- */

static void
conn_poll(struct conn *c)
{
	int events = 0;

	if (c->state == CONN_CONNECT)
		events = UV_WRITABLE;
	else if (!c->has_eof && !c->is_muted)
		events |= UV_READABLE;
	if (c->is_blocked && c->state != CONN_LINGER)
		events |= UV_WRITABLE;
	/* Unread input hides the peer's end: told once, by another way. */
	if (c->is_muted && !c->is_gone && c->state == CONN_OPEN)
		events |= UV_DISCONNECT;
	if (events == c->poll_events)
		return;
	c->poll_events = events;
	if (events == 0)
		(void)uv_poll_stop(&c->poll);
	else if (uv_poll_start(&c->poll, events, on_poll) < 0)
		c->must_close = true;
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/*
 * A deadline that has moved back leaves the timer alone: it fires too early,
 * finds nothing due and is set again.
 */
static void
conn_set_timer(struct conn *c)
{
	int64_t due = earlier(earlier(c->stall_ms, c->phase_ms), c->retry_ms);
	int64_t delay;

	if (c->state == CONN_OPEN)
		due = earlier(due, c->session->deadline_ms);
	if (due == 0 || (c->timer_ms != 0 && c->timer_ms <= due))
		return;
	c->timer_ms = due;
	delay = due - env_now_ms(c->env);
	(void)uv_timer_start(&c->timer, on_timer, (uint64_t)MAX(delay, 1), 0);
}

static void
run_state(struct conn *c)
{
	switch (c->state) {
	case CONN_CONNECT:
		conn_go_connect(c);
		break;
	case CONN_HANDSHAKE:
		conn_go_handshake(c);
		break;
	case CONN_OPEN:
		go_open(c);
		break;
	case CONN_FLUSH:
		go_flush(c);
		break;
	case CONN_LINGER:
		go_linger(c);
		break;
	case CONN_CLOSED:
		break;
	}
}

void
conn_go(struct conn *c)
{
	enum conn_state before;

	conn_borrow(c);
	do {
		before = c->state;
		if (c->has_failed || c->must_close)
			conn_close(c);
		run_state(c);
	} while (c->state != CONN_CLOSED && (c->state != before ||
	    c->has_failed || c->must_close));
	if (c->state == CONN_CLOSED)
		return;
	conn_return(c);
	conn_poll(c);
	conn_set_timer(c);
}

static void
on_poll(uv_poll_t *h, int status, int events)
{
	struct conn *c = h->data;
	struct loop_turn start = loop_turn_begin(c->loop);
	struct loop *l = c->loop;

	if (c->state == CONN_CONNECT)
		c->is_connected = true;
	else if (status < 0)
		c->has_failed = true;
	if (events & UV_READABLE)
		c->can_read = true;
	if (events & UV_WRITABLE)
		c->is_blocked = false;
	if (events & UV_DISCONNECT)
		c->is_gone = true;
	conn_go(c);
	loop_turn_end(l, start);
}

static bool
is_due(int64_t deadline_ms, int64_t now_ms)
{
	return deadline_ms != 0 && now_ms >= deadline_ms;
}

static void
on_timer(uv_timer_t *h)
{
	struct conn *c = h->data;
	struct session *s = c->session;
	int64_t now = env_now_ms(c->env);
	struct loop *l = c->loop;
	struct loop_turn start = loop_turn_begin(l);

	c->timer_ms = 0;
	if (is_due(c->retry_ms, now))
		c->retry_ms = 0;
	if (c->state == CONN_HANDSHAKE && is_due(c->phase_ms, now)) {
		conn_log(c, "tls-failed", "took too long");
		conn_fail(c, ERR_TIMEOUT, "TLS took too long");
	}
	if (c->state == CONN_CONNECT && is_due(c->phase_ms, now))
		conn_fail(c, ERR_TIMEOUT, "no connection in time");
	if (is_due(c->stall_ms, now)) {
		conn_log(c, "closed", "the peer does not read");
		conn_fail(c, ERR_TIMEOUT, "the other server does not read");
		c->must_close = true;
	} else if (is_due(c->phase_ms, now)) {
		c->must_close = true;
	} else if (c->state == CONN_OPEN && s->want != WANT_CLOSE &&
	    is_due(s->deadline_ms, now)) {
		s->deadline_ms = 0;
		c->is_stuck = false;
		conn_borrow(c);
		s->ops->timeout(s);
	}
	conn_go(c);
	loop_turn_end(l, start);
}

static void
on_turn(struct loop_task *t)
{
	struct conn *c = CONTAINER_OF(t, struct conn, turn);

	c->is_turn = c->session && c->session->want == WANT_TURN;
	conn_go(c);
}

/* An op came home, a mailbox changed, or conns_stop asks. */
static void
on_ready(struct loop_task *t)
{
	struct conn *c = CONTAINER_OF(t, struct conn, ready);

	c->is_stuck = false;
	if (c->must_stop && c->state == CONN_OPEN &&
	    c->session->want != WANT_CLOSE)
		c->session->ops->stop(c->session, c->stop_reason);
	else if (c->must_stop && (c->state == CONN_HANDSHAKE ||
	    c->state == CONN_CONNECT))
		c->must_close = true;
	c->must_stop = false;
	conn_go(c);
}

/* session_driver.ready: not now, for somebody is in the middle of it. */
static void
driver_ready(struct session *s)
{
	struct conn *c = CONTAINER_OF(s->driver, struct conn, driver);

	loop_soon(c->loop, &c->ready);
}

void
conn_open_session(struct conn *c)
{
	const struct session_maker *maker = &c->service->maker;
	struct peer peer = { 0 };
	struct session *s;

	if (conn_fill_peer(c, &peer) < 0) {
		c->must_close = true;	/* it has gone meanwhile */
		return;
	}
	if (c->tls)
		tls_fill_peer(c->tls, &peer);
	if (!c->is_out)
		c->session = maker->make(c->env, maker->settings);
	s = c->session;
	s->peer = peer;
	s->driver = &c->driver;
	s->out = &c->out;
	c->state = CONN_OPEN;
	c->has_started = true;
	s->ops->start(s);
}

static void
set_options(int fd)
{
	int on = 1, idle_s = KEEPALIVE_S;

	/* Not there on local sockets, and no matter if they fail. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s,
	    sizeof idle_s);
}

static struct conn *
conn_new(struct loop *loop, struct env *env, struct service *service,
    struct conn_limits *limits, int fd)
{
	struct conn *c = xcalloc(1, sizeof *c);

	c->loop = loop;
	c->env = env;
	c->service = service;
	c->limits = limits;
	c->fd = fd;
	c->driver.ready = driver_ready;
	buf_init(&c->in);
	buf_init(&c->out);
	buf_init(&c->packed);
	loop_task_init(&c->ready, on_ready);
	loop_task_init(&c->turn, on_turn);
	list_init(&c->by_limits);
	c->poll.data = c->timer.data = c;
	return c;
}

struct conn *
conn_new_out(struct loop *loop, struct env *env, struct service *service,
    struct conn_limits *limits, int fd)
{
	struct conn *c = conn_new(loop, env, service, limits, fd);

	set_options(fd);
	if (uv_poll_init_socket(&loop->uv, &c->poll, fd) < 0) {
		(void)close(fd);
		free(c);
		return NULL;
	}
	(void)uv_timer_init(&loop->uv, &c->timer);
	c->handles = 2;
	c->is_out = true;
	list_add_tail(&limits->conns, &c->by_limits);
	return c;
}

void
conn_start(struct loop *loop, struct env *env, struct service *service,
    struct conn_limits *limits, int fd, struct limit_hold *hold)
{
	struct conn *c = conn_new(loop, env, service, limits, fd);

	set_options(fd);
	if (uv_poll_init_socket(&loop->uv, &c->poll, fd) < 0) {
		limit_leave(limits, hold);
		(void)close(fd);
		free(c);
		return;
	}
	(void)uv_timer_init(&loop->uv, &c->timer);
	c->handles = 2;
	c->hold = *hold;
	*hold = (struct limit_hold){ 0 };
	list_add_tail(&limits->conns, &c->by_limits);
	STAT_ADD(env->stats, connections, 1);
	STAT_ADD(env->stats, connections_open, 1);
	if (service->tls_mode == SERVICE_IMPLICIT)
		c->must_close = conn_start_tls(c) < 0;
	else
		conn_open_session(c);
	conn_go(c);
}

void
conns_stop(struct conn_limits *limits, enum stop_reason reason)
{
	LIST_FOREACH(node, &limits->conns) {
		struct conn *c = CONTAINER_OF(node, struct conn, by_limits);

		c->must_stop = true;
		c->stop_reason = reason;
		loop_soon(c->loop, &c->ready);
	}
}

void
conns_close(struct conn_limits *limits)
{
	LIST_FOREACH(node, &limits->conns) {
		struct conn *c = CONTAINER_OF(node, struct conn, by_limits);

		c->must_close = true;
		loop_soon(c->loop, &c->ready);
	}
}
