/*
 * Log-in data: the store as a cred_source (server/base/cred.h).
 */
#include <stdlib.h>
#include <string.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/mime/address.h"
#include "store/read_priv.h"
#include "store/write.h"

#define NOTE_EVERY_S 3600
#define NOTES_MAX 4096			/* remembered; then all are forgotten */

struct store_creds {
	struct cred_source source;
	struct cred_source *next;	/* other loops' */
	struct store *store;
	struct env *env;		/* the loop's */
	struct idmap noted;		/* when, by credential and net */
};

/* ---- on a reader ---- */

/* The account by its whole name, or by a local part that only one has. */
static const char by_name[] = "SELECT id, name, state, version, scram_salt,"
    " scram_iterations FROM account WHERE state < 2 AND name = ?";
static const char by_local[] = "SELECT id, name, state, version, scram_salt,"
    " scram_iterations FROM account WHERE state < 2 AND name >= ?"
    " AND name < ? LIMIT 2";

static void
copy_text(char *to, size_t size, struct span s)
{
	s = span_head(s, size - 1);
	if (s.len)
		memcpy(to, s.p, s.len);
	to[s.len] = '\0';
}

static void
read_account(sqlite3_stmt *s, struct cred_account *c)
{
	struct span salt = span_head(db_span(s, 4), CRED_SALT_MAX);

	c->found = true;
	c->account = db_u64(s, 0);
	copy_text(c->name, sizeof c->name, db_span(s, 1));
	c->disabled = db_i64(s, 2) != 0;
	c->version = db_u64(s, 3);
	if (salt.len)
		memcpy(c->salt, salt.p, salt.len);
	c->salt_len = salt.len;
	c->iterations = (unsigned)db_u32(s, 5);
}

/* 0 also when there is none, or more than one. */
static int
step_account(struct db *db, sqlite3_stmt *s, struct cred_account *c)
{
	int err;

	if ((err = db_step(db, s)) <= 0)
		return err;
	read_account(s, c);
	if ((err = db_step(db, s)) <= 0)
		return err;
	db_done(s);
	*c = (struct cred_account){ 0 };
	return 0;
}

static int
find_by_name(struct db *db, const char *name, const char *at,
    struct cred_account *c)
{
	struct buf key = BUF_INIT;
	sqlite3_stmt *s;
	int err = 0;

	if (address_key(&key, span_make(name, (size_t)(at - name)),
	    span_of(at + 1)) == 0 &&
	    (err = db_query(db, &s, by_name, A_SPAN(buf_span(&key)))) == 0)
		err = step_account(db, s, c);
	buf_release(&key);
	return err;
}

/* 'A' is the byte after '@', which ends the local part. */
static int
find_by_local(struct db *db, const char *name, struct cred_account *c)
{
	struct buf from = BUF_INIT, to = BUF_INIT;
	sqlite3_stmt *s;
	int err;

	buf_printf(&from, "%s@", name);
	buf_printf(&to, "%sA", name);
	if ((err = db_query(db, &s, by_local, A_SPAN(buf_span(&from)),
	    A_SPAN(buf_span(&to)))) == 0)
		err = step_account(db, s, c);
	buf_release(&from);
	buf_release(&to);
	return err;
}

static bool
copy_key(unsigned char *to, struct span s)
{
	if (s.len != CRED_KEY_LEN)
		return false;
	memcpy(to, s.p, CRED_KEY_LEN);
	return true;
}

static int
read_creds(struct db *db, struct cred_account *c)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT id, kind, scope, expires, argon2,"
	    " stored_key, server_key FROM credential WHERE account = ?"
	    " AND revoked IS NULL ORDER BY id LIMIT ?", A_INT(c->account),
	    A_INT(CRED_MAX))) < 0)
		return err;
	while ((err = db_step(db, s)) > 0) {
		struct cred *cred = &c->creds[c->cred_count];
		struct span argon2 = db_span(s, 4);

		cred->id = db_u64(s, 0);
		cred->kind = (enum cred_kind)db_i64(s, 1);
		cred->scope = (unsigned)db_u32(s, 2);
		cred->expires_s = db_i64(s, 3);
		if (argon2.len >= sizeof cred->argon2 ||
		    !copy_key(cred->stored_key, db_span(s, 5)) ||
		    !copy_key(cred->server_key, db_span(s, 6))) {
			*cred = (struct cred){ 0 };
			continue;	/* of no use to anyone */
		}
		copy_text(cred->argon2, sizeof cred->argon2, argon2);
		c->cred_count++;
	}
	return err;
}

