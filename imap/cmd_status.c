/*
 * STATUS (RFC 3501 section 6.3.10): the counters the store keeps for each
 * mailbox. RECENT is what a SELECT now would claim.
 */
#include "imap/imap_priv.h"
#include "imap/sync.h"
#include "store/read.h"

enum imap_step
imap_run_status(struct imap *im)
{
	const struct imap_status_args *a = &im->cmd.args.status;
	int err;

	if (a->items & STATUS_HIGHESTMODSEQ)
		imap_enable_condstore(im);
	err = imap_lookup(im, a->name, RIGHT_READ);
	return err < 0 ? imap_fail(im, err) : STEP_WAIT;
}

enum imap_step
imap_done_status(struct imap *im, struct op *op)
{
	struct rjob_lookup *job = CONTAINER_OF(op, struct rjob_lookup, j.op);
	const struct imap_status_args *a = &im->cmd.args.status;
	struct buf *out = im->s.out;
	int err = op->err;

	if (err < 0 || job->info.noselect) {
		op_free(op);
		return imap_fail(im, err < 0 ? err : ERR_NOMBOX);
	}
	buf_adds(out, "* STATUS ");
	imap_put_mailbox(out, a->name, im->is_utf8);
	buf_addc(out, ' ');
	imap_put_status(out, &job->info, a->items, im->settings->size_limit);
	buf_adds(out, "\r\n");
	op_free(op);
	return imap_ok(im, NULL, "STATUS completed");
}
