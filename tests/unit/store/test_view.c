/*
 * Views against a naive model: what each client knows is a plain list, and
 * every piece of news is applied to it as a client would.
 */
#include "store/view.h"

#include <string.h>

#include "tests/unit/store/rig_hub.h"

#define CLIENTS 4
#define MESSAGES_MAX 4000

struct known {
	uint32_t uid;
	uint64_t flags;
	bool dirty;	/* changed by others since it was told */
	bool again;	/* and once more in the middle of a sync, so that */
	bool maybe;	/* what was told may have been all of it */
	bool recent;
};

struct client {
	struct rig_session rs;
	struct view v;
	bool open;
	struct known list[MESSAGES_MAX];
	size_t n;
	uint32_t told_uid;
	unsigned keywords;
	bool in_sync;		/* a sync was left before its end */
	size_t changes;		/* flag changes since its last full sync */
	bool expect_recent;
};

struct world {
	struct rig rig;
	/* The truth: the living, by rising UID; and the flags of the dead. */
	struct msgrow live[MESSAGES_MAX];
	size_t n;
	uint64_t dead_flags[MESSAGES_MAX];
	uint32_t uidnext;
	uint64_t modseq;
	uint32_t recent_uid;
	unsigned keywords;
	struct client clients[CLIENTS];
};

static size_t
live_find(const struct world *w, uint32_t uid)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->live[i].uid == uid)
			return i;
	return SIZE_MAX;
}

static struct known *
known_find(struct client *c, uint32_t uid)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].uid == uid)
			return &c->list[i];
	return NULL;
}

/* ---- the mailbox changes ---- */

static struct change *
world_change(struct world *w, struct changeset *cs, enum change_kind kind)
{
	struct change *c = changeset_add(cs, kind, RIG_ACCOUNT, RIG_MAILBOX);

	c->modseq = ++w->modseq;
	return c;
}

static void
world_arrival(struct world *w, struct changeset *cs)
{
	uint32_t n = 1 + rig_pick(&w->rig, 3);

	if (w->uidnext >= MESSAGES_MAX)
		return;
	w->modseq++;
	for (uint32_t i = 0; i < n && w->uidnext < MESSAGES_MAX; i++) {
		struct msgrow *row = &w->live[w->n];

		w->uidnext += rig_pick(&w->rig, 3);	/* holes */
		*row = (struct msgrow){ .uid = w->uidnext++,
		    .modseq = w->modseq, .flags = rig_pick(&w->rig, 4),
		    .size = 1 };
		changeset_add_arrival(cs, RIG_ACCOUNT, RIG_MAILBOX, 0, row);
		w->n++;
	}
}

static void
random_uids(struct world *w, struct uidset *uids)
{
	uint32_t ranges = 1 + rig_pick(&w->rig, 4);

	while (ranges-- > 0) {
		uint32_t lo = 1 + rig_pick(&w->rig, w->uidnext + 3);

		uidset_add(uids, lo, lo + rig_pick(&w->rig, 5));
	}
}

static void
client_flag_changed(struct client *c, const struct change *ch, uint32_t uid)
{
	struct known *k = c->open ? known_find(c, uid) : NULL;

	if (!k)
		return;
	if (ch->origin == c->v.id) {
		/* It asked for it and does it to what it knows. */
		k->flags = change_apply_flags(ch, k->flags);
		return;
	}
	if (k->dirty && c->in_sync)
		k->again = true;
	k->dirty = true;
}

static void
world_flags(struct world *w, struct changeset *cs)
{
	struct change *c = world_change(w, cs, CHANGE_FLAGS);
	uint32_t who = rig_pick(&w->rig, CLIENTS * 2);

	random_uids(w, &c->uids);
	c->set = rig_pick(&w->rig, 16);
	c->clear = rig_pick(&w->rig, 16) & ~c->set;
	c->max_modseq = rig_pick(&w->rig, 4) ? UINT64_MAX :
	    w->modseq - rig_pick(&w->rig, 6);
	if (who < CLIENTS && w->clients[who].open)
		c->origin = w->clients[who].v.id;
	for (size_t i = 0; i < w->n; i++) {
		struct msgrow *row = &w->live[i];

		if (!uidset_has(&c->uids, row->uid) ||
		    row->modseq > c->max_modseq ||
		    change_apply_flags(c, row->flags) == row->flags)
			continue;
		row->flags = change_apply_flags(c, row->flags);
		row->modseq = c->modseq;
		for (size_t j = 0; j < CLIENTS; j++)
			client_flag_changed(&w->clients[j], c, row->uid);
	}
	for (size_t j = 0; j < CLIENTS; j++)
		w->clients[j].changes++;
}

