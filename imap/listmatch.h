/*
 * Mailbox names against the patterns of LIST (RFC 3501 section 6.3.8).
 */
#ifndef IMAP_LISTMATCH_H
#define IMAP_LISTMATCH_H

#include <stdbool.h>

#include "server/base/span.h"

/*
 * Whether the name matches the pattern as a whole: '*' is any bytes, '%' any
 * but '/'. Both are UTF-8. The first level INBOX matches in any case (RFC
 * 3501 section 5.1), everything else byte by byte.
 *
 * Work is at most (pattern bytes) x (name bytes), memory none.
 */
bool list_match(struct span pattern, struct span name);

#endif
