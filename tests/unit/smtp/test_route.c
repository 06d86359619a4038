/* Zone -> route, a row for each rule. */
#include "smtp/route.h"

#include <stdlib.h>

#include "server/base/cursor.h"
#include "server/base/err.h"
#include "server/base/facts.h"
#include "tests/check.h"
#include "tests/zone.h"

#define EE "3 1 1 " \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct fixture {
	struct env env;
	struct post home;
	struct zone zone;
	struct fact_source policies;
	struct facts facts;
	const struct route_sts *sts;
	int sts_err;		/* instead, if not 0 */
};

static void
on_ready(struct facts *f)
{
	(void)f;
}

static void
give_policy(struct fact_source *source, struct fact *fact)
{
	struct fixture *x = CONTAINER_OF(source, struct fixture, policies);

	if (x->sts_err)
		fact_answer(fact, x->sts_err, NULL, NULL);
	else if (x->sts)
		fact_answer(fact, 0, (void *)(uintptr_t)x->sts, NULL);
	else
		fact_answer(fact, ERR_NOTFOUND, NULL, NULL);
}

/* Lines "NAME TYPE VALUE[|MARK]". */
static void
fill_zone(struct zone *z, const char *lines)
{
	struct span rest = span_of(lines);

	while (rest.len) {
		const char *nl = span_chr(rest, '\n');
		struct span line = span_head(rest,
		    nl ? (size_t)(nl - rest.p) : rest.len);
		struct cursor c = cursor_of_span(line);
		struct span name = cursor_until(&c, ' '), type, value;

		(void)cursor_skip(&c, ' ');
		type = cursor_until(&c, ' ');
		(void)cursor_skip(&c, ' ');
		value = cursor_until(&c, '|');
		(void)cursor_skip(&c, '|');
		CHECK(zone_add(z, name, type, value, span_make(c.p,
		    cursor_left(&c))));
		rest = span_from(rest, line.len + 1);
	}
}

