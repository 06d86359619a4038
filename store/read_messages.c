/*
 * Digests and bytes of messages by body id.
 *
 * Between slices the job remembers which item it is at and how many of its
 * bytes are out; the body is looked up anew, because it may have been purged
 * while the client was slow.
 *
 * One slice is read ahead: while the session tells what is in one, a reader
 * fills the next, so that a long FETCH keeps a reader and the loop at work
 * side by side. Whose turn it is, is one word (enum ahead) that session and
 * reader change by compare-and-exchange; the results change hands with it.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "server/base/err.h"
#include "server/base/xalloc.h"
#include "store/mime/encoded.h"
#include "store/mime/mime.h"
#include "store/read_priv.h"

#define PIECES_MAX 512		/* of one slice */
#define SCAN_BYTES 4096
#define SCAN_MAX (64u * 1024)

/*
 * Where the decoding of an item's range stands: gone through once for its
 * length and NULs, then again for its bytes.
 */
struct decoding {
	struct decoder decoder;
	uint64_t source_done;	/* bytes of the range decoded so far */
	uint64_t out_done;	/* what they were decoded to */
	bool is_measured;
	uint64_t len;		/* of all that is decoded */
	bool has_nul;		/* within what is wanted of it */
	struct buf out;
};

enum ahead {
	AHEAD_NONE,
	AHEAD_RUNS,		/* it is queued, or on a reader */
	AHEAD_WAITED,		/* and the session waits for it */
	AHEAD_ORPHAN,		/* and the job is to be freed after it */
	AHEAD_DONE		/* its results are there */
};

/* The results of a slice that the session has not been given. */
struct next_slice {
	struct arena *arena;
	struct read_piece *pieces;
	size_t piece_count;
	bool more;
	int err;
};

struct messages_state {
	struct store *store;
	struct rjob_messages *m;
	size_t item;		/* the next to work on */
	uint64_t done;		/* bytes of it that have been given */
	struct decoding decoding;
	struct next_slice next;
	struct rjob ahead;
	atomic_int is;		/* enum ahead */
};

static void
free_all(struct rjob_messages *m)
{
	struct messages_state *st = m->j.state;

	free(m->items);
	buf_release(&st->decoding.out);
	job_arena_free(st->next.arena);
	free(st);
	job_arena_free(m->arena);
	free(m);
}

static void
messages_free(struct op *op)
{
	struct rjob_messages *m = CONTAINER_OF(op, struct rjob_messages,
	    j.op);
	struct messages_state *st = m->j.state;
	int is = AHEAD_RUNS;

	if (!atomic_compare_exchange_strong(&st->is, &is, AHEAD_ORPHAN))
		free_all(m);
}

struct rjob_messages *
rjob_messages_new(struct env *env, struct session *s, size_t item_count)
{
	struct rjob_messages *m = xcalloc(1, sizeof *m);
	struct messages_state *st = xcalloc(1, sizeof *st);

	rjob_init(&m->j, RJOB_MESSAGES, env, s, messages_free);
	m->items = xcalloc(item_count, sizeof *m->items);
	m->item_count = item_count;
	buf_init(&st->decoding.out);
	m->j.state = st;
	m->arena = job_arena_new();
	st->m = m;
	st->next.arena = job_arena_new();
	st->ahead = (struct rjob){ .kind = RJOB_MESSAGES_AHEAD, .state = st };
	return m;
}

/* Where a slice's results go. */
static struct arena *
work_arena(const struct rjob_messages *m)
{
	const struct messages_state *st = m->j.state;

	return st->next.arena;
}

/* ---- digests ---- */

/*
 * The stored digest is of another version or missing: it is made again from
 * the bytes. Costs a pass over the content, each time, until something that
 * may write stores it.
 */
static int
digest_anew(struct db *db, struct arena *a, const struct body *body,
    struct span *out)
{
	struct mime *mime = mime_new();
	struct buf encoded = BUF_INIT;
	char *chunk = xmalloc(SLICE_BYTES);
	int err = 0;

