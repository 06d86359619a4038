/*
 * The session from inside: shared by imap.c and the command families.
 *
 * A family is a file cmd_*.c: for each of its commands a run function and, if
 * the command waits for anything, a done function; both are named in the
 * table (imap_verbs.c) beside the parser. A command lives as follows:
 *
 *     parse   the whole command is there; args are typed (imap/parse.h)
 *     run     once. Puts untagged answers into s.out, submits ops
 *     done    for each op that came home, which it takes (op_free), and with
 *             NULL for the turn after STEP_YIELD
 *     sync    imap.c tells what has happened in the mailbox (sync.h)
 *     answer  imap.c puts the tagged line that imap_ok/no/bad/fail had set
 *     release what the family holds outside the arena is freed
 *
 * run and done return a step. STEP_DONE comes from imap_ok, imap_no, imap_bad
 * or imap_fail alone, and never while an op is out: an op that came home later
 * would meet another command.
 *
 * One command runs at a time; what it keeps between its steps is in cmd.state
 * (memory from cmd.arena), and cmd.release frees what that holds.
 */
#ifndef IMAP_IMAP_PRIV_H
#define IMAP_IMAP_PRIV_H

#include "imap/framer.h"
#include "imap/imap.h"
#include "imap/imap_limits.h"
#include "imap/parse.h"
#include "imap/reply.h"
#include "server/base/arena.h"
#include "server/base/err.h"
#include "store/hub.h"
#include "store/view.h"

/* What a step of a command makes before others have their turn. */
#define IMAP_STEP_OUT (64u * 1024)	/* bytes of output */
#define IMAP_STEP_US 1000

/* Who eats the next byte. */
enum imap_mode {
	MODE_COMMAND,		/* the framer; an APPEND's message too */
	MODE_SASL,		/* a line of a log-in */
	MODE_IDLE		/* DONE */
};

/* RFC 3501 section 3; bits, for the table. */
enum imap_state {
	ST_NOAUTH = 1,
	ST_AUTH = 2,
	ST_SELECTED = 4,
	ST_LOGGEDIN = ST_AUTH | ST_SELECTED,
	ST_ANY = 7
};

enum imap_step {
	STEP_DONE,		/* the answer is set */
	STEP_WAIT,		/* an op is out */
	STEP_YIELD,		/* more to do: done(NULL) in a later turn */
	STEP_INPUT,		/* the running command wants more input */
	STEP_DELAY,		/* a log-in waits for its time */
	STEP_TLS,		/* the answer is set; then TLS starts */
	STEP_CLOSE		/* the answer is set; then hang up */
};

enum imap_verb_flag {
	V_NOEXPUNGE = 1,	/* RFC 3501 7.4.1: no EXPUNGE is told */
	V_SECRET = 2,		/* the arguments are wiped once run */
	V_WRITES = 4,		/* needs a mailbox that is not read-only */
	V_DELETES = 8,		/* may delete the mailbox it has selected */
	V_NUMBERS = 16,		/* RFC 9586: has sequence numbers */
	V_NEWS = 32		/* its news are told whatever NOTIFY says */
};

struct imap;

/* Marks the ops that seen_out counts. */
#define IMAP_SEEN_TAG 0x5ee1

/*
 * What a command with literals that are messages (APPEND, REPLACE) has: two
 * functions that are called while it is still coming, its verb, tag and arena
 * set. Their steps:
 *
 *   announced  STEP_INPUT: take the message (imap.c tells the framer and the
 *              client). STEP_DONE: refused with imap_no and the like. The
 *              text of f lives as long as the call.
 *   bytes      STEP_INPUT: go on. What cannot be kept is read off and the
 *              reason given by run. STEP_WAIT: no more for now. left: bytes
 *              of the message still to come.
 *
 * Ops that come home meanwhile go to done, which returns one of these two
 * steps, or STEP_DONE (only before the message is taken). cmd.release frees
 * what has come so far, also when the rest of the command turns out wrong.
 */
