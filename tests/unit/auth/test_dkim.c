#include "auth/dkim_verify.h"

#include "tests/unit/auth/policy_fixture.h"

/* The message of RFC 8463 appendix A, with its two signatures. */
#define NOW 1528637909

#define SIG_ED25519 \
	"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n" \
	" d=football.example.com; i=@football.example.com;\r\n" \
	" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n" \
	" subject : date : message-id : from : subject : date;\r\n" \
	" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n" \
	" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n" \
	" Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"

#define SIG_RSA \
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n" \
	" d=football.example.com; i=@football.example.com;\r\n" \
	" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n" \
	" date : message-id : from : subject : date;\r\n" \
	" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n" \
	" b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n" \
	" DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n" \
	" dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"

#define HEADER \
	"From: Joe SixPack <joe@football.example.com>\r\n" \
	"To: Suzie Q <suzie@shopping.example.net>\r\n" \
	"Subject: Is dinner ready?\r\n" \
	"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n" \
	"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"

#define BODY \
	"Hi.\r\n" \
	"\r\n" \
	"We lost the game.  Are you hungry yet?\r\n" \
	"\r\n" \
	"Joe.\r\n" \
	"\r\n"

static const char *const zone[] = {
	"brisbane._domainkey.football.example.com TXT v=DKIM1; k=ed25519; "
	    "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
	"test._domainkey.football.example.com TXT v=DKIM1; k=rsa; "
	    "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3id"
	    "Y6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/B"
	    "C/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip"
	    "3G+2kryOTIKT+l/K4w3QIDAQAB",
	NULL
};

/* Runs all of it; returns the verifier, owned. */
static struct dkim_verifier *
run(struct policy_fixture *x, struct span header, struct span body,
    size_t step, int64_t now_s)
{
	struct dkim_verifier *v = dkim_verifier_new(header, now_s);
	struct dkim_verify_job *j;

	if (!v)
		return NULL;
	for (size_t at = 0; at < body.len; at += step)
		dkim_verifier_body(v, body.p + at, MIN(step, body.len - at));
	dkim_verifier_end(v);
	while (!dkim_verifier_keys(v, &x->facts))
		policy_ask(x);
	if (!dkim_verifier_needs_job(v))
		return v;
	j = dkim_verify_job_new(v, &x->home, NULL);
	j->j.run(&j->j);
	CHECK(dkim_verify_job_take(j) == v);
	op_free(&j->j.op);
	CHECK(!dkim_verifier_needs_job(v));
	return v;
}

/* The first signature of a message in that zone, or one with more records. */
static void
check_one(const char *const *records, const char *header, const char *body,
    int64_t now_s, enum dkim_result result, const char *reason)
{
	struct policy_fixture x;
	struct dkim_verifier *v;

	policy_start(&x, records);
	v = run(&x, span_of(header), span_of(body), 7, now_s);
	CHECK(v && v->count > 0);
	if (v->sigs[0].result != result || (reason &&
	    strcmp(v->sigs[0].reason, reason) != 0))
		fail_msg("%s (%s), not %s (%s)",
		    dkim_result_name(v->sigs[0].result), v->sigs[0].reason,
		    dkim_result_name(result), reason ? reason : "");
	dkim_verifier_free(v);
	policy_finish(&x);
}

TEST(test_dkim_verifies_the_example_of_rfc_8463)
{
	static const char header[] = SIG_ED25519 SIG_RSA HEADER "\r\n";
	struct policy_fixture x;
	struct dkim_verifier *v;

	for (size_t step = 1; step < sizeof BODY; step += 3) {
		policy_start(&x, zone);
		v = run(&x, span_of(header), SPAN(BODY), step, NOW);
		CHECK_EQ(v->count, 2);
		CHECK_EQ(v->sigs[0].result, DKIM_PASS);
		CHECK_EQ(v->sigs[1].result, DKIM_PASS);
		CHECK_SPAN(v->sigs[0].domain, "football.example.com");
		CHECK_SPAN(v->sigs[0].selector, "brisbane");
		CHECK_SPAN(v->sigs[0].identity, "@football.example.com");
		CHECK_SPAN(span_head(v->sigs[1].b, 8), "F45dVWDf");
		CHECK_EQ(v->sigs[1].key_bits, 1024);
		CHECK_STR(v->sigs[1].reason,
		    "a weak key of less than 2048 bits");
		dkim_verifier_free(v);
		policy_finish(&x);
	}
}

