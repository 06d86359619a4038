/*
 * The converter goes through the message line by line, as store/mime/mime.c
 * does, and knows of each entity only what it does to its body (enum work).
 * A line end is held back until the next line is known to be no delimiter,
 * because the one before a delimiter belongs to that (RFC 2046 section
 * 5.1.1); and so is a line that may turn out to be one.
 */
#include "smtp/convert.h"

#include <stdlib.h>

#include "server/base/arena.h"
#include "server/base/codec.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "store/mime/digest.h"
#include "store/mime/header.h"
#include "store/mime/mime.h"

#define LINE_OCTETS_MAX 998	/* RFC 5322 section 2.1.1 */
#define FOLD_AT 900		/* long lines are cut here or before */
#define QP_LINE_MAX 75		/* RFC 2045 section 6.7, without the "=" */
#define BASE64_LINE_MAX 76	/* section 6.8 */
#define DELIMITER_MAX 256	/* a line that is longer is none */

/* What happens to the bytes at hand. */
enum work {
	WORK_HEADER,		/* collected */
	WORK_KEEP,		/* stay; what cannot breaks the message */
	WORK_LOOSE,		/* around the parts of a multipart */
	WORK_TO_QP,
	WORK_TO_BASE64,
	WORK_IS_QP,		/* encoded by others: only made safe */
	WORK_IS_BASE64
};

enum eol { EOL_NONE, EOL_LF, EOL_CRLF };

struct frame {
	char *boundary;
	size_t len;
	bool is_digest;		/* parts are messages by default */
	bool in_message;	/* it is in a message that is inside */
};

struct convert {
	struct buf *out;	/* the caller's, during a call */
	enum work work;
	bool breaks;
	bool is_message_head;	/* the header at hand is a message's */
	bool is_digest;		/* ... is of a part of a multipart/digest */
	bool in_message;
	struct frame frames[MIME_DEPTH_MAX];
	size_t frame_count;
	struct buf head;	/* the header so far */
	size_t head_line;	/* where its last line begins */
	struct buf held;	/* a line that may be a delimiter */
	bool is_holding;
	bool has_cr;		/* a CR has come, LF may follow */
	enum eol eol;		/* held back */
	/* The encoder's. */
	size_t col;
	char space;		/* QP: held back; '\0': none */
	unsigned escape_left;	/* IS_QP: bytes of "=XX" still to come */
	unsigned char bytes[3];	/* base64 */
	size_t byte_count;
};

struct convert *
convert_new(void)
{
	struct convert *c = xcalloc(1, sizeof *c);

	buf_init(&c->head);
	buf_init(&c->held);
	c->is_message_head = true;
	return c;
}

static void
pop_frames(struct convert *c, size_t count)
{
	while (c->frame_count > count)
		free(c->frames[--c->frame_count].boundary);
}

void
convert_free(struct convert *c)
{
	if (!c)
		return;
	pop_frames(c, 0);
	buf_release(&c->head);
	buf_release(&c->held);
	free(c);
}

bool
convert_breaks(const struct convert *c)
{
	return c->breaks;
}

/* ---- encoders ---- */

static void
put_break(struct convert *c, const char *text)
{
	buf_adds(c->out, text);
	c->col = 0;
}

/*
 * A dash that begins a line might make a delimiter of it, now that lines are
 * cut elsewhere.
 */
static bool
is_risky(const struct convert *c, unsigned char ch)
{
	return ch == '-' && c->col == 0 && c->frame_count > 0;
}

static void
put_qp(struct convert *c, unsigned char ch, bool is_escaped)
{
	if (c->col + (is_escaped ? 3 : 1) > QP_LINE_MAX)
		put_break(c, "=\r\n");
	is_escaped |= is_risky(c, ch);
	if (is_escaped)
		buf_printf(c->out, "=%02X", ch);
	else
		buf_addc(c->out, (char)ch);
	c->col += is_escaped ? 3 : 1;
}

