#include "server/base/dns.h"

#include "server/base/env.h"
#include "tests/check.h"

static struct dns_query *
query(struct env *env, struct post *home, enum dns_type type)
{
	struct dns_query *q;

	*env = (struct env){ .home = home };
	q = dns_query_new(env, NULL, SPAN("Example.ORG."), type);
	CHECK(q);
	CHECK_STR(q->name, "example.org");
	return q;
}

#define ADD(q, lit) \
	dns_answer_add((q), (const unsigned char *)"" lit, sizeof(lit) - 1)

TEST(test_dns_query_refuses_what_is_no_name)
{
	static const char *const bad[] = {
		"", ".", "a..b", "a b", "a\r\nb", ("a\x01" "b"), "\xff.org",
	};
	struct env env = { .home = NULL };

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(!dns_query_new(&env, NULL, span_of(bad[i]), DNS_A));
	CHECK(!dns_query_new(&env, NULL, span_make("a\0b", 3), DNS_A));
}

TEST(test_dns_query_names_are_a_labels)
{
	struct env env = { .home = NULL };
	struct dns_query *q = dns_query_new(&env, NULL,
	    SPAN("b\xc3\xbc" "cher.example"), DNS_MX);

	CHECK(q);
	CHECK_STR(q->name, "xn--bcher-kva.example");
	op_free(&q->op);
}

TEST(test_dns_query_ptr_reverses_addresses)
{
	struct env env = { .home = NULL };
	struct dns_query *q;
	struct addr a;

	CHECK_EQ(addr_parse(&a, SPAN("192.0.2.1")), 0);
	q = dns_query_new_ptr(&env, NULL, &a);
	CHECK_STR(q->name, "1.2.0.192.in-addr.arpa");
	op_free(&q->op);
	CHECK_EQ(addr_parse(&a, SPAN("2001:db8::567:89ab")), 0);
	q = dns_query_new_ptr(&env, NULL, &a);
	CHECK_STR(q->name, "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
	    "8.b.d.0.1.0.0.2.ip6.arpa");
	op_free(&q->op);
}

TEST(test_dns_answer_reads_each_type)
{
	struct env env;
	struct dns_query *q = query(&env, NULL, DNS_MX);

	ADD(q, "\x00\x0a\x02mx\x07" "Example\x00");
	ADD(q, "\x00\x00\x00");
	CHECK_EQ(q->answer.status, DNS_OK);
	CHECK_EQ(q->answer.count, 2);
	CHECK_EQ(q->answer.records[0].preference, 10);
	CHECK_STR(q->answer.records[0].name, "mx.example");
	CHECK_STR(q->answer.records[1].name, "");	/* RFC 7505 */
	op_free(&q->op);

	q = query(&env, NULL, DNS_TXT);
	ADD(q, "\x04v=sp\x02" "f1");
	CHECK_SPAN(q->answer.records[0].data, "v=spf1");
	op_free(&q->op);

	q = query(&env, NULL, DNS_TLSA);
	ADD(q, "\x03\x01\x02xyz");
	CHECK_EQ(q->answer.records[0].usage, 3);
	CHECK_EQ(q->answer.records[0].selector, 1);
	CHECK_EQ(q->answer.records[0].matching, 2);
	CHECK_SPAN(q->answer.records[0].data, "xyz");
	op_free(&q->op);

	q = query(&env, NULL, DNS_A);
	ADD(q, "\xc0\x00\x02\x01");
	CHECK(addr_is_v4(&q->answer.records[0].addr));
	op_free(&q->op);
}

TEST(test_dns_answer_counts_what_is_broken_and_uses_none_of_it)
{
	static const struct {
		enum dns_type type;
		const char *rdata;
		size_t len;
	} bad[] = {
		{ DNS_A, "123", 3 },
		{ DNS_AAAA, "1234", 4 },
		/* IPv4-mapped */
		{ DNS_AAAA, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16 },
		{ DNS_MX, "\0\12", 2 },
		{ DNS_MX, "\0\12\2mx", 5 },		/* no end */
		{ DNS_MX, "\0\12\2mx\0x", 7 },		/* too much */
		{ DNS_MX, "\0\12\3m\nx\0", 7 },		/* control */
		{ DNS_MX, "\0\12\3m.x\0", 7 },		/* dot in a label */
		{ DNS_MX, "\0\12\300\14", 4 },		/* compressed */
		{ DNS_CNAME, "\0", 1 },			/* the root */
		{ DNS_TXT, "\5ab", 3 },
		{ DNS_TLSA, "\3\1\1", 3 },
	};
	struct env env;

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct dns_query *q = query(&env, NULL, bad[i].type);

		dns_answer_add(q, (const unsigned char *)bad[i].rdata,
		    bad[i].len);
		CHECK_EQ(q->answer.status, DNS_NODATA);
		CHECK_EQ(q->answer.count, 0);
		CHECK_EQ(q->answer.bad_count, 1);
		op_free(&q->op);
	}
}

TEST(test_dns_answer_is_capped)
{
	struct env env;
	struct dns_query *q = query(&env, NULL, DNS_A);
	unsigned char a[4] = { 192, 0, 2, 0 };

	for (int i = 0; i < DNS_RECORDS_MAX + 7; i++) {
		a[3] = (unsigned char)i;
		dns_answer_add(q, a, sizeof a);
	}
	CHECK_EQ(q->answer.count, DNS_RECORDS_MAX);
	CHECK_EQ(q->answer.bad_count, 7);
	for (int i = 0; i < DNS_RECORDS_MAX; i++)
		CHECK_EQ(q->answer.records[i].addr.bytes[15], i);
	op_free(&q->op);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dns_query_refuses_what_is_no_name),
		cmocka_unit_test(test_dns_query_names_are_a_labels),
		cmocka_unit_test(test_dns_query_ptr_reverses_addresses),
		cmocka_unit_test(test_dns_answer_reads_each_type),
		cmocka_unit_test(
		    test_dns_answer_counts_what_is_broken_and_uses_none_of_it),
		cmocka_unit_test(test_dns_answer_is_capped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
