/*
 * FETCH and UID FETCH (RFC 3501 section 6.4.5).
 *
 * What rows of the view have (UID, FLAGS, INTERNALDATE, RFC822.SIZE) is told
 * from memory, a few score bytes a message; the rest is fetch_body.c's. \Seen
 * that a body implies is set by one request for all messages before the first
 * byte; the client is told with the body. The FETCH does not wait for it, but
 * the next command that looks at flags does (imap.c), and so does a FETCH of a
 * CONDSTORE-aware client, who is to be told the new MODSEQ (RFC 7162).
 */
#include <string.h>

#include "imap/context.h"
#include "imap/fetch_priv.h"
#include "imap/sync.h"
#include "store/write.h"

static void
fetch_release(struct imap *im)
{
	struct fetch *f = im->cmd.state;

	fetch_batch_free(im, f->batch);
	targets_release(&f->targets);
	uidset_release(&f->seen);
	vanished_release(&f->vanished);
}

enum imap_step
fetch_over(struct imap *im, struct fetch *f)
{
	if (f->no_memory)
		return imap_fail(im, ERR_BUDGET);
	if (f->unknown_cte)
		return imap_no(im, "UNKNOWN-CTE", "A part is encoded in a way "
		    "that is not known here");
	return imap_ok(im, f->some_gone ? "EXPUNGEISSUED" : NULL,
	    "FETCH completed");
}

void
fetch_begin_step(struct imap *im, struct fetch *f, bool between)
{
	targets_again(&f->targets);
	if (between)
		imap_tell_keywords(im);
	imap_keywords_get(im, &f->keywords);
	f->is_cached = false;
}

/* ---- a line's head ---- */

void
fetch_put_space(struct fetch *f, struct buf *out)
{
	if (f->has_item)
		buf_addc(out, ' ');
	f->has_item = true;
}

/* Most messages have the flags of their neighbour. */
static void
put_flags(struct imap *im, struct fetch *f, uint64_t flags, bool recent)
{
	struct buf *out = im->s.out;
	size_t start = out->len, len;

	if (f->is_cached && f->cached_flags == flags &&
	    f->cached_recent == recent) {
		buf_add(out, f->cached, f->cached_len);
		return;
	}
	imap_put_flags(out, flags, recent, f->keywords.v, f->keywords.n);
	len = out->len - start;
	f->is_cached = len <= sizeof f->cached;
	if (!f->is_cached)
		return;
	memcpy(f->cached, out->p + start, len);
	f->cached_len = len;
	f->cached_flags = flags;
	f->cached_recent = recent;
}

/* RFC 9586 section 3.3: its answers begin with the UID. */
static unsigned
implied_uid(const struct imap *im, bool is_implied)
{
	return is_implied && !im->is_uidonly ? FETCH_UID : 0;
}

void
fetch_put_head(struct imap *im, struct fetch *f, uint32_t seq,
    const struct msgrow *row)
{
	struct buf *out = im->s.out;
	bool is_seen_now = f->seen.n && uidset_has(&f->seen, row->uid);
	unsigned items = f->items;
	uint64_t flags = row->flags;

	if (is_seen_now) {
		/* RFC 7162 3.2.4: by now it has the flag, and the modseq. */
		items |= im->is_condstore ? FETCH_FLAGS | FETCH_MODSEQ |
		    implied_uid(im, true) : FETCH_FLAGS;
		flags |= im->is_condstore ? 0 : FLAG_SEEN;
	}
	imap_put_fetch_head(im, seq, row->uid);
	f->has_item = false;
	if (items & FETCH_UID) {
		fetch_put_space(f, out);
		buf_adds(out, "UID ");
		buf_addu(out, row->uid);
	}
	if (items & FETCH_FLAGS) {
		fetch_put_space(f, out);
		buf_adds(out, "FLAGS ");
		put_flags(im, f, flags, imap_is_recent(im, row->uid));
	}
	if (items & FETCH_MODSEQ) {
		fetch_put_space(f, out);
		imap_put_modseq(out, row->modseq);
		im->cmd.told_modseq = true;
	}
	if (items & FETCH_INTERNALDATE) {
		fetch_put_space(f, out);
		buf_adds(out, "INTERNALDATE ");
		imap_put_internaldate(out, row->internaldate_s);
	}
	if (items & FETCH_SIZE) {
		fetch_put_space(f, out);
		buf_adds(out, "RFC822.SIZE ");
		buf_addu(out, row->size);
	}
	if (items & FETCH_EMAILID) {
		fetch_put_space(f, out);
		buf_adds(out, "EMAILID ");
		imap_put_objectid(out, OBJECT_EMAIL, row->body);
	}
}

/* ---- the command ---- */

bool
fetch_next(struct imap *im, struct targets *t, uint32_t *seq,
    struct msgrow *row)
{
	while (targets_next(t, &im->view, seq, row))
		if (row->modseq > im->cmd.args.fetch.changed_since)
			return true;
	return false;
}

static enum imap_step
fetch_rows(struct imap *im, struct fetch *f)
{
	uint64_t since = im->cmd.args.fetch.changed_since;
	struct msgrow row;
	uint32_t seq;

	fetch_begin_step(im, f, true);
	while (imap_has_time(im)) {
		if (!targets_next(&f->targets, &im->view, &seq, &row))
			return fetch_over(im, f);
		if (row.modseq <= since)
			continue;
		fetch_put_head(im, f, seq, &row);
		buf_adds(im->s.out, ")\r\n");
	}
	return STEP_YIELD;
}

