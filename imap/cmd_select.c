/*
 * SELECT, EXAMINE, CLOSE (RFC 3501 sections 6.3.1, 6.3.2, 6.4.2), UNSELECT
 * (RFC 3691), and what QRESYNC adds: what has changed since (RFC 7162).
 */
#include "imap/imap_priv.h"
#include "imap/qresync.h"
#include "imap/sync.h"
#include "imap/targets.h"
#include "store/read.h"
#include "store/write.h"

/* Rights that make a mailbox more than read-only (RFC 4314 section 5.2). */
#define RIGHTS_WRITE (RIGHT_SEEN | RIGHT_WRITE | RIGHT_DELETE_MSG | \
    RIGHT_EXPUNGE | RIGHT_INSERT)

/* While the client is told what has changed since it was here last. */
struct resync {
	struct vanished vanished;
	bool told_vanished;
	struct targets targets;
};

static bool
is_examine(const struct imap *im)
{
	return im->cmd.verb->name[0] == 'E';
}

enum imap_step
imap_run_select(struct imap *im)
{
	const struct imap_select_args *a = &im->cmd.args.select;
	int err;

	if (a->qresync && !im->is_qresync)
		return imap_bad(im, "ENABLE QRESYNC first");
	/* RFC 7162 3.2.11: what follows is not of the old mailbox. */
	if (im->state == ST_SELECTED)
		buf_adds(im->s.out, "* OK [CLOSED] Closed\r\n");
	/* RFC 3501 6.3.1: also where the new one cannot be selected. */
	imap_unselect(im);
	if (a->condstore)
		imap_enable_condstore(im);
	err = imap_lookup(im, a->name, RIGHT_READ);
	return err < 0 ? imap_fail(im, err) : STEP_WAIT;
}

static void
put_number(struct buf *out, const char *before, uint32_t n, const char *after)
{
	buf_adds(out, before);
	buf_addu(out, n);
	buf_adds(out, after);
}

static enum imap_step
select_over(struct imap *im)
{
	if (is_examine(im))
		return imap_ok(im, "READ-ONLY", "EXAMINE completed");
	return imap_ok(im, im->view.writable ? "READ-WRITE" : "READ-ONLY",
	    "SELECT completed");
}

/* ---- QRESYNC ---- */

static void
resync_release(struct imap *im)
{
	struct resync *rs = im->cmd.state;

	vanished_release(&rs->vanished);
	targets_release(&rs->targets);
}

/* RFC 7162 3.2.5: with another UIDVALIDITY nothing is known. */
static enum imap_step
resync_start(struct imap *im)
{
	const struct imap_select_args *a = &im->cmd.args.select;
	struct resync *rs;

	if (!a->qresync || a->uidvalidity != view_uidvalidity(&im->view) ||
	    a->modseq >= view_highestmodseq(&im->view))
		return select_over(im);
	rs = arena_alloc(&im->cmd.arena, sizeof *rs);
	im->cmd.state = rs;
	im->cmd.release = resync_release;
	vanished_know_select(im, &rs->vanished, a);
	uidset_copy(&rs->targets.uids, &rs->vanished.known);
	vanished_submit(im, a->modseq);
	return STEP_WAIT;
}

/* The flags that changed; of expunged messages the expunge is news. */
static enum imap_step
resync_flags(struct imap *im, struct resync *rs)
{
	uint64_t since = im->cmd.args.select.modseq;
	struct imap_keywords k;
	struct msgrow row;
	uint32_t seq;

	targets_again(&rs->targets);
	imap_tell_keywords(im);
	imap_keywords_get(im, &k);
	while (imap_has_time(im)) {
		if (!targets_next(&rs->targets, &im->view, &seq, &row))
			return select_over(im);
		if (row.modseq > since)
			imap_put_news(im, &k, seq, &row, true);
	}
	return STEP_YIELD;
}

static enum imap_step
resync_done(struct imap *im, struct op *op)
{
	struct resync *rs = im->cmd.state;
	int err;

	if (op && (err = vanished_take(&rs->vanished, op)) < 0) {
		imap_unselect(im);
		return imap_fail(im, err);
	}
	if (!rs->told_vanished)
		rs->told_vanished = vanished_put(im, &rs->vanished);
	return rs->told_vanished ? resync_flags(im, rs) : STEP_YIELD;
}

