/*
 * APPEND and REPLACE from inside: cmd_append.c goes through the messages and
 * takes the literals, append_url.c fetches what URLs name.
 */
#ifndef IMAP_APPEND_PRIV_H
#define IMAP_APPEND_PRIV_H

#include "imap/imap_priv.h"
#include "imap/url.h"
#include "store/read.h"
#include "store/spool.h"

/* What an op that comes home is for, besides the spool's own. */
enum append_doing {
	DOING_NOTHING,
	DOING_LOOKUP,		/* the mailbox it goes to */
	DOING_URL,		/* a part is being fetched: url_part */
	DOING_TEXT,		/* a literal is coming */
	DOING_FINISH,		/* a literal was the message: rest is staged */
	DOING_ADVANCE,		/* the same, and it goes on by itself then */
	DOING_COMMIT
};

/* A part that a URL names, while it is fetched. */
struct url_part {
	struct imap_url url;
	enum { URL_MAILBOX, URL_FIND, URL_LOCATE, URL_READ } step;
	uint64_t mailbox, body;
	struct rjob_messages *job;	/* held while the spool is full */
	bool is_filtered;		/* HEADER.FIELDS: collected in held */
	bool has_ended;			/* all of it has been read */
	struct buf held;
	size_t charged;			/* for it */
};

struct append {
	struct arena arena;		/* args, while the command is coming */
	union imap_args args;
	uint64_t mailbox;		/* 0: not looked up yet */
	uint32_t replaced;		/* REPLACE: the UID; 0: not known yet */
	struct spool *spools[IMAP_APPEND_MAX];
	size_t count;			/* the last of them may be unfinished */
	size_t msg, part;		/* where it stands: parts that are in */
	bool is_whole;			/* all of the command is there */
	bool is_finished;		/* the last spool is */
	uint64_t literal_size;		/* of the literal announced last */
	bool is_binary;			/* it is a literal8 */
	bool after_cr;			/* its last byte was one */
	enum append_doing doing;
	struct url_part url;
	int err;			/* why nothing can be stored */
};

static inline struct spool *
append_spool(const struct append *a)
{
	return a->spools[a->count - 1];
}

/* Sends off what is full; false: there is no room for more now. */
bool append_has_room(struct imap *im, struct append *a);

/*
 * append_url.c: fetches the part at hand, whose URL this is, into the spool.
 * append_url_done gets each op, and NULL when the spool has room again.
 * STEP_DONE: refused, the answer is set. STEP_WAIT: not all of it is in yet.
 * STEP_INPUT: it is.
 */
enum imap_step append_url_start(struct imap *im, struct append *a,
    struct span text);
enum imap_step append_url_done(struct imap *im, struct append *a,
    struct op *op);
void append_url_release(struct imap *im, struct append *a);

#endif
