#include "server/net/listener.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/addr.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/net/conn_priv.h"

#define ACCEPT_TURN 32		/* connections taken in one turn */
#define SHED_TURN 32		/* of these closed when there is no room */
#define REST_MS 250		/* then accepting rests */
#define MINUTE_MS 60000
#define REFUSALS_LOGGED 10	/* in a minute, one by one */

struct listener {
	uv_poll_t poll;
	struct loop_timer rest;
	struct loop_timer minute;	/* of refusals, from the first on */
	unsigned refusals;		/* in it */
	struct loop *loop;
	struct env *env;
	struct service *service;
	struct conn_limits *limits;
	int fd;
	int spare_fd;	/* given up to take and close a peer; -1: none */
};

static void on_acceptable(uv_poll_t *h, int status, int events);

/* ---- binding ---- */

static int
bind_error(struct buf *why, const char *what, int port)
{
	int saved = errno;

	buf_printf(why, "cannot listen on %s", what);
	if (port >= 0)
		buf_printf(why, " port %d", port);
	buf_printf(why, ": %s", strerror(saved));
	if (saved == EADDRINUSE)
		return ERR_INUSE;
	return saved == EACCES || saved == EPERM ? ERR_DENIED : ERR_IO;
}

static socklen_t
sockaddr_make(struct sockaddr_storage *ss, const struct addr *a,
    uint16_t port)
{
	if (addr_is_v4(a)) {
		struct sockaddr_in in = {
			.sin_family = AF_INET, .sin_port = htons(port)
		};

		memcpy(&in.sin_addr, a->bytes + 12, 4);
		memcpy(ss, &in, sizeof in);
		return sizeof in;
	} else {
		struct sockaddr_in6 in6 = {
			.sin6_family = AF_INET6, .sin6_port = htons(port)
		};

		memcpy(&in6.sin6_addr, a->bytes, 16);
		memcpy(ss, &in6, sizeof in6);
		return sizeof in6;
	}
}

/*
 * IPv6 only: "::" and "0.0.0.0" are two listeners with two sockets, whatever
 * the system's default is.
 */
