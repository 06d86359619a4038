/*
 * kill -9 in the middle of deliveries, again and again, on one store.
 *
 * A child delivers with the threads of the real server and writes a line of
 * its ledger (a pipe) for each message that is acknowledged. The parent kills
 * it at some moment and looks: the store must open without repair, pass the
 * checker, and hold every message of the ledger once and every other one at
 * most once. Each message has also a recipient elsewhere: it waits in the queue
 * until a result is committed, and is never there again afterwards.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/xalloc.h"
#include "store/queue.h"
#include "store/spool_priv.h"
#include "tests/unit/store/fixture.h"

#define ROUNDS 20
#define WINDOW 24		/* deliveries that wait at the same time */
#define MESSAGES_MAX 200000
#define BIG_EVERY 40		/* of these is one that is staged */
#define IS_SENT 0x80000000u	/* in the ledger: the result is committed */

/* ---- the child ---- */

struct child {
	struct fixture *f;
	struct session session;
	struct spool *spool;		/* being staged */
	uint64_t account;
	int ledger;
	uint32_t next, out;
};

/* Only reads what is sent, so that it may be killed at any place. */
static struct child *child_of_;

static void
write_ledger(uint32_t number)
{
	if (write(child_of_->ledger, &number, sizeof number) !=
	    sizeof number)
		_exit(1);
}

static void
sent(struct op *op)
{
	if (op->err == 0)
		write_ledger(IS_SENT | (uint32_t)op->tag);
	op_free(op);
}

/* The host elsewhere has said 250. */
static void
send_result(const struct wreq_deliver *r, uint32_t number)
{
	struct wreq_queue_result *v =
	    wreq_queue_result_new(&child_of_->f->env);

	v->destination = xstrdup(r->queue->rcpts[0].destination);
	v->reach = REACH_OK;
	v->results = xcalloc(1, sizeof *v->results);
	v->result_count = 1;
	v->results[0] = (struct queue_result){ .queue = r->queue->id_r,
	    .state = QUEUE_DELIVERED, .is_attempt = true, .code = 250 };
	v->w.op.tag = (int)number;
	v->w.op.finish = sent;
	store_submit(child_of_->f->store, &v->w);
}

static void
acknowledged(struct op *op)
{
	struct wreq_deliver *r = (struct wreq_deliver *)op;
	uint32_t number = (uint32_t)r->internaldate_s;

	child_of_->out--;
	if (op->err == 0)
		write_ledger(number);
	if (op->err == 0 && number % 2 == 0)
		send_result(r, number);
	op_free(op);
}

static void
add_elsewhere(struct wreq_deliver *r, uint32_t number)
{
	struct queue_new *q = xcalloc(1, sizeof *q);
	char text[32];

	r->queue = q;
	(void)snprintf(text, sizeof text, "%u", number);
	q->sender = xstrdup(text);
	q->expires_s = r->w.now_s + 86400;
	q->rcpts = xcalloc(1, sizeof *q->rcpts);
	q->rcpt_count = 1;
	(void)snprintf(text, sizeof text, "d%u.test", number % 7);
	q->rcpts[0].destination = xstrdup(text);
	q->rcpts[0].address = xstrdup("x@y.test");
}

static void
send_message(struct child *c, struct spool *s)
{
	struct wreq_deliver *r = wreq_deliver_new(&c->f->env, NULL);

	r->spool = s;
	r->rcpts = xcalloc(2, sizeof *r->rcpts);
	r->rcpt_count = 2;
	r->rcpts[0].account = c->account;
	r->rcpts[1].account = c->account;
	add_elsewhere(r, c->next);
	r->internaldate_s = c->next++;
	r->w.op.finish = acknowledged;
	c->out++;
	store_submit(c->f->store, &r->w);
}

static void
staged(struct session *session, struct op *op)
{
	struct child *c = CONTAINER_OF(session, struct child, session);

	if (spool_staged(c->spool, op) < 0)
		_exit(1);
}

static const struct session_ops child_ops = { .name = "child",
    .done = staged };

static void
stage(struct child *c)
{
	while (spool_submit_stage(c->spool, &c->session) ||
	    spool_has_stages_out(c->spool))
		if (!post_drain(&c->f->home))
			usleep(100);
}

static void
send_big(struct child *c)
{
	char *p = xmalloc(SPOOL_CHUNK);

	memset(p, 'y', SPOOL_CHUNK);
	c->spool = spool_new(&c->f->env, 50 << 20);
	for (int i = 0; i < 3; i++) {
		(void)spool_add(c->spool, p, SPOOL_CHUNK - 7);
		stage(c);
	}
	free(p);
	if (spool_finish(c->spool) < 0)
		_exit(1);
	stage(c);
	send_message(c, c->spool);
}

static void
send_small(struct child *c)
{
	struct spool *s = spool_new(&c->f->env, 50 << 20);
	static char text[6000];

	memset(text, 'x', sizeof text);
	(void)spool_add(s, text, 300 + c->next * 131 % 5000);
	if (spool_finish(s) < 0)
		_exit(1);
	send_message(c, s);
}

