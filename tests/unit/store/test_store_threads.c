/*
 * A threaded store under several sessions at once. The test's thread is the
 * loop. Each client keeps its own picture of a mailbox, from what it is told
 * alone; at the end pictures, arrays and rows must be the same.
 */
#include <string.h>

#include "store/hub.h"
#include "store/view.h"
#include "tests/unit/store/rig_read.h"

#define CLIENTS 8
#define OPERATIONS 2500
#define KNOWN_MAX 4000

struct known {
	uint32_t uid;
	uint64_t flags, body;
};

struct world;

struct client {
	struct session s;
	struct hub_watch watch;
	struct world *w;
	struct view v;
	uint64_t mailbox;
	bool open, waiting;	/* for a view, or for an op */
	struct known list[KNOWN_MAX];
	size_t n;
	void (*then)(struct client *, struct op *);
};

struct world {
	struct fixture *f;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool woken;
	struct hub *hub;
	uint64_t account, boxes[2];
	size_t left;			/* operations still to begin */
	size_t out;			/* clients that wait */
	uint32_t state;
	struct client clients[CLIENTS];
};

/* Only one world at a time has a loop to wake. */
static struct world *
world_of_home(struct post *p)
{
	struct fixture *f = CONTAINER_OF(p, struct fixture, home);

	return (struct world *)(void *)f->env.work;
}

