/*
 * The part of FETCH that reads messages.
 *
 * Problem: clients ask for a header of each of ten thousand messages, and for
 * 25 MiB of one; both must stream through a few tens of KiB.
 *
 * Shape: messages are taken in batches, a batch being one read job with an
 * item for each section of each message, in the order in which they are told.
 * Pieces come back in that order and are put out as they come: the first one
 * of a message opens its line, the first one of a section announces the
 * literal, since the length is known by then. Where a section's place depends
 * on the message's structure (BODY[2], BODY[TEXT]), a job for the digests of
 * the batch comes before.
 *
 * Headers are collected whole, for they may be filtered (HEADER.FIELDS) or
 * shown otherwise (RFC 6858); everything else passes piece by piece.
 *
 * A literal once announced must be filled: if the bytes cannot be had by
 * then, nothing is left but to hang up.
 */
#include <stdlib.h>
#include <string.h>

#include "imap/fetch_priv.h"
#include "imap/section.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "store/mime/downgrade.h"
#include "store/mime/mime.h"
#include "store/read.h"

#define BATCH_MESSAGES 1024u
#define BATCH_ITEMS 4096u

#define FETCH_DIGEST (FETCH_ENVELOPE | FETCH_BODY | FETCH_BODYSTRUCTURE | \
    FETCH_PREVIEW)
#define FETCH_SAVED (FETCH_THREADID | FETCH_SAVEDATE)

/* RFC 8970 section 3.3: characters of a preview. */
#define PREVIEW_CHARS 200

struct batch_msg {
	uint32_t uid, size;
	uint64_t body;
	struct section_range *ranges;	/* NULL: no need to know */
};

struct batch_item {
	uint32_t msg;
	/*
	 * -1: nothing but the digest. While locating: whether it is the
	 * digest of the message as stored.
	 */
	int section;
};

struct fetch_batch {
	struct arena arena;		/* the ranges */
	struct batch_msg msgs[BATCH_MESSAGES];
	uint32_t msg_count;
	struct batch_item *items;	/* beside those of the job */
	size_t item_count;
	size_t item;			/* the one that pieces come for */
	struct rjob_messages *job;	/* while it is home */
	bool locating;			/* the job is for digests */
	/* Where the output stands. */
	bool is_open;			/* in a line */
	bool in_item;			/* pieces of the item are out */
	size_t section;			/* the next to be put */
	uint64_t literal_left;		/* bytes announced, still to come */
	struct buf held;		/* a header that comes in pieces */
	size_t charged;			/* for it */
	struct buf scratch;
};

static bool
is_header(const struct imap_section *s)
{
	return s->what != SECTION_ALL && s->what != SECTION_TEXT;
}

/* Whether the place depends on the structure. */
static bool
is_to_be_found(const struct imap_section *s)
{
	return s->path_len > 0 || s->what == SECTION_TEXT;
}

static bool
is_binary(const struct imap_fetch_body *body)
{
	return body->form != FORM_BODY;
}

bool
fetch_needs_reader(const struct imap_fetch_args *a)
{
	return (a->items & (FETCH_DIGEST | FETCH_SAVED)) ||
	    a->body_count > 0;
}

static void
held_release(struct imap *im, struct fetch_batch *b)
{
	buf_clear(&b->held);
	budget_give(im->s.env->budget, b->charged);
	b->charged = 0;
}

void
fetch_batch_free(struct imap *im, struct fetch_batch *b)
{
	if (!b)
		return;
	if (b->job)
		op_free(&b->job->j.op);
	held_release(im, b);
	buf_release(&b->held);
	buf_release(&b->scratch);
	arena_release(&b->arena);
	free(b->items);
	free(b);
}

static struct fetch_batch *
batch_new(void)
{
	struct fetch_batch *b = xcalloc(1, sizeof *b);

	buf_init(&b->held);
	buf_init(&b->scratch);
	return b;
}

static enum imap_step
submit(struct imap *im, struct fetch_batch *b, struct rjob_messages *job)
{
	b->job = NULL;
	store_read(im->s.env->store, &job->j);
	return STEP_WAIT;
}

/* The next slice of the job that is home. */
static enum imap_step
submit_again(struct imap *im, struct fetch_batch *b)
{
	op_adopt(&b->job->j.op, &im->s);
	return submit(im, b, b->job);
}

/* ---- a batch's messages ---- */

