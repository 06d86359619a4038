#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/directory_priv.h"
#include "store/message_priv.h"

/* What every account has from its first day (RFC 6154 names the uses). */
static const struct {
	const char *name;
	enum special_use use;
} first_mailboxes[] = {
	{ "INBOX", USE_NONE },
	{ "Drafts", USE_DRAFTS },
	{ "Sent", USE_SENT },
	{ "Junk", USE_JUNK },
	{ "Trash", USE_TRASH },
	{ "Archive", USE_ARCHIVE }
};

/* ---- requests ---- */

/* Keys leave no trace in freed memory. */
static void
wipe(void *p, size_t len)
{
	explicit_bzero(p, len);
}

static void
account_free(struct op *op)
{
	struct wreq_account *r = (struct wreq_account *)op;

	free(r->name);
	wipe(r, sizeof *r);
	free(r);
}

struct wreq_account *
wreq_account_new(struct env *env, struct session *s)
{
	struct wreq_account *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_ACCOUNT, env, s, account_free);
	return r;
}

static void
device_free(struct op *op)
{
	struct wreq_device *r = (struct wreq_device *)op;

	free(r->account);
	free(r->label);
	wipe(r, sizeof *r);
	free(r);
}

struct wreq_device *
wreq_device_new(struct env *env, struct session *s)
{
	struct wreq_device *r = xcalloc(1, sizeof *r);

	wreq_init(&r->w, WREQ_DEVICE, env, s, device_free);
	return r;
}

/* ---- parts ---- */

static int
find_account(struct wtxn *t, const char *name, uint64_t *account)
{
	int64_t id;
	int err = db_get(t->db, &id, "SELECT id FROM account"
	    " WHERE name = ? AND state < 2", A_STR(name));

	if (err < 0)
		return err == ERR_NOTFOUND ? ERR_NOUSER : err;
	*account = (uint64_t)id;
	return 0;
}

static void
tell_account(struct wtxn *t, uint64_t account, enum account_event event)
{
	struct change *c = changeset_add(t->changes, CHANGE_ACCOUNT, account,
	    0);

	c->modseq = wtxn_modseq(t);
	c->event = event;
}

static int
raise_version(struct wtxn *t, uint64_t account)
{
	return db_run(t->db, "UPDATE account SET version = version + 1"
	    " WHERE id = ?", A_INT(account));
}

static int
put_credential(struct wtxn *t, uint64_t account, const struct cred *c,
    enum cred_kind kind, const char *label, int64_t now_s)
{
	bool hashed = kind == CRED_PASSWORD;

	return db_run(t->db, "INSERT INTO credential(id, account, kind,"
	    " label, scope, argon2, stored_key, server_key, created, expires)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", A_INT(wtxn_id(t)),
	    A_INT(account), A_INT(kind), A_STR(label), A_INT(c->scope),
	    hashed ? A_STR(c->argon2) : A_NULL,
	    A_BLOB(c->stored_key, CRED_KEY_LEN),
	    A_BLOB(c->server_key, CRED_KEY_LEN), A_INT(now_s),
	    c->expires_s ? A_INT(c->expires_s) : A_NULL);
}

/* ---- accounts ---- */

static int
make_mailboxes(struct wtxn *t, uint64_t account, int64_t now_s)
{
	uint64_t id;
	int err;

	for (size_t i = 0; i < COUNT(first_mailboxes); i++) {
		struct span name = span_of(first_mailboxes[i].name);

		if ((err = mailbox_make(t, account, name,
		    first_mailboxes[i].use, false, now_s, &id)) < 0 ||
		    (err = db_run(t->db, "INSERT INTO subscription(account,"
		    " name) VALUES (?, ?)", A_INT(account),
		    A_SPAN(name))) < 0)
			return err;
	}
	return 0;
}

