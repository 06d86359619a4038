#include "imap/sync.h"

#include <inttypes.h>

#include "imap/context.h"
#include "imap/imap_priv.h"
#include "server/base/xalloc.h"
#include "imap/metadata.h"
#include "imap/notify.h"

static void
put_flag_names(struct imap *im, bool permanent)
{
	struct buf *out = im->s.out;
	struct imap_keywords k;
	uint64_t all = FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED |
	    FLAG_DELETED | FLAG_DRAFT;
	unsigned rights = permanent ? view_rights(&im->view) : RIGHT_ALL;

	imap_keywords_get(im, &k);
	for (size_t i = 0; i < k.n; i++)
		all |= 1ull << (KEYWORD_FIRST + i);
	imap_put_flags(out, all & flags_allowed(rights), false, k.v, k.n);
	/* RFC 3501 7.1: \* tells that new keywords can be made. */
	if (permanent && (rights & RIGHT_WRITE) && k.n < KEYWORDS_MAX) {
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

void
imap_put_fetch_head(struct imap *im, uint32_t seq, uint32_t uid)
{
	buf_adds(im->s.out, "* ");
	buf_addu(im->s.out, im->is_uidonly ? uid : seq);
	buf_adds(im->s.out, im->is_uidonly ? " UIDFETCH (" : " FETCH (");
}

void
imap_put_news(struct imap *im, const struct imap_keywords *k, uint32_t seq,
    const struct msgrow *row, bool flags)
{
	struct buf *out = im->s.out;
	const char *space = "";

	imap_put_fetch_head(im, seq, row->uid);
	/*
	 * Who speaks of UIDs thinks in them; RFC 5465 section 5.1, RFC 9051
	 * section 7.5.2.
	 */
	if (!im->is_uidonly && (im->cmd.uid || im->is_condstore ||
	    im->is_rev2 || im->notify)) {
		buf_adds(out, "UID ");
		buf_addu(out, row->uid);
		space = " ";
	}
	if (flags) {
		buf_adds(out, space);
		buf_adds(out, "FLAGS ");
		imap_put_flags(out, row->flags, imap_is_recent(im, row->uid),
		    k->v, k->n);
		space = " ";
	}
	if (im->is_condstore) {
		buf_adds(out, space);
		imap_put_modseq(out, row->modseq);
		im->cmd.told_modseq = true;
	}
	buf_adds(out, ")\r\n");
}

static void
tell_flags(struct imap *im, const struct news *news)
{
	struct imap_keywords k;
	struct msgrow row;

	imap_keywords_get(im, &k);
	(void)view_get(&im->view, news->seq, &row);
	imap_put_news(im, &k, news->seq, &row, true);
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
		contexts_note_keywords(im);
		break;
	case NEWS_FLAGS:
		if (imap_notify_selected(im) & NOTIFY_FLAGS)
			tell_flags(im, news);
		contexts_note_range(im, news->uid, news->uid);
		break;
	case NEWS_EXISTS:
		tell_number(im, news->count, " EXISTS\r\n");
		break;
	case NEWS_RECENT:
		if (!im->is_rev2)
			tell_number(im, news->count, " RECENT\r\n");
		break;
	}
}

/* RFC 7162 3.2.10: one line for all that are told together. */
static void
tell_vanished(struct imap *im, struct uidset *vanished)
{
	if (vanished->n == 0)
		return;
	buf_adds(im->s.out, "* VANISHED ");
	uidset_put(im->s.out, vanished);
	buf_adds(im->s.out, "\r\n");
	uidset_release(vanished);
}

/*
 * Who does not want to hear of flags (RFC 5465 section 5) must not believe
 * that it knows them.
 */
static void
note_skipped(struct imap *im)
{
	if (!(imap_notify_selected(im) & NOTIFY_FLAGS) &&
	    im->skipped_modseq == 0)
		im->skipped_modseq = im->view.told_flags_modseq;
}

static void
tell_expunge(struct imap *im, const struct news *news,
    struct uidset *vanished)
{
	im->cmd.told_expunge = true;
	/* RFC 5267 4.3.4: before it goes, and after those gone before. */
	if (im->contexts)
		tell_vanished(im, vanished);
	(void)contexts_expunge(im, news->seq, news->uid);
	if (im->is_qresync || im->is_uidonly)
		uidset_add(vanished, news->uid, news->uid);
	else
		tell(im, news);
}

bool
imap_sync(struct imap *im, bool hold_expunges)
{
	struct uidset vanished = { 0 };
	struct news news = { .kind = NEWS_EXPUNGE };
	uint32_t told_uid;

	imap_tell_metadata(im);
	if (im->state != ST_SELECTED || view_is_gone(&im->view) ||
	    !imap_notify_selected(im))
		return true;
	note_skipped(im);
	while (news.kind != NEWS_END && imap_has_time(im)) {
		told_uid = im->view.told_uid;
		(void)view_sync(&im->view, hold_expunges, &news);
		if (news.kind == NEWS_EXISTS)
			imap_notify_exists(im, told_uid);
		if (news.kind == NEWS_EXPUNGE) {
			tell_expunge(im, &news, &vanished);
			continue;
		}
		tell_vanished(im, &vanished);
		tell(im, &news);
		if (news.kind == NEWS_EXISTS)
			contexts_note_range(im, told_uid + 1,
			    im->view.told_uid);
	}
	tell_vanished(im, &vanished);
	return news.kind == NEWS_END;
}

/* What contexts have begun they end before the view moves on. */
enum imap_step
imap_tell(struct imap *im, bool hold_expunges, struct op *op)
{
	enum imap_step step = contexts_step(im, op);

	if (step != STEP_DONE)
		return step;
	return imap_sync(im, hold_expunges) ? contexts_step(im, NULL) :
	    STEP_YIELD;
}

/* ---- HIGHESTMODSEQ ---- */

/* Up to where the client has been told of everything. */
static uint64_t
highestmodseq(const struct imap *im)
{
	uint64_t modseq = view_highestmodseq(&im->view);

	return im->skipped_modseq ? MIN(modseq, im->skipped_modseq) : modseq;
}

void
imap_put_highestmodseq(struct imap *im)
{
	buf_adds(im->s.out, "* OK [HIGHESTMODSEQ ");
	buf_addu(im->s.out, highestmodseq(im));
	buf_adds(im->s.out, "] Highest\r\n");
}

void
imap_enable_condstore(struct imap *im)
{
	if (im->is_condstore)
		return;
	im->is_condstore = true;
	if (im->state == ST_SELECTED)
		imap_put_highestmodseq(im);
}

/*
 * RFC 7162 section 6: a client takes the highest MODSEQ it was told of for
 * the mailbox's, unless it is told better. That would be too high where
 * expunges below are held back, and too low where there was one.
 */
void
imap_tell_highestmodseq(struct imap *im)
{
	struct imap_cmd *c = &im->cmd;
	const struct view *v = &im->view;
	bool is_held;

	if (!im->is_condstore || im->state != ST_SELECTED ||
	    view_is_gone(v))
		return;
	is_held = highestmodseq(im) < v->told_flags_modseq;
	if (!c->told_expunge && !(c->told_modseq && is_held))
		return;
	if (c->status == STATUS_OK && !c->code && c->tag.len)
		c->code = arena_printf(&c->arena, "HIGHESTMODSEQ %" PRIu64,
		    highestmodseq(im));
	else
		imap_put_highestmodseq(im);
}
