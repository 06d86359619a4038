#include "tests/check.h"

#include "server/base/err.h"
#include "store/mime/date.h"

TEST(test_date_reads_mail_dates)
{
	static const struct {
		const char *in;
		int64_t utc_s;
		int32_t zone_min;
	} rows[] = {
		/* RFC 5322 appendix A */
		{ "Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360 },
		{ "Tue, 1 Jul 2003 10:52:37 +0200", 1057049557, 120 },
		{ "Thu, 13 Feb 1969 23:32:54 -0330", -27723426, -210 },
		{ "Thu,      13        Feb          1969      23:32"
		    "               -0330 (Newfoundland Time)",
		    -27723480, -210 },
		{ "21 Nov 97 09:55:06 GMT", 880106106, 0 },
		{ "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600",
		    880127706, -360 },
		/* Zones that have names */
		{ "21 Nov 97 09:55:06 UT", 880106106, 0 },
		{ "21 Nov 97 09:55:06 est", 880124106, -300 },
		{ "21 Nov 97 09:55:06 EDT", 880120506, -240 },
		{ "21 Nov 97 09:55:06 PST", 880134906, -480 },
		{ "21 Nov 97 09:55:06 Z", 880106106, 0 },
		{ "21 Nov 97 09:55:06 A", 880106106, 0 },
		{ "21 Nov 97 09:55:06 CET", 880106106, 0 },
		{ "21 Nov 97 09:55:06", 880106106, 0 },
		{ "21 Nov 97 09:55", 880106100, 0 },
		{ "21 Nov 1997 09:55:06 +01", 880106106, 0 },
		/* Years */
		{ "1 Jan 49 00:00:00 +0000", 2493072000, 0 },
		{ "1 Jan 50 00:00:00 +0000", -631152000, 0 },
		{ "1 Jan 103 00:00:00 +0000", 1041379200, 0 },
		{ "29 Feb 2000 00:00:00 +0000", 951782400, 0 },
		{ "28 Feb 2100 00:00:00 +0000", 4107456000, 0 },
		{ "31 Dec 9999 23:59:59 +0000", 253402300799, 0 },
		/* A leap second */
		{ "31 Dec 2016 23:59:60 +0000", 1483228800, 0 },
		/* Lenient */
		{ "Fri 21 Nov 1997 09:55:06 -0600", 880127706, -360 },
		{ "fri, 21 NOVEMBER 1997 9:55:06 -0600", 880127706, -360 },
		{ "(x) Fri, 21-Nov-97 09:55:06 -0600 (CST)", 880127706,
		    -360 },
		{ "Fri Nov 21 09:55:06 1997", 880106106, 0 },
		{ "Fri Nov 21 09:55:06 PST 1997", 880134906, -480 },
		{ "1 Jan 1970 00:00:00 +0000", 0, 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t utc_s = 1;
		int32_t zone_min = 1;

		CHECK_EQ(date_parse_rfc5322(span_of(rows[i].in), &utc_s,
		    &zone_min), 0);
		CHECK_EQ(utc_s, rows[i].utc_s);
		CHECK_EQ(zone_min, rows[i].zone_min);
	}
}

TEST(test_date_refuses_what_is_no_date)
{
	static const char *const bad[] = {
		"", "Fri", "Fri,", "21", "21 Nov", "21 Nov 1997",
		"21 Nov 1997 09", "21 Nov 1997 09:", "21 Nov 1997 :55",
		"21 Nov 1997 09:55:", "0 Nov 1997 09:55:06 -0600",
		"31 Nov 1997 09:55:06 -0600", "32 Dec 1997 09:55:06",
		"29 Feb 1900 00:00:00", "29 Feb 2001 00:00:00",
		"21 Nov 1997 24:00:00", "21 Nov 1997 23:60:00",
		"21 Nov 1997 23:59:61", "21 Nov 10000 00:00:00",
		"21 Nov 1 00:00:00", "21 Nov 1997 009:55:06", "21 Foo 1997",
		"(", "(\\", "21 Nov 1997 (09:55:06", "-1 Nov 1997 00:00:00",
		"Nov", "Fri Nov 21", "Fri Nov 21 09:55:06",
	};
	int64_t utc_s;
	int32_t zone_min;

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(date_parse_rfc5322(span_of(bad[i]), &utc_s,
		    &zone_min), ERR_SYNTAX);
}

TEST(test_date_writes_mail_dates)
{
	static const struct {
		int64_t utc_s;
		const char *out;
	} rows[] = {
		{ 0, "Thu, 01 Jan 1970 00:00:00 +0000" },
		{ -1, "Wed, 31 Dec 1969 23:59:59 +0000" },
		{ 880127706, "Fri, 21 Nov 1997 15:55:06 +0000" },
		{ 951782400, "Tue, 29 Feb 2000 00:00:00 +0000" },
		{ 253402300799, "Fri, 31 Dec 9999 23:59:59 +0000" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT;

		date_put_rfc5322(&out, rows[i].utc_s);
		CHECK_STR(out.p, rows[i].out);
		buf_release(&out);
	}
}

TEST(test_date_reads_back_every_day_it_writes)
{
	struct buf out = BUF_INIT;

	/* A prime step, from 1900 to 2200: all months and hours come by. */
	for (int64_t s = -2208988800; s < 7258118400; s += 777743) {
		int64_t utc_s;
		int32_t zone_min;

		buf_clear(&out);
		date_put_rfc5322(&out, s);
		CHECK_EQ(date_parse_rfc5322(buf_span(&out), &utc_s,
		    &zone_min), 0);
		CHECK_EQ(utc_s, s);
		buf_clear(&out);
		date_put_imap(&out, s);
		CHECK_EQ(date_parse_imap(buf_span(&out), &utc_s), 0);
		CHECK_EQ(utc_s, s);
		buf_clear(&out);
		date_put_iso(&out, s);
		CHECK_EQ(date_parse_iso(buf_span(&out), &utc_s), 0);
		CHECK_EQ(utc_s, s);
	}
	buf_release(&out);
}

TEST(test_date_reads_imap_date_times)
{
	static const struct {
		const char *in;
		int64_t utc_s;
	} ok[] = {
		{ "17-Jul-1996 02:44:25 -0700", 837596665 },
		{ " 1-Feb-1994 21:52:25 -0800", 760168345 },
		{ "01-feb-1994 21:52:25 -0800", 760168345 },
		{ "1-Jan-1970 00:00:00 +0000", 0 },
	};
	static const char *const bad[] = {
		"", " ", "17-Jul-1996", "17-Jul-1996 02:44:25",
		"17-Jul-1996 02:44:25 ", "17-Jul-1996 02:44:25 -070",
		"17-Jul-1996 02:44:25 0700", "17-Jul-1996 02:44:25 -0760",
		"17-Jul-1996 2:44:25 -0700", "17-Jul-96 02:44:25 -0700",
		"17-July-1996 02:44:25 -0700", "31-Jun-1996 02:44:25 +0000",
		"17-Jul-1996 02:44:25 -0700 ", "17 Jul 1996 02:44:25 -0700",
		"17-Jul-1996 24:44:25 -0700", "17-Jul-1996T02:44:25 -0700",
		"  1-Feb-1994 21:52:25 -0800",
	};
	int64_t utc_s;

	for (size_t i = 0; i < COUNT(ok); i++) {
		CHECK_EQ(date_parse_imap(span_of(ok[i].in), &utc_s), 0);
		CHECK_EQ(utc_s, ok[i].utc_s);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(date_parse_imap(span_of(bad[i]), &utc_s),
		    ERR_SYNTAX);
}

TEST(test_date_writes_imap_date_times_in_a_fixed_width)
{
	struct buf out = BUF_INIT;

	date_put_imap(&out, 760168345);
	CHECK_STR(out.p, " 2-Feb-1994 05:52:25 +0000");
	buf_clear(&out);
	date_put_imap(&out, 837596665);
	CHECK_STR(out.p, "17-Jul-1996 09:44:25 +0000");
	buf_release(&out);
}

TEST(test_date_reads_imap_days)
{
	static const struct {
		const char *in;
		int64_t day;
	} ok[] = {
		{ "1-Jan-1970", 0 }, { "01-Jan-1970", 0 },
		{ "31-Dec-1969", -1 }, { "1-Feb-1994", 8797 },
		{ "29-FEB-2000", 11016 },
	};
	static const char *const bad[] = {
		"", "1", "1-", "1-Feb", "1-Feb-", "1-Feb-94", "1-Feb-19940",
		"0-Feb-1994", "29-Feb-1994", "1-Febr-1994", "1-Foo-1994",
		"1-Feb-1994 ", " 1-Feb-1994", "\"1-Feb-1994\"", "001-Feb-1994",
		"1-Fe",
	};
	int64_t day;

	for (size_t i = 0; i < COUNT(ok); i++) {
		CHECK_EQ(date_parse_imap_day(span_of(ok[i].in), &day), 0);
		CHECK_EQ(day, ok[i].day);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(date_parse_imap_day(span_of(bad[i]), &day),
		    ERR_SYNTAX);
}

TEST(test_date_reads_rfc_3339)
{
	/* RFC 3339 section 5.8 */
	static const struct {
		const char *in;
		int64_t utc_s;
	} ok[] = {
		{ "1985-04-12T23:20:50.52Z", 482196050 },
		{ "1996-12-19T16:39:57-08:00", 851042397 },
		{ "1990-12-31T23:59:60Z", 662688000 },
		{ "1937-01-01T12:00:27.87+00:20", -1041337173 },
		{ "2026-11-23t08:42:00z", 1795423320 },
	};
	static const char *const bad[] = {
		"", "2026-11-23", "2026-11-23T08:42:00", "2026-11-23T08:42Z",
		"2026-11-23 08:42:00Z", "2026-13-23T08:42:00Z",
		"2026-11-31T08:42:00Z", "2026-11-23T08:42:00.Z",
		"2026-11-23T08:42:00+0100", "2026-11-23T08:42:00+1:00",
		"2026-11-23T08:42:00Zx", "26-11-23T08:42:00Z",
	};
	int64_t utc_s;

	for (size_t i = 0; i < COUNT(ok); i++) {
		CHECK_EQ(date_parse_iso(span_of(ok[i].in), &utc_s), 0);
		CHECK_EQ(utc_s, ok[i].utc_s);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(date_parse_iso(span_of(bad[i]), &utc_s), ERR_SYNTAX);
}

TEST(test_date_day_is_the_day_of_the_zone)
{
	CHECK_EQ(date_day(0, 0), 0);
	CHECK_EQ(date_day(-1, 0), -1);
	CHECK_EQ(date_day(86399, 0), 0);
	CHECK_EQ(date_day(86399, 1), 1);
	CHECK_EQ(date_day(0, -1), -1);
	CHECK_EQ(date_day(86400, -600), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_date_reads_mail_dates),
		cmocka_unit_test(test_date_refuses_what_is_no_date),
		cmocka_unit_test(test_date_writes_mail_dates),
		cmocka_unit_test(test_date_reads_back_every_day_it_writes),
		cmocka_unit_test(test_date_reads_imap_date_times),
		cmocka_unit_test(
		    test_date_writes_imap_date_times_in_a_fixed_width),
		cmocka_unit_test(test_date_reads_imap_days),
		cmocka_unit_test(test_date_reads_rfc_3339),
		cmocka_unit_test(test_date_day_is_the_day_of_the_zone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
