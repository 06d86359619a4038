#include "pop3/pop3_body.h"

#include "server/base/span.h"

void
pop3_body_init(struct pop3_body *b, uint64_t lines)
{
	*b = (struct pop3_body){
		.in_head = true, .at_start = true, .lines_left = lines
	};
}

/* A line has ended: is that the end of the header, or of what is wanted? */
static void
end_line(struct pop3_body *b)
{
	if (b->in_head) {
		b->in_head = b->line_len > 0;
		b->is_full = !b->in_head && b->lines_left == 0;
	} else if (b->lines_left != POP3_ALL_LINES) {
		b->is_full = --b->lines_left == 0;
	}
	b->at_start = true;
	b->has_cr = false;
	b->line_len = 0;
}

/* A piece of one line; with its LF if has_lf. */
static void
add_piece(struct pop3_body *b, struct buf *out, struct span s, bool has_lf)
{
	struct span text = span_head(s, s.len - has_lf);
	bool has_cr = text.len ? text.p[text.len - 1] == '\r' : b->has_cr;

	if (s.len == 0)
		return;
	/* RFC 1939 section 3 */
	if (b->at_start && *s.p == '.')
		buf_addc(out, '.');
	buf_addspan(out, text);
	b->at_start = false;
	/* A CR counts as part of the line unless the LF follows. */
	if (text.len)
		b->line_len += b->has_cr + text.len - has_cr;
	b->has_cr = has_cr;
	if (!has_lf)
		return;
	buf_adds(out, has_cr ? "\n" : "\r\n");
	end_line(b);
}

void
pop3_body_add(struct pop3_body *b, struct buf *out, struct span bytes)
{
	while (bytes.len && !b->is_full) {
		const char *lf = span_chr(bytes, '\n');
		size_t n = lf ? (size_t)(lf - bytes.p) + 1 : bytes.len;

		add_piece(b, out, span_head(bytes, n), lf != NULL);
		bytes = span_from(bytes, n);
	}
}

void
pop3_body_finish(struct pop3_body *b, struct buf *out)
{
	if (!b->at_start) {
		buf_adds(out, b->has_cr ? "\n" : "\r\n");
		end_line(b);
	}
	if (b->in_head)
		buf_adds(out, "\r\n");
	buf_adds(out, ".\r\n");
}
