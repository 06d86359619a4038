/*
 * The digest: what is learned from a message once, at delivery.
 *
 * Made by mime.h while the bytes pass, stored beside the content, read by
 * everybody after: ENVELOPE, BODYSTRUCTURE, SORT, THREAD, SEARCH, TOP. It is
 * not any front-end's text: imap/ renders from it. It can be made again from
 * the content, so its format may change with DIGEST_VERSION.
 *
 * Offsets count from the first byte of the content (the prefix that delivery
 * adds is known to store/body.c alone). Lengths are bytes. Header values are
 * as they stood in the message, unfolded (each CRLF before white space
 * removed), trimmed, with bytes over 0x7f and encoded-words untouched; NULs
 * are dropped. Values over DIGEST_VALUE_MAX bytes are cut.
 */
#ifndef STORE_MIME_DIGEST_H
#define STORE_MIME_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/arena.h"
#include "server/base/buf.h"
#include "server/base/span.h"

#define DIGEST_VERSION 1

/* Caps (docs: limits). What is beyond is stored and not parsed. */
#define MIME_HEADER_MAX (1024u * 1024)	/* bytes of all entities' headers */
#define MIME_FIELD_MAX (256u * 1024)	/* bytes of one field */
#define MIME_DEPTH_MAX 50
#define MIME_PARTS_MAX 1000
#define MIME_BOUNDARY_MAX 200		/* RFC 2046 5.1.1 says 70 */
#define MIME_PARAMS_MAX 64
#define MIME_ADDRESSES_MAX 2000		/* in one header field */
#define MIME_ADDRESSES_TOTAL 10000	/* in all envelopes of a message */
#define MIME_REFERENCES_MAX 200		/* the first and the last ones stay */
#define DIGEST_VALUE_MAX (8u * 1024)
#define DIGEST_PREVIEW_MAX 256		/* bytes of UTF-8, RFC 8970 */

/*
 * One entry of an address list, in message order. RFC 5322 group syntax is a
 * start entry (ADDR_GROUP, display = the group's name), members, ADDR_END.
 */
enum addr_kind { ADDR_MAILBOX, ADDR_GROUP, ADDR_END };

struct address {
	enum addr_kind kind;
	struct span display;	/* unquoted phrase, encoded-words untouched */
	struct span route;	/* obsolete source route, or empty */
	struct span local;	/* unquoted local part */
	struct span domain;	/* "" when there was none */
};

struct addrlist {
	bool present;		/* the field was there (maybe empty) */
	struct address *v;
	size_t n;
};

struct envelope {
	/* present flags: a missing field is NIL, an empty one is "" */
	bool has_date, has_subject, has_in_reply_to, has_message_id;
	struct span date;		/* the Date field's text */
	struct span subject;
	struct span in_reply_to;
	struct span message_id;		/* with its angle brackets */
	struct addrlist from, sender, reply_to, to, cc, bcc;
};

struct param {
	struct span name;	/* lower case */
	struct span value;	/* unquoted; RFC 2231 pieces joined, decoded
				   to UTF-8 when a charset was given */
};

struct params {
	struct param *v;
	size_t n;
};

/*
 * What kind means for a renderer: PART_MULTIPART has one child at least,
 * PART_MESSAGE has exactly one and an envelope, PART_LEAF has neither,
 * whatever its type says. A leaf of type multipart (no boundary, no parts, or
 * over a cap) is to be shown as text/plain, one of message/rfc822 or
 * message/global (encoded, or over a cap) as application/octet-stream.
 */
enum part_kind { PART_LEAF, PART_MULTIPART, PART_MESSAGE };

/* Transfer encoding as it must be undone; unknown ones are ENC_OTHER. */
enum part_encoding { ENC_7BIT, ENC_8BIT, ENC_BINARY, ENC_QP, ENC_BASE64,
    ENC_OTHER };

