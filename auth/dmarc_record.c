#include "auth/dmarc_record.h"

#include "auth/tags.h"

#define VERSION "DMARC1"
#define MAILTO "mailto:"

static const char *const requests[] = {
	[DMARC_NONE] = "none", [DMARC_QUARANTINE] = "quarantine",
	[DMARC_REJECT] = "reject",
};

const char *
dmarc_request_name(enum dmarc_request r)
{
	return requests[r];
}

static bool
is_wsp(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/* dmarc-version: "v" equals %s"DMARC1", and then a separator or the end. */
static bool
skip_version(struct cursor *c)
{
	if (!cursor_skip_word(c, "v"))
		return false;
	(void)cursor_while(c, is_wsp);
	if (!cursor_skip(c, '='))
		return false;
	(void)cursor_while(c, is_wsp);
	if (!span_starts(span_make(c->p, cursor_left(c)), VERSION))
		return false;
	c->p += strlen(VERSION);
	(void)cursor_while(c, is_wsp);
	return cursor_at_end(c) || cursor_skip(c, ';');
}

bool
dmarc_is_record(struct span txt)
{
	struct cursor c = cursor_of_span(txt);

	return txt.len <= DMARC_RECORD_MAX && skip_version(&c);
}

/* Returns whether value is one; *r is left alone if not. */
static bool
parse_request(struct span value, enum dmarc_request *r)
{
	for (int i = DMARC_NONE; i <= DMARC_REJECT; i++)
		if (span_iis(value, requests[i])) {
			*r = (enum dmarc_request)i;
			return true;
		}
	return false;
}

/* What was seen of the three requests, to judge the whole in the end. */
struct seen {
	bool has_p, has_sp, has_np;
	bool is_bad;
};

static void
take_tag(struct dmarc_record *r, struct seen *seen, struct span name,
    struct span value)
{
	if (span_iis(name, "p")) {
		seen->has_p = true;
		seen->is_bad |= !parse_request(value, &r->p);
	} else if (span_iis(name, "sp")) {
		seen->has_sp = parse_request(value, &r->sp);
		seen->is_bad |= !seen->has_sp;
	} else if (span_iis(name, "np")) {
		seen->has_np = parse_request(value, &r->np);
		seen->is_bad |= !seen->has_np;
	} else if (span_iis(name, "adkim")) {
		r->is_strict_dkim = span_iis(value, "s");
	} else if (span_iis(name, "aspf")) {
		r->is_strict_spf = span_iis(value, "s");
	} else if (span_iis(name, "t")) {
		r->is_testing = span_iis(value, "y");
	} else if (span_iis(name, "psd")) {
		r->psd = span_iis(value, "y") ? DMARC_PSD_YES :
		    span_iis(value, "n") ? DMARC_PSD_NO : DMARC_PSD_UNKNOWN;
	} else if (span_iis(name, "rua")) {
		r->rua = value;
	} else if (span_iis(name, "ruf")) {
		r->ruf = value;
	} else if (span_iis(name, "fo")) {
		r->fo = value;
	}
}

void
dmarc_record_parse(struct span txt, struct dmarc_record *r)
{
	struct cursor c = cursor_of_span(txt);
	struct seen seen = { 0 };
	struct span spec, address;

	*r = (struct dmarc_record){ .p = DMARC_NONE };
	(void)skip_version(&c);
	while (tags_next_item(&c, ';', &spec)) {
		struct cursor t = cursor_of_span(spec);
		struct span name = span_trim(cursor_until(&t, '='));

		if (cursor_skip(&t, '='))
			take_tag(r, &seen, name,
			    span_trim(span_make(t.p, cursor_left(&t))));
	}
	/*
	 * RFC 9989 section 4.10.1: a bad request, or no p, makes it p=none for
	 * who wants reports, and no record for who does not. A p that is not
	 * there is p=none by section 4.7.
	 */
	c = cursor_of_span(r->rua);
	r->is_valid = !seen.is_bad || dmarc_next_mailto(&c, &address);
	if (seen.is_bad || !seen.has_p)
		r->p = DMARC_NONE;
	if (seen.is_bad || !seen.has_sp)
		r->sp = r->p;
	if (seen.is_bad || !seen.has_np)
		r->np = r->sp;
}

/* The size limit of older records: "!10m". */
static struct span
cut_size(struct span uri)
{
	const char *mark = span_chr(uri, '!');

	return mark ? span_head(uri, (size_t)(mark - uri.p)) : uri;
}

bool
dmarc_next_mailto(struct cursor *c, struct span *address)
{
	struct span uri;

	while (tags_next_item(c, ',', &uri)) {
		uri = cut_size(uri);
		if (!span_istarts(uri, MAILTO))
			continue;
		*address = span_from(uri, strlen(MAILTO));
		if (span_chr(*address, '@') && !span_chr(*address, ' '))
			return true;
	}
	return false;
}
