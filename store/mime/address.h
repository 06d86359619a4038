/*
 * Address lists (RFC 5322 section 3.4, with 4.4's obsolete forms and RFC
 * 6532's UTF-8). Lenient: what cannot be parsed becomes an entry with what
 * could be read. Never reads past the end after a backslash, quote or comment.
 */
#ifndef STORE_MIME_ADDRESS_H
#define STORE_MIME_ADDRESS_H

#include "store/mime/digest.h"

/* value: unfolded. At most MIME_ADDRESSES_MAX entries; the rest is dropped. */
void address_list_parse(struct span value, struct arena *a,
    struct addrlist *out);

/*
 * Strict: exactly one addr-spec "local@domain" as in an envelope or a command
 * line, without brackets; quoted local parts allowed; UTF-8 allowed. Spans
 * are as written except that *local is unquoted into the arena. Returns 0 or
 * ERR_SYNTAX.
 */
int address_spec_parse(struct span s, struct arena *a, struct span *local,
    struct span *domain);

/*
 * The key an address is stored and looked up by: local part case-folded and
 * NFC, '@', domain as lower-case A-labels (libidn2). Domain literals keep
 * their brackets. Returns 0, or ERR_SYNTAX for what can be no address.
 */
int address_key(struct buf *out, struct span local, struct span domain);

/* A domain as lower-case A-labels. Returns 0 or ERR_SYNTAX. */
int domain_key(struct buf *out, struct span domain);

#endif
