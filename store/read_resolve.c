/*
 * Who gets mail for an address.
 *
 * An address is looked up whole, then without "+detail", then as the domain's
 * catch-all; an alias sends each of its targets through the same look-up. The
 * walk is cut off by depth and by count, and remembers what it has followed,
 * so loops and fans end.
 */
#include <stdlib.h>
#include <string.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/acl_priv.h"
#include "store/directory_priv.h"
#include "store/mime/address.h"
#include "store/quota_priv.h"
#include "store/read_priv.h"

#define ALIAS_DEPTH_MAX 10
#define ACCOUNTS_MAX 1000	/* that one address may reach */
#define ELSEWHERE_MAX 1000	/* likewise, of other domains */
#define FOLLOWED_MAX 4000	/* aliases looked at for one address */

struct found {
	enum address_kind kind;
	uint64_t account;
	const char *reason;
	const char *address;	/* the row's, as alias_target knows it */
};

struct walk {
	struct reader *r;
	struct arena *a;	/* cleared after each item */
	uint64_t *accounts;
	size_t account_count;
	const char **elsewhere;
	size_t elsewhere_count;
	const char **followed;
	size_t followed_count;
};

static void
resolve_free(struct op *op)
{
	struct rjob_resolve *r = CONTAINER_OF(op, struct rjob_resolve, j.op);

	free(r->items);
	job_arena_free(r->arena);
	free(r);
}

struct rjob_resolve *
rjob_resolve_new(struct env *env, struct session *s)
{
	struct rjob_resolve *r = xcalloc(1, sizeof *r);

	rjob_init(&r->j, RJOB_RESOLVE, env, s, resolve_free);
	r->arena = job_arena_new();
	return r;
}

void
rjob_resolve_add(struct rjob_resolve *r, struct span local,
    struct span domain)
{
	r->items = xreallocarray(r->items, r->count + 1, sizeof *r->items);
	r->items[r->count++] = (struct resolve_item){
		.local = arena_span(r->arena, local),
		.domain = arena_span(r->arena, domain)
	};
}

/* ---- one look-up ---- */

static int
find_row(struct walk *w, const char *address, struct found *f)
{
	struct db *db = w->r->db;
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT kind, account, reason"
	    " FROM address WHERE address = ?", A_STR(address))) < 0)
		return err;
	if ((err = db_step(db, s)) <= 0)
		return err < 0 ? err : ERR_NOTFOUND;
	*f = (struct found){
		.kind = (enum address_kind)db_i64(s, 0),
		.account = db_u64(s, 1),
		.reason = db_is_null(s, 2) ? NULL :
		    arena_str(w->a, db_span(s, 2)),
		.address = address
	};
	db_done(s);
	return 0;
}

/* The key without "+detail" (RFC 5233); NULL when there is none. */
static const char *
without_detail(struct arena *a, const char *key)
{
	const char *at = strrchr(key, '@'), *plus = strchr(key, '+');

	/* "+x@d" has no user part to fall back to. */
	if (!plus || !at || plus > at || plus == key)
		return NULL;
	return arena_printf(a, "%.*s%s", (int)(plus - key), key, at);
}

/* ERR_NOTFOUND: nothing has it, not even the catch-all. */
static int
find_address(struct walk *w, const char *key, struct found *f)
{
	const char *base;
	int err;

	if ((err = find_row(w, key, f)) != ERR_NOTFOUND)
		return err;
	if ((base = without_detail(w->a, key)) &&
	    (err = find_row(w, base, f)) != ERR_NOTFOUND)
		return err;
	return find_row(w, strrchr(key, '@'), f);
}

/* ---- following aliases ---- */

static void
add_account(struct walk *w, uint64_t account)
{
	for (size_t i = 0; i < w->account_count; i++)
		if (w->accounts[i] == account)
			return;
	if (w->account_count < ACCOUNTS_MAX)
		w->accounts[w->account_count++] = account;
}

static void
add_elsewhere(struct walk *w, const char *target)
{
	for (size_t i = 0; i < w->elsewhere_count; i++)
		if (strcmp(w->elsewhere[i], target) == 0)
			return;
	if (w->elsewhere_count < ELSEWHERE_MAX)
		w->elsewhere[w->elsewhere_count++] = target;
}

/* Whether it is new. */
static bool
note_followed(struct walk *w, const char *address)
{
	for (size_t i = 0; i < w->followed_count; i++)
		if (strcmp(w->followed[i], address) == 0)
			return false;
	if (w->followed_count == FOLLOWED_MAX)
		return false;
	w->followed[w->followed_count++] = address;
	return true;
}

