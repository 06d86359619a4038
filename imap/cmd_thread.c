/*
 * THREAD and UID THREAD (RFC 5256 section 3): of what finder.c found, a reader
 * makes the threads.
 */
#include "imap/finder.h"
#include "imap/sync.h"
#include "imap/targets.h"
#include "store/read.h"

enum thread_phase { THREAD_FINDS, THREAD_FILLS, THREAD_READS, THREAD_PUTS };

struct threading {
	struct finder f;
	enum thread_phase phase;
	struct targets targets;		/* of f.found, while rows are filled */
	struct rjob_thread *job;	/* ours but while a reader has it */
	size_t put;			/* steps in the answer */
	bool is_numbered;		/* and of the next one its number */
	uint32_t closed;		/* and so many of its parentheses */
};

static void
thread_release(struct imap *im)
{
	struct threading *t = im->cmd.state;

	finder_release(&t->f);
	if (t->job)
		op_free(&t->job->j.op);
}

/* ---- the answer ---- */

static void
put_number(struct imap *im, const struct threading *t)
{
	const struct thread_step *step = &t->job->steps[t->put];
	uint32_t uid = t->job->rows[step->row].uid;
	struct buf *out = im->s.out;

	/* "(1 2", "(1)(2": a space where the line of before goes on */
	if (t->put == 0 || step[-1].closes == 0)
		buf_addc(out, ' ');
	for (uint32_t i = 0; i < step->opens; i++)
		buf_addc(out, '(');
	buf_addu(out, im->cmd.uid ? uid : view_find_uid(&im->view, uid));
}

/* Of a deep thread very many parentheses may end at once. */
static bool
put_step(struct imap *im, struct threading *t)
{
	if (!t->is_numbered)
		put_number(im, t);
	t->is_numbered = true;
	for (; t->closed < t->job->steps[t->put].closes; t->closed++) {
		if (!imap_has_time(im))
			return false;
		buf_addc(im->s.out, ')');
	}
	t->is_numbered = false;
	t->closed = 0;
	return true;
}

static enum imap_step
thread_put(struct imap *im, struct threading *t)
{
	for (; t->put < t->job->row_count; t->put++)
		if (!imap_has_time(im) || !put_step(im, t))
			return STEP_YIELD;
	buf_adds(im->s.out, "\r\n");
	return imap_ok(im, NULL, "THREAD completed");
}

/* ---- the threads ---- */

static enum imap_step
thread_read(struct imap *im, struct threading *t)
{
	struct rjob *j = &t->job->j;

	t->job = NULL;
	t->phase = THREAD_READS;
	op_adopt(&j->op, &im->s);
	store_read(im->s.env->store, j);
	return STEP_WAIT;
}

/* Tells the reader of each message found. */
static enum imap_step
thread_fill(struct imap *im, struct threading *t)
{
	struct msgrow row;
	uint32_t seq;

	targets_again(&t->targets);
	while (imap_has_time(im)) {
		if (!targets_next(&t->targets, &im->view, &seq, &row))
			return thread_read(im, t);
		rjob_thread_add(t->job, &row);
	}
	return STEP_YIELD;
}

/* A slice of the reader's. */
static enum imap_step
thread_slice(struct imap *im, struct threading *t, struct op *op)
{
	t->job = CONTAINER_OF(op, struct rjob_thread, j.op);
	if (op->err < 0)
		return imap_fail(im, op->err);
	if (t->job->j.more)
		return thread_read(im, t);
	t->phase = THREAD_PUTS;
	buf_adds(im->s.out, "* THREAD");
	return thread_put(im, t);
}

/* ---- the command ---- */

static enum imap_step
thread_find(struct imap *im, struct threading *t, struct op *op)
{
	enum imap_step step = finder_step(&t->f, op);

	if (step != STEP_DONE)
		return step;
	if (t->f.err < 0)
		return finder_fail(&t->f);
	t->job = rjob_thread_new(im->s.env, NULL,
	    im->cmd.args.search.thread_by, uidset_count(&t->f.found));
	if (!t->job)
		return imap_fail(im, ERR_BUDGET);
	t->phase = THREAD_FILLS;
	t->targets.uids = t->f.found;
	return thread_fill(im, t);
}

enum imap_step
imap_run_thread(struct imap *im)
{
	struct imap_search_args *a = &im->cmd.args.search;
	struct threading *t = arena_alloc(&im->cmd.arena, sizeof *t);

	im->cmd.state = t;
	im->cmd.release = thread_release;
	if (a->is_charset_unknown)
		return imap_no(im, IMAP_BADCHARSET, "Unknown charset");
	finder_init_args(&t->f, im, &im->view, a);
	return thread_find(im, t, NULL);
}

enum imap_step
imap_done_thread(struct imap *im, struct op *op)
{
	struct threading *t = im->cmd.state;

	switch (t->phase) {
	case THREAD_FINDS:
		return thread_find(im, t, op);
	case THREAD_FILLS:
		return thread_fill(im, t);
	case THREAD_READS:
		return thread_slice(im, t, op);
	case THREAD_PUTS:
		return thread_put(im, t);
	}
	return STEP_WAIT;
}
