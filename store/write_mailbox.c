/*
 * Mailboxes by name. Every name has its parents: a level that was deleted
 * while it had children stays as a noselect row, and goes with the last of
 * them.
 */
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/acl_priv.h"
#include "store/message_priv.h"
#include "store/metadata_priv.h"

/* Names subscribed to need not exist, but they need room. */
#define SUBSCRIPTIONS_MAX (2 * MAILBOXES_MAX)

static void
mailbox_free(struct op *op)
{
	struct wreq_mailbox *r = (struct wreq_mailbox *)op;

	free(r->name);
	free(r->new_name);
	free(r);
}

struct wreq_mailbox *
wreq_mailbox_new(struct env *env, struct session *s)
{
	struct wreq_mailbox *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_MAILBOX, env, s, mailbox_free);
	return r;
}

/* ---- names ---- */

static bool
is_inbox(const char *name)
{
	return strcmp(name, "INBOX") == 0;
}

/* Whether name is a level below parent. */
static bool
is_below(const char *name, const char *parent)
{
	size_t n = strlen(parent);

	return strncmp(name, parent, n) == 0 && name[n] == '/';
}

/* The name without its last level; empty at the top. */
static struct span
parent_of(struct span name)
{
	const char *slash = name.len ? memrchr(name.p, '/', name.len) : NULL;

	return span_head(name, slash ? (size_t)(slash - name.p) : 0);
}

static int
has_children(struct wtxn *t, uint64_t account, struct span name, bool *has)
{
	int64_t n;
	/* '0' is what comes after '/': a range finds name/anything. */
	int err = db_get(t->db, &n, "SELECT 1 FROM mailbox WHERE account = ?1"
	    " AND name > ?2 || '/' AND name < ?2 || '0' LIMIT 1",
	    A_INT(account), A_SPAN(name));

	*has = err == 0;
	return err == ERR_NOTFOUND ? 0 : err;
}

static void
tell(struct wtxn *t, enum change_kind kind, const struct mailbox_row *box)
{
	struct change *c = changeset_add(t->changes, kind, box->account,
	    box->id);

	c->modseq = wtxn_modseq(t);
	c->name = arena_str(&t->changes->arena, span_of(box->name));
}

/* ---- CREATE ---- */

static int
check_room(struct wtxn *t, uint64_t account)
{
	int64_t n;
	int err;

	if ((err = db_get(t->db, &n, "SELECT count(*) FROM mailbox"
	    " WHERE account = ? AND name IS NOT NULL", A_INT(account))) < 0)
		return err;
	return n < MAILBOXES_MAX ? 0 : ERR_LIMIT;
}

/* A name in an account's tree, as the server sees it. */
static int
find_level(struct wtxn *t, uint64_t account, struct span name,
    struct mailbox_row *box)
{
	struct mailbox_place place = { account, name };

	return mailbox_access_place(t->db, 0, &place, RIGHT_LOOKUP, box);
}

/* RFC 4314 section 4: a new mailbox has the list of the one above it. */
static int
inherit_acl(struct wtxn *t, uint64_t account, struct span name,
    uint64_t mailbox)
{
	struct mailbox_row parent;
	int err = find_level(t, account, parent_of(name), &parent);

	if (err == ERR_NOMBOX)
		return 0;
	return err < 0 ? err : acl_copy(t, parent.id, mailbox);
}

/* Makes one level, or makes a noselect one a mailbox. */
static int
make_level(struct wtxn *t, uint64_t account, struct span name,
    enum special_use use, int64_t now_s, uint64_t *mailbox)
{
	struct mailbox_row box;
	int err = find_level(t, account, name, &box);

	if (err == ERR_NOMBOX) {
		if ((err = check_room(t, account)) < 0 ||
		    (err = mailbox_make(t, account, name, use, false, now_s,
		    mailbox)) < 0)
			return err;
		return inherit_acl(t, account, name, *mailbox);
	}
	if (err < 0)
		return err;
	if (!box.noselect)
		return ERR_EXISTS;
	/* Nothing was ever in it, so it may keep its ids. */
	if ((err = db_run(t->db, "UPDATE mailbox SET noselect = 0,"
	    " special_use = ?, modseq = ? WHERE id = ?", A_INT(use),
	    A_INT(wtxn_modseq(t)), A_INT(box.id))) < 0)
		return err;
	tell(t, CHANGE_MAILBOX_CREATED, &box);
	*mailbox = box.id;
	return 0;
}