/* A space is only a space where more of the line follows. */
static void
to_qp(struct convert *c, unsigned char ch)
{
	if (c->space)
		put_qp(c, (unsigned char)c->space, false);
	c->space = '\0';
	if (ch == ' ' || ch == '\t')
		c->space = (char)ch;
	else
		put_qp(c, ch, ch < 33 || ch > 126 || ch == '=');
}

static void
end_qp_line(struct convert *c)
{
	if (c->space)
		put_qp(c, (unsigned char)c->space, true);
	c->space = '\0';
}

static void
flush_base64(struct convert *c)
{
	if (c->byte_count == 0)
		return;
	if (c->col >= BASE64_LINE_MAX)
		put_break(c, "\r\n");
	base64_encode(c->out, c->bytes, c->byte_count);
	c->col += 4;
	c->byte_count = 0;
}

static void
to_base64(struct convert *c, unsigned char ch)
{
	c->bytes[c->byte_count++] = ch;
	if (c->byte_count == sizeof c->bytes)
		flush_base64(c);
}

/* Encoded by others: long lines and stray bytes alone are put right. */
static void
keep_qp(struct convert *c, unsigned char ch)
{
	if (c->escape_left)
		c->escape_left--;
	else if (c->col >= FOLD_AT)
		put_break(c, "=\r\n");
	if (ch == '=')
		c->escape_left = 2;
	if ((ch < ' ' && ch != '\t') || ch > '~' || is_risky(c, ch)) {
		buf_printf(c->out, "=%02X", ch);
		c->col += 3;
	} else {
		buf_addc(c->out, (char)ch);
		c->col++;
	}
}

static void
keep_base64(struct convert *c, unsigned char ch)
{
	/* RFC 2045 section 6.8: others mean nothing. What stays of a line
	 * cannot look like a delimiter. */
	if (!(ch >= 'a' && ch <= 'z') && !(ch >= 'A' && ch <= 'Z') &&
	    !(ch >= '0' && ch <= '9') && ch != '+' && ch != '/' && ch != '=')
		return;
	if (c->col >= FOLD_AT)
		put_break(c, "\r\n");
	buf_addc(c->out, (char)ch);
	c->col++;
}

/* Nobody is shown this. */
static void
keep_loose(struct convert *c, unsigned char ch)
{
	if (c->col >= FOLD_AT)
		put_break(c, "\r\n ");
	buf_addc(c->out, (ch < ' ' && ch != '\t') || ch > '~' ? '?' :
	    (char)ch);
	c->col++;
}

static void
keep(struct convert *c, unsigned char ch)
{
	c->col++;
	c->breaks |= ch > 0x7f || ch == '\0' || ch == '\r' ||
	    c->col > LINE_OCTETS_MAX;
	buf_addc(c->out, (char)ch);
}

static void
put_body(struct convert *c, unsigned char ch)
{
	switch (c->work) {
	case WORK_KEEP:
		keep(c, ch);
		break;
	case WORK_LOOSE:
		keep_loose(c, ch);
		break;
	case WORK_TO_QP:
		to_qp(c, ch);
		break;
	case WORK_TO_BASE64:
		to_base64(c, ch);
		break;
	case WORK_IS_QP:
		keep_qp(c, ch);
		break;
	case WORK_IS_BASE64:
		keep_base64(c, ch);
		break;
	case WORK_HEADER:
		break;
	}
}

/* A line end of the body. In base64 it is bytes like others. */
static void
put_eol(struct convert *c)
{
	enum eol eol = c->eol;

	c->eol = EOL_NONE;
	if (eol == EOL_NONE)
		return;
	if (c->work == WORK_TO_BASE64) {
		if (eol == EOL_CRLF)
			to_base64(c, '\r');
		to_base64(c, '\n');
		return;
	}
	end_qp_line(c);
	c->breaks |= c->work == WORK_KEEP && eol == EOL_LF;
	c->escape_left = 0;
	put_break(c, "\r\n");
}

