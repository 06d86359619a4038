#include "auth/spf.h"

#include "tests/unit/auth/policy_fixture.h"

struct query {
	const char *ip, *local, *domain, *helo;
	enum spf_result result;
};

static enum spf_result
check(struct policy_fixture *x, const struct query *q, struct spf_verdict *v)
{
	struct addr ip;
	struct spf_input in = {
		.ip = &ip, .local = span_of(q->local),
		.domain = span_of(q->domain), .helo = span_of(q->helo),
		.receiver = "mx.example.net", .now_s = 1400000000,
	};

	CHECK_EQ(addr_parse(&ip, span_of(q->ip)), 0);
	while (spf_check(&x->facts, &in, &x->arena, v) == SPF_NEED)
		policy_ask(x);
	return v->result;
}

/* Each query over a zone, which has one record more. */
static void
check_zone(const char *const *zone, const char *record,
    const struct query *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct policy_fixture x;
		struct spf_verdict verdict;

		policy_start(&x, zone);
		if (record)
			CHECK(zone_add(&x.zone, SPAN("example.com"),
			    SPAN("TXT"), span_of(record), SPAN("")));
		if (check(&x, &v[i], &verdict) != v[i].result)
			fail_msg("%s, row %zu: %s (%s)", record ? record : "",
			    i, spf_result_name(verdict.result),
			    verdict.reason);
		policy_finish(&x);
	}
}

/* RFC 7208 appendix A: the zone that its examples are about. */
static const char *const appendix_a[] = {
	"example.com MX 10 mail-a.example.com",
	"example.com MX 20 mail-b.example.com",
	"example.com A 192.0.2.10", "example.com A 192.0.2.11",
	"amy.example.com A 192.0.2.65", "bob.example.com A 192.0.2.66",
	"mail-a.example.com A 192.0.2.129", "mail-b.example.com A 192.0.2.130",
	"www.example.com CNAME example.com",
	"example.org MX 10 mail-c.example.org",
	"mail-c.example.org A 192.0.2.140",
	"10.2.0.192.in-addr.arpa PTR example.com",
	"65.2.0.192.in-addr.arpa PTR amy.example.com",
	"66.2.0.192.in-addr.arpa PTR bob.example.com",
	"140.2.0.192.in-addr.arpa PTR mail-c.example.org",
	"4.0.0.10.in-addr.arpa PTR bob.example.com",
	/* A.3 and A.4 */
	"mary.mobile-users._spf.example.com A 127.0.0.2",
	"joel.remote-users._spf.example.com A 127.0.0.2",
	"15.15.168.192.joel.remote-users._spf.example.com A 127.0.0.2",
	NULL
};

static void
check_a(const char *record, const char *ip, enum spf_result result)
{
	struct query q = { ip, "user", "example.com", "h.example", result };

	check_zone(appendix_a, record, &q, 1);
}

TEST(test_spf_simple_examples_of_appendix_a)
{
	check_a("v=spf1 +all", "198.51.100.1", SPF_PASS);
	check_a("v=spf1 a -all", "192.0.2.10", SPF_PASS);
	check_a("v=spf1 a -all", "192.0.2.11", SPF_PASS);
	check_a("v=spf1 a -all", "192.0.2.12", SPF_FAIL);
	check_a("v=spf1 a:example.org -all", "192.0.2.140", SPF_FAIL);
	check_a("v=spf1 mx -all", "192.0.2.129", SPF_PASS);
	check_a("v=spf1 mx -all", "192.0.2.130", SPF_PASS);
	check_a("v=spf1 mx -all", "192.0.2.10", SPF_FAIL);
	check_a("v=spf1 mx:example.org -all", "192.0.2.140", SPF_PASS);
	check_a("v=spf1 mx mx:example.org -all", "192.0.2.140", SPF_PASS);
	check_a("v=spf1 mx/30 mx:example.org/30 -all", "192.0.2.131",
	    SPF_PASS);
	check_a("v=spf1 mx/30 mx:example.org/30 -all", "192.0.2.143",
	    SPF_PASS);
	check_a("v=spf1 mx/30 mx:example.org/30 -all", "192.0.2.132",
	    SPF_FAIL);
	check_a("v=spf1 ptr -all", "192.0.2.65", SPF_PASS);
	check_a("v=spf1 ptr -all", "192.0.2.140", SPF_FAIL);
	check_a("v=spf1 ptr -all", "10.0.0.4", SPF_FAIL);
	check_a("v=spf1 ip4:192.0.2.128/28 -all", "192.0.2.65", SPF_FAIL);
	check_a("v=spf1 ip4:192.0.2.128/28 -all", "192.0.2.129", SPF_PASS);
	check_a("v=spf1 a:www.example.com -all", "192.0.2.10", SPF_PASS);
}

