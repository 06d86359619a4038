#include "server/base/post.h"

#include <pthread.h>
#include <stdatomic.h>

#include "server/base/list.h"
#include "tests/check.h"

enum { THREADS = 4, EACH = 2000 };

/* What the wake-up hook and the items write down. */
struct desk {
	struct post post;
	atomic_int wakes;
	int delivered;
	int last[THREADS];
	bool in_order;
};

struct letter {
	struct post_item item;
	struct desk *desk;
	struct letter *push_again;
	int thread;
	int n;
};

static void
count_wake(struct post *p)
{
	atomic_fetch_add(&CONTAINER_OF(p, struct desk, post)->wakes, 1);
}

static void
read_letter(struct post_item *item)
{
	struct letter *l = CONTAINER_OF(item, struct letter, item);
	struct desk *d = l->desk;

	if (l->n <= d->last[l->thread])
		d->in_order = false;
	d->last[l->thread] = l->n;
	d->delivered++;
	if (l->push_again)
		post_push(&d->post, &l->push_again->item);
}

static void
desk_init(struct desk *d)
{
	*d = (struct desk){ .in_order = true };
	post_init(&d->post, count_wake);
}

static struct letter
letter(struct desk *d, int n)
{
	return (struct letter){ { NULL, read_letter }, d, NULL, 0, n };
}

TEST(test_post_wakes_once_for_the_first_item)
{
	struct desk d;
	struct letter a, b, c;

	desk_init(&d);
	a = letter(&d, 1);
	b = letter(&d, 2);
	c = letter(&d, 3);
	CHECK(!post_drain(&d.post));
	post_push(&d.post, &a.item);
	post_push(&d.post, &b.item);
	CHECK_EQ(d.wakes, 1);
	CHECK(post_drain(&d.post));
	CHECK_EQ(d.delivered, 2);
	CHECK(d.in_order);
	post_push(&d.post, &c.item);
	CHECK_EQ(d.wakes, 2);
	CHECK(post_take(&d.post) == &c.item);
	CHECK(post_take(&d.post) == NULL);
	post_release(&d.post);
}

TEST(test_post_pushed_while_draining_waits_for_the_next)
{
	struct desk d;
	struct letter a, b;

	desk_init(&d);
	a = letter(&d, 1);
	b = letter(&d, 2);
	a.push_again = &b;
	post_push(&d.post, &a.item);
	CHECK(post_drain(&d.post));
	CHECK_EQ(d.delivered, 1);
	CHECK_EQ(d.wakes, 2);
	CHECK(post_drain(&d.post));
	CHECK_EQ(d.delivered, 2);
	post_release(&d.post);
}

/* Wants so many deliveries in all. */
static void
read_slowly(struct post_item *item)
{
	struct letter *l = CONTAINER_OF(item, struct letter, item);

	if (--l->n > 0)
		post_again(&l->desk->post, item);
	else
		l->desk->delivered++;
}

TEST(test_post_delivers_again_before_what_is_behind)
{
	struct desk d;
	struct letter slow, b, c;

	desk_init(&d);
	slow = letter(&d, 3);
	slow.item.deliver = read_slowly;
	b = letter(&d, 1);
	c = letter(&d, 2);
	post_push(&d.post, &slow.item);
	post_push(&d.post, &b.item);
	CHECK(post_drain(&d.post));
	CHECK_EQ(d.wakes, 2);
	post_push(&d.post, &c.item);
	CHECK(post_drain(&d.post));
	CHECK_EQ(d.delivered, 0);
	CHECK(post_drain(&d.post));
	CHECK_EQ(d.delivered, 3);
	CHECK(d.in_order);
	/* Alone in the queue, and what comes later still follows. */
	slow.n = 2;
	d.last[0] = 0;
	post_push(&d.post, &slow.item);
	CHECK(post_drain(&d.post));
	post_push(&d.post, &b.item);
	CHECK(post_drain(&d.post));
	CHECK_EQ(d.delivered, 5);
	CHECK(!post_drain(&d.post));
	post_release(&d.post);
}

static void *
write_letters(void *arg)
{
	struct letter *v = arg;

	for (int i = 0; i < EACH; i++)
		post_push(&v[i].desk->post, &v[i].item);
	return NULL;
}

TEST(test_post_loses_nothing_between_threads_and_keeps_their_order)
{
	struct letter *v = xcalloc(THREADS * EACH, sizeof *v);
	pthread_t threads[THREADS];
	struct desk d;

	desk_init(&d);
	for (int t = 0; t < THREADS; t++) {
		for (int i = 0; i < EACH; i++) {
			v[t * EACH + i] = letter(&d, i + 1);
			v[t * EACH + i].thread = t;
		}
		CHECK_EQ(pthread_create(&threads[t], NULL, write_letters,
		    &v[t * EACH]), 0);
	}
	while (d.delivered < THREADS * EACH)
		post_drain(&d.post);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	CHECK(d.in_order);
	CHECK(d.wakes > 0);
	CHECK(!post_drain(&d.post));
	post_release(&d.post);
	free(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_post_wakes_once_for_the_first_item),
		cmocka_unit_test(test_post_pushed_while_draining_waits_for_the_next),
		cmocka_unit_test(
		    test_post_delivers_again_before_what_is_behind),
		cmocka_unit_test(test_post_loses_nothing_between_threads_and_keeps_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
