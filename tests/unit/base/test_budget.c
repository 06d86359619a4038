#include "server/base/budget.h"

#include "server/base/err.h"
#include "tests/check.h"

TEST(test_budget_refuses_over_its_limit_and_charges_nothing)
{
	struct budget b = { .limit = 100 };

	CHECK_EQ(budget_take(&b, 60), 0);
	CHECK_EQ(budget_take(&b, 41), ERR_BUDGET);
	CHECK_EQ(budget_used(&b), 60);
	CHECK_EQ(budget_take(&b, 40), 0);
	CHECK_EQ(budget_take(&b, 1), ERR_BUDGET);
	CHECK_EQ(budget_take(&b, 0), 0);
	CHECK_EQ(budget_used(&b), 100);
}

TEST(test_budget_gives_room_again)
{
	struct budget b = { .limit = 100 };

	CHECK_EQ(budget_take(&b, 100), 0);
	budget_give(&b, 30);
	CHECK_EQ(budget_used(&b), 70);
	CHECK_EQ(budget_take(&b, 31), ERR_BUDGET);
	CHECK_EQ(budget_take(&b, 30), 0);
}

TEST(test_budget_does_not_overflow)
{
	struct budget b = { .limit = SIZE_MAX };

	CHECK_EQ(budget_take(&b, 2), 0);
	CHECK_EQ(budget_take(&b, SIZE_MAX), ERR_BUDGET);
	CHECK_EQ(budget_take(&b, SIZE_MAX - 1), ERR_BUDGET);
	CHECK_EQ(budget_take(&b, SIZE_MAX - 2), 0);
	CHECK_EQ(budget_used(&b), SIZE_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_budget_refuses_over_its_limit_and_charges_nothing),
		cmocka_unit_test(test_budget_gives_room_again),
		cmocka_unit_test(test_budget_does_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
