#include "store/mime/shown.h"

#include <assert.h>
#include <string.h>

#include "server/base/codec.h"
#include "server/base/xalloc.h"

const struct span shown_field =
    { "Content-Transfer-Encoding: base64\r\n", 35 };

bool
shown_is_encoded(const struct part *p)
{
	bool is_identity = p->encoding == ENC_7BIT ||
	    p->encoding == ENC_8BIT || p->encoding == ENC_BINARY;

	/* RFC 2045 section 6.4: what is made of parts has no base64. */
	return p->is_binary && p->kind == PART_LEAF && is_identity &&
	    p->header_len > 0 && (p->cte_len == 0 || p->cte_lines > 0) &&
	    !span_is(p->type, "multipart") && !span_is(p->type, "message");
}

static uint64_t
line_count(uint64_t len)
{
	return (len + SHOWN_LINE_BYTES - 1) / SHOWN_LINE_BYTES;
}

/* Base64 of len bytes in lines, each with its CR LF. */
static uint64_t
encoded_len(uint64_t len)
{
	uint64_t rest = len % SHOWN_LINE_BYTES;

	return len / SHOWN_LINE_BYTES * SHOWN_LINE_LEN +
	    (rest ? (rest + 2) / 3 * 4 + 2 : 0);
}

/* The part that comes after p where a part comes before its children. */
static struct part *
part_after(struct part *p)
{
	if (p->child)
		return p->child;
	while (p && !p->next)
		p = p->parent;
	return p ? p->next : NULL;
}

static void
add(struct shown *s, enum shown_how how, uint64_t from, uint64_t from_len)
{
	struct shown_piece *p = &s->v[s->n++];

	*p = (struct shown_piece){ .how = how, .at = s->size, .from = from,
	    .from_len = from_len };
	switch (how) {
	case SHOWN_COPY:
		p->len = from_len;
		break;
	case SHOWN_FIELD:
		p->len = shown_field.len;
		break;
	case SHOWN_BASE64:
		p->len = encoded_len(from_len);
		break;
	}
	s->size += p->len;
}

/* The content from where the pieces end to offset as it is. */
static void
copy_up_to(struct shown *s, uint64_t offset)
{
	const struct shown_piece *last = s->n ? &s->v[s->n - 1] : NULL;
	uint64_t from = last ? last->from + last->from_len : 0;

	if (offset > from)
		add(s, SHOWN_COPY, from, offset - from);
}

void
shown_plan(const struct digest *d, struct arena *a, struct shown *s)
{
	size_t count = 0;

	*s = (struct shown){ 0 };
	for (struct part *p = d->root; p; p = part_after(p))
		count += shown_is_encoded(p);
	s->v = arena_array(a, 4 * count + 1, sizeof *s->v);
	for (struct part *p = d->root; p; p = part_after(p)) {
		if (!shown_is_encoded(p))
			continue;
		copy_up_to(s, p->header_off + p->cte_off);
		add(s, SHOWN_FIELD, p->header_off + p->cte_off, p->cte_len);
		copy_up_to(s, p->body_off);
		add(s, SHOWN_BASE64, p->body_off, p->body_len);
	}
	copy_up_to(s, d->size);
}

uint64_t
shown_size(const struct digest *d)
{
	struct arena a = { 0 };
	struct shown s;

	if (!(d->flavour & SHOWN_FLAVOURS))
		return d->size;
	shown_plan(d, &a, &s);
	arena_release(&a);
	return s.size;
}

/*
 * Where a boundary of the content is shown: behind all that stands for bytes
 * before it, and before a field that stands for none.
 */
static uint64_t
map(const struct shown *s, uint64_t offset)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {	/* the first piece that does not end before */
		size_t mid = lo + (hi - lo) / 2;

		if (s->v[mid].from + s->v[mid].from_len < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == s->n)
		return s->size;
	if (s->v[lo].from + s->v[lo].from_len == offset &&
	    s->v[lo].from < offset)
		return s->v[lo].at + s->v[lo].len;
	return s->v[lo].at + (offset - s->v[lo].from);
}

static void
change_part(struct part *p)
{
	uint64_t lines = line_count(p->body_len);

	for (struct part *up = p->parent; up; up = up->parent)
		up->lines = up->lines - p->cte_lines + 1 - p->lines + lines;
	p->lines = lines;
	p->encoding = ENC_BASE64;
	p->encoding_text = SPAN("BASE64");
	p->is_binary = false;
}

void
shown_change(struct digest *d, const struct shown *s)
{
	for (struct part *p = d->root; p; p = part_after(p))
		if (shown_is_encoded(p))
			change_part(p);
	for (struct part *p = d->root; p; p = part_after(p)) {
		uint64_t end = map(s, p->body_off + p->body_len);

		p->header_off = map(s, p->header_off);
		p->body_off = map(s, p->body_off);
		p->header_len = p->body_off - p->header_off;
		p->body_len = end - p->body_off;
	}
	d->size = s->size;
}

const struct shown_piece *
shown_find(const struct shown *s, uint64_t off)
{
	size_t lo = 0, hi = s->n;

	assert(off < s->size);
	while (hi - lo > 1) {	/* the last piece that begins not behind */
		size_t mid = lo + (hi - lo) / 2;

		if (s->v[mid].at <= off)
			lo = mid;
		else
			hi = mid;
	}
	return &s->v[lo];
}

void
shown_source(const struct shown_piece *p, uint64_t off, size_t len,
    uint64_t *from, size_t *from_len)
{
	uint64_t first, end;

	off -= p->at;
	switch (p->how) {
	case SHOWN_COPY:
		*from = p->from + off;
		*from_len = len;
		break;
	case SHOWN_FIELD:
		*from = p->from;
		*from_len = 0;
		break;
	case SHOWN_BASE64:
		first = off / SHOWN_LINE_LEN * SHOWN_LINE_BYTES;
		end = (off + len + SHOWN_LINE_LEN - 1) / SHOWN_LINE_LEN *
		    SHOWN_LINE_BYTES;
		*from = p->from + first;
		*from_len = (size_t)(MIN(end, p->from_len) - first);
		break;
	}
}

/* Lines of base64, the first of them skip characters short. */
static void
make_base64(struct span source, size_t skip, size_t len, char *to)
{
	struct buf line = BUF_INIT;

	while (len > 0) {
		size_t n;

		buf_truncate(&line, 0);
		base64_encode(&line, source.p, MIN(source.len,
		    SHOWN_LINE_BYTES));
		buf_adds(&line, "\r\n");
		n = MIN(line.len - skip, len);
		memcpy(to, line.p + skip, n);
		to += n;
		len -= n;
		skip = 0;
		source = span_from(source, SHOWN_LINE_BYTES);
	}
	buf_release(&line);
}

void
shown_make(const struct shown_piece *p, uint64_t off, size_t len,
    struct span source, char *to)
{
	off -= p->at;
	switch (p->how) {
	case SHOWN_COPY:
		for (size_t i = 0; i < len; i++)
			to[i] = source.p[i] ? source.p[i] : (char)0x80;
		break;
	case SHOWN_FIELD:
		memcpy(to, shown_field.p + off, len);
		break;
	case SHOWN_BASE64:
		make_base64(source, (size_t)(off % SHOWN_LINE_LEN), len, to);
		break;
	}
}
