#include "store/mime/downgrade.h"

#include "server/base/cursor.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "store/mime/address.h"
#include "store/mime/encoded.h"
#include "store/mime/header.h"

/* RFC 6858 section 2.1: an address that never belongs to anybody */
static const struct span invalid_local = { "invalid", 7 };
static const struct span invalid_domain =
    { "internationalized-address.invalid", 33 };

/* The fields whose addresses are replaced. */
static const char *const address_fields[] = {
	"Bcc", "Cc", "From", "Reply-To", "Resent-Bcc", "Resent-Cc",
	"Resent-From", "Resent-Sender", "Resent-To", "Return-Path", "Sender",
	"To",
};

/* The fields whose parameters are left out one by one. */
static const char *const parameter_fields[] = {
	"Content-Type", "Content-Disposition",
};

bool
downgrade_is_needed(struct span value)
{
	return !utf8_is_ascii(value);
}

void
downgrade_text(struct buf *out, struct span value)
{
	struct buf utf8 = BUF_INIT;

	encoded_decode(&utf8, value);
	encoded_encode(out, buf_span(&utf8));
	buf_release(&utf8);
}

static struct span
text_in_arena(struct span value, struct arena *a)
{
	struct buf b = BUF_INIT;
	struct span s;

	downgrade_text(&b, value);
	s = arena_span(a, buf_span(&b));
	buf_release(&b);
	return s;
}

struct address
downgrade_address(const struct address *addr, struct arena *a)
{
	struct address shown = *addr;
	struct buf text = BUF_INIT;

	if (downgrade_is_needed(addr->route))
		shown.route.len = 0;
	if (!downgrade_is_needed(addr->local) &&
	    !downgrade_is_needed(addr->domain)) {
		if (downgrade_is_needed(addr->display))
			shown.display = text_in_arena(addr->display, a);
		return shown;
	}
	/* What it was, for the person to read. */
	encoded_decode(&text, addr->display);
	if (text.len)
		buf_addc(&text, ' ');
	buf_addc(&text, '<');
	buf_addspan(&text, addr->local);
	buf_addc(&text, '@');
	buf_addspan(&text, addr->domain);
	buf_addc(&text, '>');
	shown.display = text_in_arena(buf_span(&text), a);
	shown.local = invalid_local;
	shown.domain = invalid_domain;
	shown.route.len = 0;
	buf_release(&text);
	return shown;
}

static bool
is_one_of(struct span name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_iis(name, list[i]))
			return true;
	return false;
}

/* RFC 5322 section 3.2.3 */
static bool
is_atext(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool
all_of(struct span s, const char *more)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_atext((unsigned char)s.p[i]) &&
		    (!s.p[i] || !strchr(more, s.p[i])))
			return false;
	return s.len > 0;
}

static void
put_quoted(struct buf *out, struct span s)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, s.p[i]);
	}
	buf_addc(out, '"');
}

/* A word of a phrase: an atom or encoded-word as it is, else quoted. */
static void
put_word(struct buf *out, struct span s)
{
	if (s.len == 0 || all_of(s, ""))
		buf_addspan(out, s);
	else
		put_quoted(out, s);
}

/*
 * RFC 2047 section 5: an encoded-word within quotes is none. So words are
 * quoted one by one where there are any.
 */
static void
put_phrase(struct buf *out, struct span s)
{
	struct cursor c = cursor_of_span(s);

	if (!memmem(s.p, s.len, "=?", 2)) {
		if (all_of(s, " "))
			buf_addspan(out, s);
		else
			put_quoted(out, s);
		return;
	}
	put_word(out, cursor_until(&c, ' '));
	while (cursor_skip(&c, ' ')) {
		buf_addc(out, ' ');
		put_word(out, cursor_until(&c, ' '));
	}
}

