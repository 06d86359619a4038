/*
 * What mailboxes and messages are made of: flags, rights, special uses, rows.
 */
#ifndef STORE_MAILBOX_H
#define STORE_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/span.h"

/* System flags: bits 0..7 of a message's flags. Keywords are bits 8..63. */
enum flag {
	FLAG_SEEN = 1 << 0,
	FLAG_ANSWERED = 1 << 1,
	FLAG_FLAGGED = 1 << 2,
	FLAG_DELETED = 1 << 3,
	FLAG_DRAFT = 1 << 4
};
#define FLAG_SYSTEM_MASK 0xffull
#define KEYWORD_FIRST 8
#define KEYWORDS_MAX 56
#define KEYWORD_NAME_MAX 100		/* bytes */

/* RFC 6154; at most one a mailbox. */
enum special_use {
	USE_NONE, USE_ARCHIVE, USE_DRAFTS, USE_JUNK, USE_SENT, USE_TRASH
};

/* RFC 4314 rights, as bits. */
enum right {
	RIGHT_LOOKUP = 1 << 0,		/* l */
	RIGHT_READ = 1 << 1,		/* r */
	RIGHT_SEEN = 1 << 2,		/* s */
	RIGHT_WRITE = 1 << 3,		/* w: other flags */
	RIGHT_INSERT = 1 << 4,		/* i */
	RIGHT_POST = 1 << 5,		/* p */
	RIGHT_CREATE = 1 << 6,		/* k */
	RIGHT_DELETE = 1 << 7,		/* x: the mailbox */
	RIGHT_DELETE_MSG = 1 << 8,	/* t */
	RIGHT_EXPUNGE = 1 << 9,		/* e */
	RIGHT_ADMIN = 1 << 10,		/* a */
	RIGHT_ALL = (1 << 11) - 1
};

/* An entry of an access control list. */
struct acl_entry {
	uint64_t account;		/* 0: anyone */
	bool is_negative;		/* what it denies */
	unsigned rights;
};

/*
 * The rights of actor by a list, on a mailbox of owner: all where it is the
 * owner or the server itself (0); else what is granted to it or to anyone,
 * less what is denied to it or to anyone.
 */
unsigned acl_rights(const struct acl_entry *v, size_t n, uint64_t actor,
    uint64_t owner);

/* RFC 4314 section 4: the flags that who has these rights may change. */
static inline uint64_t
flags_allowed(unsigned rights)
{
	return (rights & RIGHT_SEEN ? (uint64_t)FLAG_SEEN : 0) |
	    (rights & RIGHT_DELETE_MSG ? (uint64_t)FLAG_DELETED : 0) |
	    (rights & RIGHT_WRITE ? ~(uint64_t)(FLAG_SEEN | FLAG_DELETED) :
	    0);
}

#define MAILBOX_NAME_MAX 500		/* bytes of UTF-8 */
/* With "Users/NAME/" in front; NAME is an address. */
#define MAILBOX_PATH_MAX (MAILBOX_NAME_MAX + 6 + 320 + 1)
#define MAILBOX_DEPTH_MAX 16
#define MAILBOXES_MAX 1000		/* of one account */

/* A mailbox as a look-up or a list finds it. name is NUL-terminated. */
struct mailbox_info {
	uint64_t id;			/* MAILBOXID; never reused */
	uint64_t account;		/* the owner */
	const char *name;		/* UTF-8, '/' between levels */
	bool noselect;			/* deleted, but has children */
	bool has_children;
	bool subscribed;		/* by the acting account */
	enum special_use use;
	unsigned rights;		/* of the acting account */
	uint32_t uidvalidity;
	uint32_t uidnext;
	uint64_t modseq;		/* HIGHESTMODSEQ */
	uint32_t messages, unseen, deleted, recent;
	uint64_t bytes, deleted_bytes;
	int64_t created_s;
	/*
	 * Bytes of one more message that the owner's quota has room for;
	 * UINT64_MAX: no quota. Only of a look-up for RIGHT_INSERT.
	 */
	uint64_t room;
};

/* What is known of a message without reading it. 40 bytes. */
struct msgrow {
	uint64_t flags;
	uint64_t modseq;
	uint64_t body;			/* body id; EMAILID */
	int64_t internaldate_s;
	uint32_t uid;
	uint32_t size;			/* RFC822.SIZE: prefix + content */
};

/*
 * Whether name may be a mailbox: valid UTF-8 in NFC, no controls, no empty
 * level, length, depth; INBOX in any case is legal (mailbox_name_canonical
 * maps it). Returns 0, ERR_BADNAME or ERR_LIMIT.
 */
int mailbox_name_check(struct span name);

/*
 * Whether the name is in the other users' namespace (RFC 2342): "Users" and
 * what is below. user is its second level, rest what follows that, as the
 * owner calls it; either may be empty.
 */
bool mailbox_name_split(struct span name, struct span *user,
    struct span *rest);

/*
 * The name as it is stored, into out (MAILBOX_PATH_MAX + 1 bytes): brought
 * into NFC; "inbox" as first or only level becomes "INBOX"; a trailing '/' is
 * dropped. Behind "Users/NAME/" the same is done with the rest. Returns 0 or
 * mailbox_name_check's error.
 */
int mailbox_name_canonical(struct span name, char *out);

/*
 * The order of lists, as strcmp does it but with '/' lowest: a mailbox is
 * followed by all that is below it.
 */
int mailbox_name_compare(const char *a, const char *b);

#endif
