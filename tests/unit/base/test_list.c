#include "server/base/list.h"

#include "tests/check.h"

struct thing {
	int n;
	struct list node;
};

static int
first_of(struct list *head)
{
	return CONTAINER_OF(head->next, struct thing, node)->n;
}

TEST(test_list_keeps_order)
{
	struct thing v[3] = { { .n = 1 }, { .n = 2 }, { .n = 3 } };
	struct list head;
	int want = 1;

	list_init(&head);
	CHECK(list_is_empty(&head));
	list_add_tail(&head, &v[1].node);
	list_add_tail(&head, &v[2].node);
	list_add_head(&head, &v[0].node);
	LIST_FOREACH(node, &head)
		CHECK_EQ(CONTAINER_OF(node, struct thing, node)->n, want++);
	CHECK_EQ(want, 4);
}

TEST(test_list_remove_twice_does_nothing)
{
	struct thing v[2] = { { .n = 1 }, { .n = 2 } };
	struct list head;

	list_init(&head);
	list_add_tail(&head, &v[0].node);
	list_add_tail(&head, &v[1].node);
	list_remove(&v[0].node);
	list_remove(&v[0].node);
	CHECK_EQ(first_of(&head), 2);
	CHECK(list_take_head(&head) == &v[1].node);
	CHECK(list_take_head(&head) == NULL);
	CHECK(list_is_empty(&head));
}

TEST(test_list_walk_may_remove_its_node)
{
	struct thing v[4];
	struct list head;

	list_init(&head);
	for (int i = 0; i < 4; i++) {
		v[i].n = i;
		list_add_tail(&head, &v[i].node);
	}
	LIST_FOREACH(node, &head)
		if (CONTAINER_OF(node, struct thing, node)->n % 2 == 0)
			list_remove(node);
	CHECK_EQ(first_of(&head), 1);
	list_take_head(&head);
	CHECK_EQ(first_of(&head), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_keeps_order),
		cmocka_unit_test(test_list_remove_twice_does_nothing),
		cmocka_unit_test(test_list_walk_may_remove_its_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
