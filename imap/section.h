/*
 * Sections of a message: BODY[1.2.HEADER.FIELDS (To)]<0.100> as bytes.
 *
 * Offsets are those of store/read.h: the prefix that delivery added first,
 * then the content; the prefix belongs to the message's own header. RFC 3501
 * section 6.4.5.
 */
#ifndef IMAP_SECTION_H
#define IMAP_SECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "imap/parse.h"
#include "server/base/buf.h"
#include "store/mime/digest.h"

struct section_range {
	bool found;		/* false: no such part, the answer is NIL */
	/*
	 * The bytes are a header to be filtered whole by section_filter, the
	 * partial to be cut from the result; else they are the answer.
	 */
	bool filter;
	bool is_header;		/* a header, filtered or not */
	/* For BINARY: how the bytes are encoded, if they are a part's body. */
	enum part_encoding encoding;
	uint64_t off, len;
};

/* Where the section is. Never fails; untrusted numbers in d are clipped. */
void section_find(const struct digest *d, uint32_t prefix_len,
    const struct imap_section *s, struct section_range *r);

/*
 * The least that must be known of the message to find it: false if the
 * digest is not needed (BODY[] and nothing else).
 */
bool section_needs_digest(const struct imap_section *s);

/* Cuts *off, *len (of a section's bytes) to the partial of b, if it has one. */
void section_cut(const struct imap_fetch_body *b, uint64_t *off,
    uint64_t *len);

/*
 * Appends the fields of header that HEADER.FIELDS or .NOT selects, as they
 * stand, and the blank line.
 */
void section_filter(struct buf *out, struct span header,
    const struct imap_section *s);

#endif
