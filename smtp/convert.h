/*
 * A message made fit for a host that takes less: seven bits, lines of at most
 * 998 octets, CR LF and nothing that resembles it (RFC 5321 section 2.3.8,
 * 4.5.3.1.6; RFC 6152 section 3).
 *
 * A push converter: any split of the bytes gives the same output. Each leaf
 * that is not encoded yet becomes quoted-printable, if it is text, or base64
 * (RFC 2045 section 6); multiparts and messages inside are gone through, with
 * their Content-Transfer-Encoding put right; long header lines are folded.
 * What is signed (multipart/signed) or in an encoding that nobody knows passes
 * as it is: where it would have to change, convert_breaks tells.
 *
 * Bytes over 0x7f in the outermost header and in those of parts stay: they
 * need SMTPUTF8, and no conversion helps. In the header of a message inside
 * they break it.
 *
 * Pure. Memory: a header, at most MIME_HEADER_MAX, and the open boundaries.
 */
#ifndef SMTP_CONVERT_H
#define SMTP_CONVERT_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/buf.h"

struct convert;

/* Returns owned. */
struct convert *convert_new(void);
void convert_free(struct convert *c);

/* More bytes of the message; appends what has become of them. */
void convert_add(struct convert *c, struct buf *out, const char *p,
    size_t len);

/* The message has ended. What was put out in all ends with CR LF. */
void convert_finish(struct convert *c, struct buf *out);

/*
 * Whether something had to stay that a host may not take, or would lose its
 * signature by changing: the message must not be sent so.
 */
bool convert_breaks(const struct convert *c);

#endif
