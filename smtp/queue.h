/*
 * Sending what waits in the queue: a scheduler and its agents.
 *
 * A module on the loop, not a session. The store knows what is due and when
 * (store/queue.h); the scheduler holds only what is under way, so a long queue
 * costs no memory and a restart goes on at once. An agent serves one
 * destination over one connection at a time: it asks for the route, dials the
 * hosts in their order, sends messages one after the other, and has what
 * became of each committed before the next begins. So a kill doubles one
 * message for each open connection at most.
 *
 * Destinations are served in the order in which they came due. One that fails
 * backs off as a whole, and has one connection until it has taken a message,
 * so that a dead host holds one of QUEUE_AGENTS_MAX.
 *
 * Two clocks. Waiting is in wall time, which is what is stored and shown; a
 * clock that jumps ahead makes everything due once, and after one that went
 * back what lies too far off is due at once (QUEUE_RESUME). Too old is only
 * what is so by wall time and by the time that has passed since the start,
 * and not before an attempt has been made after its time was up. So a clock
 * that jumps delays nothing and bounces nothing.
 *
 * Thread: the loop's.
 */
#ifndef SMTP_QUEUE_H
#define SMTP_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/env.h"
#include "smtp/route.h"

#define QUEUE_AGENTS_MAX 20		/* connections; LIMITS */
#define QUEUE_AGENTS_HOST 2		/* to one host */

/* RFC 5321 section 4.5.4.1; immutable while the queue lives. */
struct queue_settings {
	int64_t retry_min_s;		/* then doubled ... */
	int64_t retry_max_s;		/* ... up to this */
	int64_t warn_s;			/* a sender is told of a delay */
	int64_t expire_s;		/* and that it is over */
	unsigned agents_max, agents_host;
	struct route_settings route;
	const char *postmaster;		/* for what nobody of ours sent */
};

/* The defaults: 5 min, 1 h, 4 h, 5 d, and the limits above. */
void queue_settings_init(struct queue_settings *s);

struct queue;

/*
 * Begins at once. Borrows both. wake is called when queue_deadline_ms has
 * become another.
 */
struct queue *queue_new(struct env *env, const struct queue_settings *s,
    void (*wake)(struct queue *, void *), void *arg);

/* No new connections; those there are end with their message. */
void queue_stop(struct queue *q);

/*
 * Ends everything. What came of an attempt and is not committed is forgotten,
 * and the attempt made again. NULL is legal. Its sessions must be gone.
 */
void queue_free(struct queue *q);

/* When queue_timeout wants to be called, on env's clock; 0: never. */
int64_t queue_deadline_ms(const struct queue *q);
void queue_timeout(struct queue *q);

/* For `status`. */
struct queue_counts {
	unsigned agents, connections;
	int64_t next_s;			/* wall time; 0: nothing waits */
};
void queue_count(const struct queue *q, struct queue_counts *c);

#endif
