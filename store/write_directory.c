#include "store/directory_priv.h"

#include "server/base/err.h"
#include "server/base/xalloc.h"

/* As deep as resolving follows aliases. */
#define ALIAS_DEPTH_MAX 10

/* ---- requests ---- */

static void
domain_free(struct op *op)
{
	struct wreq_domain *r = (struct wreq_domain *)op;

	free(r->name);
	free(r);
}

struct wreq_domain *
wreq_domain_new(struct env *env, struct session *s)
{
	struct wreq_domain *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_DOMAIN, env, s, domain_free);
	return r;
}

static void
alias_free(struct op *op)
{
	struct wreq_alias *r = (struct wreq_alias *)op;

	free(r->address);
	free(r->reason);
	names_free(r->targets, r->target_count);
	free(r->culprit_r);
	free(r);
}

struct wreq_alias *
wreq_alias_new(struct env *env, struct session *s)
{
	struct wreq_alias *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_ALIAS, env, s, alias_free);
	return r;
}

static void
cert_free(struct op *op)
{
	struct wreq_cert *r = (struct wreq_cert *)op;

	if (r->key)
		explicit_bzero(r->key, r->key_len);
	free(r->name);
	free(r->chain);
	free(r->key);
	free(r);
}

struct wreq_cert *
wreq_cert_new(struct env *env, struct session *s)
{
	struct wreq_cert *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_CERT, env, s, cert_free);
	return r;
}

static void
note_login_free(struct op *op)
{
	free(op);
}

struct wreq_note_login *
wreq_note_login_new(struct env *env)
{
	struct wreq_note_login *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_NOTE_LOGIN, env, NULL, note_login_free);
	return r;
}

/* ---- addresses ---- */

void
directory_changed(struct wtxn *t)
{
	changeset_add(t->changes, CHANGE_DIRECTORY, 0, 0)->modseq =
	    wtxn_modseq(t);
}

static int
find_domain(struct wtxn *t, const char *name, uint64_t *domain)
{
	int64_t id;
	int err = db_get(t->db, &id, "SELECT id FROM domain WHERE name = ?",
	    A_STR(name));

	if (err < 0)
		return err == ERR_NOTFOUND ? ERR_NODOMAIN : err;
	*domain = (uint64_t)id;
	return 0;
}

int
address_domain(struct wtxn *t, const char *address, uint64_t *domain)
{
	const char *at = strrchr(address, '@');

	return at ? find_domain(t, at + 1, domain) : ERR_NODOMAIN;
}

int
address_find(struct wtxn *t, struct span address, enum address_kind *kind)
{
	int64_t k;
	int err = db_get(t->db, &k, "SELECT kind FROM address"
	    " WHERE address = ?", A_SPAN(address));

	if (err == 0)
		*kind = (enum address_kind)k;
	return err;
}

/* The address without "+detail" (RFC 5233), into out; false: it has none. */
static bool
without_detail(const char *address, struct buf *out)
{
	const char *at = strrchr(address, '@'), *plus = strchr(address, '+');

	if (!at || !plus || plus > at || plus == address)
		return false;
	buf_clear(out);
	buf_add(out, address, (size_t)(plus - address));
	buf_adds(out, at);
	return true;
}

/* Like address_find, but "+detail" may be too much; *key is what it is. */
static int
find_target(struct wtxn *t, const char *target, struct buf *key,
    enum address_kind *kind)
{
	int err;

	buf_clear(key);
	buf_adds(key, target);
	err = address_find(t, buf_span(key), kind);
	if (err == ERR_NOTFOUND && without_detail(target, key))
		err = address_find(t, buf_span(key), kind);
	return err;
}

/* Forgets what leads to an address that is no more. */
static int
drop_target(struct wtxn *t, struct span address)
{
	const char *at = address.len ? memrchr(address.p, '@', address.len) :
	    NULL;
	struct span local, domain;

	if (!at)
		return 0;
	local = span_make(address.p, (size_t)(at - address.p));
	domain = span_from(address, local.len + 1);
	/* ',' is what comes after '+': a range finds local+anything. */
	return db_run(t->db, "DELETE FROM alias_target WHERE target = ?1"
	    " OR (target > ?2 || '+' AND target < ?2 || ','"
	    " AND substr(target, instr(target, '@') + 1) = ?3)",
	    A_SPAN(address), A_SPAN(local), A_SPAN(domain));
}

/*
 * Takes away aliases that are left without a target. That may leave others
 * without one: each round removes a row at least, so this comes to an end.
 */
