/*
 * Matching with one step of memory for each kind of wildcard.
 *
 * When literal text does not fit, the last '%' is asked to take one byte
 * more; where it may not ('/'), the last '*' is. Going further back never
 * helps: what an earlier wildcard could take instead, the later one can too,
 * and a '/' between two '%' has only one place to be.
 */
#include "imap/listmatch.h"

#include "server/base/cursor.h"

struct retry {
	const char *pattern;	/* after the wildcard; NULL: there is none */
	const char *name;	/* where it is tried next */
};

/* INBOX in any case, as a whole first level. */
static size_t
inbox_len(struct span name)
{
	if (span_istarts(name, "INBOX") && (name.len == 5 || name.p[5] == '/'))
		return 5;
	return 0;
}

static bool
same(char pattern, char name, bool in_inbox)
{
	return pattern == name || (in_inbox &&
	    ascii_lower((unsigned char)pattern) ==
	    ascii_lower((unsigned char)name));
}

bool
list_match(struct span pattern, struct span name)
{
	struct cursor p = cursor_of_span(pattern);
	struct cursor n = cursor_of_span(name);
	const char *inbox_end = n.p + inbox_len(name);
	struct retry star = { 0 }, percent = { 0 };

	while (!cursor_at_end(&n) || !cursor_at_end(&p)) {
		if (cursor_skip(&p, '*')) {
			star = (struct retry){ p.p, n.p };
			percent = (struct retry){ 0 };
			continue;
		}
		if (cursor_skip(&p, '%')) {
			percent = (struct retry){ p.p, n.p };
			continue;
		}
		if (!cursor_at_end(&p) && !cursor_at_end(&n) &&
		    same(*p.p, *n.p, n.p < inbox_end)) {
			p.p++;
			n.p++;
			continue;
		}
		if (percent.pattern && percent.name < n.end &&
		    *percent.name != '/') {
			p.p = percent.pattern;
			n.p = ++percent.name;
		} else if (star.pattern && star.name < n.end) {
			percent = (struct retry){ 0 };
			p.p = star.pattern;
			n.p = ++star.name;
		} else {
			return false;
		}
	}
	return true;
}
