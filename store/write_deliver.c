#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/body.h"
#include "store/message_priv.h"
#include "store/queue_priv.h"

static void
deliver_free(struct op *op)
{
	struct wreq_deliver *r = (struct wreq_deliver *)op;

	for (size_t i = 0; i < r->rcpt_count; i++)
		free(r->rcpts[i].prefix);
	free(r->rcpts);
	spool_free(r->spool);
	free(r->sent_prefix);
	queue_new_free(r->queue);
	if (r->notice)
		op_free(&r->notice->w.op);
	free(r);
}

struct wreq_deliver *
wreq_deliver_new(struct env *env, struct session *s)
{
	struct wreq_deliver *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_DELIVER, env, s, deliver_free);
	r->internaldate_s = r->w.now_s;
	return r;
}

size_t
deliver_bytes(const struct wreq *w)
{
	const struct wreq_deliver *r = (const struct wreq_deliver *)w;

	return spool_bytes(r->spool).len;
}

void
deliver_ended(struct store *store, struct wreq *w, int err)
{
	struct wreq_deliver *r = (struct wreq_deliver *)w;

	spool_ended(store, r->spool, err);
	if (err == 0)
		STAT_ADD(store->env->stats, deliveries, r->rcpt_count);
}

/* The recipient's mailbox; one that is gone means INBOX. */
static int
find_mailbox(struct wtxn *t, const struct deliver_rcpt *rcpt,
    struct mailbox_row *box)
{
	int err = ERR_NOMBOX;

	if (rcpt->mailbox)
		err = mailbox_access(t->db, 0, rcpt->mailbox, RIGHT_INSERT,
		    box);
	if (err == 0 && box->account != rcpt->account)
		err = ERR_NOMBOX;
	if (err == ERR_NOMBOX)
		err = mailbox_access_name(t->db, rcpt->account, SPAN("INBOX"),
		    RIGHT_INSERT, box);
	return err;
}

/* One recipient's copy. */
static int
deliver_copy(struct wtxn *t, const struct wreq_deliver *r, uint64_t content,
    struct deliver_rcpt *rcpt)
{
	struct span prefix = span_make(rcpt->prefix, rcpt->prefix_len);
	struct mailbox_row box;
	struct message m = {
		.row.flags = rcpt->flags & FLAG_SYSTEM_MASK,
		.row.size = (uint32_t)(prefix.len +
		    shown_size(r->spool->digest)),
		.row.internaldate_s = r->internaldate_s,
		.savedate_s = r->w.now_s
	};
	int err;

	/*
	 * The quota is soft here: whether there is room is asked when the
	 * recipient is named, and a message that was taken then may end
	 * above. Over it already is another thing.
	 */
	if ((err = account_check(t, rcpt->account, 0, 1)) < 0 ||
	    (err = find_mailbox(t, rcpt, &box)) < 0 ||
	    (err = thread_of(t, rcpt->account, r->spool->digest, r->w.now_s,
	    &m.thread)) < 0)
		return err;
	m.row.body = wtxn_id(t);
	if ((err = body_put(t->db, m.row.body, content, 1, prefix)) < 0 ||
	    (err = message_put(t, &box, &m, r->w.origin)) < 0 ||
	    (err = mailbox_save(t, &box)) < 0)
		return err;
	rcpt->mailbox_r = box.id;
	rcpt->uid_r = m.row.uid;
	rcpt->body_r = m.row.body;
	return account_charge(t, rcpt->account, m.row.size, 1);
}

int
apply_deliver(struct wtxn *t, struct wreq *w)
{
	struct wreq_deliver *r = (struct wreq_deliver *)w;
	uint64_t content, refs = r->rcpt_count + (r->queue != NULL);
	struct sent_plan sent;
	int err;

	if (refs == 0)		/* a content that nobody refers to */
		return ERR_NOUSER;
	if ((err = send_charge(t, r)) < 0 ||
	    (err = sent_plan(t, r, &sent)) < 0)
		return err;
	refs += sent.is_wanted;
	if ((err = content_of_spool(t, r->spool, refs, &content)) < 0)
		return err;
	for (size_t i = 0; i < r->rcpt_count; i++)
		if ((err = deliver_copy(t, r, content, &r->rcpts[i])) < 0)
			return err;
	if (r->queue && (err = queue_put(t, r->queue, content,
	    w->now_s)) < 0)
		return err;
	if (sent.is_wanted && (err = sent_file(t, r, &sent, content)) < 0)
		return err;
	return r->notice ? apply_deliver(t, &r->notice->w) : 0;
}
