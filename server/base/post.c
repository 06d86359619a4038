#include "server/base/post.h"

#include <stddef.h>

void
post_init(struct post *p, void (*wake)(struct post *))
{
	pthread_mutex_init(&p->lock, NULL);
	p->head = NULL;
	p->tail = &p->head;
	p->wake = wake;
}

void
post_release(struct post *p)
{
	pthread_mutex_destroy(&p->lock);
}

void
post_push(struct post *p, struct post_item *item)
{
	bool was_empty;

	item->next = NULL;
	pthread_mutex_lock(&p->lock);
	was_empty = !p->head;
	*p->tail = item;
	p->tail = &item->next;
	pthread_mutex_unlock(&p->lock);
	if (was_empty && p->wake)
		p->wake(p);
}

struct post_item *
post_take(struct post *p)
{
	struct post_item *items;

	pthread_mutex_lock(&p->lock);
	items = p->head;
	p->head = NULL;
	p->tail = &p->head;
	pthread_mutex_unlock(&p->lock);
	return items;
}

bool
post_drain(struct post *p)
{
	struct post_item *items = post_take(p);
	bool any = items != NULL;

	/* deliver() may free its item, so the next one is read before. */
	for (struct post_item *next; items; items = next) {
		next = items->next;
		items->deliver(items);
	}
	return any;
}