struct imap_stream {
	enum imap_step (*announced)(struct imap *, const struct frame *f);
	enum imap_step (*bytes)(struct imap *, struct span bytes,
	    uint64_t left);
};

struct imap_verb {
	const char *name;	/* "FETCH", "UID FETCH" */
	unsigned states;	/* in which it is legal */
	unsigned flags;
	enum parse (*parse)(struct imap_parser *, union imap_args *);
	enum imap_step (*run)(struct imap *);
	enum imap_step (*done)(struct imap *, struct op *);
	const struct imap_stream *stream;	/* NULL: no such literals */
};

enum imap_status { STATUS_OK, STATUS_NO, STATUS_BAD };

/* The command that runs. Zeroed but for the arena where there is none. */
struct imap_cmd {
	const struct imap_verb *verb;	/* NULL: none */
	struct span tag;		/* in the arena, or IDLE's state */
	bool uid;
	bool is_answered;		/* answer is set, sync goes on */
	bool is_refused;		/* its literal is being read off */
	bool is_held;			/* waits for seen_out, then runs */
	bool told_modseq;		/* a FETCH answer had MODSEQ */
	bool told_expunge;
	bool holds_expunges;		/* as V_NOEXPUNGE, by its arguments */
	uint32_t limit_uid;		/* imap_limit_set: the lowest; 0 */
	uint32_t done, goal;		/* imap_progress */
	int64_t progress_ms;		/* when to tell of it; 0: not waiting */
	union imap_args args;		/* spans live as long as the command */
	struct arena arena;
	void *state;			/* the family's own */
	void (*release)(struct imap *);	/* NULL: nothing to free */
	enum imap_status status;
	const char *code, *text;	/* of the answer; code may be NULL */
};

/* What UIDBATCHES has been answered last (RFC 10022 section 6). */
struct imap_batches {
	uint64_t view;			/* its id; 0: never */
	uint32_t size;
	uint32_t uidnext, count;	/* of the mailbox as told then */
};

struct imap {
	struct session s;		/* first */
	const struct imap_settings *settings;
	enum imap_mode mode;
	enum imap_state state;
	struct framer framer;
	struct imap_cmd cmd;
	struct login *login;		/* NULL once logged in */
	char *name;			/* the account's, for logs; or NULL */
	struct hub_watch watch;
	struct view view;		/* open while ST_SELECTED */
	struct uidset saved;		/* "$": imap_save_found; charged */
	struct contexts *contexts;	/* context.h; NULL: none */
	unsigned seen_out;		/* cmd_fetch.c: writes under way */
	/* What this client has asked for; imap_unauthenticate forgets it. */
	bool is_utf8;			/* strings, names, headers in UTF-8 */
	bool is_utf8_accept;		/* RFC 6855, for its rule on charsets */
	bool is_rev2;			/* RFC 9051: its answers, not 3501's */
	bool is_uidonly;		/* RFC 9586: no sequence numbers */
	struct imap_batches batches;
	uint64_t origin;		/* of its requests; once logged in */
	struct notify *notify;		/* notify.h; NULL: never given */
	uint64_t skipped_modseq;	/* flags above were not told; 0: none */
	bool is_condstore;		/* RFC 7162: imap_enable_condstore */
	bool is_qresync;		/* VANISHED takes EXPUNGE's place */
	bool is_metadata;		/* wants news of metadata */
	bool is_compressed;		/* RFC 4978; charged to the budget */
	enum want switch_to;		/* WANT_DEFLATE or _PLAIN, once said */
	struct buf metadata_news;	/* lines to be told */
	unsigned bad_count;
	const char *bye;		/* say this and close, when possible */
	int64_t noauth_end_ms;		/* log-in must be made by then */
	int64_t heard_ms;		/* when input came last */
	int64_t still_here_ms;		/* IDLE: when to say so */
	size_t step_out;		/* s.out->len when the step began */
	int64_t step_us;		/* and the time */
	unsigned step_looks;		/* calls of imap_has_time */
};

