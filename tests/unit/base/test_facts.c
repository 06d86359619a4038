#include "server/base/facts.h"

#include <stdlib.h>

#include "server/base/err.h"
#include "tests/check.h"
#include "tests/zone.h"

struct fixture {
	struct env env;
	struct post home;
	struct zone zone;
	struct facts facts;
	unsigned ready;
	bool must_release;
};

static void
on_ready(struct facts *f)
{
	struct fixture *x = CONTAINER_OF(f, struct fixture, facts);

	x->ready++;
	if (x->must_release)
		facts_release(f);
}

static void
start(struct fixture *x)
{
	*x = (struct fixture){ .ready = 0 };
	post_init(&x->home, NULL);
	zone_init(&x->zone);
	x->env.home = &x->home;
	x->env.dns = &x->zone.source;
	facts_init(&x->facts, &x->env, on_ready);
}

static void
finish(struct fixture *x)
{
	facts_release(&x->facts);
	while (post_drain(&x->home))
		;
	zone_release(&x->zone);
	post_release(&x->home);
}

static void
add(struct fixture *x, const char *name, const char *type, const char *value,
    const char *mark)
{
	CHECK(zone_add(&x->zone, span_of(name), span_of(type), span_of(value),
	    span_of(mark)));
}

static void
ask(struct fixture *x)
{
	unsigned before = x->ready;

	facts_ask(&x->facts);
	CHECK_EQ(x->ready, before);
	while (post_drain(&x->home))
		;
	CHECK_EQ(x->ready, before + 1);
}

/* A policy in two steps: MX, then the addresses of all hosts together. */
static bool
policy_addrs(struct facts *f, const char *domain, size_t *n)
{
	const struct dns_answer *mx = facts_dns(f, domain, DNS_MX);
	bool is_known = true;

	if (!mx)
		return false;
	*n = 0;
	for (size_t i = 0; i < mx->count; i++) {
		const struct dns_answer *a = facts_dns(f, mx->records[i].name,
		    DNS_A);

		if (a)
			*n += a->count;
		is_known &= a != NULL;
	}
	return is_known;
}

TEST(test_facts_run_a_policy_again_until_it_knows)
{
	struct fixture x;
	size_t n = 0;

	start(&x);
	add(&x, "example.org", "MX", "10 a.example.org", "");
	add(&x, "example.org", "MX", "20 b.example.org", "");
	add(&x, "a.example.org", "A", "192.0.2.1", "");
	add(&x, "a.example.org", "A", "192.0.2.2", "");
	add(&x, "b.example.org", "A", "192.0.2.3", "");
	CHECK(!policy_addrs(&x.facts, "example.org", &n));
	CHECK(facts_is_missing(&x.facts));
	ask(&x);
	CHECK_EQ(x.zone.asked, 1);
	CHECK(!policy_addrs(&x.facts, "example.org", &n));
	ask(&x);
	CHECK_EQ(x.zone.asked, 3);
	CHECK(policy_addrs(&x.facts, "EXAMPLE.org", &n));
	CHECK(!facts_is_missing(&x.facts));
	CHECK_EQ(n, 3);
	finish(&x);
}

TEST(test_facts_errors_are_facts_too)
{
	static const struct {
		const char *name, *value, *mark;
		enum dns_status status;
		enum dns_trust trust;
	} rows[] = {
		{ "a.test", "servfail", "", DNS_SERVFAIL, DNS_INSECURE },
		{ "b.test", "timeout", "", DNS_TIMEOUT, DNS_INSECURE },
		{ "c.test", "nxdomain", "secure", DNS_NXDOMAIN, DNS_SECURE },
		{ "d.test", "nodata", "", DNS_NODATA, DNS_INSECURE },
		{ "e.test", "10 mx.e.test", "bogus", DNS_SERVFAIL, DNS_BOGUS },
		{ "f.test", "10 mx.f.test", "secure", DNS_OK, DNS_SECURE },
	};
	struct fixture x;

	start(&x);
	for (size_t i = 0; i < COUNT(rows); i++) {
		add(&x, rows[i].name, "MX", rows[i].value, rows[i].mark);
		CHECK(!facts_dns(&x.facts, rows[i].name, DNS_MX));
	}
	ask(&x);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct dns_answer *a = facts_dns(&x.facts, rows[i].name,
		    DNS_MX);

		CHECK(a);
		CHECK_EQ(a->status, rows[i].status);
		CHECK_EQ(a->trust, rows[i].trust);
		CHECK_EQ(a->count, rows[i].status == DNS_OK);
	}
	finish(&x);
}

TEST(test_facts_follow_cnames_and_end_loops)
{
	struct fixture x;
	const struct dns_answer *a;

	start(&x);
	add(&x, "www.test", "CNAME", "host.test", "secure");
	add(&x, "host.test", "A", "192.0.2.1", "secure");
	add(&x, "loop.test", "CNAME", "loop.test", "");
	CHECK(!facts_dns(&x.facts, "www.test", DNS_A));
	CHECK(!facts_dns(&x.facts, "loop.test", DNS_A));
	ask(&x);
	a = facts_dns(&x.facts, "www.test", DNS_A);
	CHECK_EQ(a->status, DNS_OK);
	CHECK_EQ(a->trust, DNS_SECURE);
	CHECK_STR(a->canonical, "host.test");
	a = facts_dns(&x.facts, "loop.test", DNS_A);
	CHECK_EQ(a->status, DNS_SERVFAIL);
	finish(&x);
}

