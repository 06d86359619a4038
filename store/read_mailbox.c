/*
 * Mailboxes by name: one, and all that an account can see.
 */
#include <stdlib.h>
#include <string.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/quota_priv.h"
#include "store/read_priv.h"
#include "store/seen_priv.h"

/* ---- what both need ---- */

/*
 * How many have a UID that nobody has been shown. The two cases that need no
 * look are by far the most: never selected, and nothing new.
 */
static int
count_recent(struct db *db, uint64_t mailbox, uint32_t recent_uid,
    struct mailbox_info *info)
{
	int64_t n = 0;
	int err;

	info->recent = 0;
	if (recent_uid == 0) {
		info->recent = info->messages;
		return 0;
	}
	if (info->messages == 0 || recent_uid + 1 >= info->uidnext)
		return 0;
	if ((err = db_get(db, &n, "SELECT count(*) FROM msg"
	    " WHERE mailbox = ? AND uid > ?", A_INT(mailbox),
	    A_INT(recent_uid))) < 0)
		return err;
	info->recent = (uint32_t)n;
	return 0;
}

/* To one who is not the owner: nothing is recent, and \Seen is its own. */
static int
count_own(struct db *db, uint64_t actor, struct mailbox_info *info)
{
	uint32_t seen;
	int err = seen_count(db, info->id, actor, &seen);

	info->recent = 0;
	info->unseen = info->messages - MIN(seen, info->messages);
	return err;
}

static bool
has_row(int err)
{
	return err == 0;
}

/* ---- one ---- */

static void
lookup_free(struct op *op)
{
	struct rjob_lookup *l = CONTAINER_OF(op, struct rjob_lookup, j.op);

	free(l->name);
	job_arena_free(l->arena);
	free(l);
}

struct rjob_lookup *
rjob_lookup_new(struct env *env, struct session *s, struct span name,
    unsigned rights)
{
	struct rjob_lookup *l = xcalloc(1, sizeof *l);

	rjob_init(&l->j, RJOB_LOOKUP, env, s, lookup_free);
	l->name = xmalloc(name.len + 1);
	if (name.len)
		memcpy(l->name, name.p, name.len);
	l->name[name.len] = '\0';
	l->rights = rights;
	l->arena = job_arena_new();
	return l;
}

/* A mailbox's use is its owner's; to others it is one like any other. */
static enum special_use
use_for(uint64_t actor, uint64_t owner, enum special_use use)
{
	return actor == owner ? use : USE_NONE;
}

static void
info_of_row(struct mailbox_info *info, const struct mailbox_row *row,
    uint64_t actor, const char *name)
{
	*info = (struct mailbox_info){
		.id = row->id,
		.account = row->account,
		.name = name,
		.noselect = row->noselect,
		.use = use_for(actor, row->account, row->use),
		.rights = row->rights,
		.uidvalidity = row->uidvalidity,
		.uidnext = row->uidnext,
		.modseq = row->modseq,
		.messages = row->messages,
		.unseen = row->unseen,
		.deleted = row->deleted,
		.bytes = row->bytes,
		.deleted_bytes = row->deleted_bytes,
		.created_s = row->created_s
	};
}

/*
 * Whether there are any that the actor sees. Names below start with "name/";
 * '0' is the byte after '/'.
 */
static int
find_children(struct db *db, struct arena *a, uint64_t actor,
    const struct mailbox_row *row, struct mailbox_info *info)
{
	char *from = arena_printf(a, "%s/", row->name);
	char *to = arena_printf(a, "%s0", row->name);
	uint64_t id = 0;
	sqlite3_stmt *s;
	int err;

	do {
		if ((err = db_query(db, &s, "SELECT id FROM mailbox"
		    " WHERE account = ? AND name >= ? AND name < ?"
		    " AND id > ? ORDER BY id LIMIT 1", A_INT(row->account),
		    A_STR(from), A_STR(to), A_INT(id))) < 0 ||
		    (err = db_step(db, s)) <= 0)
			return err;
		id = db_u64(s, 0);
		db_done(s);
		info->has_children = mailbox_rights(db, actor, id,
		    row->account) & RIGHT_LOOKUP;
	} while (!info->has_children);
	return 0;
}

static int
find_subscription(struct db *db, uint64_t actor, struct mailbox_info *info)
{
	int64_t one;
	int err;

	err = db_get(db, &one, "SELECT 1 FROM subscription"
	    " WHERE account = ? AND name = ?", A_INT(actor),
	    A_STR(info->name));
	info->subscribed = has_row(err);
	return err == ERR_NOTFOUND ? 0 : err;
}

