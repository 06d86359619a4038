/*
 * What submission makes of a header: it ends in a blank line, holds no Bcc,
 * has what was missing, and is left alone the next time. (But for a header
 * that began with Bcc and went on with what is no field: without the Bcc it
 * is none.)
 */
#include <assert.h>

#include "smtp/submit.h"
#include "store/mime/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fix(struct span head, struct buf *out, struct arena *arena)
{
	struct seeded_random random;
	struct submit_facts facts = {
		.random = &random.random, .hostname = "mail.example.org",
		.from = SPAN("ann@example.org")
	};
	struct submit_senders senders = { 0 };

	seeded_random_init(&random, 1);
	submit_fix_header(&facts, head, arena, out, &senders);
	assert(senders.n <= SUBMIT_SENDERS_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span head = span_make((const char *)data, size);
	struct buf once = BUF_INIT, twice = BUF_INIT;
	struct arena arena = { 0 };
	struct header_field f;
	struct field_iter it;
	struct span block;

	head.len = header_block_len(head);
	fix(head, &once, &arena);
	block = buf_span(&once);
	block.len = header_block_len(block);
	assert(block.len >= 2 && memcmp(block.p + block.len - 2, "\r\n", 2)
	    == 0);
	assert(header_find(block, "Date", &f));
	assert(header_find(block, "From", &f));
	assert(header_find(block, "Message-ID", &f));
	assert(!header_find(block, "Bcc", &f));
	fix(block, &twice, &arena);
	field_iter_init(&it, block);
	if (field_iter_next(&it, &f) && f.name.len)
		assert(span_eq(block, buf_span(&twice)));
	buf_release(&once);
	buf_release(&twice);
	arena_release(&arena);
	return 0;
}
