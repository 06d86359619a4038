/*
 * MTA-STS: the first byte chooses the TXT record or the policy. What a policy
 * yields are names, separated by one space each.
 */
#include <assert.h>

#include "server/base/idna.h"
#include "smtp/mta_sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_patterns(const char *mx)
{
	struct cursor c = cursor_of(mx);
	unsigned n = 0;

	while (!cursor_at_end(&c)) {
		struct span name = cursor_until(&c, ' ');
		struct buf again = BUF_INIT;

		if (span_starts(name, "*."))
			name = span_from(name, 2);
		assert(idna_to_ascii(&again, name) == 0);
		assert(span_eq(buf_span(&again), name));
		buf_release(&again);
		n++;
		assert(!cursor_skip(&c, ' ') || !cursor_at_end(&c));
	}
	assert(n <= MTA_STS_MX_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct mta_sts_policy p;
	struct span in, id;

	if (size == 0)
		return 0;
	in = span_make((const char *)data + 1, size - 1);
	if (data[0] & 1) {
		if (mta_sts_parse_record(in, &id) == PARSE_OK)
			assert(id.len > 0 && id.len <= MTA_STS_ID_MAX);
	} else if (mta_sts_parse_policy(in, &a, &p) == PARSE_OK) {
		assert(p.max_age_s >= 0 && p.max_age_s <= MTA_STS_AGE_MAX);
		assert(*p.mx || p.mode == MTA_STS_NONE);
		check_patterns(p.mx);
	}
	arena_release(&a);
	return 0;
}