/* imap_verbs.c. uid: a UID form is wanted. NULL if there is none. */
const struct imap_verb *imap_verb_find(struct span name, bool uid);
/* The i-th of the table, NULL past the end. */
const struct imap_verb *imap_verb_at(size_t i);

/* ---- imap.c: the answer of the running command ---- */

/*
 * code: a response code without its brackets, or NULL. Both are static or in
 * cmd.arena. Return STEP_DONE.
 */
enum imap_step imap_ok(struct imap *im, const char *code, const char *text);
enum imap_step imap_no(struct imap *im, const char *code, const char *text);
enum imap_step imap_bad(struct imap *im, const char *text);
/* What ERR_* means to a client (RFC 5530); logs trouble of our own. */
enum imap_step imap_fail(struct imap *im, int err);
/* The same where the mailbox in question is a target: [TRYCREATE]. */
enum imap_step imap_fail_target(struct imap *im, int err);

/*
 * Whether the step may go on producing: false once it has made IMAP_STEP_OUT
 * bytes, or (looked at in every 64th call) used its time.
 */
bool imap_has_time(struct imap *im);

/*
 * How far the running command is: done of goal, for who waits long (RFC 9585).
 * Only between its steps, and at whole lines, as it may be told at once.
 */
void imap_progress(struct imap *im, uint32_t done, uint32_t goal);

/* Puts the client's answer to "go on": a continuation with text. */
void imap_continue(struct imap *im, const char *text);

/* Ends the selected state, if it was one; nothing is expunged. */
void imap_unselect(struct imap *im);

/*
 * RFC 8437: back to not authenticated. All that a log-in gave and whatever
 * was asked for since is forgotten; TLS stays.
 */
void imap_unauthenticate(struct imap *im);

/* ---- selected.c: what a command says of the selected mailbox ---- */

/*
 * The UIDs of the selected mailbox that a sequence set means, ghosts
 * included; a UID in out need not exist. Returns 0, or ERR_RANGE for a
 * sequence number that is too high, which is a BAD command (imap_bad_set).
 * out is empty at first and the caller's to release.
 */
int imap_resolve_set(const struct imap *im, const struct seqset *set,
    bool uid, struct uidset *out);
/* The same in any view; set is not "$". */
int imap_resolve_in(const struct view *view, const struct seqset *set,
    bool uid, struct uidset *out);
enum imap_step imap_bad_set(struct imap *im);

/* RFC 9394 section 3.3: of the messages that uids means, one page. */
void imap_cut_page(const struct imap *im, const struct imap_partial *page,
    struct uidset *uids);

/*
 * RFC 5182: what "$" means from here on, until the mailbox is left. UIDs that
 * are expunged later may stay in it, as they mean nothing then. Takes what is
 * in uids. ERR_BUDGET: no memory, and "$" is empty.
 */
int imap_save_found(struct imap *im, struct uidset *uids);
void imap_forget_found(struct imap *im);

/*
 * RFC 9738: takes out of uids what is over the limit of messages, the lowest
 * UIDs first. The command's OK says so then (imap_tell_limit), and how far it
 * has gone. Returns whether there were too many.
 */
bool imap_limit_set(struct imap *im, struct uidset *uids);
/* The same for a SEARCH: the lowest UID that it has to look at. */
uint32_t imap_limit_search(struct imap *im, const struct search_key *key);
/* Whether a page of RFC 9394 has more than that: NO [MESSAGELIMIT n]. */
bool imap_is_page_over(const struct imap *im,
    const struct imap_partial *page);
/* "MESSAGELIMIT 1000 4711", in the command's arena; the UID if there is one */
const char *imap_limit_code(struct imap *im);
/* Adds it to an answer that is set, or says it beside. */
void imap_tell_limit(struct imap *im);

/*
 * Names of the selected mailbox's keywords, for imap_put_flags. Valid until
 * the step ends.
 */
