/*
 * The POP3 session from inside: shared by pop3*.c alone.
 *
 * A command runs in steps: run, then done for each op that it waits for and
 * more each time that output has room again. While it waits nothing is read.
 */
#ifndef POP3_POP3_PRIV_H
#define POP3_POP3_PRIV_H

#include "pop3/pop3.h"
#include "pop3/pop3_body.h"
#include "pop3/pop3_parse.h"
#include "store/hub.h"
#include "store/read.h"
#include "store/uidset.h"
#include "store/view.h"

/* Who eats the next byte. */
enum pop3_mode { MODE_COMMAND, MODE_SASL, MODE_SKIP };

/* RFC 1939: bits, for the table. UPDATE is QUIT's request being out. */
enum pop3_state { ST_AUTH = 1, ST_TRANS = 2, ST_ANY = 3 };

enum pop3_step {
	STEP_DONE,
	STEP_WAIT,		/* an op is out */
	STEP_DELAY,		/* a log-in waits for its time */
	STEP_DRAIN,		/* output is full: more() afterwards */
	STEP_TLS,
	STEP_CLOSE
};

enum pop3_verb_flag {
	V_SECRET = 1,		/* arguments are never logged */
	V_RAW = 2		/* white space at the end is part of them */
};

struct pop3;

struct pop3_verb {
	const char *name;
	unsigned states;
	unsigned flags;
	enum parse (*parse)(struct cursor *, struct pop3_args *);
	enum pop3_step (*run)(struct pop3 *);
	enum pop3_step (*done)(struct pop3 *, struct op *);
	enum pop3_step (*more)(struct pop3 *);
};

/* One RETR or TOP of a batch. */
struct pop3_fetch {
	uint64_t body;
	uint32_t uid;
	uint64_t lines;		/* POP3_ALL_LINES: RETR */
	bool is_seen;		/* was already */
};

struct pop3 {
	struct session s;		/* first */
	const struct pop3_settings *settings;
	enum pop3_mode mode;
	enum pop3_mode skip_to;		/* the mode after MODE_SKIP */
	enum pop3_state state;
	const struct pop3_verb *verb;	/* running, NULL: none */
	struct pop3_args args;		/* legal in run() alone */
	bool is_busy;			/* an op is out */
	const char *stop;		/* say this and close, once not busy */
	struct login login;
	struct buf user;		/* of USER */
	bool is_utf8;			/* headers are sent as they are */
	struct hub_watch watch;
	unsigned errors;
	unsigned refusals;		/* before the log-in */
	size_t skipped;			/* bytes of the line too long */
	int64_t login_end_ms;
	int64_t idle_end_ms;		/* the deadline, but for \Seen */

	/* the maildrop */
	struct view view;
	uint64_t mailbox;
	uint32_t count;
	unsigned char *deleted;		/* a bit a message, from 0 */
	uint32_t left_count;		/* not deleted */
	uint64_t left_size;

	/* LIST, UIDL without argument */
	uint32_t next;			/* message to be listed */

	/* RETR, TOP: commands that came together are one job */
	struct span rest;		/* input behind the command; run() */
	size_t taken;			/* of rest, by run() */
	bool has_rest;			/* there was more behind that */
	struct rjob_messages *job;	/* held between two slices */
	struct pop3_fetch *batch;
	size_t batch_count;
	size_t batch_next;		/* not begun yet */
	bool is_open;			/* one is begun and not finished */
	struct pop3_body body;
	/* RFC 6856 section 2.1: a header that is to be shown in ASCII */
	bool is_held;			/* it is coming; nothing has been said */
	struct buf head;
	size_t head_charged;

	/* read here, and not \Seen in the store yet */
	struct uidset seen;
	int64_t seen_due_ms;
	int64_t seen_last_ms;
};

/* pop3_verbs.c: NULL if there is none. */
const struct pop3_verb *pop3_verb_find(struct span name);
/* The i-th of the table, NULL past the end. */
const struct pop3_verb *pop3_verb_at(size_t i);

/* pop3.c */
void pop3_ok(struct pop3 *s, const char *text);
/* A refusal; code may be NULL, or "SYS/TEMP" (RFC 2449 section 8). Logs. */
void pop3_err(struct pop3 *s, const char *code, const char *text);
/* The words and the code for ERR_*. */
void pop3_trouble(struct pop3 *s, int err);
bool pop3_is_deleted(const struct pop3 *s, uint32_t msg);

/* pop3_login.c */
enum pop3_step pop3_login_step(struct pop3 *s, enum login_step step);
enum pop3_step pop3_run_auth(struct pop3 *s);
enum pop3_step pop3_run_user(struct pop3 *s);
enum pop3_step pop3_run_pass(struct pop3 *s);
enum pop3_step pop3_run_stls(struct pop3 *s);
enum pop3_step pop3_run_capa(struct pop3 *s);
enum pop3_step pop3_run_utf8(struct pop3 *s);
enum pop3_step pop3_run_lang(struct pop3 *s);
/* After LOGIN_OK: look-up of INBOX, loading of the view. */
enum pop3_step pop3_open_done(struct pop3 *s, struct op *op);

/* pop3_cmds.c */
enum pop3_step pop3_run_stat(struct pop3 *s);
enum pop3_step pop3_run_list(struct pop3 *s);
enum pop3_step pop3_more_list(struct pop3 *s);
enum pop3_step pop3_run_uidl(struct pop3 *s);
enum pop3_step pop3_more_uidl(struct pop3 *s);
enum pop3_step pop3_run_dele(struct pop3 *s);
enum pop3_step pop3_run_noop(struct pop3 *s);
enum pop3_step pop3_run_rset(struct pop3 *s);
enum pop3_step pop3_run_quit(struct pop3 *s);
enum pop3_step pop3_done_quit(struct pop3 *s, struct op *op);

/* pop3_retr.c */
enum pop3_step pop3_run_retr(struct pop3 *s);
enum pop3_step pop3_run_top(struct pop3 *s);
enum pop3_step pop3_done_retr(struct pop3 *s, struct op *op);
enum pop3_step pop3_more_retr(struct pop3 *s);
/* Ends a batch that is under way. */
void pop3_drop_batch(struct pop3 *s);
/* Gives the store what was read. Nobody waits for it. */
void pop3_flush_seen(struct pop3 *s);

#endif
