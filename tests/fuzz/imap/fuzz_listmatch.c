/*
 * Patterns of LIST, against a matcher that tries everything.
 */
#include "imap/listmatch.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_LEN 40

/* can[i][j]: the rest of the pattern from i matches the rest from j. */
static bool
naive(struct span p, struct span n, size_t inbox)
{
	bool can[MAX_LEN + 1][MAX_LEN + 1] = { 0 };

	for (size_t i = p.len + 1; i-- > 0;) {
		for (size_t j = n.len + 1; j-- > 0;) {
			bool left = j < n.len;

			if (i == p.len)
				can[i][j] = !left;
			else if (p.p[i] == '*')
				can[i][j] = can[i + 1][j] ||
				    (left && can[i][j + 1]);
			else if (p.p[i] == '%')
				can[i][j] = can[i + 1][j] || (left &&
				    n.p[j] != '/' && can[i][j + 1]);
			else
				can[i][j] = left && can[i + 1][j + 1] &&
				    (p.p[i] == n.p[j] || (j < inbox &&
				    span_ieq(span_make(p.p + i, 1),
				    span_make(n.p + j, 1))));
		}
	}
	return can[0][0];
}

/* The input is a pattern, a NUL, and a name. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_make((const char *)data, size);
	const char *nul = span_chr(in, '\0');
	struct span pattern, name;
	size_t inbox = 0;

	if (!nul)
		return 0;
	pattern = span_head(in, (size_t)(nul - in.p));
	name = span_from(in, pattern.len + 1);
	if (pattern.len > MAX_LEN || name.len > MAX_LEN)
		return 0;
	if (span_istarts(name, "INBOX") &&
	    (name.len == 5 || name.p[5] == '/'))
		inbox = 5;
	assert(list_match(pattern, name) == naive(pattern, name, inbox));
	return 0;
}