/* RFC 9051 section 6.3.4: missing levels above are made as well. */
static int
make_parents(struct wtxn *t, uint64_t account, struct span name,
    int64_t now_s)
{
	struct mailbox_row box;
	uint64_t id;
	int err;

	for (size_t i = 1; i < name.len; i++) {
		if (name.p[i] != '/')
			continue;
		err = find_level(t, account, span_head(name, i), &box);
		if (err == ERR_NOMBOX)
			err = make_level(t, account, span_head(name, i),
			    USE_NONE, now_s, &id);
		if (err < 0)
			return err;
	}
	return 0;
}

static int
is_use_taken(struct wtxn *t, uint64_t account, enum special_use use,
    bool *taken)
{
	int64_t n;
	int err;

	*taken = false;
	if (use == USE_NONE)
		return 0;
	err = db_get(t->db, &n, "SELECT 1 FROM mailbox WHERE account = ?"
	    " AND name IS NOT NULL AND special_use = ? LIMIT 1",
	    A_INT(account), A_INT(use));
	*taken = err == 0;
	return err == ERR_NOTFOUND ? 0 : err;
}

/*
 * The place of a new mailbox. RFC 4314 section 4: in another's tree it takes
 * the right to create on the nearest level that exists. Whoever may not gets
 * one answer, whatever there is.
 */
static int
new_place(struct wtxn *t, uint64_t actor, struct span name,
    struct mailbox_place *place)
{
	struct mailbox_row parent;
	struct span up;
	int err = mailbox_place(t->db, actor, name, place);

	if (err == ERR_NOMBOX)
		return ERR_DENIED;
	if (err < 0)
		return err;
	if (place->account != actor) {
		err = ERR_NOMBOX;
		for (up = parent_of(place->name); err == ERR_NOMBOX &&
		    up.len > 0; up = parent_of(up))
			err = find_level(t, place->account, up, &parent);
		if (err == ERR_NOMBOX)
			return ERR_DENIED;
		if (err < 0)
			return err;
		if (!(mailbox_rights(t->db, actor, parent.id,
		    parent.account) & RIGHT_CREATE))
			return ERR_DENIED;
	}
	return mailbox_name_check(place->name);
}

static int
mailbox_create(struct wtxn *t, struct wreq_mailbox *r)
{
	struct mailbox_place at;
	bool taken;
	int err;

	if ((err = new_place(t, r->w.actor, span_of(r->name), &at)) < 0 ||
	    (err = is_use_taken(t, at.account, r->use, &taken)) < 0)
		return err;
	/* What an account uses a mailbox for is its own affair. */
	if (taken || (r->use != USE_NONE && at.account != r->w.actor))
		return ERR_INUSE;
	if ((err = make_parents(t, at.account, at.name, r->w.now_s)) < 0)
		return err;
	return make_level(t, at.account, at.name, r->use, r->w.now_s,
	    &r->mailbox_r);
}

/* ---- DELETE ---- */

/* Takes away a row that never held a message. */
static int
drop_noselect(struct wtxn *t, const struct mailbox_row *box)
{
	int err;

	if ((err = db_run(t->db, "DELETE FROM metadata WHERE mailbox = ?",
	    A_INT(box->id))) < 0 ||
	    (err = db_run(t->db, "DELETE FROM acl WHERE mailbox = ?",
	    A_INT(box->id))) < 0)
		return err;
	err = db_run(t->db, "DELETE FROM mailbox WHERE id = ?",
	    A_INT(box->id));
	if (err == 0)
		tell(t, CHANGE_MAILBOX_DELETED, box);
	return err;
}

