#include "imap/section.h"

#include "server/base/xalloc.h"
#include "store/mime/header.h"

/* Where an entity's header and body are; end is that of the body. */
struct entity {
	uint64_t header, body, end;
};

/* Offsets of the content, never outside it. */
static struct entity
entity_of(const struct digest *d, const struct part *part)
{
	struct entity e;

	e.header = MIN(part->header_off, d->size);
	e.body = MIN(part->body_off, d->size);
	e.end = e.body + MIN(part->body_len, d->size - e.body);
	e.header = MIN(e.header, e.body);
	return e;
}

static uint64_t
header_end(const struct digest *d, const struct part *part)
{
	uint64_t off = MIN(part->header_off, d->size);

	return off + MIN(part->header_len, d->size - off);
}

static void
set_range(struct section_range *r, uint64_t from, uint64_t to)
{
	r->found = true;
	r->off = from;
	r->len = to > from ? to - from : 0;
}

/* Of the entity at part (the message itself, or one inside another). */
static void
find_in_entity(const struct digest *d, const struct part *part,
    enum imap_section_what what, struct section_range *r)
{
	struct entity e = entity_of(d, part);

	switch (what) {
	case SECTION_FIELDS:
	case SECTION_FIELDS_NOT:
		r->filter = true;
		/* FALLTHROUGH */
	case SECTION_HEADER:
	case SECTION_MIME:
		r->is_header = true;
		set_range(r, e.header, header_end(d, part));
		break;
	case SECTION_TEXT:
		set_range(r, e.body, part == d->root ? d->size : e.end);
		break;
	case SECTION_ALL:
		set_range(r, e.header, e.end);
		break;
	}
}

void
section_find(const struct digest *d, uint32_t prefix_len,
    const struct imap_section *s, struct section_range *r)
{
	const struct part *part;
	struct entity e;

	*r = (struct section_range){ .encoding = ENC_BINARY };
	if (s->path_len == 0 && s->what == SECTION_ALL) {
		set_range(r, 0, prefix_len + d->size);
		return;
	}
	part = digest_part(d, s->path, s->path_len);
	if (!part)
		return;
	if (s->path_len == 0 || s->what == SECTION_MIME) {
		find_in_entity(d, part, s->what, r);
	} else if (s->what == SECTION_ALL) {
		e = entity_of(d, part);
		set_range(r, e.body, e.end);
		if (part->kind == PART_LEAF)
			r->encoding = part->encoding;
	} else if (part->kind == PART_MESSAGE && part->child) {
		/* RFC 3501 section 6.4.5: of the message inside only */
		part = part->child;
		find_in_entity(d, part, s->what, r);
	}
	if (!r->found)
		return;
	/* The prefix is in front of the message's own header. */
	if (part == d->root && r->is_header)
		r->len += prefix_len;
	else
		r->off += prefix_len;
}

bool
section_needs_digest(const struct imap_section *s)
{
	return s->path_len > 0 || s->what != SECTION_ALL;
}

void
section_cut(const struct imap_fetch_body *b, uint64_t *off, uint64_t *len)
{
	uint64_t skip;

	if (!b->partial)
		return;
	skip = MIN(b->off, *len);
	*off += skip;
	*len = MIN(b->len, *len - skip);
}

static bool
is_listed(const struct imap_section *s, struct span name)
{
	for (size_t i = 0; i < s->field_count; i++)
		if (span_ieq(s->fields[i], name))
			return true;
	return false;
}

void
section_filter(struct buf *out, struct span header,
    const struct imap_section *s)
{
	bool wanted = s->what == SECTION_FIELDS;
	struct field_iter it;
	struct header_field f;

	field_iter_init(&it, header);
	while (field_iter_next(&it, &f)) {
		if (is_listed(s, f.name) != wanted)
			continue;
		buf_addspan(out, f.whole);
		if (f.whole.len && f.whole.p[f.whole.len - 1] != '\n')
			buf_adds(out, "\r\n");
	}
	buf_adds(out, "\r\n");
}
