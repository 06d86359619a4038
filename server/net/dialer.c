#include "server/net/dialer.h"

#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/net/conn_priv.h"

struct dialer_net {
	struct dialer dialer;
	struct loop *loop;
	struct env *env;
	struct dialer_settings set;
	struct service service;		/* what connections are of */
	struct conn_limits limits;	/* the list of them */
	struct loop_task *idle;		/* to run when the last has gone */
	bool is_stopping;
};

static size_t
count_conns(const struct dialer_net *d)
{
	size_t n = 0;

	LIST_FOREACH(node, &d->limits.conns)
		n++;
	return n;
}

/*
 * Where no mail server is: ourselves, nobody, everybody. IPv4 in either
 * spelling, for addresses are kept mapped.
 */
static bool
is_nowhere(const struct addr *a)
{
	static const struct addr none = { { 0 } };
	unsigned first = a->bytes[addr_is_v4(a) ? 12 : 0];

	if (addr_is_loopback(a) || memcmp(a, &none, sizeof none) == 0)
		return true;
	return addr_is_v4(a) ? first == 0 || first >= 224 : first == 0xff;
}

static uint16_t
port_of(const struct dialer_net *d, const struct dial_to *to)
{
	if (to->is_configured)
		return to->port;
	if (to->port == 25 && d->set.port_smtp)
		return d->set.port_smtp;
	if (to->port == 443 && d->set.port_https)
		return d->set.port_https;
	return to->port;
}

static int
dialer_dial(struct dialer *dialer, const struct dial_to *to,
    struct session *s)
{
	struct dialer_net *d = CONTAINER_OF(dialer, struct dialer_net,
	    dialer);
	struct dial_to real = *to;

	if (d->is_stopping || count_conns(d) >= d->set.max)
		return ERR_BUSY;
	if (!to->is_configured && !d->set.allows_loopback &&
	    is_nowhere(&to->addr))
		return ERR_DENIED;
	real.port = port_of(d, to);
	return conn_dial(d->loop, d->env, &d->service, &d->limits, &real, s);
}

struct dialer_net *
dialer_new(struct loop *loop, struct env *env,
    const struct dialer_settings *set, struct tls_config *tls)
{
	struct dialer_net *d = xcalloc(1, sizeof *d);
	struct conn_limits_settings none = { .total = 0 };

	d->dialer.dial = dialer_dial;
	d->loop = loop;
	d->env = env;
	d->set = *set;
	if (d->set.max == 0)
		d->set.max = DIALER_MAX;
	d->service.name = "out";
	d->service.tls_mode = SERVICE_STARTTLS;
	service_set_tls(&d->service, tls);
	conn_limits_init(&d->limits, env, &none);
	return d;
}

struct dialer *
dialer_dialer(struct dialer_net *d)
{
	return &d->dialer;
}

void
dialer_set_tls(struct dialer_net *d, struct tls_config *tls)
{
	service_set_tls(&d->service, tls);
}

static void
on_empty(struct conn_limits *limits)
{
	struct dialer_net *d = CONTAINER_OF(limits, struct dialer_net,
	    limits);

	if (d->idle)
		loop_soon(d->loop, d->idle);
}

void
dialer_stop(struct dialer_net *d, struct loop_task *idle)
{
	d->is_stopping = true;
	d->idle = idle;
	d->limits.empty = on_empty;
	conns_stop(&d->limits, STOP_SHUTDOWN);
}

void
dialer_close(struct dialer_net *d)
{
	conns_close(&d->limits);
}

bool
dialer_is_idle(const struct dialer_net *d)
{
	return list_is_empty(&d->limits.conns);
}

void
dialer_free(struct dialer_net *d)
{
	if (!d)
		return;
	service_set_tls(&d->service, NULL);
	conn_limits_release(&d->limits);
	free(d);
}