/* The targets are read out first: a statement is in use only once. */
static int
read_targets(struct walk *w, const char *address, const char ***targets,
    size_t *count)
{
	struct db *db = w->r->db;
	sqlite3_stmt *s;
	int64_t n;
	int err;

	*count = 0;
	if ((err = db_get(db, &n, "SELECT count(*) FROM alias_target"
	    " WHERE address = ?", A_STR(address))) < 0 ||
	    (err = db_query(db, &s, "SELECT target FROM alias_target"
	    " WHERE address = ?", A_STR(address))) < 0)
		return err;
	*targets = arena_array(w->a, (size_t)n, sizeof **targets);
	while ((err = db_step(db, s)) > 0)
		if (*count < (size_t)n)
			(*targets)[(*count)++] = arena_str(w->a,
			    db_span(s, 0));
	return err;
}

static int follow(struct walk *w, const struct found *f, unsigned depth);
static int find_domain(struct db *db, const char *name, uint64_t *id);

/* One target of an alias: here, or of a domain that is not ours. */
static int
follow_target(struct walk *w, const char *target, unsigned depth)
{
	const char *at = strrchr(target, '@');
	uint64_t domain;
	struct found f;
	int err;

	/* Rows are no better than their writer: no '@', no address. */
	if (!at)
		return 0;
	if ((err = find_domain(w->r->db, at + 1, &domain)) == ERR_NOTFOUND) {
		add_elsewhere(w, target);
		return 0;
	}
	if (err < 0)
		return err;
	if ((err = find_address(w, target, &f)) == 0)
		err = follow(w, &f, depth + 1);
	return err == ERR_NOTFOUND ? 0 : err;
}

static int
follow_targets(struct walk *w, const char *address, unsigned depth)
{
	const char **targets;
	size_t n;
	int err;

	if ((err = read_targets(w, address, &targets, &n)) < 0)
		return err;
	for (size_t i = 0; i < n; i++)
		if ((err = follow_target(w, targets[i], depth)) < 0)
			return err;
	return 0;
}

static int
follow(struct walk *w, const struct found *f, unsigned depth)
{
	switch (f->kind) {
	case ADDRESS_ACCOUNT:
		add_account(w, f->account);
		return 0;
	case ADDRESS_ALIAS:
		if (depth > ALIAS_DEPTH_MAX || !note_followed(w, f->address))
			return 0;
		return follow_targets(w, f->address, depth);
	case ADDRESS_REFUSED:
		return 0;
	}
	return 0;
}

/* ---- postmaster and abuse ---- */

static bool
is_role(const char *key)
{
	struct span local = span_make(key, strcspn(key, "+@"));

	return span_is(local, "postmaster") || span_is(local, "abuse");
}

/* What the configuration names, if that is an address of ours. */
static int
find_configured(struct walk *w, struct found *f)
{
	const char *name = w->r->store->settings.postmaster;
	const char *at = name ? strrchr(name, '@') : NULL;
	struct buf key = BUF_INIT;
	int err = ERR_NOTFOUND;

	if (at && address_key(&key, span_make(name, (size_t)(at - name)),
	    span_of(at + 1)) == 0)
		err = find_address(w, arena_str(w->a, buf_span(&key)), f);
	buf_release(&key);
	return err;
}

static int
first_account(struct walk *w, uint64_t domain, uint64_t *account)
{
	struct db *db = w->r->db;
	int64_t id;
	int err;

	err = db_get(db, &id, "SELECT d.account FROM address d"
	    " JOIN account a ON a.id = d.account WHERE d.domain = ?"
	    " AND d.kind = 0 AND a.state < 2 ORDER BY d.account LIMIT 1",
	    A_INT(domain));
	if (err == ERR_NOTFOUND)
		err = db_get(db, &id, "SELECT id FROM account"
		    " WHERE state < 2 ORDER BY id LIMIT 1");
	if (err == 0)
		*account = (uint64_t)id;
	return err;
}

/*
 * RFC 5321 section 4.5.1 and RFC 2142: these names reach a person, at every
 * domain. The server's postmaster, or else the first account of the domain,
 * or else the first of all.
 */
static int
follow_role(struct walk *w, uint64_t domain)
{
	struct found f;
	uint64_t account = 0;
	int err;

	err = find_configured(w, &f);
	if (err == 0)
		err = follow(w, &f, 0);
	if (err < 0 && err != ERR_NOTFOUND)
		return err;
	if (w->account_count + w->elsewhere_count > 0)
		return 0;
	if ((err = first_account(w, domain, &account)) < 0)
		return err == ERR_NOTFOUND ? 0 : err;
	add_account(w, account);
	return 0;
}

/* ---- one item ---- */

/* 0: hosted here. ERR_NOTFOUND: elsewhere. */
static int
find_domain(struct db *db, const char *name, uint64_t *id)
{
	int64_t n;
	int err;

	err = db_get(db, &n, "SELECT id FROM domain"
	    " WHERE name = ? AND kind = 0", A_STR(name));
	if (err == 0)
		*id = (uint64_t)n;
	return err;
}