/* RFC 3501 6.4.5: BODY[] without .PEEK sets \Seen. */
static void
fetch_set_seen(struct imap *im, struct fetch *f)
{
	struct targets t = { .uids = f->targets.uids };
	struct wreq_flags *r;
	struct msgrow row;
	uint32_t seq;

	while (fetch_next(im, &t, &seq, &row))
		if (!targets_is_ghost(&t) && !(row.flags & FLAG_SEEN))
			uidset_add(&f->seen, row.uid, row.uid);
	if (f->seen.n == 0)
		return;
	r = wreq_flags_new(im->s.env, &im->s);
	r->w.op.tag = IMAP_SEEN_TAG;
	im->seen_out++;
	r->w.origin = im->view.id;
	r->mailbox = view_mailbox(&im->view);
	uidset_copy(&r->uids, &f->seen);
	r->how = FLAGS_ADD;
	r->flags = FLAG_SEEN;
	r->unchanged_since = UINT64_MAX;
	store_submit(im->s.env->store, &r->w);
	contexts_note(im, &f->seen);
}

bool
imap_fetch_is_blind(const struct imap *im)
{
	return !(im->cmd.args.fetch.items & (FETCH_FLAGS | FETCH_MODSEQ));
}

static enum imap_step
fetch_start(struct imap *im, struct fetch *f)
{
	f->is_started = true;
	return fetch_needs_reader(&im->cmd.args.fetch) ?
	    fetch_bodies_run(im, f) : fetch_rows(im, f);
}

static enum imap_step
fetch_after_vanished(struct imap *im, struct fetch *f)
{
	/* RFC 4314 section 4: without the right it is not set. */
	if (im->cmd.args.fetch.sets_seen && im->view.writable &&
	    (view_rights(&im->view) & RIGHT_SEEN))
		fetch_set_seen(im, f);
	/* Who is told of modseqs waits until there is one to tell. */
	im->cmd.is_held = im->is_condstore && f->seen.n > 0;
	return im->cmd.is_held ? STEP_WAIT : fetch_start(im, f);
}

enum imap_step
imap_fetch_uids(struct imap *im, struct uidset *uids)
{
	struct fetch *f = arena_alloc(&im->cmd.arena, sizeof *f);

	im->cmd.state = f;
	im->cmd.release = fetch_release;
	/* RFC 9051 section 7.5.2: unsolicited ones have the UID. */
	f->items = im->cmd.args.fetch.items | implied_uid(im, im->is_rev2);
	f->targets.uids = *uids;
	*uids = (struct uidset){ 0 };
	return fetch_start(im, f);
}

enum imap_step
imap_run_fetch(struct imap *im)
{
	const struct imap_fetch_args *a = &im->cmd.args.fetch;
	struct fetch *f;

	if (im->cmd.state)	/* again: \Seen is in the store */
		return fetch_start(im, im->cmd.state);
	if (a->vanished && !im->is_qresync)
		return imap_bad(im, "ENABLE QRESYNC first");
	/* RFC 7162 section 3.2.6 */
	if (a->vanished && !(im->cmd.uid && a->has_changedsince))
		return imap_bad(im, "VANISHED goes with UID FETCH and "
		    "CHANGEDSINCE only");
	if (a->partial.is_given && !im->cmd.uid)
		return imap_bad(im, "PARTIAL goes with UID FETCH only");
	f = arena_alloc(&im->cmd.arena, sizeof *f);
	im->cmd.state = f;
	im->cmd.release = fetch_release;
	/* RFC 3501 6.4.8: UID is in every answer to the UID form. */
	f->items = a->items | implied_uid(im, im->cmd.uid);
	if (imap_resolve_set(im, &a->set, im->cmd.uid, &f->targets.uids) < 0)
		return imap_bad_set(im);
	if (imap_is_page_over(im, &a->partial))
		return imap_no(im, imap_limit_code(im), "The page is too large");
	if (a->partial.is_given)
		imap_cut_page(im, &a->partial, &f->targets.uids);
	(void)imap_limit_set(im, &f->targets.uids);
	if (f->items & FETCH_MODSEQ)
		imap_enable_condstore(im);
	if (!a->vanished)
		return fetch_after_vanished(im, f);
	vanished_know(im, &f->vanished, &a->set);
	vanished_submit(im, a->changed_since);
	return STEP_WAIT;
}

/* RFC 7162 3.2.6: VANISHED comes before any FETCH. */
static enum imap_step
fetch_vanished(struct imap *im, struct fetch *f, struct op *op)
{
	int err;

	if (op && (err = vanished_take(&f->vanished, op)) < 0)
		return imap_fail(im, err);
	if (!vanished_put(im, &f->vanished))
		return STEP_YIELD;
	return fetch_after_vanished(im, f);
}

enum imap_step
imap_done_fetch(struct imap *im, struct op *op)
{
	struct fetch *f = im->cmd.state;

	if (!f->is_started)
		return fetch_vanished(im, f, op);
	return fetch_needs_reader(&im->cmd.args.fetch) ?
	    fetch_bodies_done(im, f, op) : fetch_rows(im, f);
}
