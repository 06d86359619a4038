#include "smtp/smtp_parse.h"

#include "server/base/addr.h"
#include "server/base/codec.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"

/* An esmtp-param (RFC 5321 section 4.1.2). */
struct param {
	struct span keyword;
	struct span value;
	bool has_value;
};

static bool
is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') ||
	    (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

/* atext of RFC 5321 section 4.1.2, dots, and RFC 6531's UTF-8. */
static bool
is_dot_string(unsigned char c)
{
	return is_alnum(c) || c > 0x7f || (c && strchr("!#$%&'*+-/=?^_`{|}~.",
	    c) != NULL);
}

static bool
is_domain(unsigned char c)
{
	/* Deviation from RFC 5321 section 4.1.2: "_", which hosts do use. */
	return is_alnum(c) || c == '-' || c == '.' || c == '_' || c > 0x7f;
}

/* dcontent of RFC 5321 section 4.1.3, the brackets left out. */
static bool
is_literal(unsigned char c)
{
	return c > ' ' && c < 0x7f && (c < '[' || c > ']');
}

static bool
is_route(unsigned char c)
{
	return is_domain(c) || c == '@' || c == ',';
}

static bool
is_visible(unsigned char c)
{
	return c > ' ' && c != 0x7f;
}

/*
 * UTF-8 without the controls U+0080 to U+009F: there are readers for whom
 * U+0085 ends a line of the header, and U+009B commands a terminal.
 */
static bool
is_clean_utf8(struct span s)
{
	for (size_t i = 0; i + 1 < s.len; i++)
		if ((unsigned char)s.p[i] == 0xc2 &&
		    (unsigned char)s.p[i + 1] < 0xa0)
			return false;
	return utf8_is_valid(s);
}

static void
skip_spaces(struct cursor *c)
{
	while (cursor_skip(c, ' ') || cursor_skip(c, '\t'))
		;
}

/* Quoted-string (RFC 5321 section 4.1.2): unquoted into the arena. */
static enum parse
parse_quoted(struct cursor *c, struct arena *a, struct span *local)
{
	char *out = arena_alloc(a, cursor_left(c) + 1);
	size_t n = 0;
	int ch;

	while ((ch = cursor_next(c)) != '"') {
		if (ch == '\\')
			ch = cursor_next(c);
		if (ch < ' ' || ch == 0x7f)	/* the end of input too */
			return PARSE_BAD;
		out[n++] = (char)ch;
	}
	*local = span_make(out, n);
	return PARSE_OK;
}

static enum parse
parse_local(struct cursor *c, struct arena *a, struct span *local)
{
	if (cursor_skip(c, '"')) {
		if (parse_quoted(c, a, local) == PARSE_BAD)
			return PARSE_BAD;
	} else {
		/*
		 * Deviation from RFC 5321 section 4.1.2: dots may stand at an
		 * end or in a row, as in addresses that people do have.
		 */
		*local = cursor_while(c, is_dot_string);
	}
	return local->len <= SMTP_LOCAL_MAX && is_clean_utf8(*local) ?
	    PARSE_OK : PARSE_BAD;
}

/* address-literal: "[192.0.2.1]" or "[IPv6:2001:db8::1]", with brackets. */
static enum parse
parse_literal(struct cursor *c, struct span *domain)
{
	const char *start = c->p;
	struct cursor inside;
	struct span text;
	struct addr addr;
	bool is_v6;

	cursor_skip(c, '[');
	text = cursor_while(c, is_literal);
	if (!cursor_skip(c, ']'))
		return PARSE_BAD;
	inside = cursor_of_span(text);
	is_v6 = cursor_skip_word(&inside, "IPv6:");
	text = span_make(inside.p, cursor_left(&inside));
	if (is_v6 != (span_chr(text, ':') != NULL) ||
	    addr_parse(&addr, text) < 0)
		return PARSE_BAD;
	*domain = span_make(start, (size_t)(c->p - start));
	return PARSE_OK;
}

static enum parse
parse_domain(struct cursor *c, struct span *domain)
{
	if (cursor_peek(c) == '[')
		return parse_literal(c, domain);
	*domain = cursor_while(c, is_domain);
	if (domain->len && domain->p[domain->len - 1] == '.')
		domain->len--;
	if (domain->len == 0 || domain->len > SMTP_DOMAIN_MAX ||
	    domain->p[domain->len - 1] == '.' || !is_clean_utf8(*domain))
		return PARSE_BAD;
	for (size_t i = 0; i < domain->len; i++)
		if (domain->p[i] == '.' && (i == 0 || domain->p[i - 1] == '.'))
			return PARSE_BAD;
	return PARSE_OK;
}

/* Writes the address, its local part quoted if it is no dot-string. */
static struct span
make_text(struct arena *a, const struct smtp_path *path)
{
	struct span local = path->local;
	char *out = arena_alloc(a, 2 * local.len + path->domain.len + 4);
	bool quoted = local.len == 0;
	size_t n = 0;

	for (size_t i = 0; i < local.len; i++)
		quoted = quoted || !is_dot_string((unsigned char)local.p[i]);
	if (quoted)
		out[n++] = '"';
	for (size_t i = 0; i < local.len; i++) {
		if (local.p[i] == '"' || local.p[i] == '\\')
			out[n++] = '\\';
		out[n++] = local.p[i];
	}
	if (quoted)
		out[n++] = '"';
	if (path->domain.len) {
		out[n++] = '@';
		memcpy(out + n, path->domain.p, path->domain.len);
		n += path->domain.len;
	}
	return span_make(out, n);
}

/* Mailbox of RFC 5321 section 4.1.2, or a bare "postmaster". */
static enum parse
parse_mailbox(struct cursor *c, struct arena *a, struct smtp_path *path)
{
	bool quoted = cursor_peek(c) == '"';

	if (parse_local(c, a, &path->local) == PARSE_BAD)
		return PARSE_BAD;
	if (!cursor_skip(c, '@')) {
		path->kind = PATH_POSTMASTER;
		path->domain = SPAN("");
		if (!span_iis(path->local, "postmaster"))
			return PARSE_BAD;
	} else {
		if (path->local.len == 0 && !quoted)
			return PARSE_BAD;
		path->is_literal = cursor_peek(c) == '[';
		if (parse_domain(c, &path->domain) == PARSE_BAD)
			return PARSE_BAD;
	}
	path->local = arena_span(a, path->local);
	path->domain = arena_span(a, path->domain);
	path->text = make_text(a, path);
	path->has_utf8 = !utf8_is_ascii(path->text);
	return PARSE_OK;
}

/* A-d-l (RFC 5321 section 4.1.2): "@a,@b:" is accepted and ignored. */
static enum parse
skip_route(struct cursor *c)
{
	if (cursor_peek(c) != '@')
		return PARSE_OK;
	(void)cursor_while(c, is_route);
	return cursor_skip(c, ':') ? PARSE_OK : PARSE_BAD;
}

enum parse
smtp_parse_path(struct cursor *c, const struct smtp_grammar *g,
    struct smtp_path *path)
{
	bool has_brackets = cursor_skip(c, '<');

	*path = (struct smtp_path){ .kind = PATH_ADDRESS };
	if (!has_brackets && !g->is_lenient)
		return PARSE_BAD;
	if (has_brackets && cursor_skip(c, '>')) {
		path->kind = PATH_NULL;
		return PARSE_OK;
	}
	if (has_brackets && skip_route(c) == PARSE_BAD)
		return PARSE_BAD;
	if (parse_mailbox(c, g->arena, path) == PARSE_BAD)
		return PARSE_BAD;
	return !has_brackets || cursor_skip(c, '>') ? PARSE_OK : PARSE_BAD;
}

/* "FROM:" or "TO:", and the path behind it. */
static enum parse
parse_word_path(struct cursor *c, const char *word,
    const struct smtp_grammar *g, struct smtp_path *path)
{
	if (!cursor_skip_word(c, word))
		return PARSE_BAD;
	if (g->is_lenient)
		skip_spaces(c);
	if (!cursor_skip(c, ':'))
		return PARSE_BAD;
	if (g->is_lenient)
		skip_spaces(c);
	return smtp_parse_path(c, g, path);
}

/*
 * The next parameter. False, with nothing taken, at the end or at what is
 * none; the caller tells the two apart by what is left.
 */
static bool
next_param(struct cursor *c, struct param *p)
{
	const char *start = c->p;
	struct cursor word;

	skip_spaces(c);
	if (c->p == start || cursor_at_end(c))
		return false;
	word = cursor_of_span(cursor_while(c, is_visible));
	p->keyword = cursor_until(&word, '=');
	p->has_value = cursor_skip(&word, '=');
	p->value = span_make(word.p, cursor_left(&word));
	if (p->keyword.len && (p->value.len || !p->has_value))
		return true;
	c->p = start;
	return false;
}

/* RFC 1870 section 4: up to 20 digits; what is beyond counting is too big. */
static enum smtp_reply_id
take_size(struct smtp_args *args, const struct param *p)
{
	struct cursor c = cursor_of_span(p->value);

	if (args->has_size || !p->has_value || p->value.len > 20)
		return R_BAD_PARAM;
	for (size_t i = 0; i < p->value.len; i++)
		if (p->value.p[i] < '0' || p->value.p[i] > '9')
			return R_BAD_PARAM;
	args->has_size = true;
	if (!cursor_number(&c, UINT64_MAX, &args->size))
		args->size = UINT64_MAX;
	return R_NONE;
}

/* ---- RFC 3461 ---- */

static bool
is_xtext(struct span s, size_t max)
{
	struct buf plain = BUF_INIT;
	bool ok = s.len > 0 && s.len <= max &&
	    xtext_decode(&plain, s) == 0;

	/* Section 4.2: what it stands for is printable. */
	for (size_t i = 0; ok && i < plain.len; i++)
		ok = (unsigned char)plain.p[i] >= ' ' && plain.p[i] != 0x7f;
	buf_release(&plain);
	return ok;
}

/* Section 4.3 */
static enum smtp_reply_id
take_ret(struct smtp_args *args, const struct param *p)
{
	if (args->ret != RET_NONE)
		return R_BAD_PARAM;
	if (span_iis(p->value, "FULL"))
		args->ret = RET_FULL;
	else if (span_iis(p->value, "HDRS"))
		args->ret = RET_HDRS;
	return args->ret == RET_NONE ? R_BAD_PARAM : R_NONE;
}

/* Section 4.4 */
static enum smtp_reply_id
take_envid(const struct smtp_grammar *g, struct smtp_args *args,
    const struct param *p)
{
	if (args->has_envid || !is_xtext(p->value, SMTP_ENVID_MAX))
		return R_BAD_PARAM;
	args->has_envid = true;
	args->envid = arena_span(g->arena, p->value);
	return R_NONE;
}

/* Section 4.1: NEVER stands alone. */
static enum smtp_reply_id
take_notify(struct smtp_args *args, const struct param *p)
{
	static const struct {
		const char *word;
		unsigned bit;
	} words[] = {
		{ "NEVER", NOTIFY_NEVER }, { "SUCCESS", NOTIFY_SUCCESS },
		{ "FAILURE", NOTIFY_FAILURE }, { "DELAY", NOTIFY_DELAY }
	};
	struct cursor c = cursor_of_span(p->value);
	size_t i;

	if (args->has_notify || p->value.len == 0)
		return R_BAD_PARAM;
	args->has_notify = true;
	do {
		struct span word = cursor_until(&c, ',');

		for (i = 0; i < COUNT(words); i++)
			if (span_iis(word, words[i].word))
				break;
		if (i == COUNT(words) || (args->notify & words[i].bit))
			return R_BAD_PARAM;
		args->notify |= words[i].bit;
	} while (cursor_skip(&c, ','));
	return (args->notify & NOTIFY_NEVER) && args->notify != NOTIFY_NEVER ?
	    R_BAD_PARAM : R_NONE;
}

/* Section 4.2: the type is an atom, the address is xtext. */
static enum smtp_reply_id
take_orcpt(const struct smtp_grammar *g, struct smtp_args *args,
    const struct param *p)
{
	struct cursor c = cursor_of_span(p->value);
	struct span type = cursor_until(&c, ';');

	if (args->orcpt.len || p->value.len > SMTP_ORCPT_MAX ||
	    type.len == 0 || !cursor_skip(&c, ';') ||
	    !is_xtext(span_make(c.p, cursor_left(&c)), SMTP_ORCPT_MAX))
		return R_BAD_PARAM;
	for (size_t i = 0; i < type.len; i++)
		if (!is_alnum((unsigned char)type.p[i]) && type.p[i] != '-')
			return R_BAD_PARAM;
	args->orcpt = arena_span(g->arena, p->value);
	return R_NONE;
}

/* RFC 6710 section 5: "MT-PRIORITY=-9" to "9". */
static enum smtp_reply_id
take_priority(struct smtp_args *args, const struct param *p)
{
	struct cursor c = cursor_of_span(p->value);
	bool is_negative = cursor_skip(&c, '-');
	uint64_t n;

	if (args->has_priority || !cursor_number(&c, 9, &n) ||
	    !cursor_at_end(&c))
		return R_BAD_PARAM;
	args->has_priority = true;
	args->priority = is_negative ? -(int)n : (int)n;
	return R_NONE;
}

static enum smtp_reply_id
take_rcpt_param(const struct smtp_grammar *g, struct smtp_args *args,
    const struct param *p)
{
	if ((g->params & PARAMS_DSN) && span_iis(p->keyword, "NOTIFY"))
		return take_notify(args, p);
	if ((g->params & PARAMS_DSN) && span_iis(p->keyword, "ORCPT"))
		return take_orcpt(g, args, p);
	return R_UNKNOWN_PARAM;
}

static enum smtp_reply_id
take_mail_param(const struct smtp_grammar *g, struct smtp_args *args,
    const struct param *p)
{
	if (span_iis(p->keyword, "SIZE"))
		return take_size(args, p);
	if (span_iis(p->keyword, "BODY")) {
		/* RFC 6152 section 3, RFC 3030 section 3 */
		args->is_8bit = span_iis(p->value, "8BITMIME");
		args->is_binary = span_iis(p->value, "BINARYMIME");
		return args->is_8bit || args->is_binary ||
		    span_iis(p->value, "7BIT") ? R_NONE : R_BAD_PARAM;
	}
	if (span_iis(p->keyword, "SMTPUTF8")) {
		args->is_utf8 = true;
		return p->has_value ? R_BAD_PARAM : R_NONE;
	}
	if ((g->params & PARAMS_DSN) && span_iis(p->keyword, "RET"))
		return take_ret(args, p);
	if ((g->params & PARAMS_DSN) && span_iis(p->keyword, "ENVID"))
		return take_envid(g, args, p);
	if ((g->params & PARAMS_PRIORITY) &&
	    span_iis(p->keyword, "MT-PRIORITY"))
		return take_priority(args, p);
	if ((g->params & PARAMS_REQUIRETLS) &&
	    span_iis(p->keyword, "REQUIRETLS")) {
		args->is_requiretls = true;
		return p->has_value ? R_BAD_PARAM : R_NONE;
	}
	/* RFC 4954 section 5: known where AUTH is; nobody here needs it */
	if (span_iis(p->keyword, "AUTH") && g->is_lenient)
		return p->has_value ? R_NONE : R_BAD_PARAM;
	return R_UNKNOWN_PARAM;
}

enum smtp_reply_id
smtp_parse_mail(struct cursor *c, const struct smtp_grammar *g,
    struct smtp_args *args)
{
	enum smtp_reply_id bad;
	struct param p;

	if (parse_word_path(c, "FROM", g, &args->path) == PARSE_BAD ||
	    args->path.kind == PATH_POSTMASTER)
		return R_BAD_SENDER;
	for (int n = 0; next_param(c, &p); n++) {
		if (n == SMTP_PARAMS_MAX)
			return R_BAD_ARGUMENTS;
		if ((bad = take_mail_param(g, args, &p)) != R_NONE)
			return bad;
	}
	if (!cursor_at_end(c))
		/* "<a@b>c" is no path, "<a@b> =" has one */
		return *c->p == ' ' ? R_BAD_ARGUMENTS : R_BAD_SENDER;
	/* RFC 6531 section 3.4; programs that submit forget it */
	if (args->path.has_utf8 && !args->is_utf8 && !g->is_lenient)
		return R_NOT_ASCII;
	args->is_utf8 = args->is_utf8 || args->path.has_utf8;
	return R_NONE;
}

enum smtp_reply_id
smtp_parse_rcpt(struct cursor *c, const struct smtp_grammar *g,
    struct smtp_args *args)
{
	enum smtp_reply_id bad;
	struct param p;

	if (parse_word_path(c, "TO", g, &args->path) == PARSE_BAD ||
	    args->path.kind == PATH_NULL)
		return R_BAD_RCPT;
	for (int n = 0; next_param(c, &p); n++) {
		if (n == SMTP_PARAMS_MAX)
			return R_BAD_ARGUMENTS;
		if ((bad = take_rcpt_param(g, args, &p)) != R_NONE)
			return bad;
	}
	return cursor_at_end(c) ? R_NONE : R_BAD_RCPT;
}

enum smtp_reply_id
smtp_parse_none(struct cursor *c, const struct smtp_grammar *g,
    struct smtp_args *args)
{
	(void)g;
	(void)args;
	return cursor_at_end(c) ? R_NONE : R_NO_ARGUMENTS;
}

enum smtp_reply_id
smtp_parse_text(struct cursor *c, const struct smtp_grammar *g,
    struct smtp_args *args)
{
	(void)g;
	args->word = span_make(c->p, cursor_left(c));
	c->p = c->end;
	return R_NONE;
}

enum smtp_reply_id
smtp_parse_hello(struct cursor *c, const struct smtp_grammar *g,
    struct smtp_args *args)
{
	(void)g;
	args->word = cursor_while(c, is_visible);
	if (args->word.len == 0 || args->word.len > SMTP_HELLO_MAX)
		return R_BAD_HELLO;
	/* Some tell their window's title as well. What is said is harmless. */
	c->p = c->end;
	return R_NONE;
}

enum smtp_reply_id
smtp_parse_auth(struct cursor *c, const struct smtp_grammar *g,
    struct smtp_args *args)
{
	(void)g;
	args->word = cursor_while(c, is_visible);
	skip_spaces(c);
	args->initial = cursor_while(c, is_visible);
	args->has_initial = args->initial.len > 0;
	return args->word.len && cursor_at_end(c) ? R_NONE : R_BAD_ARGUMENTS;
}

enum smtp_reply_id
smtp_parse_bdat(struct cursor *c, const struct smtp_grammar *g,
    struct smtp_args *args)
{
	(void)g;
	/* RFC 3030 section 2: chunk-size, and LAST for the last */
	if (!cursor_number(c, INT64_MAX, &args->chunk_len))
		return R_BAD_ARGUMENTS;
	if (cursor_at_end(c))
		return R_NONE;
	args->is_last = cursor_skip(c, ' ');
	skip_spaces(c);
	args->is_last = args->is_last && cursor_skip_word(c, "LAST");
	return args->is_last && cursor_at_end(c) ? R_NONE : R_BAD_ARGUMENTS;
}
