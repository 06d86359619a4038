/*
 * Hub and views over a real store: subscribe, load, apply.
 */
#include <string.h>

#include "store/acl.h"
#include "store/hub.h"
#include "store/view.h"
#include "tests/unit/store/rig_read.h"

struct viewer {
	struct session s;
	struct view v;
	struct op *op;
};

static void
viewer_done(struct session *s, struct op *op)
{
	((struct viewer *)(void *)s)->op = op;
}

static void
viewer_changed(struct session *s, struct changeset *cs)
{
	(void)s;
	(void)cs;
}

static const struct session_ops viewer_ops = {
	.name = "viewer", .done = viewer_done, .changed = viewer_changed,
};

static int
viewer_open(struct fixture *f, struct viewer *w, uint64_t mailbox,
    bool writable)
{
	int r;

	session_init(&w->s, &viewer_ops, &f->env);
	r = view_open(&w->v, f->env.hub, &w->s,
	    fixture_account(f, "ann@example.org"), mailbox, writable);
	if (r <= 0)
		return r;
	fixture_settle(f);
	return view_opened(&w->v, w->op);
}

static int
viewer_open_as(struct fixture *f, struct viewer *w, uint64_t account,
    uint64_t mailbox)
{
	int r;

	session_init(&w->s, &viewer_ops, &f->env);
	r = view_open(&w->v, f->env.hub, &w->s, account, mailbox, false);
	if (r <= 0)
		return r;
	fixture_settle(f);
	return view_opened(&w->v, w->op);
}

/* On ann's INBOX. */
static void
grant_all(struct fixture *f, const char *whom)
{
	struct wreq_acl *r = wreq_acl_new(&f->env, NULL);

	r->w.actor = fixture_account(f, "ann@example.org");
	r->name = xstrdup("INBOX");
	r->identifier = xstrdup(whom);
	r->rights = RIGHT_ALL;
	CHECK_EQ(fixture_run(f, &r->w), 0);
}

static struct fixture *
fixture_with_hub(uint64_t *inbox)
{
	struct fixture *f = fixture_new();

	f->env.hub = hub_new(&f->env);
	*inbox = fixture_mailbox(f, "ann@example.org", "INBOX");
	return f;
}

static void
release(struct fixture *f)
{
	fixture_settle(f);
	fixture_deaf(f);
	hub_free(f->env.hub);
	f->env.hub = NULL;
	fixture_free(f);
}

static struct wreq_flags *
set_flags(struct fixture *f, uint64_t mailbox, uint32_t uid, uint64_t flags)
{
	struct wreq_flags *r = wreq_flags_new(&f->env, NULL);

	r->mailbox = mailbox;
	uidset_add(&r->uids, uid, uid);
	r->how = FLAGS_REPLACE;
	r->flags = flags;
	return r;
}

TEST(view_shows_what_the_database_has)
{
	uint64_t inbox;
	struct fixture *f = fixture_with_hub(&inbox);
	struct wreq_flags *r = set_flags(f, inbox, 2, FLAG_SEEN);
	struct viewer w;
	struct msgrow row;
	char *key = xstrdup("$Label1");

	fixture_fill(f, inbox, 4);
	r->keywords = xcalloc(1, sizeof *r->keywords);
	r->keywords[0] = key;
	r->keyword_count = 1;
	CHECK_EQ(fixture_run(f, &r->w), 0);
	CHECK_EQ(viewer_open(f, &w, inbox, false), 0);
	CHECK_EQ(view_count(&w.v), 4);
	CHECK_EQ(view_uidnext(&w.v), 5);
	CHECK_EQ(view_uidvalidity(&w.v), fixture_row(f, inbox).uidvalidity);
	CHECK_EQ(view_highestmodseq(&w.v), fixture_row(f, inbox).modseq);
	CHECK_EQ(view_first_unseen(&w.v), 1);
	CHECK_EQ(view_keyword_count(&w.v), 1);
	CHECK_STR(view_keyword(&w.v, 0), "$Label1");
	CHECK(!view_get(&w.v, 2, &row));
	CHECK_EQ(row.flags, FLAG_SEEN | 1u << KEYWORD_FIRST);
	CHECK_EQ(row.internaldate_s, FIXTURE_NOW);
	CHECK(row.size > 20);
	view_close(&w.v);
	release(f);
}