	for (uint64_t off = body->prefix.len; off < body->total;) {
		size_t n = (size_t)MIN(SLICE_BYTES, body->total - off);

		if ((err = body_read(db, body, off, chunk, n)) < 0)
			goto out;
		mime_add(mime, chunk, n);
		off += n;
	}
	digest_encode(&encoded, mime_finish(mime));
	*out = arena_span(a, buf_span(&encoded));
out:
	buf_release(&encoded);
	free(chunk);
	mime_free(mime);
	return err;
}

int
read_digest(struct db *db, struct arena *a, const struct body *body,
    struct span *bytes)
{
	int err = body_digest(db, a, body, bytes);

	if (err == 0 && bytes->len == 0)
		err = digest_anew(db, a, body, bytes);
	return err;
}

/* In one statement where it is as it should be. */
static int
keys_bytes(struct db *db, struct arena *a, uint64_t id, struct span *bytes)
{
	struct body body;
	sqlite3_stmt *s;
	int err;

	if ((err = db_query(db, &s, "SELECT d.bytes FROM body b JOIN digest d"
	    " ON d.content = b.content AND d.version = ? WHERE b.id = ?",
	    A_INT(DIGEST_VERSION), A_INT(id))) < 0)
		return err;
	if ((err = db_step(db, s)) < 0)
		return err;
	if (err > 0) {
		*bytes = arena_span(a, db_span(s, 0));
		db_done(s);
		return 0;
	}
	if ((err = body_get(db, a, id, &body)) < 0)
		return err;
	return read_digest(db, a, &body, bytes);
}

int
read_digest_keys(struct db *db, struct arena *a, uint64_t body,
    struct digest_keys *k)
{
	struct span bytes;
	int err;

	if ((err = keys_bytes(db, a, body, &bytes)) < 0)
		return err;
	return digest_decode_keys(bytes, a, k) < 0 ? ERR_NOTFOUND : 0;
}

/* ---- rows ---- */

int
read_saved(struct db *db, uint64_t mailbox, uint32_t uid,
    struct saved *saved)
{
	sqlite3_stmt *s;
	int err;

	*saved = (struct saved){ 0 };
	if ((err = db_query(db, &s, "SELECT thread, savedate FROM msg"
	    " WHERE mailbox = ?1 AND uid = ?2 UNION ALL"
	    " SELECT thread, savedate FROM expunged"
	    " WHERE mailbox = ?1 AND uid = ?2", A_INT(mailbox),
	    A_INT(uid))) < 0)
		return err;
	if ((err = db_step(db, s)) <= 0)
		return err < 0 ? err : ERR_NOTFOUND;
	saved->thread = db_u64(s, 0);
	saved->savedate_s = db_i64(s, 1);
	db_done(s);
	return 0;
}

/*
 * From now on the body is read as it is shown, and *bytes is the digest of
 * that.
 */
static int
show(struct db *db, struct arena *a, struct body *body, struct span *bytes)
{
	struct shown *shown = arena_alloc(a, sizeof *shown);
	struct buf encoded = BUF_INIT;
	struct digest d;
	int err;

	if ((err = read_digest(db, a, body, bytes)) < 0)
		return err;
	if (digest_decode(*bytes, a, &d) < 0 || d.size != body->length)
		return ERR_STORE;
	shown_plan(&d, a, shown);
	shown_change(&d, shown);
	digest_encode(&encoded, &d);
	*bytes = arena_span(a, buf_span(&encoded));
	buf_release(&encoded);
	body_show(body, shown);
	return 0;
}

/* ---- where the header ends ---- */

/* Header lines end with LF, CR before it or not, as in mime.h. */
struct blank_line {
	bool at_start;		/* of a line */
	bool after_cr;		/* of an otherwise empty line */
};

/* Bytes up to and including the blank line's LF; 0: it is not in here. */
static size_t
find_blank_line(struct blank_line *b, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\n' && b->at_start)
			return i + 1;
		if (p[i] == '\n') {
			b->at_start = true;
			b->after_cr = false;
		} else if (p[i] == '\r' && b->at_start && !b->after_cr) {
			b->after_cr = true;
		} else {
			b->at_start = b->after_cr = false;
		}
	}
	return 0;
}

