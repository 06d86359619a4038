/*
 * Any bytes: read as a digest they are refused, or are a tree that keeps its
 * promises and is written and read back as it is.
 */
#include <stdint.h>
#include <stdlib.h>

#include "store/mime/digest.h"

#define expect(cond) ((cond) ? (void)0 : __builtin_trap())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_part(const struct part *p, const struct digest *d)
{
	expect(p->body_off == p->header_off + p->header_len);
	expect(p->body_off + p->body_len <= d->size);
	expect(p->lines <= p->body_len);
	expect(p->depth < MIME_DEPTH_MAX);
	expect(!!p->child == (p->kind != PART_LEAF));
	expect(!!p->envelope == (p->kind == PART_MESSAGE));
	expect(p->kind != PART_MESSAGE || !p->child->next);
	expect(p->params.n <= MIME_PARAMS_MAX);
	for (const struct part *c = p->child; c; c = c->next) {
		expect(c->parent == p && c->depth == p->depth + 1);
		expect(c->header_off >= p->body_off);
		expect(c->body_off + c->body_len <=
		    p->body_off + p->body_len);
	}
}

static void
check_tree(const struct digest *d)
{
	uint32_t path[MIME_DEPTH_MAX + 1];

	for (const struct part *p = d->root; p;) {
		check_part(p, d);
		if (p->child) {
			p = p->child;
			continue;
		}
		while (p && !p->next)
			p = p->parent;
		p = p ? p->next : NULL;
	}
	for (size_t i = 0; i <= MIME_DEPTH_MAX; i++) {
		path[i] = 1;
		(void)digest_part(d, path, i);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf once = BUF_INIT, twice = BUF_INIT;
	struct arena a = { 0 };
	struct digest d;

	if (digest_decode(span_make((const char *)data, size), &a, &d) == 0) {
		check_tree(&d);
		digest_encode(&once, &d);
		expect(digest_decode(buf_span(&once), &a, &d) == 0);
		check_tree(&d);
		digest_encode(&twice, &d);
		expect(span_eq(buf_span(&once), buf_span(&twice)));
	}
	/* Elements of at most 72 bytes for each byte, and the parts. */
	expect(a.used <= 512 * 1024 + 3 * 80 * size);
	buf_release(&once);
	buf_release(&twice);
	arena_release(&a);
	return 0;
}
