/*
 * The schema, as numbered migrations.
 *
 * A migration runs in one transaction and sets user_version; a store is as
 * old as the last one it has. The first is the whole schema of version 1.
 * What later versions cannot change without rewriting data is fixed there:
 * page size, ids from meta, msg -> body -> content with the prefix, keywords
 * by mailbox and bit, one salt an account.
 *
 * Times are seconds of wall clock (UTC), chosen by the caller and carried in
 * the request. Ids come from meta 'next_id', modseqs from 'modseq',
 * UIDVALIDITY from 'uidvalidity': one counter each for the whole store,
 * raised in the batch's own transaction, never lowered and never reused.
 * There is no ON DELETE CASCADE: owners are marked dead and purge.c takes the
 * rows away in slices. REFERENCES is for the reader; check.c enforces it.
 */
#include "store/db_priv.h"

#include "server/base/err.h"
#include "server/base/xalloc.h"

#define APPLICATION_ID 0x4b50	/* "KP" */

static const char version_1[] =
/* store_id, next_id, modseq, uidvalidity, secret_scram, secret_thread */
"CREATE TABLE meta(name TEXT PRIMARY KEY, value ANY NOT NULL)"
" STRICT, WITHOUT ROWID;"

/* ---- who ---- */

/* name: A-labels, lower case. kind: 0 hosted, 1 alias of another, 2 backup */
"CREATE TABLE domain(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
" kind INTEGER NOT NULL DEFAULT 0, alias_of INTEGER, etrn_from TEXT,"
" mta_sts_mode INTEGER NOT NULL DEFAULT 0, mta_sts_id TEXT,"
" created INTEGER NOT NULL) STRICT;"

/*
 * state: 0 active, 1 disabled, 2 deleted. version ends caches and sessions.
 * One salt and count for all credentials of the account: a SCRAM client
 * names the account only, and gets the salt before it proves anything.
 */
"CREATE TABLE account(id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
" state INTEGER NOT NULL DEFAULT 0, role INTEGER NOT NULL DEFAULT 0,"
" created INTEGER NOT NULL, deleted INTEGER,"
" version INTEGER NOT NULL DEFAULT 1,"
" scram_salt BLOB NOT NULL, scram_iterations INTEGER NOT NULL,"
" quota_bytes INTEGER, quota_messages INTEGER,"
" bytes INTEGER NOT NULL DEFAULT 0, messages INTEGER NOT NULL DEFAULT 0,"
" cap_messages_day INTEGER, cap_new_rcpt_day INTEGER,"
" file_sent INTEGER NOT NULL DEFAULT 1,"
" junk_filter INTEGER NOT NULL DEFAULT 1,"
" undelete_days INTEGER NOT NULL DEFAULT 30, language TEXT) STRICT;"
"CREATE UNIQUE INDEX account_name ON account(name) WHERE state < 2;"
"CREATE INDEX account_deleted ON account(deleted)"
" WHERE deleted IS NOT NULL;"

/* kind: enum cred_kind. scope: bits of enum cred_scope */
"CREATE TABLE credential(id INTEGER PRIMARY KEY,"
" account INTEGER NOT NULL REFERENCES account(id), kind INTEGER NOT NULL,"
" label TEXT NOT NULL DEFAULT '', scope INTEGER NOT NULL DEFAULT 15,"
" argon2 TEXT, stored_key BLOB, server_key BLOB,"
" created INTEGER NOT NULL, expires INTEGER, revoked INTEGER,"
" last_used INTEGER, last_from TEXT) STRICT;"
"CREATE INDEX credential_account ON credential(account);"

/* Never lock out an address that has just logged in. */
"CREATE TABLE known_peer(account INTEGER NOT NULL, net BLOB NOT NULL,"
" last_ok INTEGER NOT NULL, PRIMARY KEY(account, net))"
" STRICT, WITHOUT ROWID;"

/*
 * address: local@domain, folded; '@domain' is the catch-all. kind: 0 account,
 * 1 alias, 2 refused (under a catch-all).
 */
"CREATE TABLE address(address TEXT PRIMARY KEY,"
" domain INTEGER NOT NULL REFERENCES domain(id), kind INTEGER NOT NULL,"
" account INTEGER, reason TEXT) STRICT, WITHOUT ROWID;"
"CREATE INDEX address_domain ON address(domain);"
"CREATE INDEX address_account ON address(account)"
" WHERE account IS NOT NULL;"
"CREATE TABLE alias_target("
" address TEXT NOT NULL REFERENCES address(address), target TEXT NOT NULL,"
" PRIMARY KEY(address, target)) STRICT, WITHOUT ROWID;"
"CREATE INDEX alias_target_target ON alias_target(target);"

/* ---- mailboxes ---- */

