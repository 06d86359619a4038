#include "store/hub.h"

#include "tests/unit/store/rig_hub.h"

static struct change *
change_one(struct changeset *cs, enum change_kind kind, uint64_t modseq)
{
	struct change *c = changeset_add(cs, kind, RIG_ACCOUNT, RIG_MAILBOX);

	c->modseq = modseq;
	c->max_modseq = UINT64_MAX;
	return c;
}

static void
apply_arrival(struct rig *r, uint32_t uid, uint64_t modseq)
{
	struct changeset *cs = changeset_new();
	struct msgrow row = { .uid = uid, .modseq = modseq };

	changeset_add_arrival(cs, RIG_ACCOUNT, RIG_MAILBOX, 0, &row);
	hub_apply(r->hub, cs);
	changeset_unref(cs);
}

static void
apply_expunge(struct rig *r, uint32_t uid, uint64_t modseq)
{
	struct changeset *cs = changeset_new();

	uidset_add(&change_one(cs, CHANGE_EXPUNGE, modseq)->uids, uid, uid);
	hub_apply(r->hub, cs);
	changeset_unref(cs);
}

static void
apply_deleted(struct rig *r, uint64_t modseq)
{
	struct changeset *cs = changeset_new();

	change_one(cs, CHANGE_MAILBOX_DELETED, modseq);
	hub_apply(r->hub, cs);
	changeset_unref(cs);
}

static int
open_view(struct rig *r, struct view *v, struct rig_session *rs,
    uint64_t mailbox)
{
	return view_open(v, r->hub, &rs->s, RIG_ACCOUNT, mailbox, true);
}

/* The other order, load first and then subscribe, would lose changes. */
TEST(hub_applies_what_came_while_loading)
{
	struct rig r;
	struct rig_session rs, rs2;
	struct view v, v2;
	struct news news;

	rig_init(&r);
	rig_session_init(&rs, &r);
	rig_session_init(&rs2, &r);
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 1);
	CHECK(!view_is_open(&v));
	CHECK_EQ(open_view(&r, &v2, &rs2, RIG_MAILBOX), 1);
	CHECK_EQ(r.loads, 1);
	/* Up to modseq 20 the load has seen it: UID 3 is in there. */
	apply_arrival(&r, 3, 20);
	apply_arrival(&r, 4, 21);
	apply_expunge(&r, 1, 22);
	CHECK_EQ(rs.changed, 0);
	rig_answer(&r, 3, 20, 0);
	apply_arrival(&r, 5, 23);
	CHECK(!rs.op);
	post_drain(&r.home);
	CHECK_EQ(view_opened(&v, rs.op), 0);
	CHECK_EQ(view_opened(&v2, rs2.op), 0);
	CHECK(view_is_open(&v));
	CHECK_EQ(view_count(&v), 4);	/* 2 3 4 5 */
	CHECK_EQ(view_find_uid(&v, 1), 0);
	CHECK_EQ(view_find_uid(&v, 5), 4);
	CHECK_EQ(view_sync(&v, false, &news), NEWS_END);
	CHECK_EQ(view_highestmodseq(&v), 23);
	CHECK_EQ(view_uidvalidity(&v), 9);
	CHECK_EQ(view_mailbox(&v), RIG_MAILBOX);
	/* The first session was shown what is recent, the other was not. */
	CHECK_EQ(view_recent_count(&v), 4);
	CHECK_EQ(view_recent_count(&v2), 0);
	CHECK_EQ(r.claims, 1);
	CHECK_EQ(r.claimed, 5);
	view_close(&v);
	view_close(&v2);
	rig_release(&r);
}

