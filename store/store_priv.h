/*
 * Inside the store: what its writing and its reading half share.
 *
 * Threads: the writer thread alone uses store->db and commits; each reader
 * thread has a connection of its own (db_open_reader). In inline mode there
 * are no threads and store->db serves both halves: a read then runs between
 * two batches, never inside one.
 */
#ifndef STORE_STORE_PRIV_H
#define STORE_STORE_PRIV_H

#define KNOWN_NET_S (30 * 86400)	/* "lately" of is_known_net */

#include <pthread.h>
#include <stdatomic.h>

#include "server/base/hash.h"
#include "server/base/session.h"
#include "store/change.h"
#include "store/db_priv.h"
#include "store/mailbox.h"
#include "store/store.h"

struct readers;		/* reader.c */
struct writer;		/* writer_priv.h */

/* Mutex note: the readers' gate is a read-write lock, see gate_enter. */
struct store {
	struct store_settings settings;	/* texts are copies */
	struct env *env;		/* not its home, hub, creds */
	char *path;			/* of the database, or ":memory:" */
	int dir_fd;			/* holds the folder's lock; -1 in memory */
	struct db db;			/* the writer's connection */
	struct writer *writer;
	struct readers *readers;
	pthread_rwlock_t gate;
	atomic_bool is_full;
	struct hash_key thread_key;	/* of Message-IDs in thread_ref */
	unsigned char secret[32];	/* meta 'secret_scram': cred_source */
	struct cred_source *creds;	/* made by store_creds (creds.c) */
};

/* ---- the reading half: reader.c gives these to store.c ---- */

/* Makes store->readers; in threaded mode starts settings.readers threads. */
int readers_start(struct store *store, struct buf *why);
/*
 * Jobs not run yet come home with ERR_CLOSED; ends threads, closes their
 * connections, frees. store->readers NULL is legal.
 */
void readers_stop(struct store *store);
/* Inline: runs every job queued now, one slice each. Whether any was. */
bool readers_pump(struct store *store);

/* creds.c: frees what store_creds made; NULL is legal. */
void creds_free(struct cred_source *creds);

/*
 * The gate: a reader thread is inside while it runs a slice (at most a few
 * ms), around db_begin_read .. db_end_read. The writer closes it for a moment
 * when the log has grown past 64 MiB, so that no snapshot keeps the log from
 * starting over. A job that must keep a snapshot for longer (backup) stays
 * outside: then the log just grows on. Nothing to do in inline mode.
 */
void gate_enter(struct store *store);
void gate_leave(struct store *store);
void gate_close(struct store *store);	/* writer: waits until all are out */
void gate_open(struct store *store);

/* ---- listeners: how a hub hears of commits ---- */

struct listener;

/*
 * From now on every change set is delivered to changed(hub, cs) on the loop
 * that drains home: in commit order, before the completions of the requests
 * of that commit, in the same queue. cs is borrowed (take a reference to keep
 * it). Thread: the loop's. Commits made before are not delivered.
 */
struct listener *store_listen(struct store *store, struct post *home,
    struct hub *hub, bool (*changed)(struct hub *, struct changeset *));

/*
 * No call of changed after this returns, also not for change sets that are
 * still in the queue. Legal before and after store_close, while home lives.
 * Thread: the loop's. NULL is legal.
 */
void store_unlisten(struct listener *l);

/* ---- access: every look-up of a mailbox goes through here (access.c) ---- */

struct mailbox_row {
	uint64_t id, account;
	char name[MAILBOX_NAME_MAX + 1];
	bool noselect;
	enum special_use use;
	unsigned rights;		/* of the acting account */
	uint32_t uidvalidity, uidnext, recent_uid;
	uint64_t modseq, vanished_floor;
	uint32_t messages, unseen, deleted;
	uint64_t bytes, deleted_bytes;
	int64_t created_s;
};

/*
 * The mailbox with this id, if actor has all of rights on it. The owner has
 * RIGHT_ALL; actor 0 is the server itself and may do everything. rights 0:
 * any that RFC 4314 section 4 has for MYRIGHTS.
 *
 * ERR_NOMBOX: no such mailbox, or a right is missing and actor may not look
 * it up, or it is noselect and rights go beyond LOOKUP, CREATE, DELETE and
 * ADMIN.
 * ERR_DENIED: seen, but a right is missing. Else database errors.
 */
int mailbox_access(struct db *db, uint64_t actor, uint64_t mailbox,
    unsigned rights, struct mailbox_row *row);

/* Whose tree a name is in, and what it is called there. */
struct mailbox_place {
	uint64_t account;
	struct span name;
};

/*
 * The place of a canonical name as actor (not 0) gives it: in its own tree,
 * or for "Users/NAME/FOLDER" in that of another. ERR_NOMBOX where there is no
 * such account, and for the levels above FOLDER; then account is 0.
 */
int mailbox_place(struct db *db, uint64_t actor, struct span name,
    struct mailbox_place *place);
int mailbox_access_place(struct db *db, uint64_t actor,
    const struct mailbox_place *place, unsigned rights,
    struct mailbox_row *row);

/*
 * The account with this log-in name, as clients may give it: the address in
 * any case, or its local part where no other has the same. ERR_NOUSER.
 */
int account_of_login(struct db *db, struct span name, uint64_t *account);

/* By the canonical name that actor gives, which is not 0. */
int mailbox_access_name(struct db *db, uint64_t actor, struct span name,
    unsigned rights, struct mailbox_row *row);

/* Rights of actor on a mailbox that account owns; 0: may not know of it. */
unsigned mailbox_rights(struct db *db, uint64_t actor, uint64_t mailbox,
    uint64_t account);

/* check.c: store_check within a transaction that is open already. */
int store_check_rows(struct store *store, struct buf *why);

/* ---- requests that only the store itself makes ---- */

/*
 * A log-in that worked: last use of the credential and the peer's net, each
 * written at most once an hour. Nobody waits. Submit with store_submit.
 */
struct wreq_note_login {
	struct wreq w;
	uint64_t account, cred;
	unsigned char net[16];
	char from[ADDR_TEXT_MAX];
};
struct wreq_note_login *wreq_note_login_new(struct env *env);

#endif
