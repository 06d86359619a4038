#include <string.h>

#include "server/base/err.h"
#include "tests/check.h"
#include "tests/unit/auth/login_fixture.h"
#include "tests/unit/auth/scram_client.h"

#define PLAIN_OF(user, password) SPAN("\0" user "\0" password)

static uint64_t
hash_jobs(struct login_fixture *f)
{
	return STAT_GET(&f->stats, hash_jobs);
}

static bool
has_logged(struct login_fixture *f, const char *text)
{
	return strstr(f->logged.p, text) != NULL;
}

static enum login_step
plain(struct login_fixture *f, struct span message)
{
	return login_fixture_auth(f, "PLAIN", &message);
}

/* A whole SCRAM exchange with a client that answers all challenges. */
static enum login_step
scram(struct login_fixture *f, struct scram_client *c, const char *mech)
{
	struct buf text = BUF_INIT;
	struct span m;
	enum login_step step;

	scram_client_first(c);
	m = buf_span(&c->first);
	step = login_fixture_auth(f, mech, &m);
	if (step == LOGIN_CONTINUE) {
		login_fixture_challenge(f, &text);
		CHECK(scram_client_final(c, buf_span(&text)));
		step = login_fixture_say(f, buf_span(&c->final));
	}
	if (step == LOGIN_CONTINUE) {
		login_fixture_challenge(f, &text);
		CHECK(scram_client_verify(c, buf_span(&text)));
		step = login_fixture_say(f, SPAN(""));
	}
	buf_release(&text);
	return step;
}

TEST(test_login_with_plain_tells_everybody)
{
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_IMAP);
	CHECK_EQ(plain(&f, PLAIN_OF("Ann@Example.ORG", "pencil")), LOGIN_OK);
	CHECK_EQ(f.login.account, 7);
	CHECK_EQ(f.login.version, 1);
	CHECK_EQ(f.login.cred, 1);
	CHECK_STR(f.login.name, "ann@example.org");
	CHECK_EQ(f.session.account, 7);
	CHECK_EQ(STAT_GET(&f.stats, logins), 1);
	CHECK_EQ(f.notes, 1);
	CHECK_EQ(f.noted, 1);
	CHECK(has_logged(&f, "test login user=ann@example.org "
	    "from=192.0.2.1 how=PLAIN"));
	CHECK(!has_logged(&f, "pencil"));
	login_fixture_release(&f);
}

TEST(test_login_leaves_the_bare_local_part_to_the_store)
{
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_POP3);
	CHECK_EQ(login_fixture_password(&f, "ANN", "pencil"), LOGIN_OK);
	CHECK_STR(f.login.name, "ann@example.org");
	login_fixture_release(&f);
}

TEST(test_login_goes_without_an_initial_response)
{
	struct login_fixture f;
	struct buf text = BUF_INIT;

	login_fixture_init(&f, SCOPE_SMTP);
	CHECK_EQ(login_fixture_auth(&f, "PLAIN", NULL), LOGIN_CONTINUE);
	CHECK_STR(f.login.challenge.p, "");
	CHECK_EQ(login_fixture_say(&f, PLAIN_OF("ann", "pencil")), LOGIN_OK);
	CHECK_EQ(login_fixture_auth(&f, "LOGIN", NULL), LOGIN_CONTINUE);
	CHECK_STR(f.login.challenge.p, "VXNlcm5hbWU6");
	CHECK_EQ(login_fixture_say(&f, SPAN("ann")), LOGIN_CONTINUE);
	CHECK_STR(f.login.challenge.p, "UGFzc3dvcmQ6");
	CHECK_EQ(login_fixture_say(&f, SPAN("pencil")), LOGIN_OK);
	buf_release(&text);
	login_fixture_release(&f);
}

TEST(test_login_takes_outlooks_initial_response)
{
	const struct span name = SPAN("ann@example.org");
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_SMTP);
	CHECK_EQ(login_fixture_auth(&f, "LOGIN", &name), LOGIN_CONTINUE);
	CHECK_STR(f.login.challenge.p, "UGFzc3dvcmQ6");
	CHECK_EQ(login_fixture_say(&f, SPAN("pencil")), LOGIN_OK);
	login_fixture_release(&f);
}

