/*
 * The grammar of POP3 commands: pure functions over what stands behind the
 * keyword, without white space at its end. Spans point into the line.
 */
#ifndef POP3_POP3_PARSE_H
#define POP3_POP3_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/cursor.h"
#include "server/base/span.h"

struct pop3_args {
	struct span text;	/* USER, PASS: all of it */
	bool has_msg;
	uint32_t msg;		/* 0: a number, but no message has it */
	uint64_t lines;		/* TOP */
	struct span word;	/* AUTH, LANG: what is named, "" when bare */
	bool has_initial;
	struct span initial;
};

enum parse pop3_parse_none(struct cursor *c, struct pop3_args *args);
/* Anything, at least one byte; spaces are part of it (RFC 1939 section 7). */
enum parse pop3_parse_text(struct cursor *c, struct pop3_args *args);
enum parse pop3_parse_msg(struct cursor *c, struct pop3_args *args);
enum parse pop3_parse_opt_msg(struct cursor *c, struct pop3_args *args);
enum parse pop3_parse_top(struct cursor *c, struct pop3_args *args);
/* RFC 6856 section 3: "", "en", "*" */
enum parse pop3_parse_lang(struct cursor *c, struct pop3_args *args);
/* RFC 5034 section 4: "", "PLAIN", "PLAIN initial-response" */
enum parse pop3_parse_auth(struct cursor *c, struct pop3_args *args);

#endif
