/*
 * SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314).
 */
#include <stdlib.h>

#include "imap/imap_priv.h"
#include "server/base/xalloc.h"
#include "store/acl.h"

void
imap_put_rights(struct buf *out, unsigned rights)
{
	unsigned these;
	char letter;

	/* RFC 4314 section 2.1.1: "c" and "d" if they have any member. */
	for (size_t i = 0; (letter = imap_right_letter(i, &these)); i++)
		if (rights & these)
			buf_addc(out, letter);
}

void
imap_put_myrights(struct imap *im, struct span name, unsigned rights)
{
	struct buf *out = im->s.out;

	buf_adds(out, "* MYRIGHTS ");
	imap_put_mailbox(out, name, im->is_utf8);
	buf_addc(out, ' ');
	imap_put_rights(out, rights);
	buf_adds(out, "\r\n");
}

static enum imap_step
fail(struct imap *im, int err)
{
	if (err == ERR_NOUSER)
		return imap_no(im, "CANNOT", "No account has this name");
	if (err == ERR_REFUSED)
		return imap_no(im, "CANNOT", "The owner has all rights");
	return imap_fail(im, err);
}

/* ---- SETACL and DELETEACL ---- */

static enum imap_step
submit(struct imap *im)
{
	const struct imap_acl_args *a = &im->cmd.args.acl;
	char name[MAILBOX_PATH_MAX + 1];
	struct wreq_acl *r;

	if (mailbox_name_canonical(a->name, name) < 0)
		return imap_fail(im, ERR_NOMBOX);
	r = wreq_acl_new(im->s.env, &im->s);
	r->name = xstrdup(name);
	r->identifier = xmemdup0(a->identifier.p, a->identifier.len);
	r->is_negative = a->is_negative;
	r->how = a->how;
	r->rights = a->rights;
	store_submit(im->s.env->store, &r->w);
	return STEP_WAIT;
}

/* DELETEACL too, whose rights are none: an entry without any goes. */
enum imap_step
imap_run_setacl(struct imap *im)
{
	return submit(im);
}

enum imap_step
imap_done_setacl(struct imap *im, struct op *op)
{
	int err = op->err;

	op_free(op);
	return err < 0 ? fail(im, err) : imap_ok(im, NULL,
	    arena_printf(&im->cmd.arena, "%s completed", im->cmd.verb->name));
}

/* ---- what is there ---- */

static enum imap_step
read_acl(struct imap *im, struct span given, bool only_mine)
{
	char name[MAILBOX_PATH_MAX + 1];
	struct rjob_acl *job;

	if (mailbox_name_canonical(given, name) < 0)
		return imap_fail(im, ERR_NOMBOX);
	job = rjob_acl_new(im->s.env, &im->s);
	job->name = xstrdup(name);
	job->only_mine = only_mine;
	store_read(im->s.env->store, &job->j);
	return STEP_WAIT;
}

/* ---- GETACL ---- */

enum imap_step
imap_run_getacl(struct imap *im)
{
	return read_acl(im, im->cmd.args.mailbox.name, false);
}

static void
put_entry(struct imap *im, const struct acl_row *row)
{
	struct buf *out = im->s.out;
	struct buf id = BUF_INIT;

	if (row->is_negative)
		buf_addc(&id, '-');
	buf_adds(&id, row->identifier);
	buf_addc(out, ' ');
	imap_put_astring(out, buf_span(&id), im->is_utf8);
	buf_addc(out, ' ');
	imap_put_rights(out, row->rights);
	buf_release(&id);
}

enum imap_step
imap_done_getacl(struct imap *im, struct op *op)
{
	struct rjob_acl *job = CONTAINER_OF(op, struct rjob_acl, j.op);
	struct buf *out = im->s.out;
	int err = op->err;

	if (err == 0) {
		buf_adds(out, "* ACL ");
		imap_put_mailbox(out, im->cmd.args.mailbox.name,
		    im->is_utf8);
		for (size_t i = 0; i < job->row_count; i++)
			put_entry(im, &job->rows[i]);
		buf_adds(out, "\r\n");
	}
	op_free(op);
	return err < 0 ? fail(im, err) : imap_ok(im, NULL,
	    "GETACL completed");
}

/* ---- LISTRIGHTS ---- */

enum imap_step
imap_run_listrights(struct imap *im)
{
	return read_acl(im, im->cmd.args.acl.name, false);
}

/*
 * Whether the identifier is the owner's, who is named first. Of others
 * nothing is said: neither whether they exist.
 */
static bool
is_owner(const struct imap_acl_args *a, const struct rjob_acl *job)
{
	struct span id = a->identifier, owner;

	if (a->is_negative || job->row_count == 0)
		return false;
	owner = span_of(job->rows[0].identifier);
	/* As a log-in name it may lack the domain. */
	return span_ieq(id, owner) || (id.len < owner.len &&
	    span_ieq(span_head(owner, id.len), id) &&
	    owner.p[id.len] == '@');
}

/* No right is tied to another: each may be given alone. */
static void
put_listrights(struct imap *im, bool has_all)
{
	const struct imap_acl_args *a = &im->cmd.args.acl;
	struct buf *out = im->s.out;
	unsigned rights;
	char letter;

	buf_adds(out, "* LISTRIGHTS ");
	imap_put_mailbox(out, a->name, im->is_utf8);
	buf_addc(out, ' ');
	imap_put_astring(out, a->given, im->is_utf8);
	if (has_all) {
		buf_addc(out, ' ');
		imap_put_rights(out, RIGHT_ALL);
	} else {
		buf_adds(out, " \"\"");
		for (size_t i = 0; (letter = imap_right_letter(i, &rights));
		    i++) {
			buf_addc(out, ' ');
			buf_addc(out, letter);
		}
	}
	buf_adds(out, "\r\n");
}

enum imap_step
imap_done_listrights(struct imap *im, struct op *op)
{
	struct rjob_acl *job = CONTAINER_OF(op, struct rjob_acl, j.op);
	int err = op->err;

	if (err == 0)
		put_listrights(im, is_owner(&im->cmd.args.acl, job));
	op_free(op);
	return err < 0 ? fail(im, err) : imap_ok(im, NULL,
	    "LISTRIGHTS completed");
}

/* ---- MYRIGHTS ---- */

enum imap_step
imap_run_myrights(struct imap *im)
{
	return read_acl(im, im->cmd.args.mailbox.name, true);
}

enum imap_step
imap_done_myrights(struct imap *im, struct op *op)
{
	struct rjob_acl *job = CONTAINER_OF(op, struct rjob_acl, j.op);
	int err = op->err;

	if (err == 0)
		imap_put_myrights(im, im->cmd.args.mailbox.name,
		    job->rights);
	op_free(op);
	return err < 0 ? fail(im, err) : imap_ok(im, NULL,
	    "MYRIGHTS completed");
}