TEST(test_login_reads_the_equals_sign_as_an_empty_response)
{
	const struct span empty = SPAN("=");
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_IMAP);
	/* An empty message is not PLAIN; the sign itself is not base64. */
	CHECK_EQ(login_auth(&f.login, SPAN("PLAIN"), &empty), LOGIN_FAIL);
	CHECK_EQ(f.login.reason, LOGIN_MALFORMED);
	CHECK(has_logged(&f, "not a PLAIN message"));
	CHECK(!has_logged(&f, "not base64"));
	login_fixture_release(&f);
}

TEST(test_login_with_scram_and_binding)
{
	static const struct {
		const char *mech, *gs2;
		bool bound;
	} rows[] = {
		{ "SCRAM-SHA-256", "n,,", false },
		{ "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", true },
	};
	struct login_fixture f;
	struct scram_client c;

	for (size_t i = 0; i < COUNT(rows); i++) {
		login_fixture_init(&f, SCOPE_IMAP);
		scram_client_init(&c, "ann", "phone-secret");
		c.gs2 = rows[i].gs2;
		if (rows[i].bound)
			c.binding = span_make(
			    (char *)f.session.peer.endpoint, 32);
		CHECK_EQ(scram(&f, &c, rows[i].mech), LOGIN_OK);
		CHECK_EQ(f.login.cred, 2);
		CHECK_EQ(f.noted, 2);
		CHECK_EQ(hash_jobs(&f), 0);
		scram_client_release(&c);
		login_fixture_release(&f);
	}
}

TEST(test_login_notices_a_taken_away_plus)
{
	struct login_fixture f;
	struct scram_client c;

	login_fixture_init(&f, SCOPE_IMAP);
	scram_client_init(&c, "ann", "pencil");
	c.gs2 = "y,,";
	CHECK_EQ(scram(&f, &c, "SCRAM-SHA-256"), LOGIN_FAIL);
	CHECK(has_logged(&f, "server-does-support-channel-binding"));
	scram_client_release(&c);
	login_fixture_release(&f);
}

/* What a peer can see of a failure. */
struct seen {
	enum login_step step;
	enum login_reason reason;
	uint64_t hash_jobs;
	unsigned fetches;
	int64_t delayed_ms;
};

static struct seen
try_once(const char *user, const char *password)
{
	struct login_fixture f;
	struct seen seen;

	login_fixture_init(&f, SCOPE_SMTP);
	seen.step = login_fixture_password(&f, user, password);
	seen.reason = f.login.reason;
	seen.hash_jobs = hash_jobs(&f);
	seen.fetches = f.fetches;
	seen.delayed_ms = f.delayed_ms;
	CHECK_EQ(f.session.account, 0);
	CHECK_EQ(f.notes, 0);
	CHECK_EQ(STAT_GET(&f.stats, logins_failed), 1);
	login_fixture_release(&f);
	return seen;
}

