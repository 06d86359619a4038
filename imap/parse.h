/*
 * The grammar of IMAP commands: text to typed arguments.
 *
 * Pure functions over one complete command (framer.h). Each has the result
 * PARSE_OK, having consumed what it names, or PARSE_BAD with p->why a static
 * sentence for the person at the other end and p->c at the fault. Memory comes
 * from the command's arena alone and is bounded by a small multiple of the
 * text. Spans in the results point into the text or the arena and live as
 * long as both.
 *
 * The functions of whole commands (imap_parse_login ...) start at the bytes
 * after the verb, its space included, and accept only if nothing but spaces is
 * left. They are the parse column of the verb table. Which ones a UID form
 * shares is the table's business.
 *
 * RFC 3501 section 9, RFC 4466, and the RFCs named below.
 */
#ifndef IMAP_PARSE_H
#define IMAP_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/arena.h"
#include "server/base/cursor.h"
#include "server/base/span.h"
#include "store/acl.h"
#include "store/mailbox.h"
#include "store/metadata.h"
#include "store/search.h"
#include "store/sort.h"
#include "store/write.h"

struct framer_roles;

/* RFC 8474: the first letter of an id, as ids of two kinds must differ. */
enum object_kind {
	OBJECT_MAILBOX = 'F',
	OBJECT_EMAIL = 'M',
	OBJECT_THREAD = 'T'
};

struct imap_parser {
	struct cursor c;
	struct arena *arena;
	const char *why;	/* PARSE_BAD: "expected a mailbox name" */
	/*
	 * PARSE_BAD: a response code to go with it, without brackets, or
	 * NULL. Where it is set the reply is NO, not BAD ("BADCHARSET ...").
	 */
	const char *code;
	bool utf8;		/* names and strings are UTF-8 (RFC 6855) */
	bool utf8_accept;	/* RFC 6855 section 3: no charset is named */
	bool uid_only;		/* RFC 9586: no sequence numbers */
	bool so_far;		/* what is left out behind a message is fine */
	const char *argument;	/* where a string was expected last; APPEND */
	const char *bad_code;	/* PARSE_BAD: a code that goes with BAD */
	/*
	 * The mailbox name parsed last, as it was given, if NFC made another
	 * of it; else empty (RFC 9051 section 6.3.9.7).
	 */
	struct span old_name;
};

void imap_parser_init(struct imap_parser *p, struct span text,
    struct arena *arena);

/* ---- words ---- */

/* The beginning of a command: tag SP verb, or tag SP "UID" SP verb. */
struct imap_start {
	struct span tag;
	struct span verb;	/* as written, without "UID" */
	bool uid;
};
/* On PARSE_BAD start->tag is set if a tag was there, else empty. */
enum parse imap_parse_start(struct imap_parser *p, struct imap_start *start);

/* One space. */
enum parse imap_parse_space(struct imap_parser *p);
/* Nothing left but spaces. */
enum parse imap_parse_end(struct imap_parser *p);

enum parse imap_parse_atom(struct imap_parser *p, struct span *s);
enum parse imap_parse_string(struct imap_parser *p, struct span *s);
enum parse imap_parse_astring(struct imap_parser *p, struct span *s);
/* *is_nil tells; then *s is empty. */
enum parse imap_parse_nstring(struct imap_parser *p, struct span *s,
    bool *is_nil);
/* nz-number or number of 32 bits. */
enum parse imap_parse_nz_number(struct imap_parser *p, uint32_t *n);
enum parse imap_parse_number(struct imap_parser *p, uint32_t *n);
/* mod-sequence-valzer (RFC 7162 section 7): 63 bits, and 0. */
enum parse imap_parse_modseq(struct imap_parser *p, uint64_t *n);

#define SEQ_STAR 0u	/* not a legal nz-number, so free to mean "*" */

/*
 * A range with the low end first; "*" is always in hi ("*" alone is
 * SEQ_STAR:SEQ_STAR). "5:*" may still turn out to be "3:5" once the largest
 * number is known; imap_seqrange_resolve knows.
 */