static int
account_add(struct wtxn *t, struct wreq_account *r)
{
	uint64_t account, domain;
	enum address_kind kind;
	int err;

	if ((err = address_domain(t, r->name, &domain)) < 0)
		return err;
	err = address_find(t, span_of(r->name), &kind);
	if (err != ERR_NOTFOUND)
		return err < 0 ? err : ERR_EXISTS;
	account = wtxn_id(t);
	if ((err = db_run(t->db, "INSERT INTO account(id, name, created,"
	    " scram_salt, scram_iterations) VALUES (?, ?, ?, ?, ?)",
	    A_INT(account), A_STR(r->name), A_INT(r->w.now_s),
	    A_BLOB(r->salt, r->salt_len), A_INT(r->iterations))) < 0 ||
	    (err = db_run(t->db, "INSERT INTO address(address, domain, kind,"
	    " account) VALUES (?, ?, ?, ?)", A_STR(r->name), A_INT(domain),
	    A_INT(ADDRESS_ACCOUNT), A_INT(account))) < 0 ||
	    (err = put_credential(t, account, &r->cred, CRED_PASSWORD, "",
	    r->w.now_s)) < 0 ||
	    (err = make_mailboxes(t, account, r->w.now_s)) < 0)
		return err;
	tell_account(t, account, ACCOUNT_ADDED);
	directory_changed(t);
	r->account_r = account;
	return 0;
}

/*
 * The name is free at once, for a new account with new mailboxes; what is
 * left has no name any more, and purge takes it.
 */
/* Others may have one of its mailboxes open. */
static int
tell_mailboxes(struct wtxn *t, uint64_t account)
{
	struct change *c;
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(t->db, &s, "SELECT id, name FROM mailbox"
	    " WHERE account = ? AND name IS NOT NULL", A_INT(account))) < 0)
		return err;
	while ((err = db_step(t->db, s)) > 0) {
		c = changeset_add(t->changes, CHANGE_MAILBOX_DELETED,
		    account, db_u64(s, 0));
		c->modseq = wtxn_modseq(t);
		c->name = arena_str(&t->changes->arena, db_span(s, 1));
	}
	return err;
}

static int
account_del(struct wtxn *t, uint64_t account, int64_t now_s)
{
	int err;

	if ((err = db_run(t->db, "UPDATE account SET state = 2, deleted = ?,"
	    " version = version + 1 WHERE id = ?", A_INT(now_s),
	    A_INT(account))) < 0 ||
	    (err = db_run(t->db, "DELETE FROM credential WHERE account = ?",
	    A_INT(account))) < 0 ||
	    (err = db_run(t->db, "DELETE FROM known_peer WHERE account = ?",
	    A_INT(account))) < 0 ||
	    (err = db_run(t->db, "DELETE FROM subscription"
	    " WHERE account = ?", A_INT(account))) < 0 ||
	    (err = db_run(t->db, "DELETE FROM acl WHERE account = ?",
	    A_INT(account))) < 0 ||
	    (err = tell_mailboxes(t, account)) < 0 ||
	    (err = db_run(t->db, "UPDATE mailbox SET name = NULL,"
	    " dropped = ? WHERE account = ? AND name IS NOT NULL",
	    A_INT(now_s), A_INT(account))) < 0 ||
	    (err = address_drop_account(t, account)) < 0)
		return err;
	tell_account(t, account, ACCOUNT_DELETED);
	directory_changed(t);
	return 0;
}

static int
account_set_state(struct wtxn *t, uint64_t account, int state)
{
	int err;

	if ((err = db_run(t->db, "UPDATE account SET state = ?,"
	    " version = version + 1 WHERE id = ?", A_INT(state),
	    A_INT(account))) < 0)
		return err;
	tell_account(t, account, state ? ACCOUNT_DISABLED : ACCOUNT_ENABLED);
	return 0;
}

static int
account_passwd(struct wtxn *t, uint64_t account, const struct wreq_account *r)
{
	int err;

	if ((err = db_run(t->db, "DELETE FROM credential"
	    " WHERE account = ? AND kind = ?", A_INT(account),
	    A_INT(CRED_PASSWORD))) < 0 ||
	    (err = put_credential(t, account, &r->cred, CRED_PASSWORD, "",
	    r->w.now_s)) < 0 ||
	    (err = raise_version(t, account)) < 0)
		return err;
	tell_account(t, account, ACCOUNT_CREDENTIALS);
	return 0;
}

