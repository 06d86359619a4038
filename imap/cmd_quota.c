/*
 * GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208).
 *
 * An account is one quota root. One's own is called "", that of another by
 * the account's address.
 */
#include <stdlib.h>

#include "imap/imap_priv.h"
#include "server/base/xalloc.h"
#include "store/quota.h"

/* RFC 9208 section 5.1: STORAGE counts 1024 octets. */
#define UNIT 1024u

/* "* QUOTA "" (STORAGE 10 512)": what is limited. */
static void
put_quota(struct imap *im, struct span root, const struct quota *q)
{
	struct buf *out = im->s.out;

	buf_adds(out, "* QUOTA ");
	imap_put_astring(out, root, im->is_utf8);
	buf_adds(out, " (");
	if (q->max_bytes != QUOTA_NONE) {
		buf_adds(out, "STORAGE ");
		buf_addu(out, (q->bytes + UNIT - 1) / UNIT);
		buf_addc(out, ' ');
		buf_addu(out, q->max_bytes / UNIT);
	}
	if (q->max_messages != QUOTA_NONE) {
		buf_adds(out, q->max_bytes != QUOTA_NONE ? " MESSAGE " :
		    "MESSAGE ");
		buf_addu(out, q->messages);
		buf_addc(out, ' ');
		buf_addu(out, q->max_messages);
	}
	buf_adds(out, ")\r\n");
}

/* The address that a root's name is; NULL: one's own. */
static char *
take_root(struct span root)
{
	return root.len ? xmemdup0(root.p, root.len) : NULL;
}

/* Roots that are not there are told from others by administrators alone. */
static enum imap_step
fail(struct imap *im, int err)
{
	if (err == ERR_NOUSER)
		return imap_no(im, "NONEXISTENT", "There is no such quota root");
	return imap_fail(im, err);
}

/* ---- GETQUOTA ---- */

enum imap_step
imap_run_getquota(struct imap *im)
{
	struct rjob_quota *job = rjob_quota_new(im->s.env, &im->s);

	job->account = take_root(im->cmd.args.getquota.root);
	store_read(im->s.env->store, &job->j);
	return STEP_WAIT;
}

enum imap_step
imap_done_getquota(struct imap *im, struct op *op)
{
	struct rjob_quota *job = CONTAINER_OF(op, struct rjob_quota, j.op);
	int err = op->err;

	if (err == 0)
		put_quota(im, im->cmd.args.getquota.root, &job->quota);
	op_free(op);
	return err < 0 ? fail(im, err) :
	    imap_ok(im, NULL, "GETQUOTA completed");
}

/* ---- GETQUOTAROOT ---- */

enum imap_step
imap_run_getquotaroot(struct imap *im)
{
	char name[MAILBOX_PATH_MAX + 1];
	struct rjob_quota *job;

	if (mailbox_name_canonical(im->cmd.args.mailbox.name, name) < 0)
		return imap_fail(im, ERR_NOMBOX);
	job = rjob_quota_new(im->s.env, &im->s);
	job->mailbox = xstrdup(name);
	store_read(im->s.env->store, &job->j);
	return STEP_WAIT;
}

enum imap_step
imap_done_getquotaroot(struct imap *im, struct op *op)
{
	struct rjob_quota *job = CONTAINER_OF(op, struct rjob_quota, j.op);
	struct buf *out = im->s.out;
	int err = op->err;

	if (err == 0) {
		struct span root = span_of(job->is_own ? "" : job->owner);

		buf_adds(out, "* QUOTAROOT ");
		imap_put_mailbox(out, im->cmd.args.mailbox.name, im->is_utf8);
		buf_addc(out, ' ');
		imap_put_astring(out, root, im->is_utf8);
		buf_adds(out, "\r\n");
		put_quota(im, root, &job->quota);
	}
	op_free(op);
	return err < 0 ? fail(im, err) :
	    imap_ok(im, NULL, "GETQUOTAROOT completed");
}

/* ---- SETQUOTA ---- */

enum imap_step
imap_run_setquota(struct imap *im)
{
	const struct imap_setquota_args *a = &im->cmd.args.setquota;
	struct wreq_quota *r;

	if (a->has_unknown)
		return imap_no(im, "CANNOT",
		    "STORAGE and MESSAGE can be limited here");
	r = wreq_quota_new(im->s.env, &im->s);
	r->account = take_root(a->root);
	/* RFC 9208 section 4.1.3: what is not named has no limit any more. */
	r->sets_bytes = r->sets_messages = true;
	r->quota.max_messages = a->messages;
	r->quota.max_bytes = a->storage == UINT64_MAX ? QUOTA_NONE :
	    MIN(a->storage, QUOTA_MAX / UNIT) * UNIT;
	store_submit(im->s.env->store, &r->w);
	return STEP_WAIT;
}

enum imap_step
imap_done_setquota(struct imap *im, struct op *op)
{
	struct wreq_quota *r = CONTAINER_OF(op, struct wreq_quota, w.op);
	int err = op->err;

	if (err == 0)
		put_quota(im, im->cmd.args.setquota.root, &r->quota);
	op_free(op);
	return err < 0 ? fail(im, err) :
	    imap_ok(im, NULL, "SETQUOTA completed");
}
