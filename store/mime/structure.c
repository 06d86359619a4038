/*
 * The fields that say what a part is: Content-Type and its relatives.
 */
#include "server/base/xalloc.h"
#include "store/mime/mime_priv.h"
#include "store/mime/scan_priv.h"

struct span
value_copy(struct arena *a, struct span s)
{
	return arena_span(a, span_head(s, DIGEST_VALUE_MAX));
}

static struct span
copy_lower(struct arena *a, struct span s)
{
	char *to;

	s = span_head(s, DIGEST_VALUE_MAX);
	to = arena_array(a, s.len, 1);
	for (size_t i = 0; i < s.len; i++)
		to[i] = (char)ascii_lower((unsigned char)s.p[i]);
	return span_make(to, s.len);
}

/* "text/plain; ...". What is not well formed counts as not there. */
static void
read_type(struct part *p, struct cursor *c, struct arena *a)
{
	struct span type, subtype;

	scan_cfws(c);
	type = cursor_while(c, scan_is_token);
	scan_cfws(c);
	if (type.len == 0 || !cursor_skip(c, '/'))
		return;
	scan_cfws(c);
	subtype = cursor_while(c, scan_is_token);
	if (subtype.len == 0)
		return;
	p->type = copy_lower(a, type);
	p->subtype = copy_lower(a, subtype);
	params_parse(span_make(c->p, cursor_left(c)), a, &p->params);
}

static void
read_disposition(struct part *p, struct cursor *c, struct arena *a)
{
	struct span token;

	scan_cfws(c);
	token = cursor_while(c, scan_is_token);
	if (token.len == 0)
		return;
	p->has_disposition = true;
	p->disposition = copy_lower(a, token);
	params_parse(span_make(c->p, cursor_left(c)), a,
	    &p->disposition_params);
}

/* RFC 2045 section 6.1; names that are often meant so are taken too. */
static void
read_encoding(struct part *p, struct cursor *c, struct arena *a)
{
	static const struct {
		const char *name;
		enum part_encoding encoding;
	} names[] = {
		{ "7bit", ENC_7BIT }, { "7-bit", ENC_7BIT },
		{ "8bit", ENC_8BIT }, { "8-bit", ENC_8BIT },
		{ "binary", ENC_BINARY }, { "quoted-printable", ENC_QP },
		{ "base64", ENC_BASE64 }
	};
	struct span token;
	char *text;

	scan_cfws(c);
	token = span_head(cursor_while(c, scan_is_token), DIGEST_VALUE_MAX);
	if (token.len == 0)
		return;
	p->encoding = ENC_OTHER;
	for (size_t i = 0; i < COUNT(names); i++)
		if (span_iis(token, names[i].name))
			p->encoding = names[i].encoding;
	text = arena_array(a, token.len, 1);
	for (size_t i = 0; i < token.len; i++) {
		char ch = token.p[i];

		text[i] = (char)(ch >= 'a' && ch <= 'z' ? ch - 0x20 : ch);
	}
	p->encoding_text = span_make(text, token.len);
}

/* RFC 3282 section 2: tags between commas. */
static void
read_languages(struct part *p, struct cursor *c, struct arena *a)
{
	struct span tags[MIME_PARAMS_MAX], tag;
	size_t n = 0;

	while (n < MIME_PARAMS_MAX) {
		do
			scan_cfws(c);
		while (cursor_skip(c, ','));
		if (cursor_at_end(c))
			break;
		tag = cursor_while(c, scan_is_token);
		if (tag.len)
			tags[n++] = value_copy(a, tag);
		else
			c->p++;
	}
	if (n == 0)
		return;
	p->languages = arena_memdup(a, tags, n * sizeof *tags);
	p->language_count = n;
}

bool
structure_read_field(struct part *p, struct span name, struct span value,
    struct arena *a)
{
	struct cursor c = cursor_of_span(value);

	if (!span_istarts(name, "content-"))
		return false;
	name = span_from(name, 8);
	if (span_iis(name, "type")) {
		if (!p->type.p)
			read_type(p, &c, a);
	} else if (span_iis(name, "transfer-encoding")) {
		if (!p->encoding_text.p)
			read_encoding(p, &c, a);
	} else if (span_iis(name, "disposition")) {
		if (!p->has_disposition)
			read_disposition(p, &c, a);
	} else if (span_iis(name, "language")) {
		if (p->language_count == 0)
			read_languages(p, &c, a);
	} else if (span_iis(name, "id")) {
		if (p->id.len == 0)
			p->id = value_copy(a, value);
	} else if (span_iis(name, "description")) {
		if (p->description.len == 0)
			p->description = value_copy(a, value);
	} else if (span_iis(name, "md5")) {
		if (p->md5.len == 0)
			p->md5 = value_copy(a, value);
	} else if (span_iis(name, "location")) {
		if (p->location.len == 0)
			p->location = value_copy(a, value);
	} else {
		return false;
	}
	return true;
}

void
structure_finish(struct part *p, bool in_digest, struct arena *a)
{
	if (!p->encoding_text.p) {
		p->encoding = ENC_7BIT;
		p->encoding_text = SPAN("7BIT");
	}
	if (p->type.p)
		return;
	if (in_digest) {	/* RFC 2046 section 5.1.5 */
		p->type = SPAN("message");
		p->subtype = SPAN("rfc822");
		return;
	}
	p->type = SPAN("text");
	p->subtype = SPAN("plain");
	p->params.v = arena_array(a, 1, sizeof *p->params.v);
	p->params.v[0].name = SPAN("charset");
	p->params.v[0].value = SPAN("us-ascii");
	p->params.n = 1;
}
