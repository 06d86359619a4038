/*
 * The power goes at each sync in turn; what was acknowledged must be there.
 *
 * The same work is done again and again, each time with one sync more before
 * the end. Then the store is opened from what the disk had, checked, and
 * compared with what had been promised. The last test shows that this finds
 * a store that promises too early.
 */
#include "server/base/xalloc.h"
#include "tests/crash/shim.h"
#include "tests/unit/store/fixture.h"

#define STEPS 14
#define MESSAGES_MAX (STEPS * 4)

/* What is known of a message; its internal date is its number. */
struct promise {
	bool sent, stored, expunge_sent, expunged, flagged;
	uint32_t uid;
};

struct life {
	struct fixture *f;
	struct shim shim;
	struct promise promises[MESSAGES_MAX];
	unsigned next;
};

/* Several deliveries in one batch; the second is the larger. */
static void
deliver_batch(struct life *w, unsigned count)
{
	struct wreq_deliver *r[4];
	struct fixture *f = w->f;
	unsigned first = w->next;

	for (unsigned i = 0; i < count; i++) {
		char *text = xcalloc(1, 30001);

		memset(text, 'x', i == 1 ? 30000 : 500);
		r[i] = wreq_deliver_new(&f->env, NULL);
		r[i]->spool = fixture_spool(f, text);
		free(text);
		r[i]->rcpts = xcalloc(1, sizeof *r[i]->rcpts);
		r[i]->rcpt_count = 1;
		r[i]->rcpts[0].account = fixture_account(f,
		    "ann@example.org");
		r[i]->internaldate_s = w->next;
		w->promises[w->next++].sent = true;
	}
	/* All but the last go first: they make one batch with it. */
	for (unsigned i = 0; i + 1 < count; i++)
		store_submit(f->store, &r[i]->w);
	if (fixture_run(f, &r[count - 1]->w) < 0)
		return;
	/* In order, and the last is there: so they all are. */
	for (unsigned i = 0; i < count; i++) {
		w->promises[first + i].stored = true;
		w->promises[first + i].uid =
		    r[count - 1]->rcpts[0].uid_r - (count - 1 - i);
	}
}

static struct promise *
any_stored(struct life *w, unsigned from)
{
	for (unsigned i = 0; i < w->next; i++) {
		struct promise *p = &w->promises[(from + i) % w->next];

		if (p->stored && !p->expunge_sent)
			return p;
	}
	return NULL;
}

static void
expunge_one(struct life *w, struct promise *p, uint64_t inbox)
{
	struct wreq_expunge *r = wreq_expunge_new(&w->f->env, NULL);

	r->mailbox = inbox;
	r->uids = UIDS(p->uid, p->uid);
	p->expunge_sent = true;
	p->expunged = fixture_run(w->f, &r->w) == 0;
}

static void
flag_one(struct life *w, struct promise *p, uint64_t inbox)
{
	struct wreq_flags *r = wreq_flags_new(&w->f->env, NULL);

	r->mailbox = inbox;
	r->uids = UIDS(p->uid, p->uid);
	r->flags = FLAG_FLAGGED;
	p->flagged = fixture_run(w->f, &r->w) == 0;
}

static void
live(struct life *w)
{
	uint64_t inbox = fixture_mailbox(w->f, "ann@example.org", "INBOX");
	struct promise *p;

	for (unsigned step = 0; step < STEPS && !w->shim.dead; step++) {
		deliver_batch(w, 1 + step % 3);
		if (!w->shim.dead && (p = any_stored(w, step * 5)))
			flag_one(w, p, inbox);
		if (!w->shim.dead && step % 3 == 2 &&
		    (p = any_stored(w, step * 7)))
			expunge_one(w, p, inbox);
		/* Purges and checkpoints now and then. */
		if (step % 4 == 3) {
			fake_clock_advance(&w->f->clock,
			    31 * INT64_C(86400000));
			store_tick(w->f->store);
			fixture_settle(w->f);
		}
	}
}

