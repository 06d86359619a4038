/*
 * Internationalised domain names (libidn2 inside).
 */
#ifndef SERVER_BASE_IDNA_H
#define SERVER_BASE_IDNA_H

#include "server/base/buf.h"
#include "server/base/span.h"

/*
 * Appends a domain name as lower-case A-labels (RFC 5891 section 5), without
 * a final dot in. What is ASCII is only checked for its letters and lengths
 * ("_" is allowed), so that names registered under older rules keep working.
 * Returns 0, or ERR_SYNTAX with nothing appended.
 */
int idna_to_ascii(struct buf *out, struct span domain);

#endif
