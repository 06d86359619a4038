#include "smtp/mta_sts.h"

#include "tests/check.h"

TEST(test_mta_sts_record_has_an_id)
{
	static const struct {
		const char *txt, *id;
	} rows[] = {
		{ "v=STSv1; id=20160831085700Z;", "20160831085700Z" },
		{ "v=STSv1;id=1", "1" },
		{ "v=STSv1 ;\tid=a ; x=y", "a" },
		{ "v=STSv1; a.b-c_d=!#$; id=Z9", "Z9" },
		{ "v=STSv1; id=1; id=2;", "1" },
		{ "v=STSv1; id=12345678901234567890123456789012",
		    "12345678901234567890123456789012" },
	};
	static const char *const bad[] = {
		"", "v=STSv1", "v=STSv1;", "v=stsv1; id=1", "v=STSv2; id=1",
		"id=1; v=STSv1", "v=STSv1; id=", "v=STSv1; id=a-b",
		"v=STSv1; id=123456789012345678901234567890123",
		"v=STSv1; x; id=1", "v=STSv1; id=1 2", "v=STSv1; =y; id=1",
		"v=STSv1;; id=1", "v=STSv1x; id=1", " v=STSv1; id=1",
	};
	struct span id;

	for (size_t i = 0; i < COUNT(rows); i++) {
		CHECK_EQ(mta_sts_parse_record(span_of(rows[i].txt), &id),
		    PARSE_OK);
		CHECK_SPAN(id, rows[i].id);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(mta_sts_parse_record(span_of(bad[i]), &id),
		    PARSE_BAD);
}

TEST(test_mta_sts_one_record_is_one_policy)
{
	struct dns_record two[] = {
		{ .data = SPAN("v=spf1 -all") },
		{ .data = SPAN("v=STSv1; id=1") },
		{ .data = SPAN("v=STSv1; id=2") },
	};
	struct dns_answer a = { .records = two, .count = 2 };
	struct span id;

	CHECK(mta_sts_find_id(&a, &id));
	CHECK_SPAN(id, "1");
	a.count = 3;
	CHECK(!mta_sts_find_id(&a, &id));
	a.count = 1;
	CHECK(!mta_sts_find_id(&a, &id));
}

TEST(test_mta_sts_policy_is_read)
{
	struct arena a = { 0 };
	struct mta_sts_policy p;

	CHECK_EQ(mta_sts_parse_policy(SPAN("version: STSv1\r\n"
	    "mode: enforce\r\nmx: Mail.Example.com\r\nmx: *.example.net\n"
	    "max_age: 604800\r\nfuture: anything \xc3\xa9\r\n"), &a, &p),
	    PARSE_OK);
	CHECK_EQ(p.mode, MTA_STS_ENFORCE);
	CHECK_EQ(p.max_age_s, 604800);
	CHECK_STR(p.mx, "mail.example.com *.example.net");
	CHECK_EQ(mta_sts_parse_policy(SPAN("mode:testing\nmode: none\n"
	    "max_age:9999999999\nversion:STSv1\nmx:a.example"), &a, &p),
	    PARSE_OK);
	CHECK_EQ(p.mode, MTA_STS_TESTING);
	CHECK_EQ(p.max_age_s, MTA_STS_AGE_MAX);
	CHECK_EQ(mta_sts_parse_policy(SPAN("version: STSv1\nmode: none\n"
	    "max_age: 0\n"), &a, &p), PARSE_OK);
	CHECK_EQ(p.mode, MTA_STS_NONE);
	CHECK_STR(p.mx, "");
	arena_release(&a);
}

#define GOOD "version: STSv1\nmode: enforce\nmax_age: 1\nmx: a.example\n"

TEST(test_mta_sts_policy_refuses_the_rest)
{
	static const char *const bad[] = {
		"", "version: STSv1\n",
		"version: STSv2\nmode: enforce\nmax_age: 1\nmx: a.example\n",
		"version: STSv1\nmode: maybe\nmax_age: 1\nmx: a.example\n",
		"version: STSv1\nmode: Enforce\nmax_age: 1\nmx: a.example\n",
		"version: STSv1\nmode: enforce\nmax_age: -1\nmx: a.example\n",
		"version: STSv1\nmode: enforce\nmax_age: 12345678901\n"
		    "mx: a.example\n",
		"version: STSv1\nmode: enforce\nmax_age: 1\n",
		"version: STSv1\nmode: enforce\nmx: a.example\n",
		GOOD "mx: a b\n", GOOD "mx: *\n", GOOD "mx: a.*.example\n",
		GOOD "mx:\n", GOOD "no colon\n", GOOD "<html>\n",
		GOOD "x: a\001b\n", GOOD ": x\n",
	};
	struct arena a = { 0 };
	struct mta_sts_policy p;
	struct buf many = BUF_INIT;

	CHECK_EQ(mta_sts_parse_policy(SPAN(GOOD), &a, &p), PARSE_OK);
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(mta_sts_parse_policy(span_of(bad[i]), &a, &p),
		    PARSE_BAD);
	buf_adds(&many, GOOD);
	for (int i = 0; i < MTA_STS_MX_MAX; i++)
		buf_adds(&many, "mx: a.example\n");
	CHECK_EQ(mta_sts_parse_policy(buf_span(&many), &a, &p), PARSE_BAD);
	buf_release(&many);
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mta_sts_record_has_an_id),
		cmocka_unit_test(test_mta_sts_one_record_is_one_policy),
		cmocka_unit_test(test_mta_sts_policy_is_read),
		cmocka_unit_test(test_mta_sts_policy_refuses_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