TEST(test_dkim_survives_what_relaxed_allows)
{
	check_one(zone, "Received: by way of others\r\n" SIG_RSA
	    "FROM:  Joe\r\n SixPack\t<joe@football.example.com>  \r\n"
	    "X-New: yes\r\n"
	    "To: Suzie Q <suzie@shopping.example.net>\r\n"
	    "Subject: Is dinner ready?\r\n"
	    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
	    "Message-ID: <20030712040037.46341.5F8J@football.example.com>"
	    "\r\n\r\n", "Hi. \r\n\r\nWe lost the game. Are you\thungry yet?"
	    "\r\n\r\nJoe.\r\n\r\n\r\n", NOW, DKIM_PASS, NULL);
}

TEST(test_dkim_fails_what_was_changed)
{
	check_one(zone, SIG_RSA HEADER "\r\n", "Hi?\r\n", NOW, DKIM_FAIL,
	    "the body has been changed");
	check_one(zone, SIG_RSA "Subject: another\r\n" HEADER "\r\n", BODY,
	    NOW, DKIM_FAIL, "the header has been changed");
	check_one(zone, SIG_RSA HEADER "Subject: another\r\n\r\n", BODY, NOW,
	    DKIM_FAIL, "the header has been changed");
	check_one(zone, SIG_ED25519 HEADER "From: eve@example.net\r\n\r\n",
	    BODY, NOW, DKIM_FAIL, "the header has been changed");
}

/* A signature with one part of it exchanged for another. */
static void
check_changed(const char *from, const char *to, enum dkim_result result,
    const char *reason)
{
	static const char sig[] = SIG_RSA;
	const char *at = strstr(sig, from);
	struct buf header = BUF_INIT;

	CHECK(at != NULL);
	buf_add(&header, sig, (size_t)(at - sig));
	buf_adds(&header, to);
	buf_adds(&header, at + strlen(from));
	buf_adds(&header, HEADER "\r\n");
	check_one(zone, header.p, BODY, NOW, result, reason);
	buf_release(&header);
}

TEST(test_dkim_signatures_are_read_strictly)
{
	static const struct {
		const char *from, *to;
		enum dkim_result result;
		const char *reason;
	} v[] = {
		{ "v=1", "v=2", DKIM_PERMERROR,
		    "a version that is not known" },
		{ "v=1;", "", DKIM_PERMERROR,
		    "no signature that can be read" },
		{ "rsa-sha256", "rsa-sha1", DKIM_PERMERROR,
		    "rsa-sha1 is not secure" },
		{ "rsa-sha256", "dsa-sha256", DKIM_PERMERROR,
		    "an algorithm that is not known" },
		{ "rsa-sha256", "ed25519-sha256", DKIM_PERMERROR,
		    "the key is of another kind" },
		{ "relaxed/relaxed", "relaxed/nofws", DKIM_PERMERROR,
		    "a canonical form that is not known" },
		{ "s=test", "s=none", DKIM_PERMERROR,
		    "there is no such key" },
		{ "s=test", "s=a/b", DKIM_PERMERROR,
		    "a domain or selector that is no name" },
		{ "i=@football.example.com", "i=@ootball.example.com",
		    DKIM_PERMERROR, "i= is not within d=" },
		{ "i=@football.example.com", "i=@example.com",
		    DKIM_PERMERROR, "i= is not within d=" },
		{ "q=dns/txt", "q=ldap", DKIM_PERMERROR,
		    "keys that are not in DNS" },
		{ "h=from : to", "h=fro : to", DKIM_FAIL, NULL },
		{ "t=1528637909", "t=1528638600", DKIM_POLICY,
		    "signed in the future" },
		{ "t=1528637909", "t=1; x=1528637908", DKIM_POLICY,
		    "has expired" },
		{ "t=1528637909", "t=2; x=1", DKIM_PERMERROR,
		    "expires before it was made" },
		{ "t=1528637909", "t=soon", DKIM_PERMERROR,
		    "a time that is no number" },
		{ "t=1528637909", "t=1528637909; l=1000", DKIM_PERMERROR,
		    "l= is more than there is" },
		{ "t=1528637909", "t=1528637909; l=x", DKIM_PERMERROR,
		    "a length that is no number" },
		{ "bh=2jUS", "bh=2jU", DKIM_PERMERROR,
		    "a hash or signature that is no base64" },
		{ "b=F45d", "b=F45", DKIM_PERMERROR,
		    "a hash or signature that is no base64" },
		{ "bh=2jUS", "bh=3jUS", DKIM_FAIL,
		    "the body has been changed" },
		{ "b=F45d", "b=G45d", DKIM_FAIL,
		    "the header has been changed" },
		{ "bh=", "bh=;bh=", DKIM_PERMERROR,
		    "no signature that can be read" },
	};

	for (size_t i = 0; i < COUNT(v); i++)
		check_changed(v[i].from, v[i].to, v[i].result, v[i].reason);
	check_one(zone, "DKIM-Signature: v=1; a=rsa-sha256; d=football."
	    "example.com; s=test; h=to; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7X"
	    "IkfJVOzv8=; b=AAAA; c=relaxed/relaxed\r\n" HEADER "\r\n", BODY,
	    NOW, DKIM_PERMERROR, "From is not signed");
}

