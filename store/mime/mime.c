/*
 * The push parser.
 *
 * The bytes are gone through line by line (memchr finds the ends). A line
 * matters only while a header is read, for the blank one that ends it, and
 * inside of a multipart if it starts with "-": it may be a delimiter. All
 * else is counted and let pass. A line that ends in a later chunk has its
 * first LINE_MAX bytes held; one that is longer is no delimiter.
 *
 * At any moment the parts from the root to cur are open. cur is the one whose
 * header is read (in_header), or whose body passes: a leaf, or a multipart
 * before its first and after its last delimiter. frames are the multiparts
 * whose delimiters are waited for, outermost first. A delimiter ends all that
 * is open inside of its multipart, whether it had an end of its own or not
 * (RFC 2046 section 5.1.2).
 *
 * What is learned must not depend on where chunks end, so bytes are copied
 * early (header, preview) but looked at when their part is complete, after
 * cutting what turned out to be a delimiter.
 */
#include "store/mime/mime.h"

#include <stdlib.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "server/base/ascii.h"
#include "server/base/xalloc.h"
#include "store/mime/header.h"
#include "store/mime/mime_priv.h"

#define LINE_MAX_HELD 256u	/* MIME_BOUNDARY_MAX, dashes, some padding */
#define LINE_OCTETS_MAX 998	/* RFC 5322 section 2.1.1 */

struct frame {
	struct part *part;
	struct part *last_child;
	struct span boundary;
	bool is_digest;
};

struct mime {
	struct arena own;
	struct arena *arena;	/* own, or the caller's */
	struct digest digest;
	struct part *cur;
	bool in_header;
	struct frame frames[MIME_DEPTH_MAX];
	size_t frame_count;
	size_t part_count;
	size_t header_left;	/* bytes of headers that may still be parsed */
	size_t address_left;

	const char *chunk;	/* the chunk at hand, off is where it starts */
	size_t chunk_len;
	uint64_t off;
	bool chunk_high;	/* it has bytes over 0x7f */
	uint64_t high_off;	/* those before here are accounted for */
	bool chunk_nul;		/* it has NULs */
	uint64_t nul_off;	/* those before here are accounted for */
	bool before_cr;		/* the byte before the chunk was a CR */
	bool last_cr;		/* the last byte that was read was a CR */

	uint64_t line_off;	/* start of the line at hand */
	uint64_t lf_count;	/* line ends before it */
	unsigned eol_len;	/* bytes of the last of them: 0, 1, 2 */
	char held[LINE_MAX_HELD];	/* of it, from earlier chunks */
	size_t held_len;

	struct buf header;	/* of cur, at most header_left bytes */
	struct buf scratch;
	struct part *preview_part;	/* whose body is copied, or NULL */
	size_t preview_wants;
	struct buf preview;
};

/* Copies into b what comes next of the bytes from start on, up to offset. */
static void
copy_from(struct mime *m, struct buf *b, uint64_t start, uint64_t offset,
    size_t max)
{
	uint64_t from = start + b->len;
	size_t n;

	/* What was not copied when it passed is over max. */
	if (b->len >= max || from >= offset || from < m->off)
		return;
	n = (size_t)MIN(offset - from, (uint64_t)(max - b->len));
	buf_add(b, m->chunk + (from - m->off), n);
}

static void
copy_to(struct mime *m, uint64_t offset)
{
	if (m->in_header)
		copy_from(m, &m->header, m->cur->header_off, offset,
		    m->header_left);
	else if (m->preview_part)
		copy_from(m, &m->preview, m->preview_part->body_off, offset,
		    m->preview_wants);
}

/*
 * Whose bytes over 0x7f those up to offset are. A header inside of a message
 * that is sent along is body to those who carry the mail.
 */
static void
account_high(struct mime *m, uint64_t offset)
{
	uint64_t from = MAX(m->high_off, m->off);
	const struct part *p = m->cur;

	m->high_off = offset;
	if (!m->chunk_high || offset <= from || ascii_is_all(m->chunk +
	    (from - m->off), (size_t)(offset - from)))
		return;
	for (p = m->in_header ? p->parent : NULL; p; p = p->parent)
		if (p->kind == PART_MESSAGE)
			break;
	m->digest.flavour |= m->in_header && !p ? FLAVOUR_UTF8_HEADERS :
	    FLAVOUR_8BIT;
}

