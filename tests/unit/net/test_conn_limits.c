#include "server/net/conn_limits.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/check.h"

struct desk {
	struct env env;
	struct fake_clock clock;
	struct conn_limits limits;
};

static void
desk_init(struct desk *d, struct conn_limits_settings set)
{
	*d = (struct desk){ 0 };
	fake_clock_init(&d->clock, 1700000000);
	d->env.clock = &d->clock.clock;
	conn_limits_init(&d->limits, &d->env, &set);
}

static struct addr
addr(const char *text)
{
	struct addr a;

	CHECK_EQ(addr_parse(&a, span_of(text)), 0);
	return a;
}

static enum limit_verdict
enter(struct desk *d, struct limit_hold *h, const char *text)
{
	struct addr a = addr(text);

	return limit_enter(&d->limits, h, &a);
}

TEST(test_limits_cap_the_total)
{
	struct limit_hold h[4];
	struct desk d;

	desk_init(&d, (struct conn_limits_settings){ .total = 3 });
	CHECK_EQ(enter(&d, &h[0], "192.0.2.1"), LIMIT_OK);
	CHECK_EQ(enter(&d, &h[1], "192.0.2.2"), LIMIT_OK);
	CHECK_EQ(enter(&d, &h[2], "2001:db8::1"), LIMIT_OK);
	CHECK_EQ(enter(&d, &h[3], "192.0.2.4"), LIMIT_OVER_TOTAL);
	limit_leave(&d.limits, &h[1]);
	CHECK_EQ(enter(&d, &h[3], "192.0.2.4"), LIMIT_OK);
	limit_leave(&d.limits, &h[0]);
	limit_leave(&d.limits, &h[2]);
	limit_leave(&d.limits, &h[3]);
	CHECK_EQ(d.limits.count, 0);
	conn_limits_release(&d.limits);
}

TEST(test_limits_count_only_those_not_logged_in_per_address)
{
	struct limit_hold h[4];
	struct desk d;

	desk_init(&d, (struct conn_limits_settings){ .pending = 2 });
	CHECK_EQ(enter(&d, &h[0], "192.0.2.1"), LIMIT_OK);
	CHECK_EQ(enter(&d, &h[1], "192.0.2.1"), LIMIT_OK);
	CHECK_EQ(enter(&d, &h[2], "192.0.2.1"), LIMIT_OVER_PENDING);
	CHECK_EQ(limit_login(&d.limits, &h[0], 7), LIMIT_OK);
	CHECK_EQ(enter(&d, &h[2], "192.0.2.1"), LIMIT_OK);
	CHECK_EQ(enter(&d, &h[3], "192.0.2.1"), LIMIT_OVER_PENDING);
	/* Logged out again, it counts again, and never twice. */
	CHECK_EQ(limit_login(&d.limits, &h[0], 0), LIMIT_OK);
	CHECK_EQ(limit_login(&d.limits, &h[0], 0), LIMIT_OK);
	limit_leave(&d.limits, &h[1]);
	CHECK_EQ(enter(&d, &h[3], "192.0.2.1"), LIMIT_OVER_PENDING);
	limit_leave(&d.limits, &h[2]);
	CHECK_EQ(enter(&d, &h[3], "192.0.2.1"), LIMIT_OK);
	limit_leave(&d.limits, &h[0]);
	limit_leave(&d.limits, &h[3]);
	conn_limits_release(&d.limits);
}

TEST(test_limits_take_an_ipv6_64_as_one_address)
{
	struct limit_hold h[2];
	struct desk d;

	desk_init(&d, (struct conn_limits_settings){ .pending = 1 });
	CHECK_EQ(enter(&d, &h[0], "2001:db8:1:2::1"), LIMIT_OK);
	CHECK_EQ(enter(&d, &h[1], "2001:db8:1:2:ffff::2"),
	    LIMIT_OVER_PENDING);
	CHECK_EQ(enter(&d, &h[1], "2001:db8:1:3::1"), LIMIT_OK);
	limit_leave(&d.limits, &h[0]);
	limit_leave(&d.limits, &h[1]);
	conn_limits_release(&d.limits);
}

TEST(test_limits_count_new_ones_by_the_minute)
{
	struct limit_hold h;
	struct desk d;

	desk_init(&d, (struct conn_limits_settings){ .new_minute = 3 });
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(enter(&d, &h, "192.0.2.1"), LIMIT_OK);
		limit_leave(&d.limits, &h);
	}
	CHECK_EQ(enter(&d, &h, "192.0.2.1"), LIMIT_OVER_RATE);
	fake_clock_advance(&d.clock, 59999);
	CHECK_EQ(enter(&d, &h, "192.0.2.1"), LIMIT_OVER_RATE);
	fake_clock_advance(&d.clock, 1);
	CHECK_EQ(enter(&d, &h, "192.0.2.1"), LIMIT_OK);
	limit_leave(&d.limits, &h);
	conn_limits_release(&d.limits);
}

