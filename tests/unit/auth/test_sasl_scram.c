#include <string.h>

#include "auth/passwd.h"
#include "auth/sasl.h"
#include "server/base/codec.h"
#include "tests/check.h"
#include "tests/unit/auth/scram_client.h"

#define VECTOR_NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"

/* One exchange: an account, both ends, and the TLS connection. */
struct fixture {
	struct cred_account *account;
	struct peer peer;
	struct sasl sasl;
	struct scram_client client;
	bool has_plus;
};

static void
add_cred(struct fixture *f, const char *password, enum cred_kind kind)
{
	const struct passwd_params params = { 1, 8192,
	    f->account->iterations };
	struct cred_account *a = f->account;

	CHECK_EQ(passwd_make_cred(span_of(password),
	    span_make((char *)a->salt, a->salt_len), kind, &params,
	    &a->creds[a->cred_count]), 0);
	a->creds[a->cred_count].id = 100 + a->cred_count;
	a->cred_count++;
}

static void
setup(struct fixture *f, const char *user, const char *password)
{
	*f = (struct fixture){ .account = xcalloc(1, sizeof *f->account) };
	f->account->found = true;
	f->account->iterations = 3;
	f->account->salt_len = 16;
	memcpy(f->account->salt, "saltsaltsaltsalt", 16);
	add_cred(f, "device one", CRED_DEVICE);
	add_cred(f, "pencil", CRED_PASSWORD);
	add_cred(f, "device two", CRED_DEVICE);
	f->peer.has_tls = true;
	f->peer.exporter_len = 32;
	memset(f->peer.exporter, 0xE7, 32);
	f->peer.endpoint_len = 32;
	memset(f->peer.endpoint, 0x11, 32);
	scram_client_init(&f->client, user, password);
}

static void
teardown(struct fixture *f)
{
	sasl_release(&f->sasl);
	scram_client_release(&f->client);
	free(f->account);
}

static enum sasl_step
first(struct fixture *f, enum sasl_mech mech)
{
	sasl_init(&f->sasl, mech, &f->peer, random_system(), f->has_plus);
	CHECK_EQ(sasl_start(&f->sasl), SASL_CONTINUE);
	CHECK_EQ(f->sasl.out.len, 0);
	scram_client_first(&f->client);
	return sasl_message(&f->sasl, buf_span(&f->client.first));
}

/* Both ends to the verdict, then teardown. */
static enum sasl_step
run(struct fixture *f, enum sasl_mech mech)
{
	enum sasl_step step = first(f, mech);

	if (step == SASL_ACCOUNT) {
		CHECK_EQ(sasl_account(&f->sasl, f->account), SASL_CONTINUE);
		CHECK(scram_client_final(&f->client, buf_span(&f->sasl.out)));
		step = sasl_message(&f->sasl, buf_span(&f->client.final));
	}
	if (step == SASL_OK)
		CHECK(scram_client_verify(&f->client,
		    buf_span(&f->sasl.out)));
	return step;
}

static void
check_error(struct fixture *f, const char *error)
{
	CHECK(strncmp(f->sasl.out.p, "e=", 2) == 0);
	CHECK_STR(f->sasl.out.p + 2, error);
	CHECK_STR(f->sasl.error, error);
}

