#include "auth/dmarc.h"

#include "tests/unit/auth/policy_fixture.h"

struct example {
	const char *from, *spf, *dkim;
	enum dmarc_result result;
	enum dmarc_request asked, applied;
	const char *policy, *org;
};

static enum dmarc_result
check(struct policy_fixture *x, const struct example *e,
    struct dmarc_verdict *v)
{
	struct span dkim = span_of(e->dkim);
	struct dmarc_input in = {
		.from = span_of(e->from), .spf = span_of(e->spf),
		.dkim = &dkim, .dkim_count = dkim.len > 0,
	};

	while (dmarc_check(&x->facts, &in, &x->arena, v) == DMARC_NEED)
		policy_ask(x);
	return v->result;
}

static void
check_table(const char *const *zone, const struct example *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct policy_fixture x;
		struct dmarc_verdict verdict;

		policy_start(&x, zone);
		if (check(&x, &v[i], &verdict) != v[i].result)
			fail_msg("row %zu: %s", i, verdict.reason);
		if (v[i].policy) {
			CHECK_SPAN(verdict.policy_domain, v[i].policy);
			CHECK_EQ(verdict.asked, v[i].asked);
			CHECK_EQ(verdict.applied, v[i].applied);
		}
		if (v[i].org)
			CHECK_SPAN(verdict.org_domain, v[i].org);
		policy_finish(&x);
	}
}

static const char *const zone[] = {
	"_dmarc.example.com TXT v=DMARC1; p=reject; sp=quarantine; np=reject; "
	    "rua=mailto:r@example.com",
	"_dmarc.mail.example.com TXT v=DMARC1; p=none",
	"www.example.com A 192.0.2.1",
	"_dmarc.strict.example TXT v=DMARC1; p=quarantine; adkim=s; aspf=s; "
	    "t=y",
	"_dmarc.org.example TXT v=DMARC1; p=reject; psd=n",
	"_dmarc.a.org.example TXT v=DMARC1; p=reject",
	"_dmarc.bank TXT v=DMARC1; p=reject; sp=none; psd=y; np=reject",
	"_dmarc.own.bank TXT v=DMARC1; p=quarantine",
	"www.own.bank A 192.0.2.1", "other.bank MX 10 mx.other.bank",
	"_dmarc.twice.example TXT v=DMARC1; p=reject",
	"_dmarc.twice.example TXT v=DMARC1; p=none",
	"_dmarc.bad.example TXT v=DMARC1; p=rejekt",
	"_dmarc.other.example TXT some other text",
	"_dmarc.other.example TXT v=DMARC1; p=reject; t=y",
	"_dmarc.down.example TXT servfail", "_dmarc.late.example TXT timeout",
	"_dmarc.up.broken TXT v=DMARC1; p=reject", "_dmarc.broken TXT servfail",
	NULL
};

TEST(test_dmarc_passes_what_is_aligned)
{
	static const struct example v[] = {
		{ "example.com", "example.com", NULL, DMARC_PASS,
		    DMARC_REJECT, DMARC_REJECT, "example.com", "example.com" },
		{ "example.com", "bounce.example.com", NULL, DMARC_PASS,
		    DMARC_REJECT, DMARC_REJECT, "example.com", "example.com" },
		{ "example.com", NULL, "mail.example.com", DMARC_PASS,
		    DMARC_REJECT, DMARC_REJECT, "example.com", "example.com" },
		{ "mail.example.com", "other.net", "example.com", DMARC_PASS,
		    DMARC_NONE, DMARC_NONE, "mail.example.com",
		    "example.com" },
		{ "example.com", "other.net", "evil.com", DMARC_FAIL,
		    DMARC_REJECT, DMARC_REJECT, "example.com", "example.com" },
		{ "example.com", NULL, NULL, DMARC_FAIL, DMARC_REJECT,
		    DMARC_REJECT, "example.com", "example.com" },
	};

	check_table(zone, v, COUNT(v));
}

TEST(test_dmarc_strict_alignment_is_equality)
{
	static const struct example v[] = {
		{ "strict.example", "strict.example", NULL, DMARC_PASS,
		    DMARC_QUARANTINE, DMARC_NONE, "strict.example",
		    "strict.example" },
		{ "strict.example", "x.strict.example", "y.strict.example",
		    DMARC_FAIL, DMARC_QUARANTINE, DMARC_NONE,
		    "strict.example", "strict.example" },
	};

	check_table(zone, v, COUNT(v));
}

