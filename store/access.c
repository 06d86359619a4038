/*
 * The one way to a mailbox: who acts, and which rights does it take.
 *
 * An account has all rights (RFC 4314) on its own mailboxes and none on those
 * of others. When commands come that grant some, mailbox_rights is the place
 * that reads them; nothing else decides.
 */
#include "server/base/err.h"
#include "store/store_priv.h"

/* What is left of a noselect mailbox: a name that one may work on. */
#define RIGHTS_OF_NAME (RIGHT_LOOKUP | RIGHT_CREATE | RIGHT_DELETE | \
	    RIGHT_ADMIN)

#define COLUMNS "id, account, name, noselect, special_use, uidvalidity," \
	" uidnext, recent_uid, modseq, vanished_floor, messages, unseen," \
	" deleted, bytes, deleted_bytes, created FROM mailbox"

unsigned
mailbox_rights(struct db *db, uint64_t actor, uint64_t mailbox,
    uint64_t account)
{
	(void)db;
	(void)mailbox;
	return actor == 0 || actor == account ? RIGHT_ALL : 0;
}

static void
read_row(sqlite3_stmt *s, struct mailbox_row *row)
{
	struct span name = span_head(db_span(s, 2), MAILBOX_NAME_MAX);

	*row = (struct mailbox_row){
		.id = db_u64(s, 0),
		.account = db_u64(s, 1),
		.noselect = db_i64(s, 3) != 0,
		.use = (enum special_use)db_i64(s, 4),
		.uidvalidity = db_u32(s, 5),
		.uidnext = db_u32(s, 6),
		.recent_uid = db_u32(s, 7),
		.modseq = db_u64(s, 8),
		.vanished_floor = db_u64(s, 9),
		.messages = db_u32(s, 10),
		.unseen = db_u32(s, 11),
		.deleted = db_u32(s, 12),
		.bytes = db_u64(s, 13),
		.deleted_bytes = db_u64(s, 14),
		.created_s = db_i64(s, 15)
	};
	if (name.len)
		memcpy(row->name, name.p, name.len);
}

/* Runs the look-up in s and judges what it finds. */
static int
judge(struct db *db, sqlite3_stmt *s, uint64_t actor, unsigned rights,
    struct mailbox_row *row)
{
	int err;

	if ((err = db_step(db, s)) <= 0)
		return err < 0 ? err : ERR_NOMBOX;
	read_row(s, row);
	db_done(s);
	row->rights = mailbox_rights(db, actor, row->id, row->account);
	if (!(row->rights & RIGHT_LOOKUP))
		return ERR_NOMBOX;
	if (row->noselect && (rights & ~(unsigned)RIGHTS_OF_NAME))
		return ERR_NOMBOX;
	return (rights & ~row->rights) ? ERR_DENIED : 0;
}

int
mailbox_access(struct db *db, uint64_t actor, uint64_t mailbox,
    unsigned rights, struct mailbox_row *row)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT " COLUMNS
	    " WHERE id = ? AND name IS NOT NULL", A_INT(mailbox))) < 0)
		return err;
	return judge(db, s, actor, rights, row);
}

int
mailbox_access_name(struct db *db, uint64_t actor, struct span name,
    unsigned rights, struct mailbox_row *row)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT " COLUMNS
	    " WHERE account = ? AND name = ?", A_INT(actor),
	    A_SPAN(name))) < 0)
		return err;
	return judge(db, s, actor, rights, row);
}