TEST(test_spf_exists_examples_of_appendix_a)
{
	static const char record[] = "v=spf1 mx include:mobile-users._spf."
	    "%{d} exists:%{l}.remote-users._spf.%{d} -all";
	static const struct query v[] = {
		{ "198.51.100.1", "joel", "example.com", "h", SPF_PASS },
		{ "198.51.100.1", "eve", "example.com", "h", SPF_FAIL },
	};
	static const char *const more[] = {
		"mobile-users._spf.example.com TXT v=spf1 "
		    "exists:%{l1r+}.%{d}",
		"mary.mobile-users._spf.example.com A 127.0.0.2",
		"joel.remote-users._spf.example.com A 127.0.0.2",
		"example.com MX 10 mail-a.example.com",
		"mail-a.example.com A 192.0.2.129", NULL
	};
	static const struct query mary[] = {
		{ "198.51.100.1", "mary", "example.com", "h", SPF_PASS },
		{ "198.51.100.1", "x+mary", "example.com", "h", SPF_FAIL },
	};

	check_zone(more, record, v, COUNT(v));
	check_zone(more, record, mary, COUNT(mary));
	check_zone(appendix_a, "v=spf1 exists:%{ir}.%{l1r+-}.remote-users."
	    "_spf.%{d} -all", &(struct query){ "192.168.15.15", "x-joel",
	    "example.com", "h", SPF_FAIL }, 1);
	check_zone(appendix_a, "v=spf1 exists:%{ir}.%{l1r+-}.remote-users."
	    "_spf.%{d} -all", &(struct query){ "192.168.15.15", "joel-x",
	    "example.com", "h", SPF_PASS }, 1);
}

/* Appendix A.2: several domains over the records of others. */
TEST(test_spf_include_and_redirect)
{
	static const char *const zone[] = {
		"example.org TXT v=spf1 include:example.com "
		    "include:example.net -all",
		"la.example.org TXT v=spf1 redirect=example.org",
		"example.com TXT v=spf1 ip4:192.0.2.1 -all",
		"example.net TXT v=spf1 ip4:192.0.2.2 ~all",
		"soft.example.org TXT v=spf1 ip4:192.0.2.9 ~all",
		"bad.example.org TXT v=spf1 include:none.example -all",
		"bad2.example.org TXT v=spf1 redirect=none.example",
		"bad3.example.org TXT v=spf1 include:bad4.example.org",
		"bad4.example.org TXT v=spf1 mxx",
		"down.example.org TXT v=spf1 include:broken.example -all",
		"broken.example TXT servfail",
		"late.example TXT timeout", "a.example TXT v=spf1 a:late2.example -all",
		"late2.example A timeout", NULL
	};
	static const struct query v[] = {
		{ "192.0.2.1", "u", "example.org", "h", SPF_PASS },
		{ "192.0.2.2", "u", "example.org", "h", SPF_PASS },
		{ "192.0.2.3", "u", "example.org", "h", SPF_FAIL },
		{ "192.0.2.2", "u", "la.example.org", "h", SPF_PASS },
		{ "192.0.2.3", "u", "la.example.org", "h", SPF_FAIL },
		{ "192.0.2.3", "u", "soft.example.org", "h", SPF_SOFTFAIL },
		{ "192.0.2.3", "u", "bad.example.org", "h", SPF_PERMERROR },
		{ "192.0.2.3", "u", "bad2.example.org", "h", SPF_PERMERROR },
		{ "192.0.2.3", "u", "bad3.example.org", "h", SPF_PERMERROR },
		{ "192.0.2.3", "u", "down.example.org", "h", SPF_TEMPERROR },
		{ "192.0.2.3", "u", "late.example", "h", SPF_TEMPERROR },
		{ "192.0.2.3", "u", "a.example", "h", SPF_TEMPERROR },
		{ "192.0.2.3", "u", "none.example", "h", SPF_NONE },
		{ "192.0.2.3", "u", "localhost", "h", SPF_NONE },
		{ "192.0.2.3", "u", "a..example", "h", SPF_NONE },
		{ "192.0.2.3", "", "", "soft.example.org", SPF_SOFTFAIL },
		{ "192.0.2.3", "", "", "[192.0.2.3]", SPF_NONE },
	};

	check_zone(zone, NULL, v, COUNT(v));
}

