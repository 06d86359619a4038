/*
 * Preparing a password: what was prepared is prepared already, is valid
 * UTF-8, and has no control characters.
 */
#include "auth/passwd.h"

#include <assert.h>

#include "server/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct buf once = BUF_INIT, twice = BUF_INIT;

	if (passwd_prepare(&once, in) == 0) {
		assert(size <= PASSWD_MAX && once.len > 0);
		assert(once.len <= 3 * size);
		assert(utf8_is_valid(buf_span(&once)));
		for (size_t i = 0; i < once.len; i++)
			assert((unsigned char)once.p[i] >= 0x20 &&
			    once.p[i] != 0x7F);
		if (once.len <= PASSWD_MAX) {
			assert(passwd_prepare(&twice, buf_span(&once)) == 0);
			assert(span_eq(buf_span(&once), buf_span(&twice)));
		}
	} else {
		assert(once.len == 0);
	}
	buf_release(&once);
	buf_release(&twice);
	return 0;
}
