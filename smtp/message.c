#include "smtp/message.h"

#include "server/base/budget.h"
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/mime/header.h"

#define CHARGE_STEP (16u * 1024)	/* bytes charged for the header at once */
#define FEED_STEP (64u * 1024)		/* bytes given to the spool at once */
/* What submission adds to a message does not count against its size. */
#define FIX_ROOM (64u * 1024)

void
message_init(struct message *m, struct session *s, uint64_t size_limit,
    const struct submit_facts *submit, bool is_stuffed)
{
	*m = (struct message){
		.session = s, .size_limit = size_limit, .submit = submit,
		.in_head = true
	};
	buf_init(&m->head);
	buf_init(&m->signed_head);
	dots_init(&m->dots, is_stuffed, submit != NULL);
	m->spool = spool_new(s->env, size_limit + FIX_ROOM);
}

static void
drop_head(struct message *m)
{
	if (m->head_charged)
		budget_give(m->session->env->budget, m->head_charged);
	m->head_charged = 0;
	m->head_seen = m->head_sent = 0;
	buf_release(&m->head);
}

void
message_release(struct message *m)
{
	if (!m->session)
		return;
	if (m->spool && spool_has_stages_out(m->spool))
		session_disown_ops(m->session);
	spool_free(m->spool);
	drop_head(m);
	dkim_signer_free(m->signer);
	buf_release(&m->signed_head);
	if (m->signed_charged)
		budget_give(m->session->env->budget, m->signed_charged);
	arena_release(&m->arena);
	*m = (struct message){ .fault = R_NONE };
}

void
message_fail(struct message *m, enum smtp_reply_id fault)
{
	if (m->fault != R_NONE)
		return;
	m->fault = fault;
	m->in_head = false;
	drop_head(m);
}

/* Charges for a header of size bytes, in steps. */
static int
charge_head(struct message *m, size_t size)
{
	size_t need;
	int err;

	if (size <= m->head_charged)
		return 0;
	need = size - m->head_charged;
	need += CHARGE_STEP - need % CHARGE_STEP;
	if ((err = budget_take(m->session->env->budget, need)) < 0)
		return err;
	m->head_charged += need;
	return 0;
}

static void
feed_spool(struct message *m, const char *p, size_t len)
{
	int err = spool_add(m->spool, p, len);

	if (err < 0) {
		message_fail(m, err == ERR_LIMIT ? R_TOO_BIG :
		    smtp_reply_for_err(err));
		return;
	}
	while (spool_submit_stage(m->spool, m->session))
		;
}

/* Gives the spool as much of the finished header as it will take. */
static void
feed_head(struct message *m)
{
	while (m->fault == R_NONE && m->head_sent < m->head.len &&
	    !spool_is_full(m->spool)) {
		size_t n = MIN(FEED_STEP, m->head.len - m->head_sent);
		const char *p = m->head.p + m->head_sent;

		m->head_sent += n;
		feed_spool(m, p, n);
	}
	if (m->head_sent == m->head.len)
		drop_head(m);
}

/* Notes a field that policy.h asks for. */
static void
note_field(struct message *m, const struct header_field *f)
{
	struct buf value = BUF_INIT;

	if (span_iis(f->name, "Received"))
		m->received_count++;
	if (span_iis(f->name, "TLS-Required") &&
	    span_iis(span_trim(f->value), "No"))
		m->is_tls_optional = true;
	if (!span_iis(f->name, "Delivered-To") ||
	    m->delivered_to_count == SMTP_DELIVERED_TO_MAX)
		return;
	if (!m->delivered_to)
		m->delivered_to = arena_array(&m->arena,
		    SMTP_DELIVERED_TO_MAX, sizeof *m->delivered_to);
	header_unfold(&value, f->value);
	m->delivered_to[m->delivered_to_count++] =
	    arena_span(&m->arena, buf_span(&value));
	buf_release(&value);
}

void
message_sign(struct message *m)
{
	m->signer = dkim_signer_new();
}

/* The header as it leaves; what is behind it belongs to the body. */
static void
keep_for_signature(struct message *m, struct span head)
{
	size_t len = header_block_len(head);
	int err;

	if (!m->signer)
		return;
	if ((err = budget_take(m->session->env->budget, len)) < 0) {
		message_fail(m, smtp_reply_for_err(err));
		return;
	}
	m->signed_charged = len;
	buf_add(&m->signed_head, head.p, len);
	head = span_from(head, len);
	dkim_signer_body(m->signer, head.p, head.len);
}

