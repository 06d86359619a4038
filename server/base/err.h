/*
 * Error values.
 *
 * Functions that can fail return 0 or one of these; bool answers questions
 * only. A front-end maps each value to its protocol's reply in one table.
 * Values are stable within a build, not across builds: never store them.
 */
#ifndef SERVER_BASE_ERR_H
#define SERVER_BASE_ERR_H

/* X(name, what it means, for a log line or a person) */
#define ERR_LIST(X) \
	X(ERR_IO,        "input or output failed") \
	X(ERR_SYNTAX,    "not well formed") \
	X(ERR_RANGE,     "a number is out of range") \
	X(ERR_LIMIT,     "over a fixed limit") \
	X(ERR_BUDGET,    "the memory budget is used up for now") \
	X(ERR_NOMBOX,    "no such mailbox") \
	X(ERR_NOMSG,     "no such message") \
	X(ERR_NOUSER,    "no such account or address") \
	X(ERR_NODOMAIN,  "no such domain") \
	X(ERR_NOTFOUND,  "no such thing") \
	X(ERR_EXISTS,    "exists already") \
	X(ERR_INUSE,     "still in use") \
	X(ERR_BADNAME,   "not a name that can be used") \
	X(ERR_DENIED,    "not permitted") \
	X(ERR_AUTH,      "wrong user name or password") \
	X(ERR_DISABLED,  "the account is disabled") \
	X(ERR_QUOTA,     "over the quota of the account") \
	X(ERR_FULL,      "the disk is full") \
	X(ERR_STORE,     "the database reported an error") \
	X(ERR_BUSY,      "busy, try again later") \
	X(ERR_CLOSED,    "closed") \
	X(ERR_TIMEOUT,   "took too long") \
	X(ERR_KEYWORDS,  "no room for another keyword") \
	X(ERR_CHARSET,   "unknown character set") \
	X(ERR_CONFIG,    "the configuration has an error") \
	X(ERR_TLS,       "TLS failed") \
	X(ERR_CRYPTO,    "a cryptographic operation failed") \
	X(ERR_REFUSED,   "refused with a reason") \
	X(ERR_CANCELLED, "given up by its owner")

enum err {
	ERR_NONE_ = -1000,
#define X(name, text) name,
	ERR_LIST(X)
#undef X
};

/* The constant's name, "ERR_IO"; "OK" for 0; never NULL. */
const char *err_name(int err);

/* A few lower-case words for people; never NULL. */
const char *err_text(int err);

#endif