/* The change is committed before the load reads, and heard after it asks. */
TEST(view_takes_a_change_once_that_the_load_has_seen)
{
	uint64_t inbox;
	struct fixture *f = fixture_with_hub(&inbox);
	struct viewer w;
	struct msgrow row;
	struct news news;

	fixture_fill(f, inbox, 3);
	session_init(&w.s, &viewer_ops, &f->env);
	CHECK_EQ(view_open(&w.v, f->env.hub, &w.s, 1, inbox, false), 1);
	/* In one pump the writer comes first. */
	fixture_fill(f, inbox, 2);
	CHECK_EQ(view_opened(&w.v, w.op), 0);
	CHECK_EQ(view_count(&w.v), 5);
	CHECK_EQ(fixture_run(f, &set_flags(f, inbox, 1, FLAG_DRAFT)->w), 0);
	CHECK_EQ(view_sync(&w.v, false, &news), NEWS_FLAGS);
	CHECK_EQ(news.uid, 1);
	CHECK(!view_get(&w.v, 1, &row));
	CHECK_EQ(row.flags, FLAG_DRAFT);
	CHECK_EQ(view_sync(&w.v, false, &news), NEWS_END);
	view_close(&w.v);
	release(f);
}

/* The load has read; the change comes while its answer is on the way. */
TEST(view_takes_a_change_that_the_load_has_not_seen)
{
	uint64_t inbox;
	struct fixture *f = fixture_with_hub(&inbox);
	struct viewer w;
	struct msgrow row;

	fixture_fill(f, inbox, 3);
	session_init(&w.s, &viewer_ops, &f->env);
	CHECK_EQ(view_open(&w.v, f->env.hub, &w.s, 1, inbox, false), 1);
	CHECK(store_pump(f->store));
	CHECK_EQ(fixture_run(f, &set_flags(f, inbox, 3, FLAG_DRAFT)->w), 0);
	CHECK_EQ(view_opened(&w.v, w.op), 0);
	CHECK_EQ(view_count(&w.v), 3);
	CHECK(!view_get(&w.v, 3, &row));
	CHECK_EQ(row.flags, FLAG_DRAFT);
	CHECK_EQ(view_highestmodseq(&w.v), fixture_row(f, inbox).modseq);
	view_close(&w.v);
	release(f);
}

/* RFC 3501 section 2.3.2: the first session that may write is the one. */
TEST(view_recent_is_claimed_in_the_store)
{
	uint64_t inbox;
	struct fixture *f = fixture_with_hub(&inbox);
	struct rjob_lookup *l;
	struct viewer a, b;
	struct news news;

	fixture_fill(f, inbox, 2);
	CHECK_EQ(viewer_open(f, &a, inbox, false), 0);
	CHECK_EQ(view_recent_count(&a.v), 2);
	fixture_settle(f);
	CHECK_EQ(fixture_row(f, inbox).recent_uid, 0);
	CHECK_EQ(viewer_open(f, &b, inbox, true), 0);
	CHECK_EQ(view_recent_count(&b.v), 2);
	fixture_settle(f);
	CHECK_EQ(fixture_row(f, inbox).recent_uid, 2);
	fixture_fill(f, inbox, 1);
	CHECK_EQ(view_sync(&b.v, false, &news), NEWS_EXISTS);
	CHECK_EQ(view_sync(&b.v, false, &news), NEWS_RECENT);
	CHECK_EQ(news.count, 3);
	fixture_settle(f);
	CHECK_EQ(view_sync(&a.v, false, &news), NEWS_EXISTS);
	CHECK_EQ(view_sync(&a.v, false, &news), NEWS_END);
	CHECK_EQ(view_recent_count(&a.v), 2);
	l = rjob_lookup_new(&f->env, NULL, span_of("INBOX"), RIGHT_READ);
	l->j.actor = fixture_account(f, "ann@example.org");
	CHECK_EQ(rig_read(f, &l->j), 0);
	CHECK_EQ(l->info.recent, 0);
	fixture_deliver(f, "ann@example.org", "Subject: x\r\n\r\n");
	CHECK_EQ(rig_read(f, &l->j), 0);
	CHECK_EQ(l->info.recent, 1);
	rig_free(&l->j);
	view_close(&a.v);
	view_close(&b.v);
	release(f);
}

TEST(view_of_no_mailbox_does_not_open)
{
	uint64_t inbox;
	struct fixture *f = fixture_with_hub(&inbox);
	struct viewer w;

	CHECK_EQ(viewer_open(f, &w, 999999, true), ERR_NOMBOX);
	CHECK(!view_is_open(&w.v));
	release(f);
}

TEST(view_over_the_budget_does_not_open)
{
	uint64_t inbox;
	struct fixture *f = fixture_with_hub(&inbox);
	struct viewer w;

	fixture_fill(f, inbox, 100);
	op_free(f->done);
	f->done = NULL;
	f->budget.limit = 99 * sizeof(struct msgrow);
	CHECK_EQ(viewer_open(f, &w, inbox, true), ERR_BUDGET);
	CHECK_EQ(budget_used(&f->budget), 0);
	f->budget.limit = 100 * sizeof(struct msgrow);
	CHECK_EQ(viewer_open(f, &w, inbox, true), 0);
	CHECK_EQ(budget_used(&f->budget), 100 * sizeof(struct msgrow));
	view_close(&w.v);
	f->budget.limit = 1 << 20;
	release(f);
}

