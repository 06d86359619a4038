/*
 * Framing: the same events however the input is cut, whatever is answered to
 * announced messages, and nothing kept or charged in the end.
 */
#include "imap/framer.h"

#include <assert.h>

#include "tests/unit/imap/transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small enough for every cap to be met. */
static const struct framer_limits small = {
	.line = 60,
	.literal = 12,
	.literals = 20,
	.literal_count = 5,
	.read_off = 50,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_make((const char *)data, size);
	const size_t steps[] = { 1, 2, 3, 7, 16, 61 };

	for (int refuse = 0; refuse < 2; refuse++) {
		struct budget budget = { .limit = SIZE_MAX };
		struct transcript t = {
			.limits = &small, .budget = &budget,
			.refuse = refuse,
		};
		struct buf whole = BUF_INIT;

		transcript_write(&t, in, &whole);
		assert(budget_used(&budget) == 0);
		for (size_t i = 0; i < COUNT(steps); i++) {
			struct buf parts = BUF_INIT;

			t.step = steps[i];
			transcript_write(&t, in, &parts);
			assert(span_eq(buf_span(&whole), buf_span(&parts)));
			buf_release(&parts);
		}
		assert(budget_used(&budget) == 0);
		buf_release(&whole);
	}
	return 0;
}
