#include "server/base/clock.h"

#include "tests/check.h"

TEST(test_clock_system_does_not_go_back)
{
	struct clock *c = clock_system();
	int64_t ms = c->mono_ms(c), us = c->mono_us(c), cpu = c->cpu_us(c);

	for (int i = 0; i < 1000; i++) {
		CHECK(c->mono_ms(c) >= ms);
		CHECK(c->mono_us(c) >= us);
		CHECK(c->cpu_us(c) >= cpu);
		ms = c->mono_ms(c);
		us = c->mono_us(c);
		cpu = c->cpu_us(c);
	}
	CHECK(us / 1000 >= ms);
	/* Later than the day this was written. */
	CHECK(c->wall_s(c) > INT64_C(1700000000));
}

TEST(test_clock_fake_stands_still)
{
	struct fake_clock f;
	struct clock *c = &f.clock;

	fake_clock_init(&f, 1714557600);
	CHECK_EQ(c->wall_s(c), 1714557600);
	CHECK_EQ(c->mono_ms(c), c->mono_ms(c));
	CHECK(c->mono_ms(c) > 0);
}

TEST(test_clock_fake_moves_both_times)
{
	struct fake_clock f;
	struct clock *c = &f.clock;
	int64_t ms;

	fake_clock_init(&f, 1000);
	ms = c->mono_ms(c);
	fake_clock_advance(&f, 2500);
	CHECK_EQ(c->mono_ms(c), ms + 2500);
	CHECK_EQ(c->mono_us(c), (ms + 2500) * 1000);
	CHECK_EQ(c->wall_s(c), 1002);
	fake_clock_advance(&f, 500);
	CHECK_EQ(c->wall_s(c), 1003);
	for (int i = 0; i < 1000; i++)
		fake_clock_advance(&f, 1);
	CHECK_EQ(c->wall_s(c), 1004);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock_system_does_not_go_back),
		cmocka_unit_test(test_clock_fake_stands_still),
		cmocka_unit_test(test_clock_fake_moves_both_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
