#include "store/body.h"

#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/mime/digest.h"

#define CODEC_PLAIN 0	/* content.codec: the bytes as they are */

static int64_t
chunk_id(uint64_t content, uint64_t n)
{
	return (int64_t)(content << BODY_CHUNK_BITS | n);
}

/* ---- reading ---- */

int
body_get(struct db *db, struct arena *a, uint64_t id, struct body *body)
{
	sqlite3_stmt *s;
	int64_t codec;
	int err;

	if ((err = db_query(db, &s, "SELECT b.content, b.prefix, c.length,"
	    " c.flavour, c.codec FROM body b JOIN content c"
	    " ON c.id = b.content WHERE b.id = ?", A_INT(id))) < 0)
		return err;
	if ((err = db_step(db, s)) <= 0)
		return err < 0 ? err : ERR_NOTFOUND;
	*body = (struct body){
		.id = id,
		.content = db_u64(s, 0),
		.prefix = arena_span(a, db_span(s, 1)),
		.length = db_u64(s, 2),
		.flavour = (unsigned)db_u32(s, 3)
	};
	codec = db_i64(s, 4);
	db_done(s);
	body->total = body->prefix.len + body->length;
	return codec == CODEC_PLAIN ? 0 : ERR_STORE;
}

/* Points the connection's blob handle to a chunk. */
static int
open_chunk(struct db *db, int64_t id)
{
	int rc;

	if (db->blob) {
		rc = sqlite3_blob_reopen(db->blob, id);
		if (rc != SQLITE_OK)
			db_blob_close(db);
	} else {
		rc = sqlite3_blob_open(db->h, "main", "chunk", "data", id, 0,
		    &db->blob);
		if (rc != SQLITE_OK)
			db->blob = NULL;
	}
	if (rc == SQLITE_ERROR)	/* no such row */
		return ERR_NOTFOUND;
	return rc == SQLITE_OK ? 0 : db_fail(db, rc, "open chunk");
}

/* Reads from the content; off + len is within its length. */
static int
read_chunks(struct db *db, const struct body *body, uint64_t off, char *p,
    size_t len)
{
	int err, rc;

	while (len > 0) {
		uint64_t n = off / BODY_CHUNK;
		size_t at = (size_t)(off % BODY_CHUNK);
		size_t part = MIN(len, BODY_CHUNK - at);

		if ((err = open_chunk(db, chunk_id(body->content, n))) < 0)
			return err;
		if ((uint64_t)sqlite3_blob_bytes(db->blob) < at + part)
			return db_fail(db, SQLITE_CORRUPT, "short chunk");
		rc = sqlite3_blob_read(db->blob, p, (int)part, (int)at);
		if (rc != SQLITE_OK)
			return db_fail(db, rc, "read chunk");
		p += part;
		off += part;
		len -= part;
	}
	return 0;
}

void
body_show(struct body *body, const struct shown *shown)
{
	body->shown = shown;
	body->total = body->prefix.len + shown->size;
}

/* Reads from what is shown of the content; off + len is within its size. */
static int
read_shown(struct db *db, const struct body *body, uint64_t off, char *p,
    size_t len)
{
	char *source = xmalloc(len + 2 * SHOWN_LINE_LEN);
	int err = 0;

	while (len > 0 && err == 0) {
		const struct shown_piece *piece = shown_find(body->shown,
		    off);
		size_t part = (size_t)MIN(len,
		    piece->at + piece->len - off), n;
		uint64_t from;

		shown_source(piece, off, part, &from, &n);
		if (from > body->length || n > body->length - from)
			err = ERR_STORE;
		else
			err = read_chunks(db, body, from, source, n);
		if (err == 0)
			shown_make(piece, off, part, span_make(source, n), p);
		p += part;
		off += part;
		len -= part;
	}
	free(source);
	return err;
}

int
body_read(struct db *db, const struct body *body, uint64_t off, void *p,
    size_t len)
{
	char *out = p;

	if (off > body->total || len > body->total - off)
		return ERR_STORE;
	if (off < body->prefix.len && len > 0) {
		size_t part = MIN(len, body->prefix.len - (size_t)off);

		memcpy(out, body->prefix.p + off, part);
		out += part;
		off += part;
		len -= part;
	}
	off -= body->prefix.len;
	return body->shown ? read_shown(db, body, off, out, len) :
	    read_chunks(db, body, off, out, len);
}

int
body_digest(struct db *db, struct arena *a, const struct body *body,
    struct span *bytes)
{
	sqlite3_stmt *s;
	int err;

	*bytes = (struct span){ 0 };
	if ((err = db_query(db, &s, "SELECT bytes FROM digest"
	    " WHERE content = ? AND version = ?", A_INT(body->content),
	    A_INT(DIGEST_VERSION))) < 0)
		return err;
	if ((err = db_step(db, s)) <= 0)
		return err;
	*bytes = arena_span(a, db_span(s, 0));
	db_done(s);
	return 0;
}

/* ---- writing ---- */

static int
put_chunk(struct db *db, uint64_t content, uint64_t n, struct span bytes)
{
	return db_run(db, "INSERT INTO chunk(id, data) VALUES (?, ?)",
	    A_INT(chunk_id(content, n)), A_BLOB(bytes.p, bytes.len));
}

