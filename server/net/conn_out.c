/*
 * A connection that we make: from a session without a socket to one that is
 * connected. The rest of its life is conn.c's.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/base/err.h"
#include "server/net/conn_priv.h"

void
conn_fail(struct conn *c, int err, const char *text)
{
	struct session *s = c->session;

	if (!s || !c->is_out || s->peer.failure)
		return;		/* the first one tells most */
	s->peer.failure = err;
	(void)snprintf(s->peer.failure_text, sizeof s->peer.failure_text,
	    "%s", text);
}

void
conn_fail_errno(struct conn *c, int error)
{
	conn_fail(c, error == ETIMEDOUT ? ERR_TIMEOUT : ERR_IO,
	    strerror(error));
}

static socklen_t
fill_sockaddr(struct sockaddr_storage *ss, const struct addr *a,
    uint16_t port)
{
	struct sockaddr_in *in = (void *)ss;
	struct sockaddr_in6 *in6 = (void *)ss;

	memset(ss, 0, sizeof *ss);
	if (addr_is_v4(a)) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a->bytes + 12, 4);
		return sizeof *in;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, a->bytes, 16);
	return sizeof *in6;
}

static bool
is_unset(const struct addr *a)
{
	static const struct addr none = { { 0 } };

	return memcmp(a, &none, sizeof none) == 0;
}

/* A socket that connects; *error is what that met with at once. */
static int
connect_socket(const struct dial_to *to, int *error)
{
	struct sockaddr_storage there, here;
	socklen_t len = fill_sockaddr(&there, &to->addr, to->port);
	socklen_t from_len = fill_sockaddr(&here, &to->from, 0);
	int fd = socket(there.ss_family, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	*error = 0;
	if ((!is_unset(&to->from) && bind(fd, (struct sockaddr *)&here,
	    from_len) < 0) || (connect(fd, (struct sockaddr *)&there,
	    len) < 0 && errno != EINPROGRESS))
		*error = errno;
	return fd;
}

/* Who was called, for a session that never gets there. */
static void
note_address(struct session *s, const struct dial_to *to)
{
	s->peer = (struct peer){ .port = to->port };
	addr_text(&to->addr, s->peer.addr, sizeof s->peer.addr);
	addr_limit_key(&to->addr, s->peer.net);
}

int
conn_dial(struct loop *loop, struct env *env, struct service *service,
    struct conn_limits *limits, const struct dial_to *to, struct session *s)
{
	int error, fd = connect_socket(to, &error);
	struct conn *c;

	if (fd < 0)
		return ERR_IO;
	c = conn_new_out(loop, env, service, limits, fd);
	if (!c)
		return ERR_IO;
	note_address(s, to);
	s->driver = &c->driver;
	s->out = &c->out;
	c->session = s;
	c->has_tls_first = to->has_tls_first;
	c->stall_limit_ms = to->stall_ms ? to->stall_ms : DIAL_STALL_MS;
	c->state = CONN_CONNECT;
	c->phase_ms = env_now_ms(env) + (to->connect_ms ? to->connect_ms :
	    DIAL_CONNECT_MS);
	c->connect_error = error;
	/* Not now: the caller is in the middle of something. */
	loop_soon(loop, &c->ready);
	return 0;
}

void
conn_go_connect(struct conn *c)
{
	int error = c->connect_error;
	socklen_t len = sizeof error;

	if (!error && !c->is_connected)
		return;
	if (!error && getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		conn_fail_errno(c, error);
		c->must_close = true;
		return;
	}
	c->phase_ms = 0;
	if (!c->has_tls_first) {
		conn_open_session(c);
	} else if (conn_start_tls(c) < 0) {
		conn_fail(c, ERR_TLS, "TLS cannot be started");
		c->must_close = true;
	}
}