/* Whether cur's body has NULs, of what passes up to offset. */
static void
account_nul(struct mime *m, uint64_t offset)
{
	uint64_t from = MAX(m->nul_off, m->off);

	m->nul_off = MAX(m->nul_off, offset);
	if (m->chunk_nul && !m->in_header && offset > from &&
	    memchr(m->chunk + (from - m->off), '\0', (size_t)(offset - from)))
		m->cur->is_binary = true;
}

static struct part *
part_new(struct mime *m, struct part *parent, uint64_t header_off)
{
	struct part *p = arena_alloc(m->arena, sizeof *p);

	p->parent = parent;
	p->depth = parent ? parent->depth + 1 : 0;
	p->header_off = header_off;
	m->part_count++;
	m->cur = p;
	m->in_header = true;
	buf_clear(&m->header);
	return p;
}

/* The envelope that cur's fields belong to, or NULL. */
static struct envelope *
cur_envelope(struct mime *m)
{
	struct part *up = m->cur->parent;

	if (!up)
		return &m->digest.envelope;
	return up->kind == PART_MESSAGE ? up->envelope : NULL;
}

/* Where the field is that says how cur's body is encoded. */
static void
note_encoding(struct mime *m, const struct header_field *f)
{
	struct part *p = m->cur;

	p->cte_off = (uint64_t)(f->whole.p - m->header.p);
	p->cte_len = f->whole.len;
	p->cte_lines = 0;
	for (size_t i = 0; i < f->whole.len; i++)
		p->cte_lines += f->whole.p[i] == '\n';
}

static void
read_field(struct mime *m, struct envelope *e, const struct header_field *f)
{
	struct part *p = m->cur;
	bool had_encoding = p->encoding_text.p != NULL;
	struct span value;

	/* Most fields are none of ours: not unfolded, then. */
	if (f->name.len == 0 || !strchr("bcdfimrst",
	    ascii_lower((unsigned char)f->name.p[0])))
		return;
	if (f->whole.len > MIME_FIELD_MAX) {
		m->digest.flavour |= FLAVOUR_UNPARSED;
		return;
	}
	buf_clear(&m->scratch);
	header_unfold(&m->scratch, f->value);
	value = buf_span(&m->scratch);
	if (structure_read_field(p, f->name, value, m->arena)) {
		if (!had_encoding && p->encoding_text.p)
			note_encoding(m, f);
		return;
	}
	if (!e)
		return;
	if (!p->parent && span_iis(f->name, "references"))
		envelope_read_references(&m->digest, value, m->arena);
	else
		(void)envelope_read_field(e, f->name, value, m->arena,
		    &m->address_left);
	if (m->address_left == 0)
		m->digest.flavour |= FLAVOUR_UNPARSED;
}

static void
read_header(struct mime *m)
{
	struct envelope *e = cur_envelope(m);
	struct header_field f;
	struct field_iter it;
	bool in_digest = m->cur->parent && m->frame_count &&
	    m->frames[m->frame_count - 1].part == m->cur->parent &&
	    m->frames[m->frame_count - 1].is_digest;

	field_iter_init(&it, buf_span(&m->header));
	while (field_iter_next(&it, &f))
		read_field(m, e, &f);
	structure_finish(m->cur, in_digest, m->arena);
	if (!m->cur->parent)
		envelope_summarise(&m->digest, m->arena);
}

/* RFC 2046 section 5.1.1: what a delimiter can be made of. */
static bool
is_boundary(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return s.len > 0 && s.len <= MIME_BOUNDARY_MAX;
}

static bool
has_room(struct mime *m)
{
	if (m->cur->depth + 1 < MIME_DEPTH_MAX &&
	    m->part_count < MIME_PARTS_MAX)
		return true;
	m->digest.flavour |= FLAVOUR_UNPARSED;
	return false;
}

/* cur becomes a multipart, if there is a delimiter to look for. */
static void
open_multipart(struct mime *m)
{
	struct part *p = m->cur;
	struct span boundary = params_find(&p->params, "boundary");

	/* Lines are compared without the white space at their ends. */
	while (boundary.len && boundary.p[boundary.len - 1] == ' ')
		boundary.len--;
	if (!is_boundary(boundary) || !has_room(m))
		return;
	p->kind = PART_MULTIPART;
	m->frames[m->frame_count++] = (struct frame){
		.part = p, .boundary = boundary,
		.is_digest = span_is(p->subtype, "digest")
	};
}