TEST(test_login_fails_alike_and_at_the_same_price)
{
	static const struct {
		const char *user, *password;
	} rows[] = {
		{ "ann@example.org", "wrong" },
		{ "nobody@example.org", "pencil" },
		{ "bob@example.org", "pencil" },	/* disabled, right */
		{ "bob@example.org", "wrong" },
		{ "ann@example.org", "phone-secret" },	/* not for SMTP */
		{ "ann@example.org", "old-secret" },	/* expired */
		{ "ann@example.org", "wr\xFFng" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct seen s = try_once(rows[i].user, rows[i].password);

		CHECK_EQ(s.step, LOGIN_FAIL);
		CHECK_EQ(s.reason, LOGIN_WRONG);
		CHECK_EQ(s.hash_jobs, 1);
		CHECK_EQ(s.fetches, 1);
		CHECK_EQ(s.delayed_ms, 0);
	}
}

TEST(test_login_fails_alike_with_names_that_cannot_be)
{
	char longest[600];
	struct seen s;

	memset(longest, 'a', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	s = try_once(longest, "pencil");
	CHECK_EQ(s.reason, LOGIN_WRONG);
	CHECK_EQ(s.hash_jobs, 1);
	s = try_once("an n", "pencil");
	CHECK_EQ(s.reason, LOGIN_WRONG);
	CHECK_EQ(s.hash_jobs, 1);
}

TEST(test_login_logs_the_true_reason)
{
	static const struct {
		const char *user, *password, *why;
	} rows[] = {
		{ "ann", "wrong", "wrong password" },
		{ "nobody", "pencil", "no such account" },
		{ "bob", "pencil", "account disabled" },
		{ "ann", "phone-secret", "password not for this service" },
		{ "ann", "old-secret", "password expired" },
	};
	struct login_fixture f;

	for (size_t i = 0; i < COUNT(rows); i++) {
		login_fixture_init(&f, SCOPE_SMTP);
		CHECK_EQ(login_fixture_password(&f, rows[i].user,
		    rows[i].password), LOGIN_FAIL);
		CHECK(has_logged(&f, rows[i].why));
		CHECK(has_logged(&f, "refused"));
		CHECK(has_logged(&f, rows[i].user));
		login_fixture_release(&f);
	}
}

TEST(test_login_with_scram_hides_who_exists)
{
	static const char *const users[] = { "ann", "nobody", "bob" };
	struct login_fixture f;
	struct scram_client c;

	for (size_t i = 0; i < COUNT(users); i++) {
		login_fixture_init(&f, SCOPE_IMAP);
		f.settings.params.iterations = 2;
		scram_client_init(&c, users[i], i == 2 ? "pencil" : "wrong");
		CHECK_EQ(scram(&f, &c, "SCRAM-SHA-256"), LOGIN_FAIL);
		CHECK_EQ(f.login.reason, LOGIN_WRONG);
		CHECK(c.final.len > 0);
		CHECK_EQ(STAT_GET(&f.stats, logins_failed), 1);
		scram_client_release(&c);
		login_fixture_release(&f);
	}
}

TEST(test_login_with_scram_gives_unknown_names_a_stable_salt)
{
	const struct span first = SPAN("n,,n=nobody,r=abcdef");
	struct buf one = BUF_INIT, two = BUF_INIT;
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_IMAP);
	CHECK_EQ(login_fixture_auth(&f, "SCRAM-SHA-256", &first),
	    LOGIN_CONTINUE);
	login_fixture_challenge(&f, &one);
	login_fixture_reconnect(&f);
	CHECK_EQ(login_fixture_auth(&f, "SCRAM-SHA-256", &first),
	    LOGIN_CONTINUE);
	login_fixture_challenge(&f, &two);
	CHECK_STR(strstr(one.p, ",s="), strstr(two.p, ",s="));
	buf_release(&one);
	buf_release(&two);
	login_fixture_release(&f);
}

TEST(test_login_remembers_a_right_password_without_a_hash_job)
{
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_SMTP);
	CHECK_EQ(plain(&f, PLAIN_OF("ann", "pencil")), LOGIN_OK);
	login_fixture_reconnect(&f);
	CHECK_EQ(plain(&f, PLAIN_OF("ann", "pencil")), LOGIN_OK);
	CHECK_EQ(hash_jobs(&f), 1);
	CHECK_EQ(f.login.cred, 1);
	CHECK_EQ(f.notes, 2);
	/* A change of the credentials ends it. */
	f.accounts[0].version++;
	login_fixture_reconnect(&f);
	CHECK_EQ(plain(&f, PLAIN_OF("ann", "pencil")), LOGIN_OK);
	CHECK_EQ(hash_jobs(&f), 2);
	/* So does the credential's own end. */
	f.accounts[0].creds[0].id = 99;
	login_fixture_reconnect(&f);
	CHECK_EQ(plain(&f, PLAIN_OF("ann", "pencil")), LOGIN_OK);
	CHECK_EQ(hash_jobs(&f), 3);
	CHECK_EQ(f.login.cred, 99);
	login_fixture_release(&f);
}

