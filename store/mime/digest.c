/*
 * The stored form of a digest.
 *
 * Numbers are varints (seven bits a byte, low ones first), signed ones zigzag;
 * a text is its length and its bytes. What is mostly not there has a bit in a
 * flag word instead of an empty text. A part comes before its children, its
 * offset counts from its parent's body.
 *
 * Reading trusts nothing: the first fault sets bad and moves to the end, so
 * that all further reads give zero; it is asked for once at the end and
 * before every array. An array is never larger than the bytes left.
 */
#include "store/mime/digest.h"

#include <assert.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"

#define ADDRESSES_MAX (MIME_ADDRESSES_TOTAL + MIME_ADDRESSES_MAX)

/* Bits of a part's flag word above its kind and encoding. */
enum {
	KIND_MASK = 3,
	ENCODING_SHIFT = 2,
	ENCODING_MASK = 7,
	HAS_ID = 1 << 5,
	HAS_DESCRIPTION = 1 << 6,
	HAS_MD5 = 1 << 7,
	HAS_LOCATION = 1 << 8,
	HAS_DISPOSITION = 1 << 9,
	HAS_LANGUAGES = 1 << 10,
	HAS_ENCODING_TEXT = 1 << 11,
	HAS_PARAMS = 1 << 12,
	IS_BINARY = 1 << 13,
	HAS_ALL = (1 << 14) - 1
};

enum {
	ENV_HAS_DATE = 1,
	ENV_HAS_SUBJECT = 2,
	ENV_HAS_IN_REPLY_TO = 4,
	ENV_HAS_MESSAGE_ID = 8,
	ENV_HAS_FROM = 16,
	ENV_HAS_SENDER = 32,
	ENV_HAS_REPLY_TO = 64,
	ENV_HAS_TO = 128,
	ENV_HAS_CC = 256,
	ENV_HAS_BCC = 512,
	ENV_HAS_ALL = 1023
};

enum {
	ADDR_KIND_MASK = 3,
	ADDR_HAS_DISPLAY = 4,
	ADDR_HAS_ROUTE = 8,
	ADDR_HAS_LOCAL = 16,
	ADDR_HAS_DOMAIN = 32,
	ADDR_HAS_ALL = 63
};

/* Text of the encodings that have a name of their own. */
static const struct span encoding_names[] = {
	[ENC_7BIT] = { "7BIT", 4 },
	[ENC_8BIT] = { "8BIT", 4 },
	[ENC_BINARY] = { "BINARY", 6 },
	[ENC_QP] = { "QUOTED-PRINTABLE", 16 },
	[ENC_BASE64] = { "BASE64", 6 },
	[ENC_OTHER] = { "", 0 }
};

/* Writing. */

static void
put_number(struct buf *out, uint64_t n)
{
	char bytes[10];
	size_t len = 0;

	for (; n >= 0x80; n >>= 7)
		bytes[len++] = (char)(n | 0x80);
	bytes[len++] = (char)n;
	buf_add(out, bytes, len);
}

static void
put_signed(struct buf *out, int64_t n)
{
	put_number(out, (uint64_t)n << 1 ^ (n < 0 ? UINT64_MAX : 0));
}

static void
put_text(struct buf *out, struct span s)
{
	put_number(out, s.len);
	buf_addspan(out, s);
}

static void
put_text_if(struct buf *out, bool has, struct span s)
{
	if (has)
		put_text(out, s);
}

static void
put_address(struct buf *out, const struct address *a)
{
	put_number(out, (uint64_t)((int)a->kind |
	    (a->display.len ? ADDR_HAS_DISPLAY : 0) |
	    (a->route.len ? ADDR_HAS_ROUTE : 0) |
	    (a->local.len ? ADDR_HAS_LOCAL : 0) |
	    (a->domain.len ? ADDR_HAS_DOMAIN : 0)));
	put_text_if(out, a->display.len, a->display);
	put_text_if(out, a->route.len, a->route);
	put_text_if(out, a->local.len, a->local);
	put_text_if(out, a->domain.len, a->domain);
}

static void
put_addresses(struct buf *out, const struct addrlist *l)
{
	if (!l->present)
		return;
	put_number(out, l->n);
	for (size_t i = 0; i < l->n; i++)
		put_address(out, &l->v[i]);
}

