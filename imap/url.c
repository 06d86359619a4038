#include "imap/url.h"

#include "imap/parse_priv.h"
#include "server/base/codec.h"

/* Finds a word with ASCII letters in any case. */
static bool
find_word(struct span text, const char *word, size_t *at)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= text.len; i++)
		if (span_iis(span_make(text.p + i, n), word)) {
			*at = i;
			return true;
		}
	return false;
}

/* Percent-encoding undone, into the arena. Without NULs. */
static bool
decode(struct span text, struct arena *a, struct span *out)
{
	struct buf b = BUF_INIT;
	bool good = percent_decode(&b, text) == 0 &&
	    !span_chr(buf_span(&b), '\0');

	*out = arena_span(a, buf_span(&b));
	buf_release(&b);
	return good;
}

static bool
parse_number(struct span text, uint64_t max, uint64_t *n)
{
	struct cursor c = cursor_of_span(text);

	return cursor_number(&c, max, n) && cursor_at_end(&c);
}

static bool
parse_nz_number(struct span text, uint32_t *n)
{
	uint64_t value;

	if (!parse_number(text, UINT32_MAX, &value))
		return false;
	*n = (uint32_t)value;
	return value != 0;
}

/* enc-mailbox [";UIDVALIDITY=" nz-number] */
static bool
parse_mailbox(struct span ref, struct arena *a, struct imap_url *url)
{
	struct imap_parser p;
	struct span name;
	size_t at;

	if (find_word(ref, ";UIDVALIDITY=", &at)) {
		if (!parse_nz_number(span_from(ref, at + 13),
		    &url->uidvalidity))
			return false;
		ref.len = at;
	}
	/* RFC 5092 section 5: ";" and "?" in a name are encoded. */
	if (ref.len == 0 || span_chr(ref, ';') || span_chr(ref, '?') ||
	    !decode(ref, a, &name))
		return false;
	imap_parser_init(&p, name, a);
	p.utf8 = true;
	url->has_mailbox = true;
	return !imap_decode_name(&p, name, &url->mailbox) &&
	    !imap_fold_inbox(&p, &url->mailbox);
}

/* offset ["." length]: without the length to the end */
static bool
parse_partial(struct span text, struct imap_fetch_body *part)
{
	const char *dot = span_chr(text, '.');
	size_t n = dot ? (size_t)(dot - text.p) : text.len;

	part->partial = true;
	part->len = INT64_MAX;
	if (!parse_number(span_head(text, n), INT64_MAX, &part->off))
		return false;
	return !dot || (parse_number(span_from(text, n + 1), INT64_MAX,
	    &part->len) && part->len > 0);
}

static bool
parse_section(struct span text, struct arena *a, struct imap_section *s)
{
	struct imap_parser p;
	struct buf b = BUF_INIT;
	struct span section;
	bool good = false;

	if (text.len && decode(text, a, &section)) {
		buf_addc(&b, '[');
		buf_addspan(&b, section);
		buf_addc(&b, ']');
		imap_parser_init(&p, arena_span(a, buf_span(&b)), a);
		good = !imap_parse_section(&p, s) && cursor_at_end(&p.c);
		buf_release(&b);
	}
	return good;
}

/* nz-number ["/;SECTION=" section] ["/;PARTIAL=" range] */
static bool
parse_message(struct span text, struct arena *a, struct imap_url *url)
{
	size_t at;

	if (find_word(text, "/;PARTIAL=", &at)) {
		if (!parse_partial(span_from(text, at + 10), &url->part))
			return false;
		text.len = at;
	}
	if (find_word(text, "/;SECTION=", &at)) {
		if (!parse_section(span_from(text, at + 10), a,
		    &url->part.section))
			return false;
		text.len = at;
	}
	return parse_nz_number(text, &url->uid);
}

bool
imap_url_parse(struct span text, struct arena *a, struct imap_url *url)
{
	size_t at;

	*url = (struct imap_url){ 0 };
	if (span_istarts(text, ";UID="))
		return parse_message(span_from(text, 5), a, url);
	/* RFC 4469 section 3: no scheme and no server. */
	if (span_starts(text, "//") || span_istarts(text, "imap:") ||
	    !find_word(text, "/;UID=", &at))
		return false;
	if (!parse_message(span_from(text, at + 6), a, url))
		return false;
	text.len = at;
	if (text.len && *text.p == '/')
		text = span_from(text, 1);
	return parse_mailbox(text, a, url);
}