TEST(test_login_refuses_the_disabled_as_slowly_each_time)
{
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_SMTP);
	for (unsigned i = 1; i <= 3; i++) {
		CHECK_EQ(login_fixture_password(&f, "bob", "pencil"),
		    LOGIN_FAIL);
		CHECK_EQ(hash_jobs(&f), i);
	}
	login_fixture_release(&f);
}

TEST(test_login_ends_the_session_after_three_failures)
{
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_SMTP);
	for (int i = 0; i < 3; i++) {
		CHECK(!login_is_exhausted(&f.login));
		CHECK_EQ(login_fixture_password(&f, "ann", "x"), LOGIN_FAIL);
	}
	CHECK(login_is_exhausted(&f.login));
	CHECK_EQ(f.delayed_ms, 1000 + 2000);
	login_fixture_release(&f);
}

TEST(test_login_waits_before_the_hash_and_not_after)
{
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_SMTP);
	CHECK_EQ(login_fixture_password(&f, "ann", "x"), LOGIN_FAIL);
	CHECK_EQ(login_password(&f.login, SPAN("ann"), SPAN("pencil")),
	    LOGIN_WAIT);
	CHECK(post_drain(&f.home));
	CHECK_EQ(f.step, LOGIN_DELAY);
	CHECK(login_is_delayed(&f.login));
	CHECK_EQ(hash_jobs(&f), 1);
	CHECK_EQ(login_fixture_settle(&f, LOGIN_DELAY), LOGIN_OK);
	CHECK_EQ(hash_jobs(&f), 2);
	CHECK_EQ(f.delayed_ms, 1000);
	login_fixture_release(&f);
}

TEST(test_login_refuses_an_address_without_a_hash_job)
{
	struct login_fixture f;
	char name[8];

	login_fixture_init(&f, SCOPE_SMTP);
	for (int i = 0; i < THROTTLE_NET_FAILURES; i++) {
		(void)snprintf(name, sizeof name, "u%d", i);
		CHECK_EQ(login_fixture_password(&f, name, "x"), LOGIN_FAIL);
		CHECK_EQ(f.login.reason, LOGIN_WRONG);
		login_fixture_reconnect(&f);
	}
	CHECK_EQ(login_fixture_password(&f, "ann", "pencil"), LOGIN_FAIL);
	CHECK_EQ(f.login.reason, LOGIN_TOO_MANY);
	CHECK_EQ(hash_jobs(&f), THROTTLE_NET_FAILURES);
	/* An address that ann has used is let in. */
	f.everyone_is_known = true;
	CHECK_EQ(login_fixture_password(&f, "ann", "pencil"), LOGIN_OK);
	login_fixture_release(&f);
}

TEST(test_login_counts_spellings_of_a_name_as_one)
{
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_SMTP);
	CHECK_EQ(login_fixture_password(&f, "ann", "x"), LOGIN_FAIL);
	memset(f.session.peer.net, 9, 16);
	CHECK_EQ(login_fixture_password(&f, "ANN@example.org", "x"),
	    LOGIN_FAIL);
	CHECK_EQ(f.delayed_ms, 1000);
	login_fixture_release(&f);
}

TEST(test_login_calls_our_own_trouble_temporary)
{
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_SMTP);
	f.fetch_err = ERR_STORE;
	CHECK_EQ(login_fixture_password(&f, "ann", "pencil"),
	    LOGIN_TEMPFAIL);
	CHECK_EQ(f.login.err, ERR_STORE);
	f.fetch_err = 0;
	f.work_err = ERR_BUSY;
	CHECK_EQ(login_fixture_password(&f, "ann", "pencil"),
	    LOGIN_TEMPFAIL);
	CHECK_EQ(f.login.err, ERR_BUSY);
	CHECK_EQ(hash_jobs(&f), 0);
	f.work_err = 0;
	f.budget.limit = 8191;
	CHECK_EQ(login_fixture_password(&f, "ann", "pencil"),
	    LOGIN_TEMPFAIL);
	CHECK_EQ(f.login.err, ERR_BUDGET);
	f.budget.limit = 8192;
	CHECK_EQ(login_fixture_password(&f, "ann", "pencil"), LOGIN_OK);
	CHECK_EQ(STAT_GET(&f.stats, logins_failed), 0);
	CHECK(!login_is_exhausted(&f.login));
	login_fixture_release(&f);
}

