#include "server/base/xalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void
xalloc_fail(void)
{
	fputs("kingpost: out of memory\n", stderr);
	abort();
}

static void *
xalloc_check(void *p)
{
	if (!p)
		xalloc_fail();
	return p;
}

void *
xmalloc(size_t size)
{
	return xalloc_check(malloc(size ? size : 1));
}

void *
xcalloc(size_t count, size_t size)
{
	if (count == 0 || size == 0)
		count = size = 1;
	return xalloc_check(calloc(count, size));
}

void *
xrealloc(void *p, size_t size)
{
	return xalloc_check(realloc(p, size ? size : 1));
}

void *
xreallocarray(void *p, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		xalloc_fail();
	return xrealloc(p, total);
}

char *
xstrdup(const char *s)
{
	return xmemdup(s, strlen(s) + 1);
}

void *
xmemdup(const void *p, size_t len)
{
	void *copy = xmalloc(len);

	if (len)
		memcpy(copy, p, len);
	return copy;
}

char *
xmemdup0(const void *p, size_t len)
{
	char *copy = xmalloc(len + 1);

	if (len)
		memcpy(copy, p, len);
	copy[len] = '\0';
	return copy;
}
