#include "server/base/gzip.h"

#include <assert.h>
#include <zlib.h>

#include "server/base/err.h"

#define IN_MAX (1u << 30)
#define WINDOW_GZIP (15 + 16)	/* zlib: with gzip's header and trailer */
#define MEMORY 8

int
gzip_add(struct buf *out, struct span in)
{
	z_stream z = { .zalloc = NULL };
	int ret;

	if (in.len > IN_MAX)
		return ERR_LIMIT;
	ret = deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_GZIP,
	    MEMORY, Z_DEFAULT_STRATEGY);
	assert(ret == Z_OK);
	buf_reserve(out, deflateBound(&z, in.len));
	z.next_in = (Bytef *)(uintptr_t)in.p;
	z.avail_in = (uInt)in.len;
	z.next_out = (Bytef *)(out->p + out->len);
	z.avail_out = (uInt)(out->cap - out->len - 1);
	ret = deflate(&z, Z_FINISH);
	assert(ret == Z_STREAM_END);
	out->len += z.total_out;
	out->p[out->len] = '\0';
	(void)deflateEnd(&z);
	return 0;
}
