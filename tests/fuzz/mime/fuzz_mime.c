/*
 * A message in pieces gives the same digest as in one; the tree keeps to the
 * bytes; what is stored is read back the same; memory stays in proportion.
 * What is shown of it has no NULs, is the same wherever it is cut, and its
 * digest is a sound one.
 */
#include <stdint.h>
#include <stdlib.h>

#include "server/base/xalloc.h"
#include "store/mime/mime.h"
#include "store/mime/shown.h"

/* Fixed costs: the parser, an arena's first blocks, one list of addresses. */
#define MEMORY_BASE ((size_t)256 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define expect(cond) ((cond) ? (void)0 : __builtin_trap())

static void
check_part(const struct part *p, const struct digest *d)
{
	uint64_t end = p->body_off + p->body_len;

	expect(p->body_off == p->header_off + p->header_len);
	expect(end <= d->size && p->lines <= p->body_len);
	expect(p->depth < MIME_DEPTH_MAX);
	expect(p->type.len && p->subtype.len && p->encoding_text.len);
	expect(!!p->child == (p->kind != PART_LEAF));
	expect(!!p->envelope == (p->kind == PART_MESSAGE));
	if (p->parent) {
		expect(p->header_off >= p->parent->body_off);
		expect(end <= p->parent->body_off + p->parent->body_len);
	}
	if (p->next)
		expect(p->next->header_off >= end);
}

static void
check_tree(const struct digest *d)
{
	const struct part *p = d->root;
	size_t count = 0;

	while (p) {
		check_part(p, d);
		expect(++count <= MIME_PARTS_MAX);
		if (p->child) {
			p = p->child;
			continue;
		}
		while (p && !p->next)
			p = p->parent;
		p = p ? p->next : NULL;
	}
	expect(d->preview.len <= DIGEST_PREVIEW_MAX);
}

/* Digests it in pieces whose sizes follow from the bytes themselves. */
static struct buf
digest_in_pieces(const char *p, size_t len, size_t step)
{
	struct mime *m = mime_new();
	struct buf out = BUF_INIT;

	for (size_t i = 0, n; i < len; i += n) {
		n = step ? step : 1 + (unsigned char)p[i] % 97;
		n = MIN(n, len - i);
		/* A copy of its own, so that reading past it is seen. */
		char *piece = xmemdup(p + i, n);

		mime_add(m, piece, n);
		free(piece);
	}
	digest_encode(&out, mime_finish(m));
	expect(mime_memory(m) <= MEMORY_BASE + 40 * len);
	mime_free(m);
	return out;
}

/* Makes what is shown of a message in steps of so many bytes. */
static struct buf
make_shown(const struct shown *s, struct span message, size_t step)
{
	struct buf out = BUF_INIT;

	for (uint64_t off = 0; off < s->size;) {
		const struct shown_piece *p = shown_find(s, off);
		size_t n = (size_t)MIN(step, p->at + p->len - off), len;
		char *to = xmalloc(n);
		uint64_t from;

		shown_source(p, off, n, &from, &len);
		expect(from <= message.len && len <= message.len - from);
		shown_make(p, off, n, span_make(message.p + from, len), to);
		buf_add(&out, to, n);
		free(to);
		off += n;
	}
	return out;
}

static void
check_shown(struct digest *d, struct arena *a, struct span message)
{
	struct shown s;
	struct buf whole, pieces;
	uint64_t at = 0, from = 0;

	shown_plan(d, a, &s);
	for (size_t i = 0; i < s.n; i++) {
		expect(s.v[i].at == at && s.v[i].from == from);
		expect(s.v[i].len > 0);
		at += s.v[i].len;
		from += s.v[i].from_len;
	}
	expect(at == s.size && from == message.len);
	expect(shown_size(d) == s.size);
	whole = make_shown(&s, message, SIZE_MAX);
	pieces = make_shown(&s, message, 7);
	expect(span_eq(buf_span(&whole), buf_span(&pieces)));
	expect(!span_chr(buf_span(&whole), '\0'));
	shown_change(d, &s);
	expect(d->size == whole.len);
	check_tree(d);
	buf_release(&whole);
	buf_release(&pieces);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span message = span_make((const char *)data, size);
	struct arena a = { 0 };
	struct buf whole = BUF_INIT, again = BUF_INIT, pieces;
	struct digest d, back;

	mime_digest(message, &a, &d);
	expect(d.size == size);
	check_tree(&d);
	digest_encode(&whole, &d);
	expect(digest_decode(buf_span(&whole), &a, &back) == 0);
	check_tree(&back);
	digest_encode(&again, &back);
	expect(span_eq(buf_span(&whole), buf_span(&again)));

	pieces = digest_in_pieces(message.p, size, 1);
	expect(span_eq(buf_span(&whole), buf_span(&pieces)));
	buf_release(&pieces);
	pieces = digest_in_pieces(message.p, size, 0);
	expect(span_eq(buf_span(&whole), buf_span(&pieces)));
	check_shown(&back, &a, message);

	buf_release(&pieces);
	buf_release(&again);
	buf_release(&whole);
	arena_release(&a);
	return 0;
}
