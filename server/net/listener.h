/*
 * Listening sockets: made before privileges are dropped, served by the loop.
 *
 * Over a limit the peer gets the service's busy line and the socket is
 * closed. Without a free descriptor waiting peers are taken and closed with a
 * spare one, and accepting rests for a while, so that a full process does not
 * spin.
 *
 * Thread: binding anywhere; the rest on the loop.
 */
#ifndef SERVER_NET_LISTENER_H
#define SERVER_NET_LISTENER_H

#include <stdint.h>

#include "server/base/buf.h"
#include "server/net/conn.h"
#include "server/net/conn_limits.h"
#include "server/net/loop.h"

#define LISTENER_BACKLOG 512

struct listener;

/*
 * Binds and listens on a numeric address ("127.0.0.1", "::1", "0.0.0.0",
 * "::"; IPv6 sockets are IPv6 only). port 0 takes a free one
 * (listener_port tells which). Returns the descriptor, owned by the caller;
 * or ERR_CONFIG (not an address), ERR_INUSE, ERR_DENIED, ERR_IO, each with a
 * sentence in *why.
 */
int listener_bind(const char *addr, uint16_t port, struct buf *why);

/*
 * Binds and listens on a local socket called name in the folder open as
 * dir_fd, with mode 0600; a socket left there by an earlier run is replaced.
 * The caller holds the lock of the folder. Returns as listener_bind.
 */
int listener_bind_local(int dir_fd, const char *name, struct buf *why);

/* The port a bound descriptor has; 0 for a local socket. */
uint16_t listener_port(int fd);

/* Serves fd, which it takes; borrows the rest until listener_stop. */
struct listener *listener_start(struct loop *loop, struct env *env, int fd,
    struct service *service, struct conn_limits *limits);

/* Closes the socket and frees; connections stay. NULL is legal. */
void listener_stop(struct listener *l);

#endif
