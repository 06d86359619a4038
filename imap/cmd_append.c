/*
 * APPEND (RFC 3501 section 6.3.11, RFC 3502, RFC 3516, RFC 4469), with
 * APPENDUID (RFC 4315), and REPLACE (RFC 8508).
 *
 * A message is taken only once its mailbox is found and its size is one that
 * we store, so that a client that waits for "+" is spared the bytes. They go
 * into a spool as they come, each bare CR or LF as CR LF, but those of a
 * literal8 as they are; while the spool has no room the session takes no
 * input. When the command is whole, all of its messages are one request:
 * every one of them is stored or none.
 *
 * A message may be made of parts. At each literal the command so far is
 * parsed anew, and what stands before the literal is brought in first; what
 * stands behind the last one comes once the command is whole. (msg, part)
 * says how far that has got.
 *
 * What goes wrong while a literal comes is remembered, and told at the end.
 */
#include "imap/append_priv.h"

#include <stdlib.h>

#include "server/base/xalloc.h"
#include "store/mime/digest.h"
#include "store/write.h"

/*
 * What is being staged is not wanted any more; when it comes home, it is to
 * meet no other command.
 */
static void
disown_stages(struct imap *im)
{
	struct list *next;

	for (struct list *at = im->s.ops_out.next; at != &im->s.ops_out;
	    at = next) {
		struct op *op = CONTAINER_OF(at, struct op, by_owner);

		next = at->next;
		if (op->tag == SPOOL_OP_TAG)
			op_disown(op);
	}
}

/* The command may have been refused while parts of it are being staged. */
static enum imap_step
give(struct imap *im, enum imap_step step)
{
	if (step == STEP_DONE)
		disown_stages(im);
	return step;
}

static void
append_release(struct imap *im)
{
	struct append *a = im->cmd.state;

	disown_stages(im);
	append_url_release(im, a);
	for (size_t i = 0; i < a->count; i++)
		spool_free(a->spools[i]);
	arena_release(&a->arena);
}

static struct append *
append_get(struct imap *im)
{
	struct append *a = im->cmd.state;

	if (a)
		return a;
	a = arena_alloc(&im->cmd.arena, sizeof *a);
	buf_init(&a->url.held);
	im->cmd.state = a;
	im->cmd.release = append_release;
	return a;
}

static enum imap_step
refuse_size(struct imap *im)
{
	return imap_no(im, "TOOBIG", "The message is too big");
}

/* ---- its bytes ---- */

