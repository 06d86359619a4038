#include "server/net/loop.h"

#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "server/net/deflate.h"
#include "server/net/net_priv.h"

/* A libuv handle that outlives its owner until libuv lets go of it. */
struct loop_handle {
	union {
		uv_handle_t any;
		uv_timer_t timer;
		uv_signal_t signal;
	} uv;
	struct loop *loop;
	struct loop_handle **slot;	/* where the owner points to us */
	struct loop_timer *timer;	/* one of the two; NULL: stopped */
	struct loop_signal *signal;
};

/* Failing here means no memory or descriptors before anything has begun. */
static void
must(int uv_err)
{
	if (uv_err < 0)
		abort();
}

struct loop_turn
loop_turn_begin(struct loop *l)
{
	return (struct loop_turn){ l->clock->mono_us(l->clock),
	    l->clock->cpu_us(l->clock) };
}

/* Long by the clock on the wall may be others' doing; by the CPU, it is ours. */
void
loop_turn_end(struct loop *l, struct loop_turn start)
{
	if (l->clock->mono_us(l->clock) - start.mono_us <= LOOP_TURN_LONG_US)
		return;
	STAT_ADD(l->stats, loop_turns_long, 1);
	if (l->clock->cpu_us(l->clock) - start.cpu_us > LOOP_TURN_LONG_US)
		STAT_ADD(l->stats, loop_turns_busy, 1);
}

void
lend_take(struct buf *lend, struct buf *b)
{
	if (lend->cap <= b->cap || b->len > LEND_COPY_MAX)
		return;
	buf_add(lend, b->p, b->len);
	buf_release(b);
	buf_swap(lend, b);
}

void
lend_return(struct buf *lend, struct buf *b)
{
	struct buf keep = BUF_INIT;

	if (b->cap == 0 || (b->len && b->cap <= b->len + b->len / 2 + 512))
		return;
	if (b->len) {
		buf_reserve(&keep, b->len);
		buf_add(&keep, b->p, b->len);
		buf_truncate(b, 0);
	}
	if (lend->cap == 0 && b->cap <= LEND_MAX)
		buf_swap(lend, b);
	buf_release(b);
	*b = keep;
}

static void
loop_wake(struct post *p)
{
	(void)uv_async_send(&CONTAINER_OF(p, struct loop, home)->wake);
}

static void
on_wake(uv_async_t *h)
{
	struct loop *l = h->data;
	struct post_item *item = post_take(&l->home);

	while (item) {
		struct post_item *next = item->next;
		struct loop_turn start = loop_turn_begin(l);

		item->deliver(item);
		loop_turn_end(l, start);
		if (post_put_back(&l->home, next))
			break;
		item = next;
	}
}

/* Runs those queued now; what they queue waits. */
static void
run_tasks(struct loop *l, struct list *queue)
{
	struct list now, *node;

	if (list_is_empty(queue))
		return;
	now = *queue;
	now.next->prev = now.prev->next = &now;
	list_init(queue);
	while ((node = list_take_head(&now))) {
		struct loop_task *t = CONTAINER_OF(node, struct loop_task,
		    link);
		struct loop_turn start = loop_turn_begin(l);

		t->run(t);
		loop_turn_end(l, start);
	}
}

static void
on_prepare(uv_prepare_t *h)
{
	struct loop *l = h->data;

	run_tasks(l, &l->later);
	run_tasks(l, &l->soon);
	if (list_is_empty(&l->later) && list_is_empty(&l->soon))
		(void)uv_idle_stop(&l->idle);
}

/* An idle handle's callback does nothing: being active is its effect. */
static void
on_idle(uv_idle_t *h)
{
	(void)h;
}

struct loop *
loop_new(struct clock *clock, struct stats *stats)
{
	struct loop *l = xcalloc(1, sizeof *l);

	l->clock = clock;
	l->stats = stats;
	buf_init(&l->lend_in);
	buf_init(&l->lend_out);
	buf_init(&l->lend_cipher_in);
	buf_init(&l->lend_cipher_out);
	buf_init(&l->lend_packed);
	list_init(&l->soon);
	list_init(&l->later);
	must(uv_loop_init(&l->uv));
	must(uv_async_init(&l->uv, &l->wake, on_wake));
	must(uv_prepare_init(&l->uv, &l->prepare));
	must(uv_idle_init(&l->uv, &l->idle));
	must(uv_prepare_start(&l->prepare, on_prepare));
	l->wake.data = l->prepare.data = l;
	post_init(&l->home, loop_wake);
	return l;
}

