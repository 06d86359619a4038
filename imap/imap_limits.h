/*
 * The limits of the IMAP front-end, with the RFC's minimum beside each.
 *
 * A peer's number is compared with one of these before memory is taken. The
 * framer has two sets of them, for before and after log-in (framer.h).
 */
#ifndef IMAP_IMAP_LIMITS_H
#define IMAP_IMAP_LIMITS_H

/* Bytes of one command outside its literals. RFC 2683 3.2.1.5: >= 8000 */
#define IMAP_LINE_MAX (64u * 1024)
#define IMAP_LINE_MAX_NOAUTH 8192u

/* Literals that are arguments: one, all of a command, how many. */
#define IMAP_LITERAL_MAX (64u * 1024)
#define IMAP_LITERALS_MAX (256u * 1024)
#define IMAP_LITERAL_COUNT_MAX 500u
#define IMAP_LITERAL_MAX_NOAUTH 1024u
#define IMAP_LITERALS_MAX_NOAUTH 4096u
#define IMAP_LITERAL_COUNT_MAX_NOAUTH 16u

/*
 * A refused literal that comes without waiting (LITERAL+) is read off up to
 * this size; above it the only way out is to hang up (RFC 7888 section 4).
 */
#define IMAP_READ_OFF_MAX (64ull * 1024 * 1024)
#define IMAP_READ_OFF_MAX_NOAUTH 1024ull

/* A line of a SASL exchange, base64. RFC 4954 section 4: 12288 */
#define IMAP_SASL_LINE_MAX 12288u

/* A line in IDLE: "DONE". */
#define IMAP_IDLE_LINE_MAX 64u

#define IMAP_TAG_MAX 255u		/* bytes; longer tags are refused */
#define IMAP_BAD_MAX 20			/* bad commands, then BYE */
#define IMAP_BAD_MAX_NOAUTH 3
#define IMAP_AUTH_FAILURES_MAX 3	/* a session, then BYE */

/* Nesting of parentheses in SEARCH, NOT and OR. */
#define IMAP_DEPTH_MAX 64u
#define IMAP_SEARCH_KEYS_MAX 2000u	/* nodes of one tree */
#define IMAP_SEARCH_TEXT_MAX 4096u	/* bytes of one needle */
#define IMAP_CONTEXTS_MAX 16u		/* RFC 5267 section 4.3.1 */
#define IMAP_SOURCES_MAX 64u		/* of one ESEARCH */
#define IMAP_FILTER_NAME_MAX 100u	/* bytes */
#define IMAP_FILTERS_MAX 32u		/* of one search, those in others too */
#define IMAP_SORT_TERMS_MAX 20u	/* criteria of one SORT */
#define IMAP_FETCH_ITEMS_MAX 200u	/* sections in one FETCH */
#define IMAP_FETCH_FIELDS_MAX 200u	/* names in one HEADER.FIELDS */
#define IMAP_LIST_PATTERNS_MAX 64u
#define IMAP_PATTERN_MAX 1000u		/* bytes of UTF-8, reference included */
#define IMAP_FLAGS_MAX 200u		/* words in one flag list */
#define IMAP_OBJECTID_MAX 255u		/* RFC 8474 section 7 */
#define IMAP_NOTIFY_GROUPS_MAX 64u	/* in one NOTIFY */
#define IMAP_NOTIFY_NAMES_MAX 500u	/* in all of them */
#define IMAP_NOTIFY_TEXT_MAX (16u * 1024)	/* bytes; it is kept */
#define IMAP_ID_PAIRS_MAX 30u		/* RFC 2971 section 3.3 */
#define IMAP_ENABLE_MAX 32u		/* words */
#define IMAP_LANGUAGES_MAX 32u		/* in one LANGUAGE */
#define IMAP_METADATA_MAX 100u		/* entries in one command */
#define IMAP_METADATA_NEWS_MAX (64u * 1024)	/* bytes not told yet */
#define IMAP_APPEND_MAX 100u		/* messages in one APPEND */
#define IMAP_CATENATE_MAX 1000u		/* parts of one message */

/* RFC 3501 section 5.4: at least 30 minutes. */
#define IMAP_IDLE_TIMEOUT_MS (30 * 60 * 1000 + 30 * 1000)
#define IMAP_NOAUTH_TIMEOUT_MS (60 * 1000)
#define IMAP_PROGRESS_MS (10 * 1000)	/* RFC 9585 section 4 */
#define IMAP_STILL_HERE_MS (2 * 60 * 1000)	/* "* OK Still here" in IDLE */

#endif
