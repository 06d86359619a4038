#include "auth/sasl.h"

#include <string.h>

#include "tests/check.h"

static const struct peer no_tls;

static enum sasl_step
feed(struct sasl *s, const char *p, size_t len)
{
	return sasl_message(s, span_make(p, len));
}

static void
start(struct sasl *s, enum sasl_mech mech)
{
	sasl_init(s, mech, &no_tls, random_system(), false);
}

TEST(test_sasl_finds_mechanisms_in_any_case)
{
	enum sasl_mech m;

	CHECK(sasl_mech_find(SPAN("plain"), &m) && m == SASL_PLAIN);
	CHECK(sasl_mech_find(SPAN("Login"), &m) && m == SASL_LOGIN);
	CHECK(sasl_mech_find(SPAN("SCRAM-SHA-256"), &m) && m == SASL_SCRAM);
	CHECK(sasl_mech_find(SPAN("scram-sha-256-plus"), &m) &&
	    m == SASL_SCRAM_PLUS);
	CHECK(!sasl_mech_find(SPAN("SCRAM-SHA-1"), &m));
	CHECK(!sasl_mech_find(SPAN(""), &m));
	for (int i = 0; i < SASL_MECH_COUNT; i++) {
		CHECK(sasl_mech_find(
		    span_of(sasl_mech_name((enum sasl_mech)i)), &m));
		CHECK_EQ(m, i);
	}
}

TEST(test_sasl_plain_takes_user_and_password)
{
	static const struct {
		struct span in;
		const char *user, *password;
	} ok[] = {
		{ SPAN("\0tim\0tanstaaftanstaaf"), "tim", "tanstaaftanstaaf" },
		{ SPAN("tim\0tim\0pw"), "tim", "pw" },
		{ SPAN("TIM\0tim\0pw"), "tim", "pw" },
		{ SPAN("\0ann@example.org\0 \xC3\xA9 "), "ann@example.org",
		    " \xC3\xA9 " },
	};
	struct sasl s;

	for (size_t i = 0; i < COUNT(ok); i++) {
		start(&s, SASL_PLAIN);
		CHECK_EQ(sasl_start(&s), SASL_CONTINUE);
		CHECK_EQ(s.out.len, 0);
		CHECK_EQ(sasl_message(&s, ok[i].in), SASL_PASSWORD);
		CHECK_SPAN(buf_span(&s.user), ok[i].user);
		CHECK_SPAN(buf_span(&s.password), ok[i].password);
		sasl_release(&s);
	}
}

TEST(test_sasl_plain_refuses_what_is_not_its_grammar)
{
	static const struct span bad[] = {
		SPAN(""), SPAN("\0"), SPAN("\0\0"), SPAN("\0u\0"),
		SPAN("\0\0p"), SPAN("u\0p"), SPAN("up"), SPAN("\0u\0p\0"),
		SPAN("\0u\0p\0x"), SPAN("\0u\xFF\0p"), SPAN("\0u\0p\xC3"),
	};
	struct sasl s;

	for (size_t i = 0; i < COUNT(bad); i++) {
		start(&s, SASL_PLAIN);
		CHECK_EQ(sasl_message(&s, bad[i]), SASL_BAD);
		CHECK(s.error != NULL);
		sasl_release(&s);
	}
}

TEST(test_sasl_plain_acts_for_nobody_else)
{
	struct sasl s;

	start(&s, SASL_PLAIN);
	CHECK_EQ(feed(&s, "root\0tim\0pw", 11), SASL_WRONG);
	CHECK_EQ(s.password.len, 0);
	sasl_release(&s);
}

TEST(test_sasl_login_prompts_for_both)
{
	struct sasl s;

	start(&s, SASL_LOGIN);
	CHECK_EQ(sasl_start(&s), SASL_CONTINUE);
	CHECK_SPAN(buf_span(&s.out), "Username:");
	CHECK_EQ(feed(&s, "tim", 3), SASL_CONTINUE);
	CHECK_SPAN(buf_span(&s.out), "Password:");
	CHECK_EQ(feed(&s, "pw", 2), SASL_PASSWORD);
	CHECK_SPAN(buf_span(&s.user), "tim");
	CHECK_SPAN(buf_span(&s.password), "pw");
	sasl_release(&s);
}

TEST(test_sasl_login_takes_the_name_as_initial_response)
{
	struct sasl s;

	start(&s, SASL_LOGIN);
	CHECK_EQ(feed(&s, "tim", 3), SASL_CONTINUE);
	CHECK_SPAN(buf_span(&s.out), "Password:");
	sasl_release(&s);
}

TEST(test_sasl_login_refuses_nothing_and_nul)
{
	struct sasl s;

	start(&s, SASL_LOGIN);
	CHECK_EQ(feed(&s, "", 0), SASL_BAD);
	sasl_release(&s);
	start(&s, SASL_LOGIN);
	CHECK_EQ(feed(&s, "a\0b", 3), SASL_BAD);
	sasl_release(&s);
	start(&s, SASL_LOGIN);
	CHECK_EQ(feed(&s, "tim", 3), SASL_CONTINUE);
	CHECK_EQ(feed(&s, "", 0), SASL_BAD);
	sasl_release(&s);
}

TEST(test_sasl_caps_messages)
{
	char *big = xmalloc(SASL_MESSAGE_MAX + 1);
	struct sasl s;

	memset(big, 'x', SASL_MESSAGE_MAX + 1);
	start(&s, SASL_LOGIN);
	CHECK_EQ(feed(&s, big, SASL_MESSAGE_MAX + 1), SASL_BAD);
	CHECK_EQ(feed(&s, big, SASL_MESSAGE_MAX), SASL_CONTINUE);
	sasl_release(&s);
	free(big);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sasl_finds_mechanisms_in_any_case),
		cmocka_unit_test(test_sasl_plain_takes_user_and_password),
		cmocka_unit_test(
		    test_sasl_plain_refuses_what_is_not_its_grammar),
		cmocka_unit_test(test_sasl_plain_acts_for_nobody_else),
		cmocka_unit_test(test_sasl_login_prompts_for_both),
		cmocka_unit_test(
		    test_sasl_login_takes_the_name_as_initial_response),
		cmocka_unit_test(test_sasl_login_refuses_nothing_and_nul),
		cmocka_unit_test(test_sasl_caps_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
