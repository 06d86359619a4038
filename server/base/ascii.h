/*
 * ASCII, eight bytes at a time: most of all text that passes is nothing else.
 */
#ifndef SERVER_BASE_ASCII_H
#define SERVER_BASE_ASCII_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ASCII_HIGH 0x8080808080808080u	/* the top bit of each byte */

static inline uint64_t
ascii_load(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

/* How many bytes from p on are below 0x80. */
static inline size_t
ascii_run(const char *p, size_t len)
{
	size_t n = 0;

	while (len - n >= 8 && (ascii_load(p + n) & ASCII_HIGH) == 0)
		n += 8;
	while (n < len && (p[n] & 0x80) == 0)
		n++;
	return n;
}

/* Whether every byte is below 0x80. */
static inline bool
ascii_is_all(const char *p, size_t len)
{
	uint64_t any;

	for (; len >= 32; p += 32, len -= 32) {
		any = ascii_load(p) | ascii_load(p + 8) | ascii_load(p + 16) |
		    ascii_load(p + 24);
		if (any & ASCII_HIGH)
			return false;
	}
	return ascii_run(p, len) == len;
}

/*
 * Copies ASCII with its capitals made small: in a byte below 0x80, adding
 * 0x80 - 'A' sets the top bit from 'A' on, and adding 0x80 - '[' from behind
 * 'Z' on; where only the first does, there is a capital.
 */
static inline void
ascii_lower_copy(char *to, const char *p, size_t len)
{
	const uint64_t ones = ASCII_HIGH >> 7;

	for (; len >= 8; p += 8, to += 8, len -= 8) {
		uint64_t v = ascii_load(p);
		uint64_t capital = (v + ones * (0x80 - 'A')) &
		    ~(v + ones * (0x80 - '[')) & ASCII_HIGH;

		v |= capital >> 2;
		memcpy(to, &v, sizeof v);
	}
	for (; len; len--, p++)
		*to++ = (char)(*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p);
}

#endif
