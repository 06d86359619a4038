/*
 * The sections of the configuration that say where mail for others goes:
 *
 *	route "*" { host = "relay.example.net" user = "us" password = "..." }
 *	route "example.com" { tls = "dane" }
 *	fallback { host = "relay.example.net" }
 */
#ifndef SERVER_CONFIG_ROUTE_H
#define SERVER_CONFIG_ROUTE_H

#include <confuse.h>

#include "server/base/buf.h"
#include "smtp/route.h"

extern cfg_opt_t config_route_opts[];	/* of both; host may be missing */

/*
 * Reads a route section; what rule points to is owned. 0, or ERR_CONFIG with
 * a few words in *fault; rule can be released in either case.
 */
int config_route_read(struct route_rule *rule, cfg_t *sec,
    struct buf *fault);
void config_route_release(struct route_rule *rule);

/* The same for the fallback, if it has a host; else *host is NULL. */
int config_fallback_read(struct route_smarthost **host, cfg_t *sec,
    struct buf *fault);
void config_smarthost_free(const struct route_smarthost *host);

#endif
