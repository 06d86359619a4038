#include "server/net/certs.h"

#include <stdio.h>
#include <string.h>

#include "server/base/codec.h"
#include "server/base/err.h"
#include "tests/check.h"
#include "tests/unit/net/pem.h"

#define NOW 1700000000		/* 2023-11-14 22:13:20 UTC */
#define DAY 86400

static struct certset *
set_new(void)
{
	CHECK_EQ(base_random_start(), 0);
	return certset_new(random_system());
}

static int
add(struct certset *set, const char *chain, const char *key, struct buf *why)
{
	return certset_add(set, "a name", span_of(chain), span_of(key), why);
}

static void
check_refused(struct certset *set, const char *chain, const char *key,
    const char *reason)
{
	struct buf why = BUF_INIT;

	CHECK_EQ(add(set, chain, key, &why), ERR_CONFIG);
	if (!strstr(why.p, reason))
		fail_msg("\"%s\" instead of \"%s\"", why.p, reason);
	buf_release(&why);
}

TEST(test_certs_refuse_what_is_not_a_pair)
{
	struct certset *set = set_new();
	struct buf big = BUF_INIT;

	check_refused(set, PEM_EC_CRT, PEM_RSA_KEY, "does not belong");
	check_refused(set, PEM_EC_CRT, PEM_NUL_KEY, "does not belong");
	check_refused(set, PEM_WEAK_CRT, PEM_WEAK_KEY, "1024 bits");
	check_refused(set, "", PEM_EC_KEY, "the certificate is empty");
	check_refused(set, "nonsense", PEM_EC_KEY, "not PEM");
	check_refused(set, PEM_EC_KEY, PEM_EC_KEY, "not PEM");
	check_refused(set, PEM_EC_CRT, "", "the key is empty");
	check_refused(set, PEM_EC_CRT, PEM_EC_CRT, "cannot be read");
	for (int i = 0; i < 1000; i++)
		buf_adds(&big, PEM_EC_CRT);
	check_refused(set, big.p, PEM_EC_KEY, "too large");
	CHECK_EQ(certset_count(set), 0);
	buf_release(&big);
	certset_unref(set);
}

TEST(test_certs_read_names_dates_and_hashes)
{
	struct certset *set = set_new();
	struct buf why = BUF_INIT, hex = BUF_INIT;
	const struct cert_info *info;

	CHECK_EQ(add(set, PEM_EC_CRT, PEM_EC_KEY, &why), 0);
	CHECK_EQ(add(set, PEM_RSA_CRT, PEM_RSA_KEY, &why), 0);
	CHECK_EQ(certset_count(set), 2);
	info = certset_info(set, 0);
	CHECK_STR(info->name, "a name");
	CHECK_EQ(info->not_before_s, 1795426199);
	CHECK_EQ(info->not_after_s, 4949026199);
	CHECK_EQ(info->host_count, 2);
	CHECK_STR(info->hosts[0], "*.example.test");
	CHECK_STR(info->hosts[1], "imap.example.org");
	/* Signed with SHA-384, so hashed with it: RFC 5929 section 4.1. */
	hex_encode(&hex, info->endpoint, info->endpoint_len);
	CHECK_STR(hex.p,
	    "3d3e27e7c1a8fd20415a1ec139ee8f8ffbb4f21c3db406c2"
	    "cd87a2ca9e18921b94ecdfb7e7f21bd281ae2d8ce5d1ac49");
	buf_clear(&hex);
	info = certset_info(set, 1);
	CHECK_EQ(info->host_count, 1);
	CHECK_STR(info->hosts[0], "old.example.test");
	hex_encode(&hex, info->endpoint, info->endpoint_len);
	CHECK_STR(hex.p,
	    "dbebd3a9a28e30a25e4ec52d524c056c"
	    "85a36327fbc2fdf3e7fb9cc5193cf096");
	CHECK_EQ(memcmp(info->fingerprint, info->endpoint, 32), 0);
	buf_release(&why);
	buf_release(&hex);
	certset_unref(set);
}

TEST(test_certs_ignore_a_name_with_a_nul)
{
	struct certset *set = set_new();
	struct buf why = BUF_INIT;
	int err = add(set, PEM_NUL_CRT, PEM_NUL_KEY, &why);

	/* One version of the library refuses it outright. */
	if (err == 0)
		for (size_t i = 0; i < certset_info(set, 0)->host_count; i++)
			CHECK(strncmp(certset_info(set, 0)->hosts[i], "mail",
			    4) != 0);
	else
		CHECK_EQ(err, ERR_CONFIG);
	buf_release(&why);
	certset_unref(set);
}

static void
add_self_signed(struct certset *set, const char *const *names, size_t count)
{
	struct buf cert = BUF_INIT, key = BUF_INIT, why = BUF_INIT;

	CHECK_EQ(cert_make_self_signed(random_system(), names, count, NOW,
	    90, &cert, &key), 0);
	CHECK_EQ(certset_add(set, names[0], buf_span(&cert), buf_span(&key),
	    &why), 0);
	buf_release(&cert);
	buf_release(&key);
	buf_release(&why);
}