struct seqrange {
	uint32_t lo, hi;
};
struct seqset {
	struct seqrange *v;
	size_t n;
	bool is_saved;	/* "$" (RFC 5182): what was found last; n is 0 */
};
enum parse imap_parse_seqset(struct imap_parser *p, struct seqset *set);

/*
 * Both ends as numbers, lo <= hi, with "*" taken as max (the largest number
 * in use, 0 if there is none). The result may reach beyond max.
 */
struct seqrange imap_seqrange_resolve(struct seqrange r, uint32_t max);

/*
 * objectid (RFC 8474 section 7) of a kind, as imap_put_objectid writes it.
 * Any other that is well-formed is nobody's: *id is 0.
 */
enum parse imap_parse_objectid(struct imap_parser *p, enum object_kind kind,
    uint64_t *id);

/*
 * A mailbox name as NFC UTF-8: decoded from modified UTF-7, or taken as it is
 * when it has bytes over 0x7f or UTF8=ACCEPT is on. INBOX in any case, alone
 * or as the first level, becomes "INBOX". May still be no legal name
 * (mailbox_name_canonical says); may be empty.
 */
enum parse imap_parse_mailbox(struct imap_parser *p, struct span *name);

/* Flags as asked for: system bits and keyword names, each once (any case). */
struct imap_flags {
	uint64_t bits;		/* enum flag */
	struct span *keywords;	/* as written, each at most KEYWORD_NAME_MAX */
	size_t keyword_count;
};
/* "(" [flag *(SP flag)] ")". \Recent is passed over: no client can set it. */
enum parse imap_parse_flag_list(struct imap_parser *p, struct imap_flags *f);

/* ---- the arguments of each command ---- */

/* LOGIN */
struct imap_login_args {
	struct span user, password;
};

/* AUTHENTICATE (RFC 4959: "=" is an initial response of no bytes) */
struct imap_authenticate_args {
	struct span mechanism;
	bool has_initial;
	struct span initial;		/* base64, not decoded */
};

/* ID: NIL gives no pairs */
struct imap_id_pair {
	struct span name, value;
	bool is_nil;
};
struct imap_id_args {
	struct imap_id_pair *pairs;
	size_t count;
};

/* ENABLE */
struct imap_enable_args {
	struct span *words;
	size_t count;
};

/* COMPRESS (RFC 4978) */
struct imap_compress_args {
	struct span mechanism;
};

/* SELECT EXAMINE (RFC 4466 section 2.1, RFC 7162) */
struct imap_select_args {
	struct span name;
	struct span old_name;	/* imap_parser.old_name */
	bool condstore;
	bool qresync;
	/* With qresync: what the client knows. No set has "*". */
	uint32_t uidvalidity;
	uint64_t modseq;
	struct seqset uids;		/* n == 0: all */
	struct seqset known_seqs;	/* rising, n == 0: none given */
	struct seqset known_uids;	/* rising, as many numbers */
};

/* CREATE (RFC 6154 section 3) */
struct imap_create_args {
	struct span name;
	struct span old_name;
	enum special_use use;
	bool use_refused;	/* one we do not know, or more than one */
};

/* DELETE SUBSCRIBE UNSUBSCRIBE */
struct imap_mailbox_args {
	struct span name;
	struct span old_name;
};

/* RENAME */
struct imap_rename_args {
	struct span from, to;
	bool is_changed;	/* NFC made another name of one of them */
	struct span old_from;	/* from as it was given */
};

/* STATUS, and RETURN (STATUS (...)) of LIST */
enum imap_status_item {
	STATUS_MESSAGES = 1 << 0,
	STATUS_RECENT = 1 << 1,
	STATUS_UIDNEXT = 1 << 2,
	STATUS_UIDVALIDITY = 1 << 3,
	STATUS_UNSEEN = 1 << 4,
	STATUS_APPENDLIMIT = 1 << 5,	/* RFC 7889 */
	STATUS_HIGHESTMODSEQ = 1 << 6,	/* RFC 7162 */
	STATUS_SIZE = 1 << 7,		/* RFC 8438 */
	STATUS_DELETED = 1 << 8,	/* RFC 9051 */
	STATUS_MAILBOXID = 1 << 9,	/* RFC 8474 */
	STATUS_DELETED_STORAGE = 1 << 10	/* RFC 9208 */
};
struct imap_status_args {
	struct span name;
	unsigned items;
};

