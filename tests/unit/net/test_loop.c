#include "server/net/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/check.h"

/* What is run writes down a letter. */
struct diary {
	char text[64];
	size_t len;
	struct loop *loop;
	struct stats stats;
};

struct entry {
	struct loop_timer timer;
	struct loop_task task;
	struct loop_task *next_task;
	struct loop_signal signal;
	struct post_item item;
	struct diary *d;
	char letter;
};

static void
note(struct entry *e)
{
	CHECK(e->d->len + 1 < sizeof e->d->text);
	e->d->text[e->d->len++] = e->letter;
	e->d->text[e->d->len] = '\0';
}

static void
on_fire(struct loop_timer *t)
{
	struct entry *e = CONTAINER_OF(t, struct entry, timer);

	note(e);
	if (e->letter == '.')
		loop_stop(e->d->loop);
}

static void
on_task(struct loop_task *t)
{
	struct entry *e = CONTAINER_OF(t, struct entry, task);

	note(e);
	if (e->letter == '.')
		loop_stop(e->d->loop);
	else if (e->next_task)
		loop_later(e->d->loop, e->next_task);
}

static void
on_raised(struct loop_signal *s, int signum)
{
	struct entry *e = CONTAINER_OF(s, struct entry, signal);

	CHECK_EQ(signum, SIGUSR1);
	note(e);
	loop_stop(e->d->loop);
}

static void
on_delivered(struct post_item *item)
{
	struct entry *e = CONTAINER_OF(item, struct entry, item);

	note(e);
	if (e->letter == '.')
		loop_stop(e->d->loop);
}

static void
diary_init(struct diary *d)
{
	*d = (struct diary){ 0 };
	d->loop = loop_new(clock_system(), &d->stats);
}

static struct entry
entry(struct diary *d, char letter)
{
	struct entry e = { .timer.fire = on_fire, .signal.raised = on_raised,
	    .item.deliver = on_delivered, .d = d, .letter = letter };

	return e;
}

TEST(test_loop_fires_timers_in_order_of_time)
{
	struct diary d;

	diary_init(&d);
	struct entry a = entry(&d, 'a'), b = entry(&d, 'b');
	struct entry end = entry(&d, '.'), never = entry(&d, '!');

	loop_timer_start(d.loop, &never.timer, 3, 0);
	loop_timer_start(d.loop, &end.timer, 30, 0);
	loop_timer_start(d.loop, &b.timer, 20, 0);
	loop_timer_start(d.loop, &a.timer, 1, 0);
	loop_timer_stop(&never.timer);
	loop_timer_stop(&never.timer);
	loop_run(d.loop);
	CHECK_STR(d.text, "ab.");
	CHECK(a.timer.handle == NULL);
	loop_free(d.loop);
}

TEST(test_loop_repeats_a_timer_until_it_is_stopped)
{
	struct diary d;

	diary_init(&d);
	struct entry a = entry(&d, 'a');

	loop_timer_start(d.loop, &a.timer, 1, 1);
	while (d.len < 3)
		loop_run_once(d.loop);
	loop_timer_stop(&a.timer);
	d.len = 0;
	for (int i = 0; i < 10; i++)
		loop_run_once(d.loop);
	CHECK_EQ(d.len, 0);
	loop_free(d.loop);
}

TEST(test_loop_runs_later_tasks_one_round_at_a_time)
{
	struct diary d;

	diary_init(&d);
	struct entry a = entry(&d, 'a'), b = entry(&d, 'b');
	struct entry c = entry(&d, 'c');

	loop_task_init(&a.task, on_task);
	loop_task_init(&b.task, on_task);
	loop_task_init(&c.task, on_task);
	a.next_task = &a.task;	/* for ever */
	loop_later(d.loop, &a.task);
	loop_later(d.loop, &b.task);
	loop_later(d.loop, &b.task);
	loop_soon(d.loop, &c.task);
	loop_run_once(d.loop);
	CHECK_STR(d.text, "abc");
	loop_run_once(d.loop);
	CHECK_STR(d.text, "abca");
	loop_task_cancel(&a.task);
	loop_run_once(d.loop);
	CHECK_STR(d.text, "abca");
	loop_free(d.loop);
}