TEST(hub_view_may_close_at_any_time_of_its_load)
{
	struct rig r;
	struct rig_session rs;
	struct view v;

	rig_init(&r);
	rig_session_init(&rs, &r);
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 1);
	view_close(&v);			/* before the load is home */
	view_close(&v);			/* twice is legal */
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 1);
	rig_answer(&r, 3, 20, 0);
	view_close(&v);			/* while its op is on the way */
	post_drain(&r.home);
	CHECK(!rs.op);
	/* And the array is there for the next. */
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 0);
	CHECK_EQ(view_count(&v), 3);
	view_close(&v);
	CHECK_EQ(r.loads, 1);
	rig_release(&r);
}

TEST(hub_session_that_ends_leaves_no_op)
{
	struct rig r;
	struct rig_session rs;
	struct view v;

	rig_init(&r);
	rig_session_init(&rs, &r);
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 1);
	session_disown_ops(&rs.s);
	view_close(&v);
	rig_answer(&r, 1, 20, 0);
	post_drain(&r.home);
	CHECK(!rs.op);
	rig_release(&r);
}

TEST(hub_failed_load_fails_its_views)
{
	struct rig r;
	struct rig_session rs;
	struct array_data none = { 0 };
	struct view v;

	rig_init(&r);
	rig_session_init(&rs, &r);
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 1);
	hub_array_loaded(r.loading, &none, ERR_STORE);
	post_drain(&r.home);
	CHECK_EQ(view_opened(&v, rs.op), ERR_STORE);
	CHECK(!view_is_open(&v));
	view_close(&v);
	/* Nothing is remembered of it. */
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 1);
	CHECK_EQ(r.loads, 2);
	view_close(&v);
	rig_release(&r);
}

TEST(hub_makes_room_in_the_budget_once)
{
	struct rig r;
	struct rig_session rs;
	struct array_data none = { 0 };
	struct view v, w;

	rig_init(&r);
	rig_session_init(&rs, &r);
	CHECK_EQ(open_view(&r, &v, &rs, 1), 1);
	rig_answer(&r, 3, 20, 0);
	post_drain(&r.home);
	CHECK_EQ(view_opened(&v, rs.op), 0);
	view_close(&v);
	CHECK(budget_used(&r.budget) > 0);
	CHECK_EQ(open_view(&r, &w, &rs, 2), 1);
	hub_array_loaded(r.loading, &none, ERR_BUDGET);
	CHECK_EQ(r.loads, 3);			/* asked again */
	CHECK_EQ(budget_used(&r.budget), 0);	/* the idle one is gone */
	hub_array_loaded(r.loading, &none, ERR_BUDGET);
	CHECK_EQ(r.loads, 3);
	post_drain(&r.home);
	CHECK_EQ(view_opened(&w, rs.op), ERR_BUDGET);
	rig_release(&r);
}

TEST(hub_keeps_idle_arrays_up_to_a_size)
{
	struct rig r;
	struct rig_session rs;
	struct view v;
	uint32_t rows = HUB_CACHE_BYTES / sizeof(struct msgrow) / 4;

	rig_init(&r);
	r.budget.limit = SIZE_MAX;
	rig_session_init(&rs, &r);
	for (uint64_t mailbox = 1; mailbox <= 5; mailbox++) {
		CHECK_EQ(open_view(&r, &v, &rs, mailbox), 1);
		rig_answer(&r, rows, 20, 0);
		post_drain(&r.home);
		CHECK_EQ(view_opened(&v, rs.op), 0);
		view_close(&v);
	}
	CHECK(budget_used(&r.budget) <= HUB_CACHE_BYTES);
	CHECK_EQ(open_view(&r, &v, &rs, 5), 0);
	view_close(&v);
	CHECK_EQ(open_view(&r, &v, &rs, 1), 1);	/* the oldest went */
	view_close(&v);
	rig_release(&r);
}

