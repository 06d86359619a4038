#include "server/base/xalloc.h"
#include "tests/unit/store/fixture.h"

static int
account(struct fixture *f, enum account_how how, const char *name)
{
	struct wreq_account *r = wreq_account_new(&f->env, NULL);

	r->how = how;
	r->name = xstrdup(name);
	r->cred.scope = 15;
	return fixture_run(f, &r->w);
}

static int
domain(struct fixture *f, enum directory_how how, const char *name)
{
	struct wreq_domain *r = wreq_domain_new(&f->env, NULL);

	r->how = how;
	r->name = xstrdup(name);
	return fixture_run(f, &r->w);
}

static int
device(struct fixture *f, enum directory_how how, const char *label)
{
	struct wreq_device *r = wreq_device_new(&f->env, NULL);

	r->how = how;
	r->account = xstrdup("ann@example.org");
	r->label = xstrdup(label);
	r->cred.scope = 15;
	return fixture_run(f, &r->w);
}

static int64_t
version(struct fixture *f)
{
	return fixture_get(f, "SELECT version FROM account WHERE name ="
	    " 'ann@example.org' AND state < 2");
}

TEST(test_account_add_makes_subscribed_marked_mailboxes)
{
	struct fixture *f = fixture_new();

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	CHECK_EQ(fixture_row(f, fixture_mailbox(f, "bob@example.org",
	    "Archive")).use, USE_ARCHIVE);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM mailbox m JOIN"
	    " subscription s ON s.account = m.account AND s.name = m.name"),
	    12);
	CHECK_EQ(fixture_heard(f, CHANGE_ACCOUNT, 0)->event, ACCOUNT_ADDED);
	CHECK(fixture_heard(f, CHANGE_DIRECTORY, 0));
	CHECK_EQ(fixture_add_account(f, "bob@example.org"), ERR_EXISTS);
	CHECK_EQ(fixture_add_account(f, "bob@example.com"), ERR_NODOMAIN);
	CHECK_EQ(fixture_add_account(f, "bob"), ERR_NODOMAIN);
	fixture_free(f);
}

TEST(test_account_deleted_name_is_free_for_somebody_new)
{
	struct fixture *f = fixture_new();
	uint64_t old = fixture_account(f, "ann@example.org");
	struct mailbox_row a, b;

	fixture_deliver(f, "ann@example.org", "a: b\r\n\r\n");
	a = fixture_row(f, fixture_mailbox(f, "ann@example.org", "INBOX"));
	fixture_deaf(f);
	CHECK_EQ(account(f, ACCOUNT_HOW_DEL, "ann@example.org"), 0);
	CHECK_EQ(fixture_heard(f, CHANGE_ACCOUNT, 0)->event, ACCOUNT_DELETED);
	CHECK_EQ(fixture_heard(f, CHANGE_ACCOUNT, 0)->account, old);
	CHECK_EQ(account(f, ACCOUNT_HOW_DEL, "ann@example.org"), ERR_NOUSER);
	CHECK_EQ(fixture_add_account(f, "ann@example.org"), 0);
	CHECK(fixture_account(f, "ann@example.org") != old);
	b = fixture_row(f, fixture_mailbox(f, "ann@example.org", "INBOX"));
	CHECK(b.id > a.id);
	CHECK(b.uidvalidity > a.uidvalidity);
	CHECK_EQ(b.messages, 0);
	fixture_free(f);
}

TEST(test_account_changes_raise_its_version_and_are_told)
{
	struct fixture *f = fixture_new();
	int64_t v = version(f);

	CHECK_EQ(account(f, ACCOUNT_HOW_DISABLE, "ann@example.org"), 0);
	CHECK_EQ(fixture_heard(f, CHANGE_ACCOUNT, 0)->event,
	    ACCOUNT_DISABLED);
	CHECK_EQ(account(f, ACCOUNT_HOW_ENABLE, "ann@example.org"), 0);
	CHECK_EQ(account(f, ACCOUNT_HOW_PASSWD, "ann@example.org"), 0);
	CHECK_EQ(fixture_heard(f, CHANGE_ACCOUNT, 2)->event,
	    ACCOUNT_CREDENTIALS);
	CHECK_EQ(version(f), v + 3);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM credential"), 1);
	CHECK_EQ(account(f, ACCOUNT_HOW_PASSWD, "bob@example.org"),
	    ERR_NOUSER);
	fixture_free(f);
}

