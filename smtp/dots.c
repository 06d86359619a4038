#include "smtp/dots.h"

#include <string.h>

void
dots_init(struct dots *d, bool is_stuffed, bool is_repaired)
{
	*d = (struct dots){
		.is_stuffed = is_stuffed, .is_repaired = is_repaired
	};
}

/* A lone CR or LF has been met. */
static struct span
bare(struct dots *d, const char *as_it_is)
{
	d->has_bare = true;
	return span_of(d->is_repaired ? "\r\n" : as_it_is);
}

/*
 * The longest run from p that is text as it stands: whole lines that begin
 * with no dot, and a piece of one. Sets the state for what follows; a CR whose
 * successor is not here yet or is no LF, and a bare LF, are left out.
 */
static size_t
scan_text(struct dots *d, const char *p, size_t len)
{
	const char *at = p, *end = p + len;

	for (;;) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));
		const char *stop = lf ? lf : end;
		const char *cr = memchr(at, '\r', (size_t)(stop - at));

		if (!cr || (lf && cr + 1 != lf)) {
			/* No line end, a bare LF, or a bare CR. */
			d->state = DOTS_MID;
			return (size_t)((cr ? cr : stop) - p);
		}
		if (!lf) {
			d->state = DOTS_MID;
			return (size_t)(cr - p);
		}
		at = lf + 1;
		d->state = DOTS_BOL;
		if (at == end || (*at == '.' && d->is_stuffed))
			return (size_t)(at - p);
	}
}

/* One byte in the middle of a line that scan_text has stopped at. */
static bool
take_stop(struct dots *d, char c, struct span *text)
{
	if (c == '\r') {
		d->state = DOTS_CR;
		return false;
	}
	*text = bare(d, "\n");
	return true;
}

enum dots_result
dots_next(struct dots *d, const char *p, size_t len, size_t *used,
    struct span *text)
{
	size_t i = 0, n;

	*text = span_make(p, 0);
	while (i < len) {
		switch (d->state) {
		case DOTS_BOL:
			if (p[i] == '.' && d->is_stuffed) {
				d->state = DOTS_DOT;
				i++;
				continue;
			}
			break;
		case DOTS_DOT:
			/* RFC 5321 section 4.5.2: the first dot goes */
			d->state = DOTS_MID;
			if (p[i] == '\r') {
				d->state = DOTS_DOT_CR;
				i++;
				continue;
			}
			break;
		case DOTS_DOT_CR:
			if (p[i] == '\n') {
				d->state = DOTS_BOL;
				*used = i + 1;
				return DOTS_END;
			}
			d->state = DOTS_CR;
			continue;
		case DOTS_CR:
			if (p[i] == '\n') {
				d->state = DOTS_BOL;
				*text = span_of("\r\n");
				i++;
			} else {
				d->state = DOTS_MID;
				*text = bare(d, "\r");
			}
			*used = i;
			return DOTS_TEXT;
		case DOTS_MID:
			break;
		}
		n = scan_text(d, p + i, len - i);
		if (n > 0) {
			*text = span_make(p + i, n);
			*used = i + n;
			return DOTS_TEXT;
		}
		if (take_stop(d, p[i++], text)) {
			*used = i;
			return DOTS_TEXT;
		}
	}
	*used = i;
	return DOTS_MORE;
}

struct span
dots_finish(struct dots *d)
{
	bool held = d->state == DOTS_CR;

	d->state = DOTS_BOL;
	return held ? bare(d, "\r") : SPAN("");
}