TEST(hub_array_moves_on_while_idle)
{
	struct rig r;
	struct rig_session rs;
	struct view v;

	rig_init(&r);
	rig_session_init(&rs, &r);
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 1);
	rig_answer(&r, 3, 20, 3);
	post_drain(&r.home);
	CHECK_EQ(view_opened(&v, rs.op), 0);
	CHECK_EQ(view_recent_count(&v), 0);
	view_close(&v);
	apply_expunge(&r, 2, 21);
	for (uint32_t uid = 4; uid < 400; uid++)
		apply_arrival(&r, uid, 22 + uid);
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 0);
	CHECK_EQ(view_count(&v), 398);
	CHECK_EQ(view_recent_count(&v), 396);
	CHECK_EQ(view_uidnext(&v), 400);
	CHECK(!v.array->block_n);
	view_close(&v);
	rig_release(&r);
}

TEST(hub_deleted_mailbox_is_gone_for_views)
{
	struct rig r;
	struct rig_session rs, rs2;
	struct view v, w;

	rig_init(&r);
	rig_session_init(&rs, &r);
	rig_session_init(&rs2, &r);
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 1);
	rig_answer(&r, 3, 20, 0);
	post_drain(&r.home);
	CHECK_EQ(view_opened(&v, rs.op), 0);
	CHECK(!view_is_gone(&v));
	apply_deleted(&r, 21);
	CHECK_EQ(rs.changed, 1);
	CHECK(view_is_gone(&v));
	CHECK_EQ(view_count(&v), 3);
	CHECK_EQ(open_view(&r, &w, &rs2, RIG_MAILBOX), ERR_NOMBOX);
	view_close(&w);
	view_close(&v);
	/* Deleted while it is being loaded. */
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 1);
	apply_deleted(&r, 21);
	rig_answer(&r, 3, 20, 0);
	post_drain(&r.home);
	CHECK_EQ(view_opened(&v, rs.op), ERR_NOMBOX);
	CHECK_EQ(budget_used(&r.budget), 0);
	rig_release(&r);
}

/* ---- watching ---- */

static void
apply_account(struct rig *r, uint64_t account, enum account_event event)
{
	struct changeset *cs = changeset_new();

	changeset_add(cs, CHANGE_ACCOUNT, account, 0)->event = event;
	hub_apply(r->hub, cs);
	changeset_unref(cs);
}

TEST(hub_tells_a_session_once_a_set)
{
	struct rig r;
	struct rig_session rs, other;
	struct changeset *cs;
	struct view v;

	rig_init(&r);
	rig_session_init(&rs, &r);
	rig_session_init(&other, &r);
	hub_unwatch(&rs.watch);		/* legal when zeroed */
	hub_watch_account(r.hub, &rs.watch, &rs.s, RIG_ACCOUNT);
	hub_watch_account(r.hub, &other.watch, &other.s, RIG_ACCOUNT + 1);
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 1);
	rig_answer(&r, 3, 20, 0);
	post_drain(&r.home);
	CHECK_EQ(view_opened(&v, rs.op), 0);
	cs = changeset_new();
	uidset_add(&change_one(cs, CHANGE_EXPUNGE, 21)->uids, 1, 1);
	changeset_add(cs, CHANGE_SUBSCRIPTION, RIG_ACCOUNT, 0);
	uidset_add(&change_one(cs, CHANGE_EXPUNGE, 22)->uids, 2, 2);
	hub_apply(r.hub, cs);
	changeset_unref(cs);
	CHECK_EQ(rs.changed, 1);
	CHECK_EQ(other.changed, 0);
	apply_account(&r, RIG_ACCOUNT + 1, ACCOUNT_DISABLED);
	CHECK_EQ(rs.changed, 1);
	CHECK_EQ(other.changed, 1);
	hub_unwatch(&rs.watch);
	hub_unwatch(&rs.watch);
	view_close(&v);
	apply_account(&r, RIG_ACCOUNT, ACCOUNT_DISABLED);
	CHECK_EQ(rs.changed, 1);
	hub_unwatch(&other.watch);
	rig_release(&r);
}

/* A clock by which everything takes a turn's time. */
static int64_t
hurry(struct clock *c)
{
	struct fake_clock *f = CONTAINER_OF(c, struct fake_clock, clock);

	return atomic_fetch_add(&f->now_ms, 2) * 1000;
}