TEST(test_loop_does_not_wait_while_a_task_is_queued)
{
	struct diary d;

	diary_init(&d);
	struct entry a = entry(&d, 'a'), end = entry(&d, '.');

	loop_task_init(&a.task, on_task);
	loop_task_init(&end.task, on_task);
	a.next_task = &end.task;
	loop_later(d.loop, &a.task);
	/* Nothing else would end it. */
	loop_run(d.loop);
	CHECK_STR(d.text, "a.");
	loop_free(d.loop);
}

static void *
push_three(void *arg)
{
	struct entry *e = arg;

	for (int i = 0; i < 3; i++)
		post_push(loop_home(e[i].d->loop), &e[i].item);
	return NULL;
}

TEST(test_loop_is_woken_by_posts_of_another_thread)
{
	struct diary d;
	pthread_t t;

	diary_init(&d);
	struct entry e[3] = { entry(&d, '1'), entry(&d, '2'),
	    entry(&d, '.') };

	CHECK_EQ(pthread_create(&t, NULL, push_three, e), 0);
	loop_run(d.loop);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_STR(d.text, "12.");
	loop_free(d.loop);
}

TEST(test_loop_delivers_what_is_left_when_it_is_freed)
{
	struct diary d;

	diary_init(&d);
	struct entry a = entry(&d, 'a');

	post_push(loop_home(d.loop), &a.item);
	loop_free(d.loop);
	CHECK_STR(d.text, "a");
}

TEST(test_loop_catches_a_signal)
{
	struct diary d;

	diary_init(&d);
	struct entry s = entry(&d, 's');

	CHECK_EQ(loop_signal_start(d.loop, &s.signal, SIGUSR1), 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	loop_run(d.loop);
	CHECK_STR(d.text, "s");
	loop_signal_stop(&s.signal);
	loop_free(d.loop);
}

TEST(test_loop_frees_timers_that_were_forgotten)
{
	struct diary d;

	diary_init(&d);
	struct entry a = entry(&d, 'a');

	loop_timer_start(d.loop, &a.timer, 100000, 0);
	loop_free(d.loop);
	CHECK(a.timer.handle == NULL);
	CHECK_EQ(d.len, 0);
}

/* A clock that says each look at it is 3 ms after the last. */
struct slow_clock {
	struct clock clock;
	int64_t us, cpu_us;
	int64_t share;		/* of the CPU, in that time */
};

static int64_t
slow_us(struct clock *c)
{
	return CONTAINER_OF(c, struct slow_clock, clock)->us += 3000;
}

static int64_t
slow_cpu_us(struct clock *c)
{
	struct slow_clock *slow = CONTAINER_OF(c, struct slow_clock, clock);

	return slow->cpu_us += slow->share;
}

TEST(test_loop_counts_long_turns)
{
	struct slow_clock slow = { .clock = { .mono_us = slow_us,
	    .cpu_us = slow_cpu_us }, .share = 100 };
	struct diary d = { 0 };

	d.loop = loop_new(&slow.clock, &d.stats);
	struct entry a = entry(&d, 'a');

	loop_task_init(&a.task, on_task);
	loop_soon(d.loop, &a.task);
	loop_run_once(d.loop);
	CHECK_EQ(STAT_GET(&d.stats, loop_turns_long), 1);
	/* Somebody else had the CPU. */
	CHECK_EQ(STAT_GET(&d.stats, loop_turns_busy), 0);
	slow.share = 3000;
	loop_soon(d.loop, &a.task);
	loop_run_once(d.loop);
	CHECK_EQ(STAT_GET(&d.stats, loop_turns_long), 2);
	CHECK_EQ(STAT_GET(&d.stats, loop_turns_busy), 1);
	loop_free(d.loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop_fires_timers_in_order_of_time),
		cmocka_unit_test(
		    test_loop_repeats_a_timer_until_it_is_stopped),
		cmocka_unit_test(
		    test_loop_runs_later_tasks_one_round_at_a_time),
		cmocka_unit_test(
		    test_loop_does_not_wait_while_a_task_is_queued),
		cmocka_unit_test(
		    test_loop_is_woken_by_posts_of_another_thread),
		cmocka_unit_test(
		    test_loop_delivers_what_is_left_when_it_is_freed),
		cmocka_unit_test(test_loop_catches_a_signal),
		cmocka_unit_test(test_loop_frees_timers_that_were_forgotten),
		cmocka_unit_test(test_loop_counts_long_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