TEST(test_login_charges_a_hash_while_it_is_made_and_no_longer)
{
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_IMAP);
	f.work_keeps = true;
	CHECK_EQ(login_password(&f.login, SPAN("ann"), SPAN("pencil")),
	    LOGIN_WAIT);
	CHECK(post_drain(&f.home));
	CHECK(f.kept != NULL);
	CHECK_EQ(budget_used(&f.budget), 0);	/* it waits for a worker */
	f.budget.limit = 8191;
	f.kept->run(f.kept);
	op_complete(&f.kept->op, f.kept->op.err);
	CHECK(post_drain(&f.home));
	CHECK_EQ(f.step, LOGIN_TEMPFAIL);
	CHECK_EQ(f.login.err, ERR_BUDGET);
	CHECK_EQ(budget_used(&f.budget), 0);
	login_fixture_release(&f);
}

TEST(test_login_is_cancelled_by_a_star)
{
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_SMTP);
	CHECK_EQ(login_fixture_auth(&f, "PLAIN", NULL), LOGIN_CONTINUE);
	CHECK_EQ(login_response(&f.login, SPAN("*")), LOGIN_FAIL);
	CHECK_EQ(f.login.reason, LOGIN_CANCELLED);
	CHECK_EQ(f.login.failures, 0);
	CHECK_EQ(f.logged.len, 0);
	CHECK_EQ(login_fixture_password(&f, "ann", "pencil"), LOGIN_OK);
	login_fixture_release(&f);
}

TEST(test_login_refuses_what_is_not_base64)
{
	static const char *const bad[] = { "!", "AGFubgBw=", "A", "AGFub gBw",
	    "=", "AGFubgBw\r", "****" };
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_SMTP);
	for (size_t i = 0; i < COUNT(bad); i++) {
		CHECK_EQ(login_fixture_auth(&f, "PLAIN", NULL),
		    LOGIN_CONTINUE);
		CHECK_EQ(login_response(&f.login, span_of(bad[i])),
		    LOGIN_FAIL);
		CHECK_EQ(f.login.reason, LOGIN_MALFORMED);
	}
	login_fixture_release(&f);
}

TEST(test_login_caps_a_response_at_12288_bytes)
{
	char *line = xmalloc(LOGIN_LINE_MAX + 4);
	struct login_fixture f;

	memset(line, 'A', LOGIN_LINE_MAX + 4);
	login_fixture_init(&f, SCOPE_SMTP);
	CHECK_EQ(login_fixture_auth(&f, "PLAIN", NULL), LOGIN_CONTINUE);
	CHECK_EQ(login_response(&f.login, span_make(line, LOGIN_LINE_MAX)),
	    LOGIN_FAIL);
	CHECK_EQ(f.login.reason, LOGIN_MALFORMED);
	CHECK_EQ(login_fixture_auth(&f, "PLAIN", NULL), LOGIN_CONTINUE);
	CHECK_EQ(login_response(&f.login,
	    span_make(line, LOGIN_LINE_MAX + 4)), LOGIN_FAIL);
	CHECK_EQ(f.login.reason, LOGIN_TOO_LONG);
	free(line);
	login_fixture_release(&f);
}