static void
world_expunge(struct world *w, struct changeset *cs)
{
	struct change *c = world_change(w, cs, CHANGE_EXPUNGE);
	size_t to = 0;

	random_uids(w, &c->uids);
	for (size_t i = 0; i < w->n; i++) {
		if (uidset_has(&c->uids, w->live[i].uid))
			w->dead_flags[w->live[i].uid] = w->live[i].flags;
		else
			w->live[to++] = w->live[i];
	}
	w->n = to;
}

static void
world_keyword(struct world *w, struct changeset *cs)
{
	struct change *c;

	if (w->keywords == KEYWORDS_MAX)
		return;
	c = world_change(w, cs, CHANGE_KEYWORD);
	c->bit = KEYWORD_FIRST + w->keywords;
	c->name = arena_printf(&cs->arena, "$k%u", w->keywords++);
}

static void
world_step(struct world *w)
{
	struct changeset *cs = changeset_new();

	for (uint32_t n = 1 + rig_pick(&w->rig, 3); n > 0; n--) {
		uint32_t what = rig_pick(&w->rig, 40);

		if (what < 15)
			world_arrival(w, cs);
		else if (what < 29)
			world_flags(w, cs);
		else if (what < 39)
			world_expunge(w, cs);
		else
			world_keyword(w, cs);
	}
	hub_apply(w->rig.hub, cs);
	changeset_unref(cs);
}

/* ---- what a client sees ---- */

/* The lowest UID >= uid of the living and of what the client knows. */
static uint32_t
next_uid(const struct world *w, const struct client *c, uint32_t uid)
{
	uint32_t next = 0;

	for (size_t i = 0; i < w->n; i++)
		if (w->live[i].uid >= uid && (!next || w->live[i].uid < next))
			next = w->live[i].uid;
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].uid >= uid && (!next || c->list[i].uid < next))
			next = c->list[i].uid;
	return next;
}

static void
check_shown(struct world *w, struct client *c)
{
	uint32_t recents = 0, unseen = 0;

	CHECK_EQ(view_count(&c->v), c->n);
	for (uint32_t seq = 1; seq <= c->n; seq++) {
		const struct known *k = &c->list[seq - 1];
		size_t i = live_find(w, k->uid);
		struct msgrow row;

		CHECK_EQ(view_get(&c->v, seq, &row), i == SIZE_MAX);
		CHECK_EQ(row.uid, k->uid);
		CHECK_EQ(row.flags, i == SIZE_MAX ? w->dead_flags[k->uid] :
		    w->live[i].flags);
		CHECK_EQ(view_find_uid(&c->v, k->uid), seq);
		CHECK_EQ(view_seek_uid(&c->v, k->uid), seq);
		/* Between this one and the one before there is nobody. */
		if (seq > 1 && k->uid - 1 > k[-1].uid) {
			CHECK_EQ(view_find_uid(&c->v, k->uid - 1), 0);
			CHECK_EQ(view_seek_uid(&c->v, k->uid - 1), seq);
		}
		CHECK_EQ(view_is_recent(&c->v, k->uid), k->recent);
		recents += k->recent;
		if (!(row.flags & FLAG_SEEN) && !unseen)
			unseen = seq;
		CHECK_EQ(view_next_uid(&c->v, k->uid), k->uid);
	}
	CHECK_EQ(view_next_uid(&c->v, 1), next_uid(w, c, 1));
	for (uint32_t uid = c->told_uid / 2; uid <= w->uidnext; uid += 97)
		CHECK_EQ(view_next_uid(&c->v, uid), next_uid(w, c, uid));
	CHECK_EQ(view_find_uid(&c->v, c->told_uid + 1), 0);
	CHECK_EQ(view_seek_uid(&c->v, c->told_uid + 1), c->n + 1);
	CHECK_EQ(view_recent_count(&c->v), recents);
	CHECK_EQ(view_first_unseen(&c->v), unseen);
	CHECK(view_uidnext(&c->v) > c->told_uid);
}

