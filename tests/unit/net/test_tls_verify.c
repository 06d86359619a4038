/*
 * Which certificates satisfy what is asked for, with chains made here.
 */
#include <mbedtls/ecp.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>

#include <stdio.h>

#include "server/base/err.h"
#include "server/base/random.h"
#include "server/net/tls_priv.h"
#include "tests/check.h"

#define LONG_AGO "20200101000000"
#define LONG_GONE "20210101000000"
#define FAR_AHEAD "20990101000000"

struct issued {
	mbedtls_pk_context key;
	mbedtls_x509_crt crt;
	char name[64];
};

struct recipe {
	const struct issued *issuer;	/* NULL: itself */
	const char *cn;
	const char *san;		/* NULL: none */
	const char *until;		/* NULL: FAR_AHEAD */
	bool is_ca;
	bool is_client;			/* extended key usage: clients only */
};

static void
set_san(mbedtls_x509write_cert *w, const char *name)
{
	unsigned char der[128];
	size_t n = strlen(name);

	der[0] = MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE;
	der[1] = (unsigned char)(n + 2);
	der[2] = MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_X509_SAN_DNS_NAME;
	der[3] = (unsigned char)n;
	memcpy(der + 4, name, n);
	CHECK_EQ(mbedtls_x509write_crt_set_extension(w,
	    MBEDTLS_OID_SUBJECT_ALT_NAME,
	    MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, der, n + 4),
	    0);
}

static void
set_client_usage(mbedtls_x509write_cert *w)
{
	static const unsigned char client_auth[] = {
		0x30, 0x0a, 0x06, 0x08,
		0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02
	};

	CHECK_EQ(mbedtls_x509write_crt_set_extension(w,
	    MBEDTLS_OID_EXTENDED_KEY_USAGE,
	    MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0, client_auth,
	    sizeof client_auth), 0);
}

static void
set_serial(mbedtls_x509write_cert *w)
{
#if MBEDTLS_IS_3
	unsigned char one = 1;

	CHECK_EQ(mbedtls_x509write_crt_set_serial_raw(w, &one, 1), 0);
#else
	mbedtls_mpi n;

	mbedtls_mpi_init(&n);
	CHECK_EQ(mbedtls_mpi_lset(&n, 1), 0);
	CHECK_EQ(mbedtls_x509write_crt_set_serial(w, &n), 0);
	mbedtls_mpi_free(&n);
#endif
}