TEST(test_dkim_keys_are_read_strictly)
{
	static const struct {
		const char *record;
		enum dkim_result result;
		const char *reason;
	} v[] = {
		{ "v=DKIM1; p=", DKIM_PERMERROR, "the key has been revoked" },
		{ "v=DKIM2; p=AAAA", DKIM_PERMERROR,
		    "a key record that cannot be read" },
		{ "v=DKIM1; k=rsa", DKIM_PERMERROR,
		    "a key record that cannot be read" },
		{ "nothing of the kind", DKIM_PERMERROR,
		    "a key record that cannot be read" },
		{ "h=sha1; p=AAAA", DKIM_PERMERROR,
		    "the key is not for sha256" },
		{ "s=tlsrpt; p=AAAA", DKIM_PERMERROR,
		    "the key is not for mail" },
		{ "k=ed25519; p=AAAA", DKIM_PERMERROR,
		    "the key is of another kind" },
		{ "p=AAAA!", DKIM_PERMERROR, "a key that is no base64" },
		{ "p=AAAA", DKIM_PERMERROR, "a key that cannot be read" },
		/* 512 bits. */
		{ "p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMI4MCh/l7H0zx7dseUcgP"
		    "L539tSVizzRWlhtwa5Bc2dkB9LWosX0PZVelxY0Zn8vq67lIxb5Pkb"
		    "j+PbXWpGAzUCAwEAAQ==", DKIM_PERMERROR,
		    "a key of less than 1024 bits" },
		{ "servfail", DKIM_TEMPERROR, "no answer of DNS" },
		{ "timeout", DKIM_TEMPERROR, "no answer of DNS" },
	};
	static const char *const none[] = { NULL };

	for (size_t i = 0; i < COUNT(v); i++) {
		struct buf line = BUF_INIT;
		const char *records[2] = { NULL, NULL };

		buf_printf(&line, "test._domainkey.football.example.com "
		    "TXT %s", v[i].record);
		records[0] = line.p;
		check_one(records, SIG_RSA HEADER "\r\n", BODY, NOW,
		    v[i].result, v[i].reason);
		buf_release(&line);
	}
	check_one(none, SIG_RSA HEADER "\r\n", BODY, NOW, DKIM_PERMERROR,
	    "there is no such key");
}

TEST(test_dkim_looks_at_eight_signatures)
{
	struct buf header = BUF_INIT;
	struct policy_fixture x;
	struct dkim_verifier *v;

	for (unsigned i = 0; i < 1000; i++)
		buf_adds(&header, SIG_RSA);
	buf_adds(&header, HEADER "\r\n");
	policy_start(&x, zone);
	v = run(&x, span_from(buf_span(&header), strlen(SIG_RSA) * 900),
	    SPAN(BODY), 100, NOW);
	CHECK_EQ(v->count, DKIM_SIGNATURES_MAX);
	CHECK(v->has_more);
	CHECK_EQ(v->hash_count, 1);
	CHECK_EQ(v->sigs[7].result, DKIM_PASS);
	dkim_verifier_free(v);
	/* A header that is too long to be kept is no pass. */
	CHECK(header.len > DKIM_HEADER_MAX);
	v = run(&x, buf_span(&header), SPAN(BODY), 100, NOW);
	CHECK_EQ(v->count, DKIM_SIGNATURES_MAX);
	CHECK_EQ(v->sigs[0].result, DKIM_PERMERROR);
	CHECK(dkim_verifier_memory(v) < 64 * 1024);
	dkim_verifier_free(v);
	CHECK(dkim_verifier_new(SPAN(HEADER "\r\n"), NOW) == NULL);
	buf_release(&header);
	policy_finish(&x);
}

/* ---- what we sign ourselves ---- */

static void
sign(struct buf *out, const struct dkim_key *keys, size_t count,
    struct span header, struct span body)
{
	struct dkim_signer *s = dkim_signer_new();
	struct dkim_sign_job *j;