static bool
batch_fill(struct imap *im, struct fetch *f, struct fetch_batch *b)
{
	size_t sections = im->cmd.args.fetch.body_count;
	size_t max = MIN(BATCH_MESSAGES, BATCH_ITEMS / (sections + 1));
	struct msgrow row;
	uint32_t seq;

	b->msg_count = 0;
	arena_clear(&b->arena);
	while (b->msg_count < MAX(max, 1) &&
	    fetch_next(im, &f->targets, &seq, &row))
		b->msgs[b->msg_count++] = (struct batch_msg){
			.uid = row.uid, .size = row.size, .body = row.body
		};
	return b->msg_count > 0;
}

/*
 * Whether the places of BINARY's sections, which count in the bytes as
 * stored, have to be found, or of the others.
 */
static bool
must_locate(const struct imap_fetch_args *a, bool binary)
{
	for (size_t i = 0; i < a->body_count; i++)
		if (is_binary(&a->bodies[i]) == binary &&
		    is_to_be_found(&a->bodies[i].section))
			return true;
	return false;
}

static enum imap_step
submit_locate(struct imap *im, struct fetch_batch *b)
{
	const struct imap_fetch_args *args = &im->cmd.args.fetch;
	struct rjob_messages *job = rjob_messages_new(im->s.env, &im->s,
	    2 * b->msg_count);

	free(b->items);
	b->items = xcalloc(2 * b->msg_count, sizeof *b->items);
	b->item_count = 0;
	for (uint32_t i = 0; i < b->msg_count; i++)
		for (int binary = 0; binary < 2; binary++) {
			if (!must_locate(args, binary))
				continue;
			job->items[b->item_count] = (struct read_item){
				.body = b->msgs[i].body, .len = READ_NOTHING,
				.digest = true, .as_stored = binary };
			b->items[b->item_count++] =
			    (struct batch_item){ i, binary };
		}
	job->item_count = b->item_count;
	b->locating = true;
	return submit(im, b, job);
}

static void
read_digest(const struct read_piece *pc, struct arena *a, struct digest *d)
{
	if (pc->gone || digest_decode(pc->digest, a, d) < 0)
		mime_digest(SPAN(""), a, d);
}

static void
locate(struct imap *im, struct fetch_batch *b)
{
	const struct imap_fetch_args *args = &im->cmd.args.fetch;
	struct arena a = { 0 };

	for (size_t i = 0; i < b->job->piece_count; i++) {
		const struct read_piece *pc = &b->job->pieces[i];
		const struct batch_item *item = &b->items[pc->item];
		struct batch_msg *m = &b->msgs[item->msg];
		struct digest d;

		read_digest(pc, &a, &d);
		if (!m->ranges)
			m->ranges = arena_array(&b->arena, args->body_count,
			    sizeof *m->ranges);
		for (size_t s = 0; s < args->body_count; s++)
			if (is_binary(&args->bodies[s]) == item->section)
				section_find(&d, pc->prefix_len,
				    &args->bodies[s].section, &m->ranges[s]);
		arena_clear(&a);
	}
	arena_release(&a);
}

/* ---- the reads ---- */

enum plan { PLAN_READ, PLAN_NIL, PLAN_UNKNOWN };

/* What is to be read for BINARY, which may be encoded in an unknown way. */
static enum plan
plan_binary(const struct batch_msg *m, const struct imap_fetch_body *body,
    size_t section, struct read_item *item)
{
	item->as_stored = true;
	item->len = READ_ALL;
	item->decode = (struct read_decode){ .is_on = true,
	    .encoding = ENC_BINARY, .len = READ_ALL };
	if (body->partial) {
		item->decode.off = body->off;
		item->decode.len = body->len;
	}
	if (body->form == FORM_BINARY_SIZE)
		item->decode.len = READ_NOTHING;
	if (is_to_be_found(&body->section)) {
		const struct section_range *r = &m->ranges[section];

		item->off = r->off;
		item->len = r->len;
		item->decode.encoding = r->encoding;
		if (!r->found)
			return PLAN_NIL;
	}
	return item->decode.encoding == ENC_OTHER ? PLAN_UNKNOWN : PLAN_READ;
}

/* What is to be read of a section. */
static enum plan
plan_section(const struct batch_msg *m, const struct imap_fetch_body *body,
    size_t section, struct read_item *item)
{
	bool found = true;

	if (is_binary(body))
		return plan_binary(m, body, section, item);
	item->len = m->size;
	if (is_to_be_found(&body->section)) {
		const struct section_range *r = &m->ranges[section];

		found = r->found;
		item->off = r->off;
		item->len = r->len;
	} else if (is_header(&body->section)) {
		item->len = READ_HEADER;
	}
	if (!is_header(&body->section))
		section_cut(body, &item->off, &item->len);
	return found ? PLAN_READ : PLAN_NIL;
}

