/*
 * RETR and TOP: messages from the readers to the client, slice by slice.
 *
 * Problem: a client that fetches 10,000 messages sends its RETRs in one go
 * (RFC 2449 section 6.6), and a trip to a reader for each of them costs more
 * than the messages. So a RETR looks at the input behind it: further RETRs and
 * TOPs of headers alone that are whole and cannot fail become one job with
 * it, and are answered in their order. Anything else ends the batch.
 *
 * A header with 8-bit text is collected whole where the client has not said
 * UTF8, and shown as RFC 6858 says. Deviation from RFC 6856 section 2.1: LIST
 * gives the size of the message as it is, because the other one is not known
 * without reading it; RETR's own answer has the other one.
 *
 * A slice of the job is at most 64 KiB; while the output is full no slice is
 * asked for, and the store holds nothing for us.
 */
#include "pop3/pop3_priv.h"

#include <inttypes.h>
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/lines.h"
#include "server/base/xalloc.h"
#include "store/mime/downgrade.h"
#include "store/mime/header.h"
#include "store/store.h"
#include "store/write.h"

#define BATCH_FIRST 4		/* room for so many at the first */

/* ---- \Seen ---- */

void
pop3_flush_seen(struct pop3 *s)
{
	struct wreq_flags *w;

	if (!s->seen.n)
		return;
	s->seen_last_ms = env_now_ms(s->s.env);
	w = wreq_flags_new(s->s.env, NULL);
	w->w.actor = s->s.account;
	w->mailbox = s->mailbox;
	w->uids = s->seen;
	w->how = FLAGS_ADD;
	w->flags = FLAG_SEEN;
	w->unchanged_since = UINT64_MAX;
	s->seen = (struct uidset){ 0 };
	store_submit(s->s.env->store, &w->w);
}

/* ---- what to fetch ---- */

/* Why the message cannot be read; NULL: it can, and row is set. */
static const char *
find_msg(const struct pop3 *s, uint32_t msg, struct msgrow *row)
{
	if (msg == 0 || msg > s->count)
		return "There is no such message";
	if (pop3_is_deleted(s, msg))
		return "That message is deleted";
	if (view_get(&s->view, msg, row))
		return "That message is gone: somebody has deleted it";
	return NULL;
}

static void
add_fetch(struct pop3 *s, const struct msgrow *row, uint64_t lines)
{
	size_t n = s->batch_count;

	/* Grows at each power of two. */
	if (n == 0 || (n >= BATCH_FIRST && (n & (n - 1)) == 0))
		s->batch = xreallocarray(s->batch, MAX(BATCH_FIRST, 2 * n),
		    sizeof *s->batch);
	s->batch[s->batch_count++] = (struct pop3_fetch){
		.body = row->body, .uid = row->uid, .lines = lines,
		.is_seen = row->flags & FLAG_SEEN
	};
}

/* RETR, or TOP without lines of the body: then lines is set. */
static bool
parse_fetch(struct span line, struct pop3_args *args, uint64_t *lines)
{
	struct cursor c = cursor_of_span(span_trim(line));

	/* run_line() does not know a keyword behind a space. */
	if (line.len && *line.p == ' ')
		return false;
	*args = (struct pop3_args){ 0 };
	*lines = POP3_ALL_LINES;
	if (cursor_skip_word(&c, "RETR "))
		return pop3_parse_msg(&c, args) == PARSE_OK;
	*lines = 0;
	return cursor_skip_word(&c, "TOP ") &&
	    pop3_parse_top(&c, args) == PARSE_OK && args->lines == 0;
}

/* Takes the fetches that stand behind the first one in the input. */
static void
look_ahead(struct pop3 *s)
{
	struct pop3_args args;
	struct msgrow row;
	struct span line;
	uint64_t lines;
	size_t used;

	while (s->batch_count < POP3_BATCH_MAX) {
		struct span rest = span_from(s->rest, s->taken);

		if (lines_find(rest.p, rest.len, POP3_LINE_MAX, 0, &line,
		    &used) != LINE_OK || !parse_fetch(line, &args, &lines) ||
		    find_msg(s, args.msg, &row))
			return;
		add_fetch(s, &row, lines);
		s->taken += used;
	}
}

static enum pop3_step
begin_batch(struct pop3 *s)
{
	struct rjob_messages *job = rjob_messages_new(s->s.env, &s->s,
	    s->batch_count);

	for (size_t i = 0; i < s->batch_count; i++) {
		const struct pop3_fetch *f = &s->batch[i];

		job->items[i] = (struct read_item){
			.body = f->body, .tag = f->uid,
			.len = f->lines == 0 ? READ_HEADER : READ_ALL
		};
	}
	s->batch_next = 0;
	s->is_open = false;
	store_read(s->s.env->store, &job->j);
	return STEP_WAIT;
}

static enum pop3_step
run_fetch(struct pop3 *s, uint64_t lines)
{
	struct msgrow row;
	const char *why = find_msg(s, s->args.msg, &row);

	if (why) {
		pop3_err(s, NULL, why);
		return STEP_DONE;
	}
	add_fetch(s, &row, lines);
	/* TOP with lines stops in the middle of its job: it stays alone. */
	if (lines == 0 || lines == POP3_ALL_LINES)
		look_ahead(s);
	return begin_batch(s);
}

enum pop3_step
pop3_run_retr(struct pop3 *s)
{
	return run_fetch(s, POP3_ALL_LINES);
}