#define MANY (ARRAY_STEP * 3)

/* Applies until the session is told. Returns the calls that took. */
static size_t
apply_until_told(struct rig *r, struct changeset *cs, struct rig_session *rs,
    struct view *v)
{
	uint32_t count = view_count(v);
	uint64_t modseq = view_highestmodseq(v);
	size_t calls = 1, before = rs->changed;

	for (; hub_apply(r->hub, cs) && rs->changed == before; calls++) {
		CHECK_EQ(view_count(v), count);
		CHECK_EQ(view_highestmodseq(v), modseq);
		CHECK_EQ(view_find_uid(v, 2), 2);
	}
	CHECK_EQ(rs->changed, before + 1);
	while (hub_apply(r->hub, cs))
		continue;
	changeset_unref(cs);
	return calls;
}

TEST(hub_moves_a_large_array_in_steps)
{
	struct rig r;
	struct rig_session rs, late;
	struct changeset *cs = changeset_new();
	struct view v, v2;
	struct news news;

	rig_init(&r);
	rig_session_init(&rs, &r);
	rig_session_init(&late, &r);
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 1);
	rig_answer(&r, MANY, 20, MANY);
	post_drain(&r.home);
	CHECK_EQ(view_opened(&v, rs.op), 0);
	r.clock.clock.mono_us = hurry;
	uidset_add(&change_one(cs, CHANGE_EXPUNGE, 21)->uids, 2, MANY - 1);
	CHECK(hub_apply(r.hub, cs));
	/* One who comes in the middle sees what is still there. */
	CHECK_EQ(open_view(&r, &v2, &late, RIG_MAILBOX), 0);
	CHECK(view_count(&v2) > 2 && view_count(&v2) < MANY);
	CHECK(apply_until_told(&r, cs, &rs, &v) >= 3);
	view_close(&v2);
	for (uint32_t uid = 2; uid < MANY; uid++) {
		CHECK_EQ(view_sync(&v, false, &news), NEWS_EXPUNGE);
		CHECK_EQ(news.seq, 2);
		CHECK_EQ(news.uid, uid);
	}
	CHECK_EQ(view_sync(&v, false, &news), NEWS_END);
	CHECK_EQ(view_highestmodseq(&v), 21);
	view_close(&v);
	rig_release(&r);
}

TEST(hub_shows_nothing_of_arrivals_before_all_are_there)
{
	struct rig r;
	struct rig_session rs;
	struct changeset *cs = changeset_new();
	struct view v;
	struct news news;

	rig_init(&r);
	rig_session_init(&rs, &r);
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 1);
	rig_answer(&r, 2, 20, 2);
	post_drain(&r.home);
	CHECK_EQ(view_opened(&v, rs.op), 0);
	r.clock.clock.mono_us = hurry;
	for (uint32_t i = 0; i < MANY; i++)
		changeset_add_arrival(cs, RIG_ACCOUNT, RIG_MAILBOX, 0,
		    &(struct msgrow){ .uid = 3 + i, .modseq = 22,
		    .flags = i == 1 ? 0 : FLAG_SEEN });
	for (int step = 1; step < 3; step++) {
		CHECK(hub_apply(r.hub, cs));
		CHECK(!view_has_news(&v, false));
		CHECK_EQ(view_first_unseen(&v), 1);
		CHECK_EQ(view_sync(&v, false, &news), NEWS_END);
		CHECK_EQ(view_highestmodseq(&v), 20);
	}
	while (hub_apply(r.hub, cs))
		continue;
	changeset_unref(cs);
	CHECK_EQ(view_sync(&v, false, &news), NEWS_EXISTS);
	CHECK_EQ(news.count, MANY + 2);
	CHECK_EQ(view_sync(&v, false, &news), NEWS_RECENT);
	CHECK_EQ(view_sync(&v, false, &news), NEWS_END);
	CHECK_EQ(view_highestmodseq(&v), 22);
	view_close(&v);
	rig_release(&r);
}

