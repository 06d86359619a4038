#include "auth/spf_record.h"

#include "tests/check.h"

static enum parse
parse(const char *text, struct arena *a, struct spf_record *r)
{
	CHECK(spf_is_record(span_of(text)));
	return spf_record_parse(span_of(text), a, r);
}

TEST(test_spf_tells_its_records_from_other_texts)
{
	CHECK(spf_is_record(SPAN("v=spf1")));
	CHECK(spf_is_record(SPAN("v=spf1 -all")));
	CHECK(spf_is_record(SPAN("V=SPF1 -all")));
	CHECK(!spf_is_record(SPAN("v=spf10 -all")));
	CHECK(!spf_is_record(SPAN("v=spf1\t-all")));
	CHECK(!spf_is_record(SPAN(" v=spf1 -all")));
	CHECK(!spf_is_record(SPAN("")));
}

TEST(test_spf_record_keeps_terms_in_order)
{
	struct arena a = { 0 };
	struct spf_record r;

	CHECK_EQ(parse("v=spf1  ip4:192.0.2.0/24 ~A:b.example//64 "
	    "?mx/28//96 include:_spf.example -all moo=cow "
	    "redirect=x.example exp=why.example ", &a, &r), PARSE_OK);
	CHECK_EQ(r.count, 5);
	CHECK_EQ(r.terms[0].mechanism, SPF_IP4);
	CHECK_EQ(r.terms[0].net.prefix, 120);
	CHECK_EQ(r.terms[0].qualifier, '+');
	CHECK_EQ(r.terms[1].mechanism, SPF_A);
	CHECK_EQ(r.terms[1].qualifier, '~');
	CHECK_EQ(r.terms[1].cidr4, 32);
	CHECK_EQ(r.terms[1].cidr6, 64);
	CHECK_SPAN(r.terms[1].domain_spec, "b.example");
	CHECK_EQ(r.terms[2].mechanism, SPF_MX);
	CHECK_EQ(r.terms[2].cidr4, 28);
	CHECK_EQ(r.terms[2].cidr6, 96);
	CHECK_EQ(r.terms[2].domain_spec.len, 0);
	CHECK_EQ(r.terms[3].mechanism, SPF_INCLUDE);
	CHECK_SPAN(r.terms[4].text, "-all");
	CHECK_SPAN(r.redirect, "x.example");
	CHECK_SPAN(r.explanation, "why.example");
	arena_release(&a);
}

TEST(test_spf_record_takes_what_the_grammar_allows)
{
	static const char *const good[] = {
		"v=spf1", "v=spf1 a", "v=spf1 a/0", "v=spf1 a//0",
		"v=spf1 a:%{d}", "v=spf1 a:%{d2}/24", "v=spf1 a:foo.bar.",
		"v=spf1 a:foo:bar/baz.example.com", "v=spf1 ptr",
		"v=spf1 exists:%{l1r+-}.%{i/}.x%%%_%-.example",
		"v=spf1 exists:%{L256R}._spf.%{o}", "v=spf1 a:1.2.3.abc",
		"v=spf1 a:example.com-1.x-n--y", "v=spf1 ip6:::1/128",
		"v=spf1 ip6:::ffff:192.0.2.1", "v=spf1 x.y_z-1=%{d}/24",
		"v=spf1 default=pass", "v=spf1 ip4:0.0.0.0/0",
		"v=spf1 redirect=%{d}",
	};
	struct arena a = { 0 };
	struct spf_record r;

	for (size_t i = 0; i < COUNT(good); i++)
		if (parse(good[i], &a, &r) != PARSE_OK)
			fail_msg("refused: %s", good[i]);
	arena_release(&a);
}

