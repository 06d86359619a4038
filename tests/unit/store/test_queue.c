#include "store/queue.h"

#include "store/trust.h"
#include "tests/unit/store/rig_read.h"

#define HOUR_S 3600
#define DAY_S 86400

/* A delivery to one address elsewhere after the other; ends with NULL. */
static struct wreq_deliver *
outgoing(struct fixture *f, const char *bytes, const char *const *rcpts)
{
	struct wreq_deliver *r = wreq_deliver_new(&f->env, NULL);
	struct queue_new *q = xcalloc(1, sizeof *q);

	r->spool = fixture_spool(f, bytes);
	r->queue = q;
	q->prefix = xstrdup("Received: here\r\n");
	q->prefix_len = strlen(q->prefix);
	q->sender = xstrdup("ann@example.org");
	q->expires_s = r->w.now_s + 5 * DAY_S;
	for (; *rcpts; rcpts++) {
		struct queue_rcpt_new *n;

		q->rcpts = xreallocarray(q->rcpts, q->rcpt_count + 1,
		    sizeof *q->rcpts);
		n = &q->rcpts[q->rcpt_count++];
		*n = (struct queue_rcpt_new){ .address = xstrdup(*rcpts),
		    .destination = xstrdup(strchr(*rcpts, '@') + 1) };
	}
	return r;
}
#define OUTGOING(f, ...) outgoing((f), "Message-ID: <m@x>\r\n\r\nhello\r\n", \
	    (const char *const[]){ __VA_ARGS__, NULL })

/* Queues and returns the id. */
static uint64_t
queue_one(struct fixture *f, const char *rcpt)
{
	struct wreq_deliver *r = OUTGOING(f, rcpt);

	CHECK_EQ(fixture_run(f, &r->w), 0);
	return r->queue->id_r;
}

/* "name/failures ..." of what is due, and when the next is. */
static void
check_due(struct fixture *f, int64_t now_s, const char *want, int64_t next_s)
{
	struct rjob_queue_due *d = rjob_queue_due_new(&f->env);
	struct buf text = BUF_INIT;

	d->now_s = now_s;
	CHECK_EQ(rig_read(f, &d->j), 0);
	for (size_t i = 0; i < d->count; i++)
		buf_printf(&text, "%s%s/%u", i ? " " : "", d->dests[i].name,
		    d->dests[i].failures);
	CHECK_STR(text.len ? text.p : "", want);
	CHECK_EQ(d->next_s, next_s);
	buf_release(&text);
	rig_free(&d->j);
}

static struct rjob_queue_work *
work(struct fixture *f, const char *destination, size_t mails, uint64_t skip)
{
	struct rjob_queue_work *w = rjob_queue_work_new(&f->env);

	w->destination = xstrdup(destination);
	w->now_s = env_wall_s(&f->env);
	w->max_mails = mails;
	w->max_rcpts = 2;
	w->skip = xcalloc(1, sizeof *w->skip);
	w->skip[0] = skip;
	w->skip_count = skip != 0;
	CHECK_EQ(rig_read(f, &w->j), 0);
	return w;
}

static struct wreq_queue_result *
result(struct fixture *f, const char *destination, uint64_t queue,
    enum queue_state state)
{
	struct wreq_queue_result *r = wreq_queue_result_new(&f->env);

	r->destination = xstrdup(destination);
	r->reach = REACH_OK;
	r->results = xcalloc(1, sizeof *r->results);
	r->result_count = 1;
	r->results[0] = (struct queue_result){ .queue = queue,
	    .state = state, .code = state == QUEUE_DELIVERED ? 250 : 450,
	    .text = xstrdup("their words"), .host = xstrdup("mx.there.org"),
	    .is_attempt = true,
	    .next_at_s = r->w.now_s + HOUR_S };
	return r;
}

TEST(test_queue_takes_local_and_remote_recipients_in_one_transaction)
{
	struct fixture *f = fixture_new();
	struct wreq_deliver *r = OUTGOING(f, "a@one.org", "b@two.org");

	r->rcpts = xcalloc(1, sizeof *r->rcpts);
	r->rcpt_count = 1;
	r->rcpts[0].account = fixture_account(f, "ann@example.org");
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM msg"), 1);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM queue_rcpt"), 2);
	CHECK_EQ(fixture_get(f, "SELECT refs FROM content"), 2);
	CHECK(fixture_heard(f, CHANGE_QUEUE, 0) != NULL);
	check_due(f, FIXTURE_NOW, "one.org/0 two.org/0", 0);
	fixture_free(f);
}

