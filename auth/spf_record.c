#include "auth/spf_record.h"

#include "server/base/xalloc.h"

#define CIDR4_MAX 32u
#define CIDR6_MAX 128u
#define VERSION "v=spf1"

static const struct {
	const char *name;
	enum spf_mechanism mechanism;
} mechanisms[] = {
	{ "all", SPF_ALL }, { "include", SPF_INCLUDE }, { "a", SPF_A },
	{ "mx", SPF_MX }, { "ptr", SPF_PTR }, { "ip4", SPF_IP4 },
	{ "ip6", SPF_IP6 }, { "exists", SPF_EXISTS },
};

static bool
is_alpha(unsigned char c)
{
	return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

static bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_name_byte(unsigned char c)
{
	return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
}

static bool
is_delimiter(unsigned char c)
{
	return c && strchr(".-+,/_=", c);
}

/* ---- macro-strings ---- */

/* One macro-expand of section 7.1, the "%{...}" kind, taken apart. */
struct macro {
	char letter;			/* lower case */
	bool is_escaped;		/* it was a capital */
	unsigned parts;			/* 0: all */
	bool is_reversed;
	struct span delimiters;		/* empty: "." */
};

/* Digits, all of them; a number past what any name has means all parts. */
static bool
scan_parts(struct cursor *c, unsigned *parts)
{
	const char *start = c->p;
	unsigned n = 0;

	for (; is_digit((unsigned char)MAX(cursor_peek(c), 0)); c->p++)
		n = MIN(n * 10 + (unsigned)(*c->p - '0'), 1000u);
	*parts = n;
	/* RFC 7208 section 7.3: if there is a number, it is not zero. */
	return c->p == start || n > 0;
}

/* Behind "%{". */
static bool
scan_macro(struct cursor *c, struct macro *m)
{
	int letter = cursor_next(c);

	*m = (struct macro){ 0 };
	if (letter <= 0 || !is_alpha((unsigned char)letter))
		return false;
	m->letter = (char)ascii_lower((unsigned char)letter);
	m->is_escaped = m->letter != (char)letter;
	if (!strchr("slodiphcrtv", m->letter) || !scan_parts(c, &m->parts))
		return false;
	m->is_reversed = cursor_skip(c, 'r') || cursor_skip(c, 'R');
	m->delimiters = cursor_while(c, is_delimiter);
	return cursor_skip(c, '}');
}

/* What the next piece of a macro-string is. */
enum piece { PIECE_BAD, PIECE_BYTE, PIECE_ESCAPE, PIECE_MACRO };

/* *byte: the literal one, or what stands behind the '%'. */
static enum piece
scan_piece(struct cursor *c, struct macro *m, unsigned char *byte)
{
	int b = cursor_next(c);

	*byte = (unsigned char)b;
	if (b != '%')
		return b >= 0x21 && b <= 0x7E ? PIECE_BYTE : PIECE_BAD;
	b = cursor_next(c);
	*byte = (unsigned char)b;
	if (b == '{')
		return scan_macro(c, m) ? PIECE_MACRO : PIECE_BAD;
	return b == '%' || b == '_' || b == '-' ? PIECE_ESCAPE : PIECE_BAD;
}

/* c, r and t are for explanations alone (RFC 7208 section 7.2). */
static bool
is_macro_string(struct span s, bool *ends_in_macro)
{
	struct cursor c = cursor_of_span(s);
	enum piece piece = PIECE_BYTE;
	unsigned char byte;
	struct macro m;

	while (!cursor_at_end(&c)) {
		piece = scan_piece(&c, &m, &byte);
		if (piece == PIECE_BAD || (piece == PIECE_MACRO &&
		    strchr("crt", m.letter)))
			return false;
	}
	*ends_in_macro = piece == PIECE_MACRO || piece == PIECE_ESCAPE;
	return true;
}

/* toplabel: letters, digits and inner hyphens; not digits alone. */
static bool
is_top_label(struct span s)
{
	bool has_letter = false, has_hyphen = false;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (!is_alpha(c) && !is_digit(c) && c != '-')
			return false;
		has_letter |= is_alpha(c);
		has_hyphen |= c == '-';
	}
	return s.len > 0 && s.p[0] != '-' && s.p[s.len - 1] != '-' &&
	    (has_letter || has_hyphen);
}

