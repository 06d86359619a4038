#include "auth/dmarc_record.h"

#include "tests/check.h"

static struct dmarc_record
parse(const char *text)
{
	struct dmarc_record r;

	CHECK(dmarc_is_record(span_of(text)));
	dmarc_record_parse(span_of(text), &r);
	return r;
}

TEST(test_dmarc_tells_its_records_from_other_texts)
{
	static const char *const good[] = {
		"v=DMARC1", "v=DMARC1;", "v = DMARC1 ; p=none", "V=DMARC1;p=x",
	};
	static const char *const bad[] = {
		"", "v=DMARC", "v=DMARC10; p=none", "v=dmarc1; p=none",
		"p=none; v=DMARC1", " v=DMARC1", "v=DMARC1 p=none", "v DMARC1",
	};

	for (size_t i = 0; i < COUNT(good); i++)
		CHECK(dmarc_is_record(span_of(good[i])));
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(!dmarc_is_record(span_of(bad[i])));
}

TEST(test_dmarc_record_has_defaults)
{
	struct dmarc_record r = parse("v=DMARC1");

	CHECK(r.is_valid);
	CHECK_EQ(r.p, DMARC_NONE);
	CHECK_EQ(r.sp, DMARC_NONE);
	CHECK_EQ(r.np, DMARC_NONE);
	CHECK(!r.is_strict_dkim && !r.is_strict_spf && !r.is_testing);
	CHECK_EQ(r.psd, DMARC_PSD_UNKNOWN);
	CHECK_EQ(r.rua.len, 0);
}

TEST(test_dmarc_record_reads_every_tag)
{
	struct dmarc_record r = parse("v=DMARC1; p=Reject;sp=quarantine; "
	    "np=none ;adkim=s; aspf=S; t=y; psd=n; rua=mailto:a@b.example; "
	    "ruf=mailto:c@b.example; fo=1:d; x9=moo; ;");

	CHECK(r.is_valid && r.is_strict_dkim && r.is_strict_spf);
	CHECK(r.is_testing);
	CHECK_EQ(r.p, DMARC_REJECT);
	CHECK_EQ(r.sp, DMARC_QUARANTINE);
	CHECK_EQ(r.np, DMARC_NONE);
	CHECK_EQ(r.psd, DMARC_PSD_NO);
	CHECK_SPAN(r.rua, "mailto:a@b.example");
	CHECK_SPAN(r.fo, "1:d");
}

TEST(test_dmarc_requests_for_subdomains_come_from_above)
{
	struct dmarc_record r = parse("v=DMARC1;p=reject");

	CHECK_EQ(r.sp, DMARC_REJECT);
	CHECK_EQ(r.np, DMARC_REJECT);
	r = parse("v=DMARC1;p=none;sp=quarantine");
	CHECK_EQ(r.np, DMARC_QUARANTINE);
	r = parse("v=DMARC1;sp=reject");
	CHECK_EQ(r.p, DMARC_NONE);
	CHECK_EQ(r.sp, DMARC_REJECT);
}

TEST(test_dmarc_bad_requests_are_none_with_reports_and_nothing_without)
{
	struct dmarc_record r = parse("v=DMARC1; p=rejct; "
	    "rua=mailto:a@b.example");

	CHECK(r.is_valid);
	CHECK_EQ(r.p, DMARC_NONE);
	r = parse("v=DMARC1; p=reject; sp=bad; rua=mailto:a@b.example");
	CHECK(r.is_valid);
	CHECK_EQ(r.p, DMARC_NONE);
	CHECK(!parse("v=DMARC1; p=rejct").is_valid);
	CHECK(!parse("v=DMARC1; p=reject; np=").is_valid);
	CHECK(!parse("v=DMARC1; p=bad; rua=https://x.example").is_valid);
}

TEST(test_dmarc_mailto_passes_over_other_uris_and_sizes)
{
	struct cursor c = cursor_of("https://r.example/x ,mailto:a@b.example"
	    "!10m, MAILTO:c@d.example,mailto:nobody,");
	struct span address;

	CHECK(dmarc_next_mailto(&c, &address));
	CHECK_SPAN(address, "a@b.example");
	CHECK(dmarc_next_mailto(&c, &address));
	CHECK_SPAN(address, "c@d.example");
	CHECK(!dmarc_next_mailto(&c, &address));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dmarc_tells_its_records_from_other_texts),
		cmocka_unit_test(test_dmarc_record_has_defaults),
		cmocka_unit_test(test_dmarc_record_reads_every_tag),
		cmocka_unit_test(
		    test_dmarc_requests_for_subdomains_come_from_above),
		cmocka_unit_test(
	    test_dmarc_bad_requests_are_none_with_reports_and_nothing_without),
		cmocka_unit_test(
		    test_dmarc_mailto_passes_over_other_uris_and_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
