/*
 * Mailbox names on the wire: modified UTF-7 (RFC 3501 section 5.1.3).
 */
#ifndef IMAP_UTF7_H
#define IMAP_UTF7_H

#include "server/base/buf.h"
#include "server/base/span.h"

/*
 * Appends the UTF-8 of a name in modified UTF-7. Strict, so that each name
 * has one form: only printable ASCII, "&" closed by "-", no base64 for what
 * ASCII can say, no two shifts in a row, no left-over bits, no lone surrogate.
 * Wildcards pass, so it does for patterns too. Returns 0, or ERR_SYNTAX with
 * an unspecified piece appended.
 */
int utf7_decode(struct buf *out, struct span in);

/*
 * Appends the modified UTF-7 of valid UTF-8. Bytes that are not UTF-8 become
 * U+FFFD. utf7_decode gives the name back.
 */
void utf7_encode(struct buf *out, struct span utf8);

#endif