/* LIST LSUB XLIST (RFC 3501, 5258, 5819, 6154) */
enum imap_list_select {
	LIST_SUBSCRIBED = 1 << 0,
	LIST_REMOTE = 1 << 1,
	LIST_RECURSIVEMATCH = 1 << 2,
	LIST_SPECIAL_USE = 1 << 3
};
enum imap_list_return {
	LIST_RETURN_SUBSCRIBED = 1 << 0,
	LIST_RETURN_CHILDREN = 1 << 1,
	LIST_RETURN_SPECIAL_USE = 1 << 2,
	LIST_RETURN_STATUS = 1 << 3,
	LIST_RETURN_METADATA = 1 << 4,
	LIST_RETURN_MYRIGHTS = 1 << 5	/* RFC 8440 */
};
struct imap_list_args {
	bool extended;		/* has what only LIST-EXTENDED has */
	/* LIST "" "" : asks for the delimiter only (never when extended) */
	bool ask_delimiter;
	unsigned select;	/* enum imap_list_select */
	unsigned returns;	/* enum imap_list_return */
	unsigned status_items;	/* with LIST_RETURN_STATUS */
	struct span *entries;	/* with LIST_RETURN_METADATA (RFC 9590) */
	size_t entry_count;
	struct span reference;	/* NFC UTF-8 */
	/* reference and pattern joined, for list_match; empty ones left out */
	struct span *patterns;
	size_t pattern_count;
};

/*
 * APPEND (RFC 3501, RFC 3502 for more than one message, RFC 4469 for messages
 * made of parts), REPLACE (RFC 8508)
 */
struct imap_cat_part {
	bool is_url;
	union {
		struct span url;	/* as written */
		struct {
			uint64_t size;	/* bytes of the literal */
			unsigned number;	/* FRAME_MESSAGE's */
		};
	};
};
struct imap_append_msg {
	struct imap_flags flags;
	bool has_date;
	int64_t date_s;		/* seconds since 1970 */
	bool is_catenated;	/* else it is one literal */
	struct imap_cat_part *parts;
	size_t part_count;	/* at least one */
};
struct imap_append_args {
	struct seqset replaced;	/* REPLACE: one number; else n == 0 */
	struct span name;
	struct imap_append_msg *msgs;
	size_t msg_count;	/* at least one; REPLACE: one */
};

/* EXPUNGE takes none; UID EXPUNGE (RFC 4315) */
struct imap_set_args {
	struct seqset set;
};

/* CANCELUPDATE (RFC 5267 section 4.3.5) */
struct imap_cancel_args {
	struct span *tags;
	size_t count;
};

/* COPY MOVE */
struct imap_copy_args {
	struct seqset set;
	struct span name;
};

/* STORE */
struct imap_store_args {
	struct seqset set;
	enum flags_how how;
	bool silent;
	uint64_t unchanged_since;	/* RFC 7162; UINT64_MAX: not given */
	struct imap_flags flags;
};

/*
 * PARTIAL (RFC 9394): places among all results, from the first (1:500) or
 * from the last one (-1:-500).
 */
struct imap_partial {
	bool is_given;
	bool from_end;
	uint32_t lo, hi;		/* lo <= hi */
	struct span text;		/* as asked for */
};
/* "1:500" or "-1:-500" */
enum parse imap_parse_partial_range(struct imap_parser *p,
    struct imap_partial *range);
/* Which of n results, counted from 0: *count from *first on. */
void imap_partial_resolve(const struct imap_partial *range, uint64_t n,
    uint64_t *first, uint64_t *count);