static void
start(struct fixture *x, const char *zone)
{
	*x = (struct fixture){ .policies.ask = give_policy };
	post_init(&x->home, NULL);
	zone_init(&x->zone);
	x->env.home = &x->home;
	x->env.dns = &x->zone.source;
	facts_init(&x->facts, &x->env, on_ready);
	x->facts.sources[FACT_FETCH] = &x->policies;
	fill_zone(&x->zone, zone);
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

/* Runs the policy until it knows, as its owner does. */
static enum route_result
run(struct fixture *x, const struct route_settings *settings,
    const struct route_query *query, struct arena *a, struct route *route)
{
	for (int rounds = 0; rounds < 8; rounds++) {
		enum route_result r;

		arena_clear(a);
		r = route_find(settings, query, &x->facts, a, route);
		if (r != ROUTE_NEED)
			return r;
		CHECK(facts_is_missing(&x->facts));
		facts_ask(&x->facts);
		while (post_drain(&x->home))
			;
	}
	fail_msg("the policy never ends");
	return ROUTE_NEED;
}

/* "host:port[addr addr]/tls ..." or "later 4.4.3". */
static void
put_route(struct buf *out, enum route_result r, const struct route *route)
{
	static const char *const tls[] = {
		"never", "may", "must", "verify", "dane"
	};

	if (r != ROUTE_OK) {
		buf_printf(out, "%s %s", r == ROUTE_LATER ? "later" : "fail",
		    route->status);
		CHECK(route->text && route->text[0]);
		return;
	}
	for (size_t i = 0; i < route->host_count; i++) {
		const struct route_host *h = &route->hosts[i];
		char text[ADDR_TEXT_MAX];

		buf_printf(out, "%s%s", i ? " " : "", h->name);
		if (h->port != 25)
			buf_printf(out, ":%u", h->port);
		buf_addc(out, '[');
		for (size_t j = 0; j < h->addr_count; j++) {
			addr_text(&h->addrs[j], text, sizeof text);
			buf_printf(out, "%s%s", j ? " " : "", text);
		}
		buf_addc(out, ']');
		if (h->tls != ROUTE_TLS_MAY)
			buf_printf(out, "/%s", tls[h->tls]);
	}
}

static void
check(const struct route_settings *settings, const char *zone,
    struct route_query query, const struct route_sts *sts, const char *want)
{
	struct fixture x;
	struct arena a = { 0 };
	struct buf got = BUF_INIT;
	struct route route;
	enum route_result r;

	start(&x, zone);
	x.sts = sts;
	r = run(&x, settings, &query, &a, &route);
	put_route(&got, r, &route);
	CHECK_STR(got.p, want);
	buf_release(&got);
	arena_release(&a);
	finish(&x);
}

static struct addr own;
static struct route_settings plain = {
	.hostname = "mail.example.org", .own_addrs = &own, .own_addr_count = 1
};

static struct route_query
to(const char *domain)
{
	return (struct route_query){ .domain = span_of(domain), .seed = 7 };
}

#define MX1 "d.test MX 10 mx1.test\n"
#define A1 "mx1.test A 192.0.2.1\nmx1.test AAAA nodata\n"

TEST(test_route_follows_mx)
{
	static const struct {
		const char *zone, *domain, *want;
	} rows[] = {
		/* RFC 5321 section 5.1: by preference, whatever the order. */
		{ "d.test MX 20 mx2.test\n" MX1 A1
		    "mx2.test A 192.0.2.2\nmx2.test AAAA 2001:db8::2", "d.test",
		    "mx1.test[192.0.2.1] mx2.test[2001:db8::2 192.0.2.2]" },
		/* No MX: the domain itself. */
		{ "d.test A 192.0.2.3", "d.test", "d.test[192.0.2.3]" },
		/* A CNAME leads there. */
		{ "d.test CNAME e.test\ne.test MX 10 mx1.test\n" A1,
		    "d.test", "mx1.test[192.0.2.1]" },
		/* IDNA. */
		{ "xn--bcher-kva.test A 192.0.2.4", "B\xc3\xbc" "cher.test",
		    "xn--bcher-kva.test[192.0.2.4]" },
		/* RFC 7505: null MX, alone and beside others. */
		{ "d.test MX 0 .", "d.test", "fail 5.1.10" },
		{ "d.test MX 0 .\n" MX1 A1, "d.test", "mx1.test[192.0.2.1]" },
		{ "other.test A 192.0.2.1", "d.test", "fail 5.1.2" },
		{ "d.test MX servfail", "d.test", "later 4.4.3" },
		{ "d.test MX timeout", "d.test", "later 4.4.3" },
		{ "d.test MX 10 mx1.test|bogus\n" A1, "d.test",
		    "later 4.4.3" },
		/* The name is there, and nothing that takes mail. */
		{ "d.test TXT x", "d.test", "fail 5.4.4" },
		{ MX1, "d.test", "fail 5.4.4" },
		{ MX1 "mx1.test A timeout", "d.test", "later 4.4.3" },
		/* One host is out of reach for DNS: the other. */
		{ MX1 "d.test MX 20 mx2.test\nmx1.test A servfail\n"
		    "mx2.test A 192.0.2.2", "d.test", "mx2.test[192.0.2.2]" },
		{ "x A 192.0.2.1", "not a domain", "fail 5.1.2" },
		{ "x A 192.0.2.1", "[192.0.2.9]",
		    "[192.0.2.9][192.0.2.9]" },
		{ "x A 192.0.2.1", "[IPv6:2001:db8::9]",
		    "[IPv6:2001:db8::9][2001:db8::9]" },
		{ "x A 192.0.2.1", "[2001:db8::9]", "fail 5.1.2" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check(&plain, rows[i].zone, to(rows[i].domain), NULL,
		    rows[i].want);
}

TEST(test_route_never_leads_to_ourselves)
{
	static const struct {
		const char *zone, *domain, *want;
	} rows[] = {
		/* By name: those behind us, and beside us, are cut. */
		{ "d.test MX 10 mx1.test\nd.test MX 20 mail.example.org\n"
		    "d.test MX 20 mx2.test\nd.test MX 30 mx3.test\n" A1
		    "mx2.test A 192.0.2.2\nmx3.test A 192.0.2.3", "d.test",
		    "mx1.test[192.0.2.1]" },
		{ "d.test MX 10 mail.example.org\nd.test MX 20 mx2.test\n"
		    "mx2.test A 192.0.2.2", "d.test", "fail 5.4.6" },
		/* By address. */
		{ MX1 "d.test MX 20 mx2.test\n" A1
		    "mx2.test A 198.51.100.1", "d.test",
		    "mx1.test[192.0.2.1]" },
		{ "d.test A 198.51.100.1", "d.test", "fail 5.4.6" },
		{ "d.test A 127.0.0.1", "d.test", "fail 5.4.6" },
		{ "d.test AAAA ::1", "d.test", "fail 5.4.6" },
		{ "x A 192.0.2.1", "[198.51.100.1]", "fail 5.4.6" },
		{ "x A 192.0.2.1", "[127.0.0.1]", "fail 5.4.6" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check(&plain, rows[i].zone, to(rows[i].domain), NULL,
		    rows[i].want);
}

TEST(test_route_order_among_equals_is_of_chance)
{
	static const char zone[] = "d.test MX 10 a.test\n"
	    "d.test MX 10 b.test\nd.test MX 5 c.test\na.test A 192.0.2.1\n"
	    "b.test A 192.0.2.2\nc.test A 192.0.2.3";
	unsigned a_first = 0;

	for (uint64_t seed = 0; seed < 64; seed++) {
		struct route_query q = to("d.test");
		struct fixture x;
		struct arena a = { 0 };
		struct route route;

		q.seed = seed;
		start(&x, zone);
		CHECK_EQ(run(&x, &plain, &q, &a, &route), ROUTE_OK);
		CHECK_EQ(route.host_count, 3);
		CHECK_STR(route.hosts[0].name, "c.test");
		a_first += strcmp(route.hosts[1].name, "a.test") == 0;
		arena_release(&a);
		finish(&x);
	}
	CHECK(a_first > 10 && a_first < 54);
}

#define SMX1 "d.test MX 10 mx1.test|secure\n"
#define SA1 "mx1.test A 192.0.2.1|secure\nmx1.test AAAA nodata|secure\n"
#define TLSA1 "_25._tcp.mx1.test TLSA "

TEST(test_route_asks_for_dane)
{
	static const struct {
		const char *zone, *want;
	} rows[] = {
		{ SMX1 SA1 TLSA1 EE "|secure", "mx1.test[192.0.2.1]/dane" },
		/* RFC 7672 section 2.2.1: an MX that nobody vouches for. */
		{ MX1 SA1 TLSA1 EE "|secure", "mx1.test[192.0.2.1]" },
		{ SMX1 "mx1.test A 192.0.2.1\n" TLSA1 EE "|secure",
		    "mx1.test[192.0.2.1]" },
		{ SMX1 SA1 TLSA1 EE, "mx1.test[192.0.2.1]" },
		{ SMX1 SA1, "mx1.test[192.0.2.1]" },
		/* Section 2.2: none that can be used: TLS all the same. */
		{ SMX1 SA1 TLSA1 "1 1 1 00|secure",
		    "mx1.test[192.0.2.1]/must" },
		/* Section 2.1.2: an answer that is kept from us. */
		{ SMX1 SA1 TLSA1 "servfail", "later 4.7.5" },
		{ SMX1 SA1 TLSA1 EE "|bogus", "later 4.7.5" },
		{ SMX1 "d.test MX 20 mx2.test|secure\n" SA1 TLSA1
		    "timeout\nmx2.test A 192.0.2.2|secure",
		    "mx2.test[192.0.2.2]" },
		/* Section 2.2.2: where a CNAME leads to goes first. */
		{ SMX1 "mx1.test CNAME real.test|secure\n"
		    "real.test A 192.0.2.1|secure\n"
		    "_25._tcp.real.test TLSA " EE "|secure",
		    "mx1.test[192.0.2.1]/dane" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check(&plain, rows[i].zone, to("d.test"), NULL, rows[i].want);
}

TEST(test_route_dane_names_what_a_certificate_may_be_for)
{
	struct fixture x;
	struct arena a = { 0 };
	struct route route;
	struct route_query q = to("d.test");

	start(&x, SMX1 "mx1.test CNAME real.test|secure\n"
	    "real.test A 192.0.2.1|secure\n"
	    "_25._tcp.real.test TLSA " EE "|secure");
	CHECK_EQ(run(&x, &plain, &q, &a, &route), ROUTE_OK);
	CHECK_EQ(route.hosts[0].want.mode, TLS_DANE);
	CHECK_STR(route.hosts[0].want.server_name, "real.test");
	CHECK_EQ(route.hosts[0].want.name_count, 3);
	CHECK_STR(route.hosts[0].want.names[1], "mx1.test");
	CHECK_STR(route.hosts[0].want.names[2], "d.test");
	CHECK_EQ(route.hosts[0].want.tlsa_count, 1);
	arena_release(&a);
	finish(&x);
}

TEST(test_route_obeys_mta_sts)
{
	static const struct route_sts enforce = { MTA_STS_ENFORCE,
	    "mx1.test *.mail.test" };
	static const struct route_sts testing = { MTA_STS_TESTING, "x.test" };
	static const struct route_sts none = { MTA_STS_NONE, "" };
	static const struct {
		const char *zone;
		const struct route_sts *sts;
		const char *want;
	} rows[] = {
		{ MX1 A1, &enforce, "mx1.test[192.0.2.1]/verify" },
		{ "d.test MX 10 a.mail.test\na.mail.test A 192.0.2.1",
		    &enforce, "a.mail.test[192.0.2.1]/verify" },
		/* RFC 8461 section 4.1: one label, no more. */
		{ "d.test MX 10 a.b.mail.test\na.b.mail.test A 192.0.2.1",
		    &enforce, "later 4.7.5" },
		{ "d.test MX 10 mail.test\nmail.test A 192.0.2.1", &enforce,
		    "later 4.7.5" },
		{ "d.test MX 5 evil.test\nevil.test A 192.0.2.66\n" MX1 A1,
		    &enforce, "mx1.test[192.0.2.1]/verify" },
		{ MX1 A1, &testing, "mx1.test[192.0.2.1]" },
		{ MX1 A1, &none, "mx1.test[192.0.2.1]" },
		/* Section 2: DANE goes before it. */
		{ SMX1 SA1 TLSA1 EE "|secure", &enforce,
		    "mx1.test[192.0.2.1]/dane" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		check(&plain, rows[i].zone, to("d.test"), rows[i].sts,
		    rows[i].want);
}

TEST(test_route_waits_where_a_policy_could_not_be_looked_for)
{
	static const struct route_settings settings = {
		.hostname = "mail.example.org",
	};
	struct route_query query = { .domain = SPAN("d.test") };
	struct arena a = { 0 };
	struct fixture x;
	struct route route;

	start(&x, "d.test MX 10 mx1.test\nmx1.test A 192.0.2.1\n");
	x.sts_err = ERR_TIMEOUT;
	CHECK_EQ(run(&x, &settings, &query, &a, &route), ROUTE_LATER);
	CHECK_STR(route.status, "4.4.3");
	finish(&x);
	arena_release(&a);
}

TEST(test_route_of_a_message_that_requires_tls)
{
	static const struct route_sts enforce = { MTA_STS_ENFORCE,
	    "mx1.test" };
	struct route_query q = to("d.test");

	q.is_requiretls = true;
	check(&plain, MX1 A1, q, NULL, "fail 5.7.10");
	check(&plain, SMX1 SA1, q, NULL, "mx1.test[192.0.2.1]/verify");
	check(&plain, MX1 A1, q, &enforce, "mx1.test[192.0.2.1]/verify");
	check(&plain, SMX1 SA1 TLSA1 EE "|secure", q, NULL,
	    "mx1.test[192.0.2.1]/dane");
	/* RFC 8689 section 4.2.2: the other way round. */
	q.is_requiretls = false;
	q.is_tls_optional = true;
	check(&plain, MX1 A1, q, &enforce, "mx1.test[192.0.2.1]");
	check(&plain, SMX1 SA1 TLSA1 EE "|secure", q, NULL,
	    "mx1.test[192.0.2.1]");
}

TEST(test_route_goes_where_the_config_says)
{
	static const struct route_smarthost relay = {
		.host = "relay.net", .tls = ROUTE_TLS_VERIFY, .user = "u",
		.password = "p",
	};
	static const struct route_smarthost local = {
		.host = "[127.0.0.1]", .port = 2525, .tls = ROUTE_TLS_NEVER,
	};
	static const struct route_smarthost sure = {
		.host = "relay.net", .port = 26, .tls = ROUTE_TLS_DANE,
	};
	static const struct route_rule rules[] = {
		{ .domain = "a.test", .via = &local },
		{ .domain = ".test", .via = &relay },
		{ .domain = "d.test", .has_tls = true,
		    .tls = ROUTE_TLS_MUST },
		{ .domain = "never.test", .has_tls = true,
		    .tls = ROUTE_TLS_NEVER },
		{ .domain = "dane.test", .has_tls = true,
		    .tls = ROUTE_TLS_DANE },
		{ .domain = "sure.test", .via = &sure },
	};
	static struct route_settings settings;
	static const char zone[] = "relay.net A 192.0.2.25\n" MX1 A1
	    "never.test A 192.0.2.7\ndane.test A 192.0.2.8\n"
	    "sure.test A 192.0.2.9\ne.org A 192.0.2.5\n"
	    "_26._tcp.relay.net TLSA " EE "|secure";

	settings = plain;
	settings.rules = rules;
	settings.rule_count = COUNT(rules);
	check(&settings, zone, to("a.test"), NULL,
	    "[127.0.0.1]:2525[127.0.0.1]/never");
	check(&settings, zone, to("x.test"), NULL,
	    "relay.net:587[192.0.2.25]/verify");
	check(&settings, zone, to("d.test"), NULL,
	    "mx1.test[192.0.2.1]/must");
	check(&settings, zone, to("never.test"), NULL,
	    "never.test[192.0.2.7]/never");
	check(&settings, zone, to("dane.test"), NULL, "later 4.7.5");
	check(&settings, zone, to("e.org"), NULL, "e.org[192.0.2.5]");
	/* An address that DNSSEC does not vouch for has no DANE. */
	check(&settings, zone, to("sure.test"), NULL, "later 4.7.5");
	check(&settings, "relay.net A 192.0.2.25|secure\n"
	    "_26._tcp.relay.net TLSA " EE "|secure", to("sure.test"), NULL,
	    "relay.net:26[192.0.2.25]/dane");
	/* Its host is the operator's to put right. */
	check(&settings, "x A 192.0.2.1", to("x.test"), NULL, "later 4.4.3");
}

TEST(test_route_has_a_fallback)
{
	static const struct route_smarthost relay = {
		.host = "relay.net", .is_implicit_tls = true,
		.tls = ROUTE_TLS_VERIFY,
	};
	struct route_settings settings = plain;

	settings.fallback = &relay;
	check(&settings, "relay.net A 192.0.2.25\n" MX1 A1, to("d.test"),
	    NULL, "mx1.test[192.0.2.1] relay.net:465[192.0.2.25]/verify");
	check(&settings, "relay.net A 192.0.2.25\nd.test MX servfail",
	    to("d.test"), NULL, "relay.net:465[192.0.2.25]/verify");
	check(&settings, "relay.net A 192.0.2.25", to("d.test"), NULL,
	    "fail 5.1.2");
	check(&settings, "relay.net A 192.0.2.25\nd.test MX 0 .",
	    to("d.test"), NULL, "fail 5.1.10");
}

TEST(test_route_destination_groups_by_host)
{
	static const struct route_smarthost relay = { .host = "relay.net" };
	static const struct route_rule rules[] = {
		{ .domain = "*", .via = &relay },
		{ .domain = "direct.test" },
	};
	struct route_settings settings = plain;
	struct arena a = { 0 };

	CHECK_SPAN(route_destination(&settings, SPAN("D.Test"), &a),
	    "d.test");
	settings.rules = rules;
	settings.rule_count = COUNT(rules);
	CHECK_SPAN(route_destination(&settings, SPAN("d.test"), &a),
	    "relay.net");
	CHECK_SPAN(route_destination(&settings, SPAN("direct.test"), &a),
	    "direct.test");
	arena_release(&a);
}

TEST(test_route_of_many_hosts_is_cut)
{
	struct buf zone = BUF_INIT;
	struct fixture x;
	struct arena a = { 0 };
	struct route route;
	struct route_query q = to("d.test");

	for (unsigned i = 0; i < 60; i++)
		buf_printf(&zone, "d.test MX %u mx%u.test\n"
		    "mx%u.test A 192.0.2.%u\n", i, i, i, i + 1);
	start(&x, zone.p);
	CHECK_EQ(run(&x, &plain, &q, &a, &route), ROUTE_OK);
	CHECK_EQ(route.host_count, ROUTE_HOSTS_MAX);
	CHECK_STR(route.hosts[0].name, "mx0.test");
	arena_release(&a);
	finish(&x);
	buf_release(&zone);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route_follows_mx),
		cmocka_unit_test(test_route_never_leads_to_ourselves),
		cmocka_unit_test(test_route_order_among_equals_is_of_chance),
		cmocka_unit_test(test_route_asks_for_dane),
		cmocka_unit_test(
		    test_route_dane_names_what_a_certificate_may_be_for),
		cmocka_unit_test(test_route_obeys_mta_sts),
		cmocka_unit_test(
		    test_route_waits_where_a_policy_could_not_be_looked_for),
		cmocka_unit_test(test_route_of_a_message_that_requires_tls),
		cmocka_unit_test(test_route_goes_where_the_config_says),
		cmocka_unit_test(test_route_has_a_fallback),
		cmocka_unit_test(test_route_destination_groups_by_host),
		cmocka_unit_test(test_route_of_many_hosts_is_cut),
	};

	CHECK_EQ(addr_parse(&own, SPAN("198.51.100.1")), 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