TEST(hub_tells_sessions_in_turns)
{
	struct rig r;
	struct rig_session rs[3];
	struct changeset *cs = changeset_new();

	rig_init(&r);
	r.clock.clock.mono_us = hurry;
	for (int i = 0; i < 3; i++) {
		rig_session_init(&rs[i], &r);
		hub_watch_account(r.hub, &rs[i].watch, &rs[i].s, RIG_ACCOUNT);
	}
	changeset_add(cs, CHANGE_SUBSCRIPTION, RIG_ACCOUNT, 0);
	CHECK(hub_apply(r.hub, cs));
	CHECK(hub_apply(r.hub, cs));
	CHECK_EQ(rs[0].changed, 1);
	CHECK_EQ(rs[1].changed, 0);
	hub_unwatch(&rs[1].watch);	/* it ends meanwhile */
	while (hub_apply(r.hub, cs))
		continue;
	CHECK_EQ(rs[0].changed, 1);
	CHECK_EQ(rs[1].changed, 0);
	CHECK_EQ(rs[2].changed, 1);
	changeset_unref(cs);
	hub_unwatch(&rs[0].watch);
	hub_unwatch(&rs[2].watch);
	rig_release(&r);
}

/* Between the turns: the account's end is still news for who has left it. */
TEST(hub_tells_a_session_that_has_closed_its_view_meanwhile)
{
	struct rig r;
	struct rig_session rs, viewer;
	struct changeset *cs = changeset_new();
	struct view v, v2;

	rig_init(&r);
	rig_session_init(&rs, &r);
	rig_session_init(&viewer, &r);
	hub_watch_account(r.hub, &rs.watch, &rs.s, RIG_ACCOUNT);
	CHECK_EQ(open_view(&r, &v, &rs, RIG_MAILBOX), 1);
	CHECK_EQ(open_view(&r, &v2, &viewer, RIG_MAILBOX), 1);
	rig_answer(&r, 3, 20, 0);
	post_drain(&r.home);
	CHECK_EQ(view_opened(&v, rs.op), 0);
	CHECK_EQ(view_opened(&v2, viewer.op), 0);
	r.clock.clock.mono_us = hurry;
	changeset_add(cs, CHANGE_ACCOUNT, RIG_ACCOUNT, RIG_MAILBOX)->event =
	    ACCOUNT_DISABLED;
	CHECK(hub_apply(r.hub, cs));
	view_close(&v);
	view_close(&v2);		/* that was all it had */
	while (hub_apply(r.hub, cs))
		continue;
	CHECK_EQ(rs.changed, 1);
	CHECK_EQ(viewer.changed, 0);
	changeset_unref(cs);
	hub_unwatch(&rs.watch);
	rig_release(&r);
}

static void
end_the_other(struct rig_session *rs)
{
	hub_unwatch(&rs[1].watch);
}

TEST(hub_passes_over_a_session_that_ends_meanwhile)
{
	struct rig r;
	struct rig_session rs[2];

	rig_init(&r);
	for (int i = 0; i < 2; i++) {
		rig_session_init(&rs[i], &r);
		hub_watch_account(r.hub, &rs[i].watch, &rs[i].s, 5);
	}
	rs[0].on_changed = end_the_other;
	apply_account(&r, 5, ACCOUNT_DISABLED);
	CHECK_EQ(rs[0].changed, 1);
	CHECK_EQ(rs[1].changed, 0);
	hub_unwatch(&rs[0].watch);
	rig_release(&r);
}

static void
end_account(struct rig *r, uint64_t account)
{
	struct changeset *cs = changeset_new();

	changeset_add(cs, CHANGE_ACCOUNT, account, 0)->event =
	    ACCOUNT_DISABLED;
	hub_apply(r->hub, cs);
	changeset_unref(cs);
}

