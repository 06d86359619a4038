/*
 * The message itself: read slice by slice, sent as DATA or in chunks.
 *
 * DATA goes on while there is room for it; an answer before its end is the
 * answer to it all, and the connection is given up, since there is no other
 * way out of DATA. With BDAT each slice is a chunk and is answered before the
 * next is sent. Both end with CR LF (RFC 5321 section 4.1.1.4).
 */
#include "smtp/out_priv.h"

#include "server/base/env.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"

void
out_drop_job(struct smtp_out *s)
{
	if (s->job)
		op_free(&s->job->j.op);
	s->job = NULL;
	/* One that is out comes home to nobody. */
	if (s->is_waiting)
		session_disown_ops(&s->s);
	s->is_waiting = false;
}

static void
read_slice(struct smtp_out *s)
{
	struct rjob_messages *job = s->job;

	s->job = NULL;
	s->is_waiting = true;
	job->j.op.tag = OUT_TAG_BODY;
	store_read(s->s.env->store, &job->j);
}

void
out_begin_body(struct smtp_out *s)
{
	s->job = rjob_messages_new(s->s.env, &s->s, 1);
	s->job->items[0] = (struct read_item){
		.body = s->mail->body, .len = READ_ALL
	};
	s->phase = OUT_BODY;
	s->at_line_start = true;
	s->last[0] = s->last[1] = '\0';
	s->put_bytes = s->window_bytes = 0;
	if (s->convert)
		out_convert_begin(s->convert);
	out_wait(s, OUT_RATE_MS);
	read_slice(s);
}

/* ---- bytes ---- */

static void
note_last(struct smtp_out *s, struct span text)
{
	if (text.len == 1)
		s->last[0] = s->last[1];
	else if (text.len > 1)
		s->last[0] = text.p[text.len - 2];
	if (text.len)
		s->last[1] = text.p[text.len - 1];
}

/* What is missing of the CR LF that has to be last. */
static struct span
missing_end(const struct smtp_out *s)
{
	if (s->last[1] == '\n' && s->last[0] == '\r')
		return SPAN("");
	return s->last[1] == '\r' ? SPAN("\n") : SPAN("\r\n");
}

/* RFC 5321 section 4.5.2: a dot before each line that begins with one. */
static void
put_stuffed(struct smtp_out *s, struct span text)
{
	struct buf *out = s->s.out;

	while (text.len) {
		const char *lf = span_chr(text, '\n');
		size_t n = lf ? (size_t)(lf - text.p) + 1 : text.len;

		if (s->at_line_start && *text.p == '.')
			buf_addc(out, '.');
		buf_add(out, text.p, n);
		s->at_line_start = lf != NULL;
		text = span_from(text, n);
	}
}

/* A slice as one chunk, perhaps the last. */
static void
put_chunk(struct smtp_out *s, struct span text, bool is_last)
{
	struct span end = SPAN("");

	note_last(s, text);
	if (is_last && !out_is_binary(s))
		end = missing_end(s);
	buf_printf(s->s.out, "BDAT %zu%s\r\n", text.len + end.len,
	    is_last ? " LAST" : "");
	buf_addspan(s->s.out, text);
	buf_addspan(s->s.out, end);
	s->phase = is_last ? OUT_END : OUT_CHUNK;
	out_wait(s, is_last ? OUT_END_MS : OUT_BLOCK_MS);
}

static void
put_data(struct smtp_out *s, struct span text, bool is_last)
{
	size_t before = s->s.out->len;

	note_last(s, text);
	put_stuffed(s, text);
	if (is_last) {
		buf_addspan(s->s.out, missing_end(s));
		buf_adds(s->s.out, ".\r\n");
		s->phase = OUT_END;
		out_wait(s, OUT_END_MS);
	}
	s->put_bytes += s->s.out->len - before;
}

/* The message cannot be read: what has been sent of it must not stand. */
static void
fail_reading(struct smtp_out *s)
{
	struct out_result r;

	out_result_own(s, &r, OUT_TEMPORARY, OUT_SCOPE_MESSAGE, "4.3.0",
	    "The message could not be read from this server's store");
	out_give_up(s, &r);
}

/* The bytes of a slice, as they are sent. */
static int
take_slice(struct smtp_out *s, const struct rjob_messages *job,
    struct buf *text)
{
	int err = 0;

	for (size_t i = 0; i < job->piece_count && err == 0; i++) {
		const struct read_piece *piece = &job->pieces[i];

		if (piece->gone)
			err = ERR_NOMSG;
		else if (s->convert)
			err = out_convert_add(s->convert, text, piece);
		else
			buf_addspan(text, piece->bytes);
	}
	if (err == 0 && s->convert && !job->j.more)
		out_convert_finish(s->convert, text);
	return err;
}

void
out_body_read(struct smtp_out *s, struct op *op)
{
	struct rjob_messages *job = CONTAINER_OF(op, struct rjob_messages,
	    j.op);
	struct buf text = BUF_INIT;
	bool is_last = !job->j.more;
	int err = op->err < 0 ? op->err : take_slice(s, job, &text);

	s->job = job;
	if (err < 0)
		fail_reading(s);
	else if (s->txn.uses_chunks && (text.len || is_last))
		put_chunk(s, buf_span(&text), is_last);
	else
		put_data(s, buf_span(&text), is_last);
	buf_release(&text);
	if (is_last)
		out_drop_job(s);
	else if (s->phase == OUT_BODY && s->s.out->len <= SESSION_OUT_HIGH)
		out_body_more(s);
}

void
out_body_more(struct smtp_out *s)
{
	if (!s->job)
		return;
	op_adopt(&s->job->j.op, &s->s);
	read_slice(s);
}

/* ---- answers ---- */

static void
hear_chunk(struct smtp_out *s)
{
	struct out_result r;

	if (reply_class(&s->reply) == 2) {
		s->phase = OUT_BODY;
		out_wait(s, OUT_RATE_MS);
		out_body_more(s);
		return;
	}
	out_drop_job(s);
	out_result_reply(s, &r, OUT_SCOPE_MESSAGE);
	out_report_taken(s, &r);
	out_end_txn(s);
}

/* The host answers for the message from here on, or not at all. */
static void
hear_end(struct smtp_out *s)
{
	struct out_result r;

	out_result_reply(s, &r, OUT_SCOPE_MESSAGE);
	out_report_taken(s, &r);
	/* RFC 5321 section 4.1.1.4: what comes next is a MAIL. */
	s->needs_rset = r.status != OUT_DELIVERED;
	out_end_txn(s);
}

void
out_hear_body(struct smtp_out *s)
{
	struct out_result r;

	if (reply_class(&s->reply) == 3) {
		out_give_up_confused(s, "The server's answer to the message "
		    "does not fit");
	} else if (s->phase == OUT_CHUNK) {
		hear_chunk(s);
	} else if (s->phase == OUT_END) {
		hear_end(s);
	} else {
		/* Before the end: yes cannot be meant. */
		out_result_reply(s, &r, OUT_SCOPE_MESSAGE);
		if (r.status == OUT_DELIVERED)
			r.status = OUT_TEMPORARY;
		out_give_up(s, &r);
	}
}