/* All that lives above told_uid becomes known. */
static bool
client_learns(struct world *w, struct client *c)
{
	bool recent = false;

	for (size_t i = 0; i < w->n; i++) {
		const struct msgrow *row = &w->live[i];

		if (row->uid <= c->told_uid)
			continue;
		c->list[c->n++] = (struct known){ .uid = row->uid,
		    .flags = row->flags, .recent = row->uid > w->recent_uid };
		recent |= row->uid > w->recent_uid;
	}
	if (w->n && w->live[w->n - 1].uid > c->told_uid)
		c->told_uid = w->live[w->n - 1].uid;
	if (c->v.writable && c->told_uid > w->recent_uid)
		w->recent_uid = c->told_uid;
	return recent;
}

static void
client_opened(struct world *w, struct client *c)
{
	c->open = true;
	c->n = 0;
	c->told_uid = 0;
	c->keywords = w->keywords;
	c->in_sync = c->expect_recent = false;
	c->changes = 0;
	client_learns(w, c);
	check_shown(w, c);
	CHECK(!view_has_news(&c->v, false));
	CHECK_EQ(view_highestmodseq(&c->v), w->modseq);
}

static void
client_expunged(struct world *w, struct client *c, const struct news *news)
{
	CHECK(news->seq >= 1 && news->seq <= c->n);
	CHECK_EQ(c->list[news->seq - 1].uid, news->uid);
	CHECK_EQ(live_find(w, news->uid), SIZE_MAX);
	c->n--;
	memmove(c->list + news->seq - 1, c->list + news->seq,
	    (c->n - (news->seq - 1)) * sizeof *c->list);
}

static void
client_flags(struct client *c, const struct news *news)
{
	struct known *k;
	struct msgrow row;

	CHECK(news->seq >= 1 && news->seq <= c->n);
	k = &c->list[news->seq - 1];
	CHECK_EQ(k->uid, news->uid);
	/* Each change is told once, unless the view is behind the ring. */
	CHECK(k->dirty || c->changes > ARRAY_RING);
	k->dirty = k->maybe = k->again;
	k->again = false;
	(void)view_get(&c->v, news->seq, &row);
	k->flags = row.flags;
}

static void
client_end(struct world *w, struct client *c, bool hold)
{
	bool ghosts = false;

	for (size_t i = 0; i < c->n; i++) {
		struct known *k = &c->list[i];
		size_t j = live_find(w, k->uid);

		CHECK_EQ(k->flags, j == SIZE_MAX ? w->dead_flags[k->uid] :
		    w->live[j].flags);
		CHECK(!k->dirty || k->maybe);
		k->dirty = k->again = k->maybe = false;
		ghosts |= j == SIZE_MAX;
	}
	CHECK(hold || !ghosts);
	CHECK_EQ(c->keywords, w->keywords);
	CHECK(w->n == 0 || c->told_uid >= w->live[w->n - 1].uid);
	CHECK(!c->expect_recent);
	CHECK(!view_has_news(&c->v, hold));
	CHECK_EQ(view_has_news(&c->v, false), ghosts);
	if (!ghosts)
		CHECK_EQ(view_highestmodseq(&c->v), w->modseq);
	c->in_sync = false;
	c->changes = 0;
}

/* At most pieces of news; 0: to the end. */
static void
client_sync(struct world *w, struct client *c, bool hold, unsigned pieces)
{
	enum news_kind last = NEWS_EXPUNGE;
	struct news news;

	do {
		bool has = view_has_news(&c->v, hold);

		CHECK_EQ(view_sync(&c->v, hold, &news) != NEWS_END, has);
		switch (news.kind) {
		case NEWS_END:
			client_end(w, c, hold);
			return;
		case NEWS_EXPUNGE:
			CHECK(!hold);
			client_expunged(w, c, &news);
			break;
		case NEWS_KEYWORDS:
			CHECK(c->keywords < w->keywords);
			c->keywords = w->keywords;
			break;
		case NEWS_FLAGS:
			client_flags(c, &news);
			break;
		case NEWS_EXISTS:
			if (client_learns(w, c))
				c->expect_recent = true;
			CHECK_EQ(news.count, c->n);
			break;
		case NEWS_RECENT:
			CHECK(c->expect_recent);
			c->expect_recent = false;
			CHECK_EQ(news.count, view_recent_count(&c->v));
			break;
		}
		/* Expunges come first of all. */
		CHECK(news.kind != NEWS_EXPUNGE || last == NEWS_EXPUNGE);
		last = news.kind;
		c->in_sync = true;
	} while (--pieces != 0);
}

/* ---- the tests ---- */