static void
wake(struct post *p)
{
	struct world *w = world_of_home(p);

	pthread_mutex_lock(&w->lock);
	w->woken = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

static void
loop_wait(struct world *w)
{
	pthread_mutex_lock(&w->lock);
	while (!w->woken)
		pthread_cond_wait(&w->cond, &w->lock);
	w->woken = false;
	pthread_mutex_unlock(&w->lock);
}

static uint32_t
pick(struct world *w, uint32_t below)
{
	w->state = w->state * 1664525u + 1013904223u;
	return (w->state >> 8) % below;
}

/* ---- pictures ---- */

static void
learn(struct client *c, uint32_t seq)
{
	struct msgrow row;

	CHECK(c->n < KNOWN_MAX);
	(void)view_get(&c->v, seq, &row);
	c->list[c->n++] = (struct known){ row.uid, row.flags, row.body };
}

static void
hear(struct client *c, const struct news *news)
{
	struct msgrow row;

	switch (news->kind) {
	case NEWS_EXPUNGE:
		CHECK(news->seq >= 1 && news->seq <= c->n);
		CHECK_EQ(c->list[news->seq - 1].uid, news->uid);
		c->n--;
		memmove(c->list + news->seq - 1, c->list + news->seq,
		    (c->n - (news->seq - 1)) * sizeof *c->list);
		break;
	case NEWS_FLAGS:
		CHECK_EQ(c->list[news->seq - 1].uid, news->uid);
		(void)view_get(&c->v, news->seq, &row);
		c->list[news->seq - 1].flags = row.flags;
		break;
	case NEWS_EXISTS:
		CHECK(news->count >= c->n);
		while (c->n < news->count)
			learn(c, (uint32_t)c->n + 1);
		break;
	case NEWS_KEYWORDS:
	case NEWS_RECENT:
	case NEWS_END:
		break;
	}
}

static void
sync_client(struct client *c, bool hold)
{
	struct news news;

	CHECK(c->open);
	while (view_sync(&c->v, hold, &news) != NEWS_END)
		hear(c, &news);
	CHECK_EQ(view_count(&c->v), c->n);
}

/* ---- what clients do ---- */

static void
wait_for(struct client *c, void (*then)(struct client *, struct op *))
{
	c->then = then;
	c->waiting = true;
	c->w->out++;
}

static void
selected(struct client *c)
{
	c->open = true;
	c->n = 0;
	for (uint32_t seq = 1; seq <= view_count(&c->v); seq++)
		learn(c, seq);
}

static void
then_selected(struct client *c, struct op *op)
{
	CHECK_EQ(op->tag, VIEW_OP_TAG);
	CHECK_EQ(view_opened(&c->v, op), 0);
	selected(c);
}

static void
do_select(struct client *c)
{
	int r;

	view_close(&c->v);
	c->open = false;
	c->mailbox = c->w->boxes[pick(c->w, 2)];
	r = view_open(&c->v, c->w->hub, &c->s, c->w->account, c->mailbox,
	    pick(c->w, 2) == 0);
	CHECK(r >= 0);
	if (r == 1)
		wait_for(c, then_selected);
	else
		selected(c);
}

static void
then_sync(struct client *c, struct op *op)
{
	CHECK_EQ(op->err, 0);
	op_free(op);
	sync_client(c, pick(c->w, 3) == 0);
}

static void
random_uids(struct client *c, struct uidset *uids)
{
	for (uint32_t i = 1 + pick(c->w, 3); i > 0 && c->n > 0; i--) {
		uint32_t lo = c->list[pick(c->w, (uint32_t)c->n)].uid;

		uidset_add(uids, lo, lo + pick(c->w, 4));
	}
}

static void
do_append(struct client *c)
{
	struct wreq_append *r = wreq_append_new(c->s.env, &c->s);
	char text[128];

	r->mailbox = c->mailbox;
	r->msg_count = 1 + pick(c->w, 3);
	r->msgs = xcalloc(r->msg_count, sizeof *r->msgs);
	for (size_t i = 0; i < r->msg_count; i++) {
		snprintf(text, sizeof text, "Subject: s%u\r\n\r\n"
		    "token%u\r\n", pick(c->w, 5), pick(c->w, 3));
		r->msgs[i].spool = fixture_spool(c->w->f, text);
	}
	store_submit(c->s.env->store, &r->w);
	wait_for(c, then_sync);
}

/* .SILENT: the client does to its picture what it asked for. */
static void
then_own_flags(struct client *c, struct op *op)
{
	struct wreq_flags *r = (struct wreq_flags *)op;

	CHECK_EQ(op->err, 0);
	for (size_t i = 0; i < c->n; i++) {
		struct known *k = &c->list[i];

		if (!uidset_has(&r->uids, k->uid) ||
		    uidset_has(&r->modified_r, k->uid) ||
		    view_get(&c->v, (uint32_t)i + 1, &(struct msgrow){ 0 }))
			continue;
		k->flags = r->how == FLAGS_ADD ? k->flags | r->flags :
		    r->how == FLAGS_REMOVE ? k->flags & ~r->flags :
		    r->flags;
	}
	op_free(op);
	sync_client(c, pick(c->w, 3) == 0);
}

static void
do_flags(struct client *c)
{
	struct wreq_flags *r = wreq_flags_new(c->s.env, &c->s);
	bool silent = pick(c->w, 3) == 0;

	r->mailbox = c->mailbox;
	random_uids(c, &r->uids);
	r->how = (enum flags_how)pick(c->w, 3);
	r->flags = pick(c->w, 32);
	if (pick(c->w, 4) == 0)
		r->unchanged_since = view_highestmodseq(&c->v);
	if (silent)
		r->w.origin = c->v.id;
	store_submit(c->s.env->store, &r->w);
	wait_for(c, silent ? then_own_flags : then_sync);
}

static void
do_expunge(struct client *c)
{
	struct wreq_expunge *r = wreq_expunge_new(c->s.env, &c->s);

	r->mailbox = c->mailbox;
	random_uids(c, &r->uids);
	store_submit(c->s.env->store, &r->w);
	wait_for(c, then_sync);
}

static void
do_copy(struct client *c)
{
	struct wreq_copy *r = wreq_copy_new(c->s.env, &c->s);

	r->mailbox = c->mailbox;
	random_uids(c, &r->uids);
	r->target = c->w->boxes[c->mailbox == c->w->boxes[0]];
	r->move = pick(c->w, 2);
	store_submit(c->s.env->store, &r->w);
	wait_for(c, then_sync);
}

/* What a view shows can be read, expunged or not. */
static void
then_read(struct client *c, struct op *op)
{
	struct rjob_messages *m = CONTAINER_OF(op, struct rjob_messages,
	    j.op);

	CHECK_EQ(op->err, 0);
	CHECK(m->piece_count > 0 || m->item_count == 0);
	for (size_t i = 0; i < m->piece_count; i++) {
		CHECK(!m->pieces[i].gone);
		CHECK(m->pieces[i].digest.len > 0);
		CHECK(span_starts(m->pieces[i].bytes, "Subject: s"));
	}
	if (m->j.more) {
		store_read(c->s.env->store, &m->j);
		wait_for(c, then_read);
		return;
	}
	op_free(op);
	sync_client(c, true);
}

static void
do_read(struct client *c)
{
	struct rjob_messages *m = rjob_messages_new(c->s.env, &c->s,
	    MIN(c->n, 40));

	for (size_t i = 0; i < m->item_count; i++)
		m->items[i] = (struct read_item){ .body = c->list[i].body,
		    .len = READ_ALL, .digest = true };
	store_read(c->s.env->store, &m->j);
	wait_for(c, then_read);
}

static void
then_searched(struct client *c, struct op *op)
{
	struct rjob_search *s = CONTAINER_OF(op, struct rjob_search, j.op);

	CHECK_EQ(op->err, 0);
	for (size_t i = 0; i < s->uid_count; i++)
		CHECK(view_find_uid(&c->v, s->uids[i]) > 0);
	if (s->j.more) {
		store_read(c->s.env->store, &s->j);
		wait_for(c, then_searched);
		return;
	}
	CHECK_EQ(s->done_count, s->row_count);
	op_free(op);
	sync_client(c, true);
}

static void
do_search(struct client *c)
{
	struct search_key k = { .op = SEARCH_BODY, .text = SPAN("token1") };
	struct rjob_search *s = rjob_search_new(c->s.env, &c->s, 0, &k, c->n);

	for (uint32_t seq = 1; seq <= c->n; seq++)
		(void)view_get(&c->v, seq, &s->rows[seq - 1].row);
	store_read(c->s.env->store, &s->j);
	wait_for(c, then_searched);
}

static void
then_listed(struct client *c, struct op *op)
{
	struct rjob_list *l = CONTAINER_OF(op, struct rjob_list, j.op);

	CHECK_EQ(op->err, 0);
	CHECK_EQ(l->box_count, 6);
	op_free(op);
	sync_client(c, false);
}

static void
do_list(struct client *c)
{
	struct rjob_list *l = rjob_list_new(c->s.env, &c->s);

	store_read(c->s.env->store, &l->j);
	wait_for(c, then_listed);
}

/* The connection breaks, whatever is out; then there is a new one. */
static void
client_end(struct client *c)
{
	session_disown_ops(&c->s);
	view_close(&c->v);
	hub_unwatch(&c->watch);
	if (c->waiting)
		c->w->out--;
	c->waiting = c->open = false;
}

static void
client_done(struct session *s, struct op *op)
{
	struct client *c = (struct client *)(void *)s;

	CHECK(c->waiting);
	c->waiting = false;
	c->w->out--;
	c->then(c, op);
}

/* In IDLE a client hears at once; with a command out it waits. */
static void
client_changed(struct session *s, struct changeset *cs)
{
	struct client *c = (struct client *)(void *)s;

	CHECK(cs->n > 0);
	if (c->open && !c->waiting && pick(c->w, 2))
		sync_client(c, false);
}

static const struct session_ops client_ops = {
	.name = "client", .done = client_done, .changed = client_changed,
};

static void
client_begin(struct client *c)
{
	session_init(&c->s, &client_ops, &c->w->f->env);
	c->s.account = c->w->account;
	hub_watch_account(c->w->hub, &c->watch, &c->s, c->w->account);
	do_select(c);
}

static void
client_act(struct client *c)
{
	static void (*const acts[])(struct client *) = {
		do_append, do_append, do_append, do_flags, do_flags,
		do_flags, do_expunge, do_copy, do_read, do_search, do_list,
		do_select,
	};

	if (pick(c->w, 60) == 0) {
		client_end(c);
		client_begin(c);
		return;
	}
	acts[pick(c->w, COUNT(acts))](c);
	/* And sometimes it goes before the answer comes. */
	if (c->waiting && pick(c->w, 50) == 0) {
		client_end(c);
		client_begin(c);
	}
}

/* ---- the world ---- */

static void
open_store(struct world *w)
{
	struct buf why = BUF_INIT;
	struct fixture *f = w->f;

	f->settings.is_inline = false;
	CHECK_EQ(store_open(&f->store, &f->settings, &f->env, &why), 0);
	buf_release(&why);
	f->env.store = f->store;
	w->hub = f->env.hub = hub_new(&f->env);
}

static struct world *
world_new(void)
{
	struct world *w = xcalloc(1, sizeof *w);
	struct fixture *f = fixture_new_on_disk();

	w->f = f;
	w->state = 7;
	w->account = fixture_account(f, "ann@example.org");
	w->boxes[0] = fixture_mailbox(f, "ann@example.org", "INBOX");
	w->boxes[1] = fixture_mailbox(f, "ann@example.org", "Archive");
	fixture_close(f);
	fixture_deaf(f);
	f->listener = NULL;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->cond, NULL);
	post_release(&f->home);
	post_init(&f->home, wake);
	f->env.clock = clock_system();
	/* Nobody here has work to do; it is how wake finds us. */
	f->env.work = (struct work *)(void *)w;
	open_store(w);
	return w;
}