static int
resolve_key(struct walk *w, struct resolve_item *it, const char *key)
{
	struct found f = { .kind = ADDRESS_REFUSED };
	uint64_t domain = 0;
	int err, missing;

	err = find_domain(w->r->db, strrchr(key, '@') + 1, &domain);
	if (err == ERR_NOTFOUND) {
		it->result = RESOLVE_ELSEWHERE;
		return 0;
	}
	if (err < 0)
		return err;
	missing = find_address(w, key, &f);
	if (missing < 0 && missing != ERR_NOTFOUND)
		return missing;
	if (!missing && (err = follow(w, &f, 0)) < 0)
		return err;
	if (w->account_count + w->elsewhere_count == 0 && is_role(key) &&
	    (err = follow_role(w, domain)) < 0)
		return err;
	if (w->account_count + w->elsewhere_count > 0) {
		it->result = RESOLVE_OK;
		it->is_mailbox = !missing && f.kind == ADDRESS_ACCOUNT &&
		    f.address[0] != '@';
	} else if (!missing && f.kind == ADDRESS_REFUSED) {
		it->result = RESOLVE_REFUSED;
		it->reason = f.reason;
	}
	return 0;
}

/* RFC 5321 section 4.5.1: "postmaster" alone is legal, and means ours. */
static int
resolve_bare(struct walk *w, struct resolve_item *it)
{
	int err;

	if (!span_iis(it->local, "postmaster"))
		return 0;
	if ((err = follow_role(w, 0)) < 0)
		return err;
	if (w->account_count + w->elsewhere_count > 0)
		it->result = RESOLVE_OK;
	return 0;
}

/* What the account with the least room can take. */
static int
find_room(struct db *db, struct resolve_item *it)
{
	uint64_t room;
	int err = 0;

	it->room = QUOTA_NONE;
	for (size_t i = 0; i < it->account_count && err == 0; i++) {
		err = quota_room(db, it->accounts[i], &room);
		if (err == 0)
			it->room = MIN(it->room, room);
	}
	return err == ERR_NOUSER ? 0 : err;
}

/* Whether who asks may send in the name of one of them. */
static int
find_post(struct db *db, uint64_t actor, struct resolve_item *it)
{
	int err = 0;

	it->may_post = false;
	for (size_t i = 0; actor && i < it->account_count && err == 0 &&
	    !it->may_post; i++)
		err = acl_may_post(db, actor, it->accounts[i],
		    &it->may_post);
	return err;
}

/* tmp is the walk's; what the item keeps goes into the job's arena. */
static int
resolve_item(struct reader *r, struct rjob_resolve *job, struct arena *tmp,
    struct resolve_item *it)
{
	struct walk w = { .r = r, .a = tmp };
	struct buf key = BUF_INIT;
	int err = 0;

	it->result = RESOLVE_UNKNOWN;
	w.accounts = arena_array(tmp, ACCOUNTS_MAX, sizeof *w.accounts);
	w.elsewhere = arena_array(tmp, ELSEWHERE_MAX, sizeof *w.elsewhere);
	w.followed = arena_array(tmp, FOLLOWED_MAX, sizeof *w.followed);
	if (it->domain.len == 0)
		err = resolve_bare(&w, it);
	else if (address_key(&key, it->local, it->domain) == 0)
		err = resolve_key(&w, it, arena_str(tmp, buf_span(&key)));
	buf_release(&key);
	it->account_count = w.account_count;
	it->accounts = arena_memdup(job->arena, w.accounts,
	    w.account_count * sizeof *w.accounts);
	it->elsewhere_count = w.elsewhere_count;
	it->elsewhere = arena_array(job->arena, w.elsewhere_count,
	    sizeof *it->elsewhere);
	for (size_t i = 0; i < w.elsewhere_count; i++)
		it->elsewhere[i] = arena_str(job->arena,
		    span_of(w.elsewhere[i]));
	if (it->reason)
		it->reason = arena_str(job->arena, span_of(it->reason));
	if (err < 0 || (err = find_room(r->db, it)) < 0)
		return err;
	return find_post(r->db, job->j.actor, it);
}

int
slice_resolve(struct reader *r, struct rjob *j)
{
	struct rjob_resolve *job = CONTAINER_OF(j, struct rjob_resolve, j);
	struct arena tmp = { 0 };
	int err = 0;

	for (size_t i = 0; err == 0 && i < job->count; i++) {
		arena_clear(&tmp);
		err = resolve_item(r, job, &tmp, &job->items[i]);
	}
	arena_release(&tmp);
	return err;
}
