/*
 * Numeric network addresses as text and as 16 bytes (IPv4 mapped into IPv6),
 * and networks in CIDR notation. Never asks a resolver.
 */
#ifndef SERVER_BASE_ADDR_H
#define SERVER_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/span.h"

struct addr {
	unsigned char bytes[16];
};

struct addr_net {
	struct addr base;
	unsigned prefix;	/* bits of the 128, IPv4 counted from 96 */
};

/* "192.0.2.1", "2001:db8::1". Returns 0 or ERR_SYNTAX. */
int addr_parse(struct addr *a, struct span s);

/* "192.0.2.0/24", "2001:db8::/32", or one address. 0 or ERR_SYNTAX. */
int addr_net_parse(struct addr_net *n, struct span s);

bool addr_is_v4(const struct addr *a);
bool addr_is_loopback(const struct addr *a);
/* The base may be any address of the network. */
bool addr_in_net(const struct addr *a, const struct addr_net *n);

/* NUL-terminated text into out, which has at least 46 bytes. */
void addr_text(const struct addr *a, char *out, size_t size);

/* One peer for limits: IPv4 whole, IPv6 cut to its /64. */
void addr_limit_key(const struct addr *a, unsigned char key[16]);

#endif