/* All rows of what the client has open, as the reopened store has them. */
static void
check_picture(struct world *w, const struct client *c)
{
	struct db *db = &w->f->store->db;
	sqlite3_stmt *s;
	size_t i = 0;
	int err;

	CHECK_EQ(db_query(db, &s, "SELECT uid, flags, body FROM msg"
	    " WHERE mailbox = ? ORDER BY uid", A_INT(c->mailbox)), 0);
	while ((err = db_step(db, s)) > 0) {
		CHECK(i < c->n);
		CHECK_EQ(c->list[i].uid, db_u32(s, 0));
		CHECK_EQ(c->list[i].flags, db_u64(s, 1));
		CHECK_EQ(c->list[i].body, db_u64(s, 2));
		i++;
	}
	CHECK_EQ(err, 0);
	CHECK_EQ(i, c->n);
}

static void
check_array(const struct client *c)
{
	for (uint32_t seq = 1; seq <= c->n; seq++) {
		struct msgrow row;

		CHECK(!view_get(&c->v, seq, &row));
		CHECK_EQ(row.uid, c->list[seq - 1].uid);
		CHECK_EQ(row.flags, c->list[seq - 1].flags);
	}
}

static void
world_free(struct world *w)
{
	struct fixture *f = w->f;

	for (size_t i = 0; i < CLIENTS; i++) {
		struct client *c = &w->clients[i];

		check_array(c);
		client_end(c);
	}
	hub_free(w->hub);
	f->env.hub = NULL;
	store_close(f->store);
	while (post_drain(&f->home))
		continue;
	/* Inline again: what is in the file, and whether it is sound. */
	f->env.clock = &f->clock.clock;
	f->settings.is_inline = true;
	fixture_open(f);
	for (size_t i = 0; i < CLIENTS; i++)
		check_picture(w, &w->clients[i]);
	fixture_free(f);
	pthread_cond_destroy(&w->cond);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static void
world_run(struct world *w)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		if (w->clients[i].w)
			continue;	/* it is there from the last run */
		w->clients[i].w = w;
		client_begin(&w->clients[i]);
	}
	while (w->left > 0 || w->out > 0) {
		struct client *c = &w->clients[pick(w, CLIENTS)];

		if (w->left > 0 && c->open && !c->waiting) {
			w->left--;
			client_act(c);
		}
		if (!post_drain(&w->f->home) && w->out == CLIENTS)
			loop_wait(w);
		else if (w->left == 0 && w->out > 0)
			loop_wait(w);
	}
}

