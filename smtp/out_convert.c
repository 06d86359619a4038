/*
 * Messages that the host does not take as they are.
 *
 * Which those are is known after EHLO. Such a message is read twice: once to
 * see what it becomes (its size, whether it can be done at all, the hash of
 * its new body), once to be sent. Our own signature, which was made at
 * submission and stands in the lines that we put on top, covers the old body:
 * it is taken out and made anew. A signature of somebody else's would break,
 * and so the message is not converted but refused (RFC 6376 section 5.3 asks
 * those who sign to expect this).
 *
 * This is rare, hence no copy of the converted message is kept for retries.
 */
#include "smtp/out_priv.h"

#include <stdlib.h>

#include "server/base/env.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "smtp/convert.h"
#include "smtp/sign.h"
#include "store/mime/digest.h"
#include "store/mime/header.h"

/* A message on its way through the converter. */
struct out_convert {
	struct env *env;
	struct convert *convert;
	bool in_head;		/* the header is still collected */
	struct buf head;
	size_t charged;		/* to the budget */
	size_t prefix_len;	/* bytes of head that are ours */
	bool is_ours, is_theirs;	/* signatures in it */
	char *domain;		/* d= of ours; malloc */
	/* The first pass. */
	uint64_t size;
	struct buf new_head;	/* as it will be sent */
	bool has_new_head;
	struct dkim_signer *signer;
	/* For the second: new signatures. */
	struct buf field;
};

/* ---- what needs it ---- */

bool
out_must_convert(const struct smtp_out *s)
{
	const struct queue_mail *m = s->mail;
	const unsigned never = FLAVOUR_NUL | FLAVOUR_LONG_LINES |
	    FLAVOUR_BARE_CR_LF;

	if (out_is_binary(s))
		return false;
	return (m->flavour & never) || ((m->flavour & FLAVOUR_8BIT) &&
	    !(s->offer.features & HAS_8BITMIME));
}

/* RFC 3030 section 3: as it is, where the host takes that. */
bool
out_is_binary(const struct smtp_out *s)
{
	const unsigned needs = HAS_CHUNKING | HAS_BINARYMIME;

	return (s->mail->flags & QUEUE_BINARYMIME) &&
	    (s->offer.features & needs) == needs;
}

/* ---- a pass ---- */

static void
drop_head(struct out_convert *v)
{
	if (v->charged)
		budget_give(v->env->budget, v->charged);
	v->charged = 0;
	buf_release(&v->head);
}

void
out_convert_begin(struct out_convert *v)
{
	convert_free(v->convert);
	v->convert = convert_new();
	v->in_head = true;
	drop_head(v);
	v->size = 0;
}

void
out_convert_free(struct out_convert *v)
{
	if (!v)
		return;
	convert_free(v->convert);
	dkim_signer_free(v->signer);
	drop_head(v);
	buf_release(&v->new_head);
	buf_release(&v->field);
	free(v->domain);
	free(v);
}

/* The value of d= in a signature of ours, whose form we know. */
static char *
signing_domain(struct span value)
{
	const char *d = memmem(value.p, value.len, "d=", 2);
	struct span rest;
	size_t n = 0;

	if (!d)
		return NULL;
	rest = span_from(value, (size_t)(d - value.p) + 2);
	while (n < rest.len && !strchr("; \t\r\n", rest.p[n]))
		n++;
	return strndup(rest.p, n);
}

/*
 * The header is whole. Appends it to out without our signatures; the fields
 * before prefix_len are those that we have put there.
 */
static void
strip_head(struct out_convert *v, struct buf *out)
{
	struct span head = buf_span(&v->head);
	struct field_iter it;
	struct header_field f;

	field_iter_init(&it, head);
	while (field_iter_next(&it, &f)) {
		bool is_signature = span_iis(f.name, "DKIM-Signature");
		bool is_own = (size_t)(f.whole.p - head.p) < v->prefix_len;

		if (!is_signature || !is_own)
			buf_addspan(out, f.whole);
		v->is_theirs |= is_signature && !is_own;
		if (!is_signature || !is_own)
			continue;
		v->is_ours = true;
		if (!v->domain)
			v->domain = signing_domain(f.value);
	}
	buf_addspan(out, span_from(head, (size_t)(it.c.p - head.p)));
}

/* Whether the blank line is there; what may come before it is bounded. */
static bool
is_head_whole(const struct out_convert *v, size_t seen)
{
	size_t from = seen > 4 ? seen - 4 : 0;
	struct span s = span_from(buf_span(&v->head), from);

	return v->head.len > MIME_HEADER_MAX ||
	    memmem(s.p, s.len, "\n\r\n", 3) || memmem(s.p, s.len, "\n\n", 2);
}

static int
add_head(struct out_convert *v, struct buf *out, struct span bytes)
{
	size_t seen = v->head.len;
	struct buf stripped = BUF_INIT;
	int err;

	if ((err = budget_take(v->env->budget, bytes.len)) < 0)
		return err;
	v->charged += bytes.len;
	buf_addspan(&v->head, bytes);
	if (!is_head_whole(v, seen))
		return 0;
	v->in_head = false;
	strip_head(v, &stripped);
	buf_addspan(out, buf_span(&v->field));
	convert_add(v->convert, out, stripped.p, stripped.len);
	buf_release(&stripped);
	drop_head(v);
	return 0;
}

int
out_convert_add(struct out_convert *v, struct buf *out,
    const struct read_piece *piece)
{
	if (piece->off == 0)
		v->prefix_len = piece->prefix_len;
	if (v->in_head)
		return add_head(v, out, piece->bytes);
	convert_add(v->convert, out, piece->bytes.p, piece->bytes.len);
	return 0;
}

