/*
 * STORE and UID STORE (RFC 3501 section 6.4.6, RFC 7162 section 3.1.3).
 *
 * One request changes the flags; then each message that was named answers
 * with what it has now, .SILENT or not being the only question. What others
 * changed meanwhile is news (sync.c); our own change is not, as the request
 * has the view's id.
 */
#include <stdlib.h>

#include "imap/context.h"
#include "imap/imap_priv.h"
#include "imap/sync.h"
#include "imap/targets.h"
#include "store/write.h"

struct store_state {
	struct targets targets;
	bool has_ghosts;	/* some have been expunged, not told yet */
	struct uidset modified;	/* RFC 7162: left alone by the condition */
	uint64_t modseq;	/* of the change */
};

static void
store_release(struct imap *im)
{
	struct store_state *st = im->cmd.state;

	targets_release(&st->targets);
	uidset_release(&st->modified);
}

static bool
is_conditional(const struct imap *im)
{
	return im->cmd.args.store.unchanged_since != UINT64_MAX;
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

/* "MODIFIED 7,9": UIDs, or sequence numbers (RFC 7162 section 3.1.3). */
static const char *
modified_code(struct imap *im, const struct uidset *uids)
{
	struct targets t = { 0 };
	struct uidset seqs = { 0 };
	struct buf b = BUF_INIT;
	struct msgrow row;
	const char *code;
	uint32_t seq;

	buf_adds(&b, "MODIFIED ");
	if (im->cmd.uid) {
		uidset_put(&b, uids);
	} else {
		t.uids = *uids;
		while (targets_next(&t, &im->view, &seq, &row))
			uidset_add(&seqs, seq, seq);
		uidset_put(&b, &seqs);
		uidset_release(&seqs);
	}
	code = arena_str(&im->cmd.arena, buf_span(&b));
	buf_release(&b);
	return code;
}

static enum imap_step
store_over(struct imap *im)
{
	const struct store_state *st = im->cmd.state;

	if (st->modified.n)
		return imap_ok(im, modified_code(im, &st->modified),
		    "Some have been changed by others");
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
	r->unchanged_since = a->unchanged_since;
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
	(void)imap_limit_set(im, &st->targets.uids);
	if (is_conditional(im))
		imap_enable_condstore(im);
	if (!look_for_ghosts(im, st, &has_living)) {
		if (st->has_ghosts && !a->silent && !im->cmd.uid)
			return imap_no(im, "EXPUNGEISSUED",
			    "These messages have been expunged");
		return store_over(im);
	}
	store_submit_flags(im, st);
	return STEP_WAIT;
}

/*
 * Whether the message is answered for. One that the condition spared is not:
 * what others did to it is news. A silent STORE tells what the client cannot
 * know, modseqs; of those it did not raise only if it had a condition.
 */
static bool
is_told(const struct imap *im, const struct store_state *st,
    const struct msgrow *row)
{
	if (targets_is_ghost(&st->targets) ||
	    (st->modified.n && uidset_has(&st->modified, row->uid)))
		return false;
	return !im->cmd.args.store.silent || is_conditional(im) ||
	    row->modseq >= st->modseq;
}

/* The messages named, as they are now. */
static enum imap_step
store_tell(struct imap *im)
{
	struct store_state *st = im->cmd.state;
	struct imap_keywords k;
	struct msgrow row;
	uint32_t seq;

	targets_again(&st->targets);
	imap_tell_keywords(im);
	imap_keywords_get(im, &k);
	while (imap_has_time(im)) {
		if (!targets_next(&st->targets, &im->view, &seq, &row))
			return store_over(im);
		if (is_told(im, st, &row))
			imap_put_news(im, &k, seq, &row,
			    !im->cmd.args.store.silent);
	}
	return STEP_YIELD;
}

enum imap_step
imap_done_store(struct imap *im, struct op *op)
{
	struct store_state *st = im->cmd.state;
	struct wreq_flags *r = (struct wreq_flags *)op;
	int err;

	if (op) {
		err = op->err;
		st->modseq = r->modseq_r;
		st->modified = r->modified_r;
		r->modified_r = (struct uidset){ 0 };
		op_free(op);
		if (err < 0)
			return imap_fail(im, err);
		/* Our own changes are no news to the view. */
		contexts_note(im, &st->targets.uids);
	}
	if (im->cmd.args.store.silent && !im->is_condstore)
		return store_over(im);
	return store_tell(im);
}
