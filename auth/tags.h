/*
 * Tag lists: "v=DKIM1; k=rsa; p=..." (RFC 6376 section 3.2), as DKIM
 * signatures, keys and DMARC records are written. Pure.
 */
#ifndef AUTH_TAGS_H
#define AUTH_TAGS_H

#include <stdbool.h>

#include "server/base/cursor.h"

#define TAGS_MAX 64u		/* in a list; more is an error of syntax */

struct tag {
	struct span name;
	struct span value;	/* without white space at its ends */
};

struct tags {
	struct tag v[TAGS_MAX];
	size_t count;
};

/*
 * text: unfolded or not. PARSE_BAD: no tag list, a name twice, or too many.
 * Spans lie in text.
 */
enum parse tags_parse(struct span text, struct tags *tags);

/* The value of a tag, or NULL. Names are compared as they are written. */
const struct span *tags_find(const struct tags *tags, const char *name);

/*
 * The next item of a value that is a list ("rsa-sha256 : ed25519-sha256"),
 * without white space around it. False at the end.
 */
bool tags_next_item(struct cursor *c, char separator, struct span *item);

#endif