static bool
is_message(const struct part *p)
{
	return span_is(p->type, "message") &&
	    (span_is(p->subtype, "rfc822") || span_is(p->subtype, "global"));
}

static bool
is_identity(const struct part *p)
{
	return p->encoding == ENC_7BIT || p->encoding == ENC_8BIT ||
	    p->encoding == ENC_BINARY;
}

static void
open_leaf(struct mime *m)
{
	if (m->digest.preview.len)
		return;
	m->preview_wants = preview_wants(m->cur);
	if (m->preview_wants) {
		m->preview_part = m->cur;
		buf_clear(&m->preview);
	}
}

/*
 * cur's header ends at offset, lf_count lines before it. In a message the
 * header of the next one begins at once.
 */
static void
header_end(struct mime *m, uint64_t offset, uint64_t lf_count)
{
	struct part *p = m->cur;

	account_high(m, offset);
	account_nul(m, offset);
	copy_to(m, offset);
	p->header_len = offset - p->header_off;
	p->body_off = offset;
	p->lines = lf_count;	/* until part_end knows better */
	if (p->header_len > m->header_left)
		m->digest.flavour |= FLAVOUR_UNPARSED;
	buf_truncate(&m->header, (size_t)MIN(m->header.len, p->header_len));
	m->header_left -= m->header.len;
	m->in_header = false;
	read_header(m);
	if (span_is(p->type, "multipart")) {
		open_multipart(m);
	} else if (is_message(p) && is_identity(p) && has_room(m)) {
		p->kind = PART_MESSAGE;
		p->envelope = arena_alloc(m->arena, sizeof *p->envelope);
		p->child = part_new(m, p, offset);
	} else {
		open_leaf(m);
	}
}

/* cur's body ends at offset, lf_count lines before it. */
static void
part_end(struct mime *m, uint64_t offset, uint64_t lf_count)
{
	struct part *p = m->cur;

	account_nul(m, offset);
	p->body_len = offset - p->body_off;
	p->lines = lf_count - p->lines;
	if (p == m->preview_part) {
		copy_to(m, offset);
		buf_truncate(&m->preview,
		    (size_t)MIN(m->preview.len, p->body_len));
		preview_make(&m->scratch, p, buf_span(&m->preview));
		m->digest.preview = arena_span(m->arena,
		    buf_span(&m->scratch));
		m->preview_part = NULL;
	}
	/* A multipart without parts has no legal BODYSTRUCTURE. */
	if (p->kind == PART_MULTIPART && !p->child)
		p->kind = PART_LEAF;
	m->cur = p->parent;
}

/* All that is open inside of until ends at offset. */
static void
end_parts(struct mime *m, const struct part *until, uint64_t offset,
    uint64_t lf_count)
{
	while (m->in_header)
		header_end(m, offset, lf_count);
	while (m->cur != until)
		part_end(m, offset, lf_count);
}

/* Whether line is the delimiter of boundary; *is_close for its last one. */
static bool
is_delimiter(struct span line, struct span boundary, bool *is_close)
{
	if (line.len != boundary.len + 2 && line.len != boundary.len + 4)
		return false;
	if (memcmp(line.p + 2, boundary.p, boundary.len) != 0)
		return false;
	*is_close = line.len == boundary.len + 4;
	return !*is_close || memcmp(line.p + line.len - 2, "--", 2) == 0;
}

/*
 * The frame whose delimiter line is, or NULL. The innermost is asked first.
 * Deviation from RFC 2046 section 5.1.1, which lets a line go on behind its
 * boundary: only white space may follow, since there is mail in which one
 * boundary begins like another.
 */
static struct frame *
find_frame(struct mime *m, struct span line, bool *is_close)
{
	while (line.len && strchr(" \t\r", line.p[line.len - 1]) &&
	    line.p[line.len - 1])
		line.len--;
	if (line.len < 3 || line.p[0] != '-' || line.p[1] != '-')
		return NULL;
	for (size_t i = m->frame_count; i-- > 0;)
		if (is_delimiter(line, m->frames[i].boundary, is_close))
			return &m->frames[i];
	return NULL;
}