/*
 * id: MAILBOXID. name: UTF-8, '/' between levels, NULL once deleted. modseq:
 * of the last change, also of metadata (RFC 7162 section 3.2). vanished is
 * complete above vanished_floor. UIDs above recent_uid are \Recent to the
 * next SELECT. dropped: when it was deleted.
 */
"CREATE TABLE mailbox(id INTEGER PRIMARY KEY,"
" account INTEGER NOT NULL REFERENCES account(id), name TEXT,"
" noselect INTEGER NOT NULL DEFAULT 0,"
" special_use INTEGER NOT NULL DEFAULT 0,"
" uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL DEFAULT 1,"
" modseq INTEGER NOT NULL, vanished_floor INTEGER NOT NULL DEFAULT 0,"
" recent_uid INTEGER NOT NULL DEFAULT 0,"
" messages INTEGER NOT NULL DEFAULT 0, unseen INTEGER NOT NULL DEFAULT 0,"
" deleted INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,"
" deleted_bytes INTEGER NOT NULL DEFAULT 0, expire_days INTEGER,"
" created INTEGER NOT NULL, dropped INTEGER) STRICT;"
"CREATE UNIQUE INDEX mailbox_name ON mailbox(account, name)"
" WHERE name IS NOT NULL;"
"CREATE INDEX mailbox_dropped ON mailbox(dropped)"
" WHERE dropped IS NOT NULL;"

/* A name, not a mailbox: outlives it. */
"CREATE TABLE subscription(account INTEGER NOT NULL, name TEXT NOT NULL,"
" PRIMARY KEY(account, name)) STRICT, WITHOUT ROWID;"
/* bit: 8..63 of msg.flags */
"CREATE TABLE keyword(mailbox INTEGER NOT NULL, bit INTEGER NOT NULL,"
" name TEXT NOT NULL COLLATE NOCASE,"
" PRIMARY KEY(mailbox, bit), UNIQUE(mailbox, name))"
" STRICT, WITHOUT ROWID;"
/* account 0: anyone */
"CREATE TABLE acl(mailbox INTEGER NOT NULL, account INTEGER NOT NULL,"
" negative INTEGER NOT NULL DEFAULT 0, rights INTEGER NOT NULL,"
" PRIMARY KEY(mailbox, account, negative)) STRICT, WITHOUT ROWID;"
"CREATE INDEX acl_account ON acl(account);"
/* \Seen of accounts other than the owner, as UID ranges */
"CREATE TABLE seen(mailbox INTEGER NOT NULL, account INTEGER NOT NULL,"
" uid_lo INTEGER NOT NULL, uid_hi INTEGER NOT NULL,"
" PRIMARY KEY(mailbox, account, uid_lo)) STRICT, WITHOUT ROWID;"
/* mailbox 0: server. account 0: /shared, else whose /private */
"CREATE TABLE metadata(mailbox INTEGER NOT NULL,"
" account INTEGER NOT NULL, entry TEXT NOT NULL COLLATE NOCASE,"
" value BLOB NOT NULL, PRIMARY KEY(mailbox, account, entry))"
" STRICT, WITHOUT ROWID;"

/* ---- messages ---- */

/* Narrow, so that a mailbox loads fast. size: prefix + content. */
"CREATE TABLE msg(mailbox INTEGER NOT NULL, uid INTEGER NOT NULL,"
" flags INTEGER NOT NULL, modseq INTEGER NOT NULL, body INTEGER NOT NULL,"
" size INTEGER NOT NULL, internaldate INTEGER NOT NULL,"
" savedate INTEGER NOT NULL, thread INTEGER NOT NULL,"
" PRIMARY KEY(mailbox, uid)) STRICT, WITHOUT ROWID;"
/* refs: rows of msg and expunged. freed: when refs fell to 0 */
"CREATE TABLE body(id INTEGER PRIMARY KEY,"
" content INTEGER NOT NULL REFERENCES content(id), refs INTEGER NOT NULL,"
" freed INTEGER, prefix BLOB NOT NULL DEFAULT x'') STRICT;"
"CREATE INDEX body_freed ON body(freed) WHERE freed IS NOT NULL;"
/*
 * refs: rows of body. freed: when refs fell to 0; negative while it is being
 * received, minus the time of its first chunk. flavour: enum mime_flavour.
 * hash: BLAKE2b-256.
 */
"CREATE TABLE content(id INTEGER PRIMARY KEY, refs INTEGER NOT NULL,"
" freed INTEGER, length INTEGER NOT NULL,"
" codec INTEGER NOT NULL DEFAULT 0, dictionary INTEGER NOT NULL DEFAULT 0,"
" flavour INTEGER NOT NULL DEFAULT 0, hash BLOB NOT NULL) STRICT;"
"CREATE INDEX content_freed ON content(freed) WHERE freed IS NOT NULL;"
/* id: content << 12 | n. A rowid table, so that sqlite3_blob_read works. */
"CREATE TABLE chunk(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
"CREATE TABLE digest(content INTEGER PRIMARY KEY,"
" version INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"