struct imap_keywords {
	const char *v[KEYWORDS_MAX];
	size_t n;
};
void imap_keywords_get(const struct imap *im, struct imap_keywords *k);

/* Whether it has \Recent: never, in RFC 9051. */
bool imap_is_recent(const struct imap *im, uint32_t uid);

/* Copies the keyword names of a command for a write request (malloc). */
char **imap_keywords_copy(const struct imap_flags *f);

/*
 * Looks up a mailbox by the name a command gave (enum right): done() gets the
 * op of a struct rjob_lookup. Returns 0, or ERR_NOMBOX for what cannot be a
 * name, and no op is out.
 */
int imap_lookup(struct imap *im, struct span name, unsigned rights);

/* ---- the families ---- */

/* cmd_session.c */
enum imap_step imap_run_capability(struct imap *im);
enum imap_step imap_run_noop(struct imap *im);
enum imap_step imap_run_logout(struct imap *im);
enum imap_step imap_run_id(struct imap *im);
enum imap_step imap_run_enable(struct imap *im);
enum imap_step imap_run_namespace(struct imap *im);
enum imap_step imap_run_language(struct imap *im);
enum imap_step imap_run_starttls(struct imap *im);
enum imap_step imap_run_compress(struct imap *im);
enum imap_step imap_run_unauthenticate(struct imap *im);
/* "CAPABILITY IMAP4rev1 ...", without star or brackets. */
void imap_put_capability(struct imap *im, struct buf *out);

/* cmd_auth.c */
enum imap_step imap_run_login(struct imap *im);
enum imap_step imap_run_authenticate(struct imap *im);
/* What a step of the log-in asks for. */
enum imap_step imap_login_step(struct imap *im, enum login_step step);

/* cmd_select.c */
enum imap_step imap_run_select(struct imap *im);	/* EXAMINE too */
enum imap_step imap_done_select(struct imap *im, struct op *op);
enum imap_step imap_run_close(struct imap *im);
enum imap_step imap_done_close(struct imap *im, struct op *op);
enum imap_step imap_run_unselect(struct imap *im);

/* cmd_mailbox.c */
enum imap_step imap_run_create(struct imap *im);
enum imap_step imap_run_delete(struct imap *im);
enum imap_step imap_run_rename(struct imap *im);
enum imap_step imap_run_subscribe(struct imap *im);
enum imap_step imap_run_unsubscribe(struct imap *im);
enum imap_step imap_done_mailbox(struct imap *im, struct op *op);

/* cmd_list.c */
enum imap_step imap_run_list(struct imap *im);	/* XLIST too */
enum imap_step imap_run_lsub(struct imap *im);
enum imap_step imap_done_list(struct imap *im, struct op *op);

/*
 * "* LIST ..." of one mailbox for who has not asked, with what box says, or
 * with the one attribute where there is no box. Either may be NULL. old_name:
 * what it was called, or empty (RFC 9051 section 6.3.9.7).
 */
void imap_tell_list(struct imap *im, struct span name,
    const struct mailbox_info *box, const char *attribute,
    struct span old_name);

/* cmd_status.c */
enum imap_step imap_run_status(struct imap *im);
enum imap_step imap_done_status(struct imap *im, struct op *op);

/* cmd_metadata.c; what other files need is in metadata.h */
enum imap_step imap_run_getmetadata(struct imap *im);
enum imap_step imap_done_getmetadata(struct imap *im, struct op *op);
enum imap_step imap_run_setmetadata(struct imap *im);
enum imap_step imap_done_setmetadata(struct imap *im, struct op *op);

/* cmd_quota.c */
enum imap_step imap_run_getquota(struct imap *im);
enum imap_step imap_done_getquota(struct imap *im, struct op *op);
enum imap_step imap_run_getquotaroot(struct imap *im);
enum imap_step imap_done_getquotaroot(struct imap *im, struct op *op);
enum imap_step imap_run_setquota(struct imap *im);
enum imap_step imap_done_setquota(struct imap *im, struct op *op);

