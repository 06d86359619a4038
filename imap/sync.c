#include "imap/sync.h"

#include "imap/imap_priv.h"

static void
put_flag_names(struct imap *im, bool permanent)
{
	struct buf *out = im->s.out;
	struct imap_keywords k;
	uint64_t all = FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED |
	    FLAG_DELETED | FLAG_DRAFT;

	imap_keywords_get(im, &k);
	for (size_t i = 0; i < k.n; i++)
		all |= 1ull << (KEYWORD_FIRST + i);
	imap_put_flags(out, all, false, k.v, k.n);
	/* RFC 3501 7.1: \* tells that new keywords can be made. */
	if (permanent && k.n < KEYWORDS_MAX) {
		buf_truncate(out, out->len - 1);
		buf_adds(out, " \\*)");
	}
}

void
imap_put_flags_lines(struct imap *im)
{
	struct buf *out = im->s.out;

	im->view.told_keywords = view_keyword_count(&im->view);
	buf_adds(out, "* FLAGS ");
	put_flag_names(im, false);
	buf_adds(out, "\r\n* OK [PERMANENTFLAGS ");
	if (im->view.writable)
		put_flag_names(im, true);
	else
		buf_adds(out, "()");
	buf_adds(out, im->view.writable ? "] Flags permitted\r\n" :
	    "] No permanent flags permitted\r\n");
}

void
imap_tell_keywords(struct imap *im)
{
	if (im->view.told_keywords < view_keyword_count(&im->view))
		imap_put_flags_lines(im);
}

static void
tell_flags(struct imap *im, const struct news *news)
{
	struct buf *out = im->s.out;
	struct imap_keywords k;
	struct msgrow row;

	imap_keywords_get(im, &k);
	(void)view_get(&im->view, news->seq, &row);
	buf_adds(out, "* ");
	buf_addu(out, news->seq);
	buf_adds(out, " FETCH (");
	/* Who speaks of UIDs thinks in them. */
	if (im->cmd.uid) {
		buf_adds(out, "UID ");
		buf_addu(out, news->uid);
		buf_addc(out, ' ');
	}
	buf_adds(out, "FLAGS ");
	imap_put_flags(out, row.flags, view_is_recent(&im->view, row.uid),
	    k.v, k.n);
	buf_adds(out, ")\r\n");
}

static void
tell_number(struct imap *im, uint32_t n, const char *what)
{
	buf_adds(im->s.out, "* ");
	buf_addu(im->s.out, n);
	buf_adds(im->s.out, what);
}

static void
tell(struct imap *im, const struct news *news)
{
	switch (news->kind) {
	case NEWS_END:
		break;
	case NEWS_EXPUNGE:
		tell_number(im, news->seq, " EXPUNGE\r\n");
		break;
	case NEWS_KEYWORDS:
		imap_put_flags_lines(im);
		break;
	case NEWS_FLAGS:
		tell_flags(im, news);
		break;
	case NEWS_EXISTS:
		tell_number(im, news->count, " EXISTS\r\n");
		break;
	case NEWS_RECENT:
		tell_number(im, news->count, " RECENT\r\n");
		break;
	}
}

bool
imap_sync(struct imap *im, bool hold_expunges)
{
	struct news news;

	if (im->state != ST_SELECTED || view_is_gone(&im->view))
		return true;
	while (imap_has_time(im)) {
		if (view_sync(&im->view, hold_expunges, &news) == NEWS_END)
			return true;
		tell(im, &news);
	}
	return false;
}
