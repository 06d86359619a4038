#include "store/mime/text.h"

#include <stdlib.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "server/base/ascii.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "store/mime/charset.h"
#include "store/mime/encoded.h"
#include "store/mime/mime_priv.h"

/*
 * Above this a needle goes to memmem, which is linear whatever is searched;
 * the search here may look at each byte as often as the needle is long.
 */
#define FAST_NEEDLE_MAX 64

#if defined(__SSE2__)
/*
 * Looks for the needle's first and last byte at once, sixteen places at a
 * time, and compares the rest where both are. Stops where fewer than sixteen
 * places are left and says in *done how many it has looked at.
 */
static bool
contains_sse2(struct span h, struct span n, size_t *done)
{
	const __m128i first = _mm_set1_epi8(n.p[0]);
	const __m128i last = _mm_set1_epi8(n.p[n.len - 1]);
	size_t i;

	for (i = 0; h.len - i >= n.len + 15; i += 16) {
		const void *a = h.p + i, *b = h.p + i + n.len - 1;
		__m128i both = _mm_and_si128(
		    _mm_cmpeq_epi8(_mm_loadu_si128(a), first),
		    _mm_cmpeq_epi8(_mm_loadu_si128(b), last));
		unsigned mask = (unsigned)_mm_movemask_epi8(both);

		for (; mask; mask &= mask - 1) {
			size_t at = i + (size_t)__builtin_ctz(mask);

			if (memcmp(h.p + at, n.p, n.len) == 0)
				return true;
		}
	}
	*done = i;
	return false;
}
#endif

bool
text_contains(struct span haystack, struct span needle)
{
	if (needle.len == 0)
		return true;
	if (haystack.len < needle.len)
		return false;
#if defined(__SSE2__)
	if (needle.len <= FAST_NEEDLE_MAX) {
		size_t done = 0;

		if (contains_sse2(haystack, needle, &done))
			return true;
		haystack = span_from(haystack, done);
	}
#endif
	return memmem(haystack.p, haystack.len, needle.p, needle.len) != NULL;
}

bool
text_header_contains(struct span raw_value, struct span folded_needle,
    struct buf *scratch)
{
	struct buf decoded = BUF_INIT;

	buf_clear(scratch);
	if (ascii_is_all(raw_value.p, raw_value.len) &&
	    !text_contains(raw_value, SPAN("=?"))) {
		utf8_fold_loose(scratch, raw_value);
		return text_contains(buf_span(scratch), folded_needle);
	}
	encoded_decode(&decoded, raw_value);
	utf8_fold_loose(scratch, buf_span(&decoded));
	buf_release(&decoded);
	return text_contains(buf_span(scratch), folded_needle);
}

struct text_scan {
	struct decoder decoder;
	struct charset *charset;
	const struct span *needles;
	bool *found;
	size_t count;
	size_t keep;		/* bytes of the longest needle, less one */
	struct buf decoded;	/* after the transfer encoding */
	struct buf text;	/* after the charset */
	bool is_html;
	struct html_strip html;
	struct buf plain;	/* of HTML, what is read */
	struct buf window;	/* folded: the end of before, and what is new */
};

/*
 * US-ASCII is read as UTF-8: whoever has bytes in it that are no ASCII means
 * something, most often that. So are charsets that are not known.
 */
struct charset *
text_charset(const struct part *part)
{
	struct span name = params_find(&part->params, "charset");
	struct charset *c = NULL;

	if (!span_iis(name, "us-ascii"))
		c = charset_new(name);
	return c ? c : charset_new(SPAN("utf-8"));
}

struct text_scan *
text_scan_new(const struct part *part, const struct span *folded_needles,
    size_t count, bool *found)
{
	struct text_scan *t = xcalloc(1, sizeof *t);

	decoder_init(&t->decoder, part->encoding);
	t->charset = text_charset(part);
	t->needles = folded_needles;
	t->found = found;
	t->count = count;
	t->is_html = span_is(part->type, "text") &&
	    span_is(part->subtype, "html");
	for (size_t i = 0; i < count; i++) {
		found[i] = found[i] || folded_needles[i].len == 0;
		if (folded_needles[i].len)
			t->keep = MAX(t->keep, folded_needles[i].len - 1);
	}
	buf_init(&t->decoded);
	buf_init(&t->text);
	buf_init(&t->plain);
	buf_init(&t->window);
	return t;
}

/* Looks at what is in text, and keeps what a match may begin with. */
static void
scan_text(struct text_scan *t)
{
	struct buf *text = &t->text;

	if (t->is_html) {
		html_strip_add(&t->html, &t->plain, buf_span(&t->text));
		buf_clear(&t->text);
		text = &t->plain;
	}
	utf8_fold_loose(&t->window, buf_span(text));
	buf_clear(text);
	for (size_t i = 0; i < t->count; i++)
		if (!t->found[i])
			t->found[i] = text_contains(buf_span(&t->window),
			    t->needles[i]);
	if (t->window.len > t->keep)
		buf_consume(&t->window, t->window.len - t->keep);
}

static bool
all_found(const struct text_scan *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (!t->found[i])
			return false;
	return true;
}

void
text_scan_add(struct text_scan *t, const char *p, size_t len)
{
	if (all_found(t))
		return;
	if (t->decoder.encoding == ENC_QP ||
	    t->decoder.encoding == ENC_BASE64) {
		buf_clear(&t->decoded);
		decoder_add(&t->decoder, &t->decoded, p, len);
		p = t->decoded.p;
		len = t->decoded.len;
	}
	charset_add(t->charset, &t->text, p, len);
	scan_text(t);
}

void
text_scan_finish(struct text_scan *t)
{
	if (all_found(t))
		return;
	buf_clear(&t->decoded);
	decoder_finish(&t->decoder, &t->decoded);
	charset_add(t->charset, &t->text, t->decoded.p, t->decoded.len);
	charset_finish(t->charset, &t->text);
	scan_text(t);
	if (t->is_html) {
		html_strip_finish(&t->html, &t->plain);
		scan_text(t);
	}
}

void
text_scan_free(struct text_scan *t)
{
	if (!t)
		return;
	charset_free(t->charset);
	buf_release(&t->decoded);
	buf_release(&t->text);
	buf_release(&t->plain);
	buf_release(&t->window);
	free(t);
}
