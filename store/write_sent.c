/*
 * The sender's own copy, and what a sender may send.
 *
 * What is submitted is filed in the account's mailbox for \Sent. Mail programs
 * file it themselves, too: a copy of the same message that is there already
 * keeps ours out, and one that comes within the hour takes its place, in its
 * own transaction. The same is: the same Message-ID, and the same text behind
 * the header, but for empty lines at its end.
 */
#include "store/queue_priv.h"

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/body.h"
#include "store/message_priv.h"

#define SENT_S 3600		/* copies that far apart are two */
#define SENT_ROWS_MAX 16	/* of one Message-ID that are looked at */
#define TEXT_PIECE (16u * 1024)
#define TEXT_TAIL_MAX 8		/* bytes of line ends at the end */
#define DAY_S 86400

/* ---- is it the same text? ---- */

/* The text of a message behind its header; in memory or in chunks. */
struct sent_text {
	struct span bytes;	/* the whole content; p NULL: in chunks */
	struct body body;
	uint64_t off, len;
};

static struct sent_text
text_of_spool(const struct spool *s)
{
	struct sent_text x = {
		.bytes = s->content ? (struct span){ 0 } :
		    buf_span(&s->bytes),
		.body = { .content = s->content, .length = s->size,
		    .total = s->size },
		.off = s->digest->root->body_off,
	};

	x.len = s->size - MIN(s->size, x.off);
	return x;
}

/* ERR_NOTFOUND: it has been purged, or its digest is of another version. */
static int
text_of_body(struct db *db, struct arena *a, uint64_t body,
    struct sent_text *x)
{
	struct digest d;
	struct span bytes;
	int err;

	*x = (struct sent_text){ 0 };
	if ((err = body_get(db, a, body, &x->body)) < 0 ||
	    (err = body_digest(db, a, &x->body, &bytes)) < 0)
		return err;
	if (bytes.len == 0 || digest_decode(bytes, a, &d) < 0 || !d.root)
		return ERR_NOTFOUND;
	x->off = x->body.prefix.len + d.root->body_off;
	x->len = x->body.total - MIN(x->body.total, x->off);
	return 0;
}

static int
text_read(struct db *db, const struct sent_text *x, uint64_t off, char *p,
    size_t len)
{
	if (!x->bytes.p)
		return body_read(db, &x->body, x->off + off, p, len);
	memcpy(p, x->bytes.p + x->off + off, len);
	return 0;
}

/* Whether all from off on is line ends; 0 or 1, or ERR_*. */
static int
is_tail(struct db *db, const struct sent_text *x, uint64_t off)
{
	char tail[TEXT_TAIL_MAX];
	size_t len = (size_t)(x->len - off);
	int err;

	if (len > sizeof tail)
		return 0;
	if ((err = text_read(db, x, off, tail, len)) < 0)
		return err;
	for (size_t i = 0; i < len; i++)
		if (tail[i] != '\r' && tail[i] != '\n')
			return 0;
	return 1;
}

/* 0 or 1, or ERR_*. */
static int
is_same_text(struct db *db, const struct sent_text *a,
    const struct sent_text *b)
{
	uint64_t off = 0, len = MIN(a->len, b->len);
	char *pieces;
	int err = 0, same = 1;

	if (MAX(a->len, b->len) - len > TEXT_TAIL_MAX)
		return 0;
	pieces = xmalloc(2 * (size_t)TEXT_PIECE);
	while (off < len && same == 1) {
		size_t n = (size_t)MIN(TEXT_PIECE, len - off);

		if ((err = text_read(db, a, off, pieces, n)) < 0 ||
		    (err = text_read(db, b, off, pieces + TEXT_PIECE, n)) < 0)
			break;
		same = memcmp(pieces, pieces + TEXT_PIECE, n) == 0;
		off += n;
	}
	free(pieces);
	if (err < 0 || same == 0)
		return err;
	return is_tail(db, a->len > b->len ? a : b, len);
}

/* ---- copies of the last hour ---- */

struct sent_row {
	uint64_t mailbox, body, flags;
	uint32_t uid, size;
};

/* Those of this Message-ID that are still where they were put. */
static int
find_rows(struct wtxn *t, uint64_t account, int64_t msgid, bool ours,
    int64_t now_s, struct sent_row *rows, size_t *n)
{
	sqlite3_stmt *s;
	int err;

	*n = 0;
	if ((err = db_query(t->db, &s, "SELECT m.mailbox, m.body, m.flags,"
	    " m.uid, m.size FROM sent_copy c JOIN msg m"
	    " ON m.mailbox = c.mailbox AND m.uid = c.uid"
	    " WHERE c.account = ? AND c.msgid = ? AND c.is_ours = ?"
	    " AND c.at > ? LIMIT ?", A_INT(account), A_INT(msgid),
	    A_INT(ours), A_INT(now_s - SENT_S), A_INT(SENT_ROWS_MAX))) < 0)
		return err;
	while ((err = db_step(t->db, s)) > 0)
		rows[(*n)++] = (struct sent_row){ db_u64(s, 0), db_u64(s, 1),
		    db_u64(s, 2), db_u32(s, 3), db_u32(s, 4) };
	return err;
}