enum pop3_step
pop3_run_top(struct pop3 *s)
{
	/* The largest number is not RETR: \Seen stays as it is. */
	return run_fetch(s, MIN(s->args.lines, POP3_ALL_LINES - 1));
}

static void
release_head(struct pop3 *s)
{
	buf_release(&s->head);
	budget_give(s->s.env->budget, s->head_charged);
	s->head_charged = 0;
	s->is_held = false;
}

void
pop3_drop_batch(struct pop3 *s)
{
	if (s->job)
		op_free(&s->job->j.op);
	s->job = NULL;
	free(s->batch);
	s->batch = NULL;
	s->batch_count = s->batch_next = 0;
	s->is_open = false;
	release_head(s);
}

/* ---- what comes ---- */

static const struct pop3_fetch *
fetch_at_hand(const struct pop3 *s)
{
	return &s->batch[s->batch_next - 1];
}

/* So many bytes are to come for RETR. */
static void
put_ok(struct pop3 *s, uint64_t total)
{
	if (fetch_at_hand(s)->lines == POP3_ALL_LINES)
		buf_printf(s->s.out, "+OK %" PRIu64 " octets\r\n", total);
	else
		pop3_ok(s, "The top of the message");
}

static void
begin_message(struct pop3 *s, const struct read_piece *piece)
{
	const struct pop3_fetch *f = &s->batch[s->batch_next++];

	if (piece->gone) {
		pop3_err(s, NULL, "That message is gone: somebody has "
		    "deleted it");
		return;
	}
	pop3_body_init(&s->body, f->lines);
	s->is_open = true;
	s->is_held = !s->is_utf8 && (piece->flavour & FLAVOUR_UTF8_HEADERS);
	if (!s->is_held)
		put_ok(s, piece->total);
}

static void
end_message(struct pop3 *s)
{
	const struct pop3_fetch *f = fetch_at_hand(s);

	pop3_body_finish(&s->body, s->s.out);
	s->is_open = false;
	if (f->lines == POP3_ALL_LINES && !f->is_seen)
		uidset_add(&s->seen, f->uid, f->uid);
}

/* Nothing has been said of it yet, so it can be refused. */
static void
refuse_held(struct pop3 *s, int err)
{
	if (err == ERR_LIMIT)
		pop3_err(s, "UTF8", "That message needs UTF8");
	else
		pop3_trouble(s, err);
	release_head(s);
	s->is_open = false;
}

static int
hold(struct pop3 *s, struct span bytes)
{
	int err = s->head.len + bytes.len > POP3_HEAD_MAX ? ERR_LIMIT :
	    budget_take(s->s.env->budget, bytes.len);

	if (err < 0)
		return err;
	s->head_charged += bytes.len;
	buf_addspan(&s->head, bytes);
	return 0;
}

/* Collects the header; once it is whole it is shown, and what is behind it. */
static void
take_held(struct pop3 *s, const struct read_piece *piece)
{
	struct buf shown = BUF_INIT;
	size_t n;
	int err;

	if ((err = hold(s, piece->bytes)) < 0) {
		refuse_held(s, err);
		return;
	}
	n = header_block_len(buf_span(&s->head));
	if (n == s->head.len && !piece->last)
		return;
	(void)downgrade_header(&shown, span_head(buf_span(&s->head), n));
	put_ok(s, piece->total - n + shown.len);
	pop3_body_add(&s->body, s->s.out, buf_span(&shown));
	pop3_body_add(&s->body, s->s.out, span_from(buf_span(&s->head), n));
	buf_release(&shown);
	release_head(s);
}

/* False: the message has broken off, and no words can tell that. */
static bool
take_piece(struct pop3 *s, const struct read_piece *piece)
{
	if (piece->item == s->batch_next)
		begin_message(s, piece);
	else if (piece->gone && s->is_open)
		return false;
	if (!s->is_open)
		return true;
	if (s->is_held)
		take_held(s, piece);
	else
		pop3_body_add(&s->body, s->s.out, piece->bytes);
	if (!s->is_open || s->is_held)
		return true;
	if (piece->last || s->body.is_full)
		end_message(s);
	return true;
}

static enum pop3_step
fetch_failed(struct pop3 *s, int err)
{
	bool is_broken = s->is_open && !s->is_held;

	for (size_t i = s->batch_next - s->is_held; !is_broken && i < s->batch_count; i++)
		pop3_trouble(s, err);
	pop3_drop_batch(s);
	return is_broken ? STEP_CLOSE : STEP_DONE;
}

enum pop3_step
pop3_more_retr(struct pop3 *s)
{
	struct rjob_messages *job = s->job;

	s->job = NULL;
	op_adopt(&job->j.op, &s->s);
	store_read(s->s.env->store, &job->j);
	return STEP_WAIT;
}

enum pop3_step
pop3_done_retr(struct pop3 *s, struct op *op)
{
	struct rjob_messages *job = CONTAINER_OF(op, struct rjob_messages,
	    j.op);
	int err = op->err;

	s->job = job;
	for (size_t i = 0; err == 0 && i < job->piece_count; i++)
		if (!take_piece(s, &job->pieces[i]))
			err = ERR_NOMSG;
	if (err < 0)
		return fetch_failed(s, err);
	/* TOP may have enough before the job has. */
	if (!job->j.more || (s->batch_next == s->batch_count && !s->is_open)) {
		pop3_drop_batch(s);
		return STEP_DONE;
	}
	if (s->stop)
		return STEP_CLOSE;
	if (s->s.out->len > SESSION_OUT_HIGH)
		return STEP_DRAIN;
	return pop3_more_retr(s);
}
