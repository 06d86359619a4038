#include "store/metadata.h"

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/message_priv.h"
#include "store/metadata_priv.h"
#include "store/quota_priv.h"

/* ---- names ---- */

static bool
is_entry_char(unsigned char c)
{
	return c > 0x19 && c < 0x7f && c != '*' && c != '%';
}

/* Components of a name that is well formed; 0 where it is not. */
static size_t
count_components(struct span entry)
{
	size_t n = 0;

	if (entry.len < 2 || entry.p[0] != '/' ||
	    entry.p[entry.len - 1] == '/')
		return 0;
	for (size_t i = 0; i < entry.len; i++) {
		if (!is_entry_char((unsigned char)entry.p[i]))
			return 0;
		if (entry.p[i] != '/')
			continue;
		if (entry.p[i + 1] == '/')
			return 0;
		n++;
	}
	return n;
}

/* Whether the entry is scope, "/shared", or below it. */
static bool
is_in(struct span entry, const char *scope)
{
	struct span s = span_of(scope);

	return span_ieq(span_head(entry, s.len), s) &&
	    (entry.len == s.len || entry.p[s.len] == '/');
}

bool
metadata_is_shared(struct span entry)
{
	return is_in(entry, "/shared");
}

int
metadata_entry_check(struct span entry, bool to_set)
{
	size_t n = count_components(entry);
	bool is_vendor = is_in(entry, "/shared/vendor") ||
	    is_in(entry, "/private/vendor");

	if (entry.len > METADATA_ENTRY_MAX || n == 0 ||
	    (!metadata_is_shared(entry) && !is_in(entry, "/private")))
		return ERR_BADNAME;
	/* RFC 5464 section 3.2: two components, or four below vendor. */
	return to_set && n < (is_vendor ? 4u : 2u) ? ERR_BADNAME : 0;
}

/* ---- rights ---- */

int
metadata_access(struct db *db, uint64_t actor, uint64_t mailbox,
    struct span name, struct mailbox_row *row)
{
	const unsigned any = RIGHT_READ | RIGHT_SEEN | RIGHT_WRITE |
	    RIGHT_INSERT | RIGHT_POST;
	int err = mailbox ? mailbox_access(db, actor, mailbox, RIGHT_LOOKUP,
	    row) : mailbox_access_name(db, actor, name, RIGHT_LOOKUP, row);

	if (err < 0)
		return err;
	return row->rights & any ? 0 : ERR_DENIED;
}

/* What takes more than the right to see the entry. */
static int
may_set(struct wtxn *t, const struct wreq_metadata *r,
    const struct mailbox_row *box, const char *entry)
{
	bool is_admin;
	int err;

	if (!metadata_is_shared(span_of(entry)))
		return 0;
	if (r->name)
		return box->rights & RIGHT_WRITE ? 0 : ERR_DENIED;
	if (span_iis(span_of(entry), METADATA_ADMIN))
		return ERR_DENIED;
	if ((err = account_is_admin(t->db, r->w.actor, &is_admin)) < 0)
		return err;
	return is_admin ? 0 : ERR_DENIED;
}

/* ---- the request ---- */

static void
metadata_free(struct op *op)
{
	struct wreq_metadata *r = (struct wreq_metadata *)op;

	for (size_t i = 0; i < r->item_count; i++) {
		free(r->items[i].entry);
		free(r->items[i].value);
	}
	free(r->items);
	free(r->name);
	free(r);
}

struct wreq_metadata *
wreq_metadata_new(struct env *env, struct session *s)
{
	struct wreq_metadata *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_METADATA, env, s, metadata_free);
	return r;
}

/* Who listens for shared entries hears of it; of a private one its owner. */
static void
tell(struct wtxn *t, const struct wreq_metadata *r,
    const struct mailbox_row *box, uint64_t reader, const char *entry)
{
	struct arena *a = &t->changes->arena;
	struct change *c = changeset_add(t->changes, CHANGE_METADATA,
	    r->name ? box->account : reader, r->name ? box->id : 0);

	c->modseq = wtxn_modseq(t);
	c->origin = r->w.origin;
	c->reader = reader;
	c->entry = arena_str(a, span_of(entry));
	if (r->name)
		c->name = arena_str(a, span_of(box->name));
}

static int
set_one(struct wtxn *t, const struct wreq_metadata *r,
    const struct mailbox_row *box, const struct metadata_item *m)
{
	bool is_shared = metadata_is_shared(span_of(m->entry));
	uint64_t reader = is_shared ? 0 : r->w.actor;
	int err;

	if (!m->remove && m->value_len > METADATA_VALUE_MAX)
		return ERR_RANGE;
	if ((err = may_set(t, r, box, m->entry)) < 0)
		return err;
	err = m->remove ? db_run(t->db, "DELETE FROM metadata"
	    " WHERE mailbox = ? AND account = ? AND entry = ?",
	    A_INT(box->id), A_INT(reader), A_STR(m->entry)) :
	    db_run(t->db, "INSERT INTO metadata(mailbox, account, entry,"
	    " value) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value ="
	    " excluded.value WHERE value <> excluded.value", A_INT(box->id),
	    A_INT(reader), A_STR(m->entry),
	    A_BLOB(m->value_len ? m->value : "", m->value_len));
	if (err == 0 && sqlite3_changes(t->db->h) > 0)
		tell(t, r, box, reader, m->entry);
	return err;
}

/* Looked at when all are set: some may have gone for others to come. */
static int
check_room(struct wtxn *t, const struct wreq_metadata *r,
    const struct mailbox_row *box)
{
	int64_t n;
	int err;

	if ((err = db_get(t->db, &n, "SELECT max(sum(account = 0),"
	    " sum(account <> 0)) FROM metadata WHERE mailbox = ?"
	    " AND account IN (0, ?)", A_INT(box->id),
	    A_INT(r->w.actor))) < 0)
		return err;
	return n <= METADATA_ENTRIES_MAX ? 0 : ERR_LIMIT;
}

int
apply_metadata(struct wtxn *t, struct wreq *w)
{
	const struct wreq_metadata *r = (const struct wreq_metadata *)w;
	size_t mark = changeset_mark(t->changes);
	struct mailbox_row box = { 0 };
	int err;

	if (r->name && (err = metadata_access(t->db, w->actor, 0,
	    span_of(r->name), &box)) < 0)
		return err;
	for (size_t i = 0; i < r->item_count; i++)
		if ((err = set_one(t, r, &box, &r->items[i])) < 0)
			return err;
	if (changeset_mark(t->changes) == mark)
		return 0;
	if ((err = check_room(t, r, &box)) < 0 || !r->name)
		return err;
	return db_run(t->db, "UPDATE mailbox SET modseq = ? WHERE id = ?",
	    A_INT(wtxn_modseq(t)), A_INT(box.id));
}

int
metadata_copy(struct wtxn *t, uint64_t from, uint64_t to)
{
	return db_run(t->db, "INSERT OR REPLACE INTO metadata(mailbox,"
	    " account, entry, value) SELECT ?, account, entry, value"
	    " FROM metadata WHERE mailbox = ?", A_INT(to), A_INT(from));
}
