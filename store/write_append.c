#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/body.h"
#include "store/message_priv.h"
#include "store/queue_priv.h"
#include "store/seen_priv.h"

static void
append_free(struct op *op)
{
	struct wreq_append *r = (struct wreq_append *)op;

	for (size_t i = 0; i < r->msg_count; i++) {
		spool_free(r->msgs[i].spool);
		names_free(r->msgs[i].keywords, r->msgs[i].keyword_count);
	}
	free(r->msgs);
	free(r);
}

struct wreq_append *
wreq_append_new(struct env *env, struct session *s)
{
	struct wreq_append *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_APPEND, env, s, append_free);
	return r;
}

size_t
append_bytes(const struct wreq *w)
{
	const struct wreq_append *r = (const struct wreq_append *)w;
	size_t bytes = 0;

	for (size_t i = 0; i < r->msg_count; i++)
		bytes += spool_bytes(r->msgs[i].spool).len;
	return bytes;
}

void
append_ended(struct store *store, struct wreq *w, int err)
{
	struct wreq_append *r = (struct wreq_append *)w;

	for (size_t i = 0; i < r->msg_count; i++)
		spool_ended(store, r->msgs[i].spool, err);
}

/* seen: where \Seen is not the rows', what the actor has read. */
static int
append_one(struct wtxn *t, const struct wreq_append *r,
    struct mailbox_row *box, struct append_msg *a, struct uidset *seen)
{
	struct message m = {
		.row.size = (uint32_t)shown_size(a->spool->digest),
		.row.internaldate_s = a->internaldate_s,
		.savedate_s = r->w.now_s
	};
	uint64_t content, keywords, own = 0;
	int err;

	if ((err = keyword_bits(t, box, a->keywords, a->keyword_count,
	    box->rights & RIGHT_WRITE, &keywords)) < 0 ||
	    (err = thread_of(t, box->account, a->spool->digest, r->w.now_s,
	    &m.thread)) < 0 ||
	    (err = content_of_spool(t, a->spool, 1, &content)) < 0)
		return err;
	/* RFC 4314 section 4: flags one has no right to set are left out. */
	m.row.flags = ((a->flags & FLAG_SYSTEM_MASK) | keywords) &
	    flags_allowed(box->rights);
	if (seen_reader(r->w.actor, box))
		own = m.row.flags & FLAG_SEEN;
	m.row.flags ^= own;
	m.row.body = wtxn_id(t);
	if ((err = body_put(t->db, m.row.body, content, 1,
	    (struct span){ 0 })) < 0 ||
	    (err = message_put(t, box, &m, r->w.origin)) < 0)
		return err;
	a->uid_r = m.row.uid;
	if (own)
		uidset_add(seen, a->uid_r, a->uid_r);
	return 0;
}

static int
append_all(struct wtxn *t, struct wreq_append *r, struct mailbox_row *box)
{
	struct uidset seen = { 0 };
	int err = 0;

	for (size_t i = 0; i < r->msg_count && err == 0; i++)
		err = append_one(t, r, box, &r->msgs[i], &seen);
	if (err == 0)
		err = seen_arrived(t, box, r->w.actor, r->w.origin, &seen);
	uidset_release(&seen);
	return err;
}

/*
 * After the mailbox has been saved: our own copies of what was submitted make
 * room for the owner's.
 */
static int
settle_sent(struct wtxn *t, const struct wreq_append *r,
    const struct mailbox_row *box)
{
	int err = 0;

	if (box->use != USE_SENT || r->w.actor != box->account)
		return 0;
	for (size_t i = 0; err == 0 && i < r->msg_count; i++)
		err = sent_appended(t, box->account, box->id,
		    r->msgs[i].uid_r, r->msgs[i].spool, r->w.now_s);
	return err;
}

/* RFC 8508 section 3.4: the quota is judged as if it had gone before. */
static int
take_out(struct wtxn *t, const struct wreq_append *r)
{
	struct wreq_expunge e = { .w = r->w,
	    .mailbox = r->replaced_mailbox };
	int err;

	uidset_add(&e.uids, r->replaced_uid, r->replaced_uid);
	err = apply_expunge(t, &e.w);
	if (err == 0 && e.expunged_r.n == 0)
		err = ERR_NOMSG;
	uidset_release(&e.uids);
	uidset_release(&e.expunged_r);
	return err;
}

int
apply_append(struct wtxn *t, struct wreq *w)
{
	struct wreq_append *r = (struct wreq_append *)w;
	struct mailbox_row box;
	uint64_t bytes = 0;
	int err;

	if (r->replaced_uid && (err = take_out(t, r)) < 0)
		return err;
	if ((err = mailbox_access(t->db, w->actor, r->mailbox, RIGHT_INSERT,
	    &box)) < 0)
		return err;
	for (size_t i = 0; i < r->msg_count; i++)
		bytes += shown_size(r->msgs[i].spool->digest);
	if ((err = account_check(t, box.account, bytes, r->msg_count)) < 0)
		return err;
	if ((err = append_all(t, r, &box)) < 0)
		return err;
	r->uidvalidity_r = box.uidvalidity;
	if (r->msg_count == 0)
		return 0;
	if ((err = mailbox_save(t, &box)) < 0)
		return err;
	if ((err = account_charge(t, box.account, (int64_t)bytes,
	    (int64_t)r->msg_count)) < 0)
		return err;
	return settle_sent(t, r, &box);
}
