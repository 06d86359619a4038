#include "server/sending.h"

#include "server/base/env.h"
#include "server/net/interfaces.h"

void
sending_configure(struct sending *s, const struct config *c)
{
	queue_settings_init(&s->settings);
	s->settings.retry_min_s = c->queue_retry_s;
	s->settings.retry_max_s = c->queue_retry_max_s;
	s->settings.warn_s = c->queue_warn_s;
	s->settings.expire_s = c->queue_expire_s;
	s->settings.agents_max = c->queue_connections;
	s->settings.agents_host = c->queue_connections_host;
	s->settings.route.hostname = c->hostname;
	s->settings.route.own_addrs = s->own;
	s->settings.route.own_addr_count = interfaces_addrs(s->own,
	    SENDING_OWN_MAX);
	s->settings.route.rules = c->routes;
	s->settings.route.rule_count = c->route_count;
	s->settings.route.fallback = c->fallback;
	s->contact = c->postmaster;
	s->settings.route.port = c->port_smtp;
	s->settings.route.allows_loopback = c->testing_loopback;
}

static void
on_timer(struct loop_timer *t)
{
	struct sending *s = CONTAINER_OF(t, struct sending, timer);

	queue_timeout(s->queue);
}

/* The queue wants to be woken at another time. */
static void
set_timer(struct queue *q, void *arg)
{
	struct sending *s = arg;
	int64_t at_ms = queue_deadline_ms(q), now_ms = env_now_ms(s->env);

	if (at_ms)
		loop_timer_start(s->loop, &s->timer,
		    at_ms > now_ms ? at_ms - now_ms : 0, 0);
	else
		loop_timer_stop(&s->timer);
}

void
sending_open(struct sending *s, struct loop *loop, struct env *env)
{
	s->loop = loop;
	s->env = env;
	s->timer.fire = on_timer;
	s->queue = queue_new(env, &s->settings, set_timer, s);
	s->reporter = tls_reporter_new(env, &s->settings.route, s->contact);
}

void
sending_tick(struct sending *s)
{
	if (s->reporter)
		tls_reporter_tick(s->reporter);
}

void
sending_stop(struct sending *s)
{
	if (s->queue)
		queue_stop(s->queue);
}

void
sending_close(struct sending *s)
{
	loop_timer_stop(&s->timer);
	tls_reporter_free(s->reporter);
	s->reporter = NULL;
	queue_free(s->queue);
	s->queue = NULL;
}

void
sending_put_status(const struct sending *s, json_t *row)
{
	struct queue_counts c;

	if (!s->queue)
		return;
	queue_count(s->queue, &c);
	json_object_set_new(row, "agents", json_integer(c.agents));
	json_object_set_new(row, "connections", json_integer(c.connections));
}
