/*
 * Measures the store alone: no protocol, no sockets, the writer's and the
 * readers' threads as in the server, this thread as the loop.
 *
 * usage: store DIR [MESSAGES]
 *
 * DIR is made and must not be there; MESSAGES (100000) fill the large mailbox.
 * Prints "row value unit" lines. "loop" rows are the longest that one change
 * set or one answer kept the loop.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/account.h"
#include "store/hub.h"
#include "store/read.h"
#include "store/view.h"
#include "store/write.h"

#define MESSAGE_BYTES 4096

struct bench {
	struct seeded_random random;
	struct log log;
	struct stats stats;
	struct budget budget;
	struct post home;
	struct env env;
	struct store *store;
	struct session s;
	struct view view;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool woken;
	struct op *op;			/* the last that came home */
	size_t home_count;		/* deliveries that have */
	double longest_ms;		/* of one item on the loop */
	char *message;
	uint64_t account;
	uint64_t inbox, big, other;
};

static struct bench *
bench_of(struct post *p)
{
	return CONTAINER_OF(p, struct bench, home);
}

static double
now_ms(void)
{
	struct clock *clock = clock_system();

	return (double)clock->mono_us(clock) / 1e3;
}

/* CPU time of all threads. */
static double
cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void
row(const char *name, double value, const char *unit)
{
	printf("%-44s %12.3f %s\n", name, value, unit);
	fflush(stdout);
}

static void
fail(const char *what, int err)
{
	fprintf(stderr, "store: %s: %s\n", what, err_name(err));
	exit(1);
}

/* ---- the loop ---- */

static void
wake(struct post *p)
{
	struct bench *b = bench_of(p);

	pthread_mutex_lock(&b->lock);
	b->woken = true;
	pthread_cond_signal(&b->cond);
	pthread_mutex_unlock(&b->lock);
}

static void
loop_turn(struct bench *b)
{
	pthread_mutex_lock(&b->lock);
	while (!b->woken)
		pthread_cond_wait(&b->cond, &b->lock);
	b->woken = false;
	pthread_mutex_unlock(&b->lock);
	for (struct post_item *i = post_take(&b->home), *next; i; i = next) {
		double start = now_ms();

		next = i->next;
		i->deliver(i);
		b->longest_ms = MAX(b->longest_ms, now_ms() - start);
	}
}

static void
take_op(struct op *op)
{
	bench_of(op->home)->op = op;
}

/* Waits for one op; it is in b->op until the next. */
static int
await(struct bench *b, struct op *op)
{
	(void)op;
	b->op = NULL;
	b->longest_ms = 0;
	while (!b->op)
		loop_turn(b);
	return b->op->err;
}

static int
run(struct bench *b, struct wreq *w)
{
	w->op.finish = take_op;
	store_submit(b->store, w);
	return await(b, &w->op);
}

static void
must_run(struct bench *b, struct wreq *w, const char *what)
{
	int err = run(b, w);

	if (err < 0)
		fail(what, err);
	op_free(b->op);
}

static void
session_done(struct session *s, struct op *op)
{
	(void)s;
	CONTAINER_OF(s, struct bench, s)->op = op;
}

static void
session_changed_nothing(struct session *s, struct changeset *cs)
{
	(void)s;
	(void)cs;
}

static const struct session_ops session_ops = {
	.name = "bench", .done = session_done,
	.changed = session_changed_nothing
};

/* ---- set-up ---- */

static void
make_message(struct bench *b)
{
	struct buf m = BUF_INIT;

	buf_adds(&m, "From: Ann Example <ann@example.org>\r\n"
	    "To: Bob Example <bob@example.test>\r\n"
	    "Subject: A message of a usual kind\r\n"
	    "Date: Thu, 1 Jan 2026 12:00:00 +0100\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n");
	while (m.len < MESSAGE_BYTES - 70)
		buf_adds(&m, "The quick brown fox jumps over the lazy dog, and "
		    "again over it.\r\n");
	b->message = buf_take(&m);
}

/* Each with a Message-ID of its own, as in life. */
static struct spool *
make_spool(struct bench *b, unsigned n)
{
	struct spool *s = spool_new(&b->env, 1 << 20);
	char id[64];
	int len = snprintf(id, sizeof id, "Message-ID: <%u@example.org>\r\n",
	    n);

	(void)spool_add(s, id, (size_t)len);
	(void)spool_add(s, b->message, strlen(b->message));
	if (spool_finish(s) < 0)
		fail("spool", spool_error(s));
	return s;
}

