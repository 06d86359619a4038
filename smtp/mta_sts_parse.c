#include "server/base/idna.h"
#include "smtp/mta_sts.h"

#define NAME_MAX_LEN 32		/* of a field: RFC 8461 section 3.1 */

/* ---- the TXT record ---- */

static bool
is_alnum(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

static bool
is_name_char(unsigned char c)
{
	return is_alnum(c) || c == '_' || c == '-' || c == '.';
}

static bool
is_ext_value(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '=' && c != ';';
}

static bool
is_wsp(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/* sts-field-delim = *WSP ";" *WSP */
static bool
skip_delim(struct cursor *c)
{
	struct cursor before = *c;

	(void)cursor_while(c, is_wsp);
	if (!cursor_skip(c, ';')) {
		*c = before;
		return false;
	}
	(void)cursor_while(c, is_wsp);
	return true;
}

static bool
scan_name(struct cursor *c, struct span *name)
{
	*name = cursor_while(c, is_name_char);
	return name->len > 0 && name->len <= NAME_MAX_LEN &&
	    is_alnum((unsigned char)name->p[0]);
}

/* sts-id or sts-extension; the first id counts (section 3.2). */
static bool
scan_field(struct cursor *c, struct span *id)
{
	struct span name, value;

	if (!scan_name(c, &name) || !cursor_skip(c, '='))
		return false;
	if (!span_is(name, "id")) {
		value = cursor_while(c, is_ext_value);
		return value.len > 0;
	}
	value = cursor_while(c, is_alnum);
	if (value.len == 0 || value.len > MTA_STS_ID_MAX)
		return false;
	if (id->len == 0)
		*id = value;
	return true;
}

enum parse
mta_sts_parse_record(struct span txt, struct span *id)
{
	struct cursor c = cursor_of_span(txt);

	*id = (struct span){ NULL, 0 };
	if (!span_starts(txt, "v=STSv1"))
		return PARSE_BAD;
	c.p += strlen("v=STSv1");
	while (skip_delim(&c) && !cursor_at_end(&c))
		if (!scan_field(&c, id))
			return PARSE_BAD;
	return cursor_at_end(&c) && id->len ? PARSE_OK : PARSE_BAD;
}

bool
mta_sts_find_id(const struct dns_answer *txt, struct span *id)
{
	const struct dns_record *found = NULL;

	for (size_t i = 0; i < txt->count; i++) {
		const struct dns_record *r = &txt->records[i];

		if (!span_starts(r->data, "v=STSv1;"))
			continue;
		if (found)
			return false;
		found = r;
	}
	return found && mta_sts_parse_record(found->data, id) == PARSE_OK;
}

/* ---- the policy ---- */

/* A policy under construction. */
struct reading {
	bool has_version, has_mode, has_age;
	struct mta_sts_policy policy;
	struct buf mx;
	unsigned mx_count;
};

static bool
read_mode(struct reading *r, struct span value)
{
	static const struct {
		const char *name;
		enum mta_sts_mode mode;
	} modes[] = {
		{ "none", MTA_STS_NONE }, { "testing", MTA_STS_TESTING },
		{ "enforce", MTA_STS_ENFORCE },
	};

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		if (span_is(value, modes[i].name)) {
			r->policy.mode = modes[i].mode;
			return true;
		}
	}
	return false;
}

static bool
read_age(struct reading *r, struct span value)
{
	struct cursor c = cursor_of_span(value);
	uint64_t n;

	if (value.len > 10 || !cursor_number(&c, UINT64_MAX, &n) ||
	    !cursor_at_end(&c))
		return false;
	r->policy.max_age_s = n < MTA_STS_AGE_MAX ? (int64_t)n :
	    MTA_STS_AGE_MAX;
	return true;
}

/* sts-policy-mx-value = ["*."] Domain */
static bool
read_mx(struct reading *r, struct span value)
{
	bool has_star = span_starts(value, "*.");

	if (++r->mx_count > MTA_STS_MX_MAX)
		return false;
	if (r->mx.len)
		buf_addc(&r->mx, ' ');
	if (has_star)
		buf_adds(&r->mx, "*.");
	return idna_to_ascii(&r->mx, has_star ? span_from(value, 2) :
	    value) == 0;
}

static bool
has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return true;
	return false;
}

/* Section 3.2: what is there twice counts once, but for mx. */
static bool
read_line(struct reading *r, struct span line)
{
	struct cursor c = cursor_of_span(line);
	struct span name, value;

	if (!scan_name(&c, &name) || !cursor_skip(&c, ':'))
		return false;
	value = span_trim(span_make(c.p, cursor_left(&c)));
	if (has_control(value) || value.len == 0)
		return false;
	if (span_is(name, "version") && !r->has_version) {
		r->has_version = true;
		return span_is(value, "STSv1");
	}
	if (span_is(name, "mode") && !r->has_mode) {
		r->has_mode = true;
		return read_mode(r, value);
	}
	if (span_is(name, "max_age") && !r->has_age) {
		r->has_age = true;
		return read_age(r, value);
	}
	return !span_is(name, "mx") || read_mx(r, value);
}

static bool
read_policy(struct reading *r, struct span text)
{
	struct cursor c = cursor_of_span(text);

	while (!cursor_at_end(&c)) {
		struct span line = cursor_until(&c, '\n');

		(void)cursor_skip(&c, '\n');
		if (line.len && line.p[line.len - 1] == '\r')
			line.len--;
		line = span_trim(line);
		if (line.len && !read_line(r, line))
			return false;
	}
	return r->has_version && r->has_mode && r->has_age &&
	    (r->mx_count > 0 || r->policy.mode == MTA_STS_NONE);
}

enum parse
mta_sts_parse_policy(struct span text, struct arena *a,
    struct mta_sts_policy *p)
{
	struct reading r = { .mx = BUF_INIT };
	bool is_good = text.len <= MTA_STS_POLICY_MAX &&
	    read_policy(&r, text);

	*p = r.policy;
	p->mx = arena_str(a, buf_span(&r.mx));
	buf_release(&r.mx);
	return is_good ? PARSE_OK : PARSE_BAD;
}