static struct world *
world_new(uint32_t seed)
{
	struct world *w = xcalloc(1, sizeof *w);

	rig_init(&w->rig);
	w->rig.state = seed;
	w->uidnext = 11;
	w->modseq = 50;
	for (uint32_t i = 0; i < 10; i++)
		w->live[w->n++] = (struct msgrow){ .uid = i + 1,
		    .modseq = 1 };
	for (size_t i = 0; i < CLIENTS; i++) {
		rig_session_init(&w->clients[i].rs, &w->rig);
		w->clients[i].open = false;
	}
	return w;
}

static void
world_free(struct world *w)
{
	for (size_t i = 0; i < CLIENTS; i++)
		view_close(&w->clients[i].v);
	rig_release(&w->rig);
	free(w);
}

static void
client_toggle(struct world *w, struct client *c)
{
	int r;

	if (c->open) {
		view_close(&c->v);
		CHECK(!view_is_open(&c->v));
		c->open = false;
		return;
	}
	r = view_open(&c->v, w->rig.hub, &c->rs.s, RIG_ACCOUNT, RIG_MAILBOX,
	    rig_pick(&w->rig, 3) > 0);
	CHECK(r >= 0);
	if (r == 1) {
		rig_answer(&w->rig, 10, 50, 0);
		post_drain(&w->rig.home);
		CHECK_EQ(c->rs.op->tag, VIEW_OP_TAG);
		CHECK_EQ(view_opened(&c->v, c->rs.op), 0);
	}
	client_opened(w, c);
}

static void
world_run(uint32_t seed, unsigned steps)
{
	struct world *w = world_new(seed);

	client_toggle(w, &w->clients[0]);
	while (steps-- > 0) {
		struct client *c = &w->clients[rig_pick(&w->rig, CLIENTS)];
		uint32_t what = rig_pick(&w->rig, 100);

		if (what < 40)
			world_step(w);
		else if (what < 45)
			client_toggle(w, c);
		else if (what < 60 && c->open)
			check_shown(w, c);
		else if (what < 75 && c->open)
			client_sync(w, c, true, rig_pick(&w->rig, 4));
		else if (c->open)
			client_sync(w, c, false, rig_pick(&w->rig, 4));
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		if (!w->clients[i].open)
			continue;
		check_shown(w, &w->clients[i]);
		client_sync(w, &w->clients[i], false, 0);
		check_shown(w, &w->clients[i]);
	}
	world_free(w);
}

TEST(view_tells_each_client_what_happened)
{
	for (uint32_t seed = 1; seed <= 60; seed++)
		world_run(seed, 400);
}

TEST(view_holds_over_a_long_run)
{
	world_run(4711, 6000);
}

static void
step_flags(struct world *w)
{
	struct changeset *cs = changeset_new();

	world_flags(w, cs);
	hub_apply(w->rig.hub, cs);
	changeset_unref(cs);
}

TEST(view_behind_the_ring_misses_nothing)
{
	struct world *w = world_new(3);
	struct mailarray *a;

	client_toggle(w, &w->clients[0]);
	client_toggle(w, &w->clients[1]);
	a = w->clients[0].v.array;
	for (int i = 0; i < ARRAY_RING + 900; i++) {
		step_flags(w);
		if (i % 50 == 0)
			client_sync(w, &w->clients[1], false, 0);
	}
	CHECK(a->ring_n <= ARRAY_RING);
	CHECK(a->ring_floor > w->clients[0].v.told_flags_modseq);
	client_sync(w, &w->clients[0], true, 0);
	check_shown(w, &w->clients[0]);
	client_sync(w, &w->clients[1], true, 0);
	world_free(w);
}

TEST(view_all_told_leaves_no_graves_and_no_ring)
{
	struct world *w = world_new(8);
	struct mailarray *a;

	for (size_t i = 0; i < CLIENTS; i++)
		client_toggle(w, &w->clients[i]);
	a = w->clients[0].v.array;
	for (int i = 0; i < 300; i++) {
		world_step(w);
		if (i == 150)
			client_sync(w, &w->clients[0], true, 0);
	}
	CHECK(a->graves_end - a->graves_first > 10);
	CHECK(a->ring_n > 10);
	for (size_t i = 0; i < CLIENTS; i++)
		client_sync(w, &w->clients[i], true, 0);
	CHECK(a->block_n);
	CHECK_EQ(a->ring_n, 0);
	for (size_t i = 0; i + 1 < CLIENTS; i++)
		client_sync(w, &w->clients[i], false, 0);
	CHECK(a->block_n);
	/* The last that does not know leaves. */
	view_close(&w->clients[CLIENTS - 1].v);
	CHECK(!a->block_n);
	CHECK(!a->ring);
	CHECK_EQ(a->graves_charged, 0);
	world_free(w);
}