/* The first with the spool's text; ERR_NOTFOUND: none. */
static int
find_same(struct wtxn *t, uint64_t account, const struct spool *s, bool ours,
    int64_t now_s, struct sent_row *found)
{
	struct sent_text mine = text_of_spool(s), other;
	struct sent_row rows[SENT_ROWS_MAX];
	struct arena a = { 0 };
	size_t n;
	int err, same = 0;

	if (!s->digest->envelope.has_message_id)
		return ERR_NOTFOUND;
	err = find_rows(t, account, msgid_hash(t,
	    s->digest->envelope.message_id), ours, now_s, rows, &n);
	for (size_t i = 0; err == 0 && i < n && same == 0; i++) {
		err = text_of_body(t->db, &a, rows[i].body, &other);
		if (err == 0)
			same = is_same_text(t->db, &mine, &other);
		if (err == ERR_NOTFOUND)
			err = 0;
		if (same == 1)
			*found = rows[i];
	}
	arena_release(&a);
	if (err < 0 || same < 0)
		return err < 0 ? err : same;
	return same ? 0 : ERR_NOTFOUND;
}

static int
note_copy(struct wtxn *t, uint64_t account, const struct spool *s,
    uint64_t mailbox, uint32_t uid, bool ours, int64_t now_s)
{
	if (!s->digest->envelope.has_message_id)
		return 0;
	return db_run(t->db, "INSERT OR REPLACE INTO sent_copy(account,"
	    " msgid, mailbox, uid, is_ours, at) VALUES (?, ?, ?, ?, ?, ?)",
	    A_INT(account),
	    A_INT(msgid_hash(t, s->digest->envelope.message_id)),
	    A_INT(mailbox), A_INT(uid), A_INT(ours), A_INT(now_s));
}

/* ---- ours ---- */

/* The mailbox for it; ERR_NOTFOUND: none is to be made. */
static int
find_sent(struct wtxn *t, uint64_t account, struct mailbox_row *box)
{
	int64_t id;
	int err = db_get(t->db, &id, "SELECT m.id FROM account a"
	    " JOIN mailbox m ON m.account = a.id WHERE a.id = ?"
	    " AND a.file_sent AND a.state < 2 AND m.special_use = ?"
	    " AND m.name IS NOT NULL AND NOT m.noselect LIMIT 1",
	    A_INT(account), A_INT(USE_SENT));

	if (err < 0)
		return err;
	return mailbox_access(t->db, 0, (uint64_t)id, RIGHT_INSERT, box);
}

int
sent_plan(struct wtxn *t, const struct wreq_deliver *r, struct sent_plan *p)
{
	struct sent_row row;
	int err;

	p->is_wanted = false;
	if (!r->sent_account)
		return 0;
	err = find_sent(t, r->sent_account, &p->box);
	/* The message goes out whether or not there is room for a copy. */
	if (err == 0 && (err = account_check(t, r->sent_account, 0, 1)) == 0)
		err = find_same(t, r->sent_account, r->spool, false,
		    r->w.now_s, &row);
	else if (err == ERR_QUOTA || err == ERR_NOTFOUND)
		return 0;
	p->is_wanted = err == ERR_NOTFOUND;
	return err == ERR_NOTFOUND ? 0 : err;
}

int
sent_file(struct wtxn *t, const struct wreq_deliver *r, struct sent_plan *p,
    uint64_t content)
{
	struct mailbox_row box;
	struct message m = {
		.row.flags = FLAG_SEEN,
		.row.size = (uint32_t)(r->sent_prefix_len +
		    shown_size(r->spool->digest)),
		.row.internaldate_s = r->internaldate_s,
		.savedate_s = r->w.now_s
	};
	int err;

	/* A recipient's copy may have changed it since: one writes oneself. */
	if ((err = mailbox_access(t->db, 0, p->box.id, RIGHT_INSERT,
	    &box)) < 0 ||
	    (err = thread_of(t, r->sent_account, r->spool->digest,
	    r->w.now_s, &m.thread)) < 0)
		return err;
	m.row.body = wtxn_id(t);
	if ((err = body_put(t->db, m.row.body, content, 1,
	    span_make(r->sent_prefix, r->sent_prefix_len))) < 0 ||
	    (err = message_put(t, &box, &m, 0)) < 0 ||
	    (err = mailbox_save(t, &box)) < 0 ||
	    (err = note_copy(t, r->sent_account, r->spool, box.id, m.row.uid,
	    true, r->w.now_s)) < 0)
		return err;
	return account_charge(t, r->sent_account, m.row.size, 1);
}

