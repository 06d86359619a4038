#include "smtp/tls_report.h"

#include <zlib.h>

#include "server/base/codec.h"
#include "server/base/gzip.h"
#include "tests/check.h"

TEST(test_tls_report_record_names_addresses)
{
	static const struct {
		const char *txt;
		enum parse parse;
		size_t count;
		const char *first;
	} rows[] = {
		{ "v=TLSRPTv1;rua=mailto:reports@example.com", PARSE_OK, 1,
		    "reports@example.com" },
		{ "v=TLSRPTv1; rua=mailto:a%2Bb@x.example , "
		    "mailto:c@x.example;", PARSE_OK, 2, "a+b@x.example" },
		{ "v=TLSRPTv1; rua=https://r.example/v1,mailto:a@x.example",
		    PARSE_OK, 1, "a@x.example" },
		{ "v=TLSRPTv1; x=y; rua=mailto:a@x.example?subject=no",
		    PARSE_OK, 1, "a@x.example" },
		{ "v=TLSRPTv1; rua=https://r.example/v1", PARSE_OK, 0, NULL },
		{ "v=TLSRPTv1; rua=mailto:not-an-address", PARSE_OK, 0, NULL },
		{ "v=TLSRPTv1; rua=mailto:a%0D%0ABcc:b@x.example", PARSE_OK,
		    0, NULL },
		{ "v=TLSRPTv1; rua=mailto:%3Ca@x.example%3E", PARSE_OK, 0,
		    NULL },
		{ "v=TLSRPTv1", PARSE_BAD, 0, NULL },
		{ "v=TLSRPTv1; rua=", PARSE_BAD, 0, NULL },
		{ "v=TLSRPTv2; rua=mailto:a@x.example", PARSE_BAD, 0, NULL },
		{ "rua=mailto:a@x.example; v=TLSRPTv1", PARSE_BAD, 0, NULL },
		{ "v=TLSRPTv1 rua=mailto:a@x.example", PARSE_BAD, 0, NULL },
		{ "", PARSE_BAD, 0, NULL },
	};
	struct arena a = { 0 };
	struct tls_rua rua;

	for (size_t i = 0; i < COUNT(rows); i++) {
		CHECK_EQ(tls_report_parse_record(span_of(rows[i].txt), &a,
		    &rua), rows[i].parse);
		if (rows[i].parse != PARSE_OK)
			continue;
		CHECK_EQ(rua.count, rows[i].count);
		if (rows[i].first)
			CHECK_STR(rua.address[0], rows[i].first);
	}
	arena_release(&a);
}

TEST(test_tls_report_wants_one_record)
{
	struct dns_record two[] = {
		{ .data = SPAN("v=TLSRPTv1; rua=mailto:a@x.example") },
		{ .data = SPAN("v=TLSRPTv1; rua=mailto:b@x.example") },
	};
	struct dns_answer answer = { .records = two, .count = 1 };
	struct arena a = { 0 };
	struct tls_rua rua;

	CHECK(tls_report_find_rua(&answer, &a, &rua));
	answer.count = 2;
	CHECK(!tls_report_find_rua(&answer, &a, &rua));
	answer.count = 0;
	CHECK(!tls_report_find_rua(&answer, &a, &rua));
	arena_release(&a);
}

static const struct tls_result rows[] = {
	{ "sts", "version: STSv1\nmode: enforce\nmx: mx.x.example\n"
	    "mx: *.y.example", "", "", "", "", "", 7 },
	{ "sts", "version: STSv1\nmode: enforce\nmx: mx.x.example\n"
	    "mx: *.y.example", "certificate-expired", "mx.x.example",
	    "192.0.2.1", "192.0.2.2", "say \"no\"\n", 2 },
	{ "tlsa", "3 1 1 ab01", "", "", "", "", "", 1 },
};

static const struct tls_report report = {
	.domain = "x.example", .day = 19844, .contact = "pm@our.example",
	.hostname = "mail.our.example", .rows = rows, .count = COUNT(rows),
};

