/*
 * What administration lists: accounts, device passwords, aliases, domains,
 * certificates, and the state of the store.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/quota.h"
#include "store/read_priv.h"

static void
directory_free(struct op *op)
{
	struct rjob_directory *d = CONTAINER_OF(op, struct rjob_directory,
	    j.op);

	free(d->account);
	job_arena_free(d->arena);
	free(d);
}

struct rjob_directory *
rjob_directory_new(struct env *env, struct session *s,
    enum directory_what what)
{
	struct rjob_directory *d = xcalloc(1, sizeof *d);

	rjob_init(&d->j, RJOB_DIRECTORY, env, s, directory_free);
	d->what = what;
	d->arena = job_arena_new();
	return d;
}

/*
 * Room for one more row at the end of an array in the arena; the old array is
 * left behind, so a list costs at most twice its size.
 */
static void *
more_rows(struct rjob_directory *d, void *rows, size_t size)
{
	size_t n = d->count;
	void *v;

	if (n & (n - 1) || n == 1)	/* room is doubled at 0, 2, 4, 8 ... */
		return rows;
	v = arena_array(d->arena, n ? n * 2 : 2, size);
	if (n)
		memcpy(v, rows, n * size);
	return v;
}

static char *
text(struct rjob_directory *d, sqlite3_stmt *s, int col)
{
	if (db_is_null(s, col))
		return NULL;
	return arena_str(d->arena, db_span(s, col));
}

/* ---- lists ---- */

static int
list_accounts(struct db *db, struct rjob_directory *d)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT a.id, a.name, a.state,"
	    " a.created, a.messages, a.bytes,"
	    " (SELECT max(last_used) FROM credential WHERE account = a.id),"
	    " a.role, a.quota_bytes, a.quota_messages"
	    " FROM account a WHERE state < 2 ORDER BY name")) < 0)
		return err;
	while ((err = db_step(db, s)) > 0) {
		d->accounts = more_rows(d, d->accounts, sizeof *d->accounts);
		d->accounts[d->count++] = (struct account_row){
			.id = db_u64(s, 0),
			.name = text(d, s, 1),
			.disabled = db_i64(s, 2) == 1,
			.created_s = db_i64(s, 3),
			.messages = db_u64(s, 4),
			.bytes = db_u64(s, 5),
			.last_login_s = db_i64(s, 6),
			.is_admin = db_i64(s, 7) != 0,
			.max_bytes = db_is_null(s, 8) ? QUOTA_NONE :
			    db_u64(s, 8),
			.max_messages = db_is_null(s, 9) ? QUOTA_NONE :
			    db_u64(s, 9)
		};
	}
	return err;
}

static int
list_devices(struct db *db, struct rjob_directory *d)
{
	sqlite3_stmt *s;
	int64_t account;
	int err;

	if ((err = db_get(db, &account, "SELECT id FROM account"
	    " WHERE name = ? AND state < 2", A_STR(d->account))) < 0)
		return err == ERR_NOTFOUND ? ERR_NOUSER : err;
	if ((err = db_query(db, &s, "SELECT label, created, last_used,"
	    " last_from FROM credential WHERE account = ? AND kind = ?"
	    " AND revoked IS NULL ORDER BY label", A_INT(account),
	    A_INT(CRED_DEVICE))) < 0)
		return err;
	while ((err = db_step(db, s)) > 0) {
		d->devices = more_rows(d, d->devices, sizeof *d->devices);
		d->devices[d->count++] = (struct device_row){
			.label = text(d, s, 0),
			.created_s = db_i64(s, 1),
			.last_used_s = db_i64(s, 2),
			.last_from = text(d, s, 3)
		};
	}
	return err;
}

static int
read_targets(struct db *db, struct rjob_directory *d, struct alias_row *row)
{
	sqlite3_stmt *s;
	int64_t n;
	int err;

	if ((err = db_get(db, &n, "SELECT count(*) FROM alias_target"
	    " WHERE address = ?", A_STR(row->address))) < 0)
		return err;
	row->targets = arena_array(d->arena, (size_t)n,
	    sizeof *row->targets);
	if ((err = db_query(db, &s, "SELECT target FROM alias_target"
	    " WHERE address = ? ORDER BY target", A_STR(row->address))) < 0)
		return err;
	while ((err = db_step(db, s)) > 0)
		if (row->target_count < (size_t)n)
			row->targets[row->target_count++] = text(d, s, 0);
	return err;
}

static int
list_aliases(struct db *db, struct rjob_directory *d)
{
	sqlite3_stmt *s;
	int err;

	/* enum: 0 account, 1 alias, 2 refused; see schema.c. */
	if ((err = db_query(db, &s, "SELECT address, kind, reason"
	    " FROM address WHERE kind <> 0 ORDER BY address")) < 0)
		return err;
	while ((err = db_step(db, s)) > 0) {
		d->aliases = more_rows(d, d->aliases, sizeof *d->aliases);
		d->aliases[d->count++] = (struct alias_row){
			.address = text(d, s, 0),
			.refused = db_i64(s, 1) == 2,
			.reason = text(d, s, 2)
		};
	}
	for (size_t i = 0; err == 0 && i < d->count; i++)
		err = read_targets(db, d, &d->aliases[i]);
	return err;
}