TEST(test_spf_one_record_and_one_only)
{
	static const char *const zone[] = {
		"two.example TXT v=spf1 +all", "two.example TXT v=spf1 -all",
		"one.example TXT v=spf2.0/pra +all",
		"one.example TXT v=spf1 -all", "empty.example TXT v=spf1",
		NULL
	};
	static const struct query v[] = {
		{ "192.0.2.1", "u", "two.example", "h", SPF_PERMERROR },
		{ "192.0.2.1", "u", "one.example", "h", SPF_FAIL },
		{ "192.0.2.1", "u", "empty.example", "h", SPF_NEUTRAL },
	};

	check_zone(zone, NULL, v, COUNT(v));
}

TEST(test_spf_ipv6_clients_ask_for_ipv6)
{
	static const char *const zone[] = {
		"v6.example TXT v=spf1 a//64 ip4:0.0.0.0/0 ip6:2001:db8:9::/48 "
		    "ptr -all",
		"v6.example AAAA 2001:db8:1::1", "v6.example A 192.0.2.1",
		"ptr.v6.example AAAA 2001:db8:5::1",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.5.0.0.0.8.b.d.0.1.0."
		    "0.2.ip6.arpa PTR ptr.v6.example", NULL
	};
	static const struct query v[] = {
		{ "2001:db8:1::2", "u", "v6.example", "h", SPF_PASS },
		{ "2001:db8:9::2", "u", "v6.example", "h", SPF_PASS },
		{ "2001:db8:5::1", "u", "v6.example", "h", SPF_PASS },
		{ "2001:db8:2::2", "u", "v6.example", "h", SPF_FAIL },
		{ "192.0.2.77", "u", "v6.example", "h", SPF_PASS },
	};

	check_zone(zone, NULL, v, COUNT(v));
}

TEST(test_spf_p_is_the_validated_name_or_unknown)
{
	static const char record[] = "v=spf1 exists:%{p}.x.%{d} -all";
	static const char *const zone[] = {
		"5.2.0.192.in-addr.arpa PTR a.example.net",
		"5.2.0.192.in-addr.arpa PTR b.example.com",
		"a.example.net A 192.0.2.5", "b.example.com A 192.0.2.5",
		"b.example.com.x.example.com A 127.0.0.2",
		"unknown.x.example.com A 127.0.0.2", NULL
	};
	static const struct query v[] = {
		{ "192.0.2.5", "u", "example.com", "h", SPF_PASS },
		{ "192.0.2.6", "u", "example.com", "h", SPF_PASS },
	};
	struct policy_fixture x;
	struct spf_verdict verdict;

	check_zone(zone, record, v, COUNT(v));
	/* Not the one that any client gets. */
	policy_start(&x, zone);
	CHECK(zone_add(&x.zone, SPAN("example.com"), SPAN("TXT"),
	    span_of(record), SPAN("")));
	CHECK_EQ(check(&x, &v[0], &verdict), SPF_PASS);
	CHECK(facts_dns(&x.facts, "b.example.com.x.example.com", DNS_A));
	CHECK(!facts_dns(&x.facts, "unknown.x.example.com", DNS_A));
	policy_finish(&x);
}

/* ---- limits (section 4.6.4) ---- */

TEST(test_spf_eleventh_lookup_is_an_error)
{
	static const char *const zone[] = {
		"loop.example TXT v=spf1 include:loop.example",
		"again.example TXT v=spf1 redirect=again.example",
		"many.example TXT v=spf1 a a a a a a a a a a ip4:192.0.2.1",
		"more.example TXT v=spf1 a a a a a a a a a a a ip4:192.0.2.1",
		"many.example A 192.0.2.7", "more.example A 192.0.2.7", NULL
	};
	static const struct query v[] = {
		{ "192.0.2.1", "u", "loop.example", "h", SPF_PERMERROR },
		{ "192.0.2.1", "u", "again.example", "h", SPF_PERMERROR },
		{ "192.0.2.1", "u", "many.example", "h", SPF_PASS },
		{ "192.0.2.1", "u", "more.example", "h", SPF_PERMERROR },
	};

	check_zone(zone, NULL, v, COUNT(v));
}

TEST(test_spf_third_answer_with_nothing_is_an_error)
{
	static const char *const zone[] = {
		"two.example TXT v=spf1 a:x1.example mx:x2.example +all",
		"three.example TXT v=spf1 a:x1.example mx:x2.example "
		    "exists:x3.example +all", NULL
	};
	static const struct query v[] = {
		{ "192.0.2.1", "u", "two.example", "h", SPF_PASS },
		{ "192.0.2.1", "u", "three.example", "h", SPF_PERMERROR },
	};

	check_zone(zone, NULL, v, COUNT(v));
}

