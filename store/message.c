#include "store/message_priv.h"

#include "server/base/err.h"
#include "store/body.h"

void
mailbox_count_in(struct mailbox_row *box, uint64_t flags, uint32_t size)
{
	box->messages++;
	box->bytes += size;
	if (!(flags & FLAG_SEEN))
		box->unseen++;
	if (flags & FLAG_DELETED) {
		box->deleted++;
		box->deleted_bytes += size;
	}
}

void
mailbox_count_out(struct mailbox_row *box, uint64_t flags, uint32_t size)
{
	box->messages--;
	box->bytes -= size;
	if (!(flags & FLAG_SEEN))
		box->unseen--;
	if (flags & FLAG_DELETED) {
		box->deleted--;
		box->deleted_bytes -= size;
	}
}

int
mailbox_make(struct wtxn *t, uint64_t account, struct span name,
    enum special_use use, bool noselect, int64_t now_s, uint64_t *mailbox)
{
	uint64_t id = wtxn_id(t);
	struct change *c;
	int err;

	if ((err = db_run(t->db, "INSERT INTO mailbox(id, account, name,"
	    " noselect, special_use, uidvalidity, modseq, created)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)", A_INT(id), A_INT(account),
	    A_SPAN(name), A_INT(noselect), A_INT(use),
	    A_INT(wtxn_uidvalidity(t)), A_INT(wtxn_modseq(t)),
	    A_INT(now_s))) < 0)
		return err;
	c = changeset_add(t->changes, CHANGE_MAILBOX_CREATED, account, id);
	c->modseq = wtxn_modseq(t);
	c->name = arena_str(&t->changes->arena, name);
	*mailbox = id;
	return 0;
}

int
mailbox_save(struct wtxn *t, struct mailbox_row *box)
{
	box->modseq = wtxn_modseq(t);
	return db_run(t->db, "UPDATE mailbox SET uidnext = ?, modseq = ?,"
	    " messages = ?, unseen = ?, deleted = ?, bytes = ?,"
	    " deleted_bytes = ? WHERE id = ?", A_INT(box->uidnext),
	    A_INT(box->modseq), A_INT(box->messages), A_INT(box->unseen),
	    A_INT(box->deleted), A_INT(box->bytes),
	    A_INT(box->deleted_bytes), A_INT(box->id));
}

int
message_put(struct wtxn *t, struct mailbox_row *box, struct message *m,
    uint64_t origin)
{
	int err;

	/* RFC 3501 section 2.3.1.1: UIDs end at 2^32 - 1. */
	if (box->uidnext == UINT32_MAX)
		return ERR_STORE;
	m->row.uid = box->uidnext++;
	m->row.modseq = wtxn_modseq(t);
	if ((err = db_run(t->db, "INSERT INTO msg(mailbox, uid, flags,"
	    " modseq, body, size, internaldate, savedate, thread)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", A_INT(box->id),
	    A_INT(m->row.uid), A_INT(m->row.flags), A_INT(m->row.modseq),
	    A_INT(m->row.body), A_INT(m->row.size),
	    A_INT(m->row.internaldate_s), A_INT(m->savedate_s),
	    A_INT(m->thread))) < 0)
		return err;
	mailbox_count_in(box, m->row.flags, m->row.size);
	changeset_add_arrival(t->changes, box->account, box->id, origin,
	    &m->row);
	return 0;
}

int
message_remove(struct wtxn *t, const struct mailbox_row *box,
    const struct uidset *runs, enum message_fate fate, int64_t now_s)
{
	uint64_t modseq = wtxn_modseq(t);
	int err;

	for (size_t i = 0; i < runs->n; i++) {
		const struct uidrange *r = &runs->v[i];

		if (fate == FATE_EXPUNGED && (err = db_run(t->db,
		    "INSERT INTO expunged SELECT mailbox, uid, ?, flags, body,"
		    " size, internaldate, savedate, thread FROM msg"
		    " WHERE mailbox = ? AND uid BETWEEN ? AND ?",
		    A_INT(now_s), A_INT(box->id), A_INT(r->lo),
		    A_INT(r->hi))) < 0)
			return err;
		if ((err = db_run(t->db, "DELETE FROM msg"
		    " WHERE mailbox = ? AND uid BETWEEN ? AND ?",
		    A_INT(box->id), A_INT(r->lo), A_INT(r->hi))) < 0 ||
		    (err = db_run(t->db, "INSERT INTO vanished(mailbox,"
		    " modseq, uid_lo, uid_hi) VALUES (?, ?, ?, ?)",
		    A_INT(box->id), A_INT(modseq), A_INT(r->lo),
		    A_INT(r->hi))) < 0)
			return err;
	}
	return 0;
}

int
account_charge(struct wtxn *t, uint64_t account, int64_t bytes,
    int64_t messages)
{
	return db_run(t->db, "UPDATE account SET bytes = bytes + ?,"
	    " messages = messages + ? WHERE id = ?", A_INT(bytes),
	    A_INT(messages), A_INT(account));
}

int
account_check(struct wtxn *t, uint64_t account, uint64_t bytes,
    uint64_t messages)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(t->db, &s, "SELECT bytes + ?2 > quota_bytes OR"
	    " messages + ?3 > quota_messages FROM account"
	    " WHERE id = ?1 AND state < 2", A_INT(account), A_INT(bytes),
	    A_INT(messages))) < 0)
		return err;
	if ((err = db_step(t->db, s)) <= 0)
		return err < 0 ? err : ERR_NOUSER;
	/* NULL, which counts as no, where there is no quota. */
	err = db_i64(s, 0) ? ERR_QUOTA : 0;
	db_done(s);
	return err;
}

int
content_of_spool(struct wtxn *t, const struct spool *s, uint64_t refs,
    uint64_t *content)
{
	struct content_new c = {
		.id = s->content ? s->content : wtxn_id(t),
		.staged = s->content != 0,
		.bytes = buf_span(&s->bytes),
		.length = s->size,
		.flavour = s->digest->flavour,
		.hash = s->hash,
		.digest = buf_span(&s->digest_bytes)
	};
	int err = content_put(t->db, &c, refs);

	*content = c.id;
	return err == ERR_NOTFOUND ? ERR_STORE : err;
}

void
spool_ended(struct store *store, struct spool *s, int err)
{
	if (!s || !s->content)
		return;
	if (err < 0)
		writer_submit(store->writer, &wreq_unstage_new(s->content)->w);
	spool_settle(s);
}
