/*
 * STORE and UID STORE (RFC 3501 section 6.4.6).
 *
 * One request changes the flags; then each message that was named answers
 * with what it has now, .SILENT or not being the only question. What others
 * changed meanwhile is news (sync.c); our own change is not, as the request
 * has the view's id.
 */
#include <stdlib.h>

#include "imap/imap_priv.h"
#include "imap/sync.h"
#include "imap/targets.h"
#include "store/write.h"

struct store_state {
	struct targets targets;
	bool has_ghosts;	/* some have been expunged, not told yet */
};

static void
store_release(struct imap *im)
{
	struct store_state *st = im->cmd.state;

	targets_release(&st->targets);
}

/* RFC 2180 section 4.2: what is gone cannot be changed. */
static bool
look_for_ghosts(struct imap *im, struct store_state *st, bool *has_living)
{
	struct targets t = { .uids = st->targets.uids };
	struct msgrow row;
	uint32_t seq;

	*has_living = false;
	while (targets_next(&t, &im->view, &seq, &row)) {
		if (targets_is_ghost(&t))
			st->has_ghosts = true;
		else
			*has_living = true;
	}
	return *has_living;
}

static enum imap_step
store_over(struct imap *im)
{
	const struct store_state *st = im->cmd.state;

	return imap_ok(im, st->has_ghosts && !im->cmd.uid ?
	    "EXPUNGEISSUED" : NULL, "STORE completed");
}

static void
store_submit_flags(struct imap *im, struct store_state *st)
{
	const struct imap_store_args *a = &im->cmd.args.store;
	struct wreq_flags *r = wreq_flags_new(im->s.env, &im->s);

	r->w.origin = im->view.id;
	r->mailbox = view_mailbox(&im->view);
	uidset_copy(&r->uids, &st->targets.uids);
	r->how = a->how;
	r->flags = a->flags.bits;
	r->keywords = imap_keywords_copy(&a->flags);
	r->keyword_count = a->flags.keyword_count;
	r->unchanged_since = UINT64_MAX;
	store_submit(im->s.env->store, &r->w);
}

enum imap_step
imap_run_store(struct imap *im)
{
	const struct imap_store_args *a = &im->cmd.args.store;
	struct store_state *st = arena_alloc(&im->cmd.arena, sizeof *st);
	bool has_living;

	im->cmd.state = st;
	im->cmd.release = store_release;
	if (imap_resolve_set(im, &a->set, im->cmd.uid,
	    &st->targets.uids) < 0)
		return imap_bad_set(im);
	if (!look_for_ghosts(im, st, &has_living)) {
		if (st->has_ghosts && !a->silent && !im->cmd.uid)
			return imap_no(im, "EXPUNGEISSUED",
			    "These messages have been expunged");
		return store_over(im);
	}
	store_submit_flags(im, st);
	return STEP_WAIT;
}

/* Flags of the messages named, as they are now. */
static enum imap_step
store_tell(struct imap *im)
{
	struct store_state *st = im->cmd.state;
	struct buf *out = im->s.out;
	struct imap_keywords k;
	struct msgrow row;
	uint32_t seq;

	targets_again(&st->targets);
	imap_tell_keywords(im);
	imap_keywords_get(im, &k);
	while (imap_has_time(im)) {
		if (!targets_next(&st->targets, &im->view, &seq, &row))
			return store_over(im);
		if (targets_is_ghost(&st->targets))
			continue;
		buf_adds(out, "* ");
		buf_addu(out, seq);
		buf_adds(out, " FETCH (");
		if (im->cmd.uid) {
			buf_adds(out, "UID ");
			buf_addu(out, row.uid);
			buf_addc(out, ' ');
		}
		buf_adds(out, "FLAGS ");
		imap_put_flags(out, row.flags,
		    view_is_recent(&im->view, row.uid), k.v, k.n);
		buf_adds(out, ")\r\n");
	}
	return STEP_YIELD;
}

enum imap_step
imap_done_store(struct imap *im, struct op *op)
{
	int err;

	if (op) {
		err = op->err;
		op_free(op);
		if (err < 0)
			return imap_fail(im, err);
	}
	if (im->cmd.args.store.silent)
		return store_over(im);
	return store_tell(im);
}
