/*
 * The one way to a mailbox: who acts, and which rights does it take.
 *
 * An account has all rights (RFC 4314) on its own mailboxes. On those of
 * others it has what their access control lists grant to it and to anyone,
 * less what they deny. acl_rights decides that, for what is read from the
 * database here and for what a view knows (view_rights) alike.
 */
#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/acl_priv.h"
#include "store/mime/address.h"
#include "store/store_priv.h"

/* What is left of a noselect mailbox: a name that one may work on. */
#define RIGHTS_OF_NAME (RIGHT_LOOKUP | RIGHT_CREATE | RIGHT_DELETE | \
	    RIGHT_ADMIN)

/* RFC 4314 section 4, MYRIGHTS: with one of these a mailbox is known. */
#define RIGHTS_TO_KNOW (RIGHT_LOOKUP | RIGHT_READ | RIGHT_INSERT | \
	    RIGHT_CREATE | RIGHT_DELETE | RIGHT_ADMIN)

#define COLUMNS "id, account, name, noselect, special_use, uidvalidity," \
	" uidnext, recent_uid, modseq, vanished_floor, messages, unseen," \
	" deleted, bytes, deleted_bytes, created FROM mailbox"

/* ---- rights ---- */

unsigned
acl_rights(const struct acl_entry *v, size_t n, uint64_t actor,
    uint64_t owner)
{
	unsigned granted = 0, denied = 0;

	if (actor == 0 || actor == owner)
		return RIGHT_ALL;
	for (size_t i = 0; i < n; i++) {
		if (v[i].account != actor && v[i].account != ACL_ANYONE)
			continue;
		if (v[i].is_negative)
			denied |= v[i].rights;
		else
			granted |= v[i].rights;
	}
	return granted & ~denied & RIGHT_ALL;
}

/* Of one account and of anyone, both ways: four entries at most. */
unsigned
mailbox_rights(struct db *db, uint64_t actor, uint64_t mailbox,
    uint64_t account)
{
	struct acl_entry v[4];
	sqlite3_stmt *s;
	size_t n = 0;
	int err;

	if (actor == 0 || actor == account)
		return RIGHT_ALL;
	if (db_query(db, &s, "SELECT account, negative, rights FROM acl"
	    " WHERE mailbox = ? AND account IN (0, ?)", A_INT(mailbox),
	    A_INT(actor)) < 0)
		return 0;
	while ((err = db_step(db, s)) > 0 && n < COUNT(v))
		v[n++] = (struct acl_entry){
			.account = db_u64(s, 0),
			.is_negative = db_i64(s, 1) != 0,
			.rights = db_u32(s, 2)
		};
	if (err > 0)
		db_done(s);
	/* Half of a list might grant what the other half denies. */
	return err < 0 ? 0 : acl_rights(v, n, actor, account);
}

/* ---- names ---- */

static int
find_account(struct db *db, struct span key, uint64_t *account)
{
	int64_t id = 0;
	int err = db_get(db, &id, "SELECT id FROM account WHERE name = ?"
	    " AND state < 2", A_SPAN(key));

	*account = (uint64_t)id;
	return err == ERR_NOTFOUND ? ERR_NOUSER : err;
}

/* By a local part that only one has; 'A' is the byte after '@'. */
static int
find_account_local(struct db *db, struct span local, uint64_t *account)
{
	int64_t id = 0, n = 0;
	int err = db_get(db, &n, "SELECT count(*) FROM account"
	    " WHERE name >= ?1 || '@' AND name < ?1 || 'A' AND state < 2",
	    A_SPAN(local));

	if (err == 0 && n == 1)
		err = db_get(db, &id, "SELECT id FROM account"
		    " WHERE name >= ?1 || '@' AND name < ?1 || 'A'"
		    " AND state < 2", A_SPAN(local));
	*account = (uint64_t)id;
	return err == 0 && n != 1 ? ERR_NOUSER : err;
}

int
account_of_login(struct db *db, struct span name, uint64_t *account)
{
	const char *at = name.len ? memrchr(name.p, '@', name.len) : NULL;
	struct buf key = BUF_INIT;
	int err = ERR_NOUSER;

	if (!at)
		err = find_account_local(db, name, account);
	else if (address_key(&key, span_head(name, (size_t)(at - name.p)),
	    span_from(name, (size_t)(at - name.p) + 1)) == 0)
		err = find_account(db, buf_span(&key), account);
	buf_release(&key);
	return err;
}

int
mailbox_place(struct db *db, uint64_t actor, struct span name,
    struct mailbox_place *place)
{
	struct span user, rest;
	int err;

	*place = (struct mailbox_place){ .account = actor, .name = name };
	if (!mailbox_name_split(name, &user, &rest))
		return 0;
	*place = (struct mailbox_place){ .name = rest };
	if (user.len == 0 || rest.len == 0)
		return ERR_NOMBOX;
	err = account_of_login(db, user, &place->account);
	/* One's own have one name only. */
	if (err == ERR_NOUSER || (err == 0 && place->account == actor)) {
		place->account = 0;
		err = ERR_NOMBOX;
	}
	return err;
}

/* ---- look-ups ---- */

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

/*
 * Runs the look-up in s and judges what it finds. RFC 4314 section 6: who may
 * not do a thing learns that from a mailbox which he sees; another is not
 * there.
 */
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
	if (!(row->rights & (rights ? rights : RIGHTS_TO_KNOW)) &&
	    !(row->rights & RIGHT_LOOKUP))
		return ERR_NOMBOX;
	if (row->noselect && (rights & ~(unsigned)RIGHTS_OF_NAME))
		return ERR_NOMBOX;
	if (!(rights & ~row->rights))
		return 0;
	return row->rights & RIGHT_LOOKUP ? ERR_DENIED : ERR_NOMBOX;
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
mailbox_access_place(struct db *db, uint64_t actor,
    const struct mailbox_place *place, unsigned rights,
    struct mailbox_row *row)
{
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT " COLUMNS
	    " WHERE account = ? AND name = ?", A_INT(place->account),
	    A_SPAN(place->name))) < 0)
		return err;
	return judge(db, s, actor, rights, row);
}

int
mailbox_access_name(struct db *db, uint64_t actor, struct span name,
    unsigned rights, struct mailbox_row *row)
{
	struct mailbox_place place;
	int err = mailbox_place(db, actor, name, &place);

	return err < 0 ? err : mailbox_access_place(db, actor, &place,
	    rights, row);
}
