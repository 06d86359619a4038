/*
 * An intrusive doubly linked list.
 *
 * The head is a node that points to itself when empty. A node that is in no
 * list points to itself as well after list_init, so list_remove is always
 * legal on an initialised node, and removing twice does nothing.
 */
#ifndef SERVER_BASE_LIST_H
#define SERVER_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *prev;
};

/* The structure that embeds a node as its given member. */
#define CONTAINER_OF(node, type, member) \
	((type *)(void *)((char *)(node) - offsetof(type, member)))

/* Walks a list; the body may remove node (but not its successor). */
#define LIST_FOREACH(node, head) \
	for (struct list *node = (head)->next, *node##_next = node->next; \
	    node != (head); node = node##_next, node##_next = node->next)

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline void
list_add_tail(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void
list_add_head(struct list *head, struct list *node)
{
	list_add_tail(head->next, node);
}

static inline void
list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* Takes out and returns the first node, or NULL. */
static inline struct list *
list_take_head(struct list *head)
{
	struct list *node = head->next;

	if (node == head)
		return NULL;
	list_remove(node);
	return node;
}

#endif
