/*
 * Transfer encodings undone as a stream (RFC 2045 section 6).
 */
#include "store/mime/encoded.h"

#include "server/base/codec.h"
#include "server/base/xalloc.h"
#include "store/mime/scan_priv.h"

#define STEP_MAX ((size_t)128)	/* a line of quoted-printable is shorter */
#define HELD_MAX 40	/* white space that may turn out to end a line */

enum qp_mode { QP_TEXT, QP_EQUALS, QP_DIGIT, QP_PADDING };

/*
 * Quoted-printable between two pieces of input. RFC 2045 section 6.7 rule 3:
 * white space at the end of a line is not there; so the last of it is held
 * back until it is known what follows.
 */
struct qp {
	unsigned char mode;
	unsigned char held_len;
	char digit;		/* QP_DIGIT: the first of two */
	char held[HELD_MAX];	/* spaces, tabs, CRs */
};

union state {
	struct qp qp;
	struct base64_stream base64;
};
_Static_assert(sizeof(union state) <= sizeof((struct decoder *)0)->state,
    "a decoder has room for its state");

void
decoder_init(struct decoder *d, enum part_encoding encoding)
{
	*d = (struct decoder){ .encoding = encoding };
}

static bool
is_held(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void
qp_release(struct qp *q, struct buf *out)
{
	buf_add(out, q->held, q->held_len);
	q->held_len = 0;
}

/* Holds s back; of all that is held only the last HELD_MAX bytes stay. */
static void
qp_hold(struct qp *q, struct buf *out, struct span s)
{
	size_t over = q->held_len + s.len;
	size_t old;

	over = over > HELD_MAX ? over - HELD_MAX : 0;
	old = MIN(over, q->held_len);
	buf_add(out, q->held, old);
	q->held_len = (unsigned char)(q->held_len - old);
	memmove(q->held, q->held + old, q->held_len);
	buf_add(out, s.p, over - old);
	s = span_from(s, over - old);
	if (s.len)
		memcpy(q->held + q->held_len, s.p, s.len);
	q->held_len = (unsigned char)(q->held_len + s.len);
}

/* Text up to the next "=", line end or the end of what is there. */
static void
qp_text(struct qp *q, struct buf *out, struct span *in)
{
	const char *p = in->p, *end = p + MIN(in->len, STEP_MAX), *text_end;
	const char *lf = memchr(p, '\n', (size_t)(end - p));
	const char *stop = lf ? lf : end;

	p = memchr(p, '=', (size_t)(stop - p));
	p = p ? p : stop;
	for (text_end = p; text_end > in->p && is_held(text_end[-1]);)
		text_end--;
	if (text_end > in->p) {
		qp_release(q, out);
		buf_add(out, in->p, (size_t)(text_end - in->p));
	}
	qp_hold(q, out, span_make(text_end, (size_t)(p - text_end)));
	if (p < end && *p == '\n') {
		if (q->held_len && q->held[q->held_len - 1] == '\r')
			buf_addc(out, '\r');
		buf_addc(out, '\n');
		q->held_len = 0;
		p++;
	} else if (p < end) {
		qp_release(q, out);
		q->mode = QP_EQUALS;
		p++;
	}
	*in = span_from(*in, (size_t)(p - in->p));
}

/*
 * The byte after an "=" that was no soft line break and no digit: what was
 * read is text after all, and the byte is looked at again.
 */
static void
qp_give_up(struct qp *q, struct buf *out)
{
	buf_addc(out, '=');
	if (q->mode == QP_DIGIT)
		buf_addc(out, q->digit);
	q->mode = QP_TEXT;
	/* What is held may still end a line. */
}

/* One byte behind an "=". */
static void
qp_escape(struct qp *q, struct buf *out, struct span *in)
{
	char c = *in->p;

	if (q->mode == QP_DIGIT && scan_hex_digit(c) >= 0) {
		buf_addc(out, (char)(scan_hex_digit(q->digit) << 4 |
		    scan_hex_digit(c)));
		q->mode = QP_TEXT;
	} else if (q->mode == QP_EQUALS && scan_hex_digit(c) >= 0) {
		q->digit = c;
		q->mode = QP_DIGIT;
	} else if (q->mode != QP_DIGIT && c == '\n') {
		q->held_len = 0;	/* a soft line break */
		q->mode = QP_TEXT;
	} else if (q->mode != QP_DIGIT && is_held(c) &&
	    q->held_len < HELD_MAX) {
		q->held[q->held_len++] = c;
		q->mode = QP_PADDING;
	} else {
		qp_give_up(q, out);
		return;
	}
	*in = span_from(*in, 1);
}

static void
qp_add(struct qp *q, struct buf *out, struct span in)
{
	while (in.len) {
		if (q->mode == QP_TEXT)
			qp_text(q, out, &in);
		else
			qp_escape(q, out, &in);
	}
}

void
decoder_add(struct decoder *d, struct buf *out, const char *p, size_t len)
{
	union state s;

	if (len == 0)
		return;
	memcpy(&s, d->state, sizeof s);
	switch (d->encoding) {
	case ENC_QP:
		buf_reserve(out, len);
		qp_add(&s.qp, out, span_make(p, len));
		break;
	case ENC_BASE64:
		base64_stream_add(&s.base64, out, span_make(p, len));
		break;
	case ENC_7BIT:
	case ENC_8BIT:
	case ENC_BINARY:
	case ENC_OTHER:
		buf_add(out, p, len);
		break;
	}
	memcpy(d->state, &s, sizeof s);
}

void
decoder_finish(struct decoder *d, struct buf *out)
{
	union state s;

	memcpy(&s, d->state, sizeof s);
	/* "=" at the very end is a soft line break whose line end is gone. */
	if (d->encoding == ENC_QP && s.qp.mode == QP_DIGIT)
		qp_give_up(&s.qp, out);
	decoder_init(d, d->encoding);
}