TEST(test_spf_record_refuses_what_the_grammar_does_not_have)
{
	static const char *const bad[] = {
		"v=spf1 a:museum", "v=spf1 a:museum.", "v=spf1 a:abc.123",
		"v=spf1 a:example.com:8080", "v=spf1 a:example.-com",
		"v=spf1 a:", "v=spf1 a/33", "v=spf1 a/08", "v=spf1 a/",
		"v=spf1 a//129", "v=spf1 a/24/64", "v=spf1 a///64",
		"v=spf1 all:x.example", "v=spf1 all/8", "v=spf1 include",
		"v=spf1 include:", "v=spf1 exists", "v=spf1 exists/24",
		"v=spf1 include:x.example/24", "v=spf1 ptr/0",
		"v=spf1 ip4", "v=spf1 ip4:1.2.3", "v=spf1 ip4:1.2.3.4/33",
		"v=spf1 ip4:1.2.3.4/032", "v=spf1 ip4:::1", "v=spf1 ip4:1.2.3.4:8080",
		"v=spf1 ip6:1.2.3.4", "v=spf1 ip6:::1/129", "v=spf1 ip6::::1",
		"v=spf1 ip6:::1//33", "v=spf1 foo", "v=spf1 -all=x.y +-all",
		"v=spf1 a:%", "v=spf1 a:%{", "v=spf1 a:%{d", "v=spf1 a:%{z}",
		"v=spf1 a:%{d0}", "v=spf1 a:%(ir).example", "v=spf1 a:%{d}x",
		"v=spf1 exists:%{c}.example", "v=spf1 exists:%{t}.example",
		"v=spf1 exists:%{r}.example", "v=spf1 a\tb", "v=spf1 \x80",
		"v=spf1 redirect=a.example redirect=b.example",
		"v=spf1 exp=a.example exp=a.example", "v=spf1 redirect=",
		"v=spf1 exp=", "v=spf1 1=x", "v=spf1 -exp=x.example",
		"v=spf1 moo=%{", "v=spf1 =x", "v=spf1 +", "v=spf1 all.",
		"v=spf1 exists:%{d1.}%{dr1}.example",
	};
	struct arena a = { 0 };
	struct spf_record r;

	for (size_t i = 0; i < COUNT(bad); i++)
		if (parse(bad[i], &a, &r) == PARSE_OK)
			fail_msg("taken: %s", bad[i]);
	arena_release(&a);
}

TEST(test_spf_record_is_capped)
{
	struct buf text = BUF_INIT;
	struct arena a = { 0 };
	struct spf_record r;

	buf_adds(&text, "v=spf1");
	for (size_t i = 0; i < SPF_TERMS_MAX; i++)
		buf_adds(&text, " a");
	CHECK_EQ(spf_record_parse(buf_span(&text), &a, &r), PARSE_OK);
	CHECK_EQ(r.count, SPF_TERMS_MAX);
	buf_adds(&text, " a");
	CHECK_EQ(spf_record_parse(buf_span(&text), &a, &r), PARSE_BAD);
	buf_clear(&text);
	buf_adds(&text, "v=spf1");
	while (text.len <= SPF_RECORD_MAX)
		buf_addc(&text, ' ');
	CHECK_EQ(spf_record_parse(buf_span(&text), &a, &r), PARSE_BAD);
	buf_release(&text);
	arena_release(&a);
}

/* The table of RFC 7208 section 7.4, and what section 7.3 says besides. */
static const struct {
	const char *in, *v4, *v6;	/* v6 NULL: the same */
} expansions[] = {
	{ "%{s}", "strong-bad@email.example.com", NULL },
	{ "%{o}", "email.example.com", NULL },
	{ "%{d}", "email.example.com", NULL },
	{ "%{d4}", "email.example.com", NULL },
	{ "%{d3}", "email.example.com", NULL },
	{ "%{d2}", "example.com", NULL },
	{ "%{d1}", "com", NULL },
	{ "%{dr}", "com.example.email", NULL },
	{ "%{d2r}", "example.email", NULL },
	{ "%{l}", "strong-bad", NULL },
	{ "%{l-}", "strong.bad", NULL },
	{ "%{lr}", "strong-bad", NULL },
	{ "%{lr-}", "bad.strong", NULL },
	{ "%{l1r-}", "strong", NULL },
	{ "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com",
	    "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
	    "ip6._spf.example.com" },
	{ "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com", NULL },
	{ "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
	    "3.2.0.192.in-addr.strong.lp._spf.example.com",
	    "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
	    "ip6.strong.lp._spf.example.com" },
	{ "%{d2}.trusted-domains.example.net",
	    "example.com.trusted-domains.example.net", NULL },
	{ "%%%_%-", "% %20", NULL },
	{ "%{S}", "strong-bad%40email.example.com", NULL },
	{ "%{h}/%{p}", "mail.example.com/unknown", NULL },
	{ "%{d999999999999999999999}", "email.example.com", NULL },
};

