/*
 * Write requests on mail: one struct a kind, each embedding struct wreq.
 *
 * x_new returns an owned request with time, seed, home and actor filled in
 * from session (which may be NULL with env given); the caller fills the rest
 * and calls store_submit(store, &r->w). What a request points to it owns
 * (malloc), and its free function frees it. Fields under "results" are set
 * when it comes home with op.err 0.
 */
#ifndef STORE_WRITE_H
#define STORE_WRITE_H

#include "store/mailbox.h"
#include "store/spool.h"
#include "store/store.h"
#include "store/uidset.h"

struct queue_new;	/* queue.h */

enum wreq_kind {
	WREQ_STAGE, WREQ_UNSTAGE, WREQ_DELIVER, WREQ_APPEND, WREQ_FLAGS,
	WREQ_EXPUNGE, WREQ_COPY, WREQ_MAILBOX, WREQ_RECENT, WREQ_NOTE_LOGIN,
	/* queue.h, trust.h */
	WREQ_QUEUE_RESULT, WREQ_QUEUE_EDIT, WREQ_DKIM_KEY, WREQ_MTA_STS,
	WREQ_TLS_RESULT, WREQ_TLS_DONE,	/* tls_report.h */
	/* account.h */
	WREQ_DOMAIN, WREQ_ACCOUNT, WREQ_DEVICE, WREQ_ALIAS, WREQ_CERT,
	WREQ_PURGE,
	WREQ_METADATA,		/* metadata.h */
	WREQ_QUOTA,		/* quota.h */
	WREQ_ACL,		/* acl.h */
	WREQ_KINDS
};

/*
 * ---- delivery: one content, a copy for each recipient, all or none ----
 *
 * Recipients here, recipients elsewhere and the sender's own copy are one
 * transaction.
 */

struct deliver_rcpt {
	uint64_t account;
	uint64_t mailbox;	/* 0: INBOX; a mailbox gone means INBOX too */
	uint64_t flags;		/* system flags only */
	char *prefix;		/* header lines added for this copy, with CRLFs */
	size_t prefix_len;
	/* results */
	uint64_t mailbox_r;
	uint32_t uid_r;
	uint64_t body_r;
};

/* What an account may send elsewhere in a day (UTC); 0: no cap. */
struct send_caps {
	uint64_t account;		/* 0: nothing is counted */
	unsigned messages, new_rcpts;	/* unless the account has its own */
};

struct wreq_deliver {
	struct wreq w;
	struct spool *spool;		/* finished; taken */
	struct deliver_rcpt *rcpts;
	size_t rcpt_count;
	int64_t internaldate_s;
	/* Who gets it elsewhere; owned, NULL: nobody. Needs queue.h. */
	struct queue_new *queue;
	/*
	 * ERR_LIMIT: more than the account may send today. Counted are the
	 * recipients in queue, as new those it has never sent to.
	 */
	struct send_caps caps;
	/*
	 * The account that gets a copy into its mailbox for \Sent, if it has
	 * one, wants copies, and has not put one there itself. 0: none.
	 */
	uint64_t sent_account;
	char *sent_prefix;		/* header lines it has on top: Bcc */
	size_t sent_prefix_len;
	/* Told in the same transaction; owned, never submitted; or NULL. */
	struct wreq_deliver *notice;
	/* results */
	bool is_new_rcpts_r;		/* ERR_LIMIT: too many new ones */
};
struct wreq_deliver *wreq_deliver_new(struct env *env, struct session *s);

/*
 * ---- APPEND: one or several messages into one mailbox, all or none ----
 *
 * REPLACE takes a message out of a mailbox as well, before they are counted:
 * ERR_NOMSG if it is not there any more.
 */

struct append_msg {
	struct spool *spool;		/* finished; taken */
	uint64_t flags;			/* system flags */
	char **keywords;		/* names, owned */
	size_t keyword_count;
	int64_t internaldate_s;
	/* results */
	uint32_t uid_r;
};

struct wreq_append {
	struct wreq w;
	uint64_t mailbox;
	uint64_t replaced_mailbox;
	uint32_t replaced_uid;		/* 0: none */
	struct append_msg *msgs;
	size_t msg_count;
	/* results */
	uint32_t uidvalidity_r;
};
struct wreq_append *wreq_append_new(struct env *env, struct session *s);

/* ---- flags ---- */

enum flags_how { FLAGS_ADD, FLAGS_REMOVE, FLAGS_REPLACE };

struct wreq_flags {
	struct wreq w;
	uint64_t mailbox;
	struct uidset uids;		/* those that exist are changed */
	enum flags_how how;
	uint64_t flags;			/* system flags */
	char **keywords;		/* names, owned; made where needed */
	size_t keyword_count;
	uint64_t unchanged_since;	/* UINT64_MAX: no condition */
	/* results */
	struct uidset modified_r;	/* left alone by the condition */
	uint64_t modseq_r;		/* of this change */
};
struct wreq_flags *wreq_flags_new(struct env *env, struct session *s);

/* ---- expunge ---- */

struct wreq_expunge {
	struct wreq w;
	uint64_t mailbox;
	bool all;			/* every UID; else those in uids */
	struct uidset uids;
	bool only_deleted;		/* only with \Deleted (IMAP); else POP3 */
	/* results */
	struct uidset expunged_r;
	uint64_t modseq_r;
};
struct wreq_expunge *wreq_expunge_new(struct env *env, struct session *s);

/* ---- COPY and MOVE: all or none ---- */

struct wreq_copy {
	struct wreq w;
	uint64_t mailbox;
	struct uidset uids;
	uint64_t target;
	bool move;
	/* results: pairs in order, for COPYUID */
	uint32_t uidvalidity_r;
	struct uidset source_r;
	struct uidset target_r;
};
struct wreq_copy *wreq_copy_new(struct env *env, struct session *s);

/*
 * ---- mailboxes by name ----
 *
 * In the tree of w.actor. ERR_BADNAME and ERR_LIMIT (length, depth, number)
 * for new names; ERR_EXISTS; ERR_NOMBOX; ERR_DENIED: INBOX is not deleted;
 * ERR_INUSE: a noselect name with children is not deleted either, and a
 * special use that another mailbox has is not given by CREATE.
 */

enum mailbox_how {
	MAILBOX_CREATE,		/* makes missing parents too; name, use */
	MAILBOX_DELETE,		/* with children: becomes noselect */
	MAILBOX_RENAME,		/* children come along; INBOX: moves its mail */
	MAILBOX_SUBSCRIBE, MAILBOX_UNSUBSCRIBE,	/* any name */
	MAILBOX_SET_USE		/* special use */
};

struct wreq_mailbox {
	struct wreq w;
	enum mailbox_how how;
	char *name;			/* canonical */
	char *new_name;			/* RENAME */
	enum special_use use;
	/* results */
	uint64_t mailbox_r;
};
struct wreq_mailbox *wreq_mailbox_new(struct env *env, struct session *s);

/* UIDs up to recent_uid have been shown as \Recent. Nobody waits. */
struct wreq_recent {
	struct wreq w;
	uint64_t mailbox;
	uint32_t recent_uid;
};
struct wreq_recent *wreq_recent_new(struct env *env);

#endif
