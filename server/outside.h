/*
 * The world outside: who answers questions about it and who connects to it.
 */
#ifndef SERVER_OUTSIDE_H
#define SERVER_OUTSIDE_H

#include "server/base/buf.h"
#include "server/base/env.h"
#include "server/config.h"
#include "server/http/http_out.h"
#include "server/net/dialer.h"
#include "server/net/loop.h"
#include "server/net/resolver.h"
#include "smtp/mta_sts.h"

struct outside {
	struct env *env;
	struct resolver *resolver;
	struct dialer_net *dialer;
	struct http_client *http;
	struct mta_sts *sts;
};

/*
 * Starts what the configuration asks for and sets it in env. Returns 0, or
 * ERR_CONFIG with a sentence in *why and nothing started.
 */
int outside_open(struct outside *o, struct loop *loop, struct env *env,
    const struct config *c, struct buf *why);

/*
 * For a reload: reads the authorities of c. Returns owned, or NULL with a
 * sentence in *why.
 */
struct tls_config *outside_read_tls(const struct outside *o,
    const struct config *c, struct buf *why);

/*
 * Zero is closed. There must be no connections; deliver the loop's
 * posts afterwards.
 */
void outside_close(struct outside *o);

#endif
