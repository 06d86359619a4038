/*
 * A binary message as it is shown to those who cannot take one.
 *
 * IMAP's literals hold no NUL (RFC 3501 section 9) and POP3's clients none
 * either; POP3 and SMTP have no place for a CR or LF that ends no line. So a
 * part with NULs, and a binary one with such bytes, is shown in base64, its header says so, and its
 * BODYSTRUCTURE agrees (RFC 3516 section 6); the stored bytes stay as they
 * came. NULs elsewhere (in a header, between parts, in a part that is encoded
 * already or is shown flattened) are shown as 0x80, which other servers do.
 *
 * The shown message is never made: it is a row of pieces of the stored one,
 * and any range of it can be read on its own, because a line of base64 stands
 * for 57 bytes and takes 78. Any other message is one piece.
 *
 * Pure, like all of this folder.
 */
#ifndef STORE_MIME_SHOWN_H
#define STORE_MIME_SHOWN_H

#include "store/mime/digest.h"

#define SHOWN_LINE_BYTES 57u	/* RFC 2045 section 6.8: 76 characters */
#define SHOWN_LINE_LEN 78u	/* of them, with CR LF */

/* A message with neither of these flavours is shown as it is. */
#define SHOWN_FLAVOURS (FLAVOUR_NUL | FLAVOUR_BARE_CR_LF)

enum shown_how { SHOWN_COPY, SHOWN_FIELD, SHOWN_BASE64 };

struct shown_piece {
	enum shown_how how;
	uint64_t at;		/* offset in the shown message */
	uint64_t len;		/* there */
	uint64_t from;		/* offset in the content */
	uint64_t from_len;	/* there; a field stands for as many */
};

struct shown {
	struct shown_piece *v;	/* rising, without gaps; in the arena */
	size_t n;
	uint64_t size;		/* bytes of the shown message */
};

/* The field that a part in base64 is shown with, its CR LF included. */
extern const struct span shown_field;

/* Whether the part is shown in base64. */
bool shown_is_encoded(const struct part *p);

/* How the message of a digest is shown. Lives in the arena. */
void shown_plan(const struct digest *d, struct arena *a, struct shown *s);

/* Bytes of the shown message alone. */
uint64_t shown_size(const struct digest *d);

/*
 * Changes d, which s was made from, into the digest of the shown message:
 * offsets, lengths, lines, encodings.
 */
void shown_change(struct digest *d, const struct shown *s);

/* The piece with the byte at off, which is below s->size. */
const struct shown_piece *shown_find(const struct shown *s, uint64_t off);

/*
 * The bytes of the content that are needed for len shown ones from off on,
 * both within p: those from *from on, *from_len of them. None for a field.
 */
void shown_source(const struct shown_piece *p, uint64_t off, size_t len,
    uint64_t *from, size_t *from_len);

/* Makes those len bytes into to, of the bytes that shown_source named. */
void shown_make(const struct shown_piece *p, uint64_t off, size_t len,
    struct span source, char *to);

#endif