/* UIDs gone, as ranges; may span UIDs that were gone before. */
"CREATE TABLE vanished(mailbox INTEGER NOT NULL, modseq INTEGER NOT NULL,"
" uid_lo INTEGER NOT NULL, uid_hi INTEGER NOT NULL,"
" PRIMARY KEY(mailbox, modseq, uid_lo)) STRICT, WITHOUT ROWID;"
/* For undelete; a moved message is not here. */
"CREATE TABLE expunged(mailbox INTEGER NOT NULL, uid INTEGER NOT NULL,"
" at INTEGER NOT NULL, flags INTEGER NOT NULL, body INTEGER NOT NULL,"
" size INTEGER NOT NULL, internaldate INTEGER NOT NULL,"
" savedate INTEGER NOT NULL, thread INTEGER NOT NULL,"
" PRIMARY KEY(mailbox, uid)) STRICT, WITHOUT ROWID;"
"CREATE INDEX expunged_at ON expunged(at);"
/*
 * THREADID of a Message-ID; first come wins, never merged (RFC 8474 section
 * 5.2). msgid: keyed 64-bit hash. used: day.
 */
"CREATE TABLE thread_ref(account INTEGER NOT NULL, msgid INTEGER NOT NULL,"
" thread INTEGER NOT NULL, used INTEGER NOT NULL,"
" PRIMARY KEY(account, msgid)) STRICT, WITHOUT ROWID;"

/* ---- operation ---- */

/* source: 0 self-made, 1 loaded, 2 ACME */
"CREATE TABLE certificate(name TEXT PRIMARY KEY, chain BLOB NOT NULL,"
" key BLOB NOT NULL, not_after INTEGER NOT NULL, source INTEGER NOT NULL)"
" STRICT, WITHOUT ROWID;";

/* Mail that leaves, what became of mail, and trust between servers. */
static const char version_2[] =
/*
 * What waits for elsewhere. body: what is sent, one reference. flags, ret,
 * by_mode: see queue.h.
 */
"CREATE TABLE queue(id INTEGER PRIMARY KEY, body INTEGER NOT NULL,"
" sender TEXT NOT NULL, account INTEGER NOT NULL, msgid TEXT,"
" created INTEGER NOT NULL, release INTEGER NOT NULL,"
" expires INTEGER NOT NULL, deliver_by INTEGER NOT NULL,"
" by_mode INTEGER NOT NULL, priority INTEGER NOT NULL,"
" ret INTEGER NOT NULL, envid TEXT, flags INTEGER NOT NULL) STRICT;"
"CREATE TABLE queue_rcpt(queue INTEGER NOT NULL REFERENCES queue(id),"
" n INTEGER NOT NULL, rcpt TEXT NOT NULL, orcpt TEXT,"
" notify INTEGER NOT NULL, destination TEXT NOT NULL,"
" state INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,"
" next_at INTEGER, warned INTEGER, done INTEGER, code INTEGER, text TEXT,"
" PRIMARY KEY(queue, n)) STRICT, WITHOUT ROWID;"
"CREATE INDEX queue_due ON queue_rcpt(destination, next_at)"
" WHERE state = 0;"
/* One for each name that somebody waits for; next_at: when there is work. */
"CREATE TABLE destination(name TEXT PRIMARY KEY,"
" failures INTEGER NOT NULL, next_at INTEGER NOT NULL, text TEXT)"
" STRICT, WITHOUT ROWID;"
"CREATE INDEX destination_due ON destination(next_at);"
"CREATE TABLE queue_attempt(queue INTEGER NOT NULL, n INTEGER NOT NULL,"
" at INTEGER NOT NULL, host TEXT, peer TEXT, tls TEXT, code INTEGER,"
" text TEXT, ms INTEGER, PRIMARY KEY(queue, n, at)) STRICT, WITHOUT ROWID;"
/* day: of the epoch, UTC. send_known: keyed hashes of recipients. */
"CREATE TABLE send_count(account INTEGER NOT NULL, day INTEGER NOT NULL,"
" messages INTEGER NOT NULL, new_rcpts INTEGER NOT NULL,"
" PRIMARY KEY(account, day)) STRICT, WITHOUT ROWID;"
"CREATE TABLE send_known(account INTEGER NOT NULL, rcpt INTEGER NOT NULL,"
" PRIMARY KEY(account, rcpt)) STRICT, WITHOUT ROWID;"
/*
 * What came into Sent within the hour, from us or from its owner. msgid:
 * keyed hash.
 */