/* From the digest, which has seen the whole message; empty: to be read. */
static int
header_len_learned(struct db *db, const struct body *body, struct span bytes,
    uint64_t *len)
{
	struct arena a = { 0 };
	struct digest d;
	int err = 0;

	if (bytes.len == 0)
		err = read_digest(db, &a, body, &bytes);
	if (err == 0 &&
	    (err = digest_decode(bytes, &a, &d)) == 0)
		*len = MIN(body->total, body->prefix.len +
		    d.root->header_len);
	arena_release(&a);
	return err == ERR_SYNTAX ? ERR_STORE : err;
}

/*
 * Bytes of prefix and root header. Looked for in the bytes, which is cheaper
 * than decoding a digest: most headers end within the first 4 KiB. Where it
 * goes on for longer than any honest one the digest is asked, so that a
 * header of megabytes is not walked through for each of its slices.
 */
static int
header_len(struct db *db, const struct body *body, uint64_t *len)
{
	struct blank_line b = { .at_start = true };
	uint64_t off = body->prefix.len;
	char chunk[SCAN_BYTES];
	int err;

	while (off < body->total) {
		size_t n = (size_t)MIN(sizeof chunk, body->total - off);
		size_t found;

		if (off - body->prefix.len >= SCAN_MAX)
			return header_len_learned(db, body, SPAN(""), len);
		if ((err = body_read(db, body, off, chunk, n)) < 0)
			return err;
		if ((found = find_blank_line(&b, chunk, n)) > 0) {
			*len = off + found;
			return 0;
		}
		off += n;
	}
	*len = off;
	return 0;
}

/* ---- the slice ---- */

/*
 * What the item's numbers mean for this body: [*off, *off + *len). digest: of
 * what is shown of it, if that is another.
 */
static int
item_range(struct db *db, const struct read_item *item,
    const struct body *body, struct span digest, uint64_t *off,
    uint64_t *len)
{
	uint64_t end = body->total;
	int err = 0;

	*off = MIN(item->off, body->total);
	if (item->len == READ_HEADER)
		err = body->shown ?
		    header_len_learned(db, body, digest, &end) :
		    header_len(db, body, &end);
	if (err < 0)
		return err;
	*len = end > *off ? end - *off : 0;
	if (item->len != READ_HEADER && item->len != READ_ALL)
		*len = MIN(*len, item->len);
	return 0;
}

static int
read_bytes(struct reader *r, struct rjob_messages *m,
    const struct body *body, struct read_piece *p, uint64_t off,
    uint64_t len)
{
	size_t n = (size_t)MIN(len, SLICE_BYTES);
	char *bytes;
	int err;

	if (n == 0)
		return 0;
	bytes = arena_alloc(work_arena(m), n);
	if ((err = body_read(r->db, body, off, bytes, n)) < 0)
		return err;
	p->bytes = span_make(bytes, n);
	return 0;
}

/* A message that has left its mailbox may be read still. */
static int
piece_saved(struct reader *r, const struct rjob_messages *m,
    const struct read_item *item, struct read_piece *p)
{
	struct saved saved;
	int err;

	if (!item->saved)
		return 0;
	err = read_saved(r->db, m->mailbox, item->tag, &saved);
	p->thread = saved.thread;
	p->savedate_s = saved.savedate_s;
	return err == ERR_NOTFOUND ? 0 : err;
}

/* ---- transfer encodings undone ---- */

/* Decodes the next bytes of the range; what they were is in d->out. */
static int
decode_some(struct reader *r, const struct body *body, struct decoding *d,
    uint64_t off, uint64_t len)
{
	size_t n = (size_t)MIN(SLICE_BYTES, len - d->source_done);
	char *source = xmalloc(n + 1);
	int err = body_read(r->db, body, off + d->source_done, source, n);

	buf_clear(&d->out);
	if (err == 0) {
		decoder_add(&d->decoder, &d->out, source, n);
		d->source_done += n;
		if (d->source_done == len)
			decoder_finish(&d->decoder, &d->out);
	}
	free(source);
	return err;
}

/* Where what is wanted ends; for the length alone all is gone through. */
static uint64_t
wanted_end(const struct read_decode *want)
{
	if (want->len == READ_NOTHING || want->len > UINT64_MAX - want->off)
		return UINT64_MAX;
	return want->off + want->len;
}