TEST(test_certs_are_chosen_by_server_name)
{
	static const char *const plain[] = { "mail.example.org", "x.test" };
	static const char *const wild[] = { "*.example.net" };
	static const char *const exact[] = { "smtp.example.net" };
	static const struct {
		const char *name;
		size_t want;
	} cases[] = {
		{ "mail.example.org", 0 }, { "MAIL.Example.ORG", 0 },
		{ "mail.example.org.", 0 }, { "x.test", 0 },
		{ "imap.example.net", 1 }, { "IMAP.EXAMPLE.NET", 1 },
		/* The exact one goes first, though it was added later. */
		{ "smtp.example.net", 2 },
		/* A wildcard is one label, not none and not two. */
		{ "example.net", 0 }, { "a.b.example.net", 0 },
		{ ".example.net", 0 },
		{ "unknown.test", 0 }, { "", 0 }, { ".", 0 },
	};
	struct certset *set = set_new();

	add_self_signed(set, plain, 2);
	add_self_signed(set, wild, 1);
	add_self_signed(set, exact, 1);
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK_EQ(certset_choose(set, span_of(cases[i].name)),
		    cases[i].want);
	certset_unref(set);
}

TEST(test_certs_self_signed_ones_say_what_was_asked)
{
	static const char *const names[] = { "mail.example.test",
	    "autoconfig.example.test" };
	struct buf cert = BUF_INIT, key = BUF_INIT, hosts = BUF_INIT;
	struct buf why = BUF_INIT;
	struct cert_info info;

	CHECK_EQ(base_random_start(), 0);
	CHECK_EQ(cert_make_self_signed(random_system(), names, 2, NOW, 365,
	    &cert, &key), 0);
	CHECK_EQ(cert_describe(buf_span(&cert), &info, &hosts, &why), 0);
	CHECK_STR(hosts.p, "mail.example.test\nautoconfig.example.test\n");
	CHECK_EQ(info.host_count, 2);
	CHECK_EQ(info.not_before_s, NOW - DAY);
	CHECK_EQ(info.not_after_s, NOW + 365 * (int64_t)DAY);
	CHECK(strstr(key.p, "PRIVATE KEY"));
	buf_clear(&why);
	CHECK_EQ(cert_describe(buf_span(&key), &info, &hosts, &why),
	    ERR_CONFIG);
	CHECK(why.len > 0);
	buf_release(&cert);
	buf_release(&key);
	buf_release(&hosts);
	buf_release(&why);
}

TEST(test_certs_dates_survive_leap_years_and_centuries)
{
	static const char *const names[] = { "a.test" };
	static const int64_t days[] = { 0, 59, 11016, 11017, 19782, 36524,
	    40000 };

	CHECK_EQ(base_random_start(), 0);
	for (size_t i = 0; i < COUNT(days); i++) {
		struct buf cert = BUF_INIT, key = BUF_INIT;
		struct buf hosts = BUF_INIT, why = BUF_INIT;
		int64_t now = days[i] * DAY + DAY + 3723;
		struct cert_info info;

		CHECK_EQ(cert_make_self_signed(random_system(), names, 1, now,
		    1, &cert, &key), 0);
		CHECK_EQ(cert_describe(buf_span(&cert), &info, &hosts, &why),
		    0);
		CHECK_EQ(info.not_before_s, now - DAY);
		CHECK_EQ(info.not_after_s, now + DAY);
		buf_release(&cert);
		buf_release(&key);
		buf_release(&hosts);
		buf_release(&why);
	}
}

TEST(test_certs_self_signed_for_as_many_names_as_allowed)
{
	char space[CERT_NAMES_MAX][254];
	const char *names[CERT_NAMES_MAX];
	struct buf cert = BUF_INIT, key = BUF_INIT;
	struct certset *set = set_new();

	for (size_t i = 0; i < CERT_NAMES_MAX; i++) {
		memset(space[i], 'a', 253);
		(void)snprintf(space[i] + 250, 4, "%03zu", i);
		space[i][60] = space[i][120] = space[i][180] = '.';
		space[i][240] = '.';
		names[i] = space[i];
	}
	add_self_signed(set, names, CERT_NAMES_MAX);
	CHECK_EQ(certset_info(set, 0)->host_count, CERT_NAMES_MAX);
	CHECK_STR(certset_info(set, 0)->hosts[99], names[99]);
	CHECK_EQ(cert_make_self_signed(random_system(), names, 0, NOW, 1,
	    &cert, &key), ERR_BADNAME);
	names[1] = "a,CN=evil.test";
	CHECK_EQ(cert_make_self_signed(random_system(), names, 2, NOW, 1,
	    &cert, &key), ERR_BADNAME);
	names[1] = "";
	CHECK_EQ(cert_make_self_signed(random_system(), names, 2, NOW, 1,
	    &cert, &key), ERR_BADNAME);
	CHECK_EQ(cert.len, 0);
	certset_unref(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certs_refuse_what_is_not_a_pair),
		cmocka_unit_test(test_certs_read_names_dates_and_hashes),
		cmocka_unit_test(test_certs_ignore_a_name_with_a_nul),
		cmocka_unit_test(test_certs_are_chosen_by_server_name),
		cmocka_unit_test(
		    test_certs_self_signed_ones_say_what_was_asked),
		cmocka_unit_test(
		    test_certs_dates_survive_leap_years_and_centuries),
		cmocka_unit_test(
		    test_certs_self_signed_for_as_many_names_as_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