static void
put_envelope(struct buf *out, const struct envelope *e)
{
	put_number(out, (uint64_t)((e->has_date ? ENV_HAS_DATE : 0) |
	    (e->has_subject ? ENV_HAS_SUBJECT : 0) |
	    (e->has_in_reply_to ? ENV_HAS_IN_REPLY_TO : 0) |
	    (e->has_message_id ? ENV_HAS_MESSAGE_ID : 0) |
	    (e->from.present ? ENV_HAS_FROM : 0) |
	    (e->sender.present ? ENV_HAS_SENDER : 0) |
	    (e->reply_to.present ? ENV_HAS_REPLY_TO : 0) |
	    (e->to.present ? ENV_HAS_TO : 0) |
	    (e->cc.present ? ENV_HAS_CC : 0) |
	    (e->bcc.present ? ENV_HAS_BCC : 0)));
	put_text_if(out, e->has_date, e->date);
	put_text_if(out, e->has_subject, e->subject);
	put_text_if(out, e->has_in_reply_to, e->in_reply_to);
	put_text_if(out, e->has_message_id, e->message_id);
	put_addresses(out, &e->from);
	put_addresses(out, &e->sender);
	put_addresses(out, &e->reply_to);
	put_addresses(out, &e->to);
	put_addresses(out, &e->cc);
	put_addresses(out, &e->bcc);
}

static void
put_params(struct buf *out, const struct params *p)
{
	put_number(out, p->n);
	for (size_t i = 0; i < p->n; i++) {
		put_text(out, p->v[i].name);
		put_text(out, p->v[i].value);
	}
}

static unsigned
part_flags(const struct part *p)
{
	bool own_text = !span_eq(p->encoding_text,
	    encoding_names[p->encoding]);

	return (unsigned)((int)p->kind |
	    (int)p->encoding << ENCODING_SHIFT |
	    (p->id.len ? HAS_ID : 0) |
	    (p->description.len ? HAS_DESCRIPTION : 0) |
	    (p->md5.len ? HAS_MD5 : 0) |
	    (p->location.len ? HAS_LOCATION : 0) |
	    (p->has_disposition ? HAS_DISPOSITION : 0) |
	    (p->language_count ? HAS_LANGUAGES : 0) |
	    (own_text ? HAS_ENCODING_TEXT : 0) |
	    (p->params.n ? HAS_PARAMS : 0) |
	    (p->is_binary ? IS_BINARY : 0));
}

/* The part alone; its children follow. */
static void
put_part(struct buf *out, const struct part *p)
{
	unsigned flags = part_flags(p);
	size_t children = 0;

	put_number(out, flags);
	put_number(out, p->header_off -
	    (p->parent ? p->parent->body_off : 0));
	put_number(out, p->header_len);
	put_number(out, p->body_len);
	put_number(out, p->lines);
	if (flags & IS_BINARY) {
		put_number(out, p->cte_off);
		put_number(out, p->cte_len);
		put_number(out, p->cte_lines);
	}
	put_text(out, p->type);
	put_text(out, p->subtype);
	if (flags & HAS_PARAMS)
		put_params(out, &p->params);
	put_text_if(out, flags & HAS_ID, p->id);
	put_text_if(out, flags & HAS_DESCRIPTION, p->description);
	put_text_if(out, flags & HAS_MD5, p->md5);
	put_text_if(out, flags & HAS_LOCATION, p->location);
	put_text_if(out, flags & HAS_ENCODING_TEXT, p->encoding_text);
	if (flags & HAS_DISPOSITION) {
		put_text(out, p->disposition);
		put_params(out, &p->disposition_params);
	}
	if (flags & HAS_LANGUAGES)
		put_number(out, p->language_count);
	for (size_t i = 0; i < p->language_count; i++)
		put_text(out, p->languages[i]);
	if (p->kind == PART_MESSAGE)
		put_envelope(out, p->envelope);
	if (p->kind != PART_MULTIPART)
		return;
	for (const struct part *c = p->child; c; c = c->next)
		children++;
	put_number(out, children);
}

/* The part that comes after p where a part comes before its children. */
static const struct part *
part_after(const struct part *p)
{
	if (p->child)
		return p->child;
	while (p && !p->next)
		p = p->parent;
	return p ? p->next : NULL;
}

