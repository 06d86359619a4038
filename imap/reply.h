/*
 * The grammar of IMAP answers: values to text.
 *
 * Each function appends one thing, no space before or after. What is appended
 * always parses: bytes that a form cannot hold choose another form or are
 * replaced, as said below.
 *
 * utf8: the client has enabled UTF8=ACCEPT (RFC 6855), and gets 8-bit text in
 * quoted strings. All others get what RFC 6858 shows them: see downgrade.h.
 */
#ifndef IMAP_REPLY_H
#define IMAP_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "imap/parse.h"
#include "server/base/buf.h"
#include "server/base/span.h"
#include "store/mime/digest.h"

/*
 * string: quoted where that can be, else a literal. NULs, which neither can
 * hold, are left out. 8-bit bytes go quoted with utf8 if they are UTF-8, else
 * as a literal.
 */
void imap_put_string(struct buf *out, struct span s, bool utf8);
/* NIL if not present. */
void imap_put_nstring(struct buf *out, bool present, struct span s,
    bool utf8);
/* An atom where that can be (and is not NIL), else a string. */
void imap_put_astring(struct buf *out, struct span s, bool utf8);
/* Always quoted: for text known to be printable ASCII but for '"' and '\'. */
void imap_put_quoted(struct buf *out, struct span s);
/* "{n}" CR LF; the n bytes are for the caller to follow with. */
void imap_put_literal_head(struct buf *out, uint64_t len);
/* The same for a literal8, "~{n}", which may hold NULs (RFC 3516). */
void imap_put_literal8_head(struct buf *out, uint64_t len);

/* A mailbox name given as UTF-8: astring, in modified UTF-7 without utf8. */
void imap_put_mailbox(struct buf *out, struct span name, bool utf8);

/*
 * "(\Seen $Forwarded)": bits of flags, \Recent first if recent. Bit
 * KEYWORD_FIRST + i is keywords[i]; bits past count are left out.
 */
void imap_put_flags(struct buf *out, uint64_t flags, bool recent,
    const char *const *keywords, size_t count);

/* "MODSEQ (7)" (RFC 7162 section 3.1.4.2). */
void imap_put_modseq(struct buf *out, uint64_t modseq);

/* "(M17)" (RFC 8474); NIL for 0. */
void imap_put_objectid(struct buf *out, enum object_kind kind, uint64_t id);

/* date-time with its quotes: "17-Jul-1996 02:44:25 +0000". */
void imap_put_internaldate(struct buf *out, int64_t utc_s);

/* "\Sent"; NULL for USE_NONE. */
const char *imap_use_name(enum special_use use);

/* "(MESSAGES 3 UNSEEN 1)", the items asked for, in the order of the RFC. */
void imap_put_status(struct buf *out, const struct mailbox_info *box,
    unsigned items, uint64_t append_limit);

/*
 * Text of a response: printable ASCII stays, everything else becomes '?', and
 * an empty text a space's worth, "-", as resp-text may not be empty.
 */
void imap_put_text(struct buf *out, struct span s);

/*
 * ENVELOPE's value (RFC 3501 section 7.4.2): sender and reply-to stand in for
 * each other as it says, fields that are missing are NIL.
 */
void imap_put_envelope(struct buf *out, const struct envelope *e, bool utf8);

/*
 * BODY's value, or with extended BODYSTRUCTURE's (RFC 3501 section 7.4.2). A
 * leaf that says it is a multipart or a message is shown as digest.h says.
 */
void imap_put_bodystructure(struct buf *out, const struct digest *d,
    bool extended, bool utf8);

#endif
