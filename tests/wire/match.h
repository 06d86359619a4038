/*
 * Patterns of wire scripts: $name captures or compares, $_ is any word, $* is
 * anything, $$ is a dollar. docs/wire.md has the rules.
 */
#ifndef TESTS_WIRE_MATCH_H
#define TESTS_WIRE_MATCH_H

#include <stdbool.h>

#include "server/base/buf.h"
#include "server/base/span.h"

struct binding {
	char *name, *value;
	struct binding *next;
};
struct bindings {
	struct binding *head;
};
void bindings_release(struct bindings *b);

/* Whether text fits pattern; only then are new names bound. */
bool match(struct bindings *b, struct span pattern, struct span text);

/* Appends text with bound names put in. False if one is not bound. */
bool match_expand(struct bindings *b, struct buf *out, struct span text);

/* Appends text with \r \n \t \0 \\ \" and \xHH undone. */
void match_unescape(struct buf *out, struct span text);

/*
 * Whether an expected line is no more than a status: "+OK", "-ERR", "250",
 * "250 2.1.0", and tagged "OK", "NO [CODE]".
 */
bool match_is_bare_status(struct span text, bool tagged);

#endif