TEST(test_queue_work_comes_in_the_order_it_is_due)
{
	struct fixture *f = fixture_new();
	uint64_t first, second;
	struct rjob_queue_work *w;
	struct wreq_deliver *r;

	first = queue_one(f, "a@one.org");
	fake_clock_advance(&f->clock, 1000);
	second = queue_one(f, "b@one.org");
	w = work(f, "one.org", 1, 0);
	CHECK_EQ(w->count, 1);
	CHECK(w->has_more);
	CHECK_EQ(w->mails[0].id, first);
	CHECK_STR(w->mails[0].sender, "ann@example.org");
	CHECK_EQ(w->mails[0].size, strlen("Received: here\r\n"
	    "Message-ID: <m@x>\r\n\r\nhello\r\n"));
	CHECK_EQ(w->mails[0].rcpt_count, 1);
	CHECK_STR(w->mails[0].rcpts[0].address, "a@one.org");
	rig_free(&w->j);
	/* What is under way is left out. */
	w = work(f, "one.org", 8, first);
	CHECK_EQ(w->count, 1);
	CHECK(!w->has_more);
	CHECK_EQ(w->mails[0].id, second);
	rig_free(&w->j);
	/* Recipients beyond what a transaction takes are for the next. */
	r = OUTGOING(f, "a@two.org", "b@two.org", "c@two.org");
	CHECK_EQ(fixture_run(f, &r->w), 0);
	w = work(f, "two.org", 8, 0);
	CHECK_EQ(w->count, 1);
	CHECK_EQ(w->mails[0].rcpt_count, 2);
	CHECK(w->has_more);
	rig_free(&w->j);
	fixture_free(f);
}