/* FETCH */
enum imap_fetch_item {
	FETCH_UID = 1 << 0,
	FETCH_FLAGS = 1 << 1,
	FETCH_INTERNALDATE = 1 << 2,
	FETCH_SIZE = 1 << 3,		/* RFC822.SIZE */
	FETCH_ENVELOPE = 1 << 4,
	FETCH_BODY = 1 << 5,		/* without extension fields */
	FETCH_BODYSTRUCTURE = 1 << 6,
	FETCH_MODSEQ = 1 << 7,		/* RFC 7162; CHANGEDSINCE has it */
	FETCH_EMAILID = 1 << 8,		/* RFC 8474 */
	FETCH_THREADID = 1 << 9,
	FETCH_SAVEDATE = 1 << 10,	/* RFC 8514 */
	FETCH_PREVIEW = 1 << 11		/* RFC 8970 */
};

enum imap_section_what {
	SECTION_ALL,		/* BODY[], BODY[1.2] */
	SECTION_HEADER,
	SECTION_FIELDS,		/* HEADER.FIELDS (names) */
	SECTION_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME		/* only with a path */
};
struct imap_section {
	uint32_t *path;		/* part numbers; none: the message */
	size_t path_len;
	enum imap_section_what what;
	struct span *fields;	/* as written */
	size_t field_count;
};

enum imap_fetch_form {
	FORM_BODY,		/* the bytes as they are */
	FORM_BINARY,		/* decoded (RFC 3516); SECTION_ALL */
	FORM_BINARY_SIZE	/* how many those are */
};

/*
 * BODY[...], BINARY[...], BINARY.SIZE[...], and RFC822, RFC822.HEADER,
 * RFC822.TEXT as what they stand for
 */
struct imap_fetch_body {
	struct imap_section section;
	enum imap_fetch_form form;
	bool peek;		/* does not set \Seen */
	bool partial;
	uint64_t off, len;	/* of the partial; len >= 1 */
	/*
	 * What the answer calls it, the fields in the client's own spelling:
	 * "BODY[HEADER.FIELDS (From To)]<0>", "RFC822.TEXT".
	 */
	struct span label;
};
struct imap_fetch_args {
	struct seqset set;
	unsigned items;		/* enum imap_fetch_item */
	struct imap_fetch_body *bodies;	/* in the order asked */
	size_t body_count;
	bool sets_seen;		/* one of bodies is not a peek */
	bool has_changedsince;	/* RFC 7162 */
	uint64_t changed_since;	/* 0 if not given: every message */
	bool vanished;
	struct imap_partial partial;	/* RFC 9394 */
};

/* SEARCH, SORT, THREAD (RFC 3501, RFC 4731, RFC 5182, RFC 5256) */
#define IMAP_BADCHARSET "BADCHARSET (US-ASCII UTF-8)"

enum imap_search_return {
	SEARCH_RETURN_MIN = 1 << 0,
	SEARCH_RETURN_MAX = 1 << 1,
	SEARCH_RETURN_ALL = 1 << 2,
	SEARCH_RETURN_COUNT = 1 << 3,
	SEARCH_RETURN_RELEVANCY = 1 << 4	/* RFC 6203 */
};

/* Where ESEARCH looks (RFC 7377 section 2.2, RFC 5465 section 6). */
enum imap_source_kind {
	SOURCE_SELECTED, SOURCE_INBOXES, SOURCE_PERSONAL, SOURCE_SUBSCRIBED,
	SOURCE_SUBTREE, SOURCE_SUBTREE_ONE, SOURCE_MAILBOXES
};
struct imap_source {
	enum imap_source_kind kind;
	struct span name;		/* of the last three, one each */
};

/*
 * What only a mailbox can tell. The nodes are in the tree already, as
 * SEARCH_NONE, and become what imap_search_resolve finds out.
 */
enum imap_search_ref_kind { SEARCH_REF_SEQ, SEARCH_REF_UID,
    SEARCH_REF_KEYWORD, SEARCH_REF_OLDER, SEARCH_REF_YOUNGER,
    SEARCH_REF_FILTER };
