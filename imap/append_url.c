/*
 * Parts of a message that a URL names (RFC 4469 section 3): looked up by the
 * acting account like any other mailbox, then found, located and read in
 * slices, as FETCH BODY would give them, into the spool. \Seen stays.
 */
#include "imap/append_priv.h"

#include <stdlib.h>

#include "imap/section.h"
#include "server/base/budget.h"
#include "server/base/xalloc.h"

#define BADURL_MAX 1000u	/* bytes of a URL that an answer repeats */

/* RFC 4469 section 4.1: the URL, in what a response code can hold. */
static enum imap_step
bad_url(struct imap *im, struct append *a, const char *why)
{
	const struct imap_append_args *args = &a->args.append;
	struct span url = args->msgs[a->msg].parts[a->part].url;
	struct buf code = BUF_INIT;
	const char *text;

	buf_adds(&code, "BADURL ");
	url = span_head(url, BADURL_MAX);
	for (size_t i = 0; i < url.len; i++) {
		char c = url.p[i];

		buf_addc(&code, c > ' ' && c < 0x7f && c != ']' ? c : '?');
	}
	text = arena_str(&im->cmd.arena, buf_span(&code));
	buf_release(&code);
	return imap_no(im, text, why);
}

static void
held_release(struct imap *im, struct url_part *u)
{
	buf_release(&u->held);
	budget_give(im->s.env->budget, u->charged);
	u->charged = 0;
}

void
append_url_release(struct imap *im, struct append *a)
{
	if (a->url.job)
		op_free(&a->url.job->j.op);
	a->url.job = NULL;
	held_release(im, &a->url);
}

static enum imap_step
submit_find(struct imap *im, struct url_part *u)
{
	struct rjob_find *job = rjob_find_new(im->s.env, &im->s, u->mailbox,
	    u->url.uidvalidity, u->url.uid);

	u->step = URL_FIND;
	store_read(im->s.env->store, &job->j);
	return STEP_WAIT;
}

static enum imap_step
submit_item(struct imap *im, struct url_part *u, struct read_item item)
{
	struct rjob_messages *job = rjob_messages_new(im->s.env, &im->s, 1);

	item.body = u->body;
	job->items[0] = item;
	store_read(im->s.env->store, &job->j);
	return STEP_WAIT;
}

enum imap_step
append_url_start(struct imap *im, struct append *a, struct span text)
{
	struct url_part *u = &a->url;

	*u = (struct url_part){ .step = URL_MAILBOX };
	buf_init(&u->held);
	if (!imap_url_parse(text, &im->cmd.arena, &u->url))
		return bad_url(im, a, "This names no message here");
	if (!u->url.has_mailbox && im->state != ST_SELECTED)
		return bad_url(im, a, "No mailbox is selected");
	if (!u->url.has_mailbox) {
		u->mailbox = view_mailbox(&im->view);
		return submit_find(im, u);
	}
	return imap_lookup(im, u->url.mailbox, RIGHT_READ) < 0 ?
	    bad_url(im, a, "There is no such mailbox") : STEP_WAIT;
}

static enum imap_step
mailbox_found(struct imap *im, struct append *a, struct rjob_lookup *job)
{
	int err = job->j.op.err;

	a->url.mailbox = job->info.id;
	op_free(&job->j.op);
	if (err == ERR_NOMBOX || err == ERR_DENIED)
		return bad_url(im, a, "There is no such mailbox");
	return err < 0 ? imap_fail(im, err) : submit_find(im, &a->url);
}

static enum imap_step
message_found(struct imap *im, struct append *a, struct rjob_find *job)
{
	struct url_part *u = &a->url;
	int err = job->j.op.err;

	u->body = job->body;
	op_free(&job->j.op);
	if (err == ERR_NOMBOX || err == ERR_NOMSG)
		return bad_url(im, a, "There is no such message");
	if (err < 0)
		return imap_fail(im, err);
	u->step = URL_LOCATE;
	return submit_item(im, u, (struct read_item){ .digest = true });
}

