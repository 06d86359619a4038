/*
 * CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 sections 6.3.3 to
 * 6.3.7): one write request each, by name; the writer judges.
 */
#include <inttypes.h>

#include "imap/imap_priv.h"
#include "server/base/xalloc.h"
#include "store/write.h"

/* The canonical name as an owned string. */
static int
canonical(struct span name, char **out)
{
	char buf[MAILBOX_PATH_MAX + 1];
	int err = mailbox_name_canonical(name, buf);

	if (err == 0)
		*out = xstrdup(buf);
	return err;
}

static enum imap_step
bad_name(struct imap *im, int err)
{
	if (err == ERR_LIMIT)
		return imap_no(im, "LIMIT",
		    "The name is too long or has too many levels");
	return imap_no(im, "CANNOT", "This cannot be the name of a mailbox");
}

static bool
is_inbox(struct span name)
{
	return span_iis(name, "INBOX");
}

static enum imap_step
submit(struct imap *im, enum mailbox_how how, struct span name,
    struct span new_name)
{
	struct wreq_mailbox *r = wreq_mailbox_new(im->s.env, &im->s);
	int err;

	r->w.origin = im->origin;
	r->how = how;
	if (how == MAILBOX_CREATE)
		r->use = im->cmd.args.create.use;
	if ((err = canonical(name, &r->name)) < 0 ||
	    (how == MAILBOX_RENAME &&
	    (err = canonical(new_name, &r->new_name)) < 0)) {
		op_free(&r->w.op);
		return bad_name(im, err);
	}
	store_submit(im->s.env->store, &r->w);
	return STEP_WAIT;
}

/* RFC 3501 6.3.3: INBOX cannot be made; a '/' at the end means nothing here. */
enum imap_step
imap_run_create(struct imap *im)
{
	const struct imap_create_args *a = &im->cmd.args.create;

	if (is_inbox(a->name))
		return imap_no(im, "ALREADYEXISTS", "INBOX is always there");
	if (a->use_refused)
		return imap_no(im, "USEATTR", "A mailbox has one use here: "
		    "\\Archive, \\Drafts, \\Junk, \\Sent or \\Trash");
	return submit(im, MAILBOX_CREATE, a->name, SPAN(""));
}

enum imap_step
imap_run_delete(struct imap *im)
{
	struct span name = im->cmd.args.mailbox.name;

	if (is_inbox(name))
		return imap_no(im, "CANNOT", "INBOX cannot be deleted");
	return submit(im, MAILBOX_DELETE, name, SPAN(""));
}

enum imap_step
imap_run_rename(struct imap *im)
{
	const struct imap_rename_args *a = &im->cmd.args.rename;

	if (is_inbox(a->to))
		return imap_no(im, "ALREADYEXISTS", "INBOX is always there");
	return submit(im, MAILBOX_RENAME, a->from, a->to);
}

/* Any name can be subscribed to: it may come back (RFC 3501 6.3.6). */
enum imap_step
imap_run_subscribe(struct imap *im)
{
	return submit(im, MAILBOX_SUBSCRIBE, im->cmd.args.mailbox.name,
	    SPAN(""));
}

enum imap_step
imap_run_unsubscribe(struct imap *im)
{
	return submit(im, MAILBOX_UNSUBSCRIBE, im->cmd.args.mailbox.name,
	    SPAN(""));
}

/*
 * RFC 9051 sections 6.3.4 to 6.3.6: a name that is not as it was given is
 * told. It is r's from here on only.
 */
static void
tell_changed_name(struct imap *im, const struct wreq_mailbox *r)
{
	const union imap_args *a = &im->cmd.args;

	if (!im->is_rev2)
		return;
	if (r->how == MAILBOX_CREATE && a->create.old_name.len)
		imap_tell_list(im, span_of(r->name), NULL, NULL,
		    a->create.old_name);
	if (r->how == MAILBOX_DELETE && a->mailbox.old_name.len)
		imap_tell_list(im, span_of(r->name), NULL, "\\NonExistent",
		    a->mailbox.old_name);
	if (r->how == MAILBOX_RENAME && a->rename.is_changed)
		imap_tell_list(im, span_of(r->new_name), NULL, NULL,
		    a->rename.old_from);
}

enum imap_step
imap_done_mailbox(struct imap *im, struct op *op)
{
	static const char *const texts[] = {
		[MAILBOX_CREATE] = "CREATE completed",
		[MAILBOX_DELETE] = "DELETE completed",
		[MAILBOX_RENAME] = "RENAME completed",
		[MAILBOX_SUBSCRIBE] = "SUBSCRIBE completed",
		[MAILBOX_UNSUBSCRIBE] = "UNSUBSCRIBE completed",
	};
	struct wreq_mailbox *r = CONTAINER_OF(op, struct wreq_mailbox, w.op);
	const char *text = texts[r->how];
	bool is_create = r->how == MAILBOX_CREATE;
	bool is_delete = r->how == MAILBOX_DELETE;
	uint64_t mailbox = r->mailbox_r;
	int err = op->err;

	if (err == 0)
		tell_changed_name(im, r);
	op_free(op);
	/* Not an error to any client that cleans up twice. */
	if (err == ERR_NOTFOUND)
		err = 0;
	/* RFC 6154 section 3 */
	if (err == ERR_INUSE && is_create)
		return imap_no(im, "USEATTR",
		    "Another mailbox has this use already");
	/* RFC 9051 section 6.3.5 */
	if (err == ERR_INUSE && is_delete)
		return imap_no(im, "HASCHILDREN",
		    "There are mailboxes below this name");
	if (err < 0)
		return imap_fail(im, err);
	/* RFC 8474 section 4.1 */
	return imap_ok(im, is_create ? arena_printf(&im->cmd.arena,
	    "MAILBOXID (%c%" PRIu64 ")", OBJECT_MAILBOX, mailbox) : NULL,
	    text);
}
