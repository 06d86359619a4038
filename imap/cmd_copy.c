/*
 * COPY (RFC 3501 section 6.4.7), MOVE (RFC 6851), both with COPYUID (RFC 4315
 * section 3): the target is looked up, then all goes in one request. The
 * EXPUNGE answers of MOVE are the view's news.
 */
#include "imap/imap_priv.h"
#include "imap/targets.h"
#include "server/base/xalloc.h"
#include "store/read.h"
#include "store/write.h"

struct copy_state {
	struct uidset uids;	/* until they are submitted */
	bool has_ghosts;
	bool is_submitted;
};

static bool
is_move(const struct imap *im)
{
	return im->cmd.verb->flags & V_WRITES;
}

static void
copy_release(struct imap *im)
{
	struct copy_state *st = im->cmd.state;

	uidset_release(&st->uids);
}

/* The UIDs named that are still there. */
static void
copy_targets(struct imap *im, struct targets *t, struct copy_state *st)
{
	struct msgrow row;
	uint32_t seq;

	while (targets_next(t, &im->view, &seq, &row)) {
		if (targets_is_ghost(t))
			st->has_ghosts = true;
		else
			uidset_add(&st->uids, row.uid, row.uid);
	}
}

static enum imap_step
copy_over(struct imap *im, const char *code)
{
	const struct copy_state *st = im->cmd.state;

	if (!code && st->has_ghosts && !im->cmd.uid)
		code = "EXPUNGEISSUED";
	return imap_ok(im, code, is_move(im) ? "MOVE completed" :
	    "COPY completed");
}

/* RFC 3501 6.4.9: UIDs that are gone are no error; CLIENTS: nor for MOVE. */
enum imap_step
imap_run_copy(struct imap *im)
{
	const struct imap_copy_args *a = &im->cmd.args.copy;
	struct copy_state *st = arena_alloc(&im->cmd.arena, sizeof *st);
	struct targets t = { 0 };
	bool is_over;
	int err;

	im->cmd.state = st;
	im->cmd.release = copy_release;
	err = imap_resolve_set(im, &a->set, im->cmd.uid, &t.uids);
	is_over = err == 0 && imap_limit_set(im, &t.uids);
	if (err == 0)
		copy_targets(im, &t, st);
	targets_release(&t);
	if (err < 0)
		return imap_bad_set(im);
	/* RFC 9738 section 3.1: a COPY is made whole or not at all. */
	if (is_over && !is_move(im))
		return imap_no(im, imap_limit_code(im),
		    "Too many messages at once");
	/* RFC 2180 4.4: all or nothing, so what is gone cannot be copied. */
	if (st->has_ghosts && !im->cmd.uid && !is_move(im))
		return imap_no(im, "EXPUNGEISSUED",
		    "Some of these messages have been expunged");
	err = imap_lookup(im, a->name, RIGHT_INSERT);
	return err < 0 ? imap_fail_target(im, err) : STEP_WAIT;
}

static enum imap_step
copy_submit(struct imap *im, struct rjob_lookup *job)
{
	struct copy_state *st = im->cmd.state;
	int err = job->info.noselect && job->j.op.err == 0 ? ERR_NOMBOX :
	    job->j.op.err;
	uint64_t target = job->info.id;
	struct wreq_copy *r;

	op_free(&job->j.op);
	if (err < 0)
		return imap_fail_target(im, err);
	if (st->uids.n == 0)
		return copy_over(im, NULL);
	r = wreq_copy_new(im->s.env, &im->s);
	r->w.origin = im->origin;
	r->mailbox = view_mailbox(&im->view);
	r->uids = st->uids;
	st->uids = (struct uidset){ 0 };
	r->target = target;
	r->move = is_move(im);
	st->is_submitted = true;
	store_submit(im->s.env->store, &r->w);
	return STEP_WAIT;
}

/* "COPYUID 38505 304,319:320 3956:3958"; NULL if nothing was copied. */
static const char *
copyuid(struct imap *im, const struct wreq_copy *r)
{
	struct buf b = BUF_INIT;
	const char *code;

	if (r->source_r.n == 0)
		return NULL;
	buf_adds(&b, "COPYUID ");
	buf_addu(&b, r->uidvalidity_r);
	buf_addc(&b, ' ');
	uidset_put(&b, &r->source_r);
	buf_addc(&b, ' ');
	uidset_put(&b, &r->target_r);
	code = arena_str(&im->cmd.arena, buf_span(&b));
	buf_release(&b);
	return code;
}

enum imap_step
imap_done_copy(struct imap *im, struct op *op)
{
	struct copy_state *st = im->cmd.state;
	struct wreq_copy *r = (struct wreq_copy *)op;
	const char *code;
	int err = op->err;

	if (!st->is_submitted)
		return copy_submit(im, (struct rjob_lookup *)op);
	code = err < 0 ? NULL : copyuid(im, r);
	op_free(op);
	if (err < 0)
		return imap_fail_target(im, err);
	if (!is_move(im) || !code)
		return copy_over(im, code);
	/* RFC 6851 section 4.3: before the messages go. */
	buf_adds(im->s.out, "* OK [");
	buf_adds(im->s.out, code);
	buf_adds(im->s.out, "] Moved\r\n");
	return copy_over(im, NULL);
}
