#include "auth/authres.h"

#include "server/base/cursor.h"
#include "server/base/xalloc.h"

static bool
is_space(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* RFC 2045 section 5.1: a token has no tspecials. */
static bool
is_token_byte(unsigned char c)
{
	return c > ' ' && c < 0x7F && !strchr("()<>@,;:\\\"/[]?=", c);
}

/* White space and comments. False: a comment has no end, or is too deep. */
static bool
skip_cfws(struct cursor *c)
{
	unsigned depth = 0;
	int b;

	while ((b = cursor_peek(c)) >= 0) {
		if (b == '(' && ++depth > AUTHRES_COMMENT_DEPTH)
			return false;
		if (b == ')' && depth == 0)
			return true;
		if (depth == 0 && b != '(' && !is_space((unsigned char)b))
			return true;
		c->p++;
		if (b == ')')
			depth--;
		if (b == '\\' && depth > 0 && cursor_next(c) < 0)
			return false;
	}
	return depth == 0;
}

/* The authserv-id, quoted or not, into out. */
static bool
scan_id(struct cursor *c, struct buf *out)
{
	int b;

	if (!cursor_skip(c, '"')) {
		buf_addspan(out, cursor_while(c, is_token_byte));
		return out->len > 0;
	}
	while ((b = cursor_next(c)) >= 0 && b != '"') {
		if (b == '\\' && (b = cursor_next(c)) < 0)
			return false;
		if (b != '\r' && b != '\n')
			buf_addc(out, (char)b);
	}
	return b == '"';
}

bool
authres_is_of(struct span value, struct span id)
{
	struct cursor c = cursor_of_span(value);
	struct buf name = BUF_INIT;
	bool is_ours = true;

	/* A final dot, and the case, make no other name. */
	if (skip_cfws(&c) && scan_id(&c, &name)) {
		if (name.len && name.p[name.len - 1] == '.')
			buf_truncate(&name, name.len - 1);
		is_ours = span_ieq(buf_span(&name), id);
	}
	buf_release(&name);
	return is_ours;
}

void
authres_begin(struct buf *out, const char *id)
{
	buf_adds(out, "Authentication-Results: ");
	buf_adds(out, id);
}

/* Visible ASCII as it is; what could end a comment or a line is not. */
static void
put_comment(struct buf *out, struct span s)
{
	buf_adds(out, " (");
	for (size_t i = 0; i < s.len && i < AUTHRES_VALUE_MAX; i++) {
		unsigned char b = (unsigned char)s.p[i];

		if (b == '(' || b == ')' || b == '\\' || b < ' ' || b > '~')
			buf_addc(out, '?');
		else
			buf_addc(out, (char)b);
	}
	buf_addc(out, ')');
}

void
authres_method(struct buf *out, const char *method, const char *result,
    struct span reason)
{
	buf_printf(out, ";\r\n\t%s=%s", method, result);
	if (reason.len)
		put_comment(out, reason);
}

/* RFC 8601 section 2.2: pvalue may be local@domain as it is, else a value. */
static bool
needs_quotes(struct span s)
{
	bool has_at = false;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char b = (unsigned char)s.p[i];

		if (b == '@' && !has_at && i + 1 < s.len) {
			has_at = true;
			continue;
		}
		/* RFC 8601 takes UTF-8 where the message does. */
		if (b < 0x80 && !is_token_byte(b))
			return true;
	}
	return false;
}

void
authres_property(struct buf *out, const char *type, const char *name,
    struct span value)
{
	struct span s = span_head(value, AUTHRES_VALUE_MAX);
	bool quoted = needs_quotes(s);

	if (s.len == 0)
		return;
	/* A line for each of some length (RFC 5322 section 2.1.1). */
	buf_printf(out, "%s%s.%s=%s", s.len > 40 ? "\r\n\t " : " ", type,
	    name, quoted ? "\"" : "");
	for (size_t i = 0; i < s.len; i++) {
		unsigned char b = (unsigned char)s.p[i];

		if (b == '"' || b == '\\')
			buf_addc(out, '\\');
		buf_addc(out, b < ' ' || b == 0x7F ? '?' : (char)b);
	}
	if (quoted)
		buf_addc(out, '"');
}

void
authres_end(struct buf *out, bool has_methods)
{
	buf_adds(out, has_methods ? "\r\n" : "; none\r\n");
}