static void
add_bytes(struct append *a, const char *p, size_t len)
{
	struct spool *s = append_spool(a);
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

bool
append_has_room(struct imap *im, struct append *a)
{
	struct spool *s = append_spool(a);

	while (spool_submit_stage(s, &im->s))
		;
	return a->is_finished ? !spool_has_stages_out(s) : !spool_is_full(s);
}

/* ---- from part to part ---- */

static const struct imap_append_msg *
msg_at_hand(const struct append *a)
{
	const struct imap_append_args *args = &a->args.append;

	return a->msg < args->msg_count ? &args->msgs[a->msg] : NULL;
}

/* Whether the part at hand is the literal that was announced last. */
static bool
is_announced(const struct append *a)
{
	return !a->is_whole && a->msg + 1 == a->args.append.msg_count &&
	    a->part + 1 == a->args.append.msgs[a->msg].part_count;
}

static void
begin_message(struct imap *im, struct append *a)
{
	if (a->count > a->msg)
		return;
	a->spools[a->count++] = spool_new(im->s.env,
	    im->settings->size_limit);
	a->is_finished = false;
}

/* All parts of the message are in. */
static void
end_message(struct append *a)
{
	int err;

	/* RFC 3502 section 6.3.11: so a client gives up a row of messages. */
	if (spool_size(append_spool(a)) == 0 && a->err == 0)
		a->err = ERR_RANGE;
	err = spool_finish(append_spool(a));
	if (err < 0 && a->err == 0)
		a->err = err;
	a->is_finished = true;
	a->doing = DOING_FINISH;
}

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

static enum imap_step
commit(struct imap *im, struct append *a)
{
	const struct imap_append_args *args = &a->args.append;
	struct wreq_append *r;

	if (is_unfit(im, a))
		return imap_no(im, NULL,
		    "The header is not ASCII: ENABLE UTF8=ACCEPT first");
	r = wreq_append_new(im->s.env, &im->s);
	r->w.origin = im->origin;
	r->mailbox = a->mailbox;
	if (a->replaced) {
		r->replaced_mailbox = view_mailbox(&im->view);
		r->replaced_uid = a->replaced;
	}
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
	a->doing = DOING_COMMIT;
	store_submit(im->s.env->store, &r->w);
	return STEP_WAIT;
}

/* What was remembered, once all of the command is there. */
static enum imap_step
refuse(struct imap *im, const struct append *a)
{
	if (a->err == ERR_LIMIT)
		return refuse_size(im);
	if (a->err == ERR_RANGE)
		return imap_no(im, NULL, "A message cannot be empty");
	return imap_fail(im, a->err);
}

static enum imap_step
begin_literal(struct imap *im, struct append *a)
{
	/* RFC 4469 section 4.2: the sum counts. */
	if (spool_size(append_spool(a)) > im->settings->size_limit -
	    a->literal_size)
		return refuse_size(im);
	a->doing = DOING_TEXT;
	a->after_cr = false;
	return STEP_INPUT;
}

/* Goes on to the literal that was announced, or to the end. */
static enum imap_step
advance(struct imap *im, struct append *a)
{
	const struct imap_append_msg *m;
	enum imap_step step;

	while ((m = msg_at_hand(a))) {
		begin_message(im, a);
		if (a->part == m->part_count) {
			if (!a->is_finished)
				end_message(a);
			if (a->err == 0 && !append_has_room(im, a)) {
				a->doing = DOING_ADVANCE;
				return STEP_WAIT;
			}
			a->msg++;
			a->part = 0;
		} else if (is_announced(a)) {
			return begin_literal(im, a);
		} else {
			a->doing = DOING_URL;
			step = append_url_start(im, a, m->parts[a->part].url);
			if (step != STEP_INPUT)
				return step;
			a->part++;
		}
	}
	return a->err < 0 ? refuse(im, a) : commit(im, a);
}

/* A part has come in, or has to wait. */
static enum imap_step
after_url(struct imap *im, struct append *a, enum imap_step step)
{
	if (step != STEP_INPUT)
		return step;
	a->part++;
	return advance(im, a);
}

/* ---- before the first byte ---- */

/* The message that REPLACE takes away is one that the client knows. */
static enum imap_step
find_replaced(struct imap *im, struct append *a)
{
	const struct seqset *set = &a->args.append.replaced;
	struct uidset uids = { 0 };
	enum imap_step step = STEP_INPUT;

	if (set->n == 0 || a->replaced)
		return STEP_INPUT;
	if (imap_resolve_set(im, set, im->cmd.uid, &uids) < 0)
		step = imap_bad_set(im);
	else if (uids.n != 1 || uids.v[0].lo != uids.v[0].hi ||
	    !view_find_uid(&im->view, uids.v[0].lo))
		step = imap_no(im, "NONEXISTENT", "There is no such message");
	else
		a->replaced = uids.v[0].lo;
	uidset_release(&uids);
	return step;
}

static enum imap_step
begin(struct imap *im, struct append *a)
{
	enum imap_step step = find_replaced(im, a);
	int err;

	if (step != STEP_INPUT)
		return step;
	if (a->mailbox)
		return advance(im, a);
	a->doing = DOING_LOOKUP;
	err = imap_lookup(im, a->args.append.name, RIGHT_INSERT);
	return err < 0 ? imap_fail_target(im, err) : STEP_WAIT;
}

static enum imap_step
looked_up(struct imap *im, struct append *a, struct rjob_lookup *job)
{
	int err = job->info.noselect && job->j.op.err == 0 ? ERR_NOMBOX :
	    job->j.op.err;

	/*
	 * The writer judges all of it; this literal need not come at all. What
	 * REPLACE takes away may make room.
	 */
	if (err == 0 && !a->replaced && job->info.room < a->literal_size)
		err = ERR_QUOTA;
	a->mailbox = job->info.id;
	op_free(&job->j.op);
	return err < 0 ? imap_fail_target(im, err) : advance(im, a);
}

/* ---- a literal ---- */

static enum imap_step
parse_so_far(struct imap *im, struct append *a, struct span text)
{
	struct imap_parser p;

	arena_clear(&a->arena);
	imap_parser_init(&p, text, &a->arena);
	p.utf8 = im->is_utf8;
	if (imap_parse_append_so_far(&p, text, &a->args) == PARSE_OK)
		return STEP_INPUT;
	return p.code ? imap_no(im, p.code, p.why) : imap_bad(im, p.why);
}

static enum imap_step
append_announced(struct imap *im, const struct frame *f)
{
	struct append *a = append_get(im);
	const struct imap_append_args *args = &a->args.append;
	enum imap_step step;

	if ((step = parse_so_far(im, a, f->text)) != STEP_INPUT)
		return step;
	if (f->size == 0 && !args->msgs[args->msg_count - 1].is_catenated)
		return imap_no(im, NULL, "A message cannot be empty");
	if (f->size > im->settings->size_limit)
		return refuse_size(im);
	a->literal_size = f->size;
	if (store_is_full(im->s.env->store))
		return imap_fail(im, ERR_FULL);
	a->is_binary = f->binary;
	return begin(im, a);
}

static enum imap_step
announced(struct imap *im, const struct frame *f)
{
	return give(im, append_announced(im, f));
}

static enum imap_step
append_bytes(struct imap *im, struct span bytes, uint64_t left)
{
	struct append *a = im->cmd.state;

	if (a->is_binary)
		add_bytes(a, bytes.p, bytes.len);
	else if (bytes.len)
		add_text(a, bytes);
	if (left)
		return append_has_room(im, a) ? STEP_INPUT : STEP_WAIT;
	if (a->after_cr && !a->is_binary)
		add_bytes(a, "\n", 1);
	a->part++;
	if (!a->args.append.msgs[a->msg].is_catenated)
		end_message(a);
	else
		a->doing = DOING_NOTHING;
	return append_has_room(im, a) ? STEP_INPUT : STEP_WAIT;
}

const struct imap_stream imap_append_stream = {
	.announced = announced,
	.bytes = append_bytes,
};

/* ---- the whole command ---- */

enum imap_step
imap_run_append(struct imap *im)
{
	struct append *a = append_get(im);

	a->args = im->cmd.args;
	a->is_whole = true;
	return give(im, begin(im, a));
}

/* "APPENDUID 38505 3955", or "3955:3957" for several messages. */
static enum imap_step
appended(struct imap *im, struct wreq_append *r)
{
	bool is_replace = r->replaced_uid != 0;
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
	if (!is_replace)
		return imap_ok(im, code, "APPEND completed");
	/* RFC 8508 section 4.3: before the old one is expunged */
	buf_adds(im->s.out, "* OK [");
	buf_adds(im->s.out, code);
	buf_adds(im->s.out, "] Replacement message ready\r\n");
	return imap_ok(im, NULL, "REPLACE completed");
}

/* A stage request has come home: there may be room now. */
static enum imap_step
staged(struct imap *im, struct append *a, struct op *op)
{
	int err = spool_staged(append_spool(a), op);

	if (err < 0 && a->err == 0)
		a->err = err;
	switch (a->doing) {
	case DOING_URL:
		return after_url(im, a, append_url_done(im, a, NULL));
	case DOING_ADVANCE:
		return advance(im, a);
	default:
		break;
	}
	return append_has_room(im, a) ? STEP_INPUT : STEP_WAIT;
}

static enum imap_step
op_done(struct imap *im, struct append *a, struct op *op)
{

	if (op->tag == SPOOL_OP_TAG)
		return staged(im, a, op);
	switch (a->doing) {
	case DOING_LOOKUP:
		return looked_up(im, a, (struct rjob_lookup *)op);
	case DOING_URL:
		return after_url(im, a, append_url_done(im, a, op));
	default:
		break;
	}
	return appended(im, (struct wreq_append *)op);
}

enum imap_step
imap_done_append(struct imap *im, struct op *op)
{
	return give(im, op_done(im, im->cmd.state, op));
}