/* The line at hand is a delimiter; what follows it begins at next. */
static void
delimit(struct mime *m, struct frame *f, bool is_close, uint64_t next)
{
	struct part *p = f->part, *child;
	uint64_t start = m->in_header ? m->cur->header_off :
	    m->cur->body_off;
	/* RFC 2046 section 5.1.1: the line end before it belongs to it, but
	 * not one that belongs to a header or another delimiter. */
	bool has_eol = m->line_off > start;

	account_nul(m, m->line_off);
	end_parts(m, p, m->line_off - (has_eol ? m->eol_len : 0),
	    m->lf_count - has_eol);
	m->frame_count = (size_t)(f - m->frames) + 1;
	account_high(m, next);
	if (is_close || !has_room(m)) {
		m->frame_count--;	/* the rest is not looked at */
		return;
	}
	child = part_new(m, p, next);
	if (f->last_child)
		f->last_child->next = child;
	else
		p->child = child;
	f->last_child = child;
}

/* The line at hand is complete: its beginning, and where the next starts. */
static void
line_end(struct mime *m, struct span line, bool has_lf, uint64_t next)
{
	bool is_close, is_whole = next - m->line_off <= LINE_MAX_HELD;
	struct frame *f = NULL;

	if (line.len && line.p[0] == '-' && m->frame_count && is_whole)
		f = find_frame(m, line, &is_close);
	if (f)
		delimit(m, f, is_close, next);
	else if (m->in_header && has_lf && (line.len == 0 ||
	    (line.len == 1 && line.p[0] == '\r')))
		header_end(m, next, m->lf_count + 1);
}

static void
hold(struct mime *m, const char *p, size_t len)
{
	len = MIN(len, LINE_MAX_HELD - m->held_len);
	if (len)
		memcpy(m->held + m->held_len, p, len);
	m->held_len += len;
}

/* The line that began before the chunk ends at lf. */
static struct span
finish_held(struct mime *m, const char *lf, bool *is_cr)
{
	*is_cr = lf > m->chunk ? lf[-1] == '\r' : m->before_cr;
	hold(m, m->chunk, (size_t)(lf - m->chunk));
	return span_make(m->held, m->held_len);
}

static void
read_lines(struct mime *m)
{
	const char *p = m->chunk, *end = p + m->chunk_len, *lf;

	while (p < end && (lf = memchr(p, '\n', (size_t)(end - p)))) {
		struct span line = span_make(p, (size_t)(lf - p));
		uint64_t next = m->off + (uint64_t)(lf + 1 - m->chunk);
		bool is_cr = lf > p && lf[-1] == '\r';

		if (m->off + (uint64_t)(p - m->chunk) != m->line_off)
			line = finish_held(m, lf, &is_cr);
		if (next - m->line_off - 1 - is_cr > LINE_OCTETS_MAX)
			m->digest.flavour |= FLAVOUR_LONG_LINES;
		if (m->in_header || (m->frame_count && line.len &&
		    *line.p == '-'))
			line_end(m, line, true, next);
		m->line_off = next;
		m->held_len = 0;
		m->lf_count++;
		m->eol_len = 1 + is_cr;
		p = lf + 1;
	}
	hold(m, p, (size_t)(end - p));
}

/* Line ends that are not CR LF, NULs, bytes over 0x7f: byte by byte. */
static void
read_bytes(struct mime *m, const char *p, size_t len)
{
	unsigned char any = 0;
	bool cr = m->last_cr, bare = false, nul = false;

	for (size_t i = 0; i < len; i++) {
		bare |= cr != (p[i] == '\n');
		cr = p[i] == '\r';
		nul |= p[i] == '\0';
		any |= (unsigned char)p[i];
	}
	m->last_cr = cr;
	m->chunk_high |= any >= 0x80;
	m->chunk_nul |= nul;
	m->digest.flavour |= (nul ? FLAVOUR_NUL : 0u) |
	    (bare ? FLAVOUR_BARE_CR_LF : 0u);
}

