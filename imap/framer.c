/*
 * Framing of commands; the contract is in framer.h.
 *
 * One state machine. While a command is collected, text holds it from its
 * first byte on. Once it is refused, text holds the tag alone, and what comes
 * is counted and dropped; only the last bytes of each line are kept (tail),
 * because they tell whether a literal follows that has to be read off too.
 *
 * A command of one line that arrived whole never passes through text.
 */
#include "imap/framer.h"

#include <string.h>

#include "imap/chars.h"
#include "imap/imap_limits.h"
#include "server/base/cursor.h"
#include "server/base/xalloc.h"

/* Digits in an announcement; 20 hold any 64-bit number. */
#define DIGITS_MAX 20
/* The budget is asked for so many bytes at a time. */
#define CHARGE_STEP 4096u

const struct framer_limits framer_limits_noauth = {
	.line = IMAP_LINE_MAX_NOAUTH,
	.literal = IMAP_LITERAL_MAX_NOAUTH,
	.literals = IMAP_LITERALS_MAX_NOAUTH,
	.literal_count = IMAP_LITERAL_COUNT_MAX_NOAUTH,
	.read_off = IMAP_READ_OFF_MAX_NOAUTH,
};

const struct framer_limits framer_limits_loggedin = {
	.line = IMAP_LINE_MAX,
	.literal = IMAP_LITERAL_MAX,
	.literals = IMAP_LITERALS_MAX,
	.literal_count = IMAP_LITERAL_COUNT_MAX,
	.read_off = IMAP_READ_OFF_MAX,
};

/* "{n}", "{n+}", "~{n}" or "~{n+}" at the end of a line. */
struct announcement {
	size_t len;	/* bytes of it */
	uint64_t size;	/* UINT64_MAX if it does not fit */
	bool sync;
	bool binary;
};

static bool
find_announcement(struct span line, struct announcement *a)
{
	const char *end = line.p + line.len;
	const char *p = end;
	struct cursor digits;

	*a = (struct announcement){ .sync = true };
	if (line.len < 3 || *--p != '}')
		return false;
	if (p[-1] == '+') {
		a->sync = false;
		p--;
	}
	digits.end = p;
	while (p > line.p && p[-1] >= '0' && p[-1] <= '9')
		p--;
	digits.p = p;
	if (p == digits.end || digits.end - p > DIGITS_MAX ||
	    p == line.p || *--p != '{')
		return false;
	if (!cursor_number(&digits, UINT64_MAX - 1, &a->size))
		a->size = UINT64_MAX;
	if (p > line.p && p[-1] == '~') {
		a->binary = true;
		p--;
	}
	a->len = (size_t)(end - p);
	return true;
}

