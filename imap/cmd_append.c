/*
 * APPEND (RFC 3501 section 6.3.11, RFC 3502, RFC 3516), with APPENDUID (RFC
 * 4315).
 *
 * A message is taken only once its mailbox is found and its size is one that
 * we store, so that a client that waits for "+" is spared the bytes. They go
 * into a spool as they come, each bare CR or LF as CR LF, but those of a
 * literal8 as they are; while the spool has no room the session takes no input. When the command is whole, all of its
 * messages are one request: every one of them is stored or none.
 *
 * What goes wrong while bytes come is remembered, and told at the end.
 */
#include <stdlib.h>

#include "imap/imap_priv.h"
#include "server/base/xalloc.h"
#include "store/mime/digest.h"
#include "store/read.h"
#include "store/write.h"

struct append {
	uint64_t mailbox;	/* 0: not looked up yet */
	struct spool *spools[IMAP_APPEND_MAX];
	size_t count;
	bool has_ended;		/* the last of them is whole */
	bool is_binary;		/* it is a literal8 */
	bool after_cr;		/* its last byte was one */
	uint64_t first_size;	/* what the first was announced with */
	int err;		/* why nothing can be stored */
};

static void
append_release(struct imap *im)
{
	struct append *a = im->cmd.state;

	for (size_t i = 0; i < a->count; i++)
		spool_free(a->spools[i]);
}

static struct spool *
last_spool(const struct append *a)
{
	return a->spools[a->count - 1];
}

static enum imap_step
refuse_size(struct imap *im)
{
	return imap_no(im, "TOOBIG", "The message is too big");
}

/* ---- a message is announced ---- */

static enum imap_step
take_message(struct imap *im, struct append *a)
{
	a->spools[a->count++] = spool_new(im->s.env,
	    im->settings->size_limit);
	a->has_ended = a->after_cr = false;
	return STEP_INPUT;
}

static enum imap_step
lookup_mailbox(struct imap *im, struct span text)
{
	struct imap_parser p;
	union imap_args args;
	int err;

	imap_parser_init(&p, text, &im->cmd.arena);
	p.utf8 = im->is_utf8;
	if (imap_parse_append_so_far(&p, text, &args) != PARSE_OK)
		return p.code ? imap_no(im, p.code, p.why) :
		    imap_bad(im, p.why);
	err = imap_lookup(im, args.append.name, RIGHT_INSERT);
	return err < 0 ? imap_fail_target(im, err) : STEP_WAIT;
}

static enum imap_step
append_announced(struct imap *im, const struct frame *f)
{
	struct append *a = im->cmd.state;

	if (!a) {
		a = arena_alloc(&im->cmd.arena, sizeof *a);
		im->cmd.state = a;
		im->cmd.release = append_release;
	}
	/* RFC 3502 section 6.3.11: so a client gives up a row of messages. */
	if (f->size == 0)
		return imap_no(im, NULL, "A message cannot be empty");
	if (f->size > im->settings->size_limit)
		return refuse_size(im);
	if (a->count == IMAP_APPEND_MAX)
		return imap_no(im, "LIMIT", "Too many messages at once");
	if (store_is_full(im->s.env->store))
		return imap_fail(im, ERR_FULL);
	a->is_binary = f->binary;
	a->first_size = f->size;
	return a->mailbox ? take_message(im, a) : lookup_mailbox(im, f->text);
}

static enum imap_step
looked_up(struct imap *im, struct rjob_lookup *job)
{
	struct append *a = im->cmd.state;
	int err = job->info.noselect && job->j.op.err == 0 ? ERR_NOMBOX :
	    job->j.op.err;

	/* The writer judges all of it; this one need not come at all. */
	if (err == 0 && job->info.room < a->first_size)
		err = ERR_QUOTA;
	a->mailbox = job->info.id;
	op_free(&job->j.op);
	return err < 0 ? imap_fail_target(im, err) : take_message(im, a);
}

/* ---- its bytes ---- */

static void
add_bytes(struct append *a, const char *p, size_t len)
{
	struct spool *s = last_spool(a);
	int err = len ? spool_add(s, p, len) : 0;

	if (err < 0 && a->err == 0)
		a->err = err;
}

/* Bytes up to the next CR or LF; those two in any other order are CR LF. */
static void
add_text(struct append *a, struct span text)
{
	const char *p = text.p, *end = p + text.len, *start = p;

	for (; p < end; p++) {
		bool is_bare = a->after_cr ? *p != '\n' : *p == '\n';

		if (is_bare) {
			add_bytes(a, start, (size_t)(p - start));
			add_bytes(a, a->after_cr ? "\n" : "\r", 1);
			start = p;
		}
		a->after_cr = *p == '\r';
	}
	add_bytes(a, start, (size_t)(end - start));
}

