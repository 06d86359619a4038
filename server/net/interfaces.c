#include "server/net/interfaces.h"

#include <string.h>
#include <uv.h>

/* As 16 bytes, IPv4 mapped. */
static void
read_addr(struct addr *a, const uv_interface_address_t *i)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (i->address.address4.sin_family == AF_INET) {
		memcpy(a->bytes, mapped, sizeof mapped);
		memcpy(a->bytes + sizeof mapped,
		    &i->address.address4.sin_addr, 4);
	} else {
		memcpy(a->bytes, &i->address.address6.sin6_addr, 16);
	}
}

size_t
interfaces_addrs(struct addr *v, size_t max)
{
	uv_interface_address_t *list;
	size_t n = 0;
	int count;

	if (uv_interface_addresses(&list, &count) < 0)
		return 0;	/* the host name is looked at all the same */
	for (int i = 0; i < count && n < max; i++)
		if (!list[i].is_internal)
			read_addr(&v[n++], &list[i]);
	uv_free_interface_addresses(list, count);
	return n;
}
