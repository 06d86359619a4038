#include "server/outside.h"

#include <unistd.h>

#include "server/base/err.h"

#define CA_FILE_MAX (4u * 1024 * 1024)

/*
 * Debian has the root's keys in a package of its own. Without it mail still
 * leaves, so that is no reason not to start; a file that was asked for is.
 */
static const char *
find_trust_anchor(const struct config *c, struct log *log)
{
	if (!*c->dns_trust_anchor)
		return NULL;
	if (access(c->dns_trust_anchor, R_OK) == 0 ||
	    strcmp(c->dns_trust_anchor, CONFIG_TRUST_ANCHOR) != 0)
		return c->dns_trust_anchor;
	log_event(log, LOG_WARN, "server", "no-dnssec",
	    F_STR("missing", c->dns_trust_anchor),
	    F_STR("hint", "it is in the package dns-root-data"));
	return NULL;
}

static int
start_resolver(struct outside *o, struct loop *loop, const struct config *c,
    struct buf *why)
{
	struct resolver_settings set = {
		.forward = (const char *const *)c->dns_forward,
		.forward_count = c->dns_forward_count,
		.trust_anchor = find_trust_anchor(c, o->env->log),
		.root_hints = *c->dns_root_hints ? c->dns_root_hints : NULL,
	};

	o->resolver = resolver_new(loop, o->env, &set, why);
	if (!o->resolver)
		return ERR_CONFIG;
	o->env->dns = resolver_source(o->resolver);
	return 0;
}

/*
 * A system without authorities can still speak TLS to whom it need not
 * verify; a file that was asked for must be there.
 */
struct tls_config *
outside_read_tls(const struct outside *o, const struct config *c,
    struct buf *why)
{
	struct buf pem = BUF_INIT, reason = BUF_INIT;
	struct tls_config *tls = NULL;

	if (config_read_file(c->tls_ca_path, CA_FILE_MAX, &pem,
	    &reason) == 0) {
		tls = tls_config_new_out(buf_span(&pem), o->env->random,
		    &reason);
	} else if (strcmp(c->tls_ca_path, CONFIG_CA_FILE) == 0) {
		log_event(o->env->log, LOG_WARN, "server", "no-authorities",
		    F_SPAN("reason", buf_span(&reason)),
		    F_STR("hint", "they are in the package ca-certificates"));
		buf_clear(&reason);
		tls = tls_config_new_out((struct span){ NULL, 0 },
		    o->env->random, &reason);
	}
	if (!tls)
		buf_printf(why, "tls_ca_file: %s", reason.p);
	buf_release(&pem);
	buf_release(&reason);
	return tls;
}

static int
start_dialer(struct outside *o, struct loop *loop, const struct config *c,
    struct buf *why)
{
	struct dialer_settings set = {
		.port_smtp = c->port_smtp, .port_https = c->port_https,
		.allows_loopback = c->testing_loopback,
	};
	struct tls_config *tls = outside_read_tls(o, c, why);

	if (!tls)
		return ERR_CONFIG;
	o->dialer = dialer_new(loop, o->env, &set, tls);
	o->env->dialer = dialer_dialer(o->dialer);
	tls_config_unref(tls);
	return 0;
}

int
outside_open(struct outside *o, struct loop *loop, struct env *env,
    const struct config *c, struct buf *why)
{
	int err;

	*o = (struct outside){ .env = env };
	if ((err = start_resolver(o, loop, c, why)) < 0 ||
	    (err = start_dialer(o, loop, c, why)) < 0)
		outside_close(o);
	if (err < 0)
		return err;
	o->http = http_client_new(env);
	env->fetcher = http_client_fetcher(o->http);
	o->sts = mta_sts_new(env);
	env->sts = mta_sts_source(o->sts);
	return 0;
}

void
outside_close(struct outside *o)
{
	mta_sts_free(o->sts);
	http_client_free(o->http);
	dialer_free(o->dialer);
	resolver_free(o->resolver);
	if (o->env) {
		o->env->sts = NULL;
		o->env->fetcher = NULL;
		o->env->dialer = NULL;
		o->env->dns = NULL;
	}
	*o = (struct outside){ .env = NULL };
}