/* A message that is all header ends here. */
void
out_convert_finish(struct out_convert *v, struct buf *out)
{
	struct buf stripped = BUF_INIT;

	if (v->in_head) {
		strip_head(v, &stripped);
		buf_addspan(out, buf_span(&v->field));
		convert_add(v->convert, out, stripped.p, stripped.len);
		buf_release(&stripped);
		drop_head(v);
	}
	v->in_head = false;
	convert_finish(v->convert, out);
}

/* ---- the first pass ---- */

static void
fail(struct smtp_out *s, enum out_status status, const char *enhanced,
    const char *text)
{
	struct out_result r;

	out_result_own(s, &r, status, OUT_SCOPE_MESSAGE, enhanced, text);
	out_report_rest(s, &r);
	out_end_message(s);
}

static void
read_slice(struct smtp_out *s, struct rjob_messages *job)
{
	job->j.op.tag = OUT_TAG_SCAN;
	s->is_waiting = true;
	store_read(s->s.env->store, &job->j);
}

void
out_begin_scan(struct smtp_out *s)
{
	struct rjob_messages *job = rjob_messages_new(s->s.env, &s->s, 1);
	struct out_convert *v = xcalloc(1, sizeof *v);

	v->env = s->s.env;
	buf_init(&v->head);
	buf_init(&v->new_head);
	buf_init(&v->field);
	v->signer = dkim_signer_new();
	out_convert_begin(v);
	s->convert = v;
	job->items[0] = (struct read_item){
		.body = s->mail->body, .len = READ_ALL
	};
	s->phase = OUT_SCAN;
	s->s.deadline_ms = 0;	/* we keep them waiting, not they us */
	read_slice(s, job);
}

/* What the message has become: its header for signing, its body hashed. */
static void
note_output(struct out_convert *v, struct span out)
{
	v->size += out.len;
	if (!v->has_new_head && out.len) {
		size_t n = header_block_len(out);

		v->has_new_head = true;
		buf_add(&v->new_head, out.p, n);
		out = span_from(out, n);
	}
	if (v->has_new_head)
		dkim_signer_body(v->signer, out.p, out.len);
}

static void
ready(struct smtp_out *s)
{
	s->converted_size = s->convert->size + s->convert->field.len;
	out_begin_txn(s);
}

static void
ask_for_keys(struct smtp_out *s)
{
	struct rjob_dkim_keys *job = rjob_dkim_keys_new(s->s.env, &s->s);

	job->domain = xstrdup(s->convert->domain ? s->convert->domain : "");
	job->j.op.tag = OUT_TAG_KEYS;
	s->is_waiting = true;
	store_read(s->s.env->store, &job->j);
}

static void
end_scan(struct smtp_out *s)
{
	struct out_convert *v = s->convert;

	if (v->is_theirs || convert_breaks(v->convert)) {
		fail(s, OUT_FAILED, "5.6.3", "The message would have to be "
		    "converted for this server, and that would break a "
		    "signature or a part that must stay as it is");
	} else if (v->is_ours) {
		ask_for_keys(s);
	} else {
		ready(s);
	}
}

static int
scan_pieces(struct out_convert *v, const struct rjob_messages *job)
{
	struct buf out = BUF_INIT;
	int err = 0;

	for (size_t i = 0; i < job->piece_count && err == 0; i++)
		err = job->pieces[i].gone ? ERR_NOMSG :
		    out_convert_add(v, &out, &job->pieces[i]);
	if (err == 0 && !job->j.more)
		out_convert_finish(v, &out);
	note_output(v, buf_span(&out));
	buf_release(&out);
	return err;
}

static void
scanned(struct smtp_out *s, struct op *op)
{
	struct rjob_messages *job = CONTAINER_OF(op, struct rjob_messages,
	    j.op);
	int err = op->err < 0 ? op->err : scan_pieces(s->convert, job);
	bool is_last = !job->j.more;

	if (err == 0 && !is_last) {
		op_adopt(op, &s->s);
		read_slice(s, job);
		return;
	}
	op_free(op);
	if (err == 0)
		end_scan(s);
	else
		fail(s, OUT_TEMPORARY, err == ERR_BUDGET ? "4.3.1" : "4.3.0",
		    "The message could not be converted: this server is "
		    "short of memory, or could not read it");
}

/* ---- signing anew ---- */

/* Without a key of the domain's any more the message goes unsigned. */
static void
got_keys(struct smtp_out *s, struct op *op)
{
	struct rjob_dkim_keys *job = CONTAINER_OF(op, struct rjob_dkim_keys,
	    j.op);
	struct out_convert *v = s->convert;
	int err = op->err < 0 ? op->err : sign_submit(&s->s, &v->signer,
	    buf_span(&v->new_head), job, OUT_TAG_SIGN, &s->is_waiting);

	op_free(op);
	if (err < 0)
		fail(s, OUT_TEMPORARY, "4.3.2", "The message could not be "
		    "signed: this server is busy");
	else if (!s->is_waiting)
		ready(s);
}

static void
signed_anew(struct smtp_out *s, struct op *op)
{
	struct dkim_sign_job *sign = CONTAINER_OF(op, struct dkim_sign_job,
	    j.op);
	bool is_signed = op->err == 0;

	if (is_signed)
		buf_swap(&s->convert->field, &sign->field);
	op_free(op);
	if (!is_signed) {
		fail(s, OUT_TEMPORARY, "4.3.0",
		    "The message could not be signed");
		return;
	}
	ready(s);
}

void
out_convert_done(struct smtp_out *s, struct op *op)
{
	switch (op->tag) {
	case OUT_TAG_SCAN:
		scanned(s, op);
		break;
	case OUT_TAG_KEYS:
		got_keys(s, op);
		break;
	default:
		signed_anew(s, op);
		break;
	}
}
