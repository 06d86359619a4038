#include "smtp/tls_report.h"

#include <inttypes.h>
#include <string.h>

#include "server/base/codec.h"
#include "server/base/gzip.h"
#include "smtp/smtp_parse.h"
#include "store/mime/date.h"

#define DAY_S 86400
#define BASE64_LINE 76		/* RFC 2045 section 6.8 */
#define ADDRESS_MAX 254

/* ---- the TXT record: RFC 8460 section 3 ---- */

static bool
is_wsp(unsigned char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_value(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != ';';
}

static bool
is_name(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

/* "mailto:reports@example.org"; headers behind "?" are not ours to set. */
static void
add_uri(struct span uri, struct arena *a, struct tls_rua *rua)
{
	struct smtp_grammar g = { .arena = a };
	struct buf path = BUF_INIT;
	struct smtp_path to;
	struct cursor c;

	if (!span_istarts(uri, "mailto:") || rua->count == TLS_REPORT_RUA_MAX)
		return;
	c = cursor_of_span(span_from(uri, strlen("mailto:")));
	uri = cursor_until(&c, '?');
	buf_addc(&path, '<');
	if (uri.len <= ADDRESS_MAX && percent_decode(&path, uri) == 0) {
		buf_addc(&path, '>');
		c = cursor_of_span(arena_span(a, buf_span(&path)));
		if (smtp_parse_path(&c, &g, &to) == PARSE_OK &&
		    cursor_at_end(&c) && to.domain.len && to.local.len)
			rua->address[rua->count++] = arena_str(a, to.text);
	}
	buf_release(&path);
}

/* tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri) */
static bool
scan_uris(struct cursor *c, struct arena *a, struct tls_rua *rua)
{
	do {
		struct span list, uri;
		struct cursor in;

		(void)cursor_while(c, is_wsp);
		list = cursor_while(c, is_value);
		in = cursor_of_span(list);
		if (list.len == 0)
			return false;
		while (!cursor_at_end(&in)) {
			uri = cursor_until(&in, ',');
			(void)cursor_skip(&in, ',');
			add_uri(uri, a, rua);
		}
		if (list.p[list.len - 1] == ',')
			continue;
		(void)cursor_while(c, is_wsp);
		if (cursor_peek(c) != ',')
			return true;
		(void)cursor_skip(c, ',');
	} while (true);
}

enum parse
tls_report_parse_record(struct span txt, struct arena *a,
    struct tls_rua *rua)
{
	struct cursor c = cursor_of_span(txt);
	bool has_rua = false;

	*rua = (struct tls_rua){ .count = 0 };
	if (!span_starts(txt, "v=TLSRPTv1"))
		return PARSE_BAD;
	c.p += strlen("v=TLSRPTv1");
	for (;;) {
		struct span name;

		(void)cursor_while(&c, is_wsp);
		if (cursor_at_end(&c))
			return has_rua ? PARSE_OK : PARSE_BAD;
		if (!cursor_skip(&c, ';'))
			return PARSE_BAD;
		(void)cursor_while(&c, is_wsp);
		if (cursor_at_end(&c))
			return has_rua ? PARSE_OK : PARSE_BAD;
		name = cursor_while(&c, is_name);
		if (name.len == 0 || !cursor_skip(&c, '='))
			return PARSE_BAD;
		if (!span_is(name, "rua"))
			(void)cursor_while(&c, is_value);
		else if (!has_rua && !scan_uris(&c, a, rua))
			return PARSE_BAD;
		has_rua |= span_is(name, "rua");
	}
}

bool
tls_report_find_rua(const struct dns_answer *txt, struct arena *a,
    struct tls_rua *rua)
{
	const struct dns_record *found = NULL;

	*rua = (struct tls_rua){ .count = 0 };
	for (size_t i = 0; i < txt->count; i++) {
		if (!span_starts(txt->records[i].data, "v=TLSRPTv1;"))
			continue;
		if (found)
			return false;
		found = &txt->records[i];
	}
	return found && tls_report_parse_record(found->data, a, rua) ==
	    PARSE_OK && rua->count > 0;
}

/* ---- the report ---- */

void
tls_report_put_id(struct buf *out, const struct tls_report *r)
{
	buf_printf(out, "%" PRId64 ".%s@%s", r->day * DAY_S, r->domain,
	    r->hostname);
}

/* A JSON string (RFC 8259 section 7); bytes that are not ASCII as "?". */
static void
put_string(struct buf *out, struct span s)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			buf_addc(out, '\\');
		if (c < ' ')
			buf_printf(out, "\\u%04x", c);
		else
			buf_addc(out, c < 0x7f ? (char)c : '?');
	}
	buf_addc(out, '"');
}

