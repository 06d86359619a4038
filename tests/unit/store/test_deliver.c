#include "server/base/xalloc.h"
#include "store/body.h"
#include "store/spool_priv.h"
#include "tests/unit/store/fixture.h"

static struct wreq_deliver *
delivery(struct fixture *f, const char *bytes, size_t rcpts)
{
	struct wreq_deliver *r = wreq_deliver_new(&f->env, NULL);

	r->spool = fixture_spool(f, bytes);
	r->rcpts = xcalloc(rcpts, sizeof *r->rcpts);
	r->rcpt_count = rcpts;
	return r;
}

/* The whole message as its owner reads it; owned. */
static char *
read_body(struct fixture *f, uint64_t id)
{
	struct arena a = { 0 };
	struct body body;
	char *text;

	CHECK_EQ(db_begin_read(&f->store->db), 0);
	CHECK_EQ(body_get(&f->store->db, &a, id, &body), 0);
	text = xcalloc(1, body.total + 1);
	CHECK_EQ(body_read(&f->store->db, &body, 0, text, body.total), 0);
	db_end_read(&f->store->db);
	arena_release(&a);
	return text;
}

TEST(test_deliver_gives_each_recipient_a_prefix_and_one_content)
{
	struct fixture *f = fixture_new();
	struct wreq_deliver *r;
	char *text;

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	fixture_deaf(f);
	r = delivery(f, "Subject: x\r\n\r\nhello\r\n", 2);
	r->rcpts[0].account = fixture_account(f, "ann@example.org");
	r->rcpts[0].prefix = xstrdup("X-To: ann\r\n");
	r->rcpts[0].prefix_len = strlen(r->rcpts[0].prefix);
	r->rcpts[1].account = fixture_account(f, "bob@example.org");
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(r->rcpts[0].uid_r, 1);
	CHECK_EQ(r->rcpts[1].uid_r, 1);
	text = read_body(f, r->rcpts[0].body_r);
	CHECK_STR(text, "X-To: ann\r\nSubject: x\r\n\r\nhello\r\n");
	free(text);
	text = read_body(f, r->rcpts[1].body_r);
	CHECK_STR(text, "Subject: x\r\n\r\nhello\r\n");
	free(text);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM content"), 1);
	CHECK_EQ(fixture_get(f, "SELECT refs FROM content"), 2);
	CHECK_EQ(STAT_GET(&f->stats, deliveries), 2);
	fixture_free(f);
}

TEST(test_deliver_is_heard_as_arrival_then_counters)
{
	struct fixture *f = fixture_new();
	const struct change *c;

	fixture_deliver(f, "ann@example.org", "Subject: x\r\n\r\n");
	CHECK_EQ(f->heard_count, 1);
	CHECK((c = fixture_heard(f, CHANGE_ARRIVAL, 0)));
	CHECK_EQ(c->rows[0].uid, 1);
	CHECK_EQ(c->rows[0].size, 14);
	CHECK_EQ(c->rows[0].internaldate_s, FIXTURE_NOW);
	CHECK_EQ(c->rows[0].modseq, c->modseq);
	CHECK_EQ(c->account, fixture_account(f, "ann@example.org"));
	CHECK((c = fixture_heard(f, CHANGE_COUNTERS, 0)));
	CHECK_EQ(c->messages, 1);
	CHECK_EQ(c->unseen, 1);
	CHECK_EQ(c->uidnext, 2);
	CHECK_EQ(c->modseq, fixture_heard(f, CHANGE_ARRIVAL, 0)->modseq);
	CHECK(!fixture_heard(f, CHANGE_COUNTERS, 1));
	fixture_free(f);
}

TEST(test_deliver_is_for_all_recipients_or_none)
{
	struct fixture *f = fixture_new();
	struct wreq_deliver *r = delivery(f, "Subject: x\r\n\r\n", 2);

	r->rcpts[0].account = fixture_account(f, "ann@example.org");
	r->rcpts[1].account = 4711;
	CHECK_EQ(fixture_run(f, &r->w), ERR_NOUSER);
	CHECK_EQ(f->heard_count, 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM msg"), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM content"), 0);
	CHECK_EQ(fixture_get(f, "SELECT max(messages) FROM mailbox"), 0);
	fixture_free(f);
}

TEST(test_deliver_to_a_mailbox_that_is_gone_means_inbox)
{
	struct fixture *f = fixture_new();
	struct wreq_deliver *r = delivery(f, "Subject: x\r\n\r\n", 1);

	r->rcpts[0].account = fixture_account(f, "ann@example.org");
	r->rcpts[0].mailbox = 4711;
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(r->rcpts[0].mailbox_r, fixture_mailbox(f, "ann@example.org",
	    "INBOX"));
	fixture_free(f);
}