void
digest_encode(struct buf *out, const struct digest *d)
{
	assert(d->root);
	buf_addc(out, DIGEST_VERSION);
	put_number(out, d->flavour);
	put_number(out, d->size);
	put_signed(out, d->sent_s);
	put_signed(out, d->sent_zone_min);
	put_number(out, d->is_reply);
	put_text(out, d->base_subject);
	put_text(out, d->sort_from);
	put_text(out, d->sort_to);
	put_text(out, d->sort_cc);
	put_text(out, d->display_from);
	put_text(out, d->display_to);
	put_text(out, d->preview);
	put_number(out, d->reference_count);
	for (size_t i = 0; i < d->reference_count; i++)
		put_text(out, d->references[i]);
	put_envelope(out, &d->envelope);
	for (const struct part *p = d->root; p; p = part_after(p))
		put_part(out, p);
}

/* Reading. */

struct reader {
	const unsigned char *p, *end;
	struct arena *arena;
	bool bad;
	size_t parts, addresses;	/* read so far */
};

static void
set_bad(struct reader *r)
{
	r->bad = true;
	r->p = r->end;
}

static uint64_t
get_long_number(struct reader *r)
{
	uint64_t n = 0;

	for (unsigned shift = 0; shift < 64 && r->p < r->end; shift += 7) {
		uint64_t bits = *r->p & 0x7f;

		if (shift == 63 && bits > 1)
			break;
		n |= bits << shift;
		if (*r->p++ < 0x80)
			return n;
	}
	set_bad(r);
	return 0;
}

static inline uint64_t
get_number(struct reader *r)
{
	if (r->p < r->end && *r->p < 0x80)
		return *r->p++;
	return get_long_number(r);
}

/* A number of at most max. */
static uint64_t
get_number_to(struct reader *r, uint64_t max)
{
	uint64_t n = get_number(r);

	if (n <= max)
		return n;
	set_bad(r);
	return 0;
}

