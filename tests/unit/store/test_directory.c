#include <string.h>

#include "tests/unit/store/rig_read.h"

static struct rjob_directory *
list(struct fixture *f, enum directory_what what)
{
	struct rjob_directory *d = rjob_directory_new(&f->env, NULL, what);

	CHECK_EQ(rig_read(f, &d->j), 0);
	CHECK(!d->j.more);
	return d;
}

TEST(directory_lists_accounts_by_name)
{
	struct fixture *f = fixture_new();
	struct wreq_account *dis = wreq_account_new(&f->env, NULL);
	struct rjob_directory *d;

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	CHECK_EQ(fixture_add_account(f, "aaron@example.org"), 0);
	fixture_deliver(f, "bob@example.org", "Subject: x\r\n\r\n");
	dis->how = ACCOUNT_HOW_DISABLE;
	dis->name = xstrdup("aaron@example.org");
	CHECK_EQ(fixture_run(f, &dis->w), 0);
	d = list(f, LIST_ACCOUNTS);
	CHECK_EQ(d->count, 3);
	CHECK_STR(d->accounts[0].name, "aaron@example.org");
	CHECK(d->accounts[0].disabled);
	CHECK_STR(d->accounts[1].name, "ann@example.org");
	CHECK(!d->accounts[1].disabled);
	CHECK_EQ(d->accounts[1].id, fixture_account(f, "ann@example.org"));
	CHECK_EQ(d->accounts[1].created_s, FIXTURE_NOW);
	CHECK_EQ(d->accounts[1].last_login_s, 0);
	CHECK_EQ(d->accounts[2].messages, 1);
	CHECK_EQ(d->accounts[2].bytes, 14);
	rig_free(&d->j);
	fixture_free(f);
}

static int
add_device(struct fixture *f, const char *label)
{
	struct wreq_device *d = wreq_device_new(&f->env, NULL);

	d->how = DIR_ADD;
	d->account = xstrdup("ann@example.org");
	d->label = xstrdup(label);
	d->cred.kind = CRED_DEVICE;
	return fixture_run(f, &d->w);
}

TEST(directory_lists_devices_of_one_account)
{
	struct fixture *f = fixture_new();
	struct rjob_directory *d;

	CHECK_EQ(add_device(f, "phone"), 0);
	CHECK_EQ(add_device(f, "laptop"), 0);
	d = rjob_directory_new(&f->env, NULL, LIST_DEVICES);
	d->account = xstrdup("ann@example.org");
	CHECK_EQ(rig_read(f, &d->j), 0);
	CHECK_EQ(d->count, 2);
	CHECK_STR(d->devices[0].label, "laptop");
	CHECK_STR(d->devices[1].label, "phone");
	CHECK_EQ(d->devices[1].created_s, FIXTURE_NOW);
	CHECK_EQ(d->devices[1].last_used_s, 0);
	CHECK(!d->devices[1].last_from);
	rig_free(&d->j);
	d = rjob_directory_new(&f->env, NULL, LIST_DEVICES);
	d->account = xstrdup("nobody@example.org");
	CHECK_EQ(rig_read(f, &d->j), ERR_NOUSER);
	rig_free(&d->j);
	fixture_free(f);
}

static void
add_alias(struct fixture *f, const char *address, const char *target,
    const char *reason)
{
	struct wreq_alias *r = wreq_alias_new(&f->env, NULL);

	r->how = DIR_ADD;
	r->address = xstrdup(address);
	if (target) {
		r->targets = xcalloc(1, sizeof *r->targets);
		r->targets[0] = xstrdup(target);
		r->target_count = 1;
	} else {
		r->refused = true;
		r->reason = xstrdup(reason);
	}
	CHECK_EQ(fixture_run(f, &r->w), 0);
}