static void
plan_item(struct fetch_batch *b, struct read_item *items, uint32_t msg,
    int section, const struct read_item *item)
{
	b->items[b->item_count] = (struct batch_item){ msg, section };
	items[b->item_count] = *item;
	b->item_count++;
}

static bool
has_binary(const struct imap_fetch_args *a)
{
	for (size_t i = 0; i < a->body_count; i++)
		if (is_binary(&a->bodies[i]))
			return true;
	return false;
}

/* Whether the line of a message has anything but sections. */
static bool
has_head(const struct fetch *f, const struct batch_msg *m)
{
	return f->items || (f->seen.n && uidset_has(&f->seen, m->uid));
}

static void
plan_message(struct imap *im, struct fetch *f, struct read_item *items,
    uint32_t msg)
{
	const struct imap_fetch_args *args = &im->cmd.args.fetch;
	struct fetch_batch *b = f->batch;
	const struct batch_msg *m = &b->msgs[msg];
	const struct read_item none = { .body = m->body, .tag = m->uid };
	bool wants_digest = args->items & FETCH_DIGEST;
	bool wants_saved = args->items & FETCH_SAVED;
	size_t before = b->item_count, unknown = 0;

	/* What BINARY reads is not what the digest of the line is about. */
	if (wants_digest && has_binary(args)) {
		struct read_item item = none;

		item.digest = true;
		item.saved = wants_saved;
		plan_item(b, items, msg, -1, &item);
	}
	for (size_t s = 0; s < args->body_count; s++) {
		struct read_item item = none;
		enum plan plan = plan_section(m, &args->bodies[s], s, &item);

		item.digest = wants_digest && b->item_count == before;
		item.saved = wants_saved && b->item_count == before;
		if (plan == PLAN_READ)
			plan_item(b, items, msg, (int)s, &item);
		unknown += plan == PLAN_UNKNOWN;
	}
	f->unknown_cte |= unknown > 0;
	if (b->item_count == before &&
	    (unknown < args->body_count || unknown == 0 || has_head(f, m))) {
		struct read_item item = none;

		item.digest = wants_digest;
		item.saved = wants_saved;
		plan_item(b, items, msg, -1, &item);
	}
}

static enum imap_step
submit_reads(struct imap *im, struct fetch *f)
{
	struct fetch_batch *b = f->batch;
	size_t most = b->msg_count * (im->cmd.args.fetch.body_count + 1);
	struct rjob_messages *job = rjob_messages_new(im->s.env, &im->s,
	    most);

	if (im->cmd.args.fetch.items & FETCH_SAVED)
		job->mailbox = view_mailbox(&im->view);
	free(b->items);
	b->items = xcalloc(most, sizeof *b->items);
	b->item_count = 0;
	for (uint32_t i = 0; i < b->msg_count; i++)
		plan_message(im, f, job->items, i);
	job->item_count = b->item_count;
	b->locating = false;
	return submit(im, b, job);
}

/* ---- putting it out ---- */

static void
put_label(struct imap *im, size_t section)
{
	struct buf *out = im->s.out;

	fetch_put_space(im->cmd.state, out);
	buf_addspan(out, im->cmd.args.fetch.bodies[section].label);
	buf_addc(out, ' ');
}

/* A section that there is no such part for, or no bytes any more. */
static void
put_nil(struct imap *im, const struct imap_fetch_body *body)
{
	/* RFC 3516 section 4.3: the size of what BINARY answers. */
	buf_adds(im->s.out, body->form == FORM_BINARY_SIZE ? "0" : "NIL");
}

/* Sections before this one that no item is for. */
static void
put_nils(struct imap *im, struct fetch_batch *b, size_t until)
{
	const struct imap_fetch_args *args = &im->cmd.args.fetch;
	const struct batch_msg *m = &b->msgs[b->items[b->item].msg];

	for (; b->section < until; b->section++) {
		const struct imap_fetch_body *body =
		    &args->bodies[b->section];

		if (is_binary(body) && m->ranges &&
		    m->ranges[b->section].found)
			continue;	/* it is there, but in what form? */
		put_label(im, b->section);
		put_nil(im, body);
	}
}