struct imap_search_ref {
	enum imap_search_ref_kind kind;
	struct search_key *key;
	struct seqset set;
	struct span keyword;		/* or the name of a filter */
};
struct imap_search_args {
	bool esearch;		/* has RETURN: the answer is ESEARCH */
	bool save;		/* RETURN (SAVE) */
	bool update;		/* RETURN (UPDATE) */
	/* enum imap_search_return; "()" is ALL; 0: no such item */
	unsigned returns;
	struct imap_partial partial;	/* RETURN (PARTIAL ...) */
	bool is_charset_unknown;	/* NO [BADCHARSET]; key is no good */
	bool has_modseq;	/* RFC 7162: a key is MODSEQ */
	bool has_fuzzy;		/* RFC 6203: a key is FUZZY */
	bool has_filter;	/* RFC 5466: a key is FILTER */
	struct search_key *key;
	struct imap_search_ref *refs;
	size_t ref_count;
	struct sort_term *terms;	/* SORT: at least one */
	size_t term_count;
	enum thread_by thread_by;	/* THREAD */
	struct imap_source *sources;	/* ESEARCH: at least one */
	size_t source_count;
};

/* Embedded by whoever knows the mailbox (the session has its view). */
struct imap_search_names {
	/* Adds the UIDs that the set means to *out (empty, to be filled). */
	void (*set)(struct imap_search_names *, const struct seqset *set,
	    bool uid, struct uidset *out);
	/* The bit of the keyword, or -1: no message can have it. */
	int (*keyword)(struct imap_search_names *, struct span name);
	int64_t now_s;		/* what OLDER and YOUNGER count from */
};
/*
 * Puts the text of a filter (RFC 5466) in the place of the i-th ref, which is
 * one. PARSE_BAD: it is no search program.
 */
enum parse imap_search_insert(struct imap_search_args *args, size_t i,
    struct imap_parser *text);
/* Whether the text could be a filter. */
bool imap_search_is_filter(struct span text, struct arena *a);
/* Completes args->key; uidsets move into the arena. Filters are gone. */
void imap_search_resolve(struct imap_search_args *args, struct arena *a,
    struct imap_search_names *names);

/* GETMETADATA (RFC 5464). The name is empty for the server's own. */
struct imap_getmetadata_args {
	struct span name;
	enum metadata_depth depth;
	uint64_t max_size;		/* UINT64_MAX: not given */
	struct span *entries;
	size_t entry_count;
};

/* SETMETADATA */
struct imap_metadata_value {
	struct span entry, value;	/* value: any bytes (literal8) */
	bool is_nil;
};
struct imap_setmetadata_args {
	struct span name;
	struct imap_metadata_value *values;
	size_t value_count;
};

/* UIDBATCHES (RFC 10022 section 4) */
struct imap_uidbatches_args {
	uint32_t size;
	uint32_t from, to;	/* 0, 0: all of them; else from <= to */
};

/* LANGUAGE (RFC 5255 section 3.2) */
struct imap_language_args {
	struct span *ranges;
	size_t count;
};

/* NOTIFY (RFC 5465 section 8) */
enum imap_notify_event {
	NOTIFY_NEW = 1 << 0,
	NOTIFY_EXPUNGE = 1 << 1,
	NOTIFY_FLAGS = 1 << 2,
	NOTIFY_NAME = 1 << 3,
	NOTIFY_SUBSCRIPTION = 1 << 4,
	NOTIFY_METADATA = 1 << 5,
	NOTIFY_SERVER_METADATA = 1 << 6
};
enum imap_notify_filter {
	NOTIFY_INBOXES, NOTIFY_PERSONAL,
	/* These may reach what others share. */
	NOTIFY_SUBSCRIBED, NOTIFY_SUBTREE, NOTIFY_MAILBOXES
};
struct imap_notify_group {
	enum imap_notify_filter filter;
	unsigned events;	/* enum imap_notify_event; NONE: 0 */
	struct span *names;
	size_t name_count;
};
struct imap_notify_args {
	struct span text;	/* all of it, to be parsed again */
	bool set;		/* not NONE */
	bool status;
	bool has_bad_event;	/* one we do not know or have */
	bool has_selected;
	bool delayed;		/* SELECTED-DELAYED */
	unsigned selected;	/* its events, for messages only */
	bool has_fetch;
	struct imap_fetch_args fetch;	/* for new messages: items, bodies */
	struct imap_notify_group *groups;
	size_t group_count;
};