/* Never comes back. */
static void
run_child(const char *dir, int ledger, uint32_t first)
{
	struct child c = { .ledger = ledger, .next = first };

	c.f = fixture_bare(false);
	c.f->settings.in_memory = false;
	c.f->settings.is_inline = false;
	c.f->settings.dir = dir;
	c.f->env.random = random_system();
	fixture_open(c.f);
	/* The writer has the connection: ask before there is work for it. */
	c.account = fixture_account(c.f, "ann@example.org");
	session_init(&c.session, &child_ops, &c.f->env);
	child_of_ = &c;
	for (;;) {
		if (c.next % 100 == 99)
			store_tick(c.f->store);
		if (c.out < WINDOW) {
			if (c.next % BIG_EVERY == 1)
				send_big(&c);
			else
				send_small(&c);
		} else if (!post_drain(&c.f->home)) {
			usleep(100);
		}
	}
}

/* ---- the parent ---- */

struct book {
	unsigned char acknowledged[MESSAGES_MAX];
	unsigned char sent[MESSAGES_MAX];
	uint32_t count;
};

/* Waits for a line of the ledger; false at its end. */
static bool
read_line(int fd, struct book *book)
{
	uint32_t number;

	if (read(fd, &number, sizeof number) != sizeof number)
		return false;
	if (number & IS_SENT) {
		assert_true((number & ~IS_SENT) < MESSAGES_MAX);
		book->sent[number & ~IS_SENT] = 1;
		return true;
	}
	assert_true(number < MESSAGES_MAX);
	book->acknowledged[number] = 1;
	book->count++;
	return true;
}

static void
read_ledger(int fd, struct book *book)
{
	while (read_line(fd, book))
		;
}

/* What waits is what was acknowledged and not sent, each once. */
static void
compare_queue(struct fixture *f, const struct book *book)
{
	unsigned char *waits = xcalloc(1, MESSAGES_MAX);
	sqlite3_stmt *s;

	CHECK_EQ(db_query(&f->store->db, &s, "SELECT sender, count(*)"
	    " FROM queue GROUP BY sender"), 0);
	while (db_step(&f->store->db, s) > 0) {
		CHECK(db_i64(s, 0) < MESSAGES_MAX);
		CHECK_EQ(db_i64(s, 1), 1);
		waits[db_i64(s, 0)] = 1;
	}
	for (uint32_t i = 0; i < MESSAGES_MAX; i++) {
		if (book->sent[i] && waits[i])
			fail_msg("message %u would be sent again", i);
		/* Of an even one the result may have been committed. */
		if (book->acknowledged[i] && i % 2 && !waits[i])
			fail_msg("message %u is not sent any more", i);
	}
	free(waits);
}

/* Each message has two copies, in one transaction. Returns the next number. */
static uint32_t
compare(const char *dir, const struct book *book)
{
	struct fixture *f = fixture_bare(false);
	unsigned char *seen = xcalloc(1, MESSAGES_MAX);
	uint32_t next = 0;
	sqlite3_stmt *s;

	f->settings.in_memory = false;
	f->settings.dir = dir;
	fixture_open(f);
	CHECK_EQ(db_query(&f->store->db, &s, "SELECT internaldate, count(*)"
	    " FROM msg GROUP BY internaldate"), 0);
	while (db_step(&f->store->db, s) > 0) {
		CHECK_EQ(db_i64(s, 1), 2);
		CHECK(db_i64(s, 0) < MESSAGES_MAX);
		seen[db_i64(s, 0)] = 1;
		next = db_u32(s, 0) + 1;
	}
	for (uint32_t i = 0; i < MESSAGES_MAX; i++)
		if (book->acknowledged[i] && !seen[i])
			fail_msg("message %u was acknowledged and is lost", i);
	free(seen);
	compare_queue(f, book);
	/* What was staged for messages that never came to an end. */
	store_tick(f->store);
	fixture_settle(f);
	CHECK_EQ(fixture_get(f, "SELECT count(*) FROM content"
	    " WHERE refs = 0"), 0);
	fixture_free(f);	/* checks */
	return next;
}

/*
 * The time runs from the first acknowledgement, however slow the machine is;
 * without waiting it may also hit the opening.
 */
static void
one_round(const char *dir, struct book *book, uint32_t first, bool waits,
    useconds_t us)
{
	int ledger[2], status;
	pid_t pid;

	assert_int_equal(pipe(ledger), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ledger[0]);
		run_child(dir, ledger[1], first);
	}
	close(ledger[1]);
	if (waits)
		assert_true(read_line(ledger[0], book));
	usleep(us);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* It must have been us, and not an exit of its own. */
	assert_true(WIFSIGNALED(status));
	read_ledger(ledger[0], book);
	close(ledger[0]);
}

TEST(test_kill_loses_nothing_acknowledged_and_doubles_nothing)
{
	struct fixture *f = fixture_new_on_disk();
	struct book *book = xcalloc(1, sizeof *book);
	char dir[sizeof f->dir];
	uint32_t next = 0;

	memcpy(dir, f->dir, sizeof dir);
	fixture_close(f);
	for (unsigned i = 0; i < ROUNDS; i++) {
		one_round(dir, book, next, i % 4 != 0,
		    60000 + i * 37777 % 150000);
		next = compare(dir, book);
	}
	assert_true(book->count >= ROUNDS / 2);
	free(book);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_kill_loses_nothing_acknowledged_and_doubles_nothing)
	};

	if (base_random_start() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
