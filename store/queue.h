/*
 * Mail for elsewhere: the queue, its writes and its reads.
 *
 * A message waits as one row with a body of its own (what is sent: Received
 * and the like as prefix, then the content) and a row for each recipient. A
 * recipient belongs to a destination, the name that retries are counted by: a
 * domain, or a smarthost. Each destination with waiting recipients has a row
 * that says when there is work for it; so what is due is found without
 * looking at the queue. When the last recipient is done the message goes.
 *
 * All times are wall time, chosen by the caller. The same conventions as
 * write.h and read.h: what a request or job points to it owns.
 */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include "server/base/arena.h"
#include "store/spool.h"
#include "store/store.h"

struct wreq_deliver;	/* store/write.h */

#define QUEUE_TEXT_MAX 1000	/* bytes of a remote's words that are kept */

enum queue_state {		/* stored */
	QUEUE_WAITING = 0, QUEUE_HELD = 1, QUEUE_DELIVERED = 2,
	QUEUE_FAILED = 3, QUEUE_EXPIRED = 4, QUEUE_DROPPED = 5
};

/* RFC 3461 section 4.1; 0: not given, which is FAILURE and DELAY. Stored. */
enum queue_notify {
	NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4,
	NOTIFY_DELAY = 8
};

/* RFC 3461 section 4.3; stored */
enum queue_ret { RET_NONE = 0, RET_FULL = 1, RET_HDRS = 2 };

enum queue_flag {		/* stored */
	QUEUE_REQUIRETLS = 1,	/* RFC 8689 */
	QUEUE_SMTPUTF8 = 2,
	QUEUE_8BITMIME = 4,	/* said at MAIL; flavour tells what is so */
	QUEUE_BINARYMIME = 8,
	QUEUE_IS_DSN = 16,	/* failing makes nothing */
	QUEUE_TLS_OPTIONAL = 32,	/* "TLS-Required: No" */
	QUEUE_FORWARDED = 64	/* came from elsewhere, through an alias */
};

/* RFC 2852; stored */
enum queue_by { BY_NONE = 0, BY_RETURN = 1, BY_NOTIFY = 2 };

/* ---- a message on its way in: part of a delivery ---- */

struct queue_rcpt_new {
	char *address;
	char *orcpt;		/* "rfc822;a+2Bb@d", xtext; NULL: not given */
	unsigned notify;
	char *destination;
};

struct queue_new {
	char *prefix;		/* header lines, with CRLFs; may be NULL */
	size_t prefix_len;
	char *sender;		/* "" for the null sender */
	uint64_t account;	/* who submitted it; 0: nobody of ours */
	char *msgid;		/* NULL: none */
	char *envid;		/* RFC 3461 section 4.4, xtext; NULL: none */
	enum queue_ret ret;
	unsigned flags;
	int priority;		/* RFC 6710: -9..9, higher first */
	int64_t release_s;	/* not before; 0: at once */
	int64_t expires_s;
	int64_t deliver_by_s;	/* 0: none */
	enum queue_by by_mode;
	bool is_held;		/* its recipients wait for a release */
	struct queue_rcpt_new *rcpts;
	size_t rcpt_count;
	/* results */
	uint64_t id_r;
};
/* Frees what it points to, and it; NULL is legal. */
void queue_new_free(struct queue_new *q);

/* ---- what came of attempts ---- */

/* One recipient's, of one attempt. */
struct queue_result {
	uint64_t queue;
	uint32_t n;
	enum queue_state state;		/* WAITING: to be tried again */
	int64_t next_at_s;		/* WAITING: when */
	int code;			/* the reply's; 0: none was given */
	char *text;			/* the remote's words, or ours */
	char *host, *peer, *tls;	/* NULL: it did not come to that */
	uint32_t ms;			/* that it took */
	bool is_attempt;		/* counts, and is remembered */
	bool is_warned;			/* its sender is told of the delay */
};

/* What an attempt says of the destination. */
enum queue_reach {
	REACH_UNKNOWN,			/* nothing: its back-off stays */
	REACH_OK,			/* it answered: no back-off */
	REACH_FAILED			/* back-off until dest_next_s */
};

/*
 * All that an agent has learned, and the notifications that follow from it,
 * in one transaction. Recipients that are gone or no longer waiting are
 * passed over, but for held ones whose result has been reached.
 */
struct wreq_queue_result {
	struct wreq w;
	char *destination;
	enum queue_reach reach;
	int64_t dest_next_s;
	char *dest_text;		/* why; NULL is legal */
	struct queue_result *results;
	size_t result_count;
	/* Each with spool and copies or queue; owned, never submitted. */
	struct wreq_deliver **notices;
	size_t notice_count;
};
struct wreq_queue_result *wreq_queue_result_new(struct env *env);

/* ---- by hand ---- */

/* Which recipients; what is not set does not matter. */
struct queue_filter {
	uint64_t id;
	char *sender, *rcpt, *domain;	/* address keys; owned */
	int state;			/* enum queue_state; -1: any */
	char *destination;
};
void queue_filter_release(struct queue_filter *f);