static int
list_domains(struct db *db, struct rjob_directory *d)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT name, created,"
	    " (SELECT count(*) FROM address WHERE domain = d.id)"
	    " FROM domain d ORDER BY name")) < 0)
		return err;
	while ((err = db_step(db, s)) > 0) {
		d->domains = more_rows(d, d->domains, sizeof *d->domains);
		d->domains[d->count++] = (struct domain_row){
			.name = text(d, s, 0),
			.created_s = db_i64(s, 1),
			.addresses = db_u64(s, 2)
		};
	}
	return err;
}

static int
list_certs(struct db *db, struct rjob_directory *d)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT name, chain, key, not_after"
	    " FROM certificate ORDER BY name")) < 0)
		return err;
	while ((err = db_step(db, s)) > 0) {
		d->certs = more_rows(d, d->certs, sizeof *d->certs);
		d->certs[d->count++] = (struct cert_row){
			.name = text(d, s, 0),
			.chain = arena_span(d->arena, db_span(s, 1)),
			.key = arena_span(d->arena, db_span(s, 2)),
			.not_after_s = db_i64(s, 3)
		};
	}
	return err;
}

/* ---- status ---- */

static int
count_rows(struct db *db, struct store_status *st)
{
	sqlite3_stmt *s;
	int err;

	/* Counters, where there are any: no scan of what is large. */
	if ((err = db_query(db, &s, "SELECT"
	    " (SELECT count(*) FROM account WHERE state < 2),"
	    " (SELECT count(*) FROM domain),"
	    " (SELECT count(*) FROM mailbox WHERE name IS NOT NULL),"
	    " (SELECT coalesce(sum(messages), 0) FROM mailbox"
	    "   WHERE name IS NOT NULL),"
	    " (SELECT coalesce(sum(length), 0) FROM content)")) < 0)
		return err;
	if ((err = db_step(db, s)) <= 0)
		return err < 0 ? err : ERR_STORE;
	st->accounts = db_u64(s, 0);
	st->domains = db_u64(s, 1);
	st->mailboxes = db_u64(s, 2);
	st->messages = db_u64(s, 3);
	st->bytes = db_u64(s, 4);
	db_done(s);
	return 0;
}

/* fstat by name never opens the file, which would drop SQLite's locks. */
static uint64_t
file_bytes(const struct store *store, const char *suffix)
{
	struct buf path = BUF_INIT;
	struct stat sb;
	uint64_t size = 0;

	buf_adds(&path, store->path);
	buf_adds(&path, suffix);
	if (stat(path.p, &sb) == 0)
		size = (uint64_t)sb.st_size;
	buf_release(&path);
	return size;
}

/* Of what waits for elsewhere. */
static int
count_queue(struct db *db, struct store_status *st)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT (SELECT count(*) FROM queue),"
	    " (SELECT count(*) FROM queue_rcpt WHERE state = 0),"
	    " (SELECT count(*) FROM queue_rcpt WHERE state = 1),"
	    " (SELECT min(next_at) FROM destination)")) < 0)
		return err;
	if ((err = db_step(db, s)) <= 0)
		return err;
	st->queued = db_u64(s, 0);
	st->queue_waiting = db_u64(s, 1);
	st->queue_held = db_u64(s, 2);
	st->queue_next_s = db_i64(s, 3);
	db_done(s);
	return 0;
}

static int
read_status(struct reader *r, struct store_status *st)
{
	const struct store *store = r->store;
	struct statvfs fs;
	int err;

	st->schema = schema_version();
	st->is_full = store_is_full(store);
	if (!store->settings.in_memory) {
		st->db_bytes = file_bytes(store, "");
		st->wal_bytes = file_bytes(store, "-wal");
		if (fstatvfs(store->dir_fd, &fs) == 0)
			st->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	}
	if ((err = count_rows(r->db, st)) < 0)
		return err;
	return count_queue(r->db, st);
}

int
slice_directory(struct reader *r, struct rjob *j)
{
	struct rjob_directory *d = CONTAINER_OF(j, struct rjob_directory, j);

	switch (d->what) {
	case LIST_ACCOUNTS:
		return list_accounts(r->db, d);
	case LIST_DEVICES:
		return list_devices(r->db, d);
	case LIST_ALIASES:
		return list_aliases(r->db, d);
	case LIST_DOMAINS:
		return list_domains(r->db, d);
	case LIST_CERTS:
		return list_certs(r->db, d);
	case LIST_STATUS:
		return read_status(r, &d->status);
	}
	return ERR_STORE;
}
