#include "server/base/addr.h"

#include "server/base/err.h"
#include "tests/check.h"

static struct addr
addr(const char *s)
{
	struct addr a;

	CHECK_EQ(addr_parse(&a, span_of(s)), 0);
	return a;
}

static bool
in_net(const char *a, const char *net)
{
	struct addr_net n;
	struct addr in = addr(a);

	CHECK_EQ(addr_net_parse(&n, span_of(net)), 0);
	return addr_in_net(&in, &n);
}

TEST(test_addr_text_is_canonical)
{
	static const char *const t[][2] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "2001:DB8:0:0::1", "2001:db8::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::1", "::1" },
		{ "::", "::" },
	};

	for (size_t i = 0; i < COUNT(t); i++) {
		struct addr a = addr(t[i][0]);
		char text[46];

		addr_text(&a, text, sizeof text);
		CHECK_STR(text, t[i][1]);
	}
}

TEST(test_addr_refuses_what_is_no_address)
{
	static const struct span bad[] = {
		{ "", 0 }, { "1.2.3", 5 }, { "1.2.3.256", 9 },
		{ "1.2.3.4 ", 8 }, { "1.2.3.4\0x", 9 }, { "01.2.3.4", 8 },
		{ ":::", 3 }, { "1::2::3", 7 }, { "fe80::1%eth0", 12 },
		{ "localhost", 9 }, { "[::1]", 5 },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:1:2:3:4", 52 },
	};
	struct addr a;

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(addr_parse(&a, bad[i]), ERR_SYNTAX);
}

TEST(test_addr_net_holds_its_own_and_no_others)
{
	CHECK(in_net("192.0.2.255", "192.0.2.0/24"));
	CHECK(!in_net("192.0.3.0", "192.0.2.0/24"));
	CHECK(in_net("192.0.2.129", "192.0.2.128/25"));
	CHECK(!in_net("192.0.2.127", "192.0.2.128/25"));
	CHECK(in_net("203.0.113.9", "0.0.0.0/0"));
	CHECK(!in_net("2001:db8::1", "0.0.0.0/0"));
	CHECK(in_net("::ffff:10.0.0.1", "10.0.0.0/8"));
	CHECK(in_net("2001:db8:ffff::1", "2001:db8::/32"));
	CHECK(!in_net("2001:db9::1", "2001:db8::/32"));
	CHECK(in_net("192.0.2.1", "::/0"));
	CHECK(in_net("::1", "::1"));
	CHECK(!in_net("::2", "::1"));
}

TEST(test_addr_net_forgets_host_bits)
{
	CHECK(in_net("192.0.2.200", "192.0.2.7/24"));
}

TEST(test_addr_net_refuses_wrong_prefixes)
{
	static const char *const bad[] = {
		"192.0.2.0/33", "::/129", "192.0.2.0/", "192.0.2.0/-1",
		"192.0.2.0/24x", "192.0.2.0/2 4", "/24",
		"::/99999999999999999999999",
	};
	struct addr_net n;

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(addr_net_parse(&n, span_of(bad[i])), ERR_SYNTAX);
}

TEST(test_addr_loopback_is_127_slash_8_and_one)
{
	static const struct {
		const char *text;
		bool is;
	} t[] = {
		{ "127.0.0.1", true }, { "127.255.0.9", true },
		{ "::1", true }, { "::ffff:127.0.0.1", true },
		{ "128.0.0.1", false }, { "::", false }, { "::2", false },
		{ "0.0.0.0", false },
	};

	for (size_t i = 0; i < COUNT(t); i++) {
		struct addr a = addr(t[i].text);

		CHECK_EQ(addr_is_loopback(&a), t[i].is);
	}
}

TEST(test_addr_limit_key_joins_a_slash_64)
{
	struct addr a = addr("2001:db8:1:2:3:4:5:6");
	struct addr b = addr("2001:db8:1:2:ffff::");
	struct addr other = addr("2001:db8:1:3::1");
	struct addr v4 = addr("192.0.2.1"), v4b = addr("192.0.2.2");
	unsigned char ka[16], kb[16];

	addr_limit_key(&a, ka);
	addr_limit_key(&b, kb);
	assert_memory_equal(ka, kb, 16);
	addr_limit_key(&other, kb);
	assert_memory_not_equal(ka, kb, 16);
	addr_limit_key(&v4, ka);
	addr_limit_key(&v4b, kb);
	assert_memory_not_equal(ka, kb, 16);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr_text_is_canonical),
		cmocka_unit_test(test_addr_refuses_what_is_no_address),
		cmocka_unit_test(test_addr_net_holds_its_own_and_no_others),
		cmocka_unit_test(test_addr_net_forgets_host_bits),
		cmocka_unit_test(test_addr_net_refuses_wrong_prefixes),
		cmocka_unit_test(test_addr_loopback_is_127_slash_8_and_one),
		cmocka_unit_test(test_addr_limit_key_joins_a_slash_64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
