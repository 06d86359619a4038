#include "server/base/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "server/base/cursor.h"
#include "server/base/err.h"

#define V4_PREFIX 96	/* bits of ::ffff:0:0/96 */

/* RFC 4291 section 2.5.5.2 */
static const unsigned char v4_mapped[12] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
};

int
addr_parse(struct addr *a, struct span s)
{
	char text[INET6_ADDRSTRLEN];

	/* A NUL inside would hide what follows it from inet_pton. */
	if (s.len == 0 || s.len >= sizeof text || span_chr(s, '\0'))
		return ERR_SYNTAX;
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	if (span_chr(s, ':'))
		return inet_pton(AF_INET6, text, a->bytes) == 1 ? 0 :
		    ERR_SYNTAX;
	memcpy(a->bytes, v4_mapped, sizeof v4_mapped);
	return inet_pton(AF_INET, text, a->bytes + sizeof v4_mapped) == 1 ?
	    0 : ERR_SYNTAX;
}

/* The first bits bits of a byte, 0..8. */
static unsigned char
mask_of(unsigned bits)
{
	return (unsigned char)(0xff00u >> bits);
}

/* Clears what is behind the first prefix bits. */
static void
addr_mask(struct addr *a, unsigned prefix)
{
	for (unsigned i = 0; i < sizeof a->bytes; i++) {
		unsigned bits = prefix > i * 8 ? prefix - i * 8 : 0;

		if (bits < 8)
			a->bytes[i] &= mask_of(bits);
	}
}

int
addr_net_parse(struct addr_net *n, struct span s)
{
	const char *slash = span_chr(s, '/');
	struct span text = slash ? span_make(s.p, (size_t)(slash - s.p)) : s;
	unsigned first = span_chr(text, ':') ? 0 : V4_PREFIX;
	uint64_t bits = 128 - first;
	struct cursor c;
	int err;

	if ((err = addr_parse(&n->base, text)) < 0)
		return err;
	if (slash) {
		c = cursor_of_span(span_from(s, text.len + 1));
		if (!cursor_number(&c, 128 - first, &bits) ||
		    !cursor_at_end(&c))
			return ERR_SYNTAX;
	}
	n->prefix = first + (unsigned)bits;
	/* "192.0.2.7/24" means the network that it is in. */
	addr_mask(&n->base, n->prefix);
	return 0;
}

bool
addr_is_v4(const struct addr *a)
{
	return memcmp(a->bytes, v4_mapped, sizeof v4_mapped) == 0;
}

bool
addr_is_loopback(const struct addr *a)
{
	static const unsigned char v6[16] = { [15] = 1 };

	if (addr_is_v4(a))
		return a->bytes[sizeof v4_mapped] == 127;
	return memcmp(a->bytes, v6, sizeof v6) == 0;
}

bool
addr_in_net(const struct addr *a, const struct addr_net *n)
{
	struct addr masked = *a, base = n->base;

	addr_mask(&masked, n->prefix);
	addr_mask(&base, n->prefix);
	return memcmp(masked.bytes, base.bytes, sizeof masked.bytes) == 0;
}

void
addr_text(const struct addr *a, char *out, size_t size)
{
	const char *text = addr_is_v4(a) ?
	    inet_ntop(AF_INET, a->bytes + sizeof v4_mapped, out,
	    (socklen_t)size) :
	    inet_ntop(AF_INET6, a->bytes, out, (socklen_t)size);

	assert(text);
	(void)text;
}

void
addr_limit_key(const struct addr *a, unsigned char key[16])
{
	memcpy(key, a->bytes, sizeof a->bytes);
	if (!addr_is_v4(a))
		memset(key + 8, 0, 8);
}
