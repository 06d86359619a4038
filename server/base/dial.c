#include "server/base/dial.h"

#define SHA256_LEN 32
#define SHA512_LEN 64

/* RFC 6698 section 2.1 has the numbers. */
bool
tls_want_is_usable(const struct dns_record *tlsa)
{
	if (tlsa->usage != 2 && tlsa->usage != 3)
		return false;
	if (tlsa->selector > 1)
		return false;
	switch (tlsa->matching) {
	case 0:
		return tlsa->data.len > 0;
	case 1:
		return tlsa->data.len == SHA256_LEN;
	case 2:
		return tlsa->data.len == SHA512_LEN;
	default:
		return false;
	}
}

bool
tls_want_has_usable(const struct dns_record *tlsa, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (tls_want_is_usable(&tlsa[i]))
			return true;
	return false;
}