/* Leaves of d->out what is wanted of it. */
static struct span
cut_decoded(const struct decoding *d, const struct read_decode *want)
{
	struct span s = buf_span(&d->out);
	uint64_t end = wanted_end(want);

	if (d->out_done + s.len > end)
		s.len = end > d->out_done ? (size_t)(end - d->out_done) : 0;
	if (d->out_done < want->off)
		s = span_from(s, (size_t)MIN(want->off - d->out_done,
		    (uint64_t)s.len));
	return s;
}

/* Goes on with the first pass. Returns 1 while there is more to do. */
static int
measure(struct reader *r, const struct body *body, struct decoding *d,
    const struct read_item *item, uint64_t off, uint64_t len)
{
	bool is_identity = item->decode.encoding != ENC_QP &&
	    item->decode.encoding != ENC_BASE64;
	struct span s;
	int err;

	if (d->source_done == 0)
		decoder_init(&d->decoder, item->decode.encoding);
	if (is_identity && !(body->flavour & FLAVOUR_NUL)) {
		d->len = len;
	} else {
		while (d->source_done < len &&
		    d->out_done < wanted_end(&item->decode)) {
			if ((err = decode_some(r, body, d, off, len)) < 0)
				return err;
			s = cut_decoded(d, &item->decode);
			d->has_nul |= span_chr(s, '\0') != NULL;
			d->out_done += d->out.len;
			if (reader_is_due(r) && d->source_done < len)
				return 1;
		}
		d->len = d->out_done;
	}
	d->is_measured = true;
	d->source_done = d->out_done = 0;
	decoder_init(&d->decoder, item->decode.encoding);
	return 0;
}

/* Returns 1 if the slice ends before there is a piece. */
static int
read_decoded(struct reader *r, struct rjob_messages *m,
    const struct body *body, struct read_piece *p, uint64_t off,
    uint64_t len)
{
	struct messages_state *st = m->j.state;
	const struct read_item *item = &m->items[st->item];
	struct decoding *d = &st->decoding;
	struct span s = SPAN("");
	int err;

	if (!d->is_measured && (err = measure(r, body, d, item, off,
	    len)) != 0)
		return err;
	p->decoded_len = d->len;
	p->has_nul = d->has_nul;
	p->want_len = MIN(item->decode.len,
	    d->len - MIN(item->decode.off, d->len));
	while (st->done < p->want_len && s.len == 0) {
		if (d->source_done == len)
			return ERR_STORE;	/* it has changed */
		if ((err = decode_some(r, body, d, off, len)) < 0)
			return err;
		s = cut_decoded(d, &item->decode);
		d->out_done += d->out.len;
		if (s.len == 0 && reader_is_due(r))
			return 1;
	}
	p->bytes = arena_span(work_arena(m), s);
	p->last = st->done + s.len == p->want_len;
	return 0;
}

/* ---- the slice ---- */

/*
 * The next piece of the item at hand. ERR_NOTFOUND: the body is gone. 1: there
 * is none yet.
 */
static int
read_piece(struct reader *r, struct rjob_messages *m, struct read_piece *p)
{
	struct messages_state *st = m->j.state;
	const struct read_item *item = &m->items[st->item];
	struct span digest = SPAN("");
	struct body body;
	uint64_t off, len;
	int err;

	if (st->done == 0 && (err = piece_saved(r, m, item, p)) < 0)
		return err;
	p->last = item->len == READ_NOTHING && !item->digest && item->saved;
	if (p->last)
		return 0;	/* the row was all that is wanted */
	if ((err = body_get(r->db, work_arena(m), item->body, &body)) < 0)
		return err;
	if ((body.flavour & SHOWN_FLAVOURS) && !item->as_stored &&
	    (err = show(r->db, work_arena(m), &body, &digest)) < 0)
		return err;
	if ((err = item_range(r->db, item, &body, digest, &off, &len)) < 0)
		return err;
	p->prefix_len = (uint32_t)body.prefix.len;
	p->total = body.total;
	p->flavour = body.flavour;
	p->off = off + st->done;
	p->want_len = len;
	if (item->digest && st->done == 0) {
		if (digest.len == 0 && (err = read_digest(r->db, work_arena(m),
		    &body, &digest)) < 0)
			return err;
		p->digest = digest;
	}
	if (item->decode.is_on)
		return read_decoded(r, m, &body, p, off, len);
	if ((err = read_bytes(r, m, &body, p, p->off, len - st->done)) < 0)
		return err;
	p->last = st->done + p->bytes.len == len;
	return 0;
}

