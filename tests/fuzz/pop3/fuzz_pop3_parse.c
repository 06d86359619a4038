/*
 * The arguments of POP3 commands: the first byte chooses the function.
 */
#include <assert.h>

#include "pop3/pop3_parse.h"
#include "server/base/xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum parse (*const functions[])(struct cursor *,
    struct pop3_args *) = {
	pop3_parse_none, pop3_parse_text, pop3_parse_msg, pop3_parse_opt_msg,
	pop3_parse_top, pop3_parse_auth, pop3_parse_lang,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pop3_args args = { 0 };
	struct cursor c;
	size_t which;

	if (size == 0)
		return 0;
	which = data[0] % COUNT(functions);
	c = cursor_of_span(span_make((const char *)data + 1, size - 1));
	if (functions[which](&c, &args) == PARSE_OK) {
		assert(cursor_at_end(&c));
		assert(which != 2 || args.has_msg);
		assert(args.text.len < size && args.word.len < size);
	}
	return 0;
}
