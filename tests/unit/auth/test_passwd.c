#include "auth/passwd.h"

#include <string.h>

#include "server/base/err.h"
#include "tests/check.h"

static const struct passwd_params params = { 1, 8192, 1 };
static const struct span salt = { "0123456789abcdef", 16 };

static void
add_cred(struct cred_account *a, const char *password, enum cred_kind kind)
{
	struct cred *c = &a->creds[a->cred_count++];

	CHECK_EQ(passwd_make_cred(span_of(password), salt, kind, &params, c),
	    0);
	c->id = a->cred_count;
}

static struct cred_account *
make_account(void)
{
	struct cred_account *a = xcalloc(1, sizeof *a);

	a->found = true;
	memcpy(a->salt, salt.p, salt.len);
	a->salt_len = salt.len;
	a->iterations = 1;
	return a;
}

static int
verify(const struct cred_account *a, const char *password, size_t *index)
{
	return passwd_verify(a, span_of(password), &params, index);
}

TEST(test_passwd_prepare_follows_opaque_string)
{
	static const struct {
		const char *in, *out;
	} ok[] = {
		{ "correct horse", "correct horse" },
		{ "e\xCC\x81t\xC3\xA9", "\xC3\xA9t\xC3\xA9" },	/* NFC */
		{ "a\xC2\xA0" "b\xE3\x80\x80" "c", "a b c" },
		{ "\xE2\x84\xAB", "\xC3\x85" },			/* angstrom */
		{ "Stra\xC3\x9F" "e", "Stra\xC3\x9F" "e" },	/* no folding */
	};
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < COUNT(ok); i++) {
		CHECK_EQ(passwd_prepare(&out, span_of(ok[i].in)), 0);
		CHECK_STR(out.p, ok[i].out);
	}
	buf_release(&out);
}

TEST(test_passwd_prepare_refuses_what_cannot_be_typed)
{
	static const char *const bad[] = {
		"", "a\nb", "a\x7F", "a\xC2\x85", "\xFF", "\xC3", "a\tb",
	};
	char longest[PASSWD_MAX + 1];
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < COUNT(bad); i++) {
		CHECK_EQ(passwd_prepare(&out, span_of(bad[i])), ERR_SYNTAX);
		CHECK_EQ(out.len, 0);
	}
	CHECK_EQ(passwd_prepare(&out, span_make("a\0b", 3)), ERR_SYNTAX);
	memset(longest, 'x', sizeof longest);
	CHECK_EQ(passwd_prepare(&out, span_make(longest, PASSWD_MAX)), 0);
	CHECK_EQ(passwd_prepare(&out, span_make(longest, PASSWD_MAX + 1)),
	    ERR_SYNTAX);
	/* All of the longest kind that NFC makes longer. */
	for (size_t i = 0; i + 3 <= PASSWD_MAX; i += 3)
		memcpy(longest + i, "\xE0\xA5\x98", 3);
	CHECK_EQ(passwd_prepare(&out, span_make(longest, PASSWD_MAX - 1)), 0);
	CHECK(out.len > PASSWD_MAX);
	buf_release(&out);
}

TEST(test_passwd_verify_tells_which_credential_it_was)
{
	struct cred_account *a = make_account();
	size_t index = 99;

	add_cred(a, "phone-1", CRED_DEVICE);
	add_cred(a, "my own", CRED_PASSWORD);
	add_cred(a, "laptop-2", CRED_DEVICE);
	CHECK_EQ(verify(a, "phone-1", &index), 0);
	CHECK_EQ(index, 0);
	CHECK_EQ(verify(a, "my own", &index), 0);
	CHECK_EQ(index, 1);
	CHECK_EQ(verify(a, "laptop-2", &index), 0);
	CHECK_EQ(index, 2);
	index = 99;
	CHECK_EQ(verify(a, "laptop-3", &index), ERR_AUTH);
	CHECK_EQ(verify(a, "MY OWN", &index), ERR_AUTH);
	CHECK_EQ(verify(a, "", &index), ERR_AUTH);
	CHECK_EQ(index, 99);
	free(a);
}

TEST(test_passwd_of_a_person_is_proven_by_argon2id_alone)
{
	struct cred_account *a = make_account();
	struct cred other;
	size_t index = 0;

	add_cred(a, "real", CRED_PASSWORD);
	CHECK(strncmp(a->creds[0].argon2, "$argon2id$", 10) == 0);
	/* The SCRAM keys say "real", the hash says "other". */
	CHECK_EQ(passwd_make_cred(SPAN("other"), salt, CRED_PASSWORD, &params,
	    &other), 0);
	memcpy(a->creds[0].argon2, other.argon2, sizeof other.argon2);
	CHECK_EQ(verify(a, "real", &index), ERR_AUTH);
	CHECK_EQ(verify(a, "other", &index), 0);
	free(a);
}

