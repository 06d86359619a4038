/*
 * Mailboxes by name: one, and all that an account can see.
 */
#include <stdlib.h>
#include <string.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/quota_priv.h"
#include "store/read_priv.h"

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

static void
info_of_row(struct mailbox_info *info, const struct mailbox_row *row,
    struct arena *a)
{
	*info = (struct mailbox_info){
		.id = row->id,
		.account = row->account,
		.name = arena_str(a, span_of(row->name)),
		.noselect = row->noselect,
		.use = row->use,
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

/* Names below start with "name/"; '0' is the byte after '/'. */
static int
find_children(struct db *db, struct arena *a, struct mailbox_info *info)
{
	char *from = arena_printf(a, "%s/", info->name);
	char *to = arena_printf(a, "%s0", info->name);
	int64_t one;
	int err;

	err = db_get(db, &one, "SELECT 1 FROM mailbox WHERE account = ?"
	    " AND name >= ? AND name < ? LIMIT 1", A_INT(info->account),
	    A_STR(from), A_STR(to));
	info->has_children = has_row(err);
	return err == ERR_NOTFOUND ? 0 : err;
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
	info_of_row(&l->info, &row, l->arena);
	if ((err = find_children(r->db, l->arena, &l->info)) < 0 ||
	    (err = find_subscription(r->db, j->actor, &l->info)) < 0 ||
	    ((l->rights & RIGHT_INSERT) && (err = quota_room(r->db,
	    row.account, &l->info.room)) < 0))
		return err;
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

static int
read_boxes(struct db *db, struct rjob_list *l, uint32_t **recent_uids)
{
	sqlite3_stmt *s;
	size_t cap = 0, recent_cap = 0;
	int err;

	if ((err = db_query(db, &s, "SELECT id, name, noselect, special_use,"
	    " uidvalidity, uidnext, modseq, messages, unseen, deleted, bytes,"
	    " deleted_bytes, created, recent_uid FROM mailbox"
	    " WHERE account = ? AND name IS NOT NULL",
	    A_INT(l->j.actor))) < 0)
		return err;
	while ((err = db_step(db, s)) > 0) {
		struct mailbox_info info = {
			.id = db_u64(s, 0),
			.account = l->j.actor,
			.name = arena_str(l->arena, db_span(s, 1)),
			.noselect = db_i64(s, 2) != 0,
			.use = (enum special_use)db_i64(s, 3),
			.uidvalidity = db_u32(s, 4),
			.uidnext = db_u32(s, 5),
			.modseq = db_u64(s, 6),
			.messages = db_u32(s, 7),
			.unseen = db_u32(s, 8),
			.deleted = db_u32(s, 9),
			.bytes = db_u64(s, 10),
			.deleted_bytes = db_u64(s, 11),
			.created_s = db_i64(s, 12)
		};

		info.rights = mailbox_rights(db, l->j.actor, info.id,
		    info.account);
		l->boxes = grow(l->arena, l->boxes, l->box_count, &cap,
		    sizeof *l->boxes);
		*recent_uids = grow(l->arena, *recent_uids, l->box_count,
		    &recent_cap, sizeof **recent_uids);
		(*recent_uids)[l->box_count] = db_u32(s, 13);
		l->boxes[l->box_count++] = info;
	}
	return err;
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
	uint32_t *recent_uids = NULL;
	int err;

	arena_clear(l->arena);
	l->boxes = NULL;
	l->subscriptions = NULL;
	l->box_count = l->subscription_count = 0;
	if ((err = read_subscriptions(r->db, l)) < 0 ||
	    (err = read_boxes(r->db, l, &recent_uids)) < 0)
		return err;
	for (size_t i = 0; i < l->box_count; i++)
		if ((err = count_recent(r->db, l->boxes[i].id,
		    recent_uids[i], &l->boxes[i])) < 0)
			return err;
	if (l->box_count)
		qsort(l->boxes, l->box_count, sizeof *l->boxes, box_compare);
	finish_boxes(l);
	return 0;
}