static void
next_item(struct messages_state *st)
{
	struct buf out = st->decoding.out;

	st->item++;
	st->done = 0;
	st->decoding = (struct decoding){ .out = out };
	buf_clear(&st->decoding.out);
}

/* Moves on to the next item, or further into this one. */
static void
piece_given(struct messages_state *st, const struct read_piece *p)
{
	st->done += p->bytes.len;
	if (p->last || p->gone)
		next_item(st);
	st->next.piece_count++;
}

static bool
wants_saved(const struct rjob_messages *m)
{
	return m->mailbox != 0;
}

static int
fill(struct reader *r, struct rjob_messages *m)
{
	struct messages_state *st = m->j.state;
	struct next_slice *next = &st->next;
	size_t max = MIN(PIECES_MAX, m->item_count - st->item);
	struct mailbox_row row;
	size_t bytes = 0;
	int err;

	if (wants_saved(m) && (err = mailbox_access(r->db, m->j.actor,
	    m->mailbox, RIGHT_READ, &row)) < 0)
		return err;
	arena_clear(next->arena);
	next->piece_count = 0;
	next->pieces = arena_array(next->arena, max, sizeof *next->pieces);
	while (next->piece_count < max && bytes < SLICE_BYTES &&
	    st->item < m->item_count &&
	    (next->piece_count == 0 || !reader_is_due(r))) {
		struct read_piece *p = &next->pieces[next->piece_count];

		*p = (struct read_piece){ .item = (uint32_t)st->item };
		if ((err = read_piece(r, m, p)) > 0)
			break;
		if (err == ERR_NOTFOUND)
			*p = (struct read_piece){
			    .item = (uint32_t)st->item, .gone = true };
		else if (err < 0)
			return err;
		bytes += p->bytes.len + p->digest.len;
		piece_given(st, p);
	}
	next->more = st->item < m->item_count;
	return 0;
}

int
slice_messages(struct reader *r, struct rjob *j)
{
	return fill(r, CONTAINER_OF(j, struct rjob_messages, j));
}

int
slice_messages_ahead(struct reader *r, struct rjob *j)
{
	struct messages_state *st = j->state;

	return fill(r, st->m);
}

/* ---- reading ahead ---- */

/*
 * The results become the session's, the next slice is queued if there is one,
 * and the job goes home.
 */
static void
give(struct rjob_messages *m, int err)
{
	struct messages_state *st = m->j.state;
	struct arena *old = m->arena;

	m->arena = st->next.arena;
	st->next.arena = old;
	m->pieces = st->next.pieces;
	m->piece_count = st->next.piece_count;
	m->j.more = err == 0 && st->next.more;
	atomic_store(&st->is, m->j.more ? AHEAD_RUNS : AHEAD_NONE);
	if (m->j.more)
		readers_put(st->store, &st->ahead);
	op_complete(&m->j.op, err);
}

bool
messages_ready(struct store *store, struct rjob *j)
{
	struct rjob_messages *m = CONTAINER_OF(j, struct rjob_messages, j);
	struct messages_state *st = j->state;
	int is = AHEAD_RUNS;

	st->store = store;
	if (atomic_compare_exchange_strong(&st->is, &is, AHEAD_WAITED))
		return true;
	if (is != AHEAD_DONE)
		return false;
	give(m, st->next.err);
	return true;
}

void
messages_home(struct rjob *j, int err)
{
	give(CONTAINER_OF(j, struct rjob_messages, j), err);
}

void
messages_ahead_home(struct rjob *j, int err)
{
	struct messages_state *st = j->state;
	int is = AHEAD_RUNS;

	st->next.err = err;
	if (atomic_compare_exchange_strong(&st->is, &is, AHEAD_DONE))
		return;
	if (is == AHEAD_ORPHAN)
		free_all(st->m);
	else
		give(st->m, err);
}