static void
put_member(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, "\"%s\":", key);
	put_string(out, span_of(value));
}

/* The policy's strings; with prefix, only those that begin so, without it. */
static void
put_strings(struct buf *out, const char *key, const char *lines,
    const char *prefix)
{
	struct cursor c = cursor_of(lines);
	bool is_first = true;

	buf_printf(out, ",\"%s\":[", key);
	while (!cursor_at_end(&c)) {
		struct span line = cursor_until(&c, '\n');

		(void)cursor_skip(&c, '\n');
		if (!span_starts(line, prefix))
			continue;
		if (!is_first)
			buf_addc(out, ',');
		is_first = false;
		put_string(out, span_from(line, strlen(prefix)));
	}
	buf_addc(out, ']');
}

static void
put_policy(struct buf *out, const struct tls_report *r,
    const struct tls_result *row)
{
	buf_adds(out, "{\"policy\":{");
	put_member(out, "policy-type", row->type);
	if (*row->policy)
		put_strings(out, "policy-string", row->policy, "");
	buf_addc(out, ',');
	put_member(out, "policy-domain", r->domain);
	if (strcmp(row->type, "sts") == 0)
		put_strings(out, "mx-host", row->policy, "mx: ");
	buf_addc(out, '}');
}

static void
put_failure(struct buf *out, const struct tls_result *row)
{
	const struct {
		const char *key, *value;
	} members[] = {
		{ "sending-mta-ip", row->local },
		{ "receiving-mx-hostname", row->host },
		{ "receiving-ip", row->peer },
		{ "failure-reason-code", row->reason },
	};

	buf_addc(out, '{');
	put_member(out, "result-type", row->result);
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		if (!*members[i].value)
			continue;
		buf_addc(out, ',');
		put_member(out, members[i].key, members[i].value);
	}
	buf_printf(out, ",\"failed-session-count\":%" PRIu64 "}", row->count);
}

static bool
is_same_policy(const struct tls_result *a, const struct tls_result *b)
{
	return strcmp(a->type, b->type) == 0 &&
	    strcmp(a->policy, b->policy) == 0;
}

/* One policy and what became of it. Returns the number of rows used. */
static size_t
put_results(struct buf *out, const struct tls_report *r,
    const struct tls_result *rows, size_t count)
{
	uint64_t good = 0, bad = 0;
	size_t n = 0;
	bool is_first = true;

	put_policy(out, r, rows);
	for (; n < count && is_same_policy(rows, &rows[n]); n++)
		*(*rows[n].result ? &bad : &good) += rows[n].count;
	buf_printf(out, ",\"summary\":{\"total-successful-session-count\":%"
	    PRIu64 ",\"total-failure-session-count\":%" PRIu64 "}", good,
	    bad);
	for (size_t i = 0; i < n; i++) {
		if (!*rows[i].result)
			continue;
		buf_adds(out, is_first ? ",\"failure-details\":[" : ",");
		is_first = false;
		put_failure(out, &rows[i]);
	}
	buf_adds(out, is_first ? "}" : "]}");
	return n;
}