TEST(test_facts_know_at_once_what_is_no_name)
{
	struct fixture x;
	const struct dns_answer *a;

	start(&x);
	a = facts_dns(&x.facts, "bad name\r\n.test", DNS_MX);
	CHECK(a);
	CHECK_EQ(a->status, DNS_NXDOMAIN);
	CHECK_EQ(x.zone.asked, 0);
	finish(&x);
}

TEST(test_facts_are_capped)
{
	struct fixture x;
	char name[32];
	const struct dns_answer *a;

	start(&x);
	for (int i = 0; i < FACTS_MAX; i++) {
		(void)snprintf(name, sizeof name, "n%d.test", i);
		CHECK(!facts_dns(&x.facts, name, DNS_A));
	}
	a = facts_dns(&x.facts, "more.test", DNS_A);
	CHECK(a);
	CHECK_EQ(a->status, DNS_SERVFAIL);
	CHECK_EQ(facts_other(&x.facts, FACT_ROW, "more")->err, ERR_LIMIT);
	ask(&x);
	CHECK_EQ(x.zone.asked, FACTS_MAX);
	finish(&x);
}

/* ---- other sources ---- */

struct source {
	struct fact_source source;
	struct fact *fact;
};

static void
keep_fact(struct fact_source *s, struct fact *f)
{
	CONTAINER_OF(s, struct source, source)->fact = f;
}

static void
answer_now(struct fact_source *s, struct fact *f)
{
	(void)s;
	fact_answer(f, 0, xstrdup(f->name), free);
}

TEST(test_facts_come_from_other_sources)
{
	struct source rows = { { answer_now }, NULL };
	struct fixture x;
	const struct fact *f;

	start(&x);
	x.facts.sources[FACT_ROW] = &rows.source;
	CHECK(!facts_other(&x.facts, FACT_ROW, "key"));
	f = facts_other(&x.facts, FACT_FETCH, "key");
	CHECK(f);
	CHECK_EQ(f->err, ERR_NOTFOUND);
	ask(&x);
	f = facts_other(&x.facts, FACT_ROW, "key");
	CHECK_EQ(f->err, 0);
	CHECK_STR(f->value, "key");
	finish(&x);
}

TEST(test_facts_expire_and_late_answers_are_dropped)
{
	struct source fetch = { { keep_fact }, NULL };
	struct fixture x;

	start(&x);
	x.facts.sources[FACT_FETCH] = &fetch.source;
	CHECK(!facts_other(&x.facts, FACT_FETCH, "url"));
	CHECK(!facts_dns(&x.facts, "a.test", DNS_A));
	facts_ask(&x.facts);
	facts_expire(&x.facts);
	while (post_drain(&x.home))
		;
	CHECK_EQ(x.ready, 1);
	CHECK_EQ(facts_dns(&x.facts, "a.test", DNS_A)->status, DNS_TIMEOUT);
	CHECK_EQ(facts_other(&x.facts, FACT_FETCH, "url")->err, ERR_TIMEOUT);
	fact_answer(fetch.fact, 0, xstrdup("late"), free);
	CHECK_EQ(facts_other(&x.facts, FACT_FETCH, "url")->err, ERR_TIMEOUT);
	CHECK_EQ(x.ready, 1);
	finish(&x);
}

TEST(test_facts_released_while_out_lose_nothing)
{
	struct source fetch = { { keep_fact }, NULL };
	struct fixture x;

	start(&x);
	x.facts.sources[FACT_FETCH] = &fetch.source;
	(void)facts_other(&x.facts, FACT_FETCH, "url");
	(void)facts_dns(&x.facts, "a.test", DNS_A);
	facts_ask(&x.facts);
	facts_release(&x.facts);
	fact_answer(fetch.fact, 0, xstrdup("late"), free);
	finish(&x);
	CHECK_EQ(x.ready, 0);
}

TEST(test_facts_may_be_released_by_ready)
{
	struct fixture x;

	start(&x);
	x.must_release = true;
	(void)facts_dns(&x.facts, "a.test", DNS_A);
	ask(&x);
	finish(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_facts_run_a_policy_again_until_it_knows),
		cmocka_unit_test(test_facts_errors_are_facts_too),
		cmocka_unit_test(test_facts_follow_cnames_and_end_loops),
		cmocka_unit_test(test_facts_know_at_once_what_is_no_name),
		cmocka_unit_test(test_facts_are_capped),
		cmocka_unit_test(test_facts_come_from_other_sources),
		cmocka_unit_test(
		    test_facts_expire_and_late_answers_are_dropped),
		cmocka_unit_test(test_facts_released_while_out_lose_nothing),
		cmocka_unit_test(test_facts_may_be_released_by_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