static void
on_handle_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
handle_close(struct loop_handle *h)
{
	*h->slot = NULL;
	h->timer = NULL;
	h->signal = NULL;
	uv_close(&h->uv.any, on_handle_closed);
}

/* Whatever its owner has forgotten to stop; ours have no data of their own. */
static void
close_left(uv_handle_t *h, void *arg)
{
	struct loop *l = arg;

	if (uv_is_closing(h))
		return;
	if (h->data == l || h == (uv_handle_t *)&l->idle)
		uv_close(h, NULL);
	else
		handle_close(h->data);
}

void
loop_free(struct loop *l)
{
	while (post_drain(&l->home))
		continue;
	uv_walk(&l->uv, close_left, l);
	(void)uv_run(&l->uv, UV_RUN_DEFAULT);
	must(uv_loop_close(&l->uv));
	post_release(&l->home);
	buf_release(&l->lend_in);
	buf_release(&l->lend_out);
	buf_release(&l->lend_cipher_in);
	buf_release(&l->lend_cipher_out);
	buf_release(&l->lend_packed);
	deflater_free(l->deflater);
	free(l);
}

struct post *
loop_home(struct loop *l)
{
	return &l->home;
}

void
loop_run(struct loop *l)
{
	(void)uv_run(&l->uv, UV_RUN_DEFAULT);
}

void
loop_stop(struct loop *l)
{
	uv_stop(&l->uv);
}

void
loop_run_once(struct loop *l)
{
	(void)uv_run(&l->uv, UV_RUN_NOWAIT);
}

static struct loop_handle *
handle_new(struct loop *l, struct loop_handle **slot)
{
	struct loop_handle *h = xcalloc(1, sizeof *h);

	h->loop = l;
	h->slot = slot;
	h->uv.any.data = h;
	*slot = h;
	return h;
}

static void
on_timer(uv_timer_t *uv)
{
	struct loop_handle *h = uv->data;
	struct loop *l = h->loop;
	struct loop_timer *t = h->timer;
	struct loop_turn start = loop_turn_begin(l);

	if (uv_timer_get_repeat(uv) == 0)
		loop_timer_stop(t);
	t->fire(t);
	loop_turn_end(l, start);
}

void
loop_timer_start(struct loop *l, struct loop_timer *t, int64_t delay_ms,
    int64_t repeat_ms)
{
	if (!t->handle) {
		struct loop_handle *h = handle_new(l, &t->handle);

		must(uv_timer_init(&l->uv, &h->uv.timer));
		h->timer = t;
	}
	must(uv_timer_start(&t->handle->uv.timer, on_timer,
	    (uint64_t)MAX(delay_ms, 0), (uint64_t)MAX(repeat_ms, 0)));
}

void
loop_timer_stop(struct loop_timer *t)
{
	if (t->handle)
		handle_close(t->handle);
}

static void
on_signal(uv_signal_t *uv, int signum)
{
	struct loop_handle *h = uv->data;
	struct loop *l = h->loop;
	struct loop_turn start = loop_turn_begin(l);

	h->signal->raised(h->signal, signum);
	loop_turn_end(l, start);
}

int
loop_signal_start(struct loop *l, struct loop_signal *s, int signum)
{
	struct loop_handle *h = handle_new(l, &s->handle);

	must(uv_signal_init(&l->uv, &h->uv.signal));
	h->signal = s;
	if (uv_signal_start(&h->uv.signal, on_signal, signum) < 0) {
		handle_close(h);
		return ERR_IO;
	}
	return 0;
}

void
loop_signal_stop(struct loop_signal *s)
{
	if (s->handle)
		handle_close(s->handle);
}

void
loop_task_init(struct loop_task *t, void (*run)(struct loop_task *))
{
	list_init(&t->link);
	t->run = run;
}

static void
task_queue(struct loop *l, struct list *queue, struct loop_task *t)
{
	if (!list_is_empty(&t->link))
		return;
	list_add_tail(queue, &t->link);
	if (!uv_is_active((uv_handle_t *)&l->idle))
		(void)uv_idle_start(&l->idle, on_idle);
}

void
loop_soon(struct loop *l, struct loop_task *t)
{
	task_queue(l, &l->soon, t);
}

void
loop_later(struct loop *l, struct loop_task *t)
{
	task_queue(l, &l->later, t);
}

void
loop_task_cancel(struct loop_task *t)
{
	list_remove(&t->link);
}