struct part {
	struct part *parent, *child, *next;	/* tree, children in order */
	enum part_kind kind;
	enum part_encoding encoding;
	unsigned depth;			/* root is 0 */
	/* body_off is header_off + header_len; a child is inside the body of
	 * its parent. */
	uint64_t header_off, header_len;	/* with its blank line */
	uint64_t body_off, body_len;
	uint64_t lines;			/* LFs in the body */
	/*
	 * The body has NULs outside of its parts, or is said to be binary in
	 * a message with bare CRs or LFs.
	 */
	bool is_binary;
	/*
	 * If is_binary, its Content-Transfer-Encoding field, with line ends:
	 * from header_off on; cte_len 0 where it has none. For shown.h.
	 */
	uint64_t cte_off, cte_len, cte_lines;
	/* All text lower case where RFC 2045 is case-blind (type, subtype,
	 * encoding text is as sent, upper-cased); defaults are filled in. */
	struct span type, subtype;
	struct params params;
	struct span id, description, encoding_text, md5, location;
	bool has_disposition;
	struct span disposition;	/* lower case */
	struct params disposition_params;
	struct span *languages;
	size_t language_count;
	struct envelope *envelope;	/* PART_MESSAGE: of the inner message */
};

/* Flavour bits: facts about the bytes, kept in content.flavour. */
enum mime_flavour {
	FLAVOUR_8BIT = 1,		/* a byte over 0x7f in a body; inside of
					   message/rfc822 its header is body */
	FLAVOUR_NUL = 2,
	FLAVOUR_LONG_LINES = 4,		/* over 998 octets without CRLF */
	FLAVOUR_UTF8_HEADERS = 8,	/* needs SMTPUTF8 */
	FLAVOUR_UNPARSED = 16,		/* over a cap: shown flattened */
	FLAVOUR_BARE_CR_LF = 32
};

struct digest {
	unsigned flavour;
	uint64_t size;			/* bytes of the content */
	struct envelope envelope;
	int64_t sent_s;			/* Date as UTC seconds; 0: none/bad */
	int32_t sent_zone_min;		/* its zone, minutes east; for SENTON */
	struct span base_subject;	/* RFC 5256 2.1, decoded, folded UTF-8 */
	bool is_reply;			/* RFC 5256: "Re:" or the like was there */
	struct span sort_from, sort_to, sort_cc;	/* RFC 5256: local part
					   of the first mailbox, folded */
	struct span display_from, display_to;	/* RFC 5957, folded */
	struct span *references;	/* message-ids, oldest first, or else
					   In-Reply-To's first (RFC 5256 3);
					   header_next_msg_id's form */
	size_t reference_count;
	struct span preview;		/* UTF-8, white space collapsed */
	struct part *root;
};

/*
 * Reads a stored digest; spans point into bytes or the arena. ERR_SYNTAX for
 * anything but an intact digest of this version (never trusts the database).
 */
int digest_decode(struct span bytes, struct arena *a, struct digest *d);

/*
 * What a stored digest begins with: enough to sort and to thread. Spans point
 * into bytes, those of references are in the arena.
 */
struct digest_keys {
	int64_t sent_s;			/* as in struct digest, all of them */
	bool is_reply;
	struct span base_subject;
	struct span sort_from, sort_to, sort_cc;
	struct span display_from, display_to;
	struct span *references;
	size_t reference_count;
	struct span message_id;		/* as in the envelope; empty: none */
};
/* As digest_decode; what comes behind is not looked at. */
int digest_decode_keys(struct span bytes, struct arena *a,
    struct digest_keys *k);

/* Appends the stored form. */
void digest_encode(struct buf *out, const struct digest *d);

/*
 * The part with the number path[0..n) as IMAP counts (RFC 9051 6.4.5.1): the
 * parts of a multipart from 1, a non-multipart is its own part 1, and numbers
 * go through message/rfc822 into the message inside. NULL: no such part.
 * n == 0 gives the root.
 */
const struct part *digest_part(const struct digest *d, const uint32_t *path,
    size_t n);

#endif
