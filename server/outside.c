#include "server/outside.h"

#include <unistd.h>

#include "server/base/err.h"

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

int
outside_open(struct outside *o, struct loop *loop, struct env *env,
    const struct config *c, struct buf *why)
{
	*o = (struct outside){ .env = env };
	return start_resolver(o, loop, c, why);
}

void
outside_close(struct outside *o)
{
	resolver_free(o->resolver);
	if (o->env)
		o->env->dns = NULL;
	*o = (struct outside){ .env = NULL };
}