/* A body ends; a line end that is held back is not its own. */
static void
end_body(struct convert *c)
{
	end_qp_line(c);
	flush_base64(c);
	c->escape_left = 0;
	c->col = 0;
}

/* ---- headers ---- */

/* Where to cut: behind the last space that leaves something on both sides. */
static size_t
find_fold(struct span line)
{
	for (size_t n = MIN(line.len, FOLD_AT); n > 1; n--)
		if (line.p[n] == ' ' || line.p[n] == '\t')
			return n;
	for (size_t n = FOLD_AT; n > FOLD_AT - 4; n--)
		if ((line.p[n] & 0xc0) != 0x80)
			return n;
	return FOLD_AT;
}

/*
 * A line of a header. The white space at a fold begins the next line; where
 * there is none, one is put in: nothing else would let the line pass.
 */
static void
put_header_line(struct convert *c, struct span line)
{
	while (line.len > LINE_OCTETS_MAX) {
		size_t n = find_fold(line);

		buf_add(c->out, line.p, n);
		buf_adds(c->out, "\r\n");
		line = span_from(line, n);
		if (*line.p != ' ' && *line.p != '\t')
			buf_addc(c->out, ' ');
	}
	buf_addspan(c->out, line);
	buf_adds(c->out, "\r\n");
}

static void
put_field(struct convert *c, struct span whole)
{
	c->breaks |= c->in_message && !utf8_is_ascii(whole);
	while (whole.len) {
		const char *lf = span_chr(whole, '\n');
		size_t n = lf ? (size_t)(lf - whole.p) + 1 : whole.len;
		struct span line = span_head(whole, n);

		while (line.len && strchr("\r\n", line.p[line.len - 1]))
			line.len--;
		put_header_line(c, line);
		whole = span_from(whole, n);
	}
}

/* The header at hand, with another Content-Transfer-Encoding if not NULL. */
static void
put_header(struct convert *c, const char *encoding)
{
	struct span head = buf_span(&c->head);
	struct field_iter it;
	struct header_field f;
	bool is_mime = !c->is_message_head;

	field_iter_init(&it, head);
	while (field_iter_next(&it, &f)) {
		is_mime |= span_iis(f.name, "MIME-Version");
		if (!encoding || !span_iis(f.name,
		    "Content-Transfer-Encoding"))
			put_field(c, f.whole);
	}
	if (encoding && !is_mime)
		buf_adds(c->out, "MIME-Version: 1.0\r\n");
	if (encoding)
		buf_printf(c->out, "Content-Transfer-Encoding: %s\r\n",
		    encoding);
	buf_adds(c->out, "\r\n");
}

static struct span
find_boundary(const struct part *p)
{
	for (size_t i = 0; i < p->params.n; i++)
		if (span_is(p->params.v[i].name, "boundary"))
			return p->params.v[i].value;
	return SPAN("");
}

static bool
is_identity(const struct part *p)
{
	return p->encoding == ENC_7BIT || p->encoding == ENC_8BIT ||
	    p->encoding == ENC_BINARY;
}

/* RFC 2045 section 6.4: a composite says 7bit, once all in it is. */
static void
put_composite_header(struct convert *c, const struct part *p)
{
	put_header(c, p->encoding == ENC_8BIT || p->encoding == ENC_BINARY ?
	    "7bit" : NULL);
}

static void
open_multipart(struct convert *c, const struct part *p)
{
	struct span boundary = find_boundary(p);

	c->frames[c->frame_count++] = (struct frame){
		.boundary = xmemdup(boundary.p, boundary.len),
		.len = boundary.len,
		.is_digest = span_is(p->subtype, "digest"),
		.in_message = c->in_message,
	};
	put_composite_header(c, p);
	c->work = WORK_LOOSE;
}