static int
drop_empty_aliases(struct wtxn *t)
{
	struct buf address = BUF_INIT;
	sqlite3_stmt *s;
	int err;

	for (;;) {
		if ((err = db_query(t->db, &s, "SELECT address FROM address a"
		    " WHERE kind = 1 AND NOT EXISTS (SELECT 1"
		    " FROM alias_target t WHERE t.address = a.address)"
		    " LIMIT 1")) < 0 || (err = db_step(t->db, s)) <= 0)
			break;
		buf_clear(&address);
		buf_addspan(&address, db_span(s, 0));
		db_done(s);
		if ((err = db_run(t->db, "DELETE FROM address"
		    " WHERE address = ?", A_SPAN(buf_span(&address)))) < 0 ||
		    (err = drop_target(t, buf_span(&address))) < 0)
			break;
	}
	buf_release(&address);
	return err;
}

/* One address, whatever it is, and all that it leaves dangling. */
static int
drop_address(struct wtxn *t, struct span address)
{
	int err;

	if ((err = db_run(t->db, "DELETE FROM alias_target"
	    " WHERE address = ?", A_SPAN(address))) < 0 ||
	    (err = db_run(t->db, "DELETE FROM address WHERE address = ?",
	    A_SPAN(address))) < 0 ||
	    (err = drop_target(t, address)) < 0)
		return err;
	return drop_empty_aliases(t);
}

/*
 * Aliases must not go on to the name: it may belong to somebody else soon.
 */
int
address_drop_account(struct wtxn *t, uint64_t account)
{
	struct buf address = BUF_INIT;
	sqlite3_stmt *s;
	int err;

	for (;;) {
		if ((err = db_query(t->db, &s, "SELECT address FROM address"
		    " WHERE account = ? LIMIT 1", A_INT(account))) < 0 ||
		    (err = db_step(t->db, s)) <= 0)
			break;
		buf_clear(&address);
		buf_addspan(&address, db_span(s, 0));
		db_done(s);
		if ((err = drop_address(t, buf_span(&address))) < 0)
			break;
	}
	buf_release(&address);
	return err;
}

/* ---- domains ---- */

static int
domain_del(struct wtxn *t, uint64_t domain)
{
	int64_t n;
	int err;

	if ((err = db_get(t->db, &n, "SELECT count(*) FROM address"
	    " WHERE domain = ?", A_INT(domain))) < 0)
		return err;
	if (n > 0)
		return ERR_INUSE;
	if ((err = db_run(t->db, "DELETE FROM dkim_key WHERE domain = ?",
	    A_INT(domain))) < 0)
		return err;
	return db_run(t->db, "DELETE FROM domain WHERE id = ?",
	    A_INT(domain));
}

int
apply_domain(struct wtxn *t, struct wreq *w)
{
	struct wreq_domain *r = (struct wreq_domain *)w;
	uint64_t domain;
	int err = find_domain(t, r->name, &domain);

	if (r->how == DIR_ADD && err == ERR_NODOMAIN)
		err = db_run(t->db, "INSERT INTO domain(id, name, created)"
		    " VALUES (?, ?, ?)", A_INT(wtxn_id(t)), A_STR(r->name),
		    A_INT(w->now_s));
	else if (r->how == DIR_ADD && err == 0)
		return ERR_EXISTS;
	else if (err == 0)
		err = domain_del(t, domain);
	if (err == 0)
		directory_changed(t);
	return err;
}

/* ---- aliases ---- */

/* Whether target leads to address; *found. Stops at ALIAS_DEPTH_MAX. */
static int
leads_to(struct wtxn *t, const char *target, const char *address,
    bool *found)
{
	sqlite3_stmt *s;
	int err;

	*found = false;
	/* A set of rows that grows until nothing is new: no loop can hold
	 * it up, and depth only bounds the work. */
	if ((err = db_query(t->db, &s, "WITH RECURSIVE way(a, depth) AS ("
	    " VALUES (?1, 0) UNION SELECT target, depth + 1"
	    " FROM alias_target, way WHERE address = way.a AND depth < ?3)"
	    " SELECT 1 FROM way WHERE a = ?2 OR depth = ?3 LIMIT 1",
	    A_STR(target), A_STR(address), A_INT(ALIAS_DEPTH_MAX))) < 0)
		return err;
	if ((err = db_step(t->db, s)) <= 0)
		return err;
	*found = true;
	db_done(s);
	return 0;
}

static int
check_target(struct wtxn *t, const char *address, const char *target)
{
	struct buf key = BUF_INIT;
	enum address_kind kind;
	uint64_t domain;
	bool loops = false;
	int err;

	err = address_domain(t, target, &domain);
	if (err < 0) {
		/* Elsewhere: whether it exists, its own server knows. */
		if (err == ERR_NODOMAIN)
			err = 0;
		goto out;
	}
	err = find_target(t, target, &key, &kind);
	if (err == ERR_NOTFOUND || (err == 0 && kind == ADDRESS_REFUSED))
		err = ERR_NOUSER;
	if (err == 0)
		err = leads_to(t, key.p, address, &loops);
	if (err == 0 && loops)
		err = ERR_REFUSED;
out:
	buf_release(&key);
	return err;
}