int
slice_lookup(struct reader *r, struct rjob *j)
{
	struct rjob_lookup *l = CONTAINER_OF(j, struct rjob_lookup, j);
	struct mailbox_row row;
	int err;

	arena_clear(l->arena);
	if ((err = mailbox_access_name(r->db, j->actor, span_of(l->name),
	    l->rights, &row)) < 0)
		return err;
	info_of_row(&l->info, &row, j->actor, l->name);
	if ((err = find_children(r->db, l->arena, j->actor, &row,
	    &l->info)) < 0 ||
	    (err = find_subscription(r->db, j->actor, &l->info)) < 0 ||
	    ((l->rights & RIGHT_INSERT) && (err = quota_room(r->db,
	    row.account, &l->info.room)) < 0))
		return err;
	if (row.account != j->actor)
		return count_own(r->db, j->actor, &l->info);
	return count_recent(r->db, row.id, row.recent_uid, &l->info);
}

/* ---- all ---- */

static void
list_job_free(struct op *op)
{
	struct rjob_list *l = CONTAINER_OF(op, struct rjob_list, j.op);

	job_arena_free(l->arena);
	free(l);
}

struct rjob_list *
rjob_list_new(struct env *env, struct session *s)
{
	struct rjob_list *l = xcalloc(1, sizeof *l);

	rjob_init(&l->j, RJOB_LIST, env, s, list_job_free);
	l->arena = job_arena_new();
	return l;
}

static int
box_compare(const void *a, const void *b)
{
	const struct mailbox_info *x = a, *y = b;

	return mailbox_name_compare(x->name, y->name);
}

static int
string_compare(const void *a, const void *b)
{
	return mailbox_name_compare(*(const char *const *)a,
	    *(const char *const *)b);
}

/* Growing in an arena: the old array is left behind. */
static void *
grow(struct arena *a, void *old, size_t n, size_t *cap, size_t size)
{
	void *v;

	if (n < *cap)
		return old;
	*cap = *cap ? *cap * 2 : 32;
	v = arena_array(a, *cap, size);
	if (n)
		memcpy(v, old, n * size);
	return v;
}

static int
read_subscriptions(struct db *db, struct rjob_list *l)
{
	sqlite3_stmt *s;
	size_t cap = 0;
	int err;

	if ((err = db_query(db, &s, "SELECT name FROM subscription"
	    " WHERE account = ?", A_INT(l->j.actor))) < 0)
		return err;
	while ((err = db_step(db, s)) > 0) {
		l->subscriptions = grow(l->arena, l->subscriptions,
		    l->subscription_count, &cap, sizeof *l->subscriptions);
		l->subscriptions[l->subscription_count++] =
		    arena_str(l->arena, db_span(s, 0));
	}
	if (l->subscription_count)
		qsort(l->subscriptions, l->subscription_count,
		    sizeof *l->subscriptions, string_compare);
	return err;
}

/* The boxes of a list while it is made. */
struct boxes {
	struct rjob_list *l;
	uint32_t *recent_uids;
	size_t cap, recent_cap;
};

static void
add_box(struct boxes *b, const struct mailbox_info *info,
    uint32_t recent_uid)
{
	struct rjob_list *l = b->l;

	l->boxes = grow(l->arena, l->boxes, l->box_count, &b->cap,
	    sizeof *l->boxes);
	b->recent_uids = grow(l->arena, b->recent_uids, l->box_count,
	    &b->recent_cap, sizeof *b->recent_uids);
	b->recent_uids[l->box_count] = recent_uid;
	l->boxes[l->box_count++] = *info;
}

#define BOX_COLUMNS "m.id, m.account, m.name, m.noselect, m.special_use," \
	" m.uidvalidity, m.uidnext, m.modseq, m.messages, m.unseen," \
	" m.deleted, m.bytes, m.deleted_bytes, m.created, m.recent_uid"

