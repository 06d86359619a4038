/*
 * What every way of running Kingpost needs around the store: clock, random,
 * log, counters, budget, store, hub, log-in state. `serve` puts a loop and
 * sockets on top; a command without a server drives one session over it.
 */
#ifndef SERVER_PROCESS_H
#define SERVER_PROCESS_H

#include "auth/login.h"
#include "server/base/env.h"
#include "server/config.h"
#include "store/store.h"

struct process {
	const struct config *config;
	struct log log;
	struct stats stats;
	struct budget budget;
	struct env env;
	struct store *store;
};

/*
 * Builds env but for home and work, which the caller has set in p->env
 * already. inline_store: without threads, for one command. On error nothing
 * is left open and *why has a sentence; ERR_BUSY: another process has the
 * store. c is borrowed.
 */
int process_open(struct process *p, const struct config *c, bool inline_store,
    struct buf *why);

/*
 * Closes the store and frees the rest. Sessions must be gone; what comes home
 * to env.home meanwhile is delivered.
 */
void process_close(struct process *p);

/* What password hashes cost here. */
struct passwd_params process_passwd_params(const struct config *c);

#endif