/* One more commit that everyone hears of: then all before it is heard. */
static void
settle(struct world *w)
{
	struct client *c = &w->clients[0];

	do_append(c);
	while (w->out > 0) {
		loop_wait(w);
		post_drain(&w->f->home);
	}
	for (size_t i = 0; i < CLIENTS; i++)
		sync_client(&w->clients[i], false);
}

TEST(store_threads_and_clients_agree_in_the_end)
{
	struct world *w = world_new();

	w->left = OPERATIONS;
	world_run(w);
	settle(w);
	world_free(w);
}

/* Jobs and requests of every kind are out when the store closes. */
TEST(store_closes_over_what_is_out)
{
	for (int round = 0; round < 5; round++) {
		struct world *w = world_new();
		struct fixture *f = w->f;

		w->state = (uint32_t)round;
		w->left = 60;
		world_run(w);
		for (size_t i = 0; i < CLIENTS; i++) {
			do_read(&w->clients[i]);
			session_disown_ops(&w->clients[i].s);
			do_search(&w->clients[i]);
			session_disown_ops(&w->clients[i].s);
			do_append(&w->clients[i]);
			client_end(&w->clients[i]);
		}
		hub_free(w->hub);
		f->env.hub = NULL;
		store_close(f->store);
		f->store = f->env.store = NULL;
		while (post_drain(&f->home))
			continue;
		f->env.clock = &f->clock.clock;
		f->settings.is_inline = true;
		fixture_open(f);
		fixture_free(f);
		pthread_cond_destroy(&w->cond);
		pthread_mutex_destroy(&w->lock);
		free(w);
	}
}

