/*
 * Looking at many bytes at once: what the scanners of this folder share.
 */
#ifndef STORE_MIME_BYTES_PRIV_H
#define STORE_MIME_BYTES_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BYTES_HIGH 0x8080808080808080u	/* the top bit of each byte */

static inline uint64_t
bytes_load(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

/* Whether every byte is below 0x80; a word at a time. */
static inline bool
bytes_are_ascii(const char *p, size_t len)
{
	uint64_t any = 0;

	for (; len >= 32; p += 32, len -= 32) {
		any = bytes_load(p) | bytes_load(p + 8) | bytes_load(p + 16) |
		    bytes_load(p + 24);
		if (any & BYTES_HIGH)
			return false;
	}
	any = 0;
	for (; len >= 8; p += 8, len -= 8)
		any |= bytes_load(p);
	for (; len; p++, len--)
		any |= (uint64_t)(unsigned char)*p;
	return (any & BYTES_HIGH) == 0;
}

/*
 * Copies ASCII with its capitals made small, eight at a time: in a byte below
 * 0x80, adding 0x80 - 'A' sets the top bit from 'A' on, and adding 0x80 - '['
 * from behind 'Z' on; where only the first does, there is a capital.
 */
static inline void
bytes_lower_ascii(char *to, const char *p, size_t len)
{
	const uint64_t ones = BYTES_HIGH >> 7;

	for (; len >= 8; p += 8, to += 8, len -= 8) {
		uint64_t v = bytes_load(p);
		uint64_t capital = (v + ones * (0x80 - 'A')) &
		    ~(v + ones * (0x80 - '[')) & BYTES_HIGH;

		v |= capital >> 2;
		memcpy(to, &v, sizeof v);
	}
	for (; len; len--, p++)
		*to++ = (char)(*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p);
}

#endif