static int
read_known_net(struct reader *r, const struct cred_request *req,
    struct cred_account *c)
{
	int64_t last_ok;
	int err;

	err = db_get(r->db, &last_ok, "SELECT last_ok FROM known_peer"
	    " WHERE account = ? AND net = ?", A_INT(c->account),
	    A_BLOB(req->net, sizeof req->net));
	if (err == ERR_NOTFOUND)
		return 0;
	c->is_known_net = err == 0 &&
	    env_wall_s(r->store->env) - last_ok < KNOWN_NET_S;
	return err;
}

int
slice_creds(struct reader *r, struct rjob *j)
{
	struct cred_request *req = CONTAINER_OF(j, struct rjob_creds,
	    j)->req;
	struct cred_account *c = &req->result;
	const char *at = strrchr(req->name, '@');
	int err;

	*c = (struct cred_account){ 0 };
	err = at ? find_by_name(r->db, req->name, at, c) :
	    find_by_local(r->db, req->name, c);
	if (err < 0 || !c->found)
		return err;
	if ((err = read_creds(r->db, c)) < 0)
		return err;
	return read_known_net(r, req, c);
}

/* The request goes home at once, not by way of the job. */
void
creds_home(struct rjob *j, int err)
{
	struct rjob_creds *rc = CONTAINER_OF(j, struct rjob_creds, j);

	op_complete(&rc->req->op, err);
	free(rc);
}

/* ---- on the loop ---- */

static void
creds_job_free(struct op *op)
{
	free(CONTAINER_OF(op, struct rjob_creds, j.op));
}

static void
creds_fetch(struct cred_source *source, struct cred_request *req)
{
	struct store_creds *sc = CONTAINER_OF(source, struct store_creds,
	    source);
	struct rjob_creds *rc = xcalloc(1, sizeof *rc);

	rjob_init(&rc->j, RJOB_CREDS, sc->env, NULL, creds_job_free);
	rc->req = req;
	store_read(sc->store, &rc->j);
}

/* Whether this was noted within the hour; else it is now. */
static bool
noted_lately(struct store_creds *sc, uint64_t cred,
    const unsigned char net[16], int64_t now_s)
{
	unsigned char bytes[sizeof cred + 16];
	uint64_t key;
	int64_t at;

	memcpy(bytes, &cred, sizeof cred);
	memcpy(bytes + sizeof cred, net, 16);
	key = hash64(&sc->env->hash_key, bytes, sizeof bytes);
	at = (int64_t)(intptr_t)idmap_find(&sc->noted, key);
	if (at && now_s - at < NOTE_EVERY_S)
		return true;
	if (sc->noted.count >= NOTES_MAX)
		idmap_release(&sc->noted);
	(void)idmap_take(&sc->noted, key);
	/* A value must not be NULL; 1970 was long ago. */
	idmap_put(&sc->noted, key, (void *)(intptr_t)MAX(now_s, 1));
	return false;
}

static void
creds_note_use(struct cred_source *source, uint64_t account, uint64_t cred,
    const unsigned char net[16], const char *from)
{
	struct store_creds *sc = CONTAINER_OF(source, struct store_creds,
	    source);
	struct wreq_note_login *w;

	if (noted_lately(sc, cred, net, env_wall_s(sc->env)))
		return;
	w = wreq_note_login_new(sc->env);
	w->account = account;
	w->cred = cred;
	memcpy(w->net, net, sizeof w->net);
	copy_text(w->from, sizeof w->from, span_of(from));
	store_submit(sc->store, &w->w);
}

/* ---- life ---- */

struct cred_source *
store_creds(struct store *store, struct env *loop_env)
{
	struct store_creds *sc = xcalloc(1, sizeof *sc);

	sc->source.fetch = creds_fetch;
	sc->source.note_use = creds_note_use;
	memcpy(sc->source.secret, store->secret, sizeof sc->source.secret);
	sc->store = store;
	sc->env = loop_env;
	sc->next = store->creds;
	store->creds = &sc->source;
	return &sc->source;
}

void
creds_free(struct cred_source *source)
{
	while (source) {
		struct store_creds *sc = CONTAINER_OF(source,
		    struct store_creds, source);

		source = sc->next;
		idmap_release(&sc->noted);
		free(sc);
	}
}
