#include "server/net/work.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"

/* Each time this many light jobs went first, a waiting heavy one goes. */
#define LIGHT_FIRST 3

struct job_queue {
	struct job *head;
	struct job **tail;
};

/* The lock guards all that is below it; workers wait for ready. */
struct work_pool {
	struct work work;
	pthread_t *threads;
	unsigned thread_count;
	unsigned queue_max;
	unsigned heavy_max;
	pthread_mutex_t lock;
	pthread_cond_t ready;
	struct job_queue light, heavy;
	unsigned waiting;
	unsigned heavy_running;
	unsigned light_in_row;	/* picked while a heavy one waited */
	bool is_stopping;
};

static void
queue_init(struct job_queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static void
queue_put(struct job_queue *q, struct job *j)
{
	j->next = NULL;
	*q->tail = j;
	q->tail = &j->next;
}

static struct job *
queue_take(struct job_queue *q)
{
	struct job *j = q->head;

	q->head = j->next;
	if (!q->head)
		q->tail = &q->head;
	return j;
}

/* The next job that may run now, or NULL. Called with the lock held. */
static struct job *
pool_pick(struct work_pool *p)
{
	bool heavy = p->heavy.head && p->heavy_running < p->heavy_max;

	if (p->light.head && (!heavy || p->light_in_row < LIGHT_FIRST)) {
		p->light_in_row = heavy ? p->light_in_row + 1 : 0;
		p->waiting--;
		return queue_take(&p->light);
	}
	if (!heavy)
		return NULL;
	p->light_in_row = 0;
	p->waiting--;
	p->heavy_running++;
	return queue_take(&p->heavy);
}

static void *
worker(void *arg)
{
	struct work_pool *p = arg;
	struct job *j;

	pthread_mutex_lock(&p->lock);
	while (!p->is_stopping) {
		bool is_heavy;

		if (!(j = pool_pick(p))) {
			pthread_cond_wait(&p->ready, &p->lock);
			continue;
		}
		is_heavy = j->heavy != 0;
		pthread_mutex_unlock(&p->lock);
		j->run(j);
		op_complete(&j->op, j->op.err);
		pthread_mutex_lock(&p->lock);
		if (is_heavy)
			p->heavy_running--;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int
pool_submit(struct work *w, struct job *j)
{
	struct work_pool *p = CONTAINER_OF(w, struct work_pool, work);
	int err = 0;

	pthread_mutex_lock(&p->lock);
	if (p->waiting >= p->queue_max) {
		err = ERR_BUSY;
	} else {
		queue_put(j->heavy ? &p->heavy : &p->light, j);
		p->waiting++;
	}
	pthread_mutex_unlock(&p->lock);
	if (err == 0)
		pthread_cond_signal(&p->ready);
	return err;
}

/* Signals are the loop's business; a worker must not be interrupted. */
static void
start_threads(struct work_pool *p)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (unsigned i = 0; i < p->thread_count; i++)
		if (pthread_create(&p->threads[i], NULL, worker, p) != 0)
			abort();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

struct work_pool *
work_pool_new(unsigned threads, unsigned queue_max, unsigned heavy_max)
{
	struct work_pool *p = xcalloc(1, sizeof *p);

	assert(threads > 0 && heavy_max > 0);
	p->work.submit = pool_submit;
	p->thread_count = threads;
	p->queue_max = queue_max;
	p->heavy_max = heavy_max;
	p->threads = xcalloc(threads, sizeof *p->threads);
	queue_init(&p->light);
	queue_init(&p->heavy);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->ready, NULL);
	start_threads(p);
	return p;
}

struct work *
work_pool_work(struct work_pool *p)
{
	return &p->work;
}

static void
cancel_waiting(struct job_queue *q)
{
	while (q->head)
		op_complete(&queue_take(q)->op, ERR_CANCELLED);
}

void
work_pool_free(struct work_pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->is_stopping = true;
	pthread_mutex_unlock(&p->lock);
	pthread_cond_broadcast(&p->ready);
	for (unsigned i = 0; i < p->thread_count; i++)
		pthread_join(p->threads[i], NULL);
	cancel_waiting(&p->light);
	cancel_waiting(&p->heavy);
	pthread_cond_destroy(&p->ready);
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p);
}