/* domain-spec: a macro-string that ends in ".toplabel" or in a macro. */
static bool
is_domain_spec(struct span s)
{
	bool ends_in_macro = false;
	struct span top = s;

	if (s.len == 0 || !is_macro_string(s, &ends_in_macro))
		return false;
	if (ends_in_macro)
		return true;
	if (top.p[top.len - 1] == '.')
		top.len--;
	for (size_t i = top.len; i > 0; i--)
		if (top.p[i - 1] == '.')
			return is_top_label(span_from(top, i));
	return false;
}

bool
spf_uses_p(struct span s)
{
	struct cursor c = cursor_of_span(s);
	unsigned char byte;
	struct macro m;

	while (!cursor_at_end(&c))
		if (scan_piece(&c, &m, &byte) == PIECE_MACRO &&
		    m.letter == 'p')
			return true;
	return false;
}

/* ---- terms ---- */

/* "/n" as the grammar has it: no leading zero. */
static bool
scan_cidr(struct cursor *c, unsigned max, unsigned *n)
{
	const char *digits = c->p;
	uint64_t v;

	if (!cursor_number(c, max, &v) ||
	    (*digits == '0' && c->p - digits > 1))
		return false;
	*n = (unsigned)v;
	return true;
}

/*
 * Takes dual-cidr-length off the end of *s: "/24", "//64", "/24//64". False
 * if what looks like one is none. Slashes inside a macro are its delimiters,
 * so only those that digits follow to the end count.
 */
static bool
take_dual_cidr(struct span *s, unsigned *cidr4, unsigned *cidr6)
{
	size_t at = s->len;
	struct cursor c;

	while (at > 0 && (is_digit((unsigned char)s->p[at - 1]) ||
	    s->p[at - 1] == '/'))
		at--;
	while (at < s->len && s->p[at] != '/')
		at++;		/* digits of the name */
	c = cursor_of_span(span_from(*s, at));
	s->len = at;
	if (cursor_at_end(&c))
		return true;
	(void)cursor_skip(&c, '/');
	if (cursor_peek(&c) != '/') {
		if (!scan_cidr(&c, CIDR4_MAX, cidr4))
			return false;
		if (cursor_at_end(&c))
			return true;
		if (!cursor_skip(&c, '/'))
			return false;
	}
	return cursor_skip(&c, '/') && scan_cidr(&c, CIDR6_MAX, cidr6) &&
	    cursor_at_end(&c);
}

/* "192.0.2.0/24" of ip4, "2001:db8::/32" of ip6. */
static bool
parse_net(struct span s, bool is_v6, struct addr_net *net)
{
	const char *slash = span_chr(s, '/');
	unsigned n = is_v6 ? CIDR6_MAX : CIDR4_MAX;
	struct span base = s;

	if (slash) {
		struct cursor c = { slash + 1, s.p + s.len };

		base.len = (size_t)(slash - s.p);
		if (!scan_cidr(&c, n, &n) || !cursor_at_end(&c))
			return false;
	}
	if ((span_chr(base, ':') != NULL) != is_v6 ||
	    addr_parse(&net->base, base) < 0)
		return false;
	net->prefix = is_v6 ? n : n + 96;
	return true;
}

/* What stands behind the name of a mechanism. */
static bool
parse_arguments(struct spf_term *t, struct span rest)
{
	bool has_colon = rest.len > 0 && rest.p[0] == ':';

	t->cidr4 = CIDR4_MAX;
	t->cidr6 = CIDR6_MAX;
	if (has_colon)
		rest = span_from(rest, 1);
	switch (t->mechanism) {
	case SPF_ALL:
		return !has_colon && rest.len == 0;
	case SPF_IP4:
	case SPF_IP6:
		return has_colon &&
		    parse_net(rest, t->mechanism == SPF_IP6, &t->net);
	case SPF_A:
	case SPF_MX:
		if (!take_dual_cidr(&rest, &t->cidr4, &t->cidr6))
			return false;
		break;
	case SPF_INCLUDE:
	case SPF_EXISTS:
		if (!has_colon)
			return false;
		break;
	case SPF_PTR:
		break;
	}
	t->domain_spec = rest;
	return has_colon ? is_domain_spec(rest) : rest.len == 0;
}

