#include <string.h>

#include "tests/unit/store/rig_read.h"

static int
add_alias(struct fixture *f, const char *address, const char *target)
{
	struct wreq_alias *r = wreq_alias_new(&f->env, NULL);

	r->how = DIR_ADD;
	r->address = xstrdup(address);
	r->targets = xcalloc(1, sizeof *r->targets);
	r->targets[0] = xstrdup(target);
	r->target_count = 1;
	return fixture_run(f, &r->w);
}

static int
add_refused(struct fixture *f, const char *address, const char *reason)
{
	struct wreq_alias *r = wreq_alias_new(&f->env, NULL);

	r->how = DIR_ADD;
	r->address = xstrdup(address);
	r->refused = true;
	r->reason = xstrdup(reason);
	return fixture_run(f, &r->w);
}

/* Who gets it, by name, in the order found; "" when nobody. */
static void
check_resolve(struct fixture *f, const char *local, const char *domain,
    enum resolve_result result, const char *names)
{
	struct rjob_resolve *job;
	struct resolve_item *it = rig_resolve(f, &job, local, domain);
	struct buf got = BUF_INIT;

	for (size_t i = 0; i < it->account_count; i++) {
		sqlite3_stmt *s;

		CHECK_EQ(db_query(&f->store->db, &s, "SELECT name"
		    " FROM account WHERE id = ?", A_INT(it->accounts[i])),
		    0);
		CHECK_EQ(db_step(&f->store->db, s), 1);
		if (got.len)
			buf_addc(&got, ' ');
		buf_addspan(&got, db_span(s, 0));
		db_done(s);
	}
	CHECK_STR(got.p, names);
	CHECK_EQ(it->result, result);
	buf_release(&got);
	rig_free(&job->j);
}

#define OK RESOLVE_OK
#define NO RESOLVE_UNKNOWN

static struct fixture *
directory(void)
{
	struct fixture *f = fixture_new();

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	CHECK_EQ(fixture_add_domain(f, "other.example"), 0);
	CHECK_EQ(fixture_add_account(f, "cy@other.example"), 0);
	return f;
}

TEST(resolve_is_exact_then_without_detail)
{
	struct fixture *f = directory();

	check_resolve(f, "ann", "example.org", OK, "ann@example.org");
	check_resolve(f, "ANN", "EXAMPLE.ORG", OK, "ann@example.org");
	check_resolve(f, "ann+list", "example.org", OK, "ann@example.org");
	check_resolve(f, "ann+a+b", "example.org", OK, "ann@example.org");
	check_resolve(f, "+x", "example.org", NO, "");
	check_resolve(f, "dan", "example.org", NO, "");
	check_resolve(f, "ann", "other.example", NO, "");
	check_resolve(f, "ann", "nowhere.example", RESOLVE_ELSEWHERE, "");
	check_resolve(f, "ann", "bad..domain", NO, "");
	/* One with a detail of its own comes before. */
	CHECK_EQ(add_alias(f, "ann+work@example.org", "bob@example.org"), 0);
	check_resolve(f, "ann+work", "example.org", OK, "bob@example.org");
	fixture_free(f);
}

TEST(resolve_follows_aliases)
{
	struct fixture *f = directory();
	struct rjob_resolve *job;

	CHECK_EQ(add_alias(f, "all@example.org", "ann@example.org"), 0);
	CHECK_EQ(add_alias(f, "all@example.org", "cy@other.example"), 0);
	CHECK_EQ(add_alias(f, "top@example.org", "all@example.org"), 0);
	CHECK_EQ(add_alias(f, "top@example.org", "ann@example.org"), 0);
	check_resolve(f, "all", "example.org", OK,
	    "ann@example.org cy@other.example");
	/* Each once, however many ways lead there. */
	check_resolve(f, "top", "example.org", OK,
	    "ann@example.org cy@other.example");
	check_resolve(f, "top+x", "example.org", OK,
	    "ann@example.org cy@other.example");
	CHECK(!rig_resolve(f, &job, "top", "example.org")->is_mailbox);
	rig_free(&job->j);
	CHECK(rig_resolve(f, &job, "ann+x", "example.org")->is_mailbox);
	rig_free(&job->j);
	fixture_free(f);
}

/* Written past the checks: a loop that must not hang the reader. */
TEST(resolve_ends_in_a_loop_and_in_the_deep)
{
	struct fixture *f = directory();
	char a[32], b[32];

	for (int i = 0; i < 14; i++) {
		snprintf(a, sizeof a, "l%d@example.org", i);
		snprintf(b, sizeof b, "l%d@example.org", i + 1);
		CHECK_EQ(db_run(&f->store->db, "INSERT INTO address(address,"
		    " domain, kind) SELECT ?, min(id), 1 FROM domain",
		    A_STR(a)), 0);
		CHECK_EQ(db_run(&f->store->db, "INSERT INTO alias_target"
		    " VALUES (?, ?)", A_STR(a), A_STR(b)), 0);
	}
	CHECK_EQ(db_run(&f->store->db, "INSERT INTO alias_target VALUES"
	    " ('l13@example.org', 'l0@example.org'),"
	    " ('l9@example.org', 'ann@example.org'),"
	    " ('l12@example.org', 'bob@example.org')"), 0);
	check_resolve(f, "l0", "example.org", OK, "ann@example.org");
	/* Round the loop ann would be eleven steps away. */
	check_resolve(f, "l12", "example.org", OK, "bob@example.org");
	CHECK_EQ(db_run(&f->store->db, "DELETE FROM alias_target"), 0);
	CHECK_EQ(db_run(&f->store->db, "DELETE FROM address"
	    " WHERE kind = 1"), 0);
	fixture_free(f);
}