/* cmd_acl.c */
enum imap_step imap_run_setacl(struct imap *im);	/* DELETEACL too */
enum imap_step imap_done_setacl(struct imap *im, struct op *op);
enum imap_step imap_run_getacl(struct imap *im);
enum imap_step imap_done_getacl(struct imap *im, struct op *op);
enum imap_step imap_run_listrights(struct imap *im);
enum imap_step imap_done_listrights(struct imap *im, struct op *op);
enum imap_step imap_run_myrights(struct imap *im);
enum imap_step imap_done_myrights(struct imap *im, struct op *op);
/* "lrs", and the whole answer "* MYRIGHTS name lrs". */
void imap_put_rights(struct buf *out, unsigned rights);
void imap_put_myrights(struct imap *im, struct span name, unsigned rights);

/* cmd_append.c */
extern const struct imap_stream imap_append_stream;
enum imap_step imap_run_append(struct imap *im);	/* REPLACE too */
enum imap_step imap_done_append(struct imap *im, struct op *op);

/* cmd_fetch.c */
enum imap_step imap_run_fetch(struct imap *im);
enum imap_step imap_done_fetch(struct imap *im, struct op *op);
/*
 * FETCH of these UIDs, which it takes, without having been asked: args.fetch
 * are set, \Seen is not.
 */
enum imap_step imap_fetch_uids(struct imap *im, struct uidset *uids);
/* Whether it can do without knowing what is \Seen by now. */
bool imap_fetch_is_blind(const struct imap *im);

/* cmd_store.c */
enum imap_step imap_run_store(struct imap *im);
enum imap_step imap_done_store(struct imap *im, struct op *op);

/* cmd_copy.c */
enum imap_step imap_run_copy(struct imap *im);
enum imap_step imap_done_copy(struct imap *im, struct op *op);

/* cmd_expunge.c */
enum imap_step imap_run_expunge(struct imap *im);
enum imap_step imap_done_expunge(struct imap *im, struct op *op);
/* Whether the client knows of a message with \Deleted. */
bool imap_has_deleted(const struct imap *im);
/* Expunges what has \Deleted: all of it, or those in uids, which it takes. */
void imap_submit_expunge(struct imap *im, struct uidset *uids);

/* cmd_search.c */
enum imap_step imap_run_search(struct imap *im);
enum imap_step imap_done_search(struct imap *im, struct op *op);
enum imap_step imap_run_cancelupdate(struct imap *im);

/* cmd_notify.c */
enum imap_step imap_run_notify(struct imap *im);
enum imap_step imap_done_notify(struct imap *im, struct op *op);
/* Whether there is something to tell that nobody has asked for just now. */
bool imap_notify_is_due(const struct imap *im);
/*
 * Tells it: a command of its own takes the place of the running one, if it
 * is IDLE, until imap_notify_is_over says that it has ended, and gives it
 * back.
 */
enum imap_step imap_notify_pump(struct imap *im);
bool imap_notify_is_over(struct imap *im);

/* cmd_uidbatches.c */
enum imap_step imap_run_uidbatches(struct imap *im);
/* cmd_multisearch.c */
enum imap_step imap_run_esearch(struct imap *im);
enum imap_step imap_done_esearch(struct imap *im, struct op *op);

/* cmd_sort.c */
enum imap_step imap_run_sort(struct imap *im);
enum imap_step imap_done_sort(struct imap *im, struct op *op);

/* cmd_thread.c */
enum imap_step imap_run_thread(struct imap *im);
enum imap_step imap_done_thread(struct imap *im, struct op *op);

/* cmd_idle.c */
enum imap_step imap_run_idle(struct imap *im);
/* NULL: there is news, or room for more of it. */
enum imap_step imap_done_idle(struct imap *im, struct op *op);
enum imap_step imap_idle_line(struct imap *im, struct span line);
/* The time for "Still here" has come. */
void imap_idle_still_here(struct imap *im);

#endif