TEST(test_spf_macros_expand_as_in_the_specification)
{
	struct addr v4, v6;
	struct spf_macros m = {
		.sender = SPAN("strong-bad@email.example.com"),
		.domain = SPAN("email.example.com"),
		.helo = SPAN("mail.example.com"),
	};
	struct buf out = BUF_INIT;

	CHECK_EQ(addr_parse(&v4, SPAN("192.0.2.3")), 0);
	CHECK_EQ(addr_parse(&v6, SPAN("2001:db8::cb01")), 0);
	for (size_t i = 0; i < COUNT(expansions); i++) {
		m.ip = &v4;
		buf_clear(&out);
		CHECK_EQ(spf_expand(&out, span_of(expansions[i].in), &m,
		    false), PARSE_OK);
		CHECK_STR(out.p, expansions[i].v4);
		m.ip = &v6;
		buf_clear(&out);
		CHECK_EQ(spf_expand(&out, span_of(expansions[i].in), &m,
		    false), PARSE_OK);
		CHECK_STR(out.p, expansions[i].v6 ? expansions[i].v6 :
		    expansions[i].v4);
	}
	buf_release(&out);
}

TEST(test_spf_explanations_have_macros_of_their_own)
{
	struct addr ip;
	struct spf_macros m = {
		.receiver = SPAN("mx.example.net"), .now_s = 1400000000,
	};
	struct buf out = BUF_INIT;

	CHECK_EQ(addr_parse(&ip, SPAN("2001:db8::cb01")), 0);
	m.ip = &ip;
	CHECK_EQ(spf_expand(&out, SPAN("%{c} at %{r}, %{t}"), &m, true),
	    PARSE_OK);
	CHECK_STR(out.p, "2001:db8::cb01 at mx.example.net, 1400000000");
	CHECK_EQ(spf_expand(&out, SPAN("%{c}"), &m, false), PARSE_BAD);
	CHECK_EQ(spf_expand(&out, SPAN("100% sure"), &m, true), PARSE_BAD);
	CHECK_EQ(spf_expand(&out, SPAN("\xC3\xA4"), &m, true), PARSE_BAD);
	buf_release(&out);
}

TEST(test_spf_target_names_are_cut_from_the_left)
{
	char local[240];
	struct addr ip;
	struct spf_macros m = { .domain = SPAN("Example.COM") };
	struct buf out = BUF_INIT;

	memset(local, 'a', sizeof local);
	for (size_t i = 1; i < sizeof local; i += 2)
		local[i] = '.';
	m.sender = span_make(local, sizeof local);
	m.helo = span_make(local, sizeof local - 1);
	CHECK_EQ(addr_parse(&ip, SPAN("192.0.2.3")), 0);
	m.ip = &ip;
	CHECK_EQ(spf_target_name(&out, SPAN("%{d}"), &m), PARSE_OK);
	CHECK_STR(out.p, "example.com");
	buf_clear(&out);
	CHECK_EQ(spf_target_name(&out, SPAN("%{h}.some.example.com"), &m),
	    PARSE_OK);
	CHECK(out.len <= SPF_NAME_MAX && out.len > SPF_NAME_MAX - 3);
	CHECK(span_starts(buf_span(&out), "a.a."));
	buf_release(&out);
}

#define LABEL_60 \
	"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"

TEST(test_spf_target_names_that_dns_cannot_have_match_nothing)
{
	static const char *const bad[] = {
		"a..example.com", ".example.com", "%{h}.example.com",
		"a%_b.example.com", LABEL_60 "1234.example.com",
	};
	struct addr ip;
	struct spf_macros m = { .helo = SPAN("") };
	struct buf out = BUF_INIT;

	CHECK_EQ(addr_parse(&ip, SPAN("192.0.2.3")), 0);
	m.ip = &ip;
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(spf_target_name(&out, span_of(bad[i]), &m),
		    PARSE_BAD);
	CHECK_EQ(out.len, 0);
	CHECK_EQ(spf_target_name(&out, SPAN(LABEL_60 "123.example"), &m),
	    PARSE_OK);
	buf_clear(&out);
	CHECK_EQ(spf_target_name(&out, SPAN("%{p}.example"), &m), PARSE_OK);
	CHECK_STR(out.p, "unknown.example");
	CHECK(spf_uses_p(SPAN("a.%{P2r}.b")));
	CHECK(!spf_uses_p(SPAN("%%{p}")));
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spf_tells_its_records_from_other_texts),
		cmocka_unit_test(test_spf_record_keeps_terms_in_order),
		cmocka_unit_test(test_spf_record_takes_what_the_grammar_allows),
		cmocka_unit_test(
		    test_spf_record_refuses_what_the_grammar_does_not_have),
		cmocka_unit_test(test_spf_record_is_capped),
		cmocka_unit_test(
		    test_spf_macros_expand_as_in_the_specification),
		cmocka_unit_test(
		    test_spf_explanations_have_macros_of_their_own),
		cmocka_unit_test(test_spf_target_names_are_cut_from_the_left),
		cmocka_unit_test(
		    test_spf_target_names_that_dns_cannot_have_match_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