TEST(resolve_catch_all_comes_last_and_may_refuse)
{
	struct fixture *f = directory();
	struct rjob_resolve *job;
	struct resolve_item *it;

	CHECK_EQ(add_alias(f, "@example.org", "bob@example.org"), 0);
	CHECK_EQ(add_refused(f, "spam@example.org", "no more of this"), 0);
	check_resolve(f, "ann", "example.org", OK, "ann@example.org");
	check_resolve(f, "who+ever", "example.org", OK, "bob@example.org");
	check_resolve(f, "who", "other.example", NO, "");
	it = rig_resolve(f, &job, "spam", "example.org");
	CHECK_EQ(it->result, RESOLVE_REFUSED);
	CHECK_STR(it->reason, "no more of this");
	CHECK_EQ(it->account_count, 0);
	rig_free(&job->j);
	check_resolve(f, "spam+x", "example.org", RESOLVE_REFUSED, "");
	CHECK(!rig_resolve(f, &job, "who", "example.org")->is_mailbox);
	rig_free(&job->j);
	fixture_free(f);
}

/* RFC 5321 section 4.5.1 and RFC 2142. */
TEST(resolve_postmaster_reaches_someone)
{
	struct fixture *f = directory();

	check_resolve(f, "Postmaster", "example.org", OK, "ann@example.org");
	check_resolve(f, "abuse", "other.example", OK, "cy@other.example");
	check_resolve(f, "abuse+x", "other.example", OK, "cy@other.example");
	check_resolve(f, "postmaster", "", OK, "ann@example.org");
	check_resolve(f, "abuse", "", NO, "");
	check_resolve(f, "postmaster", "nowhere.example", RESOLVE_ELSEWHERE,
	    "");
	CHECK_EQ(fixture_add_domain(f, "empty.example"), 0);
	check_resolve(f, "abuse", "empty.example", OK, "ann@example.org");
	/* Whoever has the address has it. */
	CHECK_EQ(add_alias(f, "abuse@example.org", "bob@example.org"), 0);
	check_resolve(f, "abuse", "example.org", OK, "bob@example.org");
	/* It cannot be refused. */
	CHECK_EQ(add_refused(f, "postmaster@example.org", "go away"), 0);
	check_resolve(f, "postmaster", "example.org", OK, "ann@example.org");
	fixture_free(f);
}

TEST(resolve_postmaster_is_the_servers_where_one_is_named)
{
	struct fixture *f = fixture_bare(false);

	f->settings.postmaster = "Bob+post@Example.org";
	fixture_open(f);
	CHECK_EQ(fixture_add_domain(f, "example.org"), 0);
	CHECK_EQ(fixture_add_account(f, "ann@example.org"), 0);
	check_resolve(f, "abuse", "example.org", OK, "ann@example.org");
	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	check_resolve(f, "abuse", "example.org", OK, "bob@example.org");
	check_resolve(f, "postmaster", "", OK, "bob@example.org");
	fixture_free(f);
}

TEST(resolve_answers_each_address_of_a_job)
{
	struct fixture *f = directory();
	struct rjob_resolve *job = rjob_resolve_new(&f->env, NULL);

	rjob_resolve_add(job, span_of("ann"), span_of("example.org"));
	rjob_resolve_add(job, span_of("x"), span_of("nowhere.example"));
	rjob_resolve_add(job, span_of("bob"), span_of("example.org"));
	CHECK_EQ(rig_read(f, &job->j), 0);
	CHECK(!job->j.more);
	CHECK_EQ(job->items[0].result, RESOLVE_OK);
	CHECK_EQ(job->items[1].result, RESOLVE_ELSEWHERE);
	CHECK_EQ(job->items[2].result, RESOLVE_OK);
	CHECK_EQ(job->items[2].accounts[0],
	    fixture_account(f, "bob@example.org"));
	rig_free(&job->j);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolve_is_exact_then_without_detail),
		cmocka_unit_test(resolve_follows_aliases),
		cmocka_unit_test(resolve_ends_in_a_loop_and_in_the_deep),
		cmocka_unit_test(resolve_catch_all_comes_last_and_may_refuse),
		cmocka_unit_test(resolve_postmaster_reaches_someone),
		cmocka_unit_test(
		    resolve_postmaster_is_the_servers_where_one_is_named),
		cmocka_unit_test(resolve_answers_each_address_of_a_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