/* Whether a message is there, and flagged. */
static int
find(struct fixture *f, unsigned number, int64_t *flags)
{
	return db_get(&f->store->db, flags, "SELECT flags FROM msg"
	    " WHERE internaldate = ?", A_INT(number));
}

/* Counts what was promised and is not so. */
static unsigned
count_broken(struct life *w, struct fixture *f)
{
	unsigned broken = 0;
	int64_t flags;

	for (unsigned i = 0; i < w->next; i++) {
		const struct promise *p = &w->promises[i];
		bool there = find(f, i, &flags) == 0;

		if (p->stored && !p->expunge_sent && !there)
			broken++;
		if (p->expunged && there)
			broken++;
		if (p->flagged && there && !(flags & FLAG_FLAGGED))
			broken++;
	}
	return broken;
}

/* Opens what the disk had; the checker and the promises judge. */
static unsigned
judge(struct life *w)
{
	struct fixture *f = fixture_bare(true);
	unsigned broken;

	shim_dump(&w->shim, f->dir);
	f->settings.synchronous = "OFF";	/* only to look at it */
	fixture_open(f);
	broken = count_broken(w, f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) - count(DISTINCT"
	    " internaldate) FROM msg"), 0);
	/* It is not only readable. */
	fixture_deliver(f, "ann@example.org", "a: b\r\n\r\n");
	fixture_free(f);
	return broken;
}

/*
 * One life, up to the sync die_at after the set-up. Returns how many
 * promises were broken; *syncs says how many there were.
 */
static unsigned
live_once(unsigned die_at, uint64_t torn, const char *synchronous,
    unsigned *syncs)
{
	struct life *w = xcalloc(1, sizeof *w);
	unsigned broken, before;

	shim_init(&w->shim);
	w->f = fixture_bare(true);
	w->f->settings.vfs = SHIM_NAME;
	w->f->settings.purge_after_s = 0;
	/* Set up as safely as can be, whatever is tried then. */
	fixture_open(w->f);
	CHECK_EQ(fixture_add_domain(w->f, "example.org"), 0);
	CHECK_EQ(fixture_add_account(w->f, "ann@example.org"), 0);
	fixture_close(w->f);
	w->f->settings.synchronous = synchronous;
	fixture_open(w->f);
	before = w->shim.syncs;
	w->shim.die_at = die_at ? before + die_at : 0;
	w->shim.torn = torn;
	live(w);
	*syncs = w->shim.syncs - before;
	/* At the latest now: what was not synced is lost. */
	w->shim.dead = true;
	broken = judge(w);
	fixture_drop(w->f);
	fixture_free(w->f);
	shim_release(&w->shim);
	free(w);
	return broken;
}

static unsigned
live_all(uint64_t torn, const char *synchronous)
{
	unsigned syncs, ignored, broken;

	broken = live_once(0, torn, synchronous, &syncs);
	for (unsigned i = 1; i <= syncs; i++)
		broken += live_once(i, torn ? torn + i : 0, synchronous,
		    &ignored);
	return broken;
}

TEST(test_power_loss_loses_nothing_acknowledged)
{
	unsigned syncs;

	CHECK_EQ(live_once(0, 0, NULL, &syncs), 0);
	CHECK(syncs >= 2 * STEPS);
	CHECK_EQ(live_all(0, NULL), 0);
}

TEST(test_power_loss_with_torn_writes_loses_nothing_acknowledged)
{
	CHECK_EQ(live_all(0x9E3779B97F4A7C15, NULL), 0);
}

TEST(test_power_loss_is_noticed_where_synchronous_is_lowered)
{
	CHECK(live_all(0, "NORMAL") > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_loss_loses_nothing_acknowledged),
		cmocka_unit_test(
		    test_power_loss_with_torn_writes_loses_nothing_acknowledged),
		cmocka_unit_test(
		    test_power_loss_is_noticed_where_synchronous_is_lowered)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
