/*
 * What FETCH says of any message: ENVELOPE and BODYSTRUCTURE are read by a
 * reader of their grammar that shares no code with the writer, sections lie
 * within the message, and nothing 8-bit reaches a client that cannot have it.
 */
#include <assert.h>

#include "imap/reply.h"
#include "imap/section.h"
#include "server/base/utf8.h"
#include "store/mime/downgrade.h"
#include "store/mime/header.h"
#include "store/mime/mime.h"
#include "tests/unit/imap/sexp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_values(const struct digest *d, bool utf8)
{
	struct arena a = { 0 };
	struct buf b = BUF_INIT;
	struct sexp s;

	imap_put_envelope(&b, &d->envelope, utf8);
	assert(sexp_parse(b.p, b.len, utf8, &a, &s));
	assert(sexp_is_envelope(&s));
	assert(utf8 || utf8_is_ascii(buf_span(&b)));
	for (int extended = 0; extended < 2; extended++) {
		buf_clear(&b);
		imap_put_bodystructure(&b, d, extended, utf8);
		assert(sexp_parse(b.p, b.len, utf8, &a, &s));
		assert(sexp_is_body(&s, extended));
		assert(utf8 || utf8_is_ascii(buf_span(&b)));
	}
	buf_release(&b);
	arena_release(&a);
}

static void
check_section(const struct digest *d, uint32_t prefix_len,
    const struct imap_section *s)
{
	struct section_range r;

	section_find(d, prefix_len, s, &r);
	assert(r.found || (r.len == 0 && !r.filter));
	assert(r.len <= prefix_len + d->size);
	assert(r.off <= prefix_len + d->size - r.len);
}

/* Every section of the part at path, and of those below it. */
static void
check_sections(const struct digest *d, uint32_t *path, size_t n)
{
	static const enum imap_section_what whats[] = {
		SECTION_ALL, SECTION_HEADER, SECTION_FIELDS, SECTION_TEXT,
		SECTION_MIME,
	};

	for (size_t i = 0; i < sizeof whats / sizeof *whats; i++) {
		struct imap_section s = {
			.path = path, .path_len = n, .what = whats[i],
		};

		check_section(d, 0, &s);
		check_section(d, 100, &s);
	}
	for (uint32_t kid = 1; n < 4 && kid < 5; kid++) {
		path[n] = kid;
		if (digest_part(d, path, n + 1))
			check_sections(d, path, n + 1);
	}
}

static void
check_header(struct span header)
{
	struct span names[] = { SPAN("Subject"), SPAN("to") };
	struct imap_section s = { .fields = names, .field_count = 2 };
	struct buf b = BUF_INIT, c = BUF_INIT;
	bool changed = downgrade_header(&b, header);

	assert(changed == !utf8_is_ascii(header));
	assert(utf8_is_ascii(buf_span(&b)));
	assert(changed || span_eq(buf_span(&b), header));
	buf_clear(&b);
	s.what = SECTION_FIELDS;
	section_filter(&b, header, &s);
	s.what = SECTION_FIELDS_NOT;
	section_filter(&c, header, &s);
	/* Between them they have every byte once, and two line ends. */
	assert(b.len + c.len <= header.len + 8);
	assert(b.len >= 2 && memcmp(b.p + b.len - 2, "\r\n", 2) == 0);
	buf_release(&b);
	buf_release(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_make((const char *)data, size);
	struct arena a = { 0 };
	uint32_t path[8];
	struct digest d;

	mime_digest(in, &a, &d);
	check_values(&d, false);
	check_values(&d, true);
	check_sections(&d, path, 0);
	check_header(span_head(in, header_block_len(in)));
	arena_release(&a);
	return 0;
}
