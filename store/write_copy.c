/*
 * COPY and MOVE. The rows are read first and written then: a copy into its
 * own mailbox must not find what it has just put there.
 */
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/body.h"
#include "store/message_priv.h"
#include "store/seen_priv.h"

static void
copy_free(struct op *op)
{
	struct wreq_copy *r = (struct wreq_copy *)op;

	uidset_release(&r->uids);
	uidset_release(&r->source_r);
	uidset_release(&r->target_r);
	free(r);
}

struct wreq_copy *
wreq_copy_new(struct env *env, struct session *s)
{
	struct wreq_copy *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_COPY, env, s, copy_free);
	return r;
}

struct rows {
	struct message *v;
	size_t n, cap;
	uint64_t bytes;
};

static void
add_row(struct rows *rows, sqlite3_stmt *s)
{
	if (rows->n == rows->cap) {
		rows->cap = rows->cap ? rows->cap * 2 : 64;
		rows->v = xreallocarray(rows->v, rows->cap, sizeof *rows->v);
	}
	rows->v[rows->n++] = (struct message){
		.row = {
			.uid = db_u32(s, 0),
			.flags = db_u64(s, 1),
			.body = db_u64(s, 2),
			.size = db_u32(s, 3),
			.internaldate_s = db_i64(s, 4)
		},
		.thread = db_u64(s, 5)
	};
	rows->bytes += db_u32(s, 3);
}

/* The messages that are there, by rising UID. */
static int
read_rows(struct wtxn *t, uint64_t mailbox, const struct uidset *uids,
    struct rows *rows)
{
	sqlite3_stmt *s;
	int err;

