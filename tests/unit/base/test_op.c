#include "server/base/op.h"

#include "server/base/session.h"
#include "tests/check.h"

struct request {
	struct op op;
	int *freed;
};

struct waiter {
	struct session s;
	int done;
	int err;
	int ready;
};

static void
request_free(struct op *op)
{
	struct request *r = CONTAINER_OF(op, struct request, op);

	++*r->freed;
	free(r);
}

static void
waiter_done(struct session *s, struct op *op)
{
	struct waiter *w = CONTAINER_OF(s, struct waiter, s);

	w->done++;
	w->err = op->err;
	op_free(op);
}

static void
waiter_ready(struct session *s)
{
	CONTAINER_OF(s, struct waiter, s)->ready++;
}

static const struct session_ops waiter_ops = { .done = waiter_done };
static const struct session_driver driver = { .ready = waiter_ready };

static struct request *
request_new(struct session *owner, struct post *home, int *freed)
{
	struct request *r = xcalloc(1, sizeof *r);

	r->freed = freed;
	op_init(&r->op, owner, home, request_free);
	return r;
}

TEST(test_op_comes_home_to_its_owner_and_the_driver_hears)
{
	struct waiter w = { .done = 0 };
	struct post home;
	int freed = 0;

	post_init(&home, NULL);
	session_init(&w.s, &waiter_ops, NULL);
	w.s.driver = &driver;
	op_complete(&request_new(&w.s, &home, &freed)->op, -7);
	CHECK_EQ(w.done, 0);
	CHECK(!list_is_empty(&w.s.ops_out));
	post_drain(&home);
	CHECK_EQ(w.done, 1);
	CHECK_EQ(w.err, -7);
	CHECK_EQ(w.ready, 1);
	CHECK_EQ(freed, 1);
	CHECK(list_is_empty(&w.s.ops_out));
	post_release(&home);
}

TEST(test_op_without_owner_is_freed_at_home)
{
	struct waiter w = { .done = 0 };
	struct post home;
	int freed = 0;

	post_init(&home, NULL);
	session_init(&w.s, &waiter_ops, NULL);
	op_complete(&request_new(NULL, &home, &freed)->op, 0);
	op_complete(&request_new(&w.s, &home, &freed)->op, 0);
	op_complete(&request_new(&w.s, &home, &freed)->op, 0);
	session_disown_ops(&w.s);
	CHECK(list_is_empty(&w.s.ops_out));
	post_drain(&home);
	CHECK_EQ(w.done, 0);
	CHECK_EQ(freed, 3);
	post_release(&home);
}

static void
finish(struct op *op)
{
	op->tag = 99;
	op_free(op);
}

TEST(test_op_finish_is_called_instead_of_done)
{
	struct waiter w = { .done = 0 };
	struct request *r;
	struct post home;
	int freed = 0;

	post_init(&home, NULL);
	session_init(&w.s, &waiter_ops, NULL);
	r = request_new(&w.s, &home, &freed);
	r->op.finish = finish;
	op_complete(&r->op, 0);
	post_drain(&home);
	CHECK_EQ(w.done, 0);
	CHECK_EQ(freed, 1);
	op_free(NULL);
	post_release(&home);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_op_comes_home_to_its_owner_and_the_driver_hears),
		cmocka_unit_test(test_op_without_owner_is_freed_at_home),
		cmocka_unit_test(test_op_finish_is_called_instead_of_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
