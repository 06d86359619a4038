/*
 * Bodies: what one recipient got, as bytes. The only place that knows how
 * they are stored.
 *
 * body = prefix (header lines added for this copy) + content (the bytes,
 * shared). Offsets count from the prefix's first byte. Contents over
 * BODY_CHUNK bytes are several chunk rows; a read touches only those it needs.
 * References: content.refs counts bodies, body.refs counts rows of msg and
 * expunged. What falls to 0 is dated, and purge.c takes it later.
 */
#ifndef STORE_BODY_H
#define STORE_BODY_H

#include "server/base/arena.h"
#include "server/base/hash.h"
#include "store/db_priv.h"
#include "store/mime/shown.h"

#define BODY_CHUNK (256u * 1024)	/* bytes of a chunk row but the last */
#define BODY_CHUNK_BITS 12		/* chunk.id = content << 12 | n */

struct body {
	uint64_t id, content;
	struct span prefix;
	uint64_t length;	/* of the content */
	uint64_t total;		/* prefix and content, or what is shown of it */
	/* How it is shown, if it is not read as it is stored (body_show). */
	const struct shown *shown;
	unsigned flavour;	/* enum mime_flavour */
};

/*
 * Looks a body up; prefix is copied into the arena. ERR_NOTFOUND: gone.
 * Thread: db's, like all of these; inside db_begin_read .. db_end_read.
 */
int body_get(struct db *db, struct arena *a, uint64_t id, struct body *body);

/*
 * From now on body_read gives what is shown of the message (shown.h) and
 * total counts that. shown is made from body's digest and outlives it.
 */
void body_show(struct body *body, const struct shown *shown);

/*
 * Reads len bytes from off on; off + len must not exceed body->total.
 * ERR_NOTFOUND: purged meanwhile. ERR_STORE: not what it should be.
 */
int body_read(struct db *db, const struct body *body, uint64_t off, void *p,
    size_t len);

/*
 * The stored digest (digest_decode reads it), copied into the arena. Empty
 * when there is none or it is of another version.
 */
int body_digest(struct db *db, struct arena *a, const struct body *body,
    struct span *bytes);

/* ---- writing; the writer's thread, in its transaction ---- */

struct content_new {
	uint64_t id;			/* fresh, from meta; or the staged one */
	bool staged;			/* its chunks are there already */
	struct span bytes;		/* unless staged */
	uint64_t length;
	unsigned flavour;
	const unsigned char *hash;	/* BLAKE2B_LEN */
	struct span digest;		/* encoded */
};

/* A content that refs bodies will name. ERR_NOTFOUND: staged one is gone. */
int content_put(struct db *db, const struct content_new *c, uint64_t refs);

/*
 * One more chunk of a content being received, or more of chunk n, which has
 * at bytes so far. n == 0 and at == 0 makes the content's row.
 */
int content_stage(struct db *db, uint64_t content, unsigned n, size_t at,
    struct span bytes, int64_t now_s);

/* Gives back what was staged: purge takes it. */
int content_unstage(struct db *db, uint64_t content);

/* At start: gives back whatever a former run had staged. */
int content_unstage_all(struct db *db);

int body_put(struct db *db, uint64_t id, uint64_t content, uint64_t refs,
    struct span prefix);

/* One reference more, or less (dated when it was the last). */
int body_ref(struct db *db, uint64_t id);
int body_unref(struct db *db, uint64_t id, int64_t now_s);

/*
 * Purge: takes a body or a content with no references away for good.
 * ERR_NOTFOUND: there is none with this id.
 */
int body_free(struct db *db, uint64_t id, int64_t now_s);
int content_free(struct db *db, uint64_t id, int64_t now_s);

#endif