static void
put_address(struct buf *out, const struct address *a)
{
	if (a->kind == ADDR_GROUP) {
		put_phrase(out, a->display);
		buf_addc(out, ':');
		return;
	}
	if (a->kind == ADDR_END) {
		buf_addc(out, ';');
		return;
	}
	if (a->display.len) {
		put_phrase(out, a->display);
		buf_addc(out, ' ');
	}
	buf_addc(out, '<');
	if (a->local.len && !all_of(a->local, "."))
		put_quoted(out, a->local);
	else
		buf_addspan(out, a->local);
	if (a->domain.len) {
		buf_addc(out, '@');
		buf_addspan(out, a->domain);
	}
	buf_addc(out, '>');
}

static void
downgrade_addresses(struct buf *out, struct span value)
{
	struct arena a = { 0 };
	struct addrlist list;

	address_list_parse(value, &a, &list);
	for (size_t i = 0; i < list.n; i++) {
		struct address shown = downgrade_address(&list.v[i], &a);
		bool after_mailbox = i > 0 &&
		    list.v[i - 1].kind != ADDR_GROUP;

		if (after_mailbox && shown.kind != ADDR_END)
			buf_adds(out, ",\r\n ");
		else
			buf_addc(out, ' ');
		put_address(out, &shown);
	}
	buf_adds(out, "\r\n");
	arena_release(&a);
}

/* To the next ';' outside quotes, or the end. */
static struct span
next_parameter(struct cursor *c)
{
	const char *start = c->p;
	bool quoted = false;
	int ch;

	while ((ch = cursor_peek(c)) != -1 && (quoted || ch != ';')) {
		c->p++;
		if (ch == '"')
			quoted = !quoted;
		else if (ch == '\\' && quoted && !cursor_at_end(c))
			c->p++;
	}
	return span_make(start, (size_t)(c->p - start));
}

/* Returns false where not even the first word can be shown. */
static bool
downgrade_parameters(struct buf *out, struct span value)
{
	struct cursor c = cursor_of_span(value);
	struct span piece = next_parameter(&c);

	if (downgrade_is_needed(piece))
		return false;
	buf_addc(out, ' ');
	buf_addspan(out, span_trim(piece));
	while (cursor_skip(&c, ';')) {
		piece = next_parameter(&c);
		if (downgrade_is_needed(piece))
			continue;
		buf_adds(out, "; ");
		buf_addspan(out, span_trim(piece));
	}
	buf_adds(out, "\r\n");
	return true;
}

/* A field with 8-bit bytes; what cannot be shown is left out. */
static void
downgrade_field(struct buf *out, const struct header_field *f)
{
	struct buf value = BUF_INIT;
	size_t start = out->len;

	if (f->name.len == 0 || downgrade_is_needed(f->name))
		return;
	header_unfold(&value, f->value);
	buf_addspan(out, f->name);
	buf_addc(out, ':');
	if (span_iis(f->name, "Subject")) {
		buf_addc(out, ' ');
		downgrade_text(out, buf_span(&value));
		buf_adds(out, "\r\n");
	} else if (is_one_of(f->name, address_fields,
	    COUNT(address_fields))) {
		downgrade_addresses(out, buf_span(&value));
	} else if (!is_one_of(f->name, parameter_fields,
	    COUNT(parameter_fields)) ||
	    !downgrade_parameters(out, buf_span(&value))) {
		buf_truncate(out, start);
	}
	buf_release(&value);
}

bool
downgrade_header(struct buf *out, struct span header)
{
	struct field_iter it;
	struct header_field f;
	bool changed = false;

	field_iter_init(&it, header);
	while (field_iter_next(&it, &f)) {
		if (!downgrade_is_needed(f.whole)) {
			buf_addspan(out, f.whole);
			continue;
		}
		changed = true;
		downgrade_field(out, &f);
	}
	/* The blank line, and what may stand behind it. */
	buf_add(out, it.c.p, cursor_left(&it.c));
	return changed;
}
