/*
 * EXPUNGE (RFC 3501 section 6.4.3) and UID EXPUNGE (RFC 4315 section 2.1).
 * The EXPUNGE answers are the view's news, like everybody else's.
 */
#include "imap/imap_priv.h"
#include "imap/targets.h"
#include "store/write.h"

bool
imap_has_deleted(const struct imap *im)
{
	const struct view *v = &im->view;
	uint32_t count = view_count(v);
	struct msgrow row;

	for (uint32_t seq = 1; seq <= count; seq++)
		if (!view_get(v, seq, &row) && (row.flags & FLAG_DELETED))
			return true;
	return false;
}

void
imap_submit_expunge(struct imap *im, struct uidset *uids)
{
	struct wreq_expunge *r = wreq_expunge_new(im->s.env, &im->s);

	r->w.origin = im->origin;
	r->mailbox = view_mailbox(&im->view);
	r->only_deleted = true;
	r->all = !uids;
	if (uids) {
		r->uids = *uids;
		*uids = (struct uidset){ 0 };
	}
	store_submit(im->s.env->store, &r->w);
}

/*
 * RFC 9738 section 3.1: the limit counts messages with \Deleted. Only in
 * mailboxes that are larger than it does it make a difference.
 */
static void
keep_deleted(struct imap *im, struct uidset *uids)
{
	struct targets t = { .uids = *uids };
	struct uidset deleted = { 0 };
	struct msgrow row;
	uint32_t seq;

	if (im->settings->message_limit == 0 ||
	    view_count(&im->view) <= im->settings->message_limit)
		return;
	while (targets_next(&t, &im->view, &seq, &row))
		if (row.flags & FLAG_DELETED)
			uidset_add(&deleted, row.uid, row.uid);
	uidset_release(uids);
	*uids = deleted;
}

enum imap_step
imap_run_expunge(struct imap *im)
{
	struct uidset uids = { 0 };

	if (!(view_rights(&im->view) & RIGHT_EXPUNGE))
		return imap_fail(im, ERR_DENIED);
	if (!imap_has_deleted(im))
		return imap_ok(im, NULL, "EXPUNGE completed");
	if (!im->cmd.uid) {
		imap_submit_expunge(im, NULL);
		return STEP_WAIT;
	}
	(void)imap_resolve_set(im, &im->cmd.args.set.set, true, &uids);
	keep_deleted(im, &uids);
	(void)imap_limit_set(im, &uids);
	if (uids.n == 0)
		return imap_ok(im, NULL, "EXPUNGE completed");
	imap_submit_expunge(im, &uids);
	return STEP_WAIT;
}

enum imap_step
imap_done_expunge(struct imap *im, struct op *op)
{
	int err = op->err;

	op_free(op);
	return err < 0 ? imap_fail(im, err) :
	    imap_ok(im, NULL, "EXPUNGE completed");
}
