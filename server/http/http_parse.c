#include "server/http/http_parse.h"

#include <string.h>

#define LENGTH_MAX UINT32_MAX	/* far over any cap, far under overflow */
#define SIZE_DIGITS 8		/* of a chunk, hex */

/* ---- the head ---- */

/* The line at the cursor without its end; false if there is no end. */
static bool
take_line(struct cursor *c, struct span *line)
{
	struct span rest = span_make(c->p, cursor_left(c));
	const char *lf = span_chr(rest, '\n');

	if (!lf)
		return false;
	*line = span_head(rest, (size_t)(lf - rest.p));
	c->p = lf + 1;
	if (line->len && line->p[line->len - 1] == '\r')
		line->len--;
	return true;
}

size_t
http_find_head(struct span in)
{
	struct cursor c = cursor_of_span(in);
	struct span line;

	while (take_line(&c, &line))
		if (line.len == 0)
			return (size_t)(c.p - in.p);
	return 0;
}

/* "HTTP/1.1 200 OK": RFC 9112 section 4; what the reason says is no matter. */
static bool
parse_status(struct span line, int *status)
{
	struct cursor c = cursor_of_span(line);
	uint64_t n;

	if (!cursor_skip_word(&c, "HTTP/1.") || cursor_next(&c) < 0 ||
	    !cursor_skip(&c, ' ') || !cursor_number(&c, 999, &n) || n < 100 ||
	    n > 599 || (!cursor_at_end(&c) && cursor_peek(&c) != ' '))
		return false;
	*status = (int)n;
	return true;
}

static bool
is_token(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c != '\0' &&
	    strchr("!#$%&'*+-.^_`|~", c));
}

static bool
has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' && s.p[i] != '\t')
			return true;
	return false;
}

static bool
parse_length(struct span value, struct http_head *h)
{
	struct cursor c = cursor_of_span(value);
	uint64_t n;

	if (h->has_length || !cursor_number(&c, LENGTH_MAX, &n) ||
	    !cursor_at_end(&c))
		return false;
	h->has_length = true;
	h->length = n;
	return true;
}

static bool
parse_field(struct span line, struct http_head *h)
{
	struct cursor c = cursor_of_span(line);
	struct span name = cursor_while(&c, is_token), value;

	if (name.len == 0 || !cursor_skip(&c, ':') || has_control(line))
		return false;
	value = span_trim(span_make(c.p, cursor_left(&c)));
	if (span_iis(name, "content-length"))
		return parse_length(value, h);
	if (span_iis(name, "transfer-encoding")) {
		if (h->is_chunked || !span_iis(value, "chunked"))
			return false;
		h->is_chunked = true;
	} else if (span_iis(name, "content-type") && !h->media_type.len) {
		c = cursor_of_span(value);
		h->media_type = span_trim(cursor_until(&c, ';'));
	}
	return true;
}

enum parse
http_parse_head(struct span head, struct http_head *h)
{
	struct cursor c = cursor_of_span(head);
	struct span line;

	*h = (struct http_head){ .status = 0 };
	if (head.len > HTTP_HEAD_MAX || !take_line(&c, &line) ||
	    !parse_status(line, &h->status))
		return PARSE_BAD;
	while (take_line(&c, &line) && line.len)
		if (!parse_field(line, h))
			return PARSE_BAD;
	return h->has_length && h->is_chunked ? PARSE_BAD : PARSE_OK;
}

/* ---- the body ---- */

enum http_step
http_body_start(struct http_body *b, const struct http_head *h, size_t max)
{
	*b = (struct http_body){ .max = max };
	b->mode = h->is_chunked ? BODY_SIZE : BODY_LENGTH;
	b->left = h->length;
	if (h->is_chunked)
		return HTTP_MORE;
	if (h->length > max)
		return HTTP_LARGE;
	return h->length ? HTTP_MORE : HTTP_DONE;
}

static enum http_step
add_data(struct http_body *b, struct span in, struct buf *out, size_t *used)
{
	size_t n = b->left < in.len ? (size_t)b->left : in.len;

	buf_add(out, in.p, n);
	b->left -= n;
	*used = n;
	if (b->left)
		return HTTP_MORE;
	if (b->mode == BODY_LENGTH)
		return HTTP_DONE;
	b->mode = BODY_CHUNK_END;
	return HTTP_MORE;
}

/* RFC 9112 section 7.1: the size in hex; extensions are ignored. */
static enum http_step
start_chunk(struct http_body *b, struct span line, const struct buf *out)
{
	uint64_t size = 0;
	size_t i = 0;

	for (; i < line.len && i <= SIZE_DIGITS; i++) {
		unsigned char c = ascii_lower((unsigned char)line.p[i]);

		if (c >= '0' && c <= '9')
			size = size << 4 | (c - '0');
		else if (c >= 'a' && c <= 'f')
			size = size << 4 | (c - 'a' + 10u);
		else
			break;
	}
	if (i == 0 || i > SIZE_DIGITS ||
	    (i < line.len && (!line.p[i] || !strchr("; \t", line.p[i]))))
		return HTTP_BAD;
	if (size > b->max - out->len)
		return HTTP_LARGE;
	b->left = size;
	b->mode = size ? BODY_CHUNK : BODY_TRAILER;
	return HTTP_MORE;
}

static enum http_step
end_line(struct http_body *b, struct span line, const struct buf *out)
{
	if (line.len && line.p[line.len - 1] == '\r')
		line.len--;
	switch (b->mode) {
	case BODY_SIZE:
		return start_chunk(b, line, out);
	case BODY_CHUNK_END:
		b->mode = BODY_SIZE;
		return line.len ? HTTP_BAD : HTTP_MORE;
	default:	/* a trailer, or the empty line at the end */
		if (line.len == 0)
			b->mode = BODY_END;
		else if (++b->trailers > HTTP_TRAILERS_MAX)
			return HTTP_BAD;
		return line.len ? HTTP_MORE : HTTP_DONE;
	}
}

/* One byte of a line that frames chunks. */
static enum http_step
add_framing(struct http_body *b, char c, const struct buf *out)
{
	struct span line;

	if (c != '\n') {
		if (b->line_len == sizeof b->line)
			return HTTP_BAD;
		b->line[b->line_len++] = c;
		return HTTP_MORE;
	}
	line = span_make(b->line, b->line_len);
	b->line_len = 0;
	return end_line(b, line, out);
}

enum http_step
http_body_add(struct http_body *b, struct span in, struct buf *out,
    size_t *used)
{
	enum http_step step = b->mode == BODY_END ? HTTP_DONE : HTTP_MORE;

	*used = 0;
	while (*used < in.len && step == HTTP_MORE) {
		size_t n = 1;

		if (b->mode == BODY_LENGTH || b->mode == BODY_CHUNK)
			step = add_data(b, span_from(in, *used), out, &n);
		else
			step = add_framing(b, in.p[*used], out);
		*used += n;
	}
	return step;
}
