#include "server/base/budget.h"

#include <assert.h>

#include "server/base/err.h"

int
budget_take(struct budget *b, size_t size)
{
	size_t used = atomic_load_explicit(&b->used, memory_order_relaxed);

	do {
		if (used > b->limit || size > b->limit - used)
			return ERR_BUDGET;
	} while (!atomic_compare_exchange_weak_explicit(&b->used, &used,
	    used + size, memory_order_relaxed, memory_order_relaxed));
	return 0;
}

void
budget_give(struct budget *b, size_t size)
{
	size_t before = atomic_fetch_sub_explicit(&b->used, size,
	    memory_order_relaxed);

	assert(before >= size);
	(void)before;
}

size_t
budget_used(const struct budget *b)
{
	return atomic_load_explicit(&b->used, memory_order_relaxed);
}