TEST(test_queue_message_goes_with_its_last_recipient)
{
	struct fixture *f = fixture_new();
	struct wreq_deliver *r = OUTGOING(f, "a@one.org", "b@two.org");
	struct wreq_queue_result *v;
	uint64_t id;

	CHECK_EQ(fixture_run(f, &r->w), 0);
	id = r->queue->id_r;
	CHECK_EQ(fixture_run(f, &result(f, "one.org", id,
	    QUEUE_DELIVERED)->w), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM queue"), 1);
	check_due(f, FIXTURE_NOW, "two.org/0", 0);
	CHECK_EQ(fixture_get(f, "SELECT state FROM queue_rcpt WHERE n = 0"),
	    QUEUE_DELIVERED);
	/* Said again, it changes nothing: that one is done. */
	CHECK_EQ(fixture_run(f, &result(f, "one.org", id,
	    QUEUE_FAILED)->w), 0);
	CHECK_EQ(fixture_get(f, "SELECT state FROM queue_rcpt WHERE n = 0"),
	    QUEUE_DELIVERED);
	v = result(f, "two.org", id, QUEUE_FAILED);
	v->results[0].n = 1;
	CHECK_EQ(fixture_run(f, &v->w), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM queue"), 0);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM queue_attempt"), 0);
	check_due(f, FIXTURE_NOW, "", 0);
	store_tick(f->store);
	fixture_settle(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM content"), 0);
	fixture_free(f);
}

TEST(test_queue_back_off_belongs_to_the_destination)
{
	struct fixture *f = fixture_new();
	uint64_t id = queue_one(f, "a@dead.org");
	struct wreq_queue_result *v = result(f, "dead.org", id,
	    QUEUE_WAITING);

	v->reach = REACH_FAILED;
	v->dest_next_s = FIXTURE_NOW + 300;
	v->results[0].next_at_s = FIXTURE_NOW + 300;
	CHECK_EQ(fixture_run(f, &v->w), 0);
	CHECK_EQ(fixture_get(f, "SELECT attempts FROM queue_rcpt"), 1);
	/* A new message does not wake a host that is known to be dead. */
	queue_one(f, "b@dead.org");
	queue_one(f, "c@live.org");
	check_due(f, FIXTURE_NOW, "live.org/0", FIXTURE_NOW + 300);
	check_due(f, FIXTURE_NOW + 300, "live.org/0 dead.org/1", 0);
	/* It answers: what waits is due at once. */
	v = result(f, "dead.org", id, QUEUE_WAITING);
	CHECK_EQ(fixture_run(f, &v->w), 0);
	check_due(f, FIXTURE_NOW, "dead.org/0 live.org/0", 0);
	fixture_free(f);
}

TEST(test_queue_edits_by_filter)
{
	struct fixture *f = fixture_new();
	uint64_t one = queue_one(f, "a@one.org");
	struct wreq_queue_edit *e;

	queue_one(f, "B@Two.org");
	e = wreq_queue_edit_new(&f->env, NULL);
	e->how = QUEUE_HOLD;
	e->filter.domain = xstrdup("two.org");
	CHECK_EQ(fixture_run(f, &e->w), 0);
	CHECK_EQ(e->count_r, 1);
	check_due(f, FIXTURE_NOW, "one.org/0", 0);
	e = wreq_queue_edit_new(&f->env, NULL);
	e->how = QUEUE_RELEASE;
	e->filter.rcpt = xstrdup("b@two.org");
	CHECK_EQ(fixture_run(f, &e->w), 0);
	check_due(f, FIXTURE_NOW, "one.org/0 Two.org/0", 0);
	e = wreq_queue_edit_new(&f->env, NULL);
	e->how = QUEUE_ROUTE;
	e->filter.id = one;
	e->destination = xstrdup("relay.net");
	CHECK_EQ(fixture_run(f, &e->w), 0);
	check_due(f, FIXTURE_NOW, "Two.org/0 relay.net/0", 0);
	e = wreq_queue_edit_new(&f->env, NULL);
	e->how = QUEUE_DROP;
	e->filter.sender = xstrdup("ann@example.org");
	CHECK_EQ(fixture_run(f, &e->w), 0);
	CHECK_EQ(e->count_r, 2);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM queue"), 0);
	e = wreq_queue_edit_new(&f->env, NULL);
	e->how = QUEUE_RETRY;
	e->filter.id = one;
	CHECK_EQ(fixture_run(f, &e->w), ERR_NOTFOUND);
	fixture_free(f);
}

TEST(test_queue_lists_messages_with_attempts)
{
	struct fixture *f = fixture_new();
	uint64_t id = queue_one(f, "a@one.org");
	struct rjob_queue_list *l;

	queue_one(f, "b@two.org");
	CHECK_EQ(fixture_run(f, &result(f, "one.org", id,
	    QUEUE_WAITING)->w), 0);
	l = rjob_queue_list_new(&f->env, NULL);
	CHECK_EQ(rig_read(f, &l->j), 0);
	CHECK_EQ(l->count, 2);
	CHECK(!l->j.more);
	rig_free(&l->j);
	l = rjob_queue_list_new(&f->env, NULL);
	l->filter.id = id;
	CHECK_EQ(rig_read(f, &l->j), 0);
	CHECK_EQ(l->count, 1);
	CHECK_EQ(l->mails[0].rcpts[0].code, 450);
	CHECK_EQ(l->attempt_count, 1);
	CHECK_STR(l->attempts[0].text, "their words");
	CHECK_STR(l->attempts[0].host, "mx.there.org");
	rig_free(&l->j);
	fixture_free(f);
}

TEST(test_queue_tells_who_has_waited_too_long)
{
	struct fixture *f = fixture_new();
	uint64_t id = queue_one(f, "a@one.org");
	struct rjob_queue_overdue *o = rjob_queue_overdue_new(&f->env);
	struct wreq_queue_result *v;

	o->destination = xstrdup("one.org");
	o->now_s = FIXTURE_NOW + 4 * HOUR_S;
	o->warn_before_s = FIXTURE_NOW - 1;
	CHECK_EQ(rig_read(f, &o->j), 0);
	CHECK_EQ(o->count, 0);
	o->warn_before_s = FIXTURE_NOW;
	CHECK_EQ(rig_read(f, &o->j), 0);
	CHECK_EQ(o->count, 1);
	CHECK_EQ(o->mails[0].id, id);
	/* Told once. */
	v = result(f, "one.org", id, QUEUE_WAITING);
	v->results[0].is_warned = true;
	CHECK_EQ(fixture_run(f, &v->w), 0);
	o->after = 0;
	CHECK_EQ(rig_read(f, &o->j), 0);
	CHECK_EQ(o->count, 0);
	o->after = 0;
	o->now_s = FIXTURE_NOW + 5 * DAY_S;
	CHECK_EQ(rig_read(f, &o->j), 0);
	CHECK_EQ(o->count, 1);
	rig_free(&o->j);
	fixture_free(f);
}

/* ---- the sender's own copy ---- */

#define SENT_TEXT "Message-ID: <m@x>\r\nSubject: s\r\n\r\nhello\r\n"

static struct wreq_deliver *
submitted(struct fixture *f)
{
	struct wreq_deliver *r = outgoing(f, SENT_TEXT,
	    (const char *const[]){ "a@one.org", NULL });

	r->sent_account = fixture_account(f, "ann@example.org");
	return r;
}

static struct wreq_append *
appended(struct fixture *f, const char *mailbox, const char *bytes)
{
	struct wreq_append *r = wreq_append_new(&f->env, NULL);

	r->w.actor = fixture_account(f, "ann@example.org");
	r->mailbox = fixture_mailbox(f, "ann@example.org", mailbox);
	r->msgs = xcalloc(1, sizeof *r->msgs);
	r->msg_count = 1;
	r->msgs[0].spool = fixture_spool(f, bytes);
	return r;
}

TEST(test_sent_files_what_was_submitted)
{
	struct fixture *f = fixture_new();
	struct wreq_deliver *r = submitted(f);

	r->sent_prefix = xstrdup("Bcc: b@two.org\r\n");
	r->sent_prefix_len = strlen(r->sent_prefix);
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(fixture_row(f, fixture_mailbox(f, "ann@example.org",
	    "Sent")).messages, 1);
	CHECK_EQ(fixture_get(f, "SELECT flags FROM msg"), FLAG_SEEN);
	CHECK_EQ(fixture_get(f, "SELECT size FROM msg"),
	    strlen("Bcc: b@two.org\r\n" SENT_TEXT));
	CHECK_EQ(fixture_get(f, "SELECT refs FROM content"), 2);
	fixture_free(f);
}

TEST(test_sent_takes_the_client_copy_in_place_of_ours)
{
	struct fixture *f = fixture_new();
	uint64_t sent = fixture_mailbox(f, "ann@example.org", "Sent");
	struct wreq_append *a;

	CHECK_EQ(fixture_run(f, &submitted(f)->w), 0);
	fixture_deaf(f);
	/* Another header and an empty line at the end are the same. */
	a = appended(f, "Sent", "X-Own: yes\r\n" SENT_TEXT "\r\n");
	CHECK_EQ(fixture_run(f, &a->w), 0);
	CHECK_EQ(a->msgs[0].uid_r, 2);
	CHECK_EQ(fixture_row(f, sent).messages, 1);
	CHECK_EQ(fixture_get(f, "SELECT uid FROM msg"), 2);
	CHECK(fixture_heard(f, CHANGE_EXPUNGE, 0) != NULL);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM expunged"), 0);
	fixture_free(f);
}

TEST(test_sent_lets_other_text_and_other_folders_be)
{
	struct fixture *f = fixture_new();
	uint64_t sent = fixture_mailbox(f, "ann@example.org", "Sent");

	CHECK_EQ(fixture_run(f, &submitted(f)->w), 0);
	CHECK_EQ(fixture_run(f, &appended(f, "Sent",
	    "Message-ID: <m@x>\r\n\r\nhullo\r\n")->w), 0);
	CHECK_EQ(fixture_run(f, &appended(f, "Sent",
	    "Message-ID: <n@x>\r\n\r\nhello\r\n")->w), 0);
	CHECK_EQ(fixture_run(f, &appended(f, "Drafts", SENT_TEXT)->w), 0);
	CHECK_EQ(fixture_row(f, sent).messages, 3);
	/* An hour later it is another message. */
	fake_clock_advance(&f->clock, HOUR_S * 1000);
	CHECK_EQ(fixture_run(f, &appended(f, "Sent", SENT_TEXT)->w), 0);
	CHECK_EQ(fixture_row(f, sent).messages, 4);
	fixture_free(f);
}

TEST(test_sent_keeps_to_the_client_copy_that_was_first)
{
	struct fixture *f = fixture_new();
	uint64_t sent = fixture_mailbox(f, "ann@example.org", "Sent");

	CHECK_EQ(fixture_run(f, &appended(f, "Sent", SENT_TEXT)->w), 0);
	CHECK_EQ(fixture_run(f, &submitted(f)->w), 0);
	CHECK_EQ(fixture_row(f, sent).messages, 1);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM queue"), 1);
	fixture_free(f);
}

/* ---- caps ---- */

TEST(test_caps_count_messages_and_new_recipients_of_a_day)
{
	struct fixture *f = fixture_new();
	struct send_caps caps = {
		.account = fixture_account(f, "ann@example.org"),
		.messages = 4, .new_rcpts = 2
	};
	struct wreq_deliver *r = OUTGOING(f, "a@one.org", "b@one.org");

	r->caps = caps;
	CHECK_EQ(fixture_run(f, &r->w), 0);
	r = OUTGOING(f, "c@one.org");
	r->caps = caps;
	CHECK_EQ(fixture_run(f, &r->w), ERR_LIMIT);
	CHECK(r->is_new_rcpts_r);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM queue"), 1);
	/* Those it knows are free. */
	for (int i = 0; i < 3; i++) {
		r = OUTGOING(f, "A@one.org");
		r->caps = caps;
		CHECK_EQ(fixture_run(f, &r->w), 0);
	}
	r = OUTGOING(f, "a@one.org");
	r->caps = caps;
	CHECK_EQ(fixture_run(f, &r->w), ERR_LIMIT);
	CHECK(!r->is_new_rcpts_r);
	fake_clock_advance(&f->clock, DAY_S * 1000);
	r = OUTGOING(f, "c@one.org");
	r->caps = caps;
	CHECK_EQ(fixture_run(f, &r->w), 0);
	fixture_free(f);
}

/* ---- keys and policies ---- */

TEST(test_trust_keeps_keys_and_names_domains_without)
{
	struct fixture *f = fixture_new();
	struct wreq_dkim_key *r = wreq_dkim_key_new(&f->env, NULL);
	struct rjob_dkim_keys *k = rjob_dkim_keys_new(&f->env, NULL);

	CHECK_EQ(rig_read(f, &k->j), 0);
	CHECK_EQ(k->key_count, 0);
	CHECK_EQ(k->bare_count, 1);
	CHECK_STR(k->bare[0], "example.org");
	rig_free(&k->j);
	r->how = DKIM_KEY_ADD;
	r->domain = xstrdup("example.org");
	r->selector = xstrdup("s1");
	r->private_key = xstrdup("secret");
	r->private_len = 6;
	r->public_key = xstrdup("known");
	r->public_len = 5;
	r->state = DKIM_SIGNING;
	CHECK_EQ(fixture_run(f, &r->w), 0);
	k = rjob_dkim_keys_new(&f->env, NULL);
	CHECK_EQ(rig_read(f, &k->j), 0);
	CHECK_EQ(k->bare_count, 0);
	CHECK_EQ(k->key_count, 1);
	CHECK_SPAN(k->keys[0].private_key, "secret");
	CHECK_EQ(k->keys[0].state, DKIM_SIGNING);
	rig_free(&k->j);
	r = wreq_dkim_key_new(&f->env, NULL);
	r->how = DKIM_KEY_DEL;
	r->domain = xstrdup("example.org");
	r->selector = xstrdup("s2");
	CHECK_EQ(fixture_run(f, &r->w), ERR_NOTFOUND);
	fixture_free(f);
}

TEST(test_trust_keeps_a_policy_until_it_expires)
{
	struct fixture *f = fixture_new();
	struct wreq_mta_sts *r = wreq_mta_sts_new(&f->env, NULL);
	struct rjob_mta_sts *m;

	r->domain = xstrdup("there.org");
	r->id = xstrdup("7");
	r->mode = MTA_STS_ENFORCE;
	r->mx = xstrdup("mx.there.org *.there.net");
	r->expires_s = FIXTURE_NOW + 60;
	CHECK_EQ(fixture_run(f, &r->w), 0);
	m = rjob_mta_sts_new(&f->env, NULL, SPAN("there.org"));
	CHECK_EQ(rig_read(f, &m->j), 0);
	CHECK(m->found);
	CHECK_STR(m->mx, "mx.there.org *.there.net");
	rig_free(&m->j);
	fake_clock_advance(&f->clock, 60000);
	m = rjob_mta_sts_new(&f->env, NULL, SPAN("there.org"));
	CHECK_EQ(rig_read(f, &m->j), 0);
	CHECK(!m->found);
	rig_free(&m->j);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_queue_takes_local_and_remote_recipients_in_one_transaction),
		cmocka_unit_test(
		    test_queue_work_comes_in_the_order_it_is_due),
		cmocka_unit_test(
		    test_queue_message_goes_with_its_last_recipient),
		cmocka_unit_test(
		    test_queue_back_off_belongs_to_the_destination),
		cmocka_unit_test(test_queue_edits_by_filter),
		cmocka_unit_test(test_queue_lists_messages_with_attempts),
		cmocka_unit_test(test_queue_tells_who_has_waited_too_long),
		cmocka_unit_test(test_sent_files_what_was_submitted),
		cmocka_unit_test(
		    test_sent_takes_the_client_copy_in_place_of_ours),
		cmocka_unit_test(
		    test_sent_lets_other_text_and_other_folders_be),
		cmocka_unit_test(
		    test_sent_keeps_to_the_client_copy_that_was_first),
		cmocka_unit_test(
		    test_caps_count_messages_and_new_recipients_of_a_day),
		cmocka_unit_test(
		    test_trust_keeps_keys_and_names_domains_without),
		cmocka_unit_test(test_trust_keeps_a_policy_until_it_expires),
	};

	if (base_random_start() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