TEST(hub_watches_no_account_that_ended_during_the_log_in)
{
	struct rig r;
	struct rig_session rs;

	rig_init(&r);
	rig_session_init(&rs, &r);
	end_account(&r, RIG_ACCOUNT);
	hub_watch_prepare(r.hub, &rs.watch);
	end_account(&r, RIG_ACCOUNT + 1);
	CHECK(hub_watch_account(r.hub, &rs.watch, &rs.s, RIG_ACCOUNT));
	hub_unwatch(&rs.watch);
	end_account(&r, RIG_ACCOUNT);
	CHECK(!hub_watch_account(r.hub, &rs.watch, &rs.s, RIG_ACCOUNT));
	/* Too many to remember: it may have been this one. */
	hub_watch_prepare(r.hub, &rs.watch);
	for (int i = 0; i <= HUB_ENDED; i++)
		end_account(&r, RIG_ACCOUNT + 1);
	CHECK(!hub_watch_account(r.hub, &rs.watch, &rs.s, RIG_ACCOUNT));
	hub_unwatch(&rs.watch);
	rig_release(&r);
}

TEST(changeset_ends_account_on_what_logs_it_out)
{
	static const struct {
		enum account_event event;
		bool ends;
	} cases[] = {
		{ ACCOUNT_ADDED, false }, { ACCOUNT_ENABLED, false },
		{ ACCOUNT_DISABLED, true }, { ACCOUNT_DELETED, true },
		{ ACCOUNT_CREDENTIALS, true },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct changeset *cs = changeset_new();

		changeset_add(cs, CHANGE_SUBSCRIPTION, 5, 0);
		changeset_add(cs, CHANGE_ACCOUNT, 5, 0)->event =
		    cases[i].event;
		CHECK_EQ(changeset_ends_account(cs, 5), cases[i].ends);
		CHECK(!changeset_ends_account(cs, 6));
		changeset_unref(cs);
	}
}

TEST(changeset_trim_forgets_what_is_behind_the_mark)
{
	struct changeset *cs = changeset_new();
	size_t mark;

	changeset_add(cs, CHANGE_FLAGS, 1, 2);
	mark = changeset_mark(cs);
	for (int i = 0; i < 20; i++)
		uidset_add(&changeset_add(cs, CHANGE_FLAGS, 1, 2)->uids, 1,
		    3);
	changeset_trim(cs, mark);
	CHECK_EQ(cs->n, 1);
	CHECK_EQ(changeset_add(cs, CHANGE_EXPUNGE, 1, 2)->uids.n, 0);
	changeset_unref(changeset_ref(cs));
	changeset_unref(cs);
	changeset_unref(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hub_applies_what_came_while_loading),
		cmocka_unit_test(hub_view_may_close_at_any_time_of_its_load),
		cmocka_unit_test(hub_session_that_ends_leaves_no_op),
		cmocka_unit_test(hub_failed_load_fails_its_views),
		cmocka_unit_test(hub_makes_room_in_the_budget_once),
		cmocka_unit_test(hub_keeps_idle_arrays_up_to_a_size),
		cmocka_unit_test(hub_array_moves_on_while_idle),
		cmocka_unit_test(hub_deleted_mailbox_is_gone_for_views),
		cmocka_unit_test(hub_tells_a_session_once_a_set),
		cmocka_unit_test(hub_moves_a_large_array_in_steps),
		cmocka_unit_test(
		    hub_shows_nothing_of_arrivals_before_all_are_there),
		cmocka_unit_test(hub_tells_sessions_in_turns),
		cmocka_unit_test(
		    hub_tells_a_session_that_has_closed_its_view_meanwhile),
		cmocka_unit_test(hub_passes_over_a_session_that_ends_meanwhile),
		cmocka_unit_test(hub_watches_no_account_that_ended_during_the_log_in),
		cmocka_unit_test(changeset_ends_account_on_what_logs_it_out),
		cmocka_unit_test(
		    changeset_trim_forgets_what_is_behind_the_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