/* A header inside begins: a part's, or a message's. */
static void
begin_header(struct convert *c, bool is_message, bool is_digest)
{
	buf_clear(&c->head);
	c->head_line = 0;
	c->is_message_head = is_message;
	c->is_digest = is_digest;
	c->work = WORK_HEADER;
}

static void
open_leaf(struct convert *c, const struct part *p)
{
	bool is_text = span_is(p->type, "text") && p->encoding != ENC_BINARY;

	if (p->encoding == ENC_QP || p->encoding == ENC_BASE64) {
		c->work = p->encoding == ENC_QP ? WORK_IS_QP : WORK_IS_BASE64;
		put_header(c, NULL);
	} else if (!is_identity(p)) {
		c->work = WORK_KEEP;
		put_header(c, NULL);
	} else {
		c->work = is_text ? WORK_TO_QP : WORK_TO_BASE64;
		put_header(c, is_text ? "quoted-printable" : "base64");
	}
}

static bool
is_message(const struct convert *c, const struct part *p)
{
	struct header_field f;

	if (c->is_digest && !header_find(buf_span(&c->head), "Content-Type",
	    &f))
		return true;
	return span_is(p->type, "message") && (span_is(p->subtype,
	    "rfc822") || span_is(p->subtype, "global"));
}

/* The header is whole, its blank line not in it: what is its body? */
static void
end_header(struct convert *c)
{
	struct arena arena = { 0 };
	struct digest d;
	const struct part *p;
	struct span boundary;

	mime_digest(buf_span(&c->head), &arena, &d);
	p = d.root;
	boundary = find_boundary(p);
	c->col = 0;
	c->eol = EOL_NONE;
	if (span_is(p->type, "multipart") && (span_is(p->subtype, "signed") ||
	    boundary.len == 0 || boundary.len > MIME_BOUNDARY_MAX ||
	    c->frame_count == MIME_DEPTH_MAX || !is_identity(p))) {
		/* RFC 1847 section 2.1: not a byte of it may change. */
		put_header(c, NULL);
		c->work = WORK_KEEP;
	} else if (span_is(p->type, "multipart")) {
		open_multipart(c, p);
	} else if (is_message(c, p) && is_identity(p)) {
		put_composite_header(c, p);
		c->in_message = true;
		begin_header(c, true, false);
	} else {
		open_leaf(c, p);
	}
	arena_release(&arena);
}

/* ---- lines ---- */

/* The frame whose delimiter line is, or the number of frames. */
static size_t
find_frame(const struct convert *c, struct span line, bool *is_close)
{
	while (line.len && (line.p[line.len - 1] == ' ' ||
	    line.p[line.len - 1] == '\t' || line.p[line.len - 1] == '\r'))
		line.len--;
	if (line.len < 3 || line.p[0] != '-' || line.p[1] != '-')
		return c->frame_count;
	line = span_from(line, 2);
	for (size_t i = c->frame_count; i-- > 0;) {
		const struct frame *f = &c->frames[i];

		*is_close = line.len == f->len + 2;
		if (line.len < f->len || memcmp(line.p, f->boundary, f->len))
			continue;
		if (line.len == f->len || (*is_close &&
		    memcmp(line.p + f->len, "--", 2) == 0))
			return i;
	}
	return c->frame_count;
}

/* line is the delimiter of a frame: all that is open inside ends. */
static void
delimit(struct convert *c, size_t frame, bool is_close)
{
	const struct frame *f = &c->frames[frame];

	end_body(c);
	if (c->eol != EOL_NONE)
		buf_adds(c->out, "\r\n");
	c->eol = EOL_NONE;
	buf_adds(c->out, "--");
	buf_add(c->out, f->boundary, f->len);
	buf_adds(c->out, is_close ? "--\r\n" : "\r\n");
	c->in_message = f->in_message;
	begin_header(c, false, f->is_digest);
	if (is_close)
		c->work = WORK_LOOSE;
	pop_frames(c, is_close ? frame : frame + 1);
}