/* ---- a backup while it serves ---- */

struct backup_client {
	struct session s;
	struct op *op;
};

static void
backup_done(struct session *s, struct op *op)
{
	((struct backup_client *)(void *)s)->op = op;
}

static const struct session_ops backup_ops = {
	.name = "backup", .done = backup_done,
};

static int
backup_slice(struct world *w, struct backup_client *c, struct rjob_backup *b)
{
	c->op = NULL;
	store_read(w->f->store, &b->j);
	while (!c->op) {
		loop_wait(w);
		post_drain(&w->f->home);
	}
	CHECK(c->op == &b->j.op);
	return c->op->err;
}

TEST(store_threads_make_a_backup_beside_writes)
{
	struct world *w = world_new();
	struct backup_client c = { .op = NULL };
	struct rjob_backup *b, *second;
	uint64_t bytes = 0;

	w->left = 200;
	world_run(w);
	session_init(&c.s, &backup_ops, &w->f->env);
	b = rjob_backup_new(&w->f->env, &c.s);
	second = rjob_backup_new(&w->f->env, NULL);
	/* A second one at the same time: busy, or after the first. */
	store_read(w->f->store, &second->j);
	do {
		int err = backup_slice(w, &c, b);

		if (err == ERR_BUSY)
			continue;
		CHECK_EQ(err, 0);
		bytes += b->bytes.len;
		w->left = 1;
		world_run(w);
	} while (b->j.more || b->total == 0);
	CHECK_EQ(bytes, b->total);
	op_free(&b->j.op);
	/* And one that is being made when the store closes. */
	b = rjob_backup_new(&w->f->env, NULL);
	store_read(w->f->store, &b->j);
	settle(w);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(store_threads_and_clients_agree_in_the_end),
		cmocka_unit_test(store_closes_over_what_is_out),
		cmocka_unit_test(store_threads_make_a_backup_beside_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
