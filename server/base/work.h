/*
 * Work: CPU-bound jobs that must not run on the loop (password hashes,
 * signatures). The pool is bounded; server/net/work.c runs it on threads,
 * tests run a job at once.
 */
#ifndef SERVER_BASE_WORK_H
#define SERVER_BASE_WORK_H

#include "server/base/op.h"

struct job {
	struct op op;
	void (*run)(struct job *);	/* on a worker; sets op.err */
	struct job *next;
	int heavy;			/* memory-hard: two at a time */
};

struct work {
	/*
	 * Takes the job; it comes home as its op. ERR_BUSY, with the job still
	 * the caller's, when the queue is full. Thread: the loop's.
	 */
	int (*submit)(struct work *, struct job *);
};

static inline int
work_submit(struct work *w, struct job *j)
{
	return w->submit(w, j);
}

#endif
