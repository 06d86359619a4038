/*
 * A URL of a message: what is taken names a mailbox in UTF-8 without NULs, a
 * UID and a section within bounds; memory stays in proportion.
 */
#include <assert.h>

#include "imap/url.h"
#include "server/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_make((const char *)data, size);
	struct arena a = { 0 };
	struct imap_url u;

	if (imap_url_parse(text, &a, &u)) {
		assert(u.uid > 0);
		assert(u.has_mailbox || u.mailbox.len == 0);
		assert(utf8_is_valid(u.mailbox));
		assert(!span_chr(u.mailbox, '\0'));
		assert(!u.part.partial || u.part.len > 0);
		for (size_t i = 0; i < u.part.section.path_len; i++)
			assert(u.part.section.path[i] > 0);
	}
	assert(a.used <= 64 * size + 65536);
	arena_release(&a);
	return 0;
}
