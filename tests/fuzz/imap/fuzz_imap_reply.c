/*
 * Strings and names as they are sent, read back by the command grammar.
 */
#include "imap/reply.h"

#include <assert.h>

#include "server/base/utf8.h"
#include "server/base/xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_string(struct span in, bool utf8, bool astring)
{
	struct buf out = BUF_INIT, want = BUF_INIT;
	struct arena a = { 0 };
	struct imap_parser p;
	struct span got;

	for (size_t i = 0; i < in.len; i++)
		if (in.p[i])
			buf_addc(&want, in.p[i]);
	if (astring)
		imap_put_astring(&out, in, utf8);
	else
		imap_put_string(&out, in, utf8);
	imap_parser_init(&p, buf_span(&out), &a);
	assert((astring ? imap_parse_astring(&p, &got) :
	    imap_parse_string(&p, &got)) == PARSE_OK);
	assert(cursor_at_end(&p.c));
	assert(span_eq(got, buf_span(&want)));
	/* Quoted strings are ASCII, or UTF-8 where that was asked for. */
	assert(out.p[0] == '{' || utf8_is_ascii(buf_span(&out)) ||
	    (utf8 && utf8_is_valid(buf_span(&out))));
	arena_release(&a);
	buf_release(&out);
	buf_release(&want);
}

static void
check_mailbox(struct span in, bool utf8)
{
	struct buf nfc = BUF_INIT, out = BUF_INIT;
	struct arena a = { 0 };
	struct imap_parser p;
	struct span got;

	/* Names as the store has them. */
	if (utf8_nfc(&nfc, in) == 0 && nfc.len <= MAILBOX_NAME_MAX &&
	    !span_chr(in, '\0') && !span_istarts(buf_span(&nfc), "INBOX")) {
		imap_put_mailbox(&out, buf_span(&nfc), utf8);
		imap_parser_init(&p, buf_span(&out), &a);
		p.utf8 = utf8;
		assert(imap_parse_mailbox(&p, &got) == PARSE_OK);
		assert(cursor_at_end(&p.c));
		assert(span_eq(got, buf_span(&nfc)));
	}
	arena_release(&a);
	buf_release(&nfc);
	buf_release(&out);
}

static void
check_text(struct span in)
{
	struct buf out = BUF_INIT;

	imap_put_text(&out, in);
	assert(out.len == MAX(in.len, 1) && out.p[0] != '[');
	for (size_t i = 0; i < out.len; i++)
		assert(out.p[i] >= ' ' && out.p[i] < 0x7f);
	buf_release(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_make((const char *)data, size);

	for (int utf8 = 0; utf8 < 2; utf8++) {
		check_string(in, utf8, false);
		check_string(in, utf8, true);
		check_mailbox(in, utf8);
	}
	check_text(in);
	return 0;
}
