/*
 * Any bytes in any charset: valid UTF-8 comes out, the same in pieces. The
 * first byte is the charset, the second the pieces.
 */
#include <stdint.h>
#include <stdlib.h>

#include "server/base/utf8.h"
#include "server/base/xalloc.h"
#include "store/mime/charset.h"

#define expect(cond) ((cond) ? (void)0 : __builtin_trap())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
	"utf-8", "us-ascii", "iso-8859-1", "iso-8859-6", "windows-1255",
	"windows-1258", "koi8-r", "gb2312", "gb18030", "big5", "big5-hkscs",
	"euc-jp", "shift_jis", "iso-2022-jp", "iso-2022-kr", "euc-kr",
	"utf-16", "utf-16le", "utf-16be", "utf-32", "utf-7", "viscii",
	"tis-620", "macintosh", "hz-gb-2312"
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;
	struct charset *c;
	struct span name, in;

	if (size < 2)
		return 0;
	name = span_of(names[data[0] % COUNT(names)]);
	in = span_make((const char *)data + 2, size - 2);
	expect(charset_to_utf8(&whole, name, in) == 0);
	expect(utf8_is_valid(buf_span(&whole)));
	/* One byte is three at most, or six (HKSCS has pairs for two). */
	expect(whole.len <= 6 * in.len + 8);

	c = charset_new(name);
	while (in.len) {
		struct span s = span_head(in, 1 + data[1] % 16u);
		char *copy = xmemdup(s.p, s.len);

		charset_add(c, &pieces, copy, s.len);
		free(copy);
		in = span_from(in, s.len);
	}
	charset_finish(c, &pieces);
	charset_free(c);
	expect(span_eq(buf_span(&whole), buf_span(&pieces)));
	buf_release(&whole);
	buf_release(&pieces);
	return 0;
}