static bool
parse_mechanism(struct span s, struct spf_term *t)
{
	struct span name;
	struct cursor c;

	*t = (struct spf_term){ .qualifier = '+', .text = s };
	c = cursor_of_span(s);
	if (strchr("+-~?", MAX(cursor_peek(&c), 1)))
		t->qualifier = (char)cursor_next(&c);
	name = cursor_while(&c, is_name_byte);
	for (size_t i = 0; i < COUNT(mechanisms); i++)
		if (span_iis(name, mechanisms[i].name)) {
			t->mechanism = mechanisms[i].mechanism;
			return parse_arguments(t,
			    span_make(c.p, cursor_left(&c)));
		}
	return false;
}

/* redirect and exp stand once at most (RFC 7208 section 6). */
static bool
parse_modifier(struct span name, struct span value, struct spf_record *r)
{
	bool ends_in_macro;
	struct span *to;

	if (span_iis(name, "redirect"))
		to = &r->redirect;
	else if (span_iis(name, "exp"))
		to = &r->explanation;
	else
		return is_macro_string(value, &ends_in_macro);
	if (to->len > 0 || !is_domain_spec(value))
		return false;
	*to = value;
	return true;
}

static bool
parse_term(struct span s, struct spf_record *r)
{
	struct cursor c = cursor_of_span(s);
	struct span name = cursor_while(&c, is_name_byte);

	if (name.len > 0 && is_alpha((unsigned char)name.p[0]) &&
	    cursor_skip(&c, '='))
		return parse_modifier(name, span_make(c.p, cursor_left(&c)),
		    r);
	if (r->count == SPF_TERMS_MAX ||
	    !parse_mechanism(s, &r->terms[r->count]))
		return false;
	r->count++;
	return true;
}

bool
spf_is_record(struct span txt)
{
	size_t len = strlen(VERSION);

	return span_istarts(txt, VERSION) &&
	    (txt.len == len || txt.p[len] == ' ');
}

enum parse
spf_record_parse(struct span txt, struct arena *a, struct spf_record *r)
{
	struct cursor c = cursor_of_span(span_from(txt, strlen(VERSION)));
	size_t max = 1;

	*r = (struct spf_record){ 0 };
	if (txt.len > SPF_RECORD_MAX)
		return PARSE_BAD;
	for (size_t i = 0; i < txt.len; i++)
		max += txt.p[i] == ' ';
	r->terms = arena_array(a, MIN(max, SPF_TERMS_MAX), sizeof *r->terms);
	while (!cursor_at_end(&c)) {
		struct span term;

		if (cursor_skip(&c, ' '))
			continue;
		term = cursor_until(&c, ' ');
		if (!parse_term(term, r))
			return PARSE_BAD;
	}
	return PARSE_OK;
}

/* ---- expansion ---- */

/* %{i}: dotted; an IPv6 address as 32 hexadecimal digits with dots. */
static void
put_dotted(struct buf *out, const struct addr *ip)
{
	static const char hex[] = "0123456789abcdef";
	char text[64];

	if (addr_is_v4(ip)) {
		addr_text(ip, text, sizeof text);
		buf_adds(out, text);
		return;
	}
	for (size_t i = 0; i < sizeof ip->bytes; i++) {
		if (i > 0)
			buf_addc(out, '.');
		buf_addc(out, hex[ip->bytes[i] >> 4]);
		buf_addc(out, '.');
		buf_addc(out, hex[ip->bytes[i] & 15]);
	}
}

static struct span
sender_part(struct span sender, bool is_local)
{
	for (size_t i = sender.len; i > 0; i--)
		if (sender.p[i - 1] == '@')
			return is_local ? span_head(sender, i - 1) :
			    span_from(sender, i);
	return is_local ? span_head(sender, 0) : sender;
}

/* The value of a macro letter, before it is cut up. */
static void
put_value(struct buf *out, char letter, const struct spf_macros *m)
{
	char text[64];

	switch (letter) {
	case 's': buf_addspan(out, m->sender); break;
	case 'l': buf_addspan(out, sender_part(m->sender, true)); break;
	case 'o': buf_addspan(out, sender_part(m->sender, false)); break;
	case 'd': buf_addspan(out, m->domain); break;
	case 'h': buf_addspan(out, m->helo); break;
	case 'i': put_dotted(out, m->ip); break;
	case 'v': buf_adds(out, addr_is_v4(m->ip) ? "in-addr" : "ip6"); break;
	case 'r':
		buf_addspan(out, m->receiver.len ? m->receiver :
		    SPAN("unknown"));
		break;
	case 'p':
		buf_addspan(out, m->validated.len ? m->validated :
		    SPAN("unknown"));
		break;
	case 't': buf_printf(out, "%lld", (long long)m->now_s); break;
	case 'c':
		addr_text(m->ip, text, sizeof text);
		buf_adds(out, text);
		break;
	}
}

