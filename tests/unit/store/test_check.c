#include "server/base/xalloc.h"
#include "tests/unit/store/fixture.h"

/* Each breaks one rule of a sound store. */
static const char *const damages[] = {
	"UPDATE mailbox SET messages = messages + 1 WHERE name = 'INBOX'",
	"UPDATE mailbox SET unseen = 0 WHERE name = 'INBOX'",
	"UPDATE mailbox SET deleted_bytes = 1 WHERE name = 'INBOX'",
	"UPDATE mailbox SET uidnext = 2 WHERE name = 'INBOX'",
	"UPDATE mailbox SET modseq = 1 WHERE name = 'INBOX'",
	"UPDATE account SET bytes = 1",
	"UPDATE msg SET mailbox = 4711 WHERE uid = 2",
	"UPDATE msg SET body = 4711 WHERE uid = 2",
	"INSERT INTO expunged SELECT mailbox, uid, 1, flags, body, size,"
	" internaldate, savedate, thread FROM msg WHERE uid = 1",
	"UPDATE body SET refs = 2",
	"UPDATE body SET freed = 1",
	"UPDATE content SET refs = 3",
	"UPDATE content SET freed = 1",
	"UPDATE content SET length = 1",
	"UPDATE content SET hash = x'00'",
	"UPDATE body SET prefix = x'414243'",
	"DELETE FROM chunk",
	"UPDATE chunk SET data = CAST('A' || substr(data, 2) AS BLOB)",
	"DELETE FROM digest",
	"INSERT INTO chunk VALUES(99999999, x'')",
	"INSERT INTO vanished SELECT id, 1, 1, 9 FROM mailbox",
	"INSERT INTO vanished SELECT id, modseq + 1, 1, 1 FROM mailbox"
	" WHERE name = 'Sent'",
	"UPDATE msg SET flags = 256",
	"UPDATE meta SET value = 2 WHERE name = 'next_id'",
	"UPDATE meta SET value = 2 WHERE name = 'modseq'",
	"UPDATE meta SET value = 2 WHERE name = 'uidvalidity'",
	"UPDATE mailbox SET uidvalidity = 7",
	"DELETE FROM mailbox WHERE name = 'INBOX'",
	"UPDATE mailbox SET name = NULL WHERE name = 'Sent'",
	"UPDATE mailbox SET name = 'a/b' WHERE name = 'Sent'",
	"UPDATE mailbox SET noselect = 1 WHERE name = 'Sent'",
	"DELETE FROM address",
	"DELETE FROM domain",
	"INSERT INTO metadata SELECT 4711, id, '/private/x', x'' FROM account",
	"INSERT INTO metadata SELECT id, 4711, '/private/x', x'' FROM mailbox",
	"INSERT INTO acl SELECT 4711, 0, 0, 1",
	"INSERT INTO acl SELECT id, 4711, 0, 1 FROM mailbox",
	"INSERT INTO acl SELECT id, account, 0, 1 FROM mailbox",
	"INSERT INTO acl SELECT id, 0, 0, 0 FROM mailbox",
	"INSERT INTO acl SELECT id, 0, 1, 2048 FROM mailbox",
	"INSERT INTO seen SELECT m.id, a.id, 1, 4"
	" FROM mailbox m JOIN account a ON a.id <> m.account"
	" WHERE m.name = 'INBOX' AND a.name = 'bob@example.org'",
	"INSERT INTO seen SELECT m.id, a.id, 2, 1"
	" FROM mailbox m JOIN account a ON a.id <> m.account"
	" WHERE m.name = 'INBOX' AND a.name = 'bob@example.org'",
	"INSERT INTO seen SELECT m.id, a.id, 1, 1"
	" FROM mailbox m JOIN account a ON a.id <> m.account"
	" WHERE m.name = 'INBOX' AND a.name = 'bob@example.org'"
	"; INSERT INTO seen SELECT mailbox, account, 2, 2 FROM seen",
	"INSERT INTO seen SELECT id, 4711, 1, 1 FROM mailbox"
	" WHERE name = 'INBOX'",
	"INSERT INTO seen SELECT id, account, 1, 1 FROM mailbox"
	" WHERE name = 'INBOX'",
	"INSERT INTO alias_target VALUES('a@example.org', 'b@example.org')"
};

TEST(test_check_finds_every_damage)
{
	struct fixture *f = fixture_new();
	struct buf why = BUF_INIT;

	CHECK_EQ(fixture_add_account(f, "bob@example.org"), 0);
	fixture_deliver(f, "ann@example.org", "a: b\r\n\r\n1\r\n");
	fixture_deliver(f, "ann@example.org", "a: b\r\n\r\n2\r\n");
	fixture_deliver(f, "ann@example.org", "a: b\r\n\r\n3\r\n");
	CHECK_EQ(store_check(f->store, &why), 0);
	CHECK_EQ(why.len, 0);
	for (size_t i = 0; i < COUNT(damages); i++) {
		CHECK_EQ(db_exec(&f->store->db, "SAVEPOINT damage"), 0);
		if (db_exec(&f->store->db, damages[i]) < 0)
			fail_msg("cannot do: %s", damages[i]);
		/* It runs in a transaction of its own. */
		if (store_check_rows(f->store, &why) < 1 || why.len == 0)
			fail_msg("not found: %s", damages[i]);
		buf_clear(&why);
		CHECK_EQ(db_exec(&f->store->db, "ROLLBACK TO damage;"
		    " RELEASE damage"), 0);
	}
	buf_release(&why);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_finds_every_damage)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
