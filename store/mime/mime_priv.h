/*
 * What the files that make a digest share. See mime.c for how they work
 * together.
 */
#ifndef STORE_MIME_MIME_PRIV_H
#define STORE_MIME_MIME_PRIV_H

#include "server/base/buf.h"
#include "store/mime/digest.h"

struct charset;

/* A value as the digest keeps it: cut, copied into the arena. */
struct span value_copy(struct arena *a, struct span s);

/*
 * structure.c: a part's Content-* fields. value: unfolded. False if the name
 * is none of them. The first field of a name that can be read counts.
 */
bool structure_read_field(struct part *p, struct span name,
    struct span value, struct arena *a);

/* The header is over: RFC 2045 section 5.2's defaults, or a digest's. */
void structure_finish(struct part *p, bool in_digest, struct arena *a);

/* The value of a parameter by its lower-case name, or the empty span. */
struct span params_find(const struct params *params, const char *name);

/* param.c: "; name=value" and so on, RFC 2231 pieces joined. */
void params_parse(struct span value, struct arena *a, struct params *out);

/*
 * envelope.c: a message's own fields. address_left bounds the addresses of
 * the whole tree; it is lowered by what was read. False if the name is none
 * of them.
 */
bool envelope_read_field(struct envelope *e, struct span name,
    struct span value, struct arena *a, size_t *address_left);

/* What SORT and THREAD want of the root's envelope, once it is read. */
void envelope_summarise(struct digest *d, struct arena *a);

/* References of the root, before envelope_summarise. */
void envelope_read_references(struct digest *d, struct span value,
    struct arena *a);

/*
 * subject.c: RFC 5256 section 2.1. Appends the base subject of a Subject
 * value, decoded and folded. *is_reply as section 3 means it.
 */
void subject_base(struct buf *out, struct span subject, bool *is_reply);

/*
 * preview.c: makes out at most DIGEST_PREVIEW_MAX bytes of the text at the
 * beginning of a part's body, in one line.
 */
void preview_make(struct buf *out, const struct part *p, struct span body);
/* Bytes of a part's body that preview_make wants; 0: not a part for it. */
size_t preview_wants(const struct part *p);

/* text.c: what a text part's bytes are in; never NULL, returns owned. */
struct charset *text_charset(const struct part *p);

#endif
