/*
 * The loop: one libuv loop, its post queue, timers and tasks.
 *
 * What runs on it is cut into turns, one call for one connection, timer or
 * post at a time; a turn over LOOP_TURN_LONG_US is counted in
 * stats.loop_turns_long, and one that took so much CPU time in
 * stats.loop_turns_busy: those are the ones to look into. Nothing of libuv
 * shows here: only server/net knows what a handle is (net_priv.h).
 *
 * Thread: the loop's own, but for pushing into loop_home().
 */
#ifndef SERVER_NET_LOOP_H
#define SERVER_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/clock.h"
#include "server/base/list.h"
#include "server/base/post.h"
#include "server/base/stats.h"

#define LOOP_TURN_LONG_US 2000

struct loop;
struct loop_handle;

/* Borrows both, which outlive it. Aborts if the system has no epoll left. */
struct loop *loop_new(struct clock *clock, struct stats *stats);

/*
 * Stops what is left of timers and signals, delivers posts until there are
 * none, and frees. Listeners and connections must be gone before.
 */
void loop_free(struct loop *l);

/* The queue into this loop, for env->home; pushing wakes the loop. */
struct post *loop_home(struct loop *l);

/* Runs until loop_stop. May be called again afterwards. */
void loop_run(struct loop *l);

/* Ends loop_run at the end of this turn. From another thread: post an item. */
void loop_stop(struct loop *l);

/* One round without waiting for anything: for tests and for shutting down. */
void loop_run_once(struct loop *l);

/*
 * A timer, embedded in its owner. Zero but for fire is stopped. The owner
 * stops it before it goes away; stopping a stopped one is legal.
 */
struct loop_timer {
	void (*fire)(struct loop_timer *);
	struct loop_handle *handle;	/* private; NULL: stopped */
};

/* Fires after delay_ms, then every repeat_ms if not 0. Restarts a started. */
void loop_timer_start(struct loop *l, struct loop_timer *t, int64_t delay_ms,
    int64_t repeat_ms);
void loop_timer_stop(struct loop_timer *t);

/* A signal of the process, delivered as a turn of the loop. */
struct loop_signal {
	void (*raised)(struct loop_signal *, int signum);
	struct loop_handle *handle;	/* private; NULL: stopped */
};

/* Returns 0, or ERR_IO if the signal cannot be caught. */
int loop_signal_start(struct loop *l, struct loop_signal *s, int signum);
void loop_signal_stop(struct loop_signal *s);

/*
 * A task: something to do on the loop that nothing outside triggers. Embedded
 * in its owner, in at most one queue; loop_task_init before the first use and
 * loop_task_cancel before the owner goes away.
 */
struct loop_task {
	struct list link;
	void (*run)(struct loop_task *);
};

void loop_task_init(struct loop_task *t, void (*run)(struct loop_task *));

/* Runs before the loop waits again. Queued already: stays where it is. */
void loop_soon(struct loop *l, struct loop_task *t);

/*
 * Runs in the next round, after everything that is ready then has had its
 * turn; tasks queued while these run wait for the round after. The loop does
 * not wait while there is one. Queued already: stays where it is.
 */
void loop_later(struct loop *l, struct loop_task *t);

void loop_task_cancel(struct loop_task *t);

#endif