TEST(test_scram_agrees_with_rfc_7677_section_3)
{
	const struct passwd_params params = { 1, 8192, 4096 };
	static const char server_first[] = "r=" VECTOR_NONCE
	    ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
	struct buf salt = BUF_INIT;
	struct fixture f;

	setup(&f, "user", "pencil");
	CHECK_EQ(base64_decode(&salt, SPAN("W22ZaJ0SNY7soEsUEjb6gQ==")), 0);
	CHECK_EQ(passwd_make_cred(SPAN("pencil"), buf_span(&salt),
	    CRED_DEVICE, &params, &f.account->creds[0]), 0);
	memcpy(f.account->salt, salt.p, salt.len);
	f.account->iterations = 4096;
	f.account->cred_count = 1;
	f.client.nonce = "rOprNGfwEbeRWgbNEkqO";
	CHECK_EQ(first(&f, SASL_SCRAM), SASL_ACCOUNT);
	CHECK_STR(f.client.first.p, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
	CHECK_SPAN(buf_span(&f.sasl.user), "user");
	CHECK_EQ(sasl_account(&f.sasl, f.account), SASL_CONTINUE);
	/* The RFC's server drew another nonce. */
	buf_clear(&f.sasl.scram.nonce);
	buf_adds(&f.sasl.scram.nonce, VECTOR_NONCE);
	buf_clear(&f.sasl.scram.server_first);
	buf_adds(&f.sasl.scram.server_first, server_first);
	CHECK_EQ(sasl_message(&f.sasl, SPAN("c=biws,r=" VECTOR_NONCE
	    ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")), SASL_OK);
	CHECK_SPAN(buf_span(&f.sasl.out),
	    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	buf_release(&salt);
	teardown(&f);
}

TEST(test_scram_proves_each_credential_to_a_foreign_client)
{
	static const char *const passwords[] = { "device one", "pencil",
	    "device two" };
	struct fixture f;

	for (size_t i = 0; i < COUNT(passwords); i++) {
		setup(&f, "ann", passwords[i]);
		CHECK_EQ(run(&f, SASL_SCRAM), SASL_OK);
		CHECK_EQ(f.sasl.cred, i);
		teardown(&f);
	}
}

TEST(test_scram_refuses_a_wrong_proof)
{
	struct fixture f;

	setup(&f, "ann", "pencils");
	CHECK_EQ(run(&f, SASL_SCRAM), SASL_WRONG);
	check_error(&f, "invalid-proof");
	/* Over is over. */
	CHECK_EQ(sasl_message(&f.sasl, buf_span(&f.client.final)), SASL_BAD);
	teardown(&f);
}

TEST(test_scram_proves_nothing_without_an_account)
{
	struct fixture f;

	setup(&f, "ann", "pencil");
	f.account->found = false;
	CHECK_EQ(run(&f, SASL_SCRAM), SASL_WRONG);
	check_error(&f, "invalid-proof");
	teardown(&f);
	setup(&f, "ann", "pencil");
	f.account->found = false;
	f.account->cred_count = 0;
	CHECK_EQ(run(&f, SASL_SCRAM), SASL_WRONG);
	check_error(&f, "invalid-proof");
	teardown(&f);
}

TEST(test_scram_plus_binds_to_the_connection)
{
	static const struct {
		const char *gs2;
		unsigned char fill;
	} ok[] = {
		{ "p=tls-exporter,,", 0xE7 },
		{ "p=tls-server-end-point,,", 0x11 },
	};
	unsigned char data[32];
	struct fixture f;

	for (size_t i = 0; i < COUNT(ok); i++) {
		memset(data, ok[i].fill, sizeof data);
		setup(&f, "ann", "pencil");
		f.has_plus = true;
		f.client.gs2 = ok[i].gs2;
		f.client.binding = span_make((char *)data, sizeof data);
		CHECK_EQ(run(&f, SASL_SCRAM_PLUS), SASL_OK);
		teardown(&f);
		/* Somebody between us has a connection of his own to each. */
		data[31] ^= 1;
		setup(&f, "ann", "pencil");
		f.has_plus = true;
		f.client.gs2 = ok[i].gs2;
		f.client.binding = span_make((char *)data, sizeof data);
		CHECK_EQ(run(&f, SASL_SCRAM_PLUS), SASL_WRONG);
		check_error(&f, "channel-bindings-dont-match");
		teardown(&f);
	}
}

TEST(test_scram_plus_refuses_bindings_it_does_not_have)
{
	static const char *const types[] = { "p=tls-unique,,",
	    "p=tls-exporter,,", "p=TLS-SERVER-END-POINT,," };
	struct fixture f;

	for (size_t i = 0; i < COUNT(types); i++) {
		setup(&f, "ann", "pencil");
		f.has_plus = true;
		f.peer.exporter_len = 0;
		f.client.gs2 = types[i];
		CHECK_EQ(run(&f, SASL_SCRAM_PLUS), SASL_BAD);
		check_error(&f, "unsupported-channel-binding-type");
		teardown(&f);
	}
}

TEST(test_scram_checks_the_binding_flag_against_what_was_offered)
{
	static const struct {
		enum sasl_mech mech;
		bool has_plus;
		const char *gs2;
		enum sasl_step step;
		const char *error;
	} rows[] = {
		{ SASL_SCRAM, false, "n,,", SASL_OK, NULL },
		{ SASL_SCRAM, true, "n,,", SASL_OK, NULL },
		{ SASL_SCRAM, false, "y,,", SASL_OK, NULL },
		{ SASL_SCRAM, true, "y,,", SASL_BAD,
		    "server-does-support-channel-binding" },
		{ SASL_SCRAM, true, "p=tls-exporter,,", SASL_BAD,
		    "other-error" },
		{ SASL_SCRAM_PLUS, true, "n,,", SASL_BAD, "other-error" },
		{ SASL_SCRAM_PLUS, true, "y,,", SASL_BAD, "other-error" },
		{ SASL_SCRAM_PLUS, true, "p=,,", SASL_BAD,
		    "invalid-encoding" },
		{ SASL_SCRAM, true, "q,,", SASL_BAD, "invalid-encoding" },
	};
	struct fixture f;

	for (size_t i = 0; i < COUNT(rows); i++) {
		setup(&f, "ann", "pencil");
		f.has_plus = rows[i].has_plus;
		f.client.gs2 = rows[i].gs2;
		CHECK_EQ(run(&f, rows[i].mech), rows[i].step);
		if (rows[i].error)
			check_error(&f, rows[i].error);
		teardown(&f);
	}
}

TEST(test_scram_notices_a_changed_header_in_the_end)
{
	struct fixture f;

	/* c= says "y,,": somebody made "n,,n=..." of "y,,n=..." before. */
	setup(&f, "ann", "pencil");
	CHECK_EQ(first(&f, SASL_SCRAM), SASL_ACCOUNT);
	CHECK_EQ(sasl_account(&f.sasl, f.account), SASL_CONTINUE);
	f.client.gs2 = "y,,";
	CHECK(scram_client_final(&f.client, buf_span(&f.sasl.out)));
	CHECK_EQ(sasl_message(&f.sasl, buf_span(&f.client.final)),
	    SASL_WRONG);
	check_error(&f, "channel-bindings-dont-match");
	teardown(&f);
}

TEST(test_scram_wants_its_own_nonce_back)
{
	struct fixture f;

	setup(&f, "ann", "pencil");
	CHECK_EQ(first(&f, SASL_SCRAM), SASL_ACCOUNT);
	CHECK_EQ(sasl_account(&f.sasl, f.account), SASL_CONTINUE);
	CHECK(scram_client_final(&f.client, buf_span(&f.sasl.out)));
	buf_adds(&f.sasl.scram.nonce, "x");
	CHECK_EQ(sasl_message(&f.sasl, buf_span(&f.client.final)),
	    SASL_WRONG);
	check_error(&f, "other-error");
	teardown(&f);
}

TEST(test_scram_draws_a_new_nonce_each_time)
{
	struct buf before = BUF_INIT;
	struct fixture f;

	setup(&f, "ann", "pencil");
	CHECK_EQ(run(&f, SASL_SCRAM), SASL_OK);
	buf_addspan(&before, buf_span(&f.sasl.scram.nonce));
	teardown(&f);
	setup(&f, "ann", "pencil");
	CHECK_EQ(run(&f, SASL_SCRAM), SASL_OK);
	CHECK(!span_eq(buf_span(&before), buf_span(&f.sasl.scram.nonce)));
	CHECK(f.sasl.scram.nonce.len == strlen(f.client.nonce) + 24);
	teardown(&f);
	buf_release(&before);
}

TEST(test_scram_acts_for_nobody_else)
{
	struct fixture f;

	setup(&f, "ann", "pencil");
	f.client.gs2 = "n,a=Ann,";
	CHECK_EQ(run(&f, SASL_SCRAM), SASL_OK);
	teardown(&f);
	setup(&f, "ann", "pencil");
	f.client.gs2 = "n,a=bob,";
	CHECK_EQ(run(&f, SASL_SCRAM), SASL_WRONG);
	check_error(&f, "other-error");
	teardown(&f);
}

TEST(test_scram_decodes_names)
{
	struct fixture f;

	setup(&f, "a=2Cb=3Dc=2c", "pencil");
	CHECK_EQ(run(&f, SASL_SCRAM), SASL_OK);
	CHECK_SPAN(buf_span(&f.sasl.user), "a,b=c,");
	teardown(&f);
}

TEST(test_scram_ignores_unknown_extensions)
{
	struct fixture f;

	setup(&f, "ann", "pencil");
	f.client.extra = ",x=what,Y=ever";
	CHECK_EQ(run(&f, SASL_SCRAM), SASL_OK);
	teardown(&f);
}

TEST(test_scram_refuses_bad_first_messages)
{
	static const struct {
		struct span in;
		const char *error;
	} bad[] = {
		{ SPAN(""), "invalid-encoding" },
		{ SPAN("n"), "invalid-encoding" },
		{ SPAN("n,"), "invalid-encoding" },
		{ SPAN("n,,"), "invalid-encoding" },
		{ SPAN("n,,n=ann"), "invalid-encoding" },
		{ SPAN("n,,n=ann,"), "invalid-encoding" },
		{ SPAN("n,,n=ann,r="), "invalid-encoding" },
		{ SPAN("n,,n=,r=abc"), "invalid-encoding" },
		{ SPAN("n,,r=abc,n=ann"), "invalid-encoding" },
		{ SPAN("n,,n=ann,r=abc,"), "invalid-encoding" },
		{ SPAN("n,,n=ann,r=abc,x"), "invalid-encoding" },
		{ SPAN("n,,n=ann,r=abc,x="), "invalid-encoding" },
		{ SPAN("n,,n=ann,r=abc,m=1"), "invalid-encoding" },
		{ SPAN("n,,n=ann,r=a\x7F" "c"), "invalid-encoding" },
		{ SPAN("n,,n=ann,r=a c"), "invalid-encoding" },
		{ SPAN("n,,n=an\0n,r=abc"), "invalid-encoding" },
		{ SPAN("n,,n=ann\xFF,r=abc"), "invalid-encoding" },
		{ SPAN("n,a=,n=ann,r=abc"), "invalid-encoding" },
		{ SPAN("n,b=ann,n=ann,r=abc"), "invalid-encoding" },
		{ SPAN("N,,n=ann,r=abc"), "invalid-encoding" },
		{ SPAN("n,,m=1,n=ann,r=abc"), "extensions-not-supported" },
		{ SPAN("n,,n=a=nn,r=abc"), "invalid-username-encoding" },
		{ SPAN("n,,n=ann=,r=abc"), "invalid-username-encoding" },
		{ SPAN("n,a=x=2D,n=ann,r=abc"), "invalid-username-encoding" },
	};
	struct fixture f;

	for (size_t i = 0; i < COUNT(bad); i++) {
		setup(&f, "ann", "pencil");
		sasl_init(&f.sasl, SASL_SCRAM, &f.peer, random_system(),
		    false);
		CHECK_EQ(sasl_message(&f.sasl, bad[i].in), SASL_BAD);
		check_error(&f, bad[i].error);
		teardown(&f);
	}
}

/* "$" stands for the whole nonce. */
static void
expand(struct buf *out, const char *text, struct span nonce)
{
	buf_clear(out);
	for (; *text; text++) {
		if (*text == '$')
			buf_addspan(out, nonce);
		else
			buf_addc(out, *text);
	}
}

TEST(test_scram_refuses_bad_final_messages)
{
	static const struct {
		const char *in;
		enum sasl_step step;
	} bad[] = {
		{ "", SASL_BAD },
		{ "c=biws", SASL_BAD },
		{ "c=biws,r=$", SASL_BAD },
		{ "c=biws,r=$,p=", SASL_BAD },
		{ "c=biws,r=$,p=!!!!", SASL_BAD },
		{ "c=biws,r=$,p=AAAA", SASL_BAD },
		{ "c=biws,r=$,m=1,p=AAAA", SASL_BAD },
		{ "c=biws,r=$,p=AAAA,x=1", SASL_BAD },
		{ "r=$,c=biws,p=AAAA", SASL_BAD },
		{ "c=biws,p=AAAA", SASL_BAD },
		{ "c=!,r=$,p=AAAA", SASL_WRONG },
		{ "c=eSws,r=$,p=AAAA", SASL_WRONG },
		{ "c=biws,r=x$,p=AAAA", SASL_WRONG },
		{ "c=biws,r=$,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		    SASL_WRONG },
	};
	struct buf m = BUF_INIT;
	struct fixture f;

	for (size_t i = 0; i < COUNT(bad); i++) {
		setup(&f, "ann", "pencil");
		CHECK_EQ(first(&f, SASL_SCRAM), SASL_ACCOUNT);
		CHECK_EQ(sasl_account(&f.sasl, f.account), SASL_CONTINUE);
		expand(&m, bad[i].in, buf_span(&f.sasl.scram.nonce));
		CHECK_EQ(sasl_message(&f.sasl, buf_span(&m)), bad[i].step);
		teardown(&f);
	}
	buf_release(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scram_agrees_with_rfc_7677_section_3),
		cmocka_unit_test(
		    test_scram_proves_each_credential_to_a_foreign_client),
		cmocka_unit_test(test_scram_refuses_a_wrong_proof),
		cmocka_unit_test(test_scram_proves_nothing_without_an_account),
		cmocka_unit_test(test_scram_plus_binds_to_the_connection),
		cmocka_unit_test(
		    test_scram_plus_refuses_bindings_it_does_not_have),
		cmocka_unit_test(
		    test_scram_checks_the_binding_flag_against_what_was_offered),
		cmocka_unit_test(
		    test_scram_notices_a_changed_header_in_the_end),
		cmocka_unit_test(test_scram_wants_its_own_nonce_back),
		cmocka_unit_test(test_scram_draws_a_new_nonce_each_time),
		cmocka_unit_test(test_scram_acts_for_nobody_else),
		cmocka_unit_test(test_scram_decodes_names),
		cmocka_unit_test(test_scram_ignores_unknown_extensions),
		cmocka_unit_test(test_scram_refuses_bad_first_messages),
		cmocka_unit_test(test_scram_refuses_bad_final_messages),
	};

	if (base_random_start() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