static int
account_set(struct wtxn *t, uint64_t account,
    const struct account_sending *v)
{
	return db_run(t->db, "UPDATE account SET"
	    " file_sent = iif(?2 = -2, file_sent, ?2),"
	    " cap_messages_day = iif(?3 = -2, cap_messages_day,"
	    " nullif(?3, -1)),"
	    " cap_new_rcpt_day = iif(?4 = -2, cap_new_rcpt_day,"
	    " nullif(?4, -1)) WHERE id = ?1", A_INT(account),
	    A_INT(v->file_sent), A_INT(v->messages_day),
	    A_INT(v->new_rcpts_day));
}

int
apply_account(struct wtxn *t, struct wreq *w)
{
	struct wreq_account *r = (struct wreq_account *)w;
	int err;

	if (r->how == ACCOUNT_HOW_ADD)
		return account_add(t, r);
	if ((err = find_account(t, r->name, &r->account_r)) < 0)
		return err;
	switch (r->how) {
	case ACCOUNT_HOW_DEL:
		return account_del(t, r->account_r, w->now_s);
	case ACCOUNT_HOW_ENABLE:
		return account_set_state(t, r->account_r, 0);
	case ACCOUNT_HOW_DISABLE:
		return account_set_state(t, r->account_r, 1);
	case ACCOUNT_HOW_PASSWD:
		return account_passwd(t, r->account_r, r);
	case ACCOUNT_HOW_ADMIN:
	case ACCOUNT_HOW_USER:
		return db_run(t->db, "UPDATE account SET role = ?"
		    " WHERE id = ?", A_INT(r->how == ACCOUNT_HOW_ADMIN),
		    A_INT(r->account_r));
	case ACCOUNT_HOW_SET:
		return account_set(t, r->account_r, &r->sending);
	case ACCOUNT_HOW_ADD:
		break;
	}
	return ERR_RANGE;
}

/* ---- device passwords ---- */

static int
device_add(struct wtxn *t, uint64_t account, const struct wreq_device *r)
{
	int64_t n;
	int err;

	if ((err = db_get(t->db, &n, "SELECT count(*) FROM credential"
	    " WHERE account = ? AND kind = ? AND label = ?", A_INT(account),
	    A_INT(CRED_DEVICE), A_STR(r->label))) < 0)
		return err;
	if (n > 0)
		return ERR_EXISTS;
	if ((err = db_get(t->db, &n, "SELECT count(*) FROM credential"
	    " WHERE account = ?", A_INT(account))) < 0)
		return err;
	if (n >= CRED_MAX)
		return ERR_LIMIT;
	/* Sessions that are open have nothing to do with a new device. */
	if ((err = put_credential(t, account, &r->cred, CRED_DEVICE, r->label,
	    r->w.now_s)) < 0)
		return err;
	return raise_version(t, account);
}

static int
device_del(struct wtxn *t, uint64_t account, const struct wreq_device *r)
{
	int err;

	if ((err = db_run(t->db, "DELETE FROM credential WHERE account = ?"
	    " AND kind = ? AND label = ?", A_INT(account),
	    A_INT(CRED_DEVICE), A_STR(r->label))) < 0)
		return err;
	if (sqlite3_changes(t->db->h) == 0)
		return ERR_NOTFOUND;
	if ((err = raise_version(t, account)) < 0)
		return err;
	/* Which of the sessions are the device's is not known: end all. */
	tell_account(t, account, ACCOUNT_CREDENTIALS);
	return 0;
}

int
apply_device(struct wtxn *t, struct wreq *w)
{
	struct wreq_device *r = (struct wreq_device *)w;
	uint64_t account;
	int err;

	if ((err = find_account(t, r->account, &account)) < 0)
		return err;
	return r->how == DIR_ADD ? device_add(t, account, r) :
	    device_del(t, account, r);
}