/* What is to be read is known once the structure is. */
static enum imap_step
located(struct imap *im, struct append *a, struct rjob_messages *job)
{
	struct url_part *u = &a->url;
	const struct read_piece *piece = &job->pieces[0];
	struct section_range r = { 0 };
	struct arena arena = { 0 };
	int err = job->j.op.err;
	struct digest d;

	if (err == 0 && !piece->gone &&
	    digest_decode(piece->digest, &arena, &d) == 0)
		section_find(&d, piece->prefix_len, &u->url.part.section, &r);
	arena_release(&arena);
	op_free(&job->j.op);
	if (err < 0)
		return imap_fail(im, err);
	if (!r.found)
		return bad_url(im, a, "There is no such part");
	u->step = URL_READ;
	u->is_filtered = r.filter;
	if (!r.filter)
		section_cut(&u->url.part, &r.off, &r.len);
	if (r.filter && budget_take(im->s.env->budget, (size_t)r.len) < 0)
		return imap_fail(im, ERR_BUDGET);
	u->charged = r.filter ? (size_t)r.len : 0;
	return submit_item(im, u, (struct read_item){ .off = r.off,
	    .len = r.len });
}

static void
put_bytes(struct append *a, struct span bytes)
{
	int err = bytes.len ? spool_add(append_spool(a), bytes.p,
	    bytes.len) : 0;

	if (err < 0 && a->err == 0)
		a->err = err;
}

static void
put_filtered(struct append *a, struct url_part *u)
{
	struct buf b = BUF_INIT;
	uint64_t off = 0, len;

	section_filter(&b, buf_span(&u->held), &u->url.part.section);
	len = b.len;
	section_cut(&u->url.part, &off, &len);
	put_bytes(a, span_make(b.p + off, (size_t)len));
	buf_release(&b);
}

/* A slice is in, or there is room again after one. */
static enum imap_step
go_on(struct imap *im, struct append *a)
{
	struct url_part *u = &a->url;
	struct rjob_messages *job = u->job;

	if (a->err < 0)
		return a->err == ERR_LIMIT ?
		    imap_no(im, "TOOBIG", "The message is too big") :
		    imap_fail(im, a->err);
	if (!append_has_room(im, a))
		return STEP_WAIT;
	if (u->has_ended) {
		append_url_release(im, a);
		return STEP_INPUT;
	}
	u->job = NULL;
	op_adopt(&job->j.op, &im->s);
	store_read(im->s.env->store, &job->j);
	return STEP_WAIT;
}

static enum imap_step
take_slice(struct imap *im, struct append *a, struct rjob_messages *job)
{
	struct url_part *u = &a->url;

	u->job = job;
	if (job->j.op.err < 0)
		return imap_fail(im, job->j.op.err);
	for (size_t i = 0; i < job->piece_count; i++) {
		if (job->pieces[i].gone)
			return bad_url(im, a, "The message is gone");
		if (u->is_filtered)
			buf_addspan(&u->held, job->pieces[i].bytes);
		else
			put_bytes(a, job->pieces[i].bytes);
	}
	u->has_ended = !job->j.more;
	if (u->has_ended && u->is_filtered)
		put_filtered(a, u);
	return go_on(im, a);
}

enum imap_step
append_url_done(struct imap *im, struct append *a, struct op *op)
{
	if (!op)
		return a->url.job ? go_on(im, a) : STEP_WAIT;
	switch (a->url.step) {
	case URL_MAILBOX:
		return mailbox_found(im, a, (struct rjob_lookup *)op);
	case URL_FIND:
		return message_found(im, a, (struct rjob_find *)op);
	case URL_LOCATE:
		return located(im, a, (struct rjob_messages *)op);
	case URL_READ:
		break;
	}
	return take_slice(im, a, (struct rjob_messages *)op);
}