/* Whether c is one that the value is split at. */
static bool
is_split(const struct macro *m, char c)
{
	return m->delimiters.len ? span_chr(m->delimiters, c) != NULL :
	    c == '.';
}

static size_t
count_parts(const struct macro *m, struct span value)
{
	size_t n = 1;

	for (size_t i = 0; i < value.len; i++)
		n += is_split(m, value.p[i]);
	return n;
}

/*
 * RFC 7208 section 7.3: split, reversed if asked, cut to the right-hand
 * parts, joined with dots. Walking the value from either end gives the order
 * without a list of the parts.
 */
static void
put_parts(struct buf *out, const struct macro *m, struct span value)
{
	size_t total = count_parts(m, value), at = 0, end = value.len;
	size_t skip = m->parts && m->parts < total ? total - m->parts : 0;

	for (size_t n = 0; n < total; n++) {
		struct span part;

		if (m->is_reversed) {
			size_t start = end;

			while (start > 0 && !is_split(m, value.p[start - 1]))
				start--;
			part = span_head(span_from(value, start), end - start);
			end = start > 0 ? start - 1 : 0;
		} else {
			size_t stop = at;

			while (stop < value.len && !is_split(m, value.p[stop]))
				stop++;
			part = span_head(span_from(value, at), stop - at);
			at = stop + 1;
		}
		if (n < skip)
			continue;
		if (n > skip)
			buf_addc(out, '.');
		buf_addspan(out, part);
	}
}

/* RFC 3986 section 2.3: everything but the unreserved is escaped. */
static void
put_escaped(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_alpha(c) || is_digit(c) || strchr("-._~", MAX(c, 1)))
			buf_addc(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

static void
put_macro(struct buf *out, const struct macro *m, const struct spf_macros *v)
{
	struct buf value = BUF_INIT, parts = BUF_INIT;

	put_value(&value, m->letter, v);
	put_parts(&parts, m, buf_span(&value));
	if (m->is_escaped)
		put_escaped(out, buf_span(&parts));
	else
		buf_addspan(out, buf_span(&parts));
	buf_release(&value);
	buf_release(&parts);
}

enum parse
spf_expand(struct buf *out, struct span s, const struct spf_macros *v,
    bool is_explanation)
{
	struct cursor c = cursor_of_span(s);
	unsigned char byte;
	struct macro m;

	while (!cursor_at_end(&c)) {
		if (is_explanation && cursor_skip(&c, ' ')) {
			buf_addc(out, ' ');
			continue;
		}
		switch (scan_piece(&c, &m, &byte)) {
		case PIECE_BYTE:
			buf_addc(out, (char)byte);
			break;
		case PIECE_ESCAPE:
			buf_adds(out, byte == '%' ? "%" : byte == '_' ? " " :
			    "%20");
			break;
		case PIECE_MACRO:
			if (!is_explanation && strchr("crt", m.letter))
				return PARSE_BAD;
			put_macro(out, &m, v);
			break;
		case PIECE_BAD:
			return PARSE_BAD;
		}
	}
	return PARSE_OK;
}

/* ---- names ---- */

bool
spf_is_name(struct span name, unsigned *n)
{
	size_t label = 0;

	*n = 0;
	if (name.len == 0 || name.len > SPF_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		*n += label == 0;
		if (c <= ' ' || c > '~' || ++label > 63)
			return false;
	}
	return label > 0;
}

enum parse
spf_target_name(struct buf *out, struct span domain_spec,
    const struct spf_macros *m)
{
	struct buf name = BUF_INIT;
	struct span s;
	unsigned labels;
	enum parse result;

	result = spf_expand(&name, domain_spec, m, false);
	s = buf_span(&name);
	if (s.len && s.p[s.len - 1] == '.')
		s.len--;
	while (s.len > SPF_NAME_MAX && span_chr(s, '.'))
		s = span_from(s, (size_t)(span_chr(s, '.') - s.p) + 1);
	if (result == PARSE_OK && !spf_is_name(s, &labels))
		result = PARSE_BAD;
	for (size_t i = 0; result == PARSE_OK && i < s.len; i++)
		buf_addc(out, (char)ascii_lower((unsigned char)s.p[i]));
	buf_release(&name);
	return result;
}
