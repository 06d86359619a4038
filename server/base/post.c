#include "server/base/post.h"

#include <stddef.h>

void
post_init(struct post *p, void (*wake)(struct post *))
{
	pthread_mutex_init(&p->lock, NULL);
	p->head = NULL;
	p->tail = &p->head;
	p->again = NULL;
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

void
post_again(struct post *p, struct post_item *item)
{
	p->again = item;
}

bool
post_put_back(struct post *p, struct post_item *rest)
{
	struct post_item *last = p->again;

	if (!last)
		return false;
	p->again->next = rest;
	while (last->next)
		last = last->next;
	pthread_mutex_lock(&p->lock);
	last->next = p->head;
	if (!p->head)
		p->tail = &last->next;
	p->head = p->again;
	pthread_mutex_unlock(&p->lock);
	p->again = NULL;
	if (p->wake)
		p->wake(p);
	return true;
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
		if (post_put_back(p, next))
			break;
	}
	return any;
}
