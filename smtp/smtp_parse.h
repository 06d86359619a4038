/*
 * The grammar of SMTP commands: pure functions over one complete line.
 *
 * RFC 5321 section 4.1.2, RFC 6531 section 3.3 (UTF-8), RFC 1870, RFC 6152,
 * RFC 4954, RFC 3030. A parse function gets what stands behind the verb, with
 * white space at both ends gone, and returns R_NONE or the reply that says
 * what is wrong. Everything it yields lives in the arena.
 */
#ifndef SMTP_SMTP_PARSE_H
#define SMTP_SMTP_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/arena.h"
#include "server/base/cursor.h"
#include "server/base/span.h"
#include "smtp/smtp_reply.h"
#include "store/queue.h"

#define SMTP_LOCAL_MAX 255	/* RFC 5321 section 4.5.3.1.1: 64 */
#define SMTP_DOMAIN_MAX 255	/* RFC 5321 section 4.5.3.1.2: 255 */
#define SMTP_HELLO_MAX 255
#define SMTP_PARAMS_MAX 16
#define SMTP_ENVID_MAX 100	/* RFC 3461 section 4.4 */
#define SMTP_ORCPT_MAX 500	/* RFC 3461 section 4.2 */

enum smtp_path_kind {
	PATH_ADDRESS,
	PATH_NULL,		/* "<>", as a sender */
	PATH_POSTMASTER		/* "<postmaster>", as a recipient */
};

struct smtp_path {
	enum smtp_path_kind kind;
	struct span local;	/* unquoted; "postmaster" in any case */
	struct span domain;	/* a literal keeps its brackets */
	/*
	 * The address as it is written without angle brackets, the local part
	 * quoted where it must be: printable, free of line ends. "" if null.
	 */
	struct span text;
	bool has_utf8;		/* needs SMTPUTF8 */
	bool is_literal;	/* the domain is an address literal */
};

/* Parameters that are known; bits. */
enum smtp_params {
	PARAMS_DSN = 1,		/* RFC 3461 section 4 */
	PARAMS_PRIORITY = 2,	/* RFC 6710 */
	PARAMS_REQUIRETLS = 4	/* RFC 8689 */
};

/* How strict: submission forgives what mail programs do (CLIENTS 3.1). */
struct smtp_grammar {
	struct arena *arena;
	bool is_lenient;	/* a space behind the colon, no brackets */
	unsigned params;	/* enum smtp_params */
};

struct smtp_args {
	struct span text;	/* all of them, as they came */
	struct smtp_path path;	/* MAIL, RCPT */
	bool has_size;		/* MAIL */
	uint64_t size;
	bool is_8bit;
	bool is_binary;		/* BODY=BINARYMIME */
	bool is_utf8;
	bool is_requiretls;
	bool has_priority;
	int priority;		/* -9..9 */
	enum queue_ret ret;
	bool has_envid;
	struct span envid;	/* xtext */
	bool has_notify;	/* RCPT */
	unsigned notify;	/* enum queue_notify */
	struct span orcpt;	/* "rfc822;xtext"; "" without */
	struct span word;	/* EHLO, HELO: the name; AUTH: the mechanism */
	bool has_initial;	/* AUTH */
	struct span initial;
	uint64_t chunk_len;	/* BDAT */
	bool is_last;
};

/*
 * A path in angle brackets, source route dropped (RFC 5321 appendix C). With
 * is_lenient the brackets may be missing. Consumes the path alone.
 */
enum parse smtp_parse_path(struct cursor *c, const struct smtp_grammar *g,
    struct smtp_path *path);

enum smtp_reply_id smtp_parse_none(struct cursor *c,
    const struct smtp_grammar *g, struct smtp_args *args);
enum smtp_reply_id smtp_parse_text(struct cursor *c,
    const struct smtp_grammar *g, struct smtp_args *args);
/* The first word, anything printable; what follows is ignored. */
enum smtp_reply_id smtp_parse_hello(struct cursor *c,
    const struct smtp_grammar *g, struct smtp_args *args);
/* "FROM:<path> SIZE=n BODY=8BITMIME SMTPUTF8 AUTH=xtext" */
enum smtp_reply_id smtp_parse_mail(struct cursor *c,
    const struct smtp_grammar *g, struct smtp_args *args);
/* "TO:<path> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@b" */
enum smtp_reply_id smtp_parse_rcpt(struct cursor *c,
    const struct smtp_grammar *g, struct smtp_args *args);
/* "PLAIN [initial-response]" */
enum smtp_reply_id smtp_parse_auth(struct cursor *c,
    const struct smtp_grammar *g, struct smtp_args *args);
/* "1000 LAST" */
enum smtp_reply_id smtp_parse_bdat(struct cursor *c,
    const struct smtp_grammar *g, struct smtp_args *args);

#endif
