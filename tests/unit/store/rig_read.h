/*
 * Read jobs on a fixture's store: submitted as if by a session of ann's.
 */
#ifndef TESTS_UNIT_STORE_RIG_READ_H
#define TESTS_UNIT_STORE_RIG_READ_H

#include "store/read.h"
#include "tests/unit/store/fixture.h"

static inline void
rig_came_home(struct op *op)
{
	struct fixture *f = CONTAINER_OF(op->home, struct fixture, home);

	f->done = op;
}

/* Runs one slice. The job stays the caller's, to be freed by rig_free. */
static inline int
rig_read(struct fixture *f, struct rjob *j)
{
	op_free(f->done);
	f->done = NULL;
	j->op.finish = rig_came_home;
	store_read(f->store, j);
	fixture_settle(f);
	assert_ptr_equal(f->done, &j->op);
	f->done = NULL;
	return j->op.err;
}

static inline void
rig_free(struct rjob *j)
{
	op_free(&j->op);
}

static inline struct resolve_item *
rig_resolve(struct fixture *f, struct rjob_resolve **job, const char *local,
    const char *domain)
{
	*job = rjob_resolve_new(&f->env, NULL);
	rjob_resolve_add(*job, span_of(local), span_of(domain));
	assert_int_equal(rig_read(f, &(*job)->j), 0);
	return &(*job)->items[0];
}

#endif