static void
make_key(mbedtls_pk_context *key)
{
	mbedtls_pk_init(key);
	CHECK_EQ(mbedtls_pk_setup(key,
	    mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
	CHECK_EQ(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1,
	    mbedtls_pk_ec(*key), net_rng, random_system()), 0);
}

static void
issue(struct issued *out, const struct recipe *r)
{
	const struct issued *issuer = r->issuer ? r->issuer : out;
	unsigned char der[4096];
	mbedtls_x509write_cert w;
	int n;

	(void)snprintf(out->name, sizeof out->name, "CN=%s", r->cn);
	make_key(&out->key);
	mbedtls_x509_crt_init(&out->crt);
	mbedtls_x509write_crt_init(&w);
	mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(&w, &out->key);
	mbedtls_x509write_crt_set_issuer_key(&w,
	    (mbedtls_pk_context *)(uintptr_t)&issuer->key);
	set_serial(&w);
	CHECK_EQ(mbedtls_x509write_crt_set_subject_name(&w, out->name), 0);
	CHECK_EQ(mbedtls_x509write_crt_set_issuer_name(&w, issuer->name), 0);
	CHECK_EQ(mbedtls_x509write_crt_set_validity(&w, LONG_AGO,
	    r->until ? r->until : FAR_AHEAD), 0);
	CHECK_EQ(mbedtls_x509write_crt_set_basic_constraints(&w, r->is_ca,
	    -1), 0);
	if (r->san)
		set_san(&w, r->san);
	if (r->is_client)
		set_client_usage(&w);
	n = mbedtls_x509write_crt_der(&w, der, sizeof der, net_rng,
	    random_system());
	CHECK(n > 0);
	CHECK_EQ(mbedtls_x509_crt_parse_der(&out->crt,
	    der + sizeof der - (size_t)n, (size_t)n), 0);
	mbedtls_x509write_crt_free(&w);
}

static void
issued_free(struct issued *i)
{
	mbedtls_pk_free(&i->key);
	mbedtls_x509_crt_free(&i->crt);
}

/* ---- an authority, and what it has issued ---- */

enum { ROOT, MIDDLE, HOST, WILD, EXPIRED, ONLY_CN, CLIENT, STRANGER, CERTS };

struct fixture {
	struct issued made[CERTS];
	mbedtls_x509_crt chain;		/* as a server shows it */
	unsigned char digest[64];
};

static void
start(struct fixture *x)
{
	const struct recipe recipes[CERTS] = {
		[ROOT] = { NULL, "root", NULL, NULL, true, false },
		[MIDDLE] = { &x->made[ROOT], "middle", NULL, NULL, true,
		    false },
		[HOST] = { &x->made[MIDDLE], "host", "mx.example.org", NULL,
		    false, false },
		[WILD] = { &x->made[MIDDLE], "wild", "*.example.org", NULL,
		    false, false },
		[EXPIRED] = { &x->made[MIDDLE], "old", "mx.example.org",
		    LONG_GONE, false, false },
		[ONLY_CN] = { &x->made[MIDDLE], "mx.example.org", NULL, NULL,
		    false, false },
		[CLIENT] = { &x->made[MIDDLE], "cl", "mx.example.org", NULL,
		    false, true },
		[STRANGER] = { NULL, "mx.example.org", "mx.example.org", NULL,
		    false, false },
	};

	CHECK_EQ(base_random_start(), 0);
	for (int i = 0; i < CERTS; i++)
		issue(&x->made[i], &recipes[i]);
	mbedtls_x509_crt_init(&x->chain);
}

static void
finish(struct fixture *x)
{
	mbedtls_x509_crt_free(&x->chain);
	for (int i = 0; i < CERTS; i++)
		issued_free(&x->made[i]);
}

static void
add(struct fixture *x, int which)
{
	const mbedtls_x509_buf *raw = &x->made[which].crt.raw;

	CHECK_EQ(mbedtls_x509_crt_parse_der(&x->chain, raw->p, raw->len), 0);
}

/* The server shows leaf, the middle and, if asked, the root. */
static void
show(struct fixture *x, int leaf, bool with_root)
{
	mbedtls_x509_crt_free(&x->chain);
	mbedtls_x509_crt_init(&x->chain);
	add(x, leaf);
	if (leaf != STRANGER)
		add(x, MIDDLE);
	if (with_root)
		add(x, ROOT);
}

static const char *const wanted[] = { "mx.example.org" };

static enum tls_fault
pkix(struct fixture *x, const char *name)
{
	struct tls_want want = {
		.mode = TLS_PKIX, .names = &name, .name_count = 1,
	};

	return tls_verify(&x->chain, &x->made[ROOT].crt, &want);
}

/* A record for a certificate: its hash, or as it is. */
static struct dns_record
tlsa(struct fixture *x, int which, uint8_t usage, uint8_t selector,
    uint8_t matching)
{
	const mbedtls_x509_buf *b = selector ? &x->made[which].crt.pk_raw :
	    &x->made[which].crt.raw;
	struct dns_record r = {
		.usage = usage, .selector = selector, .matching = matching,
		.data = { (const char *)b->p, b->len },
	};

	if (matching) {
		const mbedtls_md_info_t *info = mbedtls_md_info_from_type(
		    matching == 1 ? MBEDTLS_MD_SHA256 : MBEDTLS_MD_SHA512);

		CHECK_EQ(mbedtls_md(info, b->p, b->len, x->digest), 0);
		r.data = span_make((const char *)x->digest,
		    mbedtls_md_get_size(info));
	}
	return r;
}

static enum tls_fault
dane(struct fixture *x, const struct dns_record *r, size_t n)
{
	struct tls_want want = {
		.mode = TLS_DANE, .names = wanted, .name_count = 1,
		.tlsa = r, .tlsa_count = n,
	};

	/* DANE trusts what DNS says and no authority. */
	return tls_verify(&x->chain, &x->made[STRANGER].crt, &want);
}

/* ---- the tests ---- */

TEST(test_tls_verify_pkix_wants_chain_dates_and_name)
{
	static const struct {
		int leaf;
		const char *name;
		enum tls_fault fault;
	} rows[] = {
		{ HOST, "mx.example.org", TLS_FAULT_NONE },
		{ HOST, "MX.Example.ORG", TLS_FAULT_NONE },
		{ HOST, "other.example.org", TLS_FAULT_HOST },
		{ WILD, "mx.example.org", TLS_FAULT_NONE },
		{ WILD, "a.mx.example.org", TLS_FAULT_HOST },
		{ WILD, "example.org", TLS_FAULT_HOST },
		{ EXPIRED, "mx.example.org", TLS_FAULT_EXPIRED },
		{ ONLY_CN, "mx.example.org", TLS_FAULT_HOST },
		{ CLIENT, "mx.example.org", TLS_FAULT_OTHER },
		{ STRANGER, "mx.example.org", TLS_FAULT_UNTRUSTED },
	};
	struct fixture x;

	start(&x);
	for (size_t i = 0; i < COUNT(rows); i++) {
		show(&x, rows[i].leaf, false);
		CHECK_EQ(pkix(&x, rows[i].name), rows[i].fault);
	}
	finish(&x);
}

TEST(test_tls_verify_dane_ee_is_the_key_alone)
{
	static const int leaves[] = { HOST, EXPIRED, ONLY_CN, STRANGER };
	struct fixture x;

	start(&x);
	for (size_t i = 0; i < COUNT(leaves); i++) {
		show(&x, leaves[i], false);
		for (uint8_t how = 0; how < 6; how++) {
			struct dns_record r = tlsa(&x, leaves[i], 3, how & 1,
			    how / 2);

			CHECK_EQ(dane(&x, &r, 1), TLS_FAULT_NONE);
			r = tlsa(&x, WILD, 3, how & 1, how / 2);
			CHECK_EQ(dane(&x, &r, 1), TLS_FAULT_TLSA);
			/* An authority's certificate is no end entity's. */
			r = tlsa(&x, MIDDLE, 3, how & 1, how / 2);
			CHECK_EQ(dane(&x, &r, 1), TLS_FAULT_TLSA);
		}
	}
	finish(&x);
}

TEST(test_tls_verify_dane_ta_wants_chain_dates_and_name)
{
	static const struct {
		int leaf;
		enum tls_fault fault;
	} rows[] = {
		{ HOST, TLS_FAULT_NONE },
		{ WILD, TLS_FAULT_NONE },
		{ ONLY_CN, TLS_FAULT_NONE },	/* RFC 7672 3.2.3 */
		{ EXPIRED, TLS_FAULT_EXPIRED },
		{ STRANGER, TLS_FAULT_TLSA },
	};
	struct fixture x;

	start(&x);
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (uint8_t how = 0; how < 6; how++) {
			struct dns_record r = tlsa(&x, MIDDLE, 2, how & 1,
			    how / 2);

			/* The whole certificate is tried as it is. */
			show(&x, rows[i].leaf, false);
			CHECK_EQ(dane(&x, &r, 1), how == 0 &&
			    rows[i].leaf == STRANGER ? TLS_FAULT_UNTRUSTED :
			    rows[i].fault);
		}
	}
	finish(&x);
}

