/*
 * A queue into a thread: the only way across threads.
 *
 * Any thread pushes; the thread that owns the queue drains it. Items are
 * intrusive and are delivered once each, in the order they were pushed. The
 * first push into an empty queue calls the wake-up hook, outside the lock.
 *
 * The mutex inside guards nothing but the list splice; it is one of the two
 * in the process outside the workers' own condition variables.
 */
#ifndef SERVER_BASE_POST_H
#define SERVER_BASE_POST_H

#include <pthread.h>
#include <stdbool.h>

struct post_item {
	struct post_item *next;
	/* Called by post_drain on the owning thread; takes the item. */
	void (*deliver)(struct post_item *);
};

struct post {
	pthread_mutex_t lock;
	struct post_item *head;
	struct post_item **tail;
	struct post_item *again;	/* the owner's, while it drains */
	void (*wake)(struct post *);	/* any thread; NULL: nobody to wake */
};

void post_init(struct post *p, void (*wake)(struct post *));

/* Items still inside are not delivered; drain first. */
void post_release(struct post *p);

/* Gives item away. Thread: any. */
void post_push(struct post *p, struct post_item *item);

/*
 * Takes everything queued now as one list, in order. NULL when empty.
 * Thread: the owner's.
 */
struct post_item *post_take(struct post *p);

/*
 * For deliver(): the item has more to do than one turn should take. It stays,
 * and is delivered again before everything behind it, by a later drain.
 */
void post_again(struct post *p, struct post_item *item);

/*
 * After each deliver() of a list from post_take: whether the item asked to be
 * delivered again; then it and the rest of the list are back in the queue.
 */
bool post_put_back(struct post *p, struct post_item *rest);

/*
 * Delivers what is queued now; items pushed meanwhile wait for the next call.
 * Returns whether there was any. Thread: the owner's.
 */
bool post_drain(struct post *p);

#endif
