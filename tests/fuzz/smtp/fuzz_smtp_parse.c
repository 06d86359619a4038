/*
 * The grammar of SMTP: the first byte chooses a function and how strict it
 * is. What a path yields is an address that parses to itself again, and no
 * byte of it could break a header line or a reply.
 */
#include <assert.h>

#include "server/base/buf.h"
#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "smtp/smtp_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum smtp_reply_id (*const functions[])(struct cursor *,
    const struct smtp_grammar *, struct smtp_args *) = {
	smtp_parse_mail, smtp_parse_rcpt, smtp_parse_hello, smtp_parse_auth,
	smtp_parse_bdat, smtp_parse_none, smtp_parse_text,
};

static void
check_path(const struct smtp_path *path, const struct smtp_grammar *g)
{
	struct buf text = BUF_INIT;
	struct smtp_path again;
	struct cursor c;

	buf_addc(&text, '<');
	buf_addspan(&text, path->text);
	buf_addc(&text, '>');
	for (size_t i = 0; i < text.len; i++)
		assert((unsigned char)text.p[i] >= ' ' && text.p[i] != 0x7f);
	assert(utf8_is_valid(buf_span(&text)));
	c = cursor_of_span(buf_span(&text));
	assert(smtp_parse_path(&c, g, &again) == PARSE_OK);
	assert(cursor_at_end(&c));
	assert(again.kind == path->kind);
	assert(span_eq(again.local, path->local));
	assert(span_eq(again.domain, path->domain));
	assert(span_eq(again.text, path->text));
	assert(again.has_utf8 == path->has_utf8);
	buf_release(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct smtp_grammar g = { .arena = &arena };
	struct smtp_args args = { 0 };
	struct cursor c;
	size_t which;

	if (size == 0)
		return 0;
	which = (data[0] & 0x7f) % COUNT(functions);
	g.is_lenient = data[0] & 0x80;
	g.params = size & 1 ? PARAMS_DSN | PARAMS_PRIORITY |
	    PARAMS_REQUIRETLS : 0;
	c = cursor_of_span(span_make((const char *)data + 1, size - 1));
	if (functions[which](&c, &g, &args) == R_NONE) {
		assert(cursor_at_end(&c));
		if (which < 2)
			check_path(&args.path, &g);
	}
	/* No allocation over a few times the input. */
	assert(arena.used <= 64 * size + 1024);
	arena_release(&arena);
	return 0;
}