/* Noselect levels above name go if they have nothing below any more. */
static int
prune_parents(struct wtxn *t, uint64_t account, struct span name)
{
	struct mailbox_row box;
	bool has;
	int err;

	while ((name = parent_of(name)).len > 0) {
		err = find_level(t, account, name, &box);
		if (err < 0)
			return err == ERR_NOMBOX ? 0 : err;
		if (!box.noselect)
			return 0;
		if ((err = has_children(t, account, name, &has)) < 0 || has)
			return err;
		if ((err = drop_noselect(t, &box)) < 0)
			return err;
	}
	return 0;
}

/* The name is free at once; purge takes the rest. */
static int
drop_mailbox(struct wtxn *t, const struct mailbox_row *box, int64_t now_s)
{
	int err;

	if ((err = db_run(t->db, "UPDATE mailbox SET name = NULL,"
	    " dropped = ?, modseq = ? WHERE id = ?", A_INT(now_s),
	    A_INT(wtxn_modseq(t)), A_INT(box->id))) < 0 ||
	    (err = account_charge(t, box->account, -(int64_t)box->bytes,
	    -(int64_t)box->messages)) < 0)
		return err;
	tell(t, CHANGE_MAILBOX_DELETED, box);
	return 0;
}

/* The name stays for what is below it, to be seen by who saw it before. */
static int
leave_name(struct wtxn *t, const struct mailbox_row *box, int64_t now_s)
{
	uint64_t id;
	int err = mailbox_make(t, box->account, span_of(box->name), USE_NONE,
	    true, now_s, &id);

	return err < 0 ? err : acl_copy(t, box->id, id);
}

static int
mailbox_delete(struct wtxn *t, struct wreq_mailbox *r)
{
	struct mailbox_row box;
	bool has;
	int err;

	if ((err = mailbox_access_name(t->db, r->w.actor, span_of(r->name),
	    RIGHT_DELETE, &box)) < 0 ||
	    (err = has_children(t, box.account, span_of(box.name),
	    &has)) < 0)
		return err;
	/* RFC 9051 section 6.3.5: INBOX cannot be deleted. */
	if (is_inbox(box.name))
		return ERR_DENIED;
	r->mailbox_r = box.id;
	if (box.noselect && has)
		return ERR_INUSE;
	err = box.noselect ? drop_noselect(t, &box) :
	    drop_mailbox(t, &box, r->w.now_s);
	if (err < 0)
		return err;
	if (has)
		return leave_name(t, &box, r->w.now_s);
	return prune_parents(t, box.account, span_of(box.name));
}

/* ---- RENAME ---- */

static int
rename_one(struct wtxn *t, struct mailbox_row *box, struct span new_name)
{
	struct change *c;
	int err;

	/* A level below may become too long or too deep. */
	if ((err = mailbox_name_check(new_name)) < 0 ||
	    (err = db_run(t->db, "UPDATE mailbox SET name = ?, modseq = ?"
	    " WHERE id = ?", A_SPAN(new_name), A_INT(wtxn_modseq(t)),
	    A_INT(box->id))) < 0)
		return err;
	c = changeset_add(t->changes, CHANGE_MAILBOX_RENAMED, box->account,
	    box->id);
	c->modseq = wtxn_modseq(t);
	c->old_name = arena_str(&t->changes->arena, span_of(box->name));
	c->name = arena_str(&t->changes->arena, new_name);
	return 0;
}

/* All levels below old come along, each found by the name it still has. */
static int
rename_children(struct wtxn *t, uint64_t account, const char *old,
    const char *new_name)
{
	struct buf name = BUF_INIT;
	struct mailbox_row box;
	sqlite3_stmt *s;
	uint64_t id;
	int err;

	for (;;) {
		if ((err = db_query(t->db, &s, "SELECT id FROM mailbox"
		    " WHERE account = ?1 AND name > ?2 || '/'"
		    " AND name < ?2 || '0' LIMIT 1", A_INT(account),
		    A_STR(old))) < 0 || (err = db_step(t->db, s)) <= 0)
			break;
		id = db_u64(s, 0);
		db_done(s);
		/* They come along, whoever may do what with them. */
		if ((err = mailbox_access(t->db, 0, id, RIGHT_LOOKUP,
		    &box)) < 0)
			break;
		buf_clear(&name);
		buf_adds(&name, new_name);
		buf_adds(&name, box.name + strlen(old));
		if ((err = rename_one(t, &box, buf_span(&name))) < 0)
			break;
	}
	buf_release(&name);
	return err;
}

