/*
 * The consistency checker: every rule that the rows keep among each other,
 * as a query that finds those who break it.
 *
 * A store that was killed at any moment must pass; tests run this at every
 * close. It reads everything, contents included.
 */
#include <inttypes.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/body.h"
#include "store/store_priv.h"

/* One breach is reported so often at most. */
#define BREACHES_MAX 20

/* Each gives one row a breach; its columns are told. */
static const struct {
	const char *rule;
	const char *sql;
} rules[] = {
	{ "the counters of a mailbox are those of its messages",
	  "SELECT m.id, m.messages, s.n, m.unseen, s.unseen, m.deleted,"
	  " s.deleted, m.bytes, s.bytes, m.deleted_bytes, s.deleted_bytes"
	  " FROM mailbox m LEFT JOIN (SELECT mailbox, count(*) n,"
	  " sum(flags & 1 = 0) unseen, sum(flags & 8 <> 0) deleted,"
	  " sum(size) bytes, sum(iif(flags & 8, size, 0)) deleted_bytes"
	  " FROM msg GROUP BY mailbox) s ON s.mailbox = m.id"
	  " WHERE m.name IS NOT NULL AND (m.messages <> ifnull(s.n, 0)"
	  " OR m.unseen <> ifnull(s.unseen, 0)"
	  " OR m.deleted <> ifnull(s.deleted, 0)"
	  " OR m.bytes <> ifnull(s.bytes, 0)"
	  " OR m.deleted_bytes <> ifnull(s.deleted_bytes, 0))" },
	{ "uidnext and modseq of a mailbox are above its messages'",
	  "SELECT m.id, max(g.uid), max(g.modseq) FROM mailbox m JOIN msg g"
	  " ON g.mailbox = m.id GROUP BY m.id"
	  " HAVING max(g.uid) >= m.uidnext OR max(g.modseq) > m.modseq" },
	{ "an account's totals are those of its mailboxes",
	  "SELECT a.id, a.bytes, s.bytes, a.messages, s.n FROM account a"
	  " LEFT JOIN (SELECT account, sum(bytes) bytes, sum(messages) n"
	  " FROM mailbox WHERE name IS NOT NULL GROUP BY account) s"
	  " ON s.account = a.id WHERE a.state < 2"
	  " AND (a.bytes <> ifnull(s.bytes, 0)"
	  " OR a.messages <> ifnull(s.n, 0))" },
	{ "messages are in a mailbox and have a body",
	  "SELECT g.mailbox, g.uid, g.body FROM (SELECT mailbox, uid, body"
	  " FROM msg UNION ALL SELECT mailbox, uid, body FROM expunged) g"
	  " WHERE NOT EXISTS (SELECT 1 FROM mailbox m WHERE m.id = g.mailbox)"
	  " OR NOT EXISTS (SELECT 1 FROM body b WHERE b.id = g.body)" },
	{ "a message is there or expunged, not both",
	  "SELECT mailbox, uid FROM msg INTERSECT"
	  " SELECT mailbox, uid FROM expunged" },
	{ "a body counts its messages, and is dated when there are none",
	  "SELECT b.id, b.refs, r.n, b.freed FROM body b LEFT JOIN"
	  " (SELECT body, count(*) n FROM (SELECT body FROM msg"
	  " UNION ALL SELECT body FROM expunged"
	  " UNION ALL SELECT body FROM queue) GROUP BY body) r"
	  " ON r.body = b.id WHERE b.refs <> ifnull(r.n, 0)"
	  " OR (b.refs = 0) <> (b.freed IS NOT NULL)" },
	{ "a content counts its bodies, and is dated when there are none",
	  "SELECT c.id, c.refs, r.n, c.freed FROM content c LEFT JOIN"
	  " (SELECT content, count(*) n FROM body GROUP BY content) r"
	  " ON r.content = c.id WHERE c.refs <> ifnull(r.n, 0)"
	  " OR (c.refs = 0) <> (c.freed IS NOT NULL)" },
	{ "a body has a content, and its messages have its size",
	  "SELECT b.id, g.mailbox, g.uid, g.size FROM body b"
	  " LEFT JOIN content c ON c.id = b.content"
	  " LEFT JOIN msg g ON g.body = b.id WHERE c.id IS NULL"
	  /* flavour 34: SHOWN_FLAVOURS, see check_shown */
	  " OR (c.flavour & 34 = 0"
	  " AND g.size <> c.length + length(b.prefix))" },
	{ "a content has all of its chunks and its digest",
	  "SELECT c.id, c.length, s.bytes, s.n FROM content c LEFT JOIN"
	  " (SELECT id >> 12 content, sum(length(data)) bytes, count(*) n,"
	  " max(id & 4095) last FROM chunk GROUP BY id >> 12) s"
	  " ON s.content = c.id WHERE c.refs > 0 AND (s.n IS NULL"
	  " OR s.bytes <> c.length OR s.n <> s.last + 1 OR NOT EXISTS"
	  " (SELECT 1 FROM digest d WHERE d.content = c.id))" },
	{ "a chunk but the last has 256 KiB",
	  "SELECT id >> 12, id & 4095 FROM chunk a"
	  " WHERE length(data) <> 262144 AND EXISTS"
	  " (SELECT 1 FROM chunk b WHERE b.id = a.id + 1"
	  " AND b.id >> 12 = a.id >> 12)" },
	{ "chunks and digests belong to a content",
	  "SELECT 'chunk', id FROM chunk WHERE NOT EXISTS"
	  " (SELECT 1 FROM content c WHERE c.id = chunk.id >> 12)"
	  " UNION ALL SELECT 'digest', content FROM digest WHERE NOT EXISTS"
	  " (SELECT 1 FROM content c WHERE c.id = digest.content)" },
	{ "what has vanished is not there",
	  "SELECT v.mailbox, v.uid_lo, v.uid_hi, g.uid FROM vanished v"
	  " JOIN msg g ON g.mailbox = v.mailbox"
	  " AND g.uid BETWEEN v.uid_lo AND v.uid_hi" },
	{ "what has vanished is no news of the future",
	  "SELECT v.mailbox, v.modseq FROM vanished v JOIN mailbox m"
	  " ON m.id = v.mailbox WHERE v.modseq > m.modseq"
	  " OR v.uid_lo > v.uid_hi OR v.uid_hi >= m.uidnext" },
	{ "what has vanished is complete above some past modseq",
	  "SELECT id, vanished_floor, modseq FROM mailbox"
	  " WHERE vanished_floor > modseq" },
	{ "keyword bits have a name",
	  "SELECT g.mailbox, g.uid, g.flags FROM msg g LEFT JOIN"
	  " (SELECT mailbox, sum(1 << bit) known FROM keyword"
	  " GROUP BY mailbox) k ON k.mailbox = g.mailbox"
	  " WHERE g.flags & ~255 & ~ifnull(k.known, 0) <> 0" },
	{ "metadata belongs to a mailbox and to an account",
	  "SELECT d.mailbox, d.account, d.entry FROM metadata d"
	  " WHERE (d.mailbox <> 0 AND NOT EXISTS (SELECT 1 FROM mailbox m"
	  " WHERE m.id = d.mailbox)) OR (d.account <> 0 AND NOT EXISTS"
	  " (SELECT 1 FROM account a WHERE a.id = d.account))" },
	{ "rights are given to others, on a mailbox that is there",
	  "SELECT l.mailbox, l.account, l.rights FROM acl l WHERE l.rights"
	  " NOT BETWEEN 1 AND 2047 OR NOT EXISTS (SELECT 1 FROM mailbox m"
	  " WHERE m.id = l.mailbox AND m.account <> l.account)"
	  " OR (l.account <> 0 AND NOT EXISTS (SELECT 1 FROM account a"
	  " WHERE a.id = l.account AND a.state < 2))" },
	{ "what others have read is theirs, in a mailbox that is there",
	  "SELECT s.mailbox, s.account, s.uid_lo, s.uid_hi FROM seen s"
	  " WHERE s.uid_lo < 1 OR s.uid_hi < s.uid_lo OR NOT EXISTS"
	  " (SELECT 1 FROM mailbox m WHERE m.id = s.mailbox"
	  " AND m.account <> s.account AND s.uid_hi < m.uidnext)"
	  " OR NOT EXISTS (SELECT 1 FROM account a WHERE a.id = s.account)" },
	{ "ranges of what others have read do not touch",
	  "SELECT s.mailbox, s.account, s.uid_lo, n.uid_lo FROM seen s"
	  " JOIN seen n ON n.mailbox = s.mailbox AND n.account = s.account"
	  " AND n.uid_lo > s.uid_lo AND n.uid_lo <= s.uid_hi + 1" },
	{ "a queued message has a body, and somebody waits for it",
	  "SELECT q.id, q.body FROM queue q WHERE NOT EXISTS"
	  " (SELECT 1 FROM body b WHERE b.id = q.body) OR NOT EXISTS"
	  " (SELECT 1 FROM queue_rcpt r WHERE r.queue = q.id"
	  " AND r.state < 2)" },
	{ "recipients and attempts belong to a queued message",
	  "SELECT 'rcpt', queue, n FROM queue_rcpt r WHERE NOT EXISTS"
	  " (SELECT 1 FROM queue q WHERE q.id = r.queue) UNION ALL"
	  " SELECT 'attempt', queue, n FROM queue_attempt a WHERE NOT EXISTS"
	  " (SELECT 1 FROM queue_rcpt r WHERE r.queue = a.queue"
	  " AND r.n = a.n)" },
	{ "a recipient is waiting exactly when it is due some time",
	  "SELECT queue, n, state, next_at FROM queue_rcpt"
	  " WHERE state = 0 AND next_at IS NULL"
	  " OR state > 1 AND next_at IS NOT NULL" },
	{ "a destination is there while somebody waits, and wakes for him",
	  "SELECT ifnull(d.name, r.destination), d.next_at, r.first"
	  " FROM destination d FULL JOIN (SELECT destination,"
	  " min(next_at) first FROM queue_rcpt WHERE state = 0"
	  " GROUP BY destination) r ON r.destination = d.name"
	  " WHERE d.name IS NULL OR r.destination IS NULL"
	  " OR (d.failures = 0 AND d.next_at > r.first)" },
	{ "ids are below the counter",
	  "SELECT t.what, t.id FROM (SELECT 'mailbox' what, max(id) id"
	  " FROM mailbox UNION ALL SELECT 'queue', max(id) FROM queue"
	  " UNION ALL SELECT 'body', max(id) FROM body"
	  " UNION ALL SELECT 'content', max(id) FROM content"
	  " UNION ALL SELECT 'account', max(id) FROM account"
	  " UNION ALL SELECT 'domain', max(id) FROM domain"
	  " UNION ALL SELECT 'credential', max(id) FROM credential"
	  " UNION ALL SELECT 'thread', max(thread) FROM msg) t"
	  " WHERE t.id >= (SELECT value FROM meta WHERE name = 'next_id')" },
	{ "modseqs and UIDVALIDITYs are not above the counter",
	  "SELECT id, modseq, uidvalidity FROM mailbox WHERE modseq >"
	  " (SELECT value FROM meta WHERE name = 'modseq')"
	  " OR uidvalidity >"
	  " (SELECT value FROM meta WHERE name = 'uidvalidity')" },
	{ "UIDVALIDITYs are given once",
	  "SELECT uidvalidity, count(*) FROM mailbox GROUP BY uidvalidity"
	  " HAVING count(*) > 1" },
	{ "every account has an INBOX and its address",
	  "SELECT a.id, a.name FROM account a WHERE a.state < 2 AND"
	  " (NOT EXISTS (SELECT 1 FROM mailbox m WHERE m.account = a.id"
	  " AND m.name = 'INBOX' AND NOT m.noselect) OR NOT EXISTS"
	  " (SELECT 1 FROM address d WHERE d.address = a.name"
	  " AND d.account = a.id))" },
	{ "a mailbox has an account, a name or a date, and parents",
	  "SELECT m.id, m.account, m.name, m.dropped FROM mailbox m WHERE"
	  " NOT EXISTS (SELECT 1 FROM account a WHERE a.id = m.account)"
	  " OR (m.name IS NULL) <> (m.dropped IS NOT NULL)"
	  " OR (instr(m.name, '/') AND NOT EXISTS (SELECT 1 FROM mailbox p"
	  " WHERE p.account = m.account AND p.name = rtrim(rtrim(m.name,"
	  " replace(m.name, '/', '')), '/')))" },
	{ "a noselect mailbox is empty and has children",
	  "SELECT m.id, m.name FROM mailbox m WHERE m.noselect"
	  " AND (m.messages > 0 OR NOT EXISTS (SELECT 1 FROM mailbox c"
	  " WHERE c.account = m.account AND c.name > m.name || '/'"
	  " AND c.name < m.name || '0'))" },
	{ "addresses lead somewhere",
	  "SELECT d.address, d.kind FROM address d WHERE NOT EXISTS"
	  " (SELECT 1 FROM domain o WHERE o.id = d.domain)"
	  " OR (d.kind = 0 AND NOT EXISTS (SELECT 1 FROM account a"
	  " WHERE a.id = d.account AND a.state < 2))"
	  " OR (d.kind = 1 AND NOT EXISTS (SELECT 1 FROM alias_target t"
	  " WHERE t.address = d.address))" },
	{ "alias targets belong to an alias",
	  "SELECT t.address, t.target FROM alias_target t WHERE NOT EXISTS"
	  " (SELECT 1 FROM address d WHERE d.address = t.address"
	  " AND d.kind = 1)" },
	{ "the database file is sound",
	  "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'"
	}
};

