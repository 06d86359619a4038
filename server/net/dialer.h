/*
 * The dialer: struct dialer (server/base/dial.h) over sockets.
 *
 * A connection made here is a struct conn like any other, but that its
 * session is there first and that TLS is a client's.
 *
 * Thread: the loop's.
 */
#ifndef SERVER_NET_DIALER_H
#define SERVER_NET_DIALER_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/dial.h"
#include "server/base/env.h"
#include "server/net/conn.h"
#include "server/net/loop.h"
#include "server/net/tls.h"

#define DIALER_MAX 64		/* connections out at once */

struct dialer_settings {
	unsigned max;			/* 0: DIALER_MAX */
	/* For tests: where ports 25 and 443 lead; 0: nowhere else. */
	uint16_t port_smtp, port_https;
	bool allows_loopback;
};

struct dialer_net;

/* Copies set; takes a reference to tls (tls_config_new_out). */
struct dialer_net *dialer_new(struct loop *loop, struct env *env,
    const struct dialer_settings *set, struct tls_config *tls);

/* For env->dialer. Lives as long as d. */
struct dialer *dialer_dialer(struct dialer_net *d);

/* Uses tls for connections from now on; takes a reference. */
void dialer_set_tls(struct dialer_net *d, struct tls_config *tls);

/*
 * Tells every session to stop, as conns_stop; those not connected end, and
 * nobody is connected any more from now on (ERR_BUSY). idle, if not NULL, is
 * run when the last one has gone.
 */
void dialer_stop(struct dialer_net *d, struct loop_task *idle);

/* Closes every connection before the loop waits again. */
void dialer_close(struct dialer_net *d);

bool dialer_is_idle(const struct dialer_net *d);

/* There must be no connections. NULL is legal. */
void dialer_free(struct dialer_net *d);

#endif
