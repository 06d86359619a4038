#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/store/rig_read.h"

/* Collects a whole backup into a file; the bytes it has. */
static uint64_t
backup_to(struct fixture *f, const char *path)
{
	struct rjob_backup *b = rjob_backup_new(&f->env, NULL);
	FILE *out = fopen(path, "wb");
	uint64_t total;

	CHECK(out);
	do {
		CHECK_EQ(rig_read(f, &b->j), 0);
		if (b->bytes.len)
			CHECK_EQ(fwrite(b->bytes.p, 1, b->bytes.len, out),
			    b->bytes.len);
		CHECK(b->bytes.len <= 64 * 1024);
	} while (b->j.more);
	CHECK_EQ(fclose(out), 0);
	CHECK_EQ(b->done, b->total);
	total = b->total;
	rig_free(&b->j);
	return total;
}

TEST(backup_is_a_store_that_opens)
{
	struct fixture *f = fixture_new_on_disk();
	struct fixture *g = fixture_bare(true);
	char path[128], left[128];

	snprintf(path, sizeof path, "%s/mail.db", g->dir);
	snprintf(left, sizeof left, "%s/backup.tmp", f->dir);
	fixture_fill(f, fixture_mailbox(f, "ann@example.org", "INBOX"), 50);
	CHECK(backup_to(f, path) > 64 * 1024);
	/* Nothing with a name stays behind. */
	CHECK(access(left, F_OK) < 0);
	/* And life goes on in the first. */
	fixture_deliver(f, "ann@example.org", "Subject: x\r\n\r\n");
	fixture_open(g);
	CHECK_EQ(fixture_get(g, "SELECT count(*) FROM msg"), 50);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM msg"), 51);
	CHECK_EQ(fixture_get(g, "PRAGMA page_size"), 8192);
	CHECK_EQ(fixture_get(g, "PRAGMA auto_vacuum"), 2);
	CHECK_EQ(fixture_get(g, "PRAGMA user_version"), schema_version());
	CHECK_EQ(fixture_deliver(g, "ann@example.org", "Subject: y\r\n\r\n"),
	    51);
	fixture_free(g);
	fixture_free(f);
}

TEST(backup_takes_the_place_of_what_a_crash_left)
{
	struct fixture *f = fixture_new_on_disk();
	char path[128], left[128];
	FILE *rest;

	snprintf(path, sizeof path, "%s/reserve", f->dir);
	snprintf(left, sizeof left, "%s/backup.tmp", f->dir);
	rest = fopen(left, "w");
	CHECK(rest && fputs("half a copy", rest) >= 0);
	fclose(rest);
	CHECK(backup_to(f, path) > 0);
	CHECK(access(left, F_OK) < 0);
	fixture_free(f);
}

TEST(backup_of_a_store_in_memory_is_refused)
{
	struct fixture *f = fixture_new();
	struct rjob_backup *b = rjob_backup_new(&f->env, NULL);

	CHECK_EQ(rig_read(f, &b->j), ERR_NOTFOUND);
	CHECK(!b->j.more);
	rig_free(&b->j);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backup_is_a_store_that_opens),
		cmocka_unit_test(backup_takes_the_place_of_what_a_crash_left),
		cmocka_unit_test(backup_of_a_store_in_memory_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
