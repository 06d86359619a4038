/*
 * The work pool: struct work (server/base/work.h) on threads of its own.
 *
 * Handshake steps, signatures and password hashes. Light jobs go first, so
 * that a hash of 30 ms does not hold up a handshake; every fourth pick is a
 * heavy one, so that a flood of handshakes does not hold up log-ins.
 */
#ifndef SERVER_NET_WORK_H
#define SERVER_NET_WORK_H

#include "server/base/work.h"

#define WORK_THREADS 2
#define WORK_QUEUE_MAX 256	/* jobs waiting; beyond: ERR_BUSY */
#define WORK_HEAVY_MAX 2	/* memory-hard jobs running at once */

struct work_pool;

/*
 * Starts threads workers; they block all signals. Aborts if the system cannot
 * make a thread. heavy_max is at least 1.
 */
struct work_pool *work_pool_new(unsigned threads, unsigned queue_max,
    unsigned heavy_max);

/* For env->work. Lives as long as the pool. */
struct work *work_pool_work(struct work_pool *p);

/*
 * Lets running jobs finish, sends those that wait home with ERR_CANCELLED,
 * joins the threads and frees. Deliver the loop's posts afterwards. NULL is
 * legal.
 */
void work_pool_free(struct work_pool *p);

#endif