/* ---- the commands ---- */

/* What RFC 9051 has left out. */
static void
put_rev1_lines(struct imap *im)
{
	const struct view *v = &im->view;
	struct buf *out = im->s.out;
	uint32_t unseen = view_first_unseen(v);

	put_number(out, "* ", view_recent_count(v), " RECENT\r\n");
	if (unseen && !im->is_uidonly)
		put_number(out, "* OK [UNSEEN ", unseen, "] First unseen\r\n");
}

/* The view is open: what RFC 3501 6.3.1 has the client know. */
static enum imap_step
selected(struct imap *im)
{
	const struct view *v = &im->view;
	struct buf *out = im->s.out;

	/* The rights may have gone since the look-up. */
	if (view_is_gone(v)) {
		view_close(&im->view);
		return imap_fail(im, ERR_NOMBOX);
	}
	im->state = ST_SELECTED;
	imap_put_flags_lines(im);
	put_number(out, "* ", view_count(v), " EXISTS\r\n");
	if (!im->is_rev2)
		put_rev1_lines(im);
	put_number(out, "* OK [UIDVALIDITY ", view_uidvalidity(v),
	    "] UIDs valid\r\n");
	put_number(out, "* OK [UIDNEXT ", view_uidnext(v),
	    "] Predicted next UID\r\n");
	/* RFC 8474 section 4.2 */
	buf_adds(out, "* OK [MAILBOXID ");
	imap_put_objectid(out, OBJECT_MAILBOX, view_mailbox(v));
	buf_adds(out, "] Its id\r\n");
	/* RFC 7162 3.1.2.1: to whoever selects, as CLIENTS expect it. */
	imap_put_highestmodseq(im);
	return resync_start(im);
}

static enum imap_step
looked_up(struct imap *im, struct rjob_lookup *job)
{
	struct mailbox_info info = job->info;
	int err = job->j.op.err;
	bool writable;

	/* RFC 9051 section 6.3.2 */
	if (err == 0 && !info.noselect && im->is_rev2)
		imap_tell_list(im, span_of(job->name), &info, NULL,
		    im->cmd.args.select.old_name);
	op_free(&job->j.op);
	if (err < 0)
		return imap_fail(im, err);
	if (info.noselect)
		return imap_no(im, "NONEXISTENT",
		    "There are mailboxes below this name only");
	writable = !is_examine(im) && (info.rights & RIGHTS_WRITE);
	err = view_open(&im->view, im->s.env->hub, &im->s, im->s.account,
	    info.id, writable);
	if (err < 0)
		return imap_fail(im, err);
	return err > 0 ? STEP_WAIT : selected(im);
}

enum imap_step
imap_done_select(struct imap *im, struct op *op)
{
	int err;

	if (im->cmd.state)
		return resync_done(im, op);
	if (op->tag != VIEW_OP_TAG)
		return looked_up(im, (struct rjob_lookup *)op);
	err = view_opened(&im->view, op);
	return err < 0 ? imap_fail(im, err) : selected(im);
}

/* RFC 3501 6.4.2: expunges, and tells nothing of it. */
enum imap_step
imap_run_close(struct imap *im)
{
	/* RFC 4314 section 4: without the right nothing is expunged. */
	if (!im->view.writable || !(view_rights(&im->view) & RIGHT_EXPUNGE) ||
	    !imap_has_deleted(im)) {
		imap_unselect(im);
		return imap_ok(im, NULL, "CLOSE completed");
	}
	imap_submit_expunge(im, NULL);
	return STEP_WAIT;
}

enum imap_step
imap_done_close(struct imap *im, struct op *op)
{
	int err = op->err;

	op_free(op);
	if (err < 0 && err != ERR_NOMBOX)
		return imap_fail(im, err);
	imap_unselect(im);
	return imap_ok(im, NULL, "CLOSE completed");
}

enum imap_step
imap_run_unselect(struct imap *im)
{
	imap_unselect(im);
	return imap_ok(im, NULL, "UNSELECT completed");
}
