#include "server/base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/xalloc.h"

#define BUF_FIRST 64
#define BUF_KEEP_MAX ((size_t)64 * 1024)

/*
 * What an empty buffer points to. Shared by all threads, so never written,
 * not even the NUL that is there already: cap == 0 guards every store.
 */
char buf_empty_[1] = "";

void
buf_init(struct buf *b)
{
	*b = (struct buf)BUF_INIT;
}

void
buf_release(struct buf *b)
{
	if (b->cap)
		free(b->p);
	buf_init(b);
}

void
buf_clear(struct buf *b)
{
	if (b->cap > BUF_KEEP_MAX)
		buf_release(b);
	else
		buf_truncate(b, 0);
}

void
buf_reserve(struct buf *b, size_t extra)
{
	size_t need, cap;

	if (extra > SIZE_MAX / 2 - b->len - 1)
		abort();
	need = b->len + extra + 1;
	if (need <= b->cap)
		return;
	cap = MAX(b->cap + b->cap / 2, BUF_FIRST);
	cap = MAX(cap, need);
	if (b->cap) {
		b->p = xrealloc(b->p, cap);
	} else {
		b->p = xmalloc(cap);
		b->p[0] = '\0';
	}
	b->cap = cap;
}

void
buf_add(struct buf *b, const void *p, size_t len)
{
	if (len == 0)
		return;
	buf_reserve(b, len);
	memcpy(b->p + b->len, p, len);
	b->len += len;
	b->p[b->len] = '\0';
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addspan(struct buf *b, struct span s)
{
	buf_add(b, s.p, s.len);
}

void
buf_addc(struct buf *b, char c)
{
	if (b->cap - b->len < 2 || b->cap == 0)
		buf_reserve(b, 1);
	b->p[b->len++] = c;
	b->p[b->len] = '\0';
}

void
buf_addu(struct buf *b, uint64_t n)
{
	char digits[20];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	buf_add(b, digits + at, sizeof digits - at);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t room = b->cap - b->len;
	int len;

	va_copy(again, ap);
	/* An empty buffer's byte is shared: measure only. */
	len = b->cap ? vsnprintf(b->p + b->len, room, fmt, ap) :
	    vsnprintf(NULL, 0, fmt, ap);
	if (len < 0)
		abort();
	if (b->cap == 0 || (size_t)len >= room) {
		buf_reserve(b, (size_t)len);
		vsnprintf(b->p + b->len, (size_t)len + 1, fmt, again);
	}
	va_end(again);
	b->len += (size_t)len;
}

void
buf_consume(struct buf *b, size_t len)
{
	if (len >= b->len) {
		buf_truncate(b, 0);
		return;
	}
	if (len == 0)
		return;
	memmove(b->p, b->p + len, b->len - len);
	buf_truncate(b, b->len - len);
}

void
buf_truncate(struct buf *b, size_t len)
{
	assert(len <= b->len);
	b->len = len;
	if (b->cap)
		b->p[len] = '\0';
}

char *
buf_take(struct buf *b)
{
	char *p = b->cap ? b->p : xstrdup("");

	buf_init(b);
	return p;
}

void
buf_swap(struct buf *a, struct buf *b)
{
	struct buf t = *a;

	*a = *b;
	*b = t;
}