#if defined(__SSE2__)
/* The same for blocks of 64 bytes; returns how many bytes were read. */
static size_t
read_blocks(struct mime *m, const char *p, size_t len)
{
	const __m128i zero = _mm_setzero_si128();
	__m128i any = zero, nul = zero;
	uint64_t carry = m->last_cr, bare = 0;
	bool has_nul;
	size_t i;

	for (i = 0; len - i >= 64; i += 64) {
		uint64_t lf = 0, cr = 0;

		for (unsigned k = 0; k < 64; k += 16) {
			__m128i v = _mm_loadu_si128((const void *)(p + i + k));

			any = _mm_or_si128(any, v);
			nul = _mm_or_si128(nul, _mm_cmpeq_epi8(v, zero));
			lf |= (uint64_t)(unsigned)_mm_movemask_epi8(
			    _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'))) << k;
			cr |= (uint64_t)(unsigned)_mm_movemask_epi8(
			    _mm_cmpeq_epi8(v, _mm_set1_epi8('\r'))) << k;
		}
		/* Each LF is to stand one place behind a CR. */
		bare |= lf ^ (cr << 1 | carry);
		carry = cr >> 63;
	}
	m->last_cr = carry;
	m->chunk_high |= _mm_movemask_epi8(any) != 0;
	has_nul = _mm_movemask_epi8(nul) != 0;
	m->chunk_nul |= has_nul;
	m->digest.flavour |= (has_nul ? FLAVOUR_NUL : 0u) |
	    (bare ? FLAVOUR_BARE_CR_LF : 0u);
	return i;
}
#else
static size_t
read_blocks(struct mime *m, const char *p, size_t len)
{
	(void)m;
	(void)p;
	(void)len;
	return 0;
}
#endif

static void
mime_init(struct mime *m, struct arena *a)
{
	m->arena = a;
	m->header_left = MIME_HEADER_MAX;
	m->address_left = MIME_ADDRESSES_TOTAL;
	buf_init(&m->header);
	buf_init(&m->scratch);
	buf_init(&m->preview);
	m->digest.root = part_new(m, NULL, 0);
}

struct mime *
mime_new(void)
{
	struct mime *m = xcalloc(1, sizeof *m);

	mime_init(m, &m->own);
	return m;
}

void
mime_free(struct mime *m)
{
	if (!m)
		return;
	buf_release(&m->header);
	buf_release(&m->scratch);
	buf_release(&m->preview);
	arena_release(&m->own);
	free(m);
}

void
mime_add(struct mime *m, const char *p, size_t len)
{
	size_t done;

	if (len == 0)
		return;
	m->chunk = p;
	m->chunk_len = len;
	m->chunk_high = m->chunk_nul = false;
	m->before_cr = m->last_cr;
	done = read_blocks(m, p, len);
	read_bytes(m, p + done, len - done);
	read_lines(m);
	account_high(m, m->off + len);
	account_nul(m, m->off + len);
	copy_to(m, m->off + len);
	m->off += len;
	m->chunk = NULL;
	m->chunk_len = 0;
}

/* Lines mean nothing in what is said to be binary: it has bare CRs and LFs. */
static void
note_binary(struct part *p)
{
	while (p) {
		if (p->encoding == ENC_BINARY && p->body_len > 0)
			p->is_binary = true;
		if (p->child) {
			p = p->child;
			continue;
		}
		while (p && !p->next)
			p = p->parent;
		p = p ? p->next : NULL;
	}
}

const struct digest *
mime_finish(struct mime *m)
{
	if (m->last_cr)
		m->digest.flavour |= FLAVOUR_BARE_CR_LF;
	m->chunk_high = m->chunk_nul = false;
	if (m->line_off < m->off) {
		if (m->off - m->line_off > LINE_OCTETS_MAX)
			m->digest.flavour |= FLAVOUR_LONG_LINES;
		line_end(m, span_make(m->held, m->held_len), false, m->off);
	}
	end_parts(m, NULL, m->off, m->lf_count);
	if (m->digest.flavour & FLAVOUR_BARE_CR_LF)
		note_binary(m->digest.root);
	m->digest.size = m->off;
	return &m->digest;
}

size_t
mime_memory(const struct mime *m)
{
	return sizeof *m + m->own.used + m->header.cap + m->scratch.cap +
	    m->preview.cap;
}

void
mime_digest(struct span message, struct arena *a, struct digest *d)
{
	struct mime *m = xcalloc(1, sizeof *m);

	mime_init(m, a);
	mime_add(m, message.p, message.len);
	*d = *mime_finish(m);
	mime_free(m);
}