/* ---- theirs ---- */

static int
take_out(struct wtxn *t, const struct sent_row *row, int64_t now_s)
{
	struct uidset uids = { 0 };
	struct mailbox_row box;
	struct change *c;
	int err;

	if ((err = mailbox_access(t->db, 0, row->mailbox, RIGHT_EXPUNGE,
	    &box)) < 0)
		return err;
	uidset_add(&uids, row->uid, row->uid);
	/* Not for undelete: what it was is there. */
	err = message_remove(t, &box, &uids, FATE_MOVED, now_s);
	mailbox_count_out(&box, row->flags, row->size);
	if (err == 0 && (err = body_unref(t->db, row->body, now_s)) == 0 &&
	    (err = mailbox_save(t, &box)) == 0 &&
	    (err = account_charge(t, box.account, -(int64_t)row->size,
	    -1)) == 0) {
		c = changeset_add(t->changes, CHANGE_EXPUNGE, box.account,
		    box.id);
		c->modseq = wtxn_modseq(t);
		uidset_copy(&c->uids, &uids);
	}
	uidset_release(&uids);
	return err;
}

int
sent_appended(struct wtxn *t, uint64_t account, uint64_t mailbox,
    uint32_t uid, const struct spool *s, int64_t now_s)
{
	struct sent_row row;
	int err = find_same(t, account, s, true, now_s, &row);

	if (err == ERR_NOTFOUND)
		return note_copy(t, account, s, mailbox, uid, false, now_s);
	if (err < 0)
		return err;
	return take_out(t, &row, now_s);
}

int
sent_purge(struct wtxn *t, int64_t now_s)
{
	int err = db_run(t->db, "DELETE FROM sent_copy WHERE at <= ?",
	    A_INT(now_s - SENT_S));

	if (err < 0)
		return err;
	return db_run(t->db, "DELETE FROM send_count WHERE day < ?",
	    A_INT(now_s / DAY_S - 1));
}

/* ---- caps ---- */

/* A keyed hash: it has to be the same in every run of this store. */
static int64_t
rcpt_hash(const struct wtxn *t, const char *address)
{
	struct buf key = BUF_INIT;
	int64_t h;

	for (; *address; address++)
		buf_addc(&key, (char)ascii_lower((unsigned char)*address));
	h = (int64_t)hash64(&t->store->thread_key, key.p, key.len);
	buf_release(&key);
	return h;
}

static int
count_new(struct wtxn *t, uint64_t account, const struct queue_new *q,
    int64_t *n)
{
	int err;

	*n = 0;
	for (size_t i = 0; i < q->rcpt_count; i++) {
		if ((err = db_run(t->db, "INSERT INTO send_known(account,"
		    " rcpt) VALUES (?, ?) ON CONFLICT DO NOTHING",
		    A_INT(account),
		    A_INT(rcpt_hash(t, q->rcpts[i].address)))) < 0)
			return err;
		*n += sqlite3_changes(t->db->h);
	}
	return 0;
}

/* Adds to the day's numbers; ERR_LIMIT: above what is allowed. */
int
send_charge(struct wtxn *t, struct wreq_deliver *r)
{
	const struct send_caps *c = &r->caps;
	int64_t new_rcpts, day = r->w.now_s / DAY_S;
	bool over_messages, over_new;
	sqlite3_stmt *s;
	int err;

	r->is_new_rcpts_r = false;
	/* What stays here costs nobody anything. */
	if (!c->account || !r->queue)
		return 0;
	if ((err = count_new(t, c->account, r->queue, &new_rcpts)) < 0 ||
	    (err = db_run(t->db, "INSERT INTO send_count(account, day,"
	    " messages, new_rcpts) VALUES (?1, ?2, 1, ?3) ON CONFLICT"
	    " DO UPDATE SET messages = messages + 1,"
	    " new_rcpts = new_rcpts + ?3", A_INT(c->account), A_INT(day),
	    A_INT(new_rcpts))) < 0 ||
	    (err = db_query(t->db, &s, "SELECT"
	    " c.messages > ifnull(a.cap_messages_day, nullif(?3, 0)),"
	    " c.new_rcpts > ifnull(a.cap_new_rcpt_day, nullif(?4, 0))"
	    " FROM send_count c LEFT JOIN account a ON a.id = c.account"
	    " WHERE c.account = ?1 AND c.day = ?2", A_INT(c->account),
	    A_INT(day), A_INT(c->messages), A_INT(c->new_rcpts))) < 0)
		return err;
	if ((err = db_step(t->db, s)) <= 0)
		return err < 0 ? err : ERR_STORE;
	over_messages = db_i64(s, 0) != 0;
	over_new = new_rcpts > 0 && db_i64(s, 1) != 0;
	db_done(s);
	r->is_new_rcpts_r = over_new && !over_messages;
	return over_messages || over_new ? ERR_LIMIT : 0;
}