"CREATE TABLE sent_copy(account INTEGER NOT NULL, msgid INTEGER NOT NULL,"
" mailbox INTEGER NOT NULL, uid INTEGER NOT NULL, is_ours INTEGER NOT NULL,"
" at INTEGER NOT NULL, PRIMARY KEY(account, msgid, mailbox, uid))"
" STRICT, WITHOUT ROWID;"
"CREATE INDEX sent_copy_at ON sent_copy(at);"
/* state: 0 published, 1 signing, 2 retiring */
"CREATE TABLE dkim_key(id INTEGER PRIMARY KEY,"
" domain INTEGER NOT NULL REFERENCES domain(id), selector TEXT NOT NULL,"
" algorithm INTEGER NOT NULL, private BLOB NOT NULL,"
" public BLOB NOT NULL, state INTEGER NOT NULL, created INTEGER NOT NULL,"
" retire INTEGER NOT NULL, UNIQUE(domain, selector)) STRICT;"
/* mx: patterns, a space between */
"CREATE TABLE mta_sts(domain TEXT PRIMARY KEY, id TEXT NOT NULL,"
" mode INTEGER NOT NULL, mx TEXT NOT NULL, fetched INTEGER NOT NULL,"
" expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

/* What became of TLS with others, by day (UTC, since 1970) and domain. */
static const char version_3[] =
"CREATE TABLE tls_result(day INTEGER NOT NULL, domain TEXT NOT NULL,"
" type TEXT NOT NULL, policy TEXT NOT NULL, result TEXT NOT NULL,"
" host TEXT NOT NULL, peer TEXT NOT NULL, local TEXT NOT NULL,"
" reason TEXT NOT NULL, n INTEGER NOT NULL,"
" PRIMARY KEY(day, domain, type, policy, result, host, peer, local,"
" reason)) STRICT, WITHOUT ROWID;";

static const char *const migrations[] = { version_1, version_2, version_3 };

int
schema_version(void)
{
	return (int)COUNT(migrations);
}

/* What a new store needs to have before its first request. */
static int
seed_meta(struct db *db, struct env *env)
{
	unsigned char id[16], scram[32], thread[16];
	int err;

	random_fill(env->random, id, sizeof id);
	random_fill(env->random, scram, sizeof scram);
	random_fill(env->random, thread, sizeof thread);
	if ((err = db_run(db, "INSERT INTO meta(name, value) VALUES"
	    " ('store_id', ?), ('secret_scram', ?), ('secret_thread', ?),"
	    /*
	     * UIDVALIDITY starts at the time, so that a store made anew in
	     * the place of a lost one does not repeat the old values.
	     */
	    " ('uidvalidity', ?), ('next_id', 1), ('modseq', 1)",
	    A_BLOB(id, sizeof id), A_BLOB(scram, sizeof scram),
	    A_BLOB(thread, sizeof thread),
	    A_INT(env_wall_s(env) & 0x7fffffff))) < 0)
		return err;
	return db_exec(db, "PRAGMA application_id = 19280");
}

static int
migrate_one(struct db *db, struct env *env, int n)
{
	char version[64];
	int err;

	_Static_assert(APPLICATION_ID == 19280, "the text above says it");
	snprintf(version, sizeof version, "PRAGMA user_version = %d", n + 1);
	if ((err = db_exec(db, "BEGIN IMMEDIATE")) < 0)
		return err;
	if ((err = db_exec(db, migrations[n])) < 0 ||
	    (n == 0 && (err = seed_meta(db, env)) < 0) ||
	    (err = db_exec(db, version)) < 0 ||
	    (err = db_exec(db, "COMMIT")) < 0) {
		if (db_in_transaction(db))
			(void)db_exec(db, "ROLLBACK");
		return err;
	}
	return 0;
}

int
schema_migrate(struct db *db, struct env *env, struct buf *why)
{
	int64_t have, app, tables;
	int err;

	if ((err = db_get(db, &have, "PRAGMA user_version")) < 0 ||
	    (err = db_get(db, &app, "PRAGMA application_id")) < 0 ||
	    (err = db_get(db, &tables,
	    "SELECT count(*) FROM sqlite_schema")) < 0) {
		buf_printf(why, "the database cannot be read: %s",
		    sqlite3_errmsg(db->h));
		return err;
	}
	if (tables > 0 && app != APPLICATION_ID) {
		buf_adds(why, "the database file is not one of ours");
		return ERR_STORE;
	}
	if (have > schema_version()) {
		buf_printf(why, "the store has schema %d and this program "
		    "knows up to %d: it was written by a newer version",
		    (int)have, schema_version());
		return ERR_STORE;
	}
	for (int n = (int)have; n < schema_version(); n++)
		if ((err = migrate_one(db, env, n)) < 0) {
			buf_printf(why, "schema %d could not be made: %s",
			    n + 1, sqlite3_errmsg(db->h));
			return err;
		}
	return 0;
}
