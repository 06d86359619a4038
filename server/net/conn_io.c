/*
 * The bytes of a connection. Sockets are used directly under uv_poll, which
 * lets input be read straight into the buffer that the session sees, and
 * output be sent straight from the one that it fills.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include <errno.h>
#include <string.h>

#include "server/base/err.h"
#include "server/net/conn_priv.h"

#define PLAIN_CHUNK 16384u		/* a record's worth */
#define CIPHER_BATCH (64u * 1024)	/* encrypted between two sends */
#define CIPHER_TURN (128u * 1024)	/* encrypted in one turn */

size_t
conn_unsent(const struct conn *c)
{
	return c->out.len + (c->tls && !c->handshake ?
	    tls_cipher_out(c->tls)->len : 0);
}

/* Drops what the session has used, so that in is only what is left. */
static void
compact(struct conn *c)
{
	buf_consume(&c->in, c->in_used);
	c->in_used = 0;
}

void
conn_receive(struct conn *c)
{
	struct buf *b = c->tls ? tls_cipher_in(c->tls) : &c->in;
	ssize_t n;
	size_t room, max = conn_input_max(c);

	if (!c->tls)
		compact(c);
	c->can_read = false;
	if (b->len >= max)
		return;
	room = max - b->len;
	buf_reserve(b, room);
	do
		n = recv(c->fd, b->p + b->len, room, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		b->len += (size_t)n;
		b->p[b->len] = '\0';
		c->has_received = true;
		c->is_stuck = c->is_stuck && c->tls;
	} else if (n == 0) {
		c->has_eof = true;
	} else if (errno != EAGAIN && errno != EWOULDBLOCK) {
		conn_fail_errno(c, errno);
		c->has_failed = true;
	}
}

/* With an alert to send perhaps; once is enough. */
static void
tls_broke(struct conn *c)
{
	struct buf *alert = tls_cipher_out(c->tls);

	(void)send(c->fd, alert->p, alert->len, MSG_NOSIGNAL | MSG_DONTWAIT);
	c->has_failed = true;
	conn_log(c, "tls-error", tls_error(c->tls));
	conn_fail(c, ERR_TLS, tls_error(c->tls));
}

void
conn_decrypt(struct conn *c)
{
	compact(c);
	while (c->in.len < conn_input_max(c)) {
		size_t room = MIN(conn_input_max(c) - c->in.len, PLAIN_CHUNK);
		int n;

		buf_reserve(&c->in, room);
		n = tls_read(c->tls, c->in.p + c->in.len, room);
		if (n <= 0) {
			if (n == ERR_CLOSED)
				c->has_eof = true;
			else if (n < 0)
				tls_broke(c);
			break;
		}
		c->in.len += (size_t)n;
		c->is_stuck = false;
	}
	if (c->in.cap)
		c->in.p[c->in.len] = '\0';
}

/* Sends from b. Returns whether all of it has left. */
static bool
send_buf(struct conn *c, struct buf *b)
{
	size_t sent = 0;

	while (sent < b->len) {
		ssize_t n = send(c->fd, b->p + sent, b->len - sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			sent += (size_t)n;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			c->is_blocked = true;
			break;
		} else if (errno != EINTR) {
			conn_fail_errno(c, errno);
			c->has_failed = true;
			break;
		}
	}
	if (sent) {
		c->stall_ms = 0;	/* it moves: the wait begins anew */
		c->has_sent = true;
	}
	buf_consume(b, sent);
	return b->len == 0;
}

/* Encrypts a batch. Returns its plain bytes. */
static size_t
encrypt(struct conn *c)
{
	size_t used = 0;

	while (used < c->out.len && used < CIPHER_BATCH) {
		int n = tls_write(c->tls, c->out.p + used, c->out.len - used);

		if (n <= 0) {
			tls_broke(c);
			break;
		}
		used += (size_t)n;
	}
	buf_consume(&c->out, used);
	return used;
}

static void
send_tls(struct conn *c)
{
	size_t total = 0;

	while (send_buf(c, tls_cipher_out(c->tls)) && c->out.len &&
	    c->state != CONN_HANDSHAKE && !c->has_failed) {
		if (total >= CIPHER_TURN) {
			loop_later(c->loop, &c->turn);
			return;
		}
		total += encrypt(c);
	}
}

void
conn_send(struct conn *c)
{
	int64_t wait_ms = c->stall_limit_ms ? c->stall_limit_ms :
	    c->service->stall_ms ? c->service->stall_ms : CONN_STALL_MS;

	if (c->has_failed)
		return;
	if (!c->is_blocked && c->tls)
		send_tls(c);
	else if (!c->is_blocked)
		(void)send_buf(c, &c->out);
	if (!c->is_blocked)
		c->stall_ms = 0;
	else if (c->stall_ms == 0)
		c->stall_ms = env_now_ms(c->env) + wait_ms;
}

void
conn_borrow(struct conn *c)
{
	lend_take(&c->loop->lend_in, &c->in);
	lend_take(&c->loop->lend_out, &c->out);
	if (c->tls && c->state != CONN_HANDSHAKE) {
		lend_take(&c->loop->lend_cipher_in, tls_cipher_in(c->tls));
		lend_take(&c->loop->lend_cipher_out, tls_cipher_out(c->tls));
	}
}

void
conn_return(struct conn *c)
{
	compact(c);
	lend_return(&c->loop->lend_in, &c->in);
	lend_return(&c->loop->lend_out, &c->out);
	/* A worker may have the tls already; then nothing was lent to it. */
	if (c->tls && c->state != CONN_HANDSHAKE) {
		lend_return(&c->loop->lend_cipher_in, tls_cipher_in(c->tls));
		lend_return(&c->loop->lend_cipher_out,
		    tls_cipher_out(c->tls));
	}
}

bool
net_addr_of(const struct sockaddr_storage *ss, struct addr *a, uint16_t *port)
{
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)ss;

		/* RFC 4291 section 2.5.5.2: IPv4-mapped. */
		*a = (struct addr){ .bytes = { [10] = 0xff, [11] = 0xff } };
		memcpy(a->bytes + 12, &in->sin_addr, 4);
		*port = ntohs(in->sin_port);
		return true;
	}
	if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)ss;

		memcpy(a->bytes, &in6->sin6_addr, 16);
		*port = ntohs(in6->sin6_port);
		return true;
	}
	return false;
}

static void
fill_local(struct peer *peer)
{
	memcpy(peer->addr, "local", sizeof "local");
	memcpy(peer->local_addr, "local", sizeof "local");
	peer->is_loopback = true;
	peer->is_exempt = true;
}

int
conn_fill_peer(const struct conn *c, struct peer *peer)
{
	struct sockaddr_storage theirs = { 0 }, ours = { 0 };
	socklen_t theirs_len = sizeof theirs, ours_len = sizeof ours;
	struct addr a, local;

	if (getsockname(c->fd, (struct sockaddr *)&ours, &ours_len) < 0)
		return ERR_IO;
	if (!net_addr_of(&ours, &local, &peer->local_port)) {
		fill_local(peer);
		return 0;
	}
	if (getpeername(c->fd, (struct sockaddr *)&theirs, &theirs_len) < 0 ||
	    !net_addr_of(&theirs, &a, &peer->port))
		return ERR_IO;
	addr_text(&local, peer->local_addr, sizeof peer->local_addr);
	addr_text(&a, peer->addr, sizeof peer->addr);
	addr_limit_key(&a, peer->net);
	peer->is_loopback = addr_is_loopback(&a);
	peer->is_exempt = conn_limits_is_exempt(c->limits, &a);
	return 0;
}