#define JSON "{\"organization-name\":\"mail.our.example\",\"date-range\":{" \
	"\"start-datetime\":\"2024-05-01T00:00:00Z\"," \
	"\"end-datetime\":\"2024-05-02T00:00:00Z\"}," \
	"\"contact-info\":\"pm@our.example\"," \
	"\"report-id\":\"1714521600.x.example@mail.our.example\"," \
	"\"policies\":[{\"policy\":{\"policy-type\":\"sts\"," \
	"\"policy-string\":[\"version: STSv1\",\"mode: enforce\"," \
	"\"mx: mx.x.example\",\"mx: *.y.example\"]," \
	"\"policy-domain\":\"x.example\"," \
	"\"mx-host\":[\"mx.x.example\",\"*.y.example\"]}," \
	"\"summary\":{\"total-successful-session-count\":7," \
	"\"total-failure-session-count\":2},\"failure-details\":[{" \
	"\"result-type\":\"certificate-expired\"," \
	"\"sending-mta-ip\":\"192.0.2.2\"," \
	"\"receiving-mx-hostname\":\"mx.x.example\"," \
	"\"receiving-ip\":\"192.0.2.1\"," \
	"\"failure-reason-code\":\"say \\\"no\\\"\\u000a\"," \
	"\"failed-session-count\":2}]}," \
	"{\"policy\":{\"policy-type\":\"tlsa\"," \
	"\"policy-string\":[\"3 1 1 ab01\"]," \
	"\"policy-domain\":\"x.example\"}," \
	"\"summary\":{\"total-successful-session-count\":1," \
	"\"total-failure-session-count\":0}}]}\n"

TEST(test_tls_report_is_json)
{
	struct buf out = BUF_INIT;

	tls_report_put_json(&out, &report);
	CHECK_STR(out.p, JSON);
	buf_release(&out);
}

/* What gunzip would make of it. */
static void
unzip(struct span in, struct buf *out)
{
	z_stream z = { .zalloc = NULL };

	CHECK_EQ(inflateInit2(&z, 15 + 16), Z_OK);
	buf_reserve(out, 65536);
	z.next_in = (Bytef *)(uintptr_t)in.p;
	z.avail_in = (uInt)in.len;
	z.next_out = (Bytef *)out->p;
	z.avail_out = 65536;
	CHECK_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
	out->len = z.total_out;
	out->p[out->len] = '\0';
	CHECK_EQ(inflateEnd(&z), Z_OK);
}

TEST(test_tls_report_message_carries_it)
{
	struct tls_rua rua = { { "a@x.example", "b@x.example" }, 2 };
	struct base64_stream stream = { 0 };
	struct buf out = BUF_INIT, zip = BUF_INIT, json = BUF_INIT;
	const char *body, *end;

	tls_report_put_message(&out, &report, &rua, 1714600000, 1);
	CHECK(strstr(out.p, "From: <pm@our.example>\r\n"));
	CHECK(strstr(out.p, "To: <a@x.example>,\r\n <b@x.example>\r\n"));
	CHECK(strstr(out.p, "Subject: Report Domain: x.example\r\n"
	    " Submitter: our.example\r\n"
	    " Report-ID: <1714521600.x.example@mail.our.example>\r\n"));
	CHECK(strstr(out.p, "TLS-Report-Domain: x.example\r\n"));
	CHECK(strstr(out.p, "TLS-Report-Submitter: our.example\r\n"));
	CHECK(strstr(out.p, "filename=\"our.example!x.example!1714521600!"
	    "1714608000.json.gz\""));
	body = strstr(out.p, "Content-Type: application/tlsrpt+gzip");
	CHECK(body);
	body = strstr(body, "\r\n\r\n") + 4;
	end = strstr(body, "--=_");
	base64_stream_add(&stream, &zip, span_make(body,
	    (size_t)(end - body)));
	unzip(buf_span(&zip), &json);
	CHECK_STR(json.p, JSON);
	buf_release(&out);
	buf_release(&zip);
	buf_release(&json);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls_report_record_names_addresses),
		cmocka_unit_test(test_tls_report_wants_one_record),
		cmocka_unit_test(test_tls_report_is_json),
		cmocka_unit_test(test_tls_report_message_carries_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