TEST(test_dmarc_subdomains_have_requests_of_their_own)
{
	static const struct example v[] = {
		{ "www.example.com", NULL, NULL, DMARC_FAIL, DMARC_QUARANTINE,
		    DMARC_QUARANTINE, "example.com", "example.com" },
		{ "nowhere.example.com", NULL, NULL, DMARC_FAIL, DMARC_REJECT,
		    DMARC_REJECT, "example.com", "example.com" },
		{ "x.mail.example.com", NULL, NULL, DMARC_FAIL, DMARC_REJECT,
		    DMARC_REJECT, "example.com", "example.com" },
	};

	check_table(zone, v, COUNT(v));
}

TEST(test_dmarc_psd_tags_end_the_walk)
{
	static const struct example v[] = {
		{ "b.a.org.example", "org.example", NULL, DMARC_PASS,
		    DMARC_REJECT, DMARC_REJECT, "org.example",
		    "org.example" },
		{ "www.own.bank", "mail.own.bank", NULL, DMARC_PASS,
		    DMARC_QUARANTINE, DMARC_QUARANTINE, "own.bank",
		    "own.bank" },
		{ "other.bank", "third.bank", NULL, DMARC_FAIL, DMARC_NONE,
		    DMARC_NONE, "bank", "other.bank" },
		{ "nowhere.bank", NULL, NULL, DMARC_FAIL, DMARC_REJECT,
		    DMARC_REJECT, "bank", "nowhere.bank" },
	};

	check_table(zone, v, COUNT(v));
}

TEST(test_dmarc_does_not_apply_without_one_good_record)
{
	static const struct example v[] = {
		{ "none.example", NULL, NULL, DMARC_NO_RECORD, 0, 0, NULL,
		    NULL },
		{ "twice.example", NULL, NULL, DMARC_NO_RECORD, 0, 0, NULL,
		    NULL },
		{ "bad.example", NULL, NULL, DMARC_NO_RECORD, 0, 0, NULL,
		    NULL },
		{ "other.example", NULL, NULL, DMARC_FAIL, DMARC_REJECT,
		    DMARC_QUARANTINE, "other.example", "other.example" },
		{ "com", NULL, NULL, DMARC_NO_RECORD, 0, 0, NULL, NULL },
	};

	check_table(zone, v, COUNT(v));
}

TEST(test_dmarc_errors_of_dns_are_neither_pass_nor_fail)
{
	static const struct example v[] = {
		{ "down.example", NULL, NULL, DMARC_TEMPERROR, 0, 0, NULL,
		    NULL },
		{ "late.example", NULL, NULL, DMARC_TEMPERROR, 0, 0, NULL,
		    NULL },
		{ "up.broken", NULL, NULL, DMARC_FAIL, DMARC_REJECT,
		    DMARC_REJECT, "up.broken", "up.broken" },
		{ "example.com", "down.example", NULL, DMARC_TEMPERROR,
		    DMARC_REJECT, DMARC_REJECT, "example.com", "example.com" },
		/* Once something is aligned, nothing else matters. */
		{ "example.com", "down.example", "example.com", DMARC_PASS,
		    DMARC_REJECT, DMARC_REJECT, "example.com", "example.com" },
	};

	check_table(zone, v, COUNT(v));
}

/* The example of RFC 9989 section 4.10. */
TEST(test_dmarc_walk_asks_eight_times_at_most)
{
	static const char *const none[] = { NULL };
	static const struct example e = {
		"a.b.c.d.e.f.g.h.i.j.mail.example.com", NULL, NULL,
		DMARC_NO_RECORD, 0, 0, NULL, NULL
	};
	static const char *const asked[] = {
		"_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com",
		"_dmarc.g.h.i.j.mail.example.com",
		"_dmarc.h.i.j.mail.example.com", "_dmarc.i.j.mail.example.com",
		"_dmarc.j.mail.example.com", "_dmarc.mail.example.com",
		"_dmarc.example.com", "_dmarc.com",
	};
	struct policy_fixture x;
	struct dmarc_verdict v;

	policy_start(&x, none);
	CHECK_EQ(check(&x, &e, &v), DMARC_NO_RECORD);
	CHECK_EQ(x.zone.asked, COUNT(asked));
	CHECK_EQ(x.rounds, 1);
	for (size_t i = 0; i < COUNT(asked); i++)
		CHECK(facts_dns(&x.facts, asked[i], DNS_TXT) != NULL);
	CHECK(!facts_is_missing(&x.facts));
	policy_finish(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dmarc_passes_what_is_aligned),
		cmocka_unit_test(test_dmarc_strict_alignment_is_equality),
		cmocka_unit_test(
		    test_dmarc_subdomains_have_requests_of_their_own),
		cmocka_unit_test(test_dmarc_psd_tags_end_the_walk),
		cmocka_unit_test(
		    test_dmarc_does_not_apply_without_one_good_record),
		cmocka_unit_test(
		    test_dmarc_errors_of_dns_are_neither_pass_nor_fail),
		cmocka_unit_test(test_dmarc_walk_asks_eight_times_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