/*
 * RFC 9051 section 6.3.6: renaming INBOX moves its messages to the new name
 * and leaves INBOX; what is below INBOX stays. RFC 5464 section 4.1: both
 * have its annotations then.
 */
static int
rename_inbox(struct wtxn *t, struct wreq_mailbox *r,
    struct mailbox_row *inbox)
{
	struct uidrange everything = { 1, UINT32_MAX };
	struct uidset all = { .v = &everything, .n = 1 };
	struct mailbox_row to;
	struct message_copy c = { .from = inbox, .to = &to,
	    .actor = r->w.actor, .move = true,
	    .origin = r->w.origin, .now_s = r->w.now_s };
	int err;

	if ((err = make_level(t, r->w.actor, span_of(r->new_name), USE_NONE,
	    r->w.now_s, &r->mailbox_r)) < 0 ||
	    (err = mailbox_access(t->db, r->w.actor, r->mailbox_r,
	    RIGHT_INSERT, &to)) < 0 ||
	    (err = metadata_copy(t, inbox->id, to.id)) < 0)
		return err;
	err = message_copy(t, &c, &all);
	message_copy_release(&c);
	return err;
}

/*
 * The new place of box: in the tree where it is, for with the tree its owner
 * would change. Another's INBOX keeps its name.
 */
static int
rename_place(struct wtxn *t, const struct wreq_mailbox *r,
    const struct mailbox_row *box, struct mailbox_place *to)
{
	struct mailbox_row other;
	int err;

	if ((err = new_place(t, r->w.actor, span_of(r->new_name), to)) < 0)
		return err;
	if (to->account != box->account ||
	    (is_inbox(box->name) && box->account != r->w.actor))
		return ERR_DENIED;
	err = find_level(t, to->account, to->name, &other);
	return err == ERR_NOMBOX ? 0 : err < 0 ? err : ERR_EXISTS;
}

static int
mailbox_rename(struct wtxn *t, struct wreq_mailbox *r)
{
	struct mailbox_place to;
	struct mailbox_row box;
	const char *new_name;
	int err;

	if ((err = mailbox_access_name(t->db, r->w.actor, span_of(r->name),
	    RIGHT_DELETE, &box)) < 0 ||
	    (err = rename_place(t, r, &box, &to)) < 0)
		return err;
	new_name = to.name.p;	/* the end of r->new_name */
	/* A mailbox cannot become a level of itself. */
	if (is_below(new_name, box.name) && !is_inbox(box.name))
		return ERR_BADNAME;
	if ((err = make_parents(t, box.account, to.name, r->w.now_s)) < 0)
		return err;
	if (is_inbox(box.name))
		return rename_inbox(t, r, &box);
	r->mailbox_r = box.id;
	if ((err = rename_one(t, &box, to.name)) < 0 ||
	    (err = rename_children(t, box.account, box.name,
	    new_name)) < 0)
		return err;
	return prune_parents(t, box.account, span_of(box.name));
}

/* ---- subscriptions and special uses ---- */

/*
 * Any name of one's own may be subscribed to; those of others are there or
 * not, and what one may not see is not (RFC 4314 section 4). A log-in name is
 * written out, so that LIST finds it.
 */
static int
shared_name(struct wtxn *t, const struct wreq_mailbox *r, struct buf *name)
{
	struct mailbox_place at;
	struct mailbox_row box;
	sqlite3_stmt *s;
	int err;

	if ((err = mailbox_place(t->db, r->w.actor, span_of(r->name),
	    &at)) < 0 || at.account == r->w.actor)
		return err;
	if ((err = mailbox_access_place(t->db, r->w.actor, &at, RIGHT_LOOKUP,
	    &box)) < 0 || (err = db_query(t->db, &s, "SELECT name"
	    " FROM account WHERE id = ?", A_INT(at.account))) < 0)
		return err;
	while ((err = db_step(t->db, s)) > 0) {
		buf_clear(name);
		buf_adds(name, "Users/");
		buf_addspan(name, db_span(s, 0));
		buf_addc(name, '/');
		buf_addspan(name, at.name);
	}
	return err;
}