TEST(test_account_devices_have_labels_of_their_own)
{
	struct fixture *f = fixture_new();
	int64_t v = version(f);

	CHECK_EQ(device(f, DIR_ADD, "phone"), 0);
	/* Nobody's session ends because a phone was added. */
	CHECK(!fixture_heard(f, CHANGE_ACCOUNT, 0));
	CHECK_EQ(device(f, DIR_ADD, "phone"), ERR_EXISTS);
	CHECK_EQ(device(f, DIR_DEL, "tablet"), ERR_NOTFOUND);
	CHECK_EQ(device(f, DIR_DEL, "phone"), 0);
	CHECK_EQ(fixture_heard(f, CHANGE_ACCOUNT, 0)->event,
	    ACCOUNT_CREDENTIALS);
	CHECK_EQ(version(f), v + 2);
	CHECK_EQ(device(f, DIR_ADD, "phone"), 0);
	fixture_free(f);
}

TEST(test_account_domain_in_use_stays)
{
	struct fixture *f = fixture_new();

	CHECK_EQ(domain(f, DIR_ADD, "example.org"), ERR_EXISTS);
	CHECK_EQ(domain(f, DIR_DEL, "example.org"), ERR_INUSE);
	CHECK_EQ(domain(f, DIR_DEL, "example.com"), ERR_NODOMAIN);
	CHECK_EQ(account(f, ACCOUNT_HOW_DEL, "ann@example.org"), 0);
	CHECK_EQ(domain(f, DIR_DEL, "example.org"), 0);
	fixture_free(f);
}

TEST(test_account_log_in_is_noted_once_an_hour)
{
	struct fixture *f = fixture_new();
	struct wreq_note_login *r;

	for (int i = 0; i < 3; i++) {
		r = wreq_note_login_new(&f->env);
		r->account = fixture_account(f, "ann@example.org");
		r->cred = (uint64_t)fixture_get(f,
		    "SELECT id FROM credential");
		snprintf(r->from, sizeof r->from, "192.0.2.%d", i);
		CHECK_EQ(fixture_run(f, &r->w), 0);
		fake_clock_advance(&f->clock, 1800 * 1000);
	}
	CHECK_EQ(fixture_get(f, "SELECT last_used FROM credential"),
	    FIXTURE_NOW + 3600);
	CHECK_EQ(fixture_get(f, "SELECT last_from = '192.0.2.2'"
	    " FROM credential"), 1);
	CHECK_EQ(fixture_get(f, "SELECT last_ok FROM known_peer"),
	    FIXTURE_NOW + 3600);
	fixture_free(f);
}

/* ---- aliases ---- */

static struct wreq_alias *
alias(struct fixture *f, enum directory_how how, const char *address,
    const char *target)
{
	struct wreq_alias *r = wreq_alias_new(&f->env, NULL);

	r->how = how;
	r->address = xstrdup(address);
	if (target) {
		r->targets = xcalloc(1, sizeof *r->targets);
		r->targets[0] = xstrdup(target);
		r->target_count = 1;
	}
	return r;
}

static int
alias_add(struct fixture *f, const char *address, const char *target)
{
	return fixture_run(f, &alias(f, DIR_ADD, address, target)->w);
}

static int
alias_del(struct fixture *f, const char *address, const char *target)
{
	return fixture_run(f, &alias(f, DIR_DEL, address, target)->w);
}