	for (size_t i = 0; i < body.len; i++)
		dkim_signer_body(s, body.p + i, 1);
	j = dkim_sign_job_new(s, NULL, NULL, keys, count, header, NOW);
	j->j.run(&j->j);
	CHECK_EQ(j->j.op.err, 0);
	buf_addspan(out, buf_span(&j->field));
	op_free(&j->j.op);
}

TEST(test_dkim_verifies_what_it_signs)
{
	static const char header[] = HEADER "Cc: a@b.example\r\n"
	    "MIME-Version: 1.0\r\nX-Other: z\r\n\r\n";
	struct dkim_key_job *keys[2];
	struct dkim_key k[2];
	struct buf signed_header = BUF_INIT, record = BUF_INIT;
	static const char *const none[] = { NULL };
	static const char *const selectors[] = { "r1", "e1" };
	struct policy_fixture x;
	struct dkim_verifier *v;

	policy_start(&x, none);
	for (size_t i = 0; i < 2; i++) {
		keys[i] = dkim_key_job_new(NULL, NULL, "example.org",
		    i ? DKIM_ED25519_SHA256 : DKIM_RSA_SHA256);
		keys[i]->j.run(&keys[i]->j);
		CHECK_EQ(keys[i]->j.op.err, 0);
		k[i] = (struct dkim_key){ "example.org", selectors[i],
		    buf_span(&keys[i]->der), keys[i]->algorithm };
		buf_clear(&record);
		buf_printf(&record, "%s._domainkey.example.org",
		    selectors[i]);
		CHECK(zone_add(&x.zone, buf_span(&record), SPAN("TXT"),
		    buf_span(&keys[i]->record), SPAN("")));
	}
	sign(&signed_header, k, 2, span_of(header), SPAN(BODY "\r\n\r\n"));
	for (size_t at = 0, start = 0; at < signed_header.len; at++)
		if (signed_header.p[at] == '\n') {
			CHECK(at - start < 80);
			start = at + 1;
		}
	buf_adds(&signed_header, header);
	v = run(&x, buf_span(&signed_header), SPAN(BODY), 11, NOW);
	CHECK_EQ(v->count, 2);
	CHECK_EQ(v->sigs[0].result, DKIM_PASS);
	CHECK_EQ(v->sigs[0].key_bits, 2048);
	CHECK_EQ(v->sigs[1].result, DKIM_PASS);
	dkim_verifier_free(v);
	/* Nobody adds another of the fields that say who and what. */
	buf_truncate(&signed_header, signed_header.len - 2);
	buf_adds(&signed_header, "Content-Type: text/html\r\n\r\n");
	v = run(&x, buf_span(&signed_header), SPAN(BODY), 11, NOW);
	CHECK_EQ(v->sigs[0].result, DKIM_FAIL);
	CHECK_EQ(v->sigs[1].result, DKIM_FAIL);
	dkim_verifier_free(v);
	for (size_t i = 0; i < 2; i++)
		op_free(&keys[i]->j.op);
	buf_release(&signed_header);
	buf_release(&record);
	policy_finish(&x);
}

TEST(test_dkim_l_covers_what_it_says_and_no_more)
{
	static const char sig[] = "DKIM-Signature: v=1; a=rsa-sha256; "
	    "c=relaxed/simple; d=football.example.com; s=test; h=from; l=3; "
	    "bh=ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=; b=AAAA\r\n";

	/* bh= is that of "abc"; the signature itself is none. */
	check_one(zone, sig, "abcdef\r\n", NOW, DKIM_FAIL,
	    "the header has been changed");
	check_one(zone, sig, "abd\r\n", NOW, DKIM_FAIL,
	    "the body has been changed");
}

TEST(test_dkim_selectors_tell_the_day)
{
	struct buf out = BUF_INIT;

	dkim_selector_make(&out, 1780185600, DKIM_RSA_SHA256);
	CHECK_STR(out.p, "kp20260531");
	buf_clear(&out);
	dkim_selector_make(&out, 1780185600, DKIM_ED25519_SHA256);
	CHECK_STR(out.p, "kp20260531e");
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dkim_verifies_the_example_of_rfc_8463),
		cmocka_unit_test(test_dkim_survives_what_relaxed_allows),
		cmocka_unit_test(test_dkim_fails_what_was_changed),
		cmocka_unit_test(test_dkim_signatures_are_read_strictly),
		cmocka_unit_test(test_dkim_keys_are_read_strictly),
		cmocka_unit_test(test_dkim_looks_at_eight_signatures),
		cmocka_unit_test(test_dkim_verifies_what_it_signs),
		cmocka_unit_test(
		    test_dkim_l_covers_what_it_says_and_no_more),
		cmocka_unit_test(test_dkim_selectors_tell_the_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
