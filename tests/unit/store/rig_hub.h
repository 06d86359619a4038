/*
 * A hub without a store, for tests of hub and views: loads are answered by
 * the test, claims of \Recent are noted, change sets are made by hand.
 */
#ifndef TESTS_UNIT_STORE_RIG_HUB_H
#define TESTS_UNIT_STORE_RIG_HUB_H

#include <stdlib.h>

#include "server/base/env.h"
#include "server/base/err.h"
#include "store/hub_priv.h"
#include "store/view.h"
#include "tests/check.h"

#define RIG_MAILBOX 77
#define RIG_ACCOUNT 5

struct rig_session {
	struct session s;
	struct op *op;			/* from done(), owned */
	size_t changed;			/* calls */
	struct hub_watch watch;
	void (*on_changed)(struct rig_session *);
};

struct rig {
	struct env env;
	struct budget budget;
	struct fake_clock clock;
	struct seeded_random random;
	struct post home;
	struct hub *hub;
	struct mailarray *loading;	/* the latest load asked for */
	size_t loads, claims;
	uint32_t claimed;
	uint32_t state;			/* of rig_pick */
};

static inline struct rig *
rig_of(struct hub *hub)
{
	return CONTAINER_OF(hub->env, struct rig, env);
}

static inline void
rig_load(struct hub *hub, struct mailarray *a)
{
	rig_of(hub)->loading = a;
	rig_of(hub)->loads++;
}

static inline void
rig_claim(struct hub *hub, uint64_t mailbox, uint32_t uid)
{
	(void)mailbox;
	rig_of(hub)->claims++;
	rig_of(hub)->claimed = uid;
}

static inline void
rig_init(struct rig *r)
{
	*r = (struct rig){ .state = 1 };
	r->budget.limit = 64 * 1024 * 1024;
	post_init(&r->home, NULL);
	seeded_random_init(&r->random, 1);
	fake_clock_init(&r->clock, 1714557600);
	r->env.clock = &r->clock.clock;
	r->env.random = &r->random.random;
	r->env.budget = &r->budget;
	r->env.home = &r->home;
	r->hub = r->env.hub = hub_new_bare(&r->env);
	r->hub->load = rig_load;
	r->hub->claim = rig_claim;
}

static inline void
rig_release(struct rig *r)
{
	post_drain(&r->home);
	hub_free_bare(r->hub);
	CHECK_EQ(budget_used(&r->budget), 0);
	post_release(&r->home);
}

static inline uint32_t
rig_pick(struct rig *r, uint32_t below)
{
	r->state = r->state * 1664525u + 1013904223u;
	return (r->state >> 8) % below;
}

static inline void
rig_session_done(struct session *s, struct op *op)
{
	((struct rig_session *)(void *)s)->op = op;
}

static inline void
rig_session_changed(struct session *s, struct changeset *cs)
{
	struct rig_session *rs = (struct rig_session *)(void *)s;

	(void)cs;
	rs->changed++;
	if (rs->on_changed)
		rs->on_changed(rs);
}

static const struct session_ops rig_session_ops = {
	.name = "rig", .done = rig_session_done,
	.changed = rig_session_changed,
};

static inline void
rig_session_init(struct rig_session *rs, struct rig *r)
{
	*rs = (struct rig_session){ 0 };
	session_init(&rs->s, &rig_session_ops, &r->env);
}

/* Answers the load with n messages, UIDs 1..n, at the modseq. */
static inline void
rig_answer(struct rig *r, uint32_t n, uint64_t modseq, uint32_t recent_uid)
{
	struct array_data d = { .account = RIG_ACCOUNT, .modseq = modseq,
	    .uidvalidity = 9, .uidnext = n + 1, .recent_uid = recent_uid };

	CHECK(r->loading);
	CHECK_EQ(array_data_reserve(&d, n, &r->budget), 0);
	for (uint32_t i = 0; i < n; i++)
		d.rows[d.n++] = (struct msgrow){ .uid = i + 1, .modseq = 1,
		    .body = 1000 + i, .size = 10 };
	hub_array_loaded(r->loading, &d, 0);
	r->loading = NULL;
}

#endif
