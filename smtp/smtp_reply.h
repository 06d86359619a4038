/*
 * Everything the receiving side can say: reply code, enhanced code, words.
 *
 * One table, so that handlers do not invent codes, and one map from ERR_* to
 * a reply, in which trouble of our own is always temporary (RFC 5321 section
 * 4.2.1, RFC 3463, RFC 2034). Greetings, EHLO and 3yz have no enhanced code
 * (RFC 2034 section 4).
 */
#ifndef SMTP_SMTP_REPLY_H
#define SMTP_SMTP_REPLY_H

#include <stdbool.h>
#include <stdarg.h>

#include "server/base/buf.h"

/* What a reply does to the counters that end a session. */
enum smtp_reply_flag {
	RF_ERROR = 1,		/* the client made a mistake */
	RF_UNKNOWN = 2		/* it guesses at recipients */
};

/* X(id, code, enhanced code, flags, words) */
#define SMTP_REPLY_LIST(X) \
	X(R_NONE,         0, "", 0, "") \
	X(R_HELP,         214, "2.0.0", 0, "This is Kingpost") \
	X(R_GREETING,     220, "", 0, "ESMTP Kingpost") \
	X(R_START_TLS,    220, "2.0.0", 0, "Start TLS now") \
	X(R_BYE,          221, "2.0.0", 0, "Goodbye") \
	X(R_LOGGED_IN,    235, "2.7.0", 0, "You are logged in") \
	X(R_HELLO,        250, "", 0, "Hello") \
	X(R_OK,           250, "2.0.0", 0, "OK") \
	X(R_SENDER_OK,    250, "2.1.0", 0, "Sender accepted") \
	X(R_RCPT_OK,      250, "2.1.5", 0, "Recipient accepted") \
	X(R_CHUNK_OK,     250, "2.0.0", 0, "Chunk received") \
	X(R_ACCEPTED,     250, "2.0.0", 0, "Message accepted") \
	X(R_NO_VERIFY,    252, "2.0.0", 0, \
	    "Addresses are not verified here; send the mail and see") \
	X(R_CHALLENGE,    334, "", 0, "") \
	X(R_SEND_DATA,    354, "", 0, \
	    "Send the message; a line with a dot alone ends it") \
	X(R_SHUTDOWN,     421, "4.3.2", 0, \
	    "The server is shutting down; try again soon") \
	X(R_OVERLOAD,     421, "4.3.2", 0, \
	    "The server is too busy; try again soon") \
	X(R_TIMEOUT,      421, "4.4.2", 0, "Timed out; goodbye") \
	X(R_TOO_SLOW,     421, "4.4.2", 0, \
	    "The message comes too slowly; goodbye") \
	X(R_TOO_LONG_HERE, 421, "4.4.2", 0, \
	    "This connection has lasted too long; connect again") \
	X(R_MANY_ERRORS,  421, "4.7.0", 0, "Too many errors; goodbye") \
	X(R_MANY_UNKNOWN, 421, "4.7.1", 0, \
	    "Too many recipients that do not exist; goodbye") \
	X(R_MANY_MESSAGES, 421, "4.7.0", 0, \
	    "Enough messages for one connection; connect again") \
	X(R_LINE_ENDLESS, 421, "4.7.0", 0, "That line does not end; goodbye") \
	X(R_STRANGER,     421, "4.7.0", 0, \
	    "This is a mail server and speaks SMTP; goodbye") \
	X(R_ACCOUNT_ENDED, 421, "4.7.0", 0, \
	    "The account has been changed; log in again") \
	X(R_TROUBLE,      451, "4.3.0", 0, \
	    "Trouble on our side; try again later") \
	X(R_ACCOUNT_GONE, 451, "4.2.1", 0, \
	    "A recipient has just gone away; try again later") \
	X(R_NO_RCPTS_NOW, 451, "4.5.1", 0, \
	    "None of the recipients was accepted; try again later") \
	X(R_NO_SPACE,     452, "4.3.1", 0, \
	    "Short of space for mail; try again later") \
	X(R_NO_MEMORY,    452, "4.3.1", 0, \
	    "Short of memory for mail; try again later") \
	X(R_CAP_MESSAGES, 452, "4.7.1", 0, \
	    "You have sent as many messages today as you may; " \
	    "try again tomorrow") \
	X(R_CAP_RCPTS,    452, "4.7.1", 0, \
	    "You have written to as many new people today as you may; " \
	    "try again tomorrow") \
	X(R_QUOTA,        452, "4.2.2", 0, \
	    "The mailbox is full; try again later") \
	X(R_MANY_RCPTS,   452, "4.5.3", 0, \
	    "Too many recipients for one message; send the rest in another") \
	X(R_LOGIN_LATER,  454, "4.7.0", 0, "Log-in is not possible now; " \
	    "try again later") \
	X(R_LOGIN_MANY,   454, "4.7.0", 0, "Too many failed log-ins from " \
	    "your address; try again later") \
	X(R_TLS_LATER,    454, "4.7.0", 0, "TLS is not available") \
	X(R_UNKNOWN_COMMAND, 500, "5.5.1", RF_ERROR, "No such command") \
	X(R_LINE_LONG,    500, "5.5.2", RF_ERROR, "That line is too long") \
	X(R_LINE_BARE,    500, "5.5.2", RF_ERROR, \
	    "A line ends with CR LF and holds neither inside") \
	X(R_LOGIN_LONG,   500, "5.5.6", RF_ERROR, \
	    "That line of the log-in is too long") \
	X(R_NO_ARGUMENTS, 501, "5.5.4", RF_ERROR, \
	    "That command takes no arguments") \
	X(R_BAD_ARGUMENTS, 501, "5.5.4", RF_ERROR, \
	    "Those arguments are not understood") \
	X(R_BAD_HELLO,    501, "5.5.4", RF_ERROR, \
	    "Say who you are: your host name or [address]") \
	X(R_BAD_SENDER,   501, "5.1.7", RF_ERROR, \
	    "That is no sender: MAIL FROM:<name@example.org>") \
	X(R_BAD_RCPT,     501, "5.1.3", RF_ERROR, \
	    "That is no recipient: RCPT TO:<name@example.org>") \
	X(R_BAD_PARAM,    501, "5.5.4", RF_ERROR, \
	    "That parameter's value is not understood") \
	X(R_BAD_LOGIN,    501, "5.5.2", RF_ERROR, \
	    "That log-in is not well formed") \
	X(R_LOGIN_CANCELLED, 501, "5.7.0", 0, "Log-in given up") \
	X(R_NOT_HERE,     502, "5.5.1", RF_ERROR, \
	    "That command is not available here") \
	X(R_NO_LOGIN,     502, "5.5.1", RF_ERROR, \
	    "No log-in on this port; to send mail use port 587 or 465") \
	X(R_HELLO_FIRST,  503, "5.5.1", RF_ERROR, "Say EHLO first") \
	X(R_MAIL_FIRST,   503, "5.5.1", RF_ERROR, "Say MAIL FROM first") \
	X(R_RCPT_FIRST,   503, "5.5.1", RF_ERROR, "Say RCPT TO first") \
	X(R_MAIL_OPEN,    503, "5.5.1", RF_ERROR, \
	    "A message is under way; finish it or say RSET") \
	X(R_CHUNKS_OPEN,  503, "5.5.1", RF_ERROR, \
	    "A message is coming by BDAT; finish it or say RSET") \
	X(R_BINARY_DATA,  503, "5.5.1", RF_ERROR, \
	    "A binary message comes by BDAT; say RSET") \
	X(R_CHUNKS_FAILED, 503, "5.5.1", RF_ERROR, \
	    "This message has failed; say RSET") \
	X(R_LOGGED_IN_ALREADY, 503, "5.5.1", RF_ERROR, \
	    "You are logged in already") \
	X(R_TLS_ALREADY,  503, "5.5.1", RF_ERROR, "TLS is on already") \
	X(R_NO_MECHANISM, 504, "5.5.4", RF_ERROR, \
	    "That way to log in is not offered") \
	X(R_TLS_FIRST,    530, "5.7.0", RF_ERROR, "Say STARTTLS first") \
	X(R_LOGIN_FIRST,  530, "5.7.0", RF_ERROR, "Log in first") \
	X(R_WRONG_LOGIN,  535, "5.7.8", 0, "Wrong user name or password") \
	X(R_LOGIN_TLS,    538, "5.7.11", RF_ERROR, \
	    "Log-in needs TLS; say STARTTLS first") \
	X(R_UNKNOWN_USER, 550, "5.1.1", RF_UNKNOWN, \
	    "There is no such address here") \
	X(R_NO_RELAY,     550, "5.7.1", RF_UNKNOWN, \
	    "We do not pass mail on to other domains") \
	X(R_RCPT_REFUSED, 550, "5.7.1", RF_UNKNOWN, \
	    "That address takes no mail") \
	X(R_NOT_YOURS,    550, "5.7.1", 0, \
	    "That sender address is not one of yours") \
	X(R_BARE_IN_DATA, 550, "5.6.0", 0, \
	    "The message has a CR or LF that is not part of a line end") \
	X(R_TOO_BIG,      552, "5.3.4", 0, "The message is too big") \
	X(R_HEADER_BIG,   552, "5.3.4", 0, \
	    "The header of the message is too big") \
	X(R_NOT_ASCII,    553, "5.6.7", RF_ERROR, \
	    "That address needs the SMTPUTF8 parameter") \
	X(R_LOOP,         554, "5.4.6", 0, \
	    "The message goes round in circles") \
	X(R_NO_RCPTS,     554, "5.5.1", RF_ERROR, \
	    "None of the recipients was accepted") \
	X(R_UNKNOWN_PARAM, 555, "5.5.4", RF_ERROR, \
	    "That parameter is not supported")

enum smtp_reply_id {
#define X(id, code, enhanced, flags, text) id,
	SMTP_REPLY_LIST(X)
#undef X
	SMTP_REPLY_COUNT
};

struct smtp_reply {
	int code;		/* 0: R_NONE */
	const char *enhanced;	/* "" for those without */
	unsigned flags;
	const char *text;
};

/* Constant; any id of the list. */
const struct smtp_reply *smtp_reply_get(enum smtp_reply_id id);

/* Bytes of words in a line; RFC 5321 section 4.5.3.1.5: 512 in all. */
#define SMTP_REPLY_TEXT_MAX 450

/*
 * Appends one reply of one line. text replaces the table's words if it is
 * not empty: bytes that have no place in a reply become '?', those over 0x7f
 * too unless is_utf8 (RFC 6531 section 3.5).
 */
void smtp_reply_put(struct buf *out, enum smtp_reply_id id, struct span text,
    bool is_utf8);

/* A line of a multi-line reply, without enhanced code. */
void smtp_reply_line(struct buf *out, int code, bool is_last,
    const char *text);

/* What to say for ERR_*: temporary, whatever it is. */
enum smtp_reply_id smtp_reply_for_err(int err);

#endif
