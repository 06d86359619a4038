/*
 * Allocation that cannot fail: out of memory aborts.
 *
 * For small things only. Whatever a peer can make large is charged to
 * budget.h first, so that it fails there, politely, and not here.
 */
#ifndef SERVER_BASE_XALLOC_H
#define SERVER_BASE_XALLOC_H

#include <stddef.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* All return owned memory, to be given to free(); a size of 0 is legal. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);	/* zeroed, overflow-checked */
void *xrealloc(void *p, size_t size);
void *xreallocarray(void *p, size_t count, size_t size);
char *xstrdup(const char *s);
void *xmemdup(const void *p, size_t len);
char *xmemdup0(const void *p, size_t len);	/* and a NUL behind */

#endif