/* RFC 8474 and 8514: of a message that has left both are NIL. */
static void
put_saved(struct imap *im, struct fetch *f, const struct read_piece *pc)
{
	struct buf *out = im->s.out;

	if (f->items & FETCH_THREADID) {
		fetch_put_space(f, out);
		buf_adds(out, "THREADID ");
		imap_put_objectid(out, OBJECT_THREAD, pc->thread);
	}
	if (f->items & FETCH_SAVEDATE) {
		fetch_put_space(f, out);
		buf_adds(out, "SAVEDATE ");
		if (pc->thread)
			imap_put_internaldate(out, pc->savedate_s);
		else
			buf_adds(out, "NIL");
	}
	if ((f->items & FETCH_SAVED) && pc->thread == 0)
		f->some_gone = true;
}

static void
put_preview(struct imap *im, struct span preview)
{
	size_t len = 0;
	uint32_t cp;

	for (size_t i = 0; i < PREVIEW_CHARS && len < preview.len; i++)
		len += utf8_decode(span_from(preview, len), &cp);
	buf_adds(im->s.out, "PREVIEW ");
	imap_put_string(im->s.out, span_head(preview, len), im->is_utf8);
}

static void
put_digest(struct imap *im, struct fetch *f,
    const struct read_piece *pc)
{
	struct buf *out = im->s.out;
	struct arena a = { 0 };
	struct digest d;

	if (!(f->items & FETCH_DIGEST))
		return;
	read_digest(pc, &a, &d);
	if (f->items & FETCH_ENVELOPE) {
		fetch_put_space(f, out);
		buf_adds(out, "ENVELOPE ");
		imap_put_envelope(out, &d.envelope, im->is_utf8);
	}
	if (f->items & FETCH_BODY) {
		fetch_put_space(f, out);
		buf_adds(out, "BODY ");
		imap_put_bodystructure(out, &d, false, im->is_utf8);
	}
	if (f->items & FETCH_BODYSTRUCTURE) {
		fetch_put_space(f, out);
		buf_adds(out, "BODYSTRUCTURE ");
		imap_put_bodystructure(out, &d, true, im->is_utf8);
	}
	if (f->items & FETCH_PREVIEW) {
		fetch_put_space(f, out);
		put_preview(im, d.preview);
	}
	arena_release(&a);
}

static void
open_line(struct imap *im, struct fetch *f, const struct batch_msg *m,
    const struct read_piece *pc)
{
	struct fetch_batch *b = f->batch;
	uint32_t seq = view_find_uid(&im->view, m->uid);
	struct msgrow row;

	(void)view_get(&im->view, seq, &row);
	fetch_put_head(im, f, seq, &row);
	put_saved(im, f, pc);
	put_digest(im, f, pc);
	b->is_open = true;
	b->section = 0;
	f->some_gone |= pc->gone;
}

/* A whole header: what the section makes of it. */
static void
put_header(struct imap *im, struct fetch_batch *b, struct span header,
    unsigned flavour)
{
	const struct imap_fetch_body *body =
	    &im->cmd.args.fetch.bodies[b->section];
	struct buf shown = BUF_INIT;
	uint64_t off = 0, len;

	if (body->section.what == SECTION_FIELDS ||
	    body->section.what == SECTION_FIELDS_NOT) {
		buf_clear(&b->scratch);
		section_filter(&b->scratch, header, &body->section);
		header = buf_span(&b->scratch);
	}
	if (!im->is_utf8 && (flavour & FLAVOUR_UTF8_HEADERS) &&
	    downgrade_header(&shown, header))
		header = buf_span(&shown);
	len = header.len;
	section_cut(body, &off, &len);
	imap_put_literal_head(im->s.out, len);
	buf_addspan(im->s.out, span_head(span_from(header, off), len));
	buf_release(&shown);
}

/* A piece of a header. Without memory for more than one it is NIL. */
static void
take_header(struct imap *im, struct fetch *f, const struct read_piece *pc)
{
	struct fetch_batch *b = f->batch;

	if (!b->in_item && !pc->last) {
		if (budget_take(im->s.env->budget, pc->want_len) < 0)
			f->no_memory = true;
		else
			b->charged = pc->want_len;
	}
	if (b->in_item || !pc->last) {
		if (b->charged)
			buf_addspan(&b->held, pc->bytes);
		if (!pc->last)
			return;
	}
	if (!b->in_item)
		put_header(im, b, pc->bytes, pc->flavour);
	else if (b->charged)
		put_header(im, b, buf_span(&b->held), pc->flavour);
	else
		buf_adds(im->s.out, "NIL");
	held_release(im, b);
}