static int64_t
get_signed(struct reader *r)
{
	uint64_t n = get_number(r);

	return (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
}

static struct span
get_text(struct reader *r)
{
	uint64_t len = get_number(r);
	const char *p = (const char *)r->p;

	if (len > (size_t)(r->end - r->p)) {
		set_bad(r);
		return span_make(NULL, 0);
	}
	r->p += len;
	return span_make(p, (size_t)len);
}

static struct span
get_text_if(struct reader *r, bool has)
{
	return has ? get_text(r) : span_make(NULL, 0);
}

/* How many elements follow: at most max, and each has a byte at least. */
static size_t
get_count(struct reader *r, size_t max)
{
	return (size_t)get_number_to(r, MIN(max,
	    (size_t)(r->end - r->p)));
}

static struct span *
get_texts(struct reader *r, size_t count)
{
	struct span *v = arena_array(r->arena, count, sizeof *v);

	for (size_t i = 0; i < count; i++)
		v[i] = get_text(r);
	return v;
}

static void
get_addresses(struct reader *r, bool present, struct addrlist *l)
{
	if (!present)
		return;
	l->present = true;
	l->n = get_count(r, MIN(MIME_ADDRESSES_MAX,
	    ADDRESSES_MAX - r->addresses));
	r->addresses += l->n;
	if (l->n == 0)
		return;
	l->v = arena_array(r->arena, l->n, sizeof *l->v);
	for (size_t i = 0; i < l->n; i++) {
		unsigned flags = (unsigned)get_number_to(r, ADDR_HAS_ALL);

		if ((flags & ADDR_KIND_MASK) > ADDR_END)
			set_bad(r);
		l->v[i].kind = (enum addr_kind)(flags & ADDR_KIND_MASK);
		l->v[i].display = get_text_if(r, flags & ADDR_HAS_DISPLAY);
		l->v[i].route = get_text_if(r, flags & ADDR_HAS_ROUTE);
		l->v[i].local = get_text_if(r, flags & ADDR_HAS_LOCAL);
		l->v[i].domain = get_text_if(r, flags & ADDR_HAS_DOMAIN);
	}
}

static void
get_envelope(struct reader *r, struct envelope *e)
{
	unsigned flags = (unsigned)get_number_to(r, ENV_HAS_ALL);

	e->has_date = flags & ENV_HAS_DATE;
	e->has_subject = flags & ENV_HAS_SUBJECT;
	e->has_in_reply_to = flags & ENV_HAS_IN_REPLY_TO;
	e->has_message_id = flags & ENV_HAS_MESSAGE_ID;
	e->date = get_text_if(r, e->has_date);
	e->subject = get_text_if(r, e->has_subject);
	e->in_reply_to = get_text_if(r, e->has_in_reply_to);
	e->message_id = get_text_if(r, e->has_message_id);
	get_addresses(r, flags & ENV_HAS_FROM, &e->from);
	get_addresses(r, flags & ENV_HAS_SENDER, &e->sender);
	get_addresses(r, flags & ENV_HAS_REPLY_TO, &e->reply_to);
	get_addresses(r, flags & ENV_HAS_TO, &e->to);
	get_addresses(r, flags & ENV_HAS_CC, &e->cc);
	get_addresses(r, flags & ENV_HAS_BCC, &e->bcc);
}

static void
get_params(struct reader *r, struct params *p)
{
	p->n = get_count(r, MIME_PARAMS_MAX);
	if (p->n == 0)
		return;
	p->v = arena_array(r->arena, p->n, sizeof *p->v);
	for (size_t i = 0; i < p->n; i++) {
		p->v[i].name = get_text(r);
		p->v[i].value = get_text(r);
	}
}

/* Offset and lengths: inside of the parent's body, or of limit for the root. */
static void
get_extent(struct reader *r, struct part *p, uint64_t limit)
{
	if (p->parent) {
		p->header_off = p->parent->body_off;
		limit = p->parent->body_len;
	}
	p->header_off += get_number_to(r, limit);
	if (p->parent)
		limit -= p->header_off - p->parent->body_off;
	else
		limit -= p->header_off;
	p->header_len = get_number_to(r, limit);
	p->body_off = p->header_off + p->header_len;
	p->body_len = get_number_to(r, limit - p->header_len);
	p->lines = get_number_to(r, p->body_len);
}

static void
get_binary(struct reader *r, struct part *p)
{
	p->is_binary = true;
	p->cte_off = get_number_to(r, p->header_len);
	p->cte_len = get_number_to(r, p->header_len - p->cte_off);
	p->cte_lines = get_number_to(r, p->cte_len);
}

static void
get_part_text(struct reader *r, struct part *p, unsigned flags)
{
	p->type = get_text(r);
	p->subtype = get_text(r);
	if (flags & HAS_PARAMS)
		get_params(r, &p->params);
	p->id = get_text_if(r, flags & HAS_ID);
	p->description = get_text_if(r, flags & HAS_DESCRIPTION);
	p->md5 = get_text_if(r, flags & HAS_MD5);
	p->location = get_text_if(r, flags & HAS_LOCATION);
	p->encoding_text = flags & HAS_ENCODING_TEXT ? get_text(r) :
	    encoding_names[p->encoding];
	if (flags & HAS_DISPOSITION) {
		p->has_disposition = true;
		p->disposition = get_text(r);
		get_params(r, &p->disposition_params);
	}
	if (flags & HAS_LANGUAGES) {
		p->language_count = get_count(r, MIME_PARAMS_MAX);
		p->languages = get_texts(r, p->language_count);
	}
}

/* One part without its children; *children says how many follow. */
static struct part *
get_part(struct reader *r, struct part *parent, uint64_t size,
    size_t *children)
{
	struct part *p = arena_alloc(r->arena, sizeof *p);
	unsigned flags = (unsigned)get_number_to(r, HAS_ALL);
	unsigned encoding = flags >> ENCODING_SHIFT & ENCODING_MASK;

	p->parent = parent;
	p->depth = parent ? parent->depth + 1 : 0;
	if ((flags & KIND_MASK) > PART_MESSAGE || encoding > ENC_OTHER ||
	    p->depth >= MIME_DEPTH_MAX || ++r->parts > MIME_PARTS_MAX) {
		set_bad(r);
		flags = encoding = 0;
	}
	p->kind = (enum part_kind)(flags & KIND_MASK);
	p->encoding = (enum part_encoding)encoding;
	get_extent(r, p, size);
	if (flags & IS_BINARY)
		get_binary(r, p);
	get_part_text(r, p, flags);
	*children = 0;
	if (p->kind == PART_MESSAGE) {
		p->envelope = arena_alloc(r->arena, sizeof *p->envelope);
		get_envelope(r, p->envelope);
		*children = 1;
	} else if (p->kind == PART_MULTIPART) {
		*children = get_count(r, MIME_PARTS_MAX);
		if (*children == 0)
			set_bad(r);
	}
	return p;
}

/*
 * The tree, in the order it is written. left[n] is how many children a part
 * of depth n still waits for, last[n] the last one that came.
 */
static struct part *
get_tree(struct reader *r, uint64_t size)
{
	size_t left[MIME_DEPTH_MAX];
	struct part *last[MIME_DEPTH_MAX], *root, *p;

	root = p = get_part(r, NULL, size, &left[0]);
	last[0] = NULL;
	while (!r->bad) {
		struct part *child, **link;
		unsigned depth;

		for (; p && left[p->depth] == 0; p = p->parent)
			;
		if (!p)
			return root;
		depth = p->depth;
		if (depth + 1 >= MIME_DEPTH_MAX)
			break;
		left[depth]--;
		child = get_part(r, p, size, &left[depth + 1]);
		link = last[depth] ? &last[depth]->next : &p->child;
		*link = last[depth] = child;
		last[depth + 1] = NULL;
		p = child;
	}
	set_bad(r);
	return NULL;
}

static void
reader_init(struct reader *r, struct span bytes, struct arena *a)
{
	*r = (struct reader){
		.p = (const unsigned char *)bytes.p,
		.end = (const unsigned char *)bytes.p + bytes.len,
		.arena = a
	};
	if (get_number(r) != DIGEST_VERSION)
		set_bad(r);
}

/* What comes before the envelope. */
static void
get_head(struct reader *r, struct digest *d)
{
	*d = (struct digest){ 0 };
	d->flavour = (unsigned)get_number_to(r, 0xff);
	d->size = get_number_to(r, INT64_MAX);
	d->sent_s = get_signed(r);
	d->sent_zone_min = (int32_t)get_signed(r);
	d->is_reply = get_number_to(r, 1);
	d->base_subject = get_text(r);
	d->sort_from = get_text(r);
	d->sort_to = get_text(r);
	d->sort_cc = get_text(r);
	d->display_from = get_text(r);
	d->display_to = get_text(r);
	d->preview = get_text(r);
	d->reference_count = get_count(r, MIME_REFERENCES_MAX);
	d->references = get_texts(r, d->reference_count);
}

int
digest_decode(struct span bytes, struct arena *a, struct digest *d)
{
	struct reader r;

	reader_init(&r, bytes, a);
	get_head(&r, d);
	get_envelope(&r, &d->envelope);
	d->root = get_tree(&r, d->size);
	if (r.bad || r.p != r.end)
		return ERR_SYNTAX;
	return 0;
}

/* Of the envelope the texts alone are read, as far as the last one. */
int
digest_decode_keys(struct span bytes, struct arena *a, struct digest_keys *k)
{
	struct reader r;
	struct digest d;
	unsigned flags;

	reader_init(&r, bytes, a);
	get_head(&r, &d);
	flags = (unsigned)get_number_to(&r, ENV_HAS_ALL);
	(void)get_text_if(&r, flags & ENV_HAS_DATE);
	(void)get_text_if(&r, flags & ENV_HAS_SUBJECT);
	(void)get_text_if(&r, flags & ENV_HAS_IN_REPLY_TO);
	*k = (struct digest_keys){
		.sent_s = d.sent_s,
		.is_reply = d.is_reply,
		.base_subject = d.base_subject,
		.sort_from = d.sort_from,
		.sort_to = d.sort_to,
		.sort_cc = d.sort_cc,
		.display_from = d.display_from,
		.display_to = d.display_to,
		.references = d.references,
		.reference_count = d.reference_count,
		.message_id = get_text_if(&r, flags & ENV_HAS_MESSAGE_ID)
	};
	return r.bad ? ERR_SYNTAX : 0;
}

const struct part *
digest_part(const struct digest *d, const uint32_t *path, size_t n)
{
	const struct part *p = d->root;
	bool at_message = true;	/* p is a whole message, not yet a part */

	for (size_t i = 0; i < n; i++) {
		uint32_t number = path[i];

		if (!at_message && p->kind == PART_MESSAGE) {
			p = p->child;
			at_message = true;
		}
		if (p->kind == PART_MULTIPART) {
			for (p = p->child; p && number > 1; number--)
				p = p->next;
		} else if (!at_message) {
			return NULL;
		}
		if (!p || number != 1)
			return NULL;
		at_message = false;
	}
	return p;
}
