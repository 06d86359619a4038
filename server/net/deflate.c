#include "server/net/deflate.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"

/* RFC 4978 section 4: negative, so that there is no header. */
#define WINDOW_BITS (-15)
/* Already the fastest level leaves a third of what IMAP says. */
#define LEVEL 1
#define MEM_LEVEL 8
#define STEP 16384u		/* room for output made at once */

static void *
z_alloc(void *arg, unsigned count, unsigned size)
{
	(void)arg;
	return xcalloc(count, size);
}

static void
z_free(void *arg, void *p)
{
	(void)arg;
	free(p);
}

/* ---- out ---- */

struct deflater {
	z_stream z;
};

struct deflater *
deflater_new(void)
{
	struct deflater *d = xcalloc(1, sizeof *d);

	d->z.zalloc = z_alloc;
	d->z.zfree = z_free;
	/* Only arguments or memory could be at fault. */
	if (deflateInit2(&d->z, LEVEL, Z_DEFLATED, WINDOW_BITS, MEM_LEVEL,
	    Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	return d;
}

void
deflater_free(struct deflater *d)
{
	if (!d)
		return;
	(void)deflateEnd(&d->z);
	free(d);
}

static void
deflate_piece(struct deflater *d, struct buf *out, const char *p, unsigned len)
{
	d->z.next_in = (unsigned char *)(uintptr_t)p;
	d->z.avail_in = len;
	do {
		buf_reserve(out, STEP);
		d->z.next_out = (unsigned char *)out->p + out->len;
		d->z.avail_out = STEP;
		(void)deflate(&d->z, Z_SYNC_FLUSH);
		out->len += STEP - d->z.avail_out;
	} while (d->z.avail_out == 0);	/* else the flush is whole */
	out->p[out->len] = '\0';
}

void
deflater_add(struct deflater *d, struct buf *out, const char *p, size_t len)
{
	(void)deflateReset(&d->z);
	while (len > 0) {
		unsigned n = (unsigned)MIN(len, (size_t)INT_MAX);

		deflate_piece(d, out, p, n);
		p += n;
		len -= n;
	}
}

/* ---- in ---- */

struct inflater {
	z_stream z;
	struct buf in;
	size_t in_used;		/* bytes of in, taken by the library */
	int failed;		/* ERR_*; 0: none */
};

struct inflater *
inflater_new(void)
{
	struct inflater *i = xcalloc(1, sizeof *i);

	i->z.zalloc = z_alloc;
	i->z.zfree = z_free;
	buf_init(&i->in);
	if (inflateInit2(&i->z, WINDOW_BITS) != Z_OK)
		abort();
	return i;
}

void
inflater_free(struct inflater *i)
{
	if (!i)
		return;
	(void)inflateEnd(&i->z);
	buf_release(&i->in);
	free(i);
}

struct buf *
inflater_in(struct inflater *i)
{
	buf_consume(&i->in, i->in_used);
	i->in_used = 0;
	return &i->in;
}

/* At the end of a block that ends a byte as well: the peer has flushed. */
static bool
is_flushed(const z_stream *z)
{
	return (z->data_type & 128) && (z->data_type & 31) == 0;
}

int
inflater_read(struct inflater *i, char *p, size_t len)
{
	unsigned room = (unsigned)MIN(len, (size_t)INT_MAX);
	unsigned have = (unsigned)(i->in.len - i->in_used);
	int ret;

	if (i->failed)
		return i->failed;
	i->z.next_in = (unsigned char *)i->in.p + i->in_used;
	i->z.avail_in = have;
	i->z.next_out = (unsigned char *)p;
	i->z.avail_out = room;
	do
		ret = inflate(&i->z, Z_BLOCK);
	while (ret == Z_OK && i->z.avail_in && i->z.avail_out &&
	    !(is_flushed(&i->z) && i->z.avail_out < room));
	i->in_used += have - i->z.avail_in;
	if (ret == Z_STREAM_END)
		i->failed = ERR_CLOSED;
	else if (ret != Z_OK && ret != Z_BUF_ERROR)
		i->failed = ERR_SYNTAX;
	/* What came before the fault is good. */
	room -= i->z.avail_out;
	return room ? (int)room : i->failed;
}