/* A piece of a literal, which the first one announces. */
static int
take_bytes(struct imap *im, struct fetch_batch *b,
    const struct read_piece *pc)
{
	if (!b->in_item) {
		if (pc->has_nul)
			imap_put_literal8_head(im->s.out, pc->want_len);
		else
			imap_put_literal_head(im->s.out, pc->want_len);
		b->literal_left = pc->want_len;
	}
	if (pc->bytes.len > b->literal_left)
		return ERR_STORE;
	b->literal_left -= pc->bytes.len;
	buf_addspan(im->s.out, pc->bytes);
	return pc->last && b->literal_left ? ERR_STORE : 0;
}

/* A piece of a section. ERR_NOMSG: a literal that cannot be filled. */
static int
take_section(struct imap *im, struct fetch *f, const struct read_piece *pc,
    size_t section)
{
	const struct imap_fetch_body *body =
	    &im->cmd.args.fetch.bodies[section];
	struct fetch_batch *b = f->batch;
	int err;

	if (!b->in_item) {
		put_nils(im, b, section);
		put_label(im, section);
	}
	if (pc->gone && b->in_item)
		return ERR_NOMSG;
	if (pc->gone)
		put_nil(im, body);
	else if (body->form == FORM_BINARY_SIZE)
		buf_addu(im->s.out, pc->decoded_len);
	else if (is_header(&body->section))
		take_header(im, f, pc);
	else if ((err = take_bytes(im, b, pc)) < 0)
		return err;
	b->in_item = !pc->last && !pc->gone;
	if (!b->in_item)
		b->section++;
	return 0;
}

static bool
is_last_item(const struct fetch_batch *b, size_t item)
{
	return item + 1 == b->item_count ||
	    b->items[item + 1].msg != b->items[item].msg;
}

static int
take_piece(struct imap *im, struct fetch *f, const struct read_piece *pc)
{
	struct fetch_batch *b = f->batch;
	const struct batch_item *item = &b->items[pc->item];
	int err;

	b->item = pc->item;
	if (!b->is_open)
		open_line(im, f, &b->msgs[item->msg], pc);
	if (item->section >= 0 &&
	    (err = take_section(im, f, pc, (size_t)item->section)) < 0)
		return err;
	if ((pc->last || pc->gone) && is_last_item(b, pc->item)) {
		put_nils(im, b, im->cmd.args.fetch.body_count);
		buf_adds(im->s.out, ")\r\n");
		b->is_open = false;
	}
	return 0;
}

/* ---- steps ---- */

/* In the middle of a line nothing can be said any more. */
static enum imap_step
fail(struct imap *im, const struct fetch_batch *b, int err)
{
	enum imap_step step = imap_fail(im, err);

	if (!b->is_open)
		return step;
	im->bye = "A message could not be read";
	return STEP_YIELD;
}

static enum imap_step
next_batch(struct imap *im, struct fetch *f)
{
	if (!batch_fill(im, f, f->batch))
		return fetch_over(im, f);
	return must_locate(&im->cmd.args.fetch, false) ||
	    must_locate(&im->cmd.args.fetch, true) ?
	    submit_locate(im, f->batch) : submit_reads(im, f);
}

enum imap_step
fetch_bodies_run(struct imap *im, struct fetch *f)
{
	f->batch = batch_new();
	fetch_begin_step(im, f, true);
	return next_batch(im, f);
}

/* The job has brought a slice. */
static enum imap_step
take_slice(struct imap *im, struct fetch *f)
{
	struct fetch_batch *b = f->batch;
	struct rjob_messages *job = b->job;
	int err;

	if (b->locating)
		locate(im, b);
	else
		for (size_t i = 0; i < job->piece_count; i++)
			if ((err = take_piece(im, f, &job->pieces[i])) < 0)
				return fail(im, b, err);
	if (job->j.more)
		return im->s.out->len > SESSION_OUT_HIGH ? STEP_YIELD :
		    submit_again(im, b);
	op_free(&job->j.op);
	b->job = NULL;
	if (b->locating)
		return submit_reads(im, f);
	/* The next batch can wait, too. */
	return im->s.out->len > SESSION_OUT_HIGH ? STEP_YIELD :
	    next_batch(im, f);
}

enum imap_step
fetch_bodies_done(struct imap *im, struct fetch *f, struct op *op)
{
	struct fetch_batch *b = f->batch;

	fetch_begin_step(im, f, !b->is_open);
	if (!op)
		return b->job ? submit_again(im, b) : next_batch(im, f);
	b->job = (struct rjob_messages *)op;
	if (op->err < 0)
		return fail(im, b, op->err);
	return take_slice(im, f);
}