TEST(test_limits_cap_connections_of_an_account)
{
	struct limit_hold h[3];
	struct desk d;

	desk_init(&d, (struct conn_limits_settings){ .account = 2 });
	for (int i = 0; i < 3; i++)
		CHECK_EQ(enter(&d, &h[i], "192.0.2.1"), LIMIT_OK);
	CHECK_EQ(limit_login(&d.limits, &h[0], 5), LIMIT_OK);
	CHECK_EQ(limit_login(&d.limits, &h[1], 5), LIMIT_OK);
	CHECK_EQ(limit_login(&d.limits, &h[2], 6), LIMIT_OK);
	CHECK_EQ(limit_login(&d.limits, &h[2], 5), LIMIT_OVER_ACCOUNT);
	limit_leave(&d.limits, &h[2]);
	limit_leave(&d.limits, &h[1]);
	CHECK_EQ(enter(&d, &h[1], "192.0.2.9"), LIMIT_OK);
	CHECK_EQ(limit_login(&d.limits, &h[1], 5), LIMIT_OK);
	limit_leave(&d.limits, &h[0]);
	limit_leave(&d.limits, &h[1]);
	CHECK_EQ(d.limits.accounts.count, 0);
	conn_limits_release(&d.limits);
}

TEST(test_limits_exempt_networks_from_those_per_address)
{
	struct addr_net nets[1];
	struct limit_hold h[4];
	struct desk d;

	CHECK_EQ(addr_net_parse(&nets[0], SPAN("127.0.0.0/8")), 0);
	desk_init(&d, (struct conn_limits_settings){ .pending = 1,
	    .new_minute = 1, .total = 3, .exempt = nets, .exempt_count = 1 });
	for (int i = 0; i < 3; i++)
		CHECK_EQ(enter(&d, &h[i], "127.0.0.1"), LIMIT_OK);
	CHECK_EQ(enter(&d, &h[3], "127.0.0.1"), LIMIT_OVER_TOTAL);
	for (int i = 0; i < 3; i++)
		limit_leave(&d.limits, &h[i]);
	conn_limits_release(&d.limits);
}

TEST(test_limits_leave_local_connections_alone)
{
	struct limit_hold h[2];
	struct desk d;

	desk_init(&d, (struct conn_limits_settings){ .total = 1 });
	CHECK_EQ(enter(&d, &h[0], "192.0.2.1"), LIMIT_OK);
	CHECK_EQ(limit_enter(&d.limits, &h[1], NULL), LIMIT_OK);
	CHECK_EQ(d.limits.count, 1);
	limit_leave(&d.limits, &h[1]);
	limit_leave(&d.limits, &h[0]);
	conn_limits_release(&d.limits);
}

TEST(test_limits_remember_a_bounded_number_of_addresses)
{
	struct limit_hold h, held;
	struct desk d;

	desk_init(&d, (struct conn_limits_settings){ .new_minute = 1 });
	CHECK_EQ(enter(&d, &held, "203.0.113.1"), LIMIT_OK);
	for (unsigned i = 0; i < LIMIT_ADDRS + 500; i++) {
		char text[32];

		(void)snprintf(text, sizeof text, "10.%u.%u.%u",
		    i >> 16 & 255, i >> 8 & 255, i & 255);
		CHECK_EQ(enter(&d, &h, text), LIMIT_OK);
		limit_leave(&d.limits, &h);
	}
	CHECK(d.limits.addrs.count <= LIMIT_ADDRS);
	/* Recent ones and those with connections are not forgotten. */
	CHECK_EQ(enter(&d, &h, "10.0.65.0"), LIMIT_OVER_RATE);
	CHECK_EQ(enter(&d, &h, "203.0.113.1"), LIMIT_OVER_RATE);
	limit_leave(&d.limits, &held);
	conn_limits_release(&d.limits);
}

TEST(test_limits_say_why)
{
	CHECK_STR(limit_text(LIMIT_OK), "");
	CHECK(strlen(limit_text(LIMIT_OVER_RATE)) > 0);
}

TEST(test_limits_keep_descriptors_in_reserve)
{
	struct rlimit r;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &r), 0);
	CHECK_EQ(conn_limits_total(10, 0), 10);
	CHECK_EQ(conn_limits_total(1u << 30, 16), r.rlim_cur - 16);
	CHECK_EQ(conn_limits_total(10, 1u << 30), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits_cap_the_total),
		cmocka_unit_test(
		    test_limits_count_only_those_not_logged_in_per_address),
		cmocka_unit_test(test_limits_take_an_ipv6_64_as_one_address),
		cmocka_unit_test(test_limits_count_new_ones_by_the_minute),
		cmocka_unit_test(test_limits_cap_connections_of_an_account),
		cmocka_unit_test(
		    test_limits_exempt_networks_from_those_per_address),
		cmocka_unit_test(test_limits_leave_local_connections_alone),
		cmocka_unit_test(
		    test_limits_remember_a_bounded_number_of_addresses),
		cmocka_unit_test(test_limits_say_why),
		cmocka_unit_test(test_limits_keep_descriptors_in_reserve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
