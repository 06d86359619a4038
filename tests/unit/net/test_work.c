#include "server/net/work.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "server/base/err.h"
#include "tests/check.h"

/* A workshop: jobs wait at a gate and count how many are inside. */
struct shop {
	struct post home;
	sem_t entered, gate;
	atomic_int inside, most_inside;
	int came_home, cancelled;
	char order[32];
};

struct task {
	struct job job;
	struct shop *shop;
	char letter;
};

static void
task_free(struct op *op)
{
	free(CONTAINER_OF(op, struct task, job.op));
}

static void
task_finish(struct op *op)
{
	struct task *t = CONTAINER_OF(op, struct task, job.op);

	t->shop->order[t->shop->came_home++] = t->letter;
	t->shop->cancelled += op->err == ERR_CANCELLED;
	op_free(op);
}

static void
run_at_gate(struct job *j)
{
	struct shop *s = CONTAINER_OF(j, struct task, job)->shop;
	int n = atomic_fetch_add(&s->inside, 1) + 1;

	if (n > atomic_load(&s->most_inside))
		atomic_store(&s->most_inside, n);
	sem_post(&s->entered);
	sem_wait(&s->gate);
	atomic_fetch_sub(&s->inside, 1);
	j->op.err = ERR_AUTH;
}

static struct task *
task_new(struct shop *s, char letter, int heavy)
{
	struct task *t = xcalloc(1, sizeof *t);

	op_init(&t->job.op, NULL, &s->home, task_free);
	t->job.op.finish = task_finish;
	t->job.run = run_at_gate;
	t->job.heavy = heavy;
	t->shop = s;
	t->letter = letter;
	return t;
}

static void
shop_init(struct shop *s)
{
	*s = (struct shop){ 0 };
	post_init(&s->home, NULL);
	sem_init(&s->entered, 0, 0);
	sem_init(&s->gate, 0, 0);
}

static void
shop_release(struct shop *s)
{
	while (post_drain(&s->home))
		continue;
	post_release(&s->home);
	sem_destroy(&s->entered);
	sem_destroy(&s->gate);
}

static void
wait_home(struct shop *s, int count)
{
	while (s->came_home < count)
		(void)post_drain(&s->home);
}

static int
submit(struct work_pool *p, struct shop *s, char letter, int heavy)
{
	struct task *t = task_new(s, letter, heavy);
	int err = work_submit(work_pool_work(p), &t->job);

	if (err < 0)
		op_free(&t->job.op);
	return err;
}

TEST(test_work_refuses_a_job_when_the_queue_is_full)
{
	struct work_pool *p = work_pool_new(1, 2, 1);
	struct shop s;

	shop_init(&s);
	CHECK_EQ(submit(p, &s, 'a', 0), 0);
	sem_wait(&s.entered);
	CHECK_EQ(submit(p, &s, 'b', 0), 0);
	CHECK_EQ(submit(p, &s, 'c', 0), 0);
	CHECK_EQ(submit(p, &s, 'd', 0), ERR_BUSY);
	for (int i = 0; i < 3; i++)
		sem_post(&s.gate);
	wait_home(&s, 3);
	CHECK_STR(s.order, "abc");
	CHECK_EQ(s.cancelled, 0);
	work_pool_free(p);
	shop_release(&s);
}

TEST(test_work_runs_few_heavy_jobs_at_once)
{
	struct work_pool *p = work_pool_new(4, 16, 2);
	struct shop s;

	shop_init(&s);
	for (int i = 0; i < 6; i++)
		CHECK_EQ(submit(p, &s, 'h', 1), 0);
	sem_wait(&s.entered);
	sem_wait(&s.entered);
	/* Two are inside; a light one finds a worker all the same. */
	CHECK_EQ(submit(p, &s, 'l', 0), 0);
	sem_wait(&s.entered);
	CHECK_EQ(atomic_load(&s.inside), 3);
	for (int i = 0; i < 7; i++)
		sem_post(&s.gate);
	wait_home(&s, 7);
	CHECK(atomic_load(&s.most_inside) <= 3);
	work_pool_free(p);
	shop_release(&s);
}

TEST(test_work_lets_light_jobs_go_first_but_not_always)
{
	struct work_pool *p = work_pool_new(1, 32, 1);
	struct shop s;

	shop_init(&s);
	CHECK_EQ(submit(p, &s, '0', 0), 0);
	sem_wait(&s.entered);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(submit(p, &s, 'h', 1), 0);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(submit(p, &s, 'l', 0), 0);
	for (int i = 0; i < 11; i++)
		sem_post(&s.gate);
	wait_home(&s, 11);
	CHECK_STR(s.order, "0lllhlllhll");
	work_pool_free(p);
	shop_release(&s);
}

static void *
free_pool(void *arg)
{
	work_pool_free(arg);
	return NULL;
}

TEST(test_work_cancels_what_waits_when_it_ends)
{
	struct work_pool *p = work_pool_new(1, 8, 1);
	struct shop s;
	pthread_t t;

	shop_init(&s);
	CHECK_EQ(submit(p, &s, 'a', 0), 0);
	sem_wait(&s.entered);
	CHECK_EQ(submit(p, &s, 'h', 1), 0);
	CHECK_EQ(submit(p, &s, 'l', 0), 0);
	CHECK_EQ(pthread_create(&t, NULL, free_pool, p), 0);
	/*
	 * The one that runs is let finish. Whether the worker takes another
	 * before it sees the end is up to the threads, so all may pass.
	 */
	for (int i = 0; i < 3; i++)
		sem_post(&s.gate);
	CHECK_EQ(pthread_join(t, NULL), 0);
	wait_home(&s, 3);
	CHECK_EQ(s.order[0], 'a');
	shop_release(&s);
}

TEST(test_work_brings_the_result_home)
{
	struct work_pool *p = work_pool_new(2, 8, 1);
	struct shop s;
	struct task *t;

	shop_init(&s);
	t = task_new(&s, 'a', 0);
	t->job.op.finish = NULL;
	CHECK_EQ(work_submit(work_pool_work(p), &t->job), 0);
	sem_post(&s.gate);
	work_pool_free(p);
	CHECK(s.home.head == &t->job.op.item);
	CHECK(t->job.op.err == ERR_AUTH || t->job.op.err == ERR_CANCELLED);
	shop_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_work_refuses_a_job_when_the_queue_is_full),
		cmocka_unit_test(test_work_runs_few_heavy_jobs_at_once),
		cmocka_unit_test(
		    test_work_lets_light_jobs_go_first_but_not_always),
		cmocka_unit_test(test_work_cancels_what_waits_when_it_ends),
		cmocka_unit_test(test_work_brings_the_result_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