/* Makes the address what it is to be, unless it is something else. */
static int
alias_make(struct wtxn *t, const struct wreq_alias *r)
{
	enum address_kind want = r->refused ? ADDRESS_REFUSED : ADDRESS_ALIAS;
	enum address_kind kind;
	uint64_t domain;
	int err;

	if ((err = address_domain(t, r->address, &domain)) < 0)
		return err;
	err = address_find(t, span_of(r->address), &kind);
	if (err == 0 && kind != want)
		return ERR_EXISTS;
	if (err < 0 && err != ERR_NOTFOUND)
		return err;
	return db_run(t->db, "INSERT INTO address(address, domain, kind,"
	    " reason) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE"
	    " SET reason = ?4", A_STR(r->address), A_INT(domain),
	    A_INT(want), A_STR(r->reason));
}

static int
alias_add(struct wtxn *t, struct wreq_alias *r)
{
	int err;

	/* An alias to nobody would take mail and lose it. */
	if (!r->refused && r->target_count == 0)
		return ERR_SYNTAX;
	if ((err = alias_make(t, r)) < 0)
		return err;
	for (size_t i = 0; !r->refused && i < r->target_count; i++) {
		const char *target = r->targets[i];

		if ((err = check_target(t, r->address, target)) == 0)
			err = db_run(t->db, "INSERT INTO alias_target("
			    "address, target) VALUES (?, ?)"
			    " ON CONFLICT DO NOTHING", A_STR(r->address),
			    A_STR(target));
		if (err < 0) {
			r->culprit_r = xstrdup(target);
			return err;
		}
	}
	return 0;
}

static int
alias_del(struct wtxn *t, struct wreq_alias *r)
{
	enum address_kind kind;
	int err;

	if ((err = address_find(t, span_of(r->address), &kind)) < 0)
		return err;
	if (kind == ADDRESS_ACCOUNT)
		return ERR_EXISTS;
	if (r->target_count == 0)
		return drop_address(t, span_of(r->address));
	for (size_t i = 0; i < r->target_count; i++) {
		if ((err = db_run(t->db, "DELETE FROM alias_target"
		    " WHERE address = ? AND target = ?", A_STR(r->address),
		    A_STR(r->targets[i]))) < 0)
			return err;
		if (sqlite3_changes(t->db->h) == 0) {
			r->culprit_r = xstrdup(r->targets[i]);
			return ERR_NOTFOUND;
		}
	}
	return drop_empty_aliases(t);
}

int
apply_alias(struct wtxn *t, struct wreq *w)
{
	struct wreq_alias *r = (struct wreq_alias *)w;
	int err;

	free(r->culprit_r);
	r->culprit_r = NULL;
	err = r->how == DIR_ADD ? alias_add(t, r) : alias_del(t, r);
	if (err == 0)
		directory_changed(t);
	return err;
}

/* ---- certificates and log-ins ---- */

#define CERT_LOADED 1		/* certificate.source */
#define LOGIN_NOTE_S 3600	/* written at most so often */

int
apply_cert(struct wtxn *t, struct wreq *w)
{
	struct wreq_cert *r = (struct wreq_cert *)w;

	return db_run(t->db, "INSERT INTO certificate(name, chain, key,"
	    " not_after, source) VALUES (?1, ?2, ?3, ?4, ?5)"
	    " ON CONFLICT DO UPDATE SET chain = ?2, key = ?3, not_after = ?4,"
	    " source = ?5", A_STR(r->name), A_BLOB(r->chain, r->chain_len),
	    A_BLOB(r->key, r->key_len), A_INT(r->not_after_s),
	    A_INT(CERT_LOADED));
}

int
apply_note_login(struct wtxn *t, struct wreq *w)
{
	struct wreq_note_login *r = (struct wreq_note_login *)w;
	int64_t before = w->now_s - LOGIN_NOTE_S;
	int err;

	if ((err = db_run(t->db, "UPDATE credential SET last_used = ?,"
	    " last_from = ? WHERE id = ? AND account = ?"
	    " AND (last_used IS NULL OR last_used <= ?)", A_INT(w->now_s),
	    A_STR(r->from), A_INT(r->cred), A_INT(r->account),
	    A_INT(before))) < 0)
		return err;
	/* The account may be gone by now. */
	return db_run(t->db, "INSERT INTO known_peer(account, net, last_ok)"
	    " SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM account"
	    " WHERE id = ?1 AND state < 2) ON CONFLICT DO UPDATE"
	    " SET last_ok = ?3 WHERE last_ok <= ?4", A_INT(r->account),
	    A_BLOB(r->net, sizeof r->net), A_INT(w->now_s), A_INT(before));
}