TEST(directory_lists_aliases_with_their_targets)
{
	struct fixture *f = fixture_new();
	struct rjob_directory *d;

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	add_alias(f, "us@example.org", "bob@example.org", NULL);
	add_alias(f, "us@example.org", "ann@example.org", NULL);
	add_alias(f, "old@example.org", NULL, "moved");
	add_alias(f, "@example.org", "ann@example.org", NULL);
	d = list(f, LIST_ALIASES);
	CHECK_EQ(d->count, 3);
	CHECK_STR(d->aliases[0].address, "@example.org");
	CHECK_STR(d->aliases[1].address, "old@example.org");
	CHECK(d->aliases[1].refused);
	CHECK_STR(d->aliases[1].reason, "moved");
	CHECK_EQ(d->aliases[1].target_count, 0);
	CHECK_STR(d->aliases[2].address, "us@example.org");
	CHECK(!d->aliases[2].refused);
	CHECK_EQ(d->aliases[2].target_count, 2);
	CHECK_STR(d->aliases[2].targets[0], "ann@example.org");
	CHECK_STR(d->aliases[2].targets[1], "bob@example.org");
	rig_free(&d->j);
	fixture_free(f);
}

TEST(directory_lists_domains_and_certificates)
{
	struct fixture *f = fixture_new();
	struct wreq_cert *c = wreq_cert_new(&f->env, NULL);
	struct rjob_directory *d;

	CHECK_EQ(fixture_add_domain(f, "a.example"), 0);
	c->name = xstrdup("mail.example.org");
	c->chain = xstrdup("CHAIN");
	c->chain_len = 5;
	c->key = xstrdup("KEY");
	c->key_len = 3;
	c->not_after_s = 77;
	CHECK_EQ(fixture_run(f, &c->w), 0);
	d = list(f, LIST_DOMAINS);
	CHECK_EQ(d->count, 2);
	CHECK_STR(d->domains[0].name, "a.example");
	CHECK_EQ(d->domains[0].addresses, 0);
	CHECK_STR(d->domains[1].name, "example.org");
	CHECK_EQ(d->domains[1].addresses, 1);
	rig_free(&d->j);
	d = list(f, LIST_CERTS);
	CHECK_EQ(d->count, 1);
	CHECK_STR(d->certs[0].name, "mail.example.org");
	CHECK_SPAN(d->certs[0].chain, "CHAIN");
	CHECK_SPAN(d->certs[0].key, "KEY");
	CHECK_EQ(d->certs[0].not_after_s, 77);
	rig_free(&d->j);
	fixture_free(f);
}

TEST(directory_status_counts)
{
	struct fixture *f = fixture_new_on_disk();
	struct rjob_directory *d;

	fixture_deliver(f, "ann@example.org", "Subject: x\r\n\r\n");
	d = list(f, LIST_STATUS);
	CHECK_EQ(d->status.accounts, 1);
	CHECK_EQ(d->status.domains, 1);
	CHECK_EQ(d->status.mailboxes, 6);
	CHECK_EQ(d->status.messages, 1);
	CHECK_EQ(d->status.bytes, 14);
	CHECK(d->status.db_bytes + d->status.wal_bytes > 0);
	CHECK(d->status.free_bytes > 0);
	CHECK(!d->status.is_full);
	CHECK_EQ(d->status.schema, schema_version());
	rig_free(&d->j);
	fixture_free(f);
}

TEST(directory_lists_many)
{
	struct fixture *f = fixture_new();
	struct rjob_directory *d;
	char name[32];

	for (int i = 0; i < 37; i++) {
		snprintf(name, sizeof name, "d%02d.example", i);
		CHECK_EQ(fixture_add_domain(f, name), 0);
	}
	fixture_deaf(f);
	d = list(f, LIST_DOMAINS);
	CHECK_EQ(d->count, 38);
	for (int i = 0; i < 37; i++) {
		snprintf(name, sizeof name, "d%02d.example", i);
		CHECK_STR(d->domains[i].name, name);
	}
	rig_free(&d->j);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(directory_lists_accounts_by_name),
		cmocka_unit_test(directory_lists_devices_of_one_account),
		cmocka_unit_test(directory_lists_aliases_with_their_targets),
		cmocka_unit_test(directory_lists_domains_and_certificates),
		cmocka_unit_test(directory_status_counts),
		cmocka_unit_test(directory_lists_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