TEST(test_login_refuses_data_after_scrams_last_message)
{
	struct login_fixture f;
	struct scram_client c;
	struct buf text = BUF_INIT;
	struct span m;

	login_fixture_init(&f, SCOPE_IMAP);
	scram_client_init(&c, "ann", "pencil");
	scram_client_first(&c);
	m = buf_span(&c.first);
	CHECK_EQ(login_fixture_auth(&f, "SCRAM-SHA-256", &m),
	    LOGIN_CONTINUE);
	login_fixture_challenge(&f, &text);
	CHECK(scram_client_final(&c, buf_span(&text)));
	CHECK_EQ(login_fixture_say(&f, buf_span(&c.final)), LOGIN_CONTINUE);
	CHECK_EQ(f.session.account, 0);
	CHECK_EQ(login_fixture_say(&f, SPAN("x")), LOGIN_FAIL);
	CHECK_EQ(f.login.reason, LOGIN_MALFORMED);
	CHECK_EQ(f.session.account, 0);
	CHECK_EQ(f.notes, 0);
	buf_release(&text);
	scram_client_release(&c);
	login_fixture_release(&f);
}

static void
check_mechanisms(struct login_fixture *f, const char *names)
{
	struct buf out = BUF_INIT;

	login_put_mechanisms(&f->login, &out, "AUTH=", " ");
	CHECK_STR(out.p, names);
	buf_release(&out);
}

TEST(test_login_announces_what_the_connection_permits)
{
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_IMAP);
	check_mechanisms(&f, "AUTH=PLAIN AUTH=SCRAM-SHA-256 "
	    "AUTH=SCRAM-SHA-256-PLUS");
	f.session.peer.endpoint_len = 0;
	check_mechanisms(&f, "AUTH=PLAIN AUTH=SCRAM-SHA-256");
	f.session.peer.exporter_len = 32;
	f.login.scope = SCOPE_SMTP;
	check_mechanisms(&f, "AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-256");
	CHECK(login_mechanisms(&f.login) & SASL_BIT(SASL_SCRAM_PLUS));
	f.session.peer.has_tls = false;
	check_mechanisms(&f, "");
	f.session.peer.is_loopback = true;
	check_mechanisms(&f, "");
	f.settings.plaintext = PLAINTEXT_LOOPBACK;
	check_mechanisms(&f, "AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-256");
	f.session.peer.is_loopback = false;
	check_mechanisms(&f, "");
	login_fixture_release(&f);
}

TEST(test_login_refuses_what_was_not_announced)
{
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_IMAP);
	CHECK_EQ(login_fixture_auth(&f, "CRAM-MD5", NULL), LOGIN_FAIL);
	CHECK_EQ(f.login.reason, LOGIN_NOMECH);
	CHECK_EQ(login_fixture_auth(&f, "LOGIN", NULL), LOGIN_FAIL);
	CHECK_EQ(f.login.reason, LOGIN_NOMECH);
	f.session.peer.has_tls = false;
	CHECK_EQ(login_fixture_auth(&f, "PLAIN", NULL), LOGIN_FAIL);
	CHECK_EQ(f.login.reason, LOGIN_INSECURE);
	CHECK_EQ(login_fixture_password(&f, "ann", "pencil"), LOGIN_FAIL);
	CHECK_EQ(f.login.reason, LOGIN_INSECURE);
	CHECK_EQ(f.fetches, 0);
	CHECK_EQ(f.login.failures, 0);
	login_fixture_release(&f);
}

TEST(test_login_may_end_with_an_op_out)
{
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_IMAP);
	CHECK_EQ(login_password(&f.login, SPAN("ann"), SPAN("pencil")),
	    LOGIN_WAIT);
	login_fixture_reconnect(&f);		/* while it is looked up */
	CHECK_EQ(login_password(&f.login, SPAN("ann"), SPAN("pencil")),
	    LOGIN_WAIT);
	CHECK(post_drain(&f.home));
	CHECK_EQ(f.step, LOGIN_WAIT);
	login_fixture_reconnect(&f);		/* while it is hashed */
	CHECK_EQ(budget_used(&f.budget), 0);
	CHECK_EQ(STAT_GET(&f.stats, logins), 0);
	login_fixture_release(&f);
}