TEST(test_spf_eleven_mail_hosts_are_an_error_eleven_names_are_cut)
{
	struct policy_fixture x;
	struct spf_verdict v;
	static const char *const zone[] = {
		"mx.example TXT v=spf1 mx +all",
		"ptr.example TXT v=spf1 ptr -all", NULL
	};
	static const struct query mx = { "192.0.2.1", "u", "mx.example", "h",
	    SPF_PERMERROR };
	static const struct query ptr = { "192.0.2.1", "u", "ptr.example", "h",
	    SPF_FAIL };

	policy_start(&x, zone);
	for (unsigned i = 0; i < 11; i++) {
		struct buf text = BUF_INIT;

		buf_printf(&text, "10 h%u.example", i);
		CHECK(zone_add(&x.zone, SPAN("mx.example"), SPAN("MX"),
		    buf_span(&text), SPAN("")));
		buf_clear(&text);
		buf_printf(&text, "h%u.elsewhere.example", i);
		CHECK(zone_add(&x.zone, SPAN("1.2.0.192.in-addr.arpa"),
		    SPAN("PTR"), buf_span(&text), SPAN("")));
		buf_release(&text);
	}
	CHECK_EQ(check(&x, &mx, &v), SPF_PERMERROR);
	x.zone.asked = 0;
	CHECK_EQ(check(&x, &ptr, &v), SPF_FAIL);
	CHECK_EQ(x.zone.asked, 1 + 1 + 10);
	policy_finish(&x);
}

TEST(test_spf_asks_together_what_a_record_shows)
{
	static const char *const zone[] = {
		"example.com TXT v=spf1 a:a.example mx:b.example "
		    "exists:c.example include:d.example -all",
		"a.example A 192.0.2.1", "b.example MX 10 m.example",
		"m.example A 192.0.2.2", "c.example MX 10 c.example",
		"d.example TXT v=spf1 -all", NULL
	};
	static const struct query q = { "192.0.2.9", "u", "example.com", "h",
	    SPF_FAIL };
	struct policy_fixture x;
	struct spf_verdict v;

	policy_start(&x, zone);
	CHECK_EQ(check(&x, &q, &v), SPF_FAIL);
	CHECK_STR(v.reason, "matched -all");
	/* The record; what it shows; the hosts of b.example. */
	CHECK_EQ(x.rounds, 3);
	policy_finish(&x);
}

/* ---- explanations ---- */

static void
check_explanation(const char *record, const char *text, const char *want)
{
	static const char *const zone[] = {
		"inner.example TXT v=spf1 -all exp=why.inner.example",
		"why.inner.example TXT inner", NULL
	};
	static const struct query q = { "192.0.2.9", "joe", "example.com", "h",
	    SPF_FAIL };
	struct policy_fixture x;
	struct spf_verdict v;

	policy_start(&x, zone);
	CHECK(zone_add(&x.zone, SPAN("example.com"), SPAN("TXT"),
	    span_of(record), SPAN("")));
	CHECK(zone_add(&x.zone, SPAN("why.example.com"), SPAN("TXT"),
	    span_of(text), SPAN("")));
	CHECK_EQ(check(&x, &q, &v), SPF_FAIL);
	CHECK_STR(v.explanation, want);
	policy_finish(&x);
}

TEST(test_spf_explanations_come_from_the_record_that_fails)
{
	static const char record[] = "v=spf1 -all exp=why.%{d}";

	check_explanation(record, "%{i} is not one of %{d}'s: ask %{r}",
	    "192.0.2.9 is not one of example.com's: ask mx.example.net");
	check_explanation("v=spf1 include:inner.example -all exp=why.%{d}",
	    "outer", "outer");
	check_explanation("v=spf1 redirect=inner.example exp=why.%{d}",
	    "outer", "inner");
	check_explanation("v=spf1 -all", "not asked for", "");
	check_explanation(record, "100% wrong", "");
	check_explanation(record, "\xC3\xBC", "");
	check_explanation(record, "servfail", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spf_simple_examples_of_appendix_a),
		cmocka_unit_test(test_spf_exists_examples_of_appendix_a),
		cmocka_unit_test(test_spf_include_and_redirect),
		cmocka_unit_test(test_spf_one_record_and_one_only),
		cmocka_unit_test(test_spf_ipv6_clients_ask_for_ipv6),
		cmocka_unit_test(test_spf_p_is_the_validated_name_or_unknown),
		cmocka_unit_test(test_spf_eleventh_lookup_is_an_error),
		cmocka_unit_test(
		    test_spf_third_answer_with_nothing_is_an_error),
		cmocka_unit_test(
	    test_spf_eleven_mail_hosts_are_an_error_eleven_names_are_cut),
		cmocka_unit_test(test_spf_asks_together_what_a_record_shows),
		cmocka_unit_test(
		    test_spf_explanations_come_from_the_record_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
