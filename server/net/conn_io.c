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
#include "server/net/deflate.h"

#define PLAIN_CHUNK 16384u		/* a record's worth */
#define CIPHER_BATCH (64u * 1024)	/* encrypted between two sends */
#define CIPHER_TURN (128u * 1024)	/* encrypted in one turn */
#define PACK_BATCH (64u * 1024)		/* compressed in one turn */

size_t
conn_unsent(const struct conn *c)
{
	return c->out.len + c->packed.len + (c->tls && !c->handshake ?
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
	struct buf *b = c->tls ? tls_cipher_in(c->tls) :
	    c->inflater ? inflater_in(c->inflater) : &c->in;
	ssize_t n;
	size_t room, max = conn_input_max(c);

	if (b == &c->in)
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
		c->is_stuck = c->is_stuck && conn_is_wrapped(c);
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

/* Appends to b what has been encrypted. */
static void
decrypt(struct conn *c, struct buf *b)
{
	while (b->len < conn_input_max(c)) {
		size_t room = MIN(conn_input_max(c) - b->len, PLAIN_CHUNK);
		int n;

		buf_reserve(b, room);
		n = tls_read(c->tls, b->p + b->len, room);
		if (n <= 0) {
			if (n == ERR_CLOSED)
				c->has_eof = true;
			else if (n < 0)
				tls_broke(c);
			break;
		}
		b->len += (size_t)n;
		c->is_stuck = c->is_stuck && c->inflater;
	}
	if (b->cap)
		b->p[b->len] = '\0';
}

/*
 * Appends to in what has been compressed, up to where the peer has flushed:
 * the session is to have its say before it is known what follows.
 */
static void
inflate_in(struct conn *c)
{
	size_t room = conn_input_max(c) - c->in.len;
	int n;

	if (room == 0)
		return;
	buf_reserve(&c->in, room);
	n = inflater_read(c->inflater, c->in.p + c->in.len, room);
	if (n > 0) {
		c->in.len += (size_t)n;
		c->is_stuck = false;
	} else if (n < 0) {
		conn_log(c, "deflate-error", n == ERR_CLOSED ?
		    "the peer has ended its stream" :
		    "that was no compressed data");
		c->has_failed = true;
	}
	c->in.p[c->in.len] = '\0';
}

void
conn_refill(struct conn *c)
{
	compact(c);
	if (c->tls)
		decrypt(c, c->inflater ? inflater_in(c->inflater) : &c->in);
	if (c->inflater && !c->has_failed && c->in.len < conn_input_max(c))
		inflate_in(c);
}

void
conn_set_deflate(struct conn *c, bool is_on)
{
	struct buf *from = &c->in, *to = &c->in;

	compact(c);
	if (is_on) {
		c->inflater = inflater_new();
		to = inflater_in(c->inflater);
		buf_addspan(to, buf_span(from));
		buf_truncate(from, 0);
	} else if (c->inflater) {
		from = inflater_in(c->inflater);
		buf_addspan(to, buf_span(from));
		inflater_free(c->inflater);
		c->inflater = NULL;
	}
	c->is_stuck = false;
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

/* Encrypts a batch of what is in b. Returns its plain bytes. */
static size_t
encrypt(struct conn *c, struct buf *b)
{
	size_t used = 0;

	while (used < b->len && used < CIPHER_BATCH) {
		int n = tls_write(c->tls, b->p + used, b->len - used);

		if (n <= 0) {
			tls_broke(c);
			break;
		}
		used += (size_t)n;
	}
	buf_consume(b, used);
	return used;
}

/* Sends what is in b. Returns whether all of it has left. */
static bool
send_tls(struct conn *c, struct buf *b)
{
	size_t total = 0;

	while (send_buf(c, tls_cipher_out(c->tls)) && b->len &&
	    c->state != CONN_HANDSHAKE && !c->has_failed) {
		if (total >= CIPHER_TURN) {
			loop_later(c->loop, &c->turn);
			return false;
		}
		total += encrypt(c, b);
	}
	return b->len == 0 && tls_cipher_out(c->tls)->len == 0;
}

static bool
send_some(struct conn *c, struct buf *b)
{
	return c->tls ? send_tls(c, b) : send_buf(c, b);
}

/* Compresses a batch, so that the peer has all of it once it is sent. */
static void
pack(struct conn *c)
{
	size_t n = MIN(c->out.len, PACK_BATCH);

	if (!c->loop->deflater)
		c->loop->deflater = deflater_new();
	deflater_add(c->loop->deflater, &c->packed, c->out.p, n);
	buf_consume(&c->out, n);
}

static void
send_packed(struct conn *c)
{
	if (!send_some(c, &c->packed) || c->out.len == 0)
		return;
	pack(c);
	if (send_some(c, &c->packed) && c->out.len)
		loop_later(c->loop, &c->turn);
}

void
conn_send(struct conn *c)
{
	int64_t wait_ms = c->stall_limit_ms ? c->stall_limit_ms :
	    c->service->stall_ms ? c->service->stall_ms : CONN_STALL_MS;

	if (c->has_failed)
		return;
	if (!c->is_blocked && c->inflater)
		send_packed(c);
	else if (!c->is_blocked)
		(void)send_some(c, &c->out);
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
	if (c->inflater)
		lend_take(&c->loop->lend_packed, &c->packed);
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
	lend_return(&c->loop->lend_packed, &c->packed);
	if (c->inflater && inflater_in(c->inflater)->len == 0)
		buf_release(inflater_in(c->inflater));
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