/* No guess was made: whoever comes next does not wait for it. */
TEST(test_login_that_is_given_up_is_not_counted_on)
{
	struct span first = SPAN("n,,n=ann,r=abcdefgh");
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_IMAP);
	for (int i = 0; i < THROTTLE_OPEN_MAX + 5; i++) {
		CHECK_EQ(login_fixture_auth(&f, "SCRAM-SHA-256", &first),
		    LOGIN_CONTINUE);
		if (i % 2)
			CHECK_EQ(login_response(&f.login, SPAN("*")),
			    LOGIN_FAIL);
		login_fixture_reconnect(&f);
	}
	CHECK_EQ(login_fixture_password(&f, "ann", "pencil"), LOGIN_OK);
	CHECK_EQ(f.delayed_ms, 0);
	login_fixture_release(&f);
}

TEST(test_login_keeps_no_secret_after_the_end)
{
	struct login_fixture f;

	login_fixture_init(&f, SCOPE_IMAP);
	CHECK_EQ(login_fixture_password(&f, "ann", "pencil"), LOGIN_OK);
	CHECK_EQ(f.login.password.cap, 0);
	CHECK_EQ(f.login.sasl.password.cap, 0);
	CHECK(!f.login.req);
	CHECK_EQ(plain(&f, PLAIN_OF("ann", "wrong")), LOGIN_FAIL);
	CHECK_EQ(f.login.password.cap, 0);
	CHECK_EQ(f.login.sasl.password.cap, 0);
	CHECK(!f.login.req);
	CHECK_STR(f.login.name, "");
	login_fixture_release(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login_with_plain_tells_everybody),
		cmocka_unit_test(
		    test_login_leaves_the_bare_local_part_to_the_store),
		cmocka_unit_test(test_login_goes_without_an_initial_response),
		cmocka_unit_test(test_login_takes_outlooks_initial_response),
		cmocka_unit_test(
		    test_login_reads_the_equals_sign_as_an_empty_response),
		cmocka_unit_test(test_login_with_scram_and_binding),
		cmocka_unit_test(test_login_notices_a_taken_away_plus),
		cmocka_unit_test(test_login_fails_alike_and_at_the_same_price),
		cmocka_unit_test(
		    test_login_fails_alike_with_names_that_cannot_be),
		cmocka_unit_test(test_login_logs_the_true_reason),
		cmocka_unit_test(test_login_with_scram_hides_who_exists),
		cmocka_unit_test(
		    test_login_with_scram_gives_unknown_names_a_stable_salt),
		cmocka_unit_test(
		    test_login_remembers_a_right_password_without_a_hash_job),
		cmocka_unit_test(
		    test_login_refuses_the_disabled_as_slowly_each_time),
		cmocka_unit_test(
		    test_login_ends_the_session_after_three_failures),
		cmocka_unit_test(
		    test_login_waits_before_the_hash_and_not_after),
		cmocka_unit_test(
		    test_login_refuses_an_address_without_a_hash_job),
		cmocka_unit_test(test_login_counts_spellings_of_a_name_as_one),
		cmocka_unit_test(test_login_calls_our_own_trouble_temporary),
		cmocka_unit_test(
		    test_login_charges_a_hash_while_it_is_made_and_no_longer),
		cmocka_unit_test(test_login_is_cancelled_by_a_star),
		cmocka_unit_test(test_login_refuses_what_is_not_base64),
		cmocka_unit_test(test_login_caps_a_response_at_12288_bytes),
		cmocka_unit_test(
		    test_login_refuses_data_after_scrams_last_message),
		cmocka_unit_test(
		    test_login_announces_what_the_connection_permits),
		cmocka_unit_test(test_login_refuses_what_was_not_announced),
		cmocka_unit_test(test_login_may_end_with_an_op_out),
		cmocka_unit_test(test_login_that_is_given_up_is_not_counted_on),
		cmocka_unit_test(test_login_keeps_no_secret_after_the_end),
	};

	if (base_random_start() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
