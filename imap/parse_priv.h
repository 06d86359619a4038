/*
 * What the files of the grammar share.
 *
 * PARSE_OK is 0, so that steps are chained with "||" and stop at the first
 * that fails.
 */
#ifndef IMAP_PARSE_PRIV_H
#define IMAP_PARSE_PRIV_H

#include "imap/parse.h"

/* The fault is at the cursor. why: "expected a mailbox name". */
static inline enum parse
imap_bad(struct imap_parser *p, const char *why)
{
	p->why = why;
	return PARSE_BAD;
}

/* One char that must be there. */
static inline enum parse
imap_expect(struct imap_parser *p, char ch, const char *why)
{
	return cursor_skip(&p->c, ch) ? PARSE_OK : imap_bad(p, why);
}

/* The word at the cursor, of letters, digits, '.', '-', '+'; maybe empty. */
struct span imap_scan_word(struct imap_parser *p);

/* A literal, or with "~" before it a literal8, which may have NULs. */
enum parse imap_parse_literal8(struct imap_parser *p, struct span *s);

/* A flag or keyword without parentheses, into f; f->keywords must have room. */
enum parse imap_parse_flag(struct imap_parser *p, struct imap_flags *f);
/* Room for every word that is left, IMAP_FLAGS_MAX at most. */
void imap_flags_init(struct imap_parser *p, struct imap_flags *f);

/* "(" fetch-att *(SP fetch-att) ")", added to f. */
enum parse imap_parse_fetch_atts(struct imap_parser *p,
    struct imap_fetch_args *f);

/*
 * A name or pattern, raw, to NFC UTF-8 in the arena, as imap_parse_mailbox
 * says, INBOX aside.
 */
enum parse imap_decode_name(struct imap_parser *p, struct span raw,
    struct span *name);

/* [SP "RETURN" SP "(" [option *(SP option)] ")"], RFC 4731 section 3.1 */
enum parse imap_parse_return(struct imap_parser *p,
    struct imap_search_args *a);

/* [SP "CHARSET" SP astring] */
enum parse imap_parse_charset(struct imap_parser *p, struct span *charset);

/*
 * 1*(SP search-key), to the end of the command. charset: of its texts, empty
 * if none was given.
 */
enum parse imap_parse_program(struct imap_parser *p, struct span charset,
    struct imap_search_args *a);

/* RFC 3501 section 5.1: INBOX in any case is INBOX, also as first level. */
enum parse imap_fold_inbox(struct imap_parser *p, struct span *name);

/* "[" [section-spec] "]" */
enum parse imap_parse_section(struct imap_parser *p, struct imap_section *s);

#endif