TEST(hub_may_go_while_a_load_is_out)
{
	uint64_t inbox;
	struct fixture *f = fixture_with_hub(&inbox);
	struct viewer w;

	fixture_fill(f, inbox, 3);
	session_init(&w.s, &viewer_ops, &f->env);
	CHECK_EQ(view_open(&w.v, f->env.hub, &w.s, 1, inbox, true), 1);
	view_close(&w.v);
	hub_free(f->env.hub);
	f->env.hub = hub_new(&f->env);
	release(f);
}

/* A damaged table must not become an array that answers nonsense. */
TEST(view_of_a_mailbox_with_more_rows_than_it_says_opens)
{
	uint64_t inbox;
	struct fixture *f = fixture_with_hub(&inbox);
	struct viewer w;

	fixture_fill(f, inbox, 30);
	CHECK_EQ(db_run(&f->store->db, "UPDATE mailbox SET messages = 3"
	    " WHERE id = ?", A_INT(inbox)), 0);
	CHECK_EQ(viewer_open(f, &w, inbox, false), 0);
	CHECK_EQ(view_count(&w.v), 30);
	view_close(&w.v);
	CHECK_EQ(db_run(&f->store->db, "UPDATE mailbox SET messages = 30"
	    " WHERE id = ?", A_INT(inbox)), 0);
	release(f);
}

static uint32_t
pick(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % below;
}

/* A random change of \Seen or \Flagged by one of two. */
static void
change_at_random(struct fixture *f, uint64_t inbox, uint64_t actor,
    uint32_t *state)
{
	struct wreq_flags *r = wreq_flags_new(&f->env, NULL);
	uint32_t lo = 1 + pick(state, 12);

	r->w.actor = actor;
	r->mailbox = inbox;
	uidset_add(&r->uids, lo, lo + pick(state, 4));
	r->how = (enum flags_how)pick(state, 3);
	r->flags = pick(state, 2) ? FLAG_SEEN : FLAG_SEEN | FLAG_FLAGGED;
	if (pick(state, 3) == 0)
		r->unchanged_since = fixture_row(f, inbox).modseq - 1;
	CHECK_EQ(fixture_run(f, &r->w), 0);
}

/* Flags and modseqs of a view opened now are those of one that was open. */
static void
check_views_agree(const struct view *old, const struct view *new)
{
	struct msgrow a, b;

	CHECK_EQ(view_count(old), view_count(new));
	for (uint32_t seq = 1; seq <= view_count(new); seq++) {
		(void)view_get(old, seq, &a);
		(void)view_get(new, seq, &b);
		CHECK_EQ(a.flags, b.flags);
		CHECK_EQ(a.modseq, b.modseq);
	}
}

/*
 * What change sets make of an array is what the database has, \Seen of one
 * who is not the owner included: a second hub loads anew after each change.
 */
TEST(view_of_a_reader_moves_like_the_database)
{
	uint64_t inbox, bob;
	struct fixture *f = fixture_with_hub(&inbox);
	struct hub *first = f->env.hub;
	uint32_t state = 11;
	struct viewer w, now;
	struct news news;

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	bob = fixture_account(f, "bob@example.org");
	grant_all(f, "bob");
	fixture_fill(f, inbox, 12);
	CHECK_EQ(viewer_open_as(f, &w, bob, inbox), 0);
	for (int i = 0; i < 60; i++) {
		change_at_random(f, inbox, pick(&state, 2) ? bob :
		    fixture_account(f, "ann@example.org"), &state);
		while (view_sync(&w.v, false, &news) != NEWS_END)
			;
		f->env.hub = hub_new(&f->env);
		CHECK_EQ(viewer_open_as(f, &now, bob, inbox), 0);
		check_views_agree(&w.v, &now.v);
		view_close(&now.v);
		hub_free(f->env.hub);
		f->env.hub = first;
	}
	view_close(&w.v);
	release(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(view_shows_what_the_database_has),
		cmocka_unit_test(
		    view_takes_a_change_once_that_the_load_has_seen),
		cmocka_unit_test(
		    view_takes_a_change_that_the_load_has_not_seen),
		cmocka_unit_test(view_recent_is_claimed_in_the_store),
		cmocka_unit_test(view_of_no_mailbox_does_not_open),
		cmocka_unit_test(view_over_the_budget_does_not_open),
		cmocka_unit_test(hub_may_go_while_a_load_is_out),
		cmocka_unit_test(view_of_a_reader_moves_like_the_database),
		cmocka_unit_test(
		    view_of_a_mailbox_with_more_rows_than_it_says_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