void
tls_report_put_json(struct buf *out, const struct tls_report *r)
{
	struct buf id = BUF_INIT;
	size_t at = 0;

	tls_report_put_id(&id, r);
	buf_addc(out, '{');
	put_member(out, "organization-name", r->hostname);
	buf_adds(out, ",\"date-range\":{\"start-datetime\":\"");
	date_put_iso(out, r->day * DAY_S);
	buf_adds(out, "\",\"end-datetime\":\"");
	date_put_iso(out, (r->day + 1) * DAY_S);
	buf_adds(out, "\"},");
	put_member(out, "contact-info", r->contact);
	buf_addc(out, ',');
	put_member(out, "report-id", id.p);
	buf_adds(out, ",\"policies\":[");
	while (at < r->count) {
		if (at)
			buf_addc(out, ',');
		at += put_results(out, r, r->rows + at, r->count - at);
	}
	buf_adds(out, "]}\n");
	buf_release(&id);
}

/* ---- the message ---- */

static void
put_attachment(struct buf *out, const struct tls_report *r)
{
	struct buf json = BUF_INIT, zip = BUF_INIT, text = BUF_INIT;

	tls_report_put_json(&json, r);
	if (gzip_add(&zip, buf_span(&json)) == 0)
		base64_encode(&text, zip.p, zip.len);
	for (size_t i = 0; i < text.len; i += BASE64_LINE) {
		buf_addspan(out, span_head(span_from(buf_span(&text), i),
		    BASE64_LINE));
		buf_adds(out, "\r\n");
	}
	buf_release(&json);
	buf_release(&zip);
	buf_release(&text);
}

static void
put_header(struct buf *out, const struct tls_report *r,
    const struct tls_rua *rua, int64_t now_s, const char *submitter,
    const char *boundary)
{
	buf_printf(out, "From: <%s>\r\nDate: ", r->contact);
	date_put_rfc5322(out, now_s);
	for (size_t i = 0; i < rua->count; i++)
		buf_printf(out, "%s<%s>", i ? ",\r\n " : "\r\nTo: ",
		    rua->address[i]);
	buf_printf(out, "\r\nSubject: Report Domain: %s\r\n"
	    " Submitter: %s\r\n Report-ID: <", r->domain, submitter);
	tls_report_put_id(out, r);
	buf_adds(out, ">\r\nMessage-ID: <");
	tls_report_put_id(out, r);
	/* RFC 3834 section 5: no machine shall answer. */
	buf_printf(out, ">\r\nTLS-Report-Domain: %s\r\n"
	    "TLS-Report-Submitter: %s\r\nAuto-Submitted: auto-generated\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: multipart/report;"
	    " report-type=\"tlsrpt\";\r\n boundary=\"%s\"\r\n\r\n", r->domain,
	    submitter, boundary);
}

void
tls_report_put_message(struct buf *out, const struct tls_report *r,
    const struct tls_rua *rua, int64_t now_s, uint64_t seed)
{
	const char *at = strrchr(r->contact, '@');
	const char *submitter = at ? at + 1 : r->hostname;
	char boundary[32];

	(void)snprintf(boundary, sizeof boundary, "=_%016" PRIx64, seed);
	put_header(out, r, rua, now_s, submitter, boundary);
	buf_printf(out, "--%s\r\nContent-Type: text/plain; charset=us-ascii"
	    "\r\n\r\nThis is a report on TLS in SMTP (RFC 8460): what became "
	    "of it when\r\n%s sent mail to %s.\r\n\r\n--%s\r\n", boundary,
	    submitter, r->domain, boundary);
	buf_printf(out, "Content-Type: application/tlsrpt+gzip\r\n"
	    "Content-Transfer-Encoding: base64\r\n"
	    "Content-Disposition: attachment;\r\n filename=\"%s!%s!%" PRId64
	    "!%" PRId64 ".json.gz\"\r\n\r\n", submitter, r->domain,
	    r->day * DAY_S, (r->day + 1) * DAY_S);
	put_attachment(out, r);
	buf_printf(out, "--%s--\r\n", boundary);
}