static int
bind_inet(const struct sockaddr_storage *ss, socklen_t len)
{
	int on = 1, saved;
	int fd = socket(ss->ss_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	    (ss->ss_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6,
	    IPV6_V6ONLY, &on, sizeof on) == 0) &&
	    bind(fd, (const struct sockaddr *)ss, len) == 0 &&
	    listen(fd, LISTENER_BACKLOG) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

int
listener_bind(const char *addr, uint16_t port, struct buf *why)
{
	struct sockaddr_storage ss = { 0 };
	struct addr a;
	int fd;

	if (addr_parse(&a, span_of(addr)) < 0) {
		buf_printf(why, "%s is not a numeric address", addr);
		return ERR_CONFIG;
	}
	fd = bind_inet(&ss, sockaddr_make(&ss, &a, port));
	return fd < 0 ? bind_error(why, addr, port) : fd;
}

/*
 * By way of /proc, because sun_path ends at 107 bytes and the folder's own
 * path may be longer. Nobody can connect before listen, so the mode is right
 * in time.
 */
static int
bind_local(int dir_fd, const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	int len = snprintf(un.sun_path, sizeof un.sun_path,
	    "/proc/self/fd/%d/%s", dir_fd, name);
	int saved;

	if (fd < 0)
		return -1;
	if (len < 0 || (size_t)len >= sizeof un.sun_path) {
		errno = ENAMETOOLONG;
		goto fail;
	}
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		goto fail;
	if (bind(fd, (struct sockaddr *)&un, sizeof un) == 0 &&
	    fchmodat(dir_fd, name, 0600, 0) == 0 &&
	    listen(fd, LISTENER_BACKLOG) == 0)
		return fd;
fail:
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

int
listener_bind_local(int dir_fd, const char *name, struct buf *why)
{
	int fd = bind_local(dir_fd, name);

	return fd < 0 ? bind_error(why, name, -1) : fd;
}

uint16_t
listener_port(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof ss;
	struct addr a;
	uint16_t port = 0;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		(void)net_addr_of(&ss, &a, &port);
	return port;
}

/* ---- accepting ---- */

/* A flood is told of by its first lines, and then by one a minute. */
static void
log_refused(struct listener *l, const char *from, const char *reason)
{
	if (l->refusals++ == 0)
		loop_timer_start(l->loop, &l->minute, MINUTE_MS, 0);
	if (l->refusals <= REFUSALS_LOGGED)
		log_refusal(l->env->log, "net", reason, span_of(from),
		    span_of(l->service->name));
}

static void
end_minute(struct listener *l)
{
	char reason[80];

	if (l->refusals > REFUSALS_LOGGED) {
		(void)snprintf(reason, sizeof reason, "too many connections, "
		    "of %u more", l->refusals - REFUSALS_LOGGED);
		log_refusal(l->env->log, "net", reason, span_of("many"),
		    span_of(l->service->name));
	}
	l->refusals = 0;
}

static void
on_minute(struct loop_timer *t)
{
	end_minute(CONTAINER_OF(t, struct listener, minute));
}

static void
refuse(struct listener *l, int fd, const struct addr *a, const char *reason)
{
	const char *line = l->service->busy_line;
	char from[ADDR_TEXT_MAX] = "local";

	if (a)
		addr_text(a, from, sizeof from);
	STAT_ADD(l->env->stats, connections_refused, 1);
	log_refused(l, from, reason);
	/* A new socket takes a line at once, or the peer can do without. */
	if (line && l->service->tls_mode != SERVICE_IMPLICIT)
		(void)send(fd, line, strlen(line),
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
}

static bool
is_admitted(const struct listener *l, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	if (!l->service->admit)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	return l->service->admit(l->service, &(struct conn_cred){
	    .uid = cred.uid, .gid = cred.gid, .pid = cred.pid });
}

static void
take(struct listener *l, int fd, const struct sockaddr_storage *ss)
{
	struct limit_hold hold;
	enum limit_verdict v;
	struct addr a;
	uint16_t port;
	bool is_inet = net_addr_of(ss, &a, &port);

	if (!is_inet && !is_admitted(l, fd)) {
		refuse(l, fd, NULL, "not permitted");
		return;
	}
	v = limit_enter(l->limits, &hold, is_inet ? &a : NULL);
	if (v != LIMIT_OK)
		refuse(l, fd, &a, limit_text(v));
	else
		conn_start(l->loop, l->env, l->service, l->limits, fd, &hold);
}

static void
spare_open(struct listener *l)
{
	if (l->spare_fd < 0)
		l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * There is no descriptor left. Those who wait are taken with the spare one
 * and closed, rather than left hanging; then accepting rests, for the socket
 * stays readable and would keep the loop busy.
 */
static void
shed(struct listener *l)
{
	unsigned count = 0;

	while (l->spare_fd >= 0 && count < SHED_TURN) {
		int fd;

		(void)close(l->spare_fd);
		l->spare_fd = -1;
		if ((fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
			(void)close(fd);
		spare_open(l);
		if (fd < 0)
			break;
		count++;
	}
	STAT_ADD(l->env->stats, connections_refused, count);
	log_event(l->env->log, LOG_WARN, "net", "no-descriptors",
	    F_STR("service", l->service->name), F_INT("closed", count));
	(void)uv_poll_stop(&l->poll);
	loop_timer_start(l->loop, &l->rest, REST_MS, 0);
}

static void
on_rested(struct loop_timer *t)
{
	struct listener *l = CONTAINER_OF(t, struct listener, rest);

	spare_open(l);
	if (uv_poll_start(&l->poll, UV_READABLE, on_acceptable) < 0)
		loop_timer_start(l->loop, &l->rest, REST_MS, 0);
}

/* Errors of accept that are the waiting peer's and not ours. */
static bool
is_peers_error(int e)
{
	return e == ECONNABORTED || e == EINTR || e == EPROTO || e == EPERM ||
	    e == ENETDOWN || e == ENOPROTOOPT || e == EHOSTDOWN ||
	    e == ENONET || e == EHOSTUNREACH || e == ENETUNREACH;
}

static void
on_acceptable(uv_poll_t *h, int status, int events)
{
	struct listener *l = h->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPT_TURN; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t len = sizeof ss;
		struct loop_turn start = loop_turn_begin(l->loop);
		int fd = accept4(l->fd, (struct sockaddr *)&ss, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take(l, fd, &ss);
			loop_turn_end(l->loop, start);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			return;
		} else if (!is_peers_error(errno)) {
			shed(l);
			return;
		}
	}
}

struct listener *
listener_start(struct loop *loop, struct env *env, int fd,
    struct service *service, struct conn_limits *limits)
{
	struct listener *l = xcalloc(1, sizeof *l);

	l->loop = loop;
	l->env = env;
	l->service = service;
	l->limits = limits;
	l->fd = fd;
	l->spare_fd = -1;
	l->rest.fire = on_rested;
	l->minute.fire = on_minute;
	l->poll.data = l;
	spare_open(l);
	if (uv_poll_init_socket(&loop->uv, &l->poll, fd) < 0)
		abort();	/* epoll refuses a socket: nothing works */
	on_rested(&l->rest);
	return l;
}

static void
on_closed(uv_handle_t *h)
{
	free(h->data);
}

void
listener_stop(struct listener *l)
{
	if (!l)
		return;
	loop_timer_stop(&l->rest);
	loop_timer_stop(&l->minute);
	end_minute(l);
	uv_close((uv_handle_t *)&l->poll, on_closed);
	(void)close(l->fd);
	if (l->spare_fd >= 0)
		(void)close(l->spare_fd);
}