TEST(test_passwd_of_a_device_has_no_argon2id)
{
	struct cred c;

	CHECK_EQ(passwd_make_cred(SPAN("x"), salt, CRED_DEVICE, &params, &c),
	    0);
	CHECK_STR(c.argon2, "");
	CHECK(c.scope & SCOPE_SMTP && c.scope & SCOPE_IMAP &&
	    c.scope & SCOPE_POP3);
}

TEST(test_passwd_make_cred_refuses_bad_input)
{
	static const struct passwd_params none = { 1, 8192, 0 };
	struct span big = { "0123456789abcdef0123456789abcdef!", 33 };
	struct cred c;

	CHECK_EQ(passwd_make_cred(SPAN(""), salt, CRED_DEVICE, &params, &c),
	    ERR_SYNTAX);
	CHECK_EQ(passwd_make_cred(SPAN("x"), SPAN(""), CRED_DEVICE, &params,
	    &c), ERR_SYNTAX);
	CHECK_EQ(passwd_make_cred(SPAN("x"), big, CRED_DEVICE, &params, &c),
	    ERR_SYNTAX);
	CHECK_EQ(passwd_make_cred(SPAN("x"), salt, CRED_DEVICE, &none, &c),
	    ERR_SYNTAX);
}

TEST(test_passwd_verify_calls_a_broken_hash_our_own_trouble)
{
	struct cred_account *a = make_account();
	size_t index;

	add_cred(a, "real", CRED_PASSWORD);
	memcpy(a->creds[0].argon2, "$argon2id$v=19$m=", 18);
	CHECK_EQ(verify(a, "real", &index), ERR_CRYPTO);
	free(a);
}

TEST(test_passwd_verify_matches_nothing_cut_or_unprepared)
{
	struct cred_account *a = make_account();
	char longest[PASSWD_MAX + 2];
	size_t index;

	memset(longest, 'x', sizeof longest);
	longest[PASSWD_MAX] = '\0';
	add_cred(a, longest, CRED_DEVICE);
	CHECK_EQ(verify(a, longest, &index), 0);
	longest[PASSWD_MAX] = 'x';
	CHECK_EQ(passwd_verify(a, span_make(longest, PASSWD_MAX + 1), &params,
	    &index), ERR_AUTH);
	CHECK_EQ(verify(a, "x\xFF", &index), ERR_AUTH);
	free(a);
}

TEST(test_passwd_verify_matches_other_spellings_of_the_same)
{
	struct cred_account *a = make_account();
	size_t index;

	add_cred(a, "caf\xC3\xA9", CRED_PASSWORD);
	CHECK_EQ(verify(a, "cafe\xCC\x81", &index), 0);
	free(a);
}

TEST(test_passwd_verify_memory_is_the_largest_in_use)
{
	struct cred_account *a = make_account();

	CHECK_EQ(passwd_verify_memory(a, &params), 8192);
	add_cred(a, "x", CRED_PASSWORD);
	CHECK_EQ(passwd_verify_memory(a, &params), 8192);
	memcpy(a->creds[0].argon2, "$argon2id$v=19$m=19456,t=2,p=1$", 32);
	CHECK_EQ(passwd_verify_memory(a, &params), 19u << 20);
	free(a);
}

TEST(test_passwd_fake_salt_is_stable_and_of_the_name)
{
	const unsigned char secret[32] = { 1 }, other[32] = { 2 };
	struct cred_account *a = make_account(), *b = make_account();

	passwd_fake(a, SPAN("nobody"), secret, &params);
	passwd_fake(b, SPAN("nobody"), secret, &params);
	CHECK_EQ(a->salt_len, PASSWD_SALT_LEN);
	CHECK_EQ(a->iterations, params.iterations);
	assert_memory_equal(a->salt, b->salt, PASSWD_SALT_LEN);
	passwd_fake(b, SPAN("nobody2"), secret, &params);
	assert_memory_not_equal(a->salt, b->salt, PASSWD_SALT_LEN);
	passwd_fake(b, SPAN("nobody"), other, &params);
	assert_memory_not_equal(a->salt, b->salt, PASSWD_SALT_LEN);
	free(a);
	free(b);
}

