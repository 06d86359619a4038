/*
 * UIDBATCHES (RFC 10022): the selected mailbox cut into ranges of UIDs with so
 * many messages each, the newest first.
 *
 * The ranges leave no gaps: one ends above the highest UID of the next, and
 * the last in 1, which tells that it is the last.
 */
#include "imap/imap_priv.h"
#include "server/base/xalloc.h"

/* Sections 3.1.3 and 3.1.5 of the RFC. */
#define BATCH_MIN 500u
#define MESSAGES_MAX 100000u
/* Of one answer, so that it is made in one step. */
#define RANGES_MAX 4000u

static uint32_t
uid_at(const struct view *v, uint64_t seq)
{
	struct msgrow row;

	if (seq == 0)
		return 0;
	(void)view_get(v, (uint32_t)seq, &row);
	return row.uid;
}

/* How many batches there are. */
static uint32_t
batch_count(const struct imap *im)
{
	uint32_t n = im->cmd.args.uidbatches.size;

	return view_count(&im->view) / n + (view_count(&im->view) % n > 0);
}

/* Batch k, from 1. */
static void
put_batch(struct imap *im, uint32_t k)
{
	uint64_t n = im->cmd.args.uidbatches.size;
	uint64_t count = view_count(&im->view);
	uint64_t high = count - (k - 1) * n;
	uint64_t below = high > n ? high - n : 0;

	buf_addu(im->s.out, uid_at(&im->view, high));
	buf_addc(im->s.out, ':');
	buf_addu(im->s.out, (uint64_t)uid_at(&im->view, below) + 1);
}

static void
put_batches(struct imap *im, uint32_t from, uint32_t to)
{
	struct buf *out = im->s.out;

	buf_adds(out, "* UIDBATCHES (TAG ");
	imap_put_quoted(out, im->cmd.tag);
	buf_addc(out, ')');
	for (uint32_t k = from; k <= to; k++) {
		buf_addc(out, k == from ? ' ' : ',');
		put_batch(im, k);
	}
	buf_adds(out, "\r\n");
}

/*
 * Section 6: who asks for all of it again is refused, unless half a batch of
 * messages has come or gone since.
 */
static bool
is_too_soon(const struct imap *im)
{
	const struct imap_batches *last = &im->batches;
	const struct view *v = &im->view;
	uint32_t size = im->cmd.args.uidbatches.size;
	uint32_t arrived, gone;

	if (last->view != v->id || last->size != size)
		return false;
	arrived = view_count(v) + 1 - view_seek_uid(v, last->uidnext);
	gone = last->count + arrived - view_count(v);
	return arrived <= size / 2 && gone <= size / 2;
}

static void
note_answer(struct imap *im)
{
	im->batches = (struct imap_batches){
		.view = im->view.id,
		.size = im->cmd.args.uidbatches.size,
		.uidnext = uid_at(&im->view, view_count(&im->view)) + 1,
		.count = view_count(&im->view),
	};
}

enum imap_step
imap_run_uidbatches(struct imap *im)
{
	const struct imap_uidbatches_args *a = &im->cmd.args.uidbatches;
	uint32_t count, from = 1, to;

	if (a->size < BATCH_MIN)
		return imap_no(im, "TOOFEW", "A batch has at least 500");
	to = count = batch_count(im);
	if (a->from > 0) {
		if ((uint64_t)(a->to - a->from + 1) * a->size > MESSAGES_MAX)
			return imap_no(im, "TOOMANY",
			    "Not more than 100,000 messages at once");
		from = a->from;
		to = MIN(a->to, count);
	} else if (count > RANGES_MAX) {
		return imap_no(im, "TOOMANY",
		    "Ask for larger batches, or for some of them");
	} else if (is_too_soon(im)) {
		return imap_no(im, "LIMIT", "Nothing much has changed");
	} else {
		note_answer(im);
	}
	put_batches(im, from, to);
	return imap_ok(im, NULL, "UIDBATCHES completed");
}