TEST(test_tls_verify_dane_ta_needs_its_anchor_shown_or_in_dns)
{
	struct dns_record r;
	struct fixture x;

	start(&x);
	show(&x, HOST, false);
	r = tlsa(&x, ROOT, 2, 0, 1);
	CHECK_EQ(dane(&x, &r, 1), TLS_FAULT_TLSA);
	r = tlsa(&x, ROOT, 2, 0, 0);
	CHECK_EQ(dane(&x, &r, 1), TLS_FAULT_NONE);
	show(&x, HOST, true);
	r = tlsa(&x, ROOT, 2, 0, 1);
	CHECK_EQ(dane(&x, &r, 1), TLS_FAULT_NONE);
	finish(&x);
}

TEST(test_tls_verify_dane_takes_any_record_and_ignores_the_unusable)
{
	struct dns_record r[4];
	struct fixture x;

	start(&x);
	show(&x, HOST, false);
	r[0] = tlsa(&x, STRANGER, 3, 1, 0);
	r[1] = tlsa(&x, HOST, 1, 0, 0);		/* PKIX-EE: unusable */
	r[2] = tlsa(&x, HOST, 3, 0, 0);
	r[2].matching = 7;
	r[3] = tlsa(&x, HOST, 3, 1, 2);
	CHECK_EQ(dane(&x, r, 3), TLS_FAULT_TLSA);
	CHECK_EQ(dane(&x, r, 4), TLS_FAULT_NONE);
	CHECK(!tls_want_has_usable(r + 1, 2));
	CHECK(tls_want_has_usable(r, 1));
	r[3].data.len--;
	CHECK(!tls_want_is_usable(&r[3]));
	CHECK_EQ(dane(&x, r, 4), TLS_FAULT_TLSA);
	finish(&x);
}

TEST(test_tls_verify_takes_anything_where_nothing_is_asked)
{
	struct tls_want want = { .mode = TLS_OPPORTUNISTIC };
	struct fixture x;

	start(&x);
	show(&x, EXPIRED, false);
	CHECK_EQ(tls_verify(&x.chain, &x.made[ROOT].crt, &want),
	    TLS_FAULT_NONE);
	CHECK_EQ(tls_verify(NULL, &x.made[ROOT].crt, &want), TLS_FAULT_NONE);
	want.mode = TLS_PKIX;
	CHECK_EQ(tls_verify(NULL, &x.made[ROOT].crt, &want),
	    TLS_FAULT_UNTRUSTED);
	finish(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_tls_verify_pkix_wants_chain_dates_and_name),
		cmocka_unit_test(test_tls_verify_dane_ee_is_the_key_alone),
		cmocka_unit_test(
		    test_tls_verify_dane_ta_wants_chain_dates_and_name),
		cmocka_unit_test(
		    test_tls_verify_dane_ta_needs_its_anchor_shown_or_in_dns),
		cmocka_unit_test(
		test_tls_verify_dane_takes_any_record_and_ignores_the_unusable),
		cmocka_unit_test(
		    test_tls_verify_takes_anything_where_nothing_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
