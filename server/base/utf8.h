/*
 * UTF-8: validation, scalar values, case folding (utf8proc inside).
 */
#ifndef SERVER_BASE_UTF8_H
#define SERVER_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/span.h"

#define UTF8_REPLACEMENT 0xFFFDu

/* RFC 3629: no overlong forms, no surrogates, nothing over U+10FFFF. */
bool utf8_is_valid(struct span s);

/* Whether every byte is below 0x80. */
bool utf8_is_ascii(struct span s);

/*
 * Decodes the scalar value at the front of s into *cp. Returns the bytes it
 * took (1..4); for an invalid or cut-off sequence 1, with *cp the replacement
 * character; 0 when s is empty.
 */
size_t utf8_decode(struct span s, uint32_t *cp);

/* Appends cp; an invalid scalar value becomes the replacement character. */
void utf8_encode(struct buf *out, uint32_t cp);

/*
 * Appends s case-folded for comparing and searching: full Unicode case
 * folding; what is not valid UTF-8 is copied byte for byte. Never fails.
 */
void utf8_fold(struct buf *out, struct span s);

/*
 * Appends s as i;unicode-casemap (RFC 5051) compares it: title case, fully
 * decomposed, so that bytes in order are text in order. Case is folded before,
 * hence what folds together (sharp s and ss) is equal here, too. What is not
 * valid UTF-8 is copied byte for byte. Never fails.
 */
void utf8_casemap(struct buf *out, struct span s);

/*
 * Appends s for searching: folded, then fully decomposed. Texts that
 * utf8_casemap makes equal are so here; letters of ASCII are small.
 */
void utf8_fold_loose(struct buf *out, struct span s);

/*
 * Prepares a user name (RFC 8265 UsernameCaseMapped, in short): valid UTF-8,
 * NFC, folded, no controls, no spaces. Returns 0 or ERR_BADNAME.
 */
int utf8_prepare_name(struct buf *out, struct span s);

/* NFC of valid UTF-8, for mailbox names. Returns 0 or ERR_SYNTAX. */
int utf8_nfc(struct buf *out, struct span s);

#endif