/* "rule: col col col" */
static void
tell(struct buf *why, const char *rule, sqlite3_stmt *s)
{
	buf_printf(why, "broken: %s:", rule);
	for (int i = 0; i < sqlite3_column_count(s); i++) {
		const char *text =
		    (const char *)sqlite3_column_text(s, i);

		buf_printf(why, " %s", text ? text : "-");
	}
	buf_addc(why, '\n');
}

static int
check_rule(struct db *db, size_t i, struct buf *why)
{
	sqlite3_stmt *s;
	int err, n = 0;

	if ((err = db_query(db, &s, rules[i].sql)) < 0)
		return err;
	while (n < BREACHES_MAX && (err = db_step(db, s)) > 0) {
		tell(why, rules[i].rule, s);
		n++;
	}
	if (err > 0)
		db_done(s);
	return err < 0 ? err : n;
}

/* Whether a content's bytes are those that were hashed. */
static int
check_hash(struct db *db, uint64_t content, const unsigned char *want,
    struct buf *why)
{
	unsigned char have[BLAKE2B_LEN];
	struct blake2b h;
	sqlite3_stmt *s;
	int err;

	blake2b_init(&h);
	if ((err = db_query(db, &s, "SELECT data FROM chunk"
	    " WHERE id BETWEEN ? AND ? ORDER BY id",
	    A_INT(content << BODY_CHUNK_BITS),
	    A_INT(((content + 1) << BODY_CHUNK_BITS) - 1))) < 0)
		return err;
	while ((err = db_step(db, s)) > 0) {
		struct span data = db_span(s, 0);

		blake2b_add(&h, data.p, data.len);
	}
	blake2b_final(&h, have);
	if (err < 0 || memcmp(have, want, sizeof have) == 0)
		return err;
	buf_printf(why, "broken: a content is what was hashed: %" PRIu64 "\n",
	    content);
	return 1;
}

