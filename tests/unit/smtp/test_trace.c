#include "tests/check.h"

#include "smtp/deliver.h"

static const struct peer plain = { .addr = "192.0.2.1" };
static const struct peer secure = {
	.addr = "2001:db8::1", .has_tls = true, .tls_version = "TLSv1.3",
	.tls_cipher = "AES"
};

static struct trace
make_trace(const struct peer *peer)
{
	return (struct trace){
		.peer = peer, .hello = "mx.example.net", .is_esmtp = true,
		.hostname = "mail.example.org", .id = "0123",
		.now_s = 1714557600, .from = SPAN("bob@example.net")
	};
}

TEST(test_prefix_has_the_three_fields)
{
	struct trace t = make_trace(&plain);
	struct buf out = BUF_INIT;

	deliver_put_prefix(&out, &t, SPAN("ann@example.org"), true);
	CHECK_STR(out.p, "Return-Path: <bob@example.net>\r\n"
	    "Delivered-To: ann@example.org\r\n"
	    "Received: from mx.example.net ([192.0.2.1])\r\n"
	    "\tby mail.example.org (Kingpost) with ESMTP id 0123\r\n"
	    "\tfor <ann@example.org>;\r\n"
	    "\tWed, 01 May 2024 10:00:00 +0000\r\n");
	buf_release(&out);
}

TEST(test_prefix_names_no_other_recipient)
{
	struct trace t = make_trace(&plain);
	struct buf out = BUF_INIT;

	deliver_put_prefix(&out, &t, SPAN("ann@example.org"), false);
	CHECK(!strstr(out.p, "for <"));
	buf_release(&out);
}

TEST(test_prefix_tells_tls_and_its_cipher)
{
	struct trace t = make_trace(&secure);
	struct buf out = BUF_INIT;

	t.from = SPAN("");
	deliver_put_prefix(&out, &t, SPAN("ann@example.org"), false);
	CHECK(strstr(out.p, "Return-Path: <>\r\n"));
	CHECK(strstr(out.p, "([IPv6:2001:db8::1])\r\n"));
	CHECK(strstr(out.p, " with ESMTPS id "));
	CHECK(strstr(out.p, "\r\n\t(TLSv1.3 AES);\r\n"));
	buf_release(&out);
}

TEST(test_prefix_knows_the_protocols_of_rfc_3848_and_6531)
{
	static const struct {
		bool is_esmtp, is_logged_in, is_utf8, has_tls;
		const char *with;
	} rows[] = {
		{ false, false, false, false, " with SMTP id" },
		{ true, false, false, false, " with ESMTP id" },
		{ true, true, false, false, " with ESMTPA id" },
		{ true, false, false, true, " with ESMTPS id" },
		{ true, true, false, true, " with ESMTPSA id" },
		{ true, false, true, false, " with UTF8SMTP id" },
		{ true, true, true, true, " with UTF8SMTPSA id" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct trace t = make_trace(rows[i].has_tls ? &secure :
		    &plain);
		struct buf out = BUF_INIT;

		t.is_esmtp = rows[i].is_esmtp;
		t.is_logged_in = rows[i].is_logged_in;
		t.is_utf8 = rows[i].is_utf8;
		deliver_put_prefix(&out, &t, SPAN("a@b"), true);
		CHECK(strstr(out.p, rows[i].with));
		buf_release(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefix_has_the_three_fields),
		cmocka_unit_test(test_prefix_names_no_other_recipient),
		cmocka_unit_test(test_prefix_tells_tls_and_its_cipher),
		cmocka_unit_test(
		    test_prefix_knows_the_protocols_of_rfc_3848_and_6531),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
