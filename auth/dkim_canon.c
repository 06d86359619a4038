/*
 * Canonical forms (RFC 6376 section 3.4), and hashing a body in one.
 *
 * The trouble with bodies is their end: empty lines count unless they are
 * the last, and a stream tells that only when it is over. Holding them back
 * would let a stranger make us hold, or at once hash, as many as he likes.
 * So they are put out as they come, and the hash keeps a copy of its state
 * from before them: the copy is the result if nothing follows.
 */
#include "auth/dkim.h"

#include <sodium.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/mime/header.h"

_Static_assert(sizeof(crypto_hash_sha256_state) <=
    sizeof(uint64_t[13]), "room for the state of a hash");

/* ---- bodies ---- */

static bool
is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

static void
put(struct dkim_body *b, struct buf *out, const char *p, size_t len)
{
	buf_add(out, p, len);
	b->total += len;
}

/* A byte that counts, or several: what was held back comes first. */
static void
put_text(struct dkim_body *b, struct buf *out, const char *p, size_t len)
{
	if (b->has_space)
		put(b, out, " ", 1);
	if (b->has_cr)
		put(b, out, "\r", 1);
	b->has_space = b->has_cr = false;
	put(b, out, p, len);
	b->in_line = true;
	b->tail = 0;
}

static void
end_line(struct dkim_body *b, struct buf *out)
{
	b->has_space = b->has_cr = false;
	put(b, out, "\r\n", 2);
	b->tail += b->in_line ? 0 : 2;
	b->in_line = false;
}

/* A CR that is followed by something else than LF is a byte that counts. */
static void
settle_cr(struct dkim_body *b, struct buf *out)
{
	if (b->has_cr)
		put_text(b, out, "", 0);
}

/* How many bytes from p on mean themselves. */
static size_t
plain_run(const struct dkim_body *b, const char *p, size_t len)
{
	size_t n = 0;

	while (n < len && p[n] != '\r' &&
	    (b->form == DKIM_SIMPLE || !is_wsp(p[n])))
		n++;
	return n;
}

void
dkim_body_add(struct dkim_body *b, struct buf *out, const char *p, size_t len)
{
	const char *end = p + len;

	while (p < end) {
		size_t n;

		if (b->has_cr && *p == '\n') {
			end_line(b, out);
			p++;
		} else if (*p == '\r') {
			settle_cr(b, out);
			b->has_cr = true;
			p++;
		} else if (b->form == DKIM_RELAXED && is_wsp(*p)) {
			settle_cr(b, out);
			b->has_space = true;
			p++;
		} else {
			n = plain_run(b, p, (size_t)(end - p));
			put_text(b, out, p, n);
			p += n;
		}
	}
}

void
dkim_body_finish(struct dkim_body *b, struct buf *out)
{
	settle_cr(b, out);
	if (b->in_line)
		end_line(b, out);
	/* RFC 6376 section 3.4.3: an empty body is an empty line. */
	if (b->form == DKIM_SIMPLE && b->total == b->tail) {
		put(b, out, "\r\n", 2);
		b->tail = b->total - 2;
	}
}

/* ---- hashes of bodies ---- */

static crypto_hash_sha256_state *
state(uint64_t *room)
{
	return (crypto_hash_sha256_state *)(void *)room;
}

static void
hash_bytes(struct dkim_hash *h, const char *p, size_t len)
{
	len = (size_t)MIN((uint64_t)len, h->limit - h->hashed);
	crypto_hash_sha256_update(state(h->live), (const unsigned char *)p,
	    len);
	h->hashed += len;
}

static void
hash_start(struct dkim_hash *h)
{
	if (h->is_started)
		return;
	h->is_started = true;
	crypto_hash_sha256_init(state(h->live));
	memcpy(h->kept, h->live, sizeof h->kept);
}

/* Hashes what was put out; keeps the state from before the tail. */
static void
hash_out(struct dkim_hash *h, const struct buf *out)
{
	size_t head = 0;

	if (h->body.tail < out->len) {
		head = out->len - (size_t)h->body.tail;
		hash_bytes(h, out->p, head);
		memcpy(h->kept, h->live, sizeof h->kept);
	}
	hash_bytes(h, out->p + head, out->len - head);
}