TEST(test_deliver_to_somebody_elses_mailbox_means_own_inbox)
{
	struct fixture *f = fixture_new();
	struct wreq_deliver *r;

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	r = delivery(f, "Subject: x\r\n\r\n", 1);
	r->rcpts[0].account = fixture_account(f, "ann@example.org");
	r->rcpts[0].mailbox = fixture_mailbox(f, "bob@example.org", "Junk");
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(r->rcpts[0].mailbox_r, fixture_mailbox(f, "ann@example.org",
	    "INBOX"));
	fixture_free(f);
}

TEST(test_deliver_batch_fails_alone)
{
	struct fixture *f = fixture_new();
	struct wreq_deliver *r[3];

	for (size_t i = 0; i < 3; i++) {
		r[i] = delivery(f, "Subject: x\r\n\r\n", 1);
		r[i]->rcpts[0].account = i == 1 ? 4711 :
		    fixture_account(f, "ann@example.org");
		store_submit(f->store, &r[i]->w);
	}
	CHECK(store_pump(f->store));
	CHECK_EQ(STAT_GET(&f->stats, commit_requests), 2 + 3);
	fixture_settle(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM msg"), 2);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM content"), 2);
	CHECK_EQ(f->heard_count, 1);
	CHECK_EQ(fixture_heard(f, CHANGE_ARRIVAL, 1)->rows[0].uid, 2);
	/* Each request has a modseq of its own. */
	CHECK(fixture_heard(f, CHANGE_ARRIVAL, 0)->modseq <
	    fixture_heard(f, CHANGE_ARRIVAL, 1)->modseq);
	fixture_free(f);
}

TEST(test_deliver_takes_mail_for_a_disabled_account_and_heeds_quota)
{
	struct fixture *f = fixture_new();
	struct wreq_deliver *r = delivery(f, "Subject: x\r\n\r\n", 1);
	struct wreq_account *a = wreq_account_new(&f->env, NULL);
	uint64_t ann = fixture_account(f, "ann@example.org");

	a->how = ACCOUNT_HOW_DISABLE;
	a->name = xstrdup("ann@example.org");
	CHECK_EQ(fixture_run(f, &a->w), 0);
	r->rcpts[0].account = ann;
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(db_exec(&f->store->db, "UPDATE account SET quota_messages ="
	    " 1"), 0);
	r = delivery(f, "Subject: x\r\n\r\n", 1);
	r->rcpts[0].account = ann;
	CHECK_EQ(fixture_run(f, &r->w), ERR_QUOTA);
	fixture_free(f);
}

TEST(test_deliver_survives_reopening)
{
	struct fixture *f = fixture_new_on_disk();
	uint64_t inbox = fixture_mailbox(f, "ann@example.org", "INBOX");
	struct mailbox_row row, before = fixture_row(f, inbox);

	CHECK_EQ(fixture_deliver(f, "ann@example.org", "a: b\r\n\r\n"), 1);
	fixture_close(f);
	fixture_open(f);
	CHECK_EQ(fixture_deliver(f, "ann@example.org", "a: b\r\n\r\n"), 2);
	row = fixture_row(f, inbox);
	CHECK_EQ(row.messages, 2);
	CHECK_EQ(row.uidvalidity, before.uidvalidity);
	CHECK(row.modseq > before.modseq);
	fixture_free(f);
}

TEST(test_deliver_after_close_comes_home_closed)
{
	struct fixture *f = fixture_new();
	struct wreq_deliver *r = delivery(f, "a: b\r\n\r\n", 1);

	r->rcpts[0].account = fixture_account(f, "ann@example.org");
	store_submit(f->store, &r->w);
	store_unlisten(f->listener);
	f->listener = NULL;
	op_free(f->done);
	f->done = NULL;
	/* Queued before the close: still done, and comes home after. */
	store_close(f->store);
	f->store = NULL;
	CHECK(post_drain(&f->home));
	CHECK_EQ(STAT_GET(&f->stats, deliveries), 1);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_deliver_gives_each_recipient_a_prefix_and_one_content),
		cmocka_unit_test(
		    test_deliver_is_heard_as_arrival_then_counters),
		cmocka_unit_test(test_deliver_is_for_all_recipients_or_none),
		cmocka_unit_test(
		    test_deliver_to_a_mailbox_that_is_gone_means_inbox),
		cmocka_unit_test(
		    test_deliver_to_somebody_elses_mailbox_means_own_inbox),
		cmocka_unit_test(test_deliver_batch_fails_alone),
		cmocka_unit_test(
		    test_deliver_takes_mail_for_a_disabled_account_and_heeds_quota),
		cmocka_unit_test(test_deliver_survives_reopening),
		cmocka_unit_test(test_deliver_after_close_comes_home_closed)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