static void
end_message(struct append *a)
{
	int err;

	if (a->after_cr)
		add_bytes(a, "\n", 1);
	err = spool_finish(last_spool(a));
	if (err < 0 && a->err == 0)
		a->err = err;
}

/* Sends off what is full, and waits where there is no room for more. */
static enum imap_step
append_stage(struct imap *im, struct append *a)
{
	struct spool *s = last_spool(a);

	while (spool_submit_stage(s, &im->s))
		;
	if (a->has_ended ? spool_has_stages_out(s) : spool_is_full(s))
		return STEP_WAIT;
	return STEP_INPUT;
}

static enum imap_step
append_bytes(struct imap *im, struct span bytes, uint64_t left)
{
	struct append *a = im->cmd.state;

	if (a->is_binary)
		add_bytes(a, bytes.p, bytes.len);
	else if (bytes.len)
		add_text(a, bytes);
	a->has_ended = left == 0;
	if (a->has_ended)
		end_message(a);
	return append_stage(im, a);
}

const struct imap_stream imap_append_stream = {
	.announced = append_announced,
	.bytes = append_bytes,
};

/* ---- the whole command ---- */

/* RFC 6855 section 4, RFC 9755 section 4: not from who could not read it. */
static bool
is_unfit(const struct imap *im, const struct append *a)
{
	for (size_t i = 0; i < a->count && !im->is_utf8; i++)
		if (spool_digest(a->spools[i])->flavour &
		    FLAVOUR_UTF8_HEADERS)
			return true;
	return false;
}

enum imap_step
imap_run_append(struct imap *im)
{
	const struct imap_append_args *args = &im->cmd.args.append;
	struct append *a = im->cmd.state;
	struct wreq_append *r;

	if (a->err == ERR_LIMIT)
		return refuse_size(im);
	if (a->err < 0)
		return imap_fail(im, a->err);
	if (is_unfit(im, a))
		return imap_no(im, NULL,
		    "The header is not ASCII: ENABLE UTF8=ACCEPT first");
	r = wreq_append_new(im->s.env, &im->s);
	r->w.origin = im->origin;
	r->mailbox = a->mailbox;
	r->msgs = xcalloc(a->count, sizeof *r->msgs);
	r->msg_count = a->count;
	for (size_t i = 0; i < a->count; i++) {
		const struct imap_append_msg *from = &args->msgs[i];
		struct append_msg *m = &r->msgs[i];

		m->spool = a->spools[i];
		m->flags = from->flags.bits;
		m->keywords = imap_keywords_copy(&from->flags);
		m->keyword_count = from->flags.keyword_count;
		m->internaldate_s = from->has_date ? from->date_s :
		    env_wall_s(im->s.env);
	}
	a->count = 0;
	store_submit(im->s.env->store, &r->w);
	return STEP_WAIT;
}

/* "APPENDUID 38505 3955", or "3955:3957" for several messages. */
static enum imap_step
appended(struct imap *im, struct wreq_append *r)
{
	struct uidset uids = { 0 };
	struct buf b = BUF_INIT;
	const char *code;
	int err = r->w.op.err;

	if (err < 0) {
		op_free(&r->w.op);
		return imap_fail_target(im, err);
	}
	for (size_t i = 0; i < r->msg_count; i++)
		uidset_add(&uids, r->msgs[i].uid_r, r->msgs[i].uid_r);
	buf_adds(&b, "APPENDUID ");
	buf_addu(&b, r->uidvalidity_r);
	buf_addc(&b, ' ');
	uidset_put(&b, &uids);
	code = arena_str(&im->cmd.arena, buf_span(&b));
	buf_release(&b);
	uidset_release(&uids);
	op_free(&r->w.op);
	return imap_ok(im, code, "APPEND completed");
}

enum imap_step
imap_done_append(struct imap *im, struct op *op)
{
	struct append *a = im->cmd.state;
	int err;

	if (op->tag == SPOOL_OP_TAG) {
		err = spool_staged(last_spool(a), op);
		if (err < 0 && a->err == 0)
			a->err = err;
		return append_stage(im, a);
	}
	if (!a->mailbox)
		return looked_up(im, (struct rjob_lookup *)op);
	return appended(im, (struct wreq_append *)op);
}
