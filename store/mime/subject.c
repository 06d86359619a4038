#include "server/base/utf8.h"
#include "store/mime/encoded.h"
#include "store/mime/mime_priv.h"

/*
 * RFC 5256 section 2.1 (1): decoded, and white space made single spaces. The
 * spaces at the ends go in (2) and (3) anyhow.
 */
static void
normalise(struct buf *out, struct span subject)
{
	struct buf text = BUF_INIT;
	size_t n = 0;

	encoded_decode(&text, subject);
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i] == '\t' ? ' ' : text.p[i];

		if (c != ' ' || (n && text.p[n - 1] != ' '))
			text.p[n++] = c;
	}
	buf_truncate(&text, n);
	buf_swap(out, &text);
	buf_release(&text);
}

/* (2): subj-trailer, "(fwd)" or white space, as often as there is one. */
static void
drop_trailers(struct span *s, bool *is_reply)
{
	for (;;) {
		if (s->len && s->p[s->len - 1] == ' ') {
			s->len--;
		} else if (s->len >= 5 &&
		    span_iis(span_from(*s, s->len - 5), "(fwd)")) {
			s->len -= 5;
			*is_reply = true;
		} else {
			return;
		}
	}
}

static struct span
skip_spaces(struct span s)
{
	while (s.len && *s.p == ' ')
		s = span_from(s, 1);
	return s;
}

/* subj-blob: "[" anything but brackets "]" and white space. */
static bool
skip_blob(struct span *s)
{
	size_t i = 1;

	if (s->len == 0 || *s->p != '[')
		return false;
	while (i < s->len && s->p[i] != '[' && s->p[i] != ']')
		i++;
	if (i == s->len || s->p[i] != ']')
		return false;
	*s = skip_spaces(span_from(*s, i + 1));
	return true;
}

/* subj-refwd: "Re:", "Fw:", "Fwd:", with a blob before the colon maybe. */
static bool
skip_refwd(struct span *s)
{
	struct span t = *s;

	if (span_istarts(t, "fwd"))
		t = span_from(t, 3);
	else if (span_istarts(t, "re") || span_istarts(t, "fw"))
		t = span_from(t, 2);
	else
		return false;
	t = skip_spaces(t);
	(void)skip_blob(&t);
	if (t.len == 0 || *t.p != ':')
		return false;
	*s = span_from(t, 1);
	return true;
}

/*
 * (3) to (5): subj-leader, and blobs while something is left behind them.
 * When no "Re:" follows a run of blobs, they go one after the other, since
 * what is behind them stays the same; so they are not looked at again.
 */
static void
drop_leaders(struct span *s, bool *is_reply)
{
	for (;;) {
		struct span rest, last;

		*s = last = rest = skip_spaces(*s);
		while (rest.len) {
			struct span here = rest;

			if (!skip_blob(&rest))
				break;
			last = here;
		}
		if (skip_refwd(&rest)) {
			*s = rest;
			*is_reply = true;
			continue;
		}
		*s = rest.len ? rest : last;
		return;
	}
}

void
subject_base(struct buf *out, struct span subject, bool *is_reply)
{
	struct buf text = BUF_INIT;
	struct span s;

	*is_reply = false;
	normalise(&text, subject);
	s = buf_span(&text);
	for (;;) {
		drop_trailers(&s, is_reply);
		drop_leaders(&s, is_reply);
		/* (6): subj-fwd-hdr and subj-fwd-trl. */
		if (!span_istarts(s, "[fwd:") || s.p[s.len - 1] != ']')
			break;
		s = span_make(s.p + 5, s.len - 6);
		*is_reply = true;
	}
	utf8_fold(out, s);
	buf_release(&text);
}
