/*
 * Which front-end a listener serves: from the configuration to services.
 */
#ifndef SERVER_SERVICES_H
#define SERVER_SERVICES_H

#include "server/config.h"
#include "smtp/queue.h"
#include "server/net/conn.h"
#include "server/net/tls.h"

#define SERVICE_KINDS 12	/* protocol x TLS mode */

struct services;

/* The front-ends' settings, filled from c, which outlives them. Owned. */
struct services *services_new(const struct config *c,
    const struct queue_settings *queue);
void services_free(struct services *s);

/* The service of a listener; lives as long as services. */
struct service *services_find(struct services *s, enum protocol protocol,
    enum tls_mode tls);

/*
 * Uses these certificates for new connections from now on. Returns 0, or
 * ERR_CONFIG with a sentence and nothing changed.
 */
int services_set_certs(struct services *s, struct certset *certs,
    struct random *random, struct buf *why);

#endif
