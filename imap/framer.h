/*
 * From bytes to whole commands.
 *
 * A command is a line, or several joined by literals (RFC 3501 section 4.3,
 * RFC 7888). The framer collects them into one contiguous text, so that the
 * parser never needs to ask for more: a literal stands there as it came,
 * "{5}" CR LF "hello", and the parser steps over its announcement. The last
 * line's CR LF is not in the text.
 *
 * A literal that is a message to be stored is not collected but handed on in
 * pieces; in the text its announcement becomes a mark, NUL number ':' size
 * NUL, which no client can send (a line with a NUL is refused).
 *
 * A lone LF ends a line as CR LF does: people type commands, and here nobody
 * relays what was framed. A CR elsewhere stays and is the parser's to refuse.
 *
 * Whatever is refused is read to its end, so that the next command is found
 * where it begins. Nothing of it is kept meanwhile but the tag.
 *
 * Pure: no session, no I/O. The events are the same however the bytes are
 * split, but for FRAME_BYTES, whose pieces follow the input. A framer between
 * two commands holds no memory (framer_done).
 */
#ifndef IMAP_FRAMER_H
#define IMAP_FRAMER_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/budget.h"
#include "server/base/buf.h"
#include "server/base/span.h"

/* What the literal announced at the end of an unfinished command is. */
enum literal_role {
	LITERAL_ARGUMENT,	/* collect it */
	LITERAL_MESSAGE,	/* stream it */
	LITERAL_SENSELESS	/* the command is wrong already */
};

/*
 * How the framer finds out. text: the command up to, not including, the
 * announcement; marks stand for messages that were streamed. binary: it is a
 * literal8 ("~{"). For LITERAL_SENSELESS *why is set to a static sentence.
 * parse.h has the real one, imap_literal_roles.
 */
struct framer_roles {
	enum literal_role (*role)(struct span text, bool binary,
	    const char **why);
};

struct framer_limits {
	size_t line;		/* bytes of a command outside literals */
	size_t literal;		/* bytes of one collected literal */
	size_t literals;	/* bytes of all of them */
	unsigned literal_count;
	uint64_t read_off;	/* bytes of a refused literal; above: BYE */
};

/* The two sets of imap_limits.h. */
extern const struct framer_limits framer_limits_noauth;
extern const struct framer_limits framer_limits_loggedin;

enum frame_kind {
	FRAME_MORE,	/* all input used, nothing to report */
	FRAME_COMMAND,	/* text is a whole command, maybe empty */
	FRAME_CONTINUE,	/* send "+ ", the client waits to send a literal */
	FRAME_MESSAGE,	/* a message is announced: accept or refuse it */
	FRAME_BYTES,	/* a piece of the message accepted last */
	FRAME_LINE,	/* framer_feed_line: text is a line */
	FRAME_ERROR,	/* a command was refused; its bytes are behind us */
	FRAME_BYE	/* refused, and not worth reading off: hang up */
};

enum frame_error {
	FRAME_E_NONE,
	FRAME_E_LONG,		/* line over its cap */
	FRAME_E_TOOBIG,		/* a literal over a cap: BAD [TOOBIG] */
	FRAME_E_COUNT,		/* too many literals */
	FRAME_E_NUL,		/* a NUL outside a literal */
	FRAME_E_SYNTAX,		/* the role function's LITERAL_SENSELESS */
	FRAME_E_BUDGET,		/* no memory for now: NO [UNAVAILABLE] */
	FRAME_E_REFUSED		/* framer_refuse was called */
};

struct frame {
	enum frame_kind kind;
	enum frame_error error;		/* FRAME_ERROR, FRAME_BYE */
	const char *why;		/* FRAME_ERROR, FRAME_BYE: a sentence */
	/*
	 * FRAME_COMMAND, FRAME_LINE: the text. FRAME_MESSAGE: the command up
	 * to the announcement. FRAME_ERROR, FRAME_BYE: the tag, empty where
	 * none could be read. FRAME_BYTES: the piece.
	 */
	struct span text;
	/*
	 * Whether text points into the input: then it is gone with it and
	 * is to be copied where the command outlives the call. Else it
	 * points into the framer and lives until framer_done or the next
	 * call.
	 */
	bool in_input;
	uint64_t size;			/* FRAME_MESSAGE: bytes announced */
	unsigned number;		/* FRAME_MESSAGE: 0 is the first */
	bool sync;			/* FRAME_MESSAGE: the client waits */
	bool binary;			/* FRAME_MESSAGE: a literal8 */
	uint64_t left;			/* FRAME_BYTES: still to come; 0: last */
};