/* Adds what s finds and the actor sees; the last column goes before names. */
static int
read_boxes(struct db *db, struct boxes *b, sqlite3_stmt *s)
{
	uint64_t actor = b->l->j.actor;
	int err;

	while ((err = db_step(db, s)) > 0) {
		struct mailbox_info info = {
			.id = db_u64(s, 0),
			.account = db_u64(s, 1),
			.noselect = db_i64(s, 3) != 0,
			.use = use_for(actor, db_u64(s, 1),
			    (enum special_use)db_i64(s, 4)),
			.uidvalidity = db_u32(s, 5),
			.uidnext = db_u32(s, 6),
			.modseq = db_u64(s, 7),
			.messages = db_u32(s, 8),
			.unseen = db_u32(s, 9),
			.deleted = db_u32(s, 10),
			.bytes = db_u64(s, 11),
			.deleted_bytes = db_u64(s, 12),
			.created_s = db_i64(s, 13)
		};

		info.rights = mailbox_rights(db, actor, info.id,
		    info.account);
		if (!(info.rights & RIGHT_LOOKUP))
			continue;
		info.name = arena_printf(b->l->arena, "%.*s%.*s",
		    SPAN_ARG(db_span(s, 15)), SPAN_ARG(db_span(s, 2)));
		add_box(b, &info, db_u32(s, 14));
	}
	return err;
}

static int
read_own_boxes(struct db *db, struct boxes *b)
{
	sqlite3_stmt *s;
	int err = db_query(db, &s, "SELECT " BOX_COLUMNS ", '' FROM mailbox m"
	    " WHERE m.account = ? AND m.name IS NOT NULL",
	    A_INT(b->l->j.actor));

	return err < 0 ? err : read_boxes(db, b, s);
}

/* A level above a mailbox of another, which is none itself. */
static void
add_level(struct boxes *b, struct span name)
{
	struct mailbox_info info = {
		.name = arena_str(b->l->arena, name),
		.noselect = true
	};

	add_box(b, &info, 0);
}

/* "Users" and "Users/NAME" of what is shared, which comes by NAME. */
static void
add_levels(struct boxes *b, size_t from)
{
	struct span last = SPAN(""), user, rest;

	for (size_t i = from, end = b->l->box_count; i < end; i++) {
		struct span name = span_of(b->l->boxes[i].name);

		(void)mailbox_name_split(name, &user, &rest);
		if (span_eq(user, last))
			continue;
		if (last.len == 0)
			add_level(b, SPAN("Users"));
		add_level(b, span_head(name, name.len - rest.len - 1));
		last = user;
	}
}

static int
read_shared_boxes(struct db *db, struct boxes *b)
{
	size_t from = b->l->box_count;
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT " BOX_COLUMNS ","
	    " 'Users/' || a.name || '/' FROM mailbox m JOIN account a"
	    " ON a.id = m.account WHERE m.id IN (SELECT mailbox FROM acl"
	    " WHERE account IN (0, ?1) AND NOT negative)"
	    " AND m.account <> ?1 AND m.name IS NOT NULL AND a.state < 2"
	    " ORDER BY a.name", A_INT(b->l->j.actor))) < 0 ||
	    (err = read_boxes(db, b, s)) < 0)
		return err;
	add_levels(b, from);
	return 0;
}

/* What follows from the order: children come right behind their parent. */
static void
finish_boxes(struct rjob_list *l)
{
	for (size_t i = 0; i < l->box_count; i++) {
		struct mailbox_info *b = &l->boxes[i];
		size_t len = strlen(b->name);
		const char *next = i + 1 < l->box_count ? b[1].name : "";

		b->has_children = strncmp(next, b->name, len) == 0 &&
		    next[len] == '/';
		b->subscribed = l->subscription_count &&
		    bsearch(&b->name, l->subscriptions,
		    l->subscription_count, sizeof *l->subscriptions,
		    string_compare);
	}
}

int
slice_list(struct reader *r, struct rjob *j)
{
	struct rjob_list *l = CONTAINER_OF(j, struct rjob_list, j);
	struct boxes b = { .l = l };
	int err;

	arena_clear(l->arena);
	l->boxes = NULL;
	l->subscriptions = NULL;
	l->box_count = l->subscription_count = 0;
	if ((err = read_subscriptions(r->db, l)) < 0 ||
	    (err = read_own_boxes(r->db, &b)) < 0 ||
	    (err = read_shared_boxes(r->db, &b)) < 0)
		return err;
	for (size_t i = 0; i < l->box_count; i++) {
		struct mailbox_info *box = &l->boxes[i];

		err = box->account == j->actor ? count_recent(r->db, box->id,
		    b.recent_uids[i], box) : count_own(r->db, j->actor, box);
		if (err < 0)
			return err;
	}
	if (l->box_count)
		qsort(l->boxes, l->box_count, sizeof *l->boxes, box_compare);
	finish_boxes(l);
	return 0;
}