/* A line begins: it may be a delimiter. */
static void
begin_line(struct convert *c)
{
	buf_clear(&c->held);
	c->is_holding = c->frame_count > 0 && c->work != WORK_HEADER;
}

/* What was held is no delimiter. */
static void
let_go(struct convert *c)
{
	c->is_holding = false;
	put_eol(c);
	for (size_t i = 0; i < c->held.len; i++)
		put_body(c, (unsigned char)c->held.p[i]);
}

static void
put_byte(struct convert *c, char ch)
{
	if (c->work == WORK_HEADER) {
		if (c->head.len < MIME_HEADER_MAX)
			buf_addc(&c->head, ch == '\0' || ch == '\r' ? ' ' :
			    ch);
		else
			c->breaks = true;
		return;
	}
	if (c->is_holding) {
		buf_addc(&c->held, ch);
		if (c->held.len > DELIMITER_MAX || (c->held.len <= 2 &&
		    ch != '-'))
			let_go(c);
		return;
	}
	put_eol(c);
	put_body(c, (unsigned char)ch);
}

/* A line of a header is whole. */
static void
end_header_line(struct convert *c)
{
	struct span line = span_from(buf_span(&c->head), c->head_line);
	bool is_close;
	size_t frame = find_frame(c, line, &is_close);

	if (frame < c->frame_count) {
		/* RFC 2046 section 5.1.2: it ends a part without a body. */
		buf_truncate(&c->head, c->head_line);
		do
			end_header(c);
		while (c->work == WORK_HEADER);
		delimit(c, frame, is_close);
	} else if (line.len == 0) {
		end_header(c);
	} else {
		buf_adds(&c->head, "\r\n");
		c->head_line = c->head.len;
	}
}

static void
end_line(struct convert *c, enum eol eol)
{
	bool is_close;
	size_t frame;

	if (c->work == WORK_HEADER) {
		end_header_line(c);
		begin_line(c);
		return;
	}
	if (c->is_holding) {
		frame = find_frame(c, buf_span(&c->held), &is_close);
		if (frame < c->frame_count) {
			delimit(c, frame, is_close);
			begin_line(c);
			return;
		}
		let_go(c);
	}
	put_eol(c);		/* of the line before, if this one is empty */
	c->eol = eol;
	begin_line(c);
}

void
convert_add(struct convert *c, struct buf *out, const char *p, size_t len)
{
	c->out = out;
	for (size_t i = 0; i < len; i++) {
		char ch = p[i];

		if (c->has_cr && ch != '\n')
			put_byte(c, '\r');
		if (ch == '\n')
			end_line(c, c->has_cr ? EOL_CRLF : EOL_LF);
		else if (ch != '\r')
			put_byte(c, ch);
		c->has_cr = ch == '\r';
	}
	c->out = NULL;
}

/* The last line has no end of its own. */
static void
finish_line(struct convert *c)
{
	bool is_close;
	size_t frame;

	if (c->has_cr)
		put_byte(c, '\r');
	c->has_cr = false;
	if (c->work == WORK_HEADER) {
		if (c->head.len > c->head_line)
			end_header_line(c);
		while (c->work == WORK_HEADER)
			end_header(c);
		return;
	}
	if (!c->is_holding)
		return;
	frame = find_frame(c, buf_span(&c->held), &is_close);
	if (frame < c->frame_count)
		delimit(c, frame, is_close);
	else
		let_go(c);
	while (c->work == WORK_HEADER)
		end_header(c);
}

void
convert_finish(struct convert *c, struct buf *out)
{
	c->out = out;
	finish_line(c);
	put_eol(c);
	if (c->col == 0 && c->byte_count == 0 && !c->space) {
		c->out = NULL;
		return;
	}
	end_qp_line(c);
	flush_base64(c);
	buf_adds(out, "\r\n");
	c->out = NULL;
}
