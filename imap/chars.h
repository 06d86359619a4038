/*
 * The character classes of RFC 3501 section 9.
 */
#ifndef IMAP_CHARS_H
#define IMAP_CHARS_H

#include <stdbool.h>

/* atom-specials are "(" "{" SP CTL, wildcards, quoted-specials, "]". */
static inline bool
imap_is_atom_char(unsigned char c)
{
	switch (c) {
	case '(': case ')': case '{': case '%': case '*':
	case '"': case '\\': case ']':
		return false;
	}
	return c > ' ' && c < 0x7f;
}

/* ASTRING-CHAR: what an atom has, and "]". */
static inline bool
imap_is_astring_char(unsigned char c)
{
	return imap_is_atom_char(c) || c == ']';
}

static inline bool
imap_is_tag_char(unsigned char c)
{
	return imap_is_astring_char(c) && c != '+';
}

/* list-char: what an astring has, and wildcards. */
static inline bool
imap_is_list_char(unsigned char c)
{
	return imap_is_astring_char(c) || c == '%' || c == '*';
}

#endif
