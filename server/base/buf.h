/*
 * A growing byte buffer.
 *
 * Invariants: p is never NULL and p[len] is always NUL, so p may be used as a
 * C string when its bytes have no NUL of their own; len is authoritative.
 * Zero-initialising is not enough: BUF_INIT or buf_init. Appending aborts when
 * out of memory; caps are the caller's business, before the call.
 */
#ifndef SERVER_BASE_BUF_H
#define SERVER_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/span.h"

struct buf {
	char *p;
	size_t len;	/* bytes in use, without the NUL */
	size_t cap;	/* bytes allocated; 0 while p is the shared empty string */
};

extern char buf_empty_[1];
#define BUF_INIT { buf_empty_, 0, 0 }

void buf_init(struct buf *b);

/* Frees the bytes; the buffer is empty and usable again. */
void buf_release(struct buf *b);

/* Empties, keeps the memory up to 64 KiB and frees a larger block. */
void buf_clear(struct buf *b);

/* Room for extra more bytes (and the NUL) without another allocation. */
void buf_reserve(struct buf *b, size_t extra);

void buf_add(struct buf *b, const void *p, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addspan(struct buf *b, struct span s);
void buf_addc(struct buf *b, char c);
void buf_addu(struct buf *b, uint64_t n);	/* decimal */
void buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Removes len bytes (at most all) from the front. Moves what stays. */
void buf_consume(struct buf *b, size_t len);

/* Shortens to len bytes; len must not exceed b->len. */
void buf_truncate(struct buf *b, size_t len);

/* Takes the bytes out: returns owned, NUL-terminated memory; b is empty. */
char *buf_take(struct buf *b);

/* Exchanges two buffers' contents. */
void buf_swap(struct buf *a, struct buf *b);

static inline struct span
buf_span(const struct buf *b)
{
	return (struct span){ b->p, b->len };
}

#endif