TEST(test_alias_targets_are_checked)
{
	struct fixture *f = fixture_new();
	struct wreq_alias *r;

	CHECK_EQ(alias_add(f, "info@example.org", "ann@example.org"), 0);
	CHECK_EQ(alias_add(f, "@example.org", "info@example.org"), 0);
	CHECK_EQ(alias_add(f, "sales@example.org", "ann+x@example.org"), 0);
	CHECK_EQ(alias_add(f, "x@example.com", "ann@example.org"),
	    ERR_NODOMAIN);
	CHECK_EQ(alias_add(f, "ann@example.org", "info@example.org"),
	    ERR_EXISTS);
	CHECK_EQ(alias_add(f, "y@example.org", NULL), ERR_SYNTAX);
	r = alias(f, DIR_ADD, "y@example.org", "nobody@example.org");
	CHECK_EQ(fixture_run(f, &r->w), ERR_NOUSER);
	CHECK_STR(r->culprit_r, "nobody@example.org");
	/* Elsewhere is its own server's business. */
	CHECK_EQ(alias_add(f, "y@example.org", "ann@example.com"), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM address"), 5);
	fixture_free(f);
}

TEST(test_alias_loops_are_refused)
{
	struct fixture *f = fixture_new();
	char a[32], b[32] = "ann@example.org";

	CHECK_EQ(alias_add(f, "a@example.org", "ann@example.org"), 0);
	CHECK_EQ(alias_add(f, "b@example.org", "a@example.org"), 0);
	CHECK_EQ(alias_add(f, "c@example.org", "b@example.org"), 0);
	CHECK_EQ(alias_add(f, "a@example.org", "c@example.org"), ERR_REFUSED);
	CHECK_EQ(alias_add(f, "a@example.org", "a@example.org"), ERR_REFUSED);
	CHECK_EQ(alias_add(f, "a@example.org", "c+x@example.org"),
	    ERR_REFUSED);
	/* Nor deeper than anybody will follow. */
	for (int i = 0; i < 10; i++) {
		snprintf(a, sizeof a, "d%d@example.org", i);
		CHECK_EQ(alias_add(f, a, b), 0);
		memcpy(b, a, sizeof b);
	}
	CHECK_EQ(alias_add(f, "e@example.org", b), ERR_REFUSED);
	fixture_free(f);
}

TEST(test_alias_goes_with_its_last_target)
{
	struct fixture *f = fixture_new();

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	CHECK_EQ(alias_add(f, "both@example.org", "ann@example.org"), 0);
	CHECK_EQ(alias_add(f, "both@example.org", "bob@example.org"), 0);
	CHECK_EQ(alias_add(f, "on@example.org", "both@example.org"), 0);
	CHECK_EQ(alias_del(f, "both@example.org", "eve@example.org"),
	    ERR_NOTFOUND);
	CHECK_EQ(alias_del(f, "both@example.org", "ann@example.org"), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM address WHERE kind = 1"),
	    2);
	/* The account goes: an heir of the name must not get this mail. */
	CHECK_EQ(account(f, ACCOUNT_HOW_DEL, "bob@example.org"), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM address WHERE kind = 1"),
	    0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM alias_target"), 0);
	CHECK_EQ(alias_del(f, "both@example.org", NULL), ERR_NOTFOUND);
	CHECK_EQ(alias_del(f, "ann@example.org", NULL), ERR_EXISTS);
	fixture_free(f);
}

TEST(test_alias_refused_address_has_a_reason)
{
	struct fixture *f = fixture_new();
	struct wreq_alias *r = alias(f, DIR_ADD, "spam@example.org", NULL);

	r->refused = true;
	r->reason = xstrdup("gone for good");
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM address WHERE kind = 2"
	    " AND reason = 'gone for good'"), 1);
	CHECK_EQ(alias_add(f, "spam@example.org", "ann@example.org"),
	    ERR_EXISTS);
	CHECK_EQ(alias_add(f, "x@example.org", "spam@example.org"),
	    ERR_NOUSER);
	CHECK_EQ(alias_del(f, "spam@example.org", NULL), 0);
	fixture_free(f);
}

TEST(test_cert_is_replaced_by_name)
{
	struct fixture *f = fixture_new();
	struct wreq_cert *r;

	for (int i = 0; i < 2; i++) {
		r = wreq_cert_new(&f->env, NULL);
		r->name = xstrdup("mail.example.org");
		r->chain = xstrdup("chain");
		r->chain_len = 5;
		r->key = xstrdup("key");
		r->key_len = 3;
		r->not_after_s = FIXTURE_NOW + i;
		CHECK_EQ(fixture_run(f, &r->w), 0);
	}
	CHECK_EQ(fixture_get(f, "SELECT not_after FROM certificate"),
	    FIXTURE_NOW + 1);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM certificate"), 1);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_account_add_makes_subscribed_marked_mailboxes),
		cmocka_unit_test(
		    test_account_deleted_name_is_free_for_somebody_new),
		cmocka_unit_test(
		    test_account_changes_raise_its_version_and_are_told),
		cmocka_unit_test(
		    test_account_devices_have_labels_of_their_own),
		cmocka_unit_test(test_account_domain_in_use_stays),
		cmocka_unit_test(test_account_log_in_is_noted_once_an_hour),
		cmocka_unit_test(test_alias_targets_are_checked),
		cmocka_unit_test(test_alias_loops_are_refused),
		cmocka_unit_test(test_alias_goes_with_its_last_target),
		cmocka_unit_test(test_alias_refused_address_has_a_reason),
		cmocka_unit_test(test_cert_is_replaced_by_name)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