/* A destination that is no name: who is there fails, and its sender hears. */
#define QUEUE_GIVEN_UP "(given up)"

enum queue_how {
	QUEUE_HOLD, QUEUE_RELEASE,
	QUEUE_RETRY,		/* due now, destination too; releases nothing */
	QUEUE_DROP,		/* without a word to anybody */
	QUEUE_ROUTE,		/* to another destination, due now */
	QUEUE_BOUNCE,		/* to QUEUE_GIVEN_UP, released, due now */
	/*
	 * After a clock has gone back: who is due only after far_s, and has
	 * no release date to explain it, is due now. Without a filter.
	 */
	QUEUE_RESUME
};

/* ERR_NOTFOUND: nothing is like that. */
struct wreq_queue_edit {
	struct wreq w;
	enum queue_how how;
	struct queue_filter filter;
	char *destination;	/* ROUTE */
	int64_t far_s;		/* RESUME */
	/* results */
	size_t count_r;		/* recipients */
};
struct wreq_queue_edit *wreq_queue_edit_new(struct env *env,
    struct session *s);

/* ---- reads ---- */

struct queue_dest {
	const char *name;
	unsigned failures;	/* in a row */
	int64_t due_s;
};

/*
 * Destinations with work that is due, the longest due first; those in skip
 * are left out.
 */
#define QUEUE_DUE_MAX 64

struct rjob_queue_due {
	struct rjob j;
	int64_t now_s;
	char **skip;		/* owned */
	size_t skip_count;
	/* results */
	struct queue_dest dests[QUEUE_DUE_MAX];
	size_t count;
	int64_t next_s;		/* when the next becomes due; 0: none does */
	struct arena *arena;
};
struct rjob_queue_due *rjob_queue_due_new(struct env *env);

struct queue_mail_rcpt {
	uint32_t n;
	const char *address;
	const char *orcpt;	/* NULL: not given */
	unsigned notify;
	const char *destination;
	enum queue_state state;
	unsigned attempts;
	int64_t next_at_s;	/* 0: never */
	bool is_warned;
	int64_t done_s;		/* 0: not done */
	int code;
	const char *text;	/* of the last attempt; NULL */
};

/* A message and those of its recipients that were asked for. */
struct queue_mail {
	uint64_t id;
	uint64_t body;		/* for rjob_messages: the bytes to be sent */
	uint64_t size;		/* of these */
	unsigned flavour;	/* enum mime_flavour, of the content */
	const char *sender;	/* "" for the null sender */
	uint64_t account;
	const char *msgid, *envid;	/* NULL: none */
	enum queue_ret ret;
	unsigned flags;
	int priority;
	int64_t created_s, expires_s, release_s;
	int64_t deliver_by_s;
	enum queue_by by_mode;
	struct queue_mail_rcpt *rcpts;
	size_t rcpt_count;
};

/*
 * What is due at one destination, the longest due first: at most max_mails
 * messages without those in skip, each with at most max_rcpts recipients.
 */
struct rjob_queue_work {
	struct rjob j;
	char *destination;
	int64_t now_s;
	size_t max_mails, max_rcpts;
	uint64_t *skip;		/* owned */
	size_t skip_count;
	/* results */
	struct queue_mail *mails;
	size_t count;
	bool has_more;		/* beyond what was asked for */
	struct arena *arena;
};
struct rjob_queue_work *rjob_queue_work_new(struct env *env);

#define QUEUE_LIST_SLICE 100

/*
 * Who has waited too long at a destination: past expiry, past deliver_by, or
 * since before warn_before_s and not told yet, though somebody wants to be.
 * By rising id, QUEUE_LIST_SLICE messages a slice.
 */
struct rjob_queue_overdue {
	struct rjob j;
	char *destination;
	int64_t now_s, warn_before_s;
	uint64_t *skip;		/* owned */
	size_t skip_count;
	/* results of this slice */
	struct queue_mail *mails;
	size_t count;
	uint64_t after;		/* its own */
	struct arena *arena;
};
struct rjob_queue_overdue *rjob_queue_overdue_new(struct env *env);

struct queue_attempt {
	uint32_t n;
	int64_t at_s;
	const char *host, *peer, *tls;	/* NULL */
	int code;
	const char *text;
	uint32_t ms;
};

/*
 * For people: messages by rising id, with the recipients that the filter
 * leaves; QUEUE_LIST_SLICE of them a slice. With one id: its attempts too.
 */
struct rjob_queue_list {
	struct rjob j;
	struct queue_filter filter;
	/* results of this slice */
	struct queue_mail *mails;
	size_t count;
	struct queue_attempt *attempts;	/* filter.id alone */
	size_t attempt_count;
	uint64_t after;		/* its own */
	struct arena *arena;
};
struct rjob_queue_list *rjob_queue_list_new(struct env *env,
    struct session *s);

#endif
