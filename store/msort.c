#include "store/msort.h"

#include <string.h>

#include "server/base/xalloc.h"
#include "store/read_priv.h"

#define STEP_ITEMS 512		/* between two looks at the clock */

int
sort_item_compare(const struct sort_item *a, const struct sort_item *b)
{
	size_t len = MIN(a->rest_len, b->rest_len);
	int order;

	if (a->head != b->head)
		return a->head < b->head ? -1 : 1;
	order = len ? memcmp(a->rest, b->rest, len) : 0;
	if (order != 0)
		return order;
	return (a->rest_len > b->rest_len) - (a->rest_len < b->rest_len);
}

void
msort_init(struct msort *m, struct sort_item *v, struct sort_item *spare,
    size_t n)
{
	*m = (struct msort){ .v = v, .spare = spare, .n = n, .width = 1 };
}

/* The next item of the two runs at hand. Equal ones keep their order. */
static void
merge_one(struct msort *m)
{
	size_t lo = m->out - m->out % (2 * m->width);
	size_t mid = MIN(lo + m->width, m->n);
	size_t hi = MIN(lo + 2 * m->width, m->n);
	bool second;

	if (m->out == lo) {
		m->i = lo;
		m->j = mid;
	}
	second = m->i == mid || (m->j < hi &&
	    sort_item_compare(&m->v[m->i], &m->v[m->j]) > 0);
	m->spare[m->out++] = m->v[second ? m->j++ : m->i++];
}

bool
msort_run(struct msort *m, const struct reader *r)
{
	while (m->width < m->n) {
		for (size_t i = 0; i < STEP_ITEMS && m->out < m->n; i++)
			merge_one(m);
		if (m->out == m->n) {
			struct sort_item *sorted = m->spare;

			m->spare = m->v;
			m->v = sorted;
			m->width *= 2;
			m->out = 0;
		}
		if (reader_is_due(r))
			return m->width >= m->n;
	}
	return true;
}