static uint64_t
make_mailbox(struct bench *b, const char *name)
{
	struct wreq_mailbox *m = wreq_mailbox_new(&b->env, &b->s);
	uint64_t id;
	int err;

	m->how = MAILBOX_CREATE;
	m->name = xstrdup(name);
	if ((err = run(b, &m->w)) < 0)
		fail("mailbox", err);
	id = m->mailbox_r;
	op_free(b->op);
	return id;
}

static uint64_t
find_mailbox(struct bench *b, const char *name)
{
	struct rjob_lookup *l = rjob_lookup_new(&b->env, &b->s, span_of(name),
	    RIGHT_READ);
	uint64_t id;

	store_read(b->store, &l->j);
	if (await(b, &l->j.op) < 0)
		fail("lookup", b->op->err);
	id = l->info.id;
	op_free(b->op);
	return id;
}

static void
set_up(struct bench *b, const char *dir)
{
	struct store_settings set;
	struct buf why = BUF_INIT;
	struct wreq_domain *d;
	struct wreq_account *a;

	mkdir(dir, 0700);
	seeded_random_init(&b->random, 1);
	log_init(&b->log, clock_system(), 2);
	b->budget.limit = 256u << 20;
	post_init(&b->home, wake);
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->cond, NULL);
	b->env = (struct env){ .clock = clock_system(),
	    .random = &b->random.random, .log = &b->log, .stats = &b->stats,
	    .budget = &b->budget, .home = &b->home };
	store_settings_init(&set);
	set.dir = dir;
	if (store_open(&b->store, &set, &b->env, &why) < 0)
		fail(why.p, ERR_STORE);
	b->env.store = b->store;
	b->env.hub = hub_new(&b->env);
	session_init(&b->s, &session_ops, &b->env);
	d = wreq_domain_new(&b->env, NULL);
	d->name = xstrdup("example.test");
	must_run(b, &d->w, "domain");
	a = wreq_account_new(&b->env, NULL);
	a->name = xstrdup("bob@example.test");
	a->salt_len = 16;
	a->iterations = 4096;
	if (run(b, &a->w) < 0)
		fail("account", b->op->err);
	b->s.account = b->account = a->account_r;
	op_free(b->op);
	make_message(b);
	b->inbox = find_mailbox(b, "INBOX");
	b->big = make_mailbox(b, "big");
	b->other = make_mailbox(b, "other");
}

/* ---- rows ---- */

static void
delivered(struct op *op)
{
	struct bench *b = bench_of(op->home);

	if (op->err < 0)
		fail("delivery", op->err);
	b->home_count++;
	op_free(op);
}

static void
deliver(struct bench *b, uint64_t mailbox, unsigned n)
{
	struct wreq_deliver *r = wreq_deliver_new(&b->env, NULL);

	r->spool = make_spool(b, n);
	r->rcpts = xcalloc(1, sizeof *r->rcpts);
	r->rcpt_count = 1;
	r->rcpts[0].account = b->account;
	r->rcpts[0].mailbox = mailbox;
	r->rcpts[0].prefix = xstrdup("Return-Path: <ann@example.org>\r\n"
	    "Delivered-To: bob@example.test\r\n");
	r->rcpts[0].prefix_len = strlen(r->rcpts[0].prefix);
	r->w.op.finish = delivered;
	store_submit(b->store, &r->w);
}

/* As many at once as there are connections that wait for their 250. */
static void
deliveries(struct bench *b, uint64_t mailbox, unsigned count, unsigned at_once,
    const char *name)
{
	double start = now_ms(), cpu = cpu_ms();
	unsigned sent = 0;
	char text[64];

	b->home_count = 0;
	b->longest_ms = 0;
	while (b->home_count < count) {
		while (sent < count && sent - b->home_count < at_once)
			deliver(b, mailbox, sent++);
		loop_turn(b);
	}
	if (!name)
		return;
	snprintf(text, sizeof text, "%s, %u at once", name, at_once);
	row(text, count * 1e3 / (now_ms() - start), "msg/s");
	row("  CPU", (cpu_ms() - cpu) * 1e3 / count, "us/msg");
	row("  loop", b->longest_ms, "ms");
}

static void
open_view(struct bench *b, uint64_t mailbox, const char *name)
{
	double start = now_ms();
	int err = view_open(&b->view, b->env.hub, &b->s, b->account, mailbox,
	    true);

	if (err == 1) {
		await(b, NULL);
		err = view_opened(&b->view, b->op);
	}
	if (err < 0)
		fail("view", err);
	row(name, now_ms() - start, "ms");
	row("  loop", b->longest_ms, "ms");
}