static int
check_hashes(struct db *db, struct buf *why)
{
	sqlite3_stmt *s;
	int err, n = 0, one;

	if ((err = db_query(db, &s, "SELECT id, hash FROM content"
	    " WHERE refs > 0")) < 0)
		return err;
	while ((err = db_step(db, s)) > 0) {
		struct span hash = db_span(s, 1);
		static const unsigned char none[BLAKE2B_LEN];

		one = check_hash(db, db_u64(s, 0), hash.len == BLAKE2B_LEN ?
		    (const unsigned char *)hash.p : none, why);
		if (one < 0) {
			db_done(s);
			return one;
		}
		n += one;
	}
	return err < 0 ? err : n;
}

/* Whether binary messages have the size that they are shown with. */
_Static_assert(SHOWN_FLAVOURS == 34, "the queries say it");
static int
check_shown(struct db *db, struct buf *why)
{
	sqlite3_stmt *s;
	int err, n = 0;

	if ((err = db_query(db, &s, "SELECT g.mailbox, g.uid,"
	    " g.size - length(b.prefix), d.bytes FROM msg g"
	    " JOIN body b ON b.id = g.body JOIN content c ON c.id = b.content"
	    " JOIN digest d ON d.content = c.id WHERE c.flavour & 34")) < 0)
		return err;
	while ((err = db_step(db, s)) > 0) {
		struct arena a = { 0 };
		struct digest d;

		if (digest_decode(db_span(s, 3), &a, &d) < 0 ||
		    shown_size(&d) != db_u64(s, 2)) {
			buf_printf(why, "broken: a message has the size it "
			    "is shown with: %" PRIu64 " %" PRIu64 "\n",
			    db_u64(s, 0), db_u64(s, 1));
			n++;
		}
		arena_release(&a);
	}
	return err < 0 ? err : n;
}

int
store_check_rows(struct store *store, struct buf *why)
{
	int n = 0, one;

	for (size_t i = 0; i < COUNT(rules); i++) {
		if ((one = check_rule(&store->db, i, why)) < 0)
			return ERR_STORE;
		n += one;
	}
	if ((one = check_shown(&store->db, why)) < 0)
		return ERR_STORE;
	n += one;
	if ((one = check_hashes(&store->db, why)) < 0)
		return ERR_STORE;
	return n + one;
}

int
store_check(struct store *store, struct buf *why)
{
	int n;

	if (db_begin_read(&store->db) < 0)
		return ERR_STORE;
	n = store_check_rows(store, why);
	db_end_read(&store->db);
	return n;
}