enum framer_state {
	FRAMER_LINE,		/* reading a line of a command */
	FRAMER_LITERAL,		/* collecting a literal */
	FRAMER_ASKED,		/* FRAME_MESSAGE given, no answer yet */
	FRAMER_STREAM,		/* handing a message on */
	FRAMER_SKIP_LINE,	/* refused: reading a line off */
	FRAMER_SKIP_LITERAL,	/* refused: reading a literal off */
	FRAMER_DEAD		/* FRAME_BYE was given */
};

struct framer {
	const struct framer_limits *limits;
	const struct framer_roles *roles;
	struct budget *budget;		/* may be NULL */
	enum framer_state state;
	struct buf text;		/* what is collected; else the tag */
	size_t charged;			/* bytes of the budget */
	size_t line_start;		/* of the last line, in text */
	size_t line_bytes;		/* of this command, outside literals */
	size_t literal_bytes;		/* of this command, collected */
	unsigned literal_count;
	unsigned message_count;
	uint64_t size;			/* of the literal in question */
	uint64_t left;			/* bytes of it still to come */
	uint64_t skipped;		/* bytes of this command read off */
	bool sync;			/* of the literal in question */
	bool has_nul;			/* in the lines of this command */
	bool bye_due;			/* dead, and not said yet */
	enum frame_error error;		/* while skipping */
	const char *why;
	char tail[32];			/* while skipping: end of the line */
	size_t tail_len;
	bool spent;			/* text was given out, and is over */
};

/* Starts with framer_limits_noauth. budget NULL: nothing is charged. */
void framer_init(struct framer *f, const struct framer_roles *roles,
    struct budget *budget);
void framer_release(struct framer *f);

/*
 * The command given last is done with: frees its text. For the end of a
 * command, so that a connection that then idles holds nothing. Legal in any
 * state; does nothing to a command that is still coming.
 */
void framer_done(struct framer *f);

/* After log-in (and between commands only). */
void framer_set_limits(struct framer *f, const struct framer_limits *limits);

/*
 * Uses up bytes of the input and reports at most one event. Returns the bytes
 * used; with FRAME_MORE that is all of them. Call again while there are bytes
 * left, and, even with none (len 0 is legal), after framer_accept and after a
 * framer_refuse that returned false. Not to be called between FRAME_MESSAGE
 * and its answer. After FRAME_BYE all input is swallowed.
 */
size_t framer_feed(struct framer *f, const char *p, size_t len,
    struct frame *out);

/*
 * The same for a line that is no command (SASL, IDLE): FRAME_LINE, FRAME_MORE
 * or, for more than max bytes without their line end, FRAME_ERROR with
 * FRAME_E_LONG once it is read off. Legal between commands only.
 */
size_t framer_feed_line(struct framer *f, const char *p, size_t len,
    size_t max, struct frame *out);

/*
 * Answers to FRAME_MESSAGE. framer_accept: if it was a sync one, the caller
 * sends "+ ". The bytes come as FRAME_BYTES; the last of them has left 0, and
 * a message of no bytes has one empty FRAME_BYTES.
 *
 * framer_refuse returns whether the command is over with it: true for a sync
 * literal, nothing of it is coming. False: the rest is read off first and
 * then reported as FRAME_ERROR with FRAME_E_REFUSED (or FRAME_BYE, if the
 * message is too large for that). The caller's text of FRAME_MESSAGE is gone
 * either way.
 */
void framer_accept(struct framer *f);
bool framer_refuse(struct framer *f);

/* Whether the framer is between two commands. */
bool framer_is_idle(const struct framer *f);

#endif