/* As the first SELECT after a start finds it, but for the disk. */
static void
load_again(struct bench *b, uint64_t mailbox, unsigned times)
{
	double best = 1e9, start;

	for (unsigned i = 0; i < times; i++) {
		hub_free(b->env.hub);
		b->env.hub = hub_new(&b->env);
		start = now_ms();
		if (view_open(&b->view, b->env.hub, &b->s, b->account,
		    mailbox, true) != 1 ||
		    await(b, NULL) < 0 || view_opened(&b->view, b->op) < 0)
			fail("view", ERR_STORE);
		best = MIN(best, now_ms() - start);
		view_close(&b->view);
	}
	row("open it when not in memory, best of 20", best, "ms");
}

/* What an idling client would be told. */
static void
sync_view(struct bench *b)
{
	double start = now_ms();
	struct news news;
	unsigned n = 0;

	while (view_sync(&b->view, false, &news) != NEWS_END)
		n++;
	printf("  (%u pieces of news in %.3f ms)\n", n,
	    now_ms() - start);
}

static void
timed(struct bench *b, struct wreq *w, const char *name)
{
	double start = now_ms(), cpu = cpu_ms();

	must_run(b, w, name);
	row(name, now_ms() - start, "ms");
	row("  CPU", cpu_ms() - cpu, "ms");
	row("  loop", b->longest_ms, "ms");
	if (view_is_open(&b->view))
		sync_view(b);
}

static void
flags(struct bench *b, uint32_t lo, uint32_t hi, enum flags_how how,
    uint64_t bits, const char *name)
{
	struct wreq_flags *r = wreq_flags_new(&b->env, &b->s);

	r->mailbox = b->big;
	r->how = how;
	r->flags = bits;
	uidset_add(&r->uids, lo, hi);
	timed(b, &r->w, name);
}

static void
copy(struct bench *b, uint32_t lo, uint32_t hi, bool move, const char *name)
{
	struct wreq_copy *r = wreq_copy_new(&b->env, &b->s);

	r->mailbox = b->big;
	r->target = b->other;
	r->move = move;
	uidset_add(&r->uids, lo, hi);
	timed(b, &r->w, name);
}

static void
expunge(struct bench *b, const char *name)
{
	struct wreq_expunge *r = wreq_expunge_new(&b->env, &b->s);

	r->mailbox = b->big;
	r->all = r->only_deleted = true;
	timed(b, &r->w, name);
}

static void
flag_one_by_one(struct bench *b, unsigned count)
{
	double start = now_ms();

	for (unsigned i = 0; i < count; i++) {
		struct wreq_flags *r = wreq_flags_new(&b->env, &b->s);

		r->mailbox = b->big;
		r->how = FLAGS_ADD;
		r->flags = FLAG_FLAGGED;
		uidset_add(&r->uids, i + 1, i + 1);
		must_run(b, &r->w, "flags");
	}
	row("flags of one, one by one", count * 1e3 / (now_ms() - start),
	    "a second");
}

int
main(int argc, char **argv)
{
	static struct bench b;
	unsigned n = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 100000;

	if (argc < 2) {
		fprintf(stderr, "usage: store DIR [MESSAGES]\n");
		return 2;
	}
	set_up(&b, argv[1]);
	deliveries(&b, b.inbox, 500, 1, "deliveries");
	deliveries(&b, b.inbox, 10000, 10, "deliveries");
	deliveries(&b, b.inbox, 20000, 128, "deliveries");
	deliveries(&b, b.big, n, 512, NULL);
	open_view(&b, b.big, "open a mailbox, all messages, first time");
	view_close(&b.view);
	load_again(&b, b.big, 20);
	open_view(&b, b.big, "open a mailbox, all messages");
	view_close(&b.view);
	open_view(&b, b.big, "open it again");
	flag_one_by_one(&b, 200);
	flags(&b, 1, n, FLAGS_ADD, FLAG_SEEN, "mark all \\Seen");
	flags(&b, 1, n, FLAGS_REMOVE, FLAG_SEEN, "mark all un-\\Seen");
	flags(&b, 1, n / 10, FLAGS_ADD, FLAG_FLAGGED | FLAG_SEEN,
	    "flag a tenth");
	copy(&b, 1, n / 10, false, "copy a tenth");
	copy(&b, 1, n / 10, true, "move a tenth");
	flags(&b, n / 10 + 1, n / 5, FLAGS_ADD, FLAG_DELETED,
	    "mark a tenth \\Deleted");
	expunge(&b, "expunge a tenth");
	copy(&b, 1, n, false, "copy all that is left");
	flags(&b, 1, n, FLAGS_ADD, FLAG_DELETED, "mark all \\Deleted");
	expunge(&b, "expunge all");
	view_close(&b.view);
	hub_free(b.env.hub);
	store_close(b.store);
	b.env.store = NULL;
	(void)post_drain(&b.home);
	return 0;
}