void
dkim_hash_add(struct dkim_hash *h, struct buf *out, const char *p, size_t len)
{
	hash_start(h);
	buf_clear(out);
	dkim_body_add(&h->body, out, p, len);
	hash_out(h, out);
}

void
dkim_hash_finish(struct dkim_hash *h, struct buf *out,
    unsigned char hash[DKIM_HASH_LEN])
{
	hash_start(h);
	buf_clear(out);
	dkim_body_finish(&h->body, out);
	h->length = h->body.total - h->body.tail;
	if (h->body.form == DKIM_SIMPLE && h->length == 2 &&
	    h->body.tail > 0) {
		/* Nothing but empty lines, the first of which counts. */
		crypto_hash_sha256_init(state(h->kept));
		crypto_hash_sha256_update(state(h->kept),
		    (const unsigned char *)"\r\n",
		    MIN(h->limit, 2));
	} else {
		hash_out(h, out);
	}
	crypto_hash_sha256_final(state(h->kept), hash);
}

/* ---- fields ---- */

/* Relaxed: unfolded, runs of white space one space, none at the ends. */
static void
put_relaxed_value(struct buf *out, struct span value)
{
	bool has_space = false, has_any = false;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (is_wsp(c) || c == '\r' || c == '\n') {
			has_space = true;
			continue;
		}
		if (has_space && has_any)
			buf_addc(out, ' ');
		buf_addc(out, c);
		has_space = false;
		has_any = true;
	}
}

void
dkim_canon_field(struct buf *out, enum dkim_canon form, struct span field)
{
	const char *colon = span_chr(field, ':');
	struct span name = span_head(field,
	    colon ? (size_t)(colon - field.p) : 0);

	if (form == DKIM_SIMPLE || !colon) {
		buf_addspan(out, field);
		if (field.len < 2 || field.p[field.len - 1] != '\n')
			buf_adds(out, "\r\n");
		return;
	}
	name = span_trim(name);
	for (size_t i = 0; i < name.len; i++)
		buf_addc(out, (char)ascii_lower((unsigned char)name.p[i]));
	buf_addc(out, ':');
	put_relaxed_value(out, span_from(field, (size_t)(colon - field.p) + 1));
	buf_adds(out, "\r\n");
}

/* FNV-1a over the name in lower case. */
static uint32_t
hash_name(struct span name)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ ascii_lower((unsigned char)name.p[i])) * 16777619u;
	return h;
}

int
dkim_fields_index(struct dkim_fields *f, struct span block, struct arena *a)
{
	struct field_iter it;
	struct header_field field;
	size_t total = 0, skip;

	field_iter_init(&it, block);
	while (field_iter_next(&it, &field))
		total += field.name.len > 0;
	skip = total > DKIM_FIELDS_MAX ? total - DKIM_FIELDS_MAX : 0;
	*f = (struct dkim_fields){
		arena_array(a, total - skip + 1, sizeof *f->v), 0
	};
	field_iter_init(&it, block);
	while (field_iter_next(&it, &field)) {
		if (field.name.len == 0 || (skip > 0 && skip--))
			continue;
		f->v[f->count++] = (struct dkim_field){
			.whole = field.whole, .name = field.name,
			.hash = hash_name(field.name),
		};
	}
	return total > DKIM_FIELDS_MAX ? ERR_LIMIT : 0;
}

static struct dkim_field *
take_field(struct dkim_fields *f, struct span name)
{
	uint32_t hash = hash_name(name);

	for (size_t i = f->count; i > 0; i--) {
		struct dkim_field *v = &f->v[i - 1];

		if (v->hash == hash && !v->is_taken &&
		    span_ieq(v->name, name)) {
			v->is_taken = true;
			return v;
		}
	}
	return NULL;
}

void
dkim_put_fields(struct buf *out, enum dkim_canon form, struct dkim_fields *f,
    struct span names)
{
	struct cursor c = cursor_of_span(names);

	while (!cursor_at_end(&c)) {
		struct span name = cursor_until(&c, ':');
		struct dkim_field *v;

		(void)cursor_skip(&c, ':');
		while (name.len && strchr(" \t\r\n", name.p[0]))
			name = span_from(name, 1);
		while (name.len && strchr(" \t\r\n", name.p[name.len - 1]))
			name.len--;
		if ((v = take_field(f, name)))
			dkim_canon_field(out, form, v->whole);
	}
}