/* The content's row where all of its bytes come at once. */
static int
put_whole(struct db *db, const struct content_new *c, uint64_t refs)
{
	struct span left = c->bytes;
	int err;

	if ((err = db_run(db, "INSERT INTO content(id, refs, length, flavour,"
	    " hash) VALUES (?, ?, ?, ?, ?)", A_INT(c->id), A_INT(refs),
	    A_INT(c->length), A_INT(c->flavour),
	    A_BLOB(c->hash, BLAKE2B_LEN))) < 0)
		return err;
	for (uint64_t n = 0; left.len > 0 || n == 0; n++) {
		struct span chunk = span_head(left, BODY_CHUNK);

		if ((err = put_chunk(db, c->id, n, chunk)) < 0)
			return err;
		left = span_from(left, chunk.len);
	}
	return 0;
}

int
content_put(struct db *db, const struct content_new *c, uint64_t refs)
{
	int err;

	if (c->staged) {
		if ((err = db_run(db, "UPDATE content SET refs = ?,"
		    " freed = NULL, length = ?, flavour = ?, hash = ?"
		    " WHERE id = ? AND freed < 0", A_INT(refs),
		    A_INT(c->length), A_INT(c->flavour),
		    A_BLOB(c->hash, BLAKE2B_LEN), A_INT(c->id))) < 0)
			return err;
		if (sqlite3_changes(db->h) != 1)
			return ERR_NOTFOUND;
	} else if ((err = put_whole(db, c, refs)) < 0) {
		return err;
	}
	return db_run(db, "INSERT INTO digest(content, version, bytes)"
	    " VALUES (?, ?, ?)", A_INT(c->id), A_INT(DIGEST_VERSION),
	    A_BLOB(c->digest.p, c->digest.len));
}

/* Adds to a chunk that has at bytes so far. */
static int
extend_chunk(struct db *db, uint64_t content, uint64_t n, size_t at,
    struct span bytes)
{
	int err = db_run(db, "UPDATE chunk SET data = CAST(data || ? AS BLOB)"
	    " WHERE id = ? AND length(data) = ?", A_BLOB(bytes.p, bytes.len),
	    A_INT(chunk_id(content, n)), A_INT(at));

	if (err == 0 && sqlite3_changes(db->h) != 1)
		return ERR_STORE;
	return err;
}

int
content_stage(struct db *db, uint64_t content, unsigned n, size_t at,
    struct span bytes, int64_t now_s)
{
	int64_t freed;
	int err;

	if (n == 0 && at == 0) {
		/* The length is known at the end; -1 keeps clear of 0. */
		err = db_run(db, "INSERT INTO content(id, refs, freed,"
		    " length, hash) VALUES (?, 0, ?, 0, x'')", A_INT(content),
		    A_INT(now_s > 0 ? -now_s : -1));
	} else {
		err = db_get(db, &freed, "SELECT freed FROM content"
		    " WHERE id = ? AND freed < 0", A_INT(content));
	}
	if (err < 0)
		return err;
	return at == 0 ? put_chunk(db, content, n, bytes) :
	    extend_chunk(db, content, n, at, bytes);
}

int
content_unstage(struct db *db, uint64_t content)
{
	return db_run(db, "UPDATE content SET freed = 0"
	    " WHERE id = ? AND freed < 0", A_INT(content));
}

int
content_unstage_all(struct db *db)
{
	return db_run(db, "UPDATE content SET freed = 0 WHERE freed < 0");
}

int
body_put(struct db *db, uint64_t id, uint64_t content, uint64_t refs,
    struct span prefix)
{
	return db_run(db, "INSERT INTO body(id, content, refs, prefix)"
	    " VALUES (?, ?, ?, ?)", A_INT(id), A_INT(content), A_INT(refs),
	    A_BLOB(prefix.p, prefix.len));
}

int
body_ref(struct db *db, uint64_t id)
{
	return db_run(db, "UPDATE body SET refs = refs + 1, freed = NULL"
	    " WHERE id = ?", A_INT(id));
}

int
body_unref(struct db *db, uint64_t id, int64_t now_s)
{
	return db_run(db, "UPDATE body SET refs = refs - 1,"
	    " freed = CASE refs WHEN 1 THEN ? END WHERE id = ?",
	    A_INT(now_s), A_INT(id));
}

int
body_free(struct db *db, uint64_t id, int64_t now_s)
{
	int64_t content;
	int err;

	if ((err = db_get(db, &content, "SELECT content FROM body"
	    " WHERE id = ? AND refs = 0", A_INT(id))) < 0)
		return err;
	if ((err = db_run(db, "DELETE FROM body WHERE id = ?",
	    A_INT(id))) < 0)
		return err;
	return db_run(db, "UPDATE content SET refs = refs - 1,"
	    " freed = CASE refs WHEN 1 THEN ? END WHERE id = ?",
	    A_INT(now_s), A_INT(content));
}

int
content_free(struct db *db, uint64_t id, int64_t now_s)
{
	int64_t refs;
	int err;

	(void)now_s;
	if ((err = db_get(db, &refs, "SELECT refs FROM content"
	    " WHERE id = ? AND refs = 0", A_INT(id))) < 0 ||
	    (err = db_run(db, "DELETE FROM chunk WHERE id BETWEEN ? AND ?",
	    A_INT(chunk_id(id, 0)), A_INT(chunk_id(id + 1, 0) - 1))) < 0 ||
	    (err = db_run(db, "DELETE FROM digest WHERE content = ?",
	    A_INT(id))) < 0)
		return err;
	return db_run(db, "DELETE FROM content WHERE id = ? AND refs = 0",
	    A_INT(id));
}