	for (size_t i = 0; i < uids->n; i++) {
		if ((err = db_query(t->db, &s, "SELECT uid, flags, body,"
		    " size, internaldate, thread FROM msg WHERE mailbox = ?"
		    " AND uid BETWEEN ? AND ? ORDER BY uid", A_INT(mailbox),
		    A_INT(uids->v[i].lo), A_INT(uids->v[i].hi))) < 0)
			return err;
		while ((err = db_step(t->db, s)) > 0)
			add_row(rows, s);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Takes moved rows out of their mailbox and tells of it. */
static int
remove_sources(struct wtxn *t, struct message_copy *c,
    const struct rows *rows)
{
	struct change *news;
	int err;

	for (size_t i = 0; i < rows->n; i++)
		mailbox_count_out(c->from, c->old_flags[i],
		    rows->v[i].row.size);
	if ((err = message_remove(t, c->from, &c->source, FATE_MOVED,
	    c->now_s)) < 0)
		return err;
	news = changeset_add(t->changes, CHANGE_EXPUNGE, c->from->account,
	    c->from->id);
	news->modseq = wtxn_modseq(t);
	news->origin = c->origin;
	uidset_copy(&news->uids, &c->source);
	return 0;
}

/* \Seen on its way: it is the actor's, wherever it is kept. */
struct carried {
	uint64_t from, to;	/* whose in the mailbox, as seen_reader has it */
	struct uidset read;	/* in the source, if from */
	struct uidset arrived;	/* in the target, if to */
	bool is_seen;		/* the message at hand is for arrived */
};

static int
carry_begin(struct wtxn *t, const struct message_copy *c,
    const struct rows *rows, struct carried *s)
{
	*s = (struct carried){ .from = seen_reader(c->actor, c->from),
	    .to = seen_reader(c->actor, c->to) };
	return s->from ? seen_read(t->db, c->from->id, s->from,
	    rows->v[0].row.uid, rows->v[rows->n - 1].row.uid, &s->read) : 0;
}

/* Makes the flags of a row those that it has in the target. */
static void
carry_flags(const struct message_copy *c, struct carried *s,
    struct msgrow *row)
{
	const uint64_t seen = FLAG_SEEN;

	if (s->from)
		row->flags = (row->flags & ~seen) |
		    (uidset_has(&s->read, row->uid) ? seen : 0);
	/* RFC 4314 section 4: what one may not set is left behind. */
	row->flags &= flags_allowed(c->to->rights);
	s->is_seen = s->to && (row->flags & seen);
	if (s->to)
		row->flags &= ~seen;
}

static int
put_target(struct wtxn *t, struct message_copy *c, struct keyword_map *map,
    struct carried *s, struct message *m)
{
	int err;

	carry_flags(c, s, &m->row);
	m->savedate_s = c->now_s;
	if ((err = keyword_map_flags(t, map, c->from, c->to,
	    &m->row.flags)) < 0 ||
	    (!c->move && (err = body_ref(t->db, m->row.body)) < 0) ||
	    (err = message_put(t, c->to, m, c->origin)) < 0)
		return err;
	uidset_add(&c->target, m->row.uid, m->row.uid);
	if (s->is_seen)
		uidset_add(&s->arrived, m->row.uid, m->row.uid);
	return 0;
}

static int
put_targets(struct wtxn *t, struct message_copy *c, struct rows *rows)
{
	struct keyword_map map = { .same = c->from->id == c->to->id };
	struct carried seen;
	int err = carry_begin(t, c, rows, &seen);

	for (size_t i = 0; i < rows->n && err == 0; i++) {
		struct message *m = &rows->v[i];

		c->old_flags[i] = m->row.flags;
		uidset_add(&c->source, m->row.uid, m->row.uid);
		err = put_target(t, c, &map, &seen, m);
	}
	if (err == 0)
		err = seen_arrived(t, c->to, seen.to, c->origin,
		    &seen.arrived);
	uidset_release(&seen.read);
	uidset_release(&seen.arrived);
	return err < 0 || !c->move ? err : remove_sources(t, c, rows);
}

/* What changed hands between accounts. */
static int
charge(struct wtxn *t, const struct message_copy *c, const struct rows *rows)
{
	int64_t bytes = (int64_t)rows->bytes, n = (int64_t)rows->n;
	int err;

	if (c->move && c->from->account == c->to->account)
		return 0;
	if (c->move && (err = account_charge(t, c->from->account, -bytes,
	    -n)) < 0)
		return err;
	return account_charge(t, c->to->account, bytes, n);
}

int
message_copy(struct wtxn *t, struct message_copy *c,
    const struct uidset *uids)
{
	struct rows rows = { 0 };
	int err;

	if ((err = read_rows(t, c->from->id, uids, &rows)) < 0 ||
	    rows.n == 0)
		goto out;
	if ((!c->move || c->from->account != c->to->account) &&
	    (err = account_check(t, c->to->account, rows.bytes,
	    rows.n)) < 0)
		goto out;
	c->old_flags = xcalloc(rows.n, sizeof *c->old_flags);
	if ((err = put_targets(t, c, &rows)) < 0 ||
	    (err = charge(t, c, &rows)) < 0 ||
	    (err = mailbox_save(t, c->to)) < 0)
		goto out;
	if (c->move && c->from != c->to)
		err = mailbox_save(t, c->from);
out:
	free(c->old_flags);
	c->old_flags = NULL;
	free(rows.v);
	return err;
}

void
message_copy_release(struct message_copy *c)
{
	uidset_release(&c->source);
	uidset_release(&c->target);
}

/* A move frees in the end what it takes. */
bool
copy_grows(const struct wreq *w)
{
	return !((const struct wreq_copy *)w)->move;
}

int
apply_copy(struct wtxn *t, struct wreq *w)
{
	struct wreq_copy *r = (struct wreq_copy *)w;
	struct mailbox_row from, to;
	struct message_copy c = { .from = &from, .to = &to,
	    .actor = w->actor, .move = r->move,
	    .origin = w->origin, .now_s = w->now_s };
	int err;

	uidset_clear(&r->source_r);
	uidset_clear(&r->target_r);
	if ((err = mailbox_access(t->db, w->actor, r->mailbox, r->move ?
	    RIGHT_READ | RIGHT_EXPUNGE | RIGHT_DELETE_MSG : RIGHT_READ,
	    &from)) < 0 ||
	    (err = mailbox_access(t->db, w->actor, r->target, RIGHT_INSERT,
	    &to)) < 0)
		return err;
	if (from.id == to.id)
		c.to = &from;
	r->uidvalidity_r = to.uidvalidity;
	if ((err = message_copy(t, &c, &r->uids)) == 0) {
		uidset_copy(&r->source_r, &c.source);
		uidset_copy(&r->target_r, &c.target);
	}
	message_copy_release(&c);
	return err;
}
