/*
 * Authentication-Results (RFC 8601): written for what comes in, and told
 * from what a stranger has written in our name. Pure.
 */
#ifndef AUTH_AUTHRES_H
#define AUTH_AUTHRES_H

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/span.h"

#define AUTHRES_COMMENT_DEPTH 16u
#define AUTHRES_VALUE_MAX 320u	/* of one property; the rest is cut off */

/*
 * Whether the value of an Authentication-Results field (raw, behind its
 * colon) speaks in the name of id, our authserv-id: such a field that came
 * from outside is removed (RFC 8601 section 5). A value that cannot be read
 * so far is taken for ours: nobody needs it.
 */
bool authres_is_of(struct span value, struct span id);

/* Begins the field: its name and the authserv-id. */
void authres_begin(struct buf *out, const char *id);

/*
 * The next "method=result", on a line of its own. reason is for people, in
 * a comment; empty: none. Both are made safe.
 */
void authres_method(struct buf *out, const char *method, const char *result,
    struct span reason);

/* A property of it: "smtp", "mailfrom", value. Nothing if value is empty. */
void authres_property(struct buf *out, const char *type, const char *name,
    struct span value);

/* Ends the field; " none" if there was no method (RFC 8601 section 2.2). */
void authres_end(struct buf *out, bool has_methods);

#endif
