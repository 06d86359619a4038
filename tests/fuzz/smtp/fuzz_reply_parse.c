/*
 * Answers of a server: the same for any split of the bytes, never without an
 * end, and no byte of the text could harm a log line or a message.
 */
#include <assert.h>

#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "smtp/reply_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	enum reply_result result;
	size_t used;
	struct server_reply reply;
};

/* As a driver does it: what was not used comes again, with more behind it. */
static void
run(struct span in, size_t step, struct outcome *o)
{
	size_t end = 0, used;

	*o = (struct outcome){ .result = REPLY_MORE };
	while (end < in.len) {
		end = MIN(in.len, end + step);
		do {
			o->result = reply_take_line(&o->reply,
			    in.p + o->used, end - o->used, &used);
			o->used += used;
			if (o->result == REPLY_DONE ||
			    o->result == REPLY_BROKEN)
				return;
			assert(used > 0 || o->result == REPLY_MORE);
		} while (o->result == REPLY_LINE);
	}
}

static void
check_text(const struct server_reply *r)
{
	assert(r->text_len <= REPLY_TEXT_MAX && !r->text[r->text_len]);
	assert(utf8_is_valid(span_make(r->text, r->text_len)));
	for (size_t i = 0; i < r->text_len; i++)
		assert((unsigned char)r->text[i] >= 0x20 &&
		    r->text[i] != 0x7f);
	assert(r->line_count <= REPLY_LINES_MAX + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_make((const char *)data, size);
	struct outcome whole, part;

	run(in, size ? size : 1, &whole);
	check_text(&whole.reply);
	if (whole.result == REPLY_DONE)
		assert(whole.reply.code >= 200 && whole.reply.code <= 599);
	for (size_t step = 1; step < size; step = step * 2 + 1) {
		run(in, step, &part);
		assert(part.result == whole.result);
		if (whole.result == REPLY_BROKEN)
			continue;
		assert(part.used == whole.used);
		assert(part.reply.code == whole.reply.code);
		assert(strcmp(part.reply.text, whole.reply.text) == 0);
		assert(strcmp(part.reply.status, whole.reply.status) == 0);
	}
	return 0;
}
