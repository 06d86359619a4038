/*
 * THREAD (RFC 5256 section 3): digests are read here, forest.c does the rest.
 */
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/forest.h"
#include "store/read_priv.h"

struct thread_state {
	size_t row;		/* the next to be read */
	struct forest *forest;
	struct arena arena;	/* one message's digest */
};

static void
thread_free(struct op *op)
{
	struct rjob_thread *t = CONTAINER_OF(op, struct rjob_thread, j.op);
	struct thread_state *st = t->j.state;

	if (st) {
		forest_free(st->forest);
		arena_release(&st->arena);
	}
	free(st);
	free(t->rows);
	budget_give(t->budget, t->charged);
	free(t);
}

struct rjob_thread *
rjob_thread_new(struct env *env, struct session *s, enum thread_by by,
    size_t row_cap)
{
	size_t bytes = row_cap * sizeof(struct sort_row);
	struct rjob_thread *t;

	if (budget_take(env->budget, bytes) < 0)
		return NULL;
	t = xcalloc(1, sizeof *t);
	rjob_init(&t->j, RJOB_THREAD, env, s, thread_free);
	t->budget = env->budget;
	t->charged = bytes;
	t->by = by;
	t->rows = xcalloc(row_cap, sizeof *t->rows);
	t->row_cap = row_cap;
	return t;
}

void
rjob_thread_add(struct rjob_thread *t, const struct msgrow *row)
{
	if (t->row_count < t->row_cap)
		t->rows[t->row_count++] = sort_row_of(row);
}

/* One that is gone answers nobody, and nobody answers it. */
static int
read_row(struct reader *r, struct rjob_thread *t, struct thread_state *st)
{
	const struct sort_row *row = &t->rows[st->row++];
	struct digest_keys keys = { 0 };
	int err;

	arena_clear(&st->arena);
	err = read_digest_keys(r->db, &st->arena, row->body, &keys);
	if (err < 0 && err != ERR_NOTFOUND)
		return err;
	return forest_add(st->forest, row, &keys);
}

static int
thread_begin(struct reader *r, struct rjob_thread *t)
{
	struct thread_state *st = xcalloc(1, sizeof *st);

	t->j.state = st;
	st->forest = forest_new(t->by, &r->store->thread_key, t->budget,
	    t->row_count);
	return st->forest ? 0 : ERR_BUDGET;
}

int
slice_thread(struct reader *r, struct rjob *j)
{
	struct rjob_thread *t = CONTAINER_OF(j, struct rjob_thread, j);
	struct thread_state *st;
	int err;

	if (!j->state && (err = thread_begin(r, t)) < 0)
		return err;
	st = j->state;
	while (st->row < t->row_count) {
		if ((err = read_row(r, t, st)) < 0)
			return err;
		if (reader_is_due(r)) {
			j->more = true;
			return 0;
		}
	}
	if ((err = forest_run(st->forest, r)) < 0)
		return err;
	j->more = err > 0;
	if (!j->more)
		t->steps = forest_steps(st->forest);
	return 0;
}
