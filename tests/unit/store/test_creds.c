#include <string.h>

#include "tests/unit/store/rig_read.h"

static const unsigned char net_a[16] = { 1 }, net_b[16] = { 2 };

static void
request_free(struct op *op)
{
	free(op);
}

static struct cred_request *
fetch(struct fixture *f, struct cred_source *source, const char *name)
{
	struct cred_request *req = xcalloc(1, sizeof *req);

	op_free(f->done);
	f->done = NULL;
	op_init(&req->op, NULL, &f->home, request_free);
	req->op.finish = rig_came_home;
	snprintf(req->name, sizeof req->name, "%s", name);
	memcpy(req->net, net_a, sizeof req->net);
	source->fetch(source, req);
	fixture_settle(f);
	CHECK(f->done == &req->op);
	f->done = NULL;
	CHECK_EQ(req->op.err, 0);
	return req;
}

static void
check_found(struct fixture *f, struct cred_source *source, const char *name,
    const char *want)
{
	struct cred_request *req = fetch(f, source, name);

	CHECK_EQ(req->result.found, want != NULL);
	CHECK_STR(req->result.name, want ? want : "");
	op_free(&req->op);
}

static int
set_account(struct fixture *f, enum account_how how, const char *name)
{
	struct wreq_account *r = wreq_account_new(&f->env, NULL);

	r->how = how;
	r->name = xstrdup(name);
	return fixture_run(f, &r->w);
}

TEST(creds_finds_whole_names_and_unique_local_parts)
{
	struct fixture *f = fixture_new();
	struct cred_source *source = store_creds(f->store, &f->env);

	CHECK_EQ(fixture_add_domain(f, "other.example"), 0);
	CHECK_EQ(fixture_add_account(f, "bob@other.example"), 0);
	CHECK_EQ(fixture_add_account(f, "annette@example.org"), 0);
	check_found(f, source, "ann@example.org", "ann@example.org");
	check_found(f, source, "ann@EXAMPLE.ORG", "ann@example.org");
	check_found(f, source, "ann", "ann@example.org");
	check_found(f, source, "bob", "bob@other.example");
	check_found(f, source, "an", NULL);
	check_found(f, source, "", NULL);
	check_found(f, source, "@", NULL);
	check_found(f, source, "ann@", NULL);
	check_found(f, source, "bob@example.org", NULL);
	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	check_found(f, source, "bob", NULL);
	check_found(f, source, "bob@example.org", "bob@example.org");
	/* A deleted account is none, and makes the other one unique again. */
	CHECK_EQ(set_account(f, ACCOUNT_HOW_DEL, "bob@example.org"), 0);
	check_found(f, source, "bob@example.org", NULL);
	check_found(f, source, "bob", "bob@other.example");
	fixture_free(f);
}

TEST(creds_brings_all_that_a_log_in_needs)
{
	struct fixture *f = fixture_new();
	struct cred_source *source = store_creds(f->store, &f->env);
	struct wreq_device *d = wreq_device_new(&f->env, NULL);
	struct cred_request *req;
	uint64_t version;

	CHECK(memcmp(source->secret, f->store->secret,
	    sizeof source->secret) == 0);
	req = fetch(f, source, "ann@example.org");
	version = req->result.version;
	CHECK_EQ(req->result.cred_count, 1);
	CHECK_EQ(req->result.account, fixture_account(f, "ann@example.org"));
	op_free(&req->op);
	d->how = DIR_ADD;
	d->account = xstrdup("ann@example.org");
	d->label = xstrdup("phone");
	d->cred.kind = CRED_DEVICE;
	d->cred.scope = SCOPE_IMAP;
	d->cred.expires_s = 5;
	memset(d->cred.stored_key, 0xaa, CRED_KEY_LEN);
	memset(d->cred.server_key, 0xbb, CRED_KEY_LEN);
	CHECK_EQ(fixture_run(f, &d->w), 0);
	req = fetch(f, source, "ann@example.org");
	CHECK(req->result.version > version);
	CHECK_EQ(req->result.salt_len, 16);
	CHECK_EQ(req->result.iterations, 10000);
	CHECK_EQ(req->result.cred_count, 2);
	CHECK_EQ(req->result.creds[0].kind, CRED_PASSWORD);
	CHECK_EQ(req->result.creds[1].kind, CRED_DEVICE);
	CHECK_EQ(req->result.creds[1].scope, SCOPE_IMAP);
	CHECK_EQ(req->result.creds[1].expires_s, 5);
	CHECK_EQ(req->result.creds[1].stored_key[31], 0xaa);
	CHECK_EQ(req->result.creds[1].server_key[0], 0xbb);
	CHECK_STR(req->result.creds[1].argon2, "");
	CHECK(req->result.creds[0].id != req->result.creds[1].id);
	CHECK(!req->result.disabled);
	op_free(&req->op);
	CHECK_EQ(set_account(f, ACCOUNT_HOW_DISABLE, "ann@example.org"), 0);
	req = fetch(f, source, "ann@example.org");
	CHECK(req->result.found && req->result.disabled);
	op_free(&req->op);
	fixture_free(f);
}

TEST(creds_notes_a_log_in_once_an_hour_and_knows_its_net)
{
	struct fixture *f = fixture_new();
	struct cred_source *source = store_creds(f->store, &f->env);
	struct cred_request *req = fetch(f, source, "ann");
	uint64_t account = req->result.account;
	uint64_t cred = req->result.creds[0].id;

	CHECK(!req->result.is_known_net);
	op_free(&req->op);
	source->note_use(source, account, cred, net_a, "192.0.2.1");
	CHECK(store_pump(f->store));
	fixture_settle(f);
	CHECK_EQ(fixture_get(f, "SELECT last_used FROM credential"),
	    FIXTURE_NOW);
	req = fetch(f, source, "ann");
	CHECK(req->result.is_known_net);
	op_free(&req->op);
	/* Again within the hour: nothing is even asked of the writer. */
	source->note_use(source, account, cred, net_a, "192.0.2.1");
	CHECK(!store_pump(f->store));
	source->note_use(source, account, cred, net_b, "192.0.2.2");
	CHECK(store_pump(f->store));
	fixture_settle(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM known_peer"), 2);
	fake_clock_advance(&f->clock, 3601 * 1000);
	source->note_use(source, account, cred, net_a, "192.0.2.1");
	CHECK(store_pump(f->store));
	fixture_settle(f);
	CHECK_EQ(fixture_get(f, "SELECT last_used FROM credential"),
	    FIXTURE_NOW + 3601);
	/* Known lately, not for ever. */
	fake_clock_advance(&f->clock, 31LL * 86400 * 1000);
	req = fetch(f, source, "ann");
	CHECK(!req->result.is_known_net);
	op_free(&req->op);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(creds_finds_whole_names_and_unique_local_parts),
		cmocka_unit_test(creds_brings_all_that_a_log_in_needs),
		cmocka_unit_test(
		    creds_notes_a_log_in_once_an_hour_and_knows_its_net),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