/* GETQUOTA GETQUOTAROOT SETQUOTA (RFC 9208) */
struct imap_getquota_args {
	struct span root;
};
struct imap_setquota_args {
	struct span root;
	uint64_t storage;		/* in 1024 bytes; UINT64_MAX: none */
	uint64_t messages;
	bool has_unknown;		/* a resource that is not limited here */
};

/* SETACL DELETEACL LISTRIGHTS (RFC 4314) */
struct imap_acl_args {
	struct span name;
	struct span given;		/* the identifier with its "-" */
	struct span identifier;		/* without */
	bool is_negative;
	enum acl_how how;		/* SETACL alone */
	unsigned rights;		/* enum right */
};

/* Of one command at a time. */
union imap_args {
	struct imap_login_args login;
	struct imap_authenticate_args authenticate;
	struct imap_id_args id;
	struct imap_enable_args enable;
	struct imap_compress_args compress;
	struct imap_select_args select;
	struct imap_create_args create;
	struct imap_mailbox_args mailbox;
	struct imap_rename_args rename;
	struct imap_status_args status;
	struct imap_list_args list;
	struct imap_append_args append;
	struct imap_set_args set;
	struct imap_cancel_args cancel;
	struct imap_copy_args copy;
	struct imap_store_args store;
	struct imap_fetch_args fetch;
	struct imap_search_args search;
	struct imap_notify_args notify;
	struct imap_uidbatches_args uidbatches;
	struct imap_language_args language;
	struct imap_getmetadata_args getmetadata;
	struct imap_setmetadata_args setmetadata;
	struct imap_getquota_args getquota;
	struct imap_setquota_args setquota;
	struct imap_acl_args acl;
};

/* ---- whole commands: the parse column ---- */

enum parse imap_parse_none(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_login(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_authenticate(struct imap_parser *p,
    union imap_args *a);
enum parse imap_parse_id(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_enable(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_compress(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_select(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_create(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_mailbox_only(struct imap_parser *p,
    union imap_args *a);			/* DELETE, ... */
enum parse imap_parse_rename(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_status(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_list(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_lsub(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_append(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_replace(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_uid_expunge(struct imap_parser *p,
    union imap_args *a);
enum parse imap_parse_copy(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_store(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_fetch(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_search(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_cancelupdate(struct imap_parser *p,
    union imap_args *a);
enum parse imap_parse_esearch(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_sort(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_thread(struct imap_parser *p, union imap_args *a);

enum parse imap_parse_getmetadata(struct imap_parser *p,
    union imap_args *a);
enum parse imap_parse_setmetadata(struct imap_parser *p,
    union imap_args *a);

enum parse imap_parse_getquota(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_setquota(struct imap_parser *p, union imap_args *a);

enum parse imap_parse_setacl(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_identifier(struct imap_parser *p, union imap_args *a);
/* The i-th letter of RFC 4314 and the rights it means; '\0' past the last. */
char imap_right_letter(size_t i, unsigned *rights);

/* "(" entry *(SP entry) ")" of RFC 5464, for LIST too. */
enum parse imap_parse_entries(struct imap_parser *p, struct span **entries,
    size_t *count);
enum parse imap_parse_notify(struct imap_parser *p, union imap_args *a);
enum parse imap_parse_uidbatches(struct imap_parser *p,
    union imap_args *a);
enum parse imap_parse_language(struct imap_parser *p, union imap_args *a);

/* STATUS's "(" items ")", for LIST too. */
enum parse imap_parse_status_items(struct imap_parser *p, unsigned *items);

/* ---- for the framer ---- */

/* Which literals are messages: those of APPEND and REPLACE, by grammar. */
extern const struct framer_roles imap_literal_roles;

/*
 * The mailbox and the message that FRAME_MESSAGE is about: parses the text of
 * that event. Fills a->append with msgs so far; the literal announced is the
 * last part of the last one (number and size are 0). For checks before the
 * client is told to go on. The text is copied into the arena.
 */
enum parse imap_parse_append_so_far(struct imap_parser *p, struct span text,
    union imap_args *a);

#endif
