/*
 * The addresses of this machine: mail that a route would send there comes
 * back (RFC 5321 section 5.1).
 */
#ifndef SERVER_NET_INTERFACES_H
#define SERVER_NET_INTERFACES_H

#include <stddef.h>

#include "server/base/addr.h"

/*
 * Fills v with at most max addresses, those of the loopback left out.
 * Returns how many.
 */
size_t interfaces_addrs(struct addr *v, size_t max);

#endif