/* A client that stays silent must not make mail pile up in memory. */
TEST(view_needs_no_grave_for_what_nobody_was_told_of)
{
	struct world *w = world_new(5);
	struct client *c = &w->clients[0];
	struct mailarray *a;

	client_toggle(w, c);
	a = c->v.array;
	for (uint32_t uid = 100; uid < 200; uid++) {
		struct changeset *cs = changeset_new();
		struct msgrow row = { .uid = uid, .modseq = ++w->modseq };
		struct change *ch;

		changeset_add_arrival(cs, RIG_ACCOUNT, RIG_MAILBOX, 0, &row);
		ch = world_change(w, cs, CHANGE_EXPUNGE);
		uidset_add(&ch->uids, uid == 150 ? 3 : uid, uid);
		hub_apply(w->rig.hub, cs);
		changeset_unref(cs);
	}
	/* Of the ten it knows eight went. */
	CHECK_EQ(a->graves_end - a->graves_first, 8);
	CHECK_EQ(view_count(&c->v), 10);
	world_free(w);
}

/* RFC 9051 section 7.5.1: flags may travel, the expunge may not. */
TEST(view_tells_flags_of_a_ghost_under_its_old_number)
{
	struct world *w = world_new(1);
	struct client *c = &w->clients[0];
	struct changeset *cs = changeset_new();
	struct change *ch;
	struct news news;
	struct msgrow row;

	client_toggle(w, c);
	ch = changeset_add(cs, CHANGE_FLAGS, RIG_ACCOUNT, RIG_MAILBOX);
	ch->modseq = 51;
	ch->max_modseq = UINT64_MAX;
	ch->set = FLAG_DELETED;
	uidset_add(&ch->uids, 2, 2);
	ch = changeset_add(cs, CHANGE_EXPUNGE, RIG_ACCOUNT, RIG_MAILBOX);
	ch->modseq = 52;
	uidset_add(&ch->uids, 2, 2);
	hub_apply(w->rig.hub, cs);
	changeset_unref(cs);
	CHECK_EQ(view_sync(&c->v, true, &news), NEWS_FLAGS);
	CHECK_EQ(news.seq, 2);
	CHECK(view_get(&c->v, 2, &row));
	CHECK_EQ(row.flags, FLAG_DELETED);
	CHECK(!view_get(&c->v, 3, &row));
	CHECK_EQ(row.uid, 3);
	CHECK_EQ(view_sync(&c->v, true, &news), NEWS_END);
	CHECK_EQ(view_highestmodseq(&c->v), 50);
	CHECK_EQ(view_sync(&c->v, false, &news), NEWS_EXPUNGE);
	CHECK_EQ(news.seq, 2);
	CHECK_EQ(view_sync(&c->v, false, &news), NEWS_END);
	CHECK_EQ(view_highestmodseq(&c->v), 52);
	CHECK(!view_get(&c->v, 2, &row));
	CHECK_EQ(row.uid, 3);
	world_free(w);
}

TEST(view_finds_keywords_in_any_case)
{
	struct world *w = world_new(1);
	struct changeset *cs = changeset_new();
	struct view *v = &w->clients[0].v;

	client_toggle(w, &w->clients[0]);
	world_keyword(w, cs);
	world_keyword(w, cs);
	hub_apply(w->rig.hub, cs);
	changeset_unref(cs);
	CHECK_EQ(view_keyword_count(v), 2);
	CHECK_STR(view_keyword(v, 1), "$k1");
	CHECK(!view_keyword(v, 2));
	CHECK_EQ(view_find_keyword(v, span_of("$K1")), KEYWORD_FIRST + 1);
	CHECK_EQ(view_find_keyword(v, span_of("$k9")), -1);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(view_tells_each_client_what_happened),
		cmocka_unit_test(view_holds_over_a_long_run),
		cmocka_unit_test(view_behind_the_ring_misses_nothing),
		cmocka_unit_test(view_all_told_leaves_no_graves_and_no_ring),
		cmocka_unit_test(
		    view_needs_no_grave_for_what_nobody_was_told_of),
		cmocka_unit_test(
		    view_tells_flags_of_a_ghost_under_its_old_number),
		cmocka_unit_test(view_finds_keywords_in_any_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