/*
 * The header is whole: the first len bytes of what is held. Behind them may be
 * the beginning of the body.
 */
static void
end_head(struct message *m, size_t len)
{
	struct span head = span_head(buf_span(&m->head), len);
	struct buf fixed = BUF_INIT;
	struct field_iter it;
	struct header_field f;

	m->in_head = false;
	field_iter_init(&it, head);
	while (field_iter_next(&it, &f))
		note_field(m, &f);
	if (!m->submit)
		return;
	submit_fix_header(m->submit, head, &m->arena, &fixed, &m->senders);
	buf_addspan(&fixed, span_from(buf_span(&m->head), len));
	buf_swap(&m->head, &fixed);
	buf_release(&fixed);
	keep_for_signature(m, buf_span(&m->head));
}

/* The header goes on past what is held: read in part, stored whole. */
static void
overflow_head(struct message *m)
{
	if (m->submit)
		/* Bcc may be beyond: it must not reach the recipients. */
		message_fail(m, R_HEADER_BIG);
	else
		end_head(m, SMTP_HEADER_MAX);
}

/* Bytes of the header with its blank line; 0 while that has not come. */
static size_t
find_blank_line(struct message *m)
{
	/* A blank line may have begun in the three bytes before. */
	size_t from = m->head_seen > 3 ? m->head_seen - 3 : 0;
	struct span rest = span_from(buf_span(&m->head), from);
	const char *at;

	if (span_starts(buf_span(&m->head), "\r\n"))
		return 2;
	at = rest.len ? memmem(rest.p, rest.len, "\r\n\r\n", 4) : NULL;
	m->head_seen = m->head.len;
	return at ? (size_t)(at - m->head.p) + 4 : 0;
}

static void
add_to_head(struct message *m, struct span text)
{
	size_t len;
	int err;

	if ((err = charge_head(m, m->head.len + text.len)) < 0) {
		message_fail(m, smtp_reply_for_err(err));
		return;
	}
	buf_addspan(&m->head, text);
	len = find_blank_line(m);
	/* The same for a long header, wherever the input was split. */
	if (len > SMTP_HEADER_MAX ||
	    (len == 0 && m->head.len > SMTP_HEADER_MAX))
		overflow_head(m);
	else if (len > 0)
		end_head(m, len);
	else
		return;
	feed_head(m);
}

void
message_add(struct message *m, struct span text)
{
	m->size += text.len;
	if (m->fault != R_NONE || text.len == 0)
		return;
	if (m->signer && !m->in_head)
		dkim_signer_body(m->signer, text.p, text.len);
	if (m->size > m->size_limit)
		message_fail(m, R_TOO_BIG);
	else if (m->in_head)
		add_to_head(m, text);
	else if (m->head_sent < m->head.len)
		buf_addspan(&m->head, text);	/* blocked: behind the header */
	else
		feed_spool(m, text.p, text.len);
}

bool
message_is_blocked(const struct message *m)
{
	if (m->fault != R_NONE)
		return false;
	return m->head_sent < m->head.len ? !m->in_head :
	    spool_is_full(m->spool);
}

void
message_staged(struct message *m, struct op *op)
{
	int err = spool_staged(m->spool, op);

	if (err < 0) {
		message_fail(m, smtp_reply_for_err(err));
		return;
	}
	/* A chunk may have waited for this one: no more bytes need to come. */
	while (spool_submit_stage(m->spool, m->session))
		;
	if (!m->in_head)
		feed_head(m);
}

bool
message_finish(struct message *m)
{
	int err;

	if (m->fault == R_NONE && m->in_head) {
		end_head(m, m->head.len);
		feed_head(m);
	}
	if (message_is_blocked(m))
		return false;
	if (m->fault == R_NONE && !m->is_finished) {
		m->is_finished = true;
		if ((err = spool_finish(m->spool)) < 0)
			message_fail(m, smtp_reply_for_err(err));
		while (m->fault == R_NONE &&
		    spool_submit_stage(m->spool, m->session))
			;
	}
	return m->fault != R_NONE || !spool_has_stages_out(m->spool);
}