TEST(test_passwd_generate_makes_seven_groups_of_four)
{
	struct seeded_random r;
	struct buf one = BUF_INIT, two = BUF_INIT;

	seeded_random_init(&r, 7);
	passwd_generate(&r.random, &one);
	passwd_generate(&r.random, &two);
	CHECK_EQ(one.len, 34);
	for (size_t i = 0; i < one.len; i++)
		CHECK(i % 5 == 4 ? one.p[i] == '-' :
		    strchr("abcdefghijkmnpqrstuvwxyz23456789", one.p[i]) !=
		    NULL);
	CHECK(!span_eq(buf_span(&one), buf_span(&two)));
	buf_release(&one);
	buf_release(&two);
}

TEST(test_passcache_finds_what_was_put)
{
	struct passcache *pc = passcache_new(random_system());
	struct cred_account *a = make_account();
	uint64_t cred = 0;

	a->account = 5;
	a->version = 1;
	CHECK(!passcache_find(pc, a, SPAN("pw"), 100, &cred));
	passcache_put(pc, a, SPAN("pw"), 42, 100);
	CHECK(passcache_find(pc, a, SPAN("pw"), 100, &cred));
	CHECK_EQ(cred, 42);
	CHECK(!passcache_find(pc, a, SPAN("pw2"), 100, &cred));
	free(a);
	passcache_free(pc);
}

TEST(test_passcache_forgets_with_version_account_and_time)
{
	struct passcache *pc = passcache_new(random_system());
	struct cred_account *a = make_account();
	uint64_t cred = 0;

	a->account = 5;
	a->version = 1;
	passcache_put(pc, a, SPAN("pw"), 42, 100);
	a->version = 2;
	CHECK(!passcache_find(pc, a, SPAN("pw"), 100, &cred));
	a->version = 1;
	a->account = 6;
	CHECK(!passcache_find(pc, a, SPAN("pw"), 100, &cred));
	a->account = 5;
	CHECK(passcache_find(pc, a, SPAN("pw"), 99 + PASSCACHE_MS, &cred));
	CHECK(!passcache_find(pc, a, SPAN("pw"), 100 + PASSCACHE_MS, &cred));
	CHECK(!passcache_find(pc, a, SPAN("pw"), 100, &cred));
	free(a);
	passcache_free(pc);
}

TEST(test_passcache_is_bounded_and_keeps_the_newest)
{
	struct passcache *pc = passcache_new(random_system());
	struct cred_account *a = make_account();
	uint64_t cred = 0, kept = 0;

	for (uint64_t i = 1; i <= 10 * PASSCACHE_ENTRIES; i++) {
		a->account = i;
		passcache_put(pc, a, SPAN("pw"), i, (int64_t)i);
		CHECK(passcache_find(pc, a, SPAN("pw"), (int64_t)i, &cred));
		CHECK_EQ(cred, i);
	}
	for (uint64_t i = 1; i <= 10 * PASSCACHE_ENTRIES; i++) {
		a->account = i;
		kept += passcache_find(pc, a, SPAN("pw"), 1, &cred);
	}
	CHECK(kept <= PASSCACHE_ENTRIES && kept > PASSCACHE_ENTRIES / 2);
	free(a);
	passcache_free(pc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passwd_prepare_follows_opaque_string),
		cmocka_unit_test(
		    test_passwd_prepare_refuses_what_cannot_be_typed),
		cmocka_unit_test(
		    test_passwd_verify_tells_which_credential_it_was),
		cmocka_unit_test(
		    test_passwd_of_a_person_is_proven_by_argon2id_alone),
		cmocka_unit_test(test_passwd_of_a_device_has_no_argon2id),
		cmocka_unit_test(test_passwd_make_cred_refuses_bad_input),
		cmocka_unit_test(
		    test_passwd_verify_calls_a_broken_hash_our_own_trouble),
		cmocka_unit_test(
		    test_passwd_verify_matches_nothing_cut_or_unprepared),
		cmocka_unit_test(
		    test_passwd_verify_matches_other_spellings_of_the_same),
		cmocka_unit_test(
		    test_passwd_verify_memory_is_the_largest_in_use),
		cmocka_unit_test(
		    test_passwd_fake_salt_is_stable_and_of_the_name),
		cmocka_unit_test(
		    test_passwd_generate_makes_seven_groups_of_four),
		cmocka_unit_test(test_passcache_finds_what_was_put),
		cmocka_unit_test(
		    test_passcache_forgets_with_version_account_and_time),
		cmocka_unit_test(
		    test_passcache_is_bounded_and_keeps_the_newest),
	};

	if (base_random_start() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
