#include "store/metadata.h"

#include "server/base/xalloc.h"
#include "tests/unit/store/rig_read.h"

static struct wreq_metadata *
request(struct fixture *f, const char *name, size_t count)
{
	struct wreq_metadata *r = wreq_metadata_new(&f->env, NULL);

	r->w.actor = fixture_account(f, "ann@example.org");
	r->name = name ? xstrdup(name) : NULL;
	r->items = xcalloc(count, sizeof *r->items);
	r->item_count = count;
	return r;
}

static int
set(struct fixture *f, const char *name, const char *entry,
    const char *value)
{
	struct wreq_metadata *r = request(f, name, 1);

	r->items[0].entry = xstrdup(entry);
	r->items[0].remove = !value;
	if (value) {
		r->items[0].value = xstrdup(value);
		r->items[0].value_len = strlen(value);
	}
	return fixture_run(f, &r->w);
}

static struct rjob_metadata *
job(struct fixture *f, const char *name, const char *entry)
{
	struct rjob_metadata *m = rjob_metadata_new(&f->env, NULL, 1);

	m->j.actor = fixture_account(f, "ann@example.org");
	m->name = name ? xstrdup(name) : NULL;
	m->entries[0] = xstrdup(entry);
	return m;
}

TEST(test_metadata_tells_whose_it_is)
{
	struct fixture *f = fixture_new();
	uint64_t ann = fixture_account(f, "ann@example.org");
	const struct change *c;

	fixture_deaf(f);
	CHECK_EQ(set(f, "INBOX", "/shared/comment", "a"), 0);
	CHECK_EQ(set(f, NULL, "/private/comment", "b"), 0);
	c = fixture_heard(f, CHANGE_METADATA, 0);
	CHECK_EQ(c->account, ann);
	CHECK_EQ(c->mailbox, fixture_mailbox(f, "ann@example.org", "INBOX"));
	CHECK_EQ(c->reader, 0);
	CHECK_STR(c->name, "INBOX");
	CHECK_STR(c->entry, "/shared/comment");
	CHECK_EQ(c->modseq, fixture_row(f, c->mailbox).modseq);
	c = fixture_heard(f, CHANGE_METADATA, 1);
	CHECK_EQ(c->account, ann);
	CHECK_EQ(c->mailbox, 0);
	CHECK_EQ(c->reader, ann);
	/* Nothing has changed, so nothing is told. */
	fixture_deaf(f);
	CHECK_EQ(set(f, "INBOX", "/SHARED/comment", "a"), 0);
	CHECK_EQ(set(f, "INBOX", "/shared/nothing", NULL), 0);
	CHECK(!fixture_heard(f, CHANGE_METADATA, 0));
	fixture_free(f);
}

TEST(test_metadata_of_the_server_is_set_by_its_administrator)
{
	struct fixture *f = fixture_new();

	CHECK_EQ(set(f, NULL, "/shared/comment", "a"), ERR_DENIED);
	CHECK_EQ(db_exec(&f->store->db, "UPDATE account SET role = 1"), 0);
	fixture_deaf(f);
	CHECK_EQ(set(f, NULL, "/shared/comment", "a"), 0);
	CHECK_EQ(fixture_heard(f, CHANGE_METADATA, 0)->account, 0);
	CHECK_EQ(set(f, NULL, "/shared/ADMIN", "a"), ERR_DENIED);
	fixture_free(f);
}

TEST(test_metadata_knows_who_runs_the_server)
{
	struct fixture *f = fixture_bare(false);
	struct rjob_metadata *m;

	f->settings.postmaster = "root@example.org";
	fixture_open(f);
	CHECK_EQ(fixture_add_domain(f, "example.org"), 0);
	CHECK_EQ(fixture_add_account(f, "ann@example.org"), 0);
	m = job(f, NULL, "/shared/admin");
	CHECK_EQ(rig_read(f, &m->j), 0);
	CHECK_EQ(m->row_count, 1);
	CHECK_SPAN(m->rows[0].value, "mailto:root@example.org");
	rig_free(&m->j);
	m = job(f, "INBOX", "/shared/admin");
	CHECK_EQ(rig_read(f, &m->j), 0);
	CHECK(m->rows[0].is_nil);
	rig_free(&m->j);
	fixture_free(f);
}

TEST(test_metadata_comes_in_slices)
{
	struct fixture *f = fixture_new();
	struct wreq_metadata *r = request(f, "Sent", 20);
	struct rjob_metadata *m;
	size_t rows = 0, slices = 0;
	char name[32];

	for (size_t i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "/private/comment/%02zu", i);
		r->items[i].entry = xstrdup(name);
		r->items[i].value_len = METADATA_VALUE_MAX;
		r->items[i].value = xcalloc(1, METADATA_VALUE_MAX);
	}
	CHECK_EQ(fixture_run(f, &r->w), 0);
	m = job(f, "Sent", "/Private");
	m->depth = METADATA_DEPTH_INFINITY;
	do {
		CHECK_EQ(rig_read(f, &m->j), 0);
		for (size_t i = 0; i < m->row_count; i++, rows++) {
			snprintf(name, sizeof name, "/private/comment/%02zu",
			    rows);
			CHECK_SPAN(m->rows[i].entry, name);
			CHECK_EQ(m->rows[i].value.len, METADATA_VALUE_MAX);
		}
		slices++;
	} while (m->j.more);
	CHECK_EQ(rows, 20);
	CHECK(slices >= 5);
	rig_free(&m->j);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metadata_tells_whose_it_is),
		cmocka_unit_test(
		    test_metadata_of_the_server_is_set_by_its_administrator),
		cmocka_unit_test(test_metadata_knows_who_runs_the_server),
		cmocka_unit_test(test_metadata_comes_in_slices)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