static int
subscribe_name(struct wtxn *t, struct wreq_mailbox *r, struct span name,
    bool on)
{
	struct change *c;
	int64_t n;
	int err;

	if (on && ((err = db_get(t->db, &n, "SELECT count(*)"
	    " FROM subscription WHERE account = ?", A_INT(r->w.actor))) < 0 ||
	    n >= SUBSCRIPTIONS_MAX))
		return err < 0 ? err : ERR_LIMIT;
	err = on ? db_run(t->db, "INSERT INTO subscription(account, name)"
	    " VALUES (?, ?) ON CONFLICT DO NOTHING", A_INT(r->w.actor),
	    A_SPAN(name)) : db_run(t->db, "DELETE FROM subscription"
	    " WHERE account = ? AND name = ?", A_INT(r->w.actor),
	    A_SPAN(name));
	if (err < 0 || sqlite3_changes(t->db->h) == 0)
		return err;
	c = changeset_add(t->changes, CHANGE_SUBSCRIPTION, r->w.actor, 0);
	c->modseq = wtxn_modseq(t);
	c->on = on;
	c->name = arena_str(&t->changes->arena, name);
	return 0;
}

static int
mailbox_subscribe(struct wtxn *t, struct wreq_mailbox *r, bool on)
{
	struct buf name = BUF_INIT;
	int err;

	buf_adds(&name, r->name);
	err = shared_name(t, r, &name);
	/* A subscription outlives what it names. */
	if (err == 0 || (err == ERR_NOMBOX && !on))
		err = subscribe_name(t, r, buf_span(&name), on);
	buf_release(&name);
	return err;
}

/* RFC 6154: the use goes from whichever mailbox had it to this one. */
static int
mailbox_set_use(struct wtxn *t, struct wreq_mailbox *r)
{
	struct mailbox_row box;
	int err;

	if ((err = mailbox_access_name(t->db, r->w.actor, span_of(r->name),
	    RIGHT_ADMIN, &box)) < 0)
		return err;
	if (box.account != r->w.actor)
		return ERR_DENIED;
	r->mailbox_r = box.id;
	if (r->use != USE_NONE && (err = db_run(t->db, "UPDATE mailbox"
	    " SET special_use = 0, modseq = ? WHERE account = ?"
	    " AND name IS NOT NULL AND special_use = ?",
	    A_INT(wtxn_modseq(t)), A_INT(r->w.actor), A_INT(r->use))) < 0)
		return err;
	if ((err = db_run(t->db, "UPDATE mailbox SET special_use = ?,"
	    " modseq = ? WHERE id = ?", A_INT(r->use), A_INT(wtxn_modseq(t)),
	    A_INT(box.id))) < 0)
		return err;
	tell(t, CHANGE_MAILBOX_META, &box);
	return 0;
}

int
apply_mailbox(struct wtxn *t, struct wreq *w)
{
	struct wreq_mailbox *r = (struct wreq_mailbox *)w;
	int64_t alive;
	int err;

	r->mailbox_r = 0;
	/* The account may have been deleted while this was on its way. */
	if ((err = db_get(t->db, &alive, "SELECT 1 FROM account"
	    " WHERE id = ? AND state < 2", A_INT(w->actor))) < 0)
		return err == ERR_NOTFOUND ? ERR_NOUSER : err;
	switch (r->how) {
	case MAILBOX_CREATE:
		return mailbox_create(t, r);
	case MAILBOX_DELETE:
		return mailbox_delete(t, r);
	case MAILBOX_RENAME:
		return mailbox_rename(t, r);
	case MAILBOX_SUBSCRIBE:
		return mailbox_subscribe(t, r, true);
	case MAILBOX_UNSUBSCRIBE:
		return mailbox_subscribe(t, r, false);
	case MAILBOX_SET_USE:
		return mailbox_set_use(t, r);
	}
	return ERR_RANGE;
}