/* Without LF, and without a CR before it. */
static struct span
strip_line_end(struct span line)
{
	if (line.len && line.p[line.len - 1] == '\n')
		line.len--;
	if (line.len && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

static void
drop_text(struct framer *f)
{
	buf_release(&f->text);
	if (f->budget)
		budget_give(f->budget, f->charged);
	f->charged = 0;
}

/* Room in text, charged before it is taken. */
static bool
reserve(struct framer *f, size_t extra)
{
	size_t need = f->text.len + extra;
	size_t step;

	if (need > f->charged) {
		step = (need - f->charged + CHARGE_STEP - 1) / CHARGE_STEP *
		    CHARGE_STEP;
		if (f->budget && budget_take(f->budget, step) < 0)
			return false;
		f->charged += step;
	}
	buf_reserve(&f->text, extra);
	return true;
}

/* Ready for the next command. What text holds stays until framer_done. */
static void
start_over(struct framer *f)
{
	f->state = FRAMER_LINE;
	f->spent = true;
	f->line_start = f->line_bytes = f->literal_bytes = 0;
	f->literal_count = f->message_count = 0;
	f->skipped = 0;
	f->has_nul = false;
	f->tail_len = 0;
}

void
framer_init(struct framer *f, const struct framer_roles *roles,
    struct budget *budget)
{
	*f = (struct framer){
		.limits = &framer_limits_noauth,
		.roles = roles,
		.budget = budget,
	};
	buf_init(&f->text);
}

void
framer_release(struct framer *f)
{
	drop_text(f);
}

void
framer_done(struct framer *f)
{
	if (f->spent)
		drop_text(f);
	f->spent = false;
}

void
framer_set_limits(struct framer *f, const struct framer_limits *limits)
{
	f->limits = limits;
}

bool
framer_is_idle(const struct framer *f)
{
	return f->state == FRAMER_LINE && (f->text.len == 0 || f->spent);
}

/*
 * Leaves of text the tag, if it begins with one: what is echoed to the peer
 * is never more than a tag.
 */
static void
keep_tag(struct framer *f)
{
	char tag[IMAP_TAG_MAX];
	size_t n = 0;

	while (n < f->text.len && n < IMAP_TAG_MAX &&
	    imap_is_tag_char((unsigned char)f->text.p[n]))
		n++;
	if (n == f->text.len || f->text.p[n] != ' ')
		n = 0;
	memcpy(tag, f->text.p, n);
	drop_text(f);
	buf_add(&f->text, tag, n);
}

/* Says goodbye with the next event. */
static void
die(struct framer *f)
{
	f->state = FRAMER_DEAD;
	f->bye_due = true;
}

/*
 * The command is refused somewhere within it. text holds at least its tag
 * and the space after; the state to go on in is the caller's to set.
 */
static void
refuse(struct framer *f, enum frame_error error, const char *why)
{
	f->error = error;
	f->why = why;
	f->tail_len = 0;
	keep_tag(f);
}

/* Reads the bytes of a refused literal off, or gives up. */
static void
skip_literal(struct framer *f, uint64_t size)
{
	if (size > f->limits->read_off ||
	    f->skipped > f->limits->read_off - size) {
		die(f);
		return;
	}
	f->skipped += size;
	f->left = size;
	f->tail_len = 0;
	f->state = size ? FRAMER_SKIP_LITERAL : FRAMER_SKIP_LINE;
}

static bool
report_bye(struct framer *f, struct frame *out)
{
	out->kind = FRAME_BYE;
	out->error = f->error;
	out->why = f->why;
	out->text = buf_span(&f->text);
	f->bye_due = false;
	return true;
}

/* The refused command is behind us. */
static bool
report_error(struct framer *f, struct frame *out)
{
	out->kind = FRAME_ERROR;
	out->error = f->error;
	out->why = f->why;
	out->text = buf_span(&f->text);
	start_over(f);
	return true;
}

/*
 * A refused line has ended. With a literal that the client waits to send, the
 * command ends here: the answer is not the "+" it waits for.
 */
static bool
end_skipped_line(struct framer *f, struct span line, struct frame *out)
{
	struct announcement a;

	if (!find_announcement(line, &a) || a.sync)
		return report_error(f, out);
	skip_literal(f, a.size);
	return f->state == FRAMER_DEAD ? report_bye(f, out) : false;
}

/* The last bytes of what was skipped of this line. */
static void
keep_tail(struct framer *f, const char *p, size_t len)
{
	size_t cap = sizeof f->tail;

	if (len >= cap) {
		memcpy(f->tail, p + len - cap, cap);
		f->tail_len = cap;
		return;
	}
	if (f->tail_len + len > cap) {
		size_t drop = f->tail_len + len - cap;

		memmove(f->tail, f->tail + drop, f->tail_len - drop);
		f->tail_len -= drop;
	}
	memcpy(f->tail + f->tail_len, p, len);
	f->tail_len += len;
}

static bool
step_skip_line(struct framer *f, struct cursor *in, struct frame *out)
{
	struct span rest = span_make(in->p, cursor_left(in));
	const char *lf = span_chr(rest, '\n');
	size_t n = lf ? (size_t)(lf - in->p) + 1 : rest.len;

	keep_tail(f, in->p, n);
	in->p += n;
	f->skipped += n;
	/* Nobody reads off a line without an end for ever. */
	if (f->skipped > f->limits->read_off + f->limits->line) {
		die(f);
		return report_bye(f, out);
	}
	if (!lf)
		return false;
	return end_skipped_line(f,
	    strip_line_end(span_make(f->tail, f->tail_len)), out);
}

/*
 * The line being read is refused before its end. n bytes at p continue it
 * and have been looked at, but are still to be skipped.
 */
static void
refuse_line(struct framer *f, const char *p, size_t n,
    enum frame_error error, const char *why)
{
	struct span line = span_from(buf_span(&f->text), f->line_start);
	/* The bytes that a tag is looked for in, however they came. */
	size_t look = MIN(IMAP_TAG_MAX + 1, f->limits->line);
	char tail[sizeof f->tail];
	size_t tail_len = MIN(line.len, sizeof tail);

	memcpy(tail, line.p + line.len - tail_len, tail_len);
	/* Counted as if skipped from the line's start: the way the line was
	 * split must not matter. */
	f->skipped += line.len;
	if (f->text.len < look)
		buf_add(&f->text, p, MIN(n, look - f->text.len));
	refuse(f, error, why);
	keep_tail(f, tail, tail_len);
	f->state = FRAMER_SKIP_LINE;
}

/*
 * The whole command so far is in text, its last line without CR LF, and the
 * announcement a at its end.  The literal is refused.
 */
static bool
refuse_literal(struct framer *f, const struct announcement *a,
    enum frame_error error, const char *why, struct frame *out)
{
	refuse(f, error, why);
	if (a->sync)
		return report_error(f, out);
	skip_literal(f, a->size);
	return f->state == FRAMER_DEAD ? report_bye(f, out) : false;
}

static bool
ask_for_message(struct framer *f, const struct announcement *a,
    struct frame *out)
{
	buf_truncate(&f->text, f->text.len - a->len);
	f->state = FRAMER_ASKED;
	f->size = a->size;
	f->sync = a->sync;
	out->kind = FRAME_MESSAGE;
	out->text = buf_span(&f->text);
	out->size = a->size;
	out->sync = a->sync;
	out->binary = a->binary;
	out->number = f->message_count;
	return true;
}

static bool
start_literal(struct framer *f, const struct announcement *a,
    struct frame *out)
{
	struct span before = span_head(buf_span(&f->text),
	    f->text.len - a->len);
	const char *why = NULL;

	if (f->literal_count >= f->limits->literal_count)
		return refuse_literal(f, a, FRAME_E_COUNT,
		    "too many literals in one command", out);
	f->literal_count++;
	switch (f->roles->role(before, a->binary, &why)) {
	case LITERAL_MESSAGE:
		return ask_for_message(f, a, out);
	case LITERAL_SENSELESS:
		return refuse_literal(f, a, FRAME_E_SYNTAX, why, out);
	case LITERAL_ARGUMENT:
		break;
	}
	if (a->size > f->limits->literal ||
	    a->size > f->limits->literals - f->literal_bytes)
		return refuse_literal(f, a, FRAME_E_TOOBIG,
		    "literal too large", out);
	if (!reserve(f, (size_t)a->size + 2))
		return refuse_literal(f, a, FRAME_E_BUDGET,
		    "out of memory for now, try again later", out);
	buf_adds(&f->text, "\r\n");
	f->literal_bytes += (size_t)a->size;
	f->left = a->size;
	f->line_start = f->text.len;
	f->state = a->size ? FRAMER_LITERAL : FRAMER_LINE;
	if (!a->sync)
		return false;
	out->kind = FRAME_CONTINUE;
	return true;
}

/* The line has ended; it is in text, without its CR LF. */
static bool
end_line(struct framer *f, struct frame *out)
{
	struct span line = span_from(buf_span(&f->text), f->line_start);
	struct announcement a;
	bool more = find_announcement(line, &a);

	if (f->has_nul) {
		if (more)
			return refuse_literal(f, &a, FRAME_E_NUL,
			    "NUL in a command", out);
		refuse(f, FRAME_E_NUL, "NUL in a command");
		return report_error(f, out);
	}
	if (more)
		return start_literal(f, &a, out);
	out->kind = FRAME_COMMAND;
	out->text = buf_span(&f->text);
	start_over(f);
	return true;
}

static bool
step_line(struct framer *f, struct cursor *in, struct frame *out)
{
	struct span rest = span_make(in->p, cursor_left(in));
	const char *lf = span_chr(rest, '\n');
	size_t n = lf ? (size_t)(lf - in->p) + 1 : rest.len;
	struct span piece = span_make(in->p, n);
	struct announcement a;

	if (f->line_bytes + n > f->limits->line) {
		refuse_line(f, in->p, n, FRAME_E_LONG, "command too long");
		return false;
	}
	in->p += n;
	f->line_bytes += n;
	f->has_nul |= span_chr(piece, '\0') != NULL;
	if (lf && f->text.len == 0 && !f->has_nul &&
	    !find_announcement(strip_line_end(piece), &a)) {
		out->kind = FRAME_COMMAND;
		out->text = strip_line_end(piece);
		out->in_input = true;
		start_over(f);
		return true;
	}
	if (!reserve(f, n)) {
		in->p -= n;
		refuse_line(f, in->p, n, FRAME_E_BUDGET,
		    "out of memory for now, try again later");
		return false;
	}
	buf_addspan(&f->text, piece);
	if (!lf)
		return false;
	n = strip_line_end(span_from(buf_span(&f->text), f->line_start)).len;
	buf_truncate(&f->text, f->line_start + n);
	return end_line(f, out);
}

static bool
step_literal(struct framer *f, struct cursor *in)
{
	size_t n = (size_t)MIN(f->left, cursor_left(in));

	buf_add(&f->text, in->p, n);
	in->p += n;
	f->left -= n;
	if (f->left == 0) {
		f->line_start = f->text.len;
		f->state = FRAMER_LINE;
	}
	return false;
}

static bool
step_stream(struct framer *f, struct cursor *in, struct frame *out)
{
	size_t n = (size_t)MIN(f->left, cursor_left(in));

	out->kind = FRAME_BYTES;
	out->text = span_make(in->p, n);
	out->in_input = true;
	in->p += n;
	f->left -= n;
	out->left = f->left;
	if (f->left)
		return true;
	/* A few bytes, of which there are at most as many as literals. */
	buf_addc(&f->text, '\0');
	buf_printf(&f->text, "%u:", f->message_count++);
	buf_addu(&f->text, f->size);
	buf_addc(&f->text, '\0');
	f->line_start = f->text.len;
	f->state = FRAMER_LINE;
	return true;
}

static bool
step_skip_literal(struct framer *f, struct cursor *in)
{
	size_t n = (size_t)MIN(f->left, cursor_left(in));

	in->p += n;
	f->left -= n;
	if (f->left == 0)
		f->state = FRAMER_SKIP_LINE;
	return false;
}

/* One step with the input there is; true when there is an event. */
static bool
step(struct framer *f, struct cursor *in, struct frame *out)
{
	switch (f->state) {
	case FRAMER_LINE:
		return step_line(f, in, out);
	case FRAMER_LITERAL:
		return step_literal(f, in);
	case FRAMER_STREAM:
		return step_stream(f, in, out);
	case FRAMER_SKIP_LINE:
		return step_skip_line(f, in, out);
	case FRAMER_SKIP_LITERAL:
		return step_skip_literal(f, in);
	case FRAMER_ASKED:
	case FRAMER_DEAD:
		break;
	}
	in->p = in->end;
	return false;
}

size_t
framer_feed(struct framer *f, const char *p, size_t len, struct frame *out)
{
	struct cursor in = { p, p + len };
	/* A message of no bytes, or a goodbye, needs no input to be told. */
	bool due = f->bye_due || (f->state == FRAMER_STREAM && f->left == 0);

	*out = (struct frame){ .kind = FRAME_MORE };
	framer_done(f);
	if (f->bye_due)
		report_bye(f, out);
	else if (due)
		step(f, &in, out);
	else
		while (!cursor_at_end(&in))
			if (step(f, &in, out))
				break;
	return (size_t)(in.p - p);
}

size_t
framer_feed_line(struct framer *f, const char *p, size_t len, size_t max,
    struct frame *out)
{
	struct cursor in = { p, p + len };
	const char *lf = len ? memchr(p, '\n', len) : NULL;
	size_t n = lf ? (size_t)(lf - p) + 1 : len;

	*out = (struct frame){ .kind = FRAME_MORE };
	framer_done(f);
	if (f->state == FRAMER_LINE && f->text.len + n > max)
		refuse_line(f, p, n, FRAME_E_LONG, "line too long");
	if (f->state != FRAMER_LINE) {
		/* Announces nothing: the end of the line is the end of it. */
		if (f->state == FRAMER_SKIP_LINE && n) {
			f->skipped += n;
			in.p += n;
			if (f->skipped > f->limits->read_off + max) {
				die(f);
				report_bye(f, out);
			} else if (lf) {
				report_error(f, out);
			}
		} else {
			in.p = in.end;
		}
		return (size_t)(in.p - p);
	}
	if (lf && f->text.len == 0) {
		out->kind = FRAME_LINE;
		out->text = strip_line_end(span_make(p, n));
		out->in_input = true;
		return n;
	}
	buf_add(&f->text, p, n);	/* at most max */
	if (lf) {
		out->kind = FRAME_LINE;
		out->text = strip_line_end(buf_span(&f->text));
		start_over(f);
	}
	return n;
}

void
framer_accept(struct framer *f)
{
	f->state = FRAMER_STREAM;
	f->left = f->size;
}

bool
framer_refuse(struct framer *f)
{
	refuse(f, FRAME_E_REFUSED, "refused");
	if (f->sync) {
		start_over(f);
		framer_done(f);
		return true;
	}
	skip_literal(f, f->size);
	return false;
}
